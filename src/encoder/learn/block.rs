//! A layer for training: attention and the feed-forward part, forwards with what the backward pass needs,
//! and back.

mod back;

use std::ops::Range;

use rayon::prelude::*;

use super::attention::{self, Inputs, Rules, Text};
use super::cross::{Around, Cross, CrossTape, Memory};
use super::dropouts::{Dropouts, site};
use super::layers::{Lin, Pass, RowsNorm, activate, copy};
use super::mask::Site;
use super::weights::Grads;
use crate::encoder::attend::Entangled;
use crate::encoder::distance::DistanceTable;
use crate::encoder::stack::{Order, turns};
use crate::llm::config::Activation;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows;
use crate::llm::net::rows::Stripes;

pub(crate) enum Projections {
    Apart(Box<[Lin; 3]>),

    /// Rows one after the other in one matrix.
    Fused(Lin),
}

pub(crate) enum Gate {
    None,
    Own(Lin),

    /// In the same matrix, behind what is activated.
    Fused,
}

pub(crate) struct Block {
    pub index: usize,
    pub qkv: Projections,
    pub o: Lin,
    pub attention_norm: Option<RowsNorm>,

    /// Cross-attention, of a decoder.
    pub cross: Option<Cross>,
    pub first: Lin,
    pub gate: Gate,
    pub last: Lin,
    pub feed_norm: Option<RowsNorm>,
    pub activation: Activation,
    pub window: Option<usize>,

    /// The base of the rotary embedding, where there is one.
    pub turn: Option<f64>,

    /// DeBERTa's own matrices of distances as keys and as queries.
    pub own_places: [Option<Lin>; 2],
}

/// What all layers of a pass have in common.
pub(crate) struct Common<'a> {
    pub pass: Pass<'a>,
    pub order: Order,
    pub heads: usize,
    pub head_dim: usize,
    pub scale: f32,
    pub dropouts: Dropouts,
    pub spans: &'a [Range<usize>],
    pub table: Option<(DistanceTable, usize)>,
    pub places: Option<Places<'a>>,
    pub is_causal: bool,

    /// What the layers of a decoder attend to.
    pub memory: Option<&'a Memory>,
}

impl Common<'_> {
    /// For a decoder's attention to what was read.
    fn around(&self) -> Option<Around<'_>> {
        Some(Around {
            pass: self.pass,
            memory: self.memory?,
            spans: self.spans,
            heads: self.heads,
            head_dim: self.head_dim,
            scale: self.scale,
            dropouts: self.dropouts,
            norms_before: self.order == Order::NormBefore,
        })
    }
}

/// DeBERTa's learned distances as far as a batch needs them.
pub(crate) struct Places<'a> {
    /// (count, width), normed.
    pub learned: &'a [f32],
    pub rows: Vec<usize>,
    pub reach: usize,
    pub count: usize,
    pub is_for_queries: bool,
    pub is_for_keys: bool,
}

/// What the backward pass needs of a layer.
pub(crate) struct BlockTape {
    /// Its input.
    x: Buffer,
    q: Buffer,
    k: Buffer,
    v: Buffer,
    attended: Buffer,

    /// The sum after attention, before its norm where that comes after.
    middle: Buffer,

    /// Of a decoder, and the sum after it.
    cross: Option<CrossTape>,
    crossed: Buffer,

    /// Before the activation; with a gate behind it where both are one matrix.
    inner: Buffer,
    gate: Buffer,

    /// The last sum, where a norm comes after it.
    sum: Buffer,

    /// Only these rows went on after attention: the first of each text.
    only: Option<Vec<usize>>,
}

/// Gradients that several layers add to.
#[derive(Default)]
pub(crate) struct Shared {
    /// For each head and distance.
    pub distances: Vec<f32>,

    /// Of DeBERTa's learned distances, (count, width).
    pub places: Vec<f32>,

    /// Of what a decoder attends to, (tokens, width). Empty: that is not wanted.
    pub memory: Vec<f32>,
}

fn gather(x: &[f32], width: usize, rows: &[usize]) -> Buffer {
    let mut out = Buffer::any(rows.len() * width);
    for (out, row) in out.chunks_exact_mut(width).zip(rows) {
        out.copy_from_slice(&x[row * width..(row + 1) * width]);
    }
    out
}

impl Block {
    /// Every linear layer of it.
    pub fn linears_mut(&mut self) -> Vec<&mut Lin> {
        let mut all = match &mut self.qkv {
            Projections::Apart(apart) => apart.iter_mut().collect(),
            Projections::Fused(fused) => vec![fused],
        };
        all.push(&mut self.o);
        all.extend(self.cross.iter_mut().flat_map(Cross::linears_mut));
        all.push(&mut self.first);
        if let Gate::Own(gate) = &mut self.gate {
            all.push(gate);
        }
        all.push(&mut self.last);
        all.extend(self.own_places.iter_mut().flatten());
        all
    }

