//! Measuring on held-out rows while a run goes on. Measuring a finished adapter: see
//! `eval::comparison`.

use super::passes::{measured, measured_passes};
use super::sums::{BatchSums, Means, means};
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::{Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::objective::dpo::Reference;
use crate::train::objective::sft;
use crate::train::record::metrics::{EvalMetrics, PreferenceMetrics, TrainEvent};
use crate::train::rows::batch::Example;

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
    let Means { entropy, mean_token_accuracy, preference } = means(&[sum], config.objective);
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
