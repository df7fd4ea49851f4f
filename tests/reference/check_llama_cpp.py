"""Does llama.cpp itself say of a GGUF file what we say of it?

Usage: python check_llama_cpp.py PROGRAM FOLDER...      (PROGRAM: a built `tuning-fork`; files: FOLDER/*/model.gguf)

Needs numpy, safetensors and llama-cpp-py-sync (llama.cpp as a wheel); where that is built for a newer C library, LLAMA_LIBRARY names
another build of the same age: the extension of the package xllamacpp has all of llama.cpp's functions. Files with weights in f32 are compared
closely (`make_gguf_families.py --f32` makes them); of others llama.cpp rounds what it multiplies, so that only the
distance is told. For each file: logits of the ids in expected.safetensors, or of random ones, all at once and token
by token, and greedy ids: llama.cpp's against ours, and against transformers' where expected.safetensors has them.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from llama_cpp_py_sync._cffi_bindings import get_ffi, get_lib
from safetensors.numpy import load_file

FFI = get_ffi()
LIB = FFI.dlopen(os.environ["LLAMA_LIBRARY"]) if "LLAMA_LIBRARY" in os.environ else get_lib()
WORDS = []
F32, NEW = 0, 8
# llama.cpp reads GELU from a table of 16 bits.
TOLERANCE = 1e-3


@FFI.callback("void(enum ggml_log_level, const char *, void *)")
def hear(_level, text, _data):
    WORDS.append(FFI.string(text).decode(errors="replace"))


class Refused(Exception):
    """One of the two does not run a file."""


class Loaded:
    """A model in llama.cpp, with keys and values in f32."""

    def __init__(self, path):
        settings = LIB.llama_model_default_params()
        settings.n_gpu_layers = 0
        self.model = LIB.llama_model_load_from_file(str(path).encode(), settings)
        if self.model == FFI.NULL:
            errors = [line.strip() for line in WORDS if "error" in line.lower()]
            raise Refused("llama.cpp: " + ("; ".join(errors[:3]) or "it was not loaded"))
        self.width = LIB.llama_vocab_n_tokens(LIB.llama_model_get_vocab(self.model))

    def context(self):
        settings = LIB.llama_context_default_params()
        settings.n_ctx = settings.n_batch = settings.n_ubatch = 256
        settings.n_threads = settings.n_threads_batch = 1
        settings.type_k = settings.type_v = F32
        settings.flash_attn_type = 0
        context = LIB.llama_init_from_model(self.model, settings)
        if context == FFI.NULL:
            raise RuntimeError("no context")
        return context

    def run(self, context, ids, start):
        """Logits of ids that follow `start` others: (len(ids), vocabulary)."""
        batch = LIB.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for at, token in enumerate(ids):
            batch.token[at], batch.pos[at], batch.n_seq_id[at], batch.logits[at] = token, start + at, 1, 1
            batch.seq_id[at][0] = 0
        code = LIB.llama_decode(context, batch)
        if code:
            raise RuntimeError(f"llama_decode gave {code}")
        size = len(ids) * self.width
        logits = np.frombuffer(FFI.buffer(LIB.llama_get_logits(context), 4 * size), dtype=np.float32).copy()
        LIB.llama_batch_free(batch)
        return logits.reshape(len(ids), self.width)

    def at_once(self, ids):
        context = self.context()
        logits = self.run(context, ids, 0)
        LIB.llama_free(context)
        return logits

    def by_token(self, ids):
        context = self.context()
        logits = np.concatenate([self.run(context, [token], at) for at, token in enumerate(ids)])
        LIB.llama_free(context)
        return logits

    def greedy(self, ids):
        context = self.context()
        ids, last = list(ids), self.run(context, ids, 0)[-1]
        for _ in range(NEW):
            ids.append(int(last.argmax()))
            last = self.run(context, ids[-1:], len(ids) - 1)[-1]
        LIB.llama_free(context)
        return ids


def ours(program, path, rows):
    with tempfile.TemporaryDirectory() as folder:
        table, out = Path(folder) / "rows.jsonl", Path(folder) / "out.safetensors"
        table.write_text("".join(json.dumps({"ids": ids}) + "\n" for ids in rows))
        command = [program, "logits", "--model", path, "--input", table, "--output", out]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            raise Refused("us: " + done.stderr.strip()[-400:])
        tensors = load_file(out)
        return [tensors[f"logits.{row}"] for row in range(len(rows))]


def check(program, path):
    WORDS.clear()
    expected = path.parent / "expected.safetensors"
    expected = load_file(expected) if expected.is_file() else {}
    model = Loaded(path)
    if expected:
        ids = expected["input_ids"][0].tolist()
    else:
        ids = np.random.default_rng(7).integers(3, model.width, 14).tolist()
    theirs, stepped, greedy = model.at_once(ids), model.by_token(ids), model.greedy(ids[:6])
    LIB.llama_model_free(model.model)
    found, continued = ours(program, path, [ids, greedy])
    largest = max(1.0, float(np.abs(found).max()))
    off = {"llama.cpp": np.abs(theirs - found).max(), "by token": np.abs(stepped - found).max()}
    if expected:
        right = expected["logits"][0]
        off |= {"llama.cpp to transformers": np.abs(theirs - right).max(), "ours to transformers": np.abs(found - right).max()}
    own = greedy[:6] + continued[5:-1].argmax(axis=1).tolist()
    off = {name: float(value) / largest for name, value in off.items()}
    return off, own == greedy


def apart(program, path):
    """The same in a process of its own, which llama.cpp may end."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=tell, args=(program, path, theirs))
    process.start()
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        told = Refused("llama.cpp: it ended the process")
    process.join()
    if isinstance(told, Refused):
        raise told
    return told


def tell(program, path, to):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        to.send(check(program, path))
    except Refused as error:
        to.send(error)


def main():
    LIB.llama_log_set(hear, FFI.NULL)
    LIB.llama_backend_init()
    program, wrong, count = sys.argv[1], [], 0
    for folder in sys.argv[2:]:
        for path in sorted(Path(folder).glob("*/model.gguf")):
            count += 1
            name = path.parent.name
            try:
                off, same = apart(program, path)
            except Refused as error:
                print(f"{name}: refused by {error}", flush=True)
                continue
            is_right = same and all(value <= TOLERANCE for value in off.values())
            wrong += [] if is_right else [name]
            told = ", ".join(f"{key} {value:.1e}" for key, value in off.items())
            print(f"{name}: {told}, greedy {'the same' if same else 'DIFFERS'}{'' if is_right else '   <---'}", flush=True)
    print(f"{len(wrong)} of {count} are not as llama.cpp: {wrong}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
