"""Tiny GGUF files of the families of `make_families.py` that llama.cpp knows, as its converter would write
them, with what transformers computes of the same weights.

Usage: python make_gguf_families.py OUT [NAME...]            (without names: all of CASES)
       python make_gguf_families.py --f32 OUT [NAME...]      (to compare with llama.cpp, which rounds else)

Needs torch, transformers 5 and gguf. OUT/NAME/ gets model.gguf (matrices in bfloat16, in which the
weights are exact) and expected.safetensors: input_ids (1, T), logits (1, T, V), greedy (1, N).
Names come from gguf's own table. `tests/engine/gguf_families.rs` compares them. Only settings that llama.cpp
has a key for, or holds to be fixed, are used.
"""

import json
import math
import re
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import gguf
import numpy as np
import torch
from make_families import DELTA, EAGER, EPS, FALCON_H1, GEMMA3N, GEMMA4, LLAMA3, MAMBA, MIXTURE, MLA, SIZES, YARN, enliven, rope
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Mistral4ForCausalLM
from transformers.utils import logging

VOCAB = 64
MOE = dict(num_experts=5, num_experts_per_tok=2, moe_intermediate_size=10)
SHARED = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=6)
GRANITE = dict(attention_multiplier=0.2, embedding_multiplier=3.0, residual_multiplier=0.6, logits_scaling=2.5)
SLIDING = dict(sliding_window=5, layer_types=["sliding_attention", "full_attention"])
QWEN = dict(DELTA, linear_value_head_dim=4)  # as long as a key's for llama.cpp
# Multiplied into the weights, these stay exact.
TWOS = dict(attention_in_multiplier=2.0, attention_out_multiplier=0.5, key_multiplier=0.25, ssm_in_multiplier=0.5, ssm_out_multiplier=2.0,
            ssm_multipliers=[0.5, 2.0, 0.25, 4.0, 0.5], mlp_multipliers=[2.0, 0.5], embedding_multiplier=4.0, lm_head_multiplier=0.5)
DEEPSEEK = dict(MLA, moe_intermediate_size=8, n_routed_experts=5, n_shared_experts=2, num_experts_per_tok=2)

