//! Activations rounded to 16 bits: what a packed weight is multiplied with.
//!
//! One byte, as llama.cpp has it, moves the starter model's likeliest log-probabilities by 0.09 on
//! average; two bring that below 0.001. The instruction that multiplies them takes pairs.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "calls code compiled for a level after asking the processor")
)]

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;

use super::Level;
#[cfg(target_arch = "aarch64")]
use super::arm::neon;
#[cfg(target_arch = "x86_64")]
use super::x86::{avx2, avx512};

/// 32 activations: activation `i` is about `scale * number i`.
///
/// A block with a value that is not finite has a NaN for its scale, so that a broken row gives NaN
/// and not a plausible number.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct ActBlock {
    /// Signed 16-bit numbers within ±32767, two to a word, the first one below: word j holds numbers
    /// 4j and 4j + 2, and word j of the second eight 4j + 1 and 4j + 3. In that order four bytes of
    /// weights fall apart into 16-bit lanes.
    #[cfg(not(target_arch = "aarch64"))]
    pub pairs: [[i32; 8]; 2],

    /// Signed 16-bit numbers within ±32767: the high byte of each, then the low byte of each.
    #[cfg(target_arch = "aarch64")]
    pub bytes: [[u8; 32]; 2],
    pub scale: f32,

    /// The sum of all 32 activations as rounded.
    pub sum: f32,

    /// The sums of the first and the last 16.
    pub half_sums: [f32; 2],
}

/// The largest number of a block.
pub(super) const LARGEST: f32 = 32767.0;

/// Below this a block counts as zero: the inverse of its scale would not be finite.
pub(super) const SMALLEST: f32 = 1e-30;

impl ActBlock {
    const ZERO: Self = Self {
        #[cfg(not(target_arch = "aarch64"))]
        pairs: [[0; 8]; 2],
        #[cfg(target_arch = "aarch64")]
        bytes: [[0; 32]; 2],
        scale: 0.0,
        sum: 0.0,
        half_sums: [0.0; 2],
    };

    /// The numbers in their order.
    #[cfg(target_arch = "aarch64")]
    pub fn numbers(&self) -> [i16; 32] {
        let [high, low] = &self.bytes;
        std::array::from_fn(|i| i16::from_le_bytes([low[i], high[i]]))
    }

    /// The numbers in their order.
    #[cfg(not(target_arch = "aarch64"))]
    pub fn numbers(&self) -> [i16; 32] {
        let mut numbers = [0; 32];
        let [even, odd] = &self.pairs;
        for (four, (even, odd)) in
            numbers.as_chunks_mut::<4>().0.iter_mut().zip(even.iter().zip(odd))
        {
            *four = [*even as i16, *odd as i16, (even >> 16) as i16, (odd >> 16) as i16];
        }
        numbers
    }
}

/// See [`ActBlock::pairs`].
#[cfg(not(target_arch = "aarch64"))]
fn pairs_of(numbers: &[i16; 32]) -> [[i32; 8]; 2] {
    let pair = |low: i16, high: i16| i32::from(low.cast_unsigned()) | i32::from(high) << 16;
    let fours = numbers.as_chunks::<4>().0;
    [0, 1].map(|odd| std::array::from_fn(|j| pair(fours[j][odd], fours[j][odd + 2])))
}

thread_local! {
    /// What the last product of this thread left behind: fresh blocks would have to be cleared.
    static LEFT: Cell<Vec<ActBlock>> = const { Cell::new(Vec::new()) };
}

/// Blocks that are left behind at most: 1.3 MB, more than a piece of a prompt takes in the starter
/// model.
const MOST_LEFT: usize = 1 << 14;

/// Rows of activations, rounded.
pub(super) struct Activations {
    /// Those of the rows, and more from the product before.
    blocks: Vec<ActBlock>,
    blocks_per_row: usize,
}

