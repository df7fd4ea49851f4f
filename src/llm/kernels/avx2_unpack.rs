//! Blocks of eight weight rows to interleaved registers. What the bytes mean: see `unpack`.
//!
//! Each function unpacks one block of eight rows into the chunk's run `at` and those after it.
//!
//! Plain loops where a closure would be shorter: a closure made here may use AVX2, the standard
//! library's functions that take one may not, and so it would be called for every register.

#![expect(unsafe_code, reason = "loads registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;

use super::avx2::{Chunk, LANES};

/// The same block of eight rows.
type Rows<'a, const BYTES: usize> = [&'a [u8; BYTES]; LANES];

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q4_0(rows: Rows<'_, 18>, chunk: &mut Chunk, at: usize) {
    let (d, _) = halves(words_at(rows, 0));
    chunk.q[at] = nibbles(columns(rows, 2));
    set(chunk, at, 0, d, _mm256_mul_ps(d, _mm256_set1_ps(-8.0)));
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q4_1(rows: Rows<'_, 20>, chunk: &mut Chunk, at: usize) {
    let (d, m) = halves(words_at(rows, 0));
    chunk.q[at] = nibbles(columns(rows, 4));
    set(chunk, at, 0, d, m);
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q5_0(rows: Rows<'_, 22>, chunk: &mut Chunk, at: usize) {
    let (d, _) = halves(words_at(rows, 0));
    chunk.q[at] = with_fifth_bits(nibbles(columns(rows, 6)), words_at(rows, 2));
    set(chunk, at, 0, d, _mm256_mul_ps(d, _mm256_set1_ps(-16.0)));
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q5_1(rows: Rows<'_, 24>, chunk: &mut Chunk, at: usize) {
    let (d, m) = halves(words_at(rows, 0));
    chunk.q[at] = with_fifth_bits(nibbles(columns(rows, 8)), words_at(rows, 4));
    set(chunk, at, 0, d, m);
}

/// The one format with signed weights, and no offset.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q8_0(rows: Rows<'_, 34>, chunk: &mut Chunk, at: usize) {
    let (d, _) = halves(words_at(rows, 0));
    chunk.q[at] = columns_32(rows, 2);
    chunk.scale[at][0] = d;
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q2k(rows: Rows<'_, 84>, chunk: &mut Chunk, at: usize) {
    let (d, dmin) = halves(words_at(rows, 80));
    let scales = columns(rows, 0);
    for half in 0..2 {
        let packed = columns_32(rows, 16 + 32 * half);
        for run in 0..4 {
            let i = 4 * half + run;
            chunk.q[at + i] = bits(packed, 2 * run, 3);
            for part in 0..2 {
                let s = 2 * i + part;
                let scale_min = byte(scales[s / 4], s % 4);
                let scale = _mm256_and_si256(scale_min, _mm256_set1_epi32(15));
                let min = _mm256_srli_epi32::<4>(scale_min);
                set(chunk, at + i, part, times(d, scale), negated(times(dmin, min)));
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q3k(rows: Rows<'_, 110>, chunk: &mut Chunk, at: usize) {
    // The block ends after d, so a word that holds it starts before it.
    let (_, d) = halves(words_at(rows, 106));
    let (low_a, low_b, high) = (words_at(rows, 96), words_at(rows, 100), words_at(rows, 104));
    let third = columns_32(rows, 0);
    for half in 0..2 {
        let packed = columns_32(rows, 32 + 32 * half);
        for run in 0..4 {
            let i = 4 * half + run;
            for j in 0..8 {
                let low = and(shift_right(packed[j], 2 * run), 3);
                chunk.q[at + i][j] = _mm256_or_si256(low, bit(third[j], i, 4));
            }
            for part in 0..2 {
                let s = 2 * i + part;
                let low = if s / 4 % 2 == 0 { low_a } else { low_b };
                let low = and(shift_right(low, s / 8 * 4), 15);
                let high = and(shift_right(high, s / 4 * 2), 3);
                let scale = _mm256_or_si256(low, _mm256_slli_epi16::<4>(high));
                let scale = _mm256_sub_epi32(byte(scale, s % 4), _mm256_set1_epi32(32));
                let scale = times(d, scale);
                set(chunk, at + i, part, scale, _mm256_mul_ps(scale, _mm256_set1_ps(-4.0)));
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q4k(rows: Rows<'_, 144>, chunk: &mut Chunk, at: usize) {
    scales_and_mins(columns(rows, 0), chunk, at);
    for pair in 0..4 {
        let packed = columns_32(rows, 16 + 32 * pair);
        chunk.q[at + 2 * pair] = bits(packed, 0, 15);
        chunk.q[at + 2 * pair + 1] = bits(packed, 4, 15);
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q5k(rows: Rows<'_, 176>, chunk: &mut Chunk, at: usize) {
    scales_and_mins(columns(rows, 0), chunk, at);
    let fifth = columns_32(rows, 16);
    for i in 0..8 {
        let packed = columns_32(rows, 48 + i / 2 * 32);
        for j in 0..8 {
            let low = and(shift_right(packed[j], i % 2 * 4), 15);
            chunk.q[at + i][j] = _mm256_or_si256(low, bit(fifth[j], i, 16));
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
pub(super) fn q6k(rows: Rows<'_, 210>, chunk: &mut Chunk, at: usize) {
    let (_, d) = halves(words_at(rows, 206));
    let scales = columns(rows, 192);
    for half in 0..2 {
        let low = [columns_32(rows, 64 * half), columns_32(rows, 64 * half + 32)];
        let high = columns_32(rows, 128 + 32 * half);
        for run in 0..4 {
            let i = 4 * half + run;
            for j in 0..8 {
                let nibble = and(shift_right(low[run % 2][j], run / 2 * 4), 15);
                let pair = and(shift_right(high[j], run * 2), 3);
                let pair = _mm256_slli_epi16::<4>(pair);
                chunk.q[at + i][j] = _mm256_or_si256(nibble, pair);
            }
            for part in 0..2 {
                let s = 2 * i + part;
                let scale = times(d, signed_byte(scales[s / 4], s % 4));
                set(chunk, at + i, part, scale, _mm256_mul_ps(scale, _mm256_set1_ps(-32.0)));
            }
        }
    }
}

/// The first 16 bytes of a `Q4_K` or `Q5_K` block: d and dmin, then three words of 6-bit numbers.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn scales_and_mins(head: [__m256i; 4], chunk: &mut Chunk, at: usize) {
    let [d_dmin, a, b, c] = head;
    let (d, dmin) = halves(d_dmin);
    let six_bits = _mm256_set1_epi8(63);
    let top_pair = |v| _mm256_slli_epi16::<4>(and(shift_right(v, 6), 3));
    let scales = [_mm256_and_si256(a, six_bits), _mm256_or_si256(and(c, 15), top_pair(a))];
    let mins =
        [_mm256_and_si256(b, six_bits), _mm256_or_si256(and(shift_right(c, 4), 15), top_pair(b))];
    for i in 0..8 {
        let scale = times(d, byte(scales[i / 4], i % 4));
        let min = times(dmin, byte(mins[i / 4], i % 4));
        set(chunk, at + i, 0, scale, negated(min));
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn set(chunk: &mut Chunk, run: usize, part: usize, scale: __m256, offset: __m256) {
    chunk.scale[run][part] = scale;
    chunk.offset[run][part] = offset;
}

/// Sixteen bytes of each row from byte `at` on: register j has bytes 4j to 4j + 3, a row a lane.
#[target_feature(enable = "avx2")]
#[inline]
fn columns<const BYTES: usize>(rows: Rows<'_, BYTES>, at: usize) -> [__m256i; 4] {
    let mut pairs = [_mm256_setzero_si256(); 4];
    for (i, pair) in pairs.iter_mut().enumerate() {
        *pair = _mm256_set_m128i(load_16(rows[i + 4], at), load_16(rows[i], at));
    }
    let [a, b, c, d] = pairs;
    let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab_low, cd_low),
        _mm256_unpackhi_epi64(ab_low, cd_low),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// As [`columns`], for 32 bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn columns_32<const BYTES: usize>(rows: Rows<'_, BYTES>, at: usize) -> [__m256i; 8] {
    let [a, b, c, d] = columns(rows, at);
    let [e, f, g, h] = columns(rows, at + 16);
    [a, b, c, d, e, f, g, h]
}

/// The word at byte `at` of each row.
#[target_feature(enable = "avx2")]
#[inline]
fn words_at<const BYTES: usize>(rows: Rows<'_, BYTES>, at: usize) -> __m256i {
    let mut words = [0; LANES];
    for (word, row) in words.iter_mut().zip(rows) {
        *word = i32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]);
    }
    let [a, b, c, d, e, f, g, h] = words;
    _mm256_setr_epi32(a, b, c, d, e, f, g, h)
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_16(bytes: &[u8], at: usize) -> __m128i {
    let bytes = &bytes[at..at + 16];
    // SAFETY: sixteen bytes can be read.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// The two f16 of each word, low then high.
#[target_feature(enable = "avx2,f16c")]
#[inline]
fn halves(words: __m256i) -> (__m256, __m256) {
    let low = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
    let high = _mm256_srli_epi32::<16>(words);
    // Packing works within 128-bit halves: low 0-3, high 0-3, low 4-7, high 4-7.
    let packed = _mm256_packus_epi32(low, high);
    let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
    let low = _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
    let high = _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(packed));
    (low, high)
}

/// Byte j of a legacy block holds weight j below and weight j + 16 above.
#[target_feature(enable = "avx2")]
#[inline]
fn nibbles(packed: [__m256i; 4]) -> [__m256i; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (bits(packed, 0, 15), bits(packed, 4, 15));
    [a, b, c, d, e, f, g, h]
}

/// Adds bit i of each row's word to weight i, as 16.
#[target_feature(enable = "avx2")]
#[inline]
fn with_fifth_bits(mut q: [__m256i; 8], words: __m256i) -> [__m256i; 8] {
    // Byte 0 of each word to its four bytes; adding k takes byte k.
    let spread = _mm256_setr_epi32(
        0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c,
    );
    for (j, q) in q.iter_mut().enumerate() {
        let from = _mm256_add_epi8(spread, _mm256_set1_epi8((j / 2) as i8));
        let bytes = _mm256_shuffle_epi8(words, from);
        let mask = if j % 2 == 0 { 0x0804_0201 } else { 0x8040_2010_u32.cast_signed() };
        let mask = _mm256_set1_epi32(mask);
        let is_set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, mask), mask);
        *q = _mm256_or_si256(*q, and(is_set, 16));
    }
    q
}

/// `value` in each byte whose bit `i` is set, 0 in the others.
#[target_feature(enable = "avx2")]
#[inline]
fn bit(v: __m256i, i: usize, value: i8) -> __m256i {
    let mask = _mm256_set1_epi8((1_u8 << i).cast_signed());
    and(_mm256_cmpeq_epi8(_mm256_and_si256(v, mask), mask), value)
}

/// Each byte shifted right, and `mask`.
#[target_feature(enable = "avx2")]
#[inline]
fn bits<const N: usize>(mut packed: [__m256i; N], shift: usize, mask: i8) -> [__m256i; N] {
    for v in &mut packed {
        *v = and(if shift == 0 { *v } else { shift_right(*v, shift) }, mask);
    }
    packed
}

/// Each byte and `mask`.
#[target_feature(enable = "avx2")]
#[inline]
fn and(v: __m256i, mask: i8) -> __m256i {
    _mm256_and_si256(v, _mm256_set1_epi8(mask))
}

#[target_feature(enable = "avx2")]
#[inline]
fn shift(count: usize) -> __m128i {
    _mm_cvtsi32_si128(count.cast_signed() as i32)
}

/// Shifts 16-bit lanes: the caller masks away what comes from the neighbouring byte.
#[target_feature(enable = "avx2")]
#[inline]
fn shift_right(v: __m256i, count: usize) -> __m256i {
    _mm256_srl_epi16(v, shift(count))
}

/// Byte `i` of each word.
#[target_feature(enable = "avx2")]
#[inline]
fn byte(words: __m256i, i: usize) -> __m256i {
    let shifted = _mm256_srl_epi32(words, shift(8 * i));
    _mm256_and_si256(shifted, _mm256_set1_epi32(0xff))
}

/// Byte `i` of each word, with its sign.
#[target_feature(enable = "avx2")]
#[inline]
fn signed_byte(words: __m256i, i: usize) -> __m256i {
    let to_the_top = _mm256_sll_epi32(words, shift(24 - 8 * i));
    _mm256_srai_epi32::<24>(to_the_top)
}

#[target_feature(enable = "avx2")]
#[inline]
fn times(scale: __m256, factor: __m256i) -> __m256 {
    _mm256_mul_ps(scale, _mm256_cvtepi32_ps(factor))
}

#[target_feature(enable = "avx2")]
#[inline]
fn negated(v: __m256) -> __m256 {
    _mm256_xor_ps(v, _mm256_set1_ps(-0.0))
}