# Name: transformers' family, llama.cpp's, what differs from SIZES.
CASES = {
    "gemma4_e": ("gemma4_text", "gemma4", dict(GEMMA4, num_hidden_layers=4, hidden_size_per_layer_input=4, vocab_size_per_layer_input=VOCAB,
                 num_kv_shared_layers=2, use_double_wide_mlp=True, num_key_value_heads=1, final_logit_softcapping=3.0,
                 layer_types=["sliding_attention", "full_attention"] * 2)),
    "gemma4_moe": ("gemma4_text", "gemma4", dict(GEMMA4, hidden_size_per_layer_input=0, attention_k_eq_v=True, num_global_key_value_heads=1,
                   enable_moe_block=True, num_experts=5, top_k_experts=2, moe_intermediate_size=8,
                   layer_types=["sliding_attention", "full_attention"])),
    "qwen35": ("qwen3_5_text", "qwen35", dict(QWEN, linear_num_value_heads=6)),
    "qwen35moe": ("qwen3_5_moe_text", "qwen35moe", dict(QWEN, **SHARED)),
    "qwen3next": ("qwen3_next", "qwen3next", dict(QWEN, **SHARED, norm_topk_prob=True, rope_parameters=rope(partial_rotary_factor=0.5))),
    "qwen3moe": ("qwen3_moe", "qwen3moe", dict(MOE, head_dim=6, norm_topk_prob=True, rms_norm_eps=EPS)),
    "qwen2moe": ("qwen2_moe", "qwen2moe", dict(MOE, shared_expert_intermediate_size=12)),
    "gpt_oss": ("gpt_oss", "gpt-oss", dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=12, head_dim=6, sliding_window=5,
                rope_parameters=dict(YARN, truncate=False), layer_types=["sliding_attention", "full_attention"])),
    "ministral3": ("ministral3", "mistral3", dict(head_dim=6, rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3))),
    "mistral_small": ("mistral", "mistral3", dict(head_dim=6, sliding_window=None)),
    "olmo3": ("olmo3", "olmo2", dict(num_hidden_layers=3, sliding_window=5, rms_norm_eps=EPS, rope_parameters=dict(
        full_attention=dict(YARN), sliding_attention=rope()), layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
    "olmoe": ("olmoe", "olmoe", dict(num_experts=6, num_experts_per_tok=3, intermediate_size=10, num_key_value_heads=4)),
    "mixtral": ("mixtral", "llama", dict(num_local_experts=4, num_experts_per_tok=2, rms_norm_eps=EPS)),
    "granite": ("granite", "granite", dict(GRANITE, attention_bias=True, mlp_bias=True, rms_norm_eps=EPS)),
    "granitemoe": ("granitemoe", "granitemoe", dict(GRANITE, num_local_experts=5, num_experts_per_tok=2, intermediate_size=10)),
    "granitehybrid": ("granitemoehybrid", "granitehybrid", dict(MAMBA, **GRANITE, num_local_experts=4, num_experts_per_tok=2,
                      intermediate_size=8, position_embedding_type="nope")),
    "granitehybrid_dense": ("granitemoehybrid", "granitehybrid", dict(MAMBA, num_local_experts=0, mamba_n_groups=1, rms_norm_eps=EPS,
                            intermediate_size=10, position_embedding_type="nope", attention_multiplier=0.3)),
    "lfm2": ("lfm2", "lfm2", dict(block_multiple_of=6, conv_L_cache=4, layer_types=["conv", "full_attention"], norm_eps=EPS)),
    "lfm2moe": ("lfm2_moe", "lfm2moe", dict(num_dense_layers=1, num_experts=5, num_experts_per_tok=2, moe_intermediate_size=8,
                layer_types=["full_attention", "conv"])),
    "glm4": ("glm4", "glm4", dict(head_dim=8, rms_norm_eps=EPS)),
    "exaone4": ("exaone4", "exaone4", dict(SLIDING, head_dim=4, rms_norm_eps=EPS, rope_parameters=LLAMA3)),
    "exaone4_whole": ("exaone4", "exaone4", dict(head_dim=4, sliding_window=None, layer_types=["full_attention"] * 2)),
    "cohere2": ("cohere2", "cohere2", dict(head_dim=4, sliding_window=5, layer_norm_eps=EPS, logit_scale=0.3, num_hidden_layers=4)),
    "deepseek2_lite": ("deepseek_v2", "deepseek2", dict(DEEPSEEK, q_lora_rank=None, first_k_dense_replace=1, routed_scaling_factor=1.5,
                       rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=0.7))),
    "deepseek2": ("deepseek_v2", "deepseek2", dict(DEEPSEEK, q_lora_rank=10, v_head_dim=14)),
    "mistral4": ("mistral4", "mistral4", dict(DEEPSEEK, q_lora_rank=10, norm_topk_prob=True, rope_parameters=dict(
                 YARN, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3))),
    "minicpm3": ("minicpm3", "minicpm3", dict(MLA, v_head_dim=4, q_lora_rank=10, rms_norm_eps=EPS)),
    "ernie4_5": ("ernie4_5", "ernie4_5", dict(head_dim=6, rms_norm_eps=EPS)),
    "hunyuan": ("hunyuan_v1_dense", "hunyuan-dense", dict(head_dim=8, rms_norm_eps=EPS, rope_parameters=rope("dynamic", factor=1.0, alpha=100.0))),
    "seed_oss": ("seed_oss", "seed_oss", dict(head_dim=6, attention_bias=True, num_key_value_heads=1)),
    "apertus": ("apertus", "apertus", dict(rms_norm_eps=EPS, rope_parameters=LLAMA3)),
    "starcoder2": ("starcoder2", "starcoder2", dict(norm_epsilon=EPS)),
    "stablelm": ("stablelm", "stablelm", dict(use_qkv_bias=True, layer_norm_eps=EPS, rope_parameters=rope(partial_rotary_factor=0.5))),
    "falcon_7b": ("falcon", "falcon", dict(ffn_hidden_size=64, layer_norm_epsilon=EPS)),
    "falcon_40b": ("falcon", "falcon", dict(new_decoder_architecture=True, num_kv_heads=2, ffn_hidden_size=64)),
    "gptneox": ("gpt_neox", "gptneox", dict(layer_norm_eps=EPS, rope_parameters=rope(partial_rotary_factor=0.5))),
    "bloom": ("bloom", "bloom", dict(n_layer=2, n_head=4, layer_norm_epsilon=EPS)),
    "falcon_h1": ("falcon_h1", "falcon-h1", dict(FALCON_H1, **TWOS, rms_norm_eps=EPS)),
    "falcon_h1_normed": ("falcon_h1", "falcon-h1", dict(FALCON_H1, **TWOS, mamba_rms_norm=True, mamba_norm_before_gate=False)),
    "ernie4_5_moe": ("ernie4_5_moe", "ernie4_5-moe", dict(moe_num_experts=5, moe_k=2, moe_intermediate_size=10, moe_num_shared_experts=2, rms_norm_eps=EPS)),
    "hunyuan_moe": ("hunyuan_v1_moe", "hunyuan-moe", dict(head_dim=8, num_experts=4, moe_topk=2, rms_norm_eps=EPS,
                    rope_parameters=rope("dynamic", factor=1.0, alpha=100.0))),
    "phimoe": ("phimoe", "phimoe", dict(num_local_experts=4, intermediate_size=10, attention_bias=True, lm_head_bias=True, rms_norm_eps=EPS)),
    "deepseek3": ("deepseek_v3", "deepseek2", dict(MLA, **MIXTURE, q_lora_rank=10, n_group=3, topk_group=2, first_k_dense_replace=1,
                  rope_parameters=dict(YARN, mscale=1.0, mscale_all_dim=1.0))),
    "moonlight": ("deepseek_v3", "deepseek2", dict(MLA, **MIXTURE, q_lora_rank=None, n_group=1, topk_group=1, first_k_dense_replace=1)),
    "glm4_moe_lite": ("glm4_moe_lite", "deepseek2", dict(MLA, **MIXTURE, q_lora_rank=10, rms_norm_eps=EPS)),
    "glm4moe": ("glm4_moe", "glm4moe", dict(MIXTURE, head_dim=8, attention_bias=True, use_qk_norm=True, first_k_dense_replace=1, routed_scaling_factor=1.5, rms_norm_eps=EPS)),
    "gemma3n": ("gemma3n_text", "gemma3n", dict(GEMMA3N, vocab_size_per_layer_input=VOCAB)),
    "gemma": ("gemma", "gemma", dict(head_dim=6, num_key_value_heads=1, rms_norm_eps=EPS)),
    "command_r": ("cohere", "command-r", dict(layer_norm_eps=EPS, logit_scale=0.3)),
    "command_r_plus": ("cohere", "command-r", dict(layer_norm_eps=EPS, logit_scale=0.3, use_qk_norm=True)),
    "chatglm": ("glm", "chatglm", dict(num_attention_heads=2, head_dim=8, num_key_value_heads=1, rms_norm_eps=1e-5)),
    "starcoder": ("gpt_bigcode", "starcoder", dict(layer_norm_epsilon=EPS)),
    "mpt": ("mpt", "mpt", dict(max_seq_len=128)),
    "mpt_clipped": ("mpt", "mpt", dict(hidden_size=24, num_attention_heads=6, max_seq_len=128, attn_config=dict(clip_qkv=0.8))),
    "olmo": ("olmo", "olmo", dict(clip_qkv=0.8)),
    "phi2": ("phi", "phi2", dict(intermediate_size=64, num_key_value_heads=4, layer_norm_eps=EPS, rope_parameters=rope(partial_rotary_factor=0.5))),
    # llama.cpp holds these to be fixed: four states, 256 numbers of each layer, the first ten layers sparse (where it divides by one less
    # than there are, which counts little in a wide MLP), the last ones with keys of
    # the layers up to the twentieth.
    "gemma3n_fixed": ("gemma3n_text", "gemma3n", dict(GEMMA3N, vocab_size_per_layer_input=VOCAB, hidden_size=32, intermediate_size=4096, num_hidden_layers=22, laurel_rank=64,
                      hidden_size_per_layer_input=256, num_kv_shared_layers=2, activation_sparsity_pattern=[0.95] * 10 + [0.0] * 12,
                      layer_types=(["sliding_attention"] * 4 + ["full_attention"]) * 4 + ["sliding_attention"] * 2)),
    # It tells these from others by the number of their layers.
    "deepseek2_lite_27": ("deepseek_v2", "deepseek2", dict(DEEPSEEK, q_lora_rank=None, first_k_dense_replace=1, routed_scaling_factor=1.5, num_hidden_layers=27,
                          rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=0.7))),
    "moonlight_27": ("deepseek_v3", "deepseek2", dict(MLA, **MIXTURE, q_lora_rank=None, n_group=1, topk_group=1, first_k_dense_replace=1, num_hidden_layers=27)),
    "exaone4_64": ("exaone4", "exaone4", dict(head_dim=4, sliding_window=5, rms_norm_eps=EPS, rope_parameters=LLAMA3, num_hidden_layers=64,
                   layer_types=(["sliding_attention"] * 3 + ["full_attention"]) * 16)),
    "command_r_plus_64": ("cohere", "command-r", dict(layer_norm_eps=EPS, logit_scale=0.3, use_qk_norm=True, num_hidden_layers=64)),
}
# Not committed.
LARGE = ("gemma3n_fixed", "deepseek2_lite_27", "moonlight_27", "exaone4_64", "command_r_plus_64")
INTERLEAVED = ("llama", "mistral3", "granite", "granitemoe", "granitehybrid", "olmo")
BY_LAYER_NORM = (
    "gptneox", "falcon", "starcoder2", "stablelm", "cohere2", "bloom", "command-r", "mpt", "olmo", "phi2", "starcoder",
)
NORMED_BY_ONE_MORE = ("qwen35", "qwen35moe", "qwen3next")


