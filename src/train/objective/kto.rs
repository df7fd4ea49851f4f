//! KTO (Ethayarajh et al. 2024) over the labelled answers of a micro-batch, as TRL 1.16's `KTOTrainer`
//! has it.

use super::dual::Dual;
use super::loss::{Loss, ScoredRow, StepRows};
use super::sums::{self, BatchSums};
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Metric, Values};

pub(crate) struct Labelled {
    /// Rewards are measured from how much likelier other answers have become.
    is_kto: bool,
    beta: f64,
    desirable_weight: f64,
    undesirable_weight: f64,
    batches: usize,
}

impl Labelled {
    pub fn new(config: &TrainConfig, rows: StepRows) -> Self {
        let TrainConfig { beta, desirable_weight, undesirable_weight, .. } = *config;
        let is_kto = config.loss_type.iter().any(|loss| loss == "kto");
        Self { is_kto, beta, desirable_weight, undesirable_weight, batches: rows.batches }
    }

    /// z: by how much the answers of other rows have become likelier, never below 0. Nothing is learned
    /// from it.
    fn kl(&self, rows: &[ScoredRow<'_>]) -> f64 {
        if !self.is_kto {
            return 0.0;
        }
        // The reference of the answer beside a row is where a pair has that of its rejected one.
        let others = rows.iter().map(|row| row.stats[1].logp - row.reference.rejected);
        (others.sum::<f64>() / rows.len().max(1) as f64).max(0.0)
    }

    fn loss(&self, ratio: f64, is_good: bool, kl: f64) -> Dual {
        let ratio = Dual::chosen(ratio);
        if is_good {
            (-((ratio + -kl) * self.beta).sigmoid() + 1.0) * self.desirable_weight
        } else {
            (-((-ratio + kl) * self.beta).sigmoid() + 1.0) * self.undesirable_weight
        }
    }
}

impl Loss for Labelled {
    fn add(&self, sums: &mut BatchSums, rows: &[ScoredRow<'_>]) -> Vec<f64> {
        let kl = self.kl(rows);
        // All rows of the micro-batch are here at once, if there is one.
        sums.kl = kl;
        let share = 1.0 / (sums.rows * self.batches) as f64;
        let mut slopes = Vec::new();
        for row in rows {
            let stats = &row.stats[0];
            let is_good = row.example.is_good.unwrap_or(true);
            let ratio = stats.logp - row.reference.chosen;
            let loss = self.loss(ratio, is_good, kl);
            sums.loss += loss.value;
            let reward = self.beta * ratio;
            if is_good {
                sums.chosen.add(stats);
                sums.chosen_rows += 1;
                sums.rewards_chosen += reward;
            } else {
                sums.rejected.add(stats);
                sums.rejected_rows += 1;
                sums.rewards_rejected += reward;
            }
            slopes.push(loss.by_chosen * share);
            slopes.extend(row.stats[1..].iter().map(|_| 0.0));
        }
        slopes
    }

    fn couples_rows(&self) -> bool {
        self.is_kto
    }

    fn value(&self, sums: &[BatchSums]) -> f64 {
        sums.iter().map(|sum| sum.loss / (sum.rows * self.batches).max(1) as f64).sum()
    }

    fn metrics(&self, all: &[BatchSums]) -> Values {
        let per = sums::per;
        let good = |sum: &BatchSums| sum.chosen_rows > 0;
        let bad = |sum: &BatchSums| sum.rejected_rows > 0;
        let both = |sum: &BatchSums| good(sum) && bad(sum);
        let reward_of_good = |sum: &BatchSums| per(sum.rewards_chosen, sum.chosen_rows);
        let reward_of_bad = |sum: &BatchSums| per(sum.rewards_rejected, sum.rejected_rows);
        let found: [(Metric, Option<f64>); 9] = [
            (Metric::Kl, Some(sums::mean(all, &|sum| sum.kl))),
            (Metric::Entropy, sums::of_answers(all).get(Metric::Entropy)),
            (Metric::RewardsChosen, sums::mean_where(all, &good, &reward_of_good)),
            (Metric::RewardsRejected, sums::mean_where(all, &bad, &reward_of_bad)),
            (
                Metric::RewardsMargins,
                sums::mean_where(all, &both, &|sum| reward_of_good(sum) - reward_of_bad(sum)),
            ),
            (
                Metric::LogpsChosen,
                sums::mean_where(all, &good, &|sum| per(sum.chosen.logp, sum.chosen_rows)),
            ),
            (
                Metric::LogpsRejected,
                sums::mean_where(all, &bad, &|sum| per(sum.rejected.logp, sum.rejected_rows)),
            ),
            (
                Metric::LogitsChosen,
                sums::mean_where(all, &|sum| sum.chosen.tokens > 0, &|sum| {
                    per(sum.chosen.mean_logits, sum.chosen.tokens)
                }),
            ),
            (
                Metric::LogitsRejected,
                sums::mean_where(all, &|sum| sum.rejected.tokens > 0, &|sum| {
                    per(sum.rejected.mean_logits, sum.rejected.tokens)
                }),
            ),
        ];
        let mut values = Values::default();
        for (metric, value) in found {
            if let Some(value) = value {
                values.set(metric, value);
            }
        }
        values
    }
}

/// The loss of a micro-batch about which policy and reference agree: half of each weight, so it is known
/// where both weights are the same.
pub fn loss_at_start(config: &TrainConfig) -> Option<f64> {
    let TrainConfig { desirable_weight, undesirable_weight, .. } = *config;
    (desirable_weight == undesirable_weight).then_some(0.5 * desirable_weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_loss_and_both_kinds_begin_at_half_their_weight() {
        let config = TrainConfig { undesirable_weight: 0.5, ..TrainConfig::default() };
        let loss = Labelled::new(&config, StepRows { tokens: 0, batches: 1 });
        assert_eq!(loss.loss(0.0, true, 0.0).value, 0.5);
        assert_eq!(loss.loss(0.0, false, 0.0).value, 0.25);
        for is_good in [true, false] {
            let at = |ratio| loss.loss(ratio, is_good, 0.3);
            let slope = (at(1.5 + 1e-5).value - at(1.5 - 1e-5).value) / 2e-5;
            assert!((at(1.5).by_chosen - slope).abs() < 1e-8);
            assert_eq!(at(1.5).by_chosen < 0.0, is_good);
        }
    }
}
