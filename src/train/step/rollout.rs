//! A round of GRPO or RLOO: answers are sampled, judged, and compared with the others to the same prompt.

use std::time::Instant;

use super::judge::{Judge, Judged};
use super::passes::MEASURED_ROWS;
use crate::jobs;
use crate::jobs::{Cancelled, Progress};
use crate::llm::Adapter;
use crate::llm::generate::groups::{self, GroupRequest, Writing, Written};
use crate::llm::model::Model;
use crate::train::config::metric::{Metric, Values};
use crate::train::config::{Objective, PolicyConfig, TrainConfig};
use crate::train::error::Error;
use crate::train::objective::logprobs;
use crate::train::objective::policy::advantages::{
    Advantage, Advantages, Aggregation, ScaleRewards, Scored, advantages,
};
use crate::train::objective::tokens::{self, Reading, Token};
use crate::train::record::metrics::{Named, TrainEvent};
use crate::train::record::round::{Answered, Round};
use crate::train::rows::batch::Example;
use crate::train::rows::plan::Plan;
use crate::train::rows::sequence::Sequence;

/// What a round is made with.
pub struct RoundInput<'a> {
    pub model: &'a Model,
    pub adapter: &'a Adapter,

    /// What the policy is held to: the model as it was, alone or with the adapter that was continued.
    pub held_to: (&'a Model, Option<&'a Adapter>),
    pub config: &'a TrainConfig,
    pub judge: &'a Judge<'a>,
    pub examples: &'a [Example],
    pub beta: f64,

    /// From 0.
    pub round: usize,
}

/// A round, with what TRL reports of it.
pub struct Sampled {
    pub round: Round,
    pub values: Values,

    /// `rewards/length/mean` and its kind.
    pub named: Named,
    pub tokens: u64,

    /// What a person should know. `None`: nothing.
    pub warning: Option<String>,
}

/// How the tokens of a run are read.
pub fn reading(policy: &PolicyConfig) -> Reading {
    Reading { temperature: policy.temperature, learns_entropy: policy.entropy_coef != 0.0 }
}

/// Whether the answers of a round are learned from again after the adapter has moved, or their
/// log-probabilities are part of the loss: they are then measured where they are sampled.
fn needs_old(config: &TrainConfig) -> bool {
    config.objective == Objective::Rloo || Plan::steps_a_round(config) > 1
}

/// Samples answers to the examples `prompts`.
pub fn sampled(
    input: &RoundInput<'_>,
    prompts: &[usize],
    progress: &dyn Progress<TrainEvent>,
) -> Result<Sampled, Error> {
    let RoundInput { model, adapter, config, examples, judge, .. } = *input;
    let policy = &config.policy;
    let ids: Vec<Vec<u32>> =
        prompts.iter().map(|index| examples[*index].chosen.ids.clone()).collect();
    let request = GroupRequest {
        prompts: &ids,
        group: policy.num_generations,
        sampling: policy.sampling(),
        max_new_tokens: policy.max_completion_length,
        seed: config.seed.rotate_left(17) ^ input.round as u64,
    };
    let watched = Watched { progress, since: Instant::now() };
    let written = groups::sample(model, Some(adapter), &request, &watched);
    progress.check().map_err(|_stopped| Error::Cancelled)?;
    let mut answers = Vec::with_capacity(prompts.len() * policy.num_generations);
    for ((index, prompt_ids), group) in prompts.iter().zip(&ids).zip(written?) {
        let example = &examples[*index];
        for Written { ids, is_ended } in group {
            let answer = model.tokenizer().decode(&ids, true);
            let judged = Judged { example, text: &answer, tokens: ids.len() };
            let rewards = judge.rewards(&judged)?;
            answers.push(Answered {
                line: example.line,
                prompt: example.prompt.words(),
                answer,
                prompt_ids: prompt_ids.clone(),
                ids,
                is_ended,
                rewards,
                ..Answered::default()
            });
        }
        progress.check().map_err(|_stopped| Error::Cancelled)?;
    }
    let check = || progress.check().map_err(|_stopped| Error::Cancelled);
    if needs_old(config) {
        let old = measured(input, (model, Some(adapter)), &answers, &check)?;
        answers.iter_mut().zip(old).for_each(|(answer, old)| answer.old = old);
    }
    if input.beta != 0.0 {
        let held = measured(input, input.held_to, &answers, &check)?;
        answers.iter_mut().zip(held).for_each(|(answer, held)| answer.reference = held);
    }
    let (found, kl) = compared(input, &answers);
    let kinds = answers.iter_mut().zip(found.advantages.iter().zip(&found.rewards));
    kinds.for_each(|(answer, (advantage, reward))| {
        (answer.advantage, answer.reward) = (*advantage, *reward);
    });
    let tokens = answers.iter().map(|answer| (answer.prompt_ids.len() + answer.ids.len()) as u64);
    let tokens = tokens.sum();
    let (values, named) = reported(input, &found, &answers, kl);
    let warning = warning(input, &found);
    let rewards = judge.names.clone();
    let round = Round { round: input.round, beta: input.beta, rewards, answers };
    Ok(Sampled { round, values, named, tokens, warning })
}

