//! One layer of the fast pass: attention or what stands in its place, then the MLP or the experts.

use std::ops::Range;

use candle_core::Result;

use super::altup::AltUp;
use super::attention::attend;
use super::buffers::Buffer;
use super::cache::{KvCache, LayerCache};
use super::experts::sigmoid;
use super::linear::{Linear, Norm};
use super::rows;
use super::times::Times;
use super::transformer::{Adds, Layer, Qkv};
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::{Config, RopeTable};

/// Rows whose tokens follow each other, the first one at this position of its text.
pub(super) struct Line {
    pub rows: Range<usize>,
    pub position: usize,
}

/// What has gone through the layers before.
pub(super) enum Caches<'a> {
    One(&'a mut KvCache),

    /// Each row is the next token of a text of its own.
    Lanes(&'a mut [KvCache]),
}

/// What goes through the layers together.
pub(super) struct Batch<'a> {
    /// Of each row.
    pub ids: &'a [u32],

    /// A line sees what the cache holds up to its position: where there are several, what the lines
    /// before it left there counts too.
    pub lines: &'a [Line],

    /// Of each of the model's rope kinds, with an entry for each row.
    pub tables: Vec<RopeTable>,
    pub adapter: Option<&'a Adapter>,

    /// The rows whose hidden states are asked for.
    pub wanted: Range<usize>,
    pub times: Option<&'a Times>,

    /// Who watches wants what attention reads.
    pub of_inputs: bool,
}

/// Keys and values of a layer's rows, kept where another layer sees them and there are several lines.
pub(super) type KeysValuesOf = Option<(Buffer, Buffer)>;

/// Where in the run a layer is.
pub(super) struct Place<'a> {
    pub index: usize,
    pub batch: &'a Batch<'a>,

    /// The positions whose hidden states the layer is to give, counted within this run.
    pub needed: Range<usize>,

    /// The layer's own vectors of all positions, where the model has them.
    pub own: Option<Buffer>,
}

/// What attention sees of every position.
pub(crate) struct Seen {
    pub q: Buffer,
    pub k: Buffer,
    pub v: Buffer,

    /// What goes through a sigmoid and then times what attention gives, where there is such.
    pub gate: Option<Buffer>,
}

impl Layer {
    /// `hidden`: all positions before, those that are needed after.
    pub(super) fn run(
        &self,
        config: &Config,
        hidden: &mut Buffer,
        caches: &mut Caches<'_>,
        place: &Place<'_>,
        keys_values: &mut [KeysValuesOf],
    ) -> Result<()> {
        let (adapter, positions) = (place.batch.adapter, place.batch.ids.len());
        let Some(altup) = &self.altup else {
            self.compute(config, hidden, caches, place, keys_values)?;
            if hidden.is_empty() {
                return Ok(());
            }
            if let Some(more) = self.of_own_vectors(hidden, place)? {
                rows::add(hidden, &more);
            }
            rows::scale(hidden, self.scalar);
            return Ok(());
        };
        let run = |linear: &Linear, x: &[f32], count| linear.run(x, count, adapter);
        let mut states = altup.predicted(hidden, positions, &run)?;
        let mut computed = copied(altup.active_of(&states));
        self.compute(config, &mut computed, caches, place, keys_values)?;
        altup.keep(&mut states, positions, place.needed.clone());
        if !computed.is_empty() {
            altup.correct(&mut states, &computed, place.needed.len(), &run)?;
            if let Some(more) = self.of_own_vectors(&altup.first(&states), place)? {
                AltUp::add_to_others(&mut states, &more);
            }
        }
        *hidden = states;
        Ok(())
    }

    /// What the layer's own vectors add to hidden states of the needed positions, where there are some.
    fn of_own_vectors(&self, hidden: &[f32], place: &Place<'_>) -> Result<Option<Buffer>> {
        let (Some(per_layer), Some(own)) = (&self.per_layer, &place.own) else { return Ok(None) };
        let width = per_layer.gate.weight.rows();
        let own = &own[place.needed.start * width..place.needed.end * width];
        per_layer.run(hidden, own, place.batch.adapter).map(Some)
    }

