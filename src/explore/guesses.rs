//! What guesses of the next words are worth: the probability that the model gives each of them.

use std::sync::Arc;

use super::error::Error;
use super::subject::Looked;
use super::tree::{ROOT, Tree};
use crate::jobs::{Cancelled, Progress};
use crate::llm::{Adapter, Model};

/// A guess as the model would have to write it.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredGuess {
    /// As it was said.
    pub text: String,
    pub tokens: Vec<String>,

    /// Natural log of the probability of all its tokens, one after the other.
    pub logprob: f64,
}

/// Scores guesses of what comes after `ids`.
///
/// A guess counts as it is likeliest: with a space before it or without. What several of them begin
/// with is run once. Slow: looks for Stop while it reads, and once a guess.
pub fn score(
    model: &Arc<Model>,
    adapter: Option<Arc<Adapter>>,
    ids: &[u32],
    guesses: &[String],
    progress: &dyn Progress<()>,
) -> Result<Vec<ScoredGuess>, Error> {
    let mut tree = Tree::plant(Arc::clone(model), adapter, ids, &Silent(progress))?;
    let tokenizer = model.tokenizer();
    let mut scored = Vec::with_capacity(guesses.len());
    for text in guesses {
        progress.check()?;
        let mut best: Option<ScoredGuess> = None;
        for form in [format!(" {text}"), text.clone()] {
            let ids = tokenizer.encode(&form, false)?;
            let mut node = ROOT;
            let mut logprob = 0.0;
            for id in &ids {
                node = tree.branch(node, *id)?;
                logprob = tree.path_logprob(node);
            }
            if best.as_ref().is_none_or(|best| logprob > best.logprob) && !ids.is_empty() {
                let tokens = ids.iter().map(|id| tokenizer.token_text(*id)).collect();
                best = Some(ScoredGuess { text: text.clone(), tokens, logprob });
            }
        }
        scored.extend(best);
    }
    Ok(scored)
}

/// Only whether to stop.
struct Silent<'a>(&'a dyn Progress<()>);

impl Progress<Looked> for Silent<'_> {
    fn emit(&self, _: Looked) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}
