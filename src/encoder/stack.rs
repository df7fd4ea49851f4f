//! Layers one after the other, of any family: attention to the text itself, in a decoder also to what
//! an encoder has read, and a feed-forward part.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use candle_core::Result;
use tuning_fork_kernels as kernels;
use tuning_fork_kernels::QMatrix;

use super::attend::{Attended, Entangled, Rules, Text, attend};
use super::distance::{DistanceTable, NeededPlaces, shared_bucket};
use crate::llm::config::{Activation, RopeTable};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::{Linear, Norm};
use crate::llm::net::rows;

/// Where a layer's norms stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// After each sum (BERT, BART).
    NormAfter,

    /// Before attention and before the feed-forward part (T5, `ModernBERT`).
    NormBefore,
}

pub(crate) struct Attention {
    pub q: Linear,
    pub k: Linear,
    pub v: Linear,
    pub o: Linear,
    pub heads: usize,
    pub head_dim: usize,
    pub scale: f32,
}

pub(crate) struct Feed {
    pub first: Linear,

    /// What the activated values are multiplied with.
    pub gate: Option<Linear>,
    pub last: Linear,
    pub activation: Activation,
}

pub(crate) struct Block {
    pub attention: Attention,
    pub attention_norm: Option<Norm>,

    /// Attention to what an encoder has read.
    pub cross: Option<(Attention, Norm)>,
    pub feed: Feed,
    pub feed_norm: Option<Norm>,

    /// How far a query sees to either side.
    pub window: Option<usize>,

    /// The base of the rotary embedding, where there is one.
    pub turn: Option<f64>,
}

/// T5's and MPNet's learned distances, which all layers share.
pub(crate) struct Distances {
    /// (buckets, heads)
    pub learned: Vec<f32>,
    pub buckets: usize,
    pub farthest: usize,
    pub is_two_sided: bool,
}

/// DeBERTa's learned distances, which each layer turns into keys and queries.
pub(crate) struct Places {
    /// (2 · span, width), normed.
    pub learned: Vec<f32>,
    pub span: usize,

    /// 0: every distance has a row of its own.
    pub buckets: usize,
    pub most: usize,

    /// Queries meet distances; keys do.
    pub is_for_queries: bool,
    pub is_for_keys: bool,

    /// For each layer, where it does not use the matrices of its contents: of keys, of queries.
    pub own: Vec<[Option<Linear>; 2]>,
}

pub(crate) struct Stack {
    pub blocks: Vec<Arc<Block>>,
    pub order: Order,
    pub final_norm: Option<Norm>,
    pub is_causal: bool,
    pub distances: Option<Distances>,
    pub places: Option<Places>,
}

/// The texts of a batch: their rows, and which of these may be seen.
pub(crate) struct Batch<'a> {
    pub spans: Vec<Range<usize>>,
    pub visible: Vec<Option<&'a [bool]>>,
}

/// What a decoder remembers of one text.
#[derive(Clone)]
pub(crate) struct Cache {
    layers: Vec<CachedLayer>,
    length: usize,

    /// Which tokens of the encoder may be seen.
    seen: Option<Arc<[bool]>>,
}

#[derive(Clone)]
struct CachedLayer {
    keys: Vec<f32>,
    values: Vec<f32>,

    /// Of what the encoder has read.
    cross: Option<[Arc<[f32]>; 2]>,
}

/// Who wants to see the hidden states on their way: before each layer, and at the end. It says
/// whether it wants to see more.
pub(crate) type Watcher<'a> = &'a mut dyn FnMut(&[f32]) -> ControlFlow<()>;

/// The maps of the wanted layers' attention to the encoder: of each layer for each text (heads, queries,
/// keys).
pub(crate) type CrossMaps = Vec<Vec<Vec<f32>>>;

