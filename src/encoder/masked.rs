//! Guesses at masked words, and how well a whole text fits a masked model.

use super::error::Error;
use super::model::EncoderModel;
use crate::jobs::Progress;

/// A word that may stand where the mask is.
#[derive(Clone, Debug, PartialEq)]
pub struct Guess {
    pub id: u32,

    /// As it is written in a text.
    pub token: String,
    pub probability: f64,

    /// Natural log.
    pub logprob: f64,
}

/// What may stand at one mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Guesses {
    /// The place of the mask among the tokens.
    pub position: usize,

    /// The likeliest first.
    pub top: Vec<Guess>,
}

/// A token of a text with how well it fits, were it the only one that is masked.
#[derive(Clone, Debug, PartialEq)]
pub struct Masked {
    pub id: u32,
    pub token: String,

    /// Natural log. `None`: it stands around the text, or is a mask, and is not guessed.
    pub logprob: Option<f64>,
}

/// A text whose masks were guessed.
#[derive(Clone, Debug, PartialEq)]
pub struct Filled {
    pub ids: Vec<u32>,
    pub guesses: Vec<Guesses>,

    /// Whether the text was longer than what is read.
    pub is_cut: bool,
}

/// Tokens done, of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scored {
    pub done: usize,
    pub total: usize,
}

/// What may stand where a text has the model's mask token: for each mask the `count` likeliest tokens,
/// all masks being seen at once, as in transformers' `fill-mask`.
pub fn fill(model: &EncoderModel, text: &str, count: usize) -> Result<Filled, Error> {
    model.masked_head()?;
    let (mask, name) = model.mask()?;
    let encoded = model.encode(text, None, None)?;
    let masks = encoded.ids.iter().enumerate().filter(|(_, id)| **id == mask);
    let positions: Vec<usize> = masks.map(|(at, _)| at).collect();
    if positions.is_empty() {
        return Err(Error::NoMask { mask: name });
    }
    let scores = model.guess(&encoded.ids, encoded.kinds.as_deref(), &positions)?;
    let rows = scores.chunks_exact(model.vocabulary());
    let tokenizer = model.tokenizer()?;
    let guesses = positions.iter().zip(rows).map(|(position, row)| {
        let log_sum = log_sum(row);
        let top = largest(row, count).into_iter().map(|id| {
            let logprob = f64::from(row[id as usize]) - log_sum;
            let token = tokenizer.token_text(id);
            Guess { id, token, probability: logprob.exp(), logprob }
        });
        Guesses { position: *position, top: top.collect() }
    });
    let guesses = guesses.collect();
    Ok(Filled { ids: encoded.ids, guesses, is_cut: encoded.is_cut })
}

/// The pseudo-log-likelihood of a text (Salazar et al., 2020): each token is masked by itself, and its
/// log-probability is read. What stands around the text is not masked. Slow: a run for each token.
pub fn pseudo_log_likelihood(
    model: &EncoderModel,
    text: &str,
    progress: &dyn Progress<Scored>,
) -> Result<Vec<Masked>, Error> {
    model.masked_head()?;
    let (mask, _) = model.mask()?;
    let encoded = model.encode(text, None, None)?;
    let tokenizer = model.tokenizer()?;
    let mut found = Vec::with_capacity(encoded.ids.len());
    for (at, id) in encoded.ids.iter().enumerate() {
        progress.check()?;
        progress.emit(Scored { done: at, total: encoded.ids.len() });
        let is_guessed = *id != mask && !tokenizer.is_special(*id);
        let logprob = if is_guessed {
            let mut ids = encoded.ids.clone();
            ids[at] = mask;
            let scores = model.guess(&ids, encoded.kinds.as_deref(), &[at])?;
            Some(f64::from(scores[*id as usize]) - log_sum(&scores))
        } else {
            None
        };
        found.push(Masked { id: *id, token: tokenizer.token_text(*id), logprob });
    }
    progress.emit(Scored { done: encoded.ids.len(), total: encoded.ids.len() });
    Ok(found)
}

impl EncoderModel {
    /// The token that masks a word: its id, and how it is written.
    pub fn mask(&self) -> Result<(u32, String), Error> {
        let tokenizer = self.tokenizer()?;
        let name = tokenizer.named_tokens().get("mask_token").ok_or(Error::NoMaskToken)?;
        let id = tokenizer.special_id(name).ok_or(Error::NoMaskToken)?;
        Ok((id, name.clone()))
    }
}

/// ln Σ eˣ, in f64: a vocabulary has a quarter of a million terms.
fn log_sum(scores: &[f32]) -> f64 {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - most).exp()).sum();
    f64::from(most) + sum.ln()
}

/// The ids of the largest scores, the largest first; ties by id.
fn largest(scores: &[f32], count: usize) -> Vec<u32> {
    let better =
        |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
    let mut ids: Vec<u32> = (0..scores.len() as u32).collect();
    if count < ids.len() {
        ids.select_nth_unstable_by(count, better);
        ids.truncate(count);
    }
    ids.sort_unstable_by(better);
    ids
}
