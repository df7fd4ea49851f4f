//! A tile of an f32 product in the registers of NEON: 6 rows by 16 columns are 24 of the 32.

#![expect(unsafe_code, reason = "NEON instructions on raw parts of matrices")]

use std::arch::aarch64::{float32x4_t, vaddq_f32, vdupq_n_f32, vfmaq_n_f32, vld1q_f32, vst1q_f32};

use super::neon_dense;
use super::neon_registers::{load, store};
use crate::tile::{Result, TILE_COLS, Tile};

/// Registers of a row of a tile.
const SIDE: usize = TILE_COLS / 4;

/// # Safety
/// Every value that the tile's strides reach may be read, every output written.
#[target_feature(enable = "neon")]
pub(crate) unsafe fn compute(tile: &Tile) {
    let mut rest = *tile;
    while rest.rows > 0 {
        // SAFETY: passed on; each arm has no more rows than are left.
        let done = unsafe {
            match rest.rows {
                6.. => rows::<6>(&rest),
                4.. => rows::<4>(&rest),
                2.. => rows::<2>(&rest),
                _ => rows::<1>(&rest),
            }
        };
        rest.rows -= done;
        // They may leave their matrices after the last row, where they are not used.
        rest.left = rest.left.wrapping_add(done * rest.left_row_stride);
        rest.out = rest.out.wrapping_add(done * rest.out_row_stride);
    }
}

/// The first `ROWS` rows of the tile; returns how many.
///
/// # Safety
/// As for [`compute`], and the tile has them.
#[target_feature(enable = "neon")]
unsafe fn rows<const ROWS: usize>(tile: &Tile) -> usize {
    let mut sums = [[vdupq_n_f32(0.0); SIDE]; ROWS];
    // SAFETY: passed on; the strides are what the first arm says they are.
    unsafe {
        match (tile.left_col_stride, tile.right_row_stride) {
            (1, TILE_COLS) => sum::<ROWS, true>(tile, &mut sums),
            _ => sum::<ROWS, false>(tile, &mut sums),
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        // SAFETY: the caller promises the outputs.
        unsafe {
            let out = tile.out.add(row * tile.out_row_stride);
            for (side, sum) in sums.iter().enumerate() {
                let out = out.add(4 * side);
                let value = match tile.result {
                    Result::Replace => *sum,
                    Result::Add => vaddq_f32(vld1q_f32(out), *sum),
                };
                vst1q_f32(out, value);
            }
        }
    }
    ROWS
}

/// `PACKED`: the left side lies row by row and the right side in a panel, so that their strides are
/// constants in the loop's instructions.
///
/// # Safety
/// As for [`rows`], and the strides are those that `PACKED` claims.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn sum<const ROWS: usize, const PACKED: bool>(
    tile: &Tile,
    sums: &mut [[float32x4_t; SIDE]; ROWS],
) {
    let (left_stride, right_stride) =
        if PACKED { (1, TILE_COLS) } else { (tile.left_col_stride, tile.right_row_stride) };
    for at in 0..tile.depth {
        // SAFETY: the caller promises `depth` steps of both sides.
        unsafe {
            let right = tile.right.add(at * right_stride);
            let mut columns = [vdupq_n_f32(0.0); SIDE];
            for (side, columns) in columns.iter_mut().enumerate() {
                *columns = vld1q_f32(right.add(4 * side));
            }
            let left = tile.left.add(at * left_stride);
            for (row, sums) in sums.iter_mut().enumerate() {
                let left = *left.add(row * tile.left_row_stride);
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = vfmaq_n_f32(*sum, columns, left);
                }
            }
        }
    }
}

/// Sixteen columns of `depth` values (a multiple of 4) that lie `stride` apart, side by side in the
/// rows of `panel`.
#[target_feature(enable = "neon")]
pub(crate) fn turn(columns: &[f32], stride: usize, depth: usize, panel: &mut [f32]) {
    let panel = panel.as_chunks_mut::<TILE_COLS>().0;
    for at in (0..depth).step_by(4) {
        for side in 0..SIDE {
            let column = |index: usize| {
                let start = (4 * side + index) * stride + at;
                let values = columns[start..].first_chunk();
                load(values.expect("four values of a column"))
            };
            let rows = neon_dense::transposed([column(0), column(1), column(2), column(3)]);
            for (panel, row) in panel[at..at + 4].iter_mut().zip(rows) {
                panel[4 * side..][..4].copy_from_slice(&store(row));
            }
        }
    }
}
