"""Random training runs of TRL and PEFT, and ours beside them.

Usage: python vary_training.py OUT COUNT [+SEED] [OBJECTIVE...]     (without names: every objective)
       python vary_training.py OUT again                            (ours again, on what OUT has)

TUNING_FORK names the program that is compared; without it the runs of TRL are only written. Each OUT/OBJECTIVE_SEED/ is
drawn from its seed: model, rows, settings of the trainer under TRL's names, adapter under PEFT's. It has `run.toml` (the
run file for ours), data.jsonl, adapter_init/ and adapter_final/ or final.safetensors (the weights that moved), log.json
(what TRL logs at each step), eval.json (its evaluations), prepared.json (ids and labels that TRL made of the rows), draw.json
(what was drawn). A run that is ours in everything is deleted where KEEP is not set. Nothing of it is committed: a
difference that is found becomes a test beside the code. Needs torch, transformers 5, TRL 1 and PEFT; OMP_NUM_THREADS=1.

Prints a line a run: `same`, `said` (other numbers, and ours says why), `refused` (by ours, with its words), `theirs` (TRL or
PEFT refuse it, and what ours does), or what is different. Dice of torch are not ours: dropout is off, and the rows are drawn in our order (`shuffled`), which is rand's.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TRL_EXPERIMENTAL_SILENCE="1", TRANSFORMERS_VERBOSITY="error")
warnings.filterwarnings("ignore")

import datasets
import torch
from datasets import Dataset
from make_traces import (
    EOS, HERE, changed_models, chat, ended, folder_of, fresh, implicit, implicit_chat, implicit_none, labelled, long,
    long_chat, merging, no_answer, no_prompt, odd, only_chosen, plain, same, says, system, text, tidy,
)  # fmt: skip
from peft import LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging
from trl import (
    DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, KTOConfig, KTOTrainer, RewardConfig, RewardTrainer, RLOOConfig, RLOOTrainer,
    SFTConfig, SFTTrainer,
)  # fmt: skip
from trl.trainer import grpo_trainer, rloo_trainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

logging.set_verbosity_error()
logging.disable_progress_bar()
datasets.disable_progress_bars()
torch.set_num_threads(1)

OBJECTIVES = ["sft", "dpo", "kto", "orpo", "cpo", "pretrain", "reward", "grpo", "rloo"]
CORE = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2", "tiny_olmo2", "tiny_smollm3"]
CHANGED = ["llama_bos", "llama_bos_eos", "llama_template", "llama_tools", "llama_marks"]
FAMILIES = sorted(path.name for path in (HERE / "families").iterdir() if path.is_dir())
TRAINERS = {
    "sft": (SFTTrainer, SFTConfig), "dpo": (DPOTrainer, DPOConfig), "kto": (KTOTrainer, KTOConfig),
    "orpo": (ORPOTrainer, ORPOConfig), "cpo": (CPOTrainer, CPOConfig), "pretrain": (Trainer, TrainingArguments),
    "reward": (RewardTrainer, RewardConfig), "grpo": (GRPOTrainer, GRPOConfig), "rloo": (RLOOTrainer, RLOOConfig),
}  # fmt: skip


# -- our order of rows: ChaCha20 and `shuffle` of the crate rand --------------------------------------------------------------


class ChaCha20:
    """`ChaCha20Rng::seed_from_u64(seed)` with a stream."""

    def __init__(self, seed, stream=0):
        key, state = [], seed
        for _ in range(8):
            state = (state * 6364136223846793005 + 11634580027462260723) & (2**64 - 1)
            shifted, turn = (((state >> 18) ^ state) >> 27) & 0xFFFFFFFF, state >> 59
            key.append(((shifted >> turn) | (shifted << (-turn & 31))) & 0xFFFFFFFF)
        self.key, self.stream, self.block, self.words = key, stream, 0, []

    def u32(self):
        if not self.words:
            start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *self.key]
            start += [self.block & 0xFFFFFFFF, self.block >> 32, self.stream & 0xFFFFFFFF, self.stream >> 32]
            x = list(start)

            def quarter(a, b, c, d):
                for one, other, third, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                    x[one] = (x[one] + x[other]) & 0xFFFFFFFF
                    x[third] ^= x[one]
                    x[third] = ((x[third] << turn) | (x[third] >> (32 - turn))) & 0xFFFFFFFF

            for _ in range(10):
                for a in range(4):
                    quarter(a, 4 + a, 8 + a, 12 + a)
                for a in range(4):
                    quarter(a, 4 + (a + 1) % 4, 8 + (a + 2) % 4, 12 + (a + 3) % 4)
            self.words = [(one + other) & 0xFFFFFFFF for one, other in zip(x, start)]
            self.block += 1
        return self.words.pop(0)

    def below(self, bound):
        product = self.u32() * bound
        result, low = product >> 32, product & 0xFFFFFFFF
        if low > (-bound & 0xFFFFFFFF):
            result += low + ((self.u32() * bound) >> 32) > 0xFFFFFFFF
        return result


def shuffled(items, dice):
    """`SliceRandom::shuffle`: several places are drawn with one number."""
    items, chunk, left = list(items), 0, 0
    left = 1 if items else 0
    for place in range(len(items)):
        count = place + 1
        if left == 0:
            bound, factor = count, count + 1
            while bound * factor <= 0xFFFFFFFF:
                bound, factor = bound * factor, factor + 1
            chunk, left = dice.below(bound), factor - count
        left -= 1
        if left == 0:
            at = chunk
        else:
            chunk, at = divmod(chunk, count)
        items[place], items[at] = items[at], items[place]
    return items


def split(rows, share, seed):
    """Rows with prompts of their own: which are trained on, and which are held out."""
    order = shuffled(range(len(rows)), ChaCha20(seed))
    count = 0 if len(rows) < 2 or share <= 0 else min(max(int(len(rows) * share + 0.5), 1), len(rows) - 1)
    return sorted(order[count:]), sorted(order[:count])


# -- what is drawn ----------------------------------------------------------------------------------------------------------


def flip(r, p=0.5):
    return r.random() < p


def some(r, settings, key, values, p=0.5):
    if flip(r, p):
        settings[key] = r.choice(values)


def unlike(rows):
    """Each prompt once, so that none is held out with another one."""
    seen = set()
    for row in rows:
        prompt = row.get("prompt")
        words = prompt if isinstance(prompt, str) else " ".join(message["content"] for message in prompt or [])
        key = " ".join(words.split()).lower()
        if not key or key in seen: return False
        seen.add(key)
    return True


def odd_words(r, count):
    """Letters of many kinds, runs of spaces and newlines, special tokens within texts."""
    words = ["e\u0301", "\u00e9", "\u200d", "👩\u200d🚀", "한국어", "שלום", "\t", "  ", "\r\n", "\u00a0", "<|im_start|>", "a" * 30, "$x^2$", "\ufeff"]
    return [
        {
            "prompt": "".join(r.choice(words) for _ in range(r.randint(1, 6))),
            "chosen": "".join(r.choice(words) for _ in range(r.randint(1, 6))),
            "rejected": "".join(r.choice(words) for _ in range(r.randint(1, 6))),
        }
        for _ in range(count)
    ]


def empty_turns(r, count):
    rows = chat(r, count)
    for row in rows[::3]:
        row["chosen"][0]["content"] = ""
    for row in rows[1::4]:
        row["prompt"][0]["content"] = ""
    return rows


def has_template(model):
    return model not in ("tiny_olmo2", "tiny_smollm3")


def draw_pairs(r, model):
    makers = [plain, merging, no_prompt, no_answer, ended, same, implicit, implicit_none, long, odd, odd_words]
    if has_template(model): makers += [chat, chat, system, system, implicit_chat, long_chat, empty_turns]
    return r.choice(makers)


def draw_answers(r, model):
    """Rows of SFT: (name, maker)."""
    kind = r.choice(["completion", "completion", "text"] + (["messages", "completion_chat"] if has_template(model) else []))
    if model == "llama_marks" and not flip(r, 0.1): kind = r.choice(["messages", "completion_chat"])
    if kind == "messages":
        make = r.choice([chat, system, long_chat, empty_turns])
        return lambda rng, n: [{"messages": row["prompt"] + row["chosen"]} for row in make(rng, n)]
    if kind == "completion_chat":
        make = r.choice([chat, system, long_chat, empty_turns])
        return lambda rng, n: only_chosen(make(rng, n))
    make = r.choice([plain, merging, no_prompt, no_answer, ended, long, odd_words])
    if kind == "text":
        return lambda rng, n: [{"text": row["prompt"] + row["chosen"]} for row in make(rng, n)]
    return lambda rng, n: only_chosen(make(rng, n))


def with_tools(r, rows):
    tool = {"type": "function", "function": {"name": "tone", "description": text(r, 1, 4), "parameters": {"type": "object", "properties": {"b": {"type": "number"}, "a": {"type": "string"}}, "required": ["b"]}}}
    for row in rows:
        row["tools"] = [tool] if flip(r, 0.7) else [tool, tool]
    return rows


def schedule(r, settings, steps):
    name = r.choice(["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
                     "cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay", "linear", "reduce_lr_on_plateau", "greedy"])  # fmt: skip
    if name in ("reduce_lr_on_plateau", "greedy") and not flip(r, 0.05):
        name = "linear"
    settings["lr_scheduler_type"] = name
    kwargs = {}
    if name == "cosine": some(r, kwargs, "num_cycles", [0.25, 1.0, 0.7])
    if name == "cosine_with_restarts": some(r, kwargs, "num_cycles", [2, 3, 1])
    if name == "polynomial":
        some(r, kwargs, "power", [0.5, 2.0, 3.0])
        some(r, kwargs, "lr_end", [1e-6, 1e-5, 0.0])
    if name == "inverse_sqrt": some(r, kwargs, "timescale", [1, 3, 50])
    if name in ("cosine_with_min_lr", "cosine_warmup_with_min_lr"):
        kwargs[r.choice(["min_lr", "min_lr_rate"])] = r.choice([1e-5, 1e-4, 0.0])
        some(r, kwargs, "num_cycles", [0.3, 1.5], 0.3)
        if name == "cosine_warmup_with_min_lr": some(r, kwargs, "warmup_lr_rate", [0.1, 0.5])
    if name == "warmup_stable_decay":
        kwargs["num_decay_steps"] = r.choice([1, 2, 3])
        some(r, kwargs, "num_stable_steps", [0, 1, 2], 0.3)
        some(r, kwargs, "warmup_type", ["linear", "cosine", "1-sqrt"])
        some(r, kwargs, "decay_type", ["linear", "cosine", "1-sqrt"])
        some(r, kwargs, "min_lr_ratio", [0.1, 0.3])
        some(r, kwargs, "num_cycles", [0.3, 1.5], 0.2)
    if kwargs: settings["lr_scheduler_kwargs"] = kwargs
    some(r, settings, "warmup_steps", [1, 2, 3, 0.2, 0.5, 9, 0.01, 2.5], 0.6)


def common(r):
    settings = dict(learning_rate=r.choice([1e-4, 1e-3, 3e-3, 5e-3]), per_device_train_batch_size=r.choice([1, 2, 3, 4, 5, 8]),
                    gradient_accumulation_steps=r.choice([1, 1, 2, 3, 4]))  # fmt: skip
    steps = r.randint(2, 6)
    if flip(r, 0.65):
        settings["max_steps"] = steps
        some(r, settings, "num_train_epochs", [1, 0.5], 0.2)
    else:
        settings["num_train_epochs"] = r.choice([0.4, 0.7, 1, 1.5, 2])
    schedule(r, settings, steps)
    some(r, settings, "weight_decay", [0.01, 0.1, 0.5], 0.4)
    some(r, settings, "adam_beta1", [0.8, 0.0, 0.95], 0.2)
    some(r, settings, "adam_beta2", [0.95, 0.99], 0.3)
    some(r, settings, "adam_epsilon", [1e-6, 1e-4], 0.2)
    some(r, settings, "max_grad_norm", [0.0, 0.1, 0.5, 10.0], 0.4)
    some(r, settings, "seed", [0, 7, 42], 0.4)
    return settings


LOSSES = ["sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm"]


def of_objective(r, objective, settings):
    beta = [0.01, 0.1, 0.3, 1.0]
    if objective in ("grpo", "rloo"): return
    if objective in ("dpo", "kto", "orpo", "cpo"): some(r, settings, "beta", beta, 0.7)
    if objective == "dpo":
        if flip(r, 0.8):
            losses = r.sample(LOSSES, r.choice([1, 1, 1, 2, 3]))
            settings["loss_type"] = losses
            if len(losses) > 1 and flip(r, 0.6): settings["loss_weights"] = [r.choice([1.0, 0.3, 2.0, -0.2]) for _ in losses]
        some(r, settings, "label_smoothing", [0.1, 0.3, 0.001], 0.4)
        if "exo_pair" in settings.get("loss_type", []): settings.setdefault("label_smoothing", 1e-3)
        scored = ["sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"]
        if all(name in scored for name in settings.get("loss_type", [])) or flip(r, 0.05):
            some(r, settings, "f_divergence_type", ["forward_kl", "js_divergence", "alpha_divergence", "reverse_kl"], 0.4)
        some(r, settings, "f_alpha_divergence_coef", [0.2, 1.0, 1.7, 0.0, -0.5], 0.4)
        some(r, settings, "ld_alpha", [0.0, 0.3, 0.8, 1.0], 0.25)
        if not {"aot", "aot_unpaired", "sft"} & set(settings.get("loss_type", [])) or flip(r, 0.05): some(r, settings, "use_weighting", [True], 0.25)
        some(r, settings, "discopop_tau", [0.1], 0.03)
    if objective == "kto":
        if settings["per_device_train_batch_size"] == 1 and not flip(r, 0.1): settings["per_device_train_batch_size"] = 2
        some(r, settings, "loss_type", ["kto", "apo_zero_unpaired"], 0.5)
        some(r, settings, "desirable_weight", [1.5, 0.3], 0.4)
        some(r, settings, "undesirable_weight", [1.7, 0.4], 0.4)
    if objective == "cpo":
        some(r, settings, "loss_type", ["sigmoid", "hinge", "ipo", "simpo", "alphapo"], 0.85)
        some(r, settings, "label_smoothing", [0.1, 0.3], 0.4)
        some(r, settings, "cpo_alpha", [0.0, 0.5, 2.0], 0.5)
        some(r, settings, "simpo_gamma", [0.0, 1.0, 0.2], 0.5)
        if settings.get("loss_type") in ("simpo", "alphapo"): some(r, settings, "alpha", [0.1, 0.5, -0.3], 0.4)
    if objective == "sft":
        some(r, settings, "completion_only_loss", [True, False], 0.4)
        some(r, settings, "packing", [True], 0.3)
        if settings.get("packing"): some(r, settings, "packing_strategy", ["bfd", "bfd_split", "wrapped"], 0.7)
        some(r, settings, "loss_type", ["nll", "nll", "nll", "dft"], 0.15)
        some(r, settings, "assistant_only_loss", [True], 0.2)
    if objective == "reward": some(r, settings, "center_rewards_coefficient", [0.01, 0.5], 0.4)
    if objective in ("dpo", "kto"): some(r, settings, "precompute_ref_log_probs", [True], 0.2)
    if objective != "pretrain":
        some(r, settings, "max_length", [8, 16, 24, 40, 64, 128], 0.5)
        some(r, settings, "disable_dropout", [True], 0.1 if objective not in ("sft",) else 0)
        some(r, settings, "truncation_mode", ["keep_end", "keep_start"], 0.3 if objective in ("sft", "dpo") else 0)


def of_policy(r, objective, settings):
    """One round of answers, learned from in some steps; what TRL calls so and `[policy]` of ours has."""
    generations, policy = r.choice([2, 3, 4]), {}
    batch, accumulation = r.choice([2, 3, 4, 6]), r.choice([1, 1, 2])
    together = accumulation * r.choice([1, 1, 2, 3]) if accumulation > 1 or flip(r) else r.choice([1, 2, 4])
    while together * batch % generations: batch += 1
    iterations = r.choice([1, 1, 2, 3])
    for key in ("num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "max_steps"): settings.pop(key, None)
    settings.update(per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation, max_steps=max(1, together * iterations // accumulation))
    policy.update(num_generations=generations, max_completion_length=r.choice([3, 6, 10]), steps_per_generation=together, num_iterations=iterations)
    some(r, policy, "temperature", [0.7, 1.3], 0.4)
    some(r, policy, "epsilon", [0.1, 0.02], 0.4)
    some(r, policy, "epsilon_high", [0.3, 0.05, 1.5], 0.4)
    some(r, policy, "mask_truncated_completions", [True], 0.2)
    some(r, settings, "beta", [0.0, 0.04, 0.5], 0.7)
    if objective == "grpo":
        some(r, settings, "loss_type", ["dapo", "grpo", "bnpo", "dr_grpo", "luspo", "cispo", "sapo", "vespo" if flip(r, 0.1) else "dapo"], 0.85)
        some(r, policy, "delta", [1.35, 2.6], 0.2)
        some(r, policy, "importance_sampling_level", ["token", "sequence"], 0.5)
        some(r, policy, "scale_rewards", ["group", "batch", "none"], 0.6)
        some(r, policy, "multi_objective_aggregation", ["sum_then_normalize", "normalize_then_sum"], 0.4)
        some(r, policy, "top_entropy_quantile", [0.2, 0.6], 0.2)
        some(r, policy, "entropy_coef", [0.01, -0.05], 0.2)
        some(r, policy, "use_bias_correction_kl", [True, False], 0.3)
        if settings.get("loss_type") == "sapo":
            some(r, policy, "sapo_temperature_neg", [1.5], 0.4)
            some(r, policy, "sapo_temperature_pos", [0.6], 0.4)
    else:
        some(r, policy, "normalize_advantages", [True], 0.4)
        some(r, policy, "reward_clip_range", [[0.02, 0.06], [-1.0, 1.0]], 0.4)
    rules = [dict(rule="length", unit="characters", per=10.0), dict(rule="length", target=3.0, per=4.0), dict(rule="regex", pattern="[aeiou]"),
             dict(rule="length", unit="characters", target=12.0, per=20.0), dict(rule="regex", pattern="[0-9]")]  # fmt: skip
    rewards = r.sample(rules, r.choice([1, 2, 3]))
    for place, reward in enumerate(rewards):
        reward["name"] = f"rule{place}"
        some(r, reward, "weight", [0.5, 2.0, -1.0], 0.5)
    return policy, rewards


def draw_lora(r, objective, model):
    """PEFT's settings of an adapter for this model in memory."""
    kinds = ("Linear", "Conv1D")
    paths = [name for name, module in model.named_modules() if type(module).__name__ in kinds and "lm_head" not in name and name != "score" and "embed_out" not in name and ".gate." not in name + "."]
    leaves = sorted({name.rsplit(".", 1)[1] for name in paths})
    layers = model.config.get_text_config().num_hidden_layers
    stack = "h" if any(".h." in path for path in paths) else "layers"
    if not leaves: raise Refused("no linear layers")
    rank = r.choice([1, 2, 3, 4, 8])
    made = dict(r=rank, lora_alpha=r.choice([rank, 2 * rank, 3, 7, 16]), task_type="SEQ_CLS" if objective == "reward" else "CAUSAL_LM")
    names = r.sample(leaves, r.randint(1, len(leaves)))
    targets = r.choice([names, names, names, r.sample(paths, r.randint(1, min(6, len(paths)))),
                        r".*\." + str(r.randrange(layers)) + r"\..*(" + "|".join(names) + ")", "all-linear", "all-linear"])  # fmt: skip
    made["target_modules"] = targets
    some(r, made, "use_rslora", [True], 0.25)
    some(r, made, "use_dora", [True], 0.2)
    starts = [True] * 6 + ["gaussian", "orthogonal", False]
    if objective in ("sft", "orpo", "cpo", "reward") or flip(r, 0.1): starts += ["pissa", "olora"]
    made["init_lora_weights"] = r.choice(starts)
    if made["init_lora_weights"] == "orthogonal" and rank % 2: made["init_lora_weights"] = True
    if isinstance(targets, list) and flip(r, 0.2):
        made["layers_to_transform"] = r.choice([r.randrange(layers), sorted(r.sample(range(layers), min(2, layers)))])
        some(r, made, "layers_pattern", [stack, [stack]])
    if flip(r, 0.15): made["exclude_modules"] = r.choice([[r.choice(leaves)], [r.choice(paths)], r".*\.0\..*"])
    keys = [r.choice(leaves), r.choice(paths), rf"{stack}\.1\..*", "^" + r.choice(paths) + "$", ".*" + r.choice(leaves)]
    if flip(r, 0.25): made["rank_pattern"] = {key: r.randint(1, 6) for key in r.sample(keys, r.randint(1, 2))}
    if flip(r, 0.25): made["alpha_pattern"] = {key: r.randint(1, 20) for key in r.sample(keys, r.randint(1, 2))}
    vocabulary = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    embedding = next((name for name in ("embed_tokens", "wte", "word_embeddings", "embed_in") if name in vocabulary), None)
    if objective == "reward": embedding = None
    if embedding and flip(r, 0.1):
        made["modules_to_save"] = r.choice([["lm_head"], [embedding], [embedding, "lm_head"]])
    if embedding and isinstance(targets, list) and "modules_to_save" not in made and flip(r, 0.1):
        made["target_modules"] = targets + [r.choice([embedding, embedding, "lm_head"])]
    some(r, made, "bias", ["lora_only", "all"], 0.12 if objective in ("sft", "orpo", "cpo", "reward") else 0.02)
    if objective in ("dpo", "kto", "orpo", "cpo", "reward"): some(r, made, "lora_dropout", [0.1, 0.5], 0.15)  # TRL switches it off there
    rare = dict(lora_bias=True, ensure_weight_tying=True, trainable_token_indices=[3, 5], alora_invocation_tokens=[5, 6], layer_replication=[[0, 2], [1, 2]])
    if flip(r, 0.05):
        key = r.choice(list(rare))
        made[key] = rare[key]
    return made


