//! What a layer does around attention and the MLP, for training: its own vectors of each token (Gemma 3n
//! and 4), and several hidden states that it predicts and corrects (Gemma 3n).

use std::f32::consts::FRAC_1_SQRT_2;

use candle_core::Result;
use tuning_fork_kernels::QMatrix;
use tuning_fork_kernels::gemm;

use super::gradients::Gradients;
use super::linear_grad::{Learning, Low, multiply, multiply_back};
use super::pass::norm_grad;
use super::recurrent::copied;
use crate::llm::net::altup::{AltUp, LEAST, Laurel, Streams};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::per_layer::{PerLayer, PerLayerTables};
use crate::llm::net::rows;

/// What the operations of a layer's own vectors saw.
#[derive(Default)]
pub(super) struct OwnTape {
    /// What the gate read.
    hidden: Buffer,
    gate: Buffer,

    /// Before its norm.
    projected: Buffer,
    lows: [Low; 2],
}

impl OwnTape {
    pub fn floats(&self) -> usize {
        let Self { hidden, gate, projected, lows } = self;
        hidden.len()
            + gate.len()
            + projected.len()
            + lows.iter().map(|low| low.len()).sum::<usize>()
    }
}

impl PerLayer {
    /// What is added to hidden states, (rows, width); `own`: the layer's vectors, (rows, length).
    pub(super) fn forward(
        &self,
        hidden: Buffer,
        own: &[f32],
        learning: Learning<'_>,
    ) -> Result<(Buffer, OwnTape)> {
        let count = own.len() / self.gate.weight.rows();
        let (gate, gate_low) = self.gate.forward(&hidden, count, learning)?;
        let inner = self.inner(&gate, own);
        let (projected, low) = self.projection.forward(&inner, count, learning)?;
        let more = self.norm.run(&projected);
        Ok((more, OwnTape { hidden, gate, projected, lows: [gate_low, low] }))
    }

    fn inner(&self, gate: &[f32], own: &[f32]) -> Buffer {
        let mut inner = copied(gate);
        rows::gated(self.activation, &mut inner, own);
        inner
    }

    /// From `grad`, by what [`Self::forward`] gave, to those by the hidden states and by the vectors.
    pub(super) fn backward(
        &self,
        own: &[f32],
        (tape, grad): (OwnTape, &[f32]),
        learning: Learning<'_>,
        gradients: &mut Gradients,
    ) -> Result<[Buffer; 2]> {
        let OwnTape { hidden, mut gate, projected, lows: [gate_low, low] } = tape;
        let grad = norm_grad(&self.norm, &projected, grad, gradients);
        let inner = self.inner(&gate, own);
        let mut inner_grad = Buffer::any(inner.len());
        let to = Some((&mut *inner_grad, gemm::Result::Replace));
        self.projection.backward((&inner, &low), &grad, learning, gradients, to)?;
        let mut own_grad = copied(own);
        rows::gated_backward(self.activation, &mut gate, &mut own_grad, &inner_grad);
        let mut hidden_grad = Buffer::any(hidden.len());
        let to = Some((&mut *hidden_grad, gemm::Result::Replace));
        self.gate.backward((&hidden, &gate_low), &gate, learning, gradients, to)?;
        Ok([hidden_grad, own_grad])
    }
}

impl PerLayerTables {
    /// From the gradient by all vectors of the rows, (rows, layers · length), to that by the embedding, which
    /// it is added to.
    pub(super) fn backward(&self, embedded: &[f32], mut grad: Buffer, to: &mut [f32]) {
        let count = embedded.len() / self.projection.cols();
        let root = (self.projection.cols() as f32).powf(-0.5);
        let mut projected = multiply(&self.projection, embedded, count, &[]);
        rows::scale(&mut projected, Some(root));
        rows::scale(&mut grad, Some(FRAC_1_SQRT_2));
        let mut by_projected = Buffer::any(projected.len());
        self.norm.row.backward(&projected, &grad, &mut by_projected);
        rows::scale(&mut by_projected, Some(root));
        multiply_back(&self.projection, &by_projected, count, (to, gemm::Result::Add));
    }
}

