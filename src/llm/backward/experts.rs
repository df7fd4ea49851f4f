//! A mixture of experts for training: the router and the experts stand still, and what they say of
//! their input goes on. Everything is computed again in the backward pass: a pass keeps nothing of it.

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::gradients::Gradients;
use super::linear_grad::{Learning, add_low_back, multiply, multiply_back};
use super::pass::{norm_grad, normed};
use crate::llm::adapter::laid::{LaidExpert, LaidMixture};
use crate::llm::config::{ExpertGate, Routing};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::experts::{
    Choice, Expert, Experts, SharedExpert, Visit, add_low, gather, scatter, sigmoid, sparse_shares,
};
use crate::llm::net::rows;

impl Experts {
    /// x (count, width) -> the same, by what the router reads, (count, width) too.
    pub fn forward(
        &self,
        x: &[f32],
        read: &[f32],
        count: usize,
        learning: Learning<'_>,
    ) -> Result<Buffer> {
        let mut out = Buffer::zeroed(x.len());
        let laid = learning.adapter.and_then(|adapter| adapter.mixture(&self.name));
        let mut scores = self.scores(&self.routed(read), count, laid);
        let visits = self.visits(&self.chosen(&mut scores));
        for (index, (expert, visits)) in self.experts.iter().zip(visits).enumerate() {
            if !visits.is_empty() {
                let laid = laid.and_then(|laid| laid.experts.get(index));
                let fed = expert.forward(self, &gather(x, count, &visits), visits.len(), laid).out;
                scatter(&fed, &visits, &mut out, count);
            }
        }
        if let Some(SharedExpert { mlp, gate }) = &self.shared {
            let (mut fed, _) = mlp.forward(x, count, learning)?;
            if let Some(gate) = gate {
                let (gates, _) = gate.forward(x, count, learning)?;
                scale_rows(&mut fed, &gates);
            }
            rows::add(&mut out, &fed);
        }
        Ok(out)
    }

    /// From `grad`, by what [`Self::forward`] gave, to the gradients by `x` and by what the router read.
    pub fn backward(
        &self,
        (x, read): (&[f32], &[f32]),
        grad: &[f32],
        count: usize,
        learning: Learning<'_>,
        gradients: &mut Gradients,
    ) -> Result<[Buffer; 2]> {
        let width = x.len() / count;
        let mut x_grad = Buffer::zeroed(x.len());
        let laid = learning.adapter.and_then(|adapter| adapter.mixture(&self.name));
        let mut scores = self.scores(&self.routed(read), count, laid);
        let chosen = self.chosen(&mut scores);
        let visits = self.visits(&chosen);
        // By the weight with which a token goes to an expert, (count, experts).
        let mut by_weight = vec![0.0; scores.len()];
        for (index, (expert, visits)) in self.experts.iter().zip(&visits).enumerate() {
            if visits.is_empty() {
                continue;
            }
            let rows = gather(x, count, visits);
            let laid = laid.and_then(|laid| laid.experts.get(index));
            let saw = expert.forward(self, &rows, visits.len(), laid);
            let mut fed_grad = gather(grad, count, visits);
            let pairs = saw.out.chunks_exact(width).zip(fed_grad.chunks_exact_mut(width));
            for ((fed, grad), (token, weight)) in pairs.zip(visits) {
                by_weight[token * self.rule.count + index] = rows::dot(fed, grad);
                rows::scale(grad, Some(*weight));
            }
            let by_rows = expert.backward(self, saw, (&fed_grad, visits.len()), laid);
            let ones: Vec<Visit> = visits.iter().map(|(token, _)| (*token, 1.0)).collect();
            scatter(&by_rows, &ones, &mut x_grad, count);
        }
        let rows =
            scores.chunks_exact(self.rule.count).zip(by_weight.chunks_exact_mut(self.rule.count));
        for ((scores, by_weight), chosen) in rows.zip(&chosen) {
            // What weights are multiplied by at last comes first in the backward pass.
            if let Some(scales) = &self.expert_scales {
                by_weight.iter_mut().zip(scales).for_each(|(by, scale)| *by *= scale);
            }
            self.by_scores(scores, chosen, by_weight);
        }
        let mut routed_grad = Buffer::zeroed(read.len());
        multiply_back(&self.router, &by_weight, count, (&mut routed_grad, gemm::Result::Add));
        add_low_back(laid.and_then(|laid| laid.router.as_ref()), &by_weight, &mut routed_grad);
        let read_grad = match &self.router_norm {
            Some(norm) => norm_grad(norm, read, &routed_grad, gradients),
            None => routed_grad,
        };
        if let Some(shared) = &self.shared {
            let by_shared = shared.backward(x, grad, count, learning, gradients)?;
            rows::add(&mut x_grad, &by_shared);
        }
        Ok([x_grad, read_grad])
    }

