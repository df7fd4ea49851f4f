//! A linear layer: its weight as it is kept, its bias, and what an adapter adds.

use candle_core::Result;
use tuning_fork_kernels as kernels;
use tuning_fork_kernels::gemm::{Matrix, Result as Written, Target, gemm};
use tuning_fork_kernels::{Product, QMatrix};

use super::buffers::Buffer;
use super::ops::{RowNorm, with_f32};
use super::rows;
use super::rows::add_scaled;
use crate::llm::adapter::lora::{Adapter, Dora, LoraPair};
use crate::llm::adapter::low_rank::LowRank;

/// A linear layer by its module path.
#[derive(Clone)]
pub(crate) struct Linear {
    /// `model.layers.0.self_attn.q_proj`
    pub name: String,

    /// (outputs, inputs), as it is kept.
    pub weight: QMatrix,
    pub bias: Option<Vec<f32>>,
}

impl Linear {
    /// The weight that counts: an adapter may bring a whole one.
    pub fn weight_with<'a>(&'a self, adapter: Option<&'a Adapter>) -> &'a QMatrix {
        let laid = adapter.and_then(|adapter| adapter.laid.layers.get(&self.name));
        laid.and_then(|laid| laid.weight.as_ref()).unwrap_or(&self.weight)
    }

    /// Calls `add` with the bias that counts, where there is one.
    pub fn with_bias(&self, adapter: Option<&Adapter>, mut add: impl FnMut(&[f32])) -> Result<()> {
        let laid = adapter.and_then(|adapter| adapter.laid.layers.get(&self.name));
        if let Some(bias) = laid.and_then(|laid| laid.bias.as_ref()) {
            add(bias);
            return Ok(());
        }
        let Some(bias) = &self.bias else { return Ok(()) };
        if let Some(own) = adapter.and_then(|adapter| adapter.biases.get(&self.name)) {
            with_f32(own, |own| {
                add(own);
                Ok(())
            })
        } else {
            add(bias);
            Ok(())
        }
    }

    /// x (count, inputs) -> (count, outputs)
    pub fn run(&self, x: &[f32], count: usize, adapter: Option<&Adapter>) -> Result<Buffer> {
        let [out] = Self::run_all([self], x, count, adapter)?;
        Ok(out)
    }

    /// Several layers with the same input, which is rounded for packed weights only once.
    pub fn run_all<const N: usize>(
        layers: [&Self; N],
        x: &[f32],
        count: usize,
        adapter: Option<&Adapter>,
    ) -> Result<[Buffer; N]> {
        let mut outs = layers.map(|layer| Buffer::any(count * layer.weight.rows()));
        let products = layers.iter().zip(&mut outs);
        let products =
            products.map(|(layer, out)| Product { weights: layer.weight_with(adapter), out });
        kernels::matmul_all(x, count, &mut products.collect::<Vec<_>>());
        for (layer, out) in layers.iter().zip(&mut outs) {
            layer.finish(x, adapter, out)?;
        }
        Ok(outs)
    }

    /// Adds what the adapter changes, and the bias.
    fn finish(&self, x: &[f32], adapter: Option<&Adapter>, out: &mut [f32]) -> Result<()> {
        if let Some(pair) = adapter.and_then(|adapter| adapter.pair(&self.name)) {
            add_pair(pair, x, self.weight.cols(), out)?;
        }
        self.with_bias(adapter, |bias| {
            for row in out.chunks_exact_mut(bias.len()) {
                add_scaled(row, 1.0, bias);
            }
        })
    }
}

/// Works a pair into W x, before any bias: x (count, inputs), out (count, outputs).
pub(crate) fn add_pair(pair: &LoraPair, x: &[f32], inputs: usize, out: &mut [f32]) -> Result<()> {
    let LoraPair { a, b, scale, taken, dora } = pair;
    with_f32(a, |a| {
        with_f32(b, |b| {
            add_low_rank(x, a, b, a.len() / inputs, *scale as f32, out);
            Ok(())
        })
    })?;
    if let Some(LowRank { a, b, rank }) = taken {
        add_low_rank(x, a, b, *rank, -1.0, out);
    }
    if let Some(Dora { factors, .. }) = dora {
        multiply_rows(out, factors);
    }
    Ok(())
}

/// Each row by as many factors.
pub(crate) fn multiply_rows(rows: &mut [f32], factors: &[f32]) {
    for row in rows.chunks_exact_mut(factors.len()) {
        for (value, factor) in row.iter_mut().zip(factors) {
            *value *= factor;
        }
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
    let count = out.len() / outputs;
    let x = Matrix::new(&x[..count * inputs], count, inputs);
    let mut low = Buffer::any(count * rank);
    let target = Target::new(&mut low, count, rank, Written::Replace);
    gemm(target, &[(x, Matrix::new(a, rank, inputs).transposed())]);
    rows::scale(&mut low, Some(scale));
    let product = (Matrix::new(&low, count, rank), Matrix::new(b, outputs, rank).transposed());
    gemm(Target::new(out, count, outputs, Written::Add), &[product]);
}

/// A norm of the model.
#[derive(Clone)]
pub(crate) struct Norm {
    /// Its module path. Empty: it has no weights of its own.
    pub name: String,
    pub row: RowNorm,

    /// Whether the model has a bias of it.
    pub has_bias: bool,
}

impl Norm {
    /// Without weights.
    pub fn unit(width: usize, eps: f32) -> Self {
        let row = RowNorm::Rms { weight: vec![1.0; width].into(), eps };
        Self { name: String::new(), row, has_bias: false }
    }

    pub fn run(&self, x: &[f32]) -> Buffer {
        let mut out = Buffer::any(x.len());
        self.row.run(x, &mut out);
        out
    }
}
