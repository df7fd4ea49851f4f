//! The evaluation of GRPO and RLOO: held-out prompts are answered, rewarded and compared as in a round, and
//! nothing is learned from them. As TRL's trainers evaluate, with all prompts as one batch.

use super::policy;
use super::rollout;
use super::rollout::{RoundInput, Sampled};
use crate::jobs::Progress;
use crate::train::config::metric::Metric;
use crate::train::error::Error;
use crate::train::record::metrics::{EvalMetrics, TrainEvent};

/// The number of a round that is none: its answers are drawn by the same dice at every evaluation of a run, so
/// that two of them differ by what was learned in between.
pub const NO_ROUND: usize = usize::MAX / 2;

/// TRL's metrics of answers to the examples `held_out`, as the adapter stands now. `input.round` is
/// [`NO_ROUND`].
pub fn held_out(
    input: &RoundInput<'_>,
    held_out: &[usize],
    progress: &dyn Progress<TrainEvent>,
) -> Result<EvalMetrics, Error> {
    let Sampled { round, values, .. } = rollout::sampled(input, held_out, progress)?;
    let check = || progress.check().map_err(|_stopped| Error::Cancelled);
    let known = (input.model, Some(input.adapter));
    let tokens = rollout::measured_tokens(input.config, known, &round.answers, &check)?;
    let (loss, of_loss) = policy::measured_loss(input.config, &round, &tokens);
    let mut values = of_loss.and(&values);
    values.set(Metric::Loss, loss);
    Ok(EvalMetrics { step: 0, pair_count: held_out.len(), values })
}
