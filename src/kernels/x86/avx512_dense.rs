//! Dense weights (F32, F16, BF16) times f32 activations with AVX-512: the panels of `avx2_dense`,
//! sixteen outputs to a register. The sums are made in the same order, so the results are those of
//! `avx2_dense`, bit for bit.
//!
//! BF16 is widened too: the instruction that multiplies pairs of it (`vdpbf16ps`) would round the
//! activations to 8 bits and the bound of a dense product is a millionth.

#![expect(unsafe_code, reason = "loads registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::cell::Cell;
use std::ops::Range;

use super::avx2_dense::{DEPTH, Panel, fill, widen_bf16, widen_f16, widen_f32};
use super::avx512::store;
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;

/// Outputs of a panel.
const LANES: usize = 16;

/// Panels that meet the same activations, 32 KiB: each activation is read once for both, and their sums hide how
/// long a multiplication takes.
const PANELS: usize = 2;

/// Activation rows at once: there is a register for the address of each.
const STEP: usize = 8;

/// Most activation rows that share panels; their sums are 24 KiB.
const TILE: usize = 192;

/// What a task writes over and over, and is not cleared for each.
struct Scratch {
    panels: [Panel; PANELS],
    sums: [[__m512; PANELS]; TILE],
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Computes the outputs of weight rows `rows` for every row of `x` (m, cols).
#[target_feature(enable = "avx2,fma,f16c,avx512f")]
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

#[target_feature(enable = "avx2,fma,f16c,avx512f")]
fn run<const BYTES: usize>(
    weights: &QMatrix,
    x: &[f32],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    widen: impl Fn(&[[u8; BYTES]; 8]) -> __m256,
) {
    let cols = weights.cols();
    // SAFETY: numbers, all of which may be zero.
    let new = || Box::new(unsafe { std::mem::zeroed::<Scratch>() });
    let mut scratch = SCRATCH.take().unwrap_or_else(new);
    let Scratch { panels, sums } = &mut *scratch;
    // Tiles of about the same size.
    let tile = out.m().div_ceil(out.m().div_ceil(TILE)).next_multiple_of(STEP);
    for tile_start in (0..out.m()).step_by(tile) {
        let sums = &mut sums[..tile.min(out.m() - tile_start)];
        for first_row in rows.clone().step_by(PANELS * LANES) {
            let end = rows.end.min(first_row + PANELS * LANES);
            let panels = &mut panels[..(end - first_row).div_ceil(LANES)];
            sums.fill([_mm512_setzero_ps(); PANELS]);
            for start in (0..cols).step_by(DEPTH) {
                let len = DEPTH.min(cols - start);
                for (panel, first) in panels.iter_mut().zip((first_row..end).step_by(LANES)) {
                    for half in 0..2 {
                        let packed = std::array::from_fn(|lane| {
                            let row = (first + 8 * half + lane).min(end - 1);
                            &weights.row_bytes(row).as_chunks::<BYTES>().0[start..start + len]
                        });
                        fill(panel, half, packed, weights.kind(), &widen);
                    }
                }
                let mut at = tile_start * cols + start;
                let (steps, rest) = sums.as_chunks_mut::<STEP>();
                for sums in steps {
                    dot::<STEP>(panels, len, rows_of(&x[at..], cols, len), sums);
                    at += STEP * cols;
                }
                let (fours, ones) = rest.as_chunks_mut::<4>();
                for sums in fours {
                    dot::<4>(panels, len, rows_of(&x[at..], cols, len), sums);
                    at += 4 * cols;
                }
                for sums in ones.as_chunks_mut::<1>().0 {
                    dot::<1>(panels, len, rows_of(&x[at..], cols, len), sums);
                    at += cols;
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                let values = sums.map(|sum| store(sum));
                out.write(tile_start + i, first_row, &values.as_flattened()[..end - first_row]);
            }
        }
    }
    SCRATCH.set(Some(scratch));
}

/// Adds to `sums` the products of the first `len` columns of one or two panels with `N` rows of activations.
#[target_feature(enable = "avx512f")]
#[inline]
fn dot<const N: usize>(
    panels: &[Panel],
    len: usize,
    x: [&[f32]; N],
    sums: &mut [[__m512; PANELS]; N],
) {
    if let Some(panels) = panels.first_chunk::<PANELS>() {
        dot_panels(panels.each_ref().map(|panel| &panel[..len]), x, sums);
    } else if let Some(panel) = panels.first() {
        dot_panels([&panel[..len]], x, sums);
    }
}

/// The same of `P` panels, as in `avx512`; each panel is summed on its own first, as in `avx2_dense`.
#[target_feature(enable = "avx512f")]
#[inline]
fn dot_panels<const P: usize, const N: usize>(
    panels: [&[[__m256; 2]]; P],
    x: [&[f32]; N],
    sums: &mut [[__m512; PANELS]; N],
) {
    let mut acc = [[_mm512_setzero_ps(); P]; N];
    let len = panels[0].len();
    let same = x.iter().all(|x| x.len() == len) && panels.iter().all(|panel| panel.len() == len);
    assert!(same, "activations as deep as the panels");
    for column in 0..len {
        // SAFETY: all panels are as long as the first; 64 bytes can be read.
        let weights = panels
            .map(|panel| unsafe { _mm512_loadu_ps(panel.get_unchecked(column).as_ptr().cast()) });
        for n in 0..N {
            // SAFETY: every row is as long as the panels; asking would take longer than the sum.
            let x = _mm512_set1_ps(unsafe { *x[n].get_unchecked(column) });
            for p in 0..P {
                acc[n][p] = _mm512_fmadd_ps(weights[p], x, acc[n][p]);
            }
        }
    }
    for (sums, acc) in sums.iter_mut().zip(acc) {
        for (sum, acc) in sums.iter_mut().zip(acc) {
            *sum = _mm512_add_ps(*sum, acc);
        }
    }
}

/// The first `len` values of rows that are `stride` apart.
#[inline]
fn rows_of<const N: usize>(x: &[f32], stride: usize, len: usize) -> [&[f32]; N] {
    std::array::from_fn(|n| &x[n * stride..][..len])
}