    /// What the router's matrix reads.
    fn routed(&self, read: &[f32]) -> Buffer {
        normed(self.router_norm.as_ref(), read)
    }

    /// What the router says of rows, (count, experts).
    fn scores(&self, x: &[f32], count: usize, laid: Option<&LaidMixture>) -> Buffer {
        let mut scores = multiply(&self.router, x, count, &[]);
        add_low(laid.and_then(|laid| laid.router.as_ref()), x, &mut scores);
        scores
    }

    /// From the gradient by a token's weights to that by its scores, in place. Which experts are
    /// chosen has no slope.
    fn by_scores(&self, scores: &[f32], chosen: &[Choice], grad: &mut [f32]) {
        let scale = self.rule.scale;
        match self.rule.routing {
            Routing::Softmax { normalised: true } => {
                // A softmax over those that were chosen, times the scale.
                let pull: f32 =
                    chosen.iter().map(|Choice { expert, weight }| weight * grad[*expert]).sum();
                for Choice { expert, weight } in chosen {
                    grad[*expert] = weight * (grad[*expert] - pull / scale);
                }
            }
            Routing::Softmax { normalised: false } => {
                let mut shares = scores.to_vec();
                rows::softmax(&mut shares);
                let pull = scale * rows::dot(&shares, grad);
                for (grad, share) in grad.iter_mut().zip(shares) {
                    *grad = share * (scale * *grad - pull);
                }
            }
            Routing::Sigmoid { normalised, little } => {
                let share = |expert: usize| sigmoid(scores[expert]);
                let chosen = || chosen.iter().map(|choice| choice.expert);
                let sum = chosen().map(share).sum::<f32>() + little;
                let pull: f32 = chosen().map(|expert| share(expert) * grad[expert]).sum();
                for expert in chosen() {
                    let share = share(expert);
                    let by_share = if normalised {
                        scale * (grad[expert] / sum - pull / (sum * sum))
                    } else {
                        scale * grad[expert]
                    };
                    grad[expert] = by_share * share * (1.0 - share);
                }
            }
            // Experts are chosen as in answers; transformers draws them at random in training.
            Routing::SparseMixer { jitter } => {
                let by_weight = grad.to_vec();
                grad.fill(0.0);
                for (expert, shares) in sparse_shares(scores, jitter) {
                    let slope = by_weight[expert] * shares[expert];
                    rows::add_scaled(grad, -slope, &shares);
                    grad[expert] += slope;
                }
            }
        }
    }

    /// The gradients of [`Self::meet`], written over what it was computed from.
    fn meet_backward(&self, gate: &mut [f32], up: &mut [f32], grad: &[f32]) {
        match self.rule.gate {
            ExpertGate::Activation => rows::gated_backward(self.activation, gate, up, grad),
            ExpertGate::Clamped { slope, limit } => {
                for ((gate, up), grad) in gate.iter_mut().zip(up).zip(grad) {
                    let (g, u) = (gate.min(limit), up.clamp(-limit, limit));
                    let share = sigmoid(slope * g);
                    let by_gate = (u + 1.0) * (share + slope * g * share * (1.0 - share)) * grad;
                    let by_up = g * share * grad;
                    *gate = if *gate <= limit { by_gate } else { 0.0 };
                    *up = if up.abs() <= limit { by_up } else { 0.0 };
                }
            }
        }
    }
}

