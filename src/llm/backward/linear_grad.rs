//! Linear layers for training: forwards over all rows of a tree, and back into what learns: an adapter,
//! or the weight and the bias themselves.
//!
//! Everything is in f32. Weights that are stored otherwise are widened a tile at a time, for both
//! directions alike, so that a gradient is exactly that of what was computed.

use std::cell::RefCell;

use candle_core::Result;
use rayon::prelude::*;
use tuning_fork_kernels::QMatrix;
use tuning_fork_kernels::gemm;
use tuning_fork_kernels::gemm::{Matrix, Target, gemm};

use super::dropout::Dropout;
use super::gradients::{Gradients, PairSums};
use crate::llm::adapter::learned::Part;
use crate::llm::adapter::lora::{Adapter, Dora, LoraPair};
use crate::llm::adapter::low_rank;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::{Linear, multiply_rows};
use crate::llm::net::ops::with_f32;
use crate::llm::net::rows::{add_columns, add_scaled, each_row};

/// Weights that are widened at once: 4 MB.
pub(crate) const TILE: usize = 1 << 20;

thread_local! {
    static WIDENED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with the number of the first row and the values of some rows at a time, until all
/// were there.
fn tiles(weight: &QMatrix, mut work: impl FnMut(usize, &[f32])) {
    if let Some(values) = weight.as_f32() {
        return work(0, values);
    }
    // Taken out: a thread that waits for others may take up a part of another pass.
    let mut widened = WIDENED.take();
    let rows = (TILE / weight.cols().max(1)).max(1);
    for first in (0..weight.rows()).step_by(rows) {
        widen(weight, first, rows.min(weight.rows() - first), &mut widened);
        work(first, &widened);
    }
    WIDENED.set(widened);
}

/// x (count, inputs) -> (count, outputs), and each of `more` added to it.
pub(crate) fn multiply(weight: &QMatrix, x: &[f32], count: usize, more: &[LowRank<'_>]) -> Buffer {
    let (inputs, outputs) = (weight.cols(), weight.rows());
    let x = Matrix::new(x, count, inputs);
    let mut out = Buffer::any(count * outputs);
    tiles(weight, |first, tile| {
        let rows = tile.len() / inputs;
        let own = (x, Matrix::new(tile, rows, inputs).transposed());
        let target = Target::columns(&mut out, count, first..first + rows, gemm::Result::Replace);
        let low = more.iter().map(|LowRank { values, rank, b }| {
            let b = Matrix::new(&b[first * rank..(first + rows) * rank], rows, *rank);
            (Matrix::new(values, count, *rank), b.transposed())
        });
        gemm(target, &[own].into_iter().chain(low).collect::<Vec<_>>());
    });
    out
}

/// Adds to `x_grad` (count, inputs), or writes there, what `grad` (count, outputs) says of the
/// input.
pub(crate) fn multiply_back(
    weight: &QMatrix,
    grad: &[f32],
    count: usize,
    (x_grad, mut result): (&mut [f32], gemm::Result),
) {
    let (inputs, outputs) = (weight.cols(), weight.rows());
    let grad = Matrix::new(grad, count, outputs);
    tiles(weight, |first, tile| {
        let rows = tile.len() / inputs;
        let term = (grad.columns(first..first + rows), Matrix::new(tile, rows, inputs));
        gemm(Target::new(x_grad, count, inputs, result), &[term]);
        result = gemm::Result::Add;
    });
}

fn widen(matrix: &QMatrix, first: usize, rows: usize, out: &mut Vec<f32>) {
    out.resize(rows * matrix.cols(), 0.0);
    let rows = out.par_chunks_mut(matrix.cols()).enumerate();
    rows.with_min_len(16).for_each(|(row, out)| matrix.dequantize_row(first + row, out));
}

/// Adds to `x_grad` what `grad` says of the input by way of a product of low rank.
pub(crate) fn add_low_back(low: Option<&low_rank::LowRank>, grad: &[f32], x_grad: &mut [f32]) {
    let Some(low_rank::LowRank { a, b, rank }) = low else { return };
    let (inputs, outputs) = (a.len() / rank, b.len() / rank);
    let count = grad.len() / outputs;
    let mut between = Buffer::any(count * rank);
    let target = Target::new(&mut between, count, *rank, gemm::Result::Replace);
    gemm(target, &[(Matrix::new(grad, count, outputs), Matrix::new(b, outputs, *rank))]);
    let product = (Matrix::new(&between, count, *rank), Matrix::new(a, *rank, inputs));
    gemm(Target::new(x_grad, count, inputs, gemm::Result::Add), &[product]);
}

/// A product of low rank that comes on top: `values` (count, rank) · `b` (outputs, rank)ᵀ.
#[derive(Clone, Copy)]
pub(crate) struct LowRank<'a> {
    values: &'a [f32],
    rank: usize,
    b: &'a [f32],
}

/// What a layer keeps of an adapter for the backward pass: scale · (x Aᵀ), (count, rank). Empty without.
pub(crate) type Low = Buffer;

/// What the linear layers of a pass have in common.
#[derive(Clone, Copy)]
pub(crate) struct Learning<'a> {
    pub adapter: Option<&'a Adapter>,
    pub dropout: Option<&'a Dropout>,
}

