//! The tensors of a GGUF file by their own names, as far as there is a kernel for their types.

use std::collections::BTreeMap;

use tuning_fork_kernels::{Bytes, GgmlType};

use super::gguf::{GgufFile, TensorType};
use super::raw_tensor::RawTensor;
use crate::llm::error::Error;

pub(super) fn missing(file: &GgufFile, name: &str) -> Error {
    Error::MissingTensors { path: file.path().to_owned(), names: vec![name.to_owned()] }
}

/// A tensor by the file's own name.
pub(crate) fn as_stored(file: &GgufFile, name: &str) -> Result<RawTensor, Error> {
    let tensor = file.tensor(name).ok_or_else(|| missing(file, name))?;
    let unsupported = || Error::TensorTypes {
        path: file.path().to_owned(),
        types: unsupported_types(file).join(", "),
    };
    let kind = kept_as(tensor.kind).ok_or_else(unsupported)?;
    let range = tensor.byte_range().ok_or_else(unsupported)?;
    let bytes = Bytes::from_map(file.map_of(tensor).share())
        .slice(range)
        .map_err(|err| Error::not_a_model(file.path(), err.to_string()))?;
    let path = file.path().to_owned();
    let raw = RawTensor::new(name.to_owned(), path, kind, tensor.shape.clone(), bytes);
    Ok(RawTensor { trits: tensor.kind == TQ1_0, ..raw })
}

/// Three values packed tighter than there is a kernel for.
const TQ1_0: TensorType = TensorType(34);

/// The type in which a tensor is computed with. `None`: there is no kernel for it.
fn kept_as(kind: TensorType) -> Option<GgmlType> {
    if kind == TQ1_0 { Some(GgmlType::TQ2_0) } else { GgmlType::from_id(kind.0) }
}

/// The types in a GGUF file that we have no kernel for, each with how many tensors have it.
pub(crate) fn unsupported_types(file: &GgufFile) -> Vec<String> {
    let mut counts: BTreeMap<TensorType, usize> = BTreeMap::new();
    for tensor in file.tensors() {
        if kept_as(tensor.kind).is_none() {
            *counts.entry(tensor.kind).or_default() += 1;
        }
    }
    counts.iter().map(|(kind, count)| format!("{} ({count} tensors)", kind.name())).collect()
}
