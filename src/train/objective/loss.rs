//! What an objective has to say of rows that were run through the model: the seam behind which each
//! keeps its arithmetic. Which one a run has: see [`super::choose`].

use super::dpo::Reference;
use super::logprobs::CompletionStats;
use super::sums::BatchSums;
use crate::train::config::metric::Values;
use crate::train::rows::batch::Example;

/// The loss of a step, row by row.
pub(crate) trait Loss: Sync {
    /// Adds a row to the sums of its micro-batch, and to `slopes` how much the loss of the step
    /// changes with the log-probability of each of the row's sequences.
    fn add(&self, sums: &mut BatchSums, row: &ScoredRow<'_>, slopes: &mut Vec<f64>);

    /// The loss of the step with these micro-batches; of an evaluation, there is one.
    fn value(&self, sums: &[BatchSums]) -> f64;

    /// What TRL reports of the answers beside the loss.
    fn metrics(&self, sums: &[BatchSums]) -> Values;
}

/// What was found of a row.
pub(crate) struct ScoredRow<'a> {
    pub example: &'a Example,

    /// One for each of its sequences.
    pub stats: &'a [CompletionStats],

    /// Unknown for an objective without one.
    pub reference: Reference,
}

/// What the rows of a step have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepRows {
    /// Learned tokens of all of them: transformers' `num_items_in_batch`.
    pub tokens: usize,
    pub batches: usize,
}
