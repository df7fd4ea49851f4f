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

    /// Rows with a chosen and with a rejected answer, where not all have both.
    pub chosen_rows: usize,
    pub rejected_rows: usize,

    /// What the losses without a reference take for the log-probability of an answer: sums, or means.
    pub logps_chosen: f64,
    pub logps_rejected: f64,

    /// ORPO's prompts, and learned tokens of prompts and chosen answers as a mean over its rows.
    pub prompts: CompletionStats,
    pub whole_tokens_a_row: f64,
    pub log_odds: f64,
    pub log_odds_ratio: f64,

    /// KTO's z.
    pub kl: f64,
    pub rewards_chosen: f64,
    pub rewards_rejected: f64,
    pub wins: usize,

    /// Of a reward model: the lowest and the highest score.
    pub lowest: Option<f64>,
    pub highest: Option<f64>,

    /// Of all its sequences.
    pub tokens: u64,
}

impl BatchSums {
    /// Of a batch of which nothing has been run yet.
    pub fn of(examples: &[Example], batch: &[usize]) -> Self {
        let tokens = batch.iter().map(|index| examples[*index].chosen.target_count());
        let rows = batch.len().max(1) as f64;
        let tokens_a_row = tokens.sum::<usize>() as f64 / rows;
        let whole = batch.iter().map(|index| examples[*index].chosen.ids.len().saturating_sub(1));
        let whole_tokens_a_row = whole.sum::<usize>() as f64 / rows;
        Self { rows: batch.len(), tokens_a_row, whole_tokens_a_row, ..Self::default() }
    }
}

/// By how many tokens the loss of a step's rows is divided: transformers' `num_items_in_batch`.
///
/// The first token of a text, which nothing predicts, counts for GPT-2 alone,
/// whose class name does not tell transformers that its labels are shifted.
pub(crate) fn tokens_in_step<'a>(rows: impl Iterator<Item = &'a Example>, naming: Naming) -> usize {
    rows.map(|example| match naming {
        Naming::Gpt2 => example.chosen.completion_tokens(),
        _ => example.learned_tokens(),
    })
    .sum()
}

/// What TRL averages over micro-batches, however many tokens or rows each has.
pub(crate) fn mean(sums: &[BatchSums], of: &dyn Fn(&BatchSums) -> f64) -> f64 {
    sums.iter().map(of).sum::<f64>() / sums.len().max(1) as f64
}

/// The same of micro-batches of which not all have it. `None`: none has.
pub(crate) fn mean_where(
    sums: &[BatchSums],
    has: &dyn Fn(&BatchSums) -> bool,
    of: &dyn Fn(&BatchSums) -> f64,
) -> Option<f64> {
    let found: Vec<f64> = sums.iter().filter(|sum| has(sum)).map(of).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
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

/// What is reported of pairs that are held to no reference.
pub(crate) fn without_reference(all: &[BatchSums]) -> Values {
    let mean = |of: &dyn Fn(&BatchSums) -> f64| mean(all, &|sum| per(of(sum), sum.rows));
    Values::from([
        (Metric::RewardsChosen, mean(&|sum| sum.rewards_chosen)),
        (Metric::RewardsRejected, mean(&|sum| sum.rewards_rejected)),
        (Metric::RewardsAccuracies, mean(&|sum| sum.wins as f64)),
        (Metric::RewardsMargins, mean(&|sum| sum.rewards_chosen - sum.rewards_rejected)),
        (Metric::LogpsChosen, mean(&|sum| sum.logps_chosen)),
        (Metric::LogpsRejected, mean(&|sum| sum.logps_rejected)),
    ])
}
