//! Causal attention over a cache of keys and values, never holding more than 64 scores of a query.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls code compiled for AVX2 after asking the processor")
)]
#![expect(clippy::inline_always, reason = "only what is inlined is compiled for a level")]

use rayon::prelude::*;

use super::Level;
#[cfg(target_arch = "x86_64")]
use super::avx2_attend;
use super::rows::{at_level, exp, exp_and_sum, largest, tanh};

/// Keys whose scores are held at once. 64 keys of 64 numbers are 16 KiB: half of the first cache.
const TILE: usize = 64;

/// Queries of a task, which meet a tile of keys one after the other.
const QUERIES: usize = 16;

/// Shapes and rules of an attention. Query `i` stands at position `offset + i` and sees the keys up
/// to its own position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Query heads, a multiple of `kv_heads`: heads that follow each other share keys and values.
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub queries: usize,

    /// Positions in the cache, at least `offset + queries`.
    pub keys: usize,

    /// Values from the start of one key head to the start of the next: `keys * head_dim`, or more
    /// if the cache has room to grow.
    pub kv_stride: usize,

    /// Position of the first query.
    pub offset: usize,

    /// What q · k is multiplied with, mostly `1 / sqrt(head_dim)`.
    pub scale: f32,

    /// Sliding window: a query sees this many keys, its own among them.
    pub window: Option<usize>,

    /// Scores become `cap · tanh(score / cap)` (Gemma 2).
    pub softcap: Option<f32>,
}

/// `out` (heads, queries, `head_dim`) = softmax(q · kᵀ) · v for `q` (heads, queries, `head_dim`) and
/// `k`, `v` (`kv_heads`, keys, `head_dim`) with `kv_stride` from head to head.
///
/// What a query gets does not depend on how many queries are asked at once.
pub fn attend(shape: &Attention, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    attend_at(Level::best(), shape, q, k, v, out);
}

fn attend_at(level: Level, shape: &Attention, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
    let Attention { heads, kv_heads, head_dim, queries, keys, kv_stride, offset, .. } = *shape;
    assert!(kv_heads > 0 && heads.is_multiple_of(kv_heads), "{heads} heads on {kv_heads}");
    assert_eq!(q.len(), heads * queries * head_dim, "the length of q");
    assert_eq!(out.len(), q.len(), "the length of the result");
    assert!(offset + queries <= keys, "queries to {}, keys to {keys}", offset + queries);
    assert!(keys * head_dim <= kv_stride, "{keys} keys of {head_dim} in {kv_stride} values");
    let kv_len = (kv_heads - 1) * kv_stride + keys * head_dim;
    assert!(k.len() >= kv_len && v.len() >= kv_len, "k and v need {kv_len} values");
    assert_ne!(shape.window, Some(0), "a window holds at least the query's own position");
    if q.is_empty() {
        return;
    }

    let mut tasks = Vec::with_capacity(heads * queries.div_ceil(QUERIES));
    for (head, out) in out.chunks_exact_mut(queries * head_dim).enumerate() {
        let from = head / (heads / kv_heads) * kv_stride;
        let (k, v) = (&k[from..from + keys * head_dim], &v[from..from + keys * head_dim]);
        for (i, out) in out.chunks_mut(QUERIES * head_dim).enumerate() {
            let q = &q[(head * queries + i * QUERIES) * head_dim..][..out.len()];
            tasks.push(Task { shape, first: offset + i * QUERIES, q, k, v, out });
        }
    }
    let run = |task: Task<'_>| at_level!(level, attend_task, level: Level, task: Task<'_>);
    // Multiplications that are not worth another thread.
    const SERIAL: usize = 1 << 17;
    if heads * queries * keys * head_dim < SERIAL {
        tasks.into_iter().for_each(run);
    } else {
        tasks.into_par_iter().for_each(run);
    }
}

/// One head, up to [`QUERIES`] queries.
struct Task<'a> {
    shape: &'a Attention,

    /// Position of the first query.
    first: usize,

    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    out: &'a mut [f32],
}

