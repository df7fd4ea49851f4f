//! Blocks of packed weights to registers. What the bytes mean: see `unpack`.
//!
//! A module for each format: `scales` reads the scales of one block of eight rows into the run `at`
//! and those after it, `integers` the 32 weights of one run of one row.
//!
//! Plain loops where a closure would be shorter: a closure made here may use AVX2, the standard
//! library's functions that take one may not, and so it would be called for every register.

#![expect(unsafe_code, reason = "loads registers")]
#![cfg_attr(
    not(test),
    expect(
        clippy::wildcard_imports,
        reason = "names of instructions, and in each module the helpers of every format"
    )
)]

use std::arch::x86_64::*;

use super::avx2_registers::{LANES, Scales};
use crate::unpack::{FP4, IQ4, half_of_power};

/// The same block of eight rows.
type Rows<'a, const BYTES: usize> = [&'a [u8; BYTES]; LANES];

pub(crate) mod q4_0 {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 18>, scales: &mut Scales, at: usize) {
        let (d, _) = halves(words_at(rows, 0));
        set(scales, at, 0, d, _mm256_mul_ps(d, _mm256_set1_ps(-8.0)));
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 18], _run: usize) -> __m256i {
        nibbles(row, 2)
    }
}

pub(crate) mod q4_1 {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 20>, scales: &mut Scales, at: usize) {
        let (d, m) = halves(words_at(rows, 0));
        set(scales, at, 0, d, m);
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 20], _run: usize) -> __m256i {
        nibbles(row, 4)
    }
}

pub(crate) mod q5_0 {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 22>, scales: &mut Scales, at: usize) {
        let (d, _) = halves(words_at(rows, 0));
        set(scales, at, 0, d, _mm256_mul_ps(d, _mm256_set1_ps(-16.0)));
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 22], _run: usize) -> __m256i {
        _mm256_or_si256(nibbles(row, 6), fifth_bits(row, 2))
    }
}

pub(crate) mod q5_1 {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 24>, scales: &mut Scales, at: usize) {
        let (d, m) = halves(words_at(rows, 0));
        set(scales, at, 0, d, m);
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 24], _run: usize) -> __m256i {
        _mm256_or_si256(nibbles(row, 8), fifth_bits(row, 4))
    }
}

/// Signed weights, and no offset.
pub(crate) mod q8_0 {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 34>, scales: &mut Scales, at: usize) {
        let (d, _) = halves(words_at(rows, 0));
        scales.scale[at][0] = d;
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 34], _run: usize) -> __m256i {
        load_32(row, 2)
    }
}

pub(crate) mod q2k {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 84>, scales: &mut Scales, at: usize) {
        let (d, dmin) = halves(words_at(rows, 80));
        let packed = columns(rows, 0);
        for s in 0..16 {
            let scale_min = byte(packed[s / 4], s % 4);
            let scale = _mm256_and_si256(scale_min, _mm256_set1_epi32(15));
            let min = _mm256_srli_epi32::<4>(scale_min);
            set(scales, at + s / 2, s % 2, times(d, scale), negated(times(dmin, min)));
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 84], run: usize) -> __m256i {
        and(shift_right(load_32(row, 16 + run / 4 * 32), run % 4 * 2), 3)
    }
}

pub(crate) mod q3k {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 110>, scales: &mut Scales, at: usize) {
        // The block ends after d, so a word that holds it starts before it.
        let (_, d) = halves(words_at(rows, 106));
        let (low_a, low_b, high) = (words_at(rows, 96), words_at(rows, 100), words_at(rows, 104));
        for s in 0..16 {
            let low = if s / 4 % 2 == 0 { low_a } else { low_b };
            let low = and(shift_right(low, s / 8 * 4), 15);
            let high = and(shift_right(high, s / 4 * 2), 3);
            let scale = _mm256_or_si256(low, _mm256_slli_epi16::<4>(high));
            let scale = _mm256_sub_epi32(byte(scale, s % 4), _mm256_set1_epi32(32));
            let scale = times(d, scale);
            set(scales, at + s / 2, s % 2, scale, _mm256_mul_ps(scale, _mm256_set1_ps(-4.0)));
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 110], run: usize) -> __m256i {
        let low = and(shift_right(load_32(row, 32 + run / 4 * 32), run % 4 * 2), 3);
        _mm256_or_si256(low, bit(load_32(row, 0), run, 4))
    }
}

