//! Who is asked about the rows: a decoder, with its adapter or without one, or an encoder-decoder. Both
//! score given answers exactly and write others; what the one or the other cannot do is said here.

use super::pair_scoring::PairScorer;
use super::scoring::{Asked, Scorer, Unaskable};
use crate::encoder::Error;
use crate::evaluate::prompt::Presentation;
use crate::jobs::Progress;
use crate::llm::generate::constrained;
use crate::llm::generate::grammar::{GrammarError, Vocabulary};
use crate::llm::generate::guess::Guesser;
use crate::llm::text::tokenizer::Tokenizer;
use crate::llm::{Adapter, Model};
use crate::seq2seq::Seq2Seq;

/// A model in memory.
#[derive(Clone, Copy)]
pub enum Respondent<'a> {
    Decoder {
        model: &'a Model,
        adapter: Option<&'a Adapter>,

        /// Of the tokens of written answers, which stay the same.
        guesser: Guesser<'a>,
    },

    /// With its adapter in its weights.
    Pair(&'a Seq2Seq),
}

impl<'a> From<(&'a Model, Option<&'a Adapter>)> for Respondent<'a> {
    fn from((model, adapter): (&'a Model, Option<&'a Adapter>)) -> Self {
        Self::Decoder { model, adapter, guesser: Guesser::Nobody }
    }
}

impl<'a> From<&'a Seq2Seq> for Respondent<'a> {
    fn from(model: &'a Seq2Seq) -> Self {
        Self::Pair(model)
    }
}

/// Asks it.
pub enum Answerer<'a> {
    Decoder { model: &'a Model, scorer: Box<Scorer<'a>> },
    Pair { model: &'a Seq2Seq, tokenizer: &'a Tokenizer, scorer: PairScorer<'a> },
}

impl<'a> Answerer<'a> {
    pub fn new(respondent: Respondent<'a>) -> Result<Self, Error> {
        Ok(match respondent {
            Respondent::Decoder { model, adapter, guesser } => {
                let scorer = Scorer::new(model, adapter).with_guesser(guesser);
                Self::Decoder { model, scorer: Box::new(scorer) }
            }
            Respondent::Pair(model) => {
                let tokenizer = model.tokenizer().ok_or(Error::NoTokens)?;
                Self::Pair { model, tokenizer, scorer: PairScorer::new(model) }
            }
        })
    }

    /// The longest prompt that it reads: of a decoder with its answer, of an encoder-decoder without it.
    pub fn context(&self) -> usize {
        match self {
            Self::Decoder { scorer, .. } => scorer.context(),
            Self::Pair { scorer, .. } => scorer.context(),
        }
    }

    /// The most tokens that an answer to this prompt could have.
    pub fn room_after(&self, prompt: &[u32]) -> usize {
        match self {
            Self::Decoder { scorer, .. } => scorer.context().saturating_sub(prompt.len()),
            Self::Pair { model, .. } => model.longest_answer().unwrap_or(LONGEST_ANSWER),
        }
    }

    /// What an answer of so many tokens takes of the context that the prompt has: nothing of an
    /// encoder-decoder.
    pub fn room_beside(&self, answer: usize) -> usize {
        match self {
            Self::Decoder { .. } => answer,
            Self::Pair { .. } => 0,
        }
    }

    pub fn tokenizer(&self) -> &'a Tokenizer {
        match self {
            Self::Decoder { model, .. } => model.tokenizer(),
            Self::Pair { tokenizer, .. } => tokenizer,
        }
    }

    /// The tokens that end an answer.
    pub fn stop_ids(&self) -> &'a [u32] {
        match self {
            Self::Decoder { model, .. } => model.stop_ids(),
            Self::Pair { model, .. } => model.ends(),
        }
    }

    /// For answers that are held to a form.
    pub fn vocabulary(&self) -> Result<Vocabulary, GrammarError> {
        match self {
            Self::Decoder { model, .. } => constrained::vocabulary(model),
            Self::Pair { model, tokenizer, .. } => {
                let sizes = (model.vocabulary(), model.ends());
                let words = constrained::words(tokenizer, sizes.0)?;
                // T5's and FLAN-T5's tokenizer has none.
                if !words.iter().any(|word| word.contains(&b'{')) {
                    return Err(GrammarError::Unsayable('{'));
                }
                Vocabulary::new(words, sizes.1)
            }
        }
    }

    /// The words that an answer adds to its prompt.
    pub fn said(&self, prompt: &[u32], ids: &[u32]) -> String {
        match self {
            Self::Decoder { model, .. } => model.tokenizer().decode_after(prompt, ids, true),
            Self::Pair { tokenizer, .. } => tokenizer.decode(ids, true),
        }
    }

    /// The ids of a presentation. `room`: so many tokens may follow it at the least.
    pub fn encode(
        &self,
        presentation: &Presentation,
        room: usize,
    ) -> Result<Result<Asked, Unaskable>, Error> {
        match self {
            Self::Decoder { model, scorer } => {
                Ok(Asked::encode(model, presentation, (room, scorer.context()))?)
            }
            Self::Pair { scorer, .. } => scorer.encode(presentation, room),
        }
    }

    /// Natural logs of the probability of every answer after its prompt, for the presentations of one row.
    /// `shared`: what all prompts of the task begin with.
    pub fn score<E>(
        &mut self,
        shared: &[u32],
        row: &[Asked],
        progress: &dyn Progress<E>,
    ) -> Result<Vec<Vec<f64>>, Error> {
        match self {
            Self::Decoder { scorer, .. } => Ok(scorer.score(shared, row, progress)?),
            Self::Pair { scorer, .. } => scorer.score(row, progress),
        }
    }

    /// Answers a prompt token by token. `choose` takes the scores of the next token and says which one it
    /// is; `None`: the answer is complete. At most `most` tokens.
    pub fn write<E>(
        &mut self,
        shared: &[u32],
        prompt: &[u32],
        most: usize,
        choose: &mut dyn FnMut(&[f32]) -> Option<u32>,
        progress: &dyn Progress<E>,
    ) -> Result<Vec<u32>, Error> {
        match self {
            Self::Decoder { scorer, .. } => {
                Ok(scorer.write(shared, prompt, most, choose, progress)?)
            }
            Self::Pair { scorer, .. } => scorer.write(prompt, most, choose, progress),
        }
    }
}

/// An answer in fields that cannot be closed in its room goes on; T5 has no last position.
const LONGEST_ANSWER: usize = 4096;