def draw(objective, seed):
    r = random.Random(f"{objective}_{seed}")
    case = dict(objective=objective, seed=seed)
    case["model"] = r.choice(CORE) if flip(r, 0.6) else r.choice(CHANGED) if flip(r, 0.35) else r.choice(FAMILIES)
    if objective in ("grpo", "rloo", "reward") and flip(r, 0.8): case["model"] = r.choice(CORE + CHANGED)
    if objective in ("grpo", "rloo") and flip(r, 0.6): case["model"] = r.choice(["llama_stops", "qwen3_stops"])
    case["settings"] = common(r)
    of_objective(r, objective, case["settings"])
    if case["settings"].get("assistant_only_loss") and not flip(r, 0.1): case["model"] = "llama_marks"
    methods = ["lora"] * 14 + ["full"] * 4 + ["bias"]
    if objective in ("sft", "dpo", "kto"): methods += ["prompt_tuning"]
    if objective == "reward": methods = ["lora"]  # a score head of its own begins with torch's dice
    case["method"] = "full" if objective == "pretrain" and flip(r, 0.6) else r.choice(methods) if objective != "pretrain" else "lora"
    case["b_std"] = r.choice([0.0, 0.02, 0.08])
    case["shuffle"] = flip(r, 0.3) and objective != "kto"
    case["rows"] = r.randint(3, 18)
    case["share"] = r.choice([0.2, 0.35]) if flip(r, 0.2) and objective != "pretrain" else 0.0
    if case["share"]:
        case["rows"] = max(case["rows"], 6)
        case["settings"].pop("max_length", None)
        case["settings"]["eval_steps"] = r.choice([1, 2, 3])
    if objective in ("grpo", "rloo"):
        case["policy"], case["rewards"] = of_policy(r, objective, case["settings"])
        case["shuffle"] = False
        case["method"] = r.choice(["lora", "lora", "lora", "full"])
        case["rows"], case["share"] = r.randint(4, 9) * 8, 0.0
        for key in ("eval_steps", "max_length"): case["settings"].pop(key, None)
    if case["method"] == "prompt_tuning":
        case["soft"] = dict(num_virtual_tokens=r.randint(1, 9), prompt_tuning_init="TEXT", prompt_tuning_init_text=text(r, 1, 6).strip() or "tone")
        case["settings"].pop("packing", None)
        case["settings"].pop("packing_strategy", None)
    return case, r


