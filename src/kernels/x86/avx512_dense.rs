//! Dense weights (F32, F16, BF16) times f32 activations with AVX-512: the panels of `avx2_dense`,
//! sixteen outputs to a register. The sums are made in the same order, so the results are those of
//! `avx2_dense`, bit for bit.
//!
//! BF16 is widened too: the instruction that multiplies pairs of it (`vdpbf16ps`) would round the
//! activations to 8 bits and the bound of a dense product is a millionth.

#![expect(unsafe_code, reason = "loads registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::ops::Range;

use super::avx2_dense::{DEPTH, Panel, fill, widen_bf16, widen_f16, widen_f32};
use super::avx512::store;
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;

/// Activation rows at once: their sums hide how long a multiplication takes, and there is a register
/// for the address of each.
const STEP: usize = 8;

/// Most activation rows that share one panel; their sums are 12 KiB.
const TILE: usize = 192;

/// Computes the outputs of weight rows `rows` for every row of `x` (m, cols).
#[target_feature(enable = "avx2,fma,f16c,avx512f")]
pub(crate) fn dense(weights: &QMatrix, x: &[f32], rows: Range<usize>, out: &mut Columns<'_>) {
    match weights.kind() {
        GgmlType::F32 => {
            run::<4>(weights, x, rows, out, |b| widen_f32(b));
        }
        GgmlType::F16 => {
            run::<2>(weights, x, rows, out, |b| widen_f16(b));
        }
        GgmlType::BF16 => {
            run::<2>(weights, x, rows, out, |b| widen_bf16(b));
        }
        kind => unreachable!("{kind} is packed"),
    }
}

#[target_feature(enable = "avx2,fma,f16c,avx512f")]
fn run<const BYTES: usize>(
    weights: &QMatrix,
    x: &[f32],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    widen: impl Fn(&[[u8; BYTES]; 8]) -> __m256,
) {
    let cols = weights.cols();
    let mut panel: Panel = [[_mm256_setzero_ps(); 2]; DEPTH];
    let mut sums = [_mm512_setzero_ps(); TILE];
    // Tiles of about the same size.
    let tile = out.m().div_ceil(out.m().div_ceil(TILE)).next_multiple_of(STEP);
    for tile_start in (0..out.m()).step_by(tile) {
        let sums = &mut sums[..tile.min(out.m() - tile_start)];
        for first_row in rows.clone().step_by(16) {
            let lanes = 16.min(rows.end - first_row);
            sums.fill(_mm512_setzero_ps());
            for start in (0..cols).step_by(DEPTH) {
                let len = DEPTH.min(cols - start);
                for half in 0..2 {
                    let packed = std::array::from_fn(|lane| {
                        let row = first_row + (8 * half + lane).min(lanes - 1);
                        &weights.row_bytes(row).as_chunks::<BYTES>().0[start..start + len]
                    });
                    fill(&mut panel, half, packed, weights.kind(), &widen);
                }
                let panel = &panel[..len];
                let mut at = tile_start * cols + start;
                let (steps, rest) = sums.as_chunks_mut::<STEP>();
                for sums in steps {
                    dot::<STEP>(panel, rows_of(&x[at..], cols, len), sums);
                    at += STEP * cols;
                }
                let (fours, ones) = rest.as_chunks_mut::<4>();
                for sums in fours {
                    dot::<4>(panel, rows_of(&x[at..], cols, len), sums);
                    at += 4 * cols;
                }
                for sums in ones.as_chunks_mut::<1>().0 {
                    dot::<1>(panel, rows_of(&x[at..], cols, len), sums);
                    at += cols;
                }
            }
            for (i, &sum) in sums.iter().enumerate() {
                out.write(tile_start + i, first_row, &store(sum)[..lanes]);
            }
        }
    }
}

/// Adds to `sums` the products of a panel with `N` rows of activations; the panel is summed on its
/// own first, as in `avx2_dense`.
#[target_feature(enable = "avx512f")]
#[inline]
fn dot<const N: usize>(panel: &[[__m256; 2]], x: [&[f32]; N], sums: &mut [__m512; N]) {
    let mut acc = [_mm512_setzero_ps(); N];
    assert!(x.iter().all(|x| x.len() == panel.len()), "activations as deep as the panel");
    for (column, weights) in panel.iter().enumerate() {
        // SAFETY: 64 bytes can be read.
        let weights = unsafe { _mm512_loadu_ps(weights.as_ptr().cast()) };
        for n in 0..N {
            // SAFETY: every row is as long as the panel; asking would take longer than the sum.
            let x = _mm512_set1_ps(unsafe { *x[n].get_unchecked(column) });
            acc[n] = _mm512_fmadd_ps(weights, x, acc[n]);
        }
    }
    for (sum, acc) in sums.iter_mut().zip(acc) {
        *sum = _mm512_add_ps(*sum, acc);
    }
}

/// The first `len` values of rows that are `stride` apart.
#[inline]
fn rows_of<const N: usize>(x: &[f32], stride: usize, len: usize) -> [&[f32]; N] {
    std::array::from_fn(|n| &x[n * stride..][..len])
}
