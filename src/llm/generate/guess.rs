//! Who guesses the next tokens: a smaller model, or the text itself, which often repeats what stands in
//! it.

use std::fmt;
use std::sync::Arc;

use super::accept::Guess;
use super::sampling::{Sampler, SamplingParams, kept};
use crate::jobs::Progress;
use crate::llm::error::Error;
use crate::llm::model::{Model, Positions};
use crate::llm::net::cache::KvCache;

/// What guesses the next tokens of an answer, which the model then judges several at a time.
#[derive(Clone, Copy, Default)]
pub enum Guesser<'a> {
    #[default]
    Nobody,

    /// The text: what followed the last few tokens where they stood before.
    Lookup(Count),

    /// A smaller model of the same vocabulary: see [`check_draft`].
    Draft(&'a Model, Count),
}

/// How many tokens are guessed at once. `None`: as many as pay, by how many of the last ones were right.
pub type Count = Option<usize>;

/// The same with a draft model of its own, for whoever keeps it longer than an answer.
#[derive(Clone, Default)]
pub enum KeptGuesser {
    #[default]
    Nobody,
    Lookup(Count),
    Draft(Arc<Model>, Count),
}

impl KeptGuesser {
    pub fn guesser(&self) -> Guesser<'_> {
        match self {
            Self::Nobody => Guesser::Nobody,
            Self::Lookup(count) => Guesser::Lookup(*count),
            Self::Draft(model, count) => Guesser::Draft(model, *count),
        }
    }

    /// The same for answers that are to be the same to the last bit: a model that carries a state rounds
    /// several tokens at once otherwise than one after the other, and is not helped.
    pub fn exact_for(&self, model: &Model) -> Guesser<'_> {
        if model.config().recurrent.is_some() { Guesser::Nobody } else { self.guesser() }
    }
}

impl fmt::Debug for KeptGuesser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Lookup(count) => f.debug_tuple("Lookup").field(count).finish(),
            Self::Draft(model, count) => {
                let name = &model.card().identity.name;
                f.debug_tuple("Draft").field(name).field(count).finish()
            }
        }
    }
}

/// How many of the last tokens have to have stood in the text before, and how many are compared at most.
const MATCHED: [usize; 2] = [2, 8];

/// What followed the last tokens of `text` where they stood before: of several places the one with the
/// longest match, and of those the latest.
pub(super) fn look_up(text: &[u32], count: usize) -> Vec<Guess> {
    let [least, most] = MATCHED;
    let end = text.len();
    let (mut place, mut longest) = (None, least - 1);
    for after in (least..end).rev() {
        let matches =
            (0..most.min(after)).take_while(|back| text[after - 1 - back] == text[end - 1 - back]);
        let matches = matches.count();
        if matches > longest {
            (place, longest) = (Some(after), matches);
            if longest == most {
                break;
            }
        }
    }
    let Some(place) = place else { return Vec::new() };
    let ids = text[place..].iter().take(count);
    ids.map(|id| Guess { id: *id, from: None }).collect()
}

/// A draft model and what it has read.
#[derive(Clone)]
pub(crate) struct Drafting<'a> {
    model: &'a Model,
    cache: KvCache,

    /// The tokens in its cache.
    held: Vec<u32>,
}

/// How many tokens of a prompt are read between two looks at the Stop button.
const READ_CHUNK: usize = 64;

impl<'a> Drafting<'a> {
    pub fn new(model: &'a Model) -> Self {
        Self { model, cache: model.new_answer_cache(), held: Vec::new() }
    }

    /// What one of its passes takes compared with one of another model, by the bytes that each of them reads.
    pub fn cost_beside(&self, model: &Model) -> f64 {
        let bytes = |model: &Model| model.card().facts.memory_bytes.max(1) as f64;
        (bytes(self.model) / bytes(model)).clamp(0.01, 1.0)
    }

