//! Blocks of packed weights to NEON registers. What the bytes mean: see `unpack`.
//!
//! A module for each format: `scales` reads the scales of one block of four rows into the run `at`
//! and those after it, `integers` the 32 weights of one run of one row.

#![expect(unsafe_code, reason = "loads registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::aarch64::*;

use super::neon_registers::{LANES, Scales, load_bytes, transposed};
use crate::unpack::{FP4, IQ4, half_of_power};

/// The same block of four rows.
type Rows<'a, const BYTES: usize> = [&'a [u8; BYTES]; LANES];

/// `name(bytes of a block) { scales } { integers }`
macro_rules! format {
    (
        $name:ident($bytes:literal),
        |$rows:ident, $scales:ident, $at:ident| $read:expr,
        |$row:ident, $run:ident| $integers:expr
    ) => {
        pub(crate) mod $name {
            use super::*;

            #[target_feature(enable = "neon")]
            #[inline]
            pub fn scales($rows: Rows<'_, $bytes>, $scales: &mut Scales, $at: usize) {
                $read
            }

            #[target_feature(enable = "neon")]
            #[inline]
            pub fn integers($row: &[u8; $bytes], $run: usize) -> [uint8x16_t; 2] {
                $integers
            }
        }
    };
}

format!(
    q4_0(18),
    |rows, scales, at| {
        let (d, _) = halves(words_at(rows, 0));
        set(scales, at, 0, d, vmulq_n_f32(d, -8.0));
    },
    |row, _run| nibbles(row, 2)
);

format!(
    q4_1(20),
    |rows, scales, at| {
        let (d, m) = halves(words_at(rows, 0));
        set(scales, at, 0, d, m);
    },
    |row, _run| nibbles(row, 4)
);

format!(
    q5_0(22),
    |rows, scales, at| {
        let (d, _) = halves(words_at(rows, 0));
        set(scales, at, 0, d, vmulq_n_f32(d, -16.0));
    },
    |row, _run| or(nibbles(row, 6), fifth_bits(row, 2))
);

format!(
    q5_1(24),
    |rows, scales, at| {
        let (d, m) = halves(words_at(rows, 0));
        set(scales, at, 0, d, m);
    },
    |row, _run| or(nibbles(row, 8), fifth_bits(row, 4))
);

// Signed weights, and no offset.
format!(
    q8_0(34),
    |rows, scales, at| {
        let (d, _) = halves(words_at(rows, 0));
        scales.scale[at][0] = d;
    },
    |row, _run| load_32(row, 2)
);

format!(
    q2k(84),
    |rows, scales, at| {
        let (d, dmin) = halves(words_at(rows, 80));
        let packed = columns(rows, 0);
        for s in 0..16 {
            let scale_min = byte(packed[s / 4], s % 4);
            let scale = vandq_u32(scale_min, vdupq_n_u32(15));
            let min = vshrq_n_u32::<4>(scale_min);
            set(scales, at + s / 2, s % 2, times(d, scale), vnegq_f32(times(dmin, min)));
        }
    },
    |row, run| bits(load_32(row, 16 + run / 4 * 32), run % 4 * 2, 3)
);

format!(
    q3k(110),
    |rows, scales, at| {
        // The block ends after d, so a word that holds it starts before it.
        let (_, d) = halves(words_at(rows, 106));
        let low = [words_at(rows, 96), words_at(rows, 100)];
        let high = words_at(rows, 104);
        for s in 0..16 {
            let low = vandq_u32(shifted(byte(low[s / 4 % 2], s % 4), s / 8 * 4), vdupq_n_u32(15));
            let high = vandq_u32(shifted(byte(high, s % 4), s / 4 * 2), vdupq_n_u32(3));
            let scale = vreinterpretq_s32_u32(vorrq_u32(low, vshlq_n_u32::<4>(high)));
            let scale = signed_times(d, vsubq_s32(scale, vdupq_n_s32(32)));
            set(scales, at + s / 2, s % 2, scale, vmulq_n_f32(scale, -4.0));
        }
    },
    |row, run| {
        let low = bits(load_32(row, 32 + run / 4 * 32), run % 4 * 2, 3);
        or(low, bit(load_32(row, 0), run, 4))
    }
);

format!(
    q4k(144),
    |rows, scales, at| {
        scales_and_mins(columns(rows, 0), scales, at);
    },
    |row, run| bits(load_32(row, 16 + run / 2 * 32), run % 2 * 4, 15)
);

format!(
    q5k(176),
    |rows, scales, at| {
        scales_and_mins(columns(rows, 0), scales, at);
    },
    |row, run| {
        let low = bits(load_32(row, 48 + run / 2 * 32), run % 2 * 4, 15);
        or(low, bit(load_32(row, 16), run, 16))
    }
);

