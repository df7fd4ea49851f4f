//! Layers that carry a state from token to token instead of looking back: short convolutions
//! (LFM2), the gated delta rule (Qwen 3.5) and Mamba-2 (Granite 4, Falcon-H1).
//!
//! Tokens go through one after the other, so that a text is the same bits at once and in pieces. With
//! a gradient: see `backward/recurrent.rs`.

use std::ops::Range;

use candle_core::Result;
use rayon::prelude::*;

use super::buffers::Buffer;
use super::cache::State;
use super::experts::sigmoid;
use super::linear::Linear;
use super::rows;
use super::rows::Stripes;
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::{Activation, BesideAttention, MambaNorm};

/// What stands in place of queries, keys and values.
#[expect(clippy::large_enum_variant, reason = "one a layer, and most are the large one")]
#[derive(Clone)]
pub(crate) enum Recurrent {
    ShortConv(ShortConv),
    DeltaNet(DeltaNet),
    Mamba2(Mamba2),
}

impl Recurrent {
    /// In the order in which they run.
    pub fn linears(&self) -> Vec<&Linear> {
        match self {
            Self::ShortConv(ShortConv { inputs, .. }) | Self::Mamba2(Mamba2 { inputs, .. }) => {
                vec![inputs]
            }
            Self::DeltaNet(DeltaNet { inputs: DeltaInputs::Separate { all }, .. }) => {
                all.iter().collect()
            }
            Self::DeltaNet(DeltaNet { inputs: DeltaInputs::ByHead { qkvz, ba, .. }, .. }) => {
                vec![qkvz, ba]
            }
        }
    }

    /// As [`Self::linears`].
    pub fn linears_mut(&mut self) -> Vec<&mut Linear> {
        match self {
            Self::ShortConv(ShortConv { inputs, .. }) | Self::Mamba2(Mamba2 { inputs, .. }) => {
                vec![inputs]
            }
            Self::DeltaNet(DeltaNet { inputs: DeltaInputs::Separate { all }, .. }) => {
                all.iter_mut().collect()
            }
            Self::DeltaNet(DeltaNet { inputs: DeltaInputs::ByHead { qkvz, ba, .. }, .. }) => {
                vec![qkvz, ba]
            }
        }
    }

    /// x (count, width) -> what the output matrix reads; `state` is that after the tokens before.
    pub fn run(
        &self,
        x: &[f32],
        count: usize,
        state: &mut State,
        adapter: Option<&Adapter>,
    ) -> Result<Buffer> {
        match self {
            Self::ShortConv(conv) => conv.run(x, count, state, adapter),
            Self::DeltaNet(net) => net.run(x, count, state, adapter),
            Self::Mamba2(mamba) => mamba.run(x, count, state, adapter),
        }
    }
}

/// A recurrent layer beside attention.
#[derive(Clone)]
pub(crate) struct Beside {
    pub recurrent: Recurrent,
    pub output: Linear,
    pub scales: BesideAttention,
}

impl Beside {
    /// What it adds to what attention gives, of the wanted rows of `x`, (count, width).
    pub fn run(
        &self,
        x: &[f32],
        count: usize,
        wanted: &Range<usize>,
        state: &mut State,
        adapter: Option<&Adapter>,
    ) -> Result<Buffer> {
        let [read, given] = self.scales.recurrent;
        let mut scaled = Buffer::any(x.len());
        scaled.copy_from_slice(x);
        rows::scale(&mut scaled, Some(read));
        let mut mixed = self.recurrent.run(&scaled, count, state, adapter)?;
        let width = self.output.weight.cols();
        mixed.keep(wanted.start * width..wanted.end * width);
        if mixed.is_empty() {
            return Ok(mixed);
        }
        let mut out = self.output.run(&mixed, wanted.len(), adapter)?;
        rows::scale(&mut out, Some(given));
        Ok(out)
    }
}

