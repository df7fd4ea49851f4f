//! What stands between two products, row by row: norms, gates and probabilities.
//!
//! Plain loops over eight lanes, compiled once for any processor and once for each level.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "calls code compiled for a level after asking the processor")
)]
#![expect(clippy::inline_always, reason = "only what is inlined is compiled for a level")]

use rayon::prelude::*;

use super::level::{Level, at_level};

/// Values that are worth a task of their own.
const TASK: usize = 1 << 15;

/// Each row of `x` over its root mean square, times `weight`: `x / sqrt(mean(x²) + eps) · weight`.
///
/// `x` and `out` are rows of `weight.len()` values.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    rms_norm_at(Level::best(), x, weight, eps, out);
}

fn rms_norm_at(level: Level, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let cols = weight.len();
    assert_eq!(x.len(), out.len(), "one output for each value");
    if x.is_empty() {
        return;
    }
    assert!(x.len().is_multiple_of(cols), "rows of {cols} values, found {} values", x.len());
    let task = task_len(cols);
    in_tasks(x.len(), x.par_chunks(task).zip(out.par_chunks_mut(task)), |(x, out)| {
        at_level!(level, rms_norm_rows, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]);
    });
}

#[inline(always)]
fn rms_norm_rows(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let cols = weight.len();
    for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        let scale = 1.0 / (sum_of_squares(x) / cols as f32 + eps).sqrt();
        for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = x * scale * weight;
        }
    }
}

/// Each row of `x` less its mean, over its standard deviation, times `weight`, plus `bias`.
///
/// `x` and `out` are rows of `weight.len()` values.
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], eps: f32, out: &mut [f32]) {
    layer_norm_at(Level::best(), x, (weight, bias), eps, out);
}

fn layer_norm_at(level: Level, x: &[f32], learned: (&[f32], &[f32]), eps: f32, out: &mut [f32]) {
    let cols = learned.0.len();
    assert_eq!(x.len(), out.len(), "one output for each value");
    assert_eq!(cols, learned.1.len(), "a weight and a bias for each column");
    if x.is_empty() {
        return;
    }
    assert!(x.len().is_multiple_of(cols), "rows of {cols} values, found {} values", x.len());
    let task = task_len(cols);
    in_tasks(x.len(), x.par_chunks(task).zip(out.par_chunks_mut(task)), |(x, out)| {
        type Learned<'a> = (&'a [f32], &'a [f32]);
        at_level!(level, layer_norm_rows, x: &[f32], learned: Learned<'_>, eps: f32, out: &mut [f32]);
    });
}

#[inline(always)]
fn layer_norm_rows(x: &[f32], (weight, bias): (&[f32], &[f32]), eps: f32, out: &mut [f32]) {
    let cols = weight.len();
    for (x, out) in x.chunks_exact(cols).zip(out.chunks_exact_mut(cols)) {
        let mean = sum_of(x, |x| x) / cols as f32;
        let variance = sum_of(x, |x| (x - mean) * (x - mean)) / cols as f32;
        let scale = 1.0 / (variance + eps).sqrt();
        for (((out, x), weight), bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
            *out = (x - mean) * scale * weight + bias;
        }
    }
}

/// The gated unit of a feed-forward block: `gate = gate · sigmoid(gate) · up`, in place.
pub fn silu_mul(gate: &mut [f32], up: &[f32]) {
    silu_mul_at(Level::best(), gate, up);
}

fn silu_mul_at(level: Level, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "one gate for each value");
    let len = gate.len();
    in_tasks(len, gate.par_chunks_mut(TASK).zip(up.par_chunks(TASK)), |(gate, up)| {
        at_level!(level, silu_mul_values, gate: &mut [f32], up: &[f32]);
    });
}

#[inline(always)]
fn silu_mul_values(gate: &mut [f32], up: &[f32]) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

/// As [`silu_mul`] with the tanh approximation of GELU:
/// `gate = gate / 2 · (1 + tanh(√(2/π) · (gate + 0.044715 gate³))) · up`.
pub fn gelu_tanh_mul(gate: &mut [f32], up: &[f32]) {
    gelu_tanh_mul_at(Level::best(), gate, up);
}

fn gelu_tanh_mul_at(level: Level, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "one gate for each value");
    let len = gate.len();
    in_tasks(len, gate.par_chunks_mut(TASK).zip(up.par_chunks(TASK)), |(gate, up)| {
        at_level!(level, gelu_tanh_mul_values, gate: &mut [f32], up: &[f32]);
    });
}

#[inline(always)]
fn gelu_tanh_mul_values(gate: &mut [f32], up: &[f32]) {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    for (gate, up) in gate.iter_mut().zip(up) {
        let x = *gate;
        let inner = SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x);
        *gate = 0.5 * x * (1.0 + tanh(inner)) * up;
    }
}

/// GELU with the error function, in place: `x / 2 · (1 + erf(x / √2))`, within 3e-7 for |x| up to 2,
/// and within 2e-7 · |x| beyond.
pub fn gelu(x: &mut [f32]) {
    gelu_at(Level::best(), x);
}

