"""Random variations of every family of decoders: tiny models in other shapes and with other options, in
several spellings of their configuration, with what transformers computes of each.

Usage: python vary_families.py OUT COUNT [+SEED] [FAMILY...]     (without names: every family)

Needs torch and transformers 5. OUT/FAMILY_SEED/ is as make_families.py has it; beside it `_old` (the
spelling from before transformers 5), `_min` (only what differs from the class's defaults), `_oldmin` (both)
and `_packed` (tensors by the names that transformers has in memory), where transformers reads them. Compare
them with `TUNING_FORK_FAMILIES=OUT cargo test --test engine families_compute`. Nothing of it is committed: a
difference that is found becomes a case of make_families.py or a test beside the code. transformers'
own rounding is said for each model (`noise`: f32 against f64).
"""

import copy
import json
import random
import shutil
import sys
import warnings
from pathlib import Path

import torch
from make_families import enliven as _enliven
from make_families import states
from make_models import tokenizer
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Mistral4ForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
warnings.filterwarnings("ignore")
torch.set_num_threads(1)


def flip(r, p=.5): return r.random() < p

def rope(r, dims, kinds, maxpos, inside=True):
    kind = r.choice(kinds)
    theta = r.choice([500.0, 1e4, 1e6])
    d = dict(rope_type=kind, rope_theta=theta)
    if kind == "linear": d["factor"] = r.choice([2.0, 3.5])
    if kind == "dynamic": d["factor"] = r.choice([2.0, 4.0])
    if kind == "yarn":
        d.update(factor=r.choice([2.0, 4.0, 8.0]), original_max_position_embeddings=r.choice([8, 16]))
        if flip(r): d.update(beta_fast=r.choice([16.0, 32.0]), beta_slow=r.choice([1.0, 0.5]))
        if flip(r, .3): d["attention_factor"] = 0.9
        elif flip(r): d.update(mscale=r.choice([0.7, 1.0]), mscale_all_dim=r.choice([0.5, 1.0]))
        if flip(r, .3): d["truncate"] = False
    if kind == "llama3": d.update(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=r.choice([16, 24]))
    if kind == "longrope":
        n = (dims + 1) // 2
        d.update(short_factor=[round(1 + r.random(), 2) for _ in range(n)], long_factor=[round(2 + 6 * r.random(), 2) for _ in range(n)],
                 original_max_position_embeddings=r.choice([10, 40]))
        if flip(r, .3): d["factor"] = 4.0
        if flip(r, .3): d["attention_factor"] = 1.1
    return d

PLAIN = ["default", "linear", "dynamic", "yarn", "llama3", "longrope"]
ACTS = ["silu", "gelu", "gelu_pytorch_tanh", "relu", "gelu_new", "relu2", "quick_gelu", "tanh"]

def heads(r, explicit=True, even=True):
    n = r.choice([2, 3, 4, 6])
    kv = r.choice([k for k in (1, 2, 3, 6) if n % k == 0])
    d = dict(num_attention_heads=n, num_key_value_heads=kv)
    dim = r.choice([4, 6, 8, 10, 16])
    if explicit and flip(r, .6):
        d.update(head_dim=dim, hidden_size=r.choice([24, 30, 36, 48]))
        return d, dim
    d.update(hidden_size=n * dim)
    return d, dim

def base(r, explicit=True, kinds=PLAIN, partial=1.0, act=True, with_rope=True, maxpos=None):
    d, dim = heads(r, explicit)
    maxpos = maxpos or r.choice([20, 64, 128])
    d.update(vocab_size=r.choice([293, 301, 320]), intermediate_size=r.choice([20, 33, 50]), num_hidden_layers=r.choice([1, 2, 3]),
             max_position_embeddings=maxpos, bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=flip(r), rms_norm_eps=r.choice([2e-3, 1e-6]))
    if act and flip(r, .4): d["hidden_act"] = r.choice(ACTS)
    if with_rope and flip(r, .8): d["rope_parameters"] = rope(r, int(dim * partial), kinds, maxpos)
    return d, dim

def opt(r, d, key, values, p=.6):
    if flip(r, p): d[key] = r.choice(values)
TF = [True, False]

def types(r, n, kinds):
    t = [r.choice(kinds) for _ in range(n)]
    return t

def llama(r):
    d, _ = base(r); opt(r, d, "attention_bias", TF); opt(r, d, "mlp_bias", TF); return d
def mistral(r):
    d, _ = base(r); d["sliding_window"] = r.choice([None, 5, 9]); return d
def qwen2(r):
    d, _ = base(r, explicit=False)
    if flip(r): d.update(use_sliding_window=True, sliding_window=6, max_window_layers=r.choice([0, 1, 2]))
    return d
def qwen3(r):
    d, dim = base(r)
    d["head_dim"] = dim
    opt(r, d, "attention_bias", TF)
    if flip(r): d.update(use_sliding_window=True, sliding_window=6, max_window_layers=r.choice([0, 1, 2]))
    return d
def gemma2(r):
    d, dim = base(r, act=False); d["head_dim"] = dim
    opt(r, d, "attn_logit_softcapping", [None, 5.0, 30.0]); opt(r, d, "final_logit_softcapping", [None, 4.0]); opt(r, d, "query_pre_attn_scalar", [16, 30])
    d["sliding_window"] = r.choice([5, 8]); opt(r, d, "hidden_activation", ["gelu_pytorch_tanh", "gelu", "silu"]); opt(r, d, "attention_bias", TF)
    if flip(r): d["layer_types"] = types(r, d["num_hidden_layers"], ["full_attention", "sliding_attention"])
    return d
