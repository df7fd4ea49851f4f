"""GGUF files with one key of their metadata left out, added or changed, as other converters and older versions
write them, for `check_llama_cpp.py`.

Usage: python vary_gguf.py FOLDER OUT [NAME...]        (FOLDER/NAME/model.gguf; without names all of them)
"""

import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter

U32, F32, BOOL, STRING = GGUFValueType.UINT32, GGUFValueType.FLOAT32, GGUFValueType.BOOL, GGUFValueType.STRING
NEEDED = ("block_count", "embedding_length", "feed_forward_length", "attention.head_count")

# What may be written beside the rest: name, and the keys with their values; `None` leaves a key out. Keys in `only` must be there.
CHANGES = {
    "linear": {"rope.scaling.type": ("linear", STRING), "rope.scaling.factor": (2.0, F32)},
    "linear_untold": {"rope.scaling.factor": (2.0, F32)},
    "scale_linear": {"rope.scale_linear": (2.0, F32)},
    "yarn": {"rope.scaling.type": ("yarn", STRING), "rope.scaling.factor": (4.0, F32), "rope.scaling.original_context_length": (8, U32)},
    "yarn_log": {"rope.scaling.type": ("yarn", STRING), "rope.scaling.factor": (4.0, F32), "rope.scaling.original_context_length": (8, U32),
                 "rope.scaling.yarn_log_multiplier": (0.07, F32)},
    "yarn_untold_length": {"rope.scaling.type": ("yarn", STRING), "rope.scaling.factor": (4.0, F32)},
    "yarn_attn": {"rope.scaling.type": ("yarn", STRING), "rope.scaling.factor": (4.0, F32), "rope.scaling.original_context_length": (8, U32),
                  "rope.scaling.attn_factor": (0.8, F32)},
    "yarn_betas": {"rope.scaling.type": ("yarn", STRING), "rope.scaling.factor": (4.0, F32), "rope.scaling.original_context_length": (8, U32),
                   "rope.scaling.yarn_beta_fast": (8.0, F32), "rope.scaling.yarn_beta_slow": (0.5, F32), "rope.scaling.yarn_ext_factor": (0.5, F32)},
    "none": {"rope.scaling.type": ("none", STRING), "rope.scaling.factor": (4.0, F32)},
    "theta": {"rope.freq_base": (300.0, F32)},
    "theta_swa": {"rope.freq_base_swa": (300.0, F32)},
    "window": {"attention.sliding_window": (4, U32)},
    "window_pattern": {"attention.sliding_window": (4, U32), "attention.sliding_window_pattern": (2, U32)},
    "attention_scale": {"attention.scale": (0.3, F32)},
    "logit_scale": {"logit_scale": (0.4, F32)},
    "residual_scale": {"residual_scale": (0.4, F32)},
    "embedding_scale": {"embedding_scale": (1.7, F32)},
    "softcap": {"attn_logit_softcapping": (1.5, F32)},
    "final_softcap": {"final_logit_softcapping": (2.0, F32)},
    "clamp": {"attention.clamp_kqv": (0.6, F32)},
    "alibi": {"attention.max_alibi_bias": (4.0, F32)},
    "experts_scale": {"expert_weights_scale": (2.5, F32)},
    "experts_norm": {"expert_weights_norm": (True, BOOL)},
    "experts_unnormed": {"expert_weights_norm": (False, BOOL)},
    "softmax": {"expert_gating_func": (1, U32)},
    "sigmoid": {"expert_gating_func": (2, U32)},
    "late_softmax": {"expert_gating_func": (3, U32)},
    "parallel": {"use_parallel_residual": (True, BOOL)},
    "in_turn": {"use_parallel_residual": (False, BOOL)},
    "eps": {"attention.layer_norm_rms_epsilon": (0.05, F32)},
    "layer_eps": {"attention.layer_norm_epsilon": (0.05, F32)},
    "temperature": {"attention.temperature_scale": (0.3, F32), "attention.temperature_length": (4, U32)},
    "first_dense": {"leading_dense_block_count": (0, U32)},
    "groups": {"expert_group_count": (1, U32), "expert_group_used_count": (1, U32)},
}


def fused(reader):
    """Tensors as the converter writes them when it is asked to fuse: queries, keys and values in one, and gates and ups of experts."""
    tensors = {tensor.name: (np.array(tensor.data), tensor.tensor_type) for tensor in reader.tensors}
    found = dict(tensors)
    for name in tensors:
        block, _, part = name.partition(".attn_q.")
        parts = [f"{block}.attn_{which}.{part}" for which in "qkv"]
        if part and all(other in tensors for other in parts):
            found[f"{block}.attn_qkv.{part}"] = (np.concatenate([found.pop(other)[0] for other in parts]), tensors[name][1])
        block, _, part = name.partition(".ffn_gate_exps.")
        parts = [f"{block}.ffn_{which}_exps.{part}" for which in ("gate", "up")]
        if part and all(other in tensors for other in parts):
            found[f"{block}.ffn_gate_up_exps.{part}"] = (np.concatenate([found.pop(other)[0] for other in parts], axis=1), tensors[name][1])
    return found


def copy(reader, arch, path, dropped, added, tensors=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(str(path), arch)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture" or name in dropped or name in added:
            continue
        kind = field.types[0]
        more = dict(sub_type=field.types[-1]) if kind == GGUFValueType.ARRAY else {}
        writer.add_key_value(name, field.contents(), kind, **more)
    for name, (value, kind) in added.items():
        writer.add_key_value(name, value, kind)
    for name, (data, kind) in (tensors or {one.name: (np.array(one.data), one.tensor_type) for one in reader.tensors}).items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    folder, out, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    for path in sorted(folder.glob("*/model.gguf")):
        name = path.parent.name
        if names and name not in names:
            continue
        reader = GGUFReader(str(path))
        arch = reader.fields["general.architecture"].contents()
        for key in [key for key in reader.fields if key.startswith(f"{arch}.")]:
            short = key.removeprefix(f"{arch}.")
            if short not in NEEDED:
                copy(reader, arch, out / f"{name}__without_{short}" / "model.gguf", {key}, {})
        together = fused(reader)
        if len(together) < len(reader.tensors):
            copy(reader, arch, out / f"{name}__fused" / "model.gguf", set(), {}, together)
        for change, keys in CHANGES.items():
            added = {f"{arch}.{key}": value for key, value in keys.items()}
            copy(reader, arch, out / f"{name}__{change}" / "model.gguf", set(), added)


if __name__ == "__main__":
    main()
