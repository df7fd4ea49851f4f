//! The pass with gradients: a tree of tokens at once, and an adapter that learns, or the weights
//! themselves. The same weights as `infer.rs`, all in f32.
//!
//! There is no graph: a layer's backward pass is written beside its forward pass. What a layer needs
//! in the backward pass is kept, or computed again from its input where keeping it would take too much.

use candle_core::Result;
use tuning_fork_kernels::QMatrix;

use super::attending::AttentionTape;
use super::feed::FeedTape;
use super::gradients::Gradients;
use super::lent::Lent;
use super::linear_grad::multiply;
use super::pass::{Pass, norm_backward, norm_grad, normed};
use super::recurrent::copied;
use super::states::OwnTape;
use crate::jobs;
use crate::llm::config::{Config, LayerConfig, NormPlacement};
use crate::llm::net::altup::AltUp;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::{Linear, Norm};
use crate::llm::net::per_layer::PerLayerInputs;
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

/// What was kept, a layer at a time, what the last layer gave, and the input of the final norm where it is
/// another.
pub(crate) struct Tape {
    layers: Vec<(Buffer, Option<LayerTape>)>,
    last: Buffer,
    merged: Option<Buffer>,
    lent: Lent,

    /// The vectors that each layer has of its own of every row.
    own: Option<PerLayerInputs>,
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

    /// What the layer computed of one of several states.
    computed: Buffer,
    own: Option<OwnTape>,
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
        let Tape { layers, lent, own, .. } = &self.tape; // the last hidden state is at work
        let layers = layers
            .iter()
            .map(|(input, tape)| input.len() + tape.as_ref().map_or(0, LayerTape::floats));
        let own = own.as_ref().map_or(0, PerLayerInputs::floats);
        ((layers.sum::<usize>() + lent.floats() + own) * size_of::<f32>()) as u64
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
        let Self { attention, projected, middle, feed, fed, computed, own } = self;
        let states = projected.len() + middle.len() + fed.len() + computed.len();
        let own = own.as_ref().map_or(0, OwnTape::floats);
        attention.floats() + feed.floats() + states + own
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
        // The further states of the input, and the one that was computed.
        let further = config.altup.map_or(0, |altup| altup.states * width);
        // What the gate of the layer's own vectors read and gave, and what was made of it.
        let own = config.per_layer_width.map_or(0, |length| 2 * width + length);
        let attention = AttentionTape::floats_a_row(config, layer);
        states + further + own + attention + FeedTape::floats_a_row(config, layer)
    }
}

/// Bytes that a row of a tree takes until its backward pass, if everything is kept.
pub fn bytes_a_row(config: &Config) -> usize {
    let layers = config.layers.iter().map(|layer| LayerTape::floats_a_row(config, layer));
    let own = config.per_layer_width.map_or(0, |length| length * config.layer_count());
    (layers.sum::<usize>() + own) * size_of::<f32>()
}

/// The same if only the inputs of layers are kept.
pub fn input_bytes_a_row(config: &Config) -> usize {
    let states = config.altup.map_or(1, |altup| altup.states);
    let lenders = config
        .layers
        .iter()
        .enumerate()
        .filter(|(index, _)| config.layers.iter().any(|layer| layer.keys_of == Some(*index)));
    let lent = lenders.map(|(_, layer)| {
        let (heads, dim) = layer.own_heads.unwrap_or((config.kv_heads, config.head_dim));
        2 * heads * dim
    });
    let own = config.per_layer_width.map_or(0, |length| length * config.layer_count());
    let inputs = states * config.width * config.layer_count();
    (inputs + lent.sum::<usize>() + own) * size_of::<f32>()
}

