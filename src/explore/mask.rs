//! Fill the mask: words of a text are hidden. A masked model guesses them from both sides, and a model
//! that writes from the left alone.
//!
//! What a text's words are is said here, by its letters: two tokenizers cut it differently. How well a
//! whole text fits a masked model: see `fit.rs`.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::mask_words::{Spliced, Word, text_of, words};
use super::predictions::{Candidate, Spread, highest, rank};
use super::subject::{Looked, Reading, Subject, check_memory};
use crate::encoder::{Encoded, EncoderModel};
use crate::jobs;
use crate::jobs::Progress;
use crate::llm::Tokenizer;
use crate::llm::text::tokenizer::PlacedToken;

/// A text with hidden words, as one model guesses them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    pub model: String,

    /// As the model reads it: masks are in it where it knows masks, else its own guesses where one was typed.
    pub ids: Vec<u32>,
    pub tokens: Vec<String>,

    /// The text is longer than what the model reads.
    pub is_cut: bool,

    /// In the order of the text. What was cut off is not among them.
    pub places: Vec<Guessed>,
}

/// A hidden word, or a mask that was typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guessed {
    /// Of the text, counted from 0, the end not among them.
    pub characters: Range<usize>,

    /// What stands there. `None`: a mask was typed, and nobody knows.
    pub word: Option<String>,

    /// Empty: nothing stands before it.
    pub tokens: Vec<GuessedToken>,

    /// Natural log of the probability of the whole word: the sum over its tokens. A masked model guesses
    /// them all at once, one that writes each after those before it.
    pub logprob: Option<f64>,
    pub probability: Option<f64>,
}

/// A token of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuessedToken {
    /// Among the ids.
    pub position: usize,

    /// How open it is, in bits, over the whole vocabulary.
    pub entropy: f64,

    /// The likeliest first.
    pub top: Vec<Candidate>,

    /// What stands in the text.
    pub own: Option<OwnToken>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnToken {
    pub id: u32,
    pub token: String,

    /// Natural log.
    pub logprob: f64,
    pub probability: f64,

    /// 1 is the likeliest of the whole vocabulary.
    pub rank: usize,
}

impl Side {
    /// What was guessed at a word.
    pub fn at(&self, characters: &Range<usize>) -> Option<&Guessed> {
        let before = |place: &Guessed| place.characters.start < characters.start;
        let at = self.places.partition_point(before);
        self.places.get(at).filter(|place| place.characters == *characters)
    }
}

impl Guessed {
    fn new(characters: Range<usize>, word: Option<String>, tokens: Vec<GuessedToken>) -> Self {
        let logprob = tokens.iter().map(|token| Some(token.own.as_ref()?.logprob)).sum();
        let logprob: Option<f64> = if tokens.is_empty() { None } else { logprob };
        Self { characters, word, tokens, logprob, probability: logprob.map(f64::exp) }
    }

    /// Of a word of one token: its place in the whole vocabulary.
    pub fn rank(&self) -> Option<usize> {
        match self.tokens.as_slice() {
            [token] => token.own.as_ref().map(|own| own.rank),
            _ => None,
        }
    }

    /// Whether the first guess is the word, at each of its tokens.
    pub fn is_right(&self) -> Option<bool> {
        let is_first = |token: &GuessedToken| Some(token.own.as_ref()?.rank == 1);
        let right: Option<Vec<bool>> = self.tokens.iter().map(is_first).collect();
        right.filter(|right| !right.is_empty()).map(|right| right.into_iter().all(|it| it))
    }
}

/// A masked language model with its head and its tokenizer.
pub struct MaskedModel {
    pub(super) model: EncoderModel,
    pub(super) name: String,

    /// The token that masks a word: its id, and how it is written.
    pub(super) mask: (u32, String),
}

