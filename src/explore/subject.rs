//! What is looked at: a model, with an adapter over it or without, and how far the work is.

use rayon::prelude::*;

use super::error::Error;
use crate::jobs;
use crate::jobs::Progress;
use crate::llm::{Adapter, KvCache, Model};
use crate::memory::free_memory;

/// A model as it is asked: with an adapter, or as it is.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub model: &'a Model,
    pub adapter: Option<&'a Adapter>,
}

impl<'a> Subject<'a> {
    pub fn new(model: &'a Model, adapter: Option<&'a Adapter>) -> Self {
        Self { model, adapter }
    }

    /// Each token as it is shown by itself.
    pub fn token_texts(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().map(|id| self.model.tokenizer().token_text(*id)).collect()
    }

    /// The ids of a text, with what the tokenizer puts around it, as transformers'
    /// `tokenizer(text)`; as [`Self::check`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let ids = self.model.tokenizer().encode(text, true)?;
        self.check(&ids)?;
        Ok(ids)
    }

    /// Fails where the text is empty, longer than the context, or has ids that the model does not
    /// know.
    pub fn check(&self, ids: &[u32]) -> Result<(), Error> {
        if ids.is_empty() {
            return Err(Error::NoTokens);
        }
        Ok(self.model.check_after(ids, ids.len(), self.adapter)?)
    }
}

/// `done` of `total` parts of a view are there: tokens, layers or texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    pub done: usize,
    pub total: usize,
}

/// Fails with the number where a view would take more memory than is free.
pub(super) fn check_memory(view: &'static str, tokens: usize, needed: u64) -> Result<(), Error> {
    match free_memory() {
        Some(free) if needed > free => {
            let (needed_mb, free_mb) = (needed.div_ceil(1_000_000), free / 1_000_000);
            Err(Error::Memory { view, tokens, needed_mb, free_mb })
        }
        _ => Ok(()),
    }
}

/// Tokens that go through the layers before somebody is asked whether to go on.
pub(super) const CHUNK: usize = 128;

/// Scores that are in memory at once, as a number of values: 128 rows of 49,152 are 25 MB.
const SCORES: usize = 1 << 23;

/// Rows of scores to ask for, so that they take little memory.
pub(super) fn rows_at_once(vocab_size: usize) -> usize {
    (SCORES / vocab_size.max(1)).clamp(1, CHUNK)
}

/// A text that is read from its beginning: the scores of what follows each token, row by row.
pub(super) struct Reading<'a> {
    subject: Subject<'a>,
    ids: &'a [u32],
    cache: KvCache,

    /// Hidden states after the final norm of tokens whose scores were not asked for yet.
    states: Vec<f32>,

    /// Tokens whose scores were given, and the last ones.
    given: usize,
    scores: Vec<f32>,
}

impl<'a> Reading<'a> {
    /// The ids are checked: [`Subject::check`].
    pub fn new(subject: Subject<'a>, ids: &'a [u32]) -> Self {
        let mut cache = subject.model.new_cache();
        cache.plan(ids.len());
        Self { subject, ids, cache, states: Vec::new(), given: 0, scores: Vec::new() }
    }

    /// Rows to ask for.
    pub fn rows_at_once(&self) -> usize {
        rows_at_once(self.subject.model.config().vocab_size)
    }

    /// The scores after the next tokens, at most `count`: (rows, vocabulary). Empty at the end.
    pub fn next_rows(&mut self, count: usize) -> Result<&mut [f32], Error> {
        let Subject { model, adapter } = self.subject;
        let width = model.config().width;
        if self.states.is_empty() {
            let rest = &self.ids[self.given..];
            let part = &rest[..rest.len().min(CHUNK)];
            if part.is_empty() {
                return Ok(&mut []);
            }
            self.states = model.normed_states(part, &mut self.cache, adapter, 0..part.len())?;
        }
        let taken = count.min(self.states.len() / width);
        let later = self.states.split_off(taken * width);
        model.scores_into(&self.states, adapter, &mut self.scores)?;
        self.states = later;
        self.given += taken;
        Ok(&mut self.scores)
    }

    /// Runs what is left: `each` on the scores after every token, with its place among the ids, and `keep` on
    /// what that gave, in the order of the text. Reports tokens, and looks for Stop every hundred or so.
    pub fn run<T: Send>(
        mut self,
        progress: &dyn Progress<Looked>,
        each: impl Fn(usize, &mut [f32]) -> Result<T, Error> + Sync,
        mut keep: impl FnMut(T),
    ) -> Result<(), Error> {
        let vocabulary = self.subject.model.config().vocab_size;
        let rows_at_once = self.rows_at_once();
        loop {
            progress.check()?;
            let first = self.given;
            let rows = self.next_rows(rows_at_once)?;
            if rows.is_empty() {
                return Ok(());
            }
            let found = jobs::in_pool(|| {
                let rows = rows.par_chunks_exact_mut(vocabulary).enumerate();
                rows.map(|(at, row)| each(first + at, row)).collect::<Result<Vec<_>, Error>>()
            })?;
            found.into_iter().for_each(&mut keep);
            progress.emit(Looked { done: self.given, total: self.ids.len() });
        }
    }

    /// Tokens whose scores were given.
    pub fn given(&self) -> usize {
        self.given
    }
}
