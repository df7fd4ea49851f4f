"""GGUF files with an adapter worked into them, loaded by transformers: the same logits as ours with the adapter.

    python check_merged_gguf.py BINARY [FOLDER]

FOLDER/*/model.gguf, by default those of `make_gguf_families.py`. Architectures that the program refuses are named.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

HERE = Path(__file__).parent
IDS = torch.arange(3, 19)[None] * 7 % 64


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def adapter_for(binary, model, home):
    """A LoRA on every linear layer that a run of no length begins, with a B that is not zero."""
    data = home / "data.jsonl"
    data.write_text("".join(json.dumps({"text": "a b c d"}) + "\n" for _ in range(4)))
    settings = f"""
objective = "sft"
data = "{data}"
model = "{model}"
max_steps = 1
[lora]
r = 2
target_modules = ["all-linear"]
"""
    (home / "RUN.toml").write_text(settings)
    done = run(binary, "train", home / "RUN.toml", "--out", home / "run")
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    folder = next((home / "run").rglob("adapter_config.json")).parent
    weights = load_file(folder / "adapter_model.safetensors")
    torch.manual_seed(7)
    weights = {name: torch.randn_like(value) * 0.2 if "lora_B" in name else value for name, value in weights.items()}
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder


def ours(binary, model, adapter, home):
    rows, out = home / "rows.jsonl", home / "out.safetensors"
    rows.write_text(json.dumps({"ids": IDS[0].tolist()}) + "\n")
    done = run(binary, "logits", "--model", model, "--adapter", adapter, "--input", rows, "--output", out)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return load_file(out)["logits.0"]


def main():
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    binary = sys.argv[1]
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "gguf_families"
    wrong = []
    for model in sorted(folder.glob("*/model.gguf")):
        name = model.parent.name
        with tempfile.TemporaryDirectory() as home:
            home = Path(home)
            try:
                adapter = adapter_for(binary, model, home)
                done = run(binary, "export", "--model", model, "--adapter", adapter, "--as", "merged", "--out", home / "merged")
                if done.returncode:
                    print(f"{name}: refused: {done.stderr.strip().splitlines()[-1][:160]}", flush=True)
                    continue
                expected = ours(binary, model, adapter, home)
                merged, told = AutoModelForCausalLM.from_pretrained(
                    home / "merged", dtype=torch.float32, attn_implementation="eager", experts_implementation="eager", output_loading_info=True)
                missing = [*told["missing_keys"], *told["unexpected_keys"], *told["mismatched_keys"]]
                with torch.no_grad():
                    found = merged.eval()(IDS).logits[0]
            except Exception as error:  # whatever transformers says of the folder
                wrong.append(name)
                print(f"{name}: {type(error).__name__}: {str(error)[:300]}", flush=True)
                continue
        off = (found - expected).abs().max().item() / max(1.0, expected.abs().max().item())
        if off > 2e-4 or missing:
            wrong.append(name)
        print(f"{name}: {off:.1e} {missing or ''}", flush=True)
    print(f"wrong: {wrong}")
    sys.exit(bool(wrong))


main()
