//! DPO over the pairs of a micro-batch, with TRL's metrics of it. The losses themselves: see
//! [`super::dpo`].

use super::dpo::{self, LossSettings, PairScores};
use super::logprobs::CompletionStats;
use super::loss::{Loss, ScoredRow, StepRows};
use super::sums::{self, BatchSums};
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Metric, Values};
use crate::train::rows::batch::Sequence;

pub(crate) struct Preferences<'a> {
    losses: Vec<(&'a str, f64)>,
    settings: LossSettings,
    batches: usize,
}

impl<'a> Preferences<'a> {
    pub fn new(config: &'a TrainConfig, rows: StepRows) -> Self {
        Self { losses: config.losses(), settings: settings(config), batches: rows.batches }
    }
}

fn settings(config: &TrainConfig) -> LossSettings {
    LossSettings { beta: config.beta, label_smoothing: config.label_smoothing }
}

impl Loss for Preferences<'_> {
    fn add(&self, sums: &mut BatchSums, row: &ScoredRow<'_>, slopes: &mut Vec<f64>) {
        let ScoredRow { example, stats, reference } = row;
        let [chosen, rejected]: &[CompletionStats; 2] =
            (*stats).try_into().expect("a pair has two answers");
        let rejected_tokens = example.rejected.as_ref().map_or(0, Sequence::completion_tokens);
        let scores = PairScores {
            chosen: chosen.logp - reference.chosen,
            rejected: rejected.logp - reference.rejected,
            chosen_tokens: example.chosen.completion_tokens(),
            rejected_tokens,
            chosen_logp: chosen.logp,
            chosen_tokens_a_pair: sums.tokens_a_row,
        };
        let loss = dpo::loss(&self.losses, scores, self.settings)
            .expect("problems() knows every loss type");
        sums.chosen.add(chosen);
        sums.rejected.add(rejected);
        sums.rewards_chosen += self.settings.beta * scores.chosen;
        sums.rewards_rejected += self.settings.beta * scores.rejected;
        sums.wins += usize::from(scores.chosen > scores.rejected);
        sums.loss += loss.value;
        // The mean over the pairs of a micro-batch, and over the micro-batches of the step.
        let share = 1.0 / (sums.rows * self.batches) as f64;
        slopes.extend([loss.by_chosen * share, loss.by_rejected * share]);
    }

    fn value(&self, sums: &[BatchSums]) -> f64 {
        sums.iter().map(|sum| sum.loss / (sum.rows * self.batches).max(1) as f64).sum()
    }

    fn metrics(&self, all: &[BatchSums]) -> Values {
        let mean = |of: &dyn Fn(&BatchSums) -> f64| sums::mean(all, of);
        let per = sums::per;
        let rewards_chosen = mean(&|sum| per(sum.rewards_chosen, sum.rows));
        let rewards_rejected = mean(&|sum| per(sum.rewards_rejected, sum.rows));
        let of_pairs = Values::from([
            (Metric::RewardsChosen, rewards_chosen),
            (Metric::RewardsRejected, rewards_rejected),
            (Metric::RewardsAccuracies, mean(&|sum| per(sum.wins as f64, sum.rows))),
            (Metric::RewardsMargins, rewards_chosen - rewards_rejected),
            (Metric::LogpsChosen, mean(&|sum| per(sum.chosen.logp, sum.rows))),
            (Metric::LogpsRejected, mean(&|sum| per(sum.rejected.logp, sum.rows))),
            (Metric::LogitsChosen, mean(&|sum| per(sum.chosen.mean_logits, sum.chosen.tokens))),
            (
                Metric::LogitsRejected,
                mean(&|sum| per(sum.rejected.mean_logits, sum.rejected.tokens)),
            ),
        ]);
        sums::of_answers(all).and(&of_pairs)
    }
}

/// The loss of a pair about which policy and reference agree. `None`: it depends on the data (`sft`
/// among the losses).
pub fn loss_at_start(config: &TrainConfig) -> Option<f64> {
    let losses = config.losses();
    if losses.iter().any(|(name, _)| *name == "sft") {
        return None;
    }
    let pair = PairScores {
        chosen: 0.0,
        rejected: 0.0,
        chosen_tokens: 1,
        rejected_tokens: 1,
        chosen_logp: 0.0,
        chosen_tokens_a_pair: 1.0,
    };
    dpo::loss(&losses, pair, settings(config)).map(|loss| loss.value)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::LN_2;

    use super::*;

    #[test]
    fn another_loss_begins_elsewhere_than_at_a_coin_toss() {
        assert_eq!(loss_at_start(&TrainConfig::default()), Some(LN_2));
        let of = |name: &str| {
            let loss_type = vec![name.to_owned()];
            loss_at_start(&TrainConfig { loss_type, ..TrainConfig::default() })
        };
        // IPO: (0 - 1/(2 * 0.1))^2 = 25 before the first step, as TRL's ipo at beta 0.1.
        assert_eq!((of("ipo"), of("sft")), (Some(25.0), None));
    }
}
