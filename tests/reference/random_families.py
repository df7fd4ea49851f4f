"""Decoders of random families with random and unusual settings, as `make_families.py` writes them: what
transformers computes is to be what we compute, whatever a configuration says.

Usage: python random_families.py OUT COUNT SEED [FAMILY...]
       TUNING_FORK_FAMILIES=OUT cargo test --test engine families_compute

Draws that transformers itself refuses, or that give numbers that are none, are drawn again. OUT/NAME/settings.json
says what was drawn.
"""

import json
import random
import sys
import warnings
from pathlib import Path

import torch
from make_families import EAGER, USUAL, enliven, states
from make_models import tokenizer
from safetensors.torch import save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Mistral4ForCausalLM
from transformers.utils import logging

VOCAB, LENGTH = 293, 14


class Draw:
    """Random choices, each of which is remembered in `settings`."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *options):
        return self.random.choice(options)

    def flag(self, chance=0.5):
        return self.random.random() < chance

    def number(self, low, high):
        return round(self.random.uniform(low, high), 3)


def theta(draw):
    return draw.one(10000.0, 500.0, 1000000.0, 50.0)


def rope(draw, dims, found, kinds=("default", "linear", "dynamic", "yarn", "longrope", "llama3")):
    """Rope settings of `dims` turning dimensions."""
    kind = draw.one(*kinds)
    if kind == "dynamic" and "max_position_embeddings" in found:
        found["max_position_embeddings"] = 8  # so that the text goes beyond it
    found = dict(rope_type=kind, rope_theta=theta(draw))
    original = draw.one(4, 6, 9, 20)
    if kind == "linear":
        found |= dict(factor=draw.one(1.0, 2.0, 3.5))
    if kind == "dynamic":
        found |= dict(factor=draw.one(2.0, 2.5, 4.0))
    if kind == "yarn":
        found |= dict(factor=draw.one(1.0, 2.0, 4.0, 40.0), original_max_position_embeddings=original)
        if draw.flag():
            found |= dict(mscale=draw.one(0.7, 1.0), mscale_all_dim=draw.one(0.7, 1.0, 0.3))
        if draw.flag(0.3):
            found |= dict(attention_factor=draw.number(0.7, 1.6))
        if draw.flag(0.4):
            found |= dict(beta_fast=draw.one(2.0, 16.0, 32.0), beta_slow=draw.one(0.5, 1.0))
        if draw.flag(0.3):
            found |= dict(truncate=draw.flag())
    if kind == "llama3":
        found |= dict(factor=draw.one(2.0, 8.0), low_freq_factor=1.0, high_freq_factor=draw.one(2.0, 4.0), original_max_position_embeddings=draw.one(12, 24, 64))
    if kind == "longrope":
        numbers = lambda most: [draw.number(1.0, most) for _ in range((dims + 1) // 2)]
        found |= dict(short_factor=numbers(2.0), long_factor=numbers(9.0), original_max_position_embeddings=original)
        if draw.flag(0.4):
            found |= dict(factor=draw.one(2.0, 8.0))
        if draw.flag(0.3):
            found |= dict(attention_factor=draw.number(0.8, 1.5))
    return found


def shape(draw, head_dim=True, groups=True):
    heads = draw.one(1, 2, 3, 4, 6)
    kv_heads = draw.one(*[number for number in (1, 2, 3, 4, 6) if heads % number == 0]) if groups else heads
    width = heads * draw.one(4, 6, 8) if not head_dim else draw.one(12, 16, 20, 24)
    found = dict(
        vocab_size=VOCAB, hidden_size=width, intermediate_size=draw.one(12, 20, 28), num_hidden_layers=draw.one(2, 3, 4),
        num_attention_heads=heads, num_key_value_heads=kv_heads, max_position_embeddings=draw.one(20, 64, 128),
        bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=draw.flag(),
    )
    if head_dim:
        found["head_dim"] = draw.one(4, 6, 8, 12)
    return found


def dims_of(settings, part=1.0):
    head = settings.get("head_dim") or settings["hidden_size"] // settings["num_attention_heads"]
    return int(head * part)


def act(draw):
    return draw.one("silu", "silu", "gelu", "gelu_pytorch_tanh", "relu")


def eps(draw):
    return draw.one(1e-6, 1e-5, 1e-3, 5e-3)


def types(draw, layers, names=("sliding_attention", "full_attention")):
    found = [draw.one(*names) for _ in range(layers)]
    return found


def llama_like(draw, family):
    partial_families = ("phi3", "glm", "glm4")
    found = shape(draw, head_dim=family not in ("olmo2", "olmo", "phi3", "granite", "smollm3", "cohere", "apertus", "starcoder2"))
    found |= dict(rms_norm_eps=eps(draw), hidden_act=act(draw))
    part = 1.0
    if family in partial_families:
        part = draw.one(0.5, 0.75, 1.0) if dims_of(found, 0.75) % 2 == 0 else draw.one(0.5, 1.0)
        if dims_of(found, part) % 2:
            part = 1.0
    kinds = ("default", "linear", "dynamic", "yarn", "longrope", "llama3")
    if family == "phi3":
        kinds = ("default", "longrope")
    found["rope_parameters"] = rope(draw, dims_of(found, part), found, kinds)
    if family in partial_families:
        found["rope_parameters"]["partial_rotary_factor"] = part
    if family == "phi3":
        found["original_max_position_embeddings"] = draw.one(5, 10)
        found["rope_parameters"].pop("original_max_position_embeddings", None)
    if family in ("llama", "smollm3", "granite", "seed_oss"):
        found |= dict(attention_bias=draw.flag(), mlp_bias=draw.flag())
    if family in ("qwen3", "olmo2", "olmo", "glm", "glm4", "cohere", "apertus", "nanochat", "hunyuan_v1_dense"):
        found["attention_bias"] = draw.flag()
    if family == "seed_oss":
        found["attention_out_bias"] = draw.flag()
    if family in ("ernie4_5", "starcoder2"):
        found["use_bias"] = draw.flag()
    if family in ("mistral", "phi3", "starcoder2", "ministral3"):
        found["sliding_window"] = draw.one(None, 3, 6)
    if family in ("qwen2", "qwen3", "smollm3"):
        found |= dict(use_sliding_window=draw.flag(), sliding_window=draw.one(3, 6))
        if family != "smollm3":
            found["max_window_layers"] = draw.one(1, 2)
        if draw.flag():
            found["layer_types"] = types(draw, found["num_hidden_layers"])
    if family == "smollm3" and draw.flag():
        found["no_rope_layers"] = [draw.one(0, 1) for _ in range(found["num_hidden_layers"])]
    if family == "granite":
        found |= dict(attention_multiplier=draw.number(0.1, 0.5), embedding_multiplier=draw.one(1.0, 3.0),
                      residual_multiplier=draw.one(1.0, 0.6), logits_scaling=draw.one(1.0, 2.5))
    if family == "olmo":
        found["clip_qkv"] = draw.one(None, 0.8)
    if family == "cohere":
        found |= dict(use_qk_norm=draw.flag(), logit_scale=draw.one(0.3, 1.0), layer_norm_eps=found.pop("rms_norm_eps"))
    if family == "starcoder2":
        found["norm_epsilon"] = found.pop("rms_norm_eps")
    if family == "nanochat":
        found |= dict(final_logit_softcapping=draw.one(3.0, 15.0), hidden_act="relu2")
    if family == "apertus":
        found["hidden_act"] = "xielu"
    if family == "hunyuan_v1_dense" and draw.flag():
        found["rope_parameters"] = dict(rope_type="dynamic", rope_theta=theta(draw), factor=1.0, alpha=draw.one(5.0, 100.0))
    if family == "ministral3":
        found["rope_parameters"] |= dict(llama_4_scaling_beta=draw.one(0.1, 0.4), original_max_position_embeddings=draw.one(3, 6))
    return found


def windowed(draw, family):
    """Families whose layers are of two kinds by nature."""
    found = shape(draw)
    layers = found["num_hidden_layers"]
    kinds = types(draw, layers)
    found |= dict(sliding_window=draw.one(3, 6), layer_types=kinds)
    plain = lambda kinds=("default", "linear", "yarn", "llama3"): rope(draw, dims_of(found), found, kinds)
    if family in ("gemma2", "gemma3_text", "gemma"):
        found |= dict(rms_norm_eps=eps(draw), hidden_activation=draw.one("gelu_pytorch_tanh", "gelu", "silu"), attention_bias=draw.flag())
    if family == "gemma":
        for key in ("sliding_window", "layer_types", "hidden_activation"):
            found.pop(key)
        found |= dict(rope_parameters=plain(), hidden_act=draw.one("gelu_pytorch_tanh", "silu"))
    if family == "gemma2":
        found |= dict(query_pre_attn_scalar=draw.one(8, 24, 256), attn_logit_softcapping=draw.one(None, 5.0, 50.0),
                      final_logit_softcapping=draw.one(None, 3.0), rope_parameters=plain())
    if family == "gemma3_text":
        found |= dict(query_pre_attn_scalar=draw.one(8, 24), final_logit_softcapping=draw.one(None, 3.0), rope_parameters=dict(
            full_attention=plain(), sliding_attention=plain(("default", "linear"))))
    if family == "olmo3":
        found.pop("head_dim")
        found |= dict(hidden_size=6 * found["num_attention_heads"], rms_norm_eps=eps(draw), hidden_act=act(draw), attention_bias=draw.flag())
        found["rope_parameters"] = dict(full_attention=plain(("default", "yarn", "linear", "llama3")), sliding_attention=plain(("default", "linear")))
    if family == "exaone4":
        found |= dict(rms_norm_eps=eps(draw), hidden_act=act(draw), rope_parameters=plain())
        if draw.flag(0.3):
            found |= dict(sliding_window=None, layer_types=["full_attention"] * layers)
    if family == "cohere2":
        found |= dict(layer_norm_eps=eps(draw), hidden_act=act(draw), logit_scale=draw.one(0.3, 1.0), attention_bias=draw.flag(), rope_parameters=plain())
    if family == "gpt_oss":
        found |= dict(num_local_experts=draw.one(2, 5), num_experts_per_tok=draw.one(1, 2), swiglu_limit=draw.one(1.0, 7.0),
                      rms_norm_eps=eps(draw), attention_bias=draw.flag(0.7), rope_parameters=plain(("default", "yarn")))
    if family == "gemma4_text":
        found = gemma4(draw, found)
    if family == "gemma3n_text":
        found = gemma3n(draw, found)
    return found


def gemma4(draw, found):
    layers = found["num_hidden_layers"]
    found["layer_types"][-1] = "full_attention"
    found |= dict(rms_norm_eps=eps(draw), global_head_dim=draw.one(8, 12), hidden_activation=draw.one("gelu_pytorch_tanh", "silu"),
                  final_logit_softcapping=draw.one(None, 3.0), hidden_size_per_layer_input=draw.one(0, 4), vocab_size_per_layer_input=VOCAB,
                  use_double_wide_mlp=False, num_kv_shared_layers=0)
    shared = [at for at in range(1, layers) if {"sliding_attention", "full_attention"} <= set(found["layer_types"][:layers - at])]
    if shared and draw.flag():
        found |= dict(num_kv_shared_layers=shared[-1], use_double_wide_mlp=draw.flag())
    elif draw.flag():
        found |= dict(attention_k_eq_v=True, num_global_key_value_heads=1)
    if draw.flag(0.4) and not found["use_double_wide_mlp"]:
        found |= dict(enable_moe_block=True, num_experts=draw.one(3, 5), top_k_experts=2, moe_intermediate_size=8)
    return found


def gemma3n(draw, found):
    layers = found["num_hidden_layers"] = draw.one(3, 4, 5)
    found["layer_types"] = types(draw, layers)
    states = draw.one(2, 3, 4)
    found |= dict(rms_norm_eps=eps(draw), hidden_size_per_layer_input=draw.one(4, 6), vocab_size_per_layer_input=draw.one(200, VOCAB), laurel_rank=draw.one(3, 5),
                  altup_num_inputs=states, altup_active_idx=draw.one(*range(states)), altup_correct_scale=draw.flag(), num_kv_shared_layers=0,
                  activation_sparsity_pattern=[draw.one(0.0, 0.5, 0.9) for _ in range(layers)], final_logit_softcapping=draw.one(None, 3.0, 30.0))
    shared = [at for at in range(1, layers) if {"sliding_attention", "full_attention"} <= set(found["layer_types"][:layers - at])]
    if shared and draw.flag():
        found["num_kv_shared_layers"] = draw.one(*shared)
    return found


def older(draw, family):
    found = shape(draw, head_dim=False, groups=False)
    layers, width, heads = found["num_hidden_layers"], found["hidden_size"], found["num_attention_heads"]
    head = width // heads
    context = dict(n_positions=64, n_embd=width, n_layer=layers, n_head=heads)
    plain = dict(vocab_size=VOCAB, bos_token_id=1, eos_token_id=2, tie_word_embeddings=draw.flag())
    gelu = draw.one("gelu", "gelu_new", "relu", "silu")
    steady = dict(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
    even = [dims for dims in (2, 4, 6, 8) if dims <= head]
    part = draw.one(*[dims / head for dims in even])
    if family == "gpt2":
        return dict(plain, **context, **steady, n_inner=draw.one(None, 20), activation_function=gelu, layer_norm_epsilon=eps(draw),
                    scale_attn_weights=draw.flag(), scale_attn_by_inverse_layer_idx=draw.flag())
    if family == "gpt_bigcode":
        return dict(plain, **context, **steady, n_inner=draw.one(None, 20), activation_function=gelu, layer_norm_epsilon=eps(draw),
                    multi_query=draw.flag(), scale_attn_weights=draw.flag())
    if family == "gptj":
        return dict(plain, **context, **steady, n_inner=draw.one(None, 20), activation_function=gelu, layer_norm_epsilon=eps(draw), rotary_dim=draw.one(*even))
    if family == "codegen":
        context |= dict(n_embd=4 * draw.one(4, 6), n_head=4)
        dims = [dims for dims in (2, 4, 6) if dims <= context["n_embd"] // 4]
        return dict(plain, **context, **steady, n_inner=draw.one(None, 20), activation_function=gelu, layer_norm_epsilon=eps(draw), rotary_dim=draw.one(*dims))
    if family == "gpt_neo":
        kinds = draw.one([[["global", "local"], 1], [["local"], layers - 2]], [[["global"], layers]], [[["local", "global"], 1], [["global"], layers - 2]])
        kinds = [kind for kind in kinds if kind[1]]
        return dict(plain, hidden_size=width, num_layers=layers, num_heads=heads, intermediate_size=draw.one(None, 20), max_position_embeddings=64,
                    attention_types=kinds, window_size=draw.one(3, 6), activation_function=gelu, layer_norm_epsilon=eps(draw))
    if family == "gpt_neox":
        return dict(found, hidden_act=gelu, layer_norm_eps=eps(draw), use_parallel_residual=draw.flag(), attention_bias=draw.flag(),
                    rope_parameters=dict(rope(draw, int(head * part), found, ("default", "linear", "dynamic", "yarn")), partial_rotary_factor=part))
    if family == "bloom":
        return dict(plain, hidden_size=width, n_layer=layers, n_head=heads, layer_norm_epsilon=eps(draw), apply_residual_connection_post_layernorm=draw.flag())
    if family == "mpt":
        return dict(plain, d_model=width, n_layers=layers, n_heads=heads, max_seq_len=64, layer_norm_epsilon=eps(draw),
                    attn_config=dict(clip_qkv=draw.one(None, 0.8), softmax_scale=draw.one(None, 0.3)))
    if family == "opt":
        before = draw.flag()
        return dict(plain, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, ffn_dim=20, max_position_embeddings=64, pad_token_id=1,
                    do_layer_norm_before=before, word_embed_proj_dim=draw.one(width, 10), activation_function=draw.one("relu", "gelu"),
                    enable_bias=draw.flag(), layer_norm_elementwise_affine=draw.flag(0.7))
    if family == "falcon":
        newer, alibi = draw.flag(), draw.flag(0.3)
        groups = draw.one(*[number for number in (1, 2, 3) if heads % number == 0])
        more = dict(new_decoder_architecture=True, num_kv_heads=groups, num_ln_in_parallel_attn=draw.one(None, 1, 2)) if newer else dict(
            multi_query=draw.flag(), parallel_attn=draw.flag())
        turns = {} if alibi else dict(rope_parameters=rope(draw, head, found, ("default", "linear", "dynamic", "yarn")))
        return dict(plain, **more, **turns, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, alibi=alibi, bias=draw.flag(),
                    ffn_hidden_size=draw.one(20, 4 * width), layer_norm_epsilon=eps(draw), activation=draw.one("gelu", "relu"), max_position_embeddings=64)
    if family == "phi":
        return dict(found, hidden_act=gelu, layer_norm_eps=eps(draw),
                    rope_parameters=dict(rope(draw, int(head * part), found, ("default", "linear", "dynamic", "yarn")), partial_rotary_factor=part))
    assert family == "stablelm", family
    return dict(found, hidden_act=act(draw), layer_norm_eps=eps(draw), use_qkv_bias=draw.flag(), qk_layernorm=draw.flag(), use_parallel_residual=draw.flag(),
                rope_parameters=dict(rope(draw, int(head * part), found, ("default", "linear", "dynamic", "yarn")), partial_rotary_factor=part))


def mixture(draw, family):
    found = shape(draw, head_dim=family in ("mixtral", "qwen3_moe", "hunyuan_v1_moe", "glm4_moe", "ernie4_5_moe"))
    if family == "hunyuan_v1_moe":
        found["head_dim"] = draw.one(4, 6, 8)
    experts, chosen = draw.one(3, 4, 6), draw.one(1, 2, 3)
    found |= dict(rms_norm_eps=eps(draw), hidden_act=draw.one("silu", "silu", "gelu"))
    kinds = ("default", "linear", "dynamic", "yarn", "llama3")
    found["rope_parameters"] = rope(draw, dims_of(found), found, kinds)
    layers = found["num_hidden_layers"]
    if family == "mixtral":
        found |= dict(num_local_experts=experts, num_experts_per_tok=chosen, sliding_window=draw.one(None, 4))
    if family == "olmoe":
        found |= dict(num_experts=experts, num_experts_per_tok=chosen, norm_topk_prob=draw.flag(), clip_qkv=draw.one(None, 0.8), attention_bias=draw.flag())
    if family in ("qwen2_moe", "qwen3_moe"):
        found |= dict(num_experts=experts, num_experts_per_tok=chosen, moe_intermediate_size=draw.one(6, 10), norm_topk_prob=draw.flag(),
                      decoder_sparse_step=draw.one(1, 2), mlp_only_layers=draw.one([], [0], [layers - 1]), use_sliding_window=draw.flag(),
                      sliding_window=draw.one(3, 6), max_window_layers=draw.one(1, 2))
        if family == "qwen2_moe":
            found |= dict(shared_expert_intermediate_size=draw.one(6, 12))
        else:
            found |= dict(attention_bias=draw.flag())
    if family == "granitemoe":
        found |= dict(num_local_experts=experts, num_experts_per_tok=chosen, attention_bias=draw.flag(), attention_multiplier=draw.number(0.1, 0.5),
                      embedding_multiplier=draw.one(1.0, 3.0), residual_multiplier=draw.one(1.0, 0.6), logits_scaling=draw.one(1.0, 2.5))
    if family == "ernie4_5_moe":
        found |= dict(moe_num_experts=experts, moe_k=chosen, moe_intermediate_size=draw.one(6, 10), moe_num_shared_experts=draw.one(0, 1, 2), use_bias=draw.flag(),
                      moe_layer_start_index=draw.one(0, 1), moe_layer_interval=draw.one(1, 2))
    if family == "hunyuan_v1_moe":
        found |= dict(num_experts=experts, moe_topk=chosen, attention_bias=draw.flag())
        if draw.flag():
            found["rope_parameters"] = dict(rope_type="dynamic", rope_theta=theta(draw), factor=1.0, alpha=draw.one(5.0, 100.0))
    groups = draw.one(1, 2)
    shared = dict(n_routed_experts=2 * experts, num_experts_per_tok=draw.one(1, 2), n_shared_experts=draw.one(1, 2), moe_intermediate_size=draw.one(6, 8),
                  n_group=groups, topk_group=draw.one(*range(1, groups + 1)), routed_scaling_factor=draw.one(1.0, 1.7), norm_topk_prob=draw.flag(),
                  first_k_dense_replace=draw.one(0, 1, 2))
    if family == "glm4_moe":
        part = draw.one(0.5, 1.0)
        found |= dict(shared, attention_bias=draw.flag(), use_qk_norm=draw.flag())
        found["rope_parameters"] = dict(rope(draw, dims_of(found, part), found, kinds), partial_rotary_factor=part)
    if family in ("deepseek_v2", "deepseek_v3", "glm4_moe_lite", "mistral4", "minicpm3"):
        found |= latent(draw, found, family, shared)
    return found


def latent(draw, found, family, shared):
    heads, turned = found["num_attention_heads"], draw.one(2, 4)
    lens = dict(kv_lora_rank=draw.one(8, 12), qk_rope_head_dim=turned, qk_nope_head_dim=draw.one(4, 6), v_head_dim=draw.one(4, 8, 14),
                q_lora_rank=draw.one(8, 10), num_key_value_heads=heads)
    if family in ("deepseek_v2", "deepseek_v3") and draw.flag():
        lens["q_lora_rank"] = None
    kinds = ("default", "linear", "yarn", "llama3")
    turns = rope(draw, turned, found, ("yarn",) if family == "mistral4" else kinds)
    if family == "mistral4":
        turns |= dict(llama_4_scaling_beta=draw.one(0.1, 0.4))
    found.pop("head_dim", None)
    if family == "minicpm3":
        return dict(lens, rope_parameters=rope(draw, turned, found, ("default", "longrope", "linear")), scale_emb=draw.one(1, 3), scale_depth=draw.one(1.0, 1.4), dim_model_base=draw.one(8, 16),
                    attention_bias=draw.flag())
    more = dict(attention_bias=draw.flag())
    if family == "deepseek_v2":
        more |= dict(topk_method=draw.one("greedy", "group_limited_greedy"))
        shared = {key: value for key, value in shared.items() if key != "norm_topk_prob"}
    if family in ("deepseek_v3", "glm4_moe_lite"):
        more |= dict(rope_interleave=draw.flag())
    if family == "glm4_moe_lite":
        shared = {key: value for key, value in shared.items() if key != "first_k_dense_replace"}
        more |= dict(mlp_layer_types=types(draw, found["num_hidden_layers"], ("sparse", "dense")))
    return dict(shared, **lens, **more, rope_parameters=turns)


def phimoe(draw, _family):
    found = shape(draw, head_dim=False)
    head = dims_of(found)
    found |= dict(num_local_experts=draw.one(3, 4), num_experts_per_tok=2, attention_bias=draw.flag(), lm_head_bias=draw.flag(), router_jitter_noise=draw.one(0.01, 0.1),
                  rms_norm_eps=eps(draw), tie_word_embeddings=False, sliding_window=draw.one(None, 5), rope_parameters=rope(draw, head, found, ("default", "linear")))
    return found


def recurrent(draw, family):
    found = shape(draw)
    layers = found["num_hidden_layers"]
    found |= dict(rms_norm_eps=eps(draw))
    kinds = ("default", "linear", "yarn", "llama3")
    mamba = dict(mamba_n_heads=4, mamba_d_head=draw.one(4, 6, 8), mamba_d_state=draw.one(4, 6), mamba_n_groups=draw.one(1, 2, 4), mamba_d_conv=draw.one(2, 3, 4),
                 mamba_chunk_size=draw.one(3, 4, 16), mamba_conv_bias=draw.flag(), mamba_proj_bias=draw.flag())
    if family == "granitemoehybrid":
        found.pop("head_dim")
        found["hidden_size"] = 4 * draw.one(4, 6) if 4 % found["num_attention_heads"] == 0 else 12 * draw.one(1, 2)
        found |= dict(mamba, mamba_expand=2, layer_types=types(draw, layers, ("linear_attention", "full_attention")), shared_intermediate_size=10, num_local_experts=draw.one(0, 4),
                      num_experts_per_tok=2, attention_bias=draw.flag(), attention_multiplier=draw.number(0.1, 0.5), embedding_multiplier=draw.one(1.0, 3.0),
                      residual_multiplier=draw.one(1.0, 0.6), logits_scaling=draw.one(1.0, 2.5), position_embedding_type=draw.one("rope", "nope"),
                      rope_parameters=rope(draw, dims_of(found), found, kinds))
        found["mamba_d_head"] = 2 * found["hidden_size"] // 4
    if family == "falcon_h1":
        found |= dict(mamba, mamba_d_ssm=4 * mamba["mamba_d_head"], mamba_rms_norm=draw.flag(), mamba_norm_before_gate=draw.flag(), attention_bias=draw.flag(), mlp_bias=draw.flag(),
                      projectors_bias=draw.flag(), attention_in_multiplier=draw.number(0.5, 1.5), attention_out_multiplier=draw.number(0.5, 1.5),
                      key_multiplier=draw.number(0.2, 1.0), ssm_in_multiplier=draw.number(0.5, 1.5), ssm_out_multiplier=draw.number(0.5, 1.5),
                      ssm_multipliers=[draw.number(0.5, 1.5) for _ in range(5)], mlp_multipliers=[draw.number(0.5, 1.0), draw.number(0.5, 1.0)],
                      embedding_multiplier=draw.number(1.0, 6.0), lm_head_multiplier=draw.number(0.3, 1.0), rope_parameters=rope(draw, dims_of(found), found, kinds))
    if family in ("lfm2", "lfm2_moe"):
        found.pop("head_dim")
        found["hidden_size"] = found["num_attention_heads"] * draw.one(4, 6)
        found |= dict(norm_eps=found.pop("rms_norm_eps"), conv_L_cache=draw.one(2, 3, 5), conv_bias=draw.flag(), layer_types=types(draw, layers, ("conv", "full_attention")),
                      block_multiple_of=draw.one(4, 6), block_auto_adjust_ff_dim=draw.flag(), block_ffn_dim_multiplier=draw.one(1.0, 1.3), rope_parameters=rope(draw, dims_of(found), found, kinds))
        if family == "lfm2_moe":
            found |= dict(num_dense_layers=draw.one(0, 1, 2), num_experts=draw.one(3, 5), num_experts_per_tok=draw.one(1, 2), moe_intermediate_size=draw.one(6, 8),
                          norm_topk_prob=draw.flag(), use_expert_bias=draw.flag(), routed_scaling_factor=draw.one(1.0, 1.5))
    if family == "lfm3":
        found |= dict(norm_eps=found.pop("rms_norm_eps"), conv_L_cache=draw.one(3, 5), sliding_window=draw.one(3, 6),
                      layer_types=types(draw, layers, ("conv", "full_attention", "sliding_attention")), use_sandwich_norm=draw.flag())
    if family in ("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"):
        keys = draw.one(1, 2)
        part = draw.one(0.5, 1.0)
        found |= dict(layer_types=types(draw, layers, ("linear_attention", "full_attention")), linear_conv_kernel_dim=draw.one(2, 3, 4), linear_key_head_dim=draw.one(4, 6),
                      linear_value_head_dim=draw.one(4, 6, 8), linear_num_key_heads=keys, linear_num_value_heads=keys * draw.one(1, 2, 3), attention_bias=draw.flag(),
                      hidden_act=draw.one("silu", "silu", "gelu"))
        found["head_dim"] = draw.one(4, 8, 12)
        found["rope_parameters"] = dict(rope(draw, dims_of(found, part), found, ("default", "linear", "yarn")), partial_rotary_factor=part)
        if family != "qwen3_next":
            pairs = dims_of(found, part) // 2
            found["rope_parameters"] |= dict(mrope_interleaved=True, mrope_section=[pairs - 2 * (pairs // 3), pairs // 3, pairs // 3])
        if family != "qwen3_5_text":
            found |= dict(num_experts=draw.one(3, 5), num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=6)
        if family == "qwen3_next":
            found |= dict(norm_topk_prob=draw.flag(), decoder_sparse_step=draw.one(1, 2), mlp_only_layers=draw.one([], [0]))
    return found


MAKERS = {
    **dict.fromkeys(["llama", "mistral", "qwen2", "qwen3", "phi3", "olmo2", "smollm3", "granite", "seed_oss", "ernie4_5", "hunyuan_v1_dense", "glm", "glm4", "apertus", "nanochat",
                     "cohere", "starcoder2", "ministral3", "olmo"], llama_like),
    **dict.fromkeys(["gemma", "gemma2", "gemma3_text", "gemma3n_text", "gemma4_text", "olmo3", "exaone4", "cohere2", "gpt_oss"], windowed),
    **dict.fromkeys(["gpt2", "gpt_bigcode", "gptj", "codegen", "gpt_neo", "gpt_neox", "bloom", "mpt", "opt", "falcon", "phi", "stablelm"], older),
    **dict.fromkeys(["mixtral", "olmoe", "qwen2_moe", "qwen3_moe", "granitemoe", "ernie4_5_moe", "hunyuan_v1_moe", "glm4_moe", "deepseek_v2", "deepseek_v3", "glm4_moe_lite",
                     "mistral4", "minicpm3"], mixture),
    "phimoe": phimoe,
    **dict.fromkeys(["granitemoehybrid", "falcon_h1", "lfm2", "lfm2_moe", "lfm3", "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"], recurrent),
}


def spelled_as_before(config, draw):
    """transformers 4's spelling of what transformers 5 wrote."""
    turns = config.get("rope_parameters")
    if isinstance(turns, dict) and not any(isinstance(value, dict) for value in turns.values()):
        turns = dict(config.pop("rope_parameters"))
        config["rope_theta"] = turns.pop("rope_theta", 10000.0)
        if "partial_rotary_factor" in turns:
            config["partial_rotary_factor"] = turns.pop("partial_rotary_factor")
        if turns.get("rope_type") != "default" or len(turns) > 1:
            if draw.flag():
                turns["type"] = turns.pop("rope_type")
            config["rope_scaling"] = turns
        else:
            config["rope_scaling"] = None
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    return config


