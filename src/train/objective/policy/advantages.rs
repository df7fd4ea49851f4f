//! Rewards of the answers of a round as advantages: how much better an answer is than the others to the
//! same prompt.

/// By what GRPO divides a group's advantages: TRL's `scale_rewards`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleRewards {
    /// The standard deviation of the answers to the same prompt.
    #[default]
    Group,

    /// That of all answers of the round.
    Batch,

    /// Nothing (Dr. GRPO).
    None,
}

/// TRL's `multi_objective_aggregation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregation {
    #[default]
    SumThenNormalize,

    /// GDPO (Liu et al. 2026): each function is normalised in its group first.
    NormalizeThenSum,
}

/// How advantages are made.
#[derive(Clone, Debug, PartialEq)]
pub enum Advantage {
    Grpo {
        scale: ScaleRewards,
        aggregation: Aggregation,
    },
    Rloo {
        /// TRL's `reward_clip_range`.
        clip: Option<[f64; 2]>,
        normalize: bool,
        beta: f64,
    },
}

/// What the reward functions said of a round.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// Of each answer, of each function; `None`: it does not apply. The answers to a prompt are together.
    pub each: &'a [Vec<Option<f64>>],
    pub weights: &'a [f64],

    /// Answers to a prompt: `num_generations`.
    pub group: usize,

    /// RLOO: of each answer, the sum over its tokens of ln p - ln p of the reference. Empty: zero.
    pub kl: &'a [f64],
}

/// What TRL makes of it, and reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advantages {
    pub advantages: Vec<f64>,

    /// The weighted sum of each answer. `None`: no function applied.
    pub rewards: Vec<Option<f64>>,
    pub reward: f64,
    pub reward_std: f64,
    pub frac_reward_zero_std: f64,

    /// Mean and standard deviation of each function, over the answers that it applies to.
    pub each: Vec<(f64, f64)>,
}

/// TRL adds it to every standard deviation that it divides by.
const EPSILON: f64 = 1e-4;

/// Below it a standard deviation counts as zero: torch's `isclose`.
const ZERO: f64 = 1e-8;

/// The advantages of a round.
pub fn advantages(kind: &Advantage, scored: &Scored<'_>) -> Advantages {
    let Scored { each, weights, group, .. } = *scored;
    let group = group.max(1);
    let sums: Vec<f64> = each.iter().map(|row| weighted(row, weights)).collect();
    let (advantages, stds) = match kind {
        Advantage::Grpo { scale, aggregation: Aggregation::SumThenNormalize } => {
            of_sums(&sums, group, *scale)
        }
        Advantage::Grpo { aggregation: Aggregation::NormalizeThenSum, .. } => {
            of_parts(each, weights, group)
        }
        Advantage::Rloo { .. } => leave_one_out(kind, &sums, scored),
    };
    let zero = stds.iter().filter(|std| std.abs() <= ZERO).count();
    let functions = weights.len();
    let column = |function: usize| -> Vec<f64> {
        each.iter().map(|row| row[function].unwrap_or(f64::NAN)).collect()
    };
    let facts = (0..functions).map(|function| {
        let values = column(function);
        (mean(&values), std(&values))
    });
    Advantages {
        advantages: advantages
            .into_iter()
            .map(|value| if value.is_nan() { 0.0 } else { value })
            .collect(),
        rewards: sums.iter().map(|sum| (!sum.is_nan()).then_some(*sum)).collect(),
        reward: mean(&sums),
        reward_std: std(&sums),
        frac_reward_zero_std: zero as f64 / stds.len().max(1) as f64,
        each: facts.collect(),
    }
}

/// The weighted sum of the functions that apply. NaN: none does.
fn weighted(row: &[Option<f64>], weights: &[f64]) -> f64 {
    if row.iter().all(Option::is_none) {
        return f64::NAN;
    }
    row.iter().zip(weights).filter_map(|(reward, weight)| Some(reward.as_ref()? * weight)).sum()
}

/// GRPO's own: advantages, and the deviation that each answer was held against.
fn of_sums(rewards: &[f64], group: usize, scale: ScaleRewards) -> (Vec<f64>, Vec<f64>) {
    let of_all = std(rewards);
    let (mut all, mut stds) = (Vec::new(), Vec::new());
    for part in rewards.chunks(group) {
        let mean = mean(part);
        let std = match scale {
            ScaleRewards::Batch => of_all,
            ScaleRewards::Group | ScaleRewards::None if group > 1 => std(part),
            ScaleRewards::Group | ScaleRewards::None => 0.0,
        };
        let divisor = if scale == ScaleRewards::None { 1.0 } else { std + EPSILON };
        all.extend(part.iter().map(|reward| (reward - mean) / divisor));
        stds.extend(part.iter().map(|_| std));
    }
    (all, stds)
}

