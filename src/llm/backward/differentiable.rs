//! The pass with gradients: a tree of tokens at once, an adapter that learns. The same weights as
//! `infer.rs`, all in f32.
//!
//! There is no graph: a layer's way back is written beside its way forth. What a layer needs on the
//! way back is kept, or computed again from its input where keeping it would take too much.

use candle_core::Result;

use super::dropout::Dropout;
use super::gradients::Gradients;
use super::linear_grad::{Learning, Low, multiply, multiply_back};
use super::tree::TokenTree;
use super::tree_attention;
use super::tree_attention::Inputs;
use crate::jobs;
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::{Config, MlpKind, NormPlacement, QkNorm, RopeTable};
use crate::llm::kernels::gemm;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::{Linear, Norm};
use crate::llm::net::rows;
use crate::llm::net::transformer::{Layer, Mlp, Qkv, Transformer};

/// What a pass keeps for the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// There is no way back.
    Nothing,

    /// Each layer's input: the layer is computed again, a third more time.
    LayerInputs,
    Everything,
}

/// What a pass is run over, and with.
pub(crate) struct Pass<'a> {
    config: &'a Config,
    tree: &'a TokenTree,
    learning: Learning<'a>,

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

    /// The hidden state between attention and feed-forward.
    middle: Buffer,

    /// Gate and up, or the two in one, or up alone.
    gate: Buffer,
    up: Buffer,

    /// What the feed-forward part gave, where a norm follows.
    fed: Buffer,

    /// Of each linear layer, in the order of [`Layer::linears`].
    lows: Vec<Low>,
}

/// A tree of tokens that was run through a model, with the way back into the adapter.
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
        &self.hidden
    }

    /// Bytes that are kept for the way back, counted where they are: what `pass_cost` foretells.
    pub fn kept_bytes(&self) -> u64 {
        let Tape { layers, last: _ } = &self.tape; // the last hidden state is at work
        let layers = layers
            .iter()
            .map(|(input, tape)| input.len() + tape.as_ref().map_or(0, LayerTape::floats));
        (layers.sum::<usize>() * size_of::<f32>()) as u64
    }

    /// Adds to `gradients`; `grad` is the gradient by [`Self::hidden`]. Fails where the pass kept
    /// nothing for the way back.
    pub fn backward(self, grad: &[f32], gradients: &mut Gradients) -> Result<()> {
        let Self { transformer, pass, tape, hidden } = self;
        drop(hidden);
        jobs::in_pool(|| transformer.backward(&pass, tape, grad, gradients))
    }
}

impl LayerTape {
    /// Floats that it holds.
    fn floats(&self) -> usize {
        let Self { raw_q, raw_k, q, k, v, attended, projected, middle, gate, up, fed, lows } = self;
        let buffers = [raw_q, raw_k, q, k, v, attended, projected, middle, gate, up, fed];
        buffers.iter().map(|buffer| buffer.len()).sum::<usize>()
            + lows.iter().map(|low| low.len()).sum::<usize>()
    }

    /// Floats that a row of the tree takes in a layer, without those of an adapter; counted, not
    /// measured.
    fn floats_a_row(config: &Config) -> usize {
        let Config { width, mlp_width, .. } = *config;
        let (q_width, kv_width) = (config.query_width(), config.kv_width());
        let raw = if config.qk_norm == QkNorm::None { 0 } else { q_width + kv_width };
        let projected_and_fed = match config.norm_placement {
            NormPlacement::Before => 0,
            NormPlacement::After | NormPlacement::Around => 2 * width,
        };
        let gate_and_up = match config.mlp {
            MlpKind::Gated | MlpKind::GatedFused => 2 * mlp_width,
            MlpKind::Plain => mlp_width,
        };
        // Input and middle, queries and what attention gave, keys and values
        let always = 2 * width + 2 * q_width + 2 * kv_width;
        always + raw + projected_and_fed + gate_and_up
    }
}

/// Bytes that a row of a tree takes until its way back, if everything is kept.
pub fn bytes_a_row(config: &Config) -> usize {
    config.layer_count() * LayerTape::floats_a_row(config) * size_of::<f32>()
}

