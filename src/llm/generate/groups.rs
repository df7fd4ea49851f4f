//! Several answers to each of several prompts, for learning from them: a prompt is read once, and all answers
//! are a token further at a time.

use rayon::prelude::*;

use super::sampling::{Sampler, SamplingParams};
use crate::jobs;
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::error::Error;
use crate::llm::model::{Model, Positions};
use crate::llm::net::cache::KvCache;

/// What is sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRequest<'a> {
    /// Token ids, as the model sees them.
    pub prompts: &'a [Vec<u32>],

    /// Answers to each of them.
    pub group: usize,
    pub sampling: SamplingParams,
    pub max_new_tokens: usize,

    /// The same seed gives the same answers, whatever they are sampled beside.
    pub seed: u64,
}

/// `done` of at most `total` tokens are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing {
    pub done: usize,
    pub total: usize,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// With the token that ended it, if one did.
    pub ids: Vec<u32>,

    /// Whether the model ended it itself.
    pub is_ended: bool,
}

/// Answers that are written at once. More take memory for their keys and values, and gain little.
const AT_ONCE: usize = 64;

/// How many tokens of a prompt are read between two looks at the Stop button.
const READ_CHUNK: usize = 256;

/// Answers to every prompt, those to the same prompt together. Slow: looks for Stop at every token.
pub fn sample(
    model: &Model,
    adapter: Option<&Adapter>,
    request: &GroupRequest<'_>,
    progress: &dyn Progress<Writing>,
) -> Result<Vec<Vec<Written>>, Error> {
    let group = request.group.max(1);
    let total = request.prompts.len() * group * request.max_new_tokens;
    let mut all = Vec::with_capacity(request.prompts.len());
    let mut done = 0;
    let prompts: Vec<(usize, &Vec<u32>)> = request.prompts.iter().enumerate().collect();
    for part in prompts.chunks((AT_ONCE / group).max(1)) {
        let mut lanes = Vec::with_capacity(part.len() * group);
        for (number, prompt) in part {
            lanes.extend(begin(model, adapter, (*number, prompt), request, progress)?);
        }
        let run = Run { model, adapter, request, progress };
        run.write(&mut lanes, (&mut done, total))?;
        let written = lanes.into_iter().map(|lane| lane.written);
        let written: Vec<Written> = written.collect();
        all.extend(written.chunks(group).map(<[Written]>::to_vec));
    }
    Ok(all)
}

/// An answer under way.
struct Lane {
    cache: Option<KvCache>,

    /// The scores that its next token is drawn from.
    next: Vec<f32>,

    /// Prompt and answer.
    history: Vec<u32>,
    sampler: Sampler,
    written: Written,
}

/// The lanes of a prompt, which is read once.
fn begin(
    model: &Model,
    adapter: Option<&Adapter>,
    (number, prompt): (usize, &[u32]),
    request: &GroupRequest<'_>,
    progress: &dyn Progress<Writing>,
) -> Result<Vec<Lane>, Error> {
    let mut cache = model.new_cache();
    let mut next = Vec::new();
    for chunk in prompt.chunks(READ_CHUNK) {
        progress.check()?;
        let is_last = cache.len() + chunk.len() == prompt.len();
        let wanted = if is_last { Positions::Last } else { Positions::From(chunk.len()) };
        let logits = model.logits(chunk, &mut cache, adapter, wanted)?;
        if is_last {
            next = logits.flatten_all()?.to_vec1::<f32>()?;
        }
    }
    if next.is_empty() {
        return Err(Error::NoTokens);
    }
    let lane = |place: usize| {
        // Far apart, as neighbouring seeds of the generator are independent.
        let seed = request.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ ((number as u64) << 32 | place as u64);
        Lane {
            cache: Some(cache.clone()),
            next: next.clone(),
            history: prompt.to_vec(),
            sampler: Sampler::new(seed),
            written: Written::default(),
        }
    };
    Ok((0..request.group.max(1)).map(lane).collect())
}

struct Run<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    request: &'a GroupRequest<'a>,
    progress: &'a dyn Progress<Writing>,
}

impl Run<'_> {
    fn write(&self, lanes: &mut [Lane], (done, total): (&mut usize, usize)) -> Result<(), Error> {
        let (request, model) = (self.request, self.model);
        let context = model.context_with(self.adapter);
        let mut active: Vec<usize> = (0..lanes.len()).collect();
        for _ in 0..request.max_new_tokens {
            self.progress.check()?;
            self.draw(lanes, &active)?;
            *done += active.len();
            self.progress.emit(Writing { done: *done, total });
            active.retain(|index| {
                let lane = &mut lanes[*index];
                let goes_on = !lane.written.is_ended
                    && lane.written.ids.len() < request.max_new_tokens
                    && lane.history.len() < context;
                if !goes_on {
                    lane.cache = None; // its memory is needed
                }
                goes_on
            });
            if active.is_empty() {
                return Ok(());
            }
            self.advance(lanes, &active)?;
        }
        Ok(())
    }

    /// The next token of each lane.
    fn draw(&self, lanes: &mut [Lane], active: &[usize]) -> Result<(), Error> {
        let sampling = &self.request.sampling;
        let stops = self.model.stop_ids();
        let mut drawn: Vec<&mut Lane> = lanes
            .iter_mut()
            .enumerate()
            .filter(|(index, _)| active.contains(index))
            .map(|(_, lane)| lane)
            .collect();
        jobs::in_pool(|| {
            drawn.par_iter_mut().try_for_each(|lane| {
                let id = lane.sampler.next(&lane.next, &lane.history, sampling)?;
                lane.history.push(id);
                lane.written.ids.push(id);
                lane.written.is_ended = stops.contains(&id);
                Ok(())
            })
        })
    }

    /// Runs the tokens that were drawn.
    fn advance(&self, lanes: &mut [Lane], active: &[usize]) -> Result<(), Error> {
        let ids: Vec<u32> =
            active.iter().filter_map(|index| lanes[*index].history.last()).copied().collect();
        let mut caches: Vec<KvCache> =
            active.iter().filter_map(|index| lanes[*index].cache.take()).collect();
        let scores = self.model.lane_logits(&ids, &mut caches, self.adapter)?;
        let vocabulary = scores.len() / ids.len().max(1);
        for ((index, cache), scores) in
            active.iter().zip(caches).zip(scores.chunks_exact(vocabulary))
        {
            lanes[*index].cache = Some(cache);
            lanes[*index].next.copy_from_slice(scores);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
