//! The pass with gradients: a tree of tokens at once, and an adapter that learns, or the weights
//! themselves. The same weights as `infer.rs`, all in f32.
//!
//! There is no graph: a layer's backward pass is written beside its forward pass. What a layer needs
//! in the backward pass is kept, or computed again from its input where keeping it would take too much.

use std::borrow::Cow;

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::dropout::Dropout;
use super::feed::FeedTape;
use super::gradients::Gradients;
use super::linear_grad::{Learning, Low};
use super::tree_attention;
use super::tree_attention::Inputs;
use crate::jobs;
use crate::llm::adapter::learned::Part;
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::soft::{KeysValues, SOFT, SoftPrompt};
use crate::llm::config::{Config, LayerConfig, NormPlacement, QkNorm, RopeTable};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::{Linear, Norm};
use crate::llm::net::rows;
use crate::llm::net::transformer::{Adds, Layer, Qkv, Transformer};
use crate::llm::net::tree::TokenTree;

/// What a pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// There is no backward pass.
    Nothing,

    /// Each layer's input: the layer is computed again, a third more time.
    LayerInputs,
    Everything,
}

/// What a pass is run over, and with.
pub(crate) struct Pass<'a> {
    pub(super) config: &'a Config,
    /// Its first rows are an adapter's virtual tokens, where it has a soft prompt.
    pub(super) tree: Cow<'a, TokenTree>,
    pub(super) learning: Learning<'a>,

    /// The token whose vector learns nothing from being read, as torch's `padding_idx`.
    pub(super) padding: Option<u32>,

    /// Keys and values that stand in place of those of the virtual tokens.
    prefix: KeysValues,

    /// Of each of the model's rope kinds, with an entry for each row of the tree.
    tables: Vec<RopeTable>,
}

/// What was kept, a layer at a time, and the input of the final norm.
pub(crate) struct Tape {
    layers: Vec<(Buffer, Option<LayerTape>)>,
    last: Buffer,
}

/// What a layer's operations saw.
struct LayerTape {
    /// Before the norms of queries and keys, where the model has them.
    raw_q: Buffer,
    raw_k: Buffer,

    /// As attention sees them.
    q: Buffer,
    k: Buffer,
    v: Buffer,

    /// What attention gave, and after the output layer where a norm follows.
    attended: Buffer,
    projected: Buffer,

    /// The hidden state between attention and feed-forward, where one waits for the other.
    middle: Buffer,
    feed: FeedTape,

    /// What the feed-forward part gave, where a norm follows.
    fed: Buffer,

    /// Of each linear layer of attention, in the order of [`Layer::linears`].
    lows: Vec<Low>,
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
        let Self { raw_q, raw_k, q, k, v, attended, projected, middle, feed, fed, lows } = self;
        let buffers = [raw_q, raw_k, q, k, v, attended, projected, middle, fed];
        buffers.iter().map(|buffer| buffer.len()).sum::<usize>()
            + feed.floats()
            + lows.iter().map(|low| low.len()).sum::<usize>()
    }

    /// Floats that a row of the tree takes in a layer, without those of an adapter; counted, not
    /// measured.
    fn floats_a_row(config: &Config, layer: &LayerConfig) -> usize {
        let width = config.width;
        let (q_width, kv_width) = (config.query_width(), config.kv_width());
        let raw = if config.qk_norm == QkNorm::None { 0 } else { q_width + kv_width };
        // Input and middle; what attention and the MLP gave.
        let states = match config.norm_placement {
            NormPlacement::Parallel | NormPlacement::ParallelShared => width,
            NormPlacement::Before | NormPlacement::BeforeAdding => 2 * width,
            NormPlacement::After | NormPlacement::AfterSum | NormPlacement::Around => 4 * width,
        };
        // Queries and what attention gave, keys and values
        let attention = 2 * q_width + 2 * kv_width;
        states + attention + raw + FeedTape::floats_a_row(config, layer)
    }
}

/// Bytes that a row of a tree takes until its backward pass, if everything is kept.
pub fn bytes_a_row(config: &Config) -> usize {
    let layers = config.layers.iter().map(|layer| LayerTape::floats_a_row(config, layer));
    layers.sum::<usize>() * size_of::<f32>()
}

impl<'a> Pass<'a> {
    pub fn new(
        config: &'a Config,
        tree: &'a TokenTree,
        adapter: Option<&'a Adapter>,
        dropout: Option<&'a Dropout>,
    ) -> Result<Self> {
        let soft = adapter.and_then(Adapter::soft);
        let tree = match soft {
            None => Cow::Borrowed(tree),
            Some(soft) => Cow::Owned(tree.after(&soft.ids())),
        };
        let prefix = soft.map(|soft| soft.keys_values(config.layers.len())).transpose()?;
        let prefix = prefix.unwrap_or_default();
        let depth = tree.depth();
        let positions = tree.positions();
        let tables = config.ropes.iter().map(|rope| rope.table(0, depth).at(positions));
        let tables = tables.collect();
        let learning = Learning { adapter, dropout };
        Ok(Self { config, tree, learning, padding: None, prefix, tables })
    }

