//! A minimal pair: what comes next after two prompts, side by side.
//!
//! The prompts differ in a word, or the models do, or one has an adapter.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::compare::{Both, Divergence, TOP, same_vocabulary};
use super::error::Error;
use super::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::llm::{KvCache, Tokenizer};

/// What two sides expect next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextComparison {
    pub divergence: Divergence,

    /// In bits, over the whole vocabulary.
    pub entropy_a: f64,
    pub entropy_b: f64,

    /// The likeliest tokens of either side, from what A finds likelier than B to the reverse.
    pub candidates: Vec<Pair>,
}

impl NextComparison {
    /// So many of the candidates, those that are the likeliest on either side: in their order.
    pub fn likeliest(&self, most: usize) -> Vec<&Pair> {
        let share = |at: &usize| {
            let pair = &self.candidates[*at];
            pair.logprob_a.max(pair.logprob_b)
        };
        let mut order: Vec<usize> = (0..self.candidates.len()).collect();
        order.sort_by(|one, other| share(other).total_cmp(&share(one)));
        order.truncate(most);
        order.sort_unstable();
        order.into_iter().map(|at| &self.candidates[at]).collect()
    }
}

/// A token under both sides; natural logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub id: u32,
    pub token: String,
    pub logprob_a: f64,
    pub logprob_b: f64,

    /// `logprob_a` - `logprob_b`: above 0 where A finds the token likelier.
    pub difference: f64,
}

/// One side: who is asked, and the ids of the prompt.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub subject: Subject<'a>,
    pub ids: &'a [u32],
}

/// Compares what comes after two prompts; `top`: how many of the likeliest of each side are listed.
/// What the prompts begin with is read once where the same model reads both. Slow: reports the two
/// sides.
pub fn next_token(
    a: Side<'_>,
    b: Side<'_>,
    top: usize,
    progress: &dyn Progress<Looked>,
) -> Result<NextComparison, Error> {
    if !same_vocabulary(a.subject.model, b.subject.model) {
        return Err(Error::NoCommonTokens);
    }
    a.subject.check(a.ids)?;
    b.subject.check(b.ids)?;
    let mut cache = a.subject.model.new_cache();
    let row_a = read(a, 0, &mut cache, progress)?;
    progress.emit(Looked { done: 1, total: 2 });
    let is_same = |one: Subject<'_>, other: Subject<'_>| {
        let adapters = match (one.adapter, other.adapter) {
            (None, None) => true,
            (Some(one), Some(other)) => std::ptr::eq(one, other),
            _ => false,
        };
        std::ptr::eq(one.model, other.model) && adapters
    };
    let mut shared = 0;
    let config = a.subject.model.config();
    if is_same(a.subject, b.subject) && config.turns_alike(a.ids.len(), b.ids.len()) {
        shared = a.ids.iter().zip(b.ids).take_while(|(one, other)| one == other).count();
        shared = shared.min(b.ids.len() - 1);
        cache.truncate(shared);
    } else {
        cache = b.subject.model.new_cache();
    }
    let row_b = read(b, shared, &mut cache, progress)?;
    progress.emit(Looked { done: 2, total: 2 });
    let both = Both::of([&row_a, &row_b], top.max(TOP));
    let both = both.ok_or(Error::NotNumbers { position: a.ids.len() - 1 })?;
    Ok(compared(&both, top, a.subject.model.tokenizer()))
}

/// What both expect next; `top` of the likeliest of each are listed.
pub(super) fn compared(both: &Both<'_>, top: usize, tokenizer: &Tokenizer) -> NextComparison {
    let best = both.best.iter().flat_map(|best| best.iter().take(top));
    let ids: BTreeSet<u32> = best.map(|(id, _)| *id).collect();
    let pair = |id: u32| {
        let [logprob_a, logprob_b] = both.logprobs(id);
        let token = tokenizer.token_text(id);
        Pair { id, token, logprob_a, logprob_b, difference: logprob_a - logprob_b }
    };
    let mut candidates: Vec<Pair> = ids.into_iter().map(pair).collect();
    candidates.sort_by(|one, other| other.difference.total_cmp(&one.difference));
    let [entropy_a, entropy_b] = both.spreads.map(|spread| spread.entropy);
    NextComparison { divergence: both.divergence(), entropy_a, entropy_b, candidates }
}

/// The scores after the whole prompt, of which the cache holds the first `held`.
fn read(
    side: Side<'_>,
    held: usize,
    cache: &mut KvCache,
    progress: &dyn Progress<Looked>,
) -> Result<Vec<f32>, Error> {
    let Subject { model, adapter } = side.subject;
    cache.plan(side.ids.len());
    let rest = &side.ids[held..];
    let mut states = Vec::new();
    let mut read = 0;
    for part in rest.chunks(128) {
        progress.check()?;
        read += part.len();
        let wanted = if read == rest.len() { part.len() - 1..part.len() } else { 0..0 };
        states = model.normed_states(part, cache, adapter, wanted)?;
    }
    Ok(model.scores_of(&states, adapter)?)
}