/// A convolution over the last few tokens, of each channel alone.
#[derive(Clone)]
pub(crate) struct Conv {
    /// (channels, kernel), the newest token last.
    pub weight: Vec<f32>,
    pub bias: Option<Vec<f32>>,
    pub kernel: usize,
}

impl Conv {
    /// x (count, channels) -> the same. `tail` are the inputs of the last kernel - 1 tokens before.
    fn run(&self, x: &[f32], tail: &mut Vec<f32>) -> Buffer {
        let (kernel, channels) = (self.kernel, self.weight.len() / self.kernel);
        tail.resize((kernel - 1) * channels, 0.0);
        tail.extend_from_slice(x);
        let all = &*tail;
        let mut out = Buffer::any(x.len());
        rows::each_row(&mut out, channels, |token, out| {
            match &self.bias {
                Some(bias) => out.copy_from_slice(bias),
                None => out.fill(0.0),
            }
            for back in 0..kernel {
                let row = &all[(token + back) * channels..][..channels];
                let weights = self.weight[back..].iter().step_by(kernel);
                for ((out, x), weight) in out.iter_mut().zip(row).zip(weights) {
                    *out += x * weight;
                }
            }
        });
        tail.drain(..x.len());
        out
    }
}

/// C · conv(B · x), of three parts of one product.
#[derive(Clone)]
pub(crate) struct ShortConv {
    pub inputs: Linear,
    pub conv: Conv,
}

impl ShortConv {
    fn run(
        &self,
        x: &[f32],
        count: usize,
        state: &mut State,
        adapter: Option<&Adapter>,
    ) -> Result<Buffer> {
        let all = self.inputs.run(x, count, adapter)?;
        let width = all.len() / count / 3;
        let [b, c, inner] = Stripes::of([width; 3], 1).map(|part| part.take(&all));
        let mut inner = inner;
        inner.iter_mut().zip(&*b).for_each(|(inner, b)| *inner *= b);
        let mut out = self.conv.run(&inner, &mut state.tail);
        out.iter_mut().zip(&*c).for_each(|(out, c)| *out *= c);
        Ok(out)
    }
}

/// Linear attention by the gated delta rule (arXiv 2412.06464): a matrix for each value head takes in
/// each token's value where it differs from what the matrix says of its key.
#[derive(Clone)]
pub(crate) struct DeltaNet {
    pub inputs: DeltaInputs,
    pub conv: Conv,

    /// Of each value head: how fast it forgets, and how fast at least.
    pub decay: Vec<f32>,
    pub decay_bias: Vec<f32>,

    /// Weights of the norm over a value head.
    pub norm: Vec<f32>,
    pub norm_eps: f32,

    /// What follows the convolution.
    pub activation: Activation,
    pub key_heads: usize,
    pub value_heads: usize,
    pub key_dim: usize,
    pub value_dim: usize,
}

/// What gives queries, keys and values, the gate z, and the two numbers b and a of each value head.
#[derive(Clone)]
pub(crate) enum DeltaInputs {
    /// qkv, z, b, a
    Separate { all: [Linear; 4] },

    /// Of one key head after the other: q, k, v, z; b, a.
    ByHead { qkvz: Linear, ba: Linear, parts: [Stripes; 4], small: [Stripes; 2] },
}

