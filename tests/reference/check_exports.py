"""Whether transformers, PEFT and llama.cpp take what `tuning-fork export` and a run write.

    python check_exports.py TUNING_FORK MODEL.gguf RUN_FOLDER SCRATCH_FOLDER

TUNING_FORK: the program. MODEL.gguf: the model that the run was trained on. Too heavy for every run
of the tests; needs torch, transformers, peft, gguf and llama-cpp-python. Prints what was compared and
the largest difference, and fails where one is too large.
"""

import json
import subprocess
import sys
from pathlib import Path

import gguf
import torch
from llama_cpp import Llama
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

program, model_file, run, scratch = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
scratch.mkdir(parents=True, exist_ok=True)
prompt = "The reproducibility of a study depends on"
prompts = [prompt, "Peer review is", "A citation count says"]


def ours(*args):
    subprocess.run([program, *map(str, args)], check=True)


def export(adapter, form, out):
    if not out.exists():
        ours("export", "--model", model_file, "--adapter", adapter, "--as", form, "--out", out)
    return out


def scores(*args):
    """Per-token log-probabilities of the prompts, by our program in f32."""
    rows, found = scratch / "rows.jsonl", scratch / "scores.jsonl"
    rows.write_text("".join(json.dumps({"text": text}) + "\n" for text in prompts))
    ours("score", *args, "--weights", "f32", "--input", rows, "--output", found)
    return [json.loads(line) for line in found.read_text().splitlines()]


def torch_scores(model, ids):
    ids = torch.tensor([ids])
    with torch.no_grad():
        logprobs = torch.log_softmax(model(ids).logits[0].float(), -1)
    return logprobs[:-1].gather(1, ids[0, 1:, None])[:, 0].tolist()


def in_f32(quantised, out):
    """The same GGUF file with every tensor in f32."""
    reader = gguf.GGUFReader(quantised)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(out, architecture)
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in ("general.architecture", "general.file_type"):
            kind, *inner = field.types
            writer.add_key_value(field.name, field.contents(), kind, sub_type=inner[-1] if inner else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def compare(name, rows, model):
    worst = max(
        abs(mine - theirs)
        for row in rows
        for mine, theirs in zip(row["logprobs"][1:], torch_scores(model, row["ids"]))
    )
    print(f"{name}: largest difference of a log-probability {worst:.6f}")
    assert worst < 2e-3, name


with_adapter = scores("--model", model_file, "--adapter", run)

merged = export(run, "merged", scratch / "merged")
model = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained(merged)
for row, text in zip(with_adapter, prompts):
    assert tokenizer(text)["input_ids"] == row["ids"], "transformers reads our tokenizer otherwise"
compare("transformers, merged model", with_adapter, model)
compare("our program, merged model", scores("--model", merged), model)

# The base as a folder: the merge of an adapter that changes nothing.
nothing = scratch / "nothing"
nothing.mkdir(exist_ok=True)
from safetensors.torch import load_file, save_file  # noqa: E402

weights = load_file(run / "adapter_model.safetensors")
save_file({name: torch.zeros_like(value) for name, value in weights.items()}, nothing / "adapter_model.safetensors")
(nothing / "adapter_config.json").write_text((run / "adapter_config.json").read_text())
base = export(nothing, "merged", scratch / "base")
peft = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), run)
compare("PEFT, our adapter over the base", with_adapter, peft)

# Louder than a short run makes it, so that its effect stands out of llama.cpp's rounding.
loud = scratch / "loud"
loud.mkdir(exist_ok=True)
louder = {name: value * (8 if "lora_B" in name else 1) for name, value in weights.items()}
save_file(louder, loud / "adapter_model.safetensors")
(loud / "adapter_config.json").write_text((run / "adapter_config.json").read_text())
loud_gguf = export(loud, "gguf-adapter", scratch / "adapter.gguf")
with_loud = scores("--model", model_file, "--adapter", loud)


def llama_scores(llama, ids):
    llama.reset()
    llama.eval(ids)
    logprobs = torch.log_softmax(torch.tensor(llama.scores[: len(ids)]), -1)
    return logprobs[:-1].gather(1, torch.tensor(ids)[1:, None])[:, 0]


# llama.cpp rounds activations to a byte, so its numbers are near ours and not equal; a wrong row
# order or scale of the adapter is much further off than that, about as far as no adapter at all.
def distance(llama):
    found = [llama_scores(llama, row["ids"]) - torch.tensor(row["logprobs"][1:]) for row in with_loud]
    return torch.cat(found).abs().mean().item()


options = dict(n_ctx=512, logits_all=True, verbose=False)
llama = Llama(model_file, lora_path=str(loud_gguf), **options)
on, off = distance(llama), distance(Llama(model_file, **options))
print(f"llama.cpp: mean difference {on:.4f} with the GGUF adapter, {off:.4f} without it")
assert on < 0.7 * off, "the GGUF adapter does something else"

# A model in f32 is rounded nowhere: there the two must agree.
here = Path(__file__).parent
subprocess.run([sys.executable, here / "make_gguf.py", here / "models", scratch / "tiny", "llama"], check=True)
tiny_file, tiny_adapter = scratch / "tiny/llama/model.gguf", here / "traces/dpo_sigmoid/adapter_final"
tiny_gguf = scratch / "tiny.gguf"
tiny_gguf.unlink(missing_ok=True)
ours("export", "--model", tiny_file, "--adapter", tiny_adapter, "--as", "gguf-adapter", "--out", tiny_gguf)
exact = dict(n_ctx=256, logits_all=True, verbose=False, type_k=0, type_v=0, flash_attn=False)


def farthest(llama, rows):
    found = [llama_scores(llama, row["ids"]) - torch.tensor(row["logprobs"][1:]) for row in rows]
    return torch.cat(found).abs().max().item()


rows = scores("--model", tiny_file, "--adapter", tiny_adapter)
on = farthest(Llama(str(tiny_file), lora_path=str(tiny_gguf), **exact), rows)
off = farthest(Llama(str(tiny_file), **exact), rows)
print(f"llama.cpp in f32: largest difference {on:.6f} with the GGUF adapter, {off:.4f} without it")
assert on < 1e-4 < off, "the GGUF adapter does something else"
# The real model in f32: there its greedy texts must be ours, word for word.
widened = in_f32(model_file, scratch / "widened.gguf")
exact["n_ctx"] = 512
llama = Llama(str(widened), lora_path=str(loud_gguf), **exact)
for text in prompts:
    theirs = llama.create_completion(text, max_tokens=64, temperature=0.0)["choices"][0]["text"]
    answer = subprocess.run(
        [program, "generate", "--model", widened, "--adapter", loud, "--prompt", text, "--greedy", "--max-new-tokens", "64"],
        check=True, capture_output=True, text=True,
    ).stdout
    print(f"greedy after {text!r}: {answer!r}")
    assert answer.strip() == theirs.strip(), f"llama.cpp goes on with {theirs!r}"
print("all agree")
