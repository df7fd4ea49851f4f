//! Products of f32 matrices in any orientation, for training: out = Σ left · right.
//!
//! An output is the same bits whatever rows and columns are computed beside it and on any number of
//! threads: it is a chain of sums along the shared dimension, cut every [`DEPTH`] values. Products
//! with packed weights: see [`super::QMatrix`].

#![expect(unsafe_code, reason = "threads write disjoint parts of one slice")]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

#[cfg(target_arch = "aarch64")]
use super::arm::neon_gemm;
use super::level::Level;
pub use super::tile::Result;
use super::tile::{TILE_COLS, Tile};
#[cfg(target_arch = "x86_64")]
use super::x86::{avx2_gemm, avx512_gemm};

/// Rows of a tile.
fn tile_rows(level: Level) -> usize {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => avx512_gemm::TILE_ROWS,
        _ => TILE_ROWS,
    }
}

/// Rows of the next tile, of so many that are left.
fn next_rows(level: Level, left: usize) -> usize {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => avx2_gemm::tile_rows(left),
        _ => left.min(tile_rows(level)),
    }
}

/// Columns of the next tile, of so many that are left.
fn tile_cols(level: Level, left: usize) -> usize {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if left >= 2 * TILE_COLS => 2 * TILE_COLS,
        _ => left.min(TILE_COLS),
    }
}

/// Rows of a tile in most levels.
const TILE_ROWS: usize = 6;

/// Values of the shared dimension between two visits to memory: a panel of the right side, 24 KB,
/// stays in the first cache.
pub const DEPTH: usize = 384;

/// Columns that are packed at once, and rows that meet them: 147 KB each, for the second cache.
const PACKED_COLS: usize = 96;
const BLOCK_ROWS: usize = 96;

/// Rows from which packing the right side pays.
const PACK_FROM: usize = 24;

/// Columns from which packing a block of the left side pays, where its steps are so far apart.
const PACK_LEFT_FROM: usize = 2 * TILE_COLS;
const PAGE: usize = 1024;

/// Multiplications that are not worth another thread: about 20 µs of work. One that sleeps wakes in
/// 10 to 40.
const SERIAL: usize = 1 << 20;

/// A matrix that is read. Transposing it costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major, (rows, cols).
    ///
    /// # Panics
    /// Where `values` has another length.
    pub fn new(values: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(values.len(), rows * cols, "a matrix of {rows} rows and {cols} columns");
        Self { values, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// (cols, rows)
    #[must_use]
    pub fn transposed(self) -> Self {
        let Self { values, rows, cols, row_stride, col_stride } = self;
        Self { values, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// Some of the columns.
    ///
    /// # Panics
    /// Where there are fewer columns.
    #[must_use]
    pub fn columns(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.cols, "columns {range:?}");
        let start = (range.start * self.col_stride).min(self.values.len());
        Self { values: &self.values[start..], cols: range.len(), ..self }
    }
}

/// Where a product is written: `cols` columns of rows that lie `row_stride` apart.
#[derive(Debug)]
pub struct Target<'a> {
    values: &'a mut [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    result: Result,
}

impl<'a> Target<'a> {
    /// A whole matrix, (rows, cols).
    ///
    /// # Panics
    /// Where `values` has another length.
    pub fn new(values: &'a mut [f32], rows: usize, cols: usize, result: Result) -> Self {
        assert_eq!(values.len(), rows * cols, "a result of {rows} rows and {cols} columns");
        Self { values, rows, cols, row_stride: cols, result }
    }

    /// Some of the columns of a matrix of `rows` rows.
    ///
    /// # Panics
    /// Where there are fewer columns.
    pub fn columns(
        values: &'a mut [f32],
        rows: usize,
        range: Range<usize>,
        result: Result,
    ) -> Self {
        let row_stride = values.len() / rows.max(1);
        assert!(range.start <= range.end && range.end <= row_stride, "columns {range:?}");
        let start = range.start.min(values.len());
        Self { values: &mut values[start..], rows, cols: range.len(), row_stride, result }
    }
}

/// One product of a sum: (rows, depth) · (depth, cols).
pub type Term<'a> = (Matrix<'a>, Matrix<'a>);

/// target = Σ left · right, on all threads of the pool.
pub fn gemm(target: Target<'_>, terms: &[Term<'_>]) {
    let Target { rows, cols, .. } = target;
    let depth: usize = terms.iter().map(|(left, _)| left.cols).sum();
    let threads = rayon::current_num_threads();
    if threads == 1 || rows * cols * depth < SERIAL {
        return gemm_here(target, terms);
    }
    check(&target, terms);
    let level = Level::best();
    let even = cols.div_ceil(2 * threads).next_multiple_of(TILE_COLS);
    let task_cols = even.clamp(TILE_COLS, PACKED_COLS);
    let col_tasks = cols.div_ceil(task_cols);
    // Few columns: cut the rows too, which packs the right side once more for each part.
    let row_tasks = if col_tasks < 2 * threads { (4 * threads).div_ceil(col_tasks) } else { 1 };
    let task_rows = rows.div_ceil(row_tasks).next_multiple_of(tile_rows(level)).max(8 * TILE_ROWS);
    let mut tasks = Vec::new();
    for first_row in (0..rows).step_by(task_rows) {
        for first_col in (0..cols).step_by(task_cols) {
            let rows = first_row..rows.min(first_row + task_rows);
            tasks.push((rows, first_col..cols.min(first_col + task_cols)));
        }
    }
    let out = Out::new(target);
    tasks.into_par_iter().with_max_len(1).for_each(|(rows, cols)| {
        // SAFETY: no two tasks have an output in common, and `out` borrows the target.
        unsafe { task(level, out, terms, rows, cols) }
    });
}

