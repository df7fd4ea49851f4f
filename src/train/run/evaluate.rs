//! Measuring on held-out rows while a run goes on. Measuring a finished adapter: see
//! `eval::comparison`.

use std::time::Instant;

use super::step;
use super::step::{BatchSums, Means, Reference, passes};
use crate::jobs;
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::{Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::objective::logprobs;
use crate::train::objective::logprobs::CompletionStats;
use crate::train::objective::sft;
use crate::train::record::metrics::{EvalMetrics, PreferenceMetrics, TrainEvent};
use crate::train::rows::batch::{Example, Sequence};

/// ln p of the completions of the examples `rows` as the adapter stands now, handed to `keep` a
/// pass at a time: which examples, and what was found of each.
///
/// Called before the first step, this is the reference: a new adapter changes nothing (its B is
/// zero), so the policy is the bare model bit for bit; a continued one is its own reference, as in
/// TRL.
pub fn reference(
    model: &Model,
    adapter: &Adapter,
    (examples, rows): (&[Example], &[usize]),
    keep: &mut dyn FnMut(&[usize], &[Reference]),
    progress: &dyn Progress<TrainEvent>,
) -> Result<(), Error> {
    let (mut done, total, since) = (0, rows.len(), Instant::now());
    for members in measured_passes(examples, rows) {
        progress.rest();
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let what = "Reference log-probabilities";
        progress.emit(TrainEvent::preparing(what, (done, total), since));
        let found = measured(model, adapter, examples, members)?.into_iter();
        let found = found
            .map(|(chosen, rejected)| Reference { chosen: chosen.logp, rejected: rejected.logp });
        keep(members, &found.collect::<Vec<_>>());
        done += members.len();
    }
    Ok(())
}

/// What is measured at once: more gains nothing, and Stop waits for a pass.
const MEASURED_ROWS: usize = 768;
const MEASURED_EXAMPLES: usize = 8;

pub(crate) fn measured_passes<'a>(
    examples: &'a [Example],
    rows: &'a [usize],
) -> impl Iterator<Item = &'a [usize]> {
    rows.chunks(MEASURED_EXAMPLES).flat_map(|rows| passes(examples, rows, MEASURED_ROWS))
}

/// Of each member: the chosen answer's numbers, and the rejected one's (zeros where there is none).
fn measured(
    model: &Model,
    adapter: &Adapter,
    examples: &[Example],
    members: &[usize],
) -> Result<Vec<(CompletionStats, CompletionStats)>, Error> {
    let members = members.iter().map(|index| &examples[*index]);
    let sequences: Vec<&Sequence> = members.clone().flat_map(Example::sequences).collect();
    let stats = jobs::in_pool(|| logprobs::measure(model, adapter, &sequences))?;
    let mut stats = stats.into_iter();
    let mut next = || stats.next().expect("every sequence has its stats");
    let pairs = members.map(|example| {
        let chosen = next();
        (chosen, example.rejected.as_ref().map(|_| next()).unwrap_or_default())
    });
    Ok(pairs.collect())
}

/// TRL's metrics of an evaluation on the rows `held_out`, as the adapter stands now. `reference` has
/// one entry for each example, of which those of `held_out` are looked at; it is empty for SFT.
pub fn held_out(
    model: &Model,
    adapter: &Adapter,
    config: &TrainConfig,
    (examples, reference): (&[Example], &[Reference]),
    held_out: &[usize],
    progress: &dyn Progress<TrainEvent>,
) -> Result<EvalMetrics, Error> {
    let mut sum = BatchSums::of(examples, held_out);
    for members in measured_passes(examples, held_out) {
        progress.rest();
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let stats = measured(model, adapter, examples, members)?;
        for (index, (chosen, rejected)) in members.iter().zip(stats) {
            match config.objective {
                Objective::Sft => sum.chosen.add(&chosen),
                Objective::Dpo => {
                    let found = (chosen, rejected);
                    let loss = sum.add_pair(&examples[*index], &found, reference[*index], config);
                    sum.loss += loss.value;
                }
            }
        }
    }
    let loss = match config.objective {
        Objective::Dpo => sum.loss / held_out.len().max(1) as f64,
        Objective::Sft => {
            let rows = held_out.iter().map(|index| &examples[*index]);
            let tokens = sft::tokens_in_step(rows, model.config().naming);
            sft::share_of_loss(sum.chosen.logp, tokens)
        }
    };
    let Means { entropy, mean_token_accuracy, preference } = step::means(&[sum], config.objective);
    let of_pairs = |value: fn(&PreferenceMetrics) -> f64| preference.as_ref().map(value);
    Ok(EvalMetrics {
        step: 0,
        pair_count: held_out.len(),
        loss,
        rewards_accuracies: of_pairs(|found| found.rewards_accuracies),
        rewards_margins: of_pairs(|found| found.rewards_margins),
        rewards_chosen: of_pairs(|found| found.rewards_chosen),
        rewards_rejected: of_pairs(|found| found.rewards_rejected),
        logps_chosen: of_pairs(|found| found.logps_chosen),
        logps_rejected: of_pairs(|found| found.logps_rejected),
        logits_chosen: of_pairs(|found| found.logits_chosen),
        logits_rejected: of_pairs(|found| found.logits_rejected),
        entropy: Some(entropy),
        mean_token_accuracy: Some(mean_token_accuracy),
    })
}
