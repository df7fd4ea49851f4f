//! What training needs of rows beside products: slopes of gates and of probabilities.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls code compiled for a level after asking the processor")
)]
#![expect(clippy::inline_always, reason = "only what is inlined is compiled for a level")]

use rayon::prelude::*;

use super::level::{Level, at_level};
use super::rows::exp;

/// Values that are worth a task of their own.
const TASK: usize = 1 << 14;

/// The gradients of [`super::silu_mul`], written over what it was computed from: `gate` becomes
/// the gradient by the gate, `up` that by up.
pub fn silu_mul_backward(gate: &mut [f32], up: &mut [f32], grad: &[f32]) {
    assert_eq!((gate.len(), up.len()), (grad.len(), grad.len()), "one gradient for each value");
    let level = Level::best();
    let chunks = gate.par_chunks_mut(TASK).zip(up.par_chunks_mut(TASK)).zip(grad.par_chunks(TASK));
    chunks.for_each(|((gate, up), grad)| {
        at_level!(level, silu_mul_slopes, gate: &mut [f32], up: &mut [f32], grad: &[f32]);
    });
}

#[inline(always)]
fn silu_mul_slopes(gate: &mut [f32], up: &mut [f32], grad: &[f32]) {
    for ((gate, up), grad) in gate.iter_mut().zip(up).zip(grad) {
        let sigmoid = 1.0 / (1.0 + exp(-*gate));
        let slope = sigmoid * (1.0 + *gate * (1.0 - sigmoid));
        let by_up = *gate * sigmoid * grad;
        *gate = slope * *up * grad;
        *up = by_up;
    }
}

/// The gradient of [`super::gelu`], written over what it was computed from.
pub fn gelu_backward(x: &mut [f32], grad: &[f32]) {
    assert_eq!(x.len(), grad.len(), "one gradient for each value");
    let level = Level::best();
    x.par_chunks_mut(TASK).zip(grad.par_chunks(TASK)).for_each(|(x, grad)| {
        at_level!(level, gelu_slopes, x: &mut [f32], grad: &[f32]);
    });
}

/// Φ(x) + x φ(x), with the error function of Abramowitz and Stegun 7.1.26.
#[inline(always)]
fn gelu_slopes(x: &mut [f32], grad: &[f32]) {
    const RATE: f32 = 0.327_591_1;
    const SERIES: [f32; 5] = [1.061_405_4, -1.453_152_1, 1.421_413_7, -0.284_496_72, 0.254_829_6];
    const DENSITY: f32 = 0.398_942_3; // 1 / √(2π)
    for (x, grad) in x.iter_mut().zip(grad) {
        let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + RATE * z);
        let mut sum = 0.0;
        for factor in SERIES {
            sum = (sum + factor) * t;
        }
        let power = exp(-z * z);
        let tail = 0.5 * sum * power;
        let below = if *x < 0.0 { tail } else { 1.0 - tail };
        *x = (below + *x * DENSITY * power) * grad;
    }
}

/// What a row of scores x says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoreSums {
    pub highest: f32,

    /// Σ exp(x - highest)
    pub powers: f64,

    /// Σ exp(x - highest) · (x - highest)
    pub weighted: f64,

    /// Σ x
    pub total: f64,
}

/// The sums over a row of scores, which becomes exp(x - highest).
pub fn score_sums(row: &mut [f32]) -> ScoreSums {
    let mut sums = ScoreSums::default();
    let (level, out) = (Level::best(), &mut sums);
    at_level!(level, score_sums_of, row: &mut [f32], out: &mut ScoreSums);
    sums
}

#[inline(always)]
fn score_sums_of(row: &mut [f32], sums: &mut ScoreSums) {
    const LANES: usize = 16;
    let mut highest = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            highest[lane] = if chunk[lane] > highest[lane] { chunk[lane] } else { highest[lane] };
        }
    }
    sums.highest = highest.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    // In f32 for a few values at a time, in f64 over the row: exact enough, and fast.
    for part in row.chunks_mut(32 * LANES) {
        let (mut powers, mut weighted, mut total) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        let (chunks, rest) = part.as_chunks_mut::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                let shifted = chunk[lane] - sums.highest;
                let power = exp(shifted);
                total[lane] += chunk[lane];
                powers[lane] += power;
                weighted[lane] += power * shifted;
                chunk[lane] = power;
            }
        }
        for (lane, value) in rest.iter_mut().enumerate() {
            let shifted = *value - sums.highest;
            let power = exp(shifted);
            total[lane] += *value;
            powers[lane] += power;
            weighted[lane] += power * shifted;
            *value = power;
        }
        for lane in 0..LANES {
            sums.powers += f64::from(powers[lane]);
            sums.weighted += f64::from(weighted[lane]);
            sums.total += f64::from(total[lane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|at| ((at * 37 % 101) as f32 / 50.0 - 1.0) * scale).collect()
    }

    #[test]
    fn the_slopes_of_a_gate_are_those_of_its_definition() {
        let (gates, ups, grads) = (values(1000, 6.0), values(1000, 2.0), values(1000, 3.0));
        let (mut gate, mut up) = (gates.clone(), ups.clone());
        silu_mul_backward(&mut gate, &mut up, &grads);
        for at in 0..gates.len() {
            let (g, u, d) = (f64::from(gates[at]), f64::from(ups[at]), f64::from(grads[at]));
            let silu = |x: f64| x / (1.0 + (-x).exp());
            let slope = (silu(g + 1e-4) - silu(g - 1e-4)) / 2e-4;
            assert!((f64::from(gate[at]) - slope * u * d).abs() < 1e-4, "{at}");
            assert!((f64::from(up[at]) - silu(g) * d).abs() < 1e-5, "{at}");
        }
    }

    #[test]
    fn the_slopes_of_gelu_are_those_of_its_definition() {
        let (xs, grads) = (values(1000, 6.0), values(1000, 3.0));
        let mut found = xs.clone();
        gelu_backward(&mut found, &grads);
        let gelu = |x: f64| 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2));
        for ((found, x), grad) in found.iter().zip(xs).zip(grads) {
            let x = f64::from(x);
            let slope = (gelu(x + 1e-4) - gelu(x - 1e-4)) / 2e-4;
            assert!((f64::from(*found) - slope * f64::from(grad)).abs() < 2e-6, "{x}");
        }
    }

    #[test]
    fn the_sums_of_a_row_are_those_of_its_definition() {
        let scores = values(1237, 9.0);
        let mut row = scores.clone();
        let sums = score_sums(&mut row);
        assert_eq!(sums.highest, scores.iter().copied().fold(f32::MIN, f32::max));
        let (mut powers, mut weighted, mut total) = (0.0, 0.0, 0.0);
        for (score, power) in scores.iter().zip(row) {
            let shifted = f64::from(score - sums.highest);
            assert!((f64::from(power) - shifted.exp()).abs() < 1e-6);
            powers += shifted.exp();
            weighted += shifted.exp() * shifted;
            total += f64::from(*score);
        }
        assert!((sums.powers / powers - 1.0).abs() < 1e-6);
        assert!((sums.weighted / weighted - 1.0).abs() < 1e-6);
        assert!((sums.total - total).abs() < 1e-3);
    }
}
