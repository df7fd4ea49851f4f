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