fn gelu_at(level: Level, x: &mut [f32]) {
    let len = x.len();
    in_tasks(len, x.par_chunks_mut(TASK), |x| {
        at_level!(level, gelu_values, x: &mut [f32]);
    });
}

/// Abramowitz and Stegun 7.1.26.
#[inline(always)]
fn gelu_values(x: &mut [f32]) {
    const RATE: f32 = 0.327_591_1;
    const SERIES: [f32; 5] = [1.061_405_4, -1.453_152_1, 1.421_413_7, -0.284_496_72, 0.254_829_6];
    for x in x {
        let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
        let t = 1.0 / (1.0 + RATE * z);
        let mut sum = 0.0;
        for factor in SERIES {
            sum = (sum + factor) * t;
        }
        let tail = sum * exp(-z * z); // 1 - erf(z)
        *x *= if *x < 0.0 { 0.5 * tail } else { 1.0 - 0.5 * tail };
    }
}

/// Turns each row of `cols` logits into probabilities, in place.
///
/// A logit of -∞ becomes exactly 0. A row of nothing else becomes NaN.
pub fn softmax(x: &mut [f32], cols: usize) {
    softmax_at(Level::best(), x, cols);
}

fn softmax_at(level: Level, x: &mut [f32], cols: usize) {
    if x.is_empty() {
        return;
    }
    assert!(x.len().is_multiple_of(cols), "rows of {cols} values, found {} values", x.len());
    let len = x.len();
    in_tasks(len, x.par_chunks_mut(task_len(cols)), |x| {
        at_level!(level, softmax_rows, x: &mut [f32], cols: usize);
    });
}

#[inline(always)]
fn softmax_rows(x: &mut [f32], cols: usize) {
    for row in x.chunks_exact_mut(cols) {
        let largest = largest(row);
        let scale = 1.0 / exp_and_sum(row, largest);
        for x in row {
            *x *= scale;
        }
    }
}

/// Whole rows that make about [`TASK`] values.
fn task_len(cols: usize) -> usize {
    TASK.div_ceil(cols) * cols
}

fn in_tasks<I: IndexedParallelIterator>(len: usize, items: I, work: impl Fn(I::Item) + Sync + Send)
where
    I::Item: Send,
{
    if len < 2 * TASK {
        // One or two short tasks: a single job runs where it is asked for.
        items.with_min_len(usize::MAX).for_each(work);
    } else {
        items.for_each(work);
    }
}

#[inline(always)]
fn sum_of_squares(x: &[f32]) -> f32 {
    sum_of(x, |x| x * x)
}

#[inline(always)]
fn sum_of(x: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for chunk in chunks {
        for i in 0..16 {
            lanes[i] += term(chunk[i]);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|x| term(*x)).sum::<f32>()
}

/// The largest value; a NaN is passed over here and found by the sum.
#[inline(always)]
pub(super) fn largest(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in chunks {
        for i in 0..16 {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| a.max(b))
}

/// Replaces each value by `exp(value - shift)` and returns the sum of them.
#[inline(always)]
pub(super) fn exp_and_sum(x: &mut [f32], shift: f32) -> f32 {
    let (chunks, rest) = x.as_chunks_mut::<16>();
    let mut lanes = [0.0; 16];
    for chunk in chunks {
        for i in 0..16 {
            chunk[i] = exp(chunk[i] - shift);
            lanes[i] += chunk[i];
        }
    }
    let mut sum = lanes.iter().sum();
    for x in rest {
        *x = exp(*x - shift);
        sum += *x;
    }
    sum
}

/// eˣ without a branch or a call, so that loops over it become vector code.
///
/// Within 2e-7 of the true value, relatively; 0 below -87, and no larger than e⁸⁸.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    use std::f32::consts::LOG2_E;
    // ln 2 in two parts: the first has so few bits that n times it is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding 1.5 · 2²³ leaves the integer part in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = if x > 88.0 { 88.0 } else { x };
    let clamped = if clamped < -87.0 { -87.0 } else { clamped };
    let rounded = clamped * LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    // |r| is at most ln 2 / 2, where the series to r⁷ / 7! is off by 6e-9.
    let mut series = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + coefficient;
    }
    let two_to_n = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    if x < -87.0 { 0.0 } else { series * two_to_n }
}

