//! A linear layer: its weight as it is kept, its bias, and what an adapter adds.

use candle_core::{Device, Result, Tensor};

use super::buffers::Buffer;
use super::kernels::{self, Product, QMatrix};
use super::lora::{Adapter, LoraPair};
use super::ops::{RowNorm, with_f32};
use super::rows::{add_scaled, dot, each_row};

/// A weight matrix, (outputs, inputs).
#[derive(Clone)]
pub(crate) enum Weight {
    /// As the file has it.
    Stored(QMatrix),

    /// As f32, for training.
    Dense(Tensor),
}

impl Weight {
    pub fn outputs(&self) -> usize {
        match self {
            Self::Stored(matrix) => matrix.rows(),
            Self::Dense(tensor) => tensor.dims()[0],
        }
    }

    pub fn inputs(&self) -> usize {
        match self {
            Self::Stored(matrix) => matrix.cols(),
            Self::Dense(tensor) => tensor.dims()[1],
        }
    }

    /// Packed integers, not plain floats.
    pub fn is_packed(&self) -> bool {
        match self {
            Self::Stored(matrix) => !matrix.kind().is_dense(),
            Self::Dense(_) => false,
        }
    }

    /// out (count, outputs) = x (count, inputs) · selfᵀ
    pub fn matmul(&self, x: &[f32], count: usize, out: &mut [f32]) -> Result<()> {
        match self {
            Self::Stored(matrix) => {
                matrix.matmul(x, count, out);
                Ok(())
            }
            Self::Dense(tensor) => {
                let x = Tensor::from_slice(x, (count, self.inputs()), &Device::Cpu)?;
                with_f32(&x.matmul(&tensor.t()?)?, |values| {
                    out.copy_from_slice(values);
                    Ok(())
                })
            }
        }
    }

    /// One row as f32: how an embedding is looked up.
    pub fn row(&self, index: usize, out: &mut [f32]) -> Result<()> {
        match self {
            Self::Stored(matrix) => {
                matrix.dequantize_row(index, out);
                Ok(())
            }
            Self::Dense(tensor) => with_f32(tensor, |values| {
                out.copy_from_slice(&values[index * out.len()..(index + 1) * out.len()]);
                Ok(())
            }),
        }
    }
}

/// A linear layer by its module path.
#[derive(Clone)]
pub(crate) struct Linear {
    /// `model.layers.0.self_attn.q_proj`
    pub name: String,
    pub weight: Weight,
    pub bias: Option<Vec<f32>>,
}

impl Linear {
    /// x (count, inputs) -> (count, outputs)
    pub fn run(&self, x: &[f32], count: usize, adapter: Option<&Adapter>) -> Result<Buffer> {
        let [out] = Self::run_all([self], x, count, adapter)?;
        Ok(out)
    }

    /// Several layers with the same input, which is rounded for stored weights only once.
    pub fn run_all<const N: usize>(
        layers: [&Self; N],
        x: &[f32],
        count: usize,
        adapter: Option<&Adapter>,
    ) -> Result<[Buffer; N]> {
        let mut outs = layers.map(|layer| Buffer::any(count * layer.weight.outputs()));
        let mut products = Vec::with_capacity(N);
        for (layer, out) in layers.iter().zip(&mut outs) {
            match &layer.weight {
                Weight::Stored(weights) => products.push(Product { weights, out }),
                Weight::Dense(_) => layer.weight.matmul(x, count, out)?,
            }
        }
        if !products.is_empty() {
            kernels::matmul_all(x, count, &mut products);
        }
        for (layer, out) in layers.iter().zip(&mut outs) {
            layer.finish(x, adapter, out)?;
        }
        Ok(outs)
    }

    /// Adds the bias and what the adapter changes.
    fn finish(&self, x: &[f32], adapter: Option<&Adapter>, out: &mut [f32]) -> Result<()> {
        if let Some(bias) = &self.bias {
            for row in out.chunks_exact_mut(bias.len()) {
                add_scaled(row, 1.0, bias);
            }
        }
        let Some(LoraPair { a, b, scale }) = adapter.and_then(|adapter| adapter.pair(&self.name))
        else {
            return Ok(());
        };
        with_f32(a, |a| {
            with_f32(b, |b| {
                let rank = a.len() / self.weight.inputs();
                add_low_rank(x, a, b, rank, *scale as f32, out);
                Ok(())
            })
        })
    }
}

/// out (count, outputs) += scale · (x Aᵀ) Bᵀ, with A (rank, inputs) and B (outputs, rank).
pub(crate) fn add_low_rank(
    x: &[f32],
    a: &[f32],
    b: &[f32],
    rank: usize,
    scale: f32,
    out: &mut [f32],
) {
    if rank == 0 {
        return;
    }
    let (inputs, outputs) = (a.len() / rank, b.len() / rank);
    each_row(out, outputs, |index, out| {
        let x = &x[index * inputs..(index + 1) * inputs];
        let low: Vec<f32> = a.chunks_exact(inputs).map(|a| scale * dot(x, a)).collect();
        for (out, b) in out.iter_mut().zip(b.chunks_exact(rank)) {
            *out += dot(&low, b);
        }
    });
}

/// A norm of the model.
#[derive(Clone)]
pub(crate) struct Norm(pub RowNorm);

impl Norm {
    pub fn run(&self, x: &[f32]) -> Buffer {
        let mut out = Buffer::any(x.len());
        self.0.run(x, &mut out);
        out
    }
}
