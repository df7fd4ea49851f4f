//! Measuring on held-out rows while a run goes on. Measuring a finished adapter: see
//! `eval::preference`.

use super::batch::Example;
use super::config::{Objective, TrainConfig};
use super::error::Error;
use super::logprobs;
use super::metrics::{EvalMetrics, TrainEvent};
use super::step::{Reference, pair_loss, pair_scores};
use crate::jobs::Progress;
use crate::llm::lora::Adapter;
use crate::llm::model::Model;

/// ln p of every example's completions as the adapter stands now.
///
/// Called before the first step, this is the reference: a new adapter changes nothing (its B is
/// zero), so the policy is the bare model bit for bit; a continued one is its own reference, as in
/// TRL.
pub fn reference(
    model: &Model,
    adapter: &Adapter,
    examples: &[Example],
    progress: &dyn Progress<TrainEvent>,
) -> Result<Vec<Reference>, Error> {
    let total = examples.len();
    let measured = examples.iter().enumerate().map(|(done, example)| {
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let what = "Reference log-probabilities".to_owned();
        progress.emit(TrainEvent::Preparing { what, done, total });
        let chosen = logprobs::measure(model, adapter, &example.chosen)?.logp;
        let rejected = match &example.rejected {
            Some(rejected) => logprobs::measure(model, adapter, rejected)?.logp,
            None => 0.0,
        };
        Ok(Reference { chosen, rejected })
    });
    measured.collect()
}

/// The loss (and for pairs the reward accuracy and margin) on the rows `held_out`, as the adapter
/// stands now. `reference` has one entry for each example; it is empty for SFT.
pub fn held_out(
    model: &Model,
    adapter: &Adapter,
    config: &TrainConfig,
    (examples, reference): (&[Example], &[Reference]),
    held_out: &[usize],
    progress: &dyn Progress<TrainEvent>,
) -> Result<EvalMetrics, Error> {
    let (mut loss, mut wins, mut margin, mut tokens) = (0.0, 0_usize, 0.0, 0_usize);
    for index in held_out {
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let example = &examples[*index];
        let chosen = logprobs::measure(model, adapter, &example.chosen)?;
        match (&example.rejected, config.objective) {
            (Some(rejected), Objective::Dpo) => {
                let rejected = logprobs::measure(model, adapter, rejected)?;
                let scores = pair_scores(example, &chosen, &rejected, reference[*index]);
                loss += pair_loss(config, scores).value;
                wins += usize::from(scores.chosen > scores.rejected);
                margin += config.beta * (scores.chosen - scores.rejected);
            }
            (_, Objective::Sft | Objective::Dpo) => {
                loss -= chosen.logp;
                tokens += chosen.tokens;
            }
        }
    }
    let count = held_out.len().max(1) as f64;
    Ok(match config.objective {
        Objective::Dpo => EvalMetrics {
            step: 0,
            pair_count: held_out.len(),
            loss: loss / count,
            rewards_accuracies: Some(wins as f64 / count),
            rewards_margins: Some(margin / count),
        },
        Objective::Sft => EvalMetrics {
            step: 0,
            pair_count: held_out.len(),
            loss: loss / tokens.max(1) as f64,
            rewards_accuracies: None,
            rewards_margins: None,
        },
    })
}
