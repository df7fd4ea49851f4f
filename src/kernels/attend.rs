//! Causal attention over a cache of keys and values, never holding more than 64 scores of a query.
//!
//! Keys lie eight positions side by side, so that a register holds eight scores and no sum crosses
//! it; all query heads that share a key head meet a tile of 64 keys together. Every 512 keys make a
//! part with a softmax of its own, and parts are joined in their order: they may be computed by one
//! thread or by several, and the numbers are the same.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "calls code compiled for a level after asking the processor")
)]
#![expect(clippy::inline_always, reason = "only what is inlined is compiled for a level")]

use std::ops::Range;

use half::slice::HalfFloatSliceExt as _;
use rayon::prelude::*;

#[cfg(target_arch = "aarch64")]
use super::arm::neon_attend;
use super::attention::{Attention, KEY_LANES, KEY_TILE, KeysValues, Numbers};
use super::level::{Level, at_level};
use super::rows::{exp, exp_and_sum, largest, tanh};
#[cfg(target_arch = "x86_64")]
use super::x86::{avx2_attend, avx512_attend};

/// Keys of a part.
const PART: usize = 512;

/// Queries of a head in a task, and how many numbers of theirs at most.
const QUERIES: usize = 16;
const QUERY_NUMBERS: usize = 4096;

impl<'a> Numbers<'a> {
    fn len(self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::F16(numbers) => numbers.len(),
            Self::Q8(blocks) => blocks.numbers.len(),
        }
    }

    /// `scratch.len()` numbers from `start` on, which is where a row of a head begins.
    #[inline(always)]
    fn widened<'s>(self, level: Level, start: usize, scratch: &'s mut [f32]) -> &'s [f32]
    where
        'a: 's,
    {
        let span = start..start + scratch.len();
        match (self, level) {
            (Self::F32(numbers), _) => &numbers[span],
            (Self::Q8(blocks), _) => {
                blocks.widen(start, scratch);
                scratch
            }
            (Self::F16(numbers), Level::Portable) => {
                numbers[span].convert_to_f32_slice(scratch);
                scratch
            }
            #[cfg(target_arch = "x86_64")]
            (Self::F16(numbers), Level::Avx2 | Level::Avx512) => {
                // SAFETY: these levels are only chosen where the processor has AVX2 and F16C.
                unsafe { avx2_attend::widen(&numbers[span], scratch) };
                scratch
            }
            #[cfg(target_arch = "aarch64")]
            (Self::F16(numbers), Level::Neon | Level::NeonDot) => {
                // SAFETY: NEON is part of the architecture.
                unsafe { neon_attend::widen(&numbers[span], scratch) };
                scratch
            }
        }
    }
}

/// `out` (queries, heads, `head_dim`) = softmax(q · kᵀ) · v for `q` of the same shape.
///
/// What a query gets does not depend on how many queries are asked at once.
pub fn attend(shape: &Attention, q: &[f32], cache: &KeysValues<'_>, out: &mut [f32]) {
    attend_at(Level::best(), shape, q, cache, out);
}

