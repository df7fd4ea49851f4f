"""GGUF files of the models of make_models.py, as llama.cpp's converter would write them.

Usage: python make_gguf.py MODELS OUT [NAME...]
       python make_gguf.py --type Q4_0 MODELS OUT [NAME...]     (matrices whose rows allow it)

Needs torch, transformers and gguf. Each OUT/NAME/ holds model.gguf and MODELS/NAME's
expected.safetensors. Left out are settings that llama.cpp has no key for, and so no file: dynamic
scaling, other activations, scales and patterns than an architecture's own.
"""

import json
import shutil
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.utils import logging

ARCHITECTURES = dict(llama="llama", mistral="llama", qwen2="qwen2", qwen3="qwen3", gemma2="gemma2",
                     gemma3_text="gemma3", phi3="phi3", olmo2="olmo2", smollm3="smollm3", gpt2="gpt2")
INTERLEAVED = ("llama", "smollm3")
LAYER = {
    "input_layernorm": "attn_norm", "ln_1": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.qkv_proj": "attn_qkv", "attn.c_attn": "attn_qkv",
    "self_attn.o_proj": "attn_output", "attn.c_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up", "mlp.c_fc": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.c_proj": "ffn_down",
    "pre_feedforward_layernorm": "ffn_norm", "ln_2": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
}
WHOLE = {"model.embed_tokens": "token_embd", "transformer.wte": "token_embd", "transformer.wpe": "position_embd",
         "model.norm": "output_norm", "transformer.ln_f": "output_norm", "lm_head": "output"}


def gguf_name(name, architecture):
    module, ending = name.rsplit(".", 1)
    if module in WHOLE:
        return f"{WHOLE[module]}.{ending}"
    _, _, layer, part = module.split(".", 3)
    if part == "post_attention_layernorm":
        around = architecture in ("gemma2", "gemma3", "olmo2")
        return f"blk.{layer}.{'post_attention_norm' if around else 'ffn_norm'}.{ending}"
    return f"blk.{layer}.{LAYER[part]}.{ending}"


def expressible(config, name):
    """Whether llama.cpp has keys for all of it."""
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = {rope.get("rope_type")} | {part.get("rope_type") for part in rope.values() if isinstance(part, dict)}
    act = getattr(config, "hidden_act", None) or getattr(config, "hidden_activation", None) or config.activation_function
    layers = config.num_hidden_layers
    types = getattr(config, "layer_types", None) or []
    sliding = [kind == "sliding_attention" for kind in types]
    return not (
        kinds & {"dynamic"}
        or act not in ("silu", "gelu_pytorch_tanh", "gelu_new")
        or (config.model_type == "llama" and "longrope" in kinds)
        or (config.model_type == "gpt2" and (act != "gelu_new" or config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights))
        or (config.model_type == "gemma2" and (sliding != [i % 2 == 0 for i in range(layers)] or not config.attn_logit_softcapping))
        or (config.model_type == "smollm3" and ([int(bool(x)) for x in config.no_rope_layers] != [int((i + 1) % 4 != 0) for i in range(layers)] or any(sliding)))
        or (config.model_type in ("qwen2", "qwen3") and any(sliding))
        or "truncate" in rope or "mscale" in rope
    )


def permute(weight, heads):
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return rows.swapaxes(1, 2).reshape(weight.shape)


