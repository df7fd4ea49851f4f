//! The fast pass: plain numbers, no graph. Reads the prompt at once or one token at a time, and
//! remembers keys and values.

use std::ops::{ControlFlow, Range};

use candle_core::Result;
use tuning_fork_kernels::QMatrix;

use super::altup::product;
use super::buffers::{self, Buffer};
use super::cache::KvCache;
use super::layer::{Batch, Caches, KeysValuesOf, Line, Place, normed};
use super::linear::{Linear, add_pair};
use super::ops::with_f32;
use super::rows;
use super::times::Times;
use super::transformer::{Layer, Transformer};
use super::tree::TokenTree;
use crate::llm::adapter::lora::{Adapter, HEAD, LoraPair};
use crate::llm::adapter::soft::VIRTUAL;
use crate::llm::config::Config;
use crate::llm::error::Error;

/// Something that wants to see the hidden states on their way through, (positions, width) each:
/// the embedding, every layer's result but the last, and the result of the final norm. It says
/// whether it wants to see more; where it does not, the run ends there and is not remembered.
pub(crate) type Watcher<'a> = &'a mut dyn FnMut(&[f32]) -> ControlFlow<()>;

/// Who sees a run on its way.
pub(crate) enum Witness<'a> {
    States(Watcher<'a>),

    /// The same, but before a layer what its attention reads, ahead of its norm: another state than the
    /// layer before gave where a layer predicts it (Gemma 3n).
    Inputs(Watcher<'a>),

    /// Its parts add what they take.
    Times(&'a Times),
}

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
        mut witness: Option<Witness<'_>>,
    ) -> std::result::Result<Vec<f32>, Error> {
        let start = cache.done();
        // Where rope depends on the length of a text, it is that of the whole, not of a piece.
        let length = cache.planned().max(start + ids.len());
        // A watcher gets all positions of a layer together.
        let sees_states = matches!(witness, Some(Witness::States(_) | Witness::Inputs(_)));
        // So does attention that sees what comes after.
        let is_whole = sees_states || config.both_ways;
        let step = if is_whole { ids.len().max(1) } else { POSITIONS };
        let mut result = Vec::with_capacity(wanted.len() * config.width);
        cache.reserve(start + ids.len());
        for from in (0..ids.len()).step_by(step) {
            let part = from..ids.len().min(from + step);
            let wanted = wanted.start.clamp(part.start, part.end) - from
                ..wanted.end.clamp(part.start, part.end) - from;
            let run = buffers::unless_out_of_memory(|| {
                self.run_part(config, &ids[part], length, cache, adapter, wanted, &mut witness)
            });
            match run.map_err(Error::from).and_then(|hidden| Ok(hidden?)) {
                Ok(Some(hidden)) => result.extend_from_slice(&hidden),
                Ok(None) => {
                    cache.rewind(start);
                    return Ok(result);
                }
                Err(err) => {
                    cache.rewind(start);
                    return Err(err);
                }
            }
        }
        if ids.len() > 1 {
            cache.remember();
        }
        Ok(result)
    }

    /// As [`Self::run`], all positions at once, in a text of `length` tokens; a failure leaves the
    /// cache half filled, and so does a watcher that has seen enough (`None`).
    #[expect(clippy::too_many_arguments, reason = "as above")]
    fn run_part(
        &self,
        config: &Config,
        ids: &[u32],
        length: usize,
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        wanted: Range<usize>,
        witness: &mut Option<Witness<'_>>,
    ) -> Result<Option<Buffer>> {
        let start = cache.done();
        let (watch, of_inputs, times) = match witness {
            Some(Witness::States(watch)) => (Some(watch), false, None),
            Some(Witness::Inputs(watch)) => (Some(watch), true, None),
            Some(Witness::Times(times)) => (None, false, Some(&**times)),
            None => (None, false, None),
        };
        let embed = || self.embed(config, ids, start, adapter);
        let hidden = Times::around(times, |times| &times.embedding, embed);
        let tables = config.ropes.iter().map(|rope| rope.table_within(start, ids.len(), length));
        let lines = [Line { rows: 0..ids.len(), position: start }];
        let tables = tables.collect();
        let batch = Batch { ids, lines: &lines, tables, adapter, wanted, times, of_inputs };
        let hidden = self.run_batch(config, &batch, hidden, &mut Caches::One(cache), watch)?;
        if hidden.is_some() {
            cache.advance(ids.len());
        }
        Ok(hidden)
    }

    /// Runs a tree of tokens after what `cache` holds, all rows at once; the cache holds afterwards
    /// what it held before. Returns the hidden states after the final norm, (rows of the tree, width).
    /// The sequences of the tree are sorted, and no layer carries a state.
    pub fn run_tree(
        &self,
        config: &Config,
        tree: &TokenTree,
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
    ) -> std::result::Result<Buffer, Error> {
        let (start, depth) = (cache.done(), tree.depth());
        let length = cache.planned().max(start + depth);
        cache.reserve(start + depth);
        let lines: Vec<Line> = tree
            .segments()
            .iter()
            .map(|segment| Line {
                rows: segment.first_row..segment.first_row + segment.len,
                position: start + segment.prefix.len(),
            })
            .collect();
        let positions = tree.positions();
        let run = buffers::unless_out_of_memory(|| {
            let hidden = self.embed_tree(config, tree, start, adapter);
            let tables = config.ropes.iter();
            let tables = tables.map(|rope| rope.table_within(start, depth, length).at(positions));
            let batch = Batch {
                ids: tree.ids(),
                lines: &lines,
                tables: tables.collect(),
                adapter,
                wanted: 0..tree.len(),
                times: None,
                of_inputs: false,
            };
            self.run_batch(config, &batch, hidden, &mut Caches::One(cache), None)
        });
        cache.rewind(start);
        Ok(run.map_err(Error::from)??.unwrap_or_default())
    }

    /// Takes embedded rows through the layers and the final norm: of those that are wanted.
    pub(super) fn run_batch(
        &self,
        config: &Config,
        batch: &Batch<'_>,
        mut hidden: Buffer,
        caches: &mut Caches<'_>,
        mut watch: Option<&mut Watcher<'_>>,
    ) -> Result<Option<Buffer>> {
        let (width, count) = (config.width, batch.ids.len());
        let wanted = &batch.wanted;
        let everything = 0..count;
        let per_layer = self.per_layer.as_ref().map(|tables| tables.inputs(batch.ids, &hidden));
        if let Some(streams) = &self.streams {
            hidden = streams.spread(&hidden, count, &product);
        }
        let mut keys_values: Vec<KeysValuesOf> = self.layers.iter().map(|_| None).collect();
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(watch) = &mut watch
                && self.show(layer, &hidden, batch, watch)?.is_break()
            {
                return Ok(None);
            }
            // Nobody reads what the last layer makes of the other positions, only their keys and
            // values.
            let is_last = index + 1 == self.layers.len();
            let needed = if is_last && watch.is_none() { wanted } else { &everything };
            let own = per_layer.as_ref().map(|inputs| inputs.of(index, count));
            let place = Place { index, batch, needed: needed.clone(), own };
            layer.run(config, &mut hidden, caches, &place, &mut keys_values)?;
        }
        if let Some(streams) = self.streams.as_ref().filter(|_| !hidden.is_empty()) {
            let left = if watch.is_some() { count } else { wanted.len() };
            hidden = streams.merge(&hidden, left, &product);
        }
        let mut normed = normed(self.final_norm.as_ref(), hidden);
        if let Some(watch) = watch {
            if watch(&normed).is_break() {
                return Ok(None);
            }
            normed.keep(wanted.start * width..wanted.end * width);
        }
        Ok(Some(normed))
    }

    /// Shows what a layer is about to run on.
    fn show(
        &self,
        layer: &Layer,
        hidden: &[f32],
        batch: &Batch<'_>,
        watch: &mut Watcher<'_>,
    ) -> Result<ControlFlow<()>> {
        Ok(match (&self.streams, &layer.altup) {
            (Some(_), Some(altup)) if batch.of_inputs => {
                let run = |linear: &Linear, x: &[f32], count| linear.run(x, count, batch.adapter);
                let states = altup.predicted(hidden, batch.ids.len(), &run)?;
                watch(altup.active_of(&states))
            }
            (Some(streams), _) => watch(streams.seen(hidden)),
            (None, _) => watch(hidden),
        })
    }

    /// [`Self::embed`] for the rows of a tree that stands after `start` tokens.
    pub fn embed_tree(
        &self,
        config: &Config,
        tree: &TokenTree,
        start: usize,
        adapter: Option<&Adapter>,
    ) -> Buffer {
        let width = config.width;
        let mut hidden = Buffer::any(tree.len() * width);
        for segment in tree.segments() {
            let rows = segment.first_row..segment.first_row + segment.len;
            let position = start + segment.prefix.len();
            let embedded = self.embed(config, &tree.ids()[rows.clone()], position, adapter);
            hidden[rows.start * width..rows.end * width].copy_from_slice(&embedded);
        }
        hidden
    }

    /// (positions, width), scaled and with learned positions where the family has them.
    pub fn embed(
        &self,
        config: &Config,
        ids: &[u32],
        start: usize,
        adapter: Option<&Adapter>,
    ) -> Buffer {
        let hidden = self.embed_plain(config, ids, start, adapter);
        normed(self.embedding_norm.as_ref(), hidden)
    }

    /// [`Self::embed`] before its norm.
    pub fn embed_plain(
        &self,
        config: &Config,
        ids: &[u32],
        start: usize,
        adapter: Option<&Adapter>,
    ) -> Buffer {
        let own = adapter.and_then(|adapter| adapter.tables.embedding.as_ref());
        let embedding = own.unwrap_or(&self.embedding);
        let width = config.width;
        let mut hidden = match &self.projections {
            None => looked_up(embedding, config, ids, width),
            Some([project_in, _]) => {
                let vectors = looked_up(embedding, config, ids, project_in.cols());
                let mut hidden = Buffer::any(ids.len() * width);
                project_in.matmul(&vectors, ids.len(), &mut hidden);
                hidden
            }
        };
        if let Some(soft) = adapter.and_then(Adapter::soft) {
            for (id, row) in ids.iter().zip(hidden.chunks_exact_mut(width)) {
                if *id >= VIRTUAL {
                    soft.embed(*id, row);
                }
            }
        }
        if let Some(pair) = adapter.and_then(|adapter| adapter.pair(adapter.embedding)) {
            add_looked_up(pair, config, ids, &mut hidden);
        }
        if let (Some(positions), Some(skipped)) = (&self.positions, config.learned_positions) {
            let mut position = vec![0.0; width];
            for (index, row) in hidden.chunks_exact_mut(width).enumerate() {
                positions.dequantize_row(skipped + start + index, &mut position);
                rows::add_scaled(row, 1.0, &position);
            }
        }
        hidden
    }

    /// Hidden rows -> `scores`, (rows, vocabulary); what was in them plays no part.
    pub fn score(
        &self,
        config: &Config,
        hidden: &[f32],
        adapter: Option<&Adapter>,
        scores: &mut Vec<f32>,
    ) -> Result<()> {
        let count = hidden.len() / config.width;
        let len = count * config.vocab_size;
        if scores.capacity() < len {
            *scores = vec![0.0; len]; // comes cleared from the system
        } else {
            scores.resize(len, 0.0);
        }
        let own = adapter.and_then(|adapter| adapter.tables.head.as_ref());
        let head = own.unwrap_or(&self.head);
        match &self.projections {
            None => head.matmul(hidden, count, scores),
            Some([_, project_out]) => {
                let mut vectors = Buffer::any(count * project_out.rows());
                project_out.matmul(hidden, count, &mut vectors);
                head.matmul(&vectors, count, scores);
            }
        }
        if let Some(pair) = adapter.and_then(|adapter| adapter.pair(HEAD)) {
            add_pair(pair, hidden, config.width, scores)?;
        }
        self.finish_scores(config, scores);
        Ok(())
    }

    /// What comes after the head's product: a bias, a scale, a cap.
    pub fn finish_scores(&self, config: &Config, scores: &mut [f32]) {
        if let Some(bias) = &self.head_bias {
            for row in scores.chunks_exact_mut(bias.len()) {
                rows::add_scaled(row, 1.0, bias);
            }
        }
        rows::scale(scores, config.logit_scale);
        if let Some(cap) = config.final_softcap {
            rows::softcap(cap, scores);
        }
    }
}

