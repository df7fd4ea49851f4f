//! Tensors of an adapter's file as numbers.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::llm::error::Error;
use crate::llm::net::ops::with_f32;

/// The tensors in the bytes of a file. `path` is for error messages, here and below.
pub(super) fn opened<'a>(bytes: &'a [u8], path: &Path) -> Result<SafeTensors<'a>, Error> {
    SafeTensors::deserialize(bytes).map_err(|err| {
        if bytes.starts_with(b"version https://git-lfs") {
            let problem =
                "it is a pointer of Git LFS, not the weights: fetch them with git lfs pull";
            return Error::adapter(path, problem);
        }
        if bytes.is_empty() {
            return Error::adapter(path, "it is empty: fetch or save it again");
        }
        let problem = format!("it is no safetensors file, or it is cut short: {err}");
        Error::adapter(path, problem)
    })
}

/// A tensor in f32. Fails where it is of no floating-point type, or not all of it is finite.
pub(super) fn finite_f32(view: &TensorView<'_>, name: &str, path: &Path) -> Result<Tensor, Error> {
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        other => {
            let problem =
                format!("the tensor {name} is {other:?}; F64, F32, F16 or BF16 was expected");
            return Err(Error::adapter(path, problem));
        }
    };
    let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?;
    let tensor = tensor.to_dtype(DType::F32)?;
    if !with_f32(&tensor, |values| Ok(values.iter().all(|value| value.is_finite())))? {
        return Err(Error::NotFinite { path: path.to_owned(), name: name.to_owned() });
    }
    Ok(tensor)
}