def build(family, settings, seed):
    """The model and the tensors as its folder has them."""
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[family](**{**SIZES, "vocab_size": VOCAB, **settings})
    special = Mistral4ForCausalLM if family == "mistral4" else None  # not among the Auto classes
    new = special._from_config if special else AutoModelForCausalLM.from_config
    read = special.from_pretrained if special else AutoModelForCausalLM.from_pretrained
    model = new(config, dtype=torch.float32, **EAGER).eval()
    enliven(model)
    if family == "cohere2":  # its converter expects none
        assert not any(name.endswith(".bias") for name, _ in model.named_parameters())
    with tempfile.TemporaryDirectory() as folder:
        model.to(torch.bfloat16).save_pretrained(folder)
        model = read(folder, dtype=torch.float32, **EAGER).eval()
        tensors = load_file(Path(folder) / "model.safetensors")
    usual = {name: getattr(config, name) for name in ("num_hidden_layers", "num_attention_heads", "hidden_size")}
    return SimpleNamespace(**{**config.to_dict(), **usual}), model, {name: tensor.float().numpy() for name, tensor in tensors.items()}


def value(config, *names, default=None):
    for name in names:
        found = getattr(config, name, None)
        if found is not None:
            return found
    return default


def rope_of(config, kind=None):
    settings = config.rope_parameters
    return settings[kind] if kind and kind in settings else settings


