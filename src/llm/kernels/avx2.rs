//! Packed weights times rounded activations with AVX2: eight weight rows at a time, one to a lane.
//!
//! Eight rows are unpacked and interleaved 256 columns at a time (`avx2_unpack`); a register then
//! holds four neighbouring weights of each row, meets the same four activations in every lane, and
//! no sum ever crosses a lane. The unpacking is shared by all rows of activations. One row's
//! result is the same, bit for bit, whatever other rows are computed with it.

#![expect(unsafe_code, reason = "loads and stores registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::ops::Range;

use super::activations::{ActBlock, Activations, FINER};
use super::avx2_unpack as unpack;
use super::ggml_type::GgmlType;
use super::matmul::Columns;
use super::matrix::QMatrix;

/// Weight rows computed together: one to each f32 lane of a register.
pub(super) const LANES: usize = 8;

/// Activation rows that share one unpacking; their sums are 2 KiB.
const TILE: usize = 64;

/// 256 columns of eight weight rows. Weight of lane l: `scale[l] * q + offset[l]`, q unsigned
/// (`Q8_0`: signed, offset unused). Formats with 32 weights to a scale use the first of each pair.
pub(super) struct Chunk {
    /// For each 32 columns, eight registers of four columns by eight rows.
    pub q: [[__m256i; 8]; 8],
    pub scale: [[__m256; 2]; 8],
    pub offset: [[__m256; 2]; 8],
}

impl Chunk {
    #[target_feature(enable = "avx2")]
    fn zero() -> Self {
        Self {
            q: [[_mm256_setzero_si256(); 8]; 8],
            scale: [[_mm256_setzero_ps(); 2]; 8],
            offset: [[_mm256_setzero_ps(); 2]; 8],
        }
    }
}

/// Computes the outputs of weight rows `rows` for every row of `x`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn packed(weights: &QMatrix, x: &Activations, rows: Range<usize>, out: &Columns<'_>) {
    // How many products of an unsigned weight pair and an activation pair fit a signed 16-bit lane:
    // 8 · 2 · 15 · 127 = 30480, 4 · 2 · 31 · 127 = 31496, 2 · 2 · 63 · 127 = 32004.
    match weights.kind() {
        GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => {
            unreachable!("dense weights have their own kernel")
        }
        GgmlType::Q4_0 => {
            run::<18, 1, 8, 1>(weights, x, rows, out, |b, c, at| unpack::q4_0(b, c, at));
        }
        GgmlType::Q4_1 => {
            run::<20, 1, 8, 1>(weights, x, rows, out, |b, c, at| unpack::q4_1(b, c, at));
        }
        GgmlType::Q5_0 => {
            run::<22, 1, 4, 1>(weights, x, rows, out, |b, c, at| unpack::q5_0(b, c, at));
        }
        GgmlType::Q5_1 => {
            run::<24, 1, 4, 1>(weights, x, rows, out, |b, c, at| unpack::q5_1(b, c, at));
        }
        GgmlType::Q8_0 => {
            run::<34, 1, 0, 1>(weights, x, rows, out, |b, c, at| unpack::q8_0(b, c, at));
        }
        GgmlType::Q2K => {
            run::<84, 8, 4, 2>(weights, x, rows, out, |b, c, at| unpack::q2k(b, c, at));
        }
        GgmlType::Q3K => {
            run::<110, 8, 4, 2>(weights, x, rows, out, |b, c, at| unpack::q3k(b, c, at));
        }
        GgmlType::Q4K => {
            run::<144, 8, 8, 1>(weights, x, rows, out, |b, c, at| unpack::q4k(b, c, at));
        }
        GgmlType::Q5K => {
            run::<176, 8, 4, 1>(weights, x, rows, out, |b, c, at| unpack::q5k(b, c, at));
        }
        GgmlType::Q6K => {
            run::<210, 8, 2, 2>(weights, x, rows, out, |b, c, at| unpack::q6k(b, c, at));
        }
    }
}

