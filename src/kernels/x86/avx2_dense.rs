//! Dense weights (F32, F16, BF16) times f32 activations with AVX2.
//!
//! Sixteen weight rows are widened and transposed 256 columns at a time, so that sixteen outputs
//! grow in two registers and each activation is read once for all of them. As in `avx2`, a row's
//! result does not depend on its neighbours.

#![expect(unsafe_code, reason = "loads registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::ops::Range;

use super::avx2_registers::{load, store};
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;
use crate::unpack;

/// Columns of a panel: 16 KiB, half of the first cache.
pub(crate) const DEPTH: usize = 256;

/// Sixteen weight rows, transposed.
pub(crate) type Panel = [[__m256; 2]; DEPTH];

/// Most activation rows that share one panel; their sums are 12 KiB.
pub(crate) const TILE: usize = 192;

/// Activation rows in registers at once: 12 sums, 2 weights, 1 activation of 16 registers.
const STEP: usize = 6;

/// Computes the outputs of weight rows `rows` for every row of `x` (m, cols).
#[target_feature(enable = "avx2,fma,f16c")]
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

#[target_feature(enable = "avx2,fma,f16c")]
fn run<const BYTES: usize>(
    weights: &QMatrix,
    x: &[f32],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    widen: impl Fn(&[[u8; BYTES]; 8]) -> __m256,
) {
    let cols = weights.cols();
    let zero = _mm256_setzero_ps();
    let mut panel: Panel = [[zero; 2]; DEPTH];
    let mut sums = [[zero; 2]; TILE];
    // Tiles of about the same size.
    let tile = out.m().div_ceil(out.m().div_ceil(TILE)).next_multiple_of(STEP);
    for tile_start in (0..out.m()).step_by(tile) {
        let tile_len = tile.min(out.m() - tile_start);
        for first_row in rows.clone().step_by(16) {
            let lanes = 16.min(rows.end - first_row);
            sums[..tile_len].fill([zero; 2]);
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
                let (steps, rest) = sums[..tile_len].as_chunks_mut::<STEP>();
                for sums in steps {
                    dot::<STEP>(panel, rows_of(&x[at..], cols, len), sums);
                    at += STEP * cols;
                }
                let (pairs, ones) = rest.as_chunks_mut::<2>();
                for sums in pairs {
                    dot::<2>(panel, rows_of(&x[at..], cols, len), sums);
                    at += 2 * cols;
                }
                for sums in ones.as_chunks_mut::<1>().0 {
                    dot::<1>(panel, rows_of(&x[at..], cols, len), sums);
                    at += cols;
                }
            }
            for (i, sums) in sums[..tile_len].iter().enumerate() {
                let mut values = [0.0; 16];
                values[..8].copy_from_slice(&store(sums[0]));
                values[8..].copy_from_slice(&store(sums[1]));
                out.write(tile_start + i, first_row, &values[..lanes]);
            }
        }
    }
}

/// The first `len` values of rows that are `stride` apart.
#[inline]
pub(crate) fn rows_of<const N: usize>(x: &[f32], stride: usize, len: usize) -> [&[f32]; N] {
    std::array::from_fn(|n| &x[n * stride..][..len])
}

/// Puts eight rows into one half of the panel.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(crate) fn fill<const BYTES: usize>(
    panel: &mut Panel,
    half: usize,
    rows: [&[[u8; BYTES]]; 8],
    kind: GgmlType,
    widen: &impl Fn(&[[u8; BYTES]; 8]) -> __m256,
) {
    let len = rows[0].len();
    let rows_of_8 = rows.map(|row| row.as_chunks::<8>().0);
    for i in 0..len / 8 {
        // A loop, not a closure: `from_fn` could not make it part of itself.
        let mut block = [_mm256_setzero_ps(); 8];
        for (values, row) in block.iter_mut().zip(rows_of_8) {
            *values = widen(&row[i]);
        }
        for (column, values) in panel[8 * i..8 * i + 8].iter_mut().zip(transpose(block)) {
            column[half] = values;
        }
    }
    for (column, panel) in panel[..len].iter_mut().enumerate().skip(len / 8 * 8) {
        let mut values = [0.0; 8];
        for (row, value) in rows.iter().zip(values.as_chunks_mut::<1>().0) {
            unpack::dequantize_row(kind, &row[column], value);
        }
        panel[half] = load(&values);
    }
}

/// Adds to `sums` the products of a panel with `N` rows of activations.
///
/// A panel is summed on its own before it joins the rest: shorter sums round less.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn dot<const N: usize>(panel: &[[__m256; 2]], x: [&[f32]; N], sums: &mut [[__m256; 2]; N]) {
    let mut acc = [[_mm256_setzero_ps(); 2]; N];
    assert!(x.iter().all(|x| x.len() == panel.len()), "activations as deep as the panel");
    for (column, weights) in panel.iter().enumerate() {
        for n in 0..N {
            // SAFETY: every row is as long as the panel. Asked six times a column, that would
            // take a third of the time.
            let x = _mm256_set1_ps(unsafe { *x[n].get_unchecked(column) });
            acc[n][0] = _mm256_fmadd_ps(weights[0], x, acc[n][0]);
            acc[n][1] = _mm256_fmadd_ps(weights[1], x, acc[n][1]);
        }
    }
    for (sums, acc) in sums.iter_mut().zip(acc) {
        sums[0] = _mm256_add_ps(sums[0], acc[0]);
        sums[1] = _mm256_add_ps(sums[1], acc[1]);
    }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn transpose(rows: [__m256; 8]) -> [__m256; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    // Pairs, then quads, then halves: each step works within what the instruction can move.
    let (ab, ab2) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let (cd, cd2) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    let (ef, ef2) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
    let (gh, gh2) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
    let (p0, p1) = (_mm256_shuffle_ps::<0x44>(ab, cd), _mm256_shuffle_ps::<0xee>(ab, cd));
    let (p2, p3) = (_mm256_shuffle_ps::<0x44>(ab2, cd2), _mm256_shuffle_ps::<0xee>(ab2, cd2));
    let (q0, q1) = (_mm256_shuffle_ps::<0x44>(ef, gh), _mm256_shuffle_ps::<0xee>(ef, gh));
    let (q2, q3) = (_mm256_shuffle_ps::<0x44>(ef2, gh2), _mm256_shuffle_ps::<0xee>(ef2, gh2));
    [
        _mm256_permute2f128_ps::<0x20>(p0, q0),
        _mm256_permute2f128_ps::<0x20>(p1, q1),
        _mm256_permute2f128_ps::<0x20>(p2, q2),
        _mm256_permute2f128_ps::<0x20>(p3, q3),
        _mm256_permute2f128_ps::<0x31>(p0, q0),
        _mm256_permute2f128_ps::<0x31>(p1, q1),
        _mm256_permute2f128_ps::<0x31>(p2, q2),
        _mm256_permute2f128_ps::<0x31>(p3, q3),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn widen_f32(bytes: &[[u8; 4]; 8]) -> __m256 {
    // SAFETY: 32 bytes can be read; the instruction does not ask for alignment.
    unsafe { _mm256_loadu_ps(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub(crate) fn widen_f16(bytes: &[[u8; 2]; 8]) -> __m256 {
    // SAFETY: 16 bytes can be read; the instruction does not ask for alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn widen_bf16(bytes: &[[u8; 2]; 8]) -> __m256 {
    // SAFETY: 16 bytes can be read; the instruction does not ask for alignment.
    let words = _mm256_cvtepu16_epi32(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) });
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words))
}