def llama3_factors(config, dims):
    """What each pair's speed is divided by."""
    settings = config.rope_parameters
    speeds = 1.0 / settings["rope_theta"] ** (np.arange(0, dims, 2) / dims)
    low = settings["original_max_position_embeddings"] / settings["low_freq_factor"]
    high = settings["original_max_position_embeddings"] / settings["high_freq_factor"]
    factors = []
    for length in 2 * math.pi / speeds:
        smooth = (settings["original_max_position_embeddings"] / length - settings["low_freq_factor"]) / (
            settings["high_freq_factor"] - settings["low_freq_factor"])
        between = 1 / ((1 - smooth) / settings["factor"] + smooth)
        factors.append(1.0 if length < high else settings["factor"] if length > low else between)
    return np.array(factors, dtype=np.float32)


def add_metadata(writer, config, arch, tensors, whole):
    """`whole`: also what files of some ages lack, and llama.cpp asks for."""
    layers, heads, width = config.num_hidden_layers, config.num_attention_heads, config.hidden_size
    kv_heads = heads if arch == "bloom" else value(config, "num_key_value_heads", default=heads)
    head_dim = value(config, "head_dim", default=width // heads)
    key = lambda name: f"{arch}.{name}"
    types = value(config, "layer_types", default=[])
    sliding = [kind == "sliding_attention" for kind in types]

    ahead = arch == "glm4moe" and not whole  # a layer that guesses a further token, of which llama.cpp wants all
    writer.add_block_count(layers + ahead)
    if ahead:
        writer.add_nextn_predict_layers(1)
        writer.add_tensor(f"blk.{layers}.nextn.enorm.weight", np.ones(width, dtype=np.float32))
    writer.add_context_length(value(config, "max_position_embeddings", "n_positions", "max_seq_len", default=2048))
    writer.add_embedding_length(width)
    writer.add_head_count(heads)
    ffn = value(config, *["ffn_hidden_size"] if arch == "falcon" else [], "intermediate_size")
    if arch in ("bloom", "mpt", "starcoder"):
        ffn = 4 * width
    if arch == "lfm2":
        ffn = next(array.shape[0] for name, array in tensors.items() if name.endswith("feed_forward.w1.weight"))
    if arch == "gemma4" and config.use_double_wide_mlp:
        writer.add_feed_forward_length([ffn if i < layers - config.num_kv_shared_layers else 2 * ffn for i in range(layers)])
    else:
        writer.add_feed_forward_length(ffn)

    # Key heads
    if arch == "gemma4":
        own = {int(layer): settings for layer, settings in config.per_layer_config.items()}
        writer.add_head_count_kv([own.get(i, {}).get("num_key_value_heads", kv_heads) for i in range(layers)])
        full = 8
        writer.add_key_length(full)
        writer.add_value_length(full)
        writer.add_key_length_swa(head_dim)
        writer.add_value_length_swa(head_dim)
        writer.add_rope_dimension_count(full)
        writer.add_rope_dimension_count_swa(head_dim)
        writer.add_shared_kv_layers(config.num_kv_shared_layers)
        writer.add_embedding_length_per_layer_input(config.hidden_size_per_layer_input or 0)
        writer.add_final_logit_softcapping(config.final_logit_softcapping or 0.0)
    elif arch in ("lfm2", "lfm2moe", "granitehybrid"):
        writer.add_head_count_kv([kv_heads if kind in ("full_attention", "attention") else 0 for kind in types])
    elif arch in ("mpt", "starcoder"):
        if arch == "starcoder":
            writer.add_head_count_kv(1)
    elif arch == "falcon":
        kv_heads = config.num_kv_heads if config.new_decoder_architecture else 1
        writer.add_head_count_kv(kv_heads)
    elif arch in ("deepseek2", "mistral4"):
        writer.add_head_count_kv(1)
        writer.add_key_length(config.kv_lora_rank + config.qk_rope_head_dim)
        writer.add_value_length(config.kv_lora_rank)
        writer.add_key_length_mla(config.qk_nope_head_dim + config.qk_rope_head_dim)
        writer.add_value_length_mla(config.v_head_dim)
    elif arch == "minicpm3":
        writer.add_head_count_kv(heads)
        writer.add_key_length(config.qk_nope_head_dim + config.qk_rope_head_dim)
    elif arch != "gptneox":
        writer.add_head_count_kv(kv_heads)
        if head_dim != width // heads or arch in ("falcon-h1", "gemma", "gemma3n"):
            writer.add_key_length(head_dim)
            writer.add_value_length(head_dim)
    if arch in ("deepseek2", "mistral4", "minicpm3"):
        writer.add_kv_lora_rank(config.kv_lora_rank)
        if config.q_lora_rank:
            writer.add_q_lora_rank(config.q_lora_rank)
        writer.add_rope_dimension_count(config.qk_rope_head_dim)

    # Norms
    eps = value(config, "rms_norm_eps", "norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", default=1e-5)
    if arch in BY_LAYER_NORM:
        writer.add_layer_norm_eps(eps)
    else:
        writer.add_layer_norm_rms_eps(eps)

    add_rope(writer, config, arch, head_dim, sliding)
    window = value(config, "sliding_window")
    if arch in ("gemma3n", "gemma4", "gpt-oss", "olmo2", "exaone4", "cohere2") and window:
        writer.add_sliding_window(window)
    if arch in ("gemma3n", "gemma4", "olmo2", "exaone4") and any(sliding):
        writer.add_sliding_window_pattern(sliding)
    if arch in ("gptneox", "stablelm"):
        writer.add_parallel_residual(config.use_parallel_residual)
    if arch in ("cohere2", "command-r"):
        writer.add_logit_scale(config.logit_scale)
    if arch == "gemma3n":
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
        writer.add_altup_active_idx(config.altup_active_idx)
        writer.add_altup_num_inputs(config.altup_num_inputs)
        writer.add_embedding_length_per_layer_input(config.hidden_size_per_layer_input)
        writer.add_shared_kv_layers(config.num_kv_shared_layers)
        normal = torch.distributions.normal.Normal(0, 1)
        writer.add_activation_sparsity_scale([normal.icdf(torch.tensor(share)).item() for share in config.activation_sparsity_pattern])
    clip = config.attn_config["clip_qkv"] if arch == "mpt" else value(config, "clip_qkv") if arch == "olmo" else None
    if clip:
        writer.add_clamp_kqv(clip)
    if arch == "mpt":
        writer.add_max_alibi_bias(config.attn_config["alibi_bias_max"])
    if arch.startswith("granite"):
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if arch == "mistral3" and config.model_type == "ministral3":
        writer.add_attn_temperature_scale(config.rope_parameters["llama_4_scaling_beta"])
    if arch == "mistral4":
        writer.add_attn_temperature_length(config.rope_parameters["original_max_position_embeddings"])
        writer.add_attn_temperature_scale(config.rope_parameters["llama_4_scaling_beta"])

    # Experts
    count = value(config, "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", default=0)
    if count:
        writer.add_expert_count(count)
        writer.add_expert_used_count(value(config, "num_experts_per_tok", "top_k_experts", "moe_k", "moe_topk"))
        if arch in ("gpt-oss",) or value(config, "moe_intermediate_size"):
            writer.add_expert_feed_forward_length(value(config, "moe_intermediate_size", default=ffn))
        if value(config, "shared_expert_intermediate_size"):
            writer.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)
        if arch == "ernie4_5-moe":
            writer.add_interleave_moe_layer_step(config.moe_layer_interval)
            writer.add_leading_dense_block_count(config.moe_layer_start_index)
            writer.add_expert_shared_count(config.moe_num_shared_experts)
            if whole:
                writer.add_expert_shared_feed_forward_length(config.moe_num_shared_experts * config.moe_intermediate_size)
        if arch == "hunyuan-moe":
            writer.add_expert_shared_feed_forward_length(ffn)
            writer.add_expert_feed_forward_length(ffn)
            writer.add_expert_shared_count(1)
        if arch == "lfm2moe":
            writer.add_leading_dense_block_count(config.num_dense_layers)
            writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
        if arch == "glm4moe" or config.model_type == "deepseek_v3" or (whole and config.model_type == "glm4_moe_lite"):
            writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
        if value(config, "n_group", default=1) > 1 and config.model_type == "deepseek_v3":
            writer.add_expert_group_count(config.n_group)
            writer.add_expert_group_used_count(config.topk_group)
        if arch in ("deepseek2", "glm4moe", "mistral4"):
            dense = 1 if config.model_type == "glm4_moe_lite" else 0
            writer.add_leading_dense_block_count(value(config, "first_k_dense_replace", default=dense))
            writer.add_expert_shared_count(config.n_shared_experts)
            writer.add_expert_weights_scale(config.routed_scaling_factor)
            if value(config, "norm_topk_prob"):
                writer.add_expert_weights_norm(True)
    if arch in ("granitehybrid", "falcon-h1"):
        writer.add_ssm_conv_kernel(config.mamba_d_conv)
        writer.add_ssm_state_size(config.mamba_d_state)
        writer.add_ssm_group_count(config.mamba_n_groups)
        writer.add_ssm_inner_size(value(config, "mamba_d_ssm", default=value(config, "mamba_expand") * width))
        writer.add_ssm_time_step_rank(config.mamba_n_heads)
    if arch == "granitehybrid":
        writer.add_expert_shared_feed_forward_length(config.shared_intermediate_size)
        writer.add_rope_scaling_finetuned(False)
    if arch.startswith("lfm2"):
        writer.add_shortconv_l_cache(config.conv_L_cache)
    if arch in NORMED_BY_ONE_MORE:
        writer.add_ssm_conv_kernel(config.linear_conv_kernel_dim)
        writer.add_ssm_state_size(config.linear_key_head_dim)
        writer.add_ssm_group_count(config.linear_num_key_heads)
        writer.add_ssm_time_step_rank(config.linear_num_value_heads)
        writer.add_ssm_inner_size(config.linear_value_head_dim * config.linear_num_value_heads)
        writer.add_full_attention_interval(2)