impl AltUp {
    /// How much of each state a position asks for, and what the router kept.
    fn asked(&self, x: &[f32], count: usize, learning: Learning<'_>) -> Result<Asked> {
        let mut read = self.router_norm.run(x);
        rows::scale(&mut read, Some(1.0 / (x.len() / count) as f32));
        let (mut routed, low) = self.router.forward(&read, count, learning)?;
        routed.iter_mut().for_each(|value| *value = value.tanh());
        Ok(Asked { read, routed, low })
    }

    /// From the gradient by what [`Self::asked`] found to that by `x`.
    fn asked_backward(
        &self,
        x: &[f32],
        (asked, mut grad): (&Asked, Buffer),
        count: usize,
        learning: Learning<'_>,
        gradients: &mut Gradients,
    ) -> Result<Buffer> {
        for (grad, routed) in grad.iter_mut().zip(&*asked.routed) {
            *grad *= 1.0 - routed * routed;
        }
        let mut read_grad = Buffer::any(x.len());
        let to = Some((&mut *read_grad, gemm::Result::Replace));
        self.router.backward((&asked.read, &asked.low), &grad, learning, gradients, to)?;
        rows::scale(&mut read_grad, Some(1.0 / (x.len() / count) as f32));
        Ok(norm_grad(&self.router_norm, x, &read_grad, gradients))
    }