impl<'a> Pass<'a> {
    pub fn new(
        config: &'a Config,
        tree: &'a TokenTree,
        adapter: Option<&'a Adapter>,
        dropout: Option<&'a Dropout>,
    ) -> Self {
        let depth = tree.depth();
        let tables = config.ropes.iter().map(|rope| {
            let by_position = rope.table(0, depth);
            let pairs = by_position.pairs;
            let of_rows = |values: &[f32]| {
                let rows = tree.positions().iter();
                rows.flat_map(|at| &values[at * pairs..(at + 1) * pairs]).copied().collect()
            };
            RopeTable { pairs, cos: of_rows(&by_position.cos), sin: of_rows(&by_position.sin) }
        });
        let tables = tables.collect();
        Self { config, tree, learning: Learning { adapter, dropout }, tables }
    }

    fn rows(&self) -> usize {
        self.tree.len()
    }

    fn table(&self, layer: &Layer) -> Option<&RopeTable> {
        layer.rope.map(|rope| &self.tables[rope])
    }
}

impl Transformer {
    /// Hidden states after the final norm, (rows, width), and what is needed for the way back.
    pub fn forward(&self, pass: &Pass<'_>, keep: Keep) -> Result<(Buffer, Tape)> {
        let width = pass.config.width;
        let mut hidden = Buffer::any(pass.rows() * width);
        for segment in pass.tree.segments() {
            let rows = segment.first_row..segment.first_row + segment.len;
            let embedded =
                self.embed(pass.config, &pass.tree.ids()[rows.clone()], segment.prefix.len());
            hidden[rows.start * width..rows.end * width].copy_from_slice(&embedded);
        }
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let (out, tape) = layer.forward(pass, &hidden)?;
            match keep {
                Keep::Nothing => {}
                Keep::LayerInputs => layers.push((hidden, None)),
                Keep::Everything => layers.push((hidden, Some(tape))),
            }
            hidden = out;
        }
        Ok((normed(Some(&self.final_norm), &hidden), Tape { layers, last: hidden }))
    }

    /// From the gradient by the hidden states of [`Self::forward`] to those of the adapter.
    pub fn backward(
        &self,
        pass: &Pass<'_>,
        tape: Tape,
        grad: &[f32],
        gradients: &mut Gradients,
    ) -> Result<()> {
        let Tape { mut layers, last } = tape;
        let mut grad = norm_grad(&self.final_norm, &last, grad);
        drop(last);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let Some((input, tape)) = layers.pop() else {
                candle_core::bail!("this pass kept nothing for the way back")
            };
            let tape = match tape {
                Some(tape) => tape,
                None => layer.forward(pass, &input)?.1,
            };
            // Nothing learns before the first layer.
            let wanted = if index == 0 { Wanted::Adapter } else { Wanted::AdapterAndInput };
            layer.backward(pass, (&input, tape), &mut grad, gradients, wanted)?;
        }
        Ok(())
    }

    /// Hidden rows (count, width) -> scores (count, vocabulary), with the final soft-cap.
    pub fn scores(&self, config: &Config, hidden: &[f32]) -> Buffer {
        let mut scores = multiply(&self.head, hidden, hidden.len() / config.width, None);
        if let Some(cap) = config.final_softcap {
            rows::softcap(cap, &mut scores);
        }
        scores
    }

    /// From the gradient by scores (count, vocabulary) to that by the hidden rows. `scores` are
    /// looked at where the model caps them.
    pub fn scores_backward(&self, config: &Config, scores: &[f32], grad: &mut [f32]) -> Vec<f32> {
        if let Some(cap) = config.final_softcap {
            for (grad, score) in grad.iter_mut().zip(scores) {
                let tanh = score / cap;
                *grad *= 1.0 - tanh * tanh;
            }
        }
        let count = grad.len() / config.vocab_size;
        let mut hidden = vec![0.0; count * config.width];
        multiply_back(&self.head, grad, count, (&mut hidden, gemm::Result::Replace));
        hidden
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Adapter,
    AdapterAndInput,
}

