//! A layer's MLP.

use candle_core::Result;

use super::buffers::Buffer;
use super::linear::Linear;
use super::rows::{self, Stripes};
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::Activation;

/// down(act(…)) of what its first matrices give.
#[derive(Clone)]
pub(crate) struct Mlp {
    pub inputs: MlpInputs,
    pub activation: Activation,
    pub down: Linear,

    /// What the gate's matrix gives is multiplied by the first, the result by the second (Falcon-H1).
    pub scales: Option<[f32; 2]>,

    /// See [`crate::llm::config::LayerConfig::sparsity`].
    pub sparsity: Option<f32>,
}

/// Takes from each number what is `deviations` standard deviations above the mean of its row; nothing is left
/// of what is below.
pub(crate) fn cut_below(rows: &mut [f32], width: usize, deviations: f32) {
    for row in rows.chunks_exact_mut(width) {
        let mean = row.iter().sum::<f32>() / width as f32;
        let square = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / width as f32;
        let cut = mean + square.sqrt() * deviations;
        row.iter_mut().for_each(|x| *x = (*x - cut).max(0.0));
    }
}

/// From the gradient by what [`cut_below`] left of `rows`, in place, to that by the rows themselves.
pub(crate) fn cut_below_backward(rows: &[f32], width: usize, deviations: f32, grad: &mut [f32]) {
    let count = width as f32;
    for (row, grad) in rows.chunks_exact(width).zip(grad.chunks_exact_mut(width)) {
        let mean = row.iter().sum::<f32>() / count;
        let square = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
        let deviation = square.sqrt();
        let cut = mean + deviation * deviations;
        for (x, grad) in row.iter().zip(&mut *grad) {
            if *x <= cut {
                *grad = 0.0;
            }
        }
        let pull = grad.iter().sum::<f32>() / count;
        for (x, grad) in row.iter().zip(grad) {
            let apart = if deviation > 0.0 { (x - mean) / deviation } else { 0.0 };
            *grad -= pull * (1.0 + deviations * apart);
        }
    }
}

/// What is before the activation.
#[derive(Clone)]
pub(crate) enum MlpInputs {
    Gated { gate: Linear, up: Linear },
    GatedFused(Linear),
    Plain(Linear),
}

impl Mlp {
    /// In the order in which they run.
    pub fn linears(&self) -> Vec<&Linear> {
        let mut linears = match &self.inputs {
            MlpInputs::Gated { gate, up } => vec![gate, up],
            MlpInputs::GatedFused(up) | MlpInputs::Plain(up) => vec![up],
        };
        linears.push(&self.down);
        linears
    }

    /// As [`Self::linears`].
    pub fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let mut linears = match &mut self.inputs {
            MlpInputs::Gated { gate, up } => vec![gate, up],
            MlpInputs::GatedFused(up) | MlpInputs::Plain(up) => vec![up],
        };
        linears.push(&mut self.down);
        linears
    }

    /// x (count, width) -> the same
    pub fn run(&self, x: &[f32], count: usize, adapter: Option<&Adapter>) -> Result<Buffer> {
        let activation = self.activation;
        let inner = match &self.inputs {
            MlpInputs::Gated { gate, up } => {
                let [mut gate, up] = Linear::run_all([gate, up], x, count, adapter)?;
                rows::scale(&mut gate, self.scales.map(|[of_gate, _]| of_gate));
                if let Some(deviations) = self.sparsity {
                    cut_below(&mut gate, up.len() / count, deviations);
                }
                rows::gated(activation, &mut gate, &up);
                gate
            }
            MlpInputs::GatedFused(gate_up) => {
                let both = gate_up.run(x, count, adapter)?;
                let [gate, up] = Stripes::of([self.down.weight.cols(); 2], 1);
                let mut gate = gate.take(&both);
                rows::gated(activation, &mut gate, &up.take(&both));
                gate
            }
            MlpInputs::Plain(up) => {
                let mut out = up.run(x, count, adapter)?;
                rows::activate(activation, &mut out);
                out
            }
        };
        let mut out = self.down.run(&inner, count, adapter)?;
        rows::scale(&mut out, self.scales.map(|[_, of_all]| of_all));
        Ok(out)
    }
}
