"""Tiny random models of the families that came after `make_models.py`, one or more of each, with what
transformers computes from them.

Usage: python make_families.py OUT [NAME...]     (without names: all of CASES)

Needs torch and transformers 5. OUT/NAME/ gets config.json, model.safetensors (weights in bfloat16,
computed with in f32) and expected.safetensors:
  input_ids (2, T), logits (2, T, V), hidden (layers + 1, 2, T, width), greedy (1, N).
OUT/tokenizer.json serves all of them. `tests/engine/families.rs` compares them.
"""

import json
import sys
from pathlib import Path

import torch
from make_models import tokenizer
from safetensors.torch import save_file
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, Mistral4ForCausalLM
from transformers.utils import logging

SIZES = dict(
    vocab_size=293, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=2,
)
EPS = 2e-3  # so that another family's would show
EAGER = dict(attn_implementation="eager", experts_implementation="eager")
# transformers 5.23 adds the bias of Falcon's alibi twice where attention is eager, and once in its usual attention.
USUAL = dict(EAGER, attn_implementation="sdpa")


def rope(kind="default", theta=10000.0, **more):
    return dict(rope_type=kind, rope_theta=theta, **more)


YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=8)
LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=24)
HEADS = dict(num_attention_heads=4, num_key_value_heads=4)