def add_rope(writer, config, arch, head_dim, sliding):
    if arch in ("bloom", "gemma", "mpt", "starcoder"):
        return
    if arch == "phi2":
        writer.add_rope_dimension_count(int(config.rope_parameters["partial_rotary_factor"] * config.hidden_size) // config.num_attention_heads)
        return
    if arch == "granitehybrid":
        writer.add_rope_freq_base(10000.0)
        return
    settings = rope_of(config, "full_attention")
    theta = settings["rope_theta"]
    if "sliding_attention" in config.rope_parameters:
        writer.add_rope_freq_base_swa(config.rope_parameters["sliding_attention"]["rope_theta"])
    kind = settings.get("rope_type", "default")
    if kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(settings["factor"])
        writer.add_rope_scaling_orig_ctx_len(settings["original_max_position_embeddings"])
        if settings.get("mscale_all_dim") is not None:
            tenth = 0.1 if arch in ("deepseek2", "mistral4") else 1.0
            writer.add_rope_scaling_yarn_log_mul(tenth * settings["mscale_all_dim"])
    elif kind == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(config, head_dim))
    elif kind == "dynamic":
        theta *= settings["alpha"] ** (head_dim / (head_dim - 2))
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
        writer.add_rope_scaling_factor(1.0)
    elif kind == "proportional":
        turning = int(8 * settings["partial_rotary_factor"] / 2)
        writer.add_tensor("rope_freqs.weight", np.array([1.0] * turning + [1e30] * (4 - turning), dtype=np.float32))
    writer.add_rope_freq_base(theta)
    part = settings.get("partial_rotary_factor")
    if arch in ("qwen35", "qwen35moe", "qwen3next", "glm4", "glm4moe", "chatglm", "gptneox", "stablelm") and part:
        writer.add_rope_dimension_count(int(head_dim * part))
    elif arch == "cohere2" or arch in INTERLEAVED:
        writer.add_rope_dimension_count(head_dim)
    if arch in ("qwen35", "qwen35moe"):
        writer.add_rope_dimension_sections([1, 1, 0, 0])


