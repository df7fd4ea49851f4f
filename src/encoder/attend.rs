//! Attention of whole texts that lie one after the other in a batch, without padding between them.
//!
//! Each query sees the keys of its own text: all of them, those within a window, or those before it.

use std::ops::Range;

use rayon::prelude::*;
use tuning_fork_kernels as kernels;
use tuning_fork_kernels::gemm::{Matrix, Result as Written, Target, gemm_here};

use super::distance::DistanceTable;
use crate::llm::net::buffers::Buffer;

/// What is the same for all texts of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub heads: usize,
    pub head_dim: usize,

    /// Scores are multiplied by it.
    pub scale: f32,

    /// A query sees no key behind its own place.
    pub is_causal: bool,

    /// How far a query sees to either side.
    pub window: Option<usize>,

    /// What is added to scaled scores.
    pub distances: Option<&'a DistanceTable>,
    pub entangled: Option<&'a Entangled>,

    /// Whether what each query looked at is wanted.
    pub keeps_maps: bool,
}

/// DeBERTa: contents meet learned distances, as keys and as queries.
pub(crate) struct Entangled {
    /// (distances, heads · `head_dim`): what queries meet.
    pub keys: Option<Buffer>,

    /// The same, what keys meet.
    pub queries: Option<Buffer>,

    /// For each distance from `-reach` to `reach` (query minus key) its row in both.
    pub places: Vec<usize>,
    pub reach: usize,

    /// Rows of `keys` and `queries`.
    pub count: usize,
}

/// One text of a batch.
#[derive(Clone)]
pub(crate) struct Text<'a> {
    /// Its rows among the queries.
    pub queries: Range<usize>,

    /// (keys, heads · `head_dim`)
    pub keys: &'a [f32],
    pub values: &'a [f32],

    /// Which keys may be seen; all of them where nothing is said.
    pub visible: Option<&'a [bool]>,

    /// The place of the first query among the keys.
    pub first: usize,
}

/// What attention gives.
pub(crate) struct Attended {
    /// (queries, heads · `head_dim`)
    pub out: Buffer,

    /// For each text (heads, queries, keys), where it was wanted.
    pub maps: Vec<Vec<f32>>,
}

/// Queries that are worked on together: their scores stay in the second cache.
const QUERIES: usize = 64;

pub(crate) fn attend(rules: Rules<'_>, queries: &[f32], texts: &[Text<'_>]) -> Attended {
    let Rules { heads, head_dim, .. } = rules;
    let width = heads * head_dim;
    let tasks: Vec<(usize, usize)> =
        (0..texts.len()).flat_map(|text| (0..heads).map(move |head| (text, head))).collect();
    let work = |(text, head): (usize, usize)| {
        let text = &texts[text];
        let queries = &queries[text.queries.start * width..text.queries.end * width];
        of_head(rules, queries, text, head)
    };
    let values: usize = texts.iter().map(|text| text.keys.len() * text.queries.len()).sum();
    let found: Vec<(Vec<f32>, Vec<f32>)> = if values < 1 << 16 {
        tasks.iter().copied().map(work).collect()
    } else {
        tasks.par_iter().copied().map(work).collect()
    };
    let mut out = Buffer::zeroed(queries.len());
    let mut maps = vec![Vec::new(); if rules.keeps_maps { texts.len() } else { 0 }];
    for ((text, head), (part, map)) in tasks.into_iter().zip(found) {
        let rows = texts[text].queries.clone();
        for (row, part) in rows.zip(part.chunks_exact(head_dim)) {
            out[row * width + head * head_dim..][..head_dim].copy_from_slice(part);
        }
        if rules.keeps_maps {
            maps[text].extend(map);
        }
    }
    Attended { out, maps }
}

