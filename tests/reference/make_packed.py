"""Tiny Llamas whose weights are packed as GPTQ, AWQ and FP8 checkpoints are, and the logits that transformers
computes with the weights that these numbers stand for.

The packing follows the formats' definitions, written here once more in numpy:
- GPTQ (AutoGPTQ, GPTQModel): qweight (in / 8, out) and qzeros (groups, out / 8), words of 32 bits whose lowest
  bits are the first number; scale * (number - zero), the zero stored less one (v1) or as it is (gptq_v2);
  g_idx: the group of each input.
- AWQ (AutoAWQ, version "gemm"): qweight (in, out / 8), qzeros (groups, out / 8); a word holds the outputs
  0, 2, 4, 6, 1, 3, 5, 7 of eight, from its lowest bits on.
- FP8 (transformers' finegrained_fp8): float8_e4m3fn and weight_scale_inv, a scale for each block;
  fbgemm_fp8: weight_scale (out, 1).

    python make_packed.py            writes ../reference/packed
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent / "packed"
GROUP = 32
AWQ_PLACES = [0, 2, 4, 6, 1, 3, 5, 7]


def words(numbers, axis, places, bits):
    """Numbers packed along an axis: the one at places[i] of each run goes to the i-th bits of a word."""
    per_word = 32 // bits
    numbers = np.moveaxis(numbers.astype(np.uint32), axis, -1)
    runs = numbers.reshape(*numbers.shape[:-1], -1, per_word)
    packed = np.zeros(runs.shape[:-1], np.uint32)
    for place, at in enumerate(places):
        packed |= runs[..., at] << np.uint32(bits * place)
    return torch.from_numpy(np.moveaxis(packed, -1, axis).copy().view(np.int32))


def whole(random, outputs, inputs, bits, groups):
    numbers = random.integers(0, 2**bits, (inputs, outputs))
    zeros = random.integers(1, 2**bits, (groups, outputs))
    scales = (random.uniform(0.5, 1.5, (groups, outputs)) / (2**bits) / 8).astype(np.float16)
    return numbers, zeros, scales


def gptq(random, weight, kind, tensors, name):
    outputs, inputs = weight.shape
    bits = 8 if kind == "gptq_8" else 4
    groups = 1 if kind == "gptq_v2" else inputs // GROUP
    of_inputs = np.arange(inputs) // (inputs // groups)
    if kind == "gptq_order":
        random.shuffle(of_inputs)
    numbers, zeros, scales = whole(random, outputs, inputs, bits, groups)
    places = range(32 // bits)
    stored = zeros if kind == "gptq_v2" else zeros - 1
    tensors[f"{name}.qweight"] = words(numbers, 0, places, bits)
    tensors[f"{name}.qzeros"] = words(stored, 1, places, bits)
    tensors[f"{name}.scales"] = torch.from_numpy(scales)
    tensors[f"{name}.g_idx"] = torch.from_numpy(of_inputs.astype(np.int32))
    values = scales.astype(np.float64)[of_inputs] * (numbers - zeros[of_inputs])
    return values.T


def awq(random, weight, kind, tensors, name):
    outputs, inputs = weight.shape
    groups = inputs // GROUP
    numbers, zeros, scales = whole(random, outputs, inputs, 4, groups)
    tensors[f"{name}.qweight"] = words(numbers, 1, AWQ_PLACES, 4)
    tensors[f"{name}.qzeros"] = words(zeros, 1, AWQ_PLACES, 4)
    tensors[f"{name}.scales"] = torch.from_numpy(scales)
    of_inputs = np.arange(inputs) // GROUP
    return (scales.astype(np.float64)[of_inputs] * (numbers - zeros[of_inputs])).T


def fp8(random, weight, kind, tensors, name):
    outputs, inputs = weight.shape
    numbers = torch.from_numpy(random.normal(0, 60, (outputs, inputs))).clamp(-448, 448)
    numbers = numbers.to(torch.float8_e4m3fn)
    rows, cols = (1, inputs) if kind == "fp8_rows" else (48, 40)
    grid = (-(-outputs // rows), -(-inputs // cols))
    scales = random.uniform(0.5, 1.5, grid).astype(np.float32) / 1000
    tensors[f"{name}.weight"] = numbers
    ending = "weight_scale" if kind == "fp8_rows" else "weight_scale_inv"
    tensors[f"{name}.{ending}"] = torch.from_numpy(scales)
    wide = scales.repeat(rows, 0).repeat(cols, 1)[:outputs, :inputs]
    return numbers.double().numpy() * wide


SETTINGS = {
    "gptq": {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": False, "sym": False},
    "gptq_8": {"quant_method": "gptq", "bits": 8, "group_size": GROUP, "checkpoint_format": "gptq"},
    "gptq_order": {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": True},
    "gptq_v2": {"quant_method": "gptq", "bits": 4, "group_size": -1, "checkpoint_format": "gptq_v2"},
    "awq": {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm", "zero_point": True},
    "fp8": {"quant_method": "fp8", "weight_block_size": [48, 40], "activation_scheme": "dynamic"},
    "fp8_rows": {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0},
}


def make(kind):
    seed = 2600 + sorted(SETTINGS).index(kind)
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    config = LlamaConfig(
        vocab_size=384, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, tie_word_embeddings=True, bos_token_id=1,
        eos_token_id=2, dtype="float16",
    )
    model = LlamaForCausalLM(config).float().eval()
    tensors, pack = {}, {"gptq": gptq, "awq": awq, "fp8": fp8}[kind.split("_")[0]]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "proj" in name:
                values = pack(random, weight, kind, tensors, name.removesuffix(".weight"))
                weight.copy_(torch.from_numpy(np.ascontiguousarray(values)))
            else:
                if weight.dim() == 2:
                    weight.normal_(0, 0.5)
                weight.copy_(weight.half())
                tensors[name] = weight.half()
        ids = torch.from_numpy(random.integers(3, 384, (1, 24)))
        logits = model(ids).logits[0]
    folder = HERE / kind
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    expected = {"ids": ids[0].to(torch.int64), "logits": logits.float().contiguous()}
    expected["q_proj"] = model.model.layers[0].self_attn.q_proj.weight.detach().float().contiguous()
    save_file(expected, folder / "expected.safetensors")
    settings = config.to_dict() | {"quantization_config": SETTINGS[kind], "architectures": ["LlamaForCausalLM"]}
    settings.pop("transformers_version", None)
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")


if __name__ == "__main__":
    for kind in sys.argv[1:] or SETTINGS:
        make(kind)
