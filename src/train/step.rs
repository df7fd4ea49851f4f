//! One optimizer step: its micro-batches through the model and back, one sequence at a time, with
//! TRL's metrics.
//!
//! A batch costs no more memory than one pair: each pair's gradient is scaled to its share of the
//! batch and summed. Sequences are not padded, so that padding costs nothing; the result is that
//! of the padded batch.

use candle_core::Var;

use super::batch::Example;
use super::config::{Objective, TrainConfig};
use super::dpo;
use super::dpo::{LossSettings, PairScores};
use super::error::Error;
use super::logprobs;
use super::logprobs::CompletionStats;
use super::metrics::PreferenceMetrics;
use super::optim::Gradients;
use super::sft;
use crate::llm::lora::Adapter;
use crate::llm::model::Model;

/// ln p of an example's completions before the first step: what the policy is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reference {
    pub chosen: f64,
    pub rejected: f64,
}

/// What a step is computed with.
pub struct StepInput<'a> {
    pub model: &'a Model,
    pub adapter: &'a Adapter,
    pub vars: &'a [(String, Var)],
    pub config: &'a TrainConfig,
    pub examples: &'a [Example],

    /// One for each example; empty for SFT.
    pub reference: &'a [Reference],
}

/// What a step found, before the optimizer moves anything.
pub struct StepOutcome {
    pub gradients: Gradients,
    pub loss: f64,
    pub entropy: f64,
    pub mean_token_accuracy: f64,
    pub preference: Option<PreferenceMetrics>,

    /// Tokens of all its sequences.
    pub tokens: u64,
}

/// Runs the micro-batches of a step. `check` is asked before each pair and ends the step early.
pub fn run(
    input: &StepInput<'_>,
    batches: &[Vec<usize>],
    check: &dyn Fn() -> Result<(), Error>,
) -> Result<StepOutcome, Error> {
    let rows = batches.iter().flatten().map(|index| &input.examples[*index]);
    let tokens_in_step = sft::tokens_in_step(rows);
    let mut gradients = Gradients::none(input.vars.len());
    let mut sums: Vec<BatchSums> = Vec::with_capacity(batches.len());
    for batch in batches {
        let mut sum = BatchSums { pairs: batch.len(), ..BatchSums::default() };
        // The mean over the pairs of a micro-batch, and over the micro-batches of the step.
        let share = 1.0 / (batch.len() * batches.len()) as f64;
        for index in batch {
            check()?;
            let example = &input.examples[*index];
            match (&example.rejected, input.config.objective) {
                (Some(_), Objective::Dpo) => {
                    let reference = input.reference[*index];
                    pair(input, example, reference, share, &mut gradients, &mut sum)?;
                }
                (_, Objective::Sft | Objective::Dpo) => {
                    let scored = logprobs::score(input.model, input.adapter, &example.chosen)?;
                    sum.loss += sft::share_of_loss(scored.stats.logp, tokens_in_step);
                    sum.chosen.add(&scored.stats);
                    let store = scored.backward(sft::slope(tokens_in_step))?;
                    gradients.add(&store, input.vars)?;
                }
            }
            sum.tokens += example.token_count() as u64;
        }
        sums.push(sum);
    }
    let missing = gradients.missing(input.vars);
    if !missing.is_empty() {
        return Err(Error::NoGradient { names: missing.into_iter().map(str::to_owned).collect() });
    }
    Ok(outcome(&sums, gradients, input.config))
}

/// One pair forwards and backwards.
fn pair(
    input: &StepInput<'_>,
    example: &Example,
    reference: Reference,
    share: f64,
    gradients: &mut Gradients,
    sum: &mut BatchSums,
) -> Result<(), Error> {
    let rejected = example.rejected.as_ref().expect("a pair has a rejected answer");
    let chosen_scored = logprobs::score(input.model, input.adapter, &example.chosen)?;
    let rejected_scored = logprobs::score(input.model, input.adapter, rejected)?;
    let (chosen, rejected) = (chosen_scored.stats, rejected_scored.stats);
    let scores = pair_scores(example, &chosen, &rejected, reference);
    let loss = pair_loss(input.config, scores);
    sum.loss += loss.value * share;
    sum.add_pair(&chosen, &rejected, scores, input.config.beta);
    gradients.add(&chosen_scored.backward(loss.by_chosen * share)?, input.vars)?;
    gradients.add(&rejected_scored.backward(loss.by_rejected * share)?, input.vars)?;
    Ok(())
}

