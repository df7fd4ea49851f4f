//! What the rows of a micro-batch add up to, and TRL's metrics of it.

use crate::train::config::{Objective, TrainConfig};
use crate::train::objective::dpo;
use crate::train::objective::dpo::{LossSettings, PairScores, Reference};
use crate::train::objective::dual::Dual;
use crate::train::objective::logprobs::CompletionStats;
use crate::train::record::metrics::PreferenceMetrics;
use crate::train::rows::batch::{Example, Sequence};

/// What a micro-batch adds up to.
#[derive(Default)]
pub(crate) struct BatchSums {
    pub pairs: usize,

    /// Learned tokens of its chosen answers, as a mean over its pairs.
    chosen_tokens_a_pair: f64,

    /// Sum over all pairs; not that of SFT, whose mean goes over a whole step.
    pub loss: f64,
    pub chosen: CompletionStats,
    rejected: CompletionStats,
    rewards_chosen: f64,
    rewards_rejected: f64,
    wins: usize,
    pub tokens: u64,
}

impl BatchSums {
    /// Of a batch of which nothing has been run yet.
    pub fn of(examples: &[Example], batch: &[usize]) -> Self {
        let tokens = batch.iter().map(|index| examples[*index].chosen.targets().len());
        let chosen_tokens_a_pair = tokens.sum::<usize>() as f64 / batch.len().max(1) as f64;
        Self { pairs: batch.len(), chosen_tokens_a_pair, ..Self::default() }
    }

    /// Adds what was found of a pair's chosen and rejected answer, and returns its loss under the
    /// configured loss types.
    pub fn add_pair(
        &mut self,
        example: &Example,
        (chosen, rejected): &(CompletionStats, CompletionStats),
        reference: Reference,
        config: &TrainConfig,
    ) -> Dual {
        let rejected_tokens = example.rejected.as_ref().map_or(0, Sequence::completion_tokens);
        let scores = PairScores {
            chosen: chosen.logp - reference.chosen,
            rejected: rejected.logp - reference.rejected,
            chosen_tokens: example.chosen.completion_tokens(),
            rejected_tokens,
            chosen_logp: chosen.logp,
            chosen_tokens_a_pair: self.chosen_tokens_a_pair,
        };
        let settings = LossSettings { beta: config.beta, label_smoothing: config.label_smoothing };
        let loss = dpo::loss(&config.losses(), scores, settings)
            .expect("problems() knows every loss type");
        self.chosen.add(chosen);
        self.rejected.add(rejected);
        self.rewards_chosen += config.beta * scores.chosen;
        self.rewards_rejected += config.beta * scores.rejected;
        self.wins += usize::from(scores.chosen > scores.rejected);
        loss
    }
}

/// What TRL averages over micro-batches, however many tokens or pairs each has.
pub(crate) struct Means {
    pub entropy: f64,
    pub mean_token_accuracy: f64,
    pub preference: Option<PreferenceMetrics>,
}

pub(crate) fn means(sums: &[BatchSums], objective: Objective) -> Means {
    let mean = |of: &dyn Fn(&BatchSums) -> f64| {
        sums.iter().map(of).sum::<f64>() / sums.len().max(1) as f64
    };
    let per = |value: f64, count: usize| value / count.max(1) as f64;
    let preference = (objective == Objective::Dpo).then(|| {
        let rewards_chosen = mean(&|sum| per(sum.rewards_chosen, sum.pairs));
        let rewards_rejected = mean(&|sum| per(sum.rewards_rejected, sum.pairs));
        PreferenceMetrics {
            rewards_chosen,
            rewards_rejected,
            rewards_accuracies: mean(&|sum| per(sum.wins as f64, sum.pairs)),
            rewards_margins: rewards_chosen - rewards_rejected,
            logps_chosen: mean(&|sum| per(sum.chosen.logp, sum.pairs)),
            logps_rejected: mean(&|sum| per(sum.rejected.logp, sum.pairs)),
            logits_chosen: mean(&|sum| per(sum.chosen.mean_logits, sum.chosen.tokens)),
            logits_rejected: mean(&|sum| per(sum.rejected.mean_logits, sum.rejected.tokens)),
        }
    });
    Means {
        entropy: mean(&|sum| {
            per(sum.chosen.entropy + sum.rejected.entropy, sum.chosen.tokens + sum.rejected.tokens)
        }),
        mean_token_accuracy: mean(&|sum| per(sum.chosen.correct as f64, sum.chosen.tokens)),
        preference,
    }
}
