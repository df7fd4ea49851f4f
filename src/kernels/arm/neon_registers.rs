//! What every file for NEON needs: registers to and from memory, and scales as registers.

#![expect(unsafe_code, reason = "loads and stores registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::aarch64::*;

/// Weight rows that are read together: one to each f32 lane of a register.
pub(crate) const LANES: usize = 4;

/// Scales and offsets of 256 columns of four weight rows, a row a lane. Weight of lane l:
/// `scale[l] * q + offset[l]`, q unsigned (`Q8_0`: signed, offset unused). The first index counts
/// runs of 32 columns; formats with 32 weights to a scale use the first of each pair.
#[derive(Clone, Copy)]
pub(crate) struct Scales {
    pub scale: [[float32x4_t; 2]; 8],
    pub offset: [[float32x4_t; 2]; 8],
}

impl Scales {
    #[target_feature(enable = "neon")]
    pub fn zero() -> Self {
        let zero = vdupq_n_f32(0.0);
        Self { scale: [[zero; 2]; 8], offset: [[zero; 2]; 8] }
    }
}

#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn load(values: &[f32; 4]) -> float32x4_t {
    // SAFETY: four values can be read.
    unsafe { vld1q_f32(values.as_ptr()) }
}

#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn store(v: float32x4_t) -> [f32; 4] {
    let mut values = [0.0; 4];
    // SAFETY: four values can be written.
    unsafe { vst1q_f32(values.as_mut_ptr(), v) };
    values
}

#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn load_bytes(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: sixteen bytes can be read.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// Four words of four rows: register j of the result has word j of every row.
#[target_feature(enable = "neon")]
#[inline]
pub(crate) fn transposed(rows: [uint8x16_t; 4]) -> [uint32x4_t; 4] {
    let [a, b, c, d] = rows.map(|row| vreinterpretq_u32_u8(row));
    // Words 0 and 2 of two rows in turn, and words 1 and 3.
    let (ab, cd) = ([vtrn1q_u32(a, b), vtrn2q_u32(a, b)], [vtrn1q_u32(c, d), vtrn2q_u32(c, d)]);
    let [ab, cd] = [ab, cd].map(|pairs| pairs.map(|pair| vreinterpretq_u64_u32(pair)));
    let words = [
        vtrn1q_u64(ab[0], cd[0]),
        vtrn1q_u64(ab[1], cd[1]),
        vtrn2q_u64(ab[0], cd[0]),
        vtrn2q_u64(ab[1], cd[1]),
    ];
    words.map(|words| vreinterpretq_u32_u64(words))
}
