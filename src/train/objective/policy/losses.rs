//! The losses of GRPO and RLOO over the answers of a micro-batch, with their slopes by the log-probability
//! (and, for the entropy bonus, by the entropy) of every token.

/// Which loss, by TRL's `loss_type`; RLOO has its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossType {
    Grpo,
    Bnpo,
    DrGrpo,
    #[default]
    Dapo,
    Luspo,
    Cispo,
    Sapo,
    Rloo,
}

/// Every loss of GRPO by its name in TRL, the usual one first.
pub const GRPO_LOSSES: [(&str, LossType); 7] = [
    ("dapo", LossType::Dapo),
    ("grpo", LossType::Grpo),
    ("bnpo", LossType::Bnpo),
    ("dr_grpo", LossType::DrGrpo),
    ("luspo", LossType::Luspo),
    ("cispo", LossType::Cispo),
    ("sapo", LossType::Sapo),
];

/// What a ratio is taken of: TRL's `importance_sampling_level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    #[default]
    Token,

    /// GSPO (Zheng et al. 2025): one ratio an answer.
    Sequence,
}

/// The settings of a loss, under TRL's names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub loss_type: LossType,
    pub level: Level,
    pub epsilon: f64,
    pub epsilon_high: f64,
    pub delta: Option<f64>,
    pub beta: f64,
    pub use_bias_correction_kl: bool,
    pub top_entropy_quantile: f64,
    pub entropy_coef: f64,
    pub max_completion_length: usize,

    /// Of answers with a positive and with a negative advantage.
    pub sapo_temperatures: [f64; 2],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            loss_type: LossType::default(),
            level: Level::default(),
            epsilon: 0.2,
            epsilon_high: 0.2,
            delta: None,
            beta: 0.0,
            use_bias_correction_kl: true,
            top_entropy_quantile: 1.0,
            entropy_coef: 0.0,
            max_completion_length: 256,
            sapo_temperatures: [1.0, 1.05],
        }
    }
}

/// An answer that is learned from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// ln p of each of its tokens, and their distributions' entropies.
    pub logps: Vec<f64>,
    pub entropies: Vec<f64>,

    /// ln p when it was sampled. `None`: as now.
    pub old: Option<Vec<f64>>,

    /// ln p of the model that the policy is held to. Empty where beta is 0.
    pub reference: Vec<f64>,
    pub advantage: f64,

    /// Nothing is learned from it: `mask_truncated_completions`.
    pub is_masked: bool,
}

/// What a micro-batch is a part of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Micro-batches of the step.
    pub batches: usize,

    /// Tokens of all answers of the step that are learned from: more than none.
    pub tokens: f64,
}

/// What is known of a whole micro-batch, of which a part is learned from at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whole {
    rows: f64,

    /// Tokens that are not masked.
    tokens: f64,

    /// The least entropy of a token that keeps the policy's part. `None`: all keep it.
    threshold: Option<f64>,

    /// Tokens whose entropy is in the bonus.
    bonus_tokens: f64,
}

impl Whole {
    pub fn of(answers: &[Answer], settings: &Settings) -> Self {
        let threshold = keeps(answers, settings.top_entropy_quantile);
        let known = || answers.iter().filter(|answer| !answer.is_masked);
        let entropies = known().flat_map(|answer| &answer.entropies);
        let bonus = entropies.filter(|entropy| threshold.is_none_or(|least| **entropy >= least));
        Self {
            rows: answers.len().max(1) as f64,
            tokens: known().map(|answer| answer.logps.len() as f64).sum(),
            threshold,
            bonus_tokens: bonus.count() as f64,
        }
    }

    /// The same before anything was run, of answers of these lengths; masked ones have 0. `None`: it depends
    /// on the entropies.
    pub fn known(lengths: &[usize], settings: &Settings) -> Option<Self> {
        let tokens = lengths.iter().sum::<usize>() as f64;
        let rows = lengths.len().max(1) as f64;
        (settings.top_entropy_quantile >= 1.0).then_some(Self {
            rows,
            tokens,
            threshold: None,
            bonus_tokens: tokens,
        })
    }
}