impl Stack {
    /// Hidden states of all texts, (tokens, width); `None` where the watcher has seen enough.
    pub fn run(
        &self,
        hidden: Buffer,
        batch: &Batch<'_>,
        watch: Watcher<'_>,
    ) -> Result<Option<Buffer>> {
        let longest = batch.spans.iter().map(|span| span.len()).max().unwrap_or_default();
        let pass = Pass { stack: self, table: self.table(longest), maps: None };
        let mut hidden = hidden;
        for (index, block) in self.blocks.iter().enumerate() {
            if watch(&hidden).is_break() {
                return Ok(None);
            }
            let entangled = self.entangled(index, block, longest)?;
            pass.attend_here(block, &mut hidden, batch, entangled.as_ref())?;
            self.feed(block, &mut hidden)?;
        }
        let hidden = self.finish(hidden);
        Ok(watch(&hidden).is_continue().then_some(hidden))
    }

    /// A decoder's: as [`Self::run`], after what the caches hold of each text, which grow. `kept`: the
    /// layers whose attention to the encoder is wanted.
    pub fn run_after(
        &self,
        hidden: Buffer,
        spans: &[Range<usize>],
        caches: &mut [Cache],
        watch: Watcher<'_>,
        kept: Range<usize>,
    ) -> Result<(Buffer, CrossMaps)> {
        let added = spans.iter().zip(caches.iter()).map(|(span, cache)| cache.length + span.len());
        let longest = added.max().unwrap_or_default();
        let mut pass = Pass { stack: self, table: self.table(longest), maps: None };
        let mut hidden = hidden;
        let mut maps = CrossMaps::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let _enough = watch(&hidden);
            pass.maps = kept.contains(&index).then(Vec::new);
            pass.attend_after(block, index, &mut hidden, (spans, &mut *caches))?;
            self.feed(block, &mut hidden)?;
            maps.extend(pass.maps.take());
        }
        for (cache, span) in caches.iter_mut().zip(spans) {
            cache.length += span.len();
        }
        let hidden = self.finish(hidden);
        let _enough = watch(&hidden);
        Ok((hidden, maps))
    }

    fn finish(&self, hidden: Buffer) -> Buffer {
        match &self.final_norm {
            Some(norm) => norm.run(&hidden),
            None => hidden,
        }
    }

    fn table(&self, longest: usize) -> Option<DistanceTable> {
        let Distances { learned, buckets, farthest, is_two_sided } = self.distances.as_ref()?;
        let heads = self.blocks.first()?.attention.heads;
        let reach = longest.saturating_sub(1);
        Some(DistanceTable::new(learned, heads, reach, |distance| {
            shared_bucket(distance, *is_two_sided, *buckets, *farthest)
        }))
    }

    /// What DeBERTa's learned distances are to this layer, as far as a text of this length needs them.
    fn entangled(&self, index: usize, block: &Block, longest: usize) -> Result<Option<Entangled>> {
        let Some(places) = &self.places else { return Ok(None) };
        let needed = NeededPlaces::of(longest, places.span, places.buckets, places.most);
        let NeededPlaces { rows, places: of_distances, reach } = needed;
        let width = block.attention.q.weight.cols();
        let learned = &places.learned[rows.start * width..rows.end * width];
        let [own_key, own_query] = &places.own[index];
        let keys = own_key.as_ref().unwrap_or(&block.attention.k);
        let queries = own_query.as_ref().unwrap_or(&block.attention.q);
        let count = rows.len();
        let run = |is_wanted: bool, layer: &Linear| {
            is_wanted.then(|| layer.run(learned, count, None)).transpose()
        };
        Ok(Some(Entangled {
            keys: run(places.is_for_queries, keys)?,
            queries: run(places.is_for_keys, queries)?,
            places: of_distances,
            reach,
            count,
        }))
    }

    fn feed(&self, block: &Block, hidden: &mut Buffer) -> Result<()> {
        let norm = block.feed_norm.as_ref();
        let read = norm.filter(|_| self.order == Order::NormBefore).map(|norm| norm.run(hidden));
        let x = read.as_deref().unwrap_or(hidden);
        let count = x.len() / block.feed.first.weight.cols();
        let mut inner = match &block.feed.gate {
            None => block.feed.first.run(x, count, None)?,
            Some(gate) => {
                let [mut inner, gate] = Linear::run_all([&block.feed.first, gate], x, count, None)?;
                activate(block.feed.activation, &mut inner);
                inner.iter_mut().zip(&*gate).for_each(|(inner, gate)| *inner *= gate);
                inner
            }
        };
        if block.feed.gate.is_none() {
            activate(block.feed.activation, &mut inner);
        }
        let fed = block.feed.last.run(&inner, count, None)?;
        self.add(hidden, &fed, norm);
        Ok(())
    }

    fn add(&self, hidden: &mut Buffer, more: &[f32], norm: Option<&Norm>) {
        rows::add(hidden, more);
        if let Some(norm) = norm.filter(|_| self.order == Order::NormAfter) {
            *hidden = norm.run(hidden);
        }
    }

    /// An empty memory of a text for a decoder, with what the encoder has made of the other text:
    /// `memory` (tokens, width).
    pub fn cache(&self, memory: &[f32], seen: Option<&[bool]>) -> Result<Cache> {
        let layers = self.blocks.iter().map(|block| {
            let cross = match &block.cross {
                None => None,
                Some((attention, _)) => {
                    let count = memory.len() / attention.k.weight.cols();
                    let both = [&attention.k, &attention.v];
                    let [keys, values] = Linear::run_all(both, memory, count, None)?;
                    Some([Arc::from(&*keys), Arc::from(&*values)])
                }
            };
            Ok(CachedLayer { keys: Vec::new(), values: Vec::new(), cross })
        });
        let layers = layers.collect::<Result<Vec<CachedLayer>>>()?;
        Ok(Cache { layers, length: 0, seen: seen.map(Arc::from) })
    }
}