    fn linears(&self) -> Vec<&Lin> {
        let mut all: Vec<&Lin> = match &self.qkv {
            Projections::Apart(apart) => apart.iter().collect(),
            Projections::Fused(fused) => vec![fused],
        };
        all.extend([&self.o, &self.first, &self.last]);
        if let Gate::Own(gate) = &self.gate {
            all.push(gate);
        }
        all.extend(self.own_places.iter().flatten());
        all
    }

    /// Numbers that a token takes in the backward pass.
    pub fn floats_a_token(&self) -> usize {
        let crossed =
            self.cross.as_ref().map_or(0, |cross| 2 * cross.o.outputs + 4 * cross.o.inputs);
        let gate = match &self.gate {
            Gate::Own(gate) => gate.outputs,
            Gate::None | Gate::Fused => 0, // a fused one is among the outputs of `first`
        };
        6 * self.o.outputs + 4 * self.o.inputs + self.first.outputs + gate + crossed
    }

    /// Whether anything in it learns.
    pub fn learns(&self, grads: &Grads) -> bool {
        let norms = [self.attention_norm, self.feed_norm];
        self.linears().into_iter().any(|layer| layer.learns(grads))
            || norms.into_iter().flatten().any(|norm| grads.wants(norm.weight))
            || self.cross.as_ref().is_some_and(|cross| cross.learns(grads))
    }

    /// `x` (tokens, width) -> the same; with `only`, of these rows alone.
    pub fn forward(
        &self,
        common: &Common<'_>,
        x: Buffer,
        only: Option<&[usize]>,
    ) -> (Buffer, BlockTape) {
        let (pass, before) = (common.pass, common.order == Order::NormBefore);
        let width = self.o.outputs;
        let read = self.attention_norm.filter(|_| before).map(|norm| norm.forward(pass, &x));
        let seen = read.as_deref().unwrap_or(&x);
        let [mut q, mut k, v] = self.project(common, seen, only);
        self.turn(common, (&mut q, &mut k), only.is_some(), 1.0);
        let texts = texts(common.spans, only.is_some());
        let attended = {
            let places = self.places(common);
            let inputs = Inputs { q: &q, k: &k, v: &v };
            attention::forward(self.rules(common, places.as_ref()), inputs, &texts)
        };
        let mut middle = self.o.forward(pass, &attended);
        pass.drop(
            Site::new(site::ATTENTION_OUT, self.index),
            common.dropouts.attention_out,
            &mut middle,
        );
        match only {
            Some(only) => rows::add(&mut middle, &gather(&x, width, only)),
            None => rows::add(&mut middle, &x),
        }
        let (crossed, cross) = self.across(common, &middle);
        let read = if cross.is_some() { &crossed } else { &middle };
        let (fed, inner, gate) = self.feed(common, read);
        let mut sum = fed;
        let normed = self.middle_norm().filter(|_| !before).map(|norm| norm.forward(pass, read));
        rows::add(&mut sum, normed.as_deref().unwrap_or(read));
        let only = only.map(<[usize]>::to_vec);
        let tape = BlockTape {
            x,
            q,
            k,
            v,
            attended,
            middle,
            cross,
            crossed,
            inner,
            gate,
            sum: Buffer::default(),
            only,
        };
        match self.feed_norm.filter(|_| !before) {
            Some(norm) => {
                let out = norm.forward(pass, &sum);
                (out, BlockTape { sum, ..tape })
            }
            None => (sum, tape),
        }
    }

    /// A decoder's attention to what was read, and the sum after it.
    fn across(&self, common: &Common<'_>, middle: &[f32]) -> (Buffer, Option<CrossTape>) {
        let (Some(cross), Some(around)) = (&self.cross, common.around()) else {
            return (Buffer::default(), None);
        };
        let x = match self.attention_norm.filter(|_| common.order == Order::NormAfter) {
            Some(norm) => norm.forward(common.pass, middle),
            None => copy(middle),
        };
        let (crossed, tape) = cross.forward(around, x);
        (crossed, Some(tape))
    }

    /// The norm of the sum before the feed-forward part, where norms come after.
    fn middle_norm(&self) -> Option<RowsNorm> {
        self.cross.as_ref().map_or(self.attention_norm, |cross| Some(cross.norm))
    }

    /// What the feed-forward part sees of the sum after attention.
    fn feed_input(&self, common: &Common<'_>, middle: &[f32]) -> Option<Buffer> {
        let norm = match common.order {
            Order::NormBefore => self.feed_norm,
            Order::NormAfter => self.middle_norm(),
        };
        norm.map(|norm| norm.forward(common.pass, middle))
    }

    /// What the feed-forward part adds; what was activated, and its gate.
    fn feed(&self, common: &Common<'_>, middle: &[f32]) -> (Buffer, Buffer, Buffer) {
        let pass = common.pass;
        let read = self.feed_input(common, middle);
        let seen = read.as_deref().unwrap_or(middle);
        let inner = self.first.forward(pass, seen);
        let gate = match &self.gate {
            Gate::Own(gate) => gate.forward(pass, seen),
            _ => Buffer::default(),
        };
        let active = self.active(common, &inner, &gate);
        let mut fed = self.last.forward(pass, &active);
        pass.drop(Site::new(site::FEED_OUT, self.index), common.dropouts.feed_out, &mut fed);
        (fed, inner, gate)
    }

