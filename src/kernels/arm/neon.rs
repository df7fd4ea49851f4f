//! Packed weights times rounded activations with NEON: a weight row to each lane of what is summed.
//!
//! An activation is met byte by byte: the products with its high byte times 256, and then those with
//! the low one on top, both as dot products of bytes, for which newer processors have an
//! instruction. The sums are those of `avx2` in the same order: so are the results, bit for bit.

#![expect(unsafe_code, reason = "loads registers, and joins what dot products need")]
#![expect(clippy::inline_always, reason = "only what is inlined is compiled for dot products")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::aarch64::*;
use std::ops::Range;

use super::neon_dot::{Direct, Dot, Wide};
use super::neon_registers::{LANES, Scales, load, load_bytes, store, transposed};
use super::neon_unpack as unpack;
use crate::activations::{ActBlock, Activations, LARGEST, SMALLEST};
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;
use crate::packed_rows::{PackedRows, with_format};

/// Registers of rows in a panel.
const SIDE: usize = 4;

/// Most activation rows that share one unpacking; their sums are 12 KiB.
const TILE: usize = 192;

/// Activation rows in registers at once: 16 sums, 4 weights, 8 activations of 32 registers.
const STEP: usize = 4;

/// 256 columns of sixteen weight rows: for each 32 columns eight times four bytes of every row.
struct Panel {
    q: [[[uint8x16_t; SIDE]; 8]; 8],
    scales: [Scales; SIDE],
}

/// Computes the outputs of weight rows `rows` for every row of `x`.
#[target_feature(enable = "neon")]
pub(crate) fn packed(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
) {
    // SAFETY: NEON is all that it needs.
    unsafe { packed_with::<Wide>(weights, x, rows, out) };
}

/// The same for processors with dot products.
#[target_feature(enable = "neon,dotprod")]
pub(crate) fn packed_dot(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
) {
    // SAFETY: dot products are what this is compiled for.
    unsafe { packed_with::<Direct>(weights, x, rows, out) };
}

/// # Safety
/// The processor has the instructions of `D`.
#[inline(always)]
unsafe fn packed_with<D: Dot>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
) {
    // SAFETY: NEON is part of the architecture, and the caller promises the rest.
    unsafe {
        macro_rules! format {
            ($name:ident, $bytes:literal, $runs:literal, $signed:literal, $scales:literal) => {{
                let scales = |rows: [&_; LANES], scales: &mut _, at| {
                    unpack::$name::scales(rows, scales, at);
                };
                let integers = |row: &_, run| unpack::$name::integers(row, run);
                if out.m() == 1 {
                    let x = x.row(0);
                    one::<D, $bytes, $runs, $signed, $scales>(
                        weights, x, rows, out, scales, integers,
                    );
                } else {
                    many::<D, $bytes, $runs, $signed, $scales>(
                        weights, x, rows, out, scales, integers,
                    );
                }
            }};
        }
        with_format!(weights.kind(), format);
    }
}

/// The loop for one row of activations: 32 columns of four weight rows at a time, each row in a
/// register of its own until its products are summed.
///
/// `BYTES` and `RUNS`: bytes of a block, and how many times 32 weights it holds. `SIGNED`: whether
/// the weights are, and have no offset. `SCALES`: scales to each 32 weights. `scales` reads those of
/// one block of four rows, `integers` one run of one row's block.
///
/// # Safety
/// The processor has the instructions of `D`.
#[inline(always)]
unsafe fn one<
    D: Dot,
    const BYTES: usize,
    const RUNS: usize,
    const SIGNED: bool,
    const SCALES: usize,
>(
    weights: &QMatrix,
    x: &[ActBlock],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; LANES], &mut Scales, usize),
    integers: impl Fn(&[u8; BYTES], usize) -> [uint8x16_t; 2],
) {
    // SAFETY: NEON is part of the architecture, and the caller promises the rest.
    unsafe {
        let mut read = Scales::zero();
        for first_row in rows.clone().step_by(LANES) {
            let packed = PackedRows::<BYTES, LANES>::new(weights, first_row, rows.end);
            let mut sum = vdupq_n_f32(0.0);
            for (index, x) in x.chunks_exact(RUNS).enumerate() {
                let blocks = packed.blocks(index);
                scales(blocks, &mut read, 0);
                for (run, x) in x.iter().enumerate() {
                    let [high, low] = x.registers();
                    let mut halves = [[vdupq_n_s32(0); LANES]; SCALES];
                    for (row, block) in blocks.into_iter().enumerate() {
                        let q = integers(block, run);
                        for (part, half) in halves.iter_mut().enumerate() {
                            let of_part = 2 / SCALES * part..2 / SCALES * (part + 1);
                            let mut whole = vdupq_n_s32(0);
                            for i in of_part.clone() {
                                whole = D::signed(whole, q[i], high[i]);
                            }
                            whole = vshlq_n_s32::<8>(whole);
                            for i in of_part {
                                whole = D::unsigned(whole, without_sign::<SIGNED>(q[i]), low[i]);
                            }
                            half[row] = whole;
                        }
                    }
                    for (part, [a, b, c, d]) in halves.into_iter().enumerate() {
                        let whole = vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
                        let whole = with_sign::<SIGNED>(whole, low);
                        let x_sum = if SCALES == 1 { x.sum } else { x.half_sums[part] };
                        let (scale, offset) = (read.scale[run][part], read.offset[run][part]);
                        sum = add_run::<SIGNED>(whole, scale, offset, x.scale, x_sum, sum);
                    }
                }
            }
            out.write(0, first_row, &store(sum)[..LANES.min(rows.end - first_row)]);
        }
    }
}

