//! What the rows of a micro-batch add up to, and TRL's means of that.

use super::logprobs::CompletionStats;
use crate::llm::config::Naming;
use crate::train::config::metric::{Metric, Values};
use crate::train::rows::batch::Example;

/// What a micro-batch adds up to. An objective leaves what it has no use for at zero.
#[derive(Default)]
pub(crate) struct BatchSums {
    pub rows: usize,

    /// Learned tokens of its chosen answers, as a mean over its rows.
    pub tokens_a_row: f64,

    /// Over all rows; not that of SFT, whose mean goes over a whole step.
    pub loss: f64,
    pub chosen: CompletionStats,
    pub rejected: CompletionStats,
    pub rewards_chosen: f64,
    pub rewards_rejected: f64,
    pub wins: usize,

    /// Of all its sequences.
    pub tokens: u64,
}

impl BatchSums {
    /// Of a batch of which nothing has been run yet.
    pub fn of(examples: &[Example], batch: &[usize]) -> Self {
        let tokens = batch.iter().map(|index| examples[*index].chosen.targets().len());
        let tokens_a_row = tokens.sum::<usize>() as f64 / batch.len().max(1) as f64;
        Self { rows: batch.len(), tokens_a_row, ..Self::default() }
    }
}

/// By how many tokens the loss of a step's rows is divided: transformers' `num_items_in_batch`.
///
/// The first token of a text, which nothing predicts, counts for GPT-2 alone,
/// whose class name does not tell transformers that its labels are shifted.
pub(crate) fn tokens_in_step<'a>(rows: impl Iterator<Item = &'a Example>, naming: Naming) -> usize {
    rows.map(|Example { chosen, .. }| match naming {
        Naming::Gpt2 => chosen.completion_tokens(),
        _ => chosen.targets().len(),
    })
    .sum()
}

/// What TRL averages over micro-batches, however many tokens or rows each has.
pub(crate) fn mean(sums: &[BatchSums], of: &dyn Fn(&BatchSums) -> f64) -> f64 {
    sums.iter().map(of).sum::<f64>() / sums.len().max(1) as f64
}

pub(crate) fn per(value: f64, count: usize) -> f64 {
    value / count.max(1) as f64
}

/// What is reported of answers whatever is learned from them.
pub(crate) fn of_answers(sums: &[BatchSums]) -> Values {
    let entropy = mean(sums, &|sum| {
        per(sum.chosen.entropy + sum.rejected.entropy, sum.chosen.tokens + sum.rejected.tokens)
    });
    let accuracy = mean(sums, &|sum| per(sum.chosen.correct as f64, sum.chosen.tokens));
    Values::from([(Metric::Entropy, entropy), (Metric::MeanTokenAccuracy, accuracy)])
}
