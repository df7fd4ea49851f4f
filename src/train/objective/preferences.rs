//! DPO over the pairs of a micro-batch, with TRL's metrics of it. The losses themselves: see
//! [`super::dpo`].

use super::dpo::{self, LossSettings, PairScores};
use super::dual::Dual;
use super::logprobs::CompletionStats;
use super::loss::{Loss, ScoredRow, StepRows};
use super::sums::{self, BatchSums};
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Metric, Values};
use crate::train::rows::sequence::Sequence;

pub(crate) struct Preferences<'a> {
    losses: Vec<(&'a str, f64)>,

    /// Those that sort a micro-batch.
    sorted: Vec<(&'a str, f64)>,
    settings: LossSettings,
    weighs_pairs: bool,
    batches: usize,
}

impl<'a> Preferences<'a> {
    pub fn new(config: &'a TrainConfig, rows: StepRows) -> Self {
        let (sorted, losses) = config.losses().into_iter().partition(|loss| dpo::is_sorted(loss.0));
        let weighs_pairs = config.weighs_pairs();
        let batches = rows.batches;
        Self { losses, sorted, settings: settings(config), weighs_pairs, batches }
    }

    /// The loss of each pair.
    fn losses(&self, pairs: &[PairScores]) -> Vec<Dual> {
        const KNOWN: &str = "problems() knows every loss type";
        let alone = |pair: &PairScores| dpo::loss(&self.losses, *pair, self.settings).expect(KNOWN);
        let mut all: Vec<Dual> = pairs.iter().map(alone).collect();
        for (name, weight) in &self.sorted {
            let found = dpo::sorted_losses(name, pairs, self.settings).expect(KNOWN);
            all.iter_mut().zip(found).for_each(|(sum, loss)| *sum = *sum + loss * *weight);
        }
        all
    }
}

fn settings(config: &TrainConfig) -> LossSettings {
    LossSettings {
        beta: config.beta,
        label_smoothing: config.label_smoothing,
        divergence: config.f_divergence_type,
        alpha: config.f_alpha_divergence_coef,
    }
}

/// A row's answers.
fn answers<'a>(row: &'a ScoredRow<'_>) -> &'a [CompletionStats; 2] {
    row.stats.as_slice().try_into().expect("a pair has two answers")
}

fn scores(row: &ScoredRow<'_>, chosen_tokens_a_pair: f64) -> PairScores {
    let ScoredRow { example, reference, .. } = row;
    let [chosen, rejected] = answers(row);
    PairScores {
        chosen: chosen.logp - reference.chosen,
        rejected: rejected.logp - reference.rejected,
        chosen_tokens: example.chosen.completion_tokens(),
        rejected_tokens: example.rejected.as_ref().map_or(0, Sequence::completion_tokens),
        chosen_logp: chosen.logp,
        rejected_logp: rejected.logp,
        chosen_tokens_a_pair,
    }
}

impl Loss for Preferences<'_> {
    fn add(&self, sums: &mut BatchSums, rows: &[ScoredRow<'_>]) -> Vec<f64> {
        let pairs: Vec<PairScores> =
            rows.iter().map(|row| scores(row, sums.tokens_a_row)).collect();
        let mut slopes = Vec::with_capacity(2 * rows.len());
        for ((row, pair), mut loss) in rows.iter().zip(&pairs).zip(self.losses(&pairs)) {
            let [chosen, rejected] = answers(row);
            if self.weighs_pairs {
                // WPO's weight is no part of what is learned.
                let weight = (chosen.mean_aligned() + rejected.mean_aligned()).exp();
                loss = loss * weight;
            }
            sums.chosen.add(chosen);
            sums.rejected.add(rejected);
            sums.rewards_chosen += self.settings.beta * pair.chosen;
            sums.rewards_rejected += self.settings.beta * pair.rejected;
            sums.wins += usize::from(pair.chosen > pair.rejected);
            sums.loss += loss.value;
            // The mean over the pairs of a micro-batch, and over the micro-batches of the step.
            let share = 1.0 / (sums.rows * self.batches) as f64;
            slopes.extend([loss.by_chosen * share, loss.by_rejected * share]);
        }
        slopes
    }

    fn couples_rows(&self) -> bool {
        !self.sorted.is_empty()
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
/// among the losses, or WPO's weights).
pub fn loss_at_start(config: &TrainConfig) -> Option<f64> {
    let loss = Preferences::new(config, StepRows { tokens: 0, batches: 1 });
    if config.weighs_pairs() || loss.losses.iter().any(|(name, _)| *name == "sft") {
        return None;
    }
    let pair = PairScores {
        chosen: 0.0,
        rejected: 0.0,
        chosen_tokens: 1,
        rejected_tokens: 1,
        chosen_logp: 0.0,
        rejected_logp: 0.0,
        chosen_tokens_a_pair: 1.0,
    };
    loss.losses(&[pair]).first().map(|loss| loss.value)
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
        assert_eq!(of("aot"), Some(LN_2));
    }
}
