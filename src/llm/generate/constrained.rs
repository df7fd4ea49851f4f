//! A model's vocabulary for answers that are held to a form: see [`super::grammar`].

use super::grammar::{GrammarError, Vocabulary};
use crate::llm::model::Model;
use crate::llm::text::tokenizer::Tokenizer;

/// Made once for a model: it goes through all tokens.
pub fn vocabulary(model: &Model) -> Result<Vocabulary, GrammarError> {
    let words = words(model.tokenizer(), model.config().vocab_size)?;
    Vocabulary::new(words, model.stop_ids())
}

/// The bytes of each of so many ids.
pub fn words(tokenizer: &Tokenizer, count: usize) -> Result<Vec<Vec<u8>>, GrammarError> {
    let words = (0..count as u32).map(|id| {
        // Turn markers and the like have no place in an answer.
        let silent = tokenizer.is_special(id) || id as usize >= tokenizer.vocab_size();
        if silent { Ok(Vec::new()) } else { tokenizer.token_bytes(id).ok_or(GrammarError::Bytes) }
    });
    words.collect()
}
