//! One optimizer step: its micro-batches through the model and back, with TRL's metrics.
//!
//! As many pairs as memory allows are run at once, as one tree of tokens. Each pair's gradient is
//! scaled to its share of the batch and summed, so that how a batch is cut makes no difference.
//! Sequences are not padded; the result is that of the padded batch.

use super::passes::{of_row, passes};
use crate::jobs;
use crate::llm::adapter::learned::Learned;
use crate::llm::adapter::lora::Adapter;
use crate::llm::backward::dropout::Dropout;
use crate::llm::backward::gradients::Gradients;
use crate::llm::cost::pass_cost;
use crate::llm::model::Model;
use crate::llm::net::buffers;
use crate::memory::free_memory;
use crate::train::config::TrainConfig;
use crate::train::config::metric::Values;
use crate::train::config::objective::Setting;
use crate::train::error::Error;
use crate::train::objective::choose;
use crate::train::objective::dpo::Reference;
use crate::train::objective::logprobs;
use crate::train::objective::logprobs::{Asked, CompletionStats, PassSize};
use crate::train::objective::loss::{Loss, ScoredRow, StepRows};
use crate::train::objective::scores::{self, Ran};
use crate::train::objective::sums::{self, BatchSums};
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;

/// What a step is computed with.
pub struct StepInput<'a> {
    pub model: &'a Model,
    pub adapter: &'a Adapter,
    pub learned: &'a [Learned],
    pub config: &'a TrainConfig,

    /// Which step of the run this is, from 0: another one drops other values.
    pub step: usize,
    pub examples: &'a [Example],

    /// One for each example; empty for an objective without one.
    pub reference: &'a [Reference],

    /// Rows of a tree that are run at once: [`PassSize::rows`] of the model. How a batch is cut
    /// makes no difference to what is found.
    pub pass_rows: usize,
}

/// What a step found, before the optimizer moves anything.
pub struct StepOutcome {
    pub gradients: Gradients,
    pub loss: f64,

    /// What else there is to report of it.
    pub values: Values,

    /// Tokens of all its sequences.
    pub tokens: u64,
}

/// Runs the micro-batches of a step. `check` is asked before each pass and ends the step early.
pub fn run(
    input: &StepInput<'_>,
    batches: &[Vec<usize>],
    check: &dyn Fn() -> Result<(), Error>,
) -> Result<StepOutcome, Error> {
    let rows = batches.iter().flatten().map(|index| &input.examples[*index]);
    let tokens = sums::tokens_in_step(rows, input.model.config().naming);
    let loss = choose::loss(input.config, StepRows { tokens, batches: batches.len() });
    let mut gradients = Gradients::of(input.learned);
    let mut sums: Vec<BatchSums> = Vec::with_capacity(batches.len());
    for (number, batch) in batches.iter().enumerate() {
        let mut sum = BatchSums::of(input.examples, batch);
        let passes = passes(input.examples, batch, input.pass_rows);
        let pass = |members| PassInput { members, dropout_seed: dropout_seed(input, number) };
        // All rows are run before any is learned from, where their slopes depend on each other. In
        // one pass they are together anyway.
        let mut slopes = if loss.couples_rows() && passes.len() > 1 {
            let mut stats = Vec::new();
            for members in &passes {
                check()?;
                let found =
                    jobs::in_pool(|| scored(input, &pass(members), |ran| Ok(ran.stats().to_vec())));
                stats.extend(found?);
            }
            Some(slopes_of(input, batch, stats, (&*loss, &mut sum)).into_iter())
        } else {
            None
        };
        for members in passes {
            check()?;
            jobs::in_pool(|| {
                scored(input, &pass(members), |found| {
                    let slopes: Vec<f64> = if let Some(known) = &mut slopes {
                        known.by_ref().take(found.stats().len()).collect()
                    } else {
                        let stats = found.stats().to_vec();
                        slopes_of(input, members, stats, (&*loss, &mut sum))
                    };
                    found.backward(&slopes, &mut gradients)
                })
            })?;
        }
        sum.tokens = batch.iter().map(|row| input.examples[*row].token_count() as u64).sum();
        sums.push(sum);
    }
    let missing = gradients.missing(input.learned.iter().map(|tensor| tensor.name.as_str()));
    if !missing.is_empty() {
        return Err(Error::NoGradient { names: missing.into_iter().map(str::to_owned).collect() });
    }
    let (value, values) = (loss.value(&sums), loss.metrics(&sums));
    let tokens = sums.iter().map(|sum| sum.tokens).sum();
    Ok(StepOutcome { gradients, loss: value, values, tokens })
}

/// Of run, step and micro-batch. `None`: nothing is dropped.
fn dropout_seed(input: &StepInput<'_>, micro_batch: usize) -> Option<u64> {
    dropout_seed_of(input.config, input.step, micro_batch)
}

/// The same of any run.
pub(super) fn dropout_seed_of(
    config: &TrainConfig,
    step: usize,
    micro_batch: usize,
) -> Option<u64> {
    // TRL's DPO switches dropout off, the adapter's too, so that policy and reference agree.
    let off = config.objective.has(Setting::DisableDropout) && config.disable_dropout;
    let place = (step as u64) << 16 | micro_batch as u64;
    (config.lora.lora_dropout > 0.0 && !off).then(|| config.seed.rotate_left(32) ^ place)
}

/// Some examples that are run together.
struct PassInput<'a> {
    members: &'a [usize],
    dropout_seed: Option<u64>,
}

/// Some examples forwards; `work` is handed what is needed for the backward pass.
fn scored<R>(
    input: &StepInput<'_>,
    pass: &PassInput<'_>,
    work: impl FnOnce(Ran<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let examples: Vec<&Example> =
        pass.members.iter().map(|index| &input.examples[*index]).collect();
    let sequences: Vec<&Sequence> =
        examples.iter().flat_map(|example| example.sequences()).collect();
    let tree = logprobs::tree(&sequences);
    let config = input.model.config();
    let keep = PassSize::of(config).keep(&tree);
    let kept = pass_cost::kept_bytes(config, tree.len(), input.adapter.rank_sum(), keep);
    check_memory(kept.saturating_sub(buffers::free_bytes()))?;
    let dropout =
        pass.dropout_seed.map(|seed| Dropout::new(input.config.lora.lora_dropout, seed, &tree));
    let asked = Asked::of(input.config, examples.iter().copied());
    let dropout = dropout.as_ref();
    let known = (input.model, input.adapter);
    work(scores::run(known, input.config, (&tree, &sequences), &asked, dropout)?)
}

/// How much the loss of the step changes with each of the members' sequences, which are added to the
/// sums of their micro-batch.
fn slopes_of(
    input: &StepInput<'_>,
    members: &[usize],
    stats: Vec<CompletionStats>,
    (loss, sum): (&dyn Loss, &mut BatchSums),
) -> Vec<f64> {
    let mut stats = stats.into_iter();
    let outputs = scores::outputs(input.config, input.adapter);
    let rows = members.iter().map(|index| {
        let example = &input.examples[*index];
        let reference = input.reference.get(*index).copied().unwrap_or(Reference::UNKNOWN);
        ScoredRow { example, stats: of_row(example, outputs, &mut stats), reference }
    });
    loss.add(sum, &rows.collect::<Vec<_>>())
}
/// Other programs may have taken what was free when the run began.
pub(super) fn check_memory(bytes: u64) -> Result<(), Error> {
    match free_memory() {
        Some(free) if bytes > free => Err(Error::OutOfMemory { bytes }),
        _ => Ok(()),
    }
}