/// The loss of a micro-batch, by how much it changes, and what TRL reports of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    pub loss: f64,

    /// Of each answer, of each token.
    pub by_logps: Vec<Vec<f64>>,

    /// Empty without an entropy bonus.
    pub by_entropies: Vec<Vec<f64>>,
    pub metrics: Metrics,
}

/// As TRL names them. What a loss does not have is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metrics {
    pub kl: Option<f64>,
    pub entropy: f64,
    pub clip_low_mean: Option<f64>,
    pub clip_high_mean: Option<f64>,
    pub clip_region_mean: Option<f64>,
    pub clip_low_min: Option<f64>,
    pub clip_high_max: Option<f64>,
    pub cispo_clip_ratio: Option<f64>,
}

/// A number and how it changes with a ratio.
#[derive(Clone, Copy)]
struct ByRatio {
    value: f64,
    slope: f64,
}

/// The policy's part for a ratio: -min(t A, clip(t) A) and its kind.
fn of_ratio(ratio: f64, advantage: f64, settings: &Settings) -> ByRatio {
    let Settings { epsilon, epsilon_high, delta, .. } = *settings;
    if settings.loss_type == LossType::Sapo {
        let [positive, negative] = settings.sapo_temperatures;
        let temperature = if advantage > 0.0 { positive } else { negative };
        let soft = 1.0 / (1.0 + (-temperature * (ratio - 1.0)).exp());
        return ByRatio {
            value: -4.0 / temperature * soft * advantage,
            slope: -4.0 * soft * (1.0 - soft) * advantage,
        };
    }
    let is_capped = delta.is_some_and(|most| ratio > most);
    let first = ByRatio {
        value: advantage * delta.map_or(ratio, |most| ratio.min(most)),
        slope: if is_capped { 0.0 } else { advantage },
    };
    let (low, high) = (1.0 - epsilon, 1.0 + epsilon_high);
    let is_inside = (low..=high).contains(&ratio);
    let second = ByRatio {
        value: advantage * ratio.clamp(low, high),
        slope: if is_inside { advantage } else { 0.0 },
    };
    let (value, slope) = if first.value < second.value {
        (first.value, first.slope)
    } else if second.value < first.value {
        (second.value, second.slope)
    } else {
        // torch's minimum halves the slope between equals.
        (first.value, 0.5 * (first.slope + second.slope))
    };
    ByRatio { value: -value, slope: -slope }
}

/// The ratios of an answer: one a token, or one for all of them.
fn ratios(answer: &Answer, settings: &Settings) -> Vec<f64> {
    let differences: Vec<f64> = match &answer.old {
        Some(old) => answer.logps.iter().zip(old).map(|(new, old)| new - old).collect(),
        None => vec![0.0; answer.logps.len()],
    };
    let counted = if answer.is_masked { 0.0 } else { 1.0 };
    match (settings.loss_type, settings.level) {
        (LossType::Rloo, _) => vec![(counted * differences.iter().sum::<f64>()).exp()],
        (_, Level::Token) => differences.into_iter().map(f64::exp).collect(),
        (_, Level::Sequence) => {
            let count = (counted * differences.len() as f64).max(1.0);
            vec![(counted * differences.iter().sum::<f64>() / count).exp()]
        }
    }
}

/// k3 of Schulman: exp(r) - r - 1 of r = ln p of the reference - ln p, and its slope by the latter.
fn kl(new: f64, reference: f64) -> ByRatio {
    let power = (reference - new).exp();
    ByRatio { value: power - (reference - new) - 1.0, slope: 1.0 - power }
}

/// Which tokens keep the policy's part: those with the highest entropy.
fn keeps(answers: &[Answer], quantile: f64) -> Option<f64> {
    if quantile >= 1.0 {
        return None;
    }
    let tokens =
        answers.iter().filter(|answer| !answer.is_masked).flat_map(|answer| &answer.entropies);
    let mut all: Vec<f64> = tokens.copied().collect();
    if all.is_empty() {
        return Some(f64::INFINITY);
    }
    all.sort_by(f64::total_cmp);
    // torch.quantile: linear between neighbours.
    let place = (1.0 - quantile) * (all.len() - 1) as f64;
    let (below, above) = (all[place.floor() as usize], all[place.ceil() as usize]);
    Some(below + place.fract() * (above - below))
}

