//! Alternating updates (Gemma 3n; arXiv 2301.13310): several hidden states of every position go through
//! the layers side by side. A layer predicts them all, computes one, and corrects the others by it.
//!
//! They lie one after the other: (states, positions, width).

use std::ops::Range;

use candle_core::Result;
use tuning_fork_kernels::QMatrix;

use super::buffers::Buffer;
use super::linear::{Linear, Norm};
use super::rows;

/// How a linear layer is run: x (positions, inputs) -> (positions, outputs). Training has its own way.
pub(crate) type Run<'a> = &'a dyn Fn(&Linear, &[f32], usize) -> Result<Buffer>;

/// The same of a matrix that nothing is added to.
pub(crate) type Multiply<'a> = &'a dyn Fn(&QMatrix, &[f32], usize) -> Buffer;

/// The least mean square that a state is divided by.
pub(crate) const LEAST: f32 = 1e-5;

/// How an embedding becomes several states, and several states become one before the final norm.
#[derive(Clone)]
pub(crate) struct Streams {
    /// (width, width), of each state but the first.
    pub spread: Vec<QMatrix>,
    pub merge: Vec<QMatrix>,

    /// The state that layers compute.
    pub active: usize,
}

/// How a layer predicts and corrects.
#[derive(Clone)]
pub(crate) struct AltUp {
    pub active: usize,
    pub router_norm: Norm,

    /// (states, width)
    pub router: Linear,

    /// (states · states, states)
    pub prediction: Linear,

    /// (states, states)
    pub correction: Linear,

    /// What the vectors of each layer are gated by is multiplied by this first.
    pub scale: Option<Vec<f32>>,
    pub laurel: Laurel,
}

/// A way around attention through a few numbers (a learned augmented residual layer).
#[derive(Clone)]
pub(crate) struct Laurel {
    pub low: Linear,
    pub high: Linear,
    pub norm: Norm,
}

impl Streams {
    /// (positions, width) -> all states
    pub fn spread(&self, embedded: &[f32], positions: usize, multiply: Multiply<'_>) -> Buffer {
        let len = embedded.len();
        let mut states = Buffer::any(len * (self.spread.len() + 1));
        let (first, others) = states.split_at_mut(len);
        first.copy_from_slice(embedded);
        for (matrix, state) in self.spread.iter().zip(others.chunks_exact_mut(len)) {
            state.copy_from_slice(&multiply(matrix, embedded, positions));
            as_long_as(embedded, state, len / positions);
        }
        states
    }

    /// The mean of all states, each as long as the first: (positions, width).
    pub fn merge(&self, states: &[f32], positions: usize, multiply: Multiply<'_>) -> Buffer {
        let count = self.merge.len() + 1;
        let len = states.len() / count;
        let (first, others) = states.split_at(len);
        let mut mean = Buffer::any(len);
        mean.copy_from_slice(first);
        for (matrix, other) in self.merge.iter().zip(others.chunks_exact(len)) {
            let mut state = multiply(matrix, other, positions);
            as_long_as(first, &mut state, len / positions);
            rows::add(&mut mean, &state);
        }
        rows::scale(&mut mean, Some(1.0 / count as f32));
        mean
    }

    /// The state that layers compute.
    pub fn seen<'a>(&self, states: &'a [f32]) -> &'a [f32] {
        let len = states.len() / (self.spread.len() + 1);
        &states[self.active * len..(self.active + 1) * len]
    }
}

impl AltUp {
    /// In the order in which they run.
    pub fn linears(&self) -> [&Linear; 5] {
        let Self { router, prediction, correction, laurel, .. } = self;
        [router, prediction, &laurel.low, &laurel.high, correction]
    }

    /// As [`Self::linears`].
    pub fn linears_mut(&mut self) -> [&mut Linear; 5] {
        let Self { router, prediction, correction, laurel, .. } = self;
        [router, prediction, &mut laurel.low, &mut laurel.high, correction]
    }

    pub fn states(&self) -> usize {
        self.router.weight.rows()
    }

    /// How much of each state a position asks for: (positions, width) -> (positions, states).
    fn routed(&self, x: &[f32], positions: usize, run: Run<'_>) -> Result<Buffer> {
        let mut read = self.router_norm.run(x);
        rows::scale(&mut read, Some(1.0 / (x.len() / positions) as f32));
        let mut routed = run(&self.router, &read, positions)?;
        routed.iter_mut().for_each(|value| *value = value.tanh());
        Ok(routed)
    }

