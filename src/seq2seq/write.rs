//! An answer token by token: the likeliest each time, or drawn through the sampling chain.

use super::model::{Memory, Seq2Seq};
use crate::encoder::Error;
use crate::encoder::Tokens;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::generate::StopReason;
use crate::llm::generate::sampling::{Sampler, SamplingParams};

/// How an answer is written.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    pub sampling: SamplingParams,
    pub max_new_tokens: usize,
    pub seed: u64,
}

/// A token of the answer.
#[derive(Clone, Copy, Debug)]
pub struct WriteEvent {
    pub id: u32,

    /// How likely the model itself found it, before the sampling settings: a natural log.
    pub logprob: f32,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Without the start and the token that ended it.
    pub ids: Vec<u32>,
    pub stop: StopReason,
}

impl Seq2Seq {
    /// Answers a text that is given as ids.
    pub fn write(
        &self,
        ids: &[u32],
        request: &WriteRequest,
        progress: &dyn Progress<WriteEvent>,
    ) -> Result<Written, Error> {
        let memory = self.read(Tokens::plain(ids), &mut |_| {})?;
        self.write_of(&memory, request, progress)
    }

    /// Answers what was read.
    pub fn write_of(
        &self,
        memory: &Memory,
        request: &WriteRequest,
        progress: &dyn Progress<WriteEvent>,
    ) -> Result<Written, Error> {
        let mut sampler = Sampler::new(request.seed);
        let mut caches = [self.cache(memory)?];
        let mut history = vec![self.start];
        let stop = loop {
            if history.len() > request.max_new_tokens {
                break StopReason::Length;
            }
            if self.longest_answer().is_some_and(|longest| history.len() > longest) {
                break StopReason::ContextFull;
            }
            if progress.check().is_err() {
                break StopReason::Stopped;
            }
            let last = history.last().copied().unwrap_or(self.start);
            let scores = self.step(&[last], &mut caches)?;
            let mut allowed = scores.clone();
            self.forbid(&mut allowed, &history);
            let id = match self.forced(history.len(), request.max_new_tokens) {
                Some(id) => id,
                None => sampler
                    .next(&allowed, &history, &request.sampling)
                    .map_err(|err| Error::Model(llm::Error::Sampling(err)))?,
            };
            if self.ends.contains(&id) {
                break StopReason::EndOfTurn;
            }
            history.push(id);
            progress.emit(WriteEvent { id, logprob: logprob(&scores, id) });
        };
        Ok(Written { ids: history.split_off(1), stop })
    }

    /// Answers what was read, after what stands before every answer. `choose` takes the scores of the next
    /// token and says which one it is; `None`: the answer is complete. At most `most` tokens, and no more
    /// than fit; `E` is not reported.
    pub fn write_chosen<E>(
        &self,
        memory: &Memory,
        most: usize,
        choose: &mut dyn FnMut(&[f32]) -> Option<u32>,
        progress: &dyn Progress<E>,
    ) -> Result<Vec<u32>, Error> {
        let opening = self.opening()?;
        let fits = self.longest_answer().map(|longest| longest.saturating_sub(opening.len() - 1));
        let most = fits.map_or(most, |fits| fits.min(most));
        let mut caches = [self.cache(memory)?];
        let mut scores = Vec::new();
        for id in opening {
            scores = self.step(&[id], &mut caches)?;
        }
        let mut ids = Vec::new();
        while ids.len() < most
            && let Some(id) = choose(&scores)
        {
            ids.push(id);
            if ids.len() >= most {
                break;
            }
            progress.check()?;
            scores = self.step(&[id], &mut caches)?;
        }
        Ok(ids)
    }

    /// The token that the files force behind so many tokens, the start among them.
    pub(super) fn forced(&self, length: usize, max_new_tokens: usize) -> Option<u32> {
        match self.forced_last {
            // The last one that fits.
            Some(last) if length == max_new_tokens => Some(last),
            _ => self.forced_first.filter(|_| length == 1),
        }
    }
}

/// The log-probability of a token by raw scores.
fn logprob(scores: &[f32], id: u32) -> f32 {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - most).exp()).sum();
    scores.get(id as usize).map_or(f32::NEG_INFINITY, |score| score - most - sum.ln() as f32)
}
