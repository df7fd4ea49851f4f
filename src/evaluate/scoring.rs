//! The exact log-probabilities of given answers, in as few passes as their beginnings allow.
//!
//! What all prompts of a task begin with is computed once, what all orders of a row begin with once a
//! row, and tokens that several answers begin with once a prompt. The pieces are the same whatever
//! was computed before, so that a row's numbers do not depend on the rows beside it, nor on whether
//! the work was interrupted.

use super::prompt::Presentation;
use crate::data::pair::Message;
use crate::jobs::Progress;
use crate::llm::generate::sampling;
use crate::llm::{Adapter, Error, KvCache, Model, Positions};

/// Tokens of a prompt between two questions whether to stop.
const CHUNK: usize = 256;

/// A prompt and what may follow it, as ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub prompt: Vec<u32>,

    /// In the order of the places; none is empty.
    pub answers: Vec<Vec<u32>>,
}

/// Why a prompt cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unaskable {
    /// No tokens say this answer.
    Unsayable { answer: String },

    /// Prompt and longest answer have so many tokens.
    TooLong { needed: usize, context: usize },
}

impl Asked {
    /// The ids of a presentation: a message through the chat template, or, for a model that has
    /// none, a text that ends in `Answer:`.
    pub fn encode(
        model: &Model,
        presentation: &Presentation,
    ) -> Result<Result<Self, Unaskable>, Error> {
        let (tokenizer, chat) = (model.tokenizer(), model.chat());
        let (text, lead) = match chat {
            Some(chat) => (chat.render(&[Message::new("user", &presentation.content)], true)?, ""),
            None => (format!("{}\n\nAnswer:", presentation.content), " "),
        };
        // A chat template writes the beginning of a text itself.
        let add_special = chat.is_none();
        let prompt = tokenizer.encode(&text, add_special)?;
        let mut answers = Vec::with_capacity(presentation.answers.len());
        for answer in &presentation.answers {
            let said = format!("{lead}{answer}");
            let whole = tokenizer.encode(&format!("{text}{said}"), add_special)?;
            // Where the border melts into one token, the answer is taken by itself.
            let ids = match whole.strip_prefix(prompt.as_slice()) {
                Some(ids) => ids.to_vec(),
                None => tokenizer.encode(&said, false)?,
            };
            if ids.is_empty() || tokenizer.decode(&ids, false).trim() != answer.trim() {
                return Ok(Err(Unaskable::Unsayable { answer: answer.clone() }));
            }
            answers.push(ids);
        }
        let longest = answers.iter().map(Vec::len).max().unwrap_or(0);
        let (needed, context) = (prompt.len() + longest, model.config().context_length);
        if needed > context {
            return Ok(Err(Unaskable::TooLong { needed, context }));
        }
        Ok(Ok(Self { prompt, answers }))
    }

    fn len(&self) -> usize {
        self.prompt.len() + self.answers.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// How many ids all of `lists` begin with.
pub fn common<'a>(mut lists: impl Iterator<Item = &'a [u32]>) -> usize {
    let Some(first) = lists.next() else { return 0 };
    lists.fold(first.len(), |count, list| {
        first[..count].iter().zip(list).take_while(|(a, b)| a == b).count()
    })
}

/// Asks one model.
pub struct Scorer<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    cache: KvCache,

    /// What the cache begins with.
    held: Vec<u32>,
}

impl<'a> Scorer<'a> {
    pub fn new(model: &'a Model, adapter: Option<&'a Adapter>) -> Self {
        Self { model, adapter, cache: model.new_cache(), held: Vec::new() }
    }

    /// Natural logs of the probability of every answer after its prompt, the sum over its tokens,
    /// for the presentations of one row. `shared`: what all prompts of the task begin with; a row
    /// that does not is computed alone. Asks whether to stop between passes; `E` is not reported.
    pub fn score<E>(
        &mut self,
        shared: &[u32],
        row: &[Asked],
        progress: &dyn Progress<E>,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let is_shared = row
            .iter()
            .all(|asked| asked.prompt.len() > shared.len() && asked.prompt.starts_with(shared));
        let shared = if is_shared { shared } else { &[] };
        let longest = row.iter().map(Asked::len).max().unwrap_or(0);
        if self.held != shared {
            self.cache = self.model.new_cache();
            self.held.clear();
            self.cache.plan(longest);
            self.read(shared, progress)?;
            self.held = shared.to_vec();
        }
        self.cache.truncate(shared.len());
        self.cache.plan(longest);
        // The last token of a prompt is run for itself: its scores are wanted.
        let shortest = row.iter().map(|asked| asked.prompt.len() - 1).min().unwrap_or(0);
        let begin = common(row.iter().map(|asked| asked.prompt.as_slice())).min(shortest);
        let begin = begin.max(shared.len());
        if let Some(first) = row.first() {
            self.read(&first.prompt[shared.len()..begin], progress)?;
        }
        row.iter().map(|asked| self.ask(asked, begin, progress)).collect()
    }

    /// Takes ids into the cache without their scores.
    fn read<E>(&mut self, ids: &[u32], progress: &dyn Progress<E>) -> Result<(), Error> {
        for part in ids.chunks(CHUNK) {
            progress.check()?;
            let none = Positions::From(part.len());
            self.model.logits(part, &mut self.cache, self.adapter, none)?;
        }
        Ok(())
    }

    fn ask<E>(
        &mut self,
        asked: &Asked,
        begin: usize,
        progress: &dyn Progress<E>,
    ) -> Result<Vec<f64>, Error> {
        self.cache.truncate(begin);
        let rest = &asked.prompt[begin..];
        let last = rest.len() - 1;
        self.read(&rest[..last], progress)?;
        progress.check()?;
        let vocabulary = self.model.config().vocab_size;
        // The scores after the prompt, and after each token of the answer that was run last.
        let mut scores = self.run(&rest[last..])?;
        let mut path: Vec<u32> = Vec::new();
        let mut sums = vec![0.0; asked.answers.len()];
        let mut sorted: Vec<usize> = (0..asked.answers.len()).collect();
        sorted.sort_by(|a, b| asked.answers[*a].cmp(&asked.answers[*b]));
        for index in sorted {
            let ids = &asked.answers[index];
            path.truncate(common([path.as_slice(), ids].into_iter()));
            scores.truncate((path.len() + 1) * vocabulary);
            if path.len() + 1 < ids.len() {
                progress.check()?;
                self.cache.truncate(asked.prompt.len() + path.len());
                let new = &ids[path.len()..ids.len() - 1];
                let more = self.run(new)?;
                scores.extend_from_slice(&more);
                path.extend_from_slice(new);
            }
            let rows = scores.chunks_exact(vocabulary);
            sums[index] =
                ids.iter().zip(rows).map(|(id, row)| f64::from(sampling::logprob(row, *id))).sum();
        }
        Ok(sums)
    }

    fn run(&mut self, ids: &[u32]) -> Result<Vec<f32>, Error> {
        let scores = self.model.logits(ids, &mut self.cache, self.adapter, Positions::All)?;
        Ok(scores.flatten_all()?.to_vec1::<f32>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lists_have_in_common_is_their_beginning() {
        let of = |lists: &[&[u32]]| common(lists.iter().copied());
        assert_eq!(of(&[&[1, 2, 3], &[1, 2, 4], &[1, 2]]), 2);
        assert_eq!(of(&[&[1, 2]]), 2);
        assert_eq!(of(&[&[1], &[2]]), 0);
        assert_eq!(of(&[]), 0);
    }
}