def draw_rows(case, r):
    objective = case["objective"]
    if objective in ("grpo", "rloo"):
        make = r.choice([plain, merging, chat, system] if has_template(case["model"]) else [plain, merging])
        return [{"prompt": row["prompt"]} for row in make(r, case["rows"])]
    for _ in range(40):
        if objective == "sft": make = draw_answers(r, case["model"])
        elif objective == "kto":
            make = draw_pairs(r, case["model"])
            if make in (implicit, implicit_none, implicit_chat): make = plain
            if not flip(r, 0.15): make = labelled(make)
        else: make = draw_pairs(r, case["model"])
        rows = make(r, max(case["rows"], 4))
        # Rows that are left out are not split either.
        longest = 200 if case["model"].startswith("tiny_") else 420  # these read 128 tokens
        short = all(len(json.dumps(row, ensure_ascii=False)) < longest for row in rows)
        if not case["share"] or (unlike(rows) and short): break
    else:
        case["share"] = 0.0
        case["settings"].pop("eval_steps", None)
    if objective == "reward" and flip(r, 0.3):
        for row in rows: row["margin"] = round(r.uniform(0, 1.5), 2)
    if case["model"] == "llama_tools" and objective in ("sft", "dpo", "kto", "reward") and not isinstance(next(iter(rows[0].values())), str) and flip(r, 0.8):
        rows = with_tools(r, rows)
    return rows