    /// What the last matrix sees.
    fn active(&self, common: &Common<'_>, inner: &[f32], gate: &[f32]) -> Buffer {
        let mut active = match self.gate {
            Gate::Fused => self.halves()[0].take(inner),
            _ => copy(inner),
        };
        activate(self.activation, &mut active);
        match self.gate {
            Gate::None => {}
            Gate::Own(_) => multiply(&mut active, gate),
            Gate::Fused => multiply(&mut active, &self.halves()[1].take(inner)),
        }
        common.pass.drop(Site::new(site::INNER, self.index), common.dropouts.inner, &mut active);
        active
    }

    fn halves(&self) -> [Stripes; 2] {
        Stripes::of([self.last.inputs; 2], 1)
    }

    fn project(&self, common: &Common<'_>, seen: &[f32], only: Option<&[usize]>) -> [Buffer; 3] {
        let pass = common.pass;
        match &self.qkv {
            Projections::Apart(apart) => {
                let [q, k, v] = &**apart;
                let some = only.map(|only| gather(seen, self.o.outputs, only));
                let of_queries = some.as_deref().unwrap_or(seen);
                [q.forward(pass, of_queries), k.forward(pass, seen), v.forward(pass, seen)]
            }
            Projections::Fused(fused) => {
                let all = fused.forward(pass, seen);
                let [q, k, v] = Stripes::of([self.o.inputs; 3], 1).map(|part| part.take(&all));
                let q = match only {
                    Some(only) => gather(&q, self.o.inputs, only),
                    None => q,
                };
                [q, k, v]
            }
        }
    }

    /// Turns queries and keys by their positions; the first token of a text is not turned.
    fn turn(&self, common: &Common<'_>, (q, k): (&mut [f32], &mut [f32]), only: bool, way: f32) {
        let Some(base) = self.turn else { return };
        let (width, head_dim) = (self.o.inputs, common.head_dim);
        for span in common.spans {
            let table = turns(base, head_dim, span.len());
            let part = span.start * width..span.end * width;
            if !only {
                rows::rotate(&mut q[part.clone()], width, head_dim, &table, way);
            }
            rows::rotate(&mut k[part], width, head_dim, &table, way);
        }
    }

    fn rules<'a>(&self, common: &'a Common<'_>, places: Option<&'a Entangled>) -> Rules<'a> {
        let share = common.dropouts.shares;
        let masks = common.pass.masks.filter(|_| share > 0.0);
        Rules {
            heads: common.heads,
            head_dim: common.head_dim,
            scale: common.scale,
            is_causal: common.is_causal,
            window: self.window,
            distances: common.table.as_ref().map(|(table, reach)| (table, *reach)),
            places,
            dropout: masks.map(|masks| (masks, Site::new(site::SHARES, self.index), share)),
        }
    }

    /// The layers that turn learned distances into keys and into queries.
    fn place_layers(&self) -> [Option<&Lin>; 2] {
        let of_contents = match &self.qkv {
            Projections::Apart(apart) => [Some(&apart[1]), Some(&apart[0])],
            Projections::Fused(_) => [None, None],
        };
        let [key, query] = &self.own_places;
        [key.as_ref().or(of_contents[0]), query.as_ref().or(of_contents[1])]
    }

    fn dropped_places(&self, common: &Common<'_>) -> Option<Buffer> {
        let places = common.places.as_ref()?;
        let site = Site::new(site::PLACES, self.index);
        common.pass.dropped(site, common.dropouts.places, places.learned)
    }

    fn places(&self, common: &Common<'_>) -> Option<Entangled> {
        let places = common.places.as_ref()?;
        let dropped = self.dropped_places(common);
        let learned = dropped.as_deref().unwrap_or(places.learned);
        let [key, query] = self.place_layers();
        let run = |wanted: bool, layer: Option<&Lin>| {
            layer.filter(|_| wanted).map(|layer| layer.forward(common.pass, learned))
        };
        Some(Entangled {
            keys: run(places.is_for_queries, key),
            queries: run(places.is_for_keys, query),
            places: places.rows.clone(),
            reach: places.reach,
            count: places.count,
        })
    }
}

fn texts(spans: &[Range<usize>], only_first: bool) -> Vec<Text> {
    let of = |(at, span): (usize, &Range<usize>)| {
        let queries = if only_first { at..at + 1 } else { span.clone() };
        Text { queries, keys: span.clone() }
    };
    spans.iter().enumerate().map(of).collect()
}

fn multiply(x: &mut [f32], by: &[f32]) {
    const TASK: usize = 1 << 14;
    x.par_chunks_mut(TASK).zip(by.par_chunks(TASK)).for_each(|(x, by)| {
        x.iter_mut().zip(by).for_each(|(x, by)| *x *= by);
    });
}
