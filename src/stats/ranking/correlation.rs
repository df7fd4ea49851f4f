//! Correlations of two variables: Pearson, Spearman, Kendall.

use crate::stats::moments::{all_equal, by_size, pearson};
use crate::stats::undefined::Number;

/// Ranks from 1; ties share the average of theirs.
pub fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| by_size(&values[*a], &values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + f64::midpoint(group.len() as f64, 1.0);
        group.iter().for_each(|item| ranks[*item] = rank);
        before += group.len();
    }
    ranks
}

/// Pearson's correlation of the average ranks (Spearman 1904).
pub fn spearman(x: &[f64], y: &[f64]) -> Number {
    pearson(&average_ranks(x), &average_ranks(y))
}

/// Kendall's tau-b (1945), (C - D) / √((n0 - tx)(n0 - ty)), by Knight's sort (1966) in n log n.
///
/// Undefined for fewer than two pairs and for a variable that is constant.
pub fn kendall_tau_b(x: &[f64], y: &[f64]) -> Number {
    if x.len() < 2 {
        return Err("fewer than two pairs".into());
    }
    if all_equal(x) || all_equal(y) {
        return Err("a variable is constant".into());
    }
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|a, b| by_size(&x[*a], &x[*b]).then(by_size(&y[*a], &y[*b])));
    let pairs = |count: usize| (count as i128 * (count as i128 - 1)) / 2;
    let tied_x: i128 = order.chunk_by(|a, b| x[*a] == x[*b]).map(|group| pairs(group.len())).sum();
    let tied_both: i128 = order
        .chunk_by(|a, b| x[*a] == x[*b] && y[*a] == y[*b])
        .map(|group| pairs(group.len()))
        .sum();
    let mut by_y: Vec<f64> = order.iter().map(|item| y[*item]).collect();
    let discordant = count_swaps(&mut by_y);
    let tied_y: i128 = by_y.chunk_by(|a, b| a == b).map(|group| pairs(group.len())).sum();
    let all = pairs(x.len());
    let concordant = all - tied_x - tied_y + tied_both - discordant;
    let root = ((all - tied_x) as f64).sqrt() * ((all - tied_y) as f64).sqrt();
    Ok(((concordant - discordant) as f64 / root).clamp(-1.0, 1.0))
}

/// Sorts, and counts the pairs that stood in falling order.
fn count_swaps(values: &mut Vec<f64>) -> i128 {
    let mut swaps = 0;
    let mut width = 1;
    while width < values.len() {
        let mut merged = Vec::with_capacity(values.len());
        for block in values.chunks(2 * width) {
            let (left, right) = block.split_at(width.min(block.len()));
            let (mut i, mut j) = (0, 0);
            while i < left.len() || j < right.len() {
                if j == right.len() || (i < left.len() && left[i] <= right[j]) {
                    merged.push(left[i]);
                    i += 1;
                } else {
                    merged.push(right[j]);
                    j += 1;
                    swaps += (left.len() - i) as i128;
                }
            }
        }
        *values = merged;
        width *= 2;
    }
    swaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_minus_zero_are_a_tie() {
        // scipy.stats.kendalltau([0.0, -0.0, 1, 2], [2, 1, 3, 1]): 0.0
        assert_eq!(kendall_tau_b(&[0.0, -0.0, 1.0, 2.0], &[2.0, 1.0, 3.0, 1.0]), Ok(0.0));
        assert_eq!(average_ranks(&[0.0, -0.0, 1.0]), [1.5, 1.5, 3.0]);
    }
}
