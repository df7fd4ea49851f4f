//! Packed weights times rounded activations with AVX2: eight weight rows at a time, one to each lane
//! of what is summed.
//!
//! One row of activations meets each weight row in a register of its own, and the integer sums of
//! eight rows are turned into lanes. For several, sixteen rows are widened to 16 bits, interleaved
//! 256 columns at a time and kept for all of them, so that no sum ever crosses a lane. Both ways add
//! the same numbers in the same order: a row's result is the same, bit for bit, whatever other rows
//! are computed with it.

#![expect(unsafe_code, reason = "loads and stores registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::ops::Range;

use super::avx2_registers::{Ahead, LANES, Scales, load, prefetch, store};
use super::avx2_unpack as unpack;
use crate::activations::{ActBlock, Activations, LARGEST, SMALLEST};
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;
use crate::packed_rows::{PackedRows, with_format};

/// Most activation rows that share one unpacking; their sums are 12 KiB.
const TILE: usize = 192;

/// Activation rows in registers at once: eight sums. With twelve none of the sixteen registers is
/// left for a product, and the sum that goes to memory and back instead is what all wait for.
const STEP: usize = 4;

/// 256 columns of sixteen weight rows, a row a lane: for each 32 columns eight registers of bytes
/// 4j and 4j + 2 as 16-bit numbers, each followed by one of bytes 4j + 1 and 4j + 3.
struct Panel {
    q: [[[__m256i; 2]; 16]; 8],
    scale: [[[__m256; 2]; 2]; 8],
    offset: [[[__m256; 2]; 2]; 8],
}

/// Computes the outputs of weight rows `rows` for every row of `x`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn packed(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
) {
    macro_rules! format {
        ($name:ident, $bytes:literal, $runs:literal, $signed:literal, $scales:literal) => {
            run::<$bytes, $runs, $signed, $scales>(
                weights,
                x,
                rows,
                out,
                |rows, scales, at| unpack::$name::scales(rows, scales, at),
                |row, run| unpack::$name::integers(row, run),
            )
        };
    }
    macro_rules! nibbles {
        ($name:ident, $bytes:literal) => {
            one_of_nibbles::<$bytes>(weights, x.row(0), rows, out, |rows, scales| {
                unpack::$name::scales(rows, scales, 0);
            })
        };
    }
    macro_rules! grouped {
        ($name:ident, $bytes:literal, $scales:literal, $group:literal) => {
            one::<$bytes, 8, false, $scales, $group>(
                weights,
                x.row(0),
                rows,
                out,
                |rows, scales, at| unpack::$name::scales(rows, scales, at),
                |row, group| unpack::$name::group(row, group),
            )
        };
    }
    match weights.kind() {
        GgmlType::Q4_0 if out.m() == 1 => nibbles!(q4_0, 18),
        GgmlType::Q4_1 if out.m() == 1 => nibbles!(q4_1, 20),
        GgmlType::Q4K if out.m() == 1 => grouped!(q4k, 144, 1, 2),
        GgmlType::Q5K if out.m() == 1 => grouped!(q5k, 176, 1, 2),
        GgmlType::Q6K if out.m() == 1 => grouped!(q6k, 210, 2, 4),
        kind => with_format!(kind, format),
    }
}

/// The loop over rows, columns and activations.
///
/// `BYTES` and `RUNS`: bytes of a block, and how many times 32 weights it holds. `SIGNED`: whether
/// the weights are, and have no offset. `SCALES`: scales to each 32 weights. `scales` reads those of
/// one block of eight rows, `integers` one run of one row's block.
#[target_feature(enable = "avx2,fma,f16c")]
fn run<const BYTES: usize, const RUNS: usize, const SIGNED: bool, const SCALES: usize>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; LANES], &mut Scales, usize),
    integers: impl Fn(&[u8; BYTES], usize) -> __m256i,
) {
    if out.m() == 1 {
        let group = |row: &[u8; BYTES], run| [integers(row, run)];
        one::<BYTES, RUNS, SIGNED, SCALES, 1>(weights, x.row(0), rows, out, scales, group);
    } else {
        many::<BYTES, RUNS, SIGNED, SCALES>(weights, x, rows, out, scales, integers);
    }
}