/// The loop for several rows of activations.
///
/// # Safety
/// The processor has the instructions of `D`.
#[inline(always)]
unsafe fn many<
    D: Dot,
    const BYTES: usize,
    const RUNS: usize,
    const SIGNED: bool,
    const SCALES: usize,
>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; LANES], &mut Scales, usize),
    integers: impl Fn(&[u8; BYTES], usize) -> [uint8x16_t; 2],
) {
    // SAFETY: NEON is part of the architecture, and the caller promises the rest.
    unsafe {
        let blocks = weights.cols() / 32;
        let zero = vdupq_n_f32(0.0);
        let mut panel =
            Panel { q: [[[vdupq_n_u8(0); SIDE]; 8]; 8], scales: [Scales::zero(); SIDE] };
        let mut sums = [[zero; SIDE]; TILE];
        // Tiles of about the same size.
        let tile = out.m().div_ceil(out.m().div_ceil(TILE)).next_multiple_of(STEP);
        for tile_start in (0..out.m()).step_by(tile) {
            let sums = &mut sums[..tile.min(out.m() - tile_start)];
            for first_row in rows.clone().step_by(SIDE * LANES) {
                let packed: [PackedRows<'_, BYTES, LANES>; SIDE] = std::array::from_fn(|side| {
                    PackedRows::new(weights, first_row + side * LANES, rows.end)
                });
                sums.fill([zero; SIDE]);
                for first_block in (0..blocks).step_by(8) {
                    let chunk_len = 8.min(blocks - first_block);
                    for (side, packed) in packed.iter().enumerate() {
                        for at in (0..chunk_len).step_by(RUNS) {
                            let blocks = packed.blocks((first_block + at) / RUNS);
                            scales(blocks, &mut panel.scales[side], at);
                            for run in 0..RUNS {
                                let q = blocks.map(|block| integers(block, run));
                                for half in 0..2 {
                                    let words = transposed(q.map(|q| q[half]));
                                    for (j, words) in words.into_iter().enumerate() {
                                        let words = vreinterpretq_u8_u32(words);
                                        panel.q[at + run][4 * half + j][side] = words;
                                    }
                                }
                            }
                        }
                    }
                    let run = first_block..first_block + chunk_len;
                    let mut row = tile_start;
                    let (steps, rest) = sums.as_chunks_mut::<STEP>();
                    for sums in steps {
                        dot_panel::<D, STEP, SIGNED, SCALES>(
                            &panel,
                            x.rows(row, run.clone()),
                            sums,
                        );
                        row += STEP;
                    }
                    for sums in rest.as_chunks_mut::<1>().0 {
                        dot_panel::<D, 1, SIGNED, SCALES>(&panel, x.rows(row, run.clone()), sums);
                        row += 1;
                    }
                }
                let lanes = (SIDE * LANES).min(rows.end - first_row);
                for (i, sums) in sums.iter().enumerate() {
                    let values = sums.map(|sum| store(sum));
                    out.write(tile_start + i, first_row, &values.as_flattened()[..lanes]);
                }
            }
        }
    }
}

/// Adds to `sums` a panel's products with `N` rows of activations, at most eight blocks.
///
/// # Safety
/// The processor has the instructions of `D`.
#[inline(always)]
unsafe fn dot_panel<D: Dot, const N: usize, const SIGNED: bool, const SCALES: usize>(
    panel: &Panel,
    x: [&[ActBlock]; N],
    sums: &mut [[float32x4_t; SIDE]; N],
) {
    // SAFETY: NEON is part of the architecture, and the caller promises the rest.
    unsafe {
        let blocks = x.iter().fold(8, |len, x| len.min(x.len()));
        for run in 0..blocks {
            let bytes = x.map(|x| x[run].registers());
            for part in 0..SCALES {
                let of_part = 2 / SCALES * part..2 / SCALES * (part + 1);
                let mut whole = [[vdupq_n_s32(0); SIDE]; N];
                for i in of_part.clone() {
                    macro_rules! word {
                        ($lane:literal) => {
                            for side in 0..SIDE {
                                let q = panel.q[run][4 * i + $lane][side];
                                for n in 0..N {
                                    whole[n][side] =
                                        D::signed_lane::<$lane>(whole[n][side], q, bytes[n][0][i]);
                                }
                            }
                        };
                    }
                    word!(0);
                    word!(1);
                    word!(2);
                    word!(3);
                }
                for whole in whole.as_flattened_mut() {
                    *whole = vshlq_n_s32::<8>(*whole);
                }
                for i in of_part {
                    macro_rules! word {
                        ($lane:literal) => {
                            for side in 0..SIDE {
                                let q = without_sign::<SIGNED>(panel.q[run][4 * i + $lane][side]);
                                for n in 0..N {
                                    whole[n][side] = D::unsigned_lane::<$lane>(
                                        whole[n][side],
                                        q,
                                        bytes[n][1][i],
                                    );
                                }
                            }
                        };
                    }
                    word!(0);
                    word!(1);
                    word!(2);
                    word!(3);
                }
                for n in 0..N {
                    let block = &x[n][run];
                    let x_sum = if SCALES == 1 { block.sum } else { block.half_sums[part] };
                    for (side, sum) in sums[n].iter_mut().enumerate() {
                        let Scales { scale, offset } = &panel.scales[side];
                        let (scale, offset) = (scale[run][part], offset[run][part]);
                        let whole = with_sign::<SIGNED>(whole[n][side], bytes[n][1]);
                        *sum = add_run::<SIGNED>(whole, scale, offset, block.scale, x_sum, *sum);
                    }
                }
            }
        }
    }
}

