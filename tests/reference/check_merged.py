"""Adapters that our program has worked into a model, loaded by transformers: the same logits as PEFT's.

    python check_merged.py BINARY [FOLDER_OF_TRAINING_TRACES]

Without a folder, the traces and adapters of this one. Those that the program refuses are named.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
IDS = torch.arange(3, 40)[None] * 7 % 300


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def cases(traces):
    for run in sorted(traces.glob("*/run.json")):
        adapter = run.parent / "adapter_final"
        if (adapter / "adapter_config.json").is_file():
            yield run.parent.name, json.loads(run.read_text())["model"], adapter
    yield "tied", "llama", HERE / "adapters" / "tied"


def main():
    binary, traces = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "traces"
    worst = 0.0
    for name, family, adapter in cases(traces):
        base = HERE / "models" / family
        with tempfile.TemporaryDirectory() as home:
            to = f"{home}/merged"
            command = [binary, "export", "--model", base, "--adapter", adapter, "--as", "merged", "--out", to]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            if done.returncode != 0:
                print(f"{name}: refused: {done.stderr.strip().splitlines()[-1]}")
                continue
            expected = logits(PeftModel.from_pretrained(load(base), adapter))
            difference = (expected - logits(load(to))).abs().max().item()
        print(f"{name}: {difference:.1e}")
        worst = max(worst, difference)
    print(f"worst {worst:.1e}")
    sys.exit(worst > 2e-4)


main()
