//! An encoder's body for training: from token ids to hidden states, and back.

use std::ops::Range;

use tuning_fork_kernels::gemm::Result as Written;

use super::block::{Block, BlockTape, Common, Places, Shared};
use super::cross::Memory;
use super::dropouts::{Dropouts, site};
use super::layers::{Lin, Pass, RowsNorm, copy, look_up, look_up_back};
use super::mask::Site;
use super::weights::{Grads, Id};
use crate::encoder::description::{FirstPosition, PlaceNames};
use crate::encoder::distance::{DistanceTable, NeededPlaces, shared_bucket};
use crate::encoder::network::{Tokens, places};
use crate::encoder::stack::Order;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows;

/// A table of vectors: where, and how many rows.
pub(crate) type Table = (Id, usize);

pub(crate) struct Body {
    pub words: Table,

    /// What the vectors of words are multiplied with.
    pub word_scale: Option<f32>,
    pub positions: Option<(Table, FirstPosition)>,
    pub kinds: Option<Table>,
    pub norm: Option<RowsNorm>,
    pub projection: Option<Lin>,
    pub projects_first: bool,
    pub blocks: Vec<Block>,
    pub final_norm: Option<RowsNorm>,
    pub order: Order,
    pub heads: usize,
    pub head_dim: usize,
    pub scale: f32,
    pub width: usize,
    pub embedding_width: usize,

    /// MPNet's distances: (buckets, heads).
    pub distances: Option<(Id, usize, usize)>,
    pub places: Option<PlaceTable>,

    /// The token whose vector torch leaves alone.
    pub padding: Option<u32>,
    pub dropouts: Dropouts,

    /// A decoder: what is before a token is all that it sees.
    pub is_causal: bool,

    /// Where dropout counts its layers from: two bodies of one model differ.
    pub first_site: usize,
}

/// DeBERTa's learned distances.
pub(crate) struct PlaceTable {
    pub table: Table,
    pub norm: Option<RowsNorm>,
    pub names: PlaceNames,
}

/// The texts of a batch, one after the other.
pub(crate) struct Batch {
    pub spans: Vec<Range<usize>>,
    ids: Vec<u32>,
    kinds: Vec<u32>,
    positions: Vec<u32>,

    /// What a decoder attends to.
    pub memory: Option<Memory>,
}

impl Batch {
    /// Tokens of the longest text.
    fn longest(&self) -> usize {
        self.spans.iter().map(|span| span.len()).max().unwrap_or_default()
    }
}

/// What the backward pass needs.
pub(crate) struct BodyTape {
    embedding: EmbeddingTape,
    blocks: Vec<BlockTape>,

    /// What the final norm saw.
    last: Buffer,
}

struct EmbeddingTape {
    /// Before the first product, where that comes before the norm.
    looked_up: Buffer,

    /// Before the norm.
    summed: Buffer,

    /// Before the product, where that comes after the norm.
    normed: Buffer,
}

/// DeBERTa's learned distances of a pass.
struct PlacesOfPass {
    learned: Buffer,
    rows: Vec<usize>,
    range: Range<usize>,
    reach: usize,
}