impl Transformer {
    /// Hidden states after the final norm, (rows, width), and what is needed for the backward pass.
    pub fn forward(&self, pass: &Pass<'_>, keep: Keep) -> Result<(Buffer, Tape)> {
        let mut hidden = self.embed_tree(pass.config, &pass.tree, 0, pass.learning.adapter);
        let (mut lent, count) = (Lent::of(self), pass.rows());
        let own = self.per_layer.as_ref().map(|tables| tables.inputs(pass.tree.ids(), &hidden));
        if let Some(streams) = &self.streams {
            hidden = streams.spread(&hidden, count, &exact);
        }
        let mut layers = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let vectors = own.as_ref().map(|own| own.of(index, count));
            let (out, tape) =
                layer.forward((pass, index), &hidden, vectors.as_deref(), &mut lent)?;
            match keep {
                Keep::Nothing => {}
                Keep::LayerInputs => layers.push((hidden, None)),
                Keep::Everything => layers.push((hidden, Some(tape))),
            }
            hidden = out;
        }
        let merged = self.streams.as_ref().map(|streams| streams.merge(&hidden, count, &exact));
        let out = normed(self.final_norm.as_ref(), merged.as_deref().unwrap_or(&hidden));
        Ok((out, Tape { layers, last: hidden, merged, lent, own }))
    }

    /// From the gradient by the hidden states of [`Self::forward`] to those of what learns.
    pub fn backward(
        &self,
        pass: &Pass<'_>,
        tape: Tape,
        grad: &[f32],
        gradients: &mut Gradients,
    ) -> Result<()> {
        let Tape { mut layers, last, merged, mut lent, own } = tape;
        let count = pass.rows();
        let learns_input = self.learns_input(pass, gradients);
        let first_norm = self.layers.first().and_then(|layer| layer.attention_norm.as_ref());
        let norm_learns = first_norm.is_some_and(|norm| gradients.learns(&norm.name));
        let mut grad = match &self.final_norm {
            Some(norm) => norm_grad(norm, merged.as_deref().unwrap_or(&last), grad, gradients),
            None => normed(None, grad),
        };
        if let Some(streams) = &self.streams {
            grad = streams.merge_backward(&last, &grad, count);
        }
        drop((last, merged));
        // What the layers say of their own vectors, where the embedding learns, of which these are made.
        let mut own_grad = own.as_ref().filter(|_| learns_input).map(PerLayerInputs::nothing);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let Some((input, tape)) = layers.pop() else {
                candle_core::bail!("this pass kept nothing for the backward pass")
            };
            let vectors = own.as_ref().map(|own| own.of(index, count));
            let vectors = vectors.as_deref();
            let tape = match tape {
                Some(tape) => tape,
                None => layer.forward((pass, index), &input, vectors, &mut lent)?.1,
            };
            let is_wanted = index > 0 || learns_input || norm_learns;
            let seen = (&*input, vectors, tape);
            let to = (&mut *gradients, &mut lent);
            let by_own = layer.backward((pass, index), seen, &mut grad, to, is_wanted)?;
            if let (Some(own_grad), Some(by_own)) = (&mut own_grad, by_own) {
                own_grad.put(index, &by_own);
            }
        }
        if learns_input {
            if self.streams.is_some() || own_grad.is_some() {
                grad = self.embedded_grad(pass, grad, own_grad);
            }
            self.embed_backward(pass, &grad, gradients)?;
        }
        Ok(())
    }

    /// From the gradient by the first layer's input, and that by the layers' own vectors, to that by the
    /// embedding.
    fn embedded_grad(
        &self,
        pass: &Pass<'_>,
        grad: Buffer,
        own_grad: Option<PerLayerInputs>,
    ) -> Buffer {
        let embedded = self.embed_tree(pass.config, &pass.tree, 0, pass.learning.adapter);
        let mut grad = match &self.streams {
            Some(streams) => streams.spread_backward(&embedded, &grad, pass.rows()),
            None => grad,
        };
        if let (Some(tables), Some(own_grad)) = (&self.per_layer, own_grad) {
            tables.backward(&embedded, own_grad.into_values(), &mut grad);
        }
        grad
    }
}

