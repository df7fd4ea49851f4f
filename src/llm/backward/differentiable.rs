//! The pass with gradients: a tree of tokens at once, and an adapter that learns, or the weights
//! themselves. The same weights as `infer.rs`, all in f32.
//!
//! There is no graph: a layer's backward pass is written beside its forward pass. What a layer needs
//! in the backward pass is kept, or computed again from its input where keeping it would take too much.

use candle_core::Result;

use super::attending::AttentionTape;
use super::feed::FeedTape;
use super::gradients::Gradients;
use super::pass::{Pass, norm_backward, norm_grad, normed};
use crate::jobs;
use crate::llm::config::{Config, LayerConfig, NormPlacement};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::Norm;
use crate::llm::net::rows;
use crate::llm::net::transformer::{Adds, Layer, Transformer};

/// What a pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// There is no backward pass.
    Nothing,

    /// Each layer's input: the layer is computed again, a third more time.
    LayerInputs,
    Everything,
}

/// What was kept, a layer at a time, and the input of the final norm.
pub(crate) struct Tape {
    layers: Vec<(Buffer, Option<LayerTape>)>,
    last: Buffer,
}

/// What a layer's operations saw.
struct LayerTape {
    attention: AttentionTape,

    /// What attention gave after its output layer, where a norm follows.
    projected: Buffer,

    /// The hidden state between attention and feed-forward, where one waits for the other.
    middle: Buffer,
    feed: FeedTape,

    /// What the feed-forward part gave, where a norm follows.
    fed: Buffer,
}

/// A tree of tokens that was run through a model, with the backward pass into what learns.
pub struct TreePass<'a> {
    transformer: &'a Transformer,
    pass: Pass<'a>,
    tape: Tape,
    hidden: Buffer,
}

impl<'a> TreePass<'a> {
    pub(crate) fn run(transformer: &'a Transformer, pass: Pass<'a>, keep: Keep) -> Result<Self> {
        let (hidden, tape) = jobs::in_pool(|| transformer.forward(&pass, keep))?;
        Ok(Self { transformer, pass, tape, hidden })
    }

    /// Hidden states after the final norm, (rows of the tree, width).
    pub fn hidden(&self) -> &[f32] {
        &self.hidden[self.virtual_rows() * self.pass.config.width..]
    }

    /// The same with those of an adapter's virtual tokens, which come first.
    pub fn all_hidden(&self) -> &[f32] {
        &self.hidden
    }

    /// How many virtual tokens there are.
    pub fn virtual_rows(&self) -> usize {
        self.pass.virtual_rows()
    }

    /// Bytes that are kept for the backward pass, counted where they are: what `pass_cost` foretells.
    pub fn kept_bytes(&self) -> u64 {
        let Tape { layers, last: _ } = &self.tape; // the last hidden state is at work
        let layers = layers
            .iter()
            .map(|(input, tape)| input.len() + tape.as_ref().map_or(0, LayerTape::floats));
        (layers.sum::<usize>() * size_of::<f32>()) as u64
    }

    /// Adds to `gradients`; `grad` is the gradient by [`Self::hidden`], or by [`Self::all_hidden`]. Fails
    /// where the pass kept nothing for the backward pass.
    pub fn backward(self, grad: &[f32], gradients: &mut Gradients) -> Result<()> {
        let Self { transformer, pass, tape, hidden } = self;
        let missing = hidden.len() - grad.len();
        drop(hidden);
        let whole = (missing > 0).then(|| [vec![0.0; missing].as_slice(), grad].concat());
        let grad = whole.as_deref().unwrap_or(grad);
        jobs::in_pool(|| transformer.backward(&pass, tape, grad, gradients))
    }
}

impl LayerTape {
    /// Floats that it holds.
    fn floats(&self) -> usize {
        let Self { attention, projected, middle, feed, fed } = self;
        attention.floats() + projected.len() + middle.len() + feed.floats() + fed.len()
    }

    /// Floats that a row of the tree takes in a layer, without those of an adapter; counted, not
    /// measured.
    fn floats_a_row(config: &Config, layer: &LayerConfig) -> usize {
        let width = config.width;
        // Input and middle; what attention and the MLP gave.
        let states = match config.norm_placement {
            NormPlacement::Parallel | NormPlacement::ParallelShared => width,
            NormPlacement::Before | NormPlacement::BeforeAdding => 2 * width,
            NormPlacement::After | NormPlacement::AfterSum | NormPlacement::Around => 4 * width,
        };
        let attention = AttentionTape::floats_a_row(config, layer);
        states + attention + FeedTape::floats_a_row(config, layer)
    }
}

/// Bytes that a row of a tree takes until its backward pass, if everything is kept.
pub fn bytes_a_row(config: &Config) -> usize {
    let layers = config.layers.iter().map(|layer| LayerTape::floats_a_row(config, layer));
    layers.sum::<usize>() * size_of::<f32>()
}

