//! How likely a given text is, token by token, in one pass.

use candle_core::Tensor;
use rayon::prelude::*;

use super::sampling;
use crate::data::forms::Beside;
use crate::data::pair::{Message, Text};
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::error::Error;
use crate::llm::model::{Model, Positions};
use crate::llm::text::chat::ChatTemplate;
use crate::llm::text::tokenizer::Tokenizer;

/// `done` of `total` tokens of a text are scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scoring {
    pub done: usize,
    pub total: usize,
}

/// Tokens scored at once: 64 rows of 49,152 scores are 12 MB.
const CHUNK: usize = 64;

/// Tokens that are only read, between two looks for Stop.
const READ_AT_ONCE: usize = 256;

/// With a larger vocabulary a chunk has fewer rows, so that it stays below 16 MB.
const CHUNK_SCORES: usize = 4 << 20;

/// Natural log of the probability of each token given those before it; `None` for the first.
/// Slow: reports and looks for Stop once a chunk.
pub fn score(
    model: &Model,
    adapter: Option<&Adapter>,
    ids: &[u32],
    progress: &dyn Progress<Scoring>,
) -> Result<Vec<Option<f32>>, Error> {
    score_with(model, adapter, ids, progress, &mut |_| Ok(()))
}

/// As [`score`]; `on_logits` gets the raw scores chunk after chunk, (positions, vocabulary). Only
/// one chunk is in memory at a time, unless it keeps them.
pub fn score_with(
    model: &Model,
    adapter: Option<&Adapter>,
    ids: &[u32],
    progress: &dyn Progress<Scoring>,
    on_logits: &mut dyn FnMut(&Tensor) -> Result<(), Error>,
) -> Result<Vec<Option<f32>>, Error> {
    let total = ids.len();
    model.check_fits(total, adapter)?;
    let vocab_size = model.config().vocab_size;
    let chunk = rows_at_once(vocab_size);
    let mut cache = model.new_cache();
    cache.plan(total);
    let mut logprobs = Vec::with_capacity(total);
    logprobs.extend(ids.first().map(|_| None));
    for part in ids.chunks(chunk) {
        progress.check()?;
        let start = cache.len();
        let logits = model.logits(part, &mut cache, adapter, Positions::All)?;
        on_logits(&logits)?;
        // Row i scores token start + i + 1; the last row of the last chunk scores nothing.
        let rows = logits.flatten_all()?.to_vec1::<f32>()?;
        let next = &ids[start + 1..(start + part.len() + 1).min(total)];
        logprobs.extend(of_rows(next, &rows, vocab_size).into_iter().map(Some));
        progress.emit(Scoring { done: cache.len(), total });
    }
    Ok(logprobs)
}

/// Natural logs of the probability of each of `ids` from place `first` on, which is at least 1, given
/// those before it: of what stands before no scores are computed. Looks for Stop once a chunk.
pub fn score_from<E>(
    (model, adapter): (&Model, Option<&Adapter>),
    ids: &[u32],
    first: usize,
    progress: &dyn Progress<E>,
) -> Result<Vec<f32>, Error> {
    let total = ids.len();
    model.check_fits(total, adapter)?;
    let vocab_size = model.config().vocab_size;
    let mut cache = model.new_cache();
    cache.plan(total);
    let first = first.max(1);
    let mut logprobs = Vec::with_capacity(total.saturating_sub(first));
    for part in ids[..(first - 1).min(total)].chunks(READ_AT_ONCE) {
        progress.check()?;
        model.logits(part, &mut cache, adapter, Positions::From(part.len()))?;
    }
    // The last token scores nothing.
    let Some(scoring) = ids.get(first - 1..total.max(1) - 1) else { return Ok(logprobs) };
    for part in scoring.chunks(rows_at_once(vocab_size)) {
        progress.check()?;
        let start = cache.len();
        let logits = model.logits(part, &mut cache, adapter, Positions::All)?;
        let rows = logits.flatten_all()?.to_vec1::<f32>()?;
        logprobs.extend(of_rows(&ids[start + 1..=start + part.len()], &rows, vocab_size));
        progress.rest();
    }
    Ok(logprobs)
}

fn rows_at_once(vocab_size: usize) -> usize {
    CHUNK.min(CHUNK_SCORES / vocab_size.max(1)).max(1)
}

/// The log-probability of each id by its row of scores.
fn of_rows(ids: &[u32], rows: &[f32], vocab_size: usize) -> Vec<f32> {
    let rows = rows.par_chunks(vocab_size);
    ids.par_iter().zip(rows).map(|(id, row)| sampling::logprob(row, *id)).collect()
}

/// A prompt and a completion as ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedCompletion {
    /// Prompt and completion together.
    pub ids: Vec<u32>,

    /// Where the completion begins: everything before belongs to the prompt.
    pub start: usize,

    /// Whether the prompt alone has other ids than the beginning of the whole: the tokens at the
    /// border then belong to neither. TRL warns and goes on, and so do we.
    pub prompt_differs: bool,
}

impl EncodedCompletion {
    /// The completion's log-probability: the sum over its tokens. A first token counts nothing.
    pub fn logprob(&self, logprobs: &[Option<f32>]) -> f64 {
        logprobs[self.start..].iter().flatten().map(|logprob| f64::from(*logprob)).sum()
    }
}

/// The ids of a prompt and a completion, by TRL's rule (`DPOTrainer`).
///
/// Messages go through the chat template, once up to the prompt with the assistant's turn opened
/// and once as a whole; the completion is what the whole has more. Plain strings are put together
/// and then tokenised. Where one of the two is messages and the other plain, the plain one is a
/// message too.
pub fn encode_completion(
    tokenizer: &Tokenizer,
    chat: Option<&ChatTemplate>,
    (prompt, completion): (&Text, &Text),
    beside: &Beside,
) -> Result<EncodedCompletion, Error> {
    let (prompt_ids, ids) =
        if let (Text::Plain(prompt), Text::Plain(completion)) = (prompt, completion) {
            let whole = [prompt.as_str(), completion.as_str()].concat();
            (tokenizer.encode(prompt, true)?, tokenizer.encode(&whole, true)?)
        } else {
            let chat = chat.ok_or(Error::NoChatTemplate)?;
            let prompt = as_messages(prompt, "user");
            let whole = [prompt.clone(), as_messages(completion, "assistant")].concat();
            let prompt = chat.render_beside(&prompt, true, beside)?;
            let whole = chat.render_beside(&whole, false, beside)?;
            (tokenizer.encode(&prompt, false)?, tokenizer.encode(&whole, false)?)
        };
    let start = prompt_ids.len().min(ids.len());
    Ok(EncodedCompletion { start, prompt_differs: !ids.starts_with(&prompt_ids), ids })
}

fn as_messages(text: &Text, role: &str) -> Vec<Message> {
    match text {
        Text::Plain(content) => vec![Message::new(role, content)],
        Text::Messages(messages) => messages.clone(),
    }
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
