//! Tensors of an adapter's file as numbers.

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// `None`: a type that is no floating-point one.
pub(super) fn to_f32(view: &TensorView<'_>) -> Option<candle_core::Result<Tensor>> {
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::BF16,
        _ => return None,
    };
    let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu);
    Some(tensor.and_then(|tensor| tensor.to_dtype(DType::F32)))
}