impl Activations {
    /// Rounds `x`, rows of `cols` values; `cols` is a multiple of 32.
    pub fn quantize(level: Level, x: &[f32], cols: usize) -> Self {
        let mut blocks = LEFT.take();
        let count = x.len() / 32;
        if blocks.len() < count {
            blocks.resize(count, ActBlock::ZERO);
        }
        let used = &mut blocks[..count];
        // Below this the pool costs more than it saves.
        const SERIAL: usize = 1 << 16;
        if x.len() <= SERIAL {
            quantize(level, x, used);
        } else {
            let rows = x.par_chunks(SERIAL / 4).zip(used.par_chunks_mut(SERIAL / 4 / 32));
            rows.for_each(|(x, blocks)| quantize(level, x, blocks));
        }
        Self { blocks, blocks_per_row: cols / 32 }
    }

    /// The same blocks of `N` rows that follow each other.
    #[inline]
    pub fn rows<const N: usize>(&self, first: usize, blocks: Range<usize>) -> [&[ActBlock]; N] {
        let rows = &self.blocks[first * self.blocks_per_row..][..N * self.blocks_per_row];
        std::array::from_fn(|n| &rows[n * self.blocks_per_row..][blocks.clone()])
    }

    pub fn row(&self, row: usize) -> &[ActBlock] {
        &self.blocks[row * self.blocks_per_row..][..self.blocks_per_row]
    }
}

impl Drop for Activations {
    fn drop(&mut self) {
        if self.blocks.len() <= MOST_LEFT {
            LEFT.set(std::mem::take(&mut self.blocks));
        }
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
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is only chosen where the processor has AVX-512.
        Level::Avx512 => unsafe { avx512::quantize(x, blocks) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: NEON is part of the architecture.
        Level::Neon | Level::NeonDot => unsafe { neon::quantize(x, blocks) },
    }
}

fn quantize_block(x: &[f32; 32]) -> ActBlock {
    let largest = x.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    // Zero, or NaN if any value is infinite or NaN.
    let poison: f32 = x.iter().map(|x| x * 0.0).sum();
    let scale = largest / LARGEST + poison;
    let inverse = if largest > SMALLEST { LARGEST / largest } else { 0.0 };
    let numbers = x.map(|x| (x * inverse).round_ties_even() as i16);
    let sum_of = |numbers: &[i16]| numbers.iter().map(|&n| i32::from(n)).sum::<i32>() as f32;
    let (first, last) = (sum_of(&numbers[..16]), sum_of(&numbers[16..]));
    ActBlock {
        #[cfg(not(target_arch = "aarch64"))]
        pairs: pairs_of(&numbers),
        #[cfg(target_arch = "aarch64")]
        bytes: [1, 0].map(|byte| numbers.map(|number| number.to_le_bytes()[byte])),
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
                    assert_eq!(found.numbers(), expected.numbers(), "{level:?}");
                    assert_eq!(found.scale, expected.scale, "{level:?}");
                    assert_eq!(found.sum, expected.sum, "{level:?}");
                    assert_eq!(found.half_sums, expected.half_sums, "{level:?}");
                }
            }
        }
    }

    #[test]
    fn the_largest_value_of_a_block_becomes_32767() {
        let mut x: [f32; 32] = std::array::from_fn(|i| i as f32 / 32.0);
        x[7] = -2.0;
        for level in Level::all() {
            let found = Activations::quantize(level, &x, 32);
            let numbers = found.row(0)[0].numbers();
            assert_eq!(numbers[7], -32767, "{level:?}");
            assert_eq!(numbers[8], 4096, "{level:?}"); // 0.25 · 32767 / 2 = 4095.9
            assert_eq!(numbers[31], 15872, "{level:?}"); // 31 / 32 · 32767 / 2 = 15871.5
        }
    }

    #[test]
    fn zeros_stay_zero_and_a_broken_value_poisons_its_block() {
        for level in Level::all() {
            let zeros = Activations::quantize(level, &[0.0; 32], 32);
            assert_eq!(zeros.row(0)[0].scale, 0.0);
            let tiny = Activations::quantize(level, &[1e-40; 32], 32);
            assert_eq!(tiny.row(0)[0].numbers(), [0; 32], "{level:?}");
            for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = [1.0; 32];
                x[20] = broken;
                let found = Activations::quantize(level, &x, 32);
                assert!(found.row(0)[0].scale.is_nan(), "{level:?} {broken}");
            }
        }
    }
}
