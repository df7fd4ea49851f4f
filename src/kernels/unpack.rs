//! What is inside the blocks of a GGUF tensor, in portable code: the definition that the faster
//! kernels are tested against, and all of dequantisation.
//!
//! Every packed format is one idea: `weight = scale · integer + offset`, with one scale and offset
//! for each 16 or 32 weights. [`Block`] holds 32 weights that way.

use half::{bf16, f16};

use super::ggml_type::GgmlType;

/// 32 weights: weight `i` is `scale[i / 16] * q[i] + offset[i / 16]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub q: [i8; 32],
    pub scale: [f32; 2],
    pub offset: [f32; 2],
}

impl Block {
    pub const ZERO: Self = Self { q: [0; 32], scale: [0.0; 2], offset: [0.0; 2] };
}

/// Unpacks one row of a packed format; `blocks` has one entry for each 32 weights.
pub(super) fn unpack_row(kind: GgmlType, row: &[u8], blocks: &mut [Block]) {
    let per_block = kind.block_len() / 32;
    let unpack_block: fn(&[u8], &mut [Block]) = match kind {
        GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => unreachable!("{kind} is not packed"),
        GgmlType::Q4_0 => q4_0,
        GgmlType::Q4_1 => q4_1,
        GgmlType::Q5_0 => q5_0,
        GgmlType::Q5_1 => q5_1,
        GgmlType::Q8_0 => q8_0,
        GgmlType::Q2K => q2k,
        GgmlType::Q3K => q3k,
        GgmlType::Q4K => q4k,
        GgmlType::Q5K => q5k,
        GgmlType::Q6K => q6k,
        GgmlType::IQ4NL => iq4nl,
        GgmlType::IQ4XS => iq4xs,
        GgmlType::MXFP4 => mxfp4,
        GgmlType::TQ2_0 => tq2_0,
    };
    let packed = row.chunks_exact(kind.block_bytes());
    for (bytes, blocks) in packed.zip(blocks.chunks_exact_mut(per_block)) {
        unpack_block(bytes, blocks);
    }
}