# -- TRL ---------------------------------------------------------------------------------------------------------------------


class Refused(Exception):
    """TRL, PEFT or transformers do not do it."""


def in_our_order(base, case):
    seed = case["settings"].get("seed", 42)

    class InOrder(base):
        def _get_train_sampler(self, dataset=None, *_args, **_more):
            rows = dataset if dataset is not None else self.train_dataset

            class Order(torch.utils.data.Sampler):
                epoch = 0

                def __iter__(self):
                    order = list(range(len(rows)))
                    if case["shuffle"]: order = shuffled(order, ChaCha20(seed, self.epoch))
                    self.epoch += 1
                    return iter(order)

                def __len__(self):
                    return len(rows)

            return Order()

    return InOrder


def trained(case, model):
    """Trainer's arguments."""
    settings = dict(case["settings"])
    for key in ("eval_steps",):
        if not case["share"]: settings.pop(key, None)
    if case["share"]: settings.update(eval_strategy="steps", per_device_eval_batch_size=64)
    if getattr(model.config.get_text_config(), "router_aux_loss_coef", None) and case["objective"] in ("sft", "dpo", "kto", "reward"):
        settings["router_aux_loss_coef"] = 0.0  # said by ours
    if case["objective"] in ("orpo", "cpo"): settings["remove_unused_columns"] = False
    return dict(output_dir=tempfile.gettempdir(), logging_steps=1, report_to=[], use_cpu=True, bf16=False, save_strategy="no",
                gradient_checkpointing=False, disable_tqdm=True, **settings)  # fmt: skip