format!(
    q6k(210),
    |rows, scales, at| {
        let (_, d) = halves(words_at(rows, 206));
        let packed = columns(rows, 192);
        for s in 0..16 {
            let scale = signed_times(d, signed_byte(packed[s / 4], s % 4));
            set(scales, at + s / 2, s % 2, scale, vmulq_n_f32(scale, -32.0));
        }
    },
    |row, run| {
        let (half, quarter) = (run / 4, run % 4);
        let low = bits(load_32(row, 64 * half + quarter % 2 * 32), quarter / 2 * 4, 15);
        let high = bits(load_32(row, 128 + 32 * half), quarter * 2, 3);
        or(low, high.map(|high| vshlq_n_u8::<4>(high)))
    }
);

format!(
    iq4nl(18),
    |rows, scales, at| {
        let (d, _) = halves(words_at(rows, 0));
        scales.scale[at][0] = d;
    },
    |row, _run| looked_up(nibbles(row, 2), IQ4)
);

format!(
    iq4xs(136),
    |rows, scales, at| {
        let (d, _) = halves(words_at(rows, 0));
        let (high, low) = (words_at(rows, 2), words_at(rows, 4));
        for i in 0..8 {
            let low = vandq_u32(shifted(low, 4 * i), vdupq_n_u32(15));
            let high = vandq_u32(shifted(high, 2 * i), vdupq_n_u32(3));
            let scale = vreinterpretq_s32_u32(vorrq_u32(low, vshlq_n_u32::<4>(high)));
            scales.scale[at + i][0] = signed_times(d, vsubq_s32(scale, vdupq_n_s32(32)));
        }
    },
    |row, run| looked_up(nibbles(row, 8 + 16 * run), IQ4)
);

format!(
    mxfp4(17),
    |rows, scales, at| {
        let powers = rows.map(|row| half_of_power(row[0]));
        // SAFETY: four numbers can be read.
        scales.scale[at][0] = unsafe { vld1q_f32(powers.as_ptr()) };
    },
    |row, _run| looked_up(nibbles(row, 1), FP4)
);

format!(
    tq2_0(66),
    |rows, scales, at| {
        // The block ends after d, so a word that holds it starts before it.
        let (_, d) = halves(words_at(rows, 62));
        for i in 0..8 {
            set(scales, at + i, 0, d, vnegq_f32(d));
        }
    },
    |row, run| bits(load_32(row, run / 4 * 32), run % 4 * 2, 3)
);

/// What the nibbles in each byte stand for.
#[target_feature(enable = "neon")]
#[inline]
fn looked_up(nibbles: [uint8x16_t; 2], table: [i8; 16]) -> [uint8x16_t; 2] {
    // SAFETY: sixteen bytes can be read.
    let table = vreinterpretq_u8_s8(unsafe { vld1q_s8(table.as_ptr()) });
    nibbles.map(|nibbles| vqtbl1q_u8(table, nibbles))
}

/// The first 16 bytes of a `Q4_K` or `Q5_K` block: d and dmin, then three words of 6-bit numbers.
#[target_feature(enable = "neon")]
#[inline]
fn scales_and_mins(head: [uint32x4_t; 4], read: &mut Scales, at: usize) {
    let [d_dmin, a, b, c] = head;
    let (d, dmin) = halves(d_dmin);
    let [a, b, c] = [a, b, c].map(|v| vreinterpretq_u8_u32(v));
    let six_bits = |v| vandq_u8(v, vdupq_n_u8(63));
    let top_pair = |v| vshlq_n_u8::<4>(vshrq_n_u8::<6>(v));
    let scales = [six_bits(a), vorrq_u8(vandq_u8(c, vdupq_n_u8(15)), top_pair(a))];
    let mins = [six_bits(b), vorrq_u8(vshrq_n_u8::<4>(c), top_pair(b))];
    let [scales, mins] = [scales, mins].map(|v| v.map(|v| vreinterpretq_u32_u8(v)));
    for i in 0..8 {
        let scale = times(d, byte(scales[i / 4], i % 4));
        let min = times(dmin, byte(mins[i / 4], i % 4));
        set(read, at + i, 0, scale, vnegq_f32(min));
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn set(read: &mut Scales, run: usize, part: usize, scale: float32x4_t, offset: float32x4_t) {
    read.scale[run][part] = scale;
    read.offset[run][part] = offset;
}

/// Sixteen bytes of each row from byte `at` on: register j has bytes 4j to 4j + 3, a row a lane.
#[target_feature(enable = "neon")]
#[inline]
fn columns<const BYTES: usize>(rows: Rows<'_, BYTES>, at: usize) -> [uint32x4_t; 4] {
    transposed(rows.map(|row| load_16(row, at)))
}

/// The word at byte `at` of each row.
#[target_feature(enable = "neon")]
#[inline]
fn words_at<const BYTES: usize>(rows: Rows<'_, BYTES>, at: usize) -> uint32x4_t {
    let words =
        rows.map(|row| u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]));
    // SAFETY: four words can be read.
    unsafe { vld1q_u32(words.as_ptr()) }
}