/// The loss of a micro-batch.
pub fn loss(answers: &[Answer], settings: &Settings, share: Share) -> Outcome {
    part(answers, settings, share, &Whole::of(answers, settings))
}

/// The same of some answers of a micro-batch: losses and slopes add up to those of the whole.
pub fn part(answers: &[Answer], settings: &Settings, share: Share, whole: &Whole) -> Outcome {
    if settings.loss_type == LossType::Rloo {
        return rloo(answers, settings, share, whole);
    }
    let Whole { rows, threshold, .. } = *whole;
    let batches = share.batches.max(1) as f64;
    let tokens_of =
        |answer: &Answer| if answer.is_masked { 0.0 } else { answer.logps.len() as f64 };
    let all_tokens = whole.tokens;
    let is_sequence = settings.level == Level::Sequence;
    let mut outcome = Outcome::default();
    let mut counts = Counts::default();
    let mut kl_sum = 0.0;
    let (mut entropy_sum, mut bonus_sum) = (0.0_f64, 0.0_f64);
    for answer in answers {
        let Answer { logps, entropies, reference, advantage, is_masked, .. } = answer;
        let (advantage, own) = (*advantage, tokens_of(answer));
        // By how much a token of this answer counts in the loss.
        let weight = if *is_masked {
            0.0
        } else {
            match settings.loss_type {
                LossType::Grpo | LossType::Sapo => 1.0 / (own.max(1.0) * rows * batches),
                LossType::Bnpo => 1.0 / (all_tokens.max(1.0) * batches),
                LossType::DrGrpo => 1.0 / (rows * settings.max_completion_length as f64 * batches),
                LossType::Dapo | LossType::Cispo => 1.0 / share.tokens,
                LossType::Luspo => 1.0 / (rows * batches),
                LossType::Rloo => 0.0,
            }
        };
        let ratios = ratios(answer, settings);
        let ratio_of = |token: usize| if is_sequence { ratios[0] } else { ratios[token] };
        let mut by_logps = vec![0.0; logps.len()];
        // How the loss changes with the one ratio of the answer.
        let mut by_ratio = 0.0;
        for (token, (logp, entropy)) in logps.iter().zip(entropies).enumerate() {
            let ratio = ratio_of(token);
            let is_kept = threshold.is_none_or(|least| *entropy >= least);
            if !is_masked {
                entropy_sum += entropy;
                if is_kept {
                    bonus_sum += entropy;
                }
            }
            let mut value = 0.0;
            if is_kept {
                if settings.loss_type == LossType::Cispo {
                    let capped = ratio.min(settings.epsilon_high);
                    value = -capped * advantage * logp;
                    by_logps[token] -= weight * capped * advantage;
                } else {
                    let found = of_ratio(ratio, advantage, settings);
                    value = found.value;
                    if is_sequence {
                        by_ratio += weight * found.slope;
                    } else {
                        by_logps[token] += weight * found.slope * ratio;
                    }
                }
            }
            if settings.beta != 0.0 {
                let found = kl(*logp, reference[token]);
                let factor = if settings.use_bias_correction_kl { ratio } else { 1.0 };
                let corrected = found.value * factor;
                value += settings.beta * corrected;
                by_logps[token] += weight * settings.beta * found.slope * factor;
                if settings.use_bias_correction_kl {
                    if is_sequence {
                        by_ratio += weight * settings.beta * found.value;
                    } else {
                        by_logps[token] += weight * settings.beta * corrected;
                    }
                }
                if !is_masked {
                    kl_sum += corrected;
                }
            }
            outcome.loss += weight * value;
        }
        if is_sequence && !is_masked {
            let slope = by_ratio * ratios[0] / own.max(1.0);
            by_logps.iter_mut().for_each(|sum| *sum += slope);
        }
        counts.add(answer, &ratios, settings);
        outcome.by_logps.push(by_logps);
    }
    if settings.entropy_coef != 0.0 {
        let tokens = whole.bonus_tokens.max(1.0) * batches;
        outcome.loss -= settings.entropy_coef * bonus_sum / tokens;
        let slope = |answer: &Answer, entropy: f64| {
            let counts = !answer.is_masked && threshold.is_none_or(|least| entropy >= least);
            if counts { -settings.entropy_coef / tokens } else { 0.0 }
        };
        let slopes = |answer: &Answer| -> Vec<f64> {
            answer.entropies.iter().map(|entropy| slope(answer, *entropy)).collect()
        };
        outcome.by_entropies = answers.iter().map(slopes).collect();
    }
    outcome.metrics = counts.metrics(settings);
    outcome.metrics.entropy = entropy_sum / all_tokens.max(1.0);
    outcome.metrics.kl = (settings.beta != 0.0).then(|| kl_sum / all_tokens.max(1.0));
    outcome
}

