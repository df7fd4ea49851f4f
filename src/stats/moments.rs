//! Sums, means, variances and quantiles that keep their digits.

use std::cmp::Ordering;

use super::undefined::{Number, Undefined};

/// The sum with Neumaier's compensation (1974): the rounding error does not grow with the count.
pub fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
}

pub fn all_equal(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// The arithmetic mean; exactly the value where all are equal.
pub fn mean(values: &[f64]) -> Number {
    match values {
        [] => Err("no values".into()),
        [first, ..] if all_equal(values) => Ok(*first),
        _ => Ok(sum(values.iter().copied()) / values.len() as f64),
    }
}

/// Σ (x - mean)²; exactly 0 where all are equal, and for no values.
pub fn squares_around_mean(values: &[f64]) -> f64 {
    if all_equal(values) {
        return 0.0;
    }
    let mean = sum(values.iter().copied()) / values.len() as f64;
    sum(values.iter().map(|value| (value - mean) * (value - mean)))
}

/// The variance with n - 1.
pub fn variance(values: &[f64]) -> Number {
    if values.len() < 2 {
        return Err("fewer than two values".into());
    }
    Ok(squares_around_mean(values) / (values.len() - 1) as f64)
}

/// The covariance with n - 1 of two lists of one length.
pub fn covariance(x: &[f64], y: &[f64]) -> Number {
    if x.len() < 2 {
        return Err("fewer than two values".into());
    }
    let (mean_x, mean_y) = (mean(x)?, mean(y)?);
    let products = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y));
    Ok(sum(products) / (x.len() - 1) as f64)
}

/// The order of numbers, 0 and -0 being the same: sorting keeps the order of equal ones.
pub fn by_size(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| a.total_cmp(b))
}

/// Values in rising order, for [`quantile_of_sorted`].
pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(by_size);
    values
}

/// The quantile by linear interpolation at position (n - 1) q, as numpy's default.
pub fn quantile_of_sorted(sorted: &[f64], q: f64) -> Number {
    let Some(last) = sorted.len().checked_sub(1) else { return Err("no values".into()) };
    let position = last as f64 * q.clamp(0.0, 1.0);
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let share = position - below as f64;
    Ok((sorted[above] - sorted[below]).mul_add(share, sorted[below]))
}

/// Pearson's correlation; values so large or small that their squares leave the range of `f64` are
/// allowed.
///
/// Pearson 1895. Undefined for fewer than two pairs and for a variable that is constant.
pub fn pearson(x: &[f64], y: &[f64]) -> Number {
    if x.len() < 2 {
        return Err("fewer than two pairs".into());
    }
    if all_equal(x) || all_equal(y) {
        return Err("a variable is constant".into());
    }
    let (x, y) = (centred(x), centred(y));
    let products = sum(x.iter().zip(&y).map(|(x, y)| x * y));
    let norm = |values: &[f64]| sum(values.iter().map(|value| value * value)).sqrt();
    let (norm_x, norm_y) = (norm(&x), norm(&y));
    if norm_x == 0.0 || norm_y == 0.0 {
        return Err("a variable is constant".into());
    }
    Ok((products / norm_x / norm_y).clamp(-1.0, 1.0))
}

/// Values minus their mean, divided by the largest of them.
fn centred(values: &[f64]) -> Vec<f64> {
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let scale = largest(values);
    let scaled: Vec<f64> = values.iter().map(|value| value / scale).collect();
    let mean = sum(scaled.iter().copied()) / values.len() as f64;
    let centred: Vec<f64> = scaled.iter().map(|value| value - mean).collect();
    let scale = largest(&centred);
    if scale == 0.0 { centred } else { centred.iter().map(|value| value / scale).collect() }
}

/// A number with its standard error and 95 % interval.
#[derive(Clone, Debug)]
pub struct Estimate {
    pub estimate: Number,

    /// The standard error.
    pub se: Number,
}

impl Estimate {
    pub fn undefined(reason: &Undefined) -> Self {
        Self { estimate: Err(reason.clone()), se: Err(reason.clone()) }
    }

    /// The ends of the normal 95 % interval.
    pub fn ends(&self) -> (Number, Number) {
        let reach = self.se.clone().map(|se| super::special::Z95 * se);
        let end = |sign: f64| match (&self.estimate, &reach) {
            (Ok(estimate), Ok(reach)) => Ok(estimate + sign * reach),
            (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
        };
        (end(-1.0), end(1.0))
    }
}