pub(super) fn attend_at(
    level: Level,
    shape: &Attention,
    q: &[f32],
    cache: &KeysValues<'_>,
    out: &mut [f32],
) {
    let Attention { heads, kv_heads, head_dim, queries, offset, window, .. } = *shape;
    let capacity = cache.capacity;
    assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "{heads} heads on {kv_heads}");
    assert_eq!(q.len(), heads * queries * head_dim, "the length of q");
    assert_eq!(out.len(), q.len(), "the length of the result");
    assert!(offset + queries <= capacity, "queries to {}, room for {capacity}", offset + queries);
    assert!(capacity.is_multiple_of(KEY_TILE), "room for {capacity} keys is not in whole tiles");
    let kv_len = kv_heads * capacity * head_dim;
    assert!(cache.keys.len() == kv_len && cache.values.len() == kv_len, "{kv_len} keys and values");
    assert_ne!(window, Some(0), "a window holds at least the query's own position");
    if q.is_empty() {
        return;
    }

    let group = heads / kv_heads;
    let width = heads * head_dim;
    let rows = |first: usize, count: usize, kv_head: usize| Rows {
        shape,
        cache,
        q,
        first,
        count,
        kv_head,
    };
    let parts_of =
        |rows: &Rows<'_>| rows.earliest(0) / PART..rows.position(rows.count - 1) / PART + 1;
    if queries == 1 {
        // One task for each key head and part.
        let span = parts_of(&rows(0, 1, 0));
        let mut parts: Vec<(usize, usize, Part)> = (0..kv_heads)
            .flat_map(|kv_head| span.clone().map(move |part| (kv_head, part)))
            .map(|(kv_head, part)| (kv_head, part, Part::new(group, head_dim)))
            .collect();
        let run = |(kv_head, index, part): &mut (usize, usize, Part)| {
            let mut scratch = Scratch::new(group, head_dim);
            rows(0, 1, *kv_head).run(level, *index, &mut scratch, part);
        };
        if parts.len() < 2 || (offset + 1) * width < SERIAL {
            parts.iter_mut().for_each(run);
        } else {
            parts.par_iter_mut().with_max_len(1).for_each(run);
        }
        for (head, parts) in parts.chunks_exact(span.len()).enumerate() {
            let mut whole = Part::new(group, head_dim);
            whole.begin(cache.sinks, head * group..(head + 1) * group);
            for (_, _, part) in parts {
                whole.join(part);
            }
            whole.write(&mut out[head * group * head_dim..][..group * head_dim]);
        }
        return;
    }
    let count = (QUERY_NUMBERS / (group * head_dim)).clamp(1, QUERIES).min(queries);
    let run = |(index, out): (usize, &mut [f32])| {
        let (first, count) = (index * count, out.len() / width);
        let mut scratch = Scratch::new(count * group, head_dim);
        let mut part = Part::new(count * group, head_dim);
        let mut whole = Part::new(count * group, head_dim);
        let mut finished = vec![0.0; count * group * head_dim];
        for kv_head in 0..kv_heads {
            let rows = rows(first, count, kv_head);
            whole.clear();
            whole.begin(cache.sinks, kv_head * group..(kv_head + 1) * group);
            for index in parts_of(&rows) {
                part.clear();
                rows.run(level, index, &mut scratch, &mut part);
                whole.join(&part);
            }
            whole.write(&mut finished);
            let heads = finished.chunks_exact(group * head_dim);
            for (row, heads) in out.chunks_exact_mut(width).zip(heads) {
                row[kv_head * group * head_dim..][..group * head_dim].copy_from_slice(heads);
            }
        }
    };
    if queries * (offset + queries) * width < SERIAL {
        out.chunks_mut(count * width).enumerate().for_each(run);
    } else {
        out.par_chunks_mut(count * width).enumerate().with_max_len(1).for_each(run);
    }
}

/// Multiplications that are not worth another thread.
const SERIAL: usize = 1 << 16;

/// The softmax over some keys, unfinished: what it takes to join it with that over others.
struct Part {
    head_dim: usize,

    /// For each row the largest score and the sum of exp(score - largest).
    largest: Vec<f32>,
    sum: Vec<f32>,

    /// (rows, `head_dim`): the sum of exp(score - largest) · value.
    out: Vec<f32>,
}

impl Part {
    fn new(rows: usize, head_dim: usize) -> Self {
        Self {
            head_dim,
            largest: vec![f32::NEG_INFINITY; rows],
            sum: vec![0.0; rows],
            out: vec![0.0; rows * head_dim],
        }
    }

    fn clear(&mut self) {
        self.largest.fill(f32::NEG_INFINITY);
        self.sum.fill(0.0);
        self.out.fill(0.0);
    }

    /// Begins with the sinks of these query heads, which share a key head, if there are any.
    fn begin(&mut self, sinks: &[f32], heads: Range<usize>) {
        let Some(sinks) = sinks.get(heads) else { return };
        for (row, (largest, sum)) in self.largest.iter_mut().zip(&mut self.sum).enumerate() {
            (*largest, *sum) = (sinks[row % sinks.len()], 1.0);
        }
    }

    /// Adds the keys of `next`, which come after those in `self`.
    fn join(&mut self, next: &Self) {
        let rows = self.out.chunks_exact_mut(self.head_dim);
        for (row, (out, next_out)) in rows.zip(next.out.chunks_exact(self.head_dim)).enumerate() {
            if next.largest[row] == f32::NEG_INFINITY {
                continue; // it saw no key
            }
            let largest = self.largest[row].max(next.largest[row]);
            let shrink = [self.largest[row], next.largest[row]].map(|old| exp(old - largest));
            self.largest[row] = largest;
            self.sum[row] = self.sum[row] * shrink[0] + next.sum[row] * shrink[1];
            for (out, next) in out.iter_mut().zip(next_out) {
                *out = *out * shrink[0] + next * shrink[1];
            }
        }
    }