/// Weights that meet unsigned bytes: signed ones get 128 more, which [`with_sign`] takes away.
#[target_feature(enable = "neon")]
#[inline]
fn without_sign<const SIGNED: bool>(q: uint8x16_t) -> uint8x16_t {
    if SIGNED { veorq_u8(q, vdupq_n_u8(0x80)) } else { q }
}

/// `whole` less 128 times the low bytes of a block, if the weights are signed.
#[target_feature(enable = "neon")]
#[inline]
fn with_sign<const SIGNED: bool>(whole: int32x4_t, low: [uint8x16_t; 2]) -> int32x4_t {
    if SIGNED {
        let sum = vaddlvq_u8(low[0]) + vaddlvq_u8(low[1]);
        vsubq_s32(whole, vdupq_n_s32(128 * i32::from(sum)))
    } else {
        whole
    }
}

/// `sum` after adding the products of a run, or of half of it, whose integer sums are `whole`.
#[target_feature(enable = "neon")]
#[inline]
fn add_run<const SIGNED: bool>(
    whole: int32x4_t,
    scale: float32x4_t,
    offset: float32x4_t,
    x_scale: f32,
    x_sum: f32,
    sum: float32x4_t,
) -> float32x4_t {
    let sum = vfmaq_f32(sum, vcvtq_f32_s32(whole), vmulq_n_f32(scale, x_scale));
    if SIGNED { sum } else { vfmaq_n_f32(sum, offset, x_sum) }
}

/// See `rounding::quantize_block`, whose numbers these are.
#[target_feature(enable = "neon")]
pub(crate) fn quantize(x: &[[f32; 32]], blocks: &mut [ActBlock]) {
    for (x, block) in x.iter().zip(blocks) {
        let mut values = [vdupq_n_f32(0.0); 8];
        for (values, x) in values.iter_mut().zip(x.as_chunks().0) {
            *values = load(x);
        }
        let mut largest = vdupq_n_f32(0.0);
        let mut poison = vdupq_n_f32(0.0);
        for x in values {
            largest = vmaxq_f32(largest, vabsq_f32(x));
            poison = vfmaq_n_f32(poison, x, 0.0);
        }
        let largest = vmaxvq_f32(largest);
        let scale = largest / LARGEST + vaddvq_f32(poison);
        let inverse = if largest > SMALLEST { LARGEST / largest } else { 0.0 };
        let words = values.map(|x| vcvtnq_s32_f32(vmulq_n_f32(x, inverse)));
        let [a, b, c, d, e, f, g, h] = words;
        let sum = |a, b, c, d| vaddvq_s32(vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d))) as f32;
        let (first, last) = (sum(a, b, c, d), sum(e, f, g, h));
        let narrow = |a, b| vreinterpretq_u8_s16(vcombine_s16(vmovn_s32(a), vmovn_s32(b)));
        let halves = [[narrow(a, b), narrow(c, d)], [narrow(e, f), narrow(g, h)]];
        let [high, low] = &mut block.bytes;
        for (i, [a, b]) in halves.into_iter().enumerate() {
            store_bytes(vuzp2q_u8(a, b), &mut high.as_chunks_mut().0[i]);
            store_bytes(vuzp1q_u8(a, b), &mut low.as_chunks_mut().0[i]);
        }
        block.scale = scale;
        block.sum = scale * (first + last);
        block.half_sums = [scale * first, scale * last];
    }
}

impl ActBlock {
    /// [`Self::bytes`]: the high ones and the low ones.
    #[target_feature(enable = "neon")]
    #[inline]
    fn registers(&self) -> [[uint8x16_t; 2]; 2] {
        self.bytes.each_ref().map(|bytes| {
            let halves = bytes.as_chunks().0;
            [load_bytes(&halves[0]), load_bytes(&halves[1])]
        })
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn store_bytes(v: uint8x16_t, bytes: &mut [u8; 16]) {
    // SAFETY: sixteen bytes can be written.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), v) };
}
