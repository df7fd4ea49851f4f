//! ORPO (Hong et al. 2024) over the pairs of a micro-batch, as TRL 1.16's `ORPOTrainer` has it.

use super::dual::Dual;
use super::loss::{Loss, ScoredRow, StepRows};
use super::sums::{self, BatchSums};
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Metric, Values};

pub(crate) struct OddsRatio {
    beta: f64,
    batches: usize,
}

impl OddsRatio {
    pub fn new(config: &TrainConfig, rows: StepRows) -> Self {
        Self { beta: config.beta, batches: rows.batches }
    }
}

/// How much better the odds of the chosen answer are, from the mean log-probability of a token of each.
fn log_odds(chosen: f64, rejected: f64) -> Dual {
    let (chosen, rejected) = (Dual::chosen(chosen), Dual::rejected(rejected));
    (chosen - rejected) - (chosen.ln_1m_exp() - rejected.ln_1m_exp())
}

impl Loss for OddsRatio {
    fn add(&self, sums: &mut BatchSums, rows: &[ScoredRow<'_>]) -> Vec<f64> {
        let pairs = (sums.rows * self.batches) as f64;
        // The mean surprise at all tokens of prompts and chosen answers of the micro-batch.
        let tokens = (sums.whole_tokens_a_row * pairs).max(1.0);
        let mut slopes = Vec::new();
        for row in rows {
            let (chosen, rejected) = (&row.stats[0], &row.stats[1]);
            let [of_chosen, of_rejected] =
                [chosen, rejected].map(|stats| 1.0 / stats.tokens.max(1) as f64);
            let (mean_chosen, mean_rejected) =
                (chosen.logp * of_chosen, rejected.logp * of_rejected);
            let odds = log_odds(mean_chosen, mean_rejected);
            let ratio = odds.log_sigmoid();
            let loss = ratio * -self.beta;
            sums.loss += loss.value;
            sums.chosen.add(chosen);
            sums.rejected.add(rejected);
            sums.prompts.add(&row.stats.get(2).copied().unwrap_or_default());
            sums.logps_chosen += mean_chosen;
            sums.logps_rejected += mean_rejected;
            sums.rewards_chosen += self.beta * mean_chosen;
            sums.rewards_rejected += self.beta * mean_rejected;
            sums.wins += usize::from(mean_chosen > mean_rejected);
            sums.log_odds += odds.value;
            sums.log_odds_ratio += ratio.value;
            slopes.push(loss.by_chosen * of_chosen / pairs - 1.0 / tokens);
            slopes.push(loss.by_rejected * of_rejected / pairs);
            slopes.extend(row.stats.get(2).map(|_| -1.0 / tokens));
        }
        slopes
    }

    fn value(&self, all: &[BatchSums]) -> f64 {
        sums::mean(all, &|sum| nll(sum) + sums::per(sum.loss, sum.rows))
    }

    fn metrics(&self, all: &[BatchSums]) -> Values {
        let mean = |of: &dyn Fn(&BatchSums) -> f64| sums::mean(all, of);
        let odds = [
            (Metric::NllLoss, mean(&nll)),
            (Metric::LogOddsRatio, mean(&|sum| sums::per(sum.log_odds_ratio, sum.rows))),
            (Metric::LogOddsChosen, mean(&|sum| sums::per(sum.log_odds, sum.rows))),
        ];
        sums::without_reference(all).and(&odds.into())
    }
}

fn nll(sum: &BatchSums) -> f64 {
    let tokens = (sum.whole_tokens_a_row * sum.rows as f64).max(1.0);
    -(sum.chosen.logp + sum.prompts.logp) / tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_odds_and_their_slopes_are_those_of_the_formula() {
        // ln(p / (1 - p)) of p = e^-1 less that of p = e^-2, and its derivatives 1 / (1 - p)
        let found = log_odds(-1.0, -2.0);
        let odds = |logp: f64| (logp.exp() / (1.0 - logp.exp())).ln();
        assert!((found.value - (odds(-1.0) - odds(-2.0))).abs() < 1e-12);
        assert!((found.by_chosen - 1.0 / (1.0 - (-1.0_f64).exp())).abs() < 1e-12);
        assert!((found.by_rejected + 1.0 / (1.0 - (-2.0_f64).exp())).abs() < 1e-12);
    }
}