/// The loop for one row of activations: `GROUP` runs of eight weight rows at a time, each row in a
/// register of its own until its products are summed. `group` reads runs that share bytes of a block:
/// they are loaded once.
#[target_feature(enable = "avx2,fma,f16c")]
fn one<
    const BYTES: usize,
    const RUNS: usize,
    const SIGNED: bool,
    const SCALES: usize,
    const GROUP: usize,
>(
    weights: &QMatrix,
    x: &[ActBlock],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; LANES], &mut Scales, usize),
    group: impl Fn(&[u8; BYTES], usize) -> [__m256i; GROUP],
) {
    let mut read = Scales::zero();
    let mut products = [[_mm256_setzero_si256(); LANES]; GROUP];
    let row_len = weights.cols() / 32 / RUNS * BYTES;
    for first_row in rows.clone().step_by(LANES) {
        let packed = PackedRows::new(weights, first_row, rows.end);
        let mut sum = _mm256_setzero_ps();
        let mut ahead = Ahead::new(packed.start(), LANES, row_len);
        for (index, x) in x.chunks_exact(RUNS).enumerate() {
            let blocks = packed.blocks(index);
            scales(blocks, &mut read, 0);
            for (at, x) in x.as_chunks::<GROUP>().0.iter().enumerate() {
                ahead.ask(BYTES * GROUP / RUNS);
                for (lane, block) in blocks.into_iter().enumerate() {
                    let runs = group(block, at);
                    for n in 0..GROUP {
                        let [x_even, x_odd] = x[n].registers();
                        let [even, odd] = pairs::<SIGNED>(runs[n]);
                        let even = _mm256_madd_epi16(even, x_even);
                        let odd = _mm256_madd_epi16(odd, x_odd);
                        products[n][lane] = _mm256_add_epi32(even, odd);
                    }
                }
                for n in 0..GROUP {
                    let (x, run) = (&x[n], GROUP * at + n);
                    let halves = half_sums(products[n]);
                    for part in 0..SCALES {
                        let whole = match SCALES {
                            1 => _mm256_add_epi32(halves[0], halves[1]),
                            _ => halves[part],
                        };
                        let x_sum = if SCALES == 1 { x.sum } else { x.half_sums[part] };
                        let (scale, offset) = (read.scale[run][part], read.offset[run][part]);
                        sum = add_run::<SIGNED>(whole, scale, offset, x.scale, x_sum, sum);
                    }
                }
            }
        }
        out.write(0, first_row, &store(sum)[..LANES.min(rows.end - first_row)]);
    }
}

/// As [`one`], for weights of four bits in blocks of 32, which are a block's last sixteen bytes: the
/// same numbers, faster.
///
/// Nibbles are multiplied where they lie in 16 bits, and what comes of those further up is moved
/// down once a block: that takes fewer steps than to move each of them.
#[target_feature(enable = "avx2,fma,f16c")]
fn one_of_nibbles<const BYTES: usize>(
    weights: &QMatrix,
    x: &[ActBlock],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; LANES], &mut Scales),
) {
    let mut read = Scales::zero();
    let row_len = weights.cols() / 32 * BYTES;
    for first_row in rows.clone().step_by(LANES) {
        let packed = PackedRows::new(weights, first_row, rows.end);
        let mut sum = _mm256_setzero_ps();
        let mut ahead = Ahead::new(packed.start(), LANES, row_len);
        for (index, x) in x.iter().enumerate() {
            let blocks = packed.blocks(index);
            ahead.ask(BYTES);
            scales(blocks, &mut read);
            let [even, odd] = &x.pairs;
            let mut whole = _mm256_setzero_si256();
            let mut whole_16 = _mm256_setzero_si256();
            let mut whole_256 = _mm256_setzero_si256();
            for (j, bytes) in unpack::columns(blocks, BYTES - 16).into_iter().enumerate() {
                let first = _mm256_and_si256(bytes, _mm256_set1_epi16(0x000f));
                let second = _mm256_and_si256(bytes, _mm256_set1_epi16(0x00f0));
                let third = _mm256_and_si256(bytes, _mm256_set1_epi16(0x0f00));
                let fourth = _mm256_srli_epi16::<12>(bytes);
                whole = add_products(whole, first, even[j]);
                whole = add_products(whole, fourth, odd[j + 4]);
                whole_16 = add_products(whole_16, second, even[j + 4]);
                whole_256 = add_products(whole_256, third, odd[j]); // below 2^30
            }
            let whole = _mm256_add_epi32(whole, _mm256_srai_epi32::<4>(whole_16));
            let whole = _mm256_add_epi32(whole, _mm256_srai_epi32::<8>(whole_256));
            let (scale, offset) = (read.scale[0][0], read.offset[0][0]);
            sum = add_run::<false>(whole, scale, offset, x.scale, x.sum, sum);
        }
        out.write(0, first_row, &store(sum)[..LANES.min(rows.end - first_row)]);
    }
}