/// The loop over rows, columns and activations.
///
/// `BYTES` and `RUNS`: bytes of a block, and how many times 32 weights it holds. `GROUP`: products
/// that a 16-bit lane can take (0: the weights are signed). `SCALES`: scales to each 32 weights.
#[target_feature(enable = "avx2,fma,f16c")]
fn run<const BYTES: usize, const RUNS: usize, const GROUP: usize, const SCALES: usize>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &Columns<'_>,
    unpack: impl Fn([&[u8; BYTES]; LANES], &mut Chunk, usize),
) {
    let blocks = weights.cols() / 32;
    let mut chunk = Chunk::zero();
    let mut sums = [_mm256_setzero_ps(); TILE];
    for tile_start in (0..out.m()).step_by(TILE) {
        let tile_len = TILE.min(out.m() - tile_start);
        for first_row in rows.clone().step_by(LANES) {
            let lanes = LANES.min(rows.end - first_row);
            // Lanes past the end repeat the last row; they are computed and not written.
            let packed: [&[[u8; BYTES]]; LANES] = std::array::from_fn(|lane| {
                weights.row_bytes(first_row + lane.min(lanes - 1)).as_chunks::<BYTES>().0
            });
            sums[..tile_len].fill(_mm256_setzero_ps());
            for first_block in (0..blocks).step_by(8) {
                let chunk_len = 8.min(blocks - first_block);
                for at in (0..chunk_len).step_by(RUNS) {
                    let index = (first_block + at) / RUNS;
                    let packed = std::array::from_fn(|lane| &packed[lane][index]);
                    unpack(packed, &mut chunk, at);
                }
                let x_row = |i| &x.row(tile_start + i)[first_block..first_block + chunk_len];
                let (fours, ones) = sums[..tile_len].as_chunks_mut::<4>();
                for (i, sums) in fours.iter_mut().enumerate() {
                    let x = std::array::from_fn(|k| x_row(4 * i + k));
                    dot::<4, GROUP, SCALES>(&chunk, x, sums);
                }
                let done = 4 * fours.len();
                for (i, sum) in ones.iter_mut().enumerate() {
                    let sums = std::array::from_mut(sum);
                    dot::<1, GROUP, SCALES>(&chunk, [x_row(done + i)], sums);
                }
            }
            for (i, &sum) in sums[..tile_len].iter().enumerate() {
                out.write(tile_start + i, first_row, &store(sum)[..lanes]);
            }
        }
    }
}

/// Adds to `sums` the products of a chunk with `N` rows of activations.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn dot<const N: usize, const GROUP: usize, const SCALES: usize>(
    chunk: &Chunk,
    x: [&[ActBlock]; N],
    sums: &mut [__m256; N],
) {
    let mut acc = *sums;
    let blocks = x[0].len().min(8);
    for i in 0..blocks {
        let q = &chunk.q[i];
        for n in 0..N {
            let x = &x[n][i];
            let scale = _mm256_set1_ps(x.scale);
            if GROUP == 0 {
                let whole = joined(dot_signed(q, &x.words), dot_signed(q, &x.rest));
                acc[n] = _mm256_fmadd_ps(whole, _mm256_mul_ps(chunk.scale[i][0], scale), acc[n]);
            } else if SCALES == 1 {
                let whole = joined(
                    dot_unsigned::<8, GROUP>(q, &x.words, 0),
                    dot_unsigned::<8, GROUP>(q, &x.rest, 0),
                );
                acc[n] = _mm256_fmadd_ps(whole, _mm256_mul_ps(chunk.scale[i][0], scale), acc[n]);
                let sum = _mm256_set1_ps(x.sum);
                acc[n] = _mm256_fmadd_ps(chunk.offset[i][0], sum, acc[n]);
            } else {
                for half in 0..2 {
                    let whole = joined(
                        dot_unsigned::<4, GROUP>(q, &x.words, 4 * half),
                        dot_unsigned::<4, GROUP>(q, &x.rest, 4 * half),
                    );
                    let scale = _mm256_mul_ps(chunk.scale[i][half], scale);
                    acc[n] = _mm256_fmadd_ps(whole, scale, acc[n]);
                    let sum = _mm256_set1_ps(x.half_sums[half]);
                    acc[n] = _mm256_fmadd_ps(chunk.offset[i][half], sum, acc[n]);
                }
            }
        }
    }
    *sums = acc;
}

/// The products with the first bytes of activations, and with the second.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn joined(words: __m256i, rest: __m256i) -> __m256 {
    let worth = _mm256_set1_ps(1.0 / FINER);
    _mm256_fmadd_ps(_mm256_cvtepi32_ps(rest), worth, _mm256_cvtepi32_ps(words))
}

