//! Intraclass correlations of numeric ratings (Shrout and Fleiss 1979).

use crate::stats::moments::{all_equal, sum};
use crate::stats::undefined::Number;

/// Below this share of all variance, a difference of sums of squares is rounding.
const ROUNDING: f64 = 1e-13;

/// The six correlations: of one rating, and of the mean of k ratings.
#[derive(Clone, Debug)]
pub struct Intraclass {
    /// Each target by other coders.
    pub icc1: Number,

    /// The same coders, a sample of many.
    pub icc2: Number,

    /// The same coders, no others meant.
    pub icc3: Number,
    pub icc1k: Number,
    pub icc2k: Number,
    pub icc3k: Number,
}

/// From the mean squares between targets, within targets, between coders, and what is left.
/// `ratings`: targets × coders, without gaps.
///
/// Undefined for fewer than two targets or coders, and where the denominator is 0.
pub fn intraclass(ratings: &[Vec<f64>]) -> Intraclass {
    let targets = ratings.len();
    let coders = ratings.first().map_or(0, Vec::len);
    let too_few = if targets < 2 {
        Some("fewer than two targets without a gap")
    } else if coders < 2 {
        Some("fewer than two coders")
    } else {
        None
    };
    if let Some(reason) = too_few {
        let none = || Err(reason.into());
        let (icc1, icc2, icc3) = (none(), none(), none());
        return Intraclass { icc1, icc2, icc3, icc1k: none(), icc2k: none(), icc3k: none() };
    }
    let (n, k) = (targets as f64, coders as f64);
    // From the first value on, so that values that are all alike leave exactly 0.
    let origin = ratings[0][0];
    let shifted: Vec<Vec<f64>> =
        ratings.iter().map(|row| row.iter().map(|value| value - origin).collect()).collect();
    let average = |values: Vec<f64>| {
        if all_equal(&values) {
            values[0]
        } else {
            sum(values.iter().copied()) / values.len() as f64
        }
    };
    let target_means: Vec<f64> = shifted.iter().map(|row| average(row.clone())).collect();
    let coder_means: Vec<f64> =
        (0..coders).map(|coder| average(shifted.iter().map(|row| row[coder]).collect())).collect();
    let all = average(target_means.clone());
    let square = |value: f64| value * value;
    let between = k * sum(target_means.iter().map(|mean| square(mean - all))) / (n - 1.0);
    let judges = n * sum(coder_means.iter().map(|mean| square(mean - all))) / (k - 1.0);
    let within = sum((0..targets).flat_map(|i| {
        let mean = target_means[i];
        shifted[i].iter().map(move |value| square(value - mean))
    })) / (n * (k - 1.0));
    let error = sum((0..targets).flat_map(|i| {
        let (shifted, coder_means, mean) = (&shifted, &coder_means, target_means[i]);
        (0..coders).map(move |j| square(shifted[i][j] - mean - coder_means[j] + all))
    })) / ((n - 1.0) * (k - 1.0));
    let scale = between + within + judges + error;
    let divide = |numerator: f64, denominator: f64| -> Number {
        if denominator.abs() <= ROUNDING * scale {
            let reason =
                "the denominator is 0 (no variance between the targets' means, or none at all)";
            return Err(reason.into());
        }
        Ok(numerator / denominator)
    };
    let coder_share = (judges - error) / n;
    Intraclass {
        icc1: divide(between - within, between + (k - 1.0) * within),
        icc2: divide(between - error, between + (k - 1.0) * error + k * coder_share),
        icc3: divide(between - error, between + (k - 1.0) * error),
        icc1k: divide(between - within, between),
        icc2k: divide(between - error, between + coder_share),
        icc3k: divide(between - error, between),
    }
}