impl Transformer {
    /// Hidden states after the final norm, (rows, width), and what is needed for the backward pass.
    pub fn forward(&self, pass: &Pass<'_>, keep: Keep) -> Result<(Buffer, Tape)> {
        let mut hidden = self.embed_tree(pass.config, &pass.tree, 0, pass.learning.adapter);
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let (out, tape) = layer.forward(pass, index, &hidden)?;
            match keep {
                Keep::Nothing => {}
                Keep::LayerInputs => layers.push((hidden, None)),
                Keep::Everything => layers.push((hidden, Some(tape))),
            }
            hidden = out;
        }
        Ok((normed(self.final_norm.as_ref(), &hidden), Tape { layers, last: hidden }))
    }

    /// From the gradient by the hidden states of [`Self::forward`] to those of what learns.
    pub fn backward(
        &self,
        pass: &Pass<'_>,
        tape: Tape,
        grad: &[f32],
        gradients: &mut Gradients,
    ) -> Result<()> {
        let Tape { mut layers, last } = tape;
        let learns_input = self.learns_input(pass, gradients);
        let first_norm = self.layers.first().and_then(|layer| layer.attention_norm.as_ref());
        let norm_learns = first_norm.is_some_and(|norm| gradients.learns(&norm.name));
        let mut grad = match &self.final_norm {
            Some(norm) => norm_grad(norm, &last, grad, gradients),
            None => normed(None, grad),
        };
        drop(last);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let Some((input, tape)) = layers.pop() else {
                candle_core::bail!("this pass kept nothing for the backward pass")
            };
            let tape = match tape {
                Some(tape) => tape,
                None => layer.forward(pass, index, &input)?.1,
            };
            let is_wanted = index > 0 || learns_input || norm_learns;
            layer.backward((pass, index), (&input, tape), &mut grad, gradients, is_wanted)?;
        }
        if learns_input {
            self.embed_backward(pass, &grad, gradients)?;
        }
        Ok(())
    }
}

impl Layer {
    /// (rows, width) -> the same
    fn forward(&self, pass: &Pass<'_>, index: usize, input: &[f32]) -> Result<(Buffer, LayerTape)> {
        let count = pass.rows();
        let x = normed(self.attention_norm.as_ref(), input);
        let (mut projected, attention) = self.attend_forward(pass, index, x)?;
        let mut middle = self.added(self.post_attention_norm.as_ref(), &mut projected, input);

        let together = self.adds == Adds::Together;
        let x = normed(self.mlp_norm.as_ref(), if together { input } else { &middle });
        let (mut fed, feed) = self.feed.forward(&x, count, pass.learning)?;
        drop(x);
        let out = self.added(self.post_mlp_norm.as_ref(), &mut fed, &middle);
        if together {
            middle = Buffer::default();
        }
        Ok((out, LayerTape { attention, projected, middle, feed, fed }))
    }

    /// `to` and what attention or the MLP gave, which is left where a norm saw it, and will again.
    fn added(&self, norm: Option<&Norm>, branch: &mut Buffer, to: &[f32]) -> Buffer {
        let mut more = match norm {
            Some(norm) => normed(Some(norm), branch),
            None => std::mem::take(branch),
        };
        rows::scale(&mut more, self.residual_scale);
        sum(more, to)
    }

    /// The gradient by what attention or the MLP gave, where it is not that by the sum.
    fn added_grad(
        &self,
        norm: Option<&Norm>,
        branch: &[f32],
        grad: &[f32],
        gradients: &mut Gradients,
    ) -> Option<Buffer> {
        let scaled = self.residual_scale.map(|scale| {
            let mut scaled = normed(None, grad);
            rows::scale(&mut scaled, Some(scale));
            scaled
        });
        match norm {
            Some(norm) => {
                let grad = scaled.as_deref().unwrap_or(grad);
                Some(norm_grad(norm, branch, grad, gradients))
            }
            None => scaled,
        }
    }

    /// `grad` is the gradient by the layer's output, and becomes that by its input, where it is wanted.
    fn backward(
        &self,
        (pass, index): (&Pass<'_>, usize),
        (input, tape): (&[f32], LayerTape),
        grad: &mut [f32],
        gradients: &mut Gradients,
        is_wanted: bool,
    ) -> Result<()> {
        let count = pass.rows();
        let LayerTape { attention, projected, middle, feed, fed } = tape;
        let together = self.adds == Adds::Together;

        // Feed-forward
        let own = self.added_grad(self.post_mlp_norm.as_ref(), &fed, grad, gradients);
        drop(fed);
        let read = if together { input } else { &*middle };
        let x = || normed(self.mlp_norm.as_ref(), read);
        let fed_grad = own.as_deref().unwrap_or(grad);
        let x_grad = self.feed.backward(x, count, (feed, fed_grad), pass.learning, gradients)?;
        let by_read = norm_backward(self.mlp_norm.as_ref(), read, x_grad, gradients);

        // Attention, which sees of the feed-forward part's gradient what it was read by.
        let waiting = if together {
            Some(by_read)
        } else {
            rows::add(grad, &by_read);
            None
        };
        let own = self.added_grad(self.post_attention_norm.as_ref(), &projected, grad, gradients);
        drop(projected);
        let after = own.as_deref().unwrap_or(grad);
        let x = || normed(self.attention_norm.as_ref(), input);
        let seen = (attention, after);
        let x_grad = self.attend_backward((pass, index), x, seen, gradients, is_wanted)?;
        if let Some(waiting) = waiting {
            rows::add(grad, &waiting);
        }
        if let Some(x_grad) = x_grad {
            rows::add(grad, &norm_backward(self.attention_norm.as_ref(), input, x_grad, gradients));
        }
        Ok(())
    }
}

fn sum(mut one: Buffer, other: &[f32]) -> Buffer {
    rows::add(&mut one, other);
    one
}