/// `LEN` registers of unsigned weights, from register `from` on, times signed activations.
#[target_feature(enable = "avx2")]
#[inline]
fn dot_unsigned<const LEN: usize, const GROUP: usize>(
    q: &[__m256i; 8],
    x: &[i32; 8],
    from: usize,
) -> __m256i {
    let ones = _mm256_set1_epi16(1);
    let mut total = _mm256_setzero_si256();
    for group in (from..from + LEN).step_by(GROUP) {
        let mut pairs = _mm256_maddubs_epi16(q[group], _mm256_set1_epi32(x[group]));
        for j in group + 1..group + GROUP {
            let more = _mm256_maddubs_epi16(q[j], _mm256_set1_epi32(x[j]));
            pairs = _mm256_add_epi16(pairs, more);
        }
        total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs, ones));
    }
    total
}

/// Signed weights times signed activations: the sign moves to the activation, which is never -128.
#[target_feature(enable = "avx2")]
#[inline]
fn dot_signed(q: &[__m256i; 8], x: &[i32; 8]) -> __m256i {
    let ones = _mm256_set1_epi16(1);
    let mut total = _mm256_setzero_si256();
    for j in 0..8 {
        let x = _mm256_sign_epi8(_mm256_set1_epi32(x[j]), q[j]);
        // 2 · 128 · 127 = 32512 fits; a second one would not.
        let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(q[j]), x);
        total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs, ones));
    }
    total
}

/// See `activations::quantize_block`, whose bytes these are.
#[target_feature(enable = "avx2,fma")]
pub(super) fn quantize(x: &[[f32; 32]], blocks: &mut [ActBlock]) {
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
        let scale = largest / 127.0 + poison;
        let inverse = _mm256_set1_ps(if largest > 0.0 { 127.0 / largest } else { 0.0 });
        let limit = _mm256_set1_epi32(127);
        // Only a tiny `largest`, whose inverse is infinite, gets here out of range.
        let bounded = |q| _mm256_max_epi32(_mm256_min_epi32(q, limit), _mm256_set1_epi32(-127));
        let steps = x.map(|x| _mm256_mul_ps(x, inverse));
        let whole = steps.map(|steps| bounded(_mm256_cvtps_epi32(steps)));
        let rest: [__m256i; 4] = std::array::from_fn(|i| {
            let left = _mm256_sub_ps(steps[i], _mm256_cvtepi32_ps(whole[i]));
            bounded(_mm256_cvtps_epi32(_mm256_mul_ps(left, _mm256_set1_ps(FINER))))
        });
        let half = |i: usize| {
            sum(_mm256_add_epi32(whole[i], whole[i + 1])) as f32
                + sum(_mm256_add_epi32(rest[i], rest[i + 1])) as f32 / FINER
        };
        let (first, last) = (half(0), half(2));
        block.words = bytes(whole);
        block.rest = bytes(rest);
        block.scale = scale;
        block.sum = scale * (first + last);
        block.half_sums = [scale * first, scale * last];
    }
}

/// Numbers that fit a byte, as bytes in their order.
#[target_feature(enable = "avx2")]
#[inline]
fn bytes(numbers: [__m256i; 4]) -> [i32; 8] {
    // Packing works within 128-bit halves, which leaves words 0 2 4 6 | 1 3 5 7 of 8.
    let shorts_a = _mm256_packs_epi32(numbers[0], numbers[1]);
    let shorts_b = _mm256_packs_epi32(numbers[2], numbers[3]);
    let bytes = _mm256_packs_epi16(shorts_a, shorts_b);
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    store_words(_mm256_permutevar8x32_epi32(bytes, order))
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum(v: __m256i) -> i32 {
    store_words(v).into_iter().sum()
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load(values: &[f32; 8]) -> __m256 {
    // SAFETY: eight values can be read.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn store(v: __m256) -> [f32; 8] {
    let mut values = [0.0; 8];
    // SAFETY: eight values can be written.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), v) };
    values
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_words(v: __m256i) -> [i32; 8] {
    let mut words = [0_i32; 8];
    // SAFETY: eight words can be written.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), v) };
    words
}