impl Learning<'_> {
    /// What A of a module sees of the input. `None`: the input itself.
    fn dropped(&self, module: &str, x: &[f32], width: usize) -> Option<Buffer> {
        let dropout = self.dropout?;
        let mut dropped = Buffer::any(x.len());
        dropped.copy_from_slice(x);
        dropout.apply(module, &mut dropped, width);
        Some(dropped)
    }
}

impl Linear {
    /// x (count, inputs) -> (count, outputs), and what [`Self::backward`] needs beside `x`.
    pub fn forward(
        &self,
        x: &[f32],
        count: usize,
        learning: Learning<'_>,
    ) -> Result<(Buffer, Low)> {
        let pair = learning.adapter.and_then(|adapter| adapter.pair(&self.name));
        let (mut out, low) = match pair {
            None => {
                let weight = self.weight_with(learning.adapter);
                (multiply(weight, x, count, &[]), Low::default())
            }
            Some(LoraPair { a, b, scale, taken, dora }) => with_f32(a, |a| {
                with_f32(b, |b| {
                    let inputs = self.weight.cols();
                    let rank = a.len() / inputs;
                    let dropped = learning.dropped(&self.name, x, inputs);
                    let seen = dropped.as_deref().unwrap_or(x);
                    let mut low = Low::any(count * rank);
                    let a = Matrix::new(a, rank, inputs).transposed();
                    let target = Target::new(&mut low, count, rank, gemm::Result::Replace);
                    gemm(target, &[(Matrix::new(seen, count, inputs), a)]);
                    scale_by(&mut low, *scale);
                    let more = LowRank { values: &low, rank, b };
                    let taken = taken.as_ref().map(|taken| (taken, out_of(taken, x, inputs)));
                    let taken = taken.as_ref().map(|(taken, values)| LowRank {
                        values,
                        rank: taken.rank,
                        b: &taken.b,
                    });
                    let more: Vec<LowRank<'_>> = [more].into_iter().chain(taken).collect();
                    let mut out = multiply(&self.weight, x, count, &more);
                    if let Some(Dora { factors, .. }) = dora {
                        multiply_rows(&mut out, factors);
                    }
                    Ok((out, low))
                })
            })?,
        };
        self.with_bias(learning.adapter, |bias| {
            each_row(&mut out, bias.len(), |_, row| add_scaled(row, 1.0, bias));
        })?;
        Ok((out, low))
    }

    /// What [`Self::forward`] keeps beside `x`, for a layer without dropout.
    pub fn low(&self, x: &[f32], count: usize, adapter: Option<&Adapter>) -> Result<Low> {
        let Some(LoraPair { a, scale, .. }) = adapter.and_then(|one| one.pair(&self.name)) else {
            return Ok(Low::default());
        };
        with_f32(a, |a| {
            let inputs = self.weight.cols();
            let rank = a.len() / inputs;
            let mut low = Low::any(count * rank);
            let a = Matrix::new(a, rank, inputs).transposed();
            let target = Target::new(&mut low, count, rank, gemm::Result::Replace);
            gemm(target, &[(Matrix::new(x, count, inputs), a)]);
            scale_by(&mut low, *scale);
            Ok(low)
        })
    }

