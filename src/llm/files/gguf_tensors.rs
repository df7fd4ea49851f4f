//! The tensors of a GGUF file by transformers' names.

use super::gguf::GgufFile;
pub(crate) use super::gguf_names::{
    EXPERT_CORRECTION, gguf_architecture, gguf_name, has_interleaved_heads,
};
pub(crate) use super::gguf_stored::unsupported_types;
use super::gguf_stored::{as_stored, missing};
use super::raw_tensor::RawTensor;
use super::{gguf_made, gguf_names};
use crate::llm::error::Error;

/// A tensor as transformers has it.
pub(crate) fn find(file: &GgufFile, name: &str) -> Result<RawTensor, Error> {
    look_up(file, name, true)
}

/// What it is called, its type and its shape. Its bytes may still be in the file's order.
pub(crate) fn look(file: &GgufFile, name: &str) -> Result<RawTensor, Error> {
    look_up(file, name, false)
}

fn look_up(file: &GgufFile, name: &str, whole: bool) -> Result<RawTensor, Error> {
    let architecture = file.str("general.architecture");
    if let Some(stored) = gguf_name(name, architecture) {
        let is_there = file.tensor(&stored).is_some();
        let fused = if is_there { None } else { gguf_made::part_of_fused(file, &stored) };
        return fused.unwrap_or_else(|| as_stored(file, &stored));
    }
    if let Some(found) = gguf_made::one_of_several(file, name) {
        return found;
    }
    let in_layer = gguf_names::in_layer(name);
    match in_layer.and_then(|(layer, part)| gguf_made::find(file, layer, part, whole).transpose()) {
        Some(found) => found,
        None => Err(missing(file, name)),
    }
}