def permute(array, heads):
    rows = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return rows.swapaxes(1, 2).reshape(array.shape)


def tiled(array, axis, keys, values, length):
    """Value heads from groups of a key head to the first of each, the second of each, and so on."""
    if keys == values:
        return array
    before, after = array.shape[:axis], array.shape[axis + 1:]
    split = array.reshape(*before, keys, values // keys, length, *after)
    return split.swapaxes(axis, axis + 1).reshape(array.shape)


def convert(config, arch, tensors):
    """Pairs of transformers' name, or llama.cpp's, and what llama.cpp's converter makes of the tensor."""
    heads = config.num_attention_heads
    kv_heads = value(config, "num_key_value_heads", default=heads)
    experts, stacked = {}, {}
    for name, array in tensors.items():
        layer = re.search(r"\.(?:layers|h)\.(\d+)\.", name)
        block = f"blk.{layer.group(1)}." if layer else ""
        one = re.match(r"(.*\.experts)\.(\d+)\.(\w+)\.weight", name)
        if one:
            experts.setdefault((one.group(1), one.group(3)), {})[int(one.group(2))] = array
            continue
        if arch in INTERLEAVED and re.search(r"\.[qk]_proj\.", name):
            array = permute(array, heads if ".q_proj." in name else kv_heads)
        if arch in NORMED_BY_ONE_MORE:
            if name.endswith("norm.weight") and "linear_attn.norm" not in name:
                array = array + 1
            if "linear_attn." in name:
                yield from delta(config, arch, name, array, block)
                continue
        if arch == "gpt-oss" and ".experts." in name:
            if "bias" not in name:
                array = array.swapaxes(1, 2)
            ending = "bias" if name.endswith("bias") else "weight"
            if "gate_up" in name:
                yield f"{block}ffn_gate_exps.{ending}", array[:, ::2]
                yield f"{block}ffn_up_exps.{ending}", array[:, 1::2]
            else:
                yield f"{block}ffn_down_exps.{ending}", array
            continue
        if name.endswith("sinks"):
            name += ".weight"
        if name.endswith(("layer_scalar", "experts.gate_up_proj", "experts.down_proj")):
            name += ".weight"
        if name.endswith("router.scale"):
            name = f"{block}ffn_gate_inp.scale"
        if name.endswith("per_expert_scale"):
            name = f"{block}ffn_down_exps.scale"
        if name.endswith("block_sparse_moe.input_linear.weight"):
            gate, up = np.split(array, 2, axis=1)
            yield f"{block}ffn_gate_exps.weight", gate
            yield f"{block}ffn_up_exps.weight", up
            continue
        if arch == "falcon-h1":
            array = multiplied(config, name, array)
        if arch == "gemma" and name.endswith("norm.weight"):
            array = array + 1
        if "altup_projections" in name or "altup_unembed_projections" in name:
            module = name.split(".")[1]
            stacked.setdefault(module, {})[int(name.split(".")[2])] = array
            continue
        if name.endswith("correct_output_scale"):
            name += ".weight"
        if name.endswith("e_score_correction_bias"):
            yield f"{block}exp_probs_b.bias", array.reshape(-1)
            continue
        if "shared_mlp" in name and arch != "hunyuan-moe":
            ending = "_shexp" if config.num_local_experts else ""
            if "input_linear" in name:
                gate, up = np.split(array, 2)
                yield f"{block}ffn_gate{ending}.weight", gate
                yield f"{block}ffn_up{ending}.weight", up
            else:
                yield f"{block}ffn_down{ending}.weight", array
            continue
        if ".mamba." in name:
            yield from mamba(config, name, array, block)
            continue
        if "conv.conv" in name:
            array = array.squeeze(1) if array.ndim == 3 else array
        if name.endswith("feed_forward.expert_bias"):
            name = f"{block}exp_probs_b.bias"
        if arch in ("deepseek2", "mistral4") and name.endswith("kv_b_proj.weight"):
            both = array.reshape(heads, config.qk_nope_head_dim + config.v_head_dim, -1)
            yield f"{block}attn_k_b.weight", both[:, :config.qk_nope_head_dim].swapaxes(1, 2)
            yield f"{block}attn_v_b.weight", both[:, config.qk_nope_head_dim:]
            continue
        if "query_key_value" in name:
            groups = heads if arch in ("gptneox", "bloom") else config.num_kv_heads if config.new_decoder_architecture else 1
            by_group = array.reshape(groups, heads // groups + 2, config.hidden_size // heads, *array.shape[1:])
            parts = [by_group[:, :-2], by_group[:, -2:-1], by_group[:, -1:]]
            array = np.concatenate([part.reshape(-1, *array.shape[1:]) for part in parts])
        if ".act_fn." in name:
            continue
        yield name, array
    for module, each in stacked.items():
        yield f"model.{module}.weight", np.stack([each[index] for index in range(len(each))])
    for (prefix, part), each in experts.items():
        array = np.stack([each[index] for index in range(len(each))])
        layer = re.search(r"layers\.(\d+)\.", prefix).group(1)
        name = f"layers.{layer}.feed_forward.experts.{part}.weight" if part.startswith("w") else f"{prefix}.{part}.weight"
        yield name, array


def multiplied(config, name, array):
    """Falcon-H1: the converter multiplies every multiplier into the weights."""
    if "feed_forward.down_proj" in name:
        return array * config.mlp_multipliers[1]
    if "feed_forward.gate_proj" in name:
        return array * config.mlp_multipliers[0]
    if "k_proj" in name:
        return array * config.key_multiplier * config.attention_in_multiplier
    if "q_proj" in name or "v_proj" in name:
        return array * config.attention_in_multiplier
    if "o_proj" in name:
        return array * config.attention_out_multiplier
    if "out_proj" in name:
        return array * config.ssm_out_multiplier
    if "in_proj" in name:
        inner, vectors = config.mamba_d_ssm, config.mamba_n_groups * config.mamba_d_state
        lens = [inner, inner, vectors, vectors, config.mamba_n_heads]
        return array * config.ssm_in_multiplier * np.repeat(config.ssm_multipliers, lens)[:, None].astype(np.float32)
    if "lm_head" in name:
        return array * config.lm_head_multiplier
    return array * config.embedding_multiplier if "embed_tokens" in name else array


def mamba(config, name, array, block):
    part = name.split(".mamba.")[1]
    if part == "A_log":
        yield f"{block}ssm_a", -np.exp(array).reshape(-1, 1)
    elif part == "D":
        yield f"{block}ssm_d", array.reshape(-1, 1)
    elif part == "dt_bias":
        yield f"{block}ssm_dt.bias", array
    elif part == "norm.weight":
        yield f"{block}ssm_norm.weight", array.reshape(config.mamba_n_groups, -1)
    elif part == "conv1d.weight":
        yield f"{block}ssm_conv1d.weight", array.squeeze(1)
    else:
        yield f"{block}ssm_" + dict(in_proj="in", out_proj="out", conv1d="conv1d")[part.split(".")[0]] + "." + part.split(".")[1], array


def delta(config, arch, name, array, block):
    keys, values = config.linear_num_key_heads, config.linear_num_value_heads
    key, length, part = config.linear_key_head_dim, config.linear_value_head_dim, name.split(".linear_attn.")[1]
    of_keys = 2 * keys * key
    turn = arch != "qwen3next"
    order = (lambda array, axis, length: tiled(array, axis, keys, values, length)) if turn else (lambda array, axis, length: array)
    if part == "A_log":
        yield f"{block}ssm_a", order(-np.exp(array), 0, 1)
    elif part == "dt_bias":
        yield f"{block}ssm_dt.bias", order(array, 0, 1)
    elif part == "norm.weight":
        yield f"{block}ssm_norm.weight", array
    elif part == "conv1d.weight":
        array = array.squeeze(1)
        yield f"{block}ssm_conv1d.weight", np.concatenate([array[:of_keys], order(array[of_keys:], 0, length)])
    elif part == "in_proj_qkv.weight":
        yield f"{block}attn_qkv.weight", np.concatenate([array[:of_keys], order(array[of_keys:], 0, length)])
    elif part == "in_proj_z.weight":
        yield f"{block}attn_gate.weight", order(array, 0, length)
    elif part == "in_proj_b.weight":
        yield f"{block}ssm_beta.weight", order(array, 0, 1)
    elif part == "in_proj_a.weight":
        yield f"{block}ssm_alpha.weight", order(array, 0, 1)
    elif part == "in_proj_ba.weight":
        yield f"{block}ssm_ba.weight", array
    elif part == "in_proj_qkvz.weight":
        each = values // keys * length
        by_head = array.reshape(keys, 2 * key + 2 * each, -1)
        cut = np.split(by_head, [key, 2 * key, 2 * key + each], axis=1)
        q, k, v, z = (piece.reshape(-1, array.shape[1]) for piece in cut)
        yield f"{block}attn_qkv.weight", np.concatenate([q, k, v])
        yield f"{block}attn_gate.weight", z
    else:
        assert part == "out_proj.weight", part
        yield f"{block}ssm_out.weight", order(array, 1, length)


def add_tokenizer(writer):
    letters = ["Ġ", "Ċ", *map(chr, range(33, 127))]
    tokens = [*["<unk>", "<s>", "</s>", *letters][:VOCAB - 1], "Ġ!"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (VOCAB - 3))
    writer.add_token_merges(["Ġ !"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def make(folder, seed, family, arch, settings, f32):
    config, model, tensors = build(family, settings, seed)
    folder.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(str(folder / "model.gguf"), arch)
    add_metadata(writer, config, arch, tensors, f32)
    add_tokenizer(writer)
    number = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == arch)
    names = gguf.get_tensor_name_map(number, config.num_hidden_layers)
    tied = set(model.all_tied_weights_keys)
    for name, array in convert(config, arch, tensors):
        if name in tied:
            continue
        stored = name
        if not re.match(r"blk\.\d+\.", name):
            named = name.removeprefix("transformer.") if arch == "bloom" else name
            stored = names.get_name(named, try_suffixes=(".weight", ".bias"))
            assert stored, f"gguf has no name for {name}"
        array = np.ascontiguousarray(array, dtype=np.float32)
        small = array.ndim < 2 or f32 or any(part in stored for part in ("ffn_gate_inp", "ssm_a", "ssm_d.", "ssm_conv1d", "shortconv.conv", "norm"))
        if small or stored.endswith(("ssm_a", "ssm_d")):
            writer.add_tensor(stored, array)
        else:
            kind = gguf.GGMLQuantizationType.BF16
            writer.add_tensor(stored, gguf.quants.quantize(array, kind), raw_dtype=kind)
    if f32 and arch == "gemma3n":  # checkpoints have keys and values in all layers, and those of the last ones are not used
        for layer in range(config.num_hidden_layers - config.num_kv_shared_layers, config.num_hidden_layers):
            for part, module in (("k", "k_proj"), ("v", "v_proj"), ("k_norm", "k_norm")):
                array = tensors[f"model.layers.0.self_attn.{module}.weight"]
                writer.add_tensor(f"blk.{layer}.attn_{part}.weight", np.ascontiguousarray(array, dtype=np.float32))
    for number in ("alpha_p", "alpha_n", "beta", "eps"):
        if arch == "apertus":
            values = [float(tensors[f"model.layers.{i}.mlp.act_fn.{number}"].item()) for i in range(config.num_hidden_layers)]
            getattr(writer, f"add_xielu_{number}")(values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    ids = torch.randint(3, VOCAB, (1, 12), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        out = model(input_ids=ids)
        greedy = model.generate(ids[:, :6], max_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=2)
    expected = dict(input_ids=ids.int(), logits=out.logits.contiguous(), greedy=greedy.int())
    save_file(expected, folder / "expected.safetensors")
    size = (folder / "model.gguf").stat().st_size
    print(f"{folder.name}: {size} bytes, logits within ±{float(out.logits.abs().max()):.1f}", flush=True)


def main():
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    arguments = sys.argv[1:]
    f32 = "--f32" in arguments
    out, *names = [argument for argument in arguments if argument != "--f32"]
    for seed, (name, (family, arch, settings)) in enumerate(CASES.items()):
        if name in names or not names and (f32 or name not in LARGE):
            make(Path(out) / name, 2600 + seed, family, arch, settings, f32)


if __name__ == "__main__":
    main()
