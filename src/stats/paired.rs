//! Shares and differences: Wilson's interval, the test of `McNemar`, the paired bootstrap.

use super::moments::{mean, quantile_of_sorted, sorted, sum};
use super::special;
use super::undefined::{Number, OrBecause as _, Undefined};

/// A share of `count` with Wilson's score interval (1927).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

/// Centre (p + z²/2n) / (1 + z²/n), half-width z √(p(1-p)/n + z²/4n²) / (1 + z²/n), cut to 0 and 1.
/// `level` in (0, 1): 0.95 for 95 %.
///
/// Undefined for a count of 0.
pub fn wilson(successes: f64, count: f64, level: f64) -> Result<Share, Undefined> {
    if count == 0.0 {
        return Err("n is 0".into());
    }
    let z = special::normal_upper_quantile((1.0 - level) / 2.0);
    let p = successes / count;
    let shrunk = z * z / count;
    let middle = (p + shrunk / 2.0) / (1.0 + shrunk);
    let reach = z * (p * (1.0 - p) / count + shrunk / (4.0 * count)).sqrt() / (1.0 + shrunk);
    // At an end, the exact value and not its rounding.
    let low = if successes == 0.0 { 0.0 } else { (middle - reach).max(0.0) };
    let high = if successes == count { 1.0 } else { (middle + reach).min(1.0) };
    Ok(Share { share: p, low, high })
}

/// Which of two models has which items right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discordance {
    pub both: u64,
    pub only_a: u64,
    pub only_b: u64,
    pub neither: u64,
}

impl Discordance {
    pub fn new(items: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for item in items {
            let count = match item {
                (true, true) => &mut counts.both,
                (true, false) => &mut counts.only_a,
                (false, true) => &mut counts.only_b,
                (false, false) => &mut counts.neither,
            };
            *count += 1;
        }
        counts
    }

    /// `McNemar`'s exact test (1947): min(1, 2 P(Bin(b + c, 1/2) <= min(b, c))) with b, c the items
    /// that only one model has right; 1 where there are none.
    pub fn exact_p(self) -> f64 {
        let (fewer, all) = (self.only_a.min(self.only_b), self.only_a + self.only_b);
        if all == 0 { 1.0 } else { (2.0 * special::binomial_at_most(fewer, all, 0.5)).min(1.0) }
    }
}

/// A difference with its bootstrap interval.
#[derive(Clone, Debug)]
pub struct Difference {
    pub difference: Number,
    pub low: Number,
    pub high: Number,
    pub share_above_zero: Number,
}

/// The mean of b - a, with the percentile interval over the given resamples: lists of positions,
/// drawn for both models together (Efron and Tibshirani 1993). `None`: an item left out.
pub fn paired_bootstrap(
    differences: &[Option<f64>],
    resamples: &[Vec<usize>],
    level: f64,
) -> Difference {
    let known: Vec<f64> = differences.iter().flatten().copied().collect();
    let resampled: Vec<f64> = resamples
        .iter()
        .filter_map(|resample| {
            let drawn: Vec<f64> =
                resample.iter().filter_map(|position| differences[*position]).collect();
            (!drawn.is_empty()).then(|| sum(drawn.iter().copied()) / drawn.len() as f64)
        })
        .collect();
    let count = resampled.len() as f64;
    let above = resampled.iter().filter(|difference| **difference > 1e-12).count() as f64;
    let resampled = sorted(resampled);
    let none = |number: Number| number.or_because("no items or no resamples");
    Difference {
        difference: none(mean(&known)),
        low: none(quantile_of_sorted(&resampled, (1.0 - level) / 2.0)),
        high: none(quantile_of_sorted(&resampled, f64::midpoint(1.0, level))),
        share_above_zero: super::undefined::ratio(above, count, "no items or no resamples"),
    }
}
