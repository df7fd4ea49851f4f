//! Dense weights (F32, F16, BF16) times f32 activations with AVX2.
//!
//! Weight rows are widened and transposed 256 columns at a time, sixteen to a panel, so that sixteen
//! outputs grow in two registers and each activation is read once for all of them. As in `avx2`, a
//! row's result does not depend on its neighbours.

#![expect(unsafe_code, reason = "loads registers, and writes tiles of a result")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use super::avx2_gemm;
use super::avx2_registers::load;
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;
use crate::tile::{Result, TILE_COLS, Tile};
use crate::unpack;

/// Columns of a panel: 16 KiB, half of the first cache.
pub(crate) const DEPTH: usize = 256;

/// Sixteen weight rows, transposed.
pub(crate) type Panel = [[__m256; 2]; DEPTH];

/// A panel before it is filled.
// SAFETY: eight floats of zero bits are eight zeros.
pub(crate) const ZEROS: Panel = unsafe { std::mem::zeroed() };

/// Panels that are made at once, and rows of activations that meet them: 98 KB each, for the second
/// cache.
const TOGETHER: usize = 6;
const BLOCK: usize = 96;

thread_local! {
    static PANELS: RefCell<Vec<Panel>> = const { RefCell::new(Vec::new()) };
}

/// Computes the outputs of weight rows `rows` for every row of `x` (m, cols).
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn dense(weights: &QMatrix, x: &[f32], rows: Range<usize>, out: &mut Columns<'_>) {
    match weights.kind() {
        GgmlType::F32 => {
            run::<4>(weights, x, rows, out, |b| widen_f32(b));
        }
        GgmlType::F16 => {
            run::<2>(weights, x, rows, out, |b| widen_f16(b));
        }
        GgmlType::BF16 => {
            run::<2>(weights, x, rows, out, |b| widen_bf16(b));
        }
        kind => unreachable!("{kind} is packed"),
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn run<const BYTES: usize>(
    weights: &QMatrix,
    x: &[f32],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    widen: impl Fn(&[[u8; BYTES]; 8]) -> __m256,
) {
    let (m, cols) = (out.m(), weights.cols());
    if cols == 0 {
        for row in 0..m {
            rows.clone().for_each(|column| out.write(row, column, &[0.0]));
        }
        return;
    }
    PANELS.with_borrow_mut(|panels| {
        panels.resize(TOGETHER, ZEROS);
        for first_row in rows.clone().step_by(16 * TOGETHER) {
            let end = rows.end.min(first_row + 16 * TOGETHER);
            for start in (0..cols).step_by(DEPTH) {
                let len = DEPTH.min(cols - start);
                for (panel, first) in panels.iter_mut().zip((first_row..end).step_by(16)) {
                    for half in 0..2 {
                        // Lanes from the end on repeat the row before it: nobody asks for them.
                        let packed = std::array::from_fn(|lane| {
                            let row = (first + 8 * half + lane).min(end - 1);
                            &weights.row_bytes(row).as_chunks::<BYTES>().0[start..start + len]
                        });
                        fill(panel, half, packed, weights.kind(), &widen);
                    }
                }
                for block in (0..m).step_by(BLOCK) {
                    let block_end = m.min(block + BLOCK);
                    for (panel, first) in panels.iter().zip((first_row..end).step_by(16)) {
                        let width = 16.min(end - first);
                        let mut row = block;
                        while row < block_end {
                            let rows = avx2_gemm::tile_rows(block_end - row);
                            let (out, out_row_stride) =
                                out.part(row..row + rows, first..first + width);
                            let x = &x[row * cols + start..(row + rows - 1) * cols + start + len];
                            let tile = Tile {
                                rows,
                                cols: TILE_COLS,
                                depth: len,
                                left: x.as_ptr(),
                                left_row_stride: cols,
                                left_col_stride: 1,
                                right: panel.as_ptr().cast(),
                                right_row_stride: TILE_COLS,
                                right_part_stride: 0,
                                out,
                                out_row_stride,
                                result: if start == 0 { Result::Replace } else { Result::Add },
                            };
                            // SAFETY: `x` has the rows, the panel `len` steps, and the outputs are
                            // this task's own; where they are fewer than a tile's, it is summed
                            // beside them.
                            unsafe {
                                if width == TILE_COLS {
                                    avx2_gemm::compute(&tile);
                                } else {
                                    tile.narrow(width, |tile| avx2_gemm::compute(tile));
                                }
                            }
                            row += rows;
                        }
                    }
                }
            }
        }
    });
}

/// Puts eight rows into one half of the panel.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(crate) fn fill<const BYTES: usize>(
    panel: &mut Panel,
    half: usize,
    rows: [&[[u8; BYTES]]; 8],
    kind: GgmlType,
    widen: &impl Fn(&[[u8; BYTES]; 8]) -> __m256,
) {
    let len = rows[0].len();
    let rows_of_8 = rows.map(|row| row.as_chunks::<8>().0);
    for i in 0..len / 8 {
        // A loop, not a closure: `from_fn` could not make it part of itself.
        let mut block = [_mm256_setzero_ps(); 8];
        for (values, row) in block.iter_mut().zip(rows_of_8) {
            *values = widen(&row[i]);
        }
        for (column, values) in panel[8 * i..8 * i + 8].iter_mut().zip(transpose(block)) {
            column[half] = values;
        }
    }
    for (column, panel) in panel[..len].iter_mut().enumerate().skip(len / 8 * 8) {
        let mut values = [0.0; 8];
        for (row, value) in rows.iter().zip(values.as_chunks_mut::<1>().0) {
            unpack::dequantize_row(kind, &row[column], value);
        }
        panel[half] = load(&values);
    }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn transpose(rows: [__m256; 8]) -> [__m256; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    // Pairs, then quads, then halves: each step works within what the instruction can move.
    let (ab, ab2) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let (cd, cd2) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    let (ef, ef2) = (_mm256_unpacklo_ps(e, f), _mm256_unpackhi_ps(e, f));
    let (gh, gh2) = (_mm256_unpacklo_ps(g, h), _mm256_unpackhi_ps(g, h));
    let (p0, p1) = (_mm256_shuffle_ps::<0x44>(ab, cd), _mm256_shuffle_ps::<0xee>(ab, cd));
    let (p2, p3) = (_mm256_shuffle_ps::<0x44>(ab2, cd2), _mm256_shuffle_ps::<0xee>(ab2, cd2));
    let (q0, q1) = (_mm256_shuffle_ps::<0x44>(ef, gh), _mm256_shuffle_ps::<0xee>(ef, gh));
    let (q2, q3) = (_mm256_shuffle_ps::<0x44>(ef2, gh2), _mm256_shuffle_ps::<0xee>(ef2, gh2));
    [
        _mm256_permute2f128_ps::<0x20>(p0, q0),
        _mm256_permute2f128_ps::<0x20>(p1, q1),
        _mm256_permute2f128_ps::<0x20>(p2, q2),
        _mm256_permute2f128_ps::<0x20>(p3, q3),
        _mm256_permute2f128_ps::<0x31>(p0, q0),
        _mm256_permute2f128_ps::<0x31>(p1, q1),
        _mm256_permute2f128_ps::<0x31>(p2, q2),
        _mm256_permute2f128_ps::<0x31>(p3, q3),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn widen_f32(bytes: &[[u8; 4]; 8]) -> __m256 {
    // SAFETY: 32 bytes can be read; the instruction does not ask for alignment.
    unsafe { _mm256_loadu_ps(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
pub(crate) fn widen_f16(bytes: &[[u8; 2]; 8]) -> __m256 {
    // SAFETY: 16 bytes can be read; the instruction does not ask for alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
}

#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn widen_bf16(bytes: &[[u8; 2]; 8]) -> __m256 {
    // SAFETY: 16 bytes can be read; the instruction does not ask for alignment.
    let words = _mm256_cvtepu16_epi32(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) });
    _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words))
}
