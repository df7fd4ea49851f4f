//! One optimizer step: its micro-batches through the model and back, with TRL's metrics.
//!
//! As many pairs as memory allows are run at once, as one tree of tokens. Each pair's gradient is
//! scaled to its share of the batch and summed, so that how a batch is cut makes no difference.
//! Sequences are not padded; the result is that of the padded batch.

use candle_core::Var;

use super::batch::{Example, Sequence};
use super::config::{Objective, TrainConfig};
use super::dpo;
use super::dpo::{LossSettings, PairScores};
use super::error::Error;
use super::estimate::free;
use super::logprobs;
use super::logprobs::{CompletionStats, PassSize};
use super::metrics::PreferenceMetrics;
use super::sft;
use crate::llm::buffers;
use crate::llm::dropout::Dropout;
use crate::llm::gradients::Gradients;
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

    /// Which step of the run this is, from 0: another one drops other values.
    pub step: usize,
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

/// Runs the micro-batches of a step. `check` is asked before each pass and ends the step early.
pub fn run(
    input: &StepInput<'_>,
    batches: &[Vec<usize>],
    check: &dyn Fn() -> Result<(), Error>,
) -> Result<StepOutcome, Error> {
    let rows = batches.iter().flatten().map(|index| &input.examples[*index]);
    let tokens_in_step = sft::tokens_in_step(rows);
    let mut gradients = Gradients::none(input.adapter);
    let mut sums: Vec<BatchSums> = Vec::with_capacity(batches.len());
    let pass_rows = PassSize::of(input.model.config()).rows();
    for (number, batch) in batches.iter().enumerate() {
        let mut sum = BatchSums {
            pairs: batch.len(),
            chosen_tokens_a_pair: chosen_tokens_a_pair(input.examples, batch),
            ..BatchSums::default()
        };
        for members in passes(input.examples, batch, pass_rows) {
            check()?;
            let pass = PassInput {
                members,
                // The mean over the pairs of a micro-batch, and over the micro-batches of the step.
                share: 1.0 / (batch.len() * batches.len()) as f64,
                tokens_in_step,
                dropout_seed: dropout_seed(input, number),
            };
            run_pass(input, &pass, &mut gradients, &mut sum)?;
        }
        sums.push(sum);
    }
    let missing = gradients.missing(input.vars.iter().map(|(name, _)| name.as_str()));
    if !missing.is_empty() {
        return Err(Error::NoGradient { names: missing.into_iter().map(str::to_owned).collect() });
    }
    Ok(outcome(&sums, gradients, input.config))
}

/// Cuts a micro-batch into equal parts whose trees have at most `pass_rows` rows, or are of one
/// example.
pub(super) fn passes<'a>(
    examples: &[Example],
    batch: &'a [usize],
    pass_rows: usize,
) -> Vec<&'a [usize]> {
    let rows = |part: &[usize]| {
        let sequences = part.iter().flat_map(|index| examples[*index].sequences());
        logprobs::tree(&sequences.collect::<Vec<_>>()).len()
    };
    let mut size = batch.len().max(1);
    while size > 1 && batch.chunks(size).any(|part| rows(part) > pass_rows) {
        // The next larger number of parts.
        size = batch.len().div_ceil(batch.len().div_ceil(size) + 1).min(size - 1);
    }
    batch.chunks(size).collect()
}

/// Learned tokens of a micro-batch's chosen answers, as a mean over its pairs.
pub(super) fn chosen_tokens_a_pair(examples: &[Example], batch: &[usize]) -> f64 {
    let tokens = batch.iter().map(|index| examples[*index].chosen.targets().len());
    tokens.sum::<usize>() as f64 / batch.len().max(1) as f64
}

/// Of run, step and micro-batch. `None`: nothing is dropped.
fn dropout_seed(input: &StepInput<'_>, micro_batch: usize) -> Option<u64> {
    let config = input.config;
    // TRL's DPO switches dropout off, the adapter's too, so that policy and reference agree.
    let off = config.objective == Objective::Dpo && config.disable_dropout;
    let place = (input.step as u64) << 16 | micro_batch as u64;
    (config.lora.lora_dropout > 0.0 && !off).then(|| config.seed.rotate_left(32) ^ place)
}

/// Some examples that are run together.
struct PassInput<'a> {
    members: &'a [usize],
    share: f64,
    tokens_in_step: usize,
    dropout_seed: Option<u64>,
}

/// Some examples forwards and backwards.
fn run_pass(
    input: &StepInput<'_>,
    pass: &PassInput<'_>,
    gradients: &mut Gradients,
    sum: &mut BatchSums,
) -> Result<(), Error> {
    let examples: Vec<&Example> =
        pass.members.iter().map(|index| &input.examples[*index]).collect();
    let is_dpo = input.config.objective == Objective::Dpo;
    let sequences: Vec<&Sequence> = if is_dpo {
        examples.iter().flat_map(|example| example.sequences()).collect()
    } else {
        examples.iter().map(|example| &example.chosen).collect()
    };
    let tree = logprobs::tree(&sequences);
    let config = input.model.config();
    let kept = PassSize::of(config).kept_bytes(config, &tree);
    free::check_more(kept.saturating_sub(buffers::free_bytes()))?;
    let dropout =
        pass.dropout_seed.map(|seed| Dropout::new(input.config.lora.lora_dropout, seed, &tree));
    let scored = logprobs::score(input.model, input.adapter, &tree, &sequences, dropout.as_ref())?;
    let mut weights = Vec::with_capacity(sequences.len());
    let mut stats = scored.stats.iter();
    for (index, example) in pass.members.iter().zip(examples) {
        let chosen = stats.next().expect("every sequence has its stats");
        if is_dpo {
            let rejected = stats.next().expect("every pair has a rejected answer");
            let reference = input.reference[*index];
            let scores = PairScores {
                chosen_tokens_a_pair: sum.chosen_tokens_a_pair,
                ..pair_scores(example, chosen, rejected, reference)
            };
            let loss = pair_loss(input.config, scores);
            sum.loss += loss.value * pass.share;
            sum.add_pair(chosen, rejected, scores, input.config.beta);
            weights.extend([loss.by_chosen * pass.share, loss.by_rejected * pass.share]);
        } else {
            sum.loss += sft::share_of_loss(chosen.logp, pass.tokens_in_step);
            sum.chosen.add(chosen);
            weights.push(sft::slope(pass.tokens_in_step));
        }
        sum.tokens += example.token_count() as u64;
    }
    scored.backward(&weights, gradients)
}

/// The log-ratios of a pair, as if it were alone in its batch.
pub fn pair_scores(
    example: &Example,
    chosen: &CompletionStats,
    rejected: &CompletionStats,
    reference: Reference,
) -> PairScores {
    PairScores {
        chosen: chosen.logp - reference.chosen,
        rejected: rejected.logp - reference.rejected,
        chosen_logp: chosen.logp,
        chosen_tokens: example.chosen.completion_tokens(),
        rejected_tokens: example.rejected.as_ref().map_or(0, |answer| answer.completion_tokens()),
        chosen_tokens_a_pair: chosen.tokens as f64,
    }
}

/// The loss of a pair under the configured loss types.
pub fn pair_loss(config: &TrainConfig, scores: PairScores) -> super::dual::Dual {
    let settings = LossSettings { beta: config.beta, label_smoothing: config.label_smoothing };
    dpo::loss(&config.losses(), scores, settings).expect("problems() knows every loss type")
}

/// What a micro-batch adds up to.
#[derive(Default)]
struct BatchSums {
    pairs: usize,
    chosen_tokens_a_pair: f64,

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