/// The same on this thread alone.
pub fn gemm_here(target: Target<'_>, terms: &[Term<'_>]) {
    gemm_at(Level::best(), target, terms);
}

pub(super) fn gemm_at(level: Level, target: Target<'_>, terms: &[Term<'_>]) {
    check(&target, terms);
    let (rows, cols) = (target.rows, target.cols);
    let out = Out::new(target);
    for first in (0..cols).step_by(PACKED_COLS) {
        // SAFETY: this is the only task.
        unsafe { task(level, out, terms, 0..rows, first..cols.min(first + PACKED_COLS)) };
    }
}

/// Whether every value that the strides reach is there.
fn check(target: &Target<'_>, terms: &[Term<'_>]) {
    assert!(!terms.is_empty(), "a product has at least one term");
    for (left, right) in terms {
        assert_eq!((left.rows, right.cols), (target.rows, target.cols), "shapes of a product");
        assert_eq!(left.cols, right.rows, "the shared dimension of a product");
        for matrix in [left, right] {
            if matrix.rows > 0 && matrix.cols > 0 {
                let last =
                    (matrix.rows - 1) * matrix.row_stride + (matrix.cols - 1) * matrix.col_stride;
                assert!(last < matrix.values.len(), "a matrix within its values");
            }
        }
    }
    if target.rows > 0 && target.cols > 0 {
        let last = (target.rows - 1) * target.row_stride + target.cols - 1;
        assert!(last < target.values.len(), "a result within its values");
    }
}

/// A target that several threads write to.
#[derive(Clone, Copy)]
struct Out<'a> {
    start: *mut f32,
    row_stride: usize,
    result: Result,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is written through by `task` only, whose callers give each task outputs of its own.
unsafe impl Send for Out<'_> {}
// SAFETY: as above.
unsafe impl Sync for Out<'_> {}

impl<'a> Out<'a> {
    fn new(target: Target<'a>) -> Self {
        let Target { values, row_stride, result, .. } = target;
        Self { start: values.as_mut_ptr(), row_stride, result, borrow: PhantomData }
    }
}