/// `sum` after adding 16-bit weights times a pair of activations.
#[target_feature(enable = "avx2")]
#[inline]
fn add_products(sum: __m256i, weights: __m256i, pair: i32) -> __m256i {
    _mm256_add_epi32(sum, _mm256_madd_epi16(weights, _mm256_set1_epi32(pair)))
}

/// Of eight rows of eight words: the sum of each row's first four and of its last four, a row a lane.
#[target_feature(enable = "avx2")]
#[inline]
fn half_sums(rows: [__m256i; LANES]) -> [__m256i; 2] {
    // Two words of row i and two of row i + 1, in each 128-bit half.
    let mut pairs = [_mm256_setzero_si256(); 4];
    for (i, pair) in pairs.iter_mut().enumerate() {
        let (a, b) = (rows[2 * i], rows[2 * i + 1]);
        *pair = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    }
    // One word of each of four rows.
    let mut fours = [_mm256_setzero_si256(); 2];
    for (i, four) in fours.iter_mut().enumerate() {
        let (a, b) = (pairs[2 * i], pairs[2 * i + 1]);
        *four = _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    }
    let [a, b] = fours;
    [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)]
}

/// `sum` after adding the products of a run, or of half of it, whose integer sums are `whole`.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn add_run<const SIGNED: bool>(
    whole: __m256i,
    scale: __m256,
    offset: __m256,
    x_scale: f32,
    x_sum: f32,
    sum: __m256,
) -> __m256 {
    let scale = _mm256_mul_ps(scale, _mm256_set1_ps(x_scale));
    let sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), scale, sum);
    if SIGNED { sum } else { _mm256_fmadd_ps(offset, _mm256_set1_ps(x_sum), sum) }
}

/// The loop for several rows of activations.
#[target_feature(enable = "avx2,fma,f16c")]
fn many<const BYTES: usize, const RUNS: usize, const SIGNED: bool, const SCALES: usize>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; LANES], &mut Scales, usize),
    integers: impl Fn(&[u8; BYTES], usize) -> __m256i,
) {
    let blocks = weights.cols() / 32;
    let row_len = blocks / RUNS * BYTES;
    let zero = _mm256_setzero_ps();
    let mut read = Scales::zero();
    let mut panel = Panel {
        q: [[[_mm256_setzero_si256(); 2]; 16]; 8],
        scale: [[[zero; 2]; 2]; 8],
        offset: [[[zero; 2]; 2]; 8],
    };
    let mut sums = [[zero; 2]; TILE];
    // Tiles of about the same size.
    let tile = out.m().div_ceil(out.m().div_ceil(TILE)).next_multiple_of(STEP);
    for tile_start in (0..out.m()).step_by(tile) {
        let sums = &mut sums[..tile.min(out.m() - tile_start)];
        for first_row in rows.clone().step_by(2 * LANES) {
            let packed =
                [0, LANES].map(|half| PackedRows::new(weights, first_row + half, rows.end));
            sums.fill([zero; 2]);
            for first_block in (0..blocks).step_by(8) {
                let chunk_len = 8.min(blocks - first_block);
                for (half, packed) in packed.iter().enumerate() {
                    for at in (0..chunk_len).step_by(RUNS) {
                        let blocks = packed.blocks((first_block + at) / RUNS);
                        scales(blocks, &mut read, at);
                        for run in 0..RUNS {
                            let mut q = [_mm256_setzero_si256(); LANES];
                            for (q, block) in q.iter_mut().zip(blocks) {
                                *q = integers(block, run);
                            }
                            widen::<SIGNED>(transposed(q), &mut panel.q[at + run], half);
                        }
                    }
                    for run in 0..chunk_len {
                        for part in 0..2 {
                            panel.scale[run][part][half] = read.scale[run][part];
                            panel.offset[run][part][half] = read.offset[run][part];
                        }
                    }
                }
                // The rows that follow, read while these are multiplied: a row is too short for the
                // processor to see where it is going.
                let next = match first_block + chunk_len {
                    end if end < blocks => packed[0].start().wrapping_add(end / RUNS * BYTES),
                    _ => packed[0].start().wrapping_add(2 * LANES * row_len),
                };
                for lane in 0..2 * LANES {
                    prefetch(next.wrapping_add(lane * row_len), 8 / RUNS * BYTES);
                }
                let run = first_block..first_block + chunk_len;
                let mut row = tile_start;
                let (steps, rest) = sums.as_chunks_mut::<STEP>();
                for sums in steps {
                    dot_panel::<STEP, SIGNED, SCALES>(&panel, x.rows(row, run.clone()), sums);
                    row += STEP;
                }
                let (pairs, ones) = rest.as_chunks_mut::<2>();
                for sums in pairs {
                    dot_panel::<2, SIGNED, SCALES>(&panel, x.rows(row, run.clone()), sums);
                    row += 2;
                }
                for sums in ones.as_chunks_mut::<1>().0 {
                    dot_panel::<1, SIGNED, SCALES>(&panel, x.rows(row, run.clone()), sums);
                    row += 1;
                }
            }
            let lanes = (2 * LANES).min(rows.end - first_row);
            for (i, sums) in sums.iter().enumerate() {
                for (half, &sum) in sums.iter().enumerate() {
                    let (at, values) = (half * LANES, store(sum));
                    match lanes.saturating_sub(at) {
                        0 => {}
                        LANES.. => out.write(tile_start + i, first_row + at, &values),
                        left => out.write(tile_start + i, first_row + at, &values[..left]),
                    }
                }
            }
        }
    }
}