pub(crate) mod q4k {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 144>, scales: &mut Scales, at: usize) {
        scales_and_mins(columns(rows, 0), scales, at);
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 144], run: usize) -> __m256i {
        and(shift_right(load_32(row, 16 + run / 2 * 32), run % 2 * 4), 15)
    }

    /// Two runs, which share their bytes.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn group(row: &[u8; 144], group: usize) -> [__m256i; 2] {
        low_and_high(load_32(row, 16 + 32 * group))
    }
}

pub(crate) mod q5k {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 176>, scales: &mut Scales, at: usize) {
        scales_and_mins(columns(rows, 0), scales, at);
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 176], run: usize) -> __m256i {
        let low = and(shift_right(load_32(row, 48 + run / 2 * 32), run % 2 * 4), 15);
        _mm256_or_si256(low, bit(load_32(row, 16), run, 16))
    }

    /// Two runs, which share their low nibbles' bytes.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn group(row: &[u8; 176], group: usize) -> [__m256i; 2] {
        let [low, high] = low_and_high(load_32(row, 48 + 32 * group));
        // Bits 2 · group and 2 · group + 1 of each byte, as its bits 4 and 5.
        let fifth = _mm256_sll_epi16(shift_right(load_32(row, 16), 2 * group), shift(4));
        let second = _mm256_srli_epi16::<1>(fifth);
        [_mm256_or_si256(low, and(fifth, 16)), _mm256_or_si256(high, and(second, 16))]
    }
}

pub(crate) mod q6k {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 210>, scales: &mut Scales, at: usize) {
        let (_, d) = halves(words_at(rows, 206));
        let packed = columns(rows, 192);
        for (i, word) in packed.into_iter().enumerate() {
            for (j, factor) in signed_bytes(word).into_iter().enumerate() {
                let (run, scale) = (at + 2 * i + j / 2, times(d, factor));
                set(scales, run, j % 2, scale, _mm256_mul_ps(scale, _mm256_set1_ps(-32.0)));
            }
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 210], run: usize) -> __m256i {
        let (half, quarter) = (run / 4, run % 4);
        let low = load_32(row, 64 * half + quarter % 2 * 32);
        let low = and(shift_right(low, quarter / 2 * 4), 15);
        let high = and(shift_right(load_32(row, 128 + 32 * half), quarter * 2), 3);
        _mm256_or_si256(low, _mm256_slli_epi16::<4>(high))
    }

    /// Half a block: its four runs share 96 bytes.
    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn group(row: &[u8; 210], half: usize) -> [__m256i; 4] {
        let [first, third] = low_and_high(load_32(row, 64 * half));
        let [second, fourth] = low_and_high(load_32(row, 64 * half + 32));
        let high = load_32(row, 128 + 32 * half);
        let pair = |v| and(v, 0x30);
        [
            _mm256_or_si256(first, pair(_mm256_slli_epi16::<4>(high))),
            _mm256_or_si256(second, pair(_mm256_slli_epi16::<2>(high))),
            _mm256_or_si256(third, pair(high)),
            _mm256_or_si256(fourth, pair(_mm256_srli_epi16::<2>(high))),
        ]
    }
}

pub(crate) mod iq4nl {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 18>, scales: &mut Scales, at: usize) {
        let (d, _) = halves(words_at(rows, 0));
        scales.scale[at][0] = d;
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 18], _run: usize) -> __m256i {
        looked_up(nibbles(row, 2), IQ4)
    }
}

pub(crate) mod iq4xs {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 136>, scales: &mut Scales, at: usize) {
        let (d, _) = halves(words_at(rows, 0));
        let (high, low) = (words_at(rows, 2), words_at(rows, 4));
        for i in 0..8 {
            let low = _mm256_and_si256(_mm256_srl_epi32(low, shift(4 * i)), _mm256_set1_epi32(15));
            let high = _mm256_and_si256(_mm256_srl_epi32(high, shift(2 * i)), _mm256_set1_epi32(3));
            let scale = _mm256_or_si256(low, _mm256_slli_epi32::<4>(high));
            scales.scale[at + i][0] = times(d, _mm256_sub_epi32(scale, _mm256_set1_epi32(32)));
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 136], run: usize) -> __m256i {
        looked_up(nibbles(row, 8 + 16 * run), IQ4)
    }
}

