//! Cross-attention, a decoder's to what an encoder has read, for training: forwards with what the backward
//! pass needs, and back to both texts.

use std::ops::Range;

use tuning_fork_kernels::gemm::Result as Written;

use super::attention::{self, Inputs, Rules, Slopes, Text};
use super::dropouts::{Dropouts, site};
use super::layers::{Lin, Pass, RowsNorm};
use super::mask::Site;
use super::weights::Grads;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows;

/// What was read: the encoder's last hidden states, and the rows of each text.
pub(crate) struct Memory {
    /// (tokens, width)
    pub states: Buffer,
    pub spans: Vec<Range<usize>>,
}

/// What it has in common with the layer that it is of.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub pass: Pass<'a>,
    pub memory: &'a Memory,

    /// The rows of each text that is written.
    pub spans: &'a [Range<usize>],
    pub heads: usize,
    pub head_dim: usize,
    pub scale: f32,
    pub dropouts: Dropouts,

    /// Whether norms stand before attention.
    pub norms_before: bool,
}

/// The part of a layer between attention to the own text and the feed-forward part.
pub(crate) struct Cross {
    pub index: usize,
    pub q: Lin,
    pub k: Lin,
    pub v: Lin,
    pub o: Lin,
    pub norm: RowsNorm,
}

/// What the backward pass needs.
pub(crate) struct CrossTape {
    /// Its input.
    x: Buffer,
    q: Buffer,
    k: Buffer,
    v: Buffer,
    attended: Buffer,
}

impl Cross {
    pub fn linears(&self) -> [&Lin; 4] {
        [&self.q, &self.k, &self.v, &self.o]
    }

    pub fn linears_mut(&mut self) -> [&mut Lin; 4] {
        [&mut self.q, &mut self.k, &mut self.v, &mut self.o]
    }

    pub fn learns(&self, grads: &Grads) -> bool {
        self.linears().into_iter().any(|layer| layer.learns(grads)) || grads.wants(self.norm.weight)
    }

    /// `x` with what was read added; a norm that comes after is left to whoever reads it.
    pub fn forward(&self, around: Around<'_>, x: Buffer) -> (Buffer, CrossTape) {
        let Around { pass, memory, .. } = around;
        let read = self.before(around).map(|norm| norm.forward(pass, &x));
        let q = self.q.forward(pass, read.as_deref().unwrap_or(&x));
        let k = self.k.forward(pass, &memory.states);
        let v = self.v.forward(pass, &memory.states);
        let inputs = Inputs { q: &q, k: &k, v: &v };
        let attended = attention::forward(
            Self::rules(around, self.index),
            inputs,
            &texts(around.spans, &memory.spans),
        );
        let mut out = self.o.forward(pass, &attended);
        pass.drop(self.site(), around.dropouts.attention_out, &mut out);
        rows::add(&mut out, &x);
        (out, CrossTape { x, q, k, v, attended })
    }

    /// The gradient by `x`; adds to `memory_grad`, the gradient by what was read, where that is wanted.
    pub fn backward(
        &self,
        around: Around<'_>,
        (tape, grad): (CrossTape, Buffer),
        (grads, memory_grad): (&mut Grads, Option<&mut [f32]>),
    ) -> Buffer {
        let Around { pass, memory, .. } = around;
        let CrossTape { x, q, k, v, attended } = tape;
        let dropped = pass.dropped(self.site(), around.dropouts.attention_out, &grad);
        let mut attended_grad = Buffer::any(attended.len());
        let to = Some((&mut *attended_grad, Written::Replace));
        self.o.backward(pass, &attended, dropped.as_deref().unwrap_or(&grad), (grads, to));
        let inputs = Inputs { q: &q, k: &k, v: &v };
        let texts = texts(around.spans, &memory.spans);
        let slopes =
            attention::backward(Self::rules(around, self.index), inputs, &texts, &attended_grad);
        let Slopes { q: of_q, k: of_k, v: of_v, .. } = slopes;
        if let Some(to) = memory_grad {
            let to_k = Some((&mut *to, Written::Add));
            self.k.backward(pass, &memory.states, &of_k, (grads, to_k));
            self.v.backward(pass, &memory.states, &of_v, (grads, Some((to, Written::Add))));
        } else {
            self.k.backward(pass, &memory.states, &of_k, (grads, None));
            self.v.backward(pass, &memory.states, &of_v, (grads, None));
        }
        let read = self.before(around).map(|norm| norm.forward(pass, &x));
        let mut read_grad = Buffer::any(x.len());
        let to = Some((&mut *read_grad, Written::Replace));
        self.q.backward(pass, read.as_deref().unwrap_or(&x), &of_q, (grads, to));
        let mut x_grad = match self.before(around) {
            Some(norm) => norm.backward(pass, &x, &read_grad, grads),
            None => read_grad,
        };
        rows::add(&mut x_grad, &grad);
        x_grad
    }

    fn before(&self, around: Around<'_>) -> Option<RowsNorm> {
        around.norms_before.then_some(self.norm)
    }

    fn site(&self) -> Site {
        Site::new(site::CROSS_OUT, self.index)
    }

    fn rules(around: Around<'_>, index: usize) -> Rules<'_> {
        let share = around.dropouts.shares;
        let masks = around.pass.masks.filter(|_| share > 0.0);
        Rules {
            heads: around.heads,
            head_dim: around.head_dim,
            scale: around.scale,
            is_causal: false,
            window: None,
            distances: None,
            places: None,
            dropout: masks.map(|masks| (masks, Site::new(site::CROSS_SHARES, index), share)),
        }
    }
}

fn texts(written: &[Range<usize>], read: &[Range<usize>]) -> Vec<Text> {
    let texts = written.iter().zip(read);
    texts.map(|(queries, keys)| Text { queries: queries.clone(), keys: keys.clone() }).collect()
}