thread_local! {
    static PANELS: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// The outputs `rows` × `cols` (at most [`PACKED_COLS`]).
///
/// # Safety
/// `check` has passed, the ranges lie within the target, and nobody else reads or writes them.
unsafe fn task(
    level: Level,
    out: Out<'_>,
    terms: &[Term<'_>],
    rows: Range<usize>,
    cols: Range<usize>,
) {
    PANELS.with_borrow_mut(|[panels, lefts]| {
        panels.resize(PACKED_COLS * DEPTH, 0.0);
        lefts.resize(BLOCK_ROWS * DEPTH, 0.0);
        let mut result = out.result;
        for (left, right) in terms {
            for first in (0..left.cols).step_by(DEPTH) {
                let depth = first..left.cols.min(first + DEPTH);
                // SAFETY: the caller's promises are passed on.
                unsafe {
                    let (out, room) = (Out { result, ..out }, (&mut **panels, &mut **lefts));
                    block(level, out, (left, right), depth, &rows, &cols, room);
                }
                result = Result::Add;
            }
        }
    });
}

/// What one stretch of the shared dimension adds.
///
/// # Safety
/// As for [`task`].
#[expect(clippy::too_many_arguments, reason = "three ranges and what they are of")]
unsafe fn block(
    level: Level,
    out: Out<'_>,
    (left, right): (&Matrix<'_>, &Matrix<'_>),
    depth: Range<usize>,
    rows: &Range<usize>,
    cols: &Range<usize>,
    (panels, lefts): (&mut [f32], &mut [f32]),
) {
    let len = depth.len();
    let all_packed = right.col_stride != 1 || rows.len() >= PACK_FROM;
    for first in (0..cols.len()).step_by(TILE_COLS) {
        let width = TILE_COLS.min(cols.len() - first);
        if all_packed || width < TILE_COLS {
            let panel = &mut panels[first * len..(first + TILE_COLS) * len];
            pack(level, right, depth.clone(), (cols.start + first, width), panel);
        }
    }
    for block_start in rows.clone().step_by(BLOCK_ROWS) {
        let block_rows = block_start..rows.end.min(block_start + BLOCK_ROWS);
        let packed = pack_left(level, left, (&block_rows, &depth), cols.len(), lefts);
        let left = packed.as_ref().unwrap_or(left);
        let (left_row, left_depth) = match packed {
            Some(_) => (block_start, depth.start),
            None => (0, 0),
        };
        let mut rest = 0..cols.len();
        while !rest.is_empty() {
            let first = rest.start;
            let width = tile_cols(level, rest.len());
            rest.start += width;
            let packed = all_packed || width < TILE_COLS;
            let right_at = if packed {
                panels[first * len..].as_ptr()
            } else {
                right.values[depth.start * right.row_stride + cols.start + first..].as_ptr()
            };
            let mut row = block_rows.start;
            while row < block_rows.end {
                let tile_rows = next_rows(level, block_rows.end - row);
                let left_at = (row - left_row) * left.row_stride
                    + (depth.start - left_depth) * left.col_stride;
                // SAFETY: row and column lie within the target.
                let out_at = unsafe { out.start.add(row * out.row_stride + cols.start + first) };
                let tile = Tile {
                    rows: tile_rows,
                    cols: width.next_multiple_of(TILE_COLS),
                    depth: len,
                    left: left.values[left_at..].as_ptr(),
                    left_row_stride: left.row_stride,
                    left_col_stride: left.col_stride,
                    right: right_at,
                    right_row_stride: if packed { TILE_COLS } else { right.row_stride },
                    right_part_stride: if packed { TILE_COLS * len } else { TILE_COLS },
                    out: out_at,
                    out_row_stride: out.row_stride,
                    result: out.result,
                };
                // SAFETY: `check` has found both sides complete; a full panel lies within the
                // target, and a narrower one is summed beside it.
                unsafe {
                    if width == tile.cols {
                        compute(level, &tile);
                    } else {
                        tile.narrow(width, |tile| compute(level, tile));
                    }
                }
                row += tile_rows;
            }
        }
    }
}

/// A block of a left side that is transposed, row by row: without it, each step of a tile would be in
/// another page of memory.
fn pack_left<'a>(
    level: Level,
    left: &Matrix<'_>,
    (rows, depth): (&Range<usize>, &Range<usize>),
    cols: usize,
    room: &'a mut [f32],
) -> Option<Matrix<'a>> {
    if left.row_stride != 1 || left.col_stride < PAGE || cols < PACK_LEFT_FROM {
        return None;
    }
    let (count, len) = (rows.len(), depth.len());
    let room = &mut room[..count * len];
    let (rows_done, depth_done) = match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 => {
            let (whole_rows, whole) = (count / 8 * 8, len / 8 * 8);
            for at in (0..whole).step_by(8) {
                let start = (depth.start + at) * left.col_stride + rows.start;
                assert!(start + 7 * left.col_stride + whole_rows <= left.values.len());
                // SAFETY: this level is only chosen where the processor has AVX2; the last value of
                // the last of eight steps lies within the matrix, and `room` has `count` rows.
                unsafe {
                    let (from, out) = (left.values[start..].as_ptr(), room[at..].as_mut_ptr());
                    avx2_gemm::turn(from, left.col_stride, whole_rows, (out, len));
                }
            }
            (whole_rows, whole)
        }
        _ => (0, 0),
    };
    for (row, out) in room.chunks_exact_mut(len).enumerate() {
        let done = if row < rows_done { depth_done } else { 0 };
        for (at, out) in out.iter_mut().enumerate().skip(done) {
            *out = left.values[(depth.start + at) * left.col_stride + rows.start + row];
        }
    }
    Some(Matrix { values: room, rows: count, cols: len, row_stride: len, col_stride: 1 })
}