def make(folder, seed, family, settings, draw):
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[family](**settings)
    special = Mistral4ForCausalLM if family == "mistral4" else None  # not among the Auto classes
    new = special._from_config if special else AutoModelForCausalLM.from_config
    read = special.from_pretrained if special else AutoModelForCausalLM.from_pretrained
    ways = USUAL if settings.get("alibi") else EAGER
    model = new(config, dtype=torch.float32, **ways).eval()
    enliven(model)
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    written = json.loads(path.read_text())
    before = draw.flag(0.4) and family not in ("gpt_neox", "falcon")
    if before:
        written = spelled_as_before(written, draw)
    path.write_text(json.dumps(written, indent=1) + "\n")
    model = read(folder, dtype=torch.float32, **ways).eval()
    ids = torch.randint(3, VOCAB, (2, LENGTH), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        out = model(input_ids=ids, output_hidden_states=True)
        hidden = states(model, ids, out)
        greedy = model.generate(ids[:1, :6], max_new_tokens=6, do_sample=False, eos_token_id=None, pad_token_id=2)
    assert torch.isfinite(out.logits).all() and float(out.logits.std()) > 1e-3, "no numbers to compare"
    expected = dict(input_ids=ids.int(), logits=out.logits, hidden=torch.stack(hidden), greedy=greedy.int())
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, folder / "expected.safetensors")
    (folder / "settings.json").write_text(json.dumps(dict(family=family, as_before=before, **settings), indent=1) + "\n")
    print(f"{folder.name}: logits within ±{float(out.logits.abs().max()):.1f}", flush=True)


def main():
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    out, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    families = sys.argv[4:] or sorted(MAKERS)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer().backend_tokenizer.save(str(out / "tokenizer.json"))
    done, tried = 0, 0
    while done < count and tried < 4 * count:
        tried += 1
        draw = Draw(1000 * seed + tried)
        family = families[tried % len(families)] if len(families) <= count else draw.one(*families)
        settings = MAKERS[family](draw, family)
        folder = out / f"{family}_{seed}_{tried}"
        try:
            make(folder, 1000 * seed + tried, family, settings, draw)
            done += 1
        except Exception as error:  # transformers refuses some draws, each in its own way
            print(f"{folder.name}: drawn again: {type(error).__name__}: {str(error)[:150]}", flush=True)
            for path in folder.glob("*") if folder.is_dir() else []:
                path.unlink()


if __name__ == "__main__":
    main()
