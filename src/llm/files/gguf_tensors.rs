//! The tensors of a GGUF file by transformers' names.

use std::collections::BTreeMap;

use super::gguf::{GgufFile, TensorType};
use super::raw_tensor::RawTensor;
use crate::llm::error::Error;
use crate::llm::kernels::{Bytes, GgmlType};

pub(crate) fn find(file: &GgufFile, name: &str) -> Result<RawTensor, Error> {
    let missing = |name: &str| Error::MissingTensors {
        path: file.path().to_owned(),
        names: vec![name.to_owned()],
    };
    let architecture = file.str("general.architecture");
    let stored_name = gguf_name(name, architecture).ok_or_else(|| missing(name))?;
    let tensor = file.tensor(&stored_name).ok_or_else(|| missing(&stored_name))?;
    let unsupported = || Error::TensorTypes {
        path: file.path().to_owned(),
        types: unsupported_types(file).join(", "),
    };
    let kind = GgmlType::from_id(tensor.kind.0).ok_or_else(unsupported)?;
    let range = tensor.byte_range().ok_or_else(unsupported)?;
    let bytes = Bytes::from_map(file.map().share())
        .slice(range)
        .map_err(|err| Error::not_a_model(file.path(), err.to_string()))?;
    Ok(RawTensor {
        name: stored_name,
        path: file.path().to_owned(),
        kind,
        shape: tensor.shape.clone(),
        bytes,
        scales: None,
    })
}

/// The types in a GGUF file that we have no kernel for, each with how many tensors have it.
pub(crate) fn unsupported_types(file: &GgufFile) -> Vec<String> {
    let mut counts: BTreeMap<TensorType, usize> = BTreeMap::new();
    for tensor in file.tensors() {
        if GgmlType::from_id(tensor.kind.0).is_none() {
            *counts.entry(tensor.kind).or_default() += 1;
        }
    }
    counts.iter().map(|(kind, count)| format!("{} ({count} tensors)", kind.name())).collect()
}

/// Whether llama.cpp's converter reorders the rows of q and k for its interleaved rope.
pub(crate) fn has_interleaved_heads(architecture: &str) -> bool {
    matches!(architecture, "llama" | "smollm3")
}

/// llama.cpp's name of a tensor of transformers. `None`: it has none.
pub(crate) fn gguf_name(name: &str, architecture: Option<&str>) -> Option<String> {
    let (module, ending) = name.rsplit_once('.')?;
    let whole = match module {
        "model.embed_tokens" | "transformer.wte" => Some("token_embd"),
        "transformer.wpe" => Some("position_embd"),
        "model.norm" | "transformer.ln_f" => Some("output_norm"),
        "lm_head" => Some("output"),
        _ => None,
    };
    if let Some(whole) = whole {
        return Some(format!("{whole}.{ending}"));
    }
    let rest =
        module.strip_prefix("model.layers.").or_else(|| module.strip_prefix("transformer.h."))?;
    let (layer, part) = rest.split_once('.')?;
    let part = match part {
        "input_layernorm" | "ln_1" => "attn_norm",
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.qkv_proj" | "attn.c_attn" => "attn_qkv",
        "self_attn.o_proj" | "attn.c_proj" => "attn_output",
        "self_attn.q_norm" => "attn_q_norm",
        "self_attn.k_norm" => "attn_k_norm",
        "mlp.gate_proj" => "ffn_gate",
        "mlp.up_proj" | "mlp.gate_up_proj" | "mlp.c_fc" => "ffn_up",
        "mlp.down_proj" | "mlp.c_proj" => "ffn_down",
        "pre_feedforward_layernorm" | "ln_2" => "ffn_norm",
        "post_feedforward_layernorm" => "post_ffw_norm",
        // Despite its name, in most families the norm before the MLP.
        "post_attention_layernorm" => match architecture {
            Some("gemma2" | "gemma3" | "olmo2") => "post_attention_norm",
            _ => "ffn_norm",
        },
        _ => return None,
    };
    Some(format!("blk.{layer}.{part}.{ending}"))
}