impl DeltaNet {
    fn run(
        &self,
        x: &[f32],
        count: usize,
        state: &mut State,
        adapter: Option<&Adapter>,
    ) -> Result<Buffer> {
        let Self { key_heads, value_heads, key_dim, value_dim, .. } = *self;
        let (keys, values) = (key_heads * key_dim, value_heads * value_dim);
        let split = Stripes::of([keys, keys, values], 1);
        let (qkv, z, b, a) = match &self.inputs {
            DeltaInputs::Separate { all: [qkv, z, b, a] } => {
                let [qkv, z, b, a] = Linear::run_all([qkv, z, b, a], x, count, adapter)?;
                (qkv, z, b, a)
            }
            DeltaInputs::ByHead { qkvz, ba, parts, small } => {
                let [qkvz, ba] = Linear::run_all([qkvz, ba], x, count, adapter)?;
                let [q, k, v, z] = parts.map(|part| part.take(&qkvz));
                let mut qkv = Buffer::any(count * (2 * keys + values));
                for (part, values) in split.iter().zip([&q, &k, &v]) {
                    part.put(values, &mut qkv);
                }
                let [b, a] = small.map(|part| part.take(&ba));
                (qkv, z, b, a)
            }
        };
        let mut qkv = self.conv.run(&qkv, &mut state.tail);
        rows::activate(self.activation, &mut qkv);
        let [mut q, mut k, v] = split.map(|part| part.take(&qkv));
        for (heads, scale) in [(&mut q, (key_dim as f32).powf(-0.5)), (&mut k, 1.0)] {
            rows::each_row(heads, key_dim, |_, head| {
                let length = (rows::dot(head, head) + 1e-6).sqrt();
                rows::scale(head, Some(scale / length));
            });
        }

        // Heads are independent of each other, tokens are not.
        state.memory.resize(value_heads * key_dim * value_dim, 0.0);
        let memories = state.memory.par_chunks_exact_mut(key_dim * value_dim).enumerate();
        let by_head: Vec<Vec<f32>> = memories
            .map(|(head, memory)| {
                let mut out = vec![0.0; count * value_dim];
                let key_head = head * key_heads / value_heads;
                let mut change = vec![0.0; value_dim];
                for (token, out) in out.chunks_exact_mut(value_dim).enumerate() {
                    let at = token * value_heads + head;
                    let keep = self.kept(head, a[at]);
                    let learn = sigmoid(b[at]);
                    let key_at = (token * key_heads + key_head) * key_dim;
                    let (q, k) = (&q[key_at..][..key_dim], &k[key_at..][..key_dim]);
                    let v = &v[at * value_dim..][..value_dim];
                    change.fill(0.0);
                    for (row, k) in memory.chunks_exact_mut(value_dim).zip(k) {
                        rows::scale(row, Some(keep));
                        rows::add_scaled(&mut change, *k, row);
                    }
                    for (change, v) in change.iter_mut().zip(v) {
                        *change = learn * (v - *change);
                    }
                    for ((row, k), q) in memory.chunks_exact_mut(value_dim).zip(k).zip(q) {
                        rows::add_scaled(row, *k, &change);
                        rows::add_scaled(out, *q, row);
                    }
                }
                out
            })
            .collect();
        let mut heads = Buffer::any(count * values);
        for (head, out) in by_head.iter().enumerate() {
            Stripes::one(values, head * value_dim, value_dim).put(out, &mut heads);
        }
        let mut out = Buffer::any(heads.len());
        rows::rms_norm(&heads, &self.norm, self.norm_eps, &mut out);
        let mut gate = z;
        rows::gated(Activation::Silu, &mut gate, &out);
        Ok(gate)
    }

    /// The part of a head's matrix that it keeps at a token.
    pub fn kept(&self, head: usize, a: f32) -> f32 {
        (-self.decay[head] * softplus(a + self.decay_bias[head])).exp()
    }
}

pub(crate) fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// A state space (arXiv 2405.21060): each head carries a matrix (`head_dim`, `state`) that fades, takes in
/// each token along one vector and is read along another.
#[derive(Clone)]
pub(crate) struct Mamba2 {
    /// Gives the gate, what goes through the convolution, and a step for each head.
    pub inputs: Linear,

    /// Over values, writing vectors and reading vectors together.
    pub conv: Conv,

    /// Of each head: how fast it forgets, the least step, and how much of a value goes past it.
    pub decay: Vec<f32>,
    pub step_bias: Vec<f32>,
    pub skip: Vec<f32>,

    /// Weights of the norm over each group; empty where there is none.
    pub norm: Vec<f32>,
    pub norm_at: MambaNorm,
    pub norm_eps: f32,

    /// What follows the convolution.
    pub activation: Activation,

