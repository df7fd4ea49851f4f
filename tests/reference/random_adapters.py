"""Random PEFT adapters over the tiny models, read by PEFT and by `tuning-fork`.

    python random_adapters.py TUNING_FORK SCRATCH_FOLDER [COUNT] [FIRST_SEED]

Makes COUNT adapters (100), each drawn from its seed: family, rank, alpha, rsLoRA, DoRA, start, targets by
name, by path, by pattern or `all-linear`, layers, exclusions, patterns of ranks and alphas, modules that
are saved whole. PEFT reads each over a fresh base; our program scores the same ids. Every adapter has to
give PEFT's logits within 5e-3 or be refused by a name that stands in its configuration or its tensors.
Needs torch, transformers and peft; takes minutes. Prints a line for each adapter that was refused or is
off, and a summary.
"""

import json
import random
import subprocess
import sys
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
warnings.simplefilter("ignore")
torch.set_num_threads(1)

program, scratch = sys.argv[1], Path(sys.argv[2])
count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
models = Path(__file__).parent / "models"
families = [
    "gemma2", "gemma3", "gpt2", "llama", "mistral", "phi3", "qwen2", "qwen3",
    "tiny_gemma3_tower", "tiny_olmo2", "tiny_smollm3",
]
TOLERANCE = 5e-3


def base(family):
    return AutoModelForCausalLM.from_pretrained(models / family, dtype=torch.float32).eval()


def linears(model):
    """Paths of the decoder's linear layers without the head, and whether there is a tower beside it."""
    kinds = ("Linear", "Conv1D")
    names = [name for name, module in model.named_modules() if type(module).__name__ in kinds]
    return [name for name in names if "lm_head" not in name]


def settings(family, model, draw):
    nested = family == "tiny_gemma3_tower"
    paths = [name for name in linears(model) if "vision" not in name and "projector" not in name]
    leaves = sorted({name.rsplit(".", 1)[1] for name in paths})
    layers = model.config.get_text_config().num_hidden_layers
    stack = "h" if family == "gpt2" else "layers"
    rank = draw.randint(1, 6)
    made = dict(r=rank, lora_alpha=draw.choice([rank, 2 * rank, 3, 7, 16]), task_type="CAUSAL_LM")
    some = draw.sample(leaves, draw.randint(1, len(leaves)))
    made["target_modules"] = draw.choice([
        some,
        some,
        draw.sample(paths, draw.randint(1, len(paths))),
        r".*\." + str(draw.randrange(layers)) + r"\..*(" + "|".join(some) + ")",
        r".*language_model.*\.(" + "|".join(some) + ")" if nested else "all-linear",
        "all-linear",
    ])
    if draw.random() < 0.3:
        made["use_rslora"] = True
    if draw.random() < 0.3:
        made["use_dora"] = True
    starts = [True, True, True, False, "gaussian", "pissa", "pissa", "olora", "orthogonal", "mica", "eva"]
    made["init_lora_weights"] = draw.choice(starts + ["pissa_niter_2", "loftq", "corda", "lora_ga"])
    if isinstance(made["target_modules"], list) and draw.random() < 0.25:
        made["layers_to_transform"] = draw.choice([draw.randrange(layers), sorted(draw.sample(range(layers), 2))])
        if draw.random() < 0.5:
            made["layers_pattern"] = draw.choice([stack, [stack]])
    if draw.random() < 0.25:
        made["exclude_modules"] = draw.choice([
            [draw.choice(leaves)],
            [draw.choice(paths)],
            r".*\.0\..*" if draw.random() < 0.5 else ".*" + draw.choice(leaves),
        ])
    if draw.random() < 0.35:
        keys = [draw.choice(leaves), draw.choice(paths), rf"{stack}\.1\..*", "^" + draw.choice(paths) + "$"]
        made["rank_pattern"] = {key: draw.randint(1, 6) for key in draw.sample(keys, draw.randint(1, 2))}
    if draw.random() < 0.35:
        keys = [draw.choice(leaves), draw.choice(paths), rf"{stack}\.1\..*", "^" + draw.choice(paths)]
        made["alpha_pattern"] = {key: draw.randint(1, 20) for key in draw.sample(keys, draw.randint(1, 2))}
    if draw.random() < 0.08:
        made["modules_to_save"] = [draw.choice(["lm_head", "embed_tokens", "norm", "ln_f"])]
    if draw.random() < 0.08 and isinstance(made["target_modules"], list):
        made["target_modules"] = made["target_modules"] + ["lm_head"]
    return made


