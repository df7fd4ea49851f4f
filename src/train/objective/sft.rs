//! Supervised fine-tuning: the mean surprise of the completion's tokens.
//!
//! The mean is over all tokens of an optimizer step, not over its rows or micro-batches: that is
//! what transformers' `num_items_in_batch` does, and it makes accumulation equal to a large batch.

use super::loss::{Loss, ScoredRow, StepRows};
use super::sums::{self, BatchSums};
use crate::train::config::metric::Values;

pub(crate) struct Completions {
    tokens_in_step: usize,
}

impl Completions {
    pub fn new(rows: StepRows) -> Self {
        Self { tokens_in_step: rows.tokens.max(1) }
    }
}

impl Loss for Completions {
    fn add(&self, sums: &mut BatchSums, rows: &[ScoredRow<'_>]) -> Vec<f64> {
        for row in rows {
            for stats in &row.stats {
                sums.chosen.add(stats);
            }
        }
        let sequences = rows.iter().map(|row| row.stats.len()).sum();
        vec![-1.0 / self.tokens_in_step as f64; sequences]
    }

    fn value(&self, sums: &[BatchSums]) -> f64 {
        sums.iter().map(|sum| -sum.chosen.logp / self.tokens_in_step as f64).sum()
    }

    fn metrics(&self, sums: &[BatchSums]) -> Values {
        sums::of_answers(sums)
    }
}
