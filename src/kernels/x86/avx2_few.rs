//! Dense weights times few rows of activations with AVX2, as when an answer is written.
//!
//! What is read from memory is what counts, and the panel of `avx2_dense` would be written and read
//! once more for it: here eight columns of eight weight rows are transposed in registers and
//! multiplied at once. The sums are made in the same order as there, so the results are the same, bit
//! for bit; the level with AVX-512 uses this one too.

#![expect(unsafe_code, reason = "loads registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::ops::Range;

use super::avx2_dense::{DEPTH, transpose, widen_bf16, widen_f16, widen_f32};
use super::avx2_registers::{Ahead, LANES, LINE, load, store};
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;
use crate::unpack;

/// Rows of activations up to which this is faster than a panel.
pub(crate) const MOST: usize = 4;

/// Computes the outputs of weight rows `rows` for every row of `x` (m, cols), of which there are at
/// most [`MOST`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn few(weights: &QMatrix, x: &[f32], rows: Range<usize>, out: &mut Columns<'_>) {
    match weights.kind() {
        GgmlType::F32 => by_count::<4>(weights, x, rows, out, |b| widen_f32(b)),
        GgmlType::F16 => by_count::<2>(weights, x, rows, out, |b| widen_f16(b)),
        GgmlType::BF16 => by_count::<2>(weights, x, rows, out, |b| widen_bf16(b)),
        kind => unreachable!("{kind} is packed"),
    }
}

/// A sum waits four cycles for the one before it: with one row of activations four groups of weight
/// rows are summed side by side, with more of them fewer.
#[target_feature(enable = "avx2,fma,f16c")]
fn by_count<const BYTES: usize>(
    weights: &QMatrix,
    x: &[f32],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    widen: impl Fn(&[[u8; BYTES]; 8]) -> __m256,
) {
    match out.m() {
        1 => run::<BYTES, 1, 4>(weights, x, rows, out, widen),
        2 => run::<BYTES, 2, 2>(weights, x, rows, out, widen),
        3 => run::<BYTES, 3, 1>(weights, x, rows, out, widen),
        4 => run::<BYTES, 4, 1>(weights, x, rows, out, widen),
        m => unreachable!("{m} rows of activations have a panel"),
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn run<const BYTES: usize, const N: usize, const GROUPS: usize>(
    weights: &QMatrix,
    x: &[f32],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    widen: impl Fn(&[[u8; BYTES]; 8]) -> __m256,
) {
    let cols = weights.cols();
    let line_cols = LINE / BYTES;
    let zero = _mm256_setzero_ps();
    let x: [&[f32]; N] = std::array::from_fn(|n| &x[n * cols..][..cols]);
    for first in rows.clone().step_by(GROUPS * LANES) {
        // Lanes from the end on repeat the row before it: what they give is not written.
        let packed: [[&[[u8; BYTES]]; LANES]; GROUPS] = std::array::from_fn(|group| {
            std::array::from_fn(|lane| {
                let row = (first + group * LANES + lane).min(rows.end - 1);
                &weights.row_bytes(row).as_chunks::<BYTES>().0[..cols]
            })
        });
        let mut sums = [[zero; GROUPS]; N];
        let mut ahead = Ahead::new(packed[0][0].as_ptr().cast(), GROUPS * LANES, cols * BYTES);
        for start in (0..cols).step_by(DEPTH) {
            let len = DEPTH.min(cols - start);
            let mut acc = [[zero; GROUPS]; N];
            let whole = start + len / 8 * 8;
            for line in (start..whole).step_by(line_cols) {
                ahead.ask(LINE);
                for group in 0..GROUPS {
                    for column in (line..whole.min(line + line_cols)).step_by(8) {
                        let mut block = [zero; LANES];
                        for (values, row) in block.iter_mut().zip(packed[group]) {
                            // SAFETY: the row has `cols` values, and eight of them begin at `column`.
                            let eight = unsafe { row.as_ptr().add(column).cast::<[_; 8]>() };
                            // SAFETY: as above.
                            *values = widen(unsafe { &*eight });
                        }
                        for (at, weights) in transpose(block).into_iter().enumerate() {
                            for n in 0..N {
                                // SAFETY: as above.
                                let x = _mm256_set1_ps(unsafe { *x[n].get_unchecked(column + at) });
                                acc[n][group] = _mm256_fmadd_ps(weights, x, acc[n][group]);
                            }
                        }
                    }
                }
            }
            for column in whole..start + len {
                for group in 0..GROUPS {
                    let mut values = [0.0; LANES];
                    for (row, value) in packed[group].iter().zip(values.as_chunks_mut::<1>().0) {
                        unpack::dequantize_row(weights.kind(), &row[column], value);
                    }
                    for n in 0..N {
                        let x = _mm256_set1_ps(x[n][column]);
                        acc[n][group] = _mm256_fmadd_ps(load(&values), x, acc[n][group]);
                    }
                }
            }
            for (sums, acc) in sums.iter_mut().zip(acc) {
                for (sum, acc) in sums.iter_mut().zip(acc) {
                    *sum = _mm256_add_ps(*sum, acc);
                }
            }
        }
        for (n, sums) in sums.into_iter().enumerate() {
            for (group, sum) in sums.into_iter().enumerate() {
                let at = first + group * LANES;
                let lanes = LANES.min(rows.end.saturating_sub(at));
                if lanes > 0 {
                    out.write(n, at, &store(sum)[..lanes]);
                }
            }
        }
    }
}
