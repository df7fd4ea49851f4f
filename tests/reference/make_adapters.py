"""Small adapters of PEFT over the tiny models, and the logits that PEFT computes with them.

    python make_adapters.py OUT_FOLDER [CASE ...]

Makes what lies in `adapters/`, a folder a case (of all cases, or of those that are named): the PEFT folder, and `expected.safetensors` with `ids` and
the `logits` of their last two positions. Makes `models/tiny_gemma3_tower` too, a Gemma 3 that looks at
pictures, where it is not there. Needs torch, transformers and peft; PEFT 0.21.2 made what is kept.
"""

import json
import shutil
import sys
import warnings
from pathlib import Path

import torch
from peft import IA3Config, LoHaConfig, LoKrConfig, LoraConfig, PeftModel, VeraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Gemma3Config, Gemma3ForConditionalGeneration
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
warnings.simplefilter("ignore")
torch.set_num_threads(1)
out, models = Path(sys.argv[1]), Path(__file__).parent / "models"
families, only = Path(__file__).parent / "families", sys.argv[2:]

ATTENTION = ["q_proj", "v_proj"]
CASES = {
    "dora_llama": ("llama", dict(target_modules=ATTENTION, use_dora=True)),
    "dora_gpt2": ("gpt2", dict(target_modules=["c_attn", "c_proj"], use_dora=True, use_rslora=True)),
    "pissa_llama": ("llama", dict(target_modules=["q_proj", "down_proj"], init_lora_weights="pissa")),
    "pissa_gpt2": ("gpt2", dict(target_modules=["c_attn"], init_lora_weights="pissa", lora_alpha=7)),
    "pissa_dora_qwen2": ("qwen2", dict(target_modules=["v_proj", "up_proj"], init_lora_weights="pissa", use_dora=True)),
    "olora_mistral": ("mistral", dict(target_modules=["o_proj", "gate_proj"], init_lora_weights="olora")),
    "eva_qwen3": ("qwen3", dict(target_modules=["k_proj"], init_lora_weights="eva")),
    "patterns_gemma2": (
        "gemma2",
        dict(
            target_modules=["q_proj", "o_proj", "down_proj"],
            exclude_modules=r".*\.1\.self_attn\.o_proj",
            rank_pattern={r"layers\.0\.self_attn\..*": 3, "down_proj": 1},
            alpha_pattern={"^model.layers.1.self_attn.q_proj": 5, "o_proj": 9},
        ),
    ),
    "layers_llama": ("llama", dict(target_modules=["q_proj", "up_proj"], layers_to_transform=[1], layers_pattern="layers")),
    "nested_gemma3": ("tiny_gemma3_tower", dict(target_modules=r".*language_model.*\.(q_proj|down_proj)")),
    "nested_old_names_gemma3": ("tiny_gemma3_tower", dict(target_modules=r".*language_model.*\.v_proj")),
    "tokens_qwen3": ("qwen3", dict(target_modules=["q_proj"], trainable_token_indices=[3, 5, 200])),
    "tokens_mistral": (
        "mistral",
        dict(target_modules=["v_proj"], trainable_token_indices={"embed_tokens": [7, 9, 11], "lm_head": [4]}),
    ),
    "bias_qwen2": ("qwen2", dict(target_modules=["q_proj", "o_proj"], lora_bias=True, lora_alpha=6)),
    "bias_own_qwen2": ("qwen2", dict(target_modules=["q_proj"], lora_bias=True, bias="lora_only")),
    "ia3_qwen2": (
        "qwen2",
        dict(method=IA3Config, target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]),
    ),
    "ia3_gpt2": ("gpt2", dict(method=IA3Config, target_modules=["c_attn", "mlp.c_proj"], feedforward_modules=["mlp.c_proj"])),
    "loha_llama": ("llama", dict(method=LoHaConfig, target_modules=["q_proj", "up_proj"], alpha=6, rank_pattern={"up_proj": 3})),
    "lokr_llama": ("llama", dict(method=LoKrConfig, target_modules=["q_proj", "down_proj"], alpha=3)),
    "lokr_both_mistral": (
        "mistral",
        dict(method=LoKrConfig, target_modules=["gate_proj"], r=1, alpha=1, decompose_both=True, decompose_factor=8),
    ),
    "vera_qwen3": ("qwen3", dict(method=VeraConfig, target_modules=["q_proj", "down_proj"], r=4)),
    "experts_gpt_oss": (
        "gpt_oss",
        dict(target_modules=["q_proj"], target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]),
    ),
    "experts_olmoe": ("olmoe", dict(target_modules="all-linear")),
    "experts_qwen3_moe": (
        "qwen3_moe",
        dict(target_modules=[], target_parameters=["1.mlp.experts.down_proj", "0.mlp.gate.weight"], use_rslora=True),
    ),
    "experts_old_names_mixtral": ("mixtral", dict(target_modules="all-linear")),
    "router_gemma4_moe": ("gemma4_moe", dict(target_modules=["router.proj", "o_proj"])),
    "parameter_llama": ("llama", dict(target_modules=["q_proj"], target_parameters=["1.mlp.gate_proj.weight"])),
    "pissa_head_mistral": ("mistral", dict(target_modules=["q_proj", "lm_head"], init_lora_weights="pissa")),
}