    /// The same without what comes after attention and the MLP.
    fn compute(
        &self,
        config: &Config,
        hidden: &mut Buffer,
        caches: &mut Caches<'_>,
        place: &Place<'_>,
        keys_values: &mut [KeysValuesOf],
    ) -> Result<()> {
        let Batch { adapter, times, .. } = *place.batch;
        let index = place.index;
        if self.adds == Adds::ToNormed {
            *hidden = normed(self.attention_norm.as_ref(), std::mem::take(hidden));
        }
        let around = self.altup.as_ref().map(|altup| {
            let needed = place.needed.start * config.width..place.needed.end * config.width;
            (&altup.laurel, normed(self.attention_norm.as_ref(), copied(&hidden[needed])))
        });
        let attended = Times::around(
            times,
            |times| &times.layers[index].mixing,
            || self.attend(config, hidden, caches, place, keys_values),
        )?;
        if hidden.is_empty() {
            return Ok(());
        }
        let feed = |hidden: &[f32]| {
            let feed = || self.feed(config, hidden, adapter);
            Times::around(times, |times| &times.layers[index].alone, feed)
        };
        if self.adds == Adds::Together {
            let fed = feed(hidden)?;
            self.add(hidden, attended, None);
            self.add(hidden, fed, None);
            return Ok(());
        }
        self.add(hidden, attended, self.post_attention_norm.as_ref());
        if let Some((laurel, read)) = around {
            let run = |linear: &Linear, x: &[f32], count| linear.run(x, count, adapter);
            laurel.join(hidden, &read, place.needed.len(), &run)?;
        }
        if self.adds == Adds::ToNormed {
            *hidden = normed(self.mlp_norm.as_ref(), std::mem::take(hidden));
        }
        let fed = feed(hidden)?;
        self.add(hidden, fed, self.post_mlp_norm.as_ref());
        Ok(())
    }

    /// Adds what attention or the MLP gave.
    fn add(&self, hidden: &mut Buffer, more: Buffer, norm: Option<&Norm>) {
        if self.adds == Adds::InTurnNormed {
            rows::add(hidden, &more);
            *hidden = normed(norm, std::mem::take(hidden));
            return;
        }
        let mut more = normed(norm, more);
        rows::scale(&mut more, self.residual_scale);
        rows::add(hidden, &more);
    }

    fn attend(
        &self,
        config: &Config,
        hidden: &mut Buffer,
        caches: &mut Caches<'_>,
        place: &Place<'_>,
        keys_values: &mut [KeysValuesOf],
    ) -> Result<Buffer> {
        let Place { index, batch, ref needed, .. } = *place;
        let Batch { adapter, lines, .. } = *batch;
        let rows_of = |width: usize| needed.start * width..needed.end * width;
        if let Qkv::Recurrent(recurrent) = &self.qkv {
            let Caches::One(cache) = caches else {
                candle_core::bail!("a layer that carries a state runs one text at a time")
            };
            let count = hidden.len() / config.width;
            let read = self.attention_norm.as_ref().map(|norm| norm.run(hidden));
            let x = read.as_deref().unwrap_or(&*hidden);
            let mut mixed = recurrent.run(x, count, cache.state_mut(index), adapter)?;
            mixed.keep(rows_of(self.output.weight.cols()));
            hidden.keep(rows_of(config.width));
            return if mixed.is_empty() {
                Ok(mixed)
            } else {
                self.output.run(&mixed, needed.len(), adapter)
            };
        }
        let beside = match (&self.beside, &mut *caches) {
            (Some(beside), Caches::One(cache)) => {
                let read = self.attention_norm.as_ref().map(|norm| norm.run(hidden));
                let x = read.as_deref().unwrap_or(&*hidden);
                let count = hidden.len() / config.width;
                Some(beside.run(x, count, needed, cache.state_mut(index), adapter)?)
            }
            (Some(_), Caches::Lanes(_)) => {
                candle_core::bail!("a layer that carries a state runs one text at a time")
            }
            (None, _) => None,
        };
        let table = self.rope.map(|rope| &batch.tables[rope]);
        let Seen { mut q, k, v, gate } =
            self.queries_keys_values(config, hidden, adapter, table)?;
        let mut out = if let Caches::Lanes(caches) = caches {
            self.attend_lanes(index, caches, &q, (&k, &v))
        } else if let (Caches::One(cache), [line]) = (&mut *caches, lines) {
            let cache = if let Some(other) = self.keys_of {
                cache.layer_mut(other)
            } else {
                let cache = cache.layer_mut(index);
                cache.append(&k, &v);
                cache
            };
            q.keep(rows_of(self.attention.query_width()));
            hidden.keep(rows_of(config.width));
            if q.is_empty() {
                return Ok(q);
            }
            attend(&self.attention, &self.sinks, &q, cache, line.position + needed.start)
        } else {
            let Caches::One(cache) = caches else { candle_core::bail!("lanes were run above") };
            let owner = self.keys_of.unwrap_or(index);
            if self.keys_of.is_none() {
                keys_values[index] = Some((k, v));
            }
            let Some((k, v)) = &keys_values[owner] else {
                candle_core::bail!("layer {index} sees the keys of layer {owner}, which has none")
            };
            let mut out = self.attend_lines(lines, &q, (k, v), cache.layer_mut(owner));
            out.keep(rows_of(self.attention.query_width()));
            hidden.keep(rows_of(config.width));
            out
        };
        if let Qkv::Latent(latent) = &self.qkv {
            out = latent.narrowed(&out);
        }
        if let Some(mut gate) = gate {
            gate.keep(rows_of(self.attention.query_width()));
            out.iter_mut().zip(&*gate).for_each(|(out, gate)| *out *= sigmoid(*gate));
        }
        let mut attended = self.output.run(&out, needed.len(), adapter)?;
        if let (Some(more), Some(beside)) = (beside, &self.beside) {
            let [_, given] = beside.scales.attention;
            rows::scale(&mut attended, Some(given));
            rows::add(&mut attended, &more);
        }
        Ok(attended)
    }

