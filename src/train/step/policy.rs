//! One optimizer step of GRPO or RLOO on answers that were sampled: forwards and backwards. Sampling: see
//! [`super::rollout`].

use super::forward_backward::{StepOutcome, check_memory, dropout_seed_of};
use super::rollout::{passes, reading, sequence};
use crate::jobs;
use crate::llm::Adapter;
use crate::llm::adapter::learned::Learned;
use crate::llm::backward::dropout::Dropout;
use crate::llm::backward::gradients::Gradients;
use crate::llm::cost::pass_cost;
use crate::llm::model::Model;
use crate::llm::net::buffers;
use crate::train::config::metric::{Metric, Values};
use crate::train::config::{Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::objective::logprobs;
use crate::train::objective::logprobs::PassSize;
use crate::train::objective::policy::losses::{
    Answer, GRPO_LOSSES, Level, LossType, Metrics, Outcome, Settings, Share, Whole, loss, part,
};
use crate::train::objective::tokens::{self, ScoredTokens, Token};
use crate::train::record::round::{Answered, Round};
use crate::train::rows::sequence::Sequence;

/// What a step is computed with.
pub struct PolicyInput<'a> {
    pub model: &'a Model,
    pub adapter: &'a Adapter,
    pub learned: &'a [Learned],
    pub config: &'a TrainConfig,

    /// From 0.
    pub step: usize,
    pub round: &'a Round,

    /// Rows of a tree that are run at once. How answers are cut makes no difference to what is found.
    pub pass_rows: usize,
}

/// The loss of a run in a round with this leash.
pub fn settings(config: &TrainConfig, beta: f64) -> Settings {
    let policy = &config.policy;
    let is_rloo = config.objective == Objective::Rloo;
    let named = |name: &String| GRPO_LOSSES.iter().find(|(known, _)| known == name);
    let loss_type = config.loss_type.iter().find_map(named).map(|(_, kind)| *kind);
    Settings {
        loss_type: if is_rloo { LossType::Rloo } else { loss_type.unwrap_or_default() },
        level: if policy.importance_sampling_level == "sequence" {
            Level::Sequence
        } else {
            Level::Token
        },
        epsilon: policy.epsilon,
        epsilon_high: policy.epsilon_high.unwrap_or(policy.epsilon),
        delta: policy.delta.filter(|_| !is_rloo),
        // RLOO's is in its rewards.
        beta: if is_rloo { 0.0 } else { beta },
        use_bias_correction_kl: policy.use_bias_correction_kl,
        top_entropy_quantile: if is_rloo { 1.0 } else { policy.top_entropy_quantile },
        entropy_coef: if is_rloo { 0.0 } else { policy.entropy_coef },
        max_completion_length: policy.max_completion_length,
        sapo_temperatures: [policy.sapo_temperature_pos, policy.sapo_temperature_neg],
    }
}