impl Layer {
    /// (rows, width) -> the same, or all states of the rows; `own`: the layer's own vectors.
    fn forward(
        &self,
        (pass, index): (&Pass<'_>, usize),
        input: &[f32],
        own: Option<&[f32]>,
        lent: &mut Lent,
    ) -> Result<(Buffer, LayerTape)> {
        let count = pass.rows();
        let own = self.per_layer.as_ref().zip(own);
        let Some(altup) = &self.altup else {
            let (mut out, mut tape) = self.compute_forward((pass, index), input, lent)?;
            if let Some((per_layer, own)) = own {
                let (more, kept) = per_layer.forward(copied(&out), own, pass.learning)?;
                rows::add(&mut out, &more);
                tape.own = Some(kept);
            }
            rows::scale(&mut out, self.scalar);
            return Ok((out, tape));
        };
        let run = in_training(pass);
        let mut states = altup.predicted(input, count, &run)?;
        let read = copied(altup.active_of(&states));
        let (computed, mut tape) = self.compute_forward((pass, index), &read, lent)?;
        altup.correct(&mut states, &computed, count, &run)?;
        tape.computed = computed;
        if let Some((per_layer, own)) = own {
            let (more, kept) = per_layer.forward(altup.first(&states), own, pass.learning)?;
            AltUp::add_to_others(&mut states, &more);
            tape.own = Some(kept);
        }
        Ok((states, tape))
    }

    /// Attention and the feed-forward part: (rows, width) -> the same
    fn compute_forward(
        &self,
        (pass, index): (&Pass<'_>, usize),
        input: &[f32],
        lent: &mut Lent,
    ) -> Result<(Buffer, LayerTape)> {
        let count = pass.rows();
        let x = normed(self.attention_norm.as_ref(), input);
        let read = self.altup.as_ref().map(|altup| (&altup.laurel, copied(&x)));
        let (mut projected, attention) = self.attend_forward(pass, index, x, lent)?;
        let mut middle = self.added(self.post_attention_norm.as_ref(), &mut projected, input);
        if let Some((laurel, x)) = read {
            laurel.join(&mut middle, &x, count, &in_training(pass))?;
        }

        let together = self.adds == Adds::Together;
        let read = if together { input } else { &*middle };
        let x = normed(self.mlp_norm.as_ref(), read);
        let (mut fed, feed) = self.feed.forward(&x, read, count, pass.learning)?;
        drop(x);
        let out = self.added(self.post_mlp_norm.as_ref(), &mut fed, &middle);
        if together {
            middle = Buffer::default();
        }
        let (computed, own) = (Buffer::default(), None);
        Ok((out, LayerTape { attention, projected, middle, feed, fed, computed, own }))
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

    /// `grad` is the gradient by the layer's output, and becomes that by its input, where it is wanted. Gives
    /// that by the layer's own vectors.
    fn backward(
        &self,
        (pass, index): (&Pass<'_>, usize),
        (input, own, mut tape): (&[f32], Option<&[f32]>, LayerTape),
        grad: &mut [f32],
        (gradients, lent): (&mut Gradients, &mut Lent),
        is_wanted: bool,
    ) -> Result<Option<Buffer>> {
        let (count, learning) = (pass.rows(), pass.learning);
        let own = self.per_layer.as_ref().zip(own).zip(tape.own.take());
        let Some(altup) = &self.altup else {
            rows::scale(grad, self.scalar);
            let by_own = if let Some(((per_layer, own), kept)) = own {
                let seen = (kept, &*grad);
                let [by_hidden, by] = per_layer.backward(own, seen, learning, gradients)?;
                rows::add(grad, &by_hidden);
                Some(by)
            } else {
                None
            };
            let to = (gradients, lent);
            self.compute_backward((pass, index), (input, tape), grad, to, is_wanted)?;
            return Ok(by_own);
        };
        let width = pass.config.width;
        let active = altup.active * count * width..(altup.active + 1) * count * width;
        let by_own = if let Some(((per_layer, own), kept)) = own {
            let mut by_more = Buffer::zeroed(count * width);
            grad.chunks_exact(count * width).skip(1).for_each(|by| rows::add(&mut by_more, by));
            let seen = (kept, &*by_more);
            let [mut by_first, by] = per_layer.backward(own, seen, learning, gradients)?;
            if let Some(scale) = &altup.scale {
                rows::multiply_rows(&mut by_first, scale);
            }
            rows::add(&mut grad[active.clone()], &by_first);
            Some(by)
        } else {
            None
        };
        let predicted = altup.predicted(input, count, &in_training(pass))?;
        let computed = std::mem::take(&mut tape.computed);
        let known = (count, learning);
        let mut by = altup.correct_backward(&predicted, &computed, grad, known, gradients)?;
        let read = altup.active_of(&predicted);
        let to = (&mut *gradients, lent);
        self.compute_backward((pass, index), (read, tape), &mut by, to, true)?;
        rows::add(&mut grad[active], &by);
        altup.predict_backward(input, grad, known, gradients)?;
        Ok(by_own)
    }

    /// The same of [`Self::compute_forward`].
    fn compute_backward(
        &self,
        (pass, index): (&Pass<'_>, usize),
        (input, tape): (&[f32], LayerTape),
        grad: &mut [f32],
        (gradients, lent): (&mut Gradients, &mut Lent),
        is_wanted: bool,
    ) -> Result<()> {
        let count = pass.rows();
        let LayerTape { attention, projected, middle, feed, fed, .. } = tape;
        let together = self.adds == Adds::Together;

        // Feed-forward
        let own = self.added_grad(self.post_mlp_norm.as_ref(), &fed, grad, gradients);
        drop(fed);
        let read = if together { input } else { &*middle };
        let x = || normed(self.mlp_norm.as_ref(), read);
        let fed_grad = own.as_deref().unwrap_or(grad);
        let given = (feed, fed_grad);
        let (x_grad, by_hidden) =
            self.feed.backward((x, read), count, given, pass.learning, gradients)?;
        let mut by_read = norm_backward(self.mlp_norm.as_ref(), read, x_grad, gradients);
        if let Some(by_hidden) = by_hidden {
            rows::add(&mut by_read, &by_hidden);
        }

        // Attention, which sees of the feed-forward part's gradient what it was read by.
        let waiting = if together {
            Some(by_read)
        } else {
            rows::add(grad, &by_read);
            None
        };
        let x = || normed(self.attention_norm.as_ref(), input);
        let by_laurel = match &self.altup {
            Some(altup) => {
                Some(altup.laurel.backward(&x(), grad, count, pass.learning, gradients)?)
            }
            None => None,
        };
        let own = self.added_grad(self.post_attention_norm.as_ref(), &projected, grad, gradients);
        drop(projected);
        let after = own.as_deref().unwrap_or(grad);
        let seen = (attention, after);
        let to = (&mut *gradients, lent);
        let mut x_grad = self.attend_backward((pass, index), x, seen, to, is_wanted)?;
        if let (Some(x_grad), Some(by_laurel)) = (&mut x_grad, by_laurel) {
            rows::add(x_grad, &by_laurel);
        }
        if let Some(waiting) = waiting {
            rows::add(grad, &waiting);
        }
        if let Some(x_grad) = x_grad {
            rows::add(grad, &norm_backward(self.attention_norm.as_ref(), input, x_grad, gradients));
        }
        Ok(())
    }
}

/// How linear layers run in training.
fn in_training(pass: &Pass<'_>) -> impl Fn(&Linear, &[f32], usize) -> Result<Buffer> {
    let learning = pass.learning;
    move |linear, x, count| Ok(linear.forward(x, count, learning)?.0)
}

/// A product whose gradient is exactly that of what was computed.
fn exact(matrix: &QMatrix, x: &[f32], count: usize) -> Buffer {
    multiply(matrix, x, count, &[])
}

fn sum(mut one: Buffer, other: &[f32]) -> Buffer {
    rows::add(&mut one, other);
    one
}
