//! A tile of an f32 product in the registers of AVX2: 6 rows by 16 columns are 12 of the 16.

#![expect(unsafe_code, reason = "AVX2 instructions on raw parts of matrices")]

use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_permute2f128_ps, _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps,
};

use crate::tile::{Result, TILE_COLS, Tile};

/// Rows of a tile.
pub(crate) const TILE_ROWS: usize = 6;

/// Rows of the next tile, of so many that are left: two tiles of four or five rows are faster than
/// one of six and a small one, which waits for its own sums.
#[inline]
pub(crate) fn tile_rows(left: usize) -> usize {
    if (7..10).contains(&left) { left.div_ceil(2) } else { left.min(TILE_ROWS) }
}

/// # Safety
/// The processor has AVX2 and FMA; every value that the tile's strides reach may be read, every
/// output written.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn compute(tile: &Tile) {
    // SAFETY: passed on; each arm has the rows that the tile has.
    unsafe {
        match tile.rows {
            1 => rows::<1>(tile),
            2 => rows::<2>(tile),
            3 => rows::<3>(tile),
            4 => rows::<4>(tile),
            5 => rows::<5>(tile),
            _ => rows::<6>(tile),
        }
    }
}

/// The first eight columns of a tile, which may have twice as many rows.
///
/// # Safety
/// As for [`compute`].
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn compute_half(tile: &Tile) {
    // SAFETY: as above.
    unsafe {
        match tile.rows {
            1 => half_rows::<1>(tile),
            2 => half_rows::<2>(tile),
            3 => half_rows::<3>(tile),
            4 => half_rows::<4>(tile),
            5 => half_rows::<5>(tile),
            6 => half_rows::<6>(tile),
            7 => half_rows::<7>(tile),
            8 => half_rows::<8>(tile),
            9 => half_rows::<9>(tile),
            10 => half_rows::<10>(tile),
            11 => half_rows::<11>(tile),
            _ => half_rows::<12>(tile),
        }
    }
}

/// # Safety
/// As for [`compute`].
#[target_feature(enable = "avx2,fma")]
unsafe fn rows<const ROWS: usize>(tile: &Tile) {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
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
            for (half, sum) in sums.iter().enumerate() {
                put(out.add(8 * half), tile.result, *sum);
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
/// As for [`compute`], and the strides are those that `PACKED` claims.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn sum<const ROWS: usize, const PACKED: bool>(tile: &Tile, sums: &mut [[__m256; 2]; ROWS]) {
    let (left_stride, right_stride) =
        if PACKED { (1, TILE_COLS) } else { (tile.left_col_stride, tile.right_row_stride) };
    let row_stride = tile.left_row_stride;
    // Two pointers reach six rows with the address modes that there are.
    let (mut upper, mut right) = (tile.left, tile.right);
    let mut lower = upper.wrapping_add(3 * row_stride);
    let mut step = |at: usize, upper: *const f32, lower: *const f32, right: *const f32| {
        // SAFETY: the caller promises `depth` steps of both sides.
        unsafe {
            let right = right.add(at * right_stride);
            let (low, high) = (_mm256_loadu_ps(right), _mm256_loadu_ps(right.add(8)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let (start, row) = if row < 3 { (upper, row) } else { (lower, row - 3) };
                let value = _mm256_broadcast_ss(&*start.add(row * row_stride + at * left_stride));
                sums[0] = _mm256_fmadd_ps(value, low, sums[0]);
                sums[1] = _mm256_fmadd_ps(value, high, sums[1]);
            }
        }
    };
    for _ in 0..tile.depth / STEPS {
        for at in 0..STEPS {
            step(at, upper, lower, right);
        }
        // They may leave their slices after the last step, where they are not read.
        upper = upper.wrapping_add(STEPS * left_stride);
        lower = lower.wrapping_add(STEPS * left_stride);
        right = right.wrapping_add(STEPS * right_stride);
    }
    for at in 0..tile.depth % STEPS {
        step(at, upper, lower, right);
    }
}

/// # Safety
/// As for [`compute_half`].
#[target_feature(enable = "avx2,fma")]
unsafe fn half_rows<const ROWS: usize>(tile: &Tile) {
    let mut sums = [_mm256_setzero_ps(); ROWS];
    let row_stride = tile.left_row_stride;
    let (mut left, mut right) = (tile.left, tile.right);
    for _ in 0..tile.depth {
        // SAFETY: the caller promises `depth` steps of both sides.
        unsafe {
            let columns = _mm256_loadu_ps(right);
            for (row, sum) in sums.iter_mut().enumerate() {
                let value = _mm256_broadcast_ss(&*left.add(row * row_stride));
                *sum = _mm256_fmadd_ps(value, columns, *sum);
            }
        }
        // They may leave their slices after the last step, where they are not read.
        left = left.wrapping_add(tile.left_col_stride);
        right = right.wrapping_add(tile.right_row_stride);
    }
    for (row, sum) in sums.into_iter().enumerate() {
        // SAFETY: the caller promises the outputs.
        unsafe { put(tile.out.add(row * tile.out_row_stride), tile.result, sum) };
    }
}

/// # Safety
/// Eight values can be read and written at `out`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn put(out: *mut f32, result: Result, sum: __m256) {
    // SAFETY: passed on.
    unsafe {
        let value = match result {
            Result::Replace => sum,
            Result::Add => _mm256_add_ps(_mm256_loadu_ps(out), sum),
        };
        _mm256_storeu_ps(out, value);
    }
}

/// Eight columns of `depth` values (a multiple of 8) that lie `stride` apart, side by side at `out`,
/// whose rows are `out_stride` apart.
///
/// # Safety
/// The processor has AVX2; all that is named may be read or written.
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn turn(
    columns: *const f32,
    stride: usize,
    depth: usize,
    (out, out_stride): (*mut f32, usize),
) {
    for at in (0..depth).step_by(8) {
        // SAFETY: the caller promises eight values of each column from here on, and eight rows.
        unsafe {
            let column = |index: usize| _mm256_loadu_ps(columns.add(index * stride + at));
            let [a, b, c, d] = pairs(column(0), column(1), column(2), column(3));
            let [e, f, g, h] = pairs(column(4), column(5), column(6), column(7));
            let row = |index: usize| out.add((at + index) * out_stride);
            for (index, (low, high)) in [(a, e), (b, f), (c, g), (d, h)].into_iter().enumerate() {
                _mm256_storeu_ps(row(index), _mm256_permute2f128_ps::<0x20>(low, high));
                _mm256_storeu_ps(row(index + 4), _mm256_permute2f128_ps::<0x31>(low, high));
            }
        }
    }
}

/// Four columns to rows, in each half by itself.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs(a: __m256, b: __m256, c: __m256, d: __m256) -> [__m256; 4] {
    let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    [
        _mm256_shuffle_ps::<0x44>(ab_low, cd_low),
        _mm256_shuffle_ps::<0xee>(ab_low, cd_low),
        _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
        _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
    ]
}
