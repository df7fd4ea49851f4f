"""Tiny random models of every family and setting, with what transformers computes from them.

Usage: python make_models.py OUT [NAME...]     (without names: all of CASES)

Needs torch and transformers 5. Each OUT/NAME/ is a transformers folder (config.json,
model.safetensors, tokenizer files) with expected.safetensors beside them:
  input_ids (2, T), logits (2, T, V), hidden (layers + 1, 2, T, width),
  attention (layers, heads, T, T) of row 0, greedy (1, N): its first ids continued greedily.
`tests/engine/generated.rs` compares a whole folder of them: TUNING_FORK_MODELS=OUT. The few in
`models/` that are named `tiny_*` are committed: those of SMALL.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

TEXT = [
    "Two answers to one question, and a person says which of them is better.",
    "A tuning fork gives one clear tone; everything else is held against it. 3, 14, 159.",
    "Ein Wort, une idée, 一个词, одно слово: every alphabet is bytes in the end.",
] * 4


def tokenizer():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )


BASE = dict(
    vocab_size=301, hidden_size=48, intermediate_size=70, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=False,
    bos_token_id=1, eos_token_id=2, pad_token_id=2,
)
GEMMA = dict(head_dim=16, sliding_window=9, query_pre_attn_scalar=24, num_hidden_layers=4, tie_word_embeddings=True)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=24, rope_theta=10000.0)
SHORT, LONG = [1.0, 1.1, 1.3, 1.7, 2.0, 2.2], [1.0, 2.5, 4.0, 7.0, 11.0, 19.0]


def longrope(**more):
    return dict(rope_type="longrope", short_factor=SHORT, long_factor=LONG, rope_theta=10000.0, **more)


def yarn(**more):
    return dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10000.0, **more)


# Name: family, what differs from BASE. `time`, `prompt`, `old` (the keys of transformers 4),
# `edit` (of config.json, after saving), `nested`, `su`, `store` and `shard` are this script's.
CASES = {
    # Llama 2, 3, 3.1, 3.2, SmolLM2
    "llama_mha": ("llama", dict(num_key_value_heads=4)),
    "llama_mqa": ("llama", dict(num_key_value_heads=1, hidden_size=64)),
    "llama_gqa3": ("llama", dict(num_attention_heads=6, num_key_value_heads=2)),
    "llama_gqa4": ("llama", dict(num_attention_heads=8, num_key_value_heads=2, vocab_size=397)),
    "llama_head_dim": ("llama", dict(head_dim=20, tie_word_embeddings=True)),
    "llama_biases": ("llama", dict(attention_bias=True, mlp_bias=True)),
    "llama_linear": ("llama", dict(rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=20000.0))),
    "llama_linear_v4": ("llama", dict(rope_parameters=dict(rope_type="linear", factor=2.5, rope_theta=20000.0), old="type")),
    "llama3": ("llama", dict(rope_parameters=LLAMA3)),
    "llama3_v4": ("llama", dict(rope_parameters=LLAMA3, old="rope_type")),
    "llama3_head_dim": ("llama", dict(rope_parameters=LLAMA3, head_dim=32, num_attention_heads=3, num_key_value_heads=1)),
    "llama_dynamic_long": ("llama", dict(max_position_embeddings=16, prompt=10, steps=20,
                           rope_parameters=dict(rope_type="dynamic", factor=4.0, rope_theta=10000.0))),
    "llama_dynamic_short": ("llama", dict(max_position_embeddings=64, old="type",
                            rope_parameters=dict(rope_type="dynamic", factor=4.0, rope_theta=10000.0))),
    "llama_yarn": ("llama", dict(rope_parameters=yarn(), max_position_embeddings=64)),
    "llama_yarn_all": ("llama", dict(rope_parameters=yarn(beta_fast=16.0, beta_slow=2.0, attention_factor=1.3, truncate=False), max_position_embeddings=64)),
    "llama_yarn_mscale": ("llama", dict(rope_parameters=yarn(mscale=0.8, mscale_all_dim=0.5), max_position_embeddings=64)),
    "llama_longrope": ("llama", dict(rope_parameters=longrope(original_max_position_embeddings=16, factor=4.0), max_position_embeddings=64)),
    "llama_eps_theta": ("llama", dict(rms_norm_eps=1e-3, rope_parameters=dict(rope_type="default", rope_theta=500000.0))),
    "llama_gelu": ("llama", dict(hidden_act="gelu")),
    "llama_relu2": ("llama", dict(hidden_act="relu2")),
    "smollm2_shape": ("llama", dict(hidden_size=72, num_attention_heads=9, num_key_value_heads=3, intermediate_size=192, tie_word_embeddings=True, rope_parameters=dict(rope_type="default", rope_theta=100000.0))),
    "llama_bf16": ("llama", dict(tie_word_embeddings=True, store="bfloat16")),
    "llama_f16": ("llama", dict(attention_bias=True, store="float16")),
    "llama_sharded": ("llama", dict(shard="60KB")),
    "llama_untied_anyway": ("llama", dict(tie_word_embeddings=False, edit=dict(tie_word_embeddings=True))),
    # SmolLM3
    "smollm3_default": ("smollm3", dict(num_hidden_layers=5, tie_word_embeddings=True)),
    "smollm3_interval": ("smollm3", dict(num_hidden_layers=4, no_rope_layer_interval=2)),
    "smollm3_list": ("smollm3", dict(num_hidden_layers=4, no_rope_layers=[0, 1, 1, 0], attention_bias=True, mlp_bias=True)),
    "smollm3_window": ("smollm3", dict(num_hidden_layers=4, no_rope_layers=[1, 0, 1, 0], use_sliding_window=True, sliding_window=7)),
    "smollm3_layer_types": ("smollm3", dict(num_hidden_layers=4, use_sliding_window=True, sliding_window=7,
                            layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"])),
    "smollm3_yarn": ("smollm3", dict(rope_parameters=yarn(), max_position_embeddings=64)),
    # Mistral
    "mistral_window": ("mistral", dict(sliding_window=7)),
    "mistral_head_dim": ("mistral", dict(head_dim=24, sliding_window=None, num_key_value_heads=1)),
    "mistral_v4": ("mistral", dict(sliding_window=11, rope_parameters=dict(rope_type="default", rope_theta=1000000.0), old="type")),
    # Qwen2, 2.5, 3
    "qwen2_plain": ("qwen2", dict(num_attention_heads=6, num_key_value_heads=1)),
    "qwen2_window": ("qwen2", dict(use_sliding_window=True, sliding_window=7, max_window_layers=1, tie_word_embeddings=True)),
    "qwen2_layer_types": ("qwen2", dict(use_sliding_window=True, sliding_window=7, layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
    "qwen2_yarn": ("qwen2", dict(rope_parameters=yarn(), max_position_embeddings=64, old="type")),
    "qwen3_plain": ("qwen3", dict(head_dim=20)),
    "qwen3_bias": ("qwen3", dict(head_dim=8, attention_bias=True, num_key_value_heads=1, tie_word_embeddings=True)),
    "qwen3_window": ("qwen3", dict(head_dim=16, use_sliding_window=True, sliding_window=7, max_window_layers=2)),
    "qwen3_layer_types": ("qwen3", dict(head_dim=16, use_sliding_window=True, sliding_window=7, layer_types=["full_attention", "sliding_attention", "full_attention"])),
    "qwen3_yarn": ("qwen3", dict(head_dim=16, rope_parameters=yarn(), max_position_embeddings=64)),
    # Gemma 2 and 3
    "gemma2_caps": ("gemma2", dict(GEMMA, attn_logit_softcapping=5.0, final_logit_softcapping=3.0)),
    "gemma2_no_caps": ("gemma2", dict(GEMMA, attn_logit_softcapping=None, final_logit_softcapping=None, attention_bias=True)),
    "gemma2_head_dim": ("gemma2", dict(GEMMA, head_dim=20, num_key_value_heads=1, tie_word_embeddings=False)),
    "gemma2_layer_types": ("gemma2", dict(GEMMA, layer_types=["full_attention", "full_attention", "sliding_attention", "full_attention"])),
    "gemma2_v4": ("gemma2", dict(GEMMA, old="type", edit=dict(layer_types=None))),
    "gemma3_default": ("gemma3_text", dict(GEMMA, num_hidden_layers=7)),
    "gemma3_pattern": ("gemma3_text", dict(GEMMA, sliding_window_pattern=2)),
    "gemma3_linear": ("gemma3_text", dict(GEMMA, num_hidden_layers=6, rope_parameters=dict(
        full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1000000.0),
        sliding_attention=dict(rope_type="default", rope_theta=5000.0)))),
    "gemma3_v4": ("gemma3_text", dict(GEMMA, num_hidden_layers=6, old="gemma3", rope_parameters=dict(
        full_attention=dict(rope_type="linear", factor=8.0, rope_theta=500000.0),
        sliding_attention=dict(rope_type="default", rope_theta=5000.0)))),
    "gemma3_caps": ("gemma3_text", dict(GEMMA, final_logit_softcapping=3.0, attn_logit_softcapping=5.0, attention_bias=True, num_key_value_heads=4)),
    "gemma3_untied": ("gemma3_text", dict(GEMMA, tie_word_embeddings=False, head_dim=20, num_hidden_layers=2,
                      layer_types=["full_attention", "sliding_attention"])),
    "gemma3_nested": ("gemma3_text", dict(GEMMA, nested="old", num_hidden_layers=6)),
    "gemma3_nested_v5": ("gemma3_text", dict(GEMMA, nested="new", num_hidden_layers=6)),
    # Phi 3, 3.5
    "phi3_gqa": ("phi3", dict(num_key_value_heads=2)),
    "phi3_window": ("phi3", dict(sliding_window=7, num_key_value_heads=4)),
    "phi3_partial": ("phi3", dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5))),
    "phi3_longrope_long": ("phi3", dict(rope_parameters=longrope(), original_max_position_embeddings=16)),
    "phi3_longrope_short": ("phi3", dict(rope_parameters=longrope(), original_max_position_embeddings=16, time=13, prompt=9, steps=20, old="type")),
    "phi3_longrope_su": ("phi3", dict(rope_parameters=longrope(), original_max_position_embeddings=16, old="type", su=True)),
    "phi3_partial_odd": ("phi3", dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.75))),
    "phi3_longrope_partial": ("phi3", dict(hidden_size=64, rope_parameters=dict(longrope(), short_factor=SHORT[:4], long_factor=LONG[:4], partial_rotary_factor=0.5), original_max_position_embeddings=16)),
    # OLMo 2
    "olmo2_gqa": ("olmo2", dict()),
    "olmo2_bias": ("olmo2", dict(num_key_value_heads=4, attention_bias=True, rope_parameters=dict(rope_type="default", rope_theta=500000.0))),
    "olmo2_tied": ("olmo2", dict(num_key_value_heads=1, tie_word_embeddings=True)),
    "olmo2_yarn": ("olmo2", dict(rope_parameters=yarn(), max_position_embeddings=64)),
    # GPT-2
    "gpt2_inner": ("gpt2", dict(n_inner=50)),
    "gpt2_inverse": ("gpt2", dict(scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True)),
    "gpt2_unscaled": ("gpt2", dict(scale_attn_weights=False, tie_word_embeddings=False)),
    "gpt2_tanh": ("gpt2", dict(activation_function="tanh")),
    "gpt2_gelu": ("gpt2", dict(activation_function="gelu", n_head=3)),
    "gpt2_relu": ("gpt2", dict(activation_function="relu", n_head=1)),
    "gpt2_silu": ("gpt2", dict(activation_function="silu")),
    "gpt2_quick": ("gpt2", dict(activation_function="quick_gelu")),
}
GPT2 = dict(vocab_size=301, n_embd=48, n_layer=3, n_head=4, n_positions=128, bos_token_id=1, eos_token_id=2)

# Committed: one of each family that `models/` has none of, and the settings that are easiest to lose.
TINY = dict(vocab_size=293, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, time=14, prompt=6, steps=8)
SMALL = {
    "tiny_smollm3": ("smollm3", dict(TINY, num_hidden_layers=3, no_rope_layers=[1, 0, 1], use_sliding_window=True, sliding_window=5)),
    "tiny_olmo2": ("olmo2", dict(TINY, tie_word_embeddings=True)),
    "tiny_phi3_longrope": ("phi3", dict(TINY, time=9, steps=10, rope_parameters=dict(
        rope_type="longrope", short_factor=SHORT[:4], long_factor=LONG[:4], rope_theta=10000.0),
        original_max_position_embeddings=10, tie_word_embeddings=True)),
    "tiny_llama_dynamic": ("llama", dict(TINY, max_position_embeddings=8, attention_bias=True, mlp_bias=True, tie_word_embeddings=True,
                           rope_parameters=dict(rope_type="dynamic", factor=4.0, rope_theta=10000.0), old="type")),
    "tiny_qwen2_yarn": ("qwen2", dict(TINY, rope_parameters=yarn(), max_position_embeddings=64, use_sliding_window=True,
                        sliding_window=6, max_window_layers=1, tie_word_embeddings=True)),
    # Rows of whole blocks of 32, for quantising.
    "tiny_llama_even": ("llama", dict(TINY, hidden_size=32, intermediate_size=32, rope_parameters=LLAMA3, tie_word_embeddings=True, time=12)),
    "tiny_gemma3_nested": ("gemma3_text", dict(TINY, nested="old", head_dim=8, sliding_window=6, query_pre_attn_scalar=12, old="gemma3",
                           sliding_window_pattern=2, tie_word_embeddings=True, rope_parameters=dict(
                               full_attention=dict(rope_type="linear", factor=8.0, rope_theta=500000.0),
                               sliding_attention=dict(rope_type="default", rope_theta=5000.0)))),
}


def enliven(model):
    """Livelier than the default 0.02, above all in attention, so that errors show."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2:
                queries = any(part in name for part in ("q_proj", "k_proj", "qkv_proj", "c_attn"))
                parameter.mul_(12.0 if queries else 4.0)
            elif "norm" in name or "ln_" in name:
                parameter.add_(0.2 * torch.randn_like(parameter))
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))


