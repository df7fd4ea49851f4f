//! What a row of scores says of the next token: probabilities, entropy, the likeliest.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};
use tuning_fork_kernels as kernels;
use tuning_fork_kernels::ScoreSums;

use crate::llm::Tokenizer;

/// A token that could come next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub id: u32,

    /// As it is shown by itself.
    pub token: String,

    /// Natural log of its probability.
    pub logprob: f64,
    pub probability: f64,
}

impl Candidate {
    pub(super) fn new(tokenizer: &Tokenizer, id: u32, logprob: f64) -> Self {
        let token = tokenizer.token_text(id);
        Self { id, token, logprob, probability: logprob.exp() }
    }
}

/// A row of scores as a distribution over the whole vocabulary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    /// The log of the sum of exp(score).
    pub log_sum: f64,

    /// Of the distribution, in bits.
    pub entropy: f64,
}

impl Spread {
    /// `None`: there are scores that are no numbers. What was in `row` is used up.
    pub fn of(row: &mut [f32]) -> Option<Self> {
        // The sum passes over what minus infinity, of a token that is ruled out, times 0 is.
        let ruled_out = row.iter().filter(|score| **score == f32::NEG_INFINITY).count();
        if ruled_out > 0 && ruled_out < row.len() {
            let kept = row.iter().copied().filter(|score| *score != f32::NEG_INFINITY);
            return Self::of(&mut kept.collect::<Vec<f32>>());
        }
        let ScoreSums { highest, powers, weighted, .. } = kernels::score_sums(row);
        let log_sum = f64::from(highest) + powers.ln();
        let entropy = (powers.ln() - weighted / powers) / LN_2;
        // Rounding may lead below 0 where all is sure.
        (log_sum.is_finite() && entropy.is_finite())
            .then_some(Self { log_sum, entropy: entropy.max(0.0) })
    }

    pub fn logprob(&self, score: f32) -> f64 {
        f64::from(score) - self.log_sum
    }
}

/// The `count` highest scores with their ids, the highest first; equal ones by id.
pub(super) fn highest(row: &[f32], count: usize) -> Vec<(u32, f32)> {
    let count = count.min(row.len());
    if count == 0 {
        return Vec::new();
    }
    let before =
        |one: &(u32, f32), other: &(u32, f32)| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0));
    if count > 64 {
        let mut all: Vec<(u32, f32)> =
            row.iter().enumerate().map(|(id, score)| (id as u32, *score)).collect();
        if count < all.len() {
            all.select_nth_unstable_by(count - 1, before);
            all.truncate(count);
        }
        all.sort_unstable_by(before);
        return all;
    }
    // Most scores are below the lowest of those that are kept, and a whole stretch at once.
    const STRETCH: usize = 32;
    let mut kept: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    let mut lowest = f32::NEG_INFINITY;
    for (stretch, scores) in row.chunks(STRETCH).enumerate() {
        let is_full = kept.len() == count;
        // Without a way out in the middle they are compared several at a time.
        if is_full && scores.iter().map(|score| u32::from(*score > lowest)).sum::<u32>() == 0 {
            continue;
        }
        for (at, &score) in scores.iter().enumerate() {
            if kept.len() == count && score <= lowest {
                continue;
            }
            let place = kept.partition_point(|(_, other)| *other >= score);
            kept.insert(place, ((stretch * STRETCH + at) as u32, score));
            kept.truncate(count);
            lowest = kept[kept.len() - 1].1;
        }
    }
    kept
}

/// How many scores are higher than that of `id`, and one: 1 is the likeliest.
pub(super) fn rank(row: &[f32], id: u32) -> usize {
    let score = row[id as usize];
    1 + row.iter().filter(|other| **other > score).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_scores_come_first_and_equal_ones_by_id() {
        let row: Vec<f32> = (0..1000).map(|at| ((at * 37 + 11) % 500) as f32 / 7.0).collect();
        let mut expected: Vec<(u32, f32)> = (0..).zip(row.iter().copied()).collect();
        expected.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        for count in [0, 1, 2, 10, 64, 65, 1000, 2000] {
            assert_eq!(highest(&row, count), expected[..count.min(1000)]);
        }
        assert_eq!(rank(&row, expected[0].0), 1);
        assert_eq!(rank(&row, expected[4].0), 5);
    }

    #[test]
    fn a_distribution_has_its_entropy_in_bits() {
        let even = Spread::of(&mut [3.0; 8]).unwrap();
        assert!((even.entropy - 3.0).abs() < 1e-6);
        assert!((even.logprob(3.0) + 8f64.ln()).abs() < 1e-6);
        // A token that is ruled out has no part in it.
        let half = Spread::of(&mut [1.0, f32::NEG_INFINITY, 1.0]).unwrap();
        assert!((half.entropy - 1.0).abs() < 1e-6);
        let sure = Spread::of(&mut [0.0, 200.0, -5.0]).unwrap();
        assert_eq!(sure.entropy, 0.0);
        assert_eq!(Spread::of(&mut [0.0, f32::NAN]), None);
        assert_eq!(Spread::of(&mut [0.0, f32::INFINITY]), None);
        assert_eq!(Spread::of(&mut [f32::NEG_INFINITY; 3]), None);
    }
}
