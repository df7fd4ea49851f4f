//! Rounds activations to 16 bits with the instructions of a level.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "calls code compiled for a level after asking the processor")
)]

use rayon::prelude::*;

#[cfg(not(target_arch = "aarch64"))]
use super::activations::pairs_of;
use super::activations::{ActBlock, Activations, LARGEST, SMALLEST};
#[cfg(target_arch = "aarch64")]
use super::arm::neon;
use super::level::Level;
#[cfg(target_arch = "x86_64")]
use super::x86::{avx2, avx512};

/// `x` rounded, rows of `cols` values; `cols` is a multiple of 32.
pub(super) fn rounded(level: Level, x: &[f32], cols: usize) -> Activations {
    let mut all = Activations::room(x.len(), cols);
    let used = all.first_mut(x.len() / 32);
    // Below this the pool costs more than it saves.
    const SERIAL: usize = 1 << 16;
    if x.len() <= SERIAL {
        quantize(level, x, used);
    } else {
        let rows = x.par_chunks(SERIAL / 4).zip(used.par_chunks_mut(SERIAL / 4 / 32));
        rows.for_each(|(x, blocks)| quantize(level, x, blocks));
    }
    all
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
        let expected = rounded(Level::Portable, &x, 96);
        for level in Level::all() {
            let found = rounded(level, &x, 96);
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
            let found = rounded(level, &x, 32);
            let numbers = found.row(0)[0].numbers();
            assert_eq!(numbers[7], -32767, "{level:?}");
            assert_eq!(numbers[8], 4096, "{level:?}"); // 0.25 · 32767 / 2 = 4095.9
            assert_eq!(numbers[31], 15872, "{level:?}"); // 31 / 32 · 32767 / 2 = 15871.5
        }
    }

    #[test]
    fn zeros_stay_zero_and_a_broken_value_poisons_its_block() {
        for level in Level::all() {
            let zeros = rounded(level, &[0.0; 32], 32);
            assert_eq!(zeros.row(0)[0].scale, 0.0);
            let tiny = rounded(level, &[1e-40; 32], 32);
            assert_eq!(tiny.row(0)[0].numbers(), [0; 32], "{level:?}");
            for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut x = [1.0; 32];
                x[20] = broken;
                let found = rounded(level, &x, 32);
                assert!(found.row(0)[0].scale.is_nan(), "{level:?} {broken}");
            }
        }
    }
}
