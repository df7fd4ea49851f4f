//! A layer for training: attention and the feed-forward part, forwards with what the backward pass needs,
//! and back.

use std::ops::Range;

use rayon::prelude::*;
use tuning_fork_kernels::gemm::Result as Written;

use super::attention::{self, Inputs, Rules, Slopes, Text};
use super::cross::{Around, Cross, CrossTape, Memory};
use super::dropouts::{Dropouts, site};
use super::layers::{Lin, Pass, RowsNorm, activate, activate_back, copy};
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

    /// From the gradient by what [`Self::forward`] gave to that by `x`, where it is wanted.
    pub fn backward(
        &self,
        common: &Common<'_>,
        tape: BlockTape,
        grad: Buffer,
        (grads, shared): (&mut Grads, &mut Shared),
        wants_x: bool,
    ) -> Option<Buffer> {
        let (pass, before) = (common.pass, common.order == Order::NormBefore);
        let BlockTape { x, q, k, v, attended, middle, cross, crossed, inner, gate, sum, only } =
            tape;
        let width = self.o.outputs;
        // The feed-forward part.
        let sum_grad = match self.feed_norm.filter(|_| !before) {
            Some(norm) => norm.backward(pass, &sum, &grad, grads),
            None => grad,
        };
        let last = if cross.is_some() { &crossed } else { &middle };
        let read = self.feed_input(common, last);
        let feed_grad = self.feed_back(
            common,
            (read.as_deref().unwrap_or(last), inner, gate),
            &sum_grad,
            grads,
        );
        drop(read);
        let mut middle_grad = sum_grad;
        match (before, self.middle_norm(), self.feed_norm) {
            (true, _, Some(norm)) => {
                rows::add(&mut middle_grad, &norm.backward(pass, last, &feed_grad, grads));
            }
            (false, Some(norm), _) => {
                rows::add(&mut middle_grad, &feed_grad);
                middle_grad = norm.backward(pass, last, &middle_grad, grads);
            }
            _ => rows::add(&mut middle_grad, &feed_grad),
        }
        drop(feed_grad);
        if let (Some(part), Some(tape), Some(around)) = (&self.cross, cross, common.around()) {
            let wanted = !shared.memory.is_empty();
            let to = wanted.then_some(&mut *shared.memory);
            middle_grad = part.backward(around, (tape, middle_grad), (grads, to));
            if let Some(norm) = self.attention_norm.filter(|_| !before) {
                middle_grad = norm.backward(pass, &middle, &middle_grad, grads);
            }
        }
        // Attention.
        let site = Site::new(site::ATTENTION_OUT, self.index);
        let dropped = pass.dropped(site, common.dropouts.attention_out, &middle_grad);
        let mut attended_grad = Buffer::any(attended.len());
        let to = Some((&mut *attended_grad, Written::Replace));
        self.o.backward(pass, &attended, dropped.as_deref().unwrap_or(&middle_grad), (grads, to));
        let places = self.places(common);
        let texts = texts(common.spans, only.is_some());
        let inputs = Inputs { q: &q, k: &k, v: &v };
        let mut slopes = attention::backward(
            self.rules(common, places.as_ref()),
            inputs,
            &texts,
            &attended_grad,
        );
        self.turn(common, (&mut slopes.q, &mut slopes.k), only.is_some(), -1.0);
        self.places_back(common, &slopes, (grads, shared));
        let read = self.attention_norm.filter(|_| before).map(|norm| norm.forward(pass, &x));
        let seen = read.as_deref().unwrap_or(&x);
        let wants_read = wants_x || self.wants_norm(grads, before);
        let mut read_grad = if wants_read { Buffer::any(x.len()) } else { Buffer::default() };
        let to = wants_read.then_some(&mut *read_grad);
        self.project_back(pass, seen, only.as_deref(), &slopes, grads, to);
        if !wants_read {
            return None;
        }
        let mut x_grad = match self.attention_norm.filter(|_| before) {
            Some(norm) => norm.backward(pass, &x, &read_grad, grads),
            None => read_grad,
        };
        match &only {
            None => rows::add(&mut x_grad, &middle_grad),
            Some(only) => {
                for (row, grad) in only.iter().zip(middle_grad.chunks_exact(width)) {
                    rows::add_scaled(&mut x_grad[row * width..(row + 1) * width], 1.0, grad);
                }
            }
        }
        Some(x_grad)
    }

    fn wants_norm(&self, grads: &Grads, before: bool) -> bool {
        let norm = self.attention_norm.filter(|_| before);
        norm.is_some_and(|norm| grads.wants(norm.weight))
    }

    /// The gradient by what the feed-forward part saw.
    fn feed_back(
        &self,
        common: &Common<'_>,
        (seen, mut inner, mut gate): (&[f32], Buffer, Buffer),
        grad: &[f32],
        grads: &mut Grads,
    ) -> Buffer {
        let pass = common.pass;
        let dropped =
            pass.dropped(Site::new(site::FEED_OUT, self.index), common.dropouts.feed_out, grad);
        let grad = dropped.as_deref().unwrap_or(grad);
        let active = self.active(common, &inner, &gate);
        let mut active_grad = Buffer::any(active.len());
        let to = Some((&mut *active_grad, Written::Replace));
        self.last.backward(pass, &active, grad, (grads, to));
        drop(active);
        pass.drop(Site::new(site::INNER, self.index), common.dropouts.inner, &mut active_grad);
        let mut seen_grad = Buffer::any(seen.len());
        match &self.gate {
            Gate::None => {
                activate_back(self.activation, &mut inner, &active_grad);
                let to = Some((&mut *seen_grad, Written::Replace));
                self.first.backward(pass, seen, &inner, (grads, to));
            }
            Gate::Own(layer) => {
                gated_back(self.activation, (&mut inner, &mut gate), &active_grad);
                let to = Some((&mut *seen_grad, Written::Replace));
                self.first.backward(pass, seen, &inner, (grads, to));
                let to = Some((&mut *seen_grad, Written::Add));
                layer.backward(pass, seen, &gate, (grads, to));
            }
            Gate::Fused => {
                let [mut first, mut second] = self.halves().map(|half| half.take(&inner));
                gated_back(self.activation, (&mut first, &mut second), &active_grad);
                for (half, part) in self.halves().iter().zip([&first, &second]) {
                    half.put(part, &mut inner);
                }
                let to = Some((&mut *seen_grad, Written::Replace));
                self.first.backward(pass, seen, &inner, (grads, to));
            }
        }
        seen_grad
    }

    #[expect(clippy::too_many_arguments, reason = "what a layer's backward pass has at hand")]
    fn project_back(
        &self,
        pass: Pass<'_>,
        seen: &[f32],
        only: Option<&[usize]>,
        slopes: &Slopes,
        grads: &mut Grads,
        to: Option<&mut [f32]>,
    ) {
        let width = self.o.outputs;
        match (&self.qkv, to) {
            (Projections::Apart(apart), mut to) => {
                let [q, k, v] = &**apart;
                k.backward(
                    pass,
                    seen,
                    &slopes.k,
                    (grads, to.as_deref_mut().map(|to| (to, Written::Replace))),
                );
                v.backward(
                    pass,
                    seen,
                    &slopes.v,
                    (grads, to.as_deref_mut().map(|to| (to, Written::Add))),
                );
                let Some(only) = only else {
                    return q.backward(
                        pass,
                        seen,
                        &slopes.q,
                        (grads, to.map(|to| (to, Written::Add))),
                    );
                };
                let some = gather(seen, width, only);
                let mut some_grad = Buffer::any(some.len());
                let into = to.is_some().then_some((&mut *some_grad, Written::Replace));
                q.backward(pass, &some, &slopes.q, (grads, into));
                let Some(to) = to else { return };
                for (row, grad) in only.iter().zip(some_grad.chunks_exact(width)) {
                    rows::add_scaled(&mut to[row * width..(row + 1) * width], 1.0, grad);
                }
            }
            (Projections::Fused(fused), to) => {
                let attended = self.o.inputs;
                let mut all = Buffer::zeroed(slopes.k.len() * 3);
                let [of_q, of_k, of_v] = Stripes::of([attended; 3], 1);
                of_k.put(&slopes.k, &mut all);
                of_v.put(&slopes.v, &mut all);
                match only {
                    None => of_q.put(&slopes.q, &mut all),
                    Some(only) => {
                        for (row, grad) in only.iter().zip(slopes.q.chunks_exact(attended)) {
                            all[row * 3 * attended..][..attended].copy_from_slice(grad);
                        }
                    }
                }
                fused.backward(pass, seen, &all, (grads, to.map(|to| (to, Written::Replace))));
            }
        }
    }

    /// Adds what the layer says of learned distances.
    fn places_back(
        &self,
        common: &Common<'_>,
        slopes: &Slopes,
        (grads, shared): (&mut Grads, &mut Shared),
    ) {
        if !slopes.distances.is_empty() {
            shared.distances.resize(slopes.distances.len(), 0.0);
            rows::add_scaled(&mut shared.distances, 1.0, &slopes.distances);
        }
        let Some(places) = &common.places else { return };
        let dropped = self.dropped_places(common);
        let learned = dropped.as_deref().unwrap_or(places.learned);
        let mut learned_grad = Buffer::zeroed(learned.len());
        for (layer, grad) in self.place_layers().into_iter().zip([&slopes.keys, &slopes.queries]) {
            let Some(layer) = layer.filter(|_| !grad.is_empty()) else { continue };
            let to = Some((&mut *learned_grad, Written::Add));
            layer.backward(common.pass, learned, grad, (grads, to));
        }
        common.pass.drop(
            Site::new(site::PLACES, self.index),
            common.dropouts.places,
            &mut learned_grad,
        );
        shared.places.resize(learned.len(), 0.0);
        rows::add_scaled(&mut shared.places, 1.0, &learned_grad);
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

/// `inner` and `gate` become their gradients, where act(inner) · gate went on.
fn gated_back(activation: Activation, (inner, gate): (&mut [f32], &mut [f32]), grad: &[f32]) {
    let mut active = copy(inner);
    activate(activation, &mut active);
    multiply(&mut active, grad);
    multiply(gate, grad);
    activate_back(activation, inner, gate);
    gate.copy_from_slice(&active);
}
