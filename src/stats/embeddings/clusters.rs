//! How good a grouping is, against known groups and by itself.

use std::collections::BTreeMap;

use crate::stats::undefined::{Number, ratio_or_zero};

/// A grouping against known groups, from 0 to 1 (Rosenberg and Hirschberg 2007).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VMeasure {
    /// 1 - H(gold given predicted) / H(gold), 1 where H(gold) is 0.
    pub homogeneity: f64,

    /// The same the other way round.
    pub completeness: f64,

    /// Their harmonic mean.
    pub v_measure: f64,
}

/// Counts of pairs (gold, predicted), of gold, of predicted.
type Counts = [BTreeMap<(usize, usize), u64>; 3];

fn counts(gold: &[usize], predicted: &[usize]) -> Counts {
    let mut counts = Counts::default();
    for (gold, predicted) in gold.iter().zip(predicted) {
        for (map, key) in counts.iter_mut().zip([(*gold, *predicted), (*gold, 0), (*predicted, 0)])
        {
            *map.entry(key).or_default() += 1;
        }
    }
    counts
}

pub fn v_measure(gold: &[usize], predicted: &[usize]) -> VMeasure {
    let all = gold.len() as f64;
    let [pairs, of_gold, of_predicted] = counts(gold, predicted);
    let entropy = |map: &BTreeMap<(usize, usize), u64>| -> f64 {
        if map.len() < 2 {
            return 0.0;
        }
        map.values().map(|count| *count as f64 / all).map(|share| -share * share.ln()).sum()
    };
    // H(a | b), term by term, so that a certain one is exactly 0.
    let given = |whole: &dyn Fn(&(usize, usize)) -> u64| -> f64 {
        let terms = pairs.iter().map(|(pair, count)| {
            let (count, whole) = (*count as f64, whole(pair) as f64);
            -count / all * (count / whole).ln()
        });
        terms.sum()
    };
    let share = |conditional: f64, entropy: f64| {
        if entropy == 0.0 { 1.0 } else { (1.0 - conditional / entropy).max(0.0) }
    };
    let homogeneity = share(given(&|pair| of_predicted[&(pair.1, 0)]), entropy(&of_gold));
    let completeness = share(given(&|pair| of_gold[&(pair.0, 0)]), entropy(&of_predicted));
    let v_measure = ratio_or_zero(2.0 * homogeneity * completeness, homogeneity + completeness);
    VMeasure { homogeneity, completeness, v_measure }
}

/// Rand's index corrected for chance (Hubert and Arabie 1985); 1 where both groupings are trivial
/// in the same way.
pub fn adjusted_rand(gold: &[usize], predicted: &[usize]) -> f64 {
    let [pairs, of_gold, of_predicted] = counts(gold, predicted);
    let squares = |map: &BTreeMap<(usize, usize), u64>| -> i128 {
        map.values().map(|count| i128::from(*count) * i128::from(*count)).sum()
    };
    let all = gold.len() as i128;
    let (both, gold, predicted) = (squares(&pairs), squares(&of_gold), squares(&of_predicted));
    // Ordered pairs of points: together in both, in one only, in none.
    let together = both - all;
    let (only_gold, only_predicted) = (gold - both, predicted - both);
    let apart = all * all - gold - predicted + both;
    if only_gold == 0 && only_predicted == 0 {
        return 1.0;
    }
    let product = |a: i128, b: i128| a as f64 * b as f64;
    // Exact while it fits, which is for up to a hundred million points.
    let agreement = match (together.checked_mul(apart), only_gold.checked_mul(only_predicted)) {
        (Some(right), Some(wrong)) => (right - wrong) as f64,
        _ => product(together, apart) - product(only_gold, only_predicted),
    };
    let chance = product(together + only_gold, only_gold + apart)
        + product(together + only_predicted, only_predicted + apart);
    2.0 * agreement / chance
}

/// The mean silhouette (Rousseeuw 1987) by Euclidean distance; a point alone in its cluster counts
/// 0.
///
/// Undefined for one cluster, and where every point is alone.
pub fn silhouette(rows: &[Vec<f64>], labels: &[usize]) -> Number {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    labels.iter().for_each(|label| *sizes.entry(*label).or_default() += 1);
    if sizes.len() < 2 || sizes.len() >= rows.len() {
        return Err("needs at least two clusters and fewer clusters than points".into());
    }
    let distance =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
    let mut total = 0.0;
    for (row, label) in rows.iter().zip(labels).filter(|(_, label)| sizes[label] > 1) {
        let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
        for (other, label) in rows.iter().zip(labels) {
            *sums.entry(*label).or_default() += distance(row, other);
        }
        let within = sums[label] / (sizes[label] - 1) as f64;
        let nearest = sums
            .iter()
            .filter(|(other, _)| *other != label)
            .map(|(other, sum)| sum / sizes[other] as f64)
            .fold(f64::INFINITY, f64::min);
        total += ratio_or_zero(nearest - within, nearest.max(within));
    }
    Ok(total / rows.len() as f64)
}
