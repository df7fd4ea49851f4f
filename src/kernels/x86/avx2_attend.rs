//! The inner loops of attention with AVX2.

#![expect(unsafe_code, reason = "loads and stores registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;

use half::f16;

use super::avx2_registers::{load, prefetch, store};
use crate::attention::{KEY_LANES, KEY_TILE};

/// Keys in registers at once: four times eight.
const SIDE: usize = 4;

/// `scores` (N, 64) = the queries times 64 keys, which lie eight side by side.
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(crate) fn score<const N: usize>(q: [&[f32]; N], keys: &[f32], scores: &mut [f32]) {
    let dim = q[0].len();
    let scores = scores.as_chunks_mut::<KEY_TILE>().0;
    for side in 0..KEY_TILE / KEY_LANES / SIDE {
        let keys = keys[side * SIDE * KEY_LANES * dim..].as_chunks::<KEY_LANES>().0;
        let (ab, cd) = keys[..SIDE * dim].split_at(2 * dim);
        let ((a, b), (c, d)) = (ab.split_at(dim), cd.split_at(dim));
        let mut acc = [[_mm256_setzero_ps(); SIDE]; N];
        for i in 0..dim {
            // Sixteen registers: 12 sums, 3 queries, 1 for the keys in turn.
            let mut query = [_mm256_setzero_ps(); N];
            for n in 0..N {
                query[n] = _mm256_set1_ps(q[n][i]);
            }
            for (k, keys) in [&a[i], &b[i], &c[i], &d[i]].into_iter().enumerate() {
                let keys = load(keys);
                for n in 0..N {
                    acc[n][k] = _mm256_fmadd_ps(query[n], keys, acc[n][k]);
                }
            }
        }
        for (acc, scores) in acc.iter().zip(scores.iter_mut()) {
            let scores = &mut scores.as_chunks_mut::<KEY_LANES>().0[side * SIDE..];
            for (acc, scores) in acc.iter().zip(scores) {
                *scores = store(*acc);
            }
        }
    }
}

/// `out` (N, dim): each row = its shrink · itself + the rows of `values`, each times its weight;
/// the weights of the first one are at `first` of each row of `weights`, (N, 64).
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(crate) fn add_weighted<const N: usize>(
    weights: &[f32],
    first: usize,
    values: &[f32],
    shrink: &[f32],
    out: &mut [f32],
) {
    let dim = out.len() / N;
    let mut at = 0;
    while at + 32 <= dim {
        add_columns::<N, 4>(weights, first, values, shrink, out, at);
        at += 32;
    }
    while at + 8 <= dim {
        add_columns::<N, 1>(weights, first, values, shrink, out, at);
        at += 8;
    }
    for (n, out) in out.chunks_exact_mut(dim).enumerate() {
        for (d, out) in out.iter_mut().enumerate().skip(at) {
            let weights = &weights[n * KEY_TILE + first..];
            let column = weights.iter().zip(values.chunks_exact(dim));
            *out = column.fold(*out * shrink[n], |sum, (weight, v)| weight.mul_add(v[d], sum));
        }
    }
}

/// Columns `at` to `at + 8 W` of [`add_weighted`].
#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_columns<const N: usize, const W: usize>(
    weights: &[f32],
    first: usize,
    values: &[f32],
    shrink: &[f32],
    out: &mut [f32],
    at: usize,
) {
    let dim = out.len() / N;
    let mut acc = [[_mm256_setzero_ps(); W]; N];
    for (n, acc) in acc.iter_mut().enumerate() {
        let out = out[n * dim + at..][..8 * W].as_chunks::<8>().0;
        for (acc, out) in acc.iter_mut().zip(out) {
            *acc = _mm256_mul_ps(load(out), _mm256_set1_ps(shrink[n]));
        }
    }
    let weights = weights.as_chunks::<KEY_TILE>().0;
    for (key, values) in values.chunks_exact(dim).enumerate() {
        let values = values[at..at + 8 * W].as_chunks::<8>().0;
        let mut weight = [_mm256_setzero_ps(); N];
        for n in 0..N {
            weight[n] = _mm256_set1_ps(weights[n][first + key]);
        }
        for w in 0..W {
            let values = load(&values[w]);
            for n in 0..N {
                acc[n][w] = _mm256_fmadd_ps(weight[n], values, acc[n][w]);
            }
        }
    }
    for (n, acc) in acc.iter().enumerate() {
        let out = out[n * dim + at..][..8 * W].as_chunks_mut::<8>().0;
        for (acc, out) in acc.iter().zip(out) {
            *out = store(*acc);
        }
    }
}

/// Each f16 as f32. Asks for what follows: a tile of a head is followed by its next one, which comes
/// while this one is computed with.
#[target_feature(enable = "avx2,f16c")]
#[inline]
pub(crate) fn widen(from: &[f16], to: &mut [f32]) {
    let next = from.as_ptr().cast::<u8>().wrapping_add(size_of_val(from));
    prefetch(next, size_of_val(from));
    let (from, from_rest) = from.as_chunks::<8>();
    let (to, to_rest) = to.as_chunks_mut::<8>();
    for (from, to) in from.iter().zip(to) {
        // SAFETY: sixteen bytes can be read; the instruction does not ask for alignment.
        *to = store(_mm256_cvtph_ps(unsafe { _mm_loadu_si128(from.as_ptr().cast()) }));
    }
    for (from, to) in from_rest.iter().zip(to_rest) {
        *to = from.to_f32();
    }
}
