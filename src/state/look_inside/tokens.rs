//! The pieces that a text is split into.

use crate::llm::text::tokenizer::Tokenizer;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub id: u32,

    /// As it is shown: ` the`, `<|im_end|>`, `<0xE4>`.
    pub text: String,

    /// What it adds to a text. `None`: that depends on what stands before it.
    pub byte_count: Option<usize>,

    /// It is one of the tokenizer's own, and stands for no text.
    pub is_special: bool,
}

/// A whole text as the model reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    pub list: Vec<Piece>,

    /// Of the text that was split, with what a chat template wrote into it.
    pub characters: usize,
    pub words: usize,
    pub bytes: usize,
    pub vocabulary: usize,
}

impl Pieces {
    pub fn new(tokenizer: &Tokenizer, text: &str, ids: &[u32]) -> Self {
        let piece = |id: &u32| Piece {
            id: *id,
            text: tokenizer.token_text(*id),
            byte_count: tokenizer.token_bytes(*id).map(|bytes| bytes.len()),
            is_special: tokenizer.is_special(*id),
        };
        Self {
            list: ids.iter().map(piece).collect(),
            characters: text.chars().count(),
            words: text.split_whitespace().count(),
            bytes: text.len(),
            vocabulary: tokenizer.vocab_size(),
        }
    }

    pub fn ids(&self) -> Vec<u32> {
        self.list.iter().map(|piece| piece.id).collect()
    }

    /// How many tokens stand for no text.
    pub fn special_count(&self) -> usize {
        self.list.iter().filter(|piece| piece.is_special).count()
    }

    /// `1.32`, as papers give it: without the tokens that stand for no text. `None`: no words.
    pub fn tokens_a_word(&self) -> Option<f64> {
        let counted = self.list.len() - self.special_count();
        (self.words > 0).then(|| counted as f64 / self.words as f64)
    }
}
