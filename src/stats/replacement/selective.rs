//! Which of a model's labels may be accepted without a human look (after Geifman and El-Yaniv 2017;
//! fixed sequence testing).

use crate::stats::special::{beta_quantile, binomial_at_most};

/// A label that a person has checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Checked {
    pub confidence: f64,
    pub wrong: bool,
}

/// Accepting everything from `threshold` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Test {
    pub threshold: f64,

    /// Checked labels at or above it, and the wrong ones among them.
    pub items: u64,
    pub errors: u64,

    /// P(Bin(n, ε) <= errors): of the test that the error rate is ε or more.
    pub p: f64,

    /// The upper end of the exact one-sided interval of the error rate (Clopper and Pearson 1934).
    pub upper: f64,
}

/// Tests the thresholds in the order given, and goes on while p <= `delta`: the last one that
/// passes holds with confidence 1 - δ. The list ends with the first that fails.
pub fn sequential_tests(
    labels: &[Checked],
    thresholds: &[f64],
    epsilon: f64,
    delta: f64,
) -> Vec<Test> {
    let mut tests = Vec::new();
    for threshold in thresholds {
        let accepted = || labels.iter().filter(|label| label.confidence >= *threshold);
        let items = accepted().count() as u64;
        let errors = accepted().filter(|label| label.wrong).count() as u64;
        let p = if items == 0 { 1.0 } else { binomial_at_most(errors, items, epsilon) };
        let upper = upper_error_rate(errors, items, delta);
        tests.push(Test { threshold: *threshold, items, errors, p, upper });
        if p > delta {
            break;
        }
    }
    tests
}

/// The threshold of the last test that passes.
pub fn certified(tests: &[Test], delta: f64) -> Option<f64> {
    tests.iter().take_while(|test| test.p <= delta).last().map(|test| test.threshold)
}

/// The error rate that is not exceeded with confidence 1 - δ: Beta⁻¹(1 - δ; k + 1, n - k).
pub fn upper_error_rate(errors: u64, items: u64, delta: f64) -> f64 {
    if errors >= items {
        return 1.0;
    }
    beta_quantile(1.0 - delta, errors as f64 + 1.0, (items - errors) as f64)
}

/// The fewest checked labels, of which `errors` are wrong, for which P(Bin(n, ε) <= errors) <= δ:
/// 59 for no error, ε = δ = 0.05. `None` where no number is enough.
pub fn smallest_sample(errors: u64, epsilon: f64, delta: f64) -> Option<u64> {
    let enough = |items: u64| {
        let p = if errors == 0 {
            (1.0 - epsilon).powf(items as f64)
        } else {
            binomial_at_most(errors, items, epsilon)
        };
        p <= delta
    };
    if delta <= 0.0 && epsilon < 1.0 || epsilon <= 0.0 && delta < 1.0 {
        return None;
    }
    let mut high = 1_u64;
    while !enough(high) {
        high = high.checked_mul(2).filter(|high| *high < 1 << 52)?;
    }
    let mut low = 0;
    if enough(0) {
        return Some(0);
    }
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}
