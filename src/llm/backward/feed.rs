//! The feed-forward part of a layer for training: over all rows of a tree, and back.

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::gradients::Gradients;
use super::linear_grad::{Learning, Low};
use super::pass::norm_grad;
use super::recurrent::{copied, scaled};
use crate::llm::config::{Activation, Config, LayerConfig, MlpKind};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::feed::Feed;
use crate::llm::net::mlp::{Mlp, MlpInputs, cut_below, cut_below_backward};
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
        let width = layer.own_mlp_width.unwrap_or(config.mlp_width);
        match config.mlp {
            _ if layer.experts => 0,
            MlpKind::Gated | MlpKind::GatedFused => 2 * width,
            MlpKind::Plain => width,
        }
    }
}

impl Feed {
    /// x (count, width) -> the same; `hidden` is x before its norm.
    pub fn forward(
        &self,
        x: &[f32],
        hidden: &[f32],
        count: usize,
        learning: Learning<'_>,
    ) -> Result<(Buffer, FeedTape)> {
        match self {
            Self::Mlp(mlp) => mlp.forward(x, count, learning),
            Self::Experts(experts) => {
                Ok((experts.forward(x, x, count, learning)?, FeedTape::default()))
            }
            Self::Beside(both) => {
                let (fed, _) = both.mlp.forward(x, count, learning)?;
                let mut out = both.after_mlp.run(&fed);
                let read = both.before_experts.run(hidden);
                let fed = both.experts.forward(&read, hidden, count, learning)?;
                rows::add(&mut out, &both.after_experts.run(&fed));
                Ok((out, FeedTape::default()))
            }
        }
    }

    /// As [`Mlp::backward`]; with the gradient by `hidden`, where that was read too.
    pub fn backward(
        &self,
        (x, hidden): (impl FnOnce() -> Buffer, &[f32]),
        count: usize,
        (tape, grad): (FeedTape, &[f32]),
        learning: Learning<'_>,
        gradients: &mut Gradients,
    ) -> Result<(Buffer, Option<Buffer>)> {
        match self {
            Self::Mlp(mlp) => Ok((mlp.backward(x, tape, grad, learning, gradients)?, None)),
            Self::Experts(experts) => {
                let x = x();
                let [mut x_grad, by_router] =
                    experts.backward((&x, &x), grad, count, learning, gradients)?;
                rows::add(&mut x_grad, &by_router);
                Ok((x_grad, None))
            }
            Self::Beside(both) => {
                let x = x();
                let (fed, tape) = both.mlp.forward(&x, count, learning)?;
                let by_fed = norm_grad(&both.after_mlp, &fed, grad, gradients);
                let x_grad = both.mlp.backward(|| x, tape, &by_fed, learning, gradients)?;
                let read = both.before_experts.run(hidden);
                let fed = both.experts.forward(&read, hidden, count, learning)?;
                let by_fed = norm_grad(&both.after_experts, &fed, grad, gradients);
                let seen = (&*read, hidden);
                let [by_read, mut by_hidden] =
                    both.experts.backward(seen, &by_fed, count, learning, gradients)?;
                let by_read = norm_grad(&both.before_experts, hidden, &by_read, gradients);
                rows::add(&mut by_hidden, &by_read);
                Ok((x_grad, Some(by_hidden)))
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
        let inner = self.inner(&gate, &up);
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
        let inner = self.inner(&gate, &up);
        let mut inner_grad = Buffer::any(inner.len());
        let (saw, by) = ((&*inner, &low()), Some((&mut *inner_grad, gemm::Result::Replace)));
        let scaled = self.scales.map(|[_, of_all]| scaled(grad, of_all));
        let grad = scaled.as_deref().unwrap_or(grad);
        self.down.backward(saw, grad, learning, gradients, by)?;
        drop(inner);
        if gate.is_empty() {
            rows::activate_backward(self.activation, &mut up, &inner_grad);
        } else if let Some(deviations) = self.sparsity {
            let mut by_gate = self.cut(&gate, deviations);
            rows::gated_backward(self.activation, &mut by_gate, &mut up, &inner_grad);
            cut_below_backward(&gate, self.down.weight.cols(), deviations, &mut by_gate);
            gate = by_gate;
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

    /// What is left of the gate.
    fn cut(&self, gate: &[f32], deviations: f32) -> Buffer {
        let mut cut = copied(gate);
        cut_below(&mut cut, self.down.weight.cols(), deviations);
        cut
    }

    /// What the last matrix sees.
    fn inner(&self, gate: &[f32], up: &[f32]) -> Buffer {
        match self.sparsity {
            Some(deviations) => inner(self.activation, &self.cut(gate, deviations), up),
            None => inner(self.activation, gate, up),
        }
    }

    /// Gate and up in one matrix.
    fn halves(&self) -> [Stripes; 2] {
        Stripes::of([self.down.weight.cols(); 2], 1)
    }
}

/// The activation of the gate times up, or of up alone.
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
