//! Questions with options: accuracy and mean average precision at 3, as Kaggle's LLM Science Exam.

use crate::stats::moments::by_size;
use crate::stats::undefined::{Number, ratio};

/// How many guesses count.
pub const GUESSES: usize = 3;

/// 1 / rank of the answer among the first three guesses, else 0.
pub fn score<T: PartialEq>(answer: &T, guesses: &[T]) -> f64 {
    let rank = guesses.iter().take(GUESSES).position(|guess| guess == answer);
    rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64)
}

/// The options from the likeliest down; ties in the order of the options.
pub fn ranked(probabilities: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| by_size(&probabilities[*b], &probabilities[*a]));
    order
}

/// The mean of the scores.
pub fn map_at_3(scores: &[f64]) -> Number {
    ratio(scores.iter().sum(), scores.len() as f64, "no items")
}

/// The share of items whose first guess is the answer.
pub fn accuracy(scores: &[f64]) -> Number {
    let right = scores.iter().filter(|score| **score == 1.0).count();
    ratio(right as f64, scores.len() as f64, "no items")
}