/// The log-ratios of a pair.
pub fn pair_scores(
    example: &Example,
    chosen: &CompletionStats,
    rejected: &CompletionStats,
    reference: Reference,
) -> PairScores {
    PairScores {
        chosen: chosen.logp - reference.chosen,
        rejected: rejected.logp - reference.rejected,
        chosen_tokens: example.chosen.completion_tokens(),
        rejected_tokens: example.rejected.as_ref().map_or(0, |answer| answer.completion_tokens()),
    }
}

/// The loss of a pair under the configured loss types.
pub fn pair_loss(config: &TrainConfig, scores: PairScores) -> super::dual::Dual {
    let settings = LossSettings { beta: config.beta, label_smoothing: config.label_smoothing };
    dpo::loss(&config.loss_type, scores, settings).expect("problems() knows every loss type")
}

/// What a micro-batch adds up to.
#[derive(Default)]
struct BatchSums {
    pairs: usize,

    /// Already scaled to the micro-batch's share of the step.
    loss: f64,
    chosen: CompletionStats,
    rejected: CompletionStats,
    rewards_chosen: f64,
    rewards_rejected: f64,
    wins: usize,
    tokens: u64,
}

impl BatchSums {
    fn add_pair(
        &mut self,
        chosen: &CompletionStats,
        rejected: &CompletionStats,
        scores: PairScores,
        beta: f64,
    ) {
        self.chosen.add(chosen);
        self.rejected.add(rejected);
        self.rewards_chosen += beta * scores.chosen;
        self.rewards_rejected += beta * scores.rejected;
        self.wins += usize::from(scores.chosen > scores.rejected);
    }
}

/// TRL averages each metric over the micro-batches, however many tokens or pairs they have.
fn outcome(sums: &[BatchSums], gradients: Gradients, config: &TrainConfig) -> StepOutcome {
    let mean = |of: &dyn Fn(&BatchSums) -> f64| {
        sums.iter().map(of).sum::<f64>() / sums.len().max(1) as f64
    };
    let per = |value: f64, count: usize| value / count.max(1) as f64;
    let preference = (config.objective == Objective::Dpo).then(|| {
        let rewards_chosen = mean(&|sum| per(sum.rewards_chosen, sum.pairs));
        let rewards_rejected = mean(&|sum| per(sum.rewards_rejected, sum.pairs));
        PreferenceMetrics {
            rewards_chosen,
            rewards_rejected,
            rewards_accuracies: mean(&|sum| per(sum.wins as f64, sum.pairs)),
            rewards_margins: rewards_chosen - rewards_rejected,
            logps_chosen: mean(&|sum| per(sum.chosen.logp, sum.pairs)),
            logps_rejected: mean(&|sum| per(sum.rejected.logp, sum.pairs)),
            logits_chosen: mean(&|sum| per(sum.chosen.mean_logits, sum.chosen.tokens)),
            logits_rejected: mean(&|sum| per(sum.rejected.mean_logits, sum.rejected.tokens)),
        }
    });
    StepOutcome {
        loss: sums.iter().map(|sum| sum.loss).sum(),
        entropy: mean(&|sum| {
            per(sum.chosen.entropy + sum.rejected.entropy, sum.chosen.tokens + sum.rejected.tokens)
        }),
        mean_token_accuracy: mean(&|sum| per(sum.chosen.correct as f64, sum.chosen.tokens)),
        preference,
        tokens: sums.iter().map(|sum| sum.tokens).sum(),
        gradients,
    }
}