/// ln p of each token of each answer.
fn measured(
    input: &RoundInput<'_>,
    known: (&Model, Option<&Adapter>),
    answers: &[Answered],
    check: &dyn Fn() -> Result<(), Error>,
) -> Result<Vec<Vec<f64>>, Error> {
    let found = measured_tokens(input.config, known, answers, check)?.into_iter();
    Ok(found.map(|of| of.iter().map(|token| token.logp).collect()).collect())
}

/// What a model thinks of each token of each answer.
pub(super) fn measured_tokens(
    config: &TrainConfig,
    known: (&Model, Option<&Adapter>),
    answers: &[Answered],
    check: &dyn Fn() -> Result<(), Error>,
) -> Result<Vec<Vec<Token>>, Error> {
    let sequences: Vec<Sequence> = answers.iter().map(sequence).collect();
    let all: Vec<usize> = (0..answers.len()).collect();
    let reading = Reading { learns_entropy: false, ..reading(&config.policy) };
    let mut found = Vec::with_capacity(answers.len());
    for part in passes(&sequences, &all, MEASURED_ROWS) {
        check()?;
        let sequences: Vec<&Sequence> = part.iter().map(|index| &sequences[*index]).collect();
        found.extend(jobs::in_pool(|| tokens::measure(known, &sequences, reading))?);
    }
    Ok(found)
}

/// An answer behind its prompt.
pub(super) fn sequence(answer: &Answered) -> Sequence {
    let ids = [answer.prompt_ids.as_slice(), &answer.ids].concat();
    Sequence::new(ids, answer.prompt_ids.len())
}

/// Cuts answers into parts whose trees have at most so many rows, or are of one answer. They are taken in
/// their order, so that a prompt is computed once for those that follow each other.
pub(super) fn passes<'a>(
    sequences: &[Sequence],
    members: &'a [usize],
    most_rows: usize,
) -> Vec<&'a [usize]> {
    let rows = |part: &[usize]| {
        let part: Vec<&Sequence> = part.iter().map(|index| &sequences[*index]).collect();
        logprobs::tree(&part).len()
    };
    let mut parts = Vec::new();
    let mut rest = members;
    while !rest.is_empty() {
        let mut count = 1;
        while count < rest.len() && rows(&rest[..=count]) <= most_rows {
            count += 1;
        }
        let (part, behind) = rest.split_at(count);
        parts.push(part);
        rest = behind;
    }
    parts
}