/// Eight words of eight rows: register j of the result has word j of every row.
#[target_feature(enable = "avx2")]
#[inline]
fn transposed(rows: [__m256i; LANES]) -> [__m256i; 8] {
    let mut fours = [_mm256_setzero_si256(); 8];
    for half in 0..2 {
        let [a, b, c, d] =
            [rows[4 * half], rows[4 * half + 1], rows[4 * half + 2], rows[4 * half + 3]];
        let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        fours[4 * half] = _mm256_unpacklo_epi64(ab_low, cd_low);
        fours[4 * half + 1] = _mm256_unpackhi_epi64(ab_low, cd_low);
        fours[4 * half + 2] = _mm256_unpacklo_epi64(ab_high, cd_high);
        fours[4 * half + 3] = _mm256_unpackhi_epi64(ab_high, cd_high);
    }
    let mut words = [_mm256_setzero_si256(); 8];
    for j in 0..4 {
        words[j] = _mm256_permute2x128_si256::<0x20>(fours[j], fours[j + 4]);
        words[j + 4] = _mm256_permute2x128_si256::<0x31>(fours[j], fours[j + 4]);
    }
    words
}

/// Puts 32 columns of eight rows into one half of a panel's run.
#[target_feature(enable = "avx2")]
#[inline]
fn widen<const SIGNED: bool>(bytes: [__m256i; 8], run: &mut [[__m256i; 2]; 16], half: usize) {
    for (j, bytes) in bytes.into_iter().enumerate() {
        let [even, odd] = pairs::<SIGNED>(bytes);
        run[2 * j][half] = even;
        run[2 * j + 1][half] = odd;
    }
}

/// Bytes 0 and 2 of each word as its 16-bit lanes, and bytes 1 and 3.
#[target_feature(enable = "avx2")]
#[inline]
fn pairs<const SIGNED: bool>(bytes: __m256i) -> [__m256i; 2] {
    if SIGNED {
        let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes));
        [even, _mm256_srai_epi16::<8>(bytes)]
    } else {
        let even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff));
        [even, _mm256_srli_epi16::<8>(bytes)]
    }
}

