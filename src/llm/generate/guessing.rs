//! Speculative decoding: guesses are run through the model together, in one pass, which takes little more
//! than a pass with one token; those that the model agrees with are then a part of the answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::accept::{Guess, Verdict, judge};
use super::guess::{Drafting, Guesser, look_up};
use super::how_many::{Costs, HowMany};
use super::sampling::{Sampler, SamplingError, SamplingParams, kept};
use crate::llm::adapter::lora::Adapter;
use crate::llm::error::Error;
use crate::llm::model::{Model, Positions};
use crate::llm::net::cache::KvCache;

/// How guessing went in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guesses {
    /// Tokens that were guessed.
    pub drafted: usize,

    /// Those of them that are in the answer, or ended it.
    pub accepted: usize,

    /// How often the model was run after the prompt, with one token or with several.
    pub passes: usize,
}

/// Most guesses of a pass: of a draft model, and of the text, whose guesses are free.
const MOST: [usize; 2] = [8, 16];

/// What another token of a pass takes before it is measured, in passes of one token.
///
/// In their order: where all weights are read for one token already, where other experts are read for each,
/// and where a state has to be brought up after a wrong guess.
const ROW: [f64; 3] = [0.2, 0.5, 0.5];

/// The guesses of one answer.
pub(crate) struct Guessing<'a> {
    who: Who<'a>,
    how_many: HowMany,

    /// Whether the clock may say how many are guessed: it changes nothing in the answer.
    is_timed: bool,
    drafts: Sampler,
    accepts: Sampler,

    /// Guesses that were run and are not judged yet, each with the scores after it.
    ahead: VecDeque<(Guess, Arc<[f32]>)>,

    /// Of the pass that they are of: right ones, and those that were judged.
    judged: (usize, usize),
    pub tally: Guesses,
}

enum Who<'a> {
    Nobody,
    Lookup,
    Draft(Box<Drafting<'a>>),
}

/// A token of an answer.
pub(super) struct Drawn {
    pub id: u32,
    pub is_guessed: bool,
}

impl<'a> Guessing<'a> {
    /// `drafting`: the draft model, which has read the prompt.
    pub fn new(
        model: &Model,
        guesser: Guesser<'_>,
        drafting: Option<Drafting<'a>>,
        (seed, params): (u64, &SamplingParams),
    ) -> Self {
        let config = model.config();
        let is_recurrent = config.recurrent.is_some();
        let has_experts = config.layers.iter().any(|layer| layer.experts);
        let [dense, experts, recurrent] = ROW;
        let row = if has_experts {
            experts
        } else if is_recurrent {
            recurrent
        } else {
            dense
        };
        let (who, guess, most, fixed) = match (guesser, drafting) {
            (Guesser::Lookup(count), _) => (Who::Lookup, 0.0, MOST[1], count),
            (Guesser::Draft(_, count), Some(drafting)) => {
                let cost = drafting.cost_beside(model);
                (Who::Draft(Box::new(drafting)), cost, MOST[0], count)
            }
            _ => (Who::Nobody, 0.0, 0, None),
        };
        // Where a guess is drawn, its acceptance draws too: how many there are decides the answer. And of a
        // model that carries a state, several tokens at once round otherwise than one after the other.
        let is_drawn = matches!(who, Who::Draft(_)) && !params.is_greedy();
        Self {
            who,
            how_many: HowMany::new(Costs { row, guess }, most, fixed),
            is_timed: !is_drawn && !is_recurrent,
            drafts: Sampler::of_stream(seed, 1),
            accepts: Sampler::of_stream(seed, 2),
            ahead: VecDeque::new(),
            judged: (0, 0),
            tally: Guesses::default(),
        }
    }

    /// The token after `history`, drawn from the scores `next`. [`Self::next`] is to follow, unless the
    /// answer ends.
    pub(super) fn draw(
        &mut self,
        next: &[f32],
        history: &[u32],
        params: &SamplingParams,
        sampler: &mut Sampler,
    ) -> Result<Drawn, SamplingError> {
        let Some((guess, _)) = self.ahead.front() else {
            return Ok(Drawn { id: sampler.next(next, history, params)?, is_guessed: false });
        };
        let model = kept(next, history, params)?;
        self.judged.1 += 1;
        match judge(&model, guess, sampler, &mut self.accepts) {
            Verdict::Accepted => {
                self.judged.0 += 1;
                self.tally.accepted += 1;
                Ok(Drawn { id: guess.id, is_guessed: true })
            }
            Verdict::Instead(id) => {
                self.ahead.clear();
                Ok(Drawn { id, is_guessed: false })
            }
        }
    }

