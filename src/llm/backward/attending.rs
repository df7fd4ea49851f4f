//! Attention in a layer, or the state that stands in its place or beside it, for training: from what the
//! layer reads to what its output matrix gives, and back.

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::gradients::Gradients;
use super::latent::LatentSeen;
use super::lent::Lent;
use super::linear_grad::Low;
use super::pass::{Pass, norm_backward, normed};
use super::recurrent::{copied, scaled};
use super::tree_attention;
use super::tree_attention::Inputs;
use crate::llm::adapter::learned::Part;
use crate::llm::adapter::soft::SOFT;
use crate::llm::config::{Config, LayerConfig, QkNorm, RecurrentConfig};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::experts::sigmoid;
use crate::llm::net::linear::Linear;
use crate::llm::net::rows;
use crate::llm::net::transformer::{Layer, Qkv};

/// What its operations saw.
#[derive(Default)]
pub(super) struct AttentionTape {
    /// Before the norms of queries and keys, where the model has them, or of what these are expanded from.
    raw_q: Buffer,
    raw_k: Buffer,
    raw_v: Buffer,

    /// As attention sees them.
    q: Buffer,
    k: Buffer,
    v: Buffer,

    /// What gates what attention gives, before its sigmoid: a number for each of its values, or for each
    /// head.
    gate: Buffer,

    /// What attention gave, before its gate, or what a recurrent layer gave in its place.
    attended: Buffer,

    /// What a recurrent layer beside attention gave.
    mixed: Buffer,

    /// Of each linear layer, in the order of [`Layer::linears`]; those of recurrent layers keep nothing.
    lows: Vec<Low>,
}

impl AttentionTape {
    /// Floats that it holds.
    pub fn floats(&self) -> usize {
        let Self { raw_q, raw_k, raw_v, q, k, v, gate, attended, mixed, lows } = self;
        let buffers = [raw_q, raw_k, raw_v, q, k, v, gate, attended, mixed];
        buffers.iter().map(|buffer| buffer.len()).sum::<usize>()
            + lows.iter().map(|low| low.len()).sum::<usize>()
    }

    /// Floats that a row takes, without those of an adapter; counted, not measured.
    pub fn floats_a_row(config: &Config, layer: &LayerConfig) -> usize {
        let recurrent =
            config.recurrent.map(|kind: RecurrentConfig| kind.output_width(config.width));
        if layer.recurrent {
            return recurrent.unwrap_or_default();
        }
        let (kv_heads, head_dim) = layer.own_heads.unwrap_or((config.kv_heads, config.head_dim));
        let q_width = config.heads * head_dim;
        let kv_width = if layer.keys_of.is_some() { 0 } else { kv_heads * head_dim };
        let raw = match config.latent {
            Some(latent) => latent.q_rank.unwrap_or_default() + latent.kv_rank,
            None if config.qk_norm == QkNorm::None && config.clip_qkv.is_none() => 0,
            None => q_width + kv_width,
        };
        let gate = match (config.attention_gate, config.head_gate) {
            (true, _) => q_width,
            (_, true) => config.heads,
            _ => 0,
        };
        // Where values are keys, both were the same before their norms.
        let raw_v = if config.value_norm && !layer.values_are_keys { kv_width } else { 0 };
        let beside = config.beside_attention.and(recurrent).unwrap_or_default();
        // Queries and what attention gave, keys and values
        2 * q_width + 2 * kv_width + raw + raw_v + gate + beside
    }
}