#[inline(always)]
fn attend_task(level: Level, task: Task<'_>) {
    let Task { shape, first, q, k, v, out } = task;
    let Attention { head_dim, scale, window, softcap, .. } = *shape;
    let count = q.len() / head_dim;
    let earliest = |position: usize| (position + 1).saturating_sub(window.unwrap_or(usize::MAX));
    // For each query the largest score so far, and the sum of exp(score - largest).
    let mut state = [(f32::NEG_INFINITY, 0.0_f32); QUERIES];
    out.fill(0.0);
    let mut scores = [0.0; TILE];
    // Tiles start at multiples of 64 for every query, so that each query adds in the same order.
    for tile in (earliest(first) / TILE * TILE..first + count).step_by(TILE) {
        for (i, (largest_yet, sum)) in state[..count].iter_mut().enumerate() {
            let position = first + i;
            let start = tile.max(earliest(position));
            let end = (tile + TILE).min(position + 1);
            if start >= end {
                continue;
            }
            let span = start * head_dim..end * head_dim;
            let scores = &mut scores[..end - start];
            dots(level, &q[i * head_dim..][..head_dim], &k[span.clone()], scores);
            match softcap {
                None => scores.iter_mut().for_each(|score| *score *= scale),
                Some(cap) => {
                    for score in scores.iter_mut() {
                        *score = tanh(*score * scale / cap) * cap;
                    }
                }
            }
            let new_largest = largest_yet.max(largest(scores));
            let shrink = exp(*largest_yet - new_largest);
            *largest_yet = new_largest;
            *sum = *sum * shrink + exp_and_sum(scores, new_largest);
            let out = &mut out[i * head_dim..][..head_dim];
            add_weighted(level, scores, &v[span], shrink, out);
        }
    }
    for (out, (_, sum)) in out.chunks_exact_mut(head_dim).zip(state) {
        let scale = 1.0 / sum;
        for out in out {
            *out *= scale;
        }
    }
}