def gemma3_text(r):
    d, dim = base(r, act=False, with_rope=False); d["head_dim"] = dim
    opt(r, d, "final_logit_softcapping", [None, 4.0]); opt(r, d, "query_pre_attn_scalar", [16, 30]); opt(r, d, "attention_bias", TF)
    d["sliding_window"] = r.choice([5, 8]); opt(r, d, "hidden_activation", ["gelu_pytorch_tanh", "gelu", "silu"])
    if flip(r): d["layer_types"] = types(r, d["num_hidden_layers"], ["full_attention", "sliding_attention"])
    else: d["num_hidden_layers"] = r.choice([6, 7])
    if flip(r, .8): d["rope_parameters"] = dict(full_attention=rope(r, dim, PLAIN[:2] + PLAIN[3:5], 64), sliding_attention=rope(r, dim, ["default", "linear"], 64))
    return d
def gemma4_text(r):
    d, dim = base(r, act=False, with_rope=False); d["head_dim"] = dim
    d["global_head_dim"] = r.choice([8, 12, 16]); d["sliding_window"] = r.choice([5, 8])
    n = d["num_hidden_layers"] = r.choice([2, 3, 4])
    d["layer_types"] = types(r, n - 1, ["full_attention", "sliding_attention"]) + ["full_attention"]
    opt(r, d, "final_logit_softcapping", [None, 4.0]); opt(r, d, "attention_bias", TF)
    d["hidden_size_per_layer_input"] = r.choice([0, 4, 6]); d["vocab_size_per_layer_input"] = d["vocab_size"]
    opt(r, d, "hidden_activation", ["gelu_pytorch_tanh", "silu"])
    if flip(r): d.update(attention_k_eq_v=True, num_global_key_value_heads=r.choice([1, d["num_attention_heads"]]))
    if flip(r) and d["layer_types"][0] == "full_attention" and n > 2:
        d["num_kv_shared_layers"] = 1; d["use_double_wide_mlp"] = flip(r)
    else: d["num_kv_shared_layers"] = 0
    if flip(r): d.update(enable_moe_block=True, num_experts=5, top_k_experts=r.choice([1, 2, 3]), moe_intermediate_size=r.choice([8, 14]))
    if flip(r): d["rope_parameters"] = dict(full_attention=dict(rope_type="proportional", rope_theta=1e5, partial_rotary_factor=r.choice([.25, .5, 1.0])), sliding_attention=rope(r, dim, ["default", "linear"], 64))
    return d
def phi3(r):
    p = r.choice([1.0, .75, .5])
    d, dim = base(r, explicit=False, kinds=["default", "longrope"], partial=p, maxpos=64)
    if int(dim * p) % 2: p = 1.0
    n = int(dim * p + 1) // 2
    rp = d.get("rope_parameters")
    if rp:
        if p < 1.0: rp["partial_rotary_factor"] = p
        if rp["rope_type"] == "longrope":
            rp["short_factor"], rp["long_factor"] = rp["short_factor"][:1] * n, [2.0 + i for i in range(n)]
            d["original_max_position_embeddings"] = rp.pop("original_max_position_embeddings"); rp.pop("factor", None)
    d["sliding_window"] = r.choice([None, 7]); return d
def olmo2(r):
    d, _ = base(r, explicit=False); opt(r, d, "attention_bias", TF); return d
def olmo3(r):
    d, dim = base(r, explicit=False, with_rope=False); d["sliding_window"] = r.choice([5, 8]); opt(r, d, "attention_bias", TF)
    if flip(r): d["layer_types"] = types(r, d["num_hidden_layers"], ["full_attention", "sliding_attention"])
    else: d["num_hidden_layers"] = r.choice([4, 5])
    if flip(r, .8): d["rope_parameters"] = dict(full_attention=rope(r, dim, ["default", "yarn", "llama3", "linear"], 64), sliding_attention=rope(r, dim, ["default"], 64))
    return d
def smollm3(r):
    d, _ = base(r); opt(r, d, "attention_bias", TF); opt(r, d, "mlp_bias", TF)
    n = d["num_hidden_layers"] = r.choice([2, 4, 5])
    if flip(r): d["no_rope_layers"] = [r.choice([0, 1]) for _ in range(n)]
    else: opt(r, d, "no_rope_layer_interval", [2, 3])
    if flip(r): d.update(use_sliding_window=True, sliding_window=6)
    if "layer_types" not in d and flip(r) and d.get("use_sliding_window"): d["layer_types"] = types(r, n, ["full_attention", "sliding_attention"])
    return d
def gpt2(r):
    n = r.choice([2, 3, 4]); dim = r.choice([4, 7, 8])
    d = dict(n_embd=n * dim, n_head=n, n_layer=r.choice([1, 2, 3]), n_positions=r.choice([40, 64]), vocab_size=293, bos_token_id=1, eos_token_id=2, pad_token_id=2,
             layer_norm_epsilon=2e-3, tie_word_embeddings=flip(r))
    opt(r, d, "n_inner", [None, 50]); opt(r, d, "activation_function", ["gelu_new", "gelu", "relu", "silu", "tanh"]); opt(r, d, "scale_attn_weights", TF); opt(r, d, "scale_attn_by_inverse_layer_idx", TF)
    return d
def apertus(r):
    d, _ = base(r, kinds=["default", "llama3", "linear", "yarn"], act=False); opt(r, d, "attention_bias", TF); return d
def cohere2(r):
    d, dim = base(r); d.pop("rms_norm_eps"); d["layer_norm_eps"] = 2e-3; opt(r, d, "logit_scale", [.3, 1.0, 2.0]); opt(r, d, "attention_bias", TF)
    d["sliding_window"] = r.choice([5, 8])
    if flip(r): d["layer_types"] = types(r, d["num_hidden_layers"], ["full_attention", "sliding_attention"])
    else: d["num_hidden_layers"] = r.choice([4, 5])
    return d
def ernie4_5(r):
    d, dim = base(r); d["head_dim"] = dim; opt(r, d, "use_bias", TF); return d