    fn write(&self, out: &mut [f32]) {
        let rows = self.out.chunks_exact(self.head_dim).zip(&self.sum);
        for (out, (from, sum)) in out.chunks_exact_mut(self.head_dim).zip(rows) {
            let scale = 1.0 / sum;
            for (out, from) in out.iter_mut().zip(from) {
                *out = from * scale;
            }
        }
    }
}

/// What a task writes over and over.
struct Scratch {
    /// (rows, 64)
    scores: Vec<f32>,

    /// For each row what to multiply its sums with before the tile is added.
    shrink: Vec<f32>,

    /// A tile of keys or values.
    tile: Vec<f32>,
}

impl Scratch {
    fn new(rows: usize, head_dim: usize) -> Self {
        let tile = vec![0.0; KEY_TILE * head_dim];
        Self { scores: vec![0.0; rows * KEY_TILE], shrink: vec![0.0; rows], tile }
    }
}

/// The queries from `first` on of all heads that share a key head: row r is query `r / group`.
struct Rows<'a> {
    shape: &'a Attention,
    cache: &'a KeysValues<'a>,
    q: &'a [f32],
    first: usize,
    count: usize,
    kv_head: usize,
}

impl Rows<'_> {
    fn group(&self) -> usize {
        self.shape.heads / self.shape.kv_heads
    }

    fn position(&self, query: usize) -> usize {
        self.shape.offset + self.first + query
    }

    /// The first key that a query sees.
    fn earliest(&self, query: usize) -> usize {
        (self.position(query) + 1).saturating_sub(self.shape.window.unwrap_or(usize::MAX))
    }

    /// The numbers of row `row`.
    fn query(&self, row: usize) -> &[f32] {
        let Attention { heads, head_dim, .. } = *self.shape;
        let group = self.group();
        let head = self.kv_head * group + row % group;
        &self.q[((self.first + row / group) * heads + head) * head_dim..][..head_dim]
    }

    /// The numbers of `N` rows from `first` on.
    #[inline]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn some<const N: usize>(&self, first: usize) -> [&[f32]; N] {
        std::array::from_fn(|i| self.query(first + i))
    }

    /// The keys of part `index`.
    fn run(&self, level: Level, index: usize, scratch: &mut Scratch, part: &mut Part) {
        let rows = self;
        at_level!(
            level,
            run_part,
            level: Level,
            rows: &Rows<'_>,
            index: usize,
            scratch: &mut Scratch,
            part: &mut Part
        );
    }
}

#[inline(always)]
fn run_part(level: Level, rows: &Rows<'_>, index: usize, scratch: &mut Scratch, part: &mut Part) {
    let Attention { head_dim, scale, softcap, alibi, .. } = *rows.shape;
    let Scratch { scores, shrink, tile: room } = scratch;
    let group = rows.group();
    let from = rows.earliest(0).max(index * PART);
    let end = (rows.position(rows.count - 1) + 1).min((index + 1) * PART);
    for tile in (from / KEY_TILE * KEY_TILE..end).step_by(KEY_TILE) {
        let at = (rows.kv_head * rows.cache.capacity + tile) * head_dim;
        score(level, rows, rows.cache.keys.widened(level, at, room), scores);
        for (row, scores) in scores.as_chunks_mut::<KEY_TILE>().0.iter_mut().enumerate() {
            let query = row / group;
            let first = rows.earliest(query).saturating_sub(tile);
            let last = (rows.position(query) + 1).saturating_sub(tile).min(KEY_TILE);
            if first >= last {
                scores.fill(0.0);
                shrink[row] = 1.0;
                continue;
            }
            match softcap {
                None => scores.iter_mut().for_each(|score| *score *= scale),
                Some(cap) => {
                    for score in scores.iter_mut() {
                        *score = tanh(*score * scale / cap) * cap;
                    }
                }
            }
            if let Some(alibi) = alibi {
                alibi.add(rows.kv_head * group + row % group, scale, tile, scores);
            }
            // Adding 0 changes nothing: every query adds the same numbers in the same order,
            // whatever the others see.
            scores[..first].fill(f32::NEG_INFINITY);
            scores[last..].fill(f32::NEG_INFINITY);
            let new_largest = part.largest[row].max(largest(scores));
            shrink[row] = exp(part.largest[row] - new_largest);
            part.largest[row] = new_largest;
            part.sum[row] = part.sum[row] * shrink[row] + exp_and_sum(scores, new_largest);
        }
        let values = rows.cache.values.widened(level, at, room);
        let seen = from.saturating_sub(tile)..end.min(tile + KEY_TILE) - tile;
        let values = &values[seen.start * head_dim..seen.end * head_dim];
        add_weighted(level, scores, seen.start, values, shrink, &mut part.out);
    }
}