    /// The gradients by the predicted states, in place of those by the corrected ones, and by the state that
    /// was computed.
    pub(super) fn correct_backward(
        &self,
        predicted: &[f32],
        computed: &[f32],
        grad: &mut [f32],
        (count, learning): (usize, Learning<'_>),
        gradients: &mut Gradients,
    ) -> Result<Buffer> {
        let (len, states) = (computed.len(), self.states());
        let width = len / count;
        let mut news = copied(computed);
        rows::add_scaled(&mut news, -1.0, self.active_of(predicted));
        let asked = self.asked(computed, count, learning)?;
        let (shares, low) = self.correction.forward(&asked.routed, count, learning)?;
        let mut news_grad = Buffer::zeroed(len);
        let mut shares_grad = Buffer::any(count * states);
        for (state, grad) in grad.chunks_exact(len).enumerate() {
            for (row, grad) in grad.chunks_exact(width).enumerate() {
                let (place, at) = (row * states + state, row * width..(row + 1) * width);
                shares_grad[place] = rows::dot(grad, &news[at.clone()]);
                rows::add_scaled(&mut news_grad[at], shares[place] + 1.0, grad);
            }
        }
        let mut routed_grad = Buffer::any(asked.routed.len());
        let to = Some((&mut *routed_grad, gemm::Result::Replace));
        self.correction.backward((&asked.routed, &low), &shares_grad, learning, gradients, to)?;
        let by_router =
            self.asked_backward(computed, (&asked, routed_grad), count, learning, gradients)?;
        let active = self.active * len..(self.active + 1) * len;
        rows::add_scaled(&mut grad[active], -1.0, &news_grad);
        rows::add(&mut news_grad, &by_router);
        Ok(news_grad)
    }

    /// The gradients by the states, in place of those by what is predicted of them.
    pub(super) fn predict_backward(
        &self,
        states: &[f32],
        grad: &mut [f32],
        (count, learning): (usize, Learning<'_>),
        gradients: &mut Gradients,
    ) -> Result<()> {
        let (number, len) = (self.states(), states.len() / self.states());
        let width = len / count;
        let asked = self.asked(self.active_of(states), count, learning)?;
        let (shares, low) = self.prediction.forward(&asked.routed, count, learning)?;
        let mut shares_grad = Buffer::any(shares.len());
        let by_predicted = copied(grad);
        for (to, by) in by_predicted.chunks_exact(len).enumerate() {
            for (from, state) in states.chunks_exact(len).enumerate() {
                let grad = &mut grad[from * len..(from + 1) * len];
                for row in 0..count {
                    let place = (row * number + to) * number + from;
                    let at = row * width..(row + 1) * width;
                    shares_grad[place] = rows::dot(&by[at.clone()], &state[at.clone()]);
                    rows::add_scaled(&mut grad[at.clone()], shares[place], &by[at]);
                }
            }
        }
        let mut routed_grad = Buffer::any(asked.routed.len());
        let to = Some((&mut *routed_grad, gemm::Result::Replace));
        self.prediction.backward((&asked.routed, &low), &shares_grad, learning, gradients, to)?;
        let x = self.active_of(states);
        let by_router =
            self.asked_backward(x, (&asked, routed_grad), count, learning, gradients)?;
        rows::add(&mut grad[self.active * len..(self.active + 1) * len], &by_router);
        Ok(())
    }
}

/// What a router saw and gave.
struct Asked {
    read: Buffer,
    routed: Buffer,
    low: Low,
}

impl Laurel {
    /// From `grad`, by what [`Self::join`] gave, to that by the sum, in place, and to that by `x`.
    pub(super) fn backward(
        &self,
        x: &[f32],
        grad: &mut [f32],
        count: usize,
        learning: Learning<'_>,
        gradients: &mut Gradients,
    ) -> Result<Buffer> {
        rows::scale(grad, Some(FRAC_1_SQRT_2));
        let (low, first) = self.low.forward(x, count, learning)?;
        let (high, second) = self.high.forward(&low, count, learning)?;
        let by_high = norm_grad(&self.norm, &high, grad, gradients);
        let mut by_low = Buffer::any(low.len());
        let to = Some((&mut *by_low, gemm::Result::Replace));
        self.high.backward((&low, &second), &by_high, learning, gradients, to)?;
        let mut x_grad = copied(grad);
        let to = Some((&mut *x_grad, gemm::Result::Add));
        self.low.backward((x, &first), &by_low, learning, gradients, to)?;
        Ok(x_grad)
    }
}

impl Streams {
    /// From the gradient by the embedding's states to that by the embedding.
    pub(super) fn spread_backward(&self, embedded: &[f32], grad: &[f32], count: usize) -> Buffer {
        let (first, others) = grad.split_at(embedded.len());
        let mut by_embedded = copied(first);
        for (matrix, grad) in self.spread.iter().zip(others.chunks_exact(embedded.len())) {
            let by_state = as_long_backward(embedded, matrix, embedded, grad, &mut by_embedded);
            multiply_back(matrix, &by_state, count, (&mut by_embedded, gemm::Result::Add));
        }
        by_embedded
    }

    /// From the gradient by what [`Self::merge`] gave to that by the states.
    pub(super) fn merge_backward(&self, states: &[f32], grad: &[f32], count: usize) -> Buffer {
        let len = grad.len();
        let (first, others) = states.split_at(len);
        let mut mean_grad = copied(grad);
        rows::scale(&mut mean_grad, Some(1.0 / (self.merge.len() + 1) as f32));
        let mut out = Buffer::any(states.len());
        let (by_first, by_others) = out.split_at_mut(len);
        by_first.copy_from_slice(&mean_grad);
        let pairs = others.chunks_exact(len).zip(by_others.chunks_exact_mut(len));
        for (matrix, (state, by)) in self.merge.iter().zip(pairs) {
            let by_product = as_long_backward(first, matrix, state, &mean_grad, by_first);
            multiply_back(matrix, &by_product, count, (by, gemm::Result::Replace));
        }
        out
    }
}

/// The backward pass of bringing the product of `matrix` with `x` to the length of `of`, row by row: gives the
/// gradient by the product, and adds that by `of`.
fn as_long_backward(
    of: &[f32],
    matrix: &QMatrix,
    x: &[f32],
    grad: &[f32],
    by_of: &mut [f32],
) -> Buffer {
    let width = matrix.rows();
    let product = multiply(matrix, x, x.len() / matrix.cols(), &[]);
    let mut out = copied(grad);
    let mean_square = |row: &[f32]| rows::dot(row, row) / width as f32;
    let all = out.chunks_exact_mut(width).zip(product.chunks_exact(width));
    for ((out, product), (of, by_of)) in
        all.zip(of.chunks_exact(width).zip(by_of.chunks_exact_mut(width)))
    {
        let (wanted, square) = (mean_square(of).sqrt(), mean_square(product));
        let length = square.max(LEAST).sqrt();
        let along = rows::dot(out, product);
        rows::scale(out, Some(wanted / length));
        if square > LEAST {
            let pull = wanted * along / (width as f32 * length.powi(3));
            rows::add_scaled(out, -pull, product);
        }
        if wanted > 0.0 {
            rows::add_scaled(by_of, along / (length * width as f32 * wanted), of);
        }
    }
    out
}
