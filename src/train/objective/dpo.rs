//! The DPO losses, one small function each, as TRL 1.16's `DPOTrainer._compute_loss` has them.
//!
//! All of them are functions of two numbers a pair: the log-ratios (policy minus reference, summed
//! over the completion's tokens) of the chosen and of the rejected answer.

use super::dual::Dual;

/// ln p of an example's completions before the first step: what the policy is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reference {
    pub chosen: f64,
    pub rejected: f64,
}

impl Reference {
    /// Of an example that a run does not come to. A loss that is computed with it ends the run.
    pub const UNKNOWN: Self = Self { chosen: f64::NAN, rejected: f64::NAN };
}

/// What one pair's loss is computed from.
#[derive(Clone, Copy, Debug)]
pub struct PairScores {
    /// Log-ratios: policy minus reference, in nats.
    pub chosen: f64,
    pub rejected: f64,

    /// Tokens of the completions; only the length-normalised losses use them.
    pub chosen_tokens: usize,
    pub rejected_tokens: usize,

    /// ln p of the chosen answer under the policy alone, for `sft`.
    pub chosen_logp: f64,

    /// Learned tokens of a chosen answer, as a mean over the pairs of the micro-batch: `sft` weighs
    /// tokens alike, not pairs.
    pub chosen_tokens_a_pair: f64,
}

/// What a loss is set to.
#[derive(Clone, Copy, Debug)]
pub struct LossSettings {
    /// β in the DPO paper.
    pub beta: f64,

    /// ε: the share of pairs that are believed to be labelled the wrong way round. `sigmoid`
    /// ignores it, as TRL's does.
    pub label_smoothing: f64,
}

/// TRL's `discopop_tau`.
const DISCOPOP_TAU: f64 = 0.05;

/// The loss of one pair and its slopes: the sum of losses with their weights. `None`: an unknown
/// name.
pub fn loss(losses: &[(&str, f64)], pair: PairScores, settings: LossSettings) -> Option<Dual> {
    let mut sum = Dual::constant(0.0);
    for (name, weight) in losses {
        sum = sum + one_loss(name, pair, settings)? * *weight;
    }
    Some(sum)
}

fn one_loss(name: &str, pair: PairScores, settings: LossSettings) -> Option<Dual> {
    let LossSettings { beta, label_smoothing } = settings;
    let chosen = Dual::chosen(pair.chosen);
    let rejected = Dual::rejected(pair.rejected);
    // Per token; TRL clamps the length to at least 1.
    let chosen_mean = chosen * (1.0 / pair.chosen_tokens.max(1) as f64);
    let rejected_mean = rejected * (1.0 / pair.rejected_tokens.max(1) as f64);
    let margin = (chosen - rejected) * beta;
    Some(match name {
        "sigmoid" => sigmoid(margin),
        "hinge" => hinge(margin),
        "ipo" => ipo(chosen_mean - rejected_mean, beta),
        "exo_pair" => exo_pair(margin, label_smoothing),
        "nca_pair" => nca_pair(chosen * beta, rejected * beta),
        "robust" => robust(margin, label_smoothing),
        "bco_pair" => bco_pair(chosen * beta, rejected * beta),
        "sppo_hard" => sppo_hard(chosen, rejected, beta),
        "apo_zero" => apo_zero(chosen * beta, rejected * beta),
        "apo_down" => apo_down(chosen * beta, margin),
        "discopop" => discopop(margin),
        "sigmoid_norm" => sigmoid((chosen_mean - rejected_mean) * beta),
        // The mean over a micro-batch's pairs makes it that over its tokens.
        "sft" => Dual::chosen(pair.chosen_logp) * (-1.0 / pair.chosen_tokens_a_pair.max(1.0)),
        _ => return None,
    })
}

/// −ln σ(β d): the loss of the DPO paper (Rafailov et al. 2023), ln 2 where policy and reference
/// agree.
fn sigmoid(margin: Dual) -> Dual {
    -margin.log_sigmoid()
}

/// `SLiC` (Zhao et al. 2023) on DPO's margin.
fn hinge(margin: Dual) -> Dual {
    (-margin + 1.0).relu()
}

/// IPO (Azar et al. 2023), per token as TRL does it; β is the paper's τ.
fn ipo(mean_difference: Dual, beta: f64) -> Dual {
    (mean_difference + -1.0 / (2.0 * beta)).squared()
}

/// EXO (Ji et al. 2024), its equation 16.
fn exo_pair(margin: Dual, epsilon: f64) -> Dual {
    let better = margin.sigmoid() * (margin.log_sigmoid() + -(-epsilon).ln_1p());
    let worse = (-margin).sigmoid() * ((-margin).log_sigmoid() + -epsilon.ln());
    better + worse
}

/// NCA (Chen et al. 2024).
fn nca_pair(chosen_reward: Dual, rejected_reward: Dual) -> Dual {
    -chosen_reward.log_sigmoid()
        - (-chosen_reward).log_sigmoid() * 0.5
        - (-rejected_reward).log_sigmoid() * 0.5
}

