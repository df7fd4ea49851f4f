"""Trains soft prompts with tuning-fork and opens them with PEFT: the logits must be the same.

Usage: python check_soft.py TUNING_FORK     (the path of the program)
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
RUN = """
model = "{model}"
data = "{data}"
objective = "sft"
method = "{method}"
max_steps = 4
learning_rate = 0.03
[soft_prompt]
num_virtual_tokens = 5
{init}
"""
TEXT = 'prompt_tuning_init = "TEXT"\nprompt_tuning_init_text = "answer the question"'
CASES = [
    ("llama", "prompt_tuning", TEXT), ("gemma3", "prompt_tuning", TEXT), ("gpt2", "prompt_tuning", ""),
    ("qwen2", "prompt_tuning", 'prompt_tuning_init = "SAMPLE_VOCAB"'), ("qwen3", "prefix_tuning", ""),
    ("gemma2", "prefix_tuning", ""), ("mistral", "prefix_tuning", ""),
]  # fmt: skip


def check(program, home, name, method, init):
    model = HERE / "models" / name
    rows = [{"prompt": f"question {at}:", "completion": f" answer {at % 3}"} for at in range(8)]
    data = home / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = home / f"{name}.toml"
    run.write_text(RUN.format(model=model, data=data, method=method, init=init))
    folder = home / f"{name}-{method}"
    subprocess.run([program, "train", run, "--out", folder], check=True, capture_output=True)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    opened = PeftModel.from_pretrained(base, folder).eval()
    ids = list(range(20, 32))
    with torch.no_grad():
        expected = opened(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).logits[0, -len(ids) :]
    given, found = home / "ids.jsonl", home / "found.safetensors"
    given.write_text(json.dumps({"ids": ids}) + "\n")
    call = [program, "logits", "--model", model, "--adapter", folder, "--input", given, "--output", found]
    subprocess.run(call, check=True, capture_output=True)
    return (load_file(found)["logits.0"] - expected).abs().max().item()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        for case in CASES:
            off = check(sys.argv[1], Path(home), *case)
            print(*case[:2], f"{off:.2g}", flush=True)
            assert off < 2e-4, case
