//! The evaluation of a run: its held-out rows, measured. Measuring a finished adapter: see
//! `eval::comparison`.

use super::passes::{measured, measured_passes};
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Metric, Values};
use crate::train::error::Error;
use crate::train::objective::choose;
use crate::train::objective::dpo::Reference;
use crate::train::objective::loss::{ScoredRow, StepRows};
use crate::train::objective::sums::BatchSums;
use crate::train::record::metrics::{EvalMetrics, SourceMetrics, TrainEvent};
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;

/// TRL's metrics of an evaluation on the rows `held_out`, as the adapter stands now.
///
/// `reference` has
/// one entry for each example, of which those of `held_out` are used; it is empty for an objective
/// without one.
pub fn held_out(
    model: &Model,
    adapter: &Adapter,
    config: &TrainConfig,
    (examples, reference): (&[Example], &[Reference]),
    held_out: &[usize],
    progress: &dyn Progress<TrainEvent>,
) -> Result<EvalMetrics, Error> {
    let mut rows = Vec::with_capacity(held_out.len());
    for members in measured_passes(examples, held_out) {
        progress.rest();
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let all = measured(model, adapter, config, examples, members)?;
        rows.extend(members.iter().zip(all).map(|(index, stats)| {
            let reference = reference.get(*index).copied().unwrap_or(Reference::UNKNOWN);
            ScoredRow { example: &examples[*index], stats, reference }
        }));
    }
    let mut sources = Vec::new();
    if !config.mix.is_empty() {
        for (source, name) in config.source_names().into_iter().enumerate() {
            let is_of_it = |index: &&usize| examples[**index].source == source;
            let of_it: Vec<usize> = held_out.iter().filter(is_of_it).copied().collect();
            let found = rows.iter().filter(|row| row.example.source == source).cloned();
            let values = values(config, (examples, &of_it), &found.collect::<Vec<_>>());
            if !of_it.is_empty() {
                sources.push(SourceMetrics { name, pair_count: of_it.len(), values });
            }
        }
    }
    let values = values(config, (examples, held_out), &rows);
    Ok(EvalMetrics { step: 0, pair_count: held_out.len(), values, sources })
}

/// What is said of rows that were measured, as one batch.
fn values(
    config: &TrainConfig,
    (examples, indices): (&[Example], &[usize]),
    rows: &[ScoredRow<'_>],
) -> Values {
    // Unlike a step, an evaluation of TRL counts every token that is scored, of GPT-2 too.
    let scored = |example: &Example| {
        if config.scores_first_token() {
            example.sequences().map(Sequence::completion_tokens).sum()
        } else {
            example.learned_tokens()
        }
    };
    let tokens = indices.iter().map(|index| scored(&examples[*index])).sum();
    let loss = choose::loss(config, StepRows { tokens, batches: 1 });
    let mut sum = BatchSums::of(examples, indices);
    loss.add(&mut sum, rows); // nothing is learned here
    let sums = [sum];
    let mut values = loss.metrics(&sums);
    values.set(Metric::Loss, loss.value(&sums));
    values
}
