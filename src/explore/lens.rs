//! The logit lens: what every layer would say next, were it the last one.

use std::ops::{ControlFlow, Range};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::predictions::{Candidate, Spread, highest, rank};
use super::subject::{CHUNK, Looked, Subject, check_memory, rows_at_once};
use crate::jobs;
use crate::jobs::Progress;

/// Layers by positions. `[layer][position]` everywhere: layer 0 is the embedding before any layer,
/// layer n is what the n-th of them gave, and the last one is what the model says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LensView {
    pub ids: Vec<u32>,

    /// Each token as it is shown by itself.
    pub tokens: Vec<String>,

    /// The positions that were looked at, counted from 0: that of a token, after which something
    /// comes.
    pub positions: Range<usize>,

    /// What comes after the position, the likeliest first.
    pub top: Vec<Vec<Vec<Candidate>>>,

    /// In bits, over the whole vocabulary.
    pub entropy: Vec<Vec<f64>>,

    /// One token through all layers, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub followed: Option<Followed>,
}

/// A token through the layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    pub id: u32,
    pub token: String,

    /// Natural logs, `[layer][position]`.
    pub logprobs: Vec<Vec<f64>>,

    /// 1 is the likeliest; `[layer][position]`.
    pub ranks: Vec<Vec<usize>>,
}

/// What of a text is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LensRequest {
    /// Only this many positions, the last ones; `None`: all.
    pub last: Option<usize>,

    /// How many of the likeliest tokens are kept at each place.
    pub top: usize,

    /// A token to follow through the layers.
    pub follow: Option<u32>,
}

/// Hidden states that are in memory at once, as a number of values: 64 MB.
const STATES: usize = 1 << 24;

/// About what a candidate takes, with its text.
const PLACE_BYTES: usize = size_of::<Candidate>() + 16;

/// Reads a text once, and takes the hidden states of every layer through the model's own final norm
/// and head. Slow: reports places, layers times positions, and looks for Stop every hundred or so.
pub fn lens(
    subject: Subject<'_>,
    ids: &[u32],
    request: &LensRequest,
    progress: &dyn Progress<Looked>,
) -> Result<LensView, Error> {
    subject.check(ids)?;
    let Subject { model, adapter } = subject;
    let (config, tokenizer) = (model.config(), model.tokenizer());
    let LensRequest { last, top, follow } = *request;
    if let Some(id) = follow.filter(|id| *id as usize >= config.vocab_size) {
        return Err(Error::Model(crate::llm::Error::TokenOutOfRange {
            id,
            vocab_size: config.vocab_size,
        }));
    }
    let first = ids.len() - last.unwrap_or(ids.len()).clamp(1, ids.len());
    let layer_count = config.layer_count();
    let places = (layer_count + 1) * (ids.len() - first);
    let needed = (places * (size_of::<Vec<Candidate>>() + top * PLACE_BYTES)) as u64;
    check_memory("logit lens", ids.len(), needed)?;
    let mut view = LensView {
        ids: ids.to_vec(),
        tokens: subject.token_texts(ids),
        positions: first..ids.len(),
        top: vec![Vec::new(); layer_count + 1],
        entropy: vec![Vec::new(); layer_count + 1],
        followed: follow.map(|id| Followed {
            id,
            token: tokenizer.token_text(id),
            logprobs: vec![Vec::new(); layer_count + 1],
            ranks: vec![Vec::new(); layer_count + 1],
        }),
    };
    let mut cache = model.new_cache();
    cache.plan(ids.len());
    let width = config.width;
    let step = chunk(ids.len() - first, (layer_count + 1) * width);
    let mut looked = 0;
    let mut scores = Vec::new();
    for (start, part) in (0..).step_by(step).zip(ids.chunks(step)) {
        progress.check()?;
        let end = start + part.len();
        if end <= first {
            // Nobody looks at these.
            model.normed_states(part, &mut cache, adapter, 0..0)?;
            continue;
        }
        let begin = start.max(first);
        let count = end - begin;
        let mut states = Vec::with_capacity((layer_count + 1) * count * width);
        model.watch(part, &mut cache, adapter, &mut |_, hidden| {
            states.extend_from_slice(&hidden[(begin - start) * width..]);
            ControlFlow::Continue(())
        })?;
        // The last ones have been through it.
        let before = layer_count * count * width;
        let normed = model.final_normed(&states[..before])?;
        states[..before].copy_from_slice(&normed);
        // One product of the rows of several layers: the head is read and unpacked once for all of them.
        let rows_at_once = rows_at_once(config.vocab_size);
        for (done, states) in (0..).step_by(rows_at_once).zip(states.chunks(rows_at_once * width)) {
            progress.check()?;
            model.scores_into(states, adapter, &mut scores)?;
            let read = jobs::in_pool(|| {
                let rows = scores.par_chunks_exact_mut(config.vocab_size).enumerate();
                let read = rows.map(|(at, row)| {
                    let best = highest(row, top);
                    let followed = follow.map(|id| (row[id as usize], rank(row, id)));
                    let position = begin + (done + at) % count;
                    let spread = Spread::of(row).ok_or(Error::NotNumbers { position })?;
                    Ok((best, followed, spread))
                });
                read.collect::<Result<Vec<_>, Error>>()
            })?;
            looked += read.len();
            for (at, (best, followed, spread)) in read.into_iter().enumerate() {
                let layer = (done + at) / count;
                let candidate = |&(id, score): &(u32, f32)| {
                    Candidate::new(tokenizer, id, spread.logprob(score))
                };
                view.top[layer].push(best.iter().map(candidate).collect());
                view.entropy[layer].push(spread.entropy);
                if let (Some(view), Some((score, rank))) = (&mut view.followed, followed) {
                    view.logprobs[layer].push(spread.logprob(score));
                    view.ranks[layer].push(rank);
                }
            }
            progress.emit(Looked { done: looked, total: places });
        }
    }
    Ok(view)
}

/// Positions that go through the layers together, of a text whose last `looked_at` ones are looked at. `values`: of
/// all layers' hidden states of one of them, which are kept until the head has read them.
fn chunk(looked_at: usize, values: usize) -> usize {
    let most = STATES / values.max(1);
    if looked_at <= most { CHUNK } else { most.clamp(1, CHUNK) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_states_of_long_texts_and_wide_models_take_little_memory() {
        assert_eq!(chunk(16, 81 * 8192), CHUNK, "only the last ones are kept");
        assert_eq!(chunk(4000, 31 * 576), CHUNK);
        assert_eq!(chunk(4000, 81 * 8192), 25);
        assert_eq!(chunk(4000, STATES + 1), 1);
    }
}
