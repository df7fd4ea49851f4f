"""Short training runs of TRL and PEFT on the tiny models: odd but legal settings of every kind.

Usage: python make_traces.py OUT [NAME...]     (without names: all of CASES)

Needs torch, transformers 5, TRL 1 and PEFT. Each OUT/NAME/ is a trace as in `traces/`: run.json
(settings), data.jsonl, adapter_init/, adapter_final/, grads.safetensors (of the first step, before
clipping), log.json (what TRL logs at each step), of some grads_f64.safetensors (what float64 says of the tensors in which
TRL's f32 is too rough); where something is held out, also held_out.jsonl
and eval.json (what TRL's `evaluate` gives at the end, as one batch). OUT/models/ has the models
whose tokenizer had to be changed, OUT/families/ those of `make_families.py` that are trained. `tests/engine/traces.rs` replays a whole folder of them:
TUNING_FORK_TRACES=OUT cargo test --test engine generated_traces. The first two are committed;
`traces/dpo_js`, `dpo_alpha`, `dpo_ld`, `dpo_aot` and `dpo_wpo` are of the same kind, with the model
without an adapter as their reference (`"reference": "base"`).
"""

import importlib
import inspect
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from transformers.utils import logging
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

HERE = Path(__file__).parent
EOS = "<|im_end|>"
VOCABULARY = (
    "tone fork answer question better worse pair clear plain stone river grün naïve Maß 12 3.5 (see) "
    "\n\n - list; end! why? 你好 🙂 word wordless"
).split(" ")
MLA = ["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"]
STATES = ["per_layer_input_gate", "per_layer_projection", "linear_left", "linear_right", "prediction_coefs", "modality_router"]
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def text(rng, low, high):
    return " ".join(rng.choice(VOCABULARY) for _ in range(rng.randint(low, high)))


def says(role, content):
    return {"role": role, "content": content}


# Rows of each kind: (random numbers, how many) -> rows.


def plain(rng, count):
    return [
        {"prompt": text(rng, 2, 9) + ":", "chosen": " " + text(rng, 2, 9), "rejected": " " + text(rng, 2, 9)}
        for _ in range(count)
    ]


def merging(rng, count):
    """No space between prompt and answer, or one at the prompt's end: tokens may merge across."""
    rows = []
    for index in range(count):
        end = ["", " ", "w", "\n"][index % 4]
        begin = ["ord", "word", "", " "][index % 4]
        rows.append(
            {
                "prompt": text(rng, 2, 6) + end,
                "chosen": begin + text(rng, 1, 6),
                "rejected": begin + text(rng, 1, 6),
            }
        )
    return rows


def no_prompt(rng, count):
    """Every other prompt is empty."""
    rows = plain(rng, count)
    for row in rows[::2]:
        row["prompt"] = ""
    return rows


def no_answer(rng, count):
    """Some answers are empty: all that is learned is to stop."""
    rows = plain(rng, count)
    rows[1]["rejected"] = ""
    rows[2]["chosen"] = ""
    return rows


def ended(rng, count):
    """Answers that end with the end-of-sequence token already, one of both or both."""
    rows = plain(rng, count)
    for index, row in enumerate(rows):
        row["chosen"] += EOS if index % 2 else ""
        row["rejected"] += EOS if index % 3 else ""
    return rows


def same(rng, count):
    """Some pairs with twice the same answer, and answers of the same length."""
    rows = plain(rng, count)
    for row in rows[::3]:
        row["rejected"] = row["chosen"]
    rows[1]["rejected"] = rows[1]["chosen"][:-1] + "?"
    return rows