impl Layer {
    /// (rows, width) -> the same
    fn forward(&self, pass: &Pass<'_>, input: &[f32]) -> Result<(Buffer, LayerTape)> {
        let Pass { config, tree, learning, .. } = pass;
        let count = pass.rows();
        let mut lows = Vec::new();
        let mut keep = |(out, low): (Buffer, Low)| {
            lows.push(low);
            out
        };

        let x = normed(self.attention_norm.as_ref(), input);
        let (mut q, mut k, v) = match &self.qkv {
            Qkv::Separate { q, k, v } => (
                keep(q.forward(&x, count, *learning)?),
                keep(k.forward(&x, count, *learning)?),
                keep(v.forward(&x, count, *learning)?),
            ),
            Qkv::Fused(qkv) => {
                let all = keep(qkv.forward(&x, count, *learning)?);
                let kv_width = config.kv_width();
                let [q, k, v] = split(&all, [config.query_width(), kv_width, kv_width]);
                (q, k, v)
            }
        };
        drop(x);
        let (mut raw_q, mut raw_k) = (Buffer::default(), Buffer::default());
        if let Some(norm) = &self.q_norm {
            let normed = normed(Some(norm), &q);
            raw_q = std::mem::replace(&mut q, normed);
        }
        if let Some(norm) = &self.k_norm {
            let normed = normed(Some(norm), &k);
            raw_k = std::mem::replace(&mut k, normed);
        }
        if let Some(table) = pass.table(self) {
            rows::rotate(&mut q, config.query_width(), config.head_dim, table, 1.0);
            rows::rotate(&mut k, config.kv_width(), config.head_dim, table, 1.0);
        }
        let inputs = Inputs { q: &q, k: &k, v: &v };
        let attended = tree_attention::forward(&self.attention, tree, inputs);
        let mut projected = keep(self.output.forward(&attended, count, *learning)?);
        // Where no norm follows, its input is not needed again.
        let middle = match &self.post_attention_norm {
            Some(norm) => sum(normed(Some(norm), &projected), input),
            None => sum(std::mem::take(&mut projected), input),
        };

        let x = normed(self.mlp_norm.as_ref(), &middle);
        let (gate, up) = match &self.mlp {
            Mlp::Gated { gate, up } => {
                let gate = keep(gate.forward(&x, count, *learning)?);
                (gate, keep(up.forward(&x, count, *learning)?))
            }
            Mlp::GatedFused(gate_up) => {
                let both = keep(gate_up.forward(&x, count, *learning)?);
                let [gate, up] = split(&both, [config.mlp_width; 2]);
                (gate, up)
            }
            Mlp::Plain(up) => (Buffer::default(), keep(up.forward(&x, count, *learning)?)),
        };
        drop(x);
        let inner = inner(config, &gate, &up);
        let mut fed = keep(self.down.forward(&inner, count, *learning)?);
        drop(inner);
        let out = match &self.post_mlp_norm {
            Some(norm) => sum(normed(Some(norm), &fed), &middle),
            None => sum(std::mem::take(&mut fed), &middle),
        };
        let tape =
            LayerTape { raw_q, raw_k, q, k, v, attended, projected, middle, gate, up, fed, lows };
        Ok((out, tape))
    }