impl Cache {
    pub fn len(&self) -> usize {
        self.length
    }
}

/// One run through the layers.
struct Pass<'a> {
    stack: &'a Stack,
    table: Option<DistanceTable>,

    /// Where this layer's attention to the encoder is kept, a map a text.
    maps: Option<Vec<Vec<f32>>>,
}

impl Pass<'_> {
    fn rules<'b>(
        &'b self,
        block: &Block,
        attention: &Attention,
        entangled: Option<&'b Entangled>,
    ) -> Rules<'b> {
        Rules {
            heads: attention.heads,
            head_dim: attention.head_dim,
            scale: attention.scale,
            is_causal: self.stack.is_causal,
            window: block.window,
            distances: self.table.as_ref(),
            entangled,
            keeps_maps: false,
        }
    }

    fn read(&self, norm: Option<&Norm>, hidden: &[f32]) -> Option<Buffer> {
        norm.filter(|_| self.stack.order == Order::NormBefore).map(|norm| norm.run(hidden))
    }

    fn attend_here(
        &self,
        block: &Block,
        hidden: &mut Buffer,
        batch: &Batch<'_>,
        entangled: Option<&Entangled>,
    ) -> Result<()> {
        let attention = &block.attention;
        let norm = block.attention_norm.as_ref();
        let read = self.read(norm, hidden);
        let x = read.as_deref().unwrap_or(hidden);
        let count = x.len() / attention.q.weight.cols();
        let all = [&attention.q, &attention.k, &attention.v];
        let [mut q, mut k, v] = Linear::run_all(all, x, count, None)?;
        let width = attention.heads * attention.head_dim;
        if let Some(base) = block.turn {
            for span in &batch.spans {
                let table = turns(base, attention.head_dim, span.len());
                let part = span.start * width..span.end * width;
                rows::rotate(&mut q[part.clone()], width, attention.head_dim, &table, 1.0);
                rows::rotate(&mut k[part], width, attention.head_dim, &table, 1.0);
            }
        }
        let texts = batch.spans.iter().zip(&batch.visible).map(|(span, visible)| Text {
            queries: span.clone(),
            keys: &k[span.start * width..span.end * width],
            values: &v[span.start * width..span.end * width],
            visible: *visible,
            first: 0,
        });
        let texts: Vec<Text<'_>> = texts.collect();
        let Attended { out, .. } = attend(self.rules(block, attention, entangled), &q, &texts);
        let out = attention.o.run(&out, count, None)?;
        self.stack.add(hidden, &out, norm);
        Ok(())
    }

    fn attend_after(
        &mut self,
        block: &Block,
        index: usize,
        hidden: &mut Buffer,
        (spans, caches): (&[Range<usize>], &mut [Cache]),
    ) -> Result<()> {
        let attention = &block.attention;
        let norm = block.attention_norm.as_ref();
        let read = self.read(norm, hidden);
        let x = read.as_deref().unwrap_or(hidden);
        let count = x.len() / attention.q.weight.cols();
        let all = [&attention.q, &attention.k, &attention.v];
        let [q, k, v] = Linear::run_all(all, x, count, None)?;
        let width = attention.heads * attention.head_dim;
        for (span, cache) in spans.iter().zip(caches.iter_mut()) {
            let part = span.start * width..span.end * width;
            cache.layers[index].keys.extend_from_slice(&k[part.clone()]);
            cache.layers[index].values.extend_from_slice(&v[part]);
        }
        let texts = spans.iter().zip(caches.iter()).map(|(span, cache)| Text {
            queries: span.clone(),
            keys: &cache.layers[index].keys,
            values: &cache.layers[index].values,
            visible: None,
            first: cache.length,
        });
        let texts: Vec<Text<'_>> = texts.collect();
        let Attended { out, .. } = attend(self.rules(block, attention, None), &q, &texts);
        let out = attention.o.run(&out, count, None)?;
        self.stack.add(hidden, &out, norm);
        match &block.cross {
            Some((attention, norm)) => {
                self.attend_across((attention, norm), index, hidden, (spans, caches))
            }
            None => Ok(()),
        }
    }

    fn attend_across(
        &mut self,
        (attention, norm): (&Attention, &Norm),
        index: usize,
        hidden: &mut Buffer,
        (spans, caches): (&[Range<usize>], &[Cache]),
    ) -> Result<()> {
        let read = self.read(Some(norm), hidden);
        let x = read.as_deref().unwrap_or(hidden);
        let count = x.len() / attention.q.weight.cols();
        let q = attention.q.run(x, count, None)?;
        let texts = spans.iter().zip(caches).filter_map(|(span, cache)| {
            let [keys, values] = cache.layers[index].cross.as_ref()?;
            let visible = cache.seen.as_deref();
            Some(Text { queries: span.clone(), keys, values, visible, first: 0 })
        });
        let texts: Vec<Text<'_>> = texts.collect();
        let rules = Rules {
            heads: attention.heads,
            head_dim: attention.head_dim,
            scale: attention.scale,
            is_causal: false,
            window: None,
            distances: None,
            entangled: None,
            keeps_maps: self.maps.is_some(),
        };
        let Attended { out, maps } = attend(rules, &q, &texts);
        if let Some(kept) = &mut self.maps {
            *kept = maps;
        }
        let out = attention.o.run(&out, count, None)?;
        self.stack.add(hidden, &out, Some(norm));
        Ok(())
    }
}