def implicit(rng, count):
    """No prompt column: what the two answers begin with in common."""
    return [
        {"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]}
        for row in plain(rng, count)
    ]


def implicit_none(rng, count):
    """Two texts without anything in common among them."""
    rows = implicit(rng, count)
    rows[1] = {"chosen": "yes, " + text(rng, 2, 5), "rejected": "no, " + text(rng, 2, 5)}
    return rows


def chat(rng, count):
    return [
        {
            "prompt": [says("user", text(rng, 2, 9))],
            "chosen": [says("assistant", text(rng, 2, 9))],
            "rejected": [says("assistant", text(rng, 2, 9))],
        }
        for _ in range(count)
    ]


def system(rng, count):
    """System prompts, several turns, and answers of more than one message."""
    rows = chat(rng, count)
    for index, row in enumerate(rows):
        if index % 2 == 0:
            row["prompt"].insert(0, says("system", text(rng, 3, 6)))
        if index % 3 == 0:
            row["prompt"] += [says("assistant", text(rng, 1, 4)), says("user", text(rng, 1, 5))]
        if index % 4 == 1:
            row["chosen"] += [says("user", text(rng, 1, 3)), says("assistant", text(rng, 1, 4))]
    return rows


def implicit_chat(rng, count):
    return [
        {"chosen": row["prompt"] + row["chosen"], "rejected": row["prompt"] + row["rejected"]}
        for row in system(rng, count)
    ]


def long(rng, count):
    """Prompts and answers of very different lengths: some are cut, some prompts fill everything."""
    rows = plain(rng, count)
    for index, row in enumerate(rows):
        row["prompt"] = text(rng, 1, 1 + 9 * (index % 4)) + ":"
        row["chosen"] = " " + text(rng, 1, 1 + 11 * (index % 3))
    return rows


def long_chat(rng, count):
    rows = chat(rng, count)
    for index, row in enumerate(rows):
        row["prompt"][0]["content"] = text(rng, 1, 1 + 9 * (index % 4))
        row["rejected"][0]["content"] = text(rng, 1, 1 + 11 * (index % 3))
    return rows


def odd(rng, count):
    """Everything that is odd and legal, one row of each in turn."""
    kinds = [no_prompt, no_answer, ended, same, merging, long, implicit_none]
    rows = []
    for index in range(count):
        row = kinds[index % len(kinds)](rng, 4)[index % 4]
        rows.append({"prompt": ""} | row)
    return rows


def only_chosen(rows):
    return [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]


def labelled(make):
    """Answers of pairs, each with a label: some batches have one kind alone."""

    def rows(rng, count):
        found = []
        for index, row in enumerate(make(rng, count)):
            label = index % 5 < 3
            found.append(
                {"prompt": row["prompt"], "completion": row["chosen" if label else "rejected"], "label": label}
            )
        return found

    return rows


def whole_text(rng, count):
    return [{"text": row["prompt"] + row["chosen"]} for row in ended(rng, count)]


def whole_chat(rng, count):
    return [{"messages": row["prompt"] + row["chosen"]} for row in system(rng, count)]


DEFAULTS = dict(
    model="llama", kind="dpo", data=chat, rows=9, held_out=0, batch=3, accum=1, steps=4, lr=1e-3, beta=0.1,
    r=4, alpha=8, targets=LINEARS, sched="linear", warmup=0, wd=0.0, clip=1.0, extra={}, lora={}, b_std=0.02,
)  # fmt: skip


def dpo(**more):
    return DEFAULTS | more


def sft(**more):
    return DEFAULTS | {"kind": "sft"} | more


def soft(what, **more):
    """A soft prompt that TRL makes of the model: what it is held to is the model without one."""
    own = {key: more.pop(key) for key in list(more) if key.startswith("prompt_tuning") or key == "num_virtual_tokens"}
    settings = {"kind": "sft", "lr": 3e-2, "soft": {"type": what, "num_virtual_tokens": 3} | own}
    return DEFAULTS | settings | ({"reference": "base"} if more.get("kind", "sft") != "sft" else {}) | more


def of(kind, **more):
    return DEFAULTS | {"kind": kind, "lr": 3e-3} | more


def family(model, **more):
    """Rows that fit into the short context of these models."""
    is_sft = more.get("kind") == "sft"
    rows = (lambda rng, n: only_chosen(plain(rng, n))) if is_sft else plain
    extra = dict(max_length=100)
    if json.loads((HERE / "families" / model / "config.json").read_text()).get("router_aux_loss_coef"):
        extra["router_aux_loss_coef"] = 0.0  # a router that stands still cannot be balanced
    return DEFAULTS | {"model": model, "data": rows} | more | {"extra": extra | more.get("extra", {})}


def loss(*names, **more):
    extra = {"loss_type": list(names)}
    keys = ("loss_weights", "label_smoothing", "f_divergence_type", "f_alpha_divergence_coef", "ld_alpha", "use_weighting")
    for key in keys:
        if key in more:
            extra[key] = more.pop(key)
    return dpo(extra=extra, data=more.pop("data", long), lr=3e-3, **more)


CASES = {
    # Committed, in `traces/`: as much as fits into two
    "odd_dpo": dpo(
        data=odd, rows=17, held_out=5, batch=3, accum=2, steps=7, warmup=0.3, sched="cosine", wd=0.1, r=2, alpha=3,
        targets=r".*layers\.[02]\.(self_attn\.[qv]|mlp\.down)_proj", beta=0.3,
        extra=dict(loss_type=["sigmoid_norm", "robust", "sft"], loss_weights=[2.0, 0.5, 0.25], label_smoothing=0.2, max_length=40),
        lora=dict(use_rslora=True, rank_pattern={r".*\.2\..*v_proj": 3}, alpha_pattern={r"layers\.0\.mlp\..*": 5}),
    ),
    "odd_sft": sft(
        data=lambda rng, n: only_chosen(odd(rng, n)), rows=13, held_out=4, batch=2, accum=3, steps=5, warmup=2,
        r=2, alpha=5, targets=["q_proj", "down_proj"], lora=dict(layers_to_transform=[0, 1]),
        extra=dict(completion_only_loss=False, max_length=24),
    ),
    # Families, each with settings of its own
    "family_llama": dpo(held_out=5, lora=dict(use_rslora=True), alpha=5, r=3),
    "family_mistral": dpo(model="mistral", data=system, sched="cosine", warmup=1, held_out=4),
    "family_qwen2": dpo(model="qwen2", data=plain, r=2, alpha=7, wd=0.1),
    "family_qwen3": dpo(model="qwen3", data=implicit_chat, beta=0.5, clip=0.1),
    "family_gemma2": dpo(model="gemma2", data=long_chat, batch=4, rows=8),
    "family_gemma3": dpo(model="gemma3", data=system, targets="all-linear", batch=2),
    "family_phi3": dpo(model="phi3", targets=["qkv_proj", "gate_up_proj", "down_proj"], alpha=16),
    "family_gpt2": dpo(model="gpt2", targets=["c_attn", "c_fc", "c_proj"], lora=dict(fan_in_fan_out=True)),
    "family_olmo2": dpo(model="tiny_olmo2", data=plain, targets="all-linear"),
    "family_smollm3": dpo(model="tiny_smollm3", data=plain),
    # Those of `make_families.py`: layers that carry a state, gates, experts. The first eleven are committed.
    "falcon_h1": family("falcon_h1", targets=[*LINEARS, "in_proj"], held_out=4),
    "falcon_h1_sft": family("falcon_h1_normed", kind="sft", targets=r".*(mamba\.in_proj|self_attn\.[qo]_proj)", accum=2),
    "lfm3": family("lfm3", targets="all-linear", held_out=4),
    "lfm3_sft": family("lfm3", kind="sft", targets=["in_proj", "out_proj", "v_proj", "w2", "down_proj"], r=2, wd=0.1),
    "phimoe": family("phimoe", targets=LINEARS[:4], extra=dict(max_length=60), held_out=3),
    # `f64`: torch's chunked rule takes the gradient of what fades from differences of sums of logarithms, which
    # in f32 is off by 2e-4 of the largest there. The same classes in float64 say what it is.
    "qwen3_5": family("qwen3_5", targets="all-linear", batch=2, f64="in_proj_a"),
    # Six rows: of the next one transformers' tokenizer class of this family, which is ours, makes other tokens.
    "qwen3_5_moe": family("qwen3_5_moe", targets="all-linear", batch=2, rows=6, f64="in_proj_a"),
    # PEFT's all-linear takes the experts and the router of OLMoE and Qwen3-Next too (target_parameters): by name.
    "qwen3_next": family(
        "qwen3_next", kind="sft", targets=[*LINEARS[:4], "in_proj_qkvz", "in_proj_ba", "out_proj", "shared_expert_gate"]
    ),
    "gpt_oss": family("gpt_oss", targets="all-linear", held_out=3),
    "olmoe": family("olmoe", kind="sft", targets=LINEARS[:4], accum=2),
    "olmoe_clipped": family("olmoe_clipped", targets=LINEARS[:4]),
    # Compressed keys and values; several hidden states, and vectors of each layer. Committed are `deepseek_v3`,
    # `gemma3n`, `gemma4_e` and `mpt_6_heads`.
    "deepseek_v3": family("deepseek_v3", targets=MLA, held_out=3),
    "moonlight": family("moonlight", kind="sft", targets=["q_proj", "kv_a_proj_with_mqa", "o_proj"], accum=2),
    "gemma3n": family("gemma3n", targets=[*LINEARS, *STATES], held_out=3),
    "gemma3n_sft": family("gemma3n_plain", kind="sft", targets=[*LINEARS[:4], "linear_right", "prediction_coefs"], accum=2),
    "gemma4_e": family("gemma4_e", targets=[*LINEARS, *STATES[:2]], held_out=3),
    "gemma4_dense": family("gemma4_dense", kind="sft", targets=LINEARS),
    "minicpm3": family("minicpm3", targets=MLA),
    "glm4_moe": family("glm4_moe", targets=LINEARS[:4]),
    "cohere_head_norms": family("cohere_head_norms", targets="all-linear"),
    "gpt_bigcode": family("gpt_bigcode", targets="all-linear"),
    "mpt_6_heads": family("mpt_6_heads", targets="all-linear"),
    "codegen": family("codegen", kind="sft", targets="all-linear"),
    "lfm2": family("lfm2", targets="all-linear"),
    "lfm2_moe": family("lfm2_moe", kind="sft", targets=["in_proj", "out_proj", "q_proj"]),
    "granite_hybrid": family("granite_hybrid", targets=["in_proj", "q_proj", "v_proj"]),
    # All weights of families with compressed keys, norms of each head, and values that are keys.
    "full_sft_minicpm3": family("minicpm3", kind="sft", method="full", lr=5e-4, wd=0.3),
    "full_dpo_cohere_norms": family("cohere_head_norms", method="full", lr=5e-4),
    "full_sft_gemma4_dense": family("gemma4_dense", kind="sft", method="full", lr=5e-4, wd=0.3, accum=2),
    # Its context: TRL goes on beyond that, and we do not.
    "family_yarn": dpo(
        model="tiny_qwen2_yarn", data=plain, targets="all-linear", lora=dict(use_rslora=True), extra=dict(max_length=64)
    ),
    "family_gemma3_sft": sft(model="gemma3", data=whole_chat, targets=["q_proj", "v_proj"]),
    "family_gpt2_sft": sft(model="gpt2", data=whole_text, targets="all-linear", lora=dict(fan_in_fan_out=True)),
    "family_phi3_sft": sft(model="phi3", data=lambda rng, n: only_chosen(system(rng, n)), targets="all-linear"),
    # Losses
    "loss_sigmoid_smoothed": loss("sigmoid", label_smoothing=0.2),
    "loss_hinge": loss("hinge", beta=0.3),
    "loss_ipo": loss("ipo", beta=0.4, held_out=4),
    "loss_exo": loss("exo_pair", label_smoothing=1e-3),
    "loss_nca": loss("nca_pair", beta=0.02),
    "loss_robust": loss("robust", label_smoothing=0.3, beta=0.2),
    "loss_bco": loss("bco_pair", beta=1.0),
    "loss_sppo": loss("sppo_hard", beta=0.05),
    "loss_apo_zero": loss("apo_zero", beta=0.6),
    "loss_apo_down": loss("apo_down", beta=0.6),
    "loss_discopop": loss("discopop", beta=0.05),
    "loss_sigmoid_norm": loss("sigmoid_norm", beta=2.0, held_out=4),
    "loss_sft": loss("sft", held_out=4),
    "loss_mpo": loss("sigmoid", "bco_pair", "sft", loss_weights=[0.8, 0.2, 1.0], held_out=4, accum=2),
    "loss_odd_sum": loss("ipo", "robust", "sppo_hard", loss_weights=[0.5, -0.25, 2.0], label_smoothing=0.1),
    "loss_unweighted_sum": loss("hinge", "sft", "apo_zero", batch=2),
    "loss_forward_kl": loss("sigmoid", f_divergence_type="forward_kl", beta=0.3, held_out=4),
    "loss_js_hinge": loss("hinge", "sft", f_divergence_type="js_divergence", beta=0.6, accum=2),
    "loss_js_exo": loss("exo_pair", f_divergence_type="js_divergence", label_smoothing=0.05, beta=0.5),
    "loss_alpha_ipo": loss("ipo", f_divergence_type="alpha_divergence", f_alpha_divergence_coef=1.6, beta=0.4, held_out=4),
    "loss_alpha_one": loss("robust", f_divergence_type="alpha_divergence", f_alpha_divergence_coef=1.0, label_smoothing=0.1),
    "loss_alpha_discopop": loss("discopop", "sigmoid_norm", f_divergence_type="alpha_divergence", beta=0.05),
    "loss_ld": loss("sigmoid", ld_alpha=0.3, held_out=4, accum=2),
    "loss_ld_none": loss("ipo", "hinge", ld_alpha=0.0, batch=3),
    "loss_ld_wpo": loss("sigmoid", "apo_zero", ld_alpha=0.7, use_weighting=True, held_out=4, beta=0.5),
    "loss_wpo": loss("bco_pair", use_weighting=True, batch=2, accum=2),
    "loss_aot": loss("aot", batch=4, rows=10, held_out=5, accum=2),
    "loss_aot_unpaired": loss("aot_unpaired", batch=5, rows=12, label_smoothing=0.1, beta=0.5, held_out=4),
    "loss_aot_sum": loss("aot", "sigmoid", "aot_unpaired", loss_weights=[0.5, 1.0, -0.25], batch=4, ld_alpha=0.5),
    # Adapters
    "rank_pattern": dpo(lora=dict(rank_pattern={"q_proj": 2, "down_proj": 6}, alpha_pattern={"q_proj": 3})),
    "pattern_paths": dpo(
        lora=dict(rank_pattern={"model.layers.0.self_attn.q_proj": 7}, alpha_pattern={"layers.1.mlp.up_proj": 20}),
    ),
    "pattern_regex": dpo(
        lora=dict(rank_pattern={r".*\.layers\.[01]\..*_proj": 2}, alpha_pattern={r"layers\.(0|2)\.mlp\..*": 1}),
    ),
    "pattern_both": dpo(lora=dict(rank_pattern={"layers.0.self_attn.v_proj": 1, "v_proj": 5}, use_rslora=True)),
    "targets_regex": dpo(targets=r".*layers\.[02]\.(self_attn\.(q|o)|mlp\.down)_proj"),
    "targets_one": dpo(targets=["down_proj"], r=1, alpha=1),
    "targets_layers": dpo(targets=["q_proj", "v_proj"], lora=dict(layers_to_transform=[1])),
    "targets_excluded": dpo(targets="all-linear", lora=dict(exclude_modules=["o_proj"])),
    "new_adapter": dpo(b_std=0.0, lr=1e-2, held_out=4),
    "large_rank": dpo(r=80, alpha=160, lora=dict(use_rslora=True)),
    # Rows
    "rows_plain": dpo(data=plain, targets=["v_proj"]),
    "rows_merging": dpo(data=merging),
    "rows_no_prompt": dpo(data=no_prompt),
    "rows_no_prompt_bos": dpo(model="llama_bos", data=no_prompt),
    "rows_no_answer": dpo(data=no_answer),
    "rows_ended": dpo(data=ended),
    "rows_same": dpo(data=same),
    "rows_implicit": dpo(data=implicit),
    "rows_implicit_none": dpo(data=implicit_none),
    "rows_implicit_chat": dpo(data=implicit_chat),
    "rows_bos": dpo(model="llama_bos", data=plain, held_out=3),
    "rows_bos_chat": dpo(model="llama_bos", data=system),
    "rows_bos_eos": dpo(model="llama_bos_eos", data=plain),
    "rows_odd_template": dpo(model="llama_template", data=system),
    "cut_24": dpo(data=long, extra=dict(max_length=24), batch=2, held_out=6),
    "cut_40_chat": dpo(data=long_chat, extra=dict(max_length=40), batch=2),
    "cut_ipo": loss("ipo", "sigmoid_norm", "sft", batch=4),
    "cut_to_2": dpo(data=no_prompt, extra=dict(max_length=2), batch=2),
    # Batches and schedules
    "batch_too_large": dpo(batch=20, rows=5),
    "batch_remainder": dpo(batch=4, rows=9, steps=7),
    "batch_of_one": dpo(batch=1, rows=3, steps=7),
    "accum_remainder": dpo(batch=2, rows=9, accum=2, steps=7),
    "accum_too_many": dpo(batch=2, rows=5, accum=7, steps=4),
    "accum_loss_sft": loss("sft", "sigmoid", batch=2, rows=9, accum=3, steps=5),
    "sched_linear_warm": dpo(sched="linear", warmup=3, steps=6),
    "sched_ratio": dpo(sched="cosine", warmup=0.3, steps=7),
    "sched_ratio_linear": dpo(sched="linear", warmup=0.25, steps=6),
    "sched_constant": dpo(sched="constant", warmup=2),
    "sched_constant_warm": dpo(sched="constant_with_warmup", warmup=2, wd=0.05),
    "sched_all_warm": dpo(sched="cosine", warmup=9),
    "sched_epochs": dpo(sched="linear", epochs=1.5, steps=-1, batch=2, accum=2, rows=9),
    "clip_off": dpo(clip=0.0, lr=5e-3),
    "clip_hard": dpo(clip=0.01, wd=0.3),
    # Supervised
    "sft_chat": sft(data=lambda rng, n: only_chosen(system(rng, n)), held_out=4),
    "sft_plain": sft(data=lambda rng, n: only_chosen(ended(rng, n)), sched="constant"),
    "sft_merging": sft(data=lambda rng, n: only_chosen(merging(rng, n))),
    "sft_no_prompt": sft(data=lambda rng, n: only_chosen(no_prompt(rng, n))),
    "sft_text": sft(data=whole_text, accum=2, batch=2, rows=9, steps=6),
    "sft_text_bos": sft(model="llama_bos", data=whole_text, held_out=4),
    "sft_messages": sft(data=whole_chat, extra=dict(max_length=30)),
    "sft_dft": sft(data=lambda rng, n: only_chosen(plain(rng, n)), batch=2, accum=2, extra=dict(loss_type="dft")),
    "sft_cut": sft(data=lambda rng, n: only_chosen(long(rng, n)), extra=dict(max_length=20), batch=2),
    "sft_whole_pairs": sft(
        data=lambda rng, n: only_chosen(long(rng, n)), extra=dict(completion_only_loss=False, max_length=20),
        accum=2, batch=2,
    ),
    "sft_whole_pairs_chat": sft(
        data=lambda rng, n: only_chosen(system(rng, n)), extra=dict(completion_only_loss=False), held_out=3
    ),
    # Packed
    "pack_pairs": sft(
        data=lambda rng, n: only_chosen(long(rng, n)), rows=14, batch=2, extra=dict(packing=True, max_length=48)
    ),
    "pack_split": sft(
        data=whole_text, rows=14, batch=2, accum=2, extra=dict(packing=True, packing_strategy="bfd_split", max_length=16)
    ),
    "pack_wrapped": sft(
        data=whole_text, rows=14, batch=2, extra=dict(packing=True, packing_strategy="wrapped", max_length=32)
    ),
    "pack_gpt2": sft(
        model="gpt2", data=whole_text, rows=14, batch=2, targets="all-linear", lora=dict(fan_in_fan_out=True),
        extra=dict(packing=True, packing_strategy="wrapped", max_length=32),
    ),
    "dora_plain": sft(data=lambda rng, n: only_chosen(plain(rng, n)), lora=dict(use_dora=True), accum=2, wd=0.2),
    "dora_gpt2": sft(model="gpt2", data=whole_text, targets="all-linear", lora=dict(use_dora=True, fan_in_fan_out=True)),
    "dora_dpo": dpo(model="qwen3", data=system, lora=dict(use_dora=True, use_rslora=True), held_out=4),
    "sft_packed_gpt2": sft(
        model="gpt2", data=lambda rng, n: only_chosen(plain(rng, n)), rows=8, batch=2, accum=1, steps=3, held_out=0, targets=["c_attn", "c_fc"],
        lora=dict(fan_in_fan_out=True), extra=dict(packing=True, packing_strategy="bfd", max_length=40)
    ),
    "pack_gemma3": sft(model="gemma3", data=whole_chat, rows=12, batch=2, extra=dict(packing=True, max_length=64)),
    # Labelled answers
    "kto_chat": of("kto", data=labelled(system), rows=14, batch=4, accum=2, held_out=5),
    "kto_weights": of(
        "kto", data=labelled(long), rows=14, batch=3, beta=0.5,
        extra=dict(desirable_weight=1.5, undesirable_weight=0.4, max_length=30),
    ),
    "kto_pairs": of("kto", data=plain, rows=7, batch=4, clip=0.05),
    "kto_apo": of("kto", data=labelled(merging), rows=14, batch=4, extra=dict(loss_type="apo_zero_unpaired"), held_out=4),
    "kto_bos": of("kto", model="llama_bos", data=labelled(plain), rows=12, batch=4, accum=2),
    # Pairs without a reference
    "orpo_chat": of("orpo", data=system, batch=4, accum=2, held_out=5),
    "orpo_plain": of("orpo", model="mistral", data=merging, beta=0.4, batch=2),
    "orpo_bos": of("orpo", model="llama_bos", data=no_prompt, batch=3, accum=2),
    "orpo_implicit": of("orpo", data=implicit, clip=0.1),
    "cpo_chat": of("cpo", data=system, batch=4, accum=2, held_out=5),
    "cpo_smoothed": of("cpo", data=ended, extra=dict(label_smoothing=0.2, cpo_alpha=0.3), beta=0.5),
    "cpo_hinge": of("cpo", data=merging, extra=dict(loss_type="hinge"), beta=0.05, batch=2),
    "cpo_ipo": of("cpo", model="qwen3", data=long_chat, extra=dict(loss_type="ipo", cpo_alpha=0.5), beta=0.4),
    "cpo_simpo": of("cpo", model="gemma3", data=system, extra=dict(loss_type="simpo", label_smoothing=0.1), beta=2.0, accum=2),
    "cpo_alphapo": of("cpo", data=plain, extra=dict(loss_type="alphapo", alpha=0.2, simpo_gamma=0.3), beta=2.0, held_out=4),
    "cpo_bos": of("cpo", model="llama_bos", data=no_prompt, batch=3),
    "cpo_implicit_chat": of("cpo", data=implicit_chat),
    # Whole weights: no adapter, but `final_minus_init.safetensors`
    "full_dpo_qwen3": dpo(model="qwen3", method="full", wd=0.3, lr=5e-4),
    "full_dpo_gemma2": dpo(model="gemma2", method="full", data=plain, batch=2, accum=2, lr=5e-4),
    "full_sft_gemma3": sft(model="gemma3", method="full", data=whole_chat, wd=0.3, lr=5e-4),
    "full_sft_gpt2": sft(model="gpt2", method="full", data=whole_text, wd=0.3, lr=5e-4),
    "full_orpo_phi3": of("orpo", model="phi3", method="full", data=chat, lr=5e-4),
    "full_kto_mistral": of("kto", model="mistral", method="full", data=labelled(chat), wd=0.3, lr=5e-4),
    "full_cpo_olmo2": of("cpo", model="tiny_olmo2", method="full", data=plain, lr=5e-4),
    "full_sft_smollm3": sft(model="tiny_smollm3", method="full", data=lambda rng, n: only_chosen(plain(rng, n)), lr=5e-4),
    # Whole parts beside LoRA
    "part_bias_gpt2": sft(
        model="gpt2", data=lambda rng, n: only_chosen(plain(rng, n)), targets=["c_attn", "c_fc"],
        lora=dict(fan_in_fan_out=True, bias="lora_only"), wd=0.3,
    ),
    "part_saved_gemma3": sft(
        model="gemma3", data=whole_chat, targets=["v_proj"], lora=dict(modules_to_save=["embed_tokens"]), lr=5e-4
    ),
    "part_embed_gemma3": sft(model="gemma3", data=whole_chat, targets=["embed_tokens", "q_proj"]),
    "part_embed_gpt2": sft(
        model="gpt2", data=whole_text, targets=["wte", "c_attn"], lora=dict(fan_in_fan_out=True)
    ),
    "part_saved_dpo": dpo(targets=["q_proj"], lora=dict(modules_to_save=["lm_head"]), lr=5e-4),
    # Soft prompts; the first three are committed
    "soft_prompt_gpt2": soft(
        "prompt", model="gpt2", data=whole_text, rows=7, batch=2, accum=2, held_out=4, wd=0.1, num_virtual_tokens=5
    ),
    "soft_prompt_dpo": soft("prompt", kind="dpo", model="qwen3", data=implicit_chat, held_out=4, rows=8, batch=2, accum=2),
    "soft_prefix_gemma3": soft("prefix", model="gemma3", data=whole_chat, held_out=4, extra=dict(max_length=30)),
    "soft_prompt_gemma3": soft(
        "prompt", model="gemma3", data=whole_chat, prompt_tuning_init="TEXT",
        prompt_tuning_init_text="tone fork answer", num_virtual_tokens=7,
    ),
    "soft_prompt_vocabulary": soft("prompt", model="gemma2", data=whole_text, prompt_tuning_init="SAMPLE_VOCAB", clip=0.01),
    "soft_prompt_bos": soft("prompt", model="llama_bos", data=whole_text, held_out=3, wd=0.3),
    "soft_prompt_whole_pairs": soft(
        "prompt", data=lambda rng, n: only_chosen(plain(rng, n)), extra=dict(completion_only_loss=False), held_out=3
    ),
    "soft_prompt_pairs_bos": soft("prompt", model="mistral", data=lambda rng, n: only_chosen(no_prompt(rng, n)), held_out=4),
    "soft_prompt_olmo2": soft("prompt", model="tiny_olmo2", data=whole_text, num_virtual_tokens=1),
    "soft_prompt_kto": soft("prompt", kind="kto", data=labelled(system), rows=14, batch=4, accum=2, held_out=5),
    "soft_prompt_dpo_ld": soft(
        "prompt", kind="dpo", data=long, extra=dict(ld_alpha=0.5, loss_type=["sigmoid", "ipo"]), beta=0.3
    ),
    "soft_prefix_gpt2": soft("prefix", model="gpt2", data=whole_text, held_out=3, num_virtual_tokens=6),
    "soft_prefix_dpo": soft("prefix", model="qwen3", data=plain, kind="dpo", held_out=4),
    "soft_prefix_mistral": soft("prefix", model="mistral", data=whole_text, accum=2, batch=2, num_virtual_tokens=9),
    "soft_prefix_smollm3": soft("prefix", model="tiny_smollm3", data=lambda rng, n: only_chosen(plain(rng, n)), wd=0.2),
    "soft_prefix_kto": soft("prefix", kind="kto", model="qwen3", data=labelled(plain), rows=12, batch=4, held_out=4),
    "sft_rslora": sft(
        data=lambda rng, n: only_chosen(plain(rng, n)), lora=dict(use_rslora=True, rank_pattern={"k_proj": 9}),
        sched="cosine", warmup=1, wd=0.1,
    ),
}  # fmt: skip


def changed_models(out):
    """Copies of `llama` whose tokenizer adds what that of the other has not."""
    whole = json.loads((HERE / "models/llama/tokenizer.json").read_text())
    ids = {token["content"]: token["id"] for token in whole["added_tokens"]}
    bos = "<|endoftext|>"

    def special(token):
        return {"SpecialToken": {"id": token, "type_id": 0}}

    def copy(name, around):
        folder = out / "models" / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(HERE / "models/llama", folder)
        for path in folder.iterdir():
            path.chmod(0o644)
        if around is None:
            return folder
        body = [{"Sequence": {"id": "A", "type_id": 0}}]
        post = {
            "type": "TemplateProcessing",
            "single": [special(token) for token in around[0]] + body + [special(token) for token in around[1]],
            "pair": body + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in around[0] + around[1]
            },
        }
        (folder / "tokenizer.json").write_text(json.dumps(whole | {"post_processor": post}))
        return folder

    copy("llama_bos", ([bos], []))
    copy("llama_bos_eos", ([bos], [EOS]))
    # A template that marks what an assistant says.
    marked = copy("llama_marks", None)
    (marked / "chat_template.jinja").write_text(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}"
        "{{ m.content }}<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    # A template that writes a turn differently once it is answered, and trims what is said.
    odd = copy("llama_template", None)
    (odd / "chat_template.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' and loop.last %}"
        "<|im_start|>assistant\n<think></think>{{ m.content | trim }}{{ eos_token }}{% else %}"
        "[{{ m.role }}] {{ m.content | trim }}\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def fresh(folder):
    eager = dict(attn_implementation="eager", experts_implementation="eager")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **eager)
    if model.config.model_type == "phimoe" and model.config.router_jitter_noise > 0:
        route_as_in_answers(model)
    for module in model.modules():  # GPT-2 drops some itself; torch's dice are not ours
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def tidy(adapter, model):
    """Leaves the two files of a PEFT folder, without this machine's paths."""
    shutil.rmtree(adapter / "ref", ignore_errors=True)  # TRL's copy of what was continued
    (adapter / "README.md").unlink(missing_ok=True)
    path = adapter / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": model}
    if config.get("tokenizer_name_or_path"):
        config["tokenizer_name_or_path"] = model
    path.write_text(json.dumps(config, indent=2) + "\n")
    for path in adapter.iterdir():
        path.chmod(0o644)


