//! F32 weights times some rows of activations with AVX2: more than `avx2_few` takes, and fewer than
//! what it is worth making the panels of `avx2_dense` for.
//!
//! Here the activations are transposed, once for all threads, and the weights are read as they lie. The
//! sums are made in the same order as there, so the results are the same, bit for bit.

#![expect(unsafe_code, reason = "reads and writes tiles through pointers")]

use std::array;
use std::cell::Cell;
use std::ops::Range;

use super::avx2_dense::{DEPTH, Panel, ZEROS, fill, transpose, widen_f32};
use super::avx2_gemm::{TILE_ROWS, compute, compute_half, tile_rows};
use super::avx2_registers::{LANES, load, store};
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::tile::{Result, TILE_COLS, Tile};

/// Rows of activations up to which this is faster than panels of weights.
pub(crate) const MOST: usize = 48;

/// Weight rows whose outputs are turned back at once.
const TOGETHER: usize = 48;

thread_local! {
    /// What the last product of this thread left behind: fresh memory would have to be mapped.
    static LEFT: Cell<Vec<Panel>> = const { Cell::new(Vec::new()) };
}

/// Panels that are left behind at most: 2 MB.
const MOST_LEFT: usize = 128;

/// At most [`MOST`] rows of activations, transposed.
pub(crate) struct Turned {
    /// For each stretch of [`DEPTH`] columns a panel of 16 rows after the other.
    panels: Vec<Panel>,
    rows: usize,
    cols: usize,
}

impl Drop for Turned {
    fn drop(&mut self) {
        if self.panels.len() <= MOST_LEFT {
            LEFT.set(std::mem::take(&mut self.panels));
        }
    }
}

/// `x`, rows of `cols` values.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn turned(x: &[f32], cols: usize) -> Turned {
    let rows = x.len() / cols;
    let mut panels = LEFT.take();
    panels.resize(rows.div_ceil(TILE_COLS) * cols.div_ceil(DEPTH), ZEROS);
    let x: &[[u8; 4]] = bytemuck::cast_slice(x);
    let mut next = panels.iter_mut();
    for start in (0..cols).step_by(DEPTH) {
        let len = DEPTH.min(cols - start);
        for (first, panel) in (0..rows).step_by(TILE_COLS).zip(&mut next) {
            for half in 0..2 {
                // Lanes from the end on repeat the last row: nobody asks for them.
                let of_lane = |lane: usize| {
                    let row = (first + LANES * half + lane).min(rows - 1);
                    &x[row * cols + start..][..len]
                };
                fill(panel, half, array::from_fn(of_lane), GgmlType::F32, &|b| widen_f32(b));
            }
        }
    }
    Turned { panels, rows, cols }
}

/// Computes the outputs of rows `rows` of `weights`, which has as many columns as `x`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn multiply(weights: &[f32], x: &Turned, rows: Range<usize>, out: &mut Columns<'_>) {
    let Turned { panels, rows: m, cols } = x;
    let (m, cols, groups) = (*m, *cols, m.div_ceil(TILE_COLS));
    assert!(m == out.m() && m <= MOST, "{m} rows of activations");
    let mut sums = [0.0_f32; TOGETHER * MOST];
    for first in rows.clone().step_by(TOGETHER) {
        let end = rows.end.min(first + TOGETHER);
        let parts = (first..end).step_by(2 * TILE_ROWS);
        for (part, group) in parts.flat_map(|part| (0..groups).map(move |group| (part, group))) {
            // Eight rows of activations fill half of a panel, and leave room for twice as many sums.
            let is_half = m - group * TILE_COLS <= LANES;
            let part_end = end.min(part + 2 * TILE_ROWS);
            let mut row = part;
            while row < part_end {
                let left = part_end - row;
                let count = if is_half { left } else { tile_rows(left) };
                let own = &weights[row * cols..(row + count) * cols];
                let sums = &mut sums[(row - first) * MOST + group * TILE_COLS..];
                for (panels, start) in panels.chunks_exact(groups).zip((0..cols).step_by(DEPTH)) {
                    let tile = Tile {
                        rows: count,
                        cols: TILE_COLS,
                        depth: DEPTH.min(cols - start),
                        left: own[start..].as_ptr(),
                        left_row_stride: cols,
                        left_col_stride: 1,
                        right: panels[group].as_ptr().cast(),
                        right_row_stride: TILE_COLS,
                        right_part_stride: 0,
                        out: sums.as_mut_ptr(),
                        out_row_stride: MOST,
                        result: if start == 0 { Result::Replace } else { Result::Add },
                    };
                    // SAFETY: there are `count` rows of weights and of sums, and a panel has as many
                    // steps as a stretch has columns.
                    unsafe {
                        if is_half {
                            compute_half(&tile);
                        } else {
                            compute(&tile);
                        }
                    }
                }
                row += count;
            }
        }
        for row in (first..end).step_by(LANES) {
            let (_, sums) = sums.split_at((row - first) * MOST);
            let lanes = LANES.min(end - row);
            for at in (0..m).step_by(LANES) {
                let block = array::from_fn(|lane| {
                    load(
                        sums[lane * MOST + at..].first_chunk().expect("a row of sums is in eights"),
                    )
                });
                let turned = transpose(block).into_iter().take(m - at).enumerate();
                turned.for_each(|(i, values)| out.write(at + i, row, &store(values)[..lanes]));
            }
        }
    }
}