def add_rope(writer, config):
    rope = config.rope_parameters
    if config.model_type == "gemma3_text":
        writer.add_rope_freq_base(rope["full_attention"]["rope_theta"])
        writer.add_float32(f"{writer.arch}.rope.freq_base_swa", rope["sliding_attention"]["rope_theta"])
        rope = rope["full_attention"]
    else:
        writer.add_rope_freq_base(rope["rope_theta"])
    kind = rope["rope_type"]
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif kind == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    elif kind == "llama3":
        head_dim = config.head_dim
        plain = 1.0 / rope["rope_theta"] ** (torch.arange(0, head_dim, 2).float() / head_dim)
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
        writer.add_tensor("rope_freqs.weight", (plain / scaled).float().numpy())
    elif kind == "longrope":
        original = config.original_max_position_embeddings
        _, magnitude = ROPE_INIT_FUNCTIONS["longrope"](config, "cpu")
        writer.add_rope_scaling_orig_ctx_len(original)
        writer.add_rope_scaling_attn_factors(magnitude)
        for name in ("long", "short"):
            writer.add_tensor(f"rope_factors_{name}.weight", np.array(rope[f"{name}_factor"], dtype=np.float32))


def convert(folder, out, kind):
    config = AutoConfig.from_pretrained(folder)
    if config.model_type == "gemma3" or not expressible(config, folder.name):
        return False
    architecture = ARCHITECTURES[config.model_type]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    out.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(str(out / "model.gguf"), architecture)
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", heads)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * config.hidden_size)
    writer.add_head_count(heads)
    if config.model_type == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_head_count_kv(kv_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        rope = config.rope_parameters
        writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
        if head_dim * heads != config.hidden_size or architecture in ("qwen3", "gemma2", "gemma3"):
            writer.add_key_length(head_dim)
            writer.add_value_length(head_dim)
        add_rope(writer, config)
    if architecture.startswith("gemma"):
        writer.add_float32(f"{architecture}.attention.scale", config.query_pre_attn_scalar**-0.5)
        writer.add_sliding_window(config.sliding_window)
        if config.final_logit_softcapping:
            writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
    if architecture == "gemma3":
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config.layer_types])
    if config.model_type in ("mistral", "phi3"):
        writer.add_sliding_window(config.sliding_window or 0)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = {**tokenizer["model"]["vocab"], **{token["content"]: token["id"] for token in tokenizer["added_tokens"]}}
    tokens = [f"unused {id}" for id in range(config.vocab_size)]
    for token, id in vocabulary.items():
        tokens[id] = token
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(2)
    tied = set(model.all_tied_weights_keys)
    for name, tensor in model.state_dict().items():
        if name in tied:
            continue
        values = tensor.float().numpy()
        if architecture in INTERLEAVED and ("q_proj" in name or "k_proj" in name):
            values = permute(values, heads if "q_proj" in name else kv_heads)
        if config.model_type == "gpt2" and values.ndim == 2 and "mlp" in name or ".attn." in name and values.ndim == 2 and config.model_type == "gpt2":
            values = values.T
        if architecture.startswith("gemma") and "norm" in name:
            values = values + 1
        values = np.ascontiguousarray(values)
        written = gguf_name(name, architecture)
        quantised = getattr(gguf.GGMLQuantizationType, kind or "F32")
        if kind and values.ndim == 2 and values.shape[1] % gguf.GGML_QUANT_SIZES[quantised][0] == 0:
            writer.add_tensor(written, gguf.quants.quantize(values, quantised), raw_dtype=quantised)
        else:
            writer.add_tensor(written, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    shutil.copy(folder / "expected.safetensors", out)
    return True


def main():
    logging.disable_progress_bar()
    arguments, type = sys.argv[1:], None
    if arguments[0] == "--type":
        type, arguments = arguments[1], arguments[2:]
    models, out, names = Path(arguments[0]), Path(arguments[1]), arguments[2:]
    for folder in sorted(models.iterdir()):
        if folder.name == "phi3_longrope_su":
            continue  # a name for longrope that transformers 5 reads no more
        if (folder.name in names or not names) and (folder / "config.json").is_file():
            # Weights that were rounded to 16 bits are stored so again, and are the same numbers.
            kind = type or {"llama_bf16": "BF16", "llama_f16": "F16"}.get(folder.name)
            done = convert(folder, out / folder.name, kind)
            print(f"{folder.name}: {'written' if done else 'llama.cpp has no keys for it'}", flush=True)


if __name__ == "__main__":
    main()