def folder_of(out, model, changes):
    """Where a model is. Those of `make_families.py` get the tokenizer's settings and the template of `llama`."""
    for folder in (out / "models" / model, HERE / "models" / model):
        if folder.is_dir():
            return folder
    folder = out / "families" / model
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = json.loads((HERE / "families" / model / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(HERE / "families" / model / "model.safetensors", folder)
    shutil.copy(HERE / "families/tokenizer.json", folder)
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(HERE / "models/llama" / name, folder)
    return folder


def route_as_in_answers(model):
    """Phi-MoE draws its experts at random in training; routers that stay in evaluation take the best, and the
    gradient goes through their weights all the same."""
    for module in model.modules():
        if type(module).__name__ == "PhimoeTopKRouter":
            module.eval()
            module.train = lambda mode=True, router=module: router


def make(out, name, case):
    case = dict(case)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model_folder = folder_of(out, case["model"], case.get("model_changes", {}))
    rng = random.Random(name)
    make_rows = case.pop("data")
    rows = make_rows(rng, case["rows"])
    held_out = make_rows(rng, case["held_out"]) if case["held_out"] else []
    write_rows(folder / "data.jsonl", rows)

    torch.manual_seed(len(name))
    if case.get("method") == "full":
        return train(out, name, case, (rows, held_out), model_folder, fresh(model_folder))
    if case.get("soft"):
        return train(out, name, case, (rows, held_out), model_folder, fresh(model_folder))
    lora = LoraConfig(
        r=case["r"], lora_alpha=case["alpha"], lora_dropout=0.0, target_modules=case["targets"],
        task_type="CAUSAL_LM", **case["lora"],
    )  # fmt: skip
    adapted = get_peft_model(fresh(model_folder), lora)
    for key, value in adapted.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(value, std=case["b_std"])
    adapted.save_pretrained(folder / "adapter_init")
    model = PeftModel.from_pretrained(fresh(model_folder), folder / "adapter_init", is_trainable=True)
    train(out, name, case, (rows, held_out), model_folder, model)
    if case.get("f64"):
        in_f64(folder, model_folder, case, rows)


def in_f64(folder, model_folder, case, rows):
    """The gradients of the first step of DPO on plain pairs in float64, of the modules that `f64` names."""
    model_type = json.loads((model_folder / "config.json").read_text())["model_type"].removesuffix("_text")
    module = importlib.import_module(f"transformers.models.{model_type}.modeling_{model_type}")
    source, kept = inspect.getsource(module), dict(module.__dict__)
    source = source.replace("torch.float32", "torch.float64").replace(".float()", ".double()")
    source = source.replace("dtype=torch.float)", "dtype=torch.float64)")
    exec(compile(source, module.__file__, "exec"), module.__dict__)
    torch.set_default_dtype(torch.float64)
    name = json.loads((model_folder / "config.json").read_text())["architectures"][0]
    eager = dict(attn_implementation="eager", experts_implementation="eager")
    model = getattr(module, name).from_pretrained(model_folder, dtype=torch.float64, **eager)
    model = PeftModel.from_pretrained(model, folder / "adapter_init", is_trainable=True)
    for parameter in model.parameters():
        parameter.data = parameter.data.double()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(model_folder)

    def logp(row, answer):
        ids = tokenizer(row["prompt"] + answer + tokenizer.eos_token)["input_ids"]
        prompt = tokenizer(row["prompt"])["input_ids"]
        shared = next((at for at, pair in enumerate(zip(ids, prompt)) if pair[0] != pair[1]), len(prompt))
        ids = torch.tensor([ids[: case["extra"]["max_length"]]])
        scores = model(input_ids=ids, use_cache=False).logits[0, :-1].log_softmax(-1)
        return scores.gather(-1, ids[0, 1:, None])[:, 0], shared

    loss = 0.0
    for row in rows[: case["batch"]]:
        (chosen, one), (rejected, other) = logp(row, row["chosen"]), logp(row, row["rejected"])
        start = min(one, other) - 1
        # Policy and reference are the same: the sigmoid's slope is a half.
        loss += -case["beta"] / 2 * (chosen[start:].sum() - rejected[start:].sum()) / case["batch"]
    loss.backward()
    found = {key.replace(".default", ""): value.grad for key, value in model.named_parameters() if value.requires_grad}
    theirs = load_file(folder / "grads.safetensors")
    for key, value in found.items():
        off = (theirs[key] - value).abs().max() / value.abs().max()
        assert off < 1e-4 or case["f64"] in key, f"{key} is off by {off}"
    kept_apart = {key: value.float().contiguous() for key, value in found.items() if case["f64"] in key}
    save_file(kept_apart, folder / "grads_f64.safetensors")
    (folder / "grads_f64.safetensors").chmod(0o644)
    torch.set_default_dtype(torch.float32)
    module.__dict__.update(kept)


def soft_config(soft, model_folder):
    soft = dict(soft)
    if soft.pop("type") == "prefix":
        return PrefixTuningConfig(task_type="CAUSAL_LM", **soft)
    return PromptTuningConfig(task_type="CAUSAL_LM", tokenizer_name_or_path=str(model_folder), **soft)


def train(out, name, case, rows_and_held_out, model_folder, model):
    folder = out / name
    rows, held_out = rows_and_held_out
    is_full = case.get("method") == "full"
    before = {key: value.detach().clone() for key, value in model.named_parameters()} if is_full else {}
    epochs = case.get("epochs")
    settings = dict(
        output_dir=tempfile.gettempdir(), per_device_train_batch_size=case["batch"],
        gradient_accumulation_steps=case["accum"], max_steps=case["steps"], num_train_epochs=epochs or 3,
        learning_rate=case["lr"], lr_scheduler_type=case["sched"], warmup_steps=case["warmup"],
        weight_decay=case["wd"], max_grad_norm=case["clip"], logging_steps=1, report_to=[], use_cpu=True,
        bf16=False, save_strategy="no", gradient_checkpointing=False, disable_tqdm=True, seed=0,
        per_device_eval_batch_size=max(1, len(held_out)), **case["extra"],
    )  # fmt: skip
    kind = case["kind"]
    base, configured = {
        "dpo": (DPOTrainer, DPOConfig), "kto": (KTOTrainer, KTOConfig), "orpo": (ORPOTrainer, ORPOConfig),
        "cpo": (CPOTrainer, CPOConfig), "sft": (SFTTrainer, SFTConfig),
    }[kind]  # fmt: skip
    config = configured(**settings, **({} if kind == "sft" else {"beta": case["beta"]}))

    class InOrder(base):
        def _get_train_sampler(self, *_args, **_more):
            return SequentialSampler(self.train_dataset)

    gradients = {}

    def keep(model):
        for key, value in model.named_parameters():
            if value.requires_grad:
                gradients[key.replace(".default", "")] = value.grad.detach().clone().contiguous()

    class Unclipped(TrainerCallback):
        def on_pre_optimizer_step(self, _args, _state, _control, model=None, **_more):
            if not gradients:
                keep(model)

    trainer = InOrder(
        model=model, peft_config=soft_config(case["soft"], model_folder) if case.get("soft") else None, args=config, train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(held_out) if held_out else None,
        # Not AutoTokenizer, which splits words as Qwen does for every `qwen2`, whatever the file says.
        processing_class=PreTrainedTokenizerFast.from_pretrained(model_folder), callbacks=[Unclipped()],
    )  # fmt: skip
    if case.get("soft"):
        trainer.model.save_pretrained(folder / "adapter_init")
    clip = trainer.accelerator.clip_grad_norm_

    def keep_and_clip(*args, **more):
        if not gradients:
            keep(trainer.model)
        return clip(*args, **more)

    trainer.accelerator.clip_grad_norm_ = keep_and_clip
    trainer.train()
    log = [{key: float(value) for key, value in line.items()} for line in trainer.state.log_history if "loss" in line]
    if held_out:
        write_rows(folder / "held_out.jsonl", held_out)
        found = trainer.evaluate()
        (folder / "eval.json").write_text(json.dumps(found, indent=1))
    if is_full:
        after = dict(trainer.model.named_parameters())
        moved = {key: (after[key].detach() - value).contiguous() for key, value in before.items()}
        save_file(moved, folder / "final_minus_init.safetensors")
    else:
        trainer.model.save_pretrained(folder / "adapter_final")
        for adapter in ("adapter_init", "adapter_final"):
            tidy(folder / adapter, case["model"])
    save_file(gradients, folder / "grads.safetensors")
    (folder / "grads.safetensors").chmod(0o644)
    (folder / "log.json").write_text(json.dumps(log, indent=1))
    (folder / "run.json").write_text(json.dumps(case | {"max_length": config.max_length}, indent=1))
    print(name, [round(line["loss"], 5) for line in log], flush=True)


if __name__ == "__main__":
    logging.set_verbosity_error()
    out = Path(sys.argv[1])
    changed_models(out)
    names = sys.argv[2:] or CASES
    for name in names:
        try:
            make(out, name, CASES[name])
        except Exception as error:  # the other cases are worth having
            print(name, "FAILED", repr(error), flush=True)
            shutil.rmtree(out / name, ignore_errors=True)