/// `out[j]` = `q` · row j of `k`.
#[inline]
fn dots(level: Level, q: &[f32], k: &[f32], out: &mut [f32]) {
    match level {
        Level::Portable => {
            for (out, k) in out.iter_mut().zip(k.chunks_exact(q.len())) {
                let (q, q_rest) = q.as_chunks::<8>();
                let (k, k_rest) = k.as_chunks::<8>();
                let mut lanes = [0.0; 8];
                for (q, k) in q.iter().zip(k) {
                    for i in 0..8 {
                        lanes[i] += q[i] * k[i];
                    }
                }
                let rest: f32 = q_rest.iter().zip(k_rest).map(|(q, k)| q * k).sum();
                *out = lanes.iter().sum::<f32>() + rest;
            }
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is only chosen where the processor has AVX2 and FMA.
        Level::Avx2 => unsafe { avx2_attend::dots(q, k, out) },
    }
}

/// `out` = `shrink` · `out` + the rows of `v`, each times its weight.
#[inline]
fn add_weighted(level: Level, weights: &[f32], v: &[f32], shrink: f32, out: &mut [f32]) {
    match level {
        Level::Portable => {
            for out in out.iter_mut() {
                *out *= shrink;
            }
            for (weight, v) in weights.iter().zip(v.chunks_exact(out.len())) {
                for (out, v) in out.iter_mut().zip(v) {
                    *out += weight * v;
                }
            }
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is only chosen where the processor has AVX2 and FMA.
        Level::Avx2 => unsafe { avx2_attend::add_weighted(weights, v, shrink, out) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(len: usize, step: f32) -> Vec<f32> {
        (0..len).map(|i| (i as f32 * step + 0.3).sin() * 1.5).collect()
    }

    /// The definition, in f64, one score at a time.
    fn expected(shape: &Attention, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f64> {
        let Attention { heads, kv_heads, head_dim, queries, kv_stride, offset, .. } = *shape;
        let mut out = Vec::new();
        for head in 0..heads {
            let kv = head / (heads / kv_heads) * kv_stride;
            for i in 0..queries {
                let q = &q[(head * queries + i) * head_dim..][..head_dim];
                let position = offset + i;
                let seen =
                    (0..=position).filter(|key| shape.window.is_none_or(|w| position - key < w));
                let weights: Vec<(usize, f64)> = seen
                    .map(|key| {
                        let k = &k[kv + key * head_dim..][..head_dim];
                        let dot: f64 =
                            q.iter().zip(k).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum();
                        let score = dot * f64::from(shape.scale);
                        let score = shape
                            .softcap
                            .map_or(score, |cap| (score / f64::from(cap)).tanh() * f64::from(cap));
                        (key, score.exp())
                    })
                    .collect();
                let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
                for d in 0..head_dim {
                    let value = |key: usize| f64::from(v[kv + key * head_dim + d]);
                    out.push(weights.iter().map(|&(key, w)| w / sum * value(key)).sum());
                }
            }
        }
        out
    }

    fn shape(queries: usize, keys: usize) -> Attention {
        Attention {
            heads: 6,
            kv_heads: 2,
            head_dim: 64,
            queries,
            keys,
            kv_stride: (keys + 5) * 64,
            offset: keys - queries,
            scale: 0.125,
            window: None,
            softcap: None,
        }
    }

    fn check(shape: &Attention) {
        let q = wave(shape.heads * shape.queries * shape.head_dim, 0.713);
        let k = wave(shape.kv_heads * shape.kv_stride, 0.317);
        let v = wave(shape.kv_heads * shape.kv_stride, 0.191);
        let expected = expected(shape, &q, &k, &v);
        for level in Level::all() {
            let mut out = vec![f32::NAN; q.len()];
            attend_at(level, shape, &q, &k, &v, &mut out);
            for (i, (&found, expected)) in out.iter().zip(&expected).enumerate() {
                let error = (f64::from(found) - expected).abs();
                assert!(error < 2e-5, "{level:?} {shape:?} {i}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn each_query_sees_the_keys_up_to_its_own() {
        for (queries, keys) in [(1, 1), (1, 64), (1, 65), (17, 17), (40, 200), (3, 130)] {
            check(&shape(queries, keys));
        }
    }

    #[test]
    fn heads_of_any_width_and_grouping_are_served() {
        for (heads, kv_heads, head_dim) in [(4, 4, 32), (4, 1, 256), (3, 3, 20), (8, 2, 96)] {
            let mut shape = Attention { heads, kv_heads, head_dim, ..shape(5, 70) };
            shape.kv_stride = shape.keys * head_dim;
            check(&shape);
        }
    }

    #[test]
    fn a_window_hides_what_is_too_far_back() {
        for window in [1, 2, 63, 64, 100, 1000] {
            check(&Attention { window: Some(window), ..shape(20, 150) });
        }
    }

    #[test]
    fn a_soft_cap_bounds_the_scores() {
        check(&Attention { softcap: Some(2.0), scale: 1.0, ..shape(9, 80) });
    }

    #[test]
    fn a_query_gets_the_same_alone_as_among_others() {
        let all = Attention { window: Some(90), ..shape(30, 140) };
        let q = wave(all.heads * 30 * 64, 0.713);
        let (k, v) = (wave(2 * all.kv_stride, 0.317), wave(2 * all.kv_stride, 0.191));
        let mut together = vec![0.0; q.len()];
        attend(&all, &q, &k, &v, &mut together);
        let one = Attention { queries: 1, offset: all.offset + 21, ..all };
        let pick = |x: &[f32]| -> Vec<f32> {
            x.chunks_exact(30 * 64).flat_map(|head| head[21 * 64..22 * 64].to_vec()).collect()
        };
        let mut alone = vec![0.0; all.heads * 64];
        attend(&one, &pick(&q), &k, &v, &mut alone);
        assert_eq!(alone, pick(&together));
    }
}
