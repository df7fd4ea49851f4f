//! One optimizer step: its micro-batches through the model and back, with TRL's metrics.
//!
//! As many pairs as memory allows are run at once, as one tree of tokens. Each pair's gradient is
//! scaled to its share of the batch and summed, so that how a batch is cut makes no difference.
//! Sequences are not padded; the result is that of the padded batch.

use candle_core::Var;

use crate::jobs;
use crate::llm::adapter::lora::Adapter;
use crate::llm::backward::dropout::Dropout;
use crate::llm::backward::gradients::Gradients;
use crate::llm::cost::pass_cost;
use crate::llm::model::Model;
use crate::llm::net::buffers;
use crate::train::config::{Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::estimate::free;
use crate::train::objective::dpo;
use crate::train::objective::dpo::{LossSettings, PairScores};
use crate::train::objective::dual::Dual;
use crate::train::objective::logprobs;
use crate::train::objective::logprobs::{CompletionStats, PassSize};
use crate::train::objective::sft;
use crate::train::record::metrics::PreferenceMetrics;
use crate::train::rows::batch::{Example, Sequence};

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
    let tokens_in_step = sft::tokens_in_step(rows, input.model.config().naming);
    let mut gradients = Gradients::none(input.adapter);
    let mut sums: Vec<BatchSums> = Vec::with_capacity(batches.len());
    let pass_rows = PassSize::of(input.model.config()).rows();
    for (number, batch) in batches.iter().enumerate() {
        let mut sum = BatchSums::of(input.examples, batch);
        for members in passes(input.examples, batch, pass_rows) {
            check()?;
            let pass = PassInput {
                members,
                // The mean over the pairs of a micro-batch, and over the micro-batches of the step.
                share: 1.0 / (batch.len() * batches.len()) as f64,
                tokens_in_step,
                dropout_seed: dropout_seed(input, number),
            };
            jobs::in_pool(|| run_pass(input, &pass, &mut gradients, &mut sum))?;
        }
        sums.push(sum);
    }
    let missing = gradients.missing(input.vars.iter().map(|(name, _)| name.as_str()));
    if !missing.is_empty() {
        return Err(Error::NoGradient { names: missing.into_iter().map(str::to_owned).collect() });
    }
    Ok(outcome(&sums, gradients, input.config.objective, tokens_in_step))
}

/// Cuts a micro-batch into equal parts whose trees have at most `pass_rows` rows, or are of one
/// example.
pub(crate) fn passes<'a>(
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
    let keep = PassSize::of(config).keep(&tree);
    let kept = pass_cost::kept_bytes(config, tree.len(), input.adapter.rank_sum(), keep);
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
            let loss = sum.add_pair(example, &(*chosen, *rejected), reference, input.config);
            sum.loss += loss.value;
            weights.extend([loss.by_chosen * pass.share, loss.by_rejected * pass.share]);
        } else {
            sum.chosen.add(chosen);
            weights.push(sft::slope(pass.tokens_in_step));
        }
        sum.tokens += example.token_count() as u64;
    }
    scored.backward(&weights, gradients)
}

/// What a micro-batch adds up to.
#[derive(Default)]
pub(crate) struct BatchSums {
    pairs: usize,

    /// Learned tokens of its chosen answers, as a mean over its pairs.
    chosen_tokens_a_pair: f64,

    /// Sum over all pairs; not that of SFT, whose mean goes over a whole step.
    pub loss: f64,
    pub chosen: CompletionStats,
    rejected: CompletionStats,
    rewards_chosen: f64,
    rewards_rejected: f64,
    wins: usize,
    tokens: u64,
}

impl BatchSums {
    /// Of a batch of which nothing has been run yet.
    pub fn of(examples: &[Example], batch: &[usize]) -> Self {
        let tokens = batch.iter().map(|index| examples[*index].chosen.targets().len());
        let chosen_tokens_a_pair = tokens.sum::<usize>() as f64 / batch.len().max(1) as f64;
        Self { pairs: batch.len(), chosen_tokens_a_pair, ..Self::default() }
    }

    /// Adds what was found of a pair's chosen and rejected answer, and returns its loss under the
    /// configured loss types.
    pub fn add_pair(
        &mut self,
        example: &Example,
        (chosen, rejected): &(CompletionStats, CompletionStats),
        reference: Reference,
        config: &TrainConfig,
    ) -> Dual {
        let rejected_tokens = example.rejected.as_ref().map_or(0, Sequence::completion_tokens);
        let scores = PairScores {
            chosen: chosen.logp - reference.chosen,
            rejected: rejected.logp - reference.rejected,
            chosen_tokens: example.chosen.completion_tokens(),
            rejected_tokens,
            chosen_logp: chosen.logp,
            chosen_tokens_a_pair: self.chosen_tokens_a_pair,
        };
        let settings = LossSettings { beta: config.beta, label_smoothing: config.label_smoothing };
        let loss = dpo::loss(&config.losses(), scores, settings)
            .expect("problems() knows every loss type");
        self.chosen.add(chosen);
        self.rejected.add(rejected);
        self.rewards_chosen += config.beta * scores.chosen;
        self.rewards_rejected += config.beta * scores.rejected;
        self.wins += usize::from(scores.chosen > scores.rejected);
        loss
    }
}

/// What TRL averages over micro-batches, however many tokens or pairs each has.
pub(crate) struct Means {
    pub entropy: f64,
    pub mean_token_accuracy: f64,
    pub preference: Option<PreferenceMetrics>,
}

pub(crate) fn means(sums: &[BatchSums], objective: Objective) -> Means {
    let mean = |of: &dyn Fn(&BatchSums) -> f64| {
        sums.iter().map(of).sum::<f64>() / sums.len().max(1) as f64
    };
    let per = |value: f64, count: usize| value / count.max(1) as f64;
    let preference = (objective == Objective::Dpo).then(|| {
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
    Means {
        entropy: mean(&|sum| {
            per(sum.chosen.entropy + sum.rejected.entropy, sum.chosen.tokens + sum.rejected.tokens)
        }),
        mean_token_accuracy: mean(&|sum| per(sum.chosen.correct as f64, sum.chosen.tokens)),
        preference,
    }
}

fn outcome(
    sums: &[BatchSums],
    gradients: Gradients,
    objective: Objective,
    tokens_in_step: usize,
) -> StepOutcome {
    let of_batch = |sum: &BatchSums| match objective {
        Objective::Dpo => sum.loss / (sum.pairs * sums.len()) as f64,
        Objective::Sft => sft::share_of_loss(sum.chosen.logp, tokens_in_step),
    };
    let Means { entropy, mean_token_accuracy, preference } = means(sums, objective);
    StepOutcome {
        gradients,
        loss: sums.iter().map(of_batch).sum(),
        entropy,
        mean_token_accuracy,
        preference,
        tokens: sums.iter().map(|sum| sum.tokens).sum(),
    }
}