/// One head of one text: what its queries get, and what they looked at.
fn of_head(
    rules: Rules<'_>,
    queries: &[f32],
    text: &Text<'_>,
    head: usize,
) -> (Vec<f32>, Vec<f32>) {
    let Rules { heads, head_dim, keeps_maps, .. } = rules;
    let width = heads * head_dim;
    let columns = head * head_dim..(head + 1) * head_dim;
    let (count, key_count) = (queries.len() / width, text.keys.len() / width);
    let keys = Matrix::new(text.keys, key_count, width).columns(columns.clone());
    let values = Matrix::new(text.values, key_count, width).columns(columns.clone());
    let of_keys = rules.entangled.and_then(|entangled| {
        let learned = entangled.queries.as_ref()?;
        let learned = Matrix::new(learned, entangled.count, width).columns(columns.clone());
        Some(product(keys, learned.transposed(), key_count, entangled.count))
    });
    let mut out = vec![0.0; count * head_dim];
    let mut maps = Vec::new();
    for from in (0..count).step_by(QUERIES) {
        let part = from..count.min(from + QUERIES);
        let rows = part.len();
        let queries = Matrix::new(&queries[part.start * width..part.end * width], rows, width)
            .columns(columns.clone());
        let mut scores = product(queries, keys.transposed(), rows, key_count);
        if let Some(entangled) = rules.entangled {
            let of_queries = entangled.keys.as_ref().map(|learned| {
                let learned = Matrix::new(learned, entangled.count, width).columns(columns.clone());
                product(queries, learned.transposed(), rows, entangled.count)
            });
            let of_queries = of_queries.as_deref();
            entangled.add(&mut scores, text.first + from, of_queries, of_keys.as_deref());
        }
        for (row, scores) in scores.chunks_exact_mut(key_count).enumerate() {
            let place = text.first + from + row;
            scores.iter_mut().for_each(|score| *score *= rules.scale);
            if let Some(distances) = rules.distances {
                let more = distances.row(head, place, key_count);
                scores.iter_mut().zip(more).for_each(|(score, more)| *score += more);
            }
            hide(rules, text, place, scores);
            if scores.iter().all(|score| *score == f32::NEG_INFINITY) {
                // Nothing to look at: the query gets nothing, and not NaN.
                scores.fill(0.0);
            } else {
                kernels::softmax(scores, key_count);
            }
        }
        let target = &mut out[part.start * head_dim..part.end * head_dim];
        let target = Target::new(target, rows, head_dim, Written::Replace);
        gemm_here(target, &[(Matrix::new(&scores, rows, key_count), values)]);
        if keeps_maps {
            maps.extend(scores);
        }
    }
    (out, maps)
}

/// left · right, (rows, cols)
fn product(left: Matrix<'_>, right: Matrix<'_>, rows: usize, cols: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows * cols];
    gemm_here(Target::new(&mut out, rows, cols, Written::Replace), &[(left, right)]);
    out
}

/// Takes out the keys that the query at `place` does not see.
fn hide(rules: Rules<'_>, text: &Text<'_>, place: usize, scores: &mut [f32]) {
    if rules.is_causal
        && let Some(later) = scores.get_mut(place + 1..)
    {
        later.fill(f32::NEG_INFINITY);
    }
    if let Some(window) = rules.window {
        let nearest = place.saturating_sub(window)..(place + window + 1).min(scores.len());
        scores[..nearest.start].fill(f32::NEG_INFINITY);
        scores[nearest.end..].fill(f32::NEG_INFINITY);
    }
    if let Some(visible) = text.visible {
        for (score, visible) in scores.iter_mut().zip(visible) {
            if !visible {
                *score = f32::NEG_INFINITY;
            }
        }
    }
}

impl Entangled {
    /// Adds what queries and keys make of their distance; `first` is the place of the first query.
    fn add(
        &self,
        scores: &mut [f32],
        first: usize,
        of_queries: Option<&[f32]>,
        of_keys: Option<&[f32]>,
    ) {
        let rows = of_queries.map_or(0, |found| found.len() / self.count);
        let key_count = of_keys.map_or(0, |found| found.len() / self.count);
        let key_count = if key_count == 0 { scores.len() / rows.max(1) } else { key_count };
        for (row, scores) in scores.chunks_exact_mut(key_count.max(1)).enumerate() {
            for (key, score) in scores.iter_mut().enumerate() {
                let place = self.places[self.reach + first + row - key];
                if let Some(found) = of_queries {
                    *score += found[row * self.count + place];
                }
                if let Some(found) = of_keys {
                    *score += found[key * self.count + place];
                }
            }
        }
    }
}
