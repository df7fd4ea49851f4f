//! Finds the passages of a document that fit a question by what they mean: the cosine of the vectors
//! that an encoder makes of both.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::encoder;
use crate::encoder::{Encoder, EncoderIdentity, cosine};
use crate::evaluate::cells::words;
use crate::evaluate::rows::passages::{Excerpt, Passage, Ranking, split};
use crate::evaluate::rows::question::Question;
use crate::evaluate::task::ask::Ask;
use crate::jobs::{Checks, Progress};

/// Numbers of vectors that are kept at most: 256 MB.
const MOST_KEPT: usize = 64 << 20;

/// An encoder with the vectors that it made in this run.
pub struct Finder {
    encoder: Encoder,
    identity: EncoderIdentity,
    kept: Mutex<Kept>,
}

/// Vectors by the text that they are of.
#[derive(Default)]
struct Kept {
    questions: HashMap<String, Vector>,
    passages: HashMap<String, Vector>,
    numbers: usize,
}

#[derive(Clone)]
struct Vector {
    values: Vec<f32>,
    is_cut: bool,
}

impl Finder {
    /// Slow: loads the encoder, and reads it again for its hash.
    pub fn load(folder: &Path) -> Result<Self, encoder::Error> {
        let encoder = Encoder::load(folder)?;
        let identity = EncoderIdentity::of(&encoder, folder)?;
        Ok(Self { encoder, identity, kept: Mutex::default() })
    }

    pub fn identity(&self) -> &EncoderIdentity {
        &self.identity
    }

    /// What the encoder's folder promises and lacks, in a sentence.
    pub fn missing_head(&self) -> Option<String> {
        self.encoder.missing_head()
    }

    /// The same question with the passages of its document that fit it best. Slow where they are
    /// seen for the first time.
    pub fn place<E>(
        &self,
        question: &Question,
        ask: &Ask,
        progress: &dyn Progress<E>,
    ) -> Result<Question, encoder::Error> {
        let document = words(question.row.get(&ask.text));
        let passages = split(&document, ask.passage_words);
        let asked = question.part("question").unwrap_or_default();
        let excerpt = self.excerpt(&asked, passages, ask.passages, progress)?;
        let mut placed = question.with_part("passages", &excerpt.words());
        placed.excerpt = Some(excerpt);
        Ok(placed)
    }

    fn excerpt<E>(
        &self,
        asked: &str,
        passages: Vec<Passage>,
        most: usize,
        progress: &dyn Progress<E>,
    ) -> Result<Excerpt, encoder::Error> {
        if passages.len() < 2 {
            return Ok(Excerpt::of(passages, &[], Ranking::Cosine, most));
        }
        // Several rows may be asked about at once: the second waits for what the first computes.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.numbers > MOST_KEPT {
            *kept = Kept::default();
        }
        let Kept { questions, passages: known, numbers } = &mut *kept;
        let texts: Vec<&str> = passages.iter().map(|passage| passage.text.as_str()).collect();
        let prompts = (self.encoder.question_prompt(), self.encoder.text_prompt());
        *numbers += self.learn(questions, prompts.0, &[asked], progress)?;
        *numbers += self.learn(known, prompts.1, &texts, progress)?;
        let own = &questions[asked];
        let vectors = texts.iter().map(|text| &known[*text]);
        let scores: Vec<f64> =
            vectors.clone().map(|vector| cosine(&vector.values, &own.values)).collect();
        let ends_unread = vectors.filter(|vector| vector.is_cut).count();
        let excerpt = Excerpt::of(passages, &scores, Ranking::Cosine, most);
        Ok(Excerpt { ends_unread, ..excerpt })
    }

    /// Makes the vectors that are not there yet; returns how many numbers those have.
    fn learn<E>(
        &self,
        known: &mut HashMap<String, Vector>,
        prompt: Option<&str>,
        texts: &[&str],
        progress: &dyn Progress<E>,
    ) -> Result<usize, encoder::Error> {
        let mut new: Vec<String> = Vec::new();
        for text in texts {
            if !known.contains_key(*text) && !new.iter().any(|it| it == text) {
                new.push((*text).to_owned());
            }
        }
        if new.is_empty() {
            return Ok(0);
        }
        let prompt = prompt.unwrap_or_default();
        let made = self.encoder.embed_after(prompt, &new, &Checks(progress))?;
        let mut numbers = 0;
        for (text, vector) in new.into_iter().zip(made) {
            numbers += vector.values.len();
            known.insert(text, Vector { values: vector.values, is_cut: vector.is_cut });
        }
        Ok(numbers)
    }
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finder").field("identity", &self.identity).finish_non_exhaustive()
    }
}
