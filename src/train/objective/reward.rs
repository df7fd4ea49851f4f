//! Reward models (Bradley and Terry 1952; Ouyang et al. 2022) over the pairs of a micro-batch, as TRL 1.16's
//! `RewardTrainer` has them.

use super::dual::Dual;
use super::loss::{Loss, ScoredRow, StepRows};
use super::sums::{self, BatchSums};
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Metric, Values};

pub(crate) struct BradleyTerry {
    center: f64,
    batches: usize,
}

impl BradleyTerry {
    pub fn new(config: &TrainConfig, rows: StepRows) -> Self {
        let center = config.center_rewards_coefficient.unwrap_or(0.0);
        Self { center, batches: rows.batches }
    }

    fn loss(&self, chosen: f64, rejected: f64, margin: f64) -> Dual {
        let (chosen, rejected) = (Dual::chosen(chosen), Dual::rejected(rejected));
        let better = -(chosen - rejected + -margin).log_sigmoid();
        better + (chosen + rejected).squared() * self.center
    }
}

impl Loss for BradleyTerry {
    fn add(&self, sums: &mut BatchSums, rows: &[ScoredRow<'_>]) -> Vec<f64> {
        let share = 1.0 / (sums.rows * self.batches) as f64;
        let mut slopes = Vec::with_capacity(2 * rows.len());
        for row in rows {
            let [chosen, rejected] = [row.stats[0].score, row.stats[1].score];
            let loss = self.loss(chosen, rejected, row.example.margin.unwrap_or(0.0));
            sums.loss += loss.value;
            sums.rewards_chosen += chosen;
            sums.rewards_rejected += rejected;
            sums.wins += usize::from(chosen > rejected);
            for score in [chosen, rejected] {
                sums.lowest = Some(sums.lowest.map_or(score, |lowest| lowest.min(score)));
                sums.highest = Some(sums.highest.map_or(score, |highest| highest.max(score)));
            }
            slopes.extend([loss.by_chosen * share, loss.by_rejected * share]);
        }
        slopes
    }

    fn value(&self, sums: &[BatchSums]) -> f64 {
        sums.iter().map(|sum| sum.loss / (sum.rows * self.batches).max(1) as f64).sum()
    }

    fn metrics(&self, all: &[BatchSums]) -> Values {
        let mean =
            |of: &dyn Fn(&BatchSums) -> f64| sums::mean(all, &|sum| sums::per(of(sum), sum.rows));
        Values::from([
            (Metric::Accuracy, mean(&|sum| sum.wins as f64)),
            (Metric::Margin, mean(&|sum| sum.rewards_chosen - sum.rewards_rejected)),
            (Metric::MeanReward, mean(&|sum| 0.5 * (sum.rewards_chosen + sum.rewards_rejected))),
            (Metric::MinReward, sums::mean(all, &|sum| sum.lowest.unwrap_or_default())),
            (Metric::MaxReward, sums::mean(all, &|sum| sum.highest.unwrap_or_default())),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_loss_with_its_margin_and_its_centre() {
        let center_rewards_coefficient = Some(0.05);
        let config = TrainConfig { center_rewards_coefficient, ..TrainConfig::default() };
        let loss = BradleyTerry::new(&config, StepRows { tokens: 0, batches: 1 });
        // -ln sigmoid(1.0 - 0.4 - 0.2) + 0.05 * 1.4^2
        let at = loss.loss(1.0, 0.4, 0.2);
        assert!((at.value - (0.513_015_247 + 0.098)).abs() < 1e-8, "{}", at.value);
        let by = |chosen: f64, rejected: f64| loss.loss(chosen, rejected, 0.2).value;
        let by_chosen = (by(1.0 + 1e-5, 0.4) - by(1.0 - 1e-5, 0.4)) / 2e-5;
        let by_rejected = (by(1.0, 0.4 + 1e-5) - by(1.0, 0.4 - 1e-5)) / 2e-5;
        assert!((at.by_chosen - by_chosen).abs() < 1e-8);
        assert!((at.by_rejected - by_rejected).abs() < 1e-8);
    }
}