/// The advantages, and RLOO's KL over all tokens.
fn compared(input: &RoundInput<'_>, answers: &[Answered]) -> (Advantages, Option<f64>) {
    let policy = &input.config.policy;
    let each: Vec<Vec<Option<f64>>> = answers.iter().map(|answer| answer.rewards.clone()).collect();
    let is_counted =
        |answer: &Answered| answer.is_ended || !input.config.policy.mask_truncated_completions;
    let kl = |answer: &Answered| -> f64 {
        let pairs = answer.old.iter().zip(&answer.reference);
        if is_counted(answer) { pairs.map(|(old, held)| old - held).sum() } else { 0.0 }
    };
    let is_rloo = input.config.objective == Objective::Rloo;
    let sums: Vec<f64> = if is_rloo { answers.iter().map(kl).collect() } else { Vec::new() };
    let kind = if is_rloo {
        Advantage::Rloo {
            clip: policy.reward_clip_range,
            normalize: policy.normalize_advantages,
            beta: input.beta,
        }
    } else {
        Advantage::Grpo {
            scale: match policy.scale_rewards.as_str() {
                "batch" => ScaleRewards::Batch,
                "none" => ScaleRewards::None,
                _ => ScaleRewards::Group,
            },
            aggregation: match policy.multi_objective_aggregation.as_str() {
                "normalize_then_sum" => Aggregation::NormalizeThenSum,
                _ => Aggregation::SumThenNormalize,
            },
        }
    };
    let weights = &input.judge.weights;
    let scored = Scored { each: &each, weights, group: policy.num_generations, kl: &sums };
    let counted = answers.iter().filter(|answer| is_counted(answer));
    let tokens: usize = counted.map(|answer| answer.ids.len()).sum();
    let kl =
        (is_rloo && input.beta != 0.0).then(|| sums.iter().sum::<f64>() / tokens.max(1) as f64);
    (advantages(&kind, &scored), kl)
}

/// As TRL names it.
fn reported(
    input: &RoundInput<'_>,
    found: &Advantages,
    answers: &[Answered],
    kl: Option<f64>,
) -> (Values, Named) {
    let lengths: Vec<f64> = answers.iter().map(|answer| answer.ids.len() as f64).collect();
    let ended = answers.iter().filter(|answer| answer.is_ended);
    let ended: Vec<f64> = ended.map(|answer| answer.ids.len() as f64).collect();
    let mean = |values: &[f64]| match values.len() {
        0 => 0.0, // the sum of nothing is -0.0
        count => values.iter().sum::<f64>() / count as f64,
    };
    let least = |values: &[f64]| values.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let most = |values: &[f64]| values.iter().copied().reduce(f64::max).unwrap_or(0.0);
    let mut values = Values::from([
        (Metric::Reward, found.reward),
        (Metric::RewardStd, found.reward_std),
        (Metric::FracRewardZeroStd, found.frac_reward_zero_std),
        (Metric::CompletionsMeanLength, mean(&lengths)),
        (Metric::CompletionsMinLength, least(&lengths)),
        (Metric::CompletionsMaxLength, most(&lengths)),
        (Metric::CompletionsClippedRatio, 1.0 - ended.len() as f64 / answers.len().max(1) as f64),
        (Metric::CompletionsMeanTerminatedLength, mean(&ended)),
        (Metric::CompletionsMinTerminatedLength, least(&ended)),
        (Metric::CompletionsMaxTerminatedLength, most(&ended)),
        (Metric::Beta, input.beta),
    ]);
    if let Some(kl) = kl {
        values.set(Metric::Kl, kl);
    }
    let names = input.judge.names.iter().zip(&found.each);
    let named = names.flat_map(|(name, (mean, std))| {
        [(format!("rewards/{name}/mean"), *mean), (format!("rewards/{name}/std"), *std)]
    });
    (values, Named::of(named))
}

fn warning(input: &RoundInput<'_>, found: &Advantages) -> Option<String> {
    let round = input.round + 1;
    if found.rewards.iter().all(Option::is_none) {
        return Some(format!(
            "round {round}: no reward applies to any answer, so nothing is learned from it. Look at the rules, \
             and at the columns that they name"
        ));
    }
    (found.frac_reward_zero_std == 1.0).then(|| {
        format!(
            "round {round}: all answers to a prompt got the same reward ({:.3} in the mean), so every advantage \
             is zero and nothing is learned from it. A rule that tells the answers apart is needed, or a \
             higher temperature",
            found.reward
        )
    })
}

/// Says how many tokens are written, and passes a Stop on.
struct Watched<'a> {
    progress: &'a dyn Progress<TrainEvent>,
    since: Instant,
}

impl Progress<Writing> for Watched<'_> {
    fn emit(&self, Writing { done, total }: Writing) {
        let tokens = (done, total);
        self.progress.emit(TrainEvent::preparing("Sampling answers", tokens, "tokens", self.since));
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }
}
