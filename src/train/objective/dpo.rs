//! The DPO losses, one small function each, as TRL 1.16's `DPOTrainer._compute_loss` has them.
//!
//! All of them are functions of two numbers a pair: the log-ratios (policy minus reference, summed
//! over the completion's tokens) of the chosen and of the rejected answer.

use std::f64::consts::LN_2;

use super::dual::Dual;
use crate::train::config::FDivergence;

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

    /// ln p under the policy alone, for `sft` and `aot`.
    pub chosen_logp: f64,
    pub rejected_logp: f64,

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

    /// What log-ratios become before the losses of `DIVERGENCE_LOSSES` see them.
    pub divergence: FDivergence,

    /// α of the α-divergence.
    pub alpha: f64,
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
    let LossSettings { beta, label_smoothing, .. } = settings;
    let chosen = score(Dual::chosen(pair.chosen), settings);
    let rejected = score(Dual::rejected(pair.rejected), settings);
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

/// f′ of a ratio of probabilities, from its logarithm: what f-DPO puts in the log-ratio's place.
fn score(ratio: Dual, LossSettings { divergence, alpha, .. }: LossSettings) -> Dual {
    match divergence {
        FDivergence::ReverseKl => ratio,
        FDivergence::ForwardKl => -(-ratio).exp() + 1.0,
        FDivergence::JsDivergence => ratio.log_sigmoid() + LN_2,
        FDivergence::AlphaDivergence => {
            let power = alpha - 1.0;
            if power.abs() < 1e-6 {
                return ratio; // what it tends to
            }
            // TRL's limit, beyond which f32 has no number for the power.
            ((ratio * power).at_most(80.0).exp() + -1.0) * (1.0 / power)
        }
    }
}

/// The losses that a pair does not have by itself: they sort a micro-batch.
pub fn is_sorted(name: &str) -> bool {
    matches!(name, "aot" | "aot_unpaired")
}

