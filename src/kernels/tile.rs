//! A piece of an f32 product that is summed in registers: what every level is told.

#![expect(unsafe_code, reason = "writes outputs through a pointer")]

/// Columns of a tile that is summed in registers.
pub(super) const TILE_COLS: usize = 16;

/// Rows of a tile in any level.
const MOST_TILE_ROWS: usize = 12;

/// What becomes of what is in the result already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    Replace,
    Add,
}

/// One tile: `rows` (at most six, with AVX-512 twelve) by `cols` sums along `depth`.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub rows: usize,

    /// [`TILE_COLS`], or with AVX-512 twice as many.
    pub cols: usize,
    pub depth: usize,
    pub left: *const f32,
    pub left_row_stride: usize,
    pub left_col_stride: usize,
    pub right: *const f32,
    pub right_row_stride: usize,

    /// From the first [`TILE_COLS`] columns to the next.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "for wider tiles"))]
    pub right_part_stride: usize,
    pub out: *mut f32,
    pub out_row_stride: usize,
    pub result: Result,
}

impl Tile {
    /// A tile that is narrower than the panel it is computed from.
    ///
    /// # Safety
    /// As for `compute`, but only the first `width` columns of the outputs have to be there.
    pub unsafe fn narrow(&self, width: usize, compute: impl FnOnce(&Self)) {
        let mut sums = [0.0_f32; MOST_TILE_ROWS * TILE_COLS];
        let (out, result) = (sums.as_mut_ptr(), Result::Replace);
        compute(&Self { out, out_row_stride: TILE_COLS, result, ..*self });
        for (row, sums) in sums.chunks_exact(TILE_COLS).take(self.rows).enumerate() {
            for (col, sum) in sums[..width].iter().enumerate() {
                // SAFETY: the caller promises these outputs.
                unsafe {
                    let out = self.out.add(row * self.out_row_stride + col);
                    *out = match self.result {
                        Result::Replace => *sum,
                        Result::Add => *out + *sum,
                    };
                }
            }
        }
    }
}
