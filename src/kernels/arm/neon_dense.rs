//! Dense weights (F32, F16, BF16) times f32 activations with NEON.
//!
//! Sixteen weight rows are widened and transposed 256 columns at a time, so that sixteen outputs
//! grow in four registers and each activation is read once for all of them. The sums are made in the
//! order of `avx2_dense`: so are the results, bit for bit.

#![expect(unsafe_code, reason = "loads registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::aarch64::*;
use std::ops::Range;

use super::neon_registers::{self, load, store};
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;
use crate::unpack;

/// Columns of a panel: 16 KiB, a quarter of the first cache.
const DEPTH: usize = 256;

/// Registers of a column.
const SIDE: usize = 4;

/// Sixteen weight rows, transposed.
type Panel = [[float32x4_t; SIDE]; DEPTH];

/// Most activation rows that share one panel; their sums are 12 KiB.
const TILE: usize = 192;

/// Activation rows in registers at once: 24 sums, 4 weights, and activations in turn of 32 registers.
const STEP: usize = 6;

/// Computes the outputs of weight rows `rows` for every row of `x` (m, cols).
#[target_feature(enable = "neon")]
pub(crate) fn dense(weights: &QMatrix, x: &[f32], rows: Range<usize>, out: &mut Columns<'_>) {
    match weights.kind() {
        GgmlType::F32 => run::<4>(weights, x, rows, out, |b| widen_f32(b)),
        GgmlType::F16 => run::<2>(weights, x, rows, out, |b| widen_f16(b)),
        GgmlType::BF16 => run::<2>(weights, x, rows, out, |b| widen_bf16(b)),
        kind => unreachable!("{kind} is packed"),
    }
}

#[target_feature(enable = "neon")]
fn run<const BYTES: usize>(
    weights: &QMatrix,
    x: &[f32],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    widen: impl Fn(&[[u8; BYTES]; 4]) -> float32x4_t,
) {
    let cols = weights.cols();
    let zero = vdupq_n_f32(0.0);
    let mut panel: Panel = [[zero; SIDE]; DEPTH];
    let mut sums = [[zero; SIDE]; TILE];
    // Tiles of about the same size.
    let tile = out.m().div_ceil(out.m().div_ceil(TILE)).next_multiple_of(STEP);
    for tile_start in (0..out.m()).step_by(tile) {
        let sums = &mut sums[..tile.min(out.m() - tile_start)];
        for first_row in rows.clone().step_by(4 * SIDE) {
            let lanes = (4 * SIDE).min(rows.end - first_row);
            sums.fill([zero; SIDE]);
            for start in (0..cols).step_by(DEPTH) {
                let panel = &mut panel[..DEPTH.min(cols - start)];
                for side in 0..SIDE {
                    let rows = std::array::from_fn(|lane| {
                        let row = first_row + (4 * side + lane).min(lanes - 1);
                        &weights.row_bytes(row).as_chunks::<BYTES>().0[start..][..panel.len()]
                    });
                    fill(panel, side, rows, weights.kind(), &widen);
                }
                let mut at = tile_start * cols + start;
                let (steps, rest) = sums.as_chunks_mut::<STEP>();
                for sums in steps {
                    dot::<STEP>(panel, &x[at..], cols, sums);
                    at += STEP * cols;
                }
                let (pairs, ones) = rest.as_chunks_mut::<2>();
                for sums in pairs {
                    dot::<2>(panel, &x[at..], cols, sums);
                    at += 2 * cols;
                }
                for sums in ones.as_chunks_mut::<1>().0 {
                    dot::<1>(panel, &x[at..], cols, sums);
                    at += cols;
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                let values = sums.map(|sum| store(sum));
                out.write(tile_start + i, first_row, &values.as_flattened()[..lanes]);
            }
        }
    }
}

/// Puts four rows into register `side` of the panel's columns.
#[target_feature(enable = "neon")]
#[inline]
fn fill<const BYTES: usize>(
    panel: &mut [[float32x4_t; SIDE]],
    side: usize,
    rows: [&[[u8; BYTES]]; 4],
    kind: GgmlType,
    widen: &impl Fn(&[[u8; BYTES]; 4]) -> float32x4_t,
) {
    let rows_of_4 = rows.map(|row| row.as_chunks::<4>().0);
    let (fours, rest) = panel.as_chunks_mut::<4>();
    for (i, columns) in fours.iter_mut().enumerate() {
        let columns_of_rows = transposed(rows_of_4.map(|row| widen(&row[i])));
        for (column, values) in columns.iter_mut().zip(columns_of_rows) {
            column[side] = values;
        }
    }
    let done = rows[0].len() - rest.len();
    for (i, column) in rest.iter_mut().enumerate() {
        let mut values = [0.0; 4];
        for (row, value) in rows.iter().zip(values.as_chunks_mut::<1>().0) {
            unpack::dequantize_row(kind, &row[done + i], value);
        }
        column[side] = load(&values);
    }
}

/// Adds to `sums` the products of a panel with `N` rows of activations, which lie `stride` apart.
///
/// A panel is summed on its own before it joins the rest: shorter sums round less.
#[target_feature(enable = "neon")]
#[inline]
fn dot<const N: usize>(
    panel: &[[float32x4_t; SIDE]],
    x: &[f32],
    stride: usize,
    sums: &mut [[float32x4_t; SIDE]; N],
) {
    let x: [&[f32]; N] = std::array::from_fn(|n| &x[n * stride..][..panel.len()]);
    let mut acc = [[vdupq_n_f32(0.0); SIDE]; N];
    for (column, weights) in panel.iter().enumerate() {
        for n in 0..N {
            // SAFETY: every row is as long as the panel; asking would take longer than the sum.
            let x = unsafe { *x[n].get_unchecked(column) };
            for side in 0..SIDE {
                acc[n][side] = vfmaq_n_f32(acc[n][side], weights[side], x);
            }
        }
    }
    for (sums, acc) in sums.as_flattened_mut().iter_mut().zip(acc.as_flattened()) {
        *sums = vaddq_f32(*sums, *acc);
    }
}

/// Four rows of four values to four columns.
#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn transposed(rows: [float32x4_t; 4]) -> [float32x4_t; 4] {
    neon_registers::transposed(rows.map(|row| vreinterpretq_u8_f32(row)))
        .map(|column| vreinterpretq_f32_u32(column))
}

#[target_feature(enable = "neon")]
#[inline]
fn widen_f32(bytes: &[[u8; 4]; 4]) -> float32x4_t {
    // SAFETY: sixteen bytes can be read.
    vreinterpretq_f32_u8(unsafe { vld1q_u8(bytes.as_ptr().cast()) })
}

#[target_feature(enable = "neon")]
#[inline]
fn widen_f16(bytes: &[[u8; 2]; 4]) -> float32x4_t {
    // SAFETY: eight bytes can be read.
    vcvt_f32_f16(vreinterpret_f16_u8(unsafe { vld1_u8(bytes.as_ptr().cast()) }))
}

#[target_feature(enable = "neon")]
#[inline]
fn widen_bf16(bytes: &[[u8; 2]; 4]) -> float32x4_t {
    // SAFETY: eight bytes can be read.
    let words = vreinterpret_u16_u8(unsafe { vld1_u8(bytes.as_ptr().cast()) });
    vreinterpretq_f32_u32(vshll_n_u16::<16>(words))
}