    /// What the states are expected to become.
    pub fn predicted(&self, states: &[f32], positions: usize, run: Run<'_>) -> Result<Buffer> {
        let count = self.states();
        let len = states.len() / count;
        let width = len / positions;
        let routed = self.routed(self.active_of(states), positions, run)?;
        let shares = run(&self.prediction, &routed, positions)?;
        let mut out = Buffer::any(states.len());
        out.copy_from_slice(states);
        for (to, out) in out.chunks_exact_mut(len).enumerate() {
            for (from, state) in states.chunks_exact(len).enumerate() {
                let pairs = out.chunks_exact_mut(width).zip(state.chunks_exact(width));
                for (position, (out, row)) in pairs.enumerate() {
                    let share = shares[(position * count + to) * count + from];
                    rows::add_scaled(out, share, row);
                }
            }
        }
        Ok(out)
    }

    /// The state that the layer computes.
    pub fn active_of<'a>(&self, states: &'a [f32]) -> &'a [f32] {
        let len = states.len() / self.states();
        &states[self.active * len..(self.active + 1) * len]
    }

    /// Keeps these positions of all states.
    pub fn keep(&self, states: &mut Buffer, positions: usize, needed: Range<usize>) {
        if needed == (0..positions) {
            return;
        }
        let (count, len) = (self.states(), states.len() / self.states());
        let width = len / positions;
        let mut kept = Buffer::any(count * needed.len() * width);
        for state in 0..count {
            let from = state * len + needed.start * width;
            let to = state * needed.len() * width;
            kept[to..to + needed.len() * width]
                .copy_from_slice(&states[from..from + needed.len() * width]);
        }
        *states = kept;
    }

    /// Corrects the predicted states, in place, by the one that was computed, (positions, width).
    pub fn correct(
        &self,
        states: &mut [f32],
        computed: &[f32],
        positions: usize,
        run: Run<'_>,
    ) -> Result<()> {
        let (count, len) = (self.states(), computed.len());
        let width = len / positions;
        let mut news = Buffer::any(len);
        news.copy_from_slice(computed);
        rows::add_scaled(&mut news, -1.0, self.active_of(states));
        let routed = self.routed(computed, positions, run)?;
        let shares = run(&self.correction, &routed, positions)?;
        for (state, states) in states.chunks_exact_mut(len).enumerate() {
            let pairs = states.chunks_exact_mut(width).zip(news.chunks_exact(width));
            for (position, (row, news)) in pairs.enumerate() {
                rows::add_scaled(row, shares[position * count + state] + 1.0, news);
            }
        }
        Ok(())
    }

    /// What the vectors of each layer are gated by: (positions, width).
    pub fn first(&self, states: &[f32]) -> Buffer {
        let mut first = Buffer::any(states.len() / self.states());
        first.copy_from_slice(self.active_of(states));
        if let Some(scale) = &self.scale {
            rows::multiply_rows(&mut first, scale);
        }
        first
    }

    /// Adds to every state but the first.
    pub fn add_to_others(states: &mut [f32], more: &[f32]) {
        for state in states.chunks_exact_mut(more.len()).skip(1) {
            rows::add(state, more);
        }
    }
}

impl Laurel {
    /// Adds what goes around attention to `sum`, and brings both back to length. `x`: what attention
    /// reads; (positions, width) both.
    pub fn join(&self, sum: &mut [f32], x: &[f32], positions: usize, run: Run<'_>) -> Result<()> {
        let low = run(&self.low, x, positions)?;
        let around = self.norm.run(&run(&self.high, &low, positions)?);
        rows::add(sum, x);
        rows::add(sum, &around);
        rows::scale(sum, Some(std::f32::consts::FRAC_1_SQRT_2));
        Ok(())
    }
}

/// Brings each row of `state` to the length of the same row of `of`.
fn as_long_as(of: &[f32], state: &mut [f32], width: usize) {
    let square = |row: &[f32]| rows::dot(row, row) / width as f32;
    for (row, of) in state.chunks_exact_mut(width).zip(of.chunks_exact(width)) {
        let factor = square(of).sqrt() / square(row).max(LEAST).sqrt();
        rows::scale(row, Some(factor));
    }
}

/// [`Multiply`] as answers are computed.
pub(crate) fn product(matrix: &QMatrix, x: &[f32], positions: usize) -> Buffer {
    let mut out = Buffer::any(positions * matrix.rows());
    matrix.matmul(x, positions, &mut out);
    out
}
