//! The feed-forward part of a layer for training: over all rows of a tree, and back.

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::gradients::Gradients;
use super::linear_grad::{Learning, Low};
use super::recurrent::scaled;
use crate::llm::config::{Activation, Config, LayerConfig, MlpKind};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::feed::Feed;
use crate::llm::net::mlp::{Mlp, MlpInputs};
use crate::llm::net::rows;
use crate::llm::net::rows::Stripes;

/// What its operations saw.
#[derive(Default)]
pub(crate) struct FeedTape {
    /// Gate and up, or up alone.
    gate: Buffer,
    up: Buffer,

    /// Of each linear layer, in the order of [`Mlp::linears`].
    lows: Vec<Low>,
}

impl FeedTape {
    /// Floats that it holds.
    pub fn floats(&self) -> usize {
        let Self { gate, up, lows } = self;
        gate.len() + up.len() + lows.iter().map(|low| low.len()).sum::<usize>()
    }

    /// Floats that a row takes, without those of an adapter; counted, not measured.
    pub fn floats_a_row(config: &Config, layer: &LayerConfig) -> usize {
        match config.mlp {
            _ if layer.experts => 0,
            MlpKind::Gated | MlpKind::GatedFused => 2 * config.mlp_width,
            MlpKind::Plain => config.mlp_width,
        }
    }
}

impl Feed {
    /// x (count, width) -> the same
    pub fn forward(
        &self,
        x: &[f32],
        count: usize,
        learning: Learning<'_>,
    ) -> Result<(Buffer, FeedTape)> {
        match self {
            Self::Mlp(mlp) => mlp.forward(x, count, learning),
            Self::Experts(experts) => {
                Ok((experts.forward(x, count, learning)?, FeedTape::default()))
            }
            Self::Beside(_) => {
                candle_core::bail!("experts beside an MLP have no backward pass yet")
            }
        }
    }

    /// As [`Mlp::backward`].
    pub fn backward(
        &self,
        x: impl FnOnce() -> Buffer,
        count: usize,
        (tape, grad): (FeedTape, &[f32]),
        learning: Learning<'_>,
        gradients: &mut Gradients,
    ) -> Result<Buffer> {
        match self {
            Self::Mlp(mlp) => mlp.backward(x, tape, grad, learning, gradients),
            Self::Experts(experts) => experts.backward(&x(), grad, count, learning, gradients),
            Self::Beside(_) => {
                candle_core::bail!("experts beside an MLP have no backward pass yet")
            }
        }
    }
}

impl Mlp {
    /// x (count, width) -> the same
    pub fn forward(
        &self,
        x: &[f32],
        count: usize,
        learning: Learning<'_>,
    ) -> Result<(Buffer, FeedTape)> {
        let mut lows = Vec::new();
        let mut keep = |(out, low): (Buffer, Low)| {
            lows.push(low);
            out
        };
        let (gate, up) = match &self.inputs {
            MlpInputs::Gated { gate, up } => {
                let mut gate = keep(gate.forward(x, count, learning)?);
                rows::scale(&mut gate, self.scales.map(|[of_gate, _]| of_gate));
                (gate, keep(up.forward(x, count, learning)?))
            }
            MlpInputs::GatedFused(gate_up) => {
                let both = keep(gate_up.forward(x, count, learning)?);
                let [gate, up] = self.halves().map(|half| half.take(&both));
                (gate, up)
            }
            MlpInputs::Plain(up) => (Buffer::default(), keep(up.forward(x, count, learning)?)),
        };
        let inner = inner(self.activation, &gate, &up);
        let mut fed = keep(self.down.forward(&inner, count, learning)?);
        rows::scale(&mut fed, self.scales.map(|[_, of_all]| of_all));
        Ok((fed, FeedTape { gate, up, lows }))
    }

    /// From `grad`, by what [`Self::forward`] gave, to the gradient by `x`, which is made where it
    /// is needed.
    pub fn backward(
        &self,
        x: impl FnOnce() -> Buffer,
        tape: FeedTape,
        grad: &[f32],
        learning: Learning<'_>,
        gradients: &mut Gradients,
    ) -> Result<Buffer> {
        let FeedTape { mut gate, mut up, mut lows } = tape;
        let mut low = || lows.pop().unwrap_or_default();
        let inner = inner(self.activation, &gate, &up);
        let mut inner_grad = Buffer::any(inner.len());
        let (saw, by) = ((&*inner, &low()), Some((&mut *inner_grad, gemm::Result::Replace)));
        let scaled = self.scales.map(|[_, of_all]| scaled(grad, of_all));
        let grad = scaled.as_deref().unwrap_or(grad);
        self.down.backward(saw, grad, learning, gradients, by)?;
        drop(inner);
        if gate.is_empty() {
            rows::activate_backward(self.activation, &mut up, &inner_grad);
        } else {
            rows::gated_backward(self.activation, &mut gate, &mut up, &inner_grad);
        }
        drop(inner_grad);
        let x = x();
        let mut x_grad = Buffer::any(x.len());
        let by = Some((&mut *x_grad, gemm::Result::Replace));
        match &self.inputs {
            MlpInputs::Gated { gate: gate_layer, up: up_layer } => {
                up_layer.backward((&x, &low()), &up, learning, gradients, by)?;
                rows::scale(&mut gate, self.scales.map(|[of_gate, _]| of_gate));
                let by = Some((&mut *x_grad, gemm::Result::Add));
                gate_layer.backward((&x, &low()), &gate, learning, gradients, by)?;
            }
            MlpInputs::GatedFused(layer) => {
                let mut both = Buffer::any(gate.len() + up.len());
                for (half, part) in self.halves().iter().zip([&gate, &up]) {
                    half.put(part, &mut both);
                }
                layer.backward((&x, &low()), &both, learning, gradients, by)?;
            }
            MlpInputs::Plain(layer) => {
                layer.backward((&x, &low()), &up, learning, gradients, by)?;
            }
        }
        Ok(x_grad)
    }

    /// Gate and up in one matrix.
    fn halves(&self) -> [Stripes; 2] {
        Stripes::of([self.down.weight.cols(); 2], 1)
    }
}

/// What the last matrix sees.
fn inner(activation: Activation, gate: &[f32], up: &[f32]) -> Buffer {
    let mut out = Buffer::any(up.len());
    if gate.is_empty() {
        out.copy_from_slice(up);
        rows::activate(activation, &mut out);
    } else {
        out.copy_from_slice(gate);
        rows::gated(activation, &mut out, up);
    }
    out
}
