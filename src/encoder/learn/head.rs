//! What stands on top of a body that learns: labels or numbers for texts, or guesses at hidden words.

use std::ops::Range;

use tuning_fork_kernels::gemm::Result as Written;

use super::dropouts::{Dropouts, site};
use super::layers::{Lin, Pass, RowsNorm, activate, activate_back, copy};
use super::mask::Site;
use super::weights::Grads;
use crate::encoder::description::Reads;
use crate::llm::config::Activation;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows::add_scaled;

/// A dense layer with what follows it.
pub(crate) struct Dense {
    pub layer: Lin,
    pub activation: Activation,
    pub norm: Option<RowsNorm>,
}

pub(crate) struct Head {
    pub reads: Reading,
    pub dense: Option<Dense>,

    /// To the labels, or to the vocabulary.
    pub out: Lin,
    pub dropouts: Dropouts,
}

/// What a head reads of the last hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    OfTexts(Reads),

    /// Of tokens that are named.
    Tokens,
}

/// What the backward pass needs.
pub(crate) struct HeadTape {
    /// What the dense layer saw.
    read: Buffer,

    /// Before the activation, and before the norm.
    inner: Buffer,
    active: Buffer,

    /// What the last layer saw.
    seen: Buffer,
}

/// The rows that a head reads.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// Of each text.
    Texts(&'a [Range<usize>]),

    /// All of them: what was read is all that there is.
    All,

    /// These tokens.
    Some(&'a [usize]),
}

impl Dense {
    fn forward(&self, pass: Pass<'_>, x: &[f32]) -> (Buffer, Buffer, Buffer) {
        let inner = self.layer.forward(pass, x);
        let mut active = copy(&inner);
        activate(self.activation, &mut active);
        match self.norm {
            Some(norm) => (norm.forward(pass, &active), inner, active),
            None => (active, inner, Buffer::default()),
        }
    }
}

impl Head {
    /// Whether only the first token of each text is read.
    pub fn reads_first(&self) -> bool {
        self.reads == Reading::OfTexts(Reads::First)
    }

    /// Scores, (texts or tokens, labels or vocabulary).
    pub fn forward(&self, pass: Pass<'_>, hidden: &[f32], rows: Rows<'_>) -> (Buffer, HeadTape) {
        let mut read = self.read(hidden, rows);
        let mut tape = HeadTape {
            read: Buffer::default(),
            inner: Buffer::default(),
            active: Buffer::default(),
            seen: Buffer::default(),
        };
        if let Some(dense) = &self.dense {
            pass.drop(Site::new(site::BEFORE_DENSE, 0), self.dropouts.before_dense, &mut read);
            let (out, inner, active) = dense.forward(pass, &read);
            tape.read = std::mem::replace(&mut read, out);
            (tape.inner, tape.active) = (inner, active);
        }
        if self.reads != Reading::Tokens {
            pass.drop(Site::new(site::BEFORE_OUT, 0), self.dropouts.before_out, &mut read);
        }
        let scores = self.out.forward(pass, &read);
        tape.seen = read;
        (scores, tape)
    }

    fn width(&self) -> usize {
        self.dense.as_ref().map_or(self.out.inputs, |dense| dense.layer.inputs)
    }

    fn read(&self, hidden: &[f32], rows: Rows<'_>) -> Buffer {
        let width = self.width();
        let some = |rows: &[usize]| {
            let mut out = Buffer::any(rows.len() * width);
            for (out, row) in out.chunks_exact_mut(width).zip(rows) {
                out.copy_from_slice(&hidden[row * width..(row + 1) * width]);
            }
            out
        };
        match (rows, self.reads) {
            (Rows::All, _) => copy(hidden),
            (Rows::Some(rows), _) => some(rows),
            (Rows::Texts(spans), Reading::OfTexts(Reads::Mean)) => {
                let mut out = Buffer::zeroed(spans.len() * width);
                for (out, span) in out.chunks_exact_mut(width).zip(spans) {
                    let share = 1.0 / span.len() as f32;
                    let states = &hidden[span.start * width..span.end * width];
                    states.chunks_exact(width).for_each(|row| add_scaled(out, share, row));
                }
                out
            }
            (Rows::Texts(spans), _) => {
                some(&spans.iter().map(|span| span.start).collect::<Vec<usize>>())
            }
        }
    }

    /// From the slopes of the loss by the scores to the gradient by the hidden states, of which there
    /// are `count` values.
    pub fn backward(
        &self,
        pass: Pass<'_>,
        (tape, slopes): (HeadTape, &[f32]),
        (rows, count): (Rows<'_>, usize),
        grads: &mut Grads,
        wants_hidden: bool,
    ) -> Option<Buffer> {
        let HeadTape { read, mut inner, active, seen } = tape;
        let mut grad = Buffer::any(seen.len());
        self.out.backward(pass, &seen, slopes, (grads, Some((&mut *grad, Written::Replace))));
        if self.reads != Reading::Tokens {
            pass.drop(Site::new(site::BEFORE_OUT, 0), self.dropouts.before_out, &mut grad);
        }
        if let Some(dense) = &self.dense {
            if let Some(norm) = dense.norm {
                grad = norm.backward(pass, &active, &grad, grads);
            }
            activate_back(dense.activation, &mut inner, &grad);
            let mut read_grad = Buffer::any(read.len());
            let to = wants_hidden.then_some((&mut *read_grad, Written::Replace));
            dense.layer.backward(pass, &read, &inner, (grads, to));
            grad = read_grad;
            if wants_hidden {
                pass.drop(Site::new(site::BEFORE_DENSE, 0), self.dropouts.before_dense, &mut grad);
            }
        }
        wants_hidden.then(|| self.unread(grad, rows, count))
    }

    /// The backward pass of [`Self::read`].
    fn unread(&self, grad: Buffer, rows: Rows<'_>, count: usize) -> Buffer {
        let width = self.width();
        if matches!(rows, Rows::All) {
            return grad;
        }
        let mut out = Buffer::zeroed(count);
        let mut add = |row: usize, share: f32, grad: &[f32]| {
            add_scaled(&mut out[row * width..(row + 1) * width], share, grad);
        };
        match rows {
            Rows::All => {}
            Rows::Some(rows) => {
                rows.iter()
                    .zip(grad.chunks_exact(width))
                    .for_each(|(row, grad)| add(*row, 1.0, grad));
            }
            Rows::Texts(spans) => {
                for (span, grad) in spans.iter().zip(grad.chunks_exact(width)) {
                    if self.reads_first() {
                        add(span.start, 1.0, grad);
                    } else {
                        let share = 1.0 / span.len() as f32;
                        span.clone().for_each(|row| add(row, share, grad));
                    }
                }
            }
        }
        out
    }

    pub fn linears_mut(&mut self) -> Vec<&mut Lin> {
        let dense = self.dense.as_mut().map(|dense| &mut dense.layer);
        dense.into_iter().chain([&mut self.out]).collect()
    }
}