/// AOT (Melnyk et al. 2024) over the pairs of a micro-batch, with its slope where the pair is that a
/// sorted value came from. `None`: another loss.
pub fn sorted_losses(
    name: &str,
    pairs: &[PairScores],
    settings: LossSettings,
) -> Option<Vec<Dual>> {
    let LossSettings { beta, label_smoothing: epsilon, .. } = settings;
    let order = |of: &dyn Fn(&PairScores) -> f64| {
        let mut places: Vec<usize> = (0..pairs.len()).collect();
        places.sort_by(|one, other| of(&pairs[*one]).total_cmp(&of(&pairs[*other])));
        places
    };
    let policy = |pair: &PairScores| pair.chosen_logp - pair.rejected_logp;
    let reference = |pair: &PairScores| policy(pair) - (pair.chosen - pair.rejected);
    let loss = |difference: Dual| {
        let margin = difference * beta;
        margin.log_sigmoid() * -(1.0 - epsilon) - (-margin).log_sigmoid() * epsilon
    };
    let mut found = vec![Dual::constant(0.0); pairs.len()];
    match name {
        "aot" => {
            for (one, other) in order(&policy).into_iter().zip(order(&reference)) {
                let offset = -reference(&pairs[other]);
                let (chosen, rejected) = (pairs[one].chosen_logp, pairs[one].rejected_logp);
                found[one] = loss(Dual::chosen(chosen) - Dual::rejected(rejected) + offset);
            }
        }
        "aot_unpaired" => {
            let (chosen, rejected) = (order(&|pair| pair.chosen), order(&|pair| pair.rejected));
            for (one, other) in chosen.into_iter().zip(rejected) {
                let (better, worse) = (pairs[one].chosen, pairs[other].rejected);
                let both = loss(Dual::chosen(better) - Dual::rejected(worse));
                found[one] = found[one] + Dual { by_rejected: 0.0, ..both };
                let of_other = Dual { by_rejected: both.by_rejected, ..Dual::constant(0.0) };
                found[other] = found[other] + of_other;
            }
        }
        _ => return None,
    }
    Some(found)
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
    use crate::train::config::{F_DIVERGENCES, LOSS_TYPES};

    use super::*;

    const SETTINGS: LossSettings = LossSettings {
        beta: 0.1,
        label_smoothing: 0.1,
        divergence: FDivergence::ReverseKl,
        alpha: 0.3,
    };

    fn pair(chosen: f64, rejected: f64) -> PairScores {
        PairScores {
            chosen,
            rejected,
            chosen_tokens: 12,
            rejected_tokens: 7,
            chosen_logp: chosen - 30.0,
            rejected_logp: rejected - 41.0,
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
        let losses = LOSS_TYPES.into_iter().filter(|name| !is_sorted(name));
        let losses: Vec<_> = losses.map(|name| (name, FDivergence::ReverseKl)).collect();
        let of_sigmoid = F_DIVERGENCES.map(|(_, divergence)| ("sigmoid", divergence));
        for (name, divergence) in losses.into_iter().chain(of_sigmoid) {
            let settings = LossSettings { divergence, ..SETTINGS };
            for (chosen, rejected) in [(0.0, 0.0), (1.5, -2.0), (-3.0, 0.7), (8.0, -11.0)] {
                let at = |c, r| one_loss(name, pair(c, r), settings).unwrap();
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
    fn a_divergence_begins_where_policy_and_reference_agree() {
        for (name, divergence) in F_DIVERGENCES {
            let settings = LossSettings { divergence, ..SETTINGS };
            assert_eq!(score(Dual::chosen(0.0), settings).value, 0.0, "{name}");
        }
        // From TRL 1.16.0's formulas in Python, log-ratio 2, α 0.3
        for (divergence, expected) in [
            (FDivergence::ForwardKl, 0.864664716763387), // 1 - e^-2
            (FDivergence::JsDivergence, 0.566219169516973), // ln 2 - ln(1 + e^-2)
            (FDivergence::AlphaDivergence, 1.076290051511991), // (e^-1.4 - 1) / -0.7
        ] {
            let found = score(Dual::chosen(2.0), LossSettings { divergence, ..SETTINGS }).value;
            assert!((found - expected).abs() < 1e-12, "{divergence:?}: {found}");
        }
    }

    #[test]
    fn a_sorted_loss_has_its_slopes_where_its_values_came_from() {
        let pairs = |values: [f64; 6]| {
            let [a, b, c, d, e, f] = values;
            [pair(a, b), pair(c, d), pair(e, f)]
        };
        for name in LOSS_TYPES.into_iter().filter(|name| is_sorted(name)) {
            let values = [1.5, -2.0, -3.0, 0.7, 0.2, 0.4];
            let of = |values| sorted_losses(name, &pairs(values), SETTINGS).unwrap();
            // `aot` compares sums of log-probabilities with a reference that does not move.
            let moved = |place: usize, step: f64| {
                let mut all = pairs(values);
                let pair = &mut all[place / 2];
                if place.is_multiple_of(2) {
                    pair.chosen += step;
                    pair.chosen_logp += step;
                } else {
                    pair.rejected += step;
                    pair.rejected_logp += step;
                }
                let losses = sorted_losses(name, &all, SETTINGS).unwrap();
                losses.iter().map(|loss| loss.value).sum::<f64>()
            };
            let found = of(values);
            for place in 0..6 {
                let slope = (moved(place, 1e-5) - moved(place, -1e-5)) / 2e-5;
                let Dual { by_chosen, by_rejected, .. } = found[place / 2];
                let ours = if place.is_multiple_of(2) { by_chosen } else { by_rejected };
                assert!((ours - slope).abs() < 1e-6, "{name} {place}: {ours}, not {slope}");
            }
        }
        assert_eq!(sorted_losses("sigmoid", &[], SETTINGS), None);
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