/// Cosines and sines of a plain rotary embedding for the positions from 0 on.
pub(super) fn turns(base: f64, head_dim: usize, positions: usize) -> RopeTable {
    let pairs = head_dim / 2;
    // In f32, as torch computes it: far positions turn the difference into 1e-5.
    let slow = |pair: usize| 1.0 / (base as f32).powf((2 * pair) as f32 / head_dim as f32);
    let slow: Vec<f32> = (0..pairs).map(slow).collect();
    let angles = (0..positions).flat_map(|at| slow.iter().map(move |slow| at as f32 * slow));
    let angles: Vec<f32> = angles.collect();
    RopeTable {
        cos: angles.iter().map(|angle| angle.cos()).collect(),
        sin: angles.iter().map(|angle| angle.sin()).collect(),
        pairs,
        neighbours: false,
        query_scales: Vec::new(),
    }
}

/// An activation, in place.
pub(crate) fn activate(activation: Activation, x: &mut [f32]) {
    match activation {
        Activation::Gelu => kernels::gelu(x),
        other => rows::activate(other, x),
    }
}

/// Rows of a table, scaled where the family does so: (ids, columns).
pub(crate) fn looked_up(table: &QMatrix, ids: &[u32], scale: Option<f32>) -> Buffer {
    let width = table.cols();
    let mut out = Buffer::any(ids.len() * width);
    for (id, row) in ids.iter().zip(out.chunks_exact_mut(width)) {
        table.dequantize_row(*id as usize, row);
    }
    rows::scale(&mut out, scale);
    out
}
