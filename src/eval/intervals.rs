//! How sure a number is that comes from a handful of pairs: 95 % confidence intervals.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

use crate::stats::paired::wilson;

/// Resamples of a bootstrap; the ends of a 95 % interval then vary by about a hundredth.
const RESAMPLES: usize = 2000;

/// A number, and where it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// A share of `count`, with Wilson's score interval (Wilson 1927): it stays within 0 and 1, and is
/// not empty where all or none succeeded.
pub fn share(successes: usize, count: usize) -> Interval {
    match wilson(successes as f64, count as f64, 0.95) {
        Ok(found) => Interval { value: found.share, low: found.low, high: found.high },
        Err(_) => Interval::default(),
    }
}

/// Σ numerators / Σ denominators, with a percentile bootstrap over the items (Efron and Tibshirani
/// 1993). Always the same draws, so that a number does not change when it is looked at again.
pub fn ratio(items: &[(f64, f64)]) -> Interval {
    let of = |sums: (f64, f64)| if sums.1 == 0.0 { 0.0 } else { sums.0 / sums.1 };
    let add = |one: (f64, f64), other: &(f64, f64)| (one.0 + other.0, one.1 + other.1);
    let value = of(items.iter().fold((0.0, 0.0), add));
    if items.len() < 2 {
        return Interval { value, low: value, high: value };
    }
    let mut generator = ChaCha20Rng::seed_from_u64(0);
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..items.len()).map(|_| &items[generator.random_range(0..items.len())]);
            of(drawn.fold((0.0, 0.0), add))
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((RESAMPLES - 1) as f64 * share).round() as usize];
    Interval { value, low: at(0.025), high: at(0.975) }
}

/// The mean of `values`, as [`ratio`].
pub fn mean(values: impl IntoIterator<Item = f64>) -> Interval {
    let items: Vec<(f64, f64)> = values.into_iter().map(|value| (value, 1.0)).collect();
    ratio(&items)
}

impl Interval {
    /// The same on another scale; `scale` must rise.
    #[must_use]
    pub fn map(self, scale: impl Fn(f64) -> f64) -> Self {
        Self { value: scale(self.value), low: scale(self.low), high: scale(self.high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::special::Z95;

    #[test]
    fn wilsons_interval_is_that_of_the_tables() {
        // 8 of 10: 0.4902 to 0.9433; 12 of 12: 0.7575 to 1
        let found = share(8, 10);
        assert!((found.low - 0.4902).abs() < 1e-4 && (found.high - 0.9433).abs() < 1e-4);
        let all = share(12, 12);
        assert!((all.low - 0.7575).abs() < 1e-4 && (all.high - 1.0).abs() < 1e-12);
        assert_eq!(share(0, 0), Interval::default());
    }

    #[test]
    fn a_bootstrap_surrounds_the_mean_and_comes_out_the_same_again() {
        let values = || (0..40).map(|value| f64::from(value % 8));
        let found = mean(values());
        assert_eq!(found, mean(values()));
        assert_eq!(found.value, 3.5);
        // The standard error is 2.29 / √40 = 0.36.
        assert!((found.low - (3.5 - Z95 * 0.362)).abs() < 0.12, "{found:?}");
        assert!((found.high - (3.5 + Z95 * 0.362)).abs() < 0.12, "{found:?}");
        assert_eq!(mean([2.0]), Interval { value: 2.0, low: 2.0, high: 2.0 });
    }

    #[test]
    fn a_ratio_weighs_long_items_more() {
        assert_eq!(ratio(&[(1.0, 1.0), (0.0, 3.0)]).value, 0.25);
    }
}