/// Robust DPO (Chowdhury et al. 2024): unbiased where a share ε of the labels is flipped.
fn robust(margin: Dual, epsilon: f64) -> Dual {
    let sum = margin.log_sigmoid() * -(1.0 - epsilon) + (-margin).log_sigmoid() * epsilon;
    sum * (1.0 / (1.0 - 2.0 * epsilon))
}

/// BCO (Jung et al. 2024) without its reward shift, as TRL has it for pairs.
fn bco_pair(chosen_reward: Dual, rejected_reward: Dual) -> Dual {
    -chosen_reward.log_sigmoid() - (-rejected_reward).log_sigmoid()
}

/// SPPO (Wu et al. 2024) with hard probabilities.
fn sppo_hard(chosen: Dual, rejected: Dual, beta: f64) -> Dual {
    (chosen + -0.5 / beta).squared() + (rejected + 0.5 / beta).squared()
}

/// APO-zero (D'Oosterlinck et al. 2024): the chosen answer up, the rejected one down.
fn apo_zero(chosen_reward: Dual, rejected_reward: Dual) -> Dual {
    -chosen_reward.sigmoid() + 1.0 + rejected_reward.sigmoid()
}

/// APO-down: both down, the rejected answer further.
fn apo_down(chosen_reward: Dual, margin: Dual) -> Dual {
    chosen_reward.sigmoid() + (-margin.sigmoid() + 1.0)
}

/// `DiscoPOP` (Lu et al. 2024), its equation 5.
fn discopop(margin: Dual) -> Dual {
    let mix = (margin * (1.0 / DISCOPOP_TAU)).sigmoid();
    -margin.log_sigmoid() * (-mix + 1.0) + (-margin).exp() * mix
}

#[cfg(test)]
mod tests {
    use crate::train::config::LOSS_TYPES;
    use std::f64::consts::LN_2;

    use super::*;

    const SETTINGS: LossSettings = LossSettings { beta: 0.1, label_smoothing: 0.1 };

    fn pair(chosen: f64, rejected: f64) -> PairScores {
        PairScores {
            chosen,
            rejected,
            chosen_tokens: 12,
            rejected_tokens: 7,
            chosen_logp: chosen - 30.0,
            chosen_tokens_a_pair: 12.0,
        }
    }

    #[test]
    fn a_policy_that_is_its_reference_has_the_known_loss() {
        // Worked out by hand from the table in formats.md b.2 with c = r = 0, β 0.1, ε 0.1
        for (name, expected) in [
            ("sigmoid", LN_2),
            ("hinge", 1.0),
            ("ipo", 25.0), // (1 / 2β)²
            ("exo_pair", -LN_2 - 0.5 * (0.9_f64.ln() + 0.1_f64.ln())),
            ("nca_pair", 2.0 * LN_2),
            ("robust", LN_2),
            ("bco_pair", 2.0 * LN_2),
            ("sppo_hard", 50.0),
            ("apo_zero", 1.0),
            ("apo_down", 1.0),
            ("discopop", 0.5 * LN_2 + 0.5),
            ("sigmoid_norm", LN_2),
            ("sft", 2.5), // 30 nats over 12 tokens
        ] {
            let found = one_loss(name, pair(0.0, 0.0), SETTINGS).unwrap().value;
            assert!((found - expected).abs() < 1e-9, "{name}: {found}, not {expected}");
        }
    }

    #[test]
    fn every_slope_is_that_of_its_loss() {
        for name in LOSS_TYPES {
            for (chosen, rejected) in [(0.0, 0.0), (1.5, -2.0), (-3.0, 0.7), (8.0, -11.0)] {
                let at = |c, r| one_loss(name, pair(c, r), SETTINGS).unwrap();
                let step = 1e-5; // central differences: the error is of the order of its square
                let by_chosen = (at(chosen + step, rejected).value
                    - at(chosen - step, rejected).value)
                    / (2.0 * step);
                let by_rejected = (at(chosen, rejected + step).value
                    - at(chosen, rejected - step).value)
                    / (2.0 * step);
                let found = at(chosen, rejected);
                assert!((found.by_chosen - by_chosen).abs() < 1e-6, "{name} {chosen} {rejected}");
                assert!((found.by_rejected - by_rejected).abs() < 1e-6, "{name} {chosen}");
            }
        }
    }

    #[test]
    fn several_losses_are_summed_with_their_weights() {
        let losses = [("sigmoid", 0.8), ("bco_pair", 1.0)];
        let sum = loss(&losses, pair(1.0, -1.0), SETTINGS).unwrap();
        let one = |name| one_loss(name, pair(1.0, -1.0), SETTINGS).unwrap();
        assert_eq!(sum, one("sigmoid") * 0.8 + one("bco_pair"));
        assert_eq!(loss(&[("simpo", 1.0)], pair(0.0, 0.0), SETTINGS), None);
    }
}