impl Layer {
    /// x (rows, width), which the layer's norm gave -> what is added to the layer's input, before its own
    /// norm.
    pub(super) fn attend_forward(
        &self,
        pass: &Pass<'_>,
        index: usize,
        x: Buffer,
        lent: &mut Lent,
    ) -> Result<(Buffer, AttentionTape)> {
        let Pass { tree, learning, course, .. } = pass;
        let shape = &self.attention;
        let count = pass.rows();
        let mut lows = Vec::new();
        let mut keep = |(out, low): (Buffer, Low)| {
            lows.push(low);
            out
        };
        if let Qkv::Recurrent(recurrent) = &self.qkv {
            let attended = recurrent.forward(&x, course, *learning)?;
            drop(x);
            let projected = keep(self.output.forward(&attended, count, *learning)?);
            return Ok((projected, AttentionTape { attended, lows, ..AttentionTape::default() }));
        }
        let beside = match &self.beside {
            Some(beside) => Some(beside.forward(&x, course, *learning)?),
            None => None,
        };
        let x = self.read_by_attention(x);
        let mut gate = Buffer::default();
        let (mut raw_q, mut raw_k) = (Buffer::default(), Buffer::default());
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
            Qkv::Gated { q, k, v, parts } => {
                let both = keep(q.forward(&x, count, *learning)?);
                let [q, gates] = parts.map(|part| part.take(&both));
                gate = gates;
                let k = keep(k.forward(&x, count, *learning)?);
                (q, k, keep(v.forward(&x, count, *learning)?))
            }
            Qkv::Latent(latent) => {
                let LatentSeen { parts: [q, k, v], low } =
                    latent.forward(&x, count, *learning, &mut keep)?;
                [raw_q, raw_k] = low;
                (q, k, v)
            }
            Qkv::Queries(q) => {
                let q = keep(q.forward(&x, count, *learning)?);
                (q, Buffer::default(), Buffer::default())
            }
            Qkv::KeysAsValues { q, k } => {
                let q = keep(q.forward(&x, count, *learning)?);
                let k = keep(k.forward(&x, count, *learning)?);
                let v = copied(&k);
                (q, k, v)
            }
            Qkv::Recurrent(_) => candle_core::bail!("a recurrent layer has no keys"),
        };
        let mut raw_v = Buffer::default();
        if let Some(head_gate) = &self.head_gate {
            gate = keep(head_gate.forward(&x, count, *learning)?);
        }
        drop(x);
        let through_norms = |pairs: [(&mut Buffer, &mut Buffer); 2]| {
            for (norm, (x, raw)) in [&self.q_norm, &self.k_norm].into_iter().zip(pairs) {
                if let Some(norm) = norm {
                    let normed = normed(Some(norm), x);
                    *raw = std::mem::replace(x, normed);
                }
            }
        };
        if !self.norms_turned {
            through_norms([(&mut q, &mut raw_q), (&mut k, &mut raw_k)]);
        }
        if let Some(norm) = self.v_norm.as_ref().filter(|_| !v.is_empty()) {
            let normed = normed(Some(norm), &v);
            let raw = std::mem::replace(&mut v, normed);
            if !matches!(self.qkv, Qkv::KeysAsValues { .. }) {
                raw_v = raw;
            }
        }
        if let Some(limit) = self.clip_qkv {
            // What was cut off is known from what the norms give again, or from these.
            if self.q_norm.is_none() {
                (raw_q, raw_k) = (copied(&q), copied(&k));
            }
            for values in [&mut q, &mut k, &mut v] {
                values.iter_mut().for_each(|value| *value = value.clamp(-limit, limit));
            }
        }
        if let Some(table) = pass.table(self) {
            rows::rotate(&mut q, shape.query_width(), shape.head_dim, table, 1.0);
            rows::rotate(&mut k, shape.kv_width(), shape.head_dim, table, 1.0);
            rows::scale_queries(&mut q, shape.query_width(), table);
        }
        if self.norms_turned {
            through_norms([(&mut q, &mut raw_q), (&mut k, &mut raw_k)]);
        }
        if !pass.prefix.is_empty() {
            pass.prefix.put(index, 0, &mut k);
            pass.prefix.put(index, 1, &mut v);
        }
        if lent.lends(index) {
            lent.put(index, std::mem::take(&mut k), std::mem::take(&mut v));
        }
        let (seen_k, seen_v) = self.seen(index, (&k, &v), lent)?;
        let inputs = Inputs { q: &q, k: seen_k, v: seen_v, sinks: &self.sinks };
        let attended = tree_attention::forward(&self.attention, tree, inputs);
        let given = self.given(&attended, &gate);
        let given = given.as_deref().unwrap_or(&attended);
        let mut projected = keep(self.output.forward(given, count, *learning)?);
        let mut mixed = Buffer::default();
        if let (Some(known), Some((more, seen, low))) = (&self.beside, beside) {
            let [_, given] = known.scales.attention;
            rows::scale(&mut projected, Some(given));
            rows::add(&mut projected, &more);
            mixed = seen;
            lows.push(low);
        }
        let tape = AttentionTape { raw_q, raw_k, raw_v, q, k, v, gate, attended, mixed, lows };
        Ok((projected, tape))
    }

    /// The keys and values that attention sees: the layer's own, or those of the layer that lends them.
    fn seen<'a>(
        &self,
        index: usize,
        own: (&'a [f32], &'a [f32]),
        lent: &'a Lent,
    ) -> Result<(&'a [f32], &'a [f32])> {
        match self.keys_of {
            Some(owner) => lent.seen(owner),
            None if lent.lends(index) => lent.seen(index),
            None => Ok(own),
        }
    }

    /// What the output matrix reads, where it is not what attention gave.
    fn given(&self, attended: &[f32], gate: &[f32]) -> Option<Buffer> {
        match &self.qkv {
            Qkv::Latent(latent) => Some(latent.narrowed(attended)),
            _ => (!gate.is_empty()).then(|| gated(attended, gate)),
        }
    }

    /// What attention reads, where something beside it reads the same.
    fn read_by_attention(&self, mut x: Buffer) -> Buffer {
        if let Some(beside) = &self.beside {
            let [read, _] = beside.scales.attention;
            rows::scale(&mut x, Some(read));
        }
        x
    }

    /// `x` makes what [`Self::attend_forward`] read, `grad` is the gradient by what it gave. Gives that by
    /// `x`, where it is wanted.
    pub(super) fn attend_backward(
        &self,
        (pass, index): (&Pass<'_>, usize),
        x: impl FnOnce() -> Buffer,
        (tape, grad): (AttentionTape, &[f32]),
        (gradients, lent): (&mut Gradients, &mut Lent),
        is_wanted: bool,
    ) -> Result<Option<Buffer>> {
        let Pass { tree, learning, course, .. } = pass;
        let shape = &self.attention;
        let AttentionTape { raw_q, raw_k, raw_v, q, k, v, gate, attended, mixed, mut lows } = tape;
        let mut low = || lows.pop().unwrap_or_default();
        let beside_low = self.beside.as_ref().map(|_| low());
        let given = self.given(&attended, &gate);
        let mut attended_grad = Buffer::any(given.as_deref().unwrap_or(&attended).len());
        let by_attended = Some((&mut *attended_grad, gemm::Result::Replace));
        let of_attention = self.beside.as_ref().map(|one| scaled(grad, one.scales.attention[1]));
        let after = of_attention.as_deref().unwrap_or(grad);
        let seen = (given.as_deref().unwrap_or(&attended), &low());
        self.output.backward(seen, after, *learning, gradients, by_attended)?;
        drop((given, of_attention));
        if let Qkv::Recurrent(recurrent) = &self.qkv {
            drop(attended);
            let x = x();
            let mut x_grad = is_wanted.then(|| Buffer::any(x.len()));
            let by_x = x_grad.as_deref_mut().map(|x_grad| (x_grad, gemm::Result::Replace));
            recurrent.backward((&x, &attended_grad), course, *learning, gradients, by_x)?;
            return Ok(x_grad);
        }
        if let Qkv::Latent(latent) = &self.qkv {
            attended_grad = latent.widened(&attended_grad);
        }
        let gate_grad = gate_backward(&attended, &gate, &mut attended_grad);
        let (seen_k, seen_v) = self.seen(index, (&k, &v), lent)?;
        let inputs = Inputs { q: &q, k: seen_k, v: seen_v, sinks: &self.sinks };
        let mut by =
            tree_attention::backward(&self.attention, tree, inputs, &attended, &attended_grad);
        drop((attended, attended_grad, gate, q, k));
        if let Some(owner) = self.keys_of {
            lent.add_grad(owner, std::mem::take(&mut by.k), std::mem::take(&mut by.v));
        } else if let Some([by_keys, by_values]) = lent.take_grad(index) {
            rows::add(&mut by.k, &by_keys);
            rows::add(&mut by.v, &by_values);
        }
        if let (false, Some(sum)) = (pass.prefix.is_empty(), gradients.sum(SOFT, Part::Weight)) {
            pass.prefix.take_gradient(index, 0, &mut by.k, sum);
            pass.prefix.take_gradient(index, 1, &mut by.v, sum);
        }
        if let Some(limit) = self.clip_qkv {
            clip_backward(limit, &v, &mut by.v);
        }
        drop(v);
        if !by.v.is_empty() {
            let raw = if raw_v.is_empty() { &raw_k } else { &raw_v };
            by.v = norm_backward(self.v_norm.as_ref(), raw, by.v, gradients);
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
        if let Some(limit) = self.clip_qkv {
            clip_backward(limit, &normed(self.q_norm.as_ref(), &raw_q), &mut by.q);
            clip_backward(limit, &normed(self.k_norm.as_ref(), &raw_k), &mut by.k);
        }
        if !self.norms_turned {
            through_norms(&mut by, gradients);
        }
        let x = x();
        let read_beside = self.beside.as_ref().map(|_| copied(&x));
        let x = self.read_by_attention(x);
        let mut x_grad = is_wanted.then(|| Buffer::any(x.len()));
        if let Qkv::Latent(latent) = &self.qkv {
            let learning = (*learning, gradients);
            let x_grad_to = x_grad.as_deref_mut();
            latent.backward((&x, [&raw_q, &raw_k]), &by, &mut low, learning, x_grad_to)?;
            return Ok(x_grad);
        }
        let mut result = gemm::Result::Replace;
        let mut back = |layer: &Linear, grad: &[f32]| {
            let by = x_grad.as_deref_mut().map(|x_grad| (x_grad, result));
            result = gemm::Result::Add;
            layer.backward((&x, &low()), grad, *learning, gradients, by)
        };
        if let Some(head_gate) = &self.head_gate {
            back(head_gate, &gate_grad)?;
        }
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
            Qkv::Gated { q, k, v, parts } => {
                back(v, &by.v)?;
                back(k, &by.k)?;
                let mut grad = Buffer::any(by.q.len() + gate_grad.len());
                for (part, by) in parts.iter().zip([&by.q, &gate_grad]) {
                    part.put(by, &mut grad);
                }
                back(q, &grad)?;
            }
            Qkv::Queries(q) => back(q, &by.q)?,
            Qkv::KeysAsValues { q, k } => {
                rows::add(&mut by.k, &by.v);
                back(k, &by.k)?;
                back(q, &by.q)?;
            }
            Qkv::Latent(_) | Qkv::Recurrent(_) => {
                candle_core::bail!("these layers have a backward pass of their own")
            }
        }
        if let (Some(beside), Some(x), Some(low)) = (&self.beside, &read_beside, &beside_low) {
            if let Some(x_grad) = &mut x_grad {
                let [read, _] = beside.scales.attention;
                rows::scale(x_grad, Some(read));
            }
            let seen = (&**x, &*mixed, low);
            let known = (course, *learning);
            beside.backward(seen, grad, known, gradients, x_grad.as_deref_mut())?;
        }
        Ok(x_grad)
    }
}