    #[must_use]
    pub fn padding(self, padding: Option<u32>) -> Self {
        Self { padding, ..self }
    }

    fn rows(&self) -> usize {
        self.tree.len()
    }

    pub(super) fn soft(&self) -> Option<&'a SoftPrompt> {
        self.learning.adapter.and_then(Adapter::soft)
    }

    fn virtual_rows(&self) -> usize {
        self.soft().map_or(0, SoftPrompt::tokens)
    }

    fn table(&self, layer: &Layer) -> Option<&RopeTable> {
        layer.rope.map(|rope| &self.tables[rope])
    }
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
            let wanted = if index > 0 || learns_input || norm_learns {
                Wanted::OwnAndInput
            } else {
                Wanted::Own
            };
            layer.backward((pass, index), (&input, tape), &mut grad, gradients, wanted)?;
        }
        if learns_input {
            self.embed_backward(pass, &grad, gradients)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Own,
    OwnAndInput,
}

impl Layer {
    /// (rows, width) -> the same
    fn forward(&self, pass: &Pass<'_>, index: usize, input: &[f32]) -> Result<(Buffer, LayerTape)> {
        let Pass { tree, learning, .. } = pass;
        let shape = &self.attention;
        let count = pass.rows();
        let mut lows = Vec::new();
        let mut keep = |(out, low): (Buffer, Low)| {
            lows.push(low);
            out
        };

        let x = normed(self.attention_norm.as_ref(), input);
        let (mut q, mut k, mut v) = match &self.qkv {
            Qkv::Separate { q, k, v } => (
                keep(q.forward(&x, count, *learning)?),
                keep(k.forward(&x, count, *learning)?),
                keep(v.forward(&x, count, *learning)?),
            ),
            Qkv::Fused { all, parts } => {
                let all = keep(all.forward(&x, count, *learning)?);
                let [q, k, v] = parts.map(|part| part.take(&all));
                (q, k, v)
            }
            Qkv::Gated { .. }
            | Qkv::KeysAsValues { .. }
            | Qkv::Latent(_)
            | Qkv::Queries(_)
            | Qkv::Recurrent(_) => {
                candle_core::bail!("these keys have no backward pass yet")
            }
        };
        drop(x);
        let (mut raw_q, mut raw_k) = (Buffer::default(), Buffer::default());
        let mut through_norms = |q: &mut Buffer, k: &mut Buffer| {
            for (norm, x, raw) in [(&self.q_norm, q, &mut raw_q), (&self.k_norm, k, &mut raw_k)] {
                if let Some(norm) = norm {
                    let normed = normed(Some(norm), x);
                    *raw = std::mem::replace(x, normed);
                }
            }
        };
        if !self.norms_turned {
            through_norms(&mut q, &mut k);
        }
        if let Some(table) = pass.table(self) {
            rows::rotate(&mut q, shape.query_width(), shape.head_dim, table, 1.0);
            rows::rotate(&mut k, shape.kv_width(), shape.head_dim, table, 1.0);
            rows::scale_queries(&mut q, shape.query_width(), table);
        }
        if self.norms_turned {
            through_norms(&mut q, &mut k);
        }
        if !pass.prefix.is_empty() {
            pass.prefix.put(index, 0, &mut k);
            pass.prefix.put(index, 1, &mut v);
        }
        let inputs = Inputs { q: &q, k: &k, v: &v, sinks: &self.sinks };
        let attended = tree_attention::forward(&self.attention, tree, inputs);
        let mut projected = keep(self.output.forward(&attended, count, *learning)?);
        let mut middle = self.added(self.post_attention_norm.as_ref(), &mut projected, input);

        let together = self.adds == Adds::Together;
        let x = normed(self.mlp_norm.as_ref(), if together { input } else { &middle });
        let (mut fed, feed) = self.feed.forward(&x, count, *learning)?;
        drop(x);
        let out = self.added(self.post_mlp_norm.as_ref(), &mut fed, &middle);
        if together {
            middle = Buffer::default();
        }
        let tape =
            LayerTape { raw_q, raw_k, q, k, v, attended, projected, middle, feed, fed, lows };
        Ok((out, tape))
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

    /// `grad` is the gradient by the layer's output, and becomes that by its input, where wanted.
    fn backward(
        &self,
        (pass, index): (&Pass<'_>, usize),
        (input, tape): (&[f32], LayerTape),
        grad: &mut [f32],
        gradients: &mut Gradients,
        wanted: Wanted,
    ) -> Result<()> {
        let Pass { tree, learning, .. } = pass;
        let shape = &self.attention;
        let count = pass.rows();
        let LayerTape { raw_q, raw_k, q, k, v, attended, projected, middle, feed, fed, mut lows } =
            tape;
        let mut low = || lows.pop().unwrap_or_default();
        let together = self.adds == Adds::Together;

        // Feed-forward
        let own = self.added_grad(self.post_mlp_norm.as_ref(), &fed, grad, gradients);
        drop(fed);
        let read = if together { input } else { &*middle };
        let x = || normed(self.mlp_norm.as_ref(), read);
        let fed_grad = own.as_deref().unwrap_or(grad);
        let x_grad = self.feed.backward(x, count, (feed, fed_grad), *learning, gradients)?;
        let by_read = norm_backward(self.mlp_norm.as_ref(), read, x_grad, gradients);

        // Attention, which sees of the feed-forward part's gradient what it was read by.
        let waiting = if together {
            Some(by_read)
        } else {
            rows::add(grad, &by_read);
            None
        };
        let own = self.added_grad(self.post_attention_norm.as_ref(), &projected, grad, gradients);
        let after = own.as_deref().unwrap_or(grad);
        let mut attended_grad = Buffer::any(attended.len());
        let by = Some((&mut *attended_grad, gemm::Result::Replace));
        self.output.backward((&attended, &low()), after, *learning, gradients, by)?;
        let inputs = Inputs { q: &q, k: &k, v: &v, sinks: &self.sinks };
        let mut by =
            tree_attention::backward(&self.attention, tree, inputs, &attended, &attended_grad);
        drop((attended, attended_grad, q, k, v, projected));
        if let (false, Some(sum)) = (pass.prefix.is_empty(), gradients.sum(SOFT, Part::Weight)) {
            pass.prefix.take_gradient(index, 0, &mut by.k, sum);
            pass.prefix.take_gradient(index, 1, &mut by.v, sum);
        }
        let through_norms = |by: &mut tree_attention::Gradients, gradients: &mut Gradients| {
            let (q, k) = (std::mem::take(&mut by.q), std::mem::take(&mut by.k));
            by.q = norm_backward(self.q_norm.as_ref(), &raw_q, q, gradients);
            by.k = norm_backward(self.k_norm.as_ref(), &raw_k, k, gradients);
        };
        if self.norms_turned {
            through_norms(&mut by, gradients);
        }
        if let Some(table) = pass.table(self) {
            rows::scale_queries(&mut by.q, shape.query_width(), table);
            // A rotation's gradient is the rotation back.
            rows::rotate(&mut by.q, shape.query_width(), shape.head_dim, table, -1.0);
            rows::rotate(&mut by.k, shape.kv_width(), shape.head_dim, table, -1.0);
        }
        if !self.norms_turned {
            through_norms(&mut by, gradients);
        }
        let x = normed(self.attention_norm.as_ref(), input);
        let mut x_grad = match wanted {
            Wanted::Own => None,
            Wanted::OwnAndInput => Some(Buffer::any(x.len())),
        };
        let mut result = gemm::Result::Replace;
        let mut back = |layer: &Linear, grad: &[f32]| {
            let by = x_grad.as_deref_mut().map(|x_grad| (x_grad, result));
            result = gemm::Result::Add;
            layer.backward((&x, &low()), grad, *learning, gradients, by)
        };
        match &self.qkv {
            Qkv::Separate { q, k, v } => {
                back(v, &by.v)?;
                back(k, &by.k)?;
                back(q, &by.q)?;
            }
            Qkv::Fused { all, parts } => {
                let mut grad = Buffer::any(by.q.len() + by.k.len() + by.v.len());
                for (part, by) in parts.iter().zip([&by.q, &by.k, &by.v]) {
                    part.put(by, &mut grad);
                }
                back(all, &grad)?;
            }
            Qkv::Gated { .. }
            | Qkv::KeysAsValues { .. }
            | Qkv::Latent(_)
            | Qkv::Queries(_)
            | Qkv::Recurrent(_) => {
                candle_core::bail!("these keys have no backward pass yet")
            }
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

fn normed(norm: Option<&Norm>, x: &[f32]) -> Buffer {
    let mut out = Buffer::any(x.len());
    match norm {
        Some(norm) => norm.row.run(x, &mut out),
        None => out.copy_from_slice(x),
    }
    out
}

/// From the gradient by what a norm of `x` gives to the one by `x`, and to what the norm learns.
fn norm_grad(norm: &Norm, x: &[f32], grad: &[f32], gradients: &mut Gradients) -> Buffer {
    let [weight, bias] = gradients.weight_and_bias(&norm.name);
    norm.row.backward_own(x, grad, weight, bias);
    let mut out = Buffer::any(x.len());
    norm.row.backward(x, grad, &mut out);
    out
}

fn norm_backward(
    norm: Option<&Norm>,
    x: &[f32],
    grad: Buffer,
    gradients: &mut Gradients,
) -> Buffer {
    match norm {
        Some(norm) => norm_grad(norm, x, &grad, gradients),
        None => grad,
    }
}

fn sum(mut one: Buffer, other: &[f32]) -> Buffer {
    rows::add(&mut one, other);
    one
}