/// Writes the weights of one row as f32.
pub(super) fn dequantize_row(kind: GgmlType, row: &[u8], out: &mut [f32]) {
    match kind {
        GgmlType::F32 => {
            for (out, bytes) in out.iter_mut().zip(row.as_chunks::<4>().0) {
                *out = f32::from_le_bytes(*bytes);
            }
        }
        GgmlType::F16 => {
            for (out, bytes) in out.iter_mut().zip(row.as_chunks::<2>().0) {
                *out = f16::from_le_bytes(*bytes).to_f32();
            }
        }
        GgmlType::BF16 => {
            for (out, bytes) in out.iter_mut().zip(row.as_chunks::<2>().0) {
                *out = bf16::from_le_bytes(*bytes).to_f32();
            }
        }
        _ => {
            let mut blocks = [Block::ZERO; 8];
            let blocks = &mut blocks[..kind.block_len() / 32];
            let packed = row.chunks_exact(kind.block_bytes());
            for (bytes, out) in packed.zip(out.chunks_exact_mut(kind.block_len())) {
                unpack_row(kind, bytes, blocks);
                for (block, out) in blocks.iter().zip(out.as_chunks_mut::<32>().0) {
                    for (i, (out, &q)) in out.iter_mut().zip(&block.q).enumerate() {
                        *out = block.scale[i / 16] * f32::from(q) + block.offset[i / 16];
                    }
                }
            }
        }
    }
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// A nibble, with an optional fifth bit, less the format's zero point. At most 31, so it fits.
fn centred(value: u8, zero: i8) -> i8 {
    value.cast_signed() - zero
}

// Legacy formats: byte j of `qs` holds weight j below and weight j + 16 above.

fn nibbles(qs: &[u8], zero: i8) -> [i8; 32] {
    let mut q = [0; 32];
    for (j, &byte) in qs[..16].iter().enumerate() {
        q[j] = centred(byte & 15, zero);
        q[j + 16] = centred(byte >> 4, zero);
    }
    q
}

/// Bit i of `qh` is the fifth bit of weight i.
fn nibbles_and_fifth_bit(qh: &[u8], qs: &[u8], zero: i8) -> [i8; 32] {
    let fifth = u32::from_le_bytes([qh[0], qh[1], qh[2], qh[3]]);
    let mut q = nibbles(qs, 0);
    for (i, q) in q.iter_mut().enumerate() {
        let bit = (fifth >> i & 1) as u8;
        *q = centred(q.cast_unsigned() | bit << 4, zero);
    }
    q
}

/// f16 d, 16 bytes of nibbles: d · (q - 8).
fn q4_0(bytes: &[u8], blocks: &mut [Block]) {
    let d = half_at(bytes, 0);
    blocks[0] = Block { q: nibbles(&bytes[2..], 8), scale: [d; 2], offset: [0.0; 2] };
}

/// f16 d, f16 m, 16 bytes of nibbles: d · q + m.
fn q4_1(bytes: &[u8], blocks: &mut [Block]) {
    let (d, m) = (half_at(bytes, 0), half_at(bytes, 2));
    blocks[0] = Block { q: nibbles(&bytes[4..], 0), scale: [d; 2], offset: [m; 2] };
}

/// f16 d, 4 bytes of fifth bits, 16 bytes of nibbles: d · (q - 16).
fn q5_0(bytes: &[u8], blocks: &mut [Block]) {
    let d = half_at(bytes, 0);
    let q = nibbles_and_fifth_bit(&bytes[2..6], &bytes[6..], 16);
    blocks[0] = Block { q, scale: [d; 2], offset: [0.0; 2] };
}

/// f16 d, f16 m, 4 bytes of fifth bits, 16 bytes of nibbles: d · q + m.
fn q5_1(bytes: &[u8], blocks: &mut [Block]) {
    let (d, m) = (half_at(bytes, 0), half_at(bytes, 2));
    let q = nibbles_and_fifth_bit(&bytes[4..8], &bytes[8..], 0);
    blocks[0] = Block { q, scale: [d; 2], offset: [m; 2] };
}

/// f16 d, 32 signed bytes: d · q.
fn q8_0(bytes: &[u8], blocks: &mut [Block]) {
    let d = half_at(bytes, 0);
    let mut q = [0; 32];
    for (q, &byte) in q.iter_mut().zip(&bytes[2..34]) {
        *q = byte.cast_signed();
    }
    blocks[0] = Block { q, scale: [d; 2], offset: [0.0; 2] };
}

// K-quants: 256 weights, whose 8 runs of 32 are `blocks`.

/// 16 bytes of scale (below) and minimum (above), 64 bytes of 2-bit weights, f16 d, f16 dmin.
fn q2k(bytes: &[u8], blocks: &mut [Block]) {
    let (scales, qs) = (&bytes[..16], &bytes[16..80]);
    let (d, dmin) = (half_at(bytes, 80), half_at(bytes, 82));
    for (i, block) in blocks.iter_mut().enumerate() {
        // 32 bytes hold four runs of 32 weights, two bits each.
        let (from, shift) = (i / 4 * 32, i % 4 * 2);
        for (q, byte) in block.q.iter_mut().zip(&qs[from..from + 32]) {
            *q = centred(byte >> shift & 3, 0);
        }
        for half in 0..2 {
            let packed = scales[2 * i + half];
            block.scale[half] = d * f32::from(packed & 15);
            block.offset[half] = -(dmin * f32::from(packed >> 4));
        }
    }
}

/// 32 bytes of third bits, 64 bytes of 2-bit weights, 12 bytes of 6-bit scales, f16 d:
/// d · (scale - 32) · (q - 4).
fn q3k(bytes: &[u8], blocks: &mut [Block]) {
    let (third, qs, packed) = (&bytes[..32], &bytes[32..96], &bytes[96..108]);
    let d = half_at(bytes, 108);
    for (i, block) in blocks.iter_mut().enumerate() {
        let (from, shift) = (i / 4 * 32, i % 4 * 2);
        for (j, q) in block.q.iter_mut().enumerate() {
            let high = third[j] >> i & 1;
            *q = centred(qs[from + j] >> shift & 3 | high << 2, 4);
        }
        for half in 0..2 {
            let s = 2 * i + half;
            // Scales 0 to 7 keep their low four bits below, 8 to 15 above; the two high bits of
            // scale s are pair s / 4 of byte 8 + s % 4.
            let low = packed[s % 8] >> (s / 8 * 4) & 15;
            let high = packed[8 + s % 4] >> (s / 4 * 2) & 3;
            block.scale[half] = d * (f32::from(low | high << 4) - 32.0);
            block.offset[half] = 0.0;
        }
    }
}

/// The 6-bit scale and minimum of run `i` of a `Q4_K` or `Q5_K` block, from its 12 bytes.
fn scale_and_min(packed: &[u8], i: usize) -> (u8, u8) {
    if i < 4 {
        (packed[i] & 63, packed[i + 4] & 63)
    } else {
        let scale = packed[i + 4] & 15 | packed[i - 4] >> 6 << 4;
        let min = packed[i + 4] >> 4 | packed[i] >> 6 << 4;
        (scale, min)
    }
}

/// f16 d, f16 dmin, 12 bytes of scales and minimums, 128 bytes of nibbles.
fn q4k(bytes: &[u8], blocks: &mut [Block]) {
    let (d, dmin) = (half_at(bytes, 0), half_at(bytes, 2));
    let (packed, qs) = (&bytes[4..16], &bytes[16..144]);
    for (i, block) in blocks.iter_mut().enumerate() {
        // 32 bytes hold two runs of 32 weights: the even one below, the odd one above.
        let (from, shift) = (i / 2 * 32, i % 2 * 4);
        for (q, byte) in block.q.iter_mut().zip(&qs[from..from + 32]) {
            *q = centred(byte >> shift & 15, 0);
        }
        let (scale, min) = scale_and_min(packed, i);
        block.scale = [d * f32::from(scale); 2];
        block.offset = [-(dmin * f32::from(min)); 2];
    }
}

/// As `Q4_K`, with 32 bytes of fifth bits before the nibbles: bit i of byte j is for weight j of
/// run i.
fn q5k(bytes: &[u8], blocks: &mut [Block]) {
    let (d, dmin) = (half_at(bytes, 0), half_at(bytes, 2));
    let (packed, fifth, qs) = (&bytes[4..16], &bytes[16..48], &bytes[48..176]);
    for (i, block) in blocks.iter_mut().enumerate() {
        let (from, shift) = (i / 2 * 32, i % 2 * 4);
        for (j, q) in block.q.iter_mut().enumerate() {
            let high = fifth[j] >> i & 1;
            *q = centred(qs[from + j] >> shift & 15 | high << 4, 0);
        }
        let (scale, min) = scale_and_min(packed, i);
        block.scale = [d * f32::from(scale); 2];
        block.offset = [-(dmin * f32::from(min)); 2];
    }
}

/// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, f16 d:
/// d · scale · (q - 32).
fn q6k(bytes: &[u8], blocks: &mut [Block]) {
    let (low, high, scales) = (&bytes[..128], &bytes[128..192], &bytes[192..208]);
    let d = half_at(bytes, 208);
    for (i, block) in blocks.iter_mut().enumerate() {
        // Each half of the block: runs 0 and 1 are the low nibbles of 2 x 32 bytes, runs 2 and 3
        // the high ones; 32 bytes of `high` hold two bits for each of the four.
        let (half, run) = (i / 4, i % 4);
        let low = &low[64 * half + run % 2 * 32..];
        let high = &high[32 * half..];
        for (j, q) in block.q.iter_mut().enumerate() {
            let nibble = low[j] >> (run / 2 * 4) & 15;
            let pair = high[j] >> (run * 2) & 3;
            *q = centred(nibble | pair << 4, 32);
        }
        for half in 0..2 {
            block.scale[half] = d * f32::from(scales[2 * i + half].cast_signed());
            block.offset[half] = 0.0;
        }
    }
}

// Formats whose nibbles stand for numbers of a table.

/// What the nibbles of the `IQ4` formats stand for.
pub(super) const IQ4: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Twice what those of `MXFP4` stand for.
pub(super) const FP4: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

fn looked_up(qs: &[u8], table: [i8; 16]) -> [i8; 32] {
    nibbles(qs, 0).map(|nibble| table[usize::from(nibble.cast_unsigned())])
}

/// f16 d, 16 bytes of nibbles: d · `table[q]`.
fn iq4nl(bytes: &[u8], blocks: &mut [Block]) {
    let d = half_at(bytes, 0);
    blocks[0] = Block { q: looked_up(&bytes[2..], IQ4), scale: [d; 2], offset: [0.0; 2] };
}

/// f16 d, two bytes of high and four of low parts of 6-bit scales, 128 bytes of nibbles:
/// d · (scale - 32) · `table[q]`.
fn iq4xs(bytes: &[u8], blocks: &mut [Block]) {
    let d = half_at(bytes, 0);
    let high = u16::from_le_bytes([bytes[2], bytes[3]]);
    for (i, block) in blocks.iter_mut().enumerate() {
        let low = bytes[4 + i / 2] >> (i % 2 * 4) & 15;
        let scale = f32::from(low) + f32::from((high >> (2 * i) & 3) << 4) - 32.0;
        let q = looked_up(&bytes[8 + 16 * i..], IQ4);
        *block = Block { q, scale: [d * scale; 2], offset: [0.0; 2] };
    }
}

/// One byte of exponent, 16 bytes of nibbles: half of 2^(e - 127) · twice the number.
fn mxfp4(bytes: &[u8], blocks: &mut [Block]) {
    let d = half_of_power(bytes[0]);
    blocks[0] = Block { q: looked_up(&bytes[1..], FP4), scale: [d; 2], offset: [0.0; 2] };
}

/// 2^(e - 128)
pub(super) fn half_of_power(e: u8) -> f32 {
    let bits = if e < 2 { 0x0020_0000 << e } else { (u32::from(e) - 1) << 23 };
    f32::from_bits(bits)
}

/// 64 bytes of 2-bit weights, f16 d: d · (q - 1).
fn tq2_0(bytes: &[u8], blocks: &mut [Block]) {
    let d = half_at(bytes, 64);
    for (i, block) in blocks.iter_mut().enumerate() {
        let (from, shift) = (i / 4 * 32, i % 4 * 2);
        for (q, byte) in block.q.iter_mut().zip(&bytes[from..from + 32]) {
            *q = centred(byte >> shift & 3, 1);
        }
        (block.scale, block.offset) = ([d; 2], [0.0; 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bytes, QMatrix};
    use candle_core::Device;

    /// `make_gguf_types.py`: random blocks, and what the Python package gguf makes of them.
    #[test]
    fn types_that_candle_lacks_are_dequantised_as_gguf_does() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/gguf_types/");
        for kind in [GgmlType::IQ4NL, GgmlType::IQ4XS, GgmlType::MXFP4, GgmlType::TQ2_0] {
            let path = format!("{folder}{kind}.safetensors");
            let tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
            let bytes = tensors["bytes"].flatten_all().unwrap().to_vec1::<u8>().unwrap();
            let expected = tensors["values"].flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let rows = expected.len() / 256;
            let matrix = QMatrix::new(kind, rows, 256, Bytes::from(bytes)).unwrap();
            assert_eq!(matrix.dequantize(), expected, "{kind}");
        }
    }
}
