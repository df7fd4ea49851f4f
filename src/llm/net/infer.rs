//! The fast pass: plain numbers, no graph. Reads the prompt at once or one token at a time, and
//! remembers keys and values.

use std::ops::Range;

use candle_core::Result;

use super::attention::attend;
use super::buffers::{self, Buffer};
use super::cache::KvCache;
use super::linear::{Linear, Norm};
use super::rows;
use super::transformer::{Layer, Mlp, Qkv, Transformer};
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::{Config, RopeTable};
use crate::llm::error::Error;

/// Something that wants to see the hidden states on their way through, (positions, width) each:
/// the embedding, every layer's result but the last, and the result of the final norm.
pub(crate) type Watcher<'a> = &'a mut dyn FnMut(&[f32]);

/// Positions that go through the layers together. More would not be faster: what is between two
/// products then leaves the second cache, and takes memory.
const POSITIONS: usize = 128;

impl Transformer {
    /// Runs `ids` after what `cache` holds. Returns the hidden states after the final norm of the
    /// positions in `wanted` (counted within `ids`), (positions, width). After a failure, also one of
    /// memory, the cache holds what it held before.
    #[expect(
        clippy::too_many_arguments,
        reason = "a forward pass has this many independent inputs"
    )]
    pub fn run(
        &self,
        config: &Config,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        wanted: Range<usize>,
        mut watch: Option<Watcher<'_>>,
    ) -> std::result::Result<Vec<f32>, Error> {
        let start = cache.len();
        // Where rope depends on the length of a text, it is that of the whole, not of a piece.
        let length = cache.planned().max(start + ids.len());
        // A watcher gets all positions of a layer together.
        let step = if watch.is_some() { ids.len().max(1) } else { POSITIONS };
        let mut result = Vec::with_capacity(wanted.len() * config.width);
        cache.reserve(start + ids.len());
        for from in (0..ids.len()).step_by(step) {
            let part = from..ids.len().min(from + step);
            let wanted = wanted.start.clamp(part.start, part.end) - from
                ..wanted.end.clamp(part.start, part.end) - from;
            let run = buffers::unless_out_of_memory(|| {
                self.run_part(config, &ids[part], length, cache, adapter, wanted, watch.as_mut())
            });
            match run.map_err(Error::from).and_then(|hidden| Ok(hidden?)) {
                Ok(hidden) => result.extend_from_slice(&hidden),
                Err(err) => {
                    cache.rewind();
                    cache.truncate(start);
                    return Err(err);
                }
            }
        }
        Ok(result)
    }

    /// As [`Self::run`], all positions at once, in a text of `length` tokens; a failure leaves the
    /// cache half filled.
    #[expect(clippy::too_many_arguments, reason = "as above")]
    fn run_part(
        &self,
        config: &Config,
        ids: &[u32],
        length: usize,
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        wanted: Range<usize>,
        mut watch: Option<&mut Watcher<'_>>,
    ) -> Result<Buffer> {
        let start = cache.len();
        let width = config.width;
        let mut hidden = self.embed(config, ids, start);
        let tables = config.ropes.iter().map(|rope| rope.table_within(start, ids.len(), length));
        let tables: Vec<RopeTable> = tables.collect();
        let everything = 0..ids.len();
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(watch) = &mut watch {
                watch(&hidden);
            }
            // Nobody reads what the last layer makes of the other positions, only their keys and
            // values.
            let is_last = index + 1 == self.layers.len();
            let needed = if is_last && watch.is_none() { &wanted } else { &everything };
            let table = layer.rope.map(|rope| &tables[rope]);
            let place = Place { index, start, adapter, table, needed: needed.clone() };
            layer.run(config, &mut hidden, cache, &place)?;
        }
        cache.advance(ids.len());
        let mut normed = self.final_norm.run(&hidden);
        if let Some(watch) = watch {
            watch(&normed);
            normed.keep(wanted.start * width..wanted.end * width);
        }
        Ok(normed)
    }

    /// (positions, width), scaled and with learned positions where the family has them.
    pub fn embed(&self, config: &Config, ids: &[u32], start: usize) -> Buffer {
        let width = config.width;
        let mut hidden = Buffer::any(ids.len() * width);
        let mut position = vec![0.0; width];
        for (index, (id, row)) in ids.iter().zip(hidden.chunks_exact_mut(width)).enumerate() {
            self.embedding.dequantize_row(*id as usize, row);
            if let Some(scale) = config.embedding_scale {
                for value in &mut *row {
                    *value *= scale;
                }
            }
            if let Some(positions) = &self.positions {
                positions.dequantize_row(start + index, &mut position);
                rows::add_scaled(row, 1.0, &position);
            }
        }
        hidden
    }

    /// Hidden rows -> (rows, vocabulary)
    pub fn score(&self, config: &Config, hidden: &[f32]) -> Vec<f32> {
        let count = hidden.len() / config.width;
        let mut scores = vec![0.0; count * config.vocab_size];
        self.head.matmul(hidden, count, &mut scores);
        if let Some(cap) = config.final_softcap {
            rows::softcap(cap, &mut scores);
        }
        scores
    }
}

