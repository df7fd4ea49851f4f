//! Attention of whole texts for training: forwards, and back to queries, keys, values and to what was
//! learned of distances. What each query looked at is computed again in the backward pass.

use std::ops::Range;

use rayon::prelude::*;
use tuning_fork_kernels as kernels;
use tuning_fork_kernels::gemm::{Matrix, Result as Written, Target, Term, gemm_here};

use super::mask::{Masks, Site};
use crate::encoder::attend::Entangled;
use crate::encoder::distance::DistanceTable;
use crate::llm::net::buffers::Buffer;

/// What is the same for all texts of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub heads: usize,
    pub head_dim: usize,
    pub scale: f32,
    pub is_causal: bool,

    /// How far a query sees to either side.
    pub window: Option<usize>,

    /// What is added to scaled scores, and how far it reaches.
    pub distances: Option<(&'a DistanceTable, usize)>,
    pub places: Option<&'a Entangled>,

    /// Of what each query looks at.
    pub dropout: Option<(Masks, Site, f64)>,
}

/// A text: its rows among the queries, and among the keys. The first query is at the first key.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub queries: Range<usize>,
    pub keys: Range<usize>,
}

/// Queries, keys and values, (rows, heads · `head_dim`).
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub q: &'a [f32],
    pub k: &'a [f32],
    pub v: &'a [f32],
}

/// Gradients of what went in.
pub(crate) struct Slopes {
    pub q: Buffer,
    pub k: Buffer,
    pub v: Buffer,

    /// For each head and each distance (key minus query) from `-reach` to `reach`.
    pub distances: Vec<f32>,

    /// As [`Entangled::keys`] and [`Entangled::queries`].
    pub keys: Buffer,
    pub queries: Buffer,
}

/// Queries that are worked on together; even, so that masks begin at whole pairs.
const QUERIES: usize = 64;

/// Texts and heads below so many scores are not worth another thread.
const PARALLEL_FROM: usize = 1 << 14;

/// (queries, heads · `head_dim`)
pub(crate) fn forward(rules: Rules<'_>, inputs: Inputs<'_>, texts: &[Text]) -> Buffer {
    let Rules { heads, head_dim, .. } = rules;
    let width = heads * head_dim;
    let parts = over_heads(heads, texts, |task, text, head| {
        let part = Part::of(rules, inputs, text, head);
        let mut out = vec![0.0; text.queries.len() * head_dim];
        for from in (0..text.queries.len()).step_by(QUERIES) {
            let to = text.queries.len().min(from + QUERIES);
            let mut shares = part.shares(from..to);
            rules.drop(task, from * text.keys.len(), &mut shares);
            let target = &mut out[from * head_dim..to * head_dim];
            let target = Target::new(target, to - from, head_dim, Written::Replace);
            let shares = Matrix::new(&shares, to - from, text.keys.len());
            gemm_here(target, &[(shares, part.v)]);
        }
        out
    });
    let mut out = Buffer::any(inputs.q.len());
    for ((text, head), part) in tasks(heads, texts).zip(parts) {
        put(&mut out, (width, head_dim), text.queries.clone(), head, &part);
    }
    out
}

/// From the gradient by what [`forward`] gave.
pub(crate) fn backward(
    rules: Rules<'_>,
    inputs: Inputs<'_>,
    texts: &[Text],
    grad: &[f32],
) -> Slopes {
    let Rules { heads, head_dim, .. } = rules;
    let width = heads * head_dim;
    let parts = over_heads(heads, texts, |task, text, head| {
        of_head(rules, inputs, (task, text, head), grad)
    });
    let mut all = Slopes {
        q: Buffer::any(inputs.q.len()),
        k: Buffer::any(inputs.k.len()),
        v: Buffer::any(inputs.v.len()),
        distances: Vec::new(),
        keys: Buffer::default(),
        queries: Buffer::default(),
    };
    if let Some((_, reach)) = rules.distances {
        all.distances = vec![0.0; heads * (2 * reach + 1)];
    }
    if let Some(places) = rules.places {
        let room = |wanted: bool| {
            if wanted { Buffer::zeroed(places.count * width) } else { Buffer::default() }
        };
        (all.keys, all.queries) = (room(places.keys.is_some()), room(places.queries.is_some()));
    }
    for ((text, head), part) in tasks(heads, texts).zip(parts) {
        put(&mut all.q, (width, head_dim), text.queries.clone(), head, &part.q);
        put(&mut all.k, (width, head_dim), text.keys.clone(), head, &part.k);
        put(&mut all.v, (width, head_dim), text.keys.clone(), head, &part.v);
        if !part.distances.is_empty() {
            let len = part.distances.len();
            add(&mut all.distances[head * len..][..len], &part.distances);
        }
        for (all, part) in [(&mut all.keys, &part.keys), (&mut all.queries, &part.queries)] {
            for (row, part) in part.chunks_exact(head_dim).enumerate() {
                add(&mut all[row * width + head * head_dim..][..head_dim], part);
            }
        }
    }
    all
}