def save(model, made, folder, draw):
    """An adapter that does something. Starts that PEFT cannot make here are written into its file."""
    pretended = made["init_lora_weights"] if made["init_lora_weights"] in ("loftq", "corda", "lora_ga") else None
    config = LoraConfig(**{**made, **({"init_lora_weights": True} if pretended else {})})
    peft = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(draw.randrange(1 << 30))
    with torch.no_grad():
        for name, value in peft.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                noise = torch.randn(value.shape, generator=generator)
                size = 0.02 if made["init_lora_weights"] in ("pissa", "olora") or "modules_to_save" in name else 0.1
                value.add_(noise * (size * value if "magnitude" in name else size))
    peft.save_pretrained(folder)
    if pretended:
        path = folder / "adapter_config.json"
        written = json.loads(path.read_text())
        written["init_lora_weights"] = pretended
        if pretended == "loftq":
            written["loftq_config"] = {"loftq_bits": 4, "loftq_iter": 1}
        path.write_text(json.dumps(written))


def theirs(family, folder, ids):
    peft = PeftModel.from_pretrained(base(family), folder).eval()
    with torch.no_grad():
        return peft(torch.tensor([ids])).logits[0]


def ours(family, folder, ids):
    rows, logits, out = folder / "ids.jsonl", folder / "logits.safetensors", folder / "scores.jsonl"
    rows.write_text(json.dumps({"ids": ids}) + "\n")
    command = [program, "score", "--model", models / family, "--adapter", folder, "--weights", "f32"]
    command += ["--input", rows, "--output", out, "--logits", logits]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    return (load_file(logits)["logits.0"], None) if done.returncode == 0 else (None, done.stderr)


def named(error, folder):
    """Whether a refusal names what it is about."""
    keys = json.loads((folder / "adapter_config.json").read_text())
    tensors = load_file(folder / "adapter_model.safetensors")
    words = [key for key in keys if len(key) > 3] + [name.split(".")[-2] for name in tensors] + [name.split(".lora")[0] for name in tensors]
    return "panicked" not in error and any(word in error for word in words)


right, refused, wrong, worst = 0, 0, 0, 0.0
for seed in range(first, first + count):
    draw = random.Random(seed)
    family = families[seed % len(families)]
    model = base(family)
    made = settings(family, model, draw)
    folder = scratch / f"{seed:04}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        save(model, made, folder, draw)
    except Exception as err:  # noqa: BLE001  (PEFT has no such adapter)
        print(f"{seed} {family}: PEFT does not make it: {str(err)[:110]}")
        continue
    vocab = model.config.get_text_config().vocab_size
    ids = [draw.randrange(vocab) for _ in range(24)]
    found, error = ours(family, folder, ids)
    try:
        expected = theirs(family, folder, ids)
    except Exception as err:  # noqa: BLE001
        expected, reason = None, str(err)
    if found is None:
        ok = named(error, folder)
        refused += ok
        wrong += not ok
        print(f"{seed} {family}: {'refused' if ok else 'NOT NAMED'}: {error.strip()[-230:]!r}")
    elif expected is None:
        print(f"{seed} {family}: PEFT does not read it ({reason[:150]}), we do: {made}")
        wrong += 1
    else:
        off = (found - expected).abs().max().item()
        plain = base(family)
        with torch.no_grad():
            effect = (plain(torch.tensor([ids])).logits[0] - expected).abs().max().item()
        worst = max(worst, off)
        right += off < TOLERANCE
        wrong += not off < TOLERANCE
        if not off < TOLERANCE:
            print(f"{seed} {family}: OFF BY {off:.5f} (effect {effect:.4f}): {made}")
print(f"{right} right (largest difference {worst:.6f}), {refused} refused by name, {wrong} wrong")
sys.exit(wrong > 0)