    /// What of [`Self::backward`] leads to the input, for a layer without dropout and `DoRA`.
    pub fn back_to_input(
        &self,
        grad: &[f32],
        count: usize,
        adapter: Option<&Adapter>,
        (x_grad, result): (&mut [f32], gemm::Result),
    ) -> Result<()> {
        let (inputs, outputs) = (self.weight.cols(), self.weight.rows());
        multiply_back(self.weight_with(adapter), grad, count, (&mut *x_grad, result));
        let Some(LoraPair { a, b, scale, taken, .. }) =
            adapter.and_then(|one| one.pair(&self.name))
        else {
            return Ok(());
        };
        let mut through = |a: &[f32], b: &[f32], scale: f64| {
            let rank = a.len() / inputs;
            let mut low = Buffer::any(count * rank);
            let target = Target::new(&mut low, count, rank, gemm::Result::Replace);
            let grad = Matrix::new(grad, count, outputs);
            gemm(target, &[(grad, Matrix::new(b, outputs, rank))]);
            scale_by(&mut low, scale);
            let product = (Matrix::new(&low, count, rank), Matrix::new(a, rank, inputs));
            gemm(Target::new(&mut *x_grad, count, inputs, gemm::Result::Add), &[product]);
        };
        with_f32(a, |a| {
            with_f32(b, |b| {
                through(a, b, *scale);
                Ok(())
            })
        })?;
        if let Some(low_rank::LowRank { a, b, .. }) = taken {
            through(a, b, -1.0);
        }
        Ok(())
    }

