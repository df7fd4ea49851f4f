//! A model's vocabulary for answers that are held to a form: see [`super::grammar`].

use super::grammar::{GrammarError, Vocabulary};
use crate::llm::model::Model;

/// Made once for a model: it goes through all tokens.
pub fn vocabulary(model: &Model) -> Result<Vocabulary, GrammarError> {
    let tokenizer = model.tokenizer();
    let words = (0..model.config().vocab_size as u32).map(|id| {
        // Turn markers and the like have no place in an answer.
        let silent = tokenizer.is_special(id) || id as usize >= tokenizer.vocab_size();
        if silent { Ok(Vec::new()) } else { tokenizer.token_bytes(id).ok_or(GrammarError::Bytes) }
    });
    Vocabulary::new(words.collect::<Result<Vec<_>, _>>()?, model.stop_ids())
}
