//! The inner loops of attention with NEON. Each score and each output is summed in the order of
//! `avx2_attend`.

#![expect(unsafe_code, reason = "loads registers")]

use std::arch::aarch64::{
    vcvt_f32_f16, vdupq_n_f32, vfmaq_n_f32, vld1_u16, vmulq_n_f32, vreinterpret_f16_u16,
};

use half::f16;

use super::neon_registers::{load, store};
use crate::attention::{KEY_LANES, KEY_TILE};

/// Keys in registers at once: four times eight.
const SIDE: usize = 4;

/// `scores` (N, 64) = the queries times 64 keys, which lie eight side by side.
#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn score<const N: usize>(q: [&[f32]; N], keys: &[f32], scores: &mut [f32]) {
    let dim = q[0].len();
    let scores = scores.as_chunks_mut::<KEY_TILE>().0;
    let keys = keys.as_chunks::<KEY_LANES>().0;
    for side in 0..KEY_TILE / KEY_LANES / SIDE {
        let blocks: [&[[f32; KEY_LANES]]; SIDE] =
            std::array::from_fn(|block| &keys[(side * SIDE + block) * dim..][..dim]);
        let mut acc = [[[vdupq_n_f32(0.0); 2]; SIDE]; N];
        for i in 0..dim {
            for (k, keys) in blocks.iter().enumerate() {
                for (half, keys) in keys[i].as_chunks().0.iter().enumerate() {
                    let keys = load(keys);
                    for n in 0..N {
                        acc[n][k][half] = vfmaq_n_f32(acc[n][k][half], keys, q[n][i]);
                    }
                }
            }
        }
        for (acc, scores) in acc.iter().zip(scores.iter_mut()) {
            let scores = &mut scores.as_chunks_mut().0[2 * side * SIDE..];
            for (acc, scores) in acc.as_flattened().iter().zip(scores) {
                *scores = store(*acc);
            }
        }
    }
}

/// `out` (N, dim): each row = its shrink · itself + the rows of `values`, each times its weight;
/// the weights of the first one are at `first` of each row of `weights`, (N, 64).
#[target_feature(enable = "neon")]
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
        add_columns::<N, 8>(weights, first, values, shrink, out, at);
        at += 32;
    }
    while at + 4 <= dim {
        add_columns::<N, 1>(weights, first, values, shrink, out, at);
        at += 4;
    }
    for (n, out) in out.chunks_exact_mut(dim).enumerate() {
        for (d, out) in out.iter_mut().enumerate().skip(at) {
            let weights = &weights[n * KEY_TILE + first..];
            let column = weights.iter().zip(values.chunks_exact(dim));
            *out = column.fold(*out * shrink[n], |sum, (weight, v)| weight.mul_add(v[d], sum));
        }
    }
}

/// Columns `at` to `at + 4 W` of [`add_weighted`].
#[target_feature(enable = "neon")]
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
    let mut acc = [[vdupq_n_f32(0.0); W]; N];
    for (n, acc) in acc.iter_mut().enumerate() {
        let out = out[n * dim + at..][..4 * W].as_chunks().0;
        for (acc, out) in acc.iter_mut().zip(out) {
            *acc = vmulq_n_f32(load(out), shrink[n]);
        }
    }
    let weights = weights.as_chunks::<KEY_TILE>().0;
    for (key, values) in values.chunks_exact(dim).enumerate() {
        let values = values[at..at + 4 * W].as_chunks().0;
        for w in 0..W {
            let values = load(&values[w]);
            for n in 0..N {
                acc[n][w] = vfmaq_n_f32(acc[n][w], values, weights[n][first + key]);
            }
        }
    }
    for (n, acc) in acc.iter().enumerate() {
        let out = out[n * dim + at..][..4 * W].as_chunks_mut().0;
        for (acc, out) in acc.iter().zip(out) {
            *out = store(*acc);
        }
    }
}

/// Each f16 as f32.
#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn widen(from: &[f16], to: &mut [f32]) {
    let (from, from_rest) = from.as_chunks::<4>();
    let (to, to_rest) = to.as_chunks_mut::<4>();
    for (from, to) in from.iter().zip(to) {
        // SAFETY: eight bytes can be read; an f16 is laid out as its bits.
        let halves = vreinterpret_f16_u16(unsafe { vld1_u16(from.as_ptr().cast()) });
        *to = store(vcvt_f32_f16(halves));
    }
    for (from, to) in from_rest.iter().zip(to_rest) {
        *to = from.to_f32();
    }
}
