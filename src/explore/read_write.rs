//! What an encoder-decoder has read and written, and what each written token looked at in the text that
//! was read.

use std::ops::Range;

use serde::Serialize;

use super::error::Error;
use crate::encoder::Tokens;
use crate::seq2seq::Seq2Seq;

/// A token of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    pub id: u32,
    pub token: String,
}

/// A text as the encoder reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Source {
    pub pieces: Vec<Piece>,

    /// The text is longer than the encoder's positions: its end is not read.
    pub is_cut: bool,
}

impl Source {
    pub fn of(model: &Seq2Seq, text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Err(Error::NoTokens);
        }
        let (ids, is_cut) = model.encode(text)?;
        Ok(Self { pieces: pieces(model, &ids), is_cut })
    }

    pub fn ids(&self) -> Vec<u32> {
        self.pieces.iter().map(|piece| piece.id).collect()
    }
}

pub fn pieces(model: &Seq2Seq, ids: &[u32]) -> Vec<Piece> {
    ids.iter().map(|id| Piece { id: *id, token: token_text(model, *id) }).collect()
}

/// SentencePiece writes a space as `▁`.
pub fn token_text(model: &Seq2Seq, id: u32) -> String {
    let text = model.tokenizer().map(|known| known.token_text(id)).unwrap_or_default();
    text.replace('▁', " ")
}

/// A layer of the decoder: what each token of an answer looked at when it was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct CrossView {
    /// Counted from 0.
    pub layer: usize,
    pub layer_count: usize,
    pub heads: usize,
    pub source: Vec<Piece>,
    pub answer: Vec<Piece>,

    /// (heads, tokens of the answer, tokens that were read); each row sums to 1.
    pub weights: Vec<f32>,
}

impl CrossView {
    /// (tokens of the answer, tokens that were read) of one head; `None`: the mean of all.
    pub fn map(&self, head: Option<usize>) -> Vec<f32> {
        let size = self.answer.len() * self.source.len();
        if let Some(head) = head {
            return self.weights[head * size..][..size].to_vec();
        }
        let mut mean = vec![0.0; size];
        for map in self.weights.chunks_exact(size.max(1)) {
            mean.iter_mut().zip(map).for_each(|(sum, weight)| *sum += weight);
        }
        mean.iter_mut().for_each(|sum| *sum /= self.heads as f32);
        mean
    }
}

/// Of these layers, one after the other. The row of a token is what the decoder looked at where it chose
/// that token: at the token before it.
pub fn cross_attention(
    model: &Seq2Seq,
    source: &Source,
    answer: &[u32],
    layers: Range<usize>,
) -> Result<Vec<CrossView>, Error> {
    let layer_count = model.layers()[1];
    if answer.is_empty() {
        return Err(Error::NoTokens);
    }
    if layers.start >= layer_count || layers.end > layer_count {
        return Err(Error::NoSuchLayer { layer: layers.start, count: layer_count });
    }
    let memory = model.read(Tokens::plain(&source.ids()), &mut |_| {})?;
    let written: Vec<u32> =
        std::iter::once(model.start()).chain(answer[..answer.len() - 1].iter().copied()).collect();
    let pass = model.follow(&memory, &written, layers.clone(), &mut |_| {})?;
    let view = |(layer, weights)| CrossView {
        layer,
        layer_count,
        heads: model.heads(),
        source: source.pieces.clone(),
        answer: pieces(model, answer),
        weights,
    };
    Ok(layers.zip(pass.cross_attention).map(view).collect())
}
