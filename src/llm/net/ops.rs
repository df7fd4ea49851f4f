//! What both passes share: norms with frozen weights, and looking into candle's tensors.

use std::sync::Arc;

use candle_core::{Result, Storage, Tensor};

use super::rows;

/// Calls `work` with the values of a contiguous f32 tensor on the CPU.
pub(crate) fn with_f32<R>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("not on the CPU") };
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a contiguous tensor was expected")
    };
    work(&storage.as_slice::<f32>()?[start..end])
}

/// How a row is brought to length, with frozen weights.
#[derive(Clone)]
pub(crate) enum RowNorm {
    Rms {
        weight: Arc<[f32]>,
        eps: f32,
    },
    Layer {
        weight: Arc<[f32]>,
        bias: Arc<[f32]>,
        eps: f32,
    },

    /// A row is `weights.len() / head_dim` heads, of which each has a norm of its own.
    LayerOfHeads {
        weights: Arc<[f32]>,
        head_dim: usize,
        eps: f32,
    },
}

impl RowNorm {
    /// `x` and `out`: (rows, width)
    pub fn run(&self, x: &[f32], out: &mut [f32]) {
        match self {
            Self::Rms { weight, eps } => rows::rms_norm(x, weight, *eps, out),
            Self::Layer { weight, bias, eps } => rows::layer_norm(x, weight, bias, *eps, out),
            Self::LayerOfHeads { weights, head_dim, eps } => {
                let (one, zero) = (vec![1.0; *head_dim], vec![0.0; *head_dim]);
                rows::layer_norm(x, &one, &zero, *eps, out);
                rows::multiply_rows(out, weights);
            }
        }
    }

    /// Adds to `weight` and `bias`, where they are asked for, the gradients of [`Self::run`] by its own.
    pub fn backward_own(
        &self,
        x: &[f32],
        grad: &[f32],
        weight: Option<&mut [f32]>,
        bias: Option<&mut [f32]>,
    ) {
        if let Some(bias) = bias {
            rows::add_columns(grad, bias);
        }
        let Some(sum) = weight else { return };
        match self {
            Self::Rms { eps, .. } => rows::rms_norm_backward_weight(x, *eps, grad, sum),
            Self::Layer { eps, .. } => {
                let width = sum.len();
                rows::layer_norm_backward_weight((x, width), *eps, grad, sum);
            }
            Self::LayerOfHeads { head_dim, eps, .. } => {
                rows::layer_norm_backward_weight((x, *head_dim), *eps, grad, sum);
            }
        }
    }

    /// Its weight and its bias, to be changed; the latter empty where the kind has none. Those of a norm that
    /// is shared become its own.
    pub fn own_mut(&mut self) -> (&mut [f32], &mut [f32]) {
        match self {
            Self::Rms { weight, .. } | Self::LayerOfHeads { weights: weight, .. } => {
                (Arc::make_mut(weight), &mut [])
            }
            Self::Layer { weight, bias, .. } => (Arc::make_mut(weight), Arc::make_mut(bias)),
        }
    }

    /// The gradient of [`Self::run`] by x.
    pub fn backward(&self, x: &[f32], grad: &[f32], out: &mut [f32]) {
        match self {
            Self::Rms { weight, eps } => rows::rms_norm_backward(x, weight, *eps, grad, out),
            Self::Layer { weight, eps, .. } => {
                rows::layer_norm_backward(x, weight, *eps, grad, out);
            }
            Self::LayerOfHeads { weights, head_dim, eps } => {
                let mut grad = grad.to_vec();
                rows::multiply_rows(&mut grad, weights);
                rows::layer_norm_backward(x, &vec![1.0; *head_dim], *eps, &grad, out);
            }
        }
    }
}