def undropped(folder, objective):
    """Also what is dropped by a function, as OPT does it, and not by a module."""
    if objective == "reward":
        model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32, attn_implementation="eager")
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout): module.p = 0.0
    else: model = fresh(folder)
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if "drop" in name and isinstance(value, float): setattr(module, name, 0.0)
    return model


def model_of(out, case):
    folder = folder_of(out, case["model"], {})
    try:
        return folder, undropped(folder, case["objective"])
    except ValueError as error:  # no such class
        raise Refused(f"transformers: {error}") from error


def begin(out, case, r, folder):
    """The model that learns, with its adapter written."""
    at, model = model_of(out, case)
    if case["method"] == "lora":
        torch.manual_seed(case["seed"])
        case["lora"] = draw_lora(r, case["objective"], model)
        try:
            adapted = get_peft_model(model, LoraConfig(**case["lora"]))
            if not isinstance(case["lora"]["init_lora_weights"], str) and case["b_std"]:
                for key, value in adapted.named_parameters():
                    if ("lora_B" in key or "lora_embedding_A" in key) and value.requires_grad:
                        torch.nn.init.normal_(value, std=case["b_std"])
            adapted.save_pretrained(folder / "adapter_init", save_embedding_layers=False)
            tidy(folder / "adapter_init", case["model"])
            model = PeftModel.from_pretrained(undropped(at, case["objective"]), folder / "adapter_init", is_trainable=True)
        except Exception as error:
            raise Refused(f"PEFT: {error!r}") from error
    elif case["method"] == "bias":
        for key, value in model.named_parameters():
            value.requires_grad_(key.rsplit(".", 1)[-1] == "bias" or key.endswith("_bias"))
    return at, model