/// Adds to `sums` a panel's products with `N` rows of activations, at most eight blocks.
#[target_feature(enable = "avx2,fma")]
fn dot_panel<const N: usize, const SIGNED: bool, const SCALES: usize>(
    panel: &Panel,
    x: [&[ActBlock]; N],
    sums: &mut [[__m256; 2]; N],
) {
    let blocks = x.iter().fold(8, |len, x| len.min(x.len()));
    for run in 0..blocks {
        // Found once a run: in the loop below, addresses would take as long as sums.
        let x: [&ActBlock; N] = std::array::from_fn(|n| &x[n][run]);
        for part in 0..SCALES {
            let mut whole = [[_mm256_setzero_si256(); 2]; N];
            for j in 8 / SCALES * part..8 / SCALES * (part + 1) {
                for odd in 0..2 {
                    let weights = panel.q[run][2 * j + odd];
                    for n in 0..N {
                        let x = _mm256_set1_epi32(x[n].pairs[odd][j]);
                        for half in 0..2 {
                            let product = _mm256_madd_epi16(weights[half], x);
                            whole[n][half] = _mm256_add_epi32(whole[n][half], product);
                        }
                    }
                }
            }
            for n in 0..N {
                let x = x[n];
                let x_sum = if SCALES == 1 { x.sum } else { x.half_sums[part] };
                for (half, sum) in sums[n].iter_mut().enumerate() {
                    let scale = panel.scale[run][part][half];
                    let offset = panel.offset[run][part][half];
                    let whole = whole[n][half];
                    *sum = add_run::<SIGNED>(whole, scale, offset, x.scale, x_sum, *sum);
                }
            }
        }
    }
}

/// See `rounding::quantize_block`, whose numbers these are.
#[target_feature(enable = "avx2,fma")]
pub(crate) fn quantize(x: &[[f32; 32]], blocks: &mut [ActBlock]) {
    let sign = _mm256_set1_ps(-0.0);
    for (x, block) in x.iter().zip(blocks) {
        let x: [__m256; 4] = std::array::from_fn(|i| load(&x.as_chunks::<8>().0[i]));
        let mut largest = _mm256_setzero_ps();
        let mut poison = _mm256_setzero_ps();
        for x in x {
            largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, x));
            poison = _mm256_fmadd_ps(x, _mm256_setzero_ps(), poison);
        }
        let largest = store(largest).into_iter().fold(0.0, f32::max);
        let poison: f32 = store(poison).into_iter().sum();
        let scale = largest / LARGEST + poison;
        let inverse = _mm256_set1_ps(if largest > SMALLEST { LARGEST / largest } else { 0.0 });
        let [a, b, c, d] = x.map(|x| _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)));
        let first = sum(_mm256_add_epi32(a, b)) as f32;
        let last = sum(_mm256_add_epi32(c, d)) as f32;
        block.pairs = paired(a, b, c, d).map(|words| store_words(words));
        block.scale = scale;
        block.sum = scale * (first + last);
        block.half_sums = [scale * first, scale * last];
    }
}

/// 32 numbers that fit 16 bits, as [`ActBlock::pairs`].
#[target_feature(enable = "avx2")]
#[inline]
fn paired(a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> [__m256i; 2] {
    // Words (0 2) (4 6) ... and (1 3) (5 7) ... of two registers, 128-bit halves not yet in order.
    let (ab, cd) = (paired_half(a, b), paired_half(c, d));
    let even = _mm256_shuffle_ps::<0x88>(ab, cd);
    let odd = _mm256_shuffle_ps::<0xdd>(ab, cd);
    [even, odd].map(|v| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(v)))
}

/// Words (0 2) (1 3) (4 6) (5 7) ... of sixteen numbers.
#[target_feature(enable = "avx2")]
#[inline]
fn paired_half(a: __m256i, b: __m256i) -> __m256 {
    let (a, b) = (_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
    // Within 128-bit halves: 0 1 8 9 | 4 5 12 13, and 2 3 10 11 | 6 7 14 15.
    let low = _mm256_castps_si256(_mm256_shuffle_ps::<0x44>(a, b));
    let high = _mm256_castps_si256(_mm256_shuffle_ps::<0xee>(a, b));
    let pairs = _mm256_blend_epi16::<0xaa>(low, _mm256_slli_epi32::<16>(high));
    _mm256_castsi256_ps(_mm256_permute4x64_epi64::<0b11_01_10_00>(pairs))
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum(v: __m256i) -> i32 {
    // What is not a number becomes the smallest integer; its block's scale tells.
    store_words(v).into_iter().fold(0, i32::wrapping_add)
}

impl ActBlock {
    /// [`Self::pairs`]: numbers with an even index, and with an odd one.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn registers(&self) -> [__m256i; 2] {
        let [even, odd] = &self.pairs;
        // SAFETY: eight words can be read.
        unsafe {
            [_mm256_loadu_si256(even.as_ptr().cast()), _mm256_loadu_si256(odd.as_ptr().cast())]
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_words(v: __m256i) -> [i32; 8] {
    let mut words = [0_i32; 8];
    // SAFETY: eight words can be written.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), v) };
    words
}