def ernie4_5_moe(r):
    d, _ = base(r, explicit=False); opt(r, d, "use_bias", TF); n = d["num_hidden_layers"] = r.choice([2, 3, 4])
    d.update(moe_num_experts=r.choice([4, 6]), moe_k=r.choice([1, 2, 3]), moe_intermediate_size=r.choice([8, 12]), moe_num_shared_experts=r.choice([0, 1, 2]))
    opt(r, d, "moe_layer_start_index", [0, 1]); opt(r, d, "moe_layer_interval", [1, 2]); opt(r, d, "moe_layer_end_index", [-1, 1])
    return d
def exaone4(r):
    d, dim = base(r); d["head_dim"] = dim; d["sliding_window"] = r.choice([None, 5, 8]); n = d["num_hidden_layers"]
    if d["sliding_window"] is None: d["layer_types"] = ["full_attention"] * n
    elif flip(r): d["layer_types"] = types(r, n, ["full_attention", "sliding_attention"])
    else: d["num_hidden_layers"] = r.choice([4, 5]); opt(r, d, "sliding_window_pattern", [2, 3, "LLG"])
    return d
def glm4(r):
    p = r.choice([.5, .5, 1.0, .25])
    d, dim = base(r, with_rope=False); dim = d["head_dim"] = r.choice([8, 16])
    if flip(r, .8): d["rope_parameters"] = dict(rope(r, int(dim * p), ["default", "linear", "yarn", "llama3"], 64), partial_rotary_factor=p)
    opt(r, d, "attention_bias", TF); return d
def granite(r):
    d, _ = base(r, explicit=False); opt(r, d, "attention_bias", TF); opt(r, d, "mlp_bias", TF)
    opt(r, d, "attention_multiplier", [.2, 1.0]); opt(r, d, "embedding_multiplier", [3.0]); opt(r, d, "residual_multiplier", [.4]); opt(r, d, "logits_scaling", [2.5]); return d
def hunyuan_v1_dense(r):
    d, dim = base(r, kinds=PLAIN[:5]); d["head_dim"] = dim; opt(r, d, "attention_bias", TF)
    if flip(r): d["rope_parameters"] = dict(rope_type="dynamic", rope_theta=1e4, factor=1.0, alpha=50.0)
    return d
def hunyuan_v1_moe(r):
    d = hunyuan_v1_dense(r); d.update(num_experts=r.choice([3, 5]), moe_topk=r.choice([1, 2, 3]))
    if flip(r, .4): d["moe_topk"] = [d["moe_topk"]] * d["num_hidden_layers"]
    return d
def ministral3(r):
    d, dim = base(r, kinds=["default", "yarn"]); d["head_dim"] = dim; d["sliding_window"] = r.choice([None, 6])
    if "rope_parameters" in d:
        d["rope_parameters"].setdefault("original_max_position_embeddings", 8)
        d["rope_parameters"]["llama_4_scaling_beta"] = r.choice([.1, .4])
    return d
def nanochat(r):
    d, _ = base(r, kinds=PLAIN[:5]); opt(r, d, "attention_bias", TF); opt(r, d, "final_logit_softcapping", [None, 4.0]); return d
def seed_oss(r):
    d, dim = base(r); d["head_dim"] = dim; opt(r, d, "attention_bias", TF); opt(r, d, "attention_out_bias", TF); opt(r, d, "mlp_bias", [False]); return d
def moe(r, d, name="num_local_experts"):
    d[name] = r.choice([3, 4, 6]); d["num_experts_per_tok"] = r.choice([1, 2, 3]); return d
def gpt_oss(r):
    d, dim = base(r, kinds=["default", "yarn", "linear"], act=False); d["head_dim"] = dim; moe(r, d); d["sliding_window"] = r.choice([5, 8])
    opt(r, d, "attention_bias", TF); opt(r, d, "swiglu_limit", [1.0, 7.0])
    if flip(r): d["layer_types"] = types(r, d["num_hidden_layers"], ["full_attention", "sliding_attention"])
    return d
def granitemoe(r):
    d = granite(r); d.pop("mlp_bias", None); return moe(r, d)
def mixtral(r):
    d, _ = base(r); moe(r, d); d["sliding_window"] = r.choice([None, 6]); return d
def olmoe(r):
    d, _ = base(r, explicit=False); moe(r, d, "num_experts"); opt(r, d, "norm_topk_prob", TF); opt(r, d, "clip_qkv", [None, .8]); opt(r, d, "attention_bias", TF); return d
def phimoe(r):
    d, dim = base(r, explicit=False, kinds=["default", "longrope"], maxpos=64); d["num_local_experts"] = r.choice([3, 5])
    opt(r, d, "attention_bias", TF); opt(r, d, "lm_head_bias", TF); opt(r, d, "router_jitter_noise", [.01, .1, .4]); d["sliding_window"] = r.choice([None, 7])
    rp = d.get("rope_parameters")
    if rp and rp["rope_type"] == "longrope": rp.update(short_mscale=1.2, long_mscale=1.5); rp.pop("factor", None)
    return d
def qwen2_moe(r):
    d, _ = base(r, explicit=False); moe(r, d, "num_experts"); d.update(moe_intermediate_size=r.choice([8, 12]), shared_expert_intermediate_size=r.choice([6, 14]))
    opt(r, d, "norm_topk_prob", TF); opt(r, d, "qkv_bias", TF); n = d["num_hidden_layers"]
    opt(r, d, "decoder_sparse_step", [1, 2]); opt(r, d, "mlp_only_layers", [[], [0]])
    if flip(r): d.update(use_sliding_window=True, sliding_window=6, max_window_layers=r.choice([0, 1]))
    return d
def qwen3_moe(r):
    d, dim = base(r); d["head_dim"] = dim; moe(r, d, "num_experts"); d.update(moe_intermediate_size=r.choice([8, 12]))
    opt(r, d, "norm_topk_prob", TF); opt(r, d, "attention_bias", TF); opt(r, d, "decoder_sparse_step", [1, 2]); opt(r, d, "mlp_only_layers", [[], [0]])
    if flip(r): d.update(use_sliding_window=True, sliding_window=6)
    return d