fn add(out: &mut [f32], more: &[f32]) {
    out.iter_mut().zip(more).for_each(|(out, more)| *out += more);
}

/// Rows of one head into the columns of that head.
fn put(
    out: &mut [f32],
    (width, head_dim): (usize, usize),
    rows: Range<usize>,
    head: usize,
    part: &[f32],
) {
    for (row, part) in rows.zip(part.chunks_exact(head_dim)) {
        out[row * width + head * head_dim..][..head_dim].copy_from_slice(part);
    }
}

fn tasks(heads: usize, texts: &[Text]) -> impl Iterator<Item = (&Text, usize)> {
    texts.iter().flat_map(move |text| (0..heads).map(move |head| (text, head)))
}

fn over_heads<R: Send>(
    heads: usize,
    texts: &[Text],
    work: impl Fn(usize, &Text, usize) -> R + Sync,
) -> Vec<R> {
    let all: Vec<(&Text, usize)> = tasks(heads, texts).collect();
    let scores: usize = texts.iter().map(|text| text.queries.len() * text.keys.len()).sum();
    if scores * heads < PARALLEL_FROM {
        return all
            .into_iter()
            .enumerate()
            .map(|(task, (text, head))| work(task, text, head))
            .collect();
    }
    all.into_par_iter().enumerate().map(|(task, (text, head))| work(task, text, head)).collect()
}

impl Rules<'_> {
    fn drop(&self, task: usize, first: usize, shares: &mut [f32]) {
        if let Some((masks, site, share)) = self.dropout {
            masks.apply_here(site.within(task), share, first, shares);
        }
    }
}

/// One head of one text.
struct Part<'a> {
    rules: Rules<'a>,
    k: Matrix<'a>,
    v: Matrix<'a>,
    head: usize,
    queries: &'a [f32],
    width: usize,
    key_count: usize,

    /// Keys against what queries are of learned distances: (keys, distances).
    of_keys: Option<Vec<f32>>,
}

impl<'a> Part<'a> {
    fn of(rules: Rules<'a>, inputs: Inputs<'a>, text: &Text, head: usize) -> Self {
        let width = rules.heads * rules.head_dim;
        let columns = head * rules.head_dim..(head + 1) * rules.head_dim;
        let rows = |values: &'a [f32], rows: &Range<usize>| {
            let values = &values[rows.start * width..rows.end * width];
            Matrix::new(values, rows.len(), width).columns(columns.clone())
        };
        let k = rows(inputs.k, &text.keys);
        let of_keys = rules.places.and_then(|places| {
            let learned = Matrix::new(places.queries.as_ref()?, places.count, width);
            let learned = learned.columns(columns.clone());
            Some(product(&[(k, learned.transposed())], text.keys.len(), places.count))
        });
        Self {
            rules,
            k,
            v: rows(inputs.v, &text.keys),
            head,
            queries: &inputs.q[text.queries.start * width..text.queries.end * width],
            width,
            key_count: text.keys.len(),
            of_keys,
        }
    }

    fn columns(&self) -> Range<usize> {
        self.head * self.rules.head_dim..(self.head + 1) * self.rules.head_dim
    }

    fn some_queries(&self, part: &Range<usize>) -> Matrix<'a> {
        let values = &self.queries[part.start * self.width..part.end * self.width];
        Matrix::new(values, part.len(), self.width).columns(self.columns())
    }

    /// What some queries look at, (queries, keys).
    fn shares(&self, part: Range<usize>) -> Vec<f32> {
        let Self { rules, key_count, .. } = *self;
        let queries = self.some_queries(&part);
        let mut scores = product(&[(queries, self.k.transposed())], part.len(), key_count);
        if let Some(places) = rules.places {
            let of_queries = places.keys.as_ref().map(|learned| {
                let learned =
                    Matrix::new(learned, places.count, self.width).columns(self.columns());
                product(&[(queries, learned.transposed())], part.len(), places.count)
            });
            for (row, scores) in scores.chunks_exact_mut(key_count).enumerate() {
                for (key, score) in scores.iter_mut().enumerate() {
                    let place = places.places[places.reach + part.start + row - key];
                    if let Some(found) = &of_queries {
                        *score += found[row * places.count + place];
                    }
                    if let Some(found) = &self.of_keys {
                        *score += found[key * places.count + place];
                    }
                }
            }
        }
        for (row, scores) in scores.chunks_exact_mut(key_count).enumerate() {
            let place = part.start + row;
            scores.iter_mut().for_each(|score| *score *= rules.scale);
            if let Some((table, _)) = rules.distances {
                add(scores, table.row(self.head, place, key_count));
            }
            if rules.is_causal
                && let Some(later) = scores.get_mut(place + 1..)
            {
                later.fill(f32::NEG_INFINITY);
            }
            if let Some(window) = rules.window {
                let near = place.saturating_sub(window)..(place + window + 1).min(key_count);
                scores[..near.start].fill(f32::NEG_INFINITY);
                scores[near.end..].fill(f32::NEG_INFINITY);
            }
            kernels::softmax(scores, key_count);
        }
        scores
    }
}

