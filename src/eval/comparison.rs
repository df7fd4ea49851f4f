//! What training changed: the model with and without a run's adapter, on the pairs that the run
//! held out and on text that has nothing to do with them, each number with its 95 % interval.

use std::path::Path;

use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::intervals::{self, Interval};
use super::preference::{self, Measured, OnlyStop, PairReward};
use crate::data::samples;
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::{Model, Positions};
use crate::train::Error;
use crate::train::config::TrainConfig;
use crate::train::rows::batch::Example;
use crate::train::rows::prepare;
use crate::train::rows::prepare::Examples;
use crate::train::rows::sequence::Sequence;

/// Tokens of a neutral paragraph that are looked at.
const NEUTRAL_TOKENS: usize = 96;

/// The model before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// How many rows were measured.
    pub rows: usize,

    /// Whether they were held out. A run without held-out rows is measured on what it was trained
    /// on, which flatters it.
    pub held_out: bool,

    /// Share of pairs whose chosen answer has the higher reward, and the mean margin. `None`: the
    /// rows are no pairs.
    pub accuracy: Option<Interval>,
    pub margin: Option<Interval>,

    /// exp of the mean surprise at a token of the chosen answers.
    pub perplexity_before: Interval,
    pub perplexity_after: Interval,

    /// Nats a token that the next-token distribution has moved on neutral text:
    /// KL(after ‖ before).
    pub neutral_kl: Interval,
}

/// The chosen answer of a row.
struct Chosen {
    before: f64,
    after: f64,
    tokens: f64,
}

/// Compares. `data` are the run's rows. Slow: reports each row, and looks for Stop between chunks.
pub fn compare(
    model: &Model,
    adapter: &Adapter,
    config: &TrainConfig,
    data: &Path,
    progress: &dyn Progress<Measured>,
) -> Result<Comparison, Error> {
    let quiet = OnlyStop(progress);
    // Row by row, not as they were packed.
    let config = &TrainConfig { packing: false, ..config.clone() };
    let Examples { examples, split, .. } = prepare::examples(model, config, data, &quiet)?;
    let held_out = !split.held_out.is_empty();
    let mut measured = if held_out { split.held_out } else { split.train };
    // Of labelled answers, those that the run wants to see more of.
    measured.retain(|index| examples[*index].is_good != Some(false));
    let paragraphs: Vec<&str> = samples::neutral().collect();
    let total = measured.len() + paragraphs.len();
    let (mut answers, mut pairs) = (Vec::new(), Vec::new());
    for (done, index) in measured.iter().enumerate() {
        progress.emit(Measured { done, total });
        let Example { chosen, rejected, .. } = &examples[*index];
        let logp = |adapter, sequence: &Sequence| {
            preference::completion_logp(model, adapter, sequence, &quiet)
        };
        let (before, after) = (logp(None, chosen)?, logp(Some(adapter), chosen)?);
        answers.push(Chosen { before, after, tokens: chosen.target_count() as f64 });
        if let Some(rejected) = rejected {
            let ratio = logp(Some(adapter), rejected)? - logp(None, rejected)?;
            pairs.push(PairReward {
                chosen: config.beta * (after - before),
                rejected: config.beta * ratio,
            });
        }
    }
    let mut moved = Vec::new();
    for (index, paragraph) in paragraphs.iter().enumerate() {
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        progress.emit(Measured { done: measured.len() + index, total });
        moved.push(paragraph_kl(model, adapter, paragraph)?);
    }
    let perplexity = |of: fn(&Chosen) -> f64| {
        let items: Vec<(f64, f64)> =
            answers.iter().map(|answer| (-of(answer), answer.tokens)).collect();
        intervals::ratio(&items).map(f64::exp)
    };
    let wins = pairs.iter().filter(|pair| pair.chosen > pair.rejected).count();
    let has_pairs = !pairs.is_empty();
    Ok(Comparison {
        rows: measured.len(),
        held_out,
        accuracy: has_pairs.then(|| intervals::share(wins, pairs.len())),
        margin: has_pairs
            .then(|| intervals::mean(pairs.iter().map(|pair| pair.chosen - pair.rejected))),
        perplexity_before: perplexity(|answer| answer.before),
        perplexity_after: perplexity(|answer| answer.after),
        neutral_kl: intervals::ratio(&moved),
    })
}

/// The sum of KL(after ‖ before) over the positions of a text, and how many there are.
fn paragraph_kl(model: &Model, adapter: &Adapter, text: &str) -> Result<(f64, f64), Error> {
    let tokenize = |err: crate::llm::text::tokenizer::TokenizerError| {
        Error::Model(crate::llm::Error::Tokenizer(err))
    };
    let mut ids = model.tokenizer().encode(text, true).map_err(tokenize)?;
    ids.truncate(NEUTRAL_TOKENS.min(model.context_with(Some(adapter))));
    if ids.is_empty() {
        return Ok((0.0, 0.0));
    }
    let logits = |adapter| model.logits(&ids, &mut model.new_cache(), adapter, Positions::All);
    let (after, before) = (logits(Some(adapter))?, logits(None)?);
    let rows = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
    let (after, before) = (rows(&after)?, rows(&before)?);
    let width = model.config().vocab_size;
    let sums: Vec<f64> =
        after.par_chunks(width).zip(before.par_chunks(width)).map(|(p, q)| kl(p, q)).collect();
    Ok((sums.iter().sum(), ids.len() as f64))
}

/// ln Σ e^score.
pub(super) fn log_sum(scores: &[f32]) -> f64 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - highest).exp()).sum();
    f64::from(highest) + sum.ln()
}

/// KL(p ‖ q) in nats, from raw scores.
fn kl(p: &[f32], q: &[f32]) -> f64 {
    let (p_sum, q_sum) = (log_sum(p), log_sum(q));
    let terms = p.iter().zip(q).map(|(p, q)| {
        let log_p = f64::from(*p) - p_sum;
        log_p.exp() * (log_p - (f64::from(*q) - q_sum))
    });
    terms.sum::<f64>().max(0.0) // rounding may leave a hair below 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kl_is_zero_for_the_same_scores_and_that_of_the_textbook_otherwise() {
        assert_eq!(kl(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0]), 0.0); // shifted scores are the same
        // p = (1/2, 1/2), q = (1/4, 3/4): ½ ln 2 + ½ ln ⅔
        let found = kl(&[0.0, 0.0], &[1_f32.ln(), 3_f32.ln()]);
        assert!((found - 0.5 * (2.0_f64.ln() + (2.0_f64 / 3.0).ln())).abs() < 1e-7);
    }
}