def make_tower(folder):
    """Gemma 3 with both halves, whose layers end in the same words."""
    torch.manual_seed(5)
    text = dict(
        vocab_size=293, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, query_pre_attn_scalar=12, sliding_window=6, max_position_embeddings=128,
        layer_types=["sliding_attention", "full_attention"], bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )
    vision = dict(
        hidden_size=8, intermediate_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=8, patch_size=4,
    )
    config = Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4, boi_token_index=290, eoi_token_index=291,
        image_token_index=292,
    )
    model = Gemma3ForConditionalGeneration(config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.mul_(6.0) if value.dim() >= 2 else value.add_(0.1 * torch.randn_like(value))
    model.save_pretrained(folder)
    for name in ["tokenizer.json", "tokenizer_config.json"]:
        shutil.copy(models / "tiny_gemma3_nested" / name, folder / name)


if not (models / "tiny_gemma3_tower").exists():
    make_tower(models / "tiny_gemma3_tower")


def place(family):
    return models / family if (models / family).is_dir() else families / family


def base(family):
    kind = {} if (models / family).is_dir() else {"experts_implementation": "eager"}
    return AutoModelForCausalLM.from_pretrained(place(family), dtype=torch.float32, **kind).eval()


def before_transformers_5(tensors):
    """Mixtral's experts as layers of their own, gate and up apart: what older versions have written."""
    old = {}
    for name, value in tensors.items():
        place = name.replace(".mlp.", ".block_sparse_moe.")
        if ".experts." not in name:
            old[place] = value
            continue
        inner = ".base_layer." in name
        into = place.split(".experts.")[0] + ".experts"
        experts, width = 4, value.shape[1 if "lora_A" in name else 0]
        if "lora_A" in name:
            each = value.reshape(experts, -1, width)  # (experts, rank, inputs)
        else:
            each = value.reshape(width, -1, experts).permute(2, 0, 1)  # (experts, outputs, rank)
        part = "lora_A" if "lora_A" in name else "lora_B"
        for expert, own in enumerate(each):
            if not inner:
                old[f"{into}.{expert}.w2.{part}.weight"] = own.clone()
            elif part == "lora_A":  # (2 * rank, inputs): of gate, of up
                for w, half in zip(["w1", "w3"], own.chunk(2, dim=0)):
                    old[f"{into}.{expert}.{w}.{part}.weight"] = half.clone()
            else:  # two blocks on the diagonal
                for w, rows, half in zip(["w1", "w3"], own.chunk(2, dim=0), [0, 1]):
                    old[f"{into}.{expert}.{w}.{part}.weight"] = rows.chunk(2, dim=1)[half].clone()
    return old


for number, (case, (family, settings)) in enumerate(CASES.items()):
    if only and case not in only:
        continue
    folder = out / case
    shutil.rmtree(folder, ignore_errors=True)
    method = settings.pop("method", LoraConfig)
    rank = {LoraConfig: {"r": 2, "lora_alpha": 4}, LoHaConfig: {"r": 2}, LoKrConfig: {"r": 2}}.get(method, {})
    settings = {**rank, "task_type": "CAUSAL_LM", **settings}
    torch.manual_seed(number)
    peft = get_peft_model(base(family), method(**settings))
    with torch.no_grad():
        for name, value in peft.named_parameters():
            if any(part in name for part in ["ia3_", "hada_", "lokr_", "vera_lambda"]):
                value.add_(torch.randn(value.shape) * 0.3)
            elif "lora_" in name or "trainable_tokens_delta" in name:
                noise = torch.randn(value.shape)
                value.add_(noise * (0.2 * value if "magnitude" in name else 0.1))
    peft.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = folder / "adapter_config.json"
    written = json.loads(config.read_text())
    written["base_model_name_or_path"] = f"tests/reference/{place(family).parent.name}/{family}"
    for key in ["target_modules", "target_parameters", "feedforward_modules"]:
        if isinstance(written.get(key), list):
            written[key].sort()
    if "old_names_mixtral" in case:
        path = folder / "adapter_model.safetensors"
        save_file(before_transformers_5(load_file(path)), path)
        written |= {"target_modules": ["gate", "k_proj", "o_proj", "q_proj", "v_proj", "w1", "w2", "w3"]}
        written |= {"target_parameters": None, "rank_pattern": {}, "alpha_pattern": {}}
    config.write_text(json.dumps(written, indent=1) + "\n")
    if "old_names_gemma3" in case:  # as transformers before 4.52 called a decoder beside a tower
        path = folder / "adapter_model.safetensors"
        tensors = load_file(path)
        old = {name.replace("model.model.language_model.", "model.language_model.model."): t for name, t in tensors.items()}
        assert old.keys() != tensors.keys()
        save_file(old, path)
    vocab = base(family).config.get_text_config().vocab_size
    ids = torch.randint(0, vocab, (1, 12))
    if "tokens" in case:
        ids[0, 2:5] = torch.tensor([3, 5, 7])
    with torch.no_grad():
        read = PeftModel.from_pretrained(base(family), folder).eval()
        logits = read(ids).logits[0]
        effect = (logits - base(family)(ids).logits[0]).abs().max().item()
    assert effect > 0.01, case
    save_file({"ids": ids[0], "logits": logits[-2:].clone()}, folder / "expected.safetensors")
    print(f"{case}: changes logits by up to {effect:.3f}")