/// Gradients of one head of one text.
struct OfHead {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    distances: Vec<f32>,
    keys: Vec<f32>,
    queries: Vec<f32>,
}

fn of_head(
    rules: Rules<'_>,
    inputs: Inputs<'_>,
    (task, text, head): (usize, &Text, usize),
    grad: &[f32],
) -> OfHead {
    let Rules { head_dim, .. } = rules;
    let part = Part::of(rules, inputs, text, head);
    let (width, key_count) = (part.width, part.key_count);
    let reach = rules.distances.map_or(0, |(_, reach)| reach);
    let places = rules.places;
    let learned = |wanted: Option<&Buffer>| {
        wanted.map_or_else(Vec::new, |_| {
            vec![0.0; places.map_or(0, |places| places.count) * head_dim]
        })
    };
    let mut found = OfHead {
        q: vec![0.0; text.queries.len() * head_dim],
        k: vec![0.0; key_count * head_dim],
        v: vec![0.0; key_count * head_dim],
        distances: if rules.distances.is_some() { vec![0.0; 2 * reach + 1] } else { Vec::new() },
        keys: learned(places.and_then(|places| places.keys.as_ref())),
        queries: learned(places.and_then(|places| places.queries.as_ref())),
    };
    // What keys meet, summed over all queries: (keys, distances).
    let mut of_keys = vec![0.0; part.of_keys.as_ref().map_or(0, Vec::len)];
    let grad = &grad[text.queries.start * width..text.queries.end * width];
    for from in (0..text.queries.len()).step_by(QUERIES) {
        let to = text.queries.len().min(from + QUERIES);
        let rows = to - from;
        let shares = part.shares(from..to);
        let mut kept = shares.clone();
        rules.drop(task, from * key_count, &mut kept);
        let out = Matrix::new(&grad[from * width..to * width], rows, width).columns(part.columns());
        accumulate(
            &mut found.v,
            (key_count, head_dim),
            (Matrix::new(&kept, rows, key_count).transposed(), out),
        );
        let mut slopes = product(&[(out, part.v.transposed())], rows, key_count);
        rules.drop(task, from * key_count, &mut slopes);
        for (row, (slopes, shares)) in
            slopes.chunks_exact_mut(key_count).zip(shares.chunks_exact(key_count)).enumerate()
        {
            let pull: f32 = slopes.iter().zip(shares).map(|(slope, share)| slope * share).sum();
            for (slope, share) in slopes.iter_mut().zip(shares) {
                *slope = share * (*slope - pull);
            }
            if rules.distances.is_some() {
                let first = reach - (from + row);
                add(&mut found.distances[first..first + key_count], slopes);
            }
            slopes.iter_mut().for_each(|slope| *slope *= rules.scale);
        }
        let by_score = Matrix::new(&slopes, rows, key_count);
        let queries = part.some_queries(&(from..to));
        let target = &mut found.q[from * head_dim..to * head_dim];
        gemm_here(Target::new(target, rows, head_dim, Written::Add), &[(by_score, part.k)]);
        accumulate(&mut found.k, (key_count, head_dim), (by_score.transposed(), queries));
        let Some(places) = places else { continue };
        let mut of_queries = vec![0.0; places.keys.as_ref().map_or(0, |_| rows * places.count)];
        for (row, slopes) in slopes.chunks_exact(key_count).enumerate() {
            for (key, slope) in slopes.iter().enumerate() {
                let place = places.places[places.reach + from + row - key];
                if !of_queries.is_empty() {
                    of_queries[row * places.count + place] += slope;
                }
                if !of_keys.is_empty() {
                    of_keys[key * places.count + place] += slope;
                }
            }
        }
        if let Some(learned) = &places.keys {
            let learned = Matrix::new(learned, places.count, width).columns(part.columns());
            let of_queries = Matrix::new(&of_queries, rows, places.count);
            let target = &mut found.q[from * head_dim..to * head_dim];
            gemm_here(Target::new(target, rows, head_dim, Written::Add), &[(of_queries, learned)]);
            accumulate(
                &mut found.keys,
                (places.count, head_dim),
                (of_queries.transposed(), queries),
            );
        }
    }
    if let Some((places, learned)) =
        places.and_then(|places| Some((places, places.queries.as_ref()?)))
    {
        let learned = Matrix::new(learned, places.count, width).columns(part.columns());
        let of_keys = Matrix::new(&of_keys, key_count, places.count);
        accumulate(&mut found.k, (key_count, head_dim), (of_keys, learned));
        accumulate(&mut found.queries, (places.count, head_dim), (of_keys.transposed(), part.k));
    }
    found
}

fn accumulate(out: &mut [f32], (rows, cols): (usize, usize), term: Term<'_>) {
    gemm_here(Target::new(out, rows, cols, Written::Add), &[term]);
}

fn product(terms: &[Term<'_>], rows: usize, cols: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows * cols];
    gemm_here(Target::new(&mut out, rows, cols, Written::Replace), terms);
    out
}
