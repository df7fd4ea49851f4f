//! A tile of an f32 product in the registers of AVX-512: up to 12 rows, one or two of 32 each.

#![expect(unsafe_code, reason = "AVX-512 instructions on raw parts of matrices")]

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

use crate::tile::{Result, TILE_COLS, Tile};

/// Rows of a tile: one register each hides how long a multiplication takes, two are loaded for half
/// as often.
pub(crate) const TILE_ROWS: usize = 12;

/// # Safety
/// The processor has AVX-512; every value that the tile's strides reach may be read, every output
/// written.
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn compute(tile: &Tile) {
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
    // SAFETY: passed on; each arm has the columns that the tile has.
    unsafe {
        if tile.cols > TILE_COLS { columns::<ROWS, 2>(tile) } else { columns::<ROWS, 1>(tile) }
    }
    ROWS
}

/// # Safety
/// As for [`rows`], and the tile has `PARTS` times [`TILE_COLS`] columns.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn columns<const ROWS: usize, const PARTS: usize>(tile: &Tile) {
    let mut sums = [[_mm512_setzero_ps(); PARTS]; ROWS];
    // SAFETY: passed on; the strides are what the first arm says they are.
    unsafe {
        match (tile.left_col_stride, tile.right_row_stride) {
            (1, TILE_COLS) => sum::<ROWS, PARTS, true>(tile, &mut sums),
            _ => sum::<ROWS, PARTS, false>(tile, &mut sums),
        }
    }
    for (row, sums) in sums.into_iter().enumerate() {
        for (part, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller promises the outputs.
            unsafe {
                let out = tile.out.add(row * tile.out_row_stride + part * TILE_COLS);
                let value = match tile.result {
                    Result::Replace => sum,
                    Result::Add => _mm512_add_ps(_mm512_loadu_ps(out), sum),
                };
                _mm512_storeu_ps(out, value);
            }
        }
    }
}

/// Steps along the shared dimension between two tests for its end.
const STEPS: usize = 4;

/// `PACKED`: the left side lies row by row and the right side in a panel, so that their strides are
/// constants in the loop's instructions.
///
/// # Safety
/// As for [`columns`], and the strides are those that `PACKED` claims.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn sum<const ROWS: usize, const PARTS: usize, const PACKED: bool>(
    tile: &Tile,
    sums: &mut [[__m512; PARTS]; ROWS],
) {
    let (left_stride, right_stride) =
        if PACKED { (1, TILE_COLS) } else { (tile.left_col_stride, tile.right_row_stride) };
    let row_stride = tile.left_row_stride;
    // A pointer to every third row: with the address modes that there are, they reach the others.
    let mut lefts: [*const f32; TILE_ROWS / 3] =
        std::array::from_fn(|index| tile.left.wrapping_add(3 * index * row_stride));
    let mut rights: [*const f32; PARTS] =
        std::array::from_fn(|part| tile.right.wrapping_add(part * tile.right_part_stride));
    let step = |sums: &mut [[__m512; PARTS]; ROWS],
                at: usize,
                lefts: &[*const f32; TILE_ROWS / 3],
                rights: &[*const f32; PARTS]| {
        // SAFETY: the caller promises `depth` steps of both sides.
        unsafe {
            let rights = rights.map(|right| _mm512_loadu_ps(right.add(at * right_stride)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let left = lefts[row / 3].add(row % 3 * row_stride + at * left_stride);
                let left = _mm512_set1_ps(*left);
                for (sum, right) in sums.iter_mut().zip(rights) {
                    *sum = _mm512_fmadd_ps(left, right, *sum);
                }
            }
        }
    };
    for _ in 0..tile.depth / STEPS {
        for at in 0..STEPS {
            step(sums, at, &lefts, &rights);
        }
        // They may leave their slices after the last step, where they are not read.
        lefts = lefts.map(|left| left.wrapping_add(STEPS * left_stride));
        rights = rights.map(|right| right.wrapping_add(STEPS * right_stride));
    }
    for at in 0..tile.depth % STEPS {
        step(sums, at, &lefts, &rights);
    }
}