/// Where in the run a layer is.
struct Place<'a> {
    index: usize,

    /// How many tokens the cache held before this run.
    start: usize,
    adapter: Option<&'a Adapter>,
    table: Option<&'a RopeTable>,

    /// The positions whose hidden states the layer is to give, counted within this run.
    needed: Range<usize>,
}

impl Layer {
    /// `hidden`: all positions before, those that are needed after.
    fn run(
        &self,
        config: &Config,
        hidden: &mut Buffer,
        cache: &mut KvCache,
        place: &Place<'_>,
    ) -> Result<()> {
        let attended = self.attend(config, hidden, cache, place)?;
        if hidden.is_empty() {
            return Ok(());
        }
        rows::add(hidden, &normed(self.post_attention_norm.as_ref(), attended));
        let fed = self.feed(config, hidden, place.adapter)?;
        rows::add(hidden, &normed(self.post_mlp_norm.as_ref(), fed));
        Ok(())
    }

    fn attend(
        &self,
        config: &Config,
        hidden: &mut Buffer,
        cache: &mut KvCache,
        place: &Place<'_>,
    ) -> Result<Buffer> {
        let Place { index, start, adapter, table, ref needed } = *place;
        let [mut q, k, v] = self.queries_keys_values(config, hidden, adapter, table)?;
        let cache = cache.layer_mut(index);
        cache.append(&k, &v);
        let rows_of = |width: usize| needed.start * width..needed.end * width;
        q.keep(rows_of(config.query_width()));
        hidden.keep(rows_of(config.width));
        if q.is_empty() {
            return Ok(q);
        }
        let out = attend(&self.attention, &q, cache, start + needed.start);
        self.output.run(&out, needed.len(), adapter)
    }

    /// Queries, keys and values of every position, the first two as they meet: normed and turned.
    pub(crate) fn queries_keys_values(
        &self,
        config: &Config,
        hidden: &[f32],
        adapter: Option<&Adapter>,
        table: Option<&RopeTable>,
    ) -> Result<[Buffer; 3]> {
        let count = hidden.len() / config.width;
        let normed = self.attention_norm.as_ref().map(|norm| norm.run(hidden));
        let x = normed.as_deref().unwrap_or(hidden);
        let [mut q, mut k, v] = match &self.qkv {
            Qkv::Separate { q, k, v } => Linear::run_all([q, k, v], x, count, adapter)?,
            Qkv::Fused(qkv) => {
                let all = qkv.run(x, count, adapter)?;
                let (q_width, kv_width) = (config.query_width(), config.kv_width());
                let total = q_width + 2 * kv_width;
                [
                    columns(&all, total, 0..q_width),
                    columns(&all, total, q_width..q_width + kv_width),
                    columns(&all, total, q_width + kv_width..total),
                ]
            }
        };
        if let Some(norm) = &self.q_norm {
            q = norm.run(&q);
        }
        if let Some(norm) = &self.k_norm {
            k = norm.run(&k);
        }
        if let Some(table) = table {
            rows::rotate(&mut q, config.query_width(), config.head_dim, table, 1.0);
            rows::rotate(&mut k, config.kv_width(), config.head_dim, table, 1.0);
        }
        Ok([q, k, v])
    }

    fn feed(&self, config: &Config, hidden: &[f32], adapter: Option<&Adapter>) -> Result<Buffer> {
        let count = hidden.len() / config.width;
        let normed = self.mlp_norm.as_ref().map(|norm| norm.run(hidden));
        let x = normed.as_deref().unwrap_or(hidden);
        let inner = match &self.mlp {
            Mlp::Gated { gate, up } => {
                let [mut gate, up] = Linear::run_all([gate, up], x, count, adapter)?;
                rows::gated(config.activation, &mut gate, &up);
                gate
            }
            Mlp::GatedFused(gate_up) => {
                let both = gate_up.run(x, count, adapter)?;
                let width = config.mlp_width;
                let mut gate = columns(&both, 2 * width, 0..width);
                rows::gated(
                    config.activation,
                    &mut gate,
                    &columns(&both, 2 * width, width..2 * width),
                );
                gate
            }
            Mlp::Plain(up) => {
                let mut out = up.run(x, count, adapter)?;
                rows::activate(config.activation, &mut out);
                out
            }
        };
        self.down.run(&inner, count, adapter)
    }
}

fn normed(norm: Option<&Norm>, x: Buffer) -> Buffer {
    match norm {
        Some(norm) => norm.run(&x),
        None => x,
    }
}

/// Some columns of a row-major matrix.
fn columns(x: &[f32], width: usize, range: Range<usize>) -> Buffer {
    let mut out = Buffer::any(x.len() / width * range.len());
    for (out, row) in out.chunks_exact_mut(range.len()).zip(x.chunks_exact(width)) {
        out.copy_from_slice(&row[range.clone()]);
    }
    out
}