# What the class drops while it is trained, which TRL cannot switch off: it is no module there.
STEADY = dict(attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
MLA = dict(HEADS, kv_lora_rank=12, qk_rope_head_dim=4, qk_nope_head_dim=6, v_head_dim=5)
MIXTURE = dict(moe_intermediate_size=8, n_routed_experts=6, n_shared_experts=2, num_experts_per_tok=2)
GEMMA3N = dict(
    num_hidden_layers=4, head_dim=6, num_key_value_heads=1, sliding_window=5, rms_norm_eps=EPS, hidden_size_per_layer_input=4,
    vocab_size_per_layer_input=280, laurel_rank=5, num_kv_shared_layers=2, activation_sparsity_pattern=[0.7, 0.4, 0.0, 0.6],
    layer_types=["sliding_attention", "full_attention"] * 2,
)
GEMMA4 = dict(head_dim=6, global_head_dim=8, sliding_window=5, rms_norm_eps=EPS)

DELTA = dict(
    head_dim=8, num_attention_heads=2, num_key_value_heads=1, layer_types=["linear_attention", "full_attention"],
    linear_conv_kernel_dim=3, linear_key_head_dim=4, linear_value_head_dim=6, linear_num_key_heads=2, linear_num_value_heads=4,
    rope_parameters=rope(partial_rotary_factor=0.5, mrope_section=[1, 1, 0], mrope_interleaved=True),
)

MAMBA = dict(
    layer_types=["linear_attention", "full_attention"], mamba_n_heads=4, mamba_d_head=8, mamba_d_state=6, mamba_n_groups=2,
    mamba_d_conv=3, mamba_expand=2, mamba_chunk_size=4, shared_intermediate_size=10,
)

FALCON_H1 = dict(
    mamba_n_heads=4, mamba_d_ssm=24, mamba_d_head=6, mamba_d_state=5, mamba_n_groups=2, mamba_d_conv=3, mamba_chunk_size=4,
    attention_in_multiplier=1.2, attention_out_multiplier=0.9, key_multiplier=0.5, ssm_in_multiplier=1.25, ssm_out_multiplier=0.7,
    ssm_multipliers=[0.7, 0.9, 0.6, 1.3, 0.8], mlp_multipliers=[0.8, 0.6], embedding_multiplier=5.6, lm_head_multiplier=0.4,
)

# Name: family, what differs from SIZES (`None` takes a key away).
CASES = {
    "olmo3": ("olmo3", dict(num_hidden_layers=3, sliding_window=5, rms_norm_eps=EPS, rope_parameters=dict(
        full_attention=dict(YARN), sliding_attention=rope(theta=5000.0)),
        layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
    "gpt_neox": ("gpt_neox", dict(layer_norm_eps=EPS, rope_parameters=rope(partial_rotary_factor=0.5))),
    "gpt_neox_in_turn": ("gpt_neox", dict(use_parallel_residual=False, attention_bias=False, hidden_act="gelu_new",
                         rope_parameters=rope(partial_rotary_factor=1.0))),
    "phi4_mini": ("phi3", dict(num_attention_heads=2, tie_word_embeddings=True, original_max_position_embeddings=10, rope_parameters=rope(
        "longrope", short_factor=[1.0, 1.3, 1.9], long_factor=[2.0, 4.5, 9.0], partial_rotary_factor=0.75))),
    "stablelm": ("stablelm", dict(use_qkv_bias=True, layer_norm_eps=EPS, rope_parameters=rope(partial_rotary_factor=0.5))),
    "stablelm_head_norms": ("stablelm", dict(qk_layernorm=True, use_parallel_residual=True, rope_parameters=rope(partial_rotary_factor=0.5))),
    "ministral3": ("ministral3", dict(head_dim=6, sliding_window=7, rope_parameters=dict(
        YARN, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3))),
    "granite": ("granite", dict(attention_multiplier=0.2, embedding_multiplier=3.0, residual_multiplier=0.6,
                logits_scaling=2.5, attention_bias=True, mlp_bias=True, rms_norm_eps=EPS)),
    "seed_oss": ("seed_oss", dict(head_dim=6, attention_out_bias=True, num_key_value_heads=1)),
    "ernie4_5": ("ernie4_5", dict(head_dim=6, use_bias=True, rms_norm_eps=EPS)),
    "hunyuan": ("hunyuan_v1_dense", dict(head_dim=8, rms_norm_eps=EPS, rope_parameters=rope("dynamic", factor=1.0, alpha=100.0))),
    "glm4": ("glm4", dict(head_dim=8, rms_norm_eps=EPS)),
    "exaone4": ("exaone4", dict(head_dim=6, sliding_window=5, rms_norm_eps=EPS, rope_parameters=LLAMA3,
                layer_types=["sliding_attention", "full_attention"])),
    "exaone4_whole": ("exaone4", dict(head_dim=6, sliding_window=None, layer_types=["full_attention"] * 2)),
    "apertus": ("apertus", dict(rms_norm_eps=EPS, rope_parameters=LLAMA3)),
    "nanochat": ("nanochat", dict(HEADS, rms_norm_eps=EPS, intermediate_size=24, final_logit_softcapping=3.0)),
    "cohere2": ("cohere2", dict(head_dim=6, sliding_window=5, layer_norm_eps=EPS, logit_scale=0.3, attention_bias=True,
                layer_types=["sliding_attention", "full_attention"])),
    "starcoder2": ("starcoder2", dict(sliding_window=6, norm_epsilon=EPS)),
    "opt": ("opt", dict(ffn_dim=20, word_embed_proj_dim=16)),
    "opt_350m": ("opt", dict(ffn_dim=20, word_embed_proj_dim=10, do_layer_norm_before=False)),
    "bloom": ("bloom", dict(n_layer=2, n_head=4, layer_norm_epsilon=EPS)),
    "bloom_6_heads": ("bloom", dict(n_layer=2, n_head=6, hidden_size=24)),
    "gptj": ("gptj", dict(n_embd=16, n_layer=2, n_head=2, n_inner=20, n_positions=128, rotary_dim=4, layer_norm_epsilon=EPS)),
    "falcon_7b": ("falcon", dict(ffn_hidden_size=20, layer_norm_epsilon=EPS)),
    "falcon_40b": ("falcon", dict(new_decoder_architecture=True, num_kv_heads=2, bias=True, ffn_hidden_size=20)),
    "falcon_11b": ("falcon", dict(new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1)),
    "mixtral": ("mixtral", dict(num_local_experts=4, num_experts_per_tok=2, sliding_window=6, rms_norm_eps=EPS)),
    "olmoe": ("olmoe", dict(num_experts=6, num_experts_per_tok=3, intermediate_size=10)),
    "olmoe_clipped": ("olmoe", dict(num_experts=6, num_experts_per_tok=3, intermediate_size=10, clip_qkv=0.8, norm_topk_prob=True)),
    "qwen2_moe": ("qwen2_moe", dict(num_experts=5, num_experts_per_tok=2, moe_intermediate_size=10, shared_expert_intermediate_size=12,
                  mlp_only_layers=[0])),
    "qwen3_moe": ("qwen3_moe", dict(num_experts=6, num_experts_per_tok=2, moe_intermediate_size=10, head_dim=6, norm_topk_prob=True,
                  rms_norm_eps=EPS, decoder_sparse_step=2, num_hidden_layers=2)),
    "granitemoe": ("granitemoe", dict(num_local_experts=5, num_experts_per_tok=2, intermediate_size=10, attention_multiplier=0.2,
                   embedding_multiplier=3.0, residual_multiplier=0.6, logits_scaling=2.5)),
    "phimoe": ("phimoe", dict(num_local_experts=4, intermediate_size=10, attention_bias=True, lm_head_bias=True, router_jitter_noise=0.1,
               max_position_embeddings=64, original_max_position_embeddings=10, rope_parameters=rope(
                   "longrope", short_factor=[1.0, 1.3], long_factor=[2.0, 4.5], short_mscale=1.2, long_mscale=1.4,
                   original_max_position_embeddings=10))),
    "gpt_oss": ("gpt_oss", dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=12, head_dim=6, sliding_window=5, swiglu_limit=1.0,
                rope_parameters=dict(YARN, truncate=False), layer_types=["sliding_attention", "full_attention"])),
    "falcon_rw": ("falcon", dict(alibi=True, multi_query=False, parallel_attn=False, bias=True, num_attention_heads=2)),
    "deepseek_v2": ("deepseek_v2", dict(MLA, q_lora_rank=None, moe_intermediate_size=8, n_routed_experts=6, n_shared_experts=2, num_experts_per_tok=3,
                    first_k_dense_replace=1, routed_scaling_factor=1.5, rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=0.5))),
    "deepseek_v2_groups": ("deepseek_v2", dict(MLA, q_lora_rank=10, moe_intermediate_size=8, n_routed_experts=6, n_shared_experts=1, num_experts_per_tok=2,
                           topk_method="group_limited_greedy", n_group=3, topk_group=2, attention_bias=True, v_head_dim=14)),
    "mistral4": ("mistral4", dict(MLA, q_lora_rank=10, moe_intermediate_size=8, n_routed_experts=6, n_shared_experts=1, num_experts_per_tok=2,
                 n_group=3, topk_group=2, routed_scaling_factor=1.5, norm_topk_prob=True, rope_parameters=dict(
                     YARN, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3))),
    "minicpm3": ("minicpm3", dict(MLA, q_lora_rank=10, dim_model_base=8, scale_emb=3, scale_depth=1.1, rms_norm_eps=EPS)),
    "gemma4_e": ("gemma4_text", dict(GEMMA4, num_hidden_layers=4, hidden_size_per_layer_input=4, vocab_size_per_layer_input=293,
                 num_kv_shared_layers=2, use_double_wide_mlp=True, num_key_value_heads=1, final_logit_softcapping=3.0,
                 layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"])),
    "gemma4_moe": ("gemma4_text", dict(GEMMA4, hidden_size_per_layer_input=0, attention_k_eq_v=True, num_global_key_value_heads=1,
                   enable_moe_block=True, num_experts=5, top_k_experts=2, moe_intermediate_size=8,
                   layer_types=["sliding_attention", "full_attention"])),
    "lfm2": ("lfm2", dict(block_multiple_of=6, conv_L_cache=4, conv_bias=True, layer_types=["conv", "full_attention"], norm_eps=EPS)),
    "lfm2_moe": ("lfm2_moe", dict(num_dense_layers=1, num_experts=5, num_experts_per_tok=2, moe_intermediate_size=8, routed_scaling_factor=1.5,
                 layer_types=["full_attention", "conv"])),
    "qwen3_5": ("qwen3_5_text", dict(DELTA, rms_norm_eps=EPS)),
    "qwen3_5_moe": ("qwen3_5_moe_text", dict(DELTA, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=6)),
    "granite_hybrid": ("granitemoehybrid", dict(MAMBA, num_local_experts=4, num_experts_per_tok=2, intermediate_size=8, attention_multiplier=0.2,
                       embedding_multiplier=3.0, residual_multiplier=0.6, logits_scaling=2.5, position_embedding_type="rope")),
    "granite_hybrid_dense": ("granitemoehybrid", dict(MAMBA, num_local_experts=0, mamba_proj_bias=True, mamba_n_groups=1, rms_norm_eps=EPS)),
    "qwen3_next": ("qwen3_next", dict(DELTA, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=6,
                   norm_topk_prob=False, decoder_sparse_step=1, rope_parameters=rope(partial_rotary_factor=0.5))),
    "falcon_h1": ("falcon_h1", dict(FALCON_H1, rms_norm_eps=EPS)),
    "falcon_h1_normed": ("falcon_h1", dict(FALCON_H1, mamba_d_ssm=None, mamba_expand=1, mamba_d_head="auto", mamba_rms_norm=True, mamba_norm_before_gate=True,
                         projectors_bias=True, mamba_proj_bias=True, attention_bias=True, mlp_bias=True, mamba_conv_bias=False)),
    "lfm3": ("lfm3", dict(head_dim=6, conv_L_cache=5, sliding_window=5, norm_eps=EPS, num_hidden_layers=3,
             layer_types=["conv", "full_attention", "sliding_attention"])),
    "ernie4_5_moe": ("ernie4_5_moe", dict(moe_num_experts=5, moe_k=2, moe_intermediate_size=10, moe_num_shared_experts=2, use_bias=True, rms_norm_eps=EPS)),
    "hunyuan_moe": ("hunyuan_v1_moe", dict(head_dim=8, num_experts=4, moe_topk=2, rms_norm_eps=EPS, rope_parameters=rope("dynamic", factor=1.0, alpha=100.0))),
    "gemma4_dense": ("gemma4_text", dict(GEMMA4, hidden_size_per_layer_input=0, attention_k_eq_v=True, num_global_key_value_heads=1,
                     layer_types=["sliding_attention", "full_attention"])),
    "bloom_to_normed": ("bloom", dict(n_layer=2, n_head=4, apply_residual_connection_post_layernorm=True)),
    "opt_unit_norms": ("opt", dict(ffn_dim=20, word_embed_proj_dim=16, layer_norm_elementwise_affine=False)),
    "gpt_neo": ("gpt_neo", dict(num_key_value_heads=None, num_hidden_layers=3, attention_types=[[["global", "local"], 1], [["local"], 1]],
                window_size=5, layer_norm_epsilon=EPS)),
    "gemma": ("gemma", dict(head_dim=6, num_key_value_heads=1, rms_norm_eps=EPS)),
    "phi": ("phi", dict(layer_norm_eps=EPS, rope_parameters=rope(partial_rotary_factor=0.5))),
    "olmo": ("olmo", dict(clip_qkv=0.8, rope_parameters=rope("linear", factor=2.0))),
    "deepseek_v3": ("deepseek_v3", dict(MLA, **MIXTURE, num_hidden_layers=3, q_lora_rank=10, n_group=3, topk_group=2, first_k_dense_replace=1,
                    routed_scaling_factor=1.7, rope_parameters=dict(YARN, mscale=0.7, mscale_all_dim=0.5))),
    "moonlight": ("deepseek_v3", dict(MLA, **MIXTURE, q_lora_rank=None, n_group=1, topk_group=1, first_k_dense_replace=1, v_head_dim=14)),
    "deepseek_v3_halves": ("deepseek_v3", dict(MLA, **MIXTURE, q_lora_rank=10, n_group=2, topk_group=1, first_k_dense_replace=0, rope_interleave=False,
                           attention_bias=True, norm_topk_prob=False)),
    "glm4_moe": ("glm4_moe", dict(MIXTURE, head_dim=8, attention_bias=True, use_qk_norm=True, first_k_dense_replace=1, routed_scaling_factor=1.5,
                 n_group=2, topk_group=1, rms_norm_eps=EPS)),
    "glm4_moe_lite": ("glm4_moe_lite", dict(MLA, **MIXTURE, num_hidden_layers=3, q_lora_rank=10, n_group=1, topk_group=1,
                      mlp_layer_types=["sparse", "dense", "sparse"], rms_norm_eps=EPS)),
    "gemma3n": ("gemma3n_text", dict(GEMMA3N, altup_active_idx=1, altup_num_inputs=3, intermediate_size=[20, 24, 20, 20])),
    "gemma3n_plain": ("gemma3n_text", dict(GEMMA3N, num_hidden_layers=5, layer_types=None, activation_sparsity_pattern=None, num_kv_shared_layers=0,
                      altup_correct_scale=False, num_key_value_heads=2, final_logit_softcapping=3.0, attention_bias=True)),
    "cohere": ("cohere", dict(layer_norm_eps=EPS, logit_scale=0.3, attention_bias=True)),
    "cohere_head_norms": ("cohere", dict(layer_norm_eps=EPS, logit_scale=0.3, use_qk_norm=True)),
    "glm": ("glm", dict(head_dim=8, num_key_value_heads=1, rms_norm_eps=EPS)),
    "gpt_bigcode": ("gpt_bigcode", dict(n_inner=20, layer_norm_epsilon=EPS, **STEADY)),
    "gpt_bigcode_heads": ("gpt_bigcode", dict(multi_query=False, scale_attn_weights=False, tie_word_embeddings=False, **STEADY)),
    "mpt": ("mpt", dict(max_seq_len=128, layer_norm_epsilon=EPS)),
    "mpt_6_heads": ("mpt", dict(hidden_size=24, num_attention_heads=6, max_seq_len=128, attn_config=dict(clip_qkv=0.8, softmax_scale=0.3))),
    "codegen": ("codegen", dict(hidden_size=32, n_inner=20, rotary_dim=6, layer_norm_epsilon=EPS)),
    # Its masks are made by `layer_types`, whatever `use_sliding_window` says.
    "smollm3_listed": ("smollm3", dict(num_hidden_layers=3, use_sliding_window=False, sliding_window=5, no_rope_layers=[1, 0, 1],
                       layer_types=["full_attention", "sliding_attention", "sliding_attention"], rms_norm_eps=EPS)),
}


def enliven(model):
    """Livelier than the default 0.02, above all in attention, so that errors show; then rounded."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            queries = any(part in name for part in ("q_proj", "k_proj", "qkv", "query_key_value"))
            if parameter.dim() >= 2 and float(parameter.std()) == 0.0:
                parameter.add_(0.2 * torch.randn_like(parameter))
            elif parameter.dim() >= 2:
                parameter.mul_(12.0 if queries else 6.0)
            else:
                parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.bfloat16())
        for name, buffer in model.named_buffers():
            if name.endswith(("expert_bias", "e_score_correction_bias")):
                buffer.copy_((0.3 * torch.randn_like(buffer)).bfloat16())
            if name.endswith("layer_scalar"):
                buffer.copy_((0.5 + torch.rand_like(buffer)).bfloat16())


def states(model, ids, out):
    """Hidden states of one width. Of Gemma 3n's, which are several side by side, the one that its layers compute."""
    if model.config.model_type == "gemma3n_text":
        active = [state[model.config.altup_active_idx] for state in out.hidden_states[:-1]]
        return [*active, model.model(input_ids=ids).last_hidden_state]
    return [state for state in out.hidden_states if state.shape[-1] == out.hidden_states[0].shape[-1]]


def make(folder, seed, family, settings):
    settings = {key: value for key, value in {**SIZES, **settings}.items()}
    torch.manual_seed(seed)
    config = CONFIG_MAPPING[family](**settings)
    if family == "mistral4":  # not among the Auto classes
        build, read = Mistral4ForCausalLM._from_config, Mistral4ForCausalLM.from_pretrained
    else:
        build, read = AutoModelForCausalLM.from_config, AutoModelForCausalLM.from_pretrained
    ways = USUAL if settings.get("alibi") else EAGER
    model = build(config, dtype=torch.float32, **ways).eval()
    enliven(model)
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    model = read(folder, dtype=torch.float32, **ways).eval()
    ids = torch.randint(3, settings["vocab_size"], (2, 14), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        out = model(input_ids=ids, output_hidden_states=True)
        hidden = states(model, ids, out)
        greedy = model.generate(ids[:1, :6], max_new_tokens=8, do_sample=False, eos_token_id=None, pad_token_id=2)
    expected = dict(input_ids=ids.int(), logits=out.logits, hidden=torch.stack(hidden), greedy=greedy.int())
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, folder / "expected.safetensors")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config, indent=1) + "\n")
    print(f"{folder.name}: logits within ±{float(out.logits.abs().max()):.1f}, std {float(out.logits.std()):.2f}", flush=True)


def main():
    logging.disable_progress_bar()
    out, names = Path(sys.argv[1]), sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    tokenizer().backend_tokenizer.save(str(out / "tokenizer.json"))
    for seed, (name, (family, settings)) in enumerate(CASES.items()):
        if name in names or not names:
            make(out / name, 900 + seed, family, settings)


if __name__ == "__main__":
    main()