impl Body {
    pub fn batch(&self, texts: &[Tokens<'_>]) -> Batch {
        let mut batch = Batch {
            spans: Vec::new(),
            ids: Vec::new(),
            kinds: Vec::new(),
            positions: Vec::new(),
            memory: None,
        };
        for text in texts {
            let start = batch.ids.len();
            batch.ids.extend_from_slice(text.ids);
            batch.spans.push(start..batch.ids.len());
            match text.kinds {
                Some(kinds) => batch.kinds.extend_from_slice(kinds),
                None => batch.kinds.resize(batch.ids.len(), 0),
            }
            if let Some((_, first)) = self.positions {
                batch.positions.extend(places(first, 0, text.ids));
            }
        }
        batch
    }

    /// The last hidden states, (tokens, width); with `only_first` those of each text's first token.
    /// `keeps`: a backward pass follows.
    pub fn forward(
        &self,
        pass: Pass<'_>,
        batch: &Batch,
        (only_first, keeps): (bool, bool),
    ) -> (Buffer, Option<BodyTape>) {
        let (mut hidden, embedding) = self.embed(pass, batch);
        let places = self.places(pass, batch);
        let common = self.common(pass, batch, places.as_ref());
        let first: Vec<usize> = batch.spans.iter().map(|span| span.start).collect();
        let mut tapes = Vec::with_capacity(self.blocks.len());
        for (index, block) in self.blocks.iter().enumerate() {
            let is_last = index + 1 == self.blocks.len();
            let only = (only_first && is_last).then_some(&*first);
            let (out, tape) = block.forward(&common, hidden, only);
            hidden = out;
            if keeps {
                tapes.push(tape);
            }
        }
        let Some(norm) = self.final_norm else {
            let tape =
                keeps.then(|| BodyTape { embedding, blocks: tapes, last: Buffer::default() });
            return (hidden, tape);
        };
        let mut out = norm.forward(pass, &hidden);
        pass.drop(self.last_site(), self.dropouts.last, &mut out);
        (out, keeps.then_some(BodyTape { embedding, blocks: tapes, last: hidden }))
    }

    fn last_site(&self) -> Site {
        Site::new(site::LAST, self.first_site)
    }

    /// From the gradient by the last hidden states into everything that learns. Gives the gradient by what
    /// a decoder attends to, where `wants_memory`.
    pub fn backward(
        &self,
        pass: Pass<'_>,
        batch: &Batch,
        (tape, grad, wants_memory): (BodyTape, Buffer, bool),
        grads: &mut Grads,
    ) -> Vec<f32> {
        let BodyTape { embedding, mut blocks, last } = tape;
        let places = self.places(pass, batch);
        let common = self.common(pass, batch, places.as_ref());
        let mut grad = match self.final_norm {
            Some(norm) => {
                let dropped = pass.dropped(self.last_site(), self.dropouts.last, &grad);
                norm.backward(pass, &last, dropped.as_deref().unwrap_or(&grad), grads)
            }
            None => grad,
        };
        let mut shared = Shared::default();
        if let Some(memory) = batch.memory.as_ref().filter(|_| wants_memory) {
            shared.memory = vec![0.0; memory.states.len()];
        }
        let lowest = if wants_memory { Some(0) } else { self.lowest(grads) };
        while let Some(tape) = blocks.pop() {
            let index = blocks.len();
            if lowest.is_none_or(|lowest| index < lowest) && !self.learns_below(grads) {
                break;
            }
            let wants_x = self.learns_below(grads) || lowest.is_some_and(|lowest| index > lowest);
            let block = &self.blocks[index];
            if let Some(x_grad) =
                block.backward(&common, tape, grad, (&mut *grads, &mut shared), wants_x)
            {
                grad = x_grad;
            } else {
                grad = Buffer::default();
                break;
            }
        }
        self.shared_back(pass, (places, &shared), batch, grads);
        if self.learns_below(grads) && !grad.is_empty() {
            self.embed_back(pass, batch, &embedding, grad, grads);
        }
        shared.memory
    }

    /// Whether anything in it learns.
    pub fn learns(&self, grads: &Grads) -> bool {
        self.learns_below(grads)
            || self.lowest(grads).is_some()
            || self.final_norm.is_some_and(|norm| grads.wants(norm.weight))
    }

    /// The first layer in which something learns.
    fn lowest(&self, grads: &Grads) -> Option<usize> {
        let shares = self.distances.is_some_and(|(id, ..)| grads.wants(id))
            || self.places.as_ref().is_some_and(|places| grads.wants(places.table.0));
        if shares {
            return Some(0);
        }
        self.blocks.iter().position(|block| block.learns(grads))
    }

    fn learns_below(&self, grads: &Grads) -> bool {
        let tables = [Some(self.words), self.positions.map(|(table, _)| table), self.kinds];
        let norm = self.norm.is_some_and(|norm| grads.wants(norm.weight));
        let projection = self.projection.as_ref().is_some_and(|layer| layer.learns(grads));
        norm || projection || tables.into_iter().flatten().any(|(id, _)| grads.wants(id))
    }

    fn common<'a>(
        &self,
        pass: Pass<'a>,
        batch: &'a Batch,
        places: Option<&'a PlacesOfPass>,
    ) -> Common<'a> {
        let reach = batch.longest().saturating_sub(1);
        let table = self.distances.map(|(id, buckets, farthest)| {
            let table =
                DistanceTable::new(pass.weights.values(id), self.heads, reach, |distance| {
                    shared_bucket(distance, !self.is_causal, buckets, farthest)
                });
            (table, reach)
        });
        let names = self.places.as_ref().map(|places| places.names);
        let places = places.zip(names).map(|(places, names)| Places {
            learned: &places.learned,
            rows: places.rows.clone(),
            reach: places.reach,
            count: places.range.len(),
            is_for_queries: names.is_for_queries,
            is_for_keys: names.is_for_keys,
        });
        Common {
            pass,
            order: self.order,
            heads: self.heads,
            head_dim: self.head_dim,
            scale: self.scale,
            dropouts: self.dropouts,
            spans: &batch.spans,
            table,
            places,
            is_causal: self.is_causal,
            memory: batch.memory.as_ref(),
        }
    }

    fn embedding_site(&self) -> Site {
        Site::new(site::EMBEDDING, self.first_site)
    }

    fn embed(&self, pass: Pass<'_>, batch: &Batch) -> (Buffer, EmbeddingTape) {
        let mut hidden = Buffer::any(batch.ids.len() * self.embedding_width);
        look_up(pass.weights.values(self.words.0), &batch.ids, &mut hidden, Written::Replace);
        rows::scale(&mut hidden, self.word_scale);
        if let Some((id, _)) = self.kinds {
            look_up(pass.weights.values(id), &batch.kinds, &mut hidden, Written::Add);
        }
        if let Some(((id, _), _)) = self.positions {
            look_up(pass.weights.values(id), &batch.positions, &mut hidden, Written::Add);
        }
        let mut tape = EmbeddingTape {
            looked_up: Buffer::default(),
            summed: Buffer::default(),
            normed: Buffer::default(),
        };
        if let Some(projection) = self.projection.as_ref().filter(|_| self.projects_first) {
            let out = projection.forward(pass, &hidden);
            tape.looked_up = std::mem::replace(&mut hidden, out);
        }
        if let Some(norm) = self.norm {
            let out = norm.forward(pass, &hidden);
            tape.summed = std::mem::replace(&mut hidden, out);
        }
        pass.drop(self.embedding_site(), self.dropouts.embedding, &mut hidden);
        if let Some(projection) = self.projection.as_ref().filter(|_| !self.projects_first) {
            let out = projection.forward(pass, &hidden);
            tape.normed = std::mem::replace(&mut hidden, out);
        }
        (hidden, tape)
    }

    fn embed_back(
        &self,
        pass: Pass<'_>,
        batch: &Batch,
        tape: &EmbeddingTape,
        mut grad: Buffer,
        grads: &mut Grads,
    ) {
        let back = |layer: &Lin, x: &[f32], grad: &[f32], grads: &mut Grads| {
            let mut out = Buffer::any(x.len());
            layer.backward(pass, x, grad, (grads, Some((&mut *out, Written::Replace))));
            out
        };
        if let Some(projection) = self.projection.as_ref().filter(|_| !self.projects_first) {
            grad = back(projection, &tape.normed, &grad, grads);
        }
        pass.drop(self.embedding_site(), self.dropouts.embedding, &mut grad);
        if let Some(norm) = self.norm {
            grad = norm.backward(pass, &tape.summed, &grad, grads);
        }
        if let Some(projection) = self.projection.as_ref().filter(|_| self.projects_first) {
            grad = back(projection, &tape.looked_up, &grad, grads);
        }
        if let Some(kinds) = self.kinds {
            look_up_back(kinds, &batch.kinds, &grad, None, grads);
        }
        if let Some((positions, first)) = self.positions {
            let padding = match first {
                FirstPosition::After(padding) => Some(padding),
                FirstPosition::From(_) => None,
            };
            look_up_back(positions, &batch.positions, &grad, padding, grads);
        }
        rows::scale(&mut grad, self.word_scale);
        look_up_back(self.words, &batch.ids, &grad, self.padding, grads);
    }

    /// DeBERTa's learned distances, as far as this batch needs them.
    fn places(&self, pass: Pass<'_>, batch: &Batch) -> Option<PlacesOfPass> {
        let PlaceTable { table, norm, names } = self.places.as_ref()?;
        let needed = NeededPlaces::of(batch.longest(), names.span, names.buckets, names.most);
        let NeededPlaces { rows: range, places: rows, reach } = needed;
        let all = &pass.weights.values(table.0)[range.start * self.width..range.end * self.width];
        let learned = norm.map_or_else(|| copy(all), |norm| norm.forward(pass, all));
        Some(PlacesOfPass { learned, rows, range, reach })
    }

    /// Into what all layers share.
    fn shared_back(
        &self,
        pass: Pass<'_>,
        (places, shared): (Option<PlacesOfPass>, &Shared),
        batch: &Batch,
        grads: &mut Grads,
    ) {
        if let (Some((id, buckets, farthest)), false) =
            (self.distances, shared.distances.is_empty())
        {
            let len = pass.weights.values(id).len();
            let reach = batch.longest().saturating_sub(1).cast_signed() as i64;
            if let Some(sums) = grads.of(id, len) {
                for (head, of_head) in
                    shared.distances.chunks_exact(2 * reach as usize + 1).enumerate()
                {
                    for (distance, slope) in (-reach..=reach).zip(of_head) {
                        let bucket = shared_bucket(distance, !self.is_causal, buckets, farthest);
                        sums[bucket * self.heads + head] += slope;
                    }
                }
            }
        }
        let (Some(found), Some(PlaceTable { table, norm, .. })) = (places, &self.places) else {
            return;
        };
        if shared.places.is_empty() {
            return;
        }
        let (id, count) = *table;
        let part = found.range.start * self.width..found.range.end * self.width;
        let grad = match norm {
            Some(norm) => {
                let all = &pass.weights.values(id)[part.clone()];
                norm.backward(pass, all, &shared.places, grads)
            }
            None => copy(&shared.places),
        };
        if let Some(sums) = grads.of(id, count * self.width) {
            rows::add_scaled(&mut sums[part], 1.0, &grad);
        }
    }
}
