//! Supervised fine-tuning: the mean surprise of the completion's tokens.
//!
//! The mean is over all tokens of an optimizer step, not over its rows or micro-batches: that is
//! what transformers' `num_items_in_batch` does, and it makes accumulation equal to a large batch.

use crate::llm::config::Naming;
use crate::train::rows::batch::Example;

/// By how many tokens the loss of a step's rows is divided: transformers' `num_items_in_batch`.
///
/// The first token of a text, which nothing predicts, counts for GPT-2 alone,
/// whose class name does not tell transformers that its labels are shifted.
pub fn tokens_in_step<'a>(rows: impl Iterator<Item = &'a Example>, naming: Naming) -> usize {
    rows.map(|Example { chosen, .. }| match naming {
        Naming::Gpt2 => chosen.completion_tokens(),
        _ => chosen.targets().len(),
    })
    .sum()
}

/// What a completion with this log-probability adds to the loss of its step.
pub fn share_of_loss(logp: f64, tokens_in_step: usize) -> f64 {
    -logp / tokens_in_step.max(1) as f64
}

/// The slope of [`share_of_loss`] by the log-probability.
pub fn slope(tokens_in_step: usize) -> f64 {
    -1.0 / tokens_in_step.max(1) as f64
}
