//! CPO (Xu et al. 2024), `SimPO` (Meng et al. 2024) and `AlphaPO` (Gupta et al. 2025) over the pairs of a
//! micro-batch, as TRL 1.16's `CPOTrainer` has them.

use super::dual::Dual;
use super::logprobs::CompletionStats;
use super::loss::{Loss, ScoredRow, StepRows};
use super::sums::{self, BatchSums};
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Metric, Values};

pub(crate) struct Contrastive<'a> {
    config: &'a TrainConfig,
    loss_type: &'a str,
    nll_weight: f64,
    batches: usize,
}

impl<'a> Contrastive<'a> {
    pub fn new(config: &'a TrainConfig, rows: StepRows) -> Self {
        let loss_type = config.loss_type.first().map_or("sigmoid", String::as_str);
        let nll_weight = config.cpo_nll_weight();
        Self { config, loss_type, nll_weight, batches: rows.batches }
    }

    /// What the loss takes of an answer: its log-probability, or a token's.
    fn share(&self, stats: &CompletionStats) -> f64 {
        match self.loss_type {
            "simpo" | "alphapo" | "ipo" => 1.0 / stats.tokens.max(1) as f64,
            _ => 1.0,
        }
    }

    /// `AlphaPO`'s reward.
    fn score(&self, logp: Dual) -> Dual {
        let alpha = self.config.alpha;
        if alpha == 0.0 {
            return logp;
        }
        (-(logp * -alpha).exp() + 1.0) * (1.0 / alpha)
    }

    fn loss(&self, difference: Dual) -> Dual {
        let TrainConfig { beta, label_smoothing: epsilon, simpo_gamma, .. } = *self.config;
        let smoothed = |margin: Dual| {
            margin.log_sigmoid() * -(1.0 - epsilon) - (-margin).log_sigmoid() * epsilon
        };
        match self.loss_type {
            "hinge" => (-(difference * beta) + 1.0).relu(),
            "ipo" => (difference + -1.0 / (2.0 * beta)).squared(),
            "simpo" | "alphapo" => smoothed((difference + -simpo_gamma / beta) * beta),
            _ => smoothed(difference * beta),
        }
    }

    fn nll(&self, sum: &BatchSums) -> f64 {
        if self.nll_weight == 0.0 {
            return 0.0; // TRL does not compute it either
        }
        -sum.chosen.logp / (sum.tokens_a_row * sum.rows as f64).max(1.0)
    }
}

impl Loss for Contrastive<'_> {
    fn add(&self, sums: &mut BatchSums, rows: &[ScoredRow<'_>]) -> Vec<f64> {
        let pairs = (sums.rows * self.batches) as f64;
        let tokens = (sums.tokens_a_row * pairs).max(1.0);
        let mut slopes = Vec::with_capacity(2 * rows.len());
        for row in rows {
            let (chosen, rejected) = (&row.stats[0], &row.stats[1]);
            let (of_chosen, of_rejected) = (self.share(chosen), self.share(rejected));
            let (logp_chosen, logp_rejected) =
                (chosen.logp * of_chosen, rejected.logp * of_rejected);
            let scores =
                [Dual::chosen(logp_chosen), Dual::rejected(logp_rejected)].map(|of| self.score(of));
            let loss = self.loss(scores[0] - scores[1]);
            sums.loss += loss.value;
            sums.chosen.add(chosen);
            sums.rejected.add(rejected);
            sums.logps_chosen += logp_chosen;
            sums.logps_rejected += logp_rejected;
            sums.rewards_chosen += self.config.beta * scores[0].value;
            sums.rewards_rejected += self.config.beta * scores[1].value;
            sums.wins += usize::from(scores[0].value > scores[1].value);
            slopes.push(loss.by_chosen * of_chosen / pairs - self.nll_weight / tokens);
            slopes.push(loss.by_rejected * of_rejected / pairs);
        }
        slopes
    }

    fn value(&self, all: &[BatchSums]) -> f64 {
        sums::mean(all, &|sum| sums::per(sum.loss, sum.rows) + self.nll_weight * self.nll(sum))
    }

    fn metrics(&self, all: &[BatchSums]) -> Values {
        let nll = sums::mean(all, &|sum| self.nll(sum));
        sums::without_reference(all).and(&[(Metric::NllLoss, nll)].into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::Objective;

    #[test]
    fn every_slope_is_that_of_its_loss() {
        for name in Objective::Cpo.facts().losses {
            let config = TrainConfig {
                loss_type: vec![(*name).to_owned()],
                label_smoothing: 0.1,
                alpha: 0.2,
                ..TrainConfig::default()
            };
            let loss = Contrastive::new(&config, StepRows { tokens: 0, batches: 1 });
            let at = |c, r| loss.loss(loss.score(Dual::chosen(c)) - loss.score(Dual::rejected(r)));
            let (found, step) = (at(-1.5, -2.0), 1e-6);
            let by_chosen =
                (at(-1.5 + step, -2.0).value - at(-1.5 - step, -2.0).value) / (2.0 * step);
            let by_rejected =
                (at(-1.5, -2.0 + step).value - at(-1.5, -2.0 - step).value) / (2.0 * step);
            assert!((found.by_chosen - by_chosen).abs() < 1e-6, "{name}");
            assert!((found.by_rejected - by_rejected).abs() < 1e-6, "{name}");
        }
    }
}
