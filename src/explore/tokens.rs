//! Tokens: the pieces that a tokenizer makes of a text.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::llm::Tokenizer;

/// A text as tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenView {
    pub pieces: Vec<Piece>,

    /// Of the text: stretches between white space, characters, and bytes of UTF-8. `None` where
    /// only ids were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextCounts>,
}

/// How long a text is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextCounts {
    /// Stretches between white space. A language that writes none has few of them.
    pub words: usize,
    pub characters: usize,
    pub bytes: usize,

    /// Tokens of the text itself, without those that are put around it, for a word and for a
    /// character. `None`: the text has none.
    pub tokens_a_word: Option<f64>,
    pub tokens_a_character: Option<f64>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    pub id: u32,

    /// As it is shown by itself: ` the`, `<|im_end|>`, `<0xE4><0xBD>`.
    pub token: String,

    /// What it adds to a text. `None`: that depends on what stands before it.
    pub bytes: Option<Vec<u8>>,

    /// Whether it is one of the tokenizer's special tokens, which decoding may leave out.
    pub special: bool,

    /// The characters of the text that it stands for, counted from 0, the end not among them; half
    /// a character stands for all of it. `None`: it was put around the text, or only ids were given.
    pub characters: Option<Range<usize>>,
}

/// The tokens of a text. `add_special`: with what the tokenizer puts around a text; a text that a
/// chat template wrote has it already.
pub fn of_text(tokenizer: &Tokenizer, text: &str, add_special: bool) -> Result<TokenView, Error> {
    let found = tokenizer.encode_with_places(text, add_special)?;
    if found.is_empty() {
        return Err(Error::NoTokens);
    }
    let own = found.iter().filter(|(_, place)| place.is_some()).count();
    let pieces = found.into_iter().map(|(id, place)| piece(tokenizer, id, place)).collect();
    let (words, characters) = (text.split_whitespace().count(), text.chars().count());
    let a = |count: usize| (count > 0).then(|| own as f64 / count as f64);
    let counts = TextCounts {
        words,
        characters,
        bytes: text.len(),
        tokens_a_word: a(words),
        tokens_a_character: a(characters),
    };
    Ok(TokenView { pieces, text: Some(counts) })
}

/// The same of ids.
pub fn of_ids(tokenizer: &Tokenizer, ids: &[u32]) -> Result<TokenView, Error> {
    if ids.is_empty() {
        return Err(Error::NoTokens);
    }
    let count = tokenizer.vocab_size();
    if let Some(&id) = ids.iter().find(|id| **id as usize >= count) {
        return Err(Error::NoSuchToken { id, count });
    }
    let pieces = ids.iter().map(|id| piece(tokenizer, *id, None)).collect();
    Ok(TokenView { pieces, text: None })
}

fn piece(tokenizer: &Tokenizer, id: u32, characters: Option<Range<usize>>) -> Piece {
    Piece {
        id,
        token: tokenizer.token_text(id),
        bytes: tokenizer.token_bytes(id),
        special: tokenizer.is_special(id),
        characters,
    }
}