fn of_parts(each: &[Vec<Option<f64>>], weights: &[f64], group: usize) -> (Vec<f64>, Vec<f64>) {
    let mut sums = Vec::with_capacity(each.len());
    for part in each.chunks(group) {
        let column = |function: usize| -> Vec<f64> {
            part.iter().map(|row| row[function].unwrap_or(f64::NAN)).collect()
        };
        let facts: Vec<(f64, f64)> = (0..weights.len())
            .map(|function| {
                let values = column(function);
                (mean(&values), if group > 1 { std(&values) } else { 0.0 })
            })
            .collect();
        for row in part {
            let normed: Vec<Option<f64>> = row
                .iter()
                .zip(&facts)
                .map(|(reward, (mean, std))| Some((reward.as_ref()? - mean) / (std + EPSILON)))
                .map(|reward| reward.filter(|reward| !reward.is_nan()))
                .collect();
            let unscored = row.iter().all(Option::is_none);
            sums.push(if unscored {
                f64::NAN
            } else {
                normed
                    .iter()
                    .zip(weights)
                    .filter_map(|(one, weight)| Some(one.as_ref()? * weight))
                    .sum()
            });
        }
    }
    let (mean, std) = (mean(&sums), if sums.len() > 1 { std(&sums) } else { 0.0 });
    let advantages = sums.iter().map(|sum| (sum - mean) / (std + EPSILON)).collect();
    (advantages, vec![std; sums.len()])
}

fn leave_one_out(kind: &Advantage, sums: &[f64], scored: &Scored<'_>) -> (Vec<f64>, Vec<f64>) {
    let Advantage::Rloo { clip, normalize, beta } = kind else { return (Vec::new(), Vec::new()) };
    let group = scored.group.max(1);
    let rewards: Vec<f64> = sums
        .iter()
        .enumerate()
        .map(|(index, sum)| {
            // A NaN stays one.
            let clipped =
                clip.map_or(
                    *sum,
                    |[low, high]| {
                        if sum.is_nan() { *sum } else { sum.max(low).min(high) }
                    },
                );
            clipped - beta * scored.kl.get(index).copied().unwrap_or(0.0)
        })
        .collect();
    let (mut all, mut stds) = (Vec::new(), Vec::new());
    for part in rewards.chunks(group) {
        let known = || part.iter().filter(|reward| !reward.is_nan());
        let (sum, count) = (known().sum::<f64>(), known().count() as f64);
        all.extend(
            part.iter().map(
                |reward| {
                    if group > 1 { reward - (sum - reward) / (count - 1.0) } else { 0.0 }
                },
            ),
        );
        let std = if group > 1 { std(part) } else { 0.0 };
        stds.extend(part.iter().map(|_| std));
    }
    if *normalize {
        let (mean, std) = (mean(&all), std(&all));
        all.iter_mut().for_each(|value| *value = (*value - mean) / (std + EPSILON));
    }
    (all, stds)
}

/// Of what is not NaN.
fn mean(values: &[f64]) -> f64 {
    let known = || values.iter().filter(|value| !value.is_nan());
    known().sum::<f64>() / known().count() as f64
}

/// The same with n - 1. NaN of fewer than two values.
fn std(values: &[f64]) -> f64 {
    let mean = mean(values);
    let known = || values.iter().filter(|value| !value.is_nan());
    let count = known().count();
    let squares: f64 = known().map(|value| (value - mean) * (value - mean)).sum();
    if count < 2 { f64::NAN } else { (squares / (count - 1) as f64).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_all_get_the_same_reward_have_no_advantage() {
        let each = vec![vec![Some(0.1)]; 4];
        let scored = Scored { each: &each, weights: &[1.0], group: 2, kl: &[] };
        let kind =
            Advantage::Grpo { scale: ScaleRewards::Group, aggregation: Aggregation::default() };
        let found = advantages(&kind, &scored);
        assert_eq!((found.advantages, found.frac_reward_zero_std), (vec![0.0; 4], 1.0));
        let kind = Advantage::Rloo { clip: None, normalize: false, beta: 0.0 };
        assert!(advantages(&kind, &scored).advantages.iter().all(|value| value.abs() < 1e-12));
    }

    #[test]
    fn an_answer_without_any_reward_moves_nothing() {
        let each = [vec![Some(1.0)], vec![None], vec![Some(0.0)]];
        let scored = Scored { each: &each, weights: &[2.0], group: 3, kl: &[] };
        let kind = Advantage::Rloo { clip: None, normalize: false, beta: 0.0 };
        let found = advantages(&kind, &scored);
        assert_eq!(found.advantages, [2.0, 0.0, -2.0]);
        assert_eq!(found.rewards, [Some(2.0), None, Some(0.0)]);
    }
}
