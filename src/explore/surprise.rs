//! Surprise: how likely each token of a text was, and what else could have come.

use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::predictions::{Candidate, Spread, highest};
use super::subject::{Looked, Reading, Subject};
use crate::jobs::Progress;

/// A text, token by token. All lists are as long as `ids`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurpriseView {
    pub ids: Vec<u32>,

    /// Each token as it is shown by itself.
    pub tokens: Vec<String>,

    /// Natural log of the probability of the token, given those before it; none for the first.
    pub logprobs: Vec<Option<f64>>,

    /// The same as surprise: -log2 of the probability, in bits.
    pub surprisal: Vec<Option<f64>>,

    /// Of what could come *after* the token: bits, over the whole vocabulary.
    pub entropy: Vec<f64>,

    /// What could come *after* the token, the likeliest first: as many as were asked for.
    pub top: Vec<Vec<Candidate>>,

    /// exp of the mean of -logprobs; `None` for a single token.
    pub perplexity: Option<f64>,
}

impl SurpriseView {
    /// The perplexity of the text up to each token.
    pub fn running_perplexity(&self) -> Vec<Option<f64>> {
        let (mut sum, mut count) = (0.0, 0);
        let running = self.logprobs.iter().map(|logprob| {
            sum -= (*logprob)?;
            count += 1;
            Some((sum / f64::from(count)).exp())
        });
        running.collect()
    }

    /// What could have come in the place of token `at`, and how open that was in bits; `None` for
    /// the first, before which nothing stands.
    pub fn instead_of(&self, at: usize) -> Option<(&[Candidate], f64)> {
        let before = at.checked_sub(1)?;
        Some((self.top.get(before)?, *self.entropy.get(before)?))
    }

    /// Tokens at which the text could well have gone another way: what came before left more than
    /// `bits` open, and the two likeliest are less than `margin` of probability apart. Needs the
    /// two likeliest.
    pub fn forks(&self, bits: f64, margin: f64) -> Vec<usize> {
        let is_fork = |at: &usize| match self.instead_of(*at) {
            Some(([first, second, ..], entropy)) => {
                entropy > bits && first.probability - second.probability < margin
            }
            _ => false,
        };
        (1..self.ids.len()).filter(is_fork).collect()
    }
}

/// Reads a text once. `top`: how many of the likeliest tokens are kept at each place. Slow: reports
/// tokens, and looks for Stop every hundred or so.
pub fn surprise(
    subject: Subject<'_>,
    ids: &[u32],
    top: usize,
    progress: &dyn Progress<Looked>,
) -> Result<SurpriseView, Error> {
    subject.check(ids)?;
    let tokenizer = subject.model.tokenizer();
    let total = ids.len();
    let mut view = SurpriseView {
        ids: ids.to_vec(),
        tokens: subject.token_texts(ids),
        logprobs: vec![None],
        surprisal: vec![None],
        entropy: Vec::with_capacity(total),
        top: Vec::with_capacity(total),
        perplexity: None,
    };
    let each = |position: usize, row: &mut [f32]| {
        let best = highest(row, top);
        let next = ids.get(position + 1).map(|id| row[*id as usize]);
        let spread = Spread::of(row).ok_or(Error::NotNumbers { position })?;
        Ok((best, next, spread))
    };
    Reading::new(subject, ids).run(progress, each, |(best, next, spread)| {
        let candidate =
            |&(id, score): &(u32, f32)| Candidate::new(tokenizer, id, spread.logprob(score));
        view.top.push(best.iter().map(candidate).collect());
        view.entropy.push(spread.entropy);
        if let Some(score) = next {
            let logprob = spread.logprob(score);
            view.logprobs.push(Some(logprob));
            view.surprisal.push(Some(-logprob / LN_2));
        }
    })?;
    view.perplexity = perplexity(&view.logprobs);
    Ok(view)
}

/// exp of the mean of -logprobs.
pub(super) fn perplexity(logprobs: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = logprobs.iter().flatten().copied().collect();
    (!known.is_empty()).then(|| (-known.iter().sum::<f64>() / known.len() as f64).exp())
}