/// Runs the micro-batches of a step, each as the places of its answers in the round. `check` is asked before
/// each pass and ends the step early.
pub fn run(
    input: &PolicyInput<'_>,
    batches: &[Vec<usize>],
    check: &dyn Fn() -> Result<(), Error>,
) -> Result<StepOutcome, Error> {
    let settings = settings(input.config, input.round.beta);
    let is_masked = |index: usize| {
        input.config.policy.mask_truncated_completions && !input.round.answers[index].is_ended
    };
    let length = |index: &usize| {
        if is_masked(*index) { 0 } else { input.round.answers[*index].ids.len() }
    };
    let lengths: Vec<usize> = (0..input.round.answers.len()).map(|index| length(&index)).collect();
    let share = Share { batches: batches.len(), tokens: tokens_of_step(&lengths, batches) };
    let sequences: Vec<Sequence> = input.round.answers.iter().map(sequence).collect();
    let mut gradients = Gradients::of(input.learned);
    let (mut value, mut all) = (0.0, Vec::with_capacity(batches.len()));
    for (number, batch) in batches.iter().enumerate() {
        let lengths: Vec<usize> = batch.iter().map(length).collect();
        let parts = passes(&sequences, batch, input.pass_rows);
        let answer = |index: usize, tokens: &[Token]| {
            of_tokens(&input.round.answers[index], tokens, is_masked(index))
        };
        let dropout_seed = dropout_seed_of(input.config, input.step, number);
        let pass =
            |members: &[usize],
             work: &mut (dyn FnMut(ScoredTokens<'_>) -> Result<(), Error> + Send)| {
                check()?;
                let members: Vec<&Sequence> =
                    members.iter().map(|index| &sequences[*index]).collect();
                jobs::in_pool(|| scored(input, &members, dropout_seed, work))
            };
        let known = Whole::known(&lengths, &settings);
        // Which tokens keep the policy's part depends on all entropies of the micro-batch.
        let whole = if let Some(whole) = known {
            whole
        } else {
            let mut answers = Vec::with_capacity(batch.len());
            for members in &parts {
                pass(members, &mut |ran| {
                    let found = members.iter().zip(&ran.tokens);
                    answers.extend(found.map(|(index, tokens)| answer(*index, tokens)));
                    Ok(())
                })?;
            }
            Whole::of(&answers, &settings)
        };
        let mut answers = Vec::with_capacity(batch.len());
        for members in &parts {
            pass(members, &mut |ran| {
                let found = members.iter().zip(&ran.tokens);
                let own: Vec<Answer> =
                    found.map(|(index, tokens)| answer(*index, tokens)).collect();
                let Outcome { by_logps, by_entropies, .. } = part(&own, &settings, share, &whole);
                answers.extend(own);
                ran.backward(&by_logps, &by_entropies, &mut gradients)
            })?;
        }
        let Outcome { loss, metrics, .. } = loss(&answers, &settings, share);
        value += loss;
        all.push(metrics);
    }
    let missing = gradients.missing(input.learned.iter().map(|tensor| tensor.name.as_str()));
    if !missing.is_empty() {
        return Err(Error::NoGradient { names: missing.into_iter().map(str::to_owned).collect() });
    }
    Ok(StepOutcome { gradients, loss: value, values: mean_of(&all), tokens: 0 })
}

/// The loss of a round's answers as the adapter stands, with TRL's metrics of it, as one micro-batch: nothing
/// is learned.
pub(super) fn measured_loss(
    config: &TrainConfig,
    round: &Round,
    tokens: &[Vec<Token>],
) -> (f64, Values) {
    let settings = settings(config, round.beta);
    let is_masked =
        |answer: &Answered| config.policy.mask_truncated_completions && !answer.is_ended;
    let answers = round.answers.iter().zip(tokens);
    let answers: Vec<Answer> =
        answers.map(|(answer, tokens)| of_tokens(answer, tokens, is_masked(answer))).collect();
    let counted = answers.iter().filter(|answer| !answer.is_masked);
    let tokens = counted.map(|answer| answer.logps.len()).sum::<usize>().max(1) as f64;
    let Outcome { loss, metrics, .. } = loss(&answers, &settings, Share { batches: 1, tokens });
    (loss, mean_of(&[metrics]))
}

/// What DAPO and CISPO divide by: not the tokens of the step's own answers, but its share of those of the
/// round, which are taken to be at least one. TRL's `num_items_in_batch` times
/// `gradient_accumulation_steps` over `steps_per_generation`.
fn tokens_of_step(lengths: &[usize], batches: &[Vec<usize>]) -> f64 {
    let members = batches.iter().map(Vec::len).sum::<usize>();
    let tokens = lengths.iter().sum::<usize>();
    tokens.max(1) as f64 * members as f64 / lengths.len().max(1) as f64
}

fn of_tokens(answered: &Answered, tokens: &[Token], is_masked: bool) -> Answer {
    Answer {
        logps: tokens.iter().map(|token| token.logp).collect(),
        entropies: tokens.iter().map(|token| token.entropy).collect(),
        old: (!answered.old.is_empty()).then(|| answered.old.clone()),
        reference: answered.reference.clone(),
        advantage: answered.advantage,
        is_masked,
    }
}

/// Some answers forwards; `work` is handed what is needed for the backward pass.
fn scored(
    input: &PolicyInput<'_>,
    sequences: &[&Sequence],
    dropout_seed: Option<u64>,
    work: &mut (dyn FnMut(ScoredTokens<'_>) -> Result<(), Error> + Send),
) -> Result<(), Error> {
    let tree = logprobs::tree(sequences);
    let config = input.model.config();
    let keep = PassSize::of(config).keep(&tree);
    let kept = pass_cost::kept_bytes(config, tree.len(), input.adapter.rank_sum(), keep);
    check_memory(kept.saturating_sub(buffers::free_bytes()))?;
    let dropout =
        dropout_seed.map(|seed| Dropout::new(input.config.lora.lora_dropout, seed, &tree));
    let known = (input.model, input.adapter);
    let reading = reading(&input.config.policy);
    work(tokens::score(known, (&tree, sequences), reading, dropout.as_ref())?)
}

/// What a micro-batch says of a metric.
type Of = fn(&Metrics) -> Option<f64>;

/// TRL averages over micro-batches what there is of each.
fn mean_of(all: &[Metrics]) -> Values {
    let mut values = Values::default();
    let kinds: [(Metric, Of); 8] = [
        (Metric::Kl, |of| of.kl),
        (Metric::Entropy, |of| Some(of.entropy)),
        (Metric::ClipRatioLowMean, |of| of.clip_low_mean),
        (Metric::ClipRatioLowMin, |of| of.clip_low_min),
        (Metric::ClipRatioHighMean, |of| of.clip_high_mean),
        (Metric::ClipRatioHighMax, |of| of.clip_high_max),
        (Metric::ClipRatioRegionMean, |of| of.clip_region_mean),
        (Metric::CispoClipRatio, |of| of.cispo_clip_ratio),
    ];
    for (metric, of) in kinds {
        let found: Vec<f64> = all.iter().filter_map(of).collect();
        if !found.is_empty() {
            values.set(metric, found.iter().sum::<f64>() / found.len() as f64);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TRL 1.16.0's `GRPOTrainer._compute_loss`, where `steps_per_generation` is twice
    /// `gradient_accumulation_steps`, the same, and half of it.
    #[test]
    fn a_step_divides_by_its_share_of_the_tokens_of_the_round() {
        let lengths = [5, 1, 4, 2];
        for step in [vec![vec![0, 2]], vec![vec![1, 3]]] {
            assert_eq!(tokens_of_step(&lengths, &step), 6.0);
        }
        assert_eq!(tokens_of_step(&lengths, &[vec![0, 1], vec![2, 3]]), 12.0);
        assert_eq!(tokens_of_step(&lengths[..2], &[vec![0, 1], vec![0, 1]]), 12.0);
        // All but one answer are masked, or all.
        assert_eq!(tokens_of_step(&[0, 0, 1, 0], &[vec![0]]), 0.25);
        assert_eq!(tokens_of_step(&[0; 4], &[vec![0]]), 0.25);
    }
}