    /// The next token was chosen otherwise than by drawing. [`Self::next`] is to follow, unless the answer ends.
    pub fn chose(&mut self, id: u32) {
        let Some((guess, _)) = self.ahead.front() else { return };
        self.judged.1 += 1;
        if guess.id == id {
            self.judged.0 += 1;
            self.tally.accepted += 1;
        } else {
            self.ahead.clear();
        }
    }

    /// The draft model with what it has read, for the next answer.
    pub fn into_drafting(self) -> Option<Drafting<'a>> {
        match self.who {
            Who::Draft(drafting) => Some(*drafting),
            Who::Nobody | Who::Lookup => None,
        }
    }

    /// The scores after `history`, of which the last token is new. `room`: so many tokens may follow it.
    pub fn next(
        &mut self,
        (model, adapter): (&Model, Option<&Adapter>),
        cache: &mut KvCache,
        history: &[u32],
        (room, params): (usize, &SamplingParams),
    ) -> Result<Arc<[f32]>, Error> {
        if let Some((_, scores)) = self.ahead.pop_front() {
            return Ok(scores);
        }
        let (right, judged) = std::mem::take(&mut self.judged);
        if judged > 0 {
            self.how_many.learn(right, judged);
        }
        let Some((last, before)) = history.split_last() else { return Err(Error::NoTokens) };
        let clock = Instant::now();
        cache.truncate(before.len()); // what was guessed wrong
        // A state goes back further than to the last right token: it is brought up first.
        let room = if cache.behind().is_empty() { room } else { 0 };
        let guesses = self.guess((model, adapter), history, room, params)?;
        let guessing_secs = clock.elapsed().as_secs_f64();
        if !guesses.is_empty() {
            cache.remember();
        }
        let ids: Vec<u32> =
            [*last].into_iter().chain(guesses.iter().map(|guess| guess.id)).collect();
        let clock = Instant::now();
        let logits = model.logits(&ids, cache, adapter, Positions::All)?;
        if self.is_timed {
            let secs = clock.elapsed().as_secs_f64();
            self.how_many.measured(ids.len(), secs, guessing_secs);
        }
        self.tally.passes += 1;
        self.tally.drafted += guesses.len();
        let scores = logits.flatten_all()?.to_vec1::<f32>()?;
        let mut rows = scores.chunks_exact(model.config().vocab_size.max(1));
        let next: Arc<[f32]> = rows.next().ok_or(Error::NoTokens)?.into();
        self.ahead.extend(guesses.into_iter().zip(rows.map(Arc::from)));
        Ok(next)
    }

    fn guess(
        &mut self,
        (model, adapter): (&Model, Option<&Adapter>),
        history: &[u32],
        room: usize,
        params: &SamplingParams,
    ) -> Result<Vec<Guess>, Error> {
        if matches!(self.who, Who::Nobody) || (self.is_timed && !self.how_many.is_measured()) {
            return Ok(Vec::new());
        }
        let context = model.context_with(adapter).saturating_sub(history.len());
        let mut most = room.min(context);
        let config = model.config();
        let length = adapter.map_or(0, Adapter::virtual_tokens) + history.len();
        // Else keys would be turned for a text that may not become so long.
        while most > 0 && !config.turns_alike(length, length + most) {
            most -= 1;
        }
        if most == 0 {
            return Ok(Vec::new());
        }
        match &mut self.who {
            Who::Nobody => Ok(Vec::new()),
            Who::Lookup => {
                // Only where there is something to guess does a decision count.
                let found = look_up(history, most.min(self.how_many.most()));
                if found.is_empty() {
                    return Ok(found);
                }
                let count = self.how_many.next();
                Ok(found.into_iter().take(count).collect())
            }
            Who::Draft(drafting) => {
                let count = self.how_many.next().min(most);
                let limits = (config.vocab_size, model.stop_ids());
                drafting.guess(history, count, params, limits, &mut self.drafts)
            }
        }
    }
}

#[cfg(test)]
#[path = "guessing_tests.rs"]
mod tests;
