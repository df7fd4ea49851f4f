"""Adapters that our program has trained, read by PEFT: the same logits as ours.

    python check_saved.py TUNING_FORK SCRATCH_FOLDER FOLDER_OF_MODELS... [--count COUNT] [--first SEED]

COUNT runs (60) of a few steps, each drawn from its seed: a model of the folders, then rank, alpha, rsLoRA, DoRA, start,
targets by name, by pattern or `all-linear`, layers, patterns of ranks and alphas, biases, modules that learn as a whole.
PEFT reads what was saved over a fresh base, without a tensor that is missing or too many, and gives our logits within 5e-3;
without the adapter they are others. A run may be refused by the key of its run file. Needs torch, transformers and peft.
Prints a line for each run that was refused or is off, and a summary by model.
"""

import argparse
import json
import random
import shutil
import subprocess
import warnings
from collections import Counter
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING as KNOWN
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(1)

TOLERANCE = 5e-3
LEAST_EFFECT = 2e-2


def toml(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def base(at):
    implementations = dict(attn_implementation="eager", experts_implementation="eager")
    return AutoModelForCausalLM.from_pretrained(at, dtype=torch.float32, **implementations).eval()


def settings(model, draw):
    kinds = (torch.nn.Linear, Conv1D)
    paths = [name for name, module in model.named_modules() if isinstance(module, kinds)]
    beside = ("lm_head", "vision", "projector", "audio", "router", "gate.weight", "embed")
    paths = [name for name in paths if not any(word in name for word in beside)]
    leaves = sorted({name.rsplit(".", 1)[1] for name in paths} - {"gate"})
    layers = model.config.get_text_config().num_hidden_layers
    some = draw.sample(leaves, draw.randint(1, len(leaves)))
    rank = draw.randint(1, 6)
    made = dict(r=rank, lora_alpha=draw.choice([rank, 2 * rank, 7, 16]))
    made["target_modules"] = draw.choice(
        [some, some, "all-linear", r".*\." + str(draw.randrange(layers)) + r"\..*(" + "|".join(some) + ")"]
    )
    made["use_rslora"] = draw.random() < 0.3
    made["use_dora"] = draw.random() < 0.3
    made["init_lora_weights"] = draw.choice([True, True, "gaussian", "pissa", "pissa", "olora", "olora"])
    if isinstance(made["target_modules"], list) and draw.random() < 0.25:
        made["layers_to_transform"] = [draw.randrange(layers)]
    if draw.random() < 0.15:
        made["bias"] = draw.choice(["all", "lora_only"])
    if draw.random() < 0.1:
        made["modules_to_save"] = [draw.choice(["lm_head", "embed_tokens"])]
    patterns = {}
    if draw.random() < 0.3:
        patterns["rank_pattern"] = {draw.choice(leaves): draw.randint(1, 6)}
    if draw.random() < 0.3:
        patterns["alpha_pattern"] = {draw.choice(leaves): draw.randint(1, 20)}
    return made, patterns


def run_file(at, made, patterns):
    lines = [f"model = {toml(str(at))}", 'objective = "sft"', 'data = "data.jsonl"', 'method = "lora"', "max_steps = 3"]
    lines += ["per_device_train_batch_size = 2", "gradient_accumulation_steps = 1", "learning_rate = 0.02", "warmup_steps = 0"]
    lines += ['lr_scheduler_type = "constant"', "[lora]", *(f"{key} = {toml(value)}" for key, value in made.items())]
    for key, table in patterns.items():
        lines += [f"[lora.{key}]", *(f"{toml(name)} = {value}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def ran(*command, cwd):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd, timeout=300)
    return None if done.returncode == 0 else (done.stderr.strip() or f"exit {done.returncode}")


def ours(program, at, folder, ids):
    (folder / "ids.jsonl").write_text(json.dumps({"ids": ids}) + "\n")
    command = [program, "score", "--model", at, "--adapter", folder / "run", "--weights", "f32"]
    command += ["--input", folder / "ids.jsonl", "--output", folder / "scores.jsonl", "--logits", folder / "logits.safetensors"]
    error = ran(*command, cwd=folder)
    return (None, error) if error else (load_file(folder / "logits.safetensors")["logits.0"].float(), None)


def theirs(model, adapter, ids):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        peft = PeftModel.from_pretrained(model, adapter).eval()
    complaints = [str(one.message) for one in said if "adapter keys" in str(one.message)]
    with torch.no_grad():
        return peft(torch.tensor([ids])).logits[0], complaints


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("program", type=Path)
    asked.add_argument("scratch", type=Path)
    asked.add_argument("models", type=Path, nargs="+")
    asked.add_argument("--count", type=int, default=60)
    asked.add_argument("--first", type=int, default=0)
    asked = asked.parse_args()
    at = sorted(path.parent for models in asked.models for path in models.resolve().glob("*/tokenizer_config.json"))
    at = [path for path in at if (path / "model.safetensors").is_file() and type(AutoConfig.from_pretrained(path)) in KNOWN]
    right, refused, wrong, worst = Counter(), Counter(), Counter(), 0.0
    for seed in range(asked.first, asked.first + asked.count):
        draw = random.Random(seed)
        where = at[seed % len(at)]
        folder = (asked.scratch / f"{seed:04}").resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            model = base(where)
        except RuntimeError:
            print("skipped", where.name, "which transformers does not load", flush=True)
            continue
        made, patterns = settings(model, draw)
        what = f"{seed} {where.name} {json.dumps(made | patterns)}"
        (folder / "run.toml").write_text(run_file(where, made, patterns))
        rows = [{"prompt": f"Why {n}?", "completion": f" Because of {n * n} and what is told of it."} for n in range(6)]
        (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        error = ran(asked.program, "train", folder / "run.toml", "--out", folder / "run", cwd=folder)
        if error:
            named = any(f"lora.{key}" in error for key in made | patterns) or any(key in error for key in made)
            (refused if named else wrong)[where.name] += 1
            print("refused" if named else "WRONG", what, "training:", " ".join(error.split())[-300:], flush=True)
            continue
        ids = [draw.randrange(3, model.config.get_text_config().vocab_size - 1) for _ in range(12)]
        with torch.no_grad():
            before = model(torch.tensor([ids])).logits[0]
        found, error = ours(asked.program, where, folder, ids)
        if error:
            wrong[where.name] += 1
            print("WRONG", what, "scoring:", " ".join(error.split())[-300:], flush=True)
            continue
        try:
            expected, complaints = theirs(model, folder / "run", ids)
        except Exception as problem:
            wrong[where.name] += 1
            print("WRONG", what, f"PEFT: {type(problem).__name__}: {' '.join(str(problem).split())[:300]}", flush=True)
            continue
        off, effect = (found - expected).abs().max().item(), (before - expected).abs().max().item()
        worst = max(worst, off)
        if off > TOLERANCE or complaints or effect < LEAST_EFFECT:
            wrong[where.name] += 1
            print("WRONG", what, f"off by {off:.1e}, effect {effect:.1e}", *complaints[:2], flush=True)
        else:
            right[where.name] += 1
            shutil.rmtree(folder)
    for name in sorted(right | refused | wrong):
        print(f"{name}: {right[name]} the same, {refused[name]} refused, {wrong[name]} wrong")
    total = [sum(counts.values()) for counts in (right, refused, wrong)]
    print(f"{total[0]} the same in PEFT, {total[1]} refused by name, {total[2]} wrong; worst {worst:.1e}")
    raise SystemExit(total[2] > 0 or total[0] == 0)


if __name__ == "__main__":
    main()