    /// `grad` is the gradient by the layer's output, and becomes that by its input, where wanted.
    fn backward(
        &self,
        pass: &Pass<'_>,
        (input, tape): (&[f32], LayerTape),
        grad: &mut [f32],
        gradients: &mut Gradients,
        wanted: Wanted,
    ) -> Result<()> {
        let Pass { config, tree, learning, .. } = pass;
        let count = pass.rows();
        let LayerTape { raw_q, raw_k, q, k, v, attended, projected, middle, fed, .. } = tape;
        let LayerTape { mut gate, mut up, mut lows, .. } = tape;
        let mut low = || lows.pop().unwrap_or_default();

        // Feed-forward
        let inner = inner(config, &gate, &up);
        let fed_grad = self.post_mlp_norm.as_ref().map(|norm| norm_grad(norm, &fed, grad));
        let fed_grad = fed_grad.as_deref().unwrap_or(grad);
        let mut inner_grad = Buffer::any(inner.len());
        let (saw, by) = ((&*inner, &low()), Some((&mut *inner_grad, gemm::Result::Replace)));
        self.down.backward(saw, fed_grad, *learning, gradients, by)?;
        drop((inner, fed));
        if gate.is_empty() {
            rows::activate_backward(config.activation, &mut up, &inner_grad);
        } else {
            rows::gated_backward(config.activation, &mut gate, &mut up, &inner_grad);
        }
        drop(inner_grad);
        let x = normed(self.mlp_norm.as_ref(), &middle);
        let mut x_grad = Buffer::any(x.len());
        let by = Some((&mut *x_grad, gemm::Result::Replace));
        match &self.mlp {
            Mlp::Gated { gate: gate_layer, up: up_layer } => {
                up_layer.backward((&x, &low()), &up, *learning, gradients, by)?;
                let by = Some((&mut *x_grad, gemm::Result::Add));
                gate_layer.backward((&x, &low()), &gate, *learning, gradients, by)?;
            }
            Mlp::GatedFused(layer) => {
                let both = join(count, [&gate, &up]);
                layer.backward((&x, &low()), &both, *learning, gradients, by)?;
            }
            Mlp::Plain(layer) => {
                layer.backward((&x, &low()), &up, *learning, gradients, by)?;
            }
        }
        drop((x, gate, up));
        rows::add(grad, &norm_backward(self.mlp_norm.as_ref(), &middle, x_grad));

        // Attention
        let after = self.post_attention_norm.as_ref().map(|norm| norm_grad(norm, &projected, grad));
        let after = after.as_deref().unwrap_or(grad);
        let mut attended_grad = Buffer::any(attended.len());
        let by = Some((&mut *attended_grad, gemm::Result::Replace));
        self.output.backward((&attended, &low()), after, *learning, gradients, by)?;
        let inputs = Inputs { q: &q, k: &k, v: &v };
        let mut by =
            tree_attention::backward(&self.attention, tree, inputs, &attended, &attended_grad);
        drop((attended, attended_grad, q, k, v, projected));
        if let Some(table) = pass.table(self) {
            // A rotation's gradient is the rotation back.
            rows::rotate(&mut by.q, config.query_width(), config.head_dim, table, -1.0);
            rows::rotate(&mut by.k, config.kv_width(), config.head_dim, table, -1.0);
        }
        by.q = norm_backward(self.q_norm.as_ref(), &raw_q, by.q);
        by.k = norm_backward(self.k_norm.as_ref(), &raw_k, by.k);
        let x = normed(self.attention_norm.as_ref(), input);
        let mut x_grad = match wanted {
            Wanted::Adapter => None,
            Wanted::AdapterAndInput => Some(Buffer::any(x.len())),
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
            Qkv::Fused(layer) => back(layer, &join(count, [&by.q, &by.k, &by.v]))?,
        }
        if let Some(x_grad) = x_grad {
            rows::add(grad, &norm_backward(self.attention_norm.as_ref(), input, x_grad));
        }
        Ok(())
    }
}

/// What the last matrix of the feed-forward part sees.
fn inner(config: &Config, gate: &[f32], up: &[f32]) -> Buffer {
    let mut out = Buffer::any(up.len());
    if gate.is_empty() {
        out.copy_from_slice(up);
        rows::activate(config.activation, &mut out);
    } else {
        out.copy_from_slice(gate);
        rows::gated(config.activation, &mut out, up);
    }
    out
}

fn normed(norm: Option<&Norm>, x: &[f32]) -> Buffer {
    let mut out = Buffer::any(x.len());
    match norm {
        Some(norm) => norm.0.run(x, &mut out),
        None => out.copy_from_slice(x),
    }
    out
}

/// From the gradient by what a norm of `x` gives to the one by `x`.
fn norm_grad(norm: &Norm, x: &[f32], grad: &[f32]) -> Buffer {
    let mut out = Buffer::any(x.len());
    norm.0.backward(x, grad, &mut out);
    out
}

fn norm_backward(norm: Option<&Norm>, x: &[f32], grad: Buffer) -> Buffer {
    match norm {
        Some(norm) => norm_grad(norm, x, &grad),
        None => grad,
    }
}

fn sum(mut one: Buffer, other: &[f32]) -> Buffer {
    rows::add(&mut one, other);
    one
}

/// (rows, all widths) -> (rows, width) for each.
fn split<const N: usize>(all: &[f32], widths: [usize; N]) -> [Buffer; N] {
    let total: usize = widths.iter().sum();
    let mut first = 0;
    widths.map(|width| {
        let mut part = Buffer::any(all.len() / total * width);
        for (part, row) in part.chunks_exact_mut(width).zip(all.chunks_exact(total)) {
            part.copy_from_slice(&row[first..first + width]);
        }
        first += width;
        part
    })
}

/// The way back of [`split`].
fn join<const N: usize>(count: usize, parts: [&[f32]; N]) -> Buffer {
    let total = parts.iter().map(|part| part.len()).sum::<usize>() / count.max(1);
    let mut all = Buffer::any(count * total);
    for (index, row) in all.chunks_exact_mut(total).enumerate() {
        let mut first = 0;
        for part in parts {
            let width = part.len() / count;
            row[first..first + width].copy_from_slice(&part[index * width..(index + 1) * width]);
            first += width;
        }
    }
    all
}