    /// The least and the longest step.
    pub steps: [f32; 2],

    /// Of the gate, the values, what writes, what reads, the steps.
    pub scales: Option<[f32; 5]>,
    pub heads: usize,
    pub head_dim: usize,
    pub state: usize,
    pub groups: usize,
}

impl Mamba2 {
    fn run(
        &self,
        x: &[f32],
        count: usize,
        state: &mut State,
        adapter: Option<&Adapter>,
    ) -> Result<Buffer> {
        let Self { heads, head_dim, state: size, groups, .. } = *self;
        let (inner, vectors) = (heads * head_dim, groups * size);
        let mut all = self.inputs.run(x, count, adapter)?;
        self.scale_parts(&mut all);
        let split = Stripes::of([inner, inner + 2 * vectors, heads], 1);
        let [gate, seen, steps] = split.map(|part| part.take(&all));
        let mut seen = self.conv.run(&seen, &mut state.tail);
        rows::activate(self.activation, &mut seen);
        let [least, longest] = self.steps;
        let [values, write, read] =
            Stripes::of([inner, vectors, vectors], 1).map(|part| part.take(&seen));

        state.memory.resize(inner * size, 0.0);
        let memories = state.memory.par_chunks_exact_mut(head_dim * size).enumerate();
        let by_head: Vec<Vec<f32>> = memories
            .map(|(head, memory)| {
                let mut out = vec![0.0; count * head_dim];
                let group = head * groups / heads;
                for (token, out) in out.chunks_exact_mut(head_dim).enumerate() {
                    let step = softplus(steps[token * heads + head] + self.step_bias[head]);
                    let step = step.max(least).min(longest);
                    let keep = (-self.decay[head] * step).exp();
                    let at = (token * groups + group) * size;
                    let (write, read) = (&write[at..at + size], &read[at..at + size]);
                    let values = &values[(token * heads + head) * head_dim..][..head_dim];
                    let rows = memory.chunks_exact_mut(size).zip(values);
                    for ((row, value), out) in rows.zip(out) {
                        for (carried, write) in row.iter_mut().zip(write) {
                            *carried = keep * *carried + step * value * write;
                        }
                        *out = rows::dot(row, read) + self.skip[head] * value;
                    }
                }
                out
            })
            .collect();
        let mut mixed = Buffer::any(count * inner);
        for (head, out) in by_head.iter().enumerate() {
            Stripes::one(inner, head * head_dim, head_dim).put(out, &mut mixed);
        }
        Ok(self.gated(gate, mixed))
    }

    /// Multiplies the parts of what the first matrix gives, or of the gradient by them, by their scales.
    pub fn scale_parts(&self, all: &mut [f32]) {
        let Some(scales) = self.scales else { return };
        let (inner, vectors) = (self.heads * self.head_dim, self.groups * self.state);
        let lens = [inner, inner, vectors, vectors, self.heads];
        for row in all.chunks_exact_mut(lens.iter().sum()) {
            let mut rest = row;
            for (len, scale) in lens.into_iter().zip(scales) {
                let (part, after) = rest.split_at_mut(len);
                rows::scale(part, Some(scale));
                rest = after;
            }
        }
    }

    /// What the heads gave through gate and norm.
    pub fn gated(&self, mut gate: Buffer, mut mixed: Buffer) -> Buffer {
        if self.norm_at == MambaNorm::BeforeGate {
            mixed = self.normed(&mixed);
        }
        rows::gated(Activation::Silu, &mut gate, &mixed);
        if self.norm_at == MambaNorm::AfterGate { self.normed(&gate) } else { gate }
    }

    /// Each group through the norm.
    pub fn normed(&self, x: &[f32]) -> Buffer {
        let ones = vec![1.0; self.norm.len() / self.groups];
        let mut out = Buffer::any(x.len());
        rows::rms_norm(x, &ones, self.norm_eps, &mut out);
        rows::multiply_rows(&mut out, &self.norm);
        out
    }
}
