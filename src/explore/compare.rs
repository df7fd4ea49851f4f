//! Two models on one text: where they differ, token by token.
//!
//! That is what an adapter changed, or what quantisation costs. Two models with different
//! vocabularies have no tokens in common: they are compared by words, see `compare_words`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::predictions::{Spread, highest};
use super::subject::{Looked, Reading, Subject};
use super::surprise::perplexity;
use crate::jobs;
use crate::jobs::Progress;
use crate::llm::Model;

/// How many of the likeliest tokens an agreement looks at, beside the first.
pub const TOP: usize = 10;

/// A text under two models. All lists are as long as `ids`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextComparison {
    pub ids: Vec<u32>,

    /// Each token as it is shown by itself.
    pub tokens: Vec<String>,

    /// Natural log of the probability of the token, given those before it; none for the first.
    pub logprobs_a: Vec<Option<f64>>,
    pub logprobs_b: Vec<Option<f64>>,

    /// `logprobs_a` - `logprobs_b`: above 0 where A finds the token likelier.
    pub difference: Vec<Option<f64>>,

    /// Of what could come *after* each token.
    pub next: Vec<Divergence>,
    pub summary: Summary,
}

/// How far two distributions over the same tokens are apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// KL(A‖B) and KL(B‖A), in nats. Infinite (`null` in JSON) where one rules out what the other
    /// does not.
    #[serde(deserialize_with = "or_infinite")]
    pub kl_ab: f64,
    #[serde(deserialize_with = "or_infinite")]
    pub kl_ba: f64,

    /// Half the sum of |a - b|: 0 the same, 1 nothing in common.
    pub total_variation: f64,

    /// Whether both find the same token likeliest.
    pub same_top_1: bool,

    /// The share of A's ten likeliest tokens that are among B's.
    pub top_10_overlap: f64,
}

/// A text under two models, in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Means over the predictions after every token of the text, the last among them.
    #[serde(deserialize_with = "or_infinite")]
    pub mean_kl_ab: f64,
    #[serde(deserialize_with = "or_infinite")]
    pub mean_kl_ba: f64,
    pub mean_total_variation: f64,

    /// The share of these predictions with the same likeliest token.
    pub top_1_agreement: f64,

    /// The mean of `top_10_overlap`.
    pub top_10_agreement: f64,

    /// Over the tokens of the text but the first; `None` for a single token.
    pub perplexity_a: Option<f64>,
    pub perplexity_b: Option<f64>,
    pub mean_difference: Option<f64>,
}

/// JSON has no infinity, and writes `null`.
fn or_infinite<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

/// Whether both models have the same tokens under the same ids.
pub fn same_vocabulary(a: &Model, b: &Model) -> bool {
    let (one, other) = (a.tokenizer(), b.tokenizer());
    if a.config().vocab_size != b.config().vocab_size {
        return false;
    }
    Arc::ptr_eq(one, other)
        || (one.vocab_size() == other.vocab_size()
            && (0..one.vocab_size() as u32).all(|id| one.token(id) == other.token(id)))
}

/// Reads a text with both models, side by side. Slow: reports tokens, and looks for Stop every
/// hundred or so.
pub fn on_text(
    a: Subject<'_>,
    b: Subject<'_>,
    ids: &[u32],
    progress: &dyn Progress<Looked>,
) -> Result<TextComparison, Error> {
    Ok(read_both([a, b], ids, progress, &|_| ())?.comparison)
}

/// A text that both have read.
pub(super) struct ReadBoth<K> {
    pub comparison: TextComparison,

    /// What was kept of the predictions after each token.
    pub kept: Vec<K>,

    /// What each of the two has taken.
    pub secs: [f64; 2],
}