    /// `x` and `low` as they were forwards, `grad` (count, outputs). Adds to the gradients of what learns
    /// and, where it is wanted, to the gradient by `x`, or writes it.
    pub fn backward(
        &self,
        (x, low): (&[f32], &Low),
        grad: &[f32],
        learning: Learning<'_>,
        gradients: &mut Gradients,
        x_grad: Option<(&mut [f32], gemm::Result)>,
    ) -> Result<()> {
        let (inputs, outputs) = (self.weight.cols(), self.weight.rows());
        let count = grad.len() / outputs;
        if let Some(sum) = gradients.sum(&self.name, Part::Bias) {
            add_columns(grad, sum);
        }
        if let Some(sum) = gradients.sum(&self.name, Part::Weight) {
            let by_output = Matrix::new(grad, count, outputs).transposed();
            let target = Target::new(sum, outputs, inputs, gemm::Result::Add);
            gemm(target, &[(by_output, Matrix::new(x, count, inputs))]);
        }
        let pair = learning.adapter.and_then(|adapter| adapter.pair(&self.name));
        let Some(LoraPair { a, b, scale, taken, dora }) = pair else {
            if let Some(x_grad) = x_grad {
                multiply_back(self.weight_with(learning.adapter), grad, count, x_grad);
            }
            return Ok(());
        };
        with_f32(a, |a| {
            with_f32(b, |b| {
                let rank = a.len() / inputs;
                let sums = gradients.pair_mut(&self.name);
                let Some(PairSums { a: a_sum, b: b_sum, magnitude }) = sums else {
                    candle_core::bail!("{} is not among the gradients", self.name)
                };
                // DoRA's lengths are constants here, as in its paper and in PEFT.
                let turned = dora.as_ref().map(|dora| {
                    let more = LowRank { values: low, rank, b };
                    let through = taken.as_ref().map(|taken| (taken, out_of(taken, x, inputs)));
                    let through = through.as_ref().map(|(taken, values)| LowRank {
                        values,
                        rank: taken.rank,
                        b: &taken.b,
                    });
                    let more: Vec<LowRank<'_>> = [more].into_iter().chain(through).collect();
                    let before = multiply(&self.weight, x, count, &more);
                    dora.backward((&before, grad), magnitude)
                });
                let grad = turned.as_deref().unwrap_or(grad);
                let all_grad = Matrix::new(grad, count, outputs);
                let mut low_grad = Buffer::any(count * rank);
                let b_matrix = Matrix::new(b, outputs, rank);
                let target = Target::new(&mut low_grad, count, rank, gemm::Result::Replace);
                gemm(target, &[(all_grad, b_matrix)]);
                scale_by(&mut low_grad, *scale);
                let low_grad = Matrix::new(&low_grad, count, rank);

                let dropped = learning.dropped(&self.name, x, inputs);
                let seen = Matrix::new(dropped.as_deref().unwrap_or(x), count, inputs);
                let target = Target::new(a_sum, rank, inputs, gemm::Result::Add);
                gemm(target, &[(low_grad.transposed(), seen)]);
                // (rank, outputs): that way round the long rows are read in their order.
                let mut turned = Buffer::any(rank * outputs);
                let target = Target::new(&mut turned, rank, outputs, gemm::Result::Replace);
                gemm(target, &[(Matrix::new(low, count, rank).transposed(), all_grad)]);
                for (output, sums) in b_sum.chunks_exact_mut(rank).enumerate() {
                    for (sum, value) in
                        sums.iter_mut().zip(turned[output..].iter().step_by(outputs))
                    {
                        *sum += value;
                    }
                }

                let Some(x_grad) = x_grad else { return Ok(()) };
                let (x_grad, result) = x_grad;
                multiply_back(&self.weight, grad, count, (&mut *x_grad, result));
                if let Some(low_rank::LowRank { a, b, rank }) = taken {
                    let mut through = Buffer::any(count * rank);
                    let target = Target::new(&mut through, count, *rank, gemm::Result::Replace);
                    gemm(target, &[(all_grad, Matrix::new(b, outputs, *rank))]);
                    scale_by(&mut through, -1.0);
                    let product =
                        (Matrix::new(&through, count, *rank), Matrix::new(a, *rank, inputs));
                    gemm(Target::new(&mut *x_grad, count, inputs, gemm::Result::Add), &[product]);
                }
                let a = Matrix::new(a, rank, inputs);
                let Some(dropout) = learning.dropout else {
                    gemm(Target::new(x_grad, count, inputs, gemm::Result::Add), &[(low_grad, a)]);
                    return Ok(());
                };
                let mut through_a = Buffer::any(count * inputs);
                let target = Target::new(&mut through_a, count, inputs, gemm::Result::Replace);
                gemm(target, &[(low_grad, a)]);
                dropout.apply(&self.name, &mut through_a, inputs);
                each_row(x_grad, inputs, |row, x_grad| {
                    add_scaled(x_grad, 1.0, &through_a[row * inputs..(row + 1) * inputs]);
                });
                Ok(())
            })
        })
    }
}

impl Dora {
    /// From the gradient by a layer's output (without its bias) to that by what it was before the factors,
    /// and adds to that by the magnitudes.
    fn backward(&self, (before, grad): (&[f32], &[f32]), magnitude: &mut [f32]) -> Buffer {
        let outputs = self.factors.len();
        for (before, grad) in before.chunks_exact(outputs).zip(grad.chunks_exact(outputs)) {
            let values = before.iter().zip(grad).zip(&self.lengths);
            for (sum, ((before, grad), length)) in magnitude.iter_mut().zip(values) {
                *sum += grad * before / length;
            }
        }
        let mut turned = Buffer::any(grad.len());
        turned.copy_from_slice(grad);
        multiply_rows(&mut turned, &self.factors);
        turned
    }
}

/// What a start took out of a layer, as far as its rank: -(x Aᵀ), (count, rank). Dropout is the
/// adapter's alone.
fn out_of(taken: &low_rank::LowRank, x: &[f32], inputs: usize) -> Buffer {
    let count = x.len() / inputs;
    let mut low = Buffer::any(count * taken.rank);
    let a = Matrix::new(&taken.a, taken.rank, inputs).transposed();
    let target = Target::new(&mut low, count, taken.rank, gemm::Result::Replace);
    gemm(target, &[(Matrix::new(x, count, inputs), a)]);
    scale_by(&mut low, -1.0);
    low
}

fn scale_by(values: &mut [f32], scale: f64) {
    let scale = scale as f32;
    for value in values {
        *value *= scale;
    }
}