/// What attention gave times the sigmoid of its gate: a number for each value, or for each head.
fn gated(attended: &[f32], gate: &[f32]) -> Buffer {
    let mut out = copied(attended);
    let of_each = attended.len() / gate.len();
    for (out, gate) in out.chunks_exact_mut(of_each).zip(gate) {
        rows::scale(out, Some(sigmoid(*gate)));
    }
    out
}

/// From the gradient by values that were kept within `limit`, in place, to that by the values themselves: those
/// that were cut off change nothing. `x`: before, or after.
fn clip_backward(limit: f32, x: &[f32], grad: &mut [f32]) {
    for (x, grad) in x.iter().zip(grad) {
        if x.abs() >= limit {
            *grad = 0.0;
        }
    }
}

/// From the gradient by what [`gated`] gave, in place, to that by what attention gave; gives the one by the
/// gate.
fn gate_backward(attended: &[f32], gate: &[f32], grad: &mut [f32]) -> Buffer {
    let mut by_gate = Buffer::any(gate.len());
    if gate.is_empty() {
        return by_gate;
    }
    let of_each = attended.len() / gate.len();
    let values = attended.chunks_exact(of_each).zip(grad.chunks_exact_mut(of_each));
    for ((by_gate, gate), (attended, grad)) in by_gate.iter_mut().zip(gate).zip(values) {
        let share = sigmoid(*gate);
        *by_gate = rows::dot(attended, grad) * share * (1.0 - share);
        rows::scale(grad, Some(share));
    }
    by_gate
}
