"""Runs of TRL with settings drawn at random, as `make_traces.py` makes them with settings chosen by hand.

Usage: python random_traces.py OUT COUNT SEED
       TUNING_FORK_TRACES=OUT cargo test --test engine generated_traces -- --ignored

Draws that TRL itself refuses are named and left out. Not drawn: experts (an adapter of TRL's changes them by `target_parameters`, which
is run here and not trained further), and what the test that reads the traces does not do: evaluations of packed rows and of models that are trained
whole, ORPO and CPO with an uneven last batch, of which TRL says means over a part.
"""

import json
import math
import random
import shutil
import sys
import warnings
from pathlib import Path

import make_traces as traces
from transformers import AutoTokenizer
from transformers.utils import logging

# Words are split as AutoTokenizer splits them for a model of this type, which is what a run of ours does.
traces.PreTrainedTokenizerFast = AutoTokenizer

PAIRS = [traces.plain, traces.merging, traces.no_prompt, traces.ended, traces.same, traces.implicit, traces.chat, traces.system,
         traces.implicit_chat, traces.long, traces.long_chat, traces.odd]
PLAIN = [rows for rows in PAIRS if rows not in (traces.chat, traces.system, traces.implicit_chat, traces.long_chat)]
LOSSES = ["sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "apo_zero", "apo_down", "discopop", "sigmoid_norm", "sft"]
SCHEDULES = ["linear", "cosine", "constant", "constant_with_warmup", "cosine_with_restarts", "polynomial", "inverse_sqrt"]
MODELS = {
    "llama": traces.LINEARS, "llama_bos": traces.LINEARS, "mistral": traces.LINEARS, "qwen2": traces.LINEARS, "qwen3": traces.LINEARS,
    "gemma2": traces.LINEARS, "gemma3": traces.LINEARS, "phi3": ["qkv_proj", "gate_up_proj", "down_proj"], "tiny_olmo2": traces.LINEARS,
    "tiny_smollm3": traces.LINEARS, "gpt2": ["c_attn", "c_fc", "c_proj"],
}
FAMILIES = ["olmo3", "granite", "seed_oss_steady", "ernie4_5", "hunyuan", "glm4", "exaone4", "cohere2", "starcoder2", "falcon_40b", "gpt_neox", "phi",
            "olmo", "glm", "gemma", "ministral3", "stablelm", "lfm2", "granite_hybrid", "apertus", "bloom", "nanochat", "gptj", "codegen", "gpt_bigcode_heads"]
SCORED = ["sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"]  # losses that a divergence goes with


def tuned(rng):
    """The model, and which of its layers learn."""
    if rng.random() < 0.35:
        name = rng.choice(FAMILIES)
        changes = dict(attention_dropout=0.0, residual_dropout=0.0) if name == "seed_oss_steady" else {}
        name = name.removesuffix("_steady")
        own = traces.family(name)
        return dict(model=name, targets="all-linear", data=None, model_changes=changes), dict(own["extra"])
    name = rng.choice(list(MODELS))
    targets = MODELS[name]
    targets = rng.choice([targets, "all-linear", rng.sample(targets, rng.randint(1, len(targets)))])
    lora = dict(fan_in_fan_out=True) if name == "gpt2" else {}
    if rng.random() < 0.3:
        lora["use_rslora"] = True
    if rng.random() < 0.2:
        lora["use_dora"] = True
    return dict(model=name, targets=targets, lora=lora), {}


def steps(rng):
    found = dict(
        rows=rng.randint(5, 14), batch=rng.randint(1, 4), accum=rng.randint(1, 3), steps=rng.randint(3, 6), lr=rng.choice([5e-4, 1e-3, 3e-3]),
        sched=rng.choice(SCHEDULES), warmup=rng.choice([0, 0, 1, 2, 0.25]), wd=rng.choice([0.0, 0.1, 0.3]), clip=rng.choice([1.0, 0.05, 0.0]),
        r=rng.randint(1, 6), alpha=rng.choice([1, 4, 8, 16]), held_out=rng.choice([0, 0, 4]), beta=rng.choice([0.05, 0.1, 0.3, 0.8]),
    )
    if rng.random() < 0.2:
        found |= dict(steps=-1, epochs=rng.choice([1.0, 1.5, 2.0]))
    return found


def of_dpo(rng):
    extra = dict(loss_type=rng.sample(LOSSES, rng.choice([1, 1, 2, 3])))
    if len(extra["loss_type"]) > 1 and rng.random() < 0.7:
        extra["loss_weights"] = [rng.choice([0.25, 0.5, 1.0, 2.0, -0.2]) for _ in extra["loss_type"]]
    if rng.random() < 0.5 or "exo_pair" in extra["loss_type"]:
        extra["label_smoothing"] = rng.choice([0.05, 0.1, 0.3])
    if rng.random() < 0.3 and set(extra["loss_type"]) <= set(SCORED):
        extra["f_divergence_type"] = rng.choice(["forward_kl", "js_divergence", "alpha_divergence"])
        if extra["f_divergence_type"] == "alpha_divergence":
            extra["f_alpha_divergence_coef"] = rng.choice([0.5, 1.0, 1.6])
    if rng.random() < 0.3 and "sft" not in extra["loss_type"]:
        extra["ld_alpha"] = rng.choice([0.0, 0.3, 0.7, 1.0])
    if rng.random() < 0.25 and "sft" not in extra["loss_type"]:
        extra["use_weighting"] = True
    return extra


def of_sft(rng):
    extra = {}
    if rng.random() < 0.3:
        extra["completion_only_loss"] = False
    if rng.random() < 0.25:
        extra["loss_type"] = "dft"
    if rng.random() < 0.35:
        extra |= dict(packing=True, packing_strategy=rng.choice(["bfd", "bfd_split", "wrapped"]), max_length=rng.choice([24, 40]))
    return extra


def of_kto(rng):
    extra = dict(loss_type=rng.choice(["kto", "apo_zero_unpaired"]))
    if rng.random() < 0.5:
        extra |= dict(desirable_weight=rng.choice([0.7, 1.5]), undesirable_weight=rng.choice([0.4, 1.2]))
    return extra


def of_cpo(rng):
    kind = rng.choice(["sigmoid", "hinge", "ipo", "simpo", "alphapo"])
    extra = dict(loss_type=kind, cpo_alpha=rng.choice([0.3, 1.0]))
    if kind in ("sigmoid", "simpo"):
        extra["label_smoothing"] = rng.choice([0.0, 0.1])
    if kind in ("simpo", "alphapo"):
        extra["simpo_gamma"] = rng.choice([0.3, 0.8])
    if kind == "alphapo":
        extra["alpha"] = rng.choice([0.0, 0.2])
    return extra


def draw(rng):
    tuning, extra = tuned(rng)
    is_family = "data" in tuning
    case_model = tuning["model"]
    kind = rng.choice(["dpo", "dpo", "sft", "sft", "kto", "orpo", "cpo"])
    has_template = not is_family and case_model not in ("tiny_olmo2", "tiny_smollm3")
    rows = rng.choice(PAIRS if has_template else PLAIN) if not is_family else traces.plain
    case = traces.DEFAULTS | steps(rng) | tuning | dict(kind=kind)
    if kind == "sft":
        rows = rng.choice([rows, rows, "text"] + ["messages"] * has_template) if not is_family else rows
        if rows in ("text", "messages"):
            case["data"] = traces.whole_text if rows == "text" else traces.whole_chat
        else:
            rows = traces.plain if rows in (traces.implicit, traces.implicit_chat) else rows
            case["data"] = lambda rng, count, rows=rows: traces.only_chosen(rows(rng, count))
        extra |= of_sft(rng)
        if isinstance(case["data"], type(traces.whole_text)) and case["data"] in (traces.whole_text, traces.whole_chat):
            extra.pop("completion_only_loss", None)
    elif kind == "kto":
        rows = traces.plain if rows in (traces.implicit, traces.implicit_chat, traces.odd) else rows
        case |= dict(data=traces.labelled(rows), rows=14, batch=4)
        extra |= of_kto(rng)
    else:
        case["data"] = rows
        extra |= of_dpo(rng) if kind == "dpo" else of_cpo(rng) if kind == "cpo" else {}
    if rng.random() < 0.3 and not is_family:
        extra.setdefault("max_length", rng.choice([20, 30, 48]))
    if case["model"].startswith("tiny_"):
        extra.setdefault("max_length", 100)  # these read 128 tokens, and ours says what it cuts
    if rng.random() < 0.15 and not is_family and kind in ("dpo", "sft") and case["model"] != "llama_bos":
        case |= dict(method="full", lr=5e-4, lora={}, held_out=0)
    if extra.get("packing"):
        case["held_out"] = 0
    if kind in ("orpo", "cpo"):
        # TRL keeps rows whose prompt fills everything, with no answer; ours says that they are left out.
        extra["max_length"] = max(48, extra.get("max_length", 100))
        case["rows"] = max(2, case["rows"] // case["batch"]) * case["batch"]
    return case | dict(extra=extra)


def main():
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    out, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    traces.changed_models(out)
    for number in range(count):
        rng = random.Random(1000 * seed + number)
        case = draw(rng)
        name = f"{case['kind']}_{case['model']}_{seed}_{number}"
        try:
            traces.make(out, name, case)
            log = json.loads((out / name / "log.json").read_text())
            if not all(math.isfinite(value) for line in log for value in line.values()):
                raise ValueError("numbers that are none in TRL's log")
        except Exception as error:  # TRL refuses some draws, each in its own way
            print(name, "left out:", type(error).__name__, str(error)[:200], flush=True)
            shutil.rmtree(out / name, ignore_errors=True)


if __name__ == "__main__":
    main()
