//! The inner loops of attention with AVX-512. Each score and each output is summed in the order of
//! `avx2_attend`, whose bits these are; f16 is widened there.

#![expect(unsafe_code, reason = "loads and stores registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;

use super::avx2_registers as avx2;
use super::avx512::{joined, load, store};
use crate::attention::{KEY_LANES, KEY_TILE};

/// Registers of a tile of keys, each two times eight side by side.
const SIDE: usize = KEY_TILE / KEY_LANES / 2;

/// `scores` (N, 64) = the queries times 64 keys, which lie eight side by side.
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
#[inline]
pub(crate) fn score<const N: usize>(q: [&[f32]; N], keys: &[f32], scores: &mut [f32]) {
    let dim = q[0].len();
    let keys = keys.as_chunks::<KEY_LANES>().0;
    let blocks: [&[[f32; KEY_LANES]]; 2 * SIDE] =
        std::array::from_fn(|block| &keys[block * dim..][..dim]);
    let mut acc = [[_mm512_setzero_ps(); SIDE]; N];
    for i in 0..dim {
        let mut query = [_mm512_setzero_ps(); N];
        for n in 0..N {
            query[n] = _mm512_set1_ps(q[n][i]);
        }
        for side in 0..SIDE {
            let (low, high) = (&blocks[2 * side][i], &blocks[2 * side + 1][i]);
            let keys = joined(avx2::load(low), avx2::load(high));
            for n in 0..N {
                acc[n][side] = _mm512_fmadd_ps(query[n], keys, acc[n][side]);
            }
        }
    }
    for (acc, scores) in acc.iter().zip(scores.as_chunks_mut::<KEY_TILE>().0) {
        for (acc, scores) in acc.iter().zip(scores.as_chunks_mut().0) {
            *scores = store(*acc);
        }
    }
}

/// See `avx2_attend::add_weighted`.
#[target_feature(enable = "avx512f")]
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
    while at + 64 <= dim {
        add_columns::<N, 4>(weights, first, values, shrink, out, at);
        at += 64;
    }
    while at < dim {
        add_columns::<N, 1>(weights, first, values, shrink, out, at);
        at += 16;
    }
}

/// Columns `at` to `at + 16 W` of [`add_weighted`], as far as there are any.
#[target_feature(enable = "avx512f")]
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
    // Known when this is compiled, but for the last columns.
    let width = if W == 1 { 16.min(dim - at) } else { 16 * W };
    let mut acc = [[_mm512_setzero_ps(); W]; N];
    for (n, acc) in acc.iter_mut().enumerate() {
        let out = &out[n * dim + at..][..width];
        for (w, acc) in acc.iter_mut().enumerate() {
            *acc = _mm512_mul_ps(some(&out[16 * w..]), _mm512_set1_ps(shrink[n]));
        }
    }
    let weights = weights.as_chunks::<KEY_TILE>().0;
    for (key, values) in values.chunks_exact(dim).enumerate() {
        let values = &values[at..][..width];
        let mut weight = [_mm512_setzero_ps(); N];
        for n in 0..N {
            weight[n] = _mm512_set1_ps(weights[n][first + key]);
        }
        for w in 0..W {
            let values = some(&values[16 * w..]);
            for n in 0..N {
                acc[n][w] = _mm512_fmadd_ps(weight[n], values, acc[n][w]);
            }
        }
    }
    for (n, acc) in acc.iter().enumerate() {
        let out = &mut out[n * dim + at..][..width];
        for (out, acc) in out.chunks_mut(16).zip(acc) {
            out.copy_from_slice(&store(*acc)[..out.len()]);
        }
    }
}

/// The first sixteen values, with zeros for those that are not there.
#[target_feature(enable = "avx512f")]
#[inline]
fn some(values: &[f32]) -> __m512 {
    if let Some(values) = values.first_chunk() {
        return load(values);
    }
    let mask = (1 << values.len()) - 1;
    // SAFETY: what is not there is masked, and not read.
    unsafe { _mm512_maskz_loadu_ps(mask, values.as_ptr()) }
}