pub(crate) mod mxfp4 {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 17>, scales: &mut Scales, at: usize) {
        let mut powers = [0.0; LANES];
        for (power, row) in powers.iter_mut().zip(rows) {
            *power = half_of_power(row[0]);
        }
        let [a, b, c, d, e, f, g, h] = powers;
        scales.scale[at][0] = _mm256_setr_ps(a, b, c, d, e, f, g, h);
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 17], _run: usize) -> __m256i {
        looked_up(nibbles(row, 1), FP4)
    }
}

pub(crate) mod tq2_0 {
    use super::*;

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn scales(rows: Rows<'_, 66>, scales: &mut Scales, at: usize) {
        // The block ends after d, so a word that holds it starts before it.
        let (_, d) = halves(words_at(rows, 62));
        for i in 0..8 {
            set(scales, at + i, 0, d, negated(d));
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    #[inline]
    pub fn integers(row: &[u8; 66], run: usize) -> __m256i {
        and(shift_right(load_32(row, run / 4 * 32), run % 4 * 2), 3)
    }
}

/// The low nibble of each byte, and the high one.
#[target_feature(enable = "avx2")]
#[inline]
fn low_and_high(v: __m256i) -> [__m256i; 2] {
    [and(v, 15), and(_mm256_srli_epi16::<4>(v), 15)]
}

/// What the nibbles in each byte stand for.
#[target_feature(enable = "avx2")]
#[inline]
fn looked_up(nibbles: __m256i, table: [i8; 16]) -> __m256i {
    // SAFETY: sixteen bytes can be read.
    let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles)
}

/// The first 16 bytes of a `Q4_K` or `Q5_K` block: d and dmin, then three words of 6-bit numbers.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn scales_and_mins(head: [__m256i; 4], read: &mut Scales, at: usize) {
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
        set(read, at + i, 0, scale, negated(min));
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn set(read: &mut Scales, run: usize, part: usize, scale: __m256, offset: __m256) {
    read.scale[run][part] = scale;
    read.offset[run][part] = offset;
}

/// Sixteen bytes of each row from byte `at` on: register j has bytes 4j to 4j + 3, a row a lane.
#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn columns<const BYTES: usize>(rows: Rows<'_, BYTES>, at: usize) -> [__m256i; 4] {
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

#[target_feature(enable = "avx2")]
#[inline]
fn load_32(bytes: &[u8], at: usize) -> __m256i {
    let bytes = &bytes[at..at + 32];
    // SAFETY: 32 bytes can be read.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
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

/// The sixteen bytes from byte `at` of a block on: byte j holds weight j below and j + 16 above.
#[target_feature(enable = "avx2")]
#[inline]
fn nibbles(block: &[u8], at: usize) -> __m256i {
    let packed = load_16(block, at);
    and(_mm256_set_m128i(_mm_srli_epi16::<4>(packed), packed), 15)
}

/// Bit i of the word at byte `at` of a block as 16 in byte i.
#[target_feature(enable = "avx2")]
#[inline]
fn fifth_bits(block: &[u8], at: usize) -> __m256i {
    let word = i32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    // Each byte of the word eight times, and a bit for each of the eight.
    let from =
        _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303);
    let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(word), from);
    let mask = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    and(_mm256_cmpeq_epi8(_mm256_and_si256(bytes, mask), mask), 16)
}

/// `value` in each byte whose bit `i` is set, 0 in the others.
#[target_feature(enable = "avx2")]
#[inline]
fn bit(v: __m256i, i: usize, value: i8) -> __m256i {
    let mask = _mm256_set1_epi8((1_u8 << i).cast_signed());
    and(_mm256_cmpeq_epi8(_mm256_and_si256(v, mask), mask), value)
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

/// The four bytes of each word, with their signs.
#[target_feature(enable = "avx2")]
#[inline]
fn signed_bytes(words: __m256i) -> [__m256i; 4] {
    // At the top of each word.
    let bytes = [
        _mm256_slli_epi32::<24>(words),
        _mm256_slli_epi32::<16>(words),
        _mm256_slli_epi32::<8>(words),
        words,
    ];
    let mut signed = [_mm256_setzero_si256(); 4];
    for (signed, byte) in signed.iter_mut().zip(bytes) {
        *signed = _mm256_srai_epi32::<24>(byte);
    }
    signed
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