/// tanh, from [`exp`]: within 3e-7.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
            let error = (f64::from(found) - expected).abs();
            assert!(error <= tolerance * expected.abs().max(1.0), "{i}: {found} for {expected}");
        }
    }

    fn wave(len: usize, height: f32) -> Vec<f32> {
        (0..len).map(|i| ((i * 29 + 7) as f32 * 0.37).sin() * height).collect()
    }

    #[test]
    fn exp_is_right_over_its_whole_range() {
        for i in -8700..=8800 {
            let x = i as f32 * 0.01;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 2e-7, "exp({x}) = {}, off by {error}", exp(x));
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-100.0), 0.0);
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(f32::INFINITY) > 1e38);
    }

    #[test]
    fn tanh_is_right_and_saturates() {
        for i in -1000..=1000 {
            let x = i as f32 * 0.01;
            assert!((f64::from(tanh(x)) - f64::from(x).tanh()).abs() < 3e-7, "tanh({x})");
        }
        assert_eq!((tanh(60.0), tanh(-60.0)), (1.0, -1.0));
    }

    #[test]
    fn rms_norm_divides_each_row_by_its_own_root_mean_square() {
        for (rows, cols) in [(1, 3), (3, 37), (130, 576)] {
            let (x, weight) = (wave(rows * cols, 3.0), wave(cols, 1.5));
            let expected: Vec<f64> = (0..rows * cols)
                .map(|i| {
                    let row = &x[i / cols * cols..][..cols];
                    let square: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
                    let scale = (square / cols as f64 + 1e-5).sqrt();
                    f64::from(x[i]) / scale * f64::from(weight[i % cols])
                })
                .collect();
            for level in Level::all() {
                let mut out = vec![0.0; x.len()];
                rms_norm_at(level, &x, &weight, 1e-5, &mut out);
                assert_close(&out, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn layer_norm_gives_each_row_mean_0_and_deviation_1() {
        for (rows, cols) in [(1, 3), (3, 37), (130, 576)] {
            let x: Vec<f32> = wave(rows * cols, 3.0).iter().map(|x| x + 2.0).collect();
            let (weight, bias) = (wave(cols, 1.5), wave(cols, 0.5));
            let mut expected = Vec::new();
            for row in x.chunks_exact(cols) {
                let count = cols as f64;
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
                let square = |x: &f32| (f64::from(*x) - mean).powi(2);
                let deviation = (row.iter().map(square).sum::<f64>() / count + 1e-5).sqrt();
                for ((x, weight), bias) in row.iter().zip(&weight).zip(&bias) {
                    let value = (f64::from(*x) - mean) / deviation;
                    expected.push(value * f64::from(*weight) + f64::from(*bias));
                }
            }
            for level in Level::all() {
                let mut out = vec![0.0; x.len()];
                layer_norm_at(level, &x, (&weight, &bias), 1e-5, &mut out);
                assert_close(&out, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn silu_mul_gates_the_second_argument() {
        for len in [1, 40, 100_000] {
            let (gate, up) = (wave(len, 30.0), wave(len, 2.0));
            let expected: Vec<f64> = gate
                .iter()
                .zip(&up)
                .map(|(&g, &u)| f64::from(g) / (1.0 + f64::from(-g).exp()) * f64::from(u))
                .collect();
            for level in Level::all() {
                let mut out = gate.clone();
                silu_mul_at(level, &mut out, &up);
                assert_close(&out, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn gelu_gates_the_second_argument() {
        for len in [1, 40, 100_000] {
            let (gate, up) = (wave(len, 12.0), wave(len, 2.0));
            let expected: Vec<f64> = gate
                .iter()
                .zip(&up)
                .map(|(&g, &u)| {
                    let (g, u) = (f64::from(g), f64::from(u));
                    let inner = (2.0 / std::f64::consts::PI).sqrt() * (g + 0.044715 * g.powi(3));
                    0.5 * g * (1.0 + inner.tanh()) * u
                })
                .collect();
            for level in Level::all() {
                let mut out = gate.clone();
                gelu_tanh_mul_at(level, &mut out, &up);
                assert_close(&out, &expected, 2e-6);
            }
        }
    }

    #[test]
    fn gelu_is_that_of_the_error_function() {
        // x / 2 · (1 + erf(x / √2)) by libm in f64
        let xs = wave(4096, 8.0);
        for level in Level::all() {
            let mut found = xs.clone();
            gelu_at(level, &mut found);
            for (x, found) in xs.iter().zip(found) {
                let x = f64::from(*x);
                let right = 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2));
                assert!((f64::from(found) - right).abs() < 2e-7 * x.abs().max(1.5), "{x}");
            }
        }
    }

    #[test]
    fn softmax_rows_sum_to_one_and_masked_logits_are_zero() {
        for (rows, cols) in [(1, 5), (3, 70), (90, 1000)] {
            let mut x = wave(rows * cols, 20.0);
            x[2] = f32::NEG_INFINITY;
            let mut expected = Vec::with_capacity(rows * cols);
            for row in x.chunks_exact(cols) {
                let exps: Vec<f64> = row.iter().map(|&x| f64::from(x).exp()).collect();
                let sum: f64 = exps.iter().sum();
                expected.extend(exps.iter().map(|exp| exp / sum));
            }
            for level in Level::all() {
                let mut out = x.clone();
                softmax_at(level, &mut out, cols);
                assert_close(&out, &expected, 1e-6);
                assert_eq!(out[2], 0.0);
            }
        }
    }
}