    /// Reads the beginning of a text. A prompt that it has no room for is not read.
    pub fn read<E>(&mut self, prompt: &[u32], progress: &dyn Progress<E>) -> Result<(), Error> {
        if !self.can_read(prompt, 1) {
            return Ok(());
        }
        let (_, before) = prompt.split_last().ok_or(Error::NoTokens)?;
        for chunk in before.chunks(READ_CHUNK) {
            progress.check()?;
            self.model.logits(chunk, &mut self.cache, None, Positions::From(chunk.len()))?;
            self.held.extend(chunk);
        }
        Ok(())
    }

    fn can_read(&self, ids: &[u32], more: usize) -> bool {
        let config = self.model.config();
        ids.len() + more <= config.context_length
            && ids.iter().all(|id| (*id as usize) < config.vocab_size)
    }

    /// At most `count` tokens after `text`, drawn as the settings say, of those before `vocabulary`. None
    /// follows a token in `ends`.
    pub(super) fn guess(
        &mut self,
        text: &[u32],
        count: usize,
        params: &SamplingParams,
        (vocabulary, ends): (usize, &[u32]),
        sampler: &mut Sampler,
    ) -> Result<Vec<Guess>, Error> {
        let mut guesses = Vec::with_capacity(count);
        let same = self.held.iter().zip(text).take_while(|(held, id)| held == id).count();
        let same = same.min(text.len().saturating_sub(1));
        if count == 0 || !self.can_read(&text[same..], same + count) {
            return Ok(guesses);
        }
        self.cache.truncate(same);
        self.held.truncate(same);
        self.cache.remember();
        let mut text = text.to_vec();
        let mut new = same;
        for _ in 0..count {
            let logits = self.model.logits(&text[new..], &mut self.cache, None, Positions::Last)?;
            self.held.extend(&text[new..]);
            new = text.len();
            let mut scores = logits.flatten_all()?.to_vec1::<f32>()?;
            scores.truncate(vocabulary);
            // Scores that nothing can be drawn from are no reason to end the answer.
            let Ok(from) = kept(&scores, &text, params) else { break };
            let id = sampler.draw(&from);
            guesses.push(Guess { id, from: (!params.is_greedy()).then_some(from) });
            if ends.contains(&id) {
                break;
            }
            text.push(id);
        }
        Ok(guesses)
    }
}

/// Fails unless `draft` knows the tokens of `model` by the same ids.
pub fn check_draft(draft: &Model, model: &Model) -> Result<(), Error> {
    let (theirs, ours) = (draft.tokenizer(), model.tokenizer());
    // Of two models of a family one often has room for tokens that do not exist.
    for id in 0..theirs.vocab_size().min(ours.vocab_size()) as u32 {
        if let (Some(found), Some(expected)) = (theirs.token(id), ours.token(id))
            && found != expected
        {
            let names = [draft, model].map(|model| model.card().identity.name.clone());
            let [draft, model] = names;
            return Err(Error::DraftVocabulary { draft, model, id, found, expected });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &[u32], count: usize) -> Vec<u32> {
        look_up(text, count).iter().map(|guess| guess.id).collect()
    }

    #[test]
    fn what_followed_the_longest_match_is_guessed_and_of_several_the_latest() {
        assert_eq!(found(&[1, 2, 3, 4, 9, 1, 2], 2), [3, 4]);
        assert_eq!(found(&[1, 2, 3, 9, 1, 2, 4, 9, 1, 2], 1), [4], "the latest");
        assert_eq!(found(&[7, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2], 1), [3], "the longest");
        assert_eq!(found(&[5, 5, 5, 5], 3), [5], "up to the end of the text");
    }

    #[test]
    fn nothing_is_guessed_after_what_was_never_there() {
        for text in [&[][..], &[1], &[1, 2], &[1, 2, 3, 2], &[1, 2, 9, 3, 2]] {
            assert_eq!(found(text, 4), [0; 0], "{text:?}");
        }
    }
}
