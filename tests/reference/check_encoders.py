"""Compares `tuning-fork logits`, `fill`, `classify` and `generate` with reference numbers, or with
what transformers computes on tiny models of random weights of every family.

python tests/reference/check_encoders.py BINARY given FOLDER   # folders with expected.safetensors
python tests/reference/check_encoders.py BINARY made [FAMILY…] # torch 2, transformers 5
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from safetensors.numpy import load_file

BINARY = sys.argv[1]


def run(*arguments):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr}")
    return done.stdout


def logits(folder, rows, *more):
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (place / "rows.jsonl").write_text(lines)
        out = place / "out.safetensors"
        run("logits", "--model", folder, "--input", place / "rows.jsonl", "--output", out, *more)
        return load_file(out)


class Worst(dict):
    def see(self, what, ours, theirs):
        ours, theirs = numpy.asarray(ours), numpy.asarray(theirs)
        if ours.shape != theirs.shape:
            self[what] = f"shapes {ours.shape} {theirs.shape}"
            return
        # By the largest value, where that is above 1: wild weights make large numbers.
        scale = max(1.0, float(numpy.abs(theirs).max())) if theirs.size else 1.0
        off = float(numpy.abs(ours - theirs).max()) / scale if ours.size else 0.0
        if numpy.isnan(off):
            off = float("inf")
        if not isinstance(self.get(what), str):
            self[what] = max(self.get(what, 0.0), off)

    def same(self, what, ours, theirs):
        if list(ours) != list(theirs) and what not in self:
            self[what] = f"ours {list(ours)} theirs {list(theirs)}"
        self.setdefault(what, 0.0)

    def show(self, name):
        good = all(not isinstance(off, str) and off <= 1e-4 for off in self.values())
        print("ok " if good else "BAD", name, {k: v if isinstance(v, str) else float(f"{v:.1e}") for k, v in self.items()}, flush=True)


def given_rows(expected):
    ids, mask = expected["input_ids"], expected["attention_mask"]
    kinds = expected.get("token_type_ids")
    rows = []
    for at in range(len(ids)):
        row = {"ids": ids[at].tolist(), "attention_mask": mask[at].tolist()}
        if kinds is not None:
            row["token_type_ids"] = kinds[at].tolist()
        if "decoder_input_ids" in expected:
            row["decoder_ids"] = expected["decoder_input_ids"][at].tolist()
        rows.append(row)
    return rows


def until_end(ids, end):
    ids = list(map(int, ids))
    return ids[: ids.index(end) + 1] if end in ids else ids


def given(folder):
    expected = load_file(folder / "expected.safetensors")
    said = json.loads((folder / "expected.json").read_text())
    worst = Worst()
    rows = given_rows(expected)
    found = logits(folder, rows, *(["--cross-attention"] if folder.name.startswith("s2s") else []))
    seen = expected["attention_mask"].astype(bool)
    if folder.name.startswith("mlm"):
        for row in range(len(rows)):
            for layer in range(len(expected["hidden"])):
                worst.see("hidden", found[f"hidden.{layer}.{row}"][seen[row]], expected["hidden"][layer, row][seen[row]])
            worst.see("logits", found[f"logits.{row}"][seen[row]], expected["logits"][row][seen[row]])
        position = expected["mask_positions"]
        by_row = {}
        for index, (row, place) in enumerate(position.tolist()):
            by_row.setdefault(row, []).append((index, place))
        for row, places in by_row.items():
            text = said["rows"][row]
            if text["pair"] is not None:
                continue
            answer = json.loads(run("fill", "--model", folder, "--text", text["text"], "--json"))
            for mask, (index, place) in zip(answer["masks"], places):
                worst.same("fill places", [mask["position"]], [place])
                worst.same("fill top", [guess["id"] for guess in mask["top"]], expected["top_ids"][index])
                worst.see("fill logprobs", [guess["logprob"] for guess in mask["top"]], expected["top_logprobs"][index])
        for kind in ["mean", "cls"]:
            texts = [row for row in said["rows"] if row["pair"] is None]
            places = [i for i, row in enumerate(said["rows"]) if row["pair"] is None]
            lines = run("embed", folder, "--pooling", kind, "--normalize", "false", *[a for row in texts for a in ("--text", row["text"])]).splitlines()
            for line, place in zip(lines, places):
                worst.see(kind, json.loads(line)["vector"], expected[kind][place])
    elif folder.name.startswith("cls"):
        for row in range(len(rows)):
            worst.see("logits", found[f"logits.{row}"], expected["logits"][row])
            last = max(int(key.split(".")[1]) for key in found if key.startswith("hidden."))
            worst.see("hidden_at", found[f"hidden.{last}.{row}"][expected["position"][row]], expected["hidden_at"][row])
        arguments = []
        for row in said["rows"]:
            arguments += ["--text", row["text"]]
            if row["pair"] is not None:
                arguments += ["--text-pair", row["pair"]]
        lines = run("classify", "--model", folder, "--json", *arguments).splitlines()
        for row, line in enumerate(lines):
            line = json.loads(line)
            worst.same("tokens", [line["tokens"]], [len(said["rows"][row]["input_ids"])])
            values = line.get("probabilities", line["scores"])
            worst.see("probabilities", list(values.values()), expected["probs"][row])
    else:
        for row in range(len(rows)):
            for layer in range(len(expected["encoder_hidden"])):
                worst.see("encoder", found[f"encoder.hidden.{layer}.{row}"][seen[row]], expected["encoder_hidden"][layer, row][seen[row]])
            worst.see("logits", found[f"logits.{row}"], expected["logits"][row])
            worst.see("cross", found[f"cross_attention.{row}"], expected["cross_attention"][row])
            text = said["rows"][row]["text"]
            end = 1
            answer = json.loads(run("generate", "--model", folder, "--prompt", text, "--greedy", "--max-new-tokens", 16, "--json"))
            worst.same("ids", answer["prompt_ids"], said["rows"][row]["input_ids"])
            greedy = until_end(expected["greedy"][row][1:], end)
            worst.same("greedy", answer["ids"], [i for i in greedy if i != end])
            answer = json.loads(run("generate", "--model", folder, "--prompt", text, "--num-beams", 4, "--max-new-tokens", 16, "--json"))
            for beam, theirs, score in zip(answer["beams"], expected["beams"][row], expected["beam_scores"][row]):
                worst.same("beams", beam["ids"], until_end(theirs[1:], end)[: len(beam["ids"])] if len(beam["ids"]) else [])
                worst.see("beam scores", [beam["score"]], [score])
    worst.show(folder.name)


if __name__ == "__main__":
    if sys.argv[2] == "given":
        for folder in sorted(Path(sys.argv[3]).iterdir()):
            if (folder / "expected.safetensors").is_file():
                try:
                    given(folder)
                except Exception as error:  # the next folder may be right
                    print("BAD", folder.name, str(error)[:500], flush=True)
    else:
        from encoder_models import compare_made

        compare_made(sys.argv[3:], logits, run, Worst)