def mla(r, d):
    d.update(kv_lora_rank=r.choice([8, 12]), q_lora_rank=r.choice([None, 10]), qk_rope_head_dim=r.choice([4, 6]), qk_nope_head_dim=r.choice([4, 6, 10]), v_head_dim=r.choice([4, 6, 14]))
    d["num_key_value_heads"] = d["num_attention_heads"]; return d
def deepseek_v2(r):
    d, _ = base(r, explicit=False, kinds=["default", "yarn", "linear"]); mla(r, d); opt(r, d, "attention_bias", TF); opt(r, d, "mlp_bias", TF)
    d.update(moe_intermediate_size=r.choice([8, 10]), n_routed_experts=6, n_shared_experts=r.choice([1, 2]), num_experts_per_tok=r.choice([1, 2, 3]), first_k_dense_replace=r.choice([0, 1]), routed_scaling_factor=r.choice([1.0, 1.7]))
    if flip(r): d.update(topk_method="group_limited_greedy", n_group=r.choice([2, 3]), topk_group=r.choice([1, 2]), num_experts_per_tok=r.choice([1, 2]))
    opt(r, d, "norm_topk_prob", TF)
    return d
def minicpm3(r):
    d, _ = base(r, explicit=False, with_rope=False, maxpos=64); mla(r, d); d["q_lora_rank"] = 10; d["attention_bias"] = flip(r)
    if flip(r): d["rope_parameters"] = rope(r, d["qk_rope_head_dim"], ["default", "longrope", "linear"], 64)
    d.update(dim_model_base=r.choice([8, 16]), scale_emb=r.choice([1, 3]), scale_depth=r.choice([1.1, 1.4])); return d
def mistral4(r):
    d, _ = base(r, explicit=False, with_rope=False); mla(r, d); d["q_lora_rank"] = 10
    if flip(r, .8): d["rope_parameters"] = dict(rope_type="yarn", rope_theta=1e4, factor=4.0, original_max_position_embeddings=8, mscale=1.0, mscale_all_dim=r.choice([1.0, .5]), llama_4_scaling_beta=.3)
    opt(r, d, "rope_interleave", TF); opt(r, d, "norm_topk_prob", TF); opt(r, d, "attention_bias", TF)
    d.update(moe_intermediate_size=8, n_routed_experts=6, n_shared_experts=r.choice([1, 2]), num_experts_per_tok=r.choice([1, 2]), first_k_dense_replace=r.choice([0, 1]), routed_scaling_factor=r.choice([1.0, 1.5]))
    d.update(n_group=r.choice([1, 3]), topk_group=1)
    return d
def mamba(r, d):
    h = d["hidden_size"] = r.choice([24, 32]); d.pop("head_dim", None); d["num_attention_heads"], d["num_key_value_heads"] = r.choice([(4, 2), (2, 1), (4, 4)])
    n = r.choice([2, 4]); d.update(mamba_n_heads=n, mamba_n_groups=r.choice([1, 2]), mamba_d_state=r.choice([4, 7]), mamba_d_conv=r.choice([2, 3, 4]), mamba_chunk_size=r.choice([4, 8, 256]))
    opt(r, d, "mamba_conv_bias", TF); opt(r, d, "mamba_proj_bias", TF)
    return h, n
