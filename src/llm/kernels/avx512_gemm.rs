//! A tile of an f32 product in the registers of AVX-512: each of up to 12 rows is one of 32.

#![expect(unsafe_code, reason = "AVX-512 instructions on raw parts of matrices")]

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

use super::gemm::{Result, TILE_COLS, Tile};

/// Rows of a tile: their sums hide how long a multiplication takes.
pub(super) const TILE_ROWS: usize = 12;

/// # Safety
/// The processor has AVX-512; every value that the tile's strides reach may be read, every output
/// written.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn compute(tile: &Tile) {
    let mut rest = *tile;
    while rest.rows > 0 {
        // SAFETY: passed on; each arm has no more rows than are left.
        let done = unsafe {
            match rest.rows {
                TILE_ROWS.. => rows::<TILE_ROWS>(&rest),
                8.. => rows::<8>(&rest),
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
#[target_feature(enable = "avx512f")]
unsafe fn rows<const ROWS: usize>(tile: &Tile) -> usize {
    let mut sums = [_mm512_setzero_ps(); ROWS];
    // SAFETY: passed on; the strides are what the first arm says they are.
    unsafe {
        match (tile.left_col_stride, tile.right_row_stride) {
            (1, TILE_COLS) => sum::<ROWS, true>(tile, &mut sums),
            _ => sum::<ROWS, false>(tile, &mut sums),
        }
    }
    for (row, sum) in sums.into_iter().enumerate() {
        // SAFETY: the caller promises the outputs.
        unsafe {
            let out = tile.out.add(row * tile.out_row_stride);
            let value = match tile.result {
                Result::Replace => sum,
                Result::Add => _mm512_add_ps(_mm512_loadu_ps(out), sum),
            };
            _mm512_storeu_ps(out, value);
        }
    }
    ROWS
}

/// `PACKED`: the left side lies row by row and the right side in a panel, so that their strides are
/// constants in the loop's instructions.
///
/// # Safety
/// As for [`rows`], and the strides are those that `PACKED` claims.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn sum<const ROWS: usize, const PACKED: bool>(tile: &Tile, sums: &mut [__m512; ROWS]) {
    let (left_stride, right_stride) =
        if PACKED { (1, TILE_COLS) } else { (tile.left_col_stride, tile.right_row_stride) };
    for at in 0..tile.depth {
        // SAFETY: the caller promises `depth` steps of both sides.
        unsafe {
            let right = _mm512_loadu_ps(tile.right.add(at * right_stride));
            let left = tile.left.add(at * left_stride);
            for (row, sum) in sums.iter_mut().enumerate() {
                let left = _mm512_set1_ps(*left.add(row * tile.left_row_stride));
                *sum = _mm512_fmadd_ps(left, right, *sum);
            }
        }
    }
}
