//! What an objective has to say of rows that were run through the model: the seam behind which each
//! keeps its arithmetic. Which one a run has: see [`super::choose`].

use super::dpo::Reference;
use super::logprobs::CompletionStats;
use super::sums::BatchSums;
use crate::train::config::metric::Values;
use crate::train::rows::batch::Example;

/// The loss of a step.
pub(crate) trait Loss: Sync {
    /// Adds rows of a micro-batch to its sums. Returns how much the loss of the step changes with the
    /// log-probability of each of the rows' sequences, one after another.
    fn add(&self, sums: &mut BatchSums, rows: &[ScoredRow<'_>]) -> Vec<f64>;

    /// Whether a row's slopes depend on the others of its micro-batch. [`Self::add`] then needs all
    /// of those at once.
    fn couples_rows(&self) -> bool {
        false
    }

    /// The loss of the step with these micro-batches; of an evaluation, there is one.
    fn value(&self, sums: &[BatchSums]) -> f64;

    /// What TRL reports of the answers beside the loss.
    fn metrics(&self, sums: &[BatchSums]) -> Values;
}

/// What was found of a row.
#[derive(Clone)]
pub(crate) struct ScoredRow<'a> {
    pub example: &'a Example,

    /// One for each of its sequences.
    pub stats: Vec<CompletionStats>,

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