/// Adds what LoRA on the embedding changes of some tokens' vectors, (tokens, width).
fn add_looked_up(pair: &LoraPair, config: &Config, ids: &[u32], hidden: &mut [f32]) {
    let LoraPair { a, b, scale, .. } = pair;
    let scale = *scale as f32 * config.embedding_scale.unwrap_or(1.0);
    let added = with_f32(a, |a| {
        with_f32(b, |b| {
            let rank = b.len() / config.width;
            let vocabulary = a.len() / rank.max(1);
            let mut column = vec![0.0; rank];
            for (id, row) in ids.iter().zip(hidden.chunks_exact_mut(config.width)) {
                for (r, value) in column.iter_mut().enumerate() {
                    *value = scale * a[r * vocabulary + *id as usize];
                }
                for (value, b) in row.iter_mut().zip(b.chunks_exact(rank)) {
                    *value += rows::dot(&column, b);
                }
            }
            Ok(())
        })
    });
    added.expect("an adapter's tensors are contiguous f32 ones on the CPU");
}

/// Rows of the embedding, scaled where the family does so.
fn looked_up(embedding: &QMatrix, config: &Config, ids: &[u32], width: usize) -> Buffer {
    let mut hidden = Buffer::any(ids.len() * width);
    for (id, row) in ids.iter().zip(hidden.chunks_exact_mut(width)) {
        if *id >= VIRTUAL {
            continue; // its vector is the adapter's
        }
        embedding.dequantize_row(*id as usize, row);
        rows::scale(row, config.embedding_scale);
    }
    hidden
}
