//! Seeded resampling: bootstrap intervals of any statistic of items, and how it settles as items
//! are added. The same seed gives the same numbers on every machine.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;

use super::moments::{mean, quantile_of_sorted, sorted};
use super::undefined::Number;

/// How many resamples methods sections report.
pub const RESAMPLES: usize = 1000;

/// How often, how sure, and from which seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    pub resamples: usize,

    /// 0.95 for a 95 % interval.
    pub level: f64,
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: RESAMPLES, level: 0.95, seed: 0 }
    }
}

/// A statistic with its percentile interval.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Of all items.
    pub value: Number,
    pub low: Number,
    pub high: Number,

    /// Resamples in which the statistic does not exist (as alpha, where one label only was drawn):
    /// the interval is over the others.
    pub undefined: usize,
}

impl Bootstrap {
    /// The percentile interval (Efron and Tibshirani 1993) over draws of `count` items with
    /// replacement. `statistic`: of items by position, a position as often as it was drawn.
    pub fn interval(&self, count: usize, statistic: impl Fn(&[usize]) -> Number) -> Interval {
        let mut lists = self.intervals(count, |drawn| vec![statistic(drawn)]);
        lists.pop().unwrap_or_else(|| Interval {
            value: Err("no items".into()),
            low: Err("no items".into()),
            high: Err("no items".into()),
            undefined: 0,
        })
    }

    /// The same of several statistics of the same draws.
    pub fn intervals(
        &self,
        count: usize,
        statistics: impl Fn(&[usize]) -> Vec<Number>,
    ) -> Vec<Interval> {
        let values = statistics(&(0..count).collect::<Vec<usize>>());
        let mut generator = ChaCha20Rng::seed_from_u64(self.seed);
        let mut drawn = vec![Vec::new(); values.len()];
        let mut undefined = vec![0; values.len()];
        if count > 0 {
            for _ in 0..self.resamples {
                let items: Vec<usize> =
                    (0..count).map(|_| generator.random_range(0..count)).collect();
                for (number, value) in statistics(&items).into_iter().enumerate() {
                    match value {
                        Ok(value) => drawn[number].push(value),
                        Err(_) => undefined[number] += 1,
                    }
                }
            }
        }
        let ends = values.into_iter().zip(drawn).zip(undefined);
        ends.map(|((value, drawn), undefined)| {
            let drawn = sorted(drawn);
            let end = |q: f64| value.clone().and_then(|_| quantile_of_sorted(&drawn, q));
            let (low, high) = (end((1.0 - self.level) / 2.0), end(f64::midpoint(1.0, self.level)));
            Interval { value, low, high, undefined }
        })
        .collect()
    }
}

/// A statistic of so many items.
#[derive(Clone, Debug)]
pub struct CurvePoint {
    pub items: usize,

    /// Over the orders in which the statistic exists.
    pub mean: Number,

    /// The middle 95 % of the orders.
    pub low: Number,
    pub high: Number,
}

/// How a statistic settles as items are added: for each size the statistic of the first so many
/// items, over random orders of all `count`. Sizes beyond `count` are left out.
pub fn learning_curve(
    count: usize,
    sizes: &[usize],
    (orders, seed): (usize, u64),
    statistic: impl Fn(&[usize]) -> Number,
) -> Vec<CurvePoint> {
    let mut generator = ChaCha20Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..count).collect();
    let sizes: Vec<usize> = sizes.iter().copied().filter(|size| *size <= count).collect();
    let mut values = vec![Vec::new(); sizes.len()];
    for _ in 0..orders {
        order.shuffle(&mut generator);
        for (size, values) in sizes.iter().zip(&mut values) {
            values.extend(statistic(&order[..*size]).ok());
        }
    }
    sizes
        .into_iter()
        .zip(values)
        .map(|(items, values)| {
            let mean = mean(&values);
            let values = sorted(values);
            let end = |q: f64| quantile_of_sorted(&values, q);
            CurvePoint { items, mean, low: end(0.025), high: end(0.975) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(values: &[f64]) -> impl Fn(&[usize]) -> Number + '_ {
        |drawn| mean(&drawn.iter().map(|item| values[*item]).collect::<Vec<f64>>())
    }

    #[test]
    fn an_interval_is_as_wide_as_the_standard_error_says_and_comes_out_the_same_again() {
        let values: Vec<f64> = (0..100).map(|item| f64::from(item % 10)).collect();
        let settings = Bootstrap { resamples: 4000, ..Default::default() };
        let found = settings.interval(values.len(), mean_of(&values));
        // The standard error with n is 2.872 / 10; 4,000 resamples move an end by about 0.01.
        let (low, high) = (found.low.clone().unwrap(), found.high.clone().unwrap());
        assert!((low - (4.5 - 1.96 * 0.2872)).abs() < 0.04, "{low}");
        assert!((high - (4.5 + 1.96 * 0.2872)).abs() < 0.04, "{high}");
        assert_eq!(settings.interval(values.len(), mean_of(&values)).low, Ok(low));
        let other = Bootstrap { seed: 1, ..settings };
        assert_ne!(other.interval(values.len(), mean_of(&values)).low, Ok(low));
    }

    #[test]
    fn no_items_have_no_interval_and_no_panic() {
        let found = Bootstrap::default().interval(0, mean_of(&[]));
        assert!(found.value.is_err() && found.low.is_err() && found.high.is_err());
    }

    #[test]
    fn a_curve_narrows_to_the_value_of_all_items() {
        let values: Vec<f64> = (0..200).map(|item| f64::from(item % 2)).collect();
        let curve = learning_curve(200, &[10, 50, 200, 500], (300, 0), mean_of(&values));
        assert_eq!(curve.iter().map(|point| point.items).collect::<Vec<_>>(), [10, 50, 200]);
        let width = |point: &CurvePoint| point.high.clone().unwrap() - point.low.clone().unwrap();
        assert!(width(&curve[0]) > width(&curve[1]) && width(&curve[1]) > width(&curve[2]));
        assert_eq!((&curve[2].mean, width(&curve[2])), (&Ok(0.5), 0.0));
    }
}