#[target_feature(enable = "neon")]
#[inline]
fn load_16(bytes: &[u8], at: usize) -> uint8x16_t {
    load_bytes(bytes[at..].first_chunk().expect("sixteen bytes of a block"))
}

#[target_feature(enable = "neon")]
#[inline]
fn load_32(bytes: &[u8], at: usize) -> [uint8x16_t; 2] {
    [load_16(bytes, at), load_16(bytes, at + 16)]
}

/// The two f16 of each word, low then high.
#[target_feature(enable = "neon")]
#[inline]
fn halves(words: uint32x4_t) -> (float32x4_t, float32x4_t) {
    let widened = |half| vcvt_f32_f16(vreinterpret_f16_u16(half));
    (widened(vmovn_u32(words)), widened(vshrn_n_u32::<16>(words)))
}

/// The sixteen bytes from byte `at` of a block on: byte j holds weight j below and j + 16 above.
#[target_feature(enable = "neon")]
#[inline]
fn nibbles(block: &[u8], at: usize) -> [uint8x16_t; 2] {
    let packed = load_16(block, at);
    [vandq_u8(packed, vdupq_n_u8(15)), vshrq_n_u8::<4>(packed)]
}

/// Bit i of the word at byte `at` of a block as 16 in byte i.
#[target_feature(enable = "neon")]
#[inline]
fn fifth_bits(block: &[u8], at: usize) -> [uint8x16_t; 2] {
    let mask = vreinterpretq_u8_u64(vdupq_n_u64(0x8040_2010_0804_0201));
    let eight = |byte| vdup_n_u8(block[byte]);
    [at, at + 2].map(|at| {
        let bytes = vcombine_u8(eight(at), eight(at + 1));
        vandq_u8(vtstq_u8(bytes, mask), vdupq_n_u8(16))
    })
}

#[target_feature(enable = "neon")]
#[inline]
fn or(a: [uint8x16_t; 2], b: [uint8x16_t; 2]) -> [uint8x16_t; 2] {
    [vorrq_u8(a[0], b[0]), vorrq_u8(a[1], b[1])]
}

/// Each byte without its lowest `from` bits, and `mask`.
#[target_feature(enable = "neon")]
#[inline]
fn bits(v: [uint8x16_t; 2], from: usize, mask: u8) -> [uint8x16_t; 2] {
    let left = vdupq_n_s8(-(from as i8));
    v.map(|v| vandq_u8(vshlq_u8(v, left), vdupq_n_u8(mask)))
}

/// `value` in each byte whose bit `i` is set, 0 in the others.
#[target_feature(enable = "neon")]
#[inline]
fn bit(v: [uint8x16_t; 2], i: usize, value: u8) -> [uint8x16_t; 2] {
    v.map(|v| vandq_u8(vtstq_u8(v, vdupq_n_u8(1 << i)), vdupq_n_u8(value)))
}

/// Each word without its lowest `from` bits.
#[target_feature(enable = "neon")]
#[inline]
fn shifted(words: uint32x4_t, from: usize) -> uint32x4_t {
    vshlq_u32(words, vdupq_n_s32(-(from.cast_signed() as i32)))
}

/// Byte `i` of each word.
#[target_feature(enable = "neon")]
#[inline]
fn byte(words: uint32x4_t, i: usize) -> uint32x4_t {
    vandq_u32(shifted(words, 8 * i), vdupq_n_u32(0xff))
}

/// Byte `i` of each word, with its sign.
#[target_feature(enable = "neon")]
#[inline]
fn signed_byte(words: uint32x4_t, i: usize) -> int32x4_t {
    let to_the_top = vshlq_u32(words, vdupq_n_s32(24 - 8 * i.cast_signed() as i32));
    vshrq_n_s32::<24>(vreinterpretq_s32_u32(to_the_top))
}

#[target_feature(enable = "neon")]
#[inline]
fn times(scale: float32x4_t, factor: uint32x4_t) -> float32x4_t {
    vmulq_f32(scale, vcvtq_f32_u32(factor))
}

#[target_feature(enable = "neon")]
#[inline]
fn signed_times(scale: float32x4_t, factor: int32x4_t) -> float32x4_t {
    vmulq_f32(scale, vcvtq_f32_s32(factor))
}