def rewrite(folder, family, old, edit, nested):
    """Rewrites config.json: in transformers 4's keys, with edits, or nested as in Gemma 3's own files."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    if old:
        rope = config.pop("rope_parameters", None)
        config["torch_dtype"] = config.pop("dtype", "float32")
        if old == "gemma3":
            config["rope_theta"] = rope["full_attention"].pop("rope_theta")
            config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
            config["rope_scaling"] = rope["full_attention"]
        elif rope:
            config["rope_theta"] = rope.pop("rope_theta")
            partial = rope.pop("partial_rotary_factor", None)
            if partial is not None:
                config["partial_rotary_factor"] = partial
            kind = rope.pop("rope_type")
            if family == "phi3":
                rope.pop("original_max_position_embeddings", None)
            config["rope_scaling"] = None if kind == "default" else {old: kind, **rope}
    for key, value in edit.items():
        if value is None:
            config.pop(key, None)
        else:
            config[key] = value
    if nested:
        text = {key: value for key, value in config.items() if key not in ("architectures", "transformers_version")}
        config = dict(architectures=["Gemma3ForConditionalGeneration"], model_type="gemma3", text_config=text,
                      mm_tokens_per_image=4, vision_config=dict(model_type="siglip_vision_model"))
        prefix = {"old": "language_model.model.", "new": "model.language_model."}[nested]
        tensors = load_file(folder / "model.safetensors")
        tensors = {name.replace("model.", prefix, 1): tensor for name, tensor in tensors.items()}
        tensors["vision_tower.vision_model.head.probe"] = torch.ones(1, 1, 4)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    path.write_text(json.dumps(config, indent=2) + "\n")


def make(folder, seed, family, settings, words):
    settings = dict(settings)
    time, prompt, steps = settings.pop("time", 40), settings.pop("prompt", 8), settings.pop("steps", 16)
    old, edit, nested = settings.pop("old", None), settings.pop("edit", {}), settings.pop("nested", None)
    store, shard, su = settings.pop("store", None), settings.pop("shard", None), settings.pop("su", False)
    torch.manual_seed(seed)
    settings = {**(GPT2 if family == "gpt2" else BASE), **settings}
    config = CONFIG_MAPPING[family](**settings)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager").eval()
    enliven(model)
    folder.mkdir(parents=True, exist_ok=True)
    if store:
        model = model.to(getattr(torch, store))
    model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    words.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # What is compared is the model that the files describe, so it is read back; the nested one by
    # its text part, whose class is another.
    if not nested:
        rewrite(folder, family, old, edit, nested)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.randint(3, settings["vocab_size"], (2, time), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        out = model(input_ids=ids, output_hidden_states=True, output_attentions=True)
        greedy = model.generate(ids[:1, :prompt], max_new_tokens=steps, do_sample=False, eos_token_id=None, pad_token_id=2)
    expected = dict(
        input_ids=ids.int(), logits=out.logits, hidden=torch.stack(out.hidden_states),
        attention=torch.stack(out.attentions)[:, 0], greedy=greedy.int(),
    )
    save_file({name: tensor.contiguous() for name, tensor in expected.items()}, folder / "expected.safetensors")
    if nested:
        rewrite(folder, family, old, edit, nested)
    if su:  # longrope's first name, which transformers 5 reads no more
        path = folder / "config.json"
        path.write_text(path.read_text().replace('"longrope"', '"su"'))
    print(f"{folder.name}: logits within ±{float(out.logits.abs().max()):.1f}, std {float(out.logits.std()):.2f}", flush=True)


def main():
    logging.disable_progress_bar()
    out, names = Path(sys.argv[1]), sys.argv[2:]
    words = tokenizer()
    for seed, (name, (family, settings)) in enumerate({**CASES, **SMALL}.items()):
        if name in names or not names:
            make(out / name, 500 + seed, family, settings, words)


if __name__ == "__main__":
    main()
