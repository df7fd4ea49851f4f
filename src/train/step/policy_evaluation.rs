//! The evaluation of GRPO and RLOO: held-out prompts are answered, rewarded and compared as in a round, and
//! nothing is learned from them. As TRL's trainers evaluate, with all prompts as one batch.

use super::policy;
use super::rollout;
use super::rollout::{RoundInput, Sampled};
use crate::jobs::Progress;
use crate::train::config::metric::Metric;
use crate::train::error::Error;
use crate::train::record::metrics::{EvalMetrics, SourceMetrics, TrainEvent};
use crate::train::record::round::{Answered, Round};

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
    let sources = by_source(input, held_out, &round);
    Ok(EvalMetrics { step: 0, pair_count: held_out.len(), values, sources })
}

/// The mean reward of the answers to the prompts of each file, where there are several.
fn by_source(input: &RoundInput<'_>, held_out: &[usize], round: &Round) -> Vec<SourceMetrics> {
    let RoundInput { config, examples, .. } = input;
    if config.mix.is_empty() {
        return Vec::new();
    }
    let groups = round.answers.chunks(config.policy.num_generations.max(1));
    let groups: Vec<(usize, &[Answered])> =
        held_out.iter().map(|index| examples[*index].source).zip(groups).collect();
    let mut found = Vec::new();
    for (source, name) in config.source_names().into_iter().enumerate() {
        let of_it = groups.iter().filter(|(of, _)| *of == source);
        let rewards: Vec<f64> =
            of_it.clone().flat_map(|(_, answers)| *answers).filter_map(|it| it.reward).collect();
        if rewards.is_empty() {
            continue;
        }
        let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
        let values = [(Metric::Reward, mean)].into();
        found.push(SourceMetrics { name, pair_count: of_it.count(), values });
    }
    found
}
