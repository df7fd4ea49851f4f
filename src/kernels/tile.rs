//! A piece of an f32 product that is summed in registers: what every level is told.

/// Columns of a tile that is summed in registers.
pub(super) const TILE_COLS: usize = 16;

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
