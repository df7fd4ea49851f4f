//! The two inner loops of attention with AVX2.

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;

use super::avx2::{load, store};

/// `out[j]` = `q` · row j of `k`.
#[target_feature(enable = "avx2,fma")]
pub(super) fn dots(q: &[f32], k: &[f32], out: &mut [f32]) {
    let dim = q.len();
    let (fours, ones) = out.as_chunks_mut::<4>();
    let (k_fours, k_ones) = k.split_at(fours.len() * 4 * dim);
    for (out, k) in fours.iter_mut().zip(k_fours.chunks_exact(4 * dim)) {
        let (a, b) = k.split_at(2 * dim);
        let ((a, b), (c, d)) = (a.split_at(dim), b.split_at(dim));
        dots_of(q, [a, b, c, d], out);
    }
    for (out, k) in ones.iter_mut().zip(k_ones.chunks_exact(dim)) {
        dots_of(q, [k], std::array::from_mut(out));
    }
}

/// `N` rows at once hide that a multiplication takes four cycles.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn dots_of<const N: usize>(q: &[f32], k: [&[f32]; N], out: &mut [f32; N]) {
    let (q, q_rest) = q.as_chunks::<8>();
    let mut acc = [_mm256_setzero_ps(); N];
    for (i, q) in q.iter().enumerate() {
        let q = load(q);
        for n in 0..N {
            acc[n] = _mm256_fmadd_ps(q, load(&k[n].as_chunks::<8>().0[i]), acc[n]);
        }
    }
    for n in 0..N {
        let rest = q_rest.iter().zip(k[n].as_chunks::<8>().1).map(|(q, k)| q * k);
        out[n] = sum(acc[n]) + rest.sum::<f32>();
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum(v: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

/// `out` = `shrink` · `out` + the rows of `v`, each times its weight.
#[target_feature(enable = "avx2,fma")]
pub(super) fn add_weighted(weights: &[f32], v: &[f32], shrink: f32, out: &mut [f32]) {
    let dim = out.len();
    let (wide, rest) = out.as_chunks_mut::<32>();
    let done = 32 * wide.len();
    for (i, out) in wide.iter_mut().enumerate() {
        let mut acc = [_mm256_setzero_ps(); 4];
        for (acc, out) in acc.iter_mut().zip(out.as_chunks::<8>().0) {
            *acc = _mm256_mul_ps(load(out), _mm256_set1_ps(shrink));
        }
        for (&weight, v) in weights.iter().zip(v.chunks_exact(dim)) {
            let weight = _mm256_set1_ps(weight);
            let v = v[32 * i..32 * i + 32].as_chunks::<8>().0;
            for (acc, v) in acc.iter_mut().zip(v) {
                *acc = _mm256_fmadd_ps(weight, load(v), *acc);
            }
        }
        for (acc, out) in acc.iter().zip(out.as_chunks_mut::<8>().0) {
            *out = store(*acc);
        }
    }
    for (d, out) in rest.iter_mut().enumerate() {
        let column = weights.iter().zip(v.chunks_exact(dim));
        *out = column.fold(*out * shrink, |sum, (weight, v)| sum + weight * v[done + d]);
    }
}