impl MaskedModel {
    /// Fails where the files have no head that guesses words. Slow.
    pub fn load(path: &Path, name: &str) -> Result<Self, Error> {
        let model = EncoderModel::load(path)?;
        model.check_masked_head()?;
        let mask = model.mask()?;
        Ok(Self { model, name: name.to_owned(), mask })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text with the model's own mask where one was typed.
    pub(super) fn with_own_masks(&self, text: &str) -> Spliced {
        let typed = words(text).into_iter().filter(|word| word.is_mask);
        let changes = typed.map(|word| (word.characters, self.mask.1.clone()));
        Spliced::new(text, changes.collect())
    }

    /// Guesses these words of a text and the masks that are typed in it, all at once: each guess sees none
    /// of them. `top`: how many of the likeliest tokens are kept for each.
    pub fn fill(
        &self,
        text: &str,
        hidden: &[Range<usize>],
        top: usize,
        progress: &dyn Progress<Looked>,
    ) -> Result<Side, Error> {
        progress.check()?;
        let (spliced, tokenizer) = (self.with_own_masks(text), self.model.tokenizer()?);
        let Encoded { mut ids, kinds, is_cut } = self.model.encode(&spliced.text, None, None)?;
        let places = places(&ids, tokenizer.encode_with_places(&spliced.text, true)?);
        let asked: Vec<(&Range<usize>, Range<usize>)> =
            hidden.iter().map(|word| (word, spliced.place(word))).collect();
        // Of each token that is guessed: of which word it is, and what stands there.
        let mut guessed: Vec<(usize, Range<usize>, Option<u32>)> = Vec::new();
        for (at, place) in places.iter().enumerate() {
            let Some(place) = place else { continue };
            let is_of = |(_, word): &&(&Range<usize>, Range<usize>)| overlap(word, place);
            if ids[at] == self.mask.0 {
                guessed.push((at, spliced.origin(place), None));
            } else if let Some((word, _)) = asked.iter().find(is_of) {
                guessed.push((at, (*word).clone(), Some(ids[at])));
                ids[at] = self.mask.0;
            }
        }
        if guessed.is_empty() {
            return Err(Error::NothingHidden);
        }
        let vocabulary = self.model.vocabulary();
        check_memory("table of guesses", guessed.len(), (guessed.len() * vocabulary * 4) as u64)?;
        let positions: Vec<usize> = guessed.iter().map(|(at, ..)| *at).collect();
        let mut scores = self.model.guess(&ids, kinds.as_deref(), &positions)?;
        let tokens = jobs::in_pool(|| {
            let rows = scores.par_chunks_exact_mut(vocabulary).zip(&guessed);
            let rows = rows.map(|(row, (at, _, own))| token(tokenizer, row, *at, *own, top));
            rows.collect::<Result<Vec<_>, Error>>()
        })?;
        let mut side = Side {
            model: self.name.clone(),
            tokens: ids.iter().map(|id| tokenizer.token_text(*id)).collect(),
            ids,
            is_cut,
            places: Vec::new(),
        };
        let found = guessed.into_iter().zip(tokens);
        side.places =
            joined(text, found.map(|((_, word, own), token)| (word, own.is_some(), token)));
        progress.emit(Looked { done: side.ids.len(), total: side.ids.len() });
        Ok(side)
    }
}

/// Tokens of one word become one place.
fn joined(
    text: &str,
    tokens: impl Iterator<Item = (Range<usize>, bool, GuessedToken)>,
) -> Vec<Guessed> {
    let mut groups: Vec<(Range<usize>, bool, Vec<GuessedToken>)> = Vec::new();
    for (word, is_known, token) in tokens {
        match groups.last_mut() {
            Some((last, true, tokens)) if *last == word && is_known => tokens.push(token),
            _ => groups.push((word, is_known, vec![token])),
        }
    }
    let place = |(characters, is_known, tokens): (Range<usize>, bool, Vec<GuessedToken>)| {
        let word = is_known.then(|| text_of(text, &characters));
        Guessed::new(characters, word, tokens)
    };
    groups.into_iter().map(place).collect()
}

/// What a row of scores says of a token. What was in `row` is used up.
fn token(
    tokenizer: &Tokenizer,
    row: &mut [f32],
    position: usize,
    own: Option<u32>,
    top: usize,
) -> Result<GuessedToken, Error> {
    let best = highest(row, top);
    let own = own.map(|id| (id, row[id as usize], rank(row, id)));
    let spread = Spread::of(row).ok_or(Error::NotNumbers { position })?;
    let candidate =
        |&(id, score): &(u32, f32)| Candidate::new(tokenizer, id, spread.logprob(score));
    let own = own.map(|(id, score, rank)| {
        let Candidate { id, token, logprob, probability } =
            Candidate::new(tokenizer, id, spread.logprob(score));
        OwnToken { id, token, logprob, probability, rank }
    });
    Ok(GuessedToken {
        position,
        entropy: spread.entropy,
        top: best.iter().map(candidate).collect(),
        own,
    })
}

/// Where each token stands in the text. What is put around a text has no place, nor has what was put
/// behind a text that was cut.
fn places(ids: &[u32], whole: Vec<PlacedToken>) -> Vec<Option<Range<usize>>> {
    let behind = whole.iter().rev().take_while(|(_, place)| place.is_none()).count();
    let read = ids.len().saturating_sub(behind);
    let places = whole.into_iter().map(|(_, place)| place).take(read);
    places.chain(std::iter::repeat_n(None, ids.len() - read)).collect()
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Guesses words from what stands before them: what a model that writes has seen.
///
/// That is the text itself, with the words that are hidden. At a mask that was typed nobody knows the word;
/// the model reads on with its own first guess.
pub fn from_left(
    subject: Subject<'_>,
    text: &str,
    hidden: &[Range<usize>],
    top: usize,
    progress: &dyn Progress<Looked>,
) -> Result<Side, Error> {
    let tokenizer = subject.model.tokenizer();
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    let mut typed: Vec<Guessed> = Vec::new();
    for Word { characters, .. } in words(text).into_iter().filter(|word| word.is_mask) {
        let before = Spliced::new(text, changes.clone()).before(&characters);
        // A model writes the space with the word.
        let before = before.trim_end().to_owned();
        let mut ids = placed(tokenizer, &before)?;
        while ids.last().is_some_and(|(_, place)| place.is_none()) && ids.len() > 1 {
            ids.pop(); // what ends a text would stand before the word
        }
        let ids: Vec<u32> = ids.into_iter().map(|(id, _)| id).collect();
        let space = text_of(text, &(0..characters.start));
        let space = space.chars().rev().take_while(|letter| letter.is_whitespace()).count();
        let place = characters.start - space..characters.end;
        if ids.is_empty() {
            changes.push((place, String::new()));
            typed.push(Guessed::new(characters, None, Vec::new()));
            continue;
        }
        subject.check(&ids)?;
        let mut row = scores_after(subject, &ids, progress)?;
        let found = token(tokenizer, &mut row, ids.len(), None, top.max(1))?;
        let word = found.top.iter().find(|guess| !tokenizer.is_special(guess.id));
        changes.push((place, word.map(|word| word.token.clone()).unwrap_or_default()));
        let tokens = vec![GuessedToken { top: found.top.into_iter().take(top).collect(), ..found }];
        typed.push(Guessed::new(characters, None, tokens));
    }
    let spliced = Spliced::new(text, changes);
    let mut whole = placed(tokenizer, &spliced.text)?;
    let most = subject.model.config().context_length;
    let is_cut = whole.len() > most;
    whole.truncate(most);
    let (ids, places): (Vec<u32>, Vec<Option<Range<usize>>>) = whole.into_iter().unzip();
    let mut side = Side {
        model: subject.model.card().identity.name.clone(),
        tokens: subject.token_texts(&ids),
        ids,
        is_cut,
        places: typed,
    };
    let mut wanted: Vec<Option<Range<usize>>> = vec![None; side.ids.len()];
    for word in hidden {
        let there = spliced.place(word);
        for (at, place) in places.iter().enumerate() {
            if place.as_ref().is_some_and(|place| overlap(&there, place)) {
                wanted[at] = Some(word.clone());
            }
        }
    }
    let found = following(subject, &side.ids, &wanted, top, progress)?;
    let first = wanted.first().cloned().flatten();
    side.places.extend(joined(text, found.into_iter().map(|(word, token)| (word, true, token))));
    if let Some(word) = first {
        // Nothing stands before its first token: of the others nothing can be summed up.
        side.places.retain(|place| place.characters != word);
        let whole = text_of(text, &word);
        side.places.push(Guessed::new(word, Some(whole), Vec::new()));
    }
    side.places.sort_by_key(|place| place.characters.start);
    Ok(side)
}

fn placed(tokenizer: &Tokenizer, text: &str) -> Result<Vec<PlacedToken>, Error> {
    Ok(tokenizer.encode_with_places(text, true)?)
}

/// What a model expects at the tokens that are wanted, with the word that each is of.
fn following(
    subject: Subject<'_>,
    ids: &[u32],
    wanted: &[Option<Range<usize>>],
    top: usize,
    progress: &dyn Progress<Looked>,
) -> Result<Vec<(Range<usize>, GuessedToken)>, Error> {
    let mut all = Vec::new();
    if wanted.iter().skip(1).all(Option::is_none) {
        return Ok(all);
    }
    subject.check(ids)?;
    let tokenizer = subject.model.tokenizer();
    let each = |before: usize, row: &mut [f32]| {
        let at = before + 1;
        let Some(word) = wanted.get(at).cloned().flatten() else { return Ok(None) };
        token(tokenizer, row, at, Some(ids[at]), top).map(|token| Some((word, token)))
    };
    Reading::new(subject, ids).run(progress, each, |found| all.extend(found))?;
    Ok(all)
}

/// The scores after a text. Looks for Stop every hundred tokens or so.
fn scores_after(
    subject: Subject<'_>,
    ids: &[u32],
    progress: &dyn Progress<Looked>,
) -> Result<Vec<f32>, Error> {
    let Subject { model, adapter } = subject;
    let mut cache = model.new_cache();
    cache.plan(ids.len());
    let (mut states, mut read) = (Vec::new(), 0);
    for part in ids.chunks(128) {
        progress.check()?;
        read += part.len();
        let wanted = if read == ids.len() { part.len() - 1..part.len() } else { 0..0 };
        states = model.normed_states(part, &mut cache, adapter, wanted)?;
        progress.emit(Looked { done: read, total: ids.len() });
    }
    Ok(model.scores_of(&states, adapter)?)
}