def granitemoehybrid(r):
    d = granite(r); d.pop("mlp_bias", None); h, n = mamba(r, d); d["mamba_expand"] = r.choice([1, 2]); d["mamba_d_head"] = r.choice(["auto", d["mamba_expand"] * h // n])
    d.pop("hidden_act", None) if flip(r, .7) else 0
    d["position_embedding_type"] = r.choice([None, "rope", "nope"]); dim = h // d["num_attention_heads"]
    d["num_hidden_layers"] = k = r.choice([2, 3]); d["layer_types"] = types(r, k, ["linear_attention", "full_attention"])
    d["layer_types"][:2] = ["linear_attention", "full_attention"]
    d["rope_parameters"] = rope(r, dim, ["default", "linear", "llama3"], 64)
    d["shared_intermediate_size"] = r.choice([10, 14]); d["num_local_experts"] = r.choice([0, 4]); d["num_experts_per_tok"] = 2
    return d
def falcon_h1(r):
    d, _ = base(r, explicit=False, with_rope=False); h, n = mamba(r, d); dim = h // d["num_attention_heads"]
    if flip(r): d["mamba_d_ssm"] = n * r.choice([4, 6]); d["mamba_d_head"] = d["mamba_d_ssm"] // n if flip(r) else "auto"
    else: d.update(mamba_d_ssm=None, mamba_expand=r.choice([1, 2])); d["mamba_d_head"] = d["mamba_expand"] * h // n
    if flip(r): d["head_dim"] = r.choice([6, 8]); dim = d["head_dim"]
    if d.get("mamba_n_groups") == 2 and n % 2: d["mamba_n_groups"] = 1
    if flip(r, .8): d["rope_parameters"] = rope(r, dim, PLAIN[:5], 64)
    d.pop("hidden_act", None)
    opt(r, d, "mamba_rms_norm", TF); opt(r, d, "mamba_norm_before_gate", TF); opt(r, d, "projectors_bias", TF); opt(r, d, "attention_bias", TF); opt(r, d, "mlp_bias", TF)
    for k in ("lm_head_multiplier", "embedding_multiplier", "key_multiplier", "attention_in_multiplier", "attention_out_multiplier", "ssm_in_multiplier", "ssm_out_multiplier"): opt(r, d, k, [.6, 1.3, 2.0])
    opt(r, d, "mlp_multipliers", [[.8, 1.4]]); opt(r, d, "ssm_multipliers", [[.7, .9, .6, 1.3, .8]]); return d
def lfm2(r):
    d, dim = base(r, explicit=False); d.pop("rms_norm_eps"); d["norm_eps"] = 2e-3; d.pop("hidden_act", None)
    k = d["num_hidden_layers"] = r.choice([2, 3]); d["conv_L_cache"] = r.choice([2, 3, 5]); opt(r, d, "conv_bias", TF)
    if flip(r, .7): d["layer_types"] = types(r, k, ["conv", "full_attention"]); d["layer_types"][0] = "conv"; d["layer_types"][1] = "full_attention"
    else: d["full_attn_idxs"] = [1]
    opt(r, d, "block_auto_adjust_ff_dim", TF); d["block_multiple_of"] = r.choice([6, 8]); opt(r, d, "block_ffn_dim_multiplier", [1.0, 1.3, None]); return d
def lfm2_moe(r):
    d, dim = base(r, explicit=False); d.pop("rms_norm_eps"); d["norm_eps"] = 2e-3; d.pop("hidden_act", None)
    k = d["num_hidden_layers"] = r.choice([2, 3]); d["layer_types"] = types(r, k, ["conv", "full_attention"]); d["layer_types"][0] = "conv"; d["layer_types"][1] = "full_attention"
    d["conv_L_cache"] = r.choice([2, 3, 5]); opt(r, d, "conv_bias", TF); d.update(num_dense_layers=r.choice([0, 1]), num_experts=r.choice([4, 6]), num_experts_per_tok=r.choice([1, 2, 3]), moe_intermediate_size=r.choice([8, 10]))
    opt(r, d, "use_expert_bias", TF); opt(r, d, "norm_topk_prob", TF); opt(r, d, "routed_scaling_factor", [1.5]); return d
def lfm3(r):
    d, dim = base(r, with_rope=False); d["head_dim"] = dim; d.pop("rms_norm_eps"); d["norm_eps"] = 2e-3; d.pop("hidden_act", None)
    d["conv_L_cache"] = r.choice([2, 5, 7]); opt(r, d, "conv_bias", TF); opt(r, d, "use_sandwich_norm", TF); opt(r, d, "use_attention_gate", TF); opt(r, d, "attention_bias", TF); d["sliding_window"] = r.choice([5, 8])
    if flip(r, .7): d["num_hidden_layers"] = 3; d["layer_types"] = r.sample(["conv", "full_attention", "sliding_attention"], 3)
    else: d["num_hidden_layers"] = 5
    if flip(r): d["rope_parameters"] = dict(full_attention=dict(rope_type="proportional", rope_theta=1e5, partial_rotary_factor=r.choice([.25, .5, 1.0])), sliding_attention=rope(r, dim, ["default", "linear", "yarn"], 64))
    return d
def delta(r):
    d, _ = base(r, with_rope=False); dim = d["head_dim"] = r.choice([8, 12, 16]); p = r.choice([.5, .25, 1.0])
    if int(dim * p) % 2: p = .5
    k = d["num_hidden_layers"] = r.choice([2, 3])
    d["layer_types"] = types(r, k, ["linear_attention", "full_attention"]); d["layer_types"][:2] = r.sample(["linear_attention", "full_attention"], 2)
    kh = r.choice([1, 2]); d.update(linear_conv_kernel_dim=r.choice([2, 3, 4]), linear_key_head_dim=r.choice([4, 6]), linear_value_head_dim=r.choice([4, 8]), linear_num_key_heads=kh, linear_num_value_heads=kh * r.choice([1, 2, 3]))
    if flip(r, .8): d["rope_parameters"] = dict(rope(r, int(dim * p), ["default", "default", "linear", "yarn"], 64), partial_rotary_factor=p)
    opt(r, d, "attention_bias", TF); d.pop("hidden_act", None) if flip(r, .7) else 0
    return d
def qwen3_5_text(r): return delta(r)
def qwen3_5_moe_text(r):
    d = moe(r, delta(r), "num_experts"); d.update(moe_intermediate_size=r.choice([8, 10]), shared_expert_intermediate_size=r.choice([6, 12])); return d
def qwen3_next(r):
    d = qwen3_5_moe_text(r); opt(r, d, "norm_topk_prob", TF); opt(r, d, "decoder_sparse_step", [1, 2]); opt(r, d, "mlp_only_layers", [[], [0]]); return d
def bloom(r):
    n = r.choice([2, 3, 4, 6]); d = dict(hidden_size=n * r.choice([4, 8]), n_head=n, n_layer=r.choice([1, 2, 3]), vocab_size=293, layer_norm_epsilon=2e-3, bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=flip(r))
    opt(r, d, "apply_residual_connection_post_layernorm", TF); return d
def falcon(r):
    n = r.choice([2, 4]); d = dict(hidden_size=n * r.choice([4, 8]), num_attention_heads=n, num_hidden_layers=r.choice([1, 2]), vocab_size=293, layer_norm_epsilon=2e-3, bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=flip(r))
    kind = r.choice(["7b", "40b", "11b", "rw", "odd"])
    if kind == "40b": d.update(new_decoder_architecture=True, num_kv_heads=r.choice([1, 2]))
    if kind == "11b": d.update(new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1)
    if kind == "rw": d.update(alibi=True, multi_query=False, parallel_attn=False)
    if kind == "odd": d.update(multi_query=flip(r), parallel_attn=flip(r))
    opt(r, d, "bias", TF); opt(r, d, "ffn_hidden_size", [30]); opt(r, d, "activation", ["gelu", "relu", "gelu_new"])
    if kind != "rw" and flip(r): d["rope_parameters"] = rope(r, d["hidden_size"] // n, PLAIN[:5], 64)
    opt(r, d, "max_position_embeddings", [20, 64])
    return d
def gpt_neox(r):
    d, dim = base(r, explicit=False, with_rope=False); d.pop("num_key_value_heads"); d.pop("rms_norm_eps"); d["layer_norm_eps"] = 2e-3; d.pop("head_dim", None)
    opt(r, d, "attention_bias", TF); opt(r, d, "use_parallel_residual", TF); p = r.choice([.25, .5, 1.0])
    if dim * p < 2 or int(dim * p) % 2: p = 1.0
    d["rope_parameters"] = dict(rope(r, int(dim * p), ["default", "linear", "dynamic" if dim * p > 2 else "linear"], 64), partial_rotary_factor=p)
    return d
def gptj(r):
    n = r.choice([2, 3]); dim = r.choice([6, 8]); d = dict(n_embd=n * dim, n_head=n, n_layer=r.choice([1, 2]), n_inner=r.choice([None, 30]), n_positions=64, rotary_dim=r.choice([2, 4, 6]), vocab_size=293, layer_norm_epsilon=2e-3, bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=flip(r, .3))
    opt(r, d, "activation_function", ["gelu_new", "relu", "gelu"]); return d
def opt_(r):
    n = r.choice([2, 3]); h = n * r.choice([4, 8]); d = dict(hidden_size=h, num_attention_heads=n, num_hidden_layers=r.choice([1, 2]), ffn_dim=r.choice([20, 33]), word_embed_proj_dim=r.choice([h, h - 2]), vocab_size=293, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=1)
    opt(r, d, "do_layer_norm_before", TF); opt(r, d, "enable_bias", TF); opt(r, d, "activation_function", ["relu", "gelu", "gelu_new"]); d["tie_word_embeddings"] = flip(r, .7); opt(r, d, "layer_norm_elementwise_affine", [True, False], .2)
    return d
def stablelm(r):
    d, dim = base(r, explicit=False, with_rope=False); d.pop("rms_norm_eps"); d["layer_norm_eps"] = 2e-3; p = r.choice([.25, .5, 1.0])
    if dim * p < 2 or int(dim * p) % 2: p = 1.0
    d["rope_parameters"] = dict(rope(r, int(dim * p), ["default", "linear"], 64), partial_rotary_factor=p)
    opt(r, d, "use_qkv_bias", TF); opt(r, d, "qk_layernorm", TF); opt(r, d, "use_parallel_residual", TF); return d
def gpt_neo(r):
    n = r.choice([2, 3]); d = dict(hidden_size=n * r.choice([4, 8]), num_heads=n, vocab_size=293, max_position_embeddings=64, layer_norm_epsilon=2e-3, window_size=r.choice([3, 6]), bos_token_id=1, eos_token_id=2, pad_token_id=2)
    kinds = r.choice([[["global"], 1], [["global", "local"], 2], [["local"], 2], [["local", "global", "local"], 1]]); d.update(attention_types=[kinds], num_layers=len(kinds[0]) * kinds[1], tie_word_embeddings=flip(r, .7))
    opt(r, d, "intermediate_size", [None, 30]); opt(r, d, "activation_function", ["gelu_new", "gelu", "relu"]); return d
def gemma(r):
    d, dim = base(r, act=False); d["head_dim"] = dim; opt(r, d, "hidden_act", ["gelu", "gelu_pytorch_tanh", "silu"]); opt(r, d, "attention_bias", TF); return d
def phi(r):
    d, dim = base(r, explicit=False, with_rope=False); d.pop("rms_norm_eps"); d["layer_norm_eps"] = 2e-3; p = r.choice([.25, .5, 1.0])
    if dim * p < 2 or int(dim * p) % 2: p = 1.0
    d["rope_parameters"] = dict(rope(r, int(dim * p), ["default", "linear"], 64), partial_rotary_factor=p); return d
def olmo(r):
    d, _ = base(r, explicit=False); d.pop("rms_norm_eps"); opt(r, d, "clip_qkv", [None, .5, 2.0]); opt(r, d, "attention_bias", TF); return d
def starcoder2(r):
    d, _ = base(r, explicit=False); d.pop("rms_norm_eps"); d["norm_epsilon"] = 2e-3; opt(r, d, "use_bias", TF); d["sliding_window"] = r.choice([None, 6]); return d
def routed(r, d):
    n = r.choice([1, 2, 3]); d.update(n_routed_experts=6, n_group=n, topk_group=r.choice(range(1, n + 1)), num_experts_per_tok=r.choice([1, 2]), moe_intermediate_size=r.choice([8, 10]), n_shared_experts=r.choice([1, 2]))
    opt(r, d, "norm_topk_prob", TF); opt(r, d, "routed_scaling_factor", [1.0, 1.7]); return d
def deepseek_v3(r):
    d, _ = base(r, explicit=False, kinds=["default", "yarn", "linear"]); mla(r, d); routed(r, d); opt(r, d, "attention_bias", TF); opt(r, d, "rope_interleave", TF); d["first_k_dense_replace"] = r.choice([0, 1]); return d
def glm4_moe_lite(r):
    d, _ = base(r, explicit=False, kinds=["default", "yarn", "linear"]); mla(r, d); routed(r, d); opt(r, d, "attention_bias", TF); opt(r, d, "rope_interleave", TF)
    if flip(r): d["mlp_layer_types"] = types(r, d["num_hidden_layers"], ["dense", "sparse"])
    return d
def glm4_moe(r):
    p = r.choice([.5, .5, 1.0, .25]); d, dim = base(r, with_rope=False); dim = d["head_dim"] = r.choice([8, 16]); routed(r, d); d["first_k_dense_replace"] = r.choice([0, 1])
    if flip(r, .8): d["rope_parameters"] = dict(rope(r, int(dim * p), ["default", "linear", "yarn", "llama3"], 64), partial_rotary_factor=p)
    opt(r, d, "attention_bias", TF); opt(r, d, "use_qk_norm", TF); return d
def gemma3n_text(r):
    d, dim = base(r, explicit=False, act=False, with_rope=False); d["head_dim"] = dim; n = d["num_hidden_layers"] = r.choice([2, 3, 4, 6]); d["sliding_window"] = r.choice([5, 8])
    opt(r, d, "final_logit_softcapping", [4.0, 30.0]); opt(r, d, "attention_bias", TF); opt(r, d, "hidden_activation", ["gelu_pytorch_tanh", "silu"]); opt(r, d, "altup_correct_scale", TF)
    s = r.choice([2, 3, 4]); d.update(altup_num_inputs=s, altup_active_idx=r.choice(range(s)), laurel_rank=r.choice([3, 6]), hidden_size_per_layer_input=r.choice([4, 6]), vocab_size_per_layer_input=r.choice([d["vocab_size"], 250]))
    if flip(r): d["activation_sparsity_pattern"] = [r.choice([0.0, .3, .8, .95]) for _ in range(n)]
    if flip(r): d["intermediate_size"] = [r.choice([20, 33]) for _ in range(n)]
    if n > 2: d["layer_types"] = ["full_attention", "sliding_attention"] + types(r, n - 2, ["full_attention", "sliding_attention"]); d["num_kv_shared_layers"] = r.choice([0, 1, n - 2])
    else: d["num_kv_shared_layers"] = 0
    if flip(r, .8): d["rope_parameters"] = dict(full_attention=rope(r, dim, ["default", "linear"], 64), sliding_attention=rope(r, dim, ["default", "linear"], 64))
    return d
def cohere(r):
    d, dim = base(r); d.pop("rms_norm_eps"); d["layer_norm_eps"] = 2e-3; opt(r, d, "logit_scale", [.3, 1.0, 2.0]); opt(r, d, "attention_bias", TF); opt(r, d, "use_qk_norm", TF); return d
def glm(r): return glm4(r)
def gpt_bigcode(r):
    n = r.choice([2, 3, 4]); d = dict(n_embd=n * r.choice([4, 7, 8]), n_head=n, n_layer=r.choice([1, 2, 3]), n_positions=r.choice([40, 64]), vocab_size=293, bos_token_id=1, eos_token_id=2, pad_token_id=2, layer_norm_epsilon=2e-3, tie_word_embeddings=flip(r))
    opt(r, d, "n_inner", [None, 50]); opt(r, d, "activation_function", ["gelu_new", "gelu", "relu"]); opt(r, d, "scale_attn_weights", TF); opt(r, d, "multi_query", TF); return d
def mpt(r):
    n = r.choice([2, 3, 4, 6, 12]); d = dict(d_model=n * r.choice([4, 8]), n_heads=n, n_layers=r.choice([1, 2, 3]), max_seq_len=r.choice([40, 64]), vocab_size=293, layer_norm_epsilon=r.choice([2e-3, 1e-5]), bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=flip(r))
    if flip(r): d["attn_config"] = dict(clip_qkv=r.choice([None, .5]), softmax_scale=r.choice([None, .3]))
    return d
def codegen(r):
    n = r.choice([4, 8]); dim = r.choice([6, 8]); d = dict(n_embd=n * dim, n_head=n, n_layer=r.choice([1, 2]), n_inner=r.choice([None, 30]), n_positions=64, rotary_dim=r.choice([2, 4, 6]), vocab_size=293, layer_norm_epsilon=2e-3, bos_token_id=1, eos_token_id=2, pad_token_id=2, tie_word_embeddings=flip(r, .3))
    opt(r, d, "activation_function", ["gelu_new", "relu", "gelu"]); return d

FAMILIES = {name: globals()[name] for name in """llama mistral qwen2 qwen3 gemma2 gemma3_text gemma4_text phi3 olmo2 olmo3 smollm3 gpt2 apertus cohere2 ernie4_5 ernie4_5_moe exaone4 glm4 granite
hunyuan_v1_dense hunyuan_v1_moe ministral3 nanochat seed_oss gpt_oss granitemoe mixtral olmoe phimoe qwen2_moe qwen3_moe deepseek_v2 minicpm3 mistral4 granitemoehybrid falcon_h1 lfm2 lfm2_moe lfm3
gpt_neo gemma phi olmo qwen3_5_text qwen3_5_moe_text qwen3_next bloom falcon gpt_neox gptj stablelm starcoder2""".split()}
FAMILIES["opt"] = opt_
FAMILIES |= {name: globals()[name] for name in "deepseek_v3 glm4_moe glm4_moe_lite gemma3n_text cohere glm gpt_bigcode mpt codegen".split()}

def enliven(model):
    _enliven(model)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "e_score_correction" in name: p.copy_((0.1 * torch.randn_like(p)).bfloat16())

def reader(family):
    return Mistral4ForCausalLM if family == "mistral4" else AutoModelForCausalLM

def old(config, family, r):
    """As repositories from before transformers 5 spell it."""
    c = copy.deepcopy(config)
    c.pop("transformers_version", None)
    if "dtype" in c: c["torch_dtype"] = c.pop("dtype")
    rp = c.pop("rope_parameters", None)
    nested = isinstance(rp, dict) and any(isinstance(v, dict) for v in rp.values())
    if rp is None or (family in ("gemma4_text", "lfm3")):
        if rp is not None: c["rope_parameters"] = rp
    elif nested:
        full, local = dict(rp.get("full_attention") or {}), dict(rp.get("sliding_attention") or {})
        if family in ("gemma3_text", "gemma3n_text") and local.get("rope_type", "default") == "default":
            c["rope_theta"] = full.pop("rope_theta", None); c["rope_local_base_freq"] = local.get("rope_theta")
            c["rope_scaling"] = None if full.get("rope_type") == "default" else full
        else:
            c["rope_parameters"] = rp
    else:
        rp = dict(rp); c["rope_theta"] = rp.pop("rope_theta", None)
        if family == "gpt_neox": c["rotary_emb_base"] = c.pop("rope_theta"); 
        if "partial_rotary_factor" in rp: c["rotary_pct" if family == "gpt_neox" else "partial_rotary_factor"] = rp.pop("partial_rotary_factor")
        kind = rp.pop("rope_type", "default")
        if kind == "default" and not rp: c["rope_scaling"] = None
        else: c["rope_scaling"] = dict(rp, **{r.choice(["type", "rope_type"]): kind})
    if family == "granitemoehybrid" and "layer_types" in c:
        c["layer_types"] = [dict(linear_attention="mamba", full_attention="attention")[t] for t in c["layer_types"]]
    return c

def minimal(config, settings):
    keep = set(settings) | {"model_type", "architectures"}
    return {k: v for k, v in config.items() if k in keep}

def truth(folder, family, ids, **more):
    ways = dict(attn_implementation="eager", experts_implementation="eager")
    config = json.loads((folder / "config.json").read_text())
    if config.get("alibi"): ways["attn_implementation"] = "sdpa"
    model = reader(family).from_pretrained(folder, dtype=torch.float32, **ways).eval()
    return model

def run(folder, family, seed, settings, r):
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[family](**copy.deepcopy(settings))
    ways = dict(attn_implementation="sdpa" if settings.get("alibi") else "eager", experts_implementation="eager")
    cls = reader(family)
    build = cls._from_config if family == "mistral4" else cls.from_config
    model = build(config, dtype=torch.float32, **ways).eval()
    enliven(model)
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    longest = settings.get("max_position_embeddings") or settings.get("n_positions") or 64
    rp = settings.get("rope_parameters") or {}
    dynamic = rp.get("rope_type") == "dynamic" and "alpha" not in rp
    T = 26 if longest >= 26 or dynamic else longest - 2
    vocab = settings["vocab_size"]
    g = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, vocab, (2, T), generator=g)
    def compute(folder):
        model = truth(folder, family, ids)
        with torch.no_grad():
            out = model(input_ids=ids, output_hidden_states=True)
            seen = [state for state in states(model, ids, out) if state.shape[-1] == out.hidden_states[0].shape[-1]]
        return model, out, seen
    model, out, hidden = compute(folder)
    with torch.no_grad():
        fresh = truth(folder, family, ids)
        new = max(1, min(10, T - 8))
        greedy = fresh.generate(ids[:1, :8], max_new_tokens=new, do_sample=False, eos_token_id=None, pad_token_id=2)
        double = copy.deepcopy(model).double()(input_ids=ids).logits
    noise = float((double - out.logits).abs().max())
    expected = dict(input_ids=ids.int(), logits=out.logits, hidden=torch.stack(hidden), greedy=greedy.int())
    save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    full = json.loads((folder / "config.json").read_text())
    notes = f"T={T} noise={noise:.1e} range={float(out.logits.abs().max()):.1f}"
    # As transformers calls things in memory.
    packed = folder.parent / f"{folder.name}_packed"
    shutil.rmtree(packed, ignore_errors=True)
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(packed, save_original_format=False)
    if set(safe_open(packed / "model.safetensors", "pt").keys()) == set(safe_open(folder / "model.safetensors", "pt").keys()): shutil.rmtree(packed)
    else:
        (packed / "generation_config.json").unlink(missing_ok=True); shutil.copy(folder / "expected.safetensors", packed / "expected.safetensors")
    # Other spellings.
    for kind, made in (("old", old(full, family, r)), ("min", minimal(full, settings)), ("oldmin", old(minimal(full, settings), family, r))):
        other = folder.parent / f"{folder.name}_{kind}"
        shutil.rmtree(other, ignore_errors=True); other.mkdir()
        (other / "config.json").write_text(json.dumps(made, indent=1))
        (other / "model.safetensors").symlink_to((folder / "model.safetensors").resolve())
        try:
            m2, o2, hidden = compute(other)
        except Exception as error:
            shutil.rmtree(other); notes += f" [{kind}: {str(error)[:60]!r}]"; continue
        off = float((o2.logits - out.logits).abs().max())
        if off > 1e-5: notes += f" [{kind} differs {off:.1e}]"
        save_file({k: v.contiguous() for k, v in dict(input_ids=ids.int(), logits=o2.logits, hidden=torch.stack(hidden), greedy=greedy.int()).items()}, other / "expected.safetensors")
        (other / "model.safetensors").unlink(); shutil.copy(folder / "model.safetensors", other / "model.safetensors")
        if off > 1e-5:
            with torch.no_grad(): gr = truth(other, family, ids).generate(ids[:1, :8], max_new_tokens=new, do_sample=False, eos_token_id=None, pad_token_id=2)
            save_file({k: v.contiguous() for k, v in dict(input_ids=ids.int(), logits=o2.logits, hidden=torch.stack(hidden), greedy=gr.int()).items()}, other / "expected.safetensors")
    print(f"{folder.name}: {notes}", flush=True)

def main():
    out, count, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    first = 0
    out.mkdir(parents=True, exist_ok=True)
    tokenizer().backend_tokenizer.save(str(out / "tokenizer.json"))
    if names and names[0].startswith("+"): first = int(names.pop(0)[1:])
    for family, make in FAMILIES.items():
        if names and family not in names: continue
        made, tries = 0, 0
        while made < count and tries < 4 * count:
            seed = first + 1000 * (1 + list(FAMILIES).index(family)) + tries; tries += 1
            r = random.Random(seed)
            settings = make(r)
            folder = out / f"{family}_{seed}"
            try:
                run(folder, family, seed, settings, r); made += 1
            except Exception as error:
                shutil.rmtree(folder, ignore_errors=True)
                print(f"-- {family} {seed}: {type(error).__name__} {str(error)[:160]!r}", flush=True)


if __name__ == "__main__":
    main()
