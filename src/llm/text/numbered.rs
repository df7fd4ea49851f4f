//! Tokenizers of Marian (opus-mt) and M2M100: SentencePiece splits a text into pieces, and `vocab.json` numbers
//! them. Marian has a model for each side of a translation, with numbers of their own if its files say so. How
//! they are read: `numbered_read.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use tokenizers::Token;

use super::pieces::Pieces;

/// A vocabulary whose numbers are not SentencePiece's.
#[derive(Clone, Debug)]
pub struct Numbered {
    parts: Arc<Parts>,
}

#[derive(Debug)]
pub(super) struct Parts {
    /// What splits a text, and what puts an answer together.
    pub source: Pieces,
    pub target: Option<Pieces>,
    pub ids: HashMap<String, u32>,
    pub tokens: HashMap<u32, String>,
    pub unknown: u32,
    pub unknown_token: String,
    pub is_marian: bool,
}

impl Numbered {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.parts.ids.get(token).copied()
    }

    /// The token of a number, as an answer has it.
    pub(super) fn token(&self, id: u32) -> Option<String> {
        let known = self.parts.tokens.get(&id).cloned();
        known.or_else(|| {
            // As transformers has it: numbers that the vocabulary lacks are SentencePiece's own.
            let piece = self.parts.is_marian.then(|| self.answers().get(id)).flatten();
            piece.map(str::to_owned)
        })
    }

    pub(super) fn vocabulary(&self) -> &HashMap<String, u32> {
        &self.parts.ids
    }

    pub(super) fn split(&self, text: &str) -> Vec<Token> {
        let Parts { source, unknown, is_marian, .. } = &*self.parts;
        let code = text.starts_with(">>").then(|| text.find("<<")).flatten();
        let code = code.filter(|_| *is_marian).map_or(0, |at| at + 2);
        let language = (code > 0).then(|| (text[..code].to_owned(), 0..code));
        let pieces = source.split(&text[code..]);
        let pieces = pieces.into_iter().map(|(piece, at)| (piece, at.start + code..at.end + code));
        let number = |(piece, at): (String, std::ops::Range<usize>)| {
            let id = self.id(&piece).unwrap_or(*unknown);
            Token::new(id, piece, (at.start, at.end))
        };
        language.into_iter().chain(pieces).map(number).collect()
    }

    fn answers(&self) -> &Pieces {
        self.parts.target.as_ref().unwrap_or(&self.parts.source)
    }

    /// The text of tokens, each with whether it is a special one.
    pub(super) fn text(&self, tokens: impl Iterator<Item = (Option<String>, bool)>) -> String {
        let mut text = String::new();
        let mut pieces: Vec<String> = Vec::new();
        let put = |text: &mut String, pieces: &mut Vec<String>| {
            text.push_str(&self.answers().text(pieces.iter().map(String::as_str)));
            pieces.clear();
        };
        for (token, is_special) in tokens {
            let token = token.unwrap_or_else(|| self.parts.unknown_token.clone());
            if is_special {
                put(&mut text, &mut pieces);
                text.push_str(&token);
                text.push_str(if self.parts.is_marian { " " } else { "" });
            } else {
                pieces.push(token);
            }
        }
        put(&mut text, &mut pieces);
        if self.parts.is_marian {
            text = text.replace('▁', " ");
        }
        // What Python takes for spaces.
        let is_space = |letter: char| letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter);
        text.trim_matches(is_space).to_owned()
    }

    /// The token of a language, by its code (`de`, `fra`).
    pub(super) fn language_token(&self, code: &str) -> String {
        if self.parts.is_marian { format!(">>{code}<<") } else { m2m100_token(code) }
    }

    /// Whether the language of an answer is said in the text.
    pub(super) fn is_told_in_text(&self) -> bool {
        self.parts.is_marian
    }
}

/// `__de__`
pub(super) fn m2m100_token(code: &str) -> String {
    format!("__{code}__")
}

/// Such a tokenizer cannot be written as a `tokenizer.json`.
pub(super) fn not_as_file() -> Box<dyn std::error::Error + Send + Sync> {
    "a tokenizer of two files (vocab.json beside SentencePiece's) cannot be written as a tokenizer.json".into()
}