def pretraining(tokenizer, case, r):
    """A text, and its windows."""
    words = " ".join(text(r, 5, 30) for _ in range(case["rows"]))
    ids = tokenizer(words, add_special_tokens=False)["input_ids"]
    window = r.choice([8, 13, 16, 32])
    stride = r.choice([0, window, window - 1, max(1, window // 2), 1 if len(ids) < 60 else window])
    case["settings"]["max_length"] = window
    case["stride"] = stride
    step = stride or window
    return words, [{"input_ids": ids[at : at + window]} for at in range(0, len(ids) - window + 1, step)]


def answered(base, case, folder, model, args):
    """TRL's trainer with the answers that ours has sampled, and with what ours paid for them."""
    program = os.environ.get("TUNING_FORK")
    done, said = run_ours(program, folder) if program else (None, "TUNING_FORK is needed")
    if done is None or done.returncode != 0: raise Refused("ours: " + " ".join((said or "").split())[-300:])
    found = json.loads((folder / "ours/answers-0.json").read_text())["answers"]
    shutil.copy(folder / "ours/answers-0.json", folder / "answers.json")
    order = list(range(len(found)))
    if case["policy"]["steps_per_generation"] > case["settings"]["gradient_accumulation_steps"]:
        order = shuffled(order, ChaCha20(case["settings"].get("seed", 42), 0))

    def dealt(batch):
        turn = lambda value: value[order] if torch.is_tensor(value) and value.dim() else [value[at] for at in order] if isinstance(value, list) else value
        return {key: turn(value) for key, value in batch.items()}

    grpo_trainer.shuffle_sequence_dict = rloo_trainer.shuffle_sequence_dict = dealt

    class Answered(base):
        def _generate_single_turn(self, prompt_ids, *_args, **_more):
            prompts = [list(map(int, ids)) for ids in prompt_ids]
            if prompts != [answer["prompt_ids"] for answer in found]: raise AssertionError(f"prompts differ: {prompts[:2]} {[a['prompt_ids'] for a in found[:2]]}")
            ids = [answer["ids"] for answer in found]
            return (ids, None) if base is GRPOTrainer else ids

    def pays(place):
        pay = lambda completions, **_more: [answer["rewards"][place] for answer in found]
        pay.__name__ = f"rule{place}"
        return pay

    return Answered(model=model, reward_funcs=[pays(place) for place in range(len(case["rewards"]))], **args)


def theirs(out, case, r, folder):
    objective = case["objective"]
    tokenizer_at = folder_of(out, case["model"], {})
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_at)
    context = json.loads((tokenizer_at / "config.json").read_text())
    context = min(context.get(key) or 1024 for key in ("max_position_embeddings", "n_positions", "n_ctx"))
    if objective not in ("pretrain", "grpo", "rloo") and case["settings"].get("max_length", 1024) > context - 10: case["settings"]["max_length"] = context - 10  # beyond it ours does not go, and says so
    if objective == "pretrain":
        words, rows = pretraining(tokenizer, case, r)
        if not rows: raise Refused("the text is too short")
        (folder / "text.txt").write_text(words, newline="")
        held_out = []
    else:
        rows = draw_rows(case, r)
        (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        train, out_of = split(rows, case["share"], case["settings"].get("seed", 42))
        rows, held_out = [rows[at] for at in train], [rows[at] for at in out_of]
    at, model = begin(out, case, r, folder)
    case["at"] = str(at)
    (folder / "run.toml").write_text(run_file(case, folder))
    before = {key: value.detach().clone() for key, value in model.named_parameters() if value.requires_grad}
    base, configured = TRAINERS[objective]
    log, evaluations = [], []
    try:
        if objective == "pretrain":
            settings = {key: value for key, value in trained(case, model).items() if key != "max_length"}
            for row in rows: row["labels"] = list(row["input_ids"])
            args = dict(args=configured(**settings), train_dataset=Dataset.from_list(rows))
        elif objective in ("grpo", "rloo"):
            settings = trained(case, model) | case["policy"] | dict(shuffle_dataset=False, reward_weights=[reward.get("weight", 1.0) for reward in case["rewards"]])
            settings.pop("precompute_ref_log_probs", None)
            args = dict(args=configured(**settings), train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
        else:
            more = {}
            if case["method"] == "prompt_tuning":
                more["peft_config"] = PromptTuningConfig(task_type="CAUSAL_LM", tokenizer_name_or_path=str(at), **case["soft"])
            args = dict(args=configured(**trained(case, model)), train_dataset=Dataset.from_list(rows), eval_dataset=Dataset.from_list(held_out) if held_out else None,
                        processing_class=tokenizer, **more)  # fmt: skip
        if objective in ("grpo", "rloo"): trainer = answered(base, case, folder, model, args)
        else: trainer = in_our_order(base, case)(model=model, **args)
        trainer.remove_callback(PrinterCallback)
        prepared = [{key: row[key] for key in row if key.endswith("ids") or key.endswith("labels") or key == "seq_lengths"} for row in trainer.train_dataset]
        case["train_rows"] = len(trainer.train_dataset)
        trainer.train()
        for line in trainer.state.log_history:
            if "loss" in line: log.append({key: float(value) for key, value in line.items()})
            elif "eval_loss" in line: evaluations.append({key: float(value) for key, value in line.items()})
    except Exception as error:
        raise Refused(f"{base.__name__}: {type(error).__name__}: {str(error).strip()}") from error
    (folder / "prepared.json").write_text("\n".join(json.dumps(row) for row in prepared))
    (folder / "log.json").write_text(json.dumps(log, indent=1))
    (folder / "eval.json").write_text(json.dumps(evaluations, indent=1))
    if case["method"] in ("lora", "prompt_tuning"):
        trainer.model.save_pretrained(folder / "adapter_final", **({"save_embedding_layers": False} if case["method"] == "lora" else {}))
        shutil.rmtree(folder / "adapter_final/ref", ignore_errors=True)
    else:
        after = dict(trainer.model.named_parameters())
        save_file({key: after[key].detach().clone().contiguous() for key in before}, folder / "final.safetensors")


# -- ours --------------------------------------------------------------------------------------------------------------------


def toml(value):
    if isinstance(value, bool): return "true" if value else "false"
    if isinstance(value, dict): return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list): return "[" + ", ".join(toml(item) for item in value) + "]"
    if isinstance(value, float): return repr(value) if "." in repr(value) or "e" in repr(value) else repr(value) + ".0"
    return json.dumps(value, ensure_ascii=False)


def run_file(case, folder):
    """TRL's keys as they are, and what only ours has."""
    keys = dict(model=case["at"], objective=case["objective"], data="text.txt" if case["objective"] == "pretrain" else "data.jsonl",
                method=case["method"], shuffle=case["shuffle"])  # fmt: skip
    keys |= {key: value for key, value in case["settings"].items() if key not in ("precompute_ref_log_probs", "eval_steps")}
    if case["share"]: keys |= dict(held_out_share=case["share"], eval_steps=case["settings"]["eval_steps"])
    if case.get("stride"): keys["stride"] = case["stride"]
    if case["method"] == "lora": keys["adapter"] = "adapter_init"
    lines = [f"{key} = {toml(value)}" for key, value in keys.items()]
    if case.get("policy"): lines += ["[policy]", *(f"{key} = {toml(value)}" for key, value in case["policy"].items())]
    for reward in case.get("rewards", []): lines += ["[[rewards]]", *(f"{key} = {toml(value)}" for key, value in reward.items())]
    if case.get("soft"): lines += ["[soft_prompt]", *(f"{key} = {toml(value)}" for key, value in case["soft"].items())]
    return "\n".join(lines) + "\n"


def run_ours(program, folder, file="run.toml"):
    shutil.rmtree(folder / "ours", ignore_errors=True)
    try:
        done = subprocess.run([program, "train", str(folder / file), "--out", str(folder / "ours"), "--json"], capture_output=True, text=True, timeout=120,
                              cwd=folder, env=os.environ | {"HF_HOME": str(folder / "hf"), "RAYON_NUM_THREADS": "1"})  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, "HANGS"
    return done, done.stderr


TOLERANCES = dict(loss=2e-4, nll_loss=2e-4, log_odds_ratio=2e-4, log_odds_chosen=2e-4, grad_norm=5e-3, kl=2e-3, entropy=2e-4, mean_token_accuracy=1e-6,
                  learning_rate=1e-12, epoch=1e-12, num_tokens=0)  # fmt: skip


def differ(what, ours, expected, objective, uneven=False):
    found = []
    for key, value in expected.items():
        name = key.removeprefix("eval_")
        if any(key.endswith(end) for end in ("runtime", "per_second", "eval_num_tokens")) or key == "step" or key == "eval_epoch": continue
        if objective in ("orpo", "cpo") and "logits/" in key or name in ("total_flos",): continue
        # TRL gathers these "for metrics": of an epoch's last step as many rows of each micro-batch as its last one has.
        if objective in ("orpo", "cpo") and uneven and name.startswith(("rewards/", "logps/")): continue
        if name in ("step_time", "policy_loss", "entropy_coef"): continue  # of TRL alone
        if what.startswith("evaluation") and key in ("epoch", "num_tokens"): continue
        tolerance = TOLERANCES.get(name, 2e-3 if name.startswith(("rewards", "logps")) else 2e-4)
        if name.endswith(("accuracies", "accuracy")): tolerance = 1e-6
        if name in ("mean_reward", "min_reward", "max_reward", "margin"): tolerance = 1e-3
        if key not in ours or ours[key] is None:
            if objective == "pretrain" and name not in ("loss", "grad_norm", "learning_rate", "epoch"): continue
            found.append(f"{what}: no {key}, which is {value}")
            continue
        if name in ("loss", "nll_loss", "log_odds_ratio", "log_odds_chosen") or name.startswith(("logps", "rewards")): tolerance *= max(1.0, abs(value))
        if objective in ("grpo", "rloo"):
            # The last answer is the end of the text or is not: TRL's mean of no lengths is 0.
            if name.startswith(("rewards/", "completions/")) or name in ("num_tokens", "step_time", "policy_loss", "entropy_coef") or name.startswith("sampling"): tolerance = 1e-4
            if name == "kl" or name.startswith(("reward", "frac", "clip", "cispo")): tolerance = 2e-4 * max(1.0, abs(value))
        if name == "grad_norm": tolerance = tolerance * abs(value) + 1e-4
        if name == "rewards/accuracies" and abs(expected[key.replace("accuracies", "margins")]) < 1e-5: continue  # all rounding
        off = abs(ours[key] - value)
        if not off <= tolerance: found.append(f"{what}: {key} is {ours[key]}, not {value}")
    return found


def weights_off(folder, case):
    file = "adapter_model.safetensors"
    if case["method"] in ("lora", "prompt_tuning"):
        expected, ours = load_file(folder / "adapter_final" / file), load_file(folder / "ours" / file)
        expected = {key: value for key, value in expected.items() if not key.endswith(".base_layer.weight")}
        if set(expected) != set(ours): return [f"tensors: ours has {sorted(set(ours) - set(expected))[:3]}, not {sorted(set(expected) - set(ours))[:3]}"]
    else:
        expected, ours = load_file(folder / "final.safetensors"), load_file(folder / "ours/model/model.safetensors")
        missing = sorted(set(expected) - set(ours))
        if missing and missing != ["lm_head.weight"]: return [f"no tensors {missing[:3]}"]
        expected = {key: value for key, value in expected.items() if key in ours}
    found = []
    for key, value in expected.items():
        if ours[key].shape != value.shape:
            found.append(f"{key} is {tuple(ours[key].shape)}, not {tuple(value.shape)}")
            continue
        off = (ours[key].float() - value.float()).abs()
        # A model is written in the numbers of its file.
        rounding = {torch.float16: 2**-10, torch.bfloat16: 2**-7}.get(ours[key].dtype, 0) * value.abs()
        far = ~(off <= 2e-4 + rounding)
        # Where a gradient is all rounding, Adam steps by its sign.
        if far.sum() > max(1, off.numel() // 500) and not key.endswith(("c_attn.bias", "c_attn.base_layer.bias")): found.append(f"{int(far.sum())} of {off.numel()} values of {key} are off, by {off.max():.2g}")
    return found


def compare(program, folder, case):
    done, said = run_ours(program, folder)
    words = [line for line in (said or "").splitlines() if line.strip()]
    if done is None: return "DIFFERENT", ["it hangs"]
    if done.returncode != 0:
        last = " ".join(words[-3:])[:400]
        crashed = done.returncode not in (1, 2) or "panicked" in said
        return ("CRASH" if crashed else "refused"), [last]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    steps = [line for line in lines if "learning_rate" in line]
    evaluations = [line for line in lines if "eval_loss" in line and "run_dir" not in line]
    log, expected = json.loads((folder / "log.json").read_text()), json.loads((folder / "eval.json").read_text())
    found = []
    if len(steps) != len(log): found.append(f"{len(steps)} steps, not {len(log)}")
    if any(value != value for line in log for value in line.values()):
        return ("theirs" if "left out" in said or "no answer" in said else "DIFFERENT"), ["NaN in TRL's log", *words[:3]]
    rows = case.get("train_rows", 0)
    uneven = rows % case["settings"]["per_device_train_batch_size"] != 0
    for number, (one, other) in enumerate(zip(steps, log), 1): found += differ(f"step {number}", one, other, case["objective"], uneven)
    if expected:
        of_step = {line["step"]: line for line in evaluations}
        for line in expected:
            if line["step"] not in of_step: found.append(f"no evaluation at step {line['step']}")
            else: found += differ(f"evaluation {line['step']}", of_step[line["step"]], line, case["objective"])
    found += weights_off(folder, case)
    (folder / "said.txt").write_text(said)
    # TRL's CPO and ORPO keep rows of which no answer is left; ours says that they are left out.
    if found and case["objective"] in ("orpo", "cpo") and "left out" in said: return "said", found
    if found and "do not see each other here" in said: return "said", found
    # TRL pads prompts at their beginning, and GPT-2 numbers its positions from there.
    if found and case.get("policy") and case["model"] == "gpt2":
        lengths = {len(answer["prompt_ids"]) for answer in json.loads((folder / "answers.json").read_text())["answers"]}
        if len(lengths) > 1: return "theirs", found
    return ("DIFFERENT" if found else "same"), found


def names_off(program, folder, case):
    """A new adapter of ours with these settings has the tensors of PEFT's."""
    ours_has = {"r", "lora_alpha", "target_modules", "use_rslora", "use_dora", "init_lora_weights", "layers_to_transform", "layers_pattern", "rank_pattern",
                "alpha_pattern", "bias", "modules_to_save", "lora_dropout"}  # fmt: skip
    lora = {key: value for key, value in case["lora"].items() if key not in ("task_type",)}
    if case["objective"] == "reward": return None
    if not set(lora) <= ours_has or lora["init_lora_weights"] in (False, "orthogonal"): return None
    if isinstance(lora.get("layers_to_transform"), int): lora["layers_to_transform"] = [lora["layers_to_transform"]]
    text = "".join(line + "\n" for line in (folder / "run.toml").read_text().splitlines() if not line.startswith(("adapter =", "max_steps", "num_train_epochs", "lr_scheduler", "learning_rate", "save_steps", "warmup", "weight_decay")))
    patterns = {key: lora.pop(key) for key in ("rank_pattern", "alpha_pattern") if key in lora}
    text += "max_steps = 1\nlearning_rate = 1e-9\n[lora]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in lora.items())
    for key, table in patterns.items(): text += f"[lora.{key}]\n" + "".join(f"{json.dumps(name)} = {value}\n" for name, value in table.items())
    (folder / "names.toml").write_text(text)
    done, said = run_ours(program, folder, "names.toml")
    if done is not None and done.returncode == 1 and ": lora." in said: return None  # refused by its key
    if done is None or done.returncode != 0: return [f"a new adapter: {(said or '').strip()[-300:]}"]
    expected, ours = load_file(folder / "adapter_init/adapter_model.safetensors"), load_file(folder / "ours/adapter_model.safetensors")
    expected = {key: value for key, value in expected.items() if not key.endswith(".base_layer.weight") or "bias" in key}
    found = []
    if set(expected) != set(ours): found.append(f"a new adapter has {sorted(set(ours) - set(expected))[:3]}, not {sorted(set(expected) - set(ours))[:3]}")
    found += [f"a new adapter's {key} is {tuple(ours[key].shape)}, not {tuple(value.shape)}" for key, value in expected.items() if key in ours and ours[key].shape != value.shape]
    theirs, own = (json.loads((folder / at / "adapter_config.json").read_text()) for at in ("adapter_init", "ours"))
    for key in ("r", "lora_alpha", "use_rslora", "use_dora", "bias", "layers_to_transform", "rank_pattern", "alpha_pattern"):
        if (theirs.get(key) or None) != (own.get(key) or None) and not (key == "layers_to_transform" and [theirs.get(key)] == own.get(key)):
            found.append(f"a new adapter's {key} is written as {own.get(key)}, not {theirs.get(key)}")
    return found


def one(out, objective, seed, program, totals):
    name = f"{objective}_{seed}"
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    case, r = draw(objective, seed)
    refusal = None
    try:
        theirs(out, case, r, folder)
    except Refused as error:
        refusal = str(error)
    (folder / "draw.json").write_text(json.dumps(case | {"refusal": refusal}, indent=1))
    if not program: return
    if refusal is not None:
        if not (folder / "run.toml").is_file(): verdict, found = "theirs", [refusal[:200], "not asked"]
        else:
            done, said = run_ours(program, folder)
            own = "hangs" if done is None else "runs" if done.returncode == 0 else ("CRASHES: " if done.returncode not in (1, 2) else "refuses: ") + " ".join(said.split())[-300:]
            verdict, found = ("CRASH" if "CRASH" in own or own == "hangs" else "theirs"), [refusal[:300], "ours " + own]
    else:
        verdict, found = compare(program, folder, case)
        if verdict == "same" and case["method"] == "lora":
            names = None if case.get("policy") else names_off(program, folder, case)
            if names: verdict, found = "DIFFERENT", names
    totals[verdict] = totals.get(verdict, 0) + 1
    print(name, case["model"], case["method"], verdict, "; ".join(found[:4]), f"(of {len(found)})" if len(found) > 4 else "", flush=True)
    if verdict in ("same", "said", "refused", "theirs") and not os.environ.get("KEEP"): shutil.rmtree(folder)


def tools_model(out):
    """A template that writes the tools before the dialogue."""
    folder = out / "models/llama_tools"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "models/llama", folder)
    for path in folder.iterdir(): path.chmod(0o644)
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text("{% if tools %}{{ tools | tojson }}\n{% for tool in tools %}{{ tool.function.name }} {% endfor %}{% endif %}" + template)


def stops_model(out):
    """Many tokens end an answer, so that answers are of different lengths."""
    for name in ("llama", "qwen3"):
        folder = out / f"models/{name}_stops"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(HERE / "models" / name, folder)
        for path in folder.iterdir(): path.chmod(0o644)
        settings = {"bos_token_id": 1, "eos_token_id": [2, *range(60, 130)], "pad_token_id": 2}
        (folder / "generation_config.json").write_text(json.dumps(settings))


def main():
    out, program = Path(sys.argv[1]).resolve(), os.environ.get("TUNING_FORK")
    totals = {}
    if sys.argv[2] == "again":
        for path in sorted(out.glob("*/draw.json")):
            case = json.loads(path.read_text())
            if case.pop("refusal"): continue
            verdict, found = compare(program, path.parent, case)
            if verdict == "same" and case["method"] == "lora":
                found = (not case.get("policy") and names_off(program, path.parent, case)) or []
                verdict = "DIFFERENT" if found else verdict
            totals[verdict] = totals.get(verdict, 0) + 1
            print(path.parent.name, case["model"], case["method"], verdict, "; ".join(found[:4]), flush=True)
        return print(totals)
    rest = sys.argv[3:]
    first = next((int(word[1:]) for word in rest if word.startswith("+")), 0)
    objectives = [word for word in rest if not word.startswith("+")] or OBJECTIVES
    if not (out / "models").is_dir():
        changed_models(out)
        tools_model(out)
        stops_model(out)
    for seed in range(first, first + int(sys.argv[2])):
        for objective in objectives:
            try:
                one(out, objective, seed, program, totals)
            except Exception as error:  # the other runs are worth having
                totals["script"] = totals.get("script", 0) + 1
                print(objective, seed, "SCRIPT", repr(error), flush=True)
    print(totals)


if __name__ == "__main__":
    main()
