//! Activations rounded to two bytes: what a packed weight is multiplied with.
//!
//! One byte, as llama.cpp has it, moves the starter model's likeliest log-probabilities by 0.09 on
//! average; the second one brings that below 0.001 and shares the unpacking of the weights.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls code compiled for AVX2 after asking the processor")
)]

use std::ops::Range;

use rayon::prelude::*;

use super::Level;
#[cfg(target_arch = "x86_64")]
use super::avx2;

/// 32 activations: activation `i` is about `scale * (q[i] + rest[i] / FINER)`.
///
/// A block with a value that is not finite has a NaN for its scale, so that a broken row gives NaN
/// and not a plausible number.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct ActBlock {
    /// Signed bytes within ±127, four to a word, the first one lowest.
    pub words: [i32; 8],

    /// What the bytes leave over, in the same order.
    pub rest: [i32; 8],
    pub scale: f32,

    /// The sum of all 32 activations as rounded.
    pub sum: f32,

    /// The sums of the first and the last 16.
    pub half_sums: [f32; 2],
}

/// Steps of the second byte in one of the first: half a step is 127 of them.
pub(super) const FINER: f32 = 254.0;

impl ActBlock {
    const ZERO: Self =
        Self { words: [0; 8], rest: [0; 8], scale: 0.0, sum: 0.0, half_sums: [0.0; 2] };
}

/// The signed bytes in words.
pub(super) fn bytes_of(words: &[i32; 8]) -> [i8; 32] {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes().map(u8::cast_signed);
    }
    bytes
}

/// Signed bytes, four to a word.
fn words_of(bytes: &[i8; 32]) -> [i32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = i32::from_le_bytes(bytes.map(i8::cast_unsigned));
    }
    words
}

/// Rows of activations, rounded.
pub(super) struct Activations {
    blocks: Vec<ActBlock>,
    blocks_per_row: usize,
}

impl Activations {
    /// Rounds `x`, rows of `cols` values; `cols` is a multiple of 32.
    pub fn quantize(level: Level, x: &[f32], cols: usize) -> Self {
        let mut blocks = vec![ActBlock::ZERO; x.len() / 32];
        // Below this the pool costs more than it saves.
        const SERIAL: usize = 1 << 16;
        if x.len() <= SERIAL {
            quantize(level, x, &mut blocks);
        } else {
            let rows = x.par_chunks(SERIAL / 4).zip(blocks.par_chunks_mut(SERIAL / 4 / 32));
            rows.for_each(|(x, blocks)| quantize(level, x, blocks));
        }
        Self { blocks, blocks_per_row: cols / 32 }
    }

    pub fn row(&self, row: usize) -> &[ActBlock] {
        &self.blocks[row * self.blocks_per_row..][..self.blocks_per_row]
    }
}

fn quantize(level: Level, x: &[f32], blocks: &mut [ActBlock]) {
    let x = x.as_chunks::<32>().0;
    match level {
        Level::Portable => {
            for (x, block) in x.iter().zip(blocks) {
                *block = quantize_block(x);
            }
        }
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is only chosen where the processor has AVX2 and FMA.
        Level::Avx2 => unsafe { avx2::quantize(x, blocks) },
    }
}

fn quantize_block(x: &[f32; 32]) -> ActBlock {
    let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    // Zero, or NaN if any value is infinite or NaN.
    let poison: f32 = x.iter().map(|x| x * 0.0).sum();
    let scale = largest / 127.0 + poison;
    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    let (mut q, mut rest) = ([0_i8; 32], [0_i8; 32]);
    for ((q, rest), x) in q.iter_mut().zip(&mut rest).zip(x) {
        let whole = (x * inverse).round_ties_even().clamp(-127.0, 127.0);
        let left = (x * inverse - whole) * FINER;
        *q = whole as i8;
        *rest = left.round_ties_even().clamp(-127.0, 127.0) as i8;
    }
    let sum_of = |bytes: &[i8]| bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>();
    let half = |range: Range<usize>| {
        sum_of(&q[range.clone()]) as f32 + sum_of(&rest[range]) as f32 / FINER
    };
    let (first, last) = (half(0..16), half(16..32));
    ActBlock {
        words: words_of(&q),
        rest: words_of(&rest),
        scale,
        sum: scale * (first + last),
        half_sums: [scale * first, scale * last],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_rounds_to_the_same_bytes() {
        let x: Vec<f32> = (0..192).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.013).collect();
        let expected = Activations::quantize(Level::Portable, &x, 96);
        for level in Level::all() {
            let found = Activations::quantize(level, &x, 96);
            for row in 0..2 {
                for (found, expected) in found.row(row).iter().zip(expected.row(row)) {
                    assert_eq!(found.words, expected.words, "{level:?}");
                    assert_eq!(found.rest, expected.rest, "{level:?}");
                    assert_eq!(found.scale, expected.scale, "{level:?}");
                    assert_eq!(found.sum, expected.sum, "{level:?}");
                    assert_eq!(found.half_sums, expected.half_sums, "{level:?}");
                }
            }
        }
    }

    #[test]
    fn the_largest_value_of_a_block_becomes_127() {
        let mut x = [0.5; 32];
        x[7] = -2.0;
        for level in Level::all() {
            let found = Activations::quantize(level, &x, 32);
            let bytes = bytes_of(&found.row(0)[0].words);
            assert_eq!((bytes[7], bytes[0]), (-127, 32), "{level:?}"); // 0.5 · 127 / 2 = 31.75
            let rest = bytes_of(&found.row(0)[0].rest);
            assert_eq!((rest[7], rest[0]), (0, -64), "{level:?}"); // -0.25 · 254 = -63.5
        }
    }

    #[test]
    fn zeros_stay_zero_and_a_broken_value_poisons_its_block() {
        for level in Level::all() {
            let zeros = Activations::quantize(level, &[0.0; 32], 32);
            assert_eq!(zeros.row(0)[0].scale, 0.0);
            for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = [1.0; 32];
                x[20] = broken;
                let found = Activations::quantize(level, &x, 32);
                assert!(found.row(0)[0].scale.is_nan(), "{level:?} {broken}");
            }
        }
    }
}