/// Rows `depth` and `width` columns from `first` of a matrix side by side, padded with zeros.
fn pack(
    level: Level,
    right: &Matrix<'_>,
    depth: Range<usize>,
    (first, width): (usize, usize),
    panel: &mut [f32],
) {
    let Matrix { values, row_stride, col_stride, .. } = *right;
    if width < TILE_COLS {
        panel.fill(0.0);
    }
    if col_stride == 1 {
        let (panel, _) = panel.as_chunks_mut::<TILE_COLS>();
        for (row, out) in depth.zip(panel) {
            let from = &values[row * row_stride + first..];
            match from.first_chunk() {
                Some(whole) if width == TILE_COLS => *out = *whole,
                _ => out[..width].copy_from_slice(&from[..width]),
            }
        }
        return;
    }
    let done = match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 if row_stride == 1 && width == TILE_COLS => {
            let len = depth.len() / 8 * 8;
            for half in [0, 8] {
                let start = (first + half) * col_stride + depth.start;
                assert!(start + 7 * col_stride + len <= values.len() && panel.len() >= 16 * len);
                // SAFETY: this level is only chosen where the processor has AVX2; the last value of
                // the last column lies within the matrix, and the panel has room for each row.
                unsafe {
                    let (columns, out) = (values[start..].as_ptr(), panel[half..].as_mut_ptr());
                    avx2_gemm::turn(columns, col_stride, len, (out, TILE_COLS));
                }
            }
            len
        }
        #[cfg(target_arch = "aarch64")]
        Level::Neon | Level::NeonDot if row_stride == 1 && width == TILE_COLS => {
            let len = depth.len() / 4 * 4;
            let start = first * col_stride + depth.start;
            // SAFETY: NEON is part of the architecture.
            unsafe { neon_gemm::turn(&values[start..], col_stride, len, panel) };
            len
        }
        _ => 0,
    };
    for (row, out) in depth.zip(panel.chunks_exact_mut(TILE_COLS)).skip(done) {
        for (col, out) in out[..width].iter_mut().enumerate() {
            *out = values[row * row_stride + (first + col) * col_stride];
        }
    }
}

/// # Safety
/// Every value that the tile's strides reach may be read, every output written.
unsafe fn compute(level: Level, tile: &Tile) {
    match level {
        // SAFETY: passed on.
        Level::Portable => unsafe { portable(tile) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: passed on; this level is only chosen where the processor has AVX2 and FMA.
        Level::Avx2 => unsafe { avx2_gemm::compute(tile) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: passed on; this level is only chosen where the processor has AVX-512.
        Level::Avx512 => unsafe { avx512_gemm::compute(tile) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: passed on.
        Level::Neon | Level::NeonDot => unsafe { neon_gemm::compute(tile) },
    }
}

/// # Safety
/// As for [`compute`].
unsafe fn portable(tile: &Tile) {
    let mut sums = [[0.0_f32; TILE_COLS]; TILE_ROWS];
    for at in 0..tile.depth {
        // SAFETY: within the panel.
        let right = unsafe {
            std::slice::from_raw_parts(tile.right.add(at * tile.right_row_stride), TILE_COLS)
        };
        for (row, sums) in sums[..tile.rows].iter_mut().enumerate() {
            // SAFETY: within the left side.
            let left =
                unsafe { *tile.left.add(row * tile.left_row_stride + at * tile.left_col_stride) };
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum += left * right;
            }
        }
    }
    for (row, sums) in sums[..tile.rows].iter().enumerate() {
        // SAFETY: within the target.
        let out = unsafe {
            std::slice::from_raw_parts_mut(tile.out.add(row * tile.out_row_stride), TILE_COLS)
        };
        match tile.result {
            Result::Replace => out.copy_from_slice(sums),
            Result::Add => out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum),
        }
    }
}

#[cfg(test)]
#[path = "gemm_tests.rs"]
mod tests;