fn rloo(answers: &[Answer], settings: &Settings, share: Share, whole: &Whole) -> Outcome {
    let weight = 1.0 / (whole.rows * share.batches.max(1) as f64);
    let mut outcome = Outcome::default();
    let mut counts = Counts::default();
    let (mut entropy, mut tokens) = (0.0, 0.0);
    for answer in answers {
        let ratios = ratios(answer, settings);
        let found = of_ratio(ratios[0], answer.advantage, settings);
        outcome.loss += weight * found.value;
        let slope = if answer.is_masked { 0.0 } else { weight * found.slope * ratios[0] };
        outcome.by_logps.push(vec![slope; answer.logps.len()]);
        if !answer.is_masked {
            entropy += answer.entropies.iter().sum::<f64>();
            tokens += answer.entropies.len() as f64;
        }
        counts.add(answer, &ratios, settings);
    }
    outcome.metrics = counts.metrics(settings);
    outcome.metrics.entropy = entropy / f64::max(tokens, 1.0);
    outcome
}

/// How many ratios were clipped.
#[derive(Default)]
struct Counts {
    low: f64,
    high: f64,
    all: f64,

    /// The share of each answer's ratios. NaN of an answer without a token that counts.
    low_shares: Vec<f64>,
    high_shares: Vec<f64>,
    cispo: f64,
}

impl Counts {
    fn add(&mut self, answer: &Answer, ratios: &[f64], settings: &Settings) {
        let Settings { epsilon, epsilon_high, delta, .. } = *settings;
        let is_one = ratios.len() == 1
            && (settings.level == Level::Sequence || settings.loss_type == LossType::Rloo);
        // One ratio an answer counts whatever is masked in it.
        let counts = is_one || !answer.is_masked;
        let (mut low, mut high) = (0.0, 0.0);
        for &ratio in ratios.iter().filter(|_| counts) {
            let capped = delta.map_or(ratio, |most| ratio.min(most));
            low += f64::from(u8::from(capped < 1.0 - epsilon && answer.advantage < 0.0));
            high += f64::from(u8::from(capped > 1.0 + epsilon_high && answer.advantage > 0.0));
            self.cispo += f64::from(u8::from(ratio > epsilon_high && answer.advantage > 0.0));
        }
        let count = if counts { ratios.len() as f64 } else { 0.0 };
        (self.low, self.high, self.all) = (self.low + low, self.high + high, self.all + count);
        self.low_shares.push(low / count);
        self.high_shares.push(high / count);
    }

    fn metrics(&self, settings: &Settings) -> Metrics {
        let all = self.all.max(1.0);
        let known = |shares: &[f64]| -> Vec<f64> {
            shares.iter().copied().filter(|share| !share.is_nan()).collect()
        };
        match settings.loss_type {
            LossType::Sapo => Metrics::default(),
            LossType::Cispo => {
                Metrics { cispo_clip_ratio: Some(self.cispo / all), ..Metrics::default() }
            }
            _ => Metrics {
                clip_low_mean: Some(self.low / all),
                clip_high_mean: Some(self.high / all),
                clip_region_mean: Some((self.low + self.high) / all),
                clip_low_min: known(&self.low_shares).into_iter().reduce(f64::min),
                clip_high_max: known(&self.high_shares).into_iter().reduce(f64::max),
                ..Metrics::default()
            },
        }
    }
}

#[cfg(test)]
#[path = "losses_tests.rs"]
mod tests;