    /// What the queries of several lines see, each of its own text: the cache takes in one line after
    /// the other, each from its position on.
    fn attend_lines(
        &self,
        lines: &[Line],
        q: &[f32],
        (k, v): (&[f32], &[f32]),
        cache: &mut LayerCache,
    ) -> Buffer {
        let (q_width, kv_width) = (self.attention.query_width(), self.attention.kv_width());
        let mut out = Buffer::any(q.len());
        for Line { rows, position } in lines {
            let of = |width: usize| rows.start * width..rows.end * width;
            cache.truncate(*position);
            cache.append(&k[of(kv_width)], &v[of(kv_width)]);
            let seen = attend(&self.attention, &self.sinks, &q[of(q_width)], cache, *position);
            out[of(q_width)].copy_from_slice(&seen);
        }
        out
    }

    /// Queries, keys and values of every position, the first two as they meet: normed and turned.
    pub(crate) fn queries_keys_values(
        &self,
        config: &Config,
        hidden: &[f32],
        adapter: Option<&Adapter>,
        table: Option<&RopeTable>,
    ) -> Result<Seen> {
        let (count, shape) = (hidden.len() / config.width, &self.attention);
        let mut read = self.read_through(self.attention_norm.as_ref()).map(|norm| norm.run(hidden));
        if let (Some(beside), Some(read)) = (&self.beside, &mut read) {
            let [reads, _] = beside.scales.attention;
            rows::scale(read, Some(reads));
        }
        let x = read.as_deref().unwrap_or(hidden);
        let mut gate = match &self.head_gate {
            Some(matrix) => Some(spread(&matrix.run(x, count, adapter)?, shape.head_dim)),
            None => None,
        };
        let [mut q, mut k, mut v] = match &self.qkv {
            Qkv::Separate { q, k, v } => Linear::run_all([q, k, v], x, count, adapter)?,
            Qkv::Fused { all, parts } => {
                let all = all.run(x, count, adapter)?;
                parts.map(|part| part.take(&all))
            }
            Qkv::Latent(latent) => latent.run(x, count, adapter)?,
            Qkv::Queries(q) => [q.run(x, count, adapter)?, Buffer::default(), Buffer::default()],
            Qkv::Gated { q, k, v, parts } => {
                let [both, k, v] = Linear::run_all([q, k, v], x, count, adapter)?;
                let [q, gates] = parts.map(|part| part.take(&both));
                gate = Some(gates);
                [q, k, v]
            }
            Qkv::Recurrent(_) => candle_core::bail!("a recurrent layer has no keys"),
            Qkv::KeysAsValues { q, k } => {
                let [q, k] = Linear::run_all([q, k], x, count, adapter)?;
                let mut v = Buffer::any(k.len());
                v.copy_from_slice(&k);
                [q, k, v]
            }
        };
        if !self.norms_turned {
            (q, k) = (normed(self.q_norm.as_ref(), q), normed(self.k_norm.as_ref(), k));
        }
        v = normed(self.v_norm.as_ref(), v);
        if let Some(limit) = self.clip_qkv {
            for values in [&mut q, &mut k, &mut v] {
                values.iter_mut().for_each(|value| *value = value.clamp(-limit, limit));
            }
        }
        if let Some(table) = table {
            rows::rotate(&mut q, shape.query_width(), shape.head_dim, table, 1.0);
            rows::rotate(&mut k, shape.kv_width(), shape.head_dim, table, 1.0);
            rows::scale_queries(&mut q, shape.query_width(), table);
        }
        if self.norms_turned {
            (q, k) = (normed(self.q_norm.as_ref(), q), normed(self.k_norm.as_ref(), k));
        }
        Ok(Seen { q, k, v, gate })
    }

    fn feed(&self, config: &Config, hidden: &[f32], adapter: Option<&Adapter>) -> Result<Buffer> {
        let count = hidden.len() / config.width;
        let read = self.read_through(self.mlp_norm.as_ref()).map(|norm| norm.run(hidden));
        self.feed.run(read.as_deref().unwrap_or(hidden), hidden, count, adapter)
    }
}

fn copied(x: &[f32]) -> Buffer {
    let mut out = Buffer::any(x.len());
    out.copy_from_slice(x);
    out
}

/// Each number as many times as a head has dimensions.
fn spread(of_heads: &[f32], head_dim: usize) -> Buffer {
    let mut out = Buffer::any(of_heads.len() * head_dim);
    for (out, number) in out.chunks_exact_mut(head_dim).zip(of_heads) {
        out.fill(*number);
    }
    out
}

pub(super) fn normed(norm: Option<&Norm>, x: Buffer) -> Buffer {
    match norm {
        Some(norm) => norm.run(&x),
        None => x,
    }
}