/// As [`on_text`]; `keep`: what is wanted of what both expect after each token.
pub(super) fn read_both<K: Send>(
    [a, b]: [Subject<'_>; 2],
    ids: &[u32],
    progress: &dyn Progress<Looked>,
    keep: &(dyn Fn(&Both<'_>) -> K + Sync),
) -> Result<ReadBoth<K>, Error> {
    if !same_vocabulary(a.model, b.model) {
        return Err(Error::OtherVocabulary);
    }
    a.check(ids)?;
    b.check(ids)?;
    let vocab_size = a.model.config().vocab_size;
    let (mut logprobs_a, mut logprobs_b) = (vec![None], vec![None]);
    let (mut next, mut kept) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
    let mut secs = [0.0; 2];
    let (mut reading_a, mut reading_b) = (Reading::new(a, ids), Reading::new(b, ids));
    let rows_at_once = reading_a.rows_at_once();
    loop {
        progress.check()?;
        let first = reading_a.given();
        let clock = Instant::now();
        let rows_a = reading_a.next_rows(rows_at_once)?;
        secs[0] += clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        let rows_b = reading_b.next_rows(rows_at_once)?;
        secs[1] += clock.elapsed().as_secs_f64();
        if rows_a.is_empty() {
            break;
        }
        let read = jobs::in_pool(|| {
            let rows = rows_a.par_chunks_exact(vocab_size);
            let rows = rows.zip(rows_b.par_chunks_exact(vocab_size)).enumerate();
            let read = rows.map(|(at, (row_a, row_b))| -> Result<_, Error> {
                let both = Both::of([row_a, row_b], TOP);
                let both = both.ok_or(Error::NotNumbers { position: first + at })?;
                let logprobs = ids.get(first + at + 1).map(|id| both.logprobs(*id));
                Ok((both.divergence(), logprobs, keep(&both)))
            });
            read.collect::<Result<Vec<_>, Error>>()
        })?;
        for (divergence, logprobs, more) in read {
            next.push(divergence);
            kept.push(more);
            if let Some([a, b]) = logprobs {
                logprobs_a.push(Some(a));
                logprobs_b.push(Some(b));
            }
        }
        progress.emit(Looked { done: reading_a.given(), total: ids.len() });
    }
    let pairs = logprobs_a.iter().zip(&logprobs_b);
    let difference: Vec<Option<f64>> = pairs.map(|(a, b)| Some((*a)? - (*b)?)).collect();
    let summary = Summary::of(&next, [&logprobs_a, &logprobs_b], &difference);
    let (ids, tokens) = (ids.to_vec(), a.token_texts(ids));
    let comparison =
        TextComparison { ids, tokens, logprobs_a, logprobs_b, difference, next, summary };
    Ok(ReadBoth { comparison, kept, secs })
}

impl Summary {
    fn of(
        next: &[Divergence],
        [logprobs_a, logprobs_b]: [&[Option<f64>]; 2],
        difference: &[Option<f64>],
    ) -> Self {
        let mean = |value: &dyn Fn(&Divergence) -> f64| {
            next.iter().map(value).sum::<f64>() / next.len() as f64
        };
        let known: Vec<f64> = difference.iter().flatten().copied().collect();
        let mean_difference =
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        Self {
            mean_kl_ab: mean(&|next| next.kl_ab),
            mean_kl_ba: mean(&|next| next.kl_ba),
            mean_total_variation: mean(&|next| next.total_variation),
            top_1_agreement: mean(&|next| f64::from(u8::from(next.same_top_1))),
            top_10_agreement: mean(&|next| next.top_10_overlap),
            perplexity_a: perplexity(logprobs_a),
            perplexity_b: perplexity(logprobs_b),
            mean_difference,
        }
    }
}

/// Two rows of scores over the same tokens.
pub(super) struct Both<'a> {
    rows: [&'a [f32]; 2],
    pub spreads: [Spread; 2],

    /// The likeliest of either, with their scores.
    pub best: [Vec<(u32, f32)>; 2],
}

impl<'a> Both<'a> {
    /// `top`: how many of the likeliest are looked for. `None`: there are scores that are no numbers.
    pub fn of(rows: [&'a [f32]; 2], top: usize) -> Option<Self> {
        let best = rows.map(|row| highest(row, top));
        let [a, b] = rows.map(|row| Spread::of(&mut row.to_vec()));
        Some(Self { rows, spreads: [a?, b?], best })
    }

    /// What both give to a token.
    pub fn logprobs(&self, id: u32) -> [f64; 2] {
        [0, 1].map(|side| self.spreads[side].logprob(self.rows[side][id as usize]))
    }

    pub fn divergence(&self) -> Divergence {
        let (mut kl_ab, mut kl_ba, mut apart) = (0.0, 0.0, 0.0);
        // What is left out of 0 · log 0.
        let share = |p: f64, log_ratio: f64| if p > 0.0 { p * log_ratio } else { 0.0 };
        for (a, b) in self.rows[0].iter().zip(self.rows[1]) {
            let (a, b) = (self.spreads[0].logprob(*a), self.spreads[1].logprob(*b));
            let (p, q) = (a.exp(), b.exp());
            kl_ab += share(p, a - b);
            kl_ba += share(q, b - a);
            apart += (p - q).abs();
        }
        let ids = self
            .best
            .each_ref()
            .map(|best| best.iter().take(TOP).map(|(id, _)| *id).collect::<BTreeSet<u32>>());
        let shared = ids[0].intersection(&ids[1]).count();
        Divergence {
            // Rounding may lead below 0 where both are the same.
            kl_ab: kl_ab.max(0.0),
            kl_ba: kl_ba.max(0.0),
            total_variation: apart / 2.0,
            same_top_1: self.best[0][0].0 == self.best[1][0].0,
            top_10_overlap: shared as f64 / ids[0].len() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_as_far_apart_as_their_definitions_say() {
        let scores = |p: [f64; 3]| p.map(|p| p.ln() as f32 + 2.0);
        let (a, b) = (scores([0.5, 0.25, 0.25]), scores([0.25, 0.5, 0.25]));
        let both = Both::of([&a, &b], TOP).unwrap();
        let found = both.divergence();
        // 1/2 ln 2 - 1/4 ln 2
        let kl = 0.25 * 2f64.ln();
        assert!((found.kl_ab - kl).abs() < 1e-6 && (found.kl_ba - kl).abs() < 1e-6);
        assert!((found.total_variation - 0.25).abs() < 1e-6);
        assert!(!found.same_top_1 && found.top_10_overlap == 1.0);
        let [a, b] = both.logprobs(1);
        assert!((a - 0.25f64.ln()).abs() < 1e-6 && (b - 0.5f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_token_that_is_ruled_out_makes_an_infinite_divergence_one_way() {
        let a = [0.0, 0.0, f32::NEG_INFINITY];
        let found = Both::of([&a, &[0.0, 0.0, 0.0]], TOP).unwrap().divergence();
        assert!((found.kl_ab - 1.5f64.ln()).abs() < 1e-6);
        assert_eq!(found.kl_ba, f64::INFINITY);
    }
}