/// What an expert's operations saw, and gave.
struct Saw {
    gate: Buffer,
    up: Buffer,
    out: Buffer,
}

impl Expert {
    fn forward(
        &self,
        experts: &Experts,
        x: &[f32],
        count: usize,
        laid: Option<&LaidExpert>,
    ) -> Saw {
        let mut gate = multiply(&self.gate, x, count, &[]);
        let mut up = multiply(&self.up, x, count, &[]);
        if let Some(laid) = laid {
            add_low(laid.gate.as_ref(), x, &mut gate);
            add_low(laid.up.as_ref(), x, &mut up);
        }
        self.add_bias(0, &mut gate);
        self.add_bias(1, &mut up);
        let mut inner = Buffer::any(gate.len());
        inner.copy_from_slice(&gate);
        experts.meet(&mut inner, &up);
        let mut out = multiply(&self.down, &inner, count, &[]);
        add_low(laid.and_then(|laid| laid.down.as_ref()), &inner, &mut out);
        self.add_bias(2, &mut out);
        Saw { gate, up, out }
    }

    /// The gradient by what the expert read.
    fn backward(
        &self,
        experts: &Experts,
        saw: Saw,
        (grad, count): (&[f32], usize),
        laid: Option<&LaidExpert>,
    ) -> Buffer {
        let Saw { mut gate, mut up, .. } = saw;
        let mut inner_grad = Buffer::any(gate.len());
        multiply_back(&self.down, grad, count, (&mut inner_grad, gemm::Result::Replace));
        add_low_back(laid.and_then(|laid| laid.down.as_ref()), grad, &mut inner_grad);
        experts.meet_backward(&mut gate, &mut up, &inner_grad);
        let mut x_grad = Buffer::any(grad.len());
        multiply_back(&self.up, &up, count, (&mut x_grad, gemm::Result::Replace));
        multiply_back(&self.gate, &gate, count, (&mut x_grad, gemm::Result::Add));
        if let Some(laid) = laid {
            add_low_back(laid.up.as_ref(), &up, &mut x_grad);
            add_low_back(laid.gate.as_ref(), &gate, &mut x_grad);
        }
        x_grad
    }
}

impl SharedExpert {
    fn backward(
        &self,
        x: &[f32],
        grad: &[f32],
        count: usize,
        learning: Learning<'_>,
        gradients: &mut Gradients,
    ) -> Result<Buffer> {
        let width = x.len() / count;
        let (fed, tape) = self.mlp.forward(x, count, learning)?;
        let copy = || {
            let mut copy = Buffer::any(x.len());
            copy.copy_from_slice(x);
            copy
        };
        let Some(gate) = &self.gate else {
            return self.mlp.backward(copy, tape, grad, learning, gradients);
        };
        let (gates, low) = gate.forward(x, count, learning)?;
        let pairs = fed.chunks_exact(width).zip(grad.chunks_exact(width));
        let by_gates: Vec<f32> = pairs
            .zip(&*gates)
            .map(|((fed, grad), gate)| {
                let share = sigmoid(*gate);
                rows::dot(fed, grad) * share * (1.0 - share)
            })
            .collect();
        let mut fed_grad = Buffer::any(grad.len());
        fed_grad.copy_from_slice(grad);
        scale_rows(&mut fed_grad, &gates);
        let mut x_grad = self.mlp.backward(copy, tape, &fed_grad, learning, gradients)?;
        let by = Some((&mut *x_grad, gemm::Result::Add));
        gate.backward((x, &low), &by_gates, learning, gradients, by)?;
        Ok(x_grad)
    }
}

/// Each row times the sigmoid of its gate.
fn scale_rows(x: &mut [f32], gates: &[f32]) {
    let width = x.len() / gates.len();
    for (row, gate) in x.chunks_exact_mut(width).zip(gates) {
        rows::scale(row, Some(sigmoid(*gate)));
    }
}