/// Rows that are computed together: three hide how long a multiplication takes.
fn step(left: usize) -> usize {
    if left == 4 { 2 } else { left.min(3) }
}

/// `$call` with `$count`, one to three, as the constant `N`.
macro_rules! with_count {
    ($count:expr, $call:expr) => {
        match $count {
            1 => {
                const N: usize = 1;
                $call
            }
            2 => {
                const N: usize = 2;
                $call
            }
            _ => {
                const N: usize = 3;
                $call
            }
        }
    };
}

/// `scores` (rows, 64) = the queries times a tile of keys.
#[inline(always)]
fn score(level: Level, rows: &Rows<'_>, keys: &[f32], scores: &mut [f32]) {
    let count = scores.len() / KEY_TILE;
    let mut row = 0;
    while row < count {
        let n = step(count - row);
        let out = &mut scores[row * KEY_TILE..(row + n) * KEY_TILE];
        match level {
            Level::Portable => {
                for (i, out) in out.as_chunks_mut::<KEY_TILE>().0.iter_mut().enumerate() {
                    portable_score(rows.query(row + i), keys, out);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => with_count!(n, {
                // SAFETY: this level is only chosen where the processor has AVX2 and FMA.
                unsafe { avx2_attend::score::<N>(rows.some(row), keys, out) };
            }),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => with_count!(n, {
                // SAFETY: this level is only chosen where the processor has AVX-512 too.
                unsafe { avx512_attend::score::<N>(rows.some(row), keys, out) };
            }),
            #[cfg(target_arch = "aarch64")]
            Level::Neon | Level::NeonDot => with_count!(n, {
                // SAFETY: NEON is part of the architecture.
                unsafe { neon_attend::score::<N>(rows.some(row), keys, out) };
            }),
        }
        row += n;
    }
}

fn portable_score(q: &[f32], keys: &[f32], out: &mut [f32; KEY_TILE]) {
    let blocks = keys.chunks_exact(KEY_LANES * q.len());
    for (out, keys) in out.as_chunks_mut::<KEY_LANES>().0.iter_mut().zip(blocks) {
        *out = [0.0; KEY_LANES];
        for (q, keys) in q.iter().zip(keys.as_chunks::<KEY_LANES>().0) {
            for lane in 0..KEY_LANES {
                out[lane] += q * keys[lane];
            }
        }
    }
}

/// Each row of `out` = its shrink · itself + the rows of `values`, each times its weight; the
/// weights of the first one are at `first` of their row of 64.
#[inline(always)]
fn add_weighted(
    level: Level,
    weights: &[f32],
    first: usize,
    values: &[f32],
    shrink: &[f32],
    out: &mut [f32],
) {
    let count = shrink.len();
    let dim = out.len() / count;
    let mut row = 0;
    while row < count {
        let n = step(count - row);
        let weights = &weights[row * KEY_TILE..(row + n) * KEY_TILE];
        let (shrink, out) = (&shrink[row..row + n], &mut out[row * dim..(row + n) * dim]);
        match level {
            Level::Portable => {
                for (i, out) in out.chunks_exact_mut(dim).enumerate() {
                    for out in out.iter_mut() {
                        *out *= shrink[i];
                    }
                    let weights = &weights[i * KEY_TILE + first..];
                    for (weight, values) in weights.iter().zip(values.chunks_exact(dim)) {
                        for (out, value) in out.iter_mut().zip(values) {
                            *out += weight * value;
                        }
                    }
                }
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => with_count!(n, {
                // SAFETY: this level is only chosen where the processor has AVX2 and FMA.
                unsafe { avx2_attend::add_weighted::<N>(weights, first, values, shrink, out) };
            }),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => with_count!(n, {
                // SAFETY: this level is only chosen where the processor has AVX-512 too.
                unsafe { avx512_attend::add_weighted::<N>(weights, first, values, shrink, out) };
            }),
            #[cfg(target_arch = "aarch64")]
            Level::Neon | Level::NeonDot => with_count!(n, {
                // SAFETY: NEON is part of the architecture.
                unsafe { neon_attend::add_weighted::<N>(weights, first, values, shrink, out) };
            }),
        }
        row += n;
    }
}

#[cfg(test)]
#[path = "attend_tests.rs"]
mod tests;
