//! How many tokens of the model's a text has, as it is said while the text is typed.
//!
//! A long text is counted piece by piece, and no further than the model could read, so that a whole book in the
//! field does not hold the window up.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::llm::card::ModelCard;
use crate::llm::generate::Prompt;
use crate::words::thousands;

/// In bytes. What is shorter than two of them is counted whole, and exactly.
const PIECE: usize = 8 * 1024;

/// A text may differ by so many tokens for each place where it was cut.
const PER_CUT: usize = 2;

/// The counts of a long text's pieces: a letter that is typed makes one of them new.
const MOST_PIECES: usize = 4096;

/// What a text takes of the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length {
    pub tokens: usize,

    /// It has at least so many.
    pub least: usize,

    /// Not all of it was counted: it is far too long.
    pub is_estimate: bool,
}

impl Length {
    /// `1,234 tokens`, `about 195,000 tokens`.
    pub fn words(self) -> String {
        if self.is_estimate {
            return format!("about {} tokens", thousands(round(self.tokens)));
        }
        format!("{} tokens", thousands(self.tokens))
    }
}

/// To a thousand, as an estimate is said.
fn round(tokens: usize) -> usize {
    (tokens + 500) / 1000 * 1000
}

/// What is left of the context after the conversation and what is in the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Tokens(usize),

    /// The conversation has taken all of it.
    Full,

    /// What is in the field is longer than the context by itself.
    TooLong(Length),
}

/// The last count, and of what it is.
#[derive(Debug, PartialEq)]
pub(super) struct Counted {
    pub version: u64,
    pub prompt: String,
    pub tokenizer: usize,

    /// Of a conversation that was read from a file.
    pub said: usize,
    pub asked: Length,
}

/// Whether the prompt goes into the model's context. The turn markers of a chat template are not
/// counted: the engine counts again, exactly.
pub(super) fn check(prompt: &Prompt, model: &ModelCard) -> Result<(), String> {
    let context = model.facts.context_length;
    let mut lengths = Lengths::default();
    let mut all = Length::default();
    let mut add = |text: &str| {
        let length = lengths.of(text, model, context);
        all.tokens += length.tokens;
        all.least += length.least;
        all.is_estimate |= length.is_estimate;
    };
    match prompt {
        Prompt::Raw(text) => add(text),
        Prompt::Chat(messages) => {
            for message in messages {
                add(&message.content);
            }
        }
    }
    if all.least < context {
        return Ok(());
    }
    let (length, context) = (all.words(), thousands(context));
    Err(format!(
        "The prompt has {length}; this model's context holds {context}. Shorten it, or load a model with a \
         longer context"
    ))
}

/// Whose tokens are counted.
pub(super) fn tokenizer_of(model: &ModelCard) -> usize {
    Arc::as_ptr(&model.tokenizer) as usize
}

/// Counts texts, and remembers the counts of their pieces.
#[derive(Debug, Default)]
pub struct Lengths {
    /// By the hash of a piece.
    known: HashMap<u64, usize>,

    /// Whose tokens they are.
    tokenizer: usize,
}

impl Lengths {
    /// Counts up to `most` tokens, and estimates the rest.
    pub fn of(&mut self, text: &str, model: &ModelCard, most: usize) -> Length {
        let tokenizer = tokenizer_of(model);
        if self.tokenizer != tokenizer || self.known.len() > MOST_PIECES {
            *self = Self { tokenizer, ..Self::default() };
        }
        let (mut tokens, mut bytes, mut cuts) = (0, 0, 0);
        for piece in pieces(text) {
            let mut hasher = DefaultHasher::new();
            piece.hash(&mut hasher);
            let count = || model.tokenizer.encode(piece, false).map_or(0, |ids| ids.len());
            tokens += *self.known.entry(hasher.finish()).or_insert_with(count);
            bytes += piece.len();
            if bytes < text.len() {
                cuts += 1;
                if tokens > most + cuts * PER_CUT {
                    let all = (tokens as f64 * text.len() as f64 / bytes as f64) as usize;
                    return Length { tokens: all, least: most + 1, is_estimate: true };
                }
            }
        }
        Length { tokens, least: tokens.saturating_sub(cuts * PER_CUT), is_estimate: false }
    }
}

/// A text in pieces that end with a line, or before a space where a line is longer than that.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.len() <= 2 * PIECE {
            return (!rest.is_empty()).then(|| std::mem::take(&mut rest));
        }
        let (from, to) = (boundary(rest, PIECE), boundary(rest, 2 * PIECE));
        let window = &rest[from..to];
        let at_line = window.find('\n').map(|at| from + at + 1);
        let cut = at_line.or_else(|| window.find(' ').map(|at| from + at)).unwrap_or(to);
        let (piece, after) = rest.split_at(cut);
        rest = after;
        Some(piece)
    })
}

/// The place of a letter, `at` or a little before.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text_and_end_where_tokens_do() {
        let line = "A sentence of some words.\n";
        let text = line.repeat(3000);
        let cut: Vec<&str> = pieces(&text).collect();
        assert_eq!(cut.concat(), text);
        assert!(cut.iter().all(|piece| piece.ends_with('\n') && piece.len() <= 2 * PIECE));
        assert_eq!(pieces("short\ntext").collect::<Vec<_>>(), ["short\ntext"]);
        // No line ends in it: before a space. No space: anywhere between two letters.
        let words = "word ".repeat(10_000);
        let cut: Vec<&str> = pieces(&words).collect();
        assert!(cut[1..].iter().all(|piece| piece.starts_with(' ')));
        assert_eq!(cut.concat(), words);
        let letters = "ü".repeat(20_000);
        assert_eq!(pieces(&letters).collect::<String>(), letters);
    }

    #[test]
    fn an_estimate_is_said_as_one() {
        let length = |tokens, is_estimate| Length { tokens, is_estimate, ..Length::default() };
        assert_eq!(length(1234, false).words(), "1,234 tokens");
        assert_eq!(length(194_889, true).words(), "about 195,000 tokens");
    }
}
