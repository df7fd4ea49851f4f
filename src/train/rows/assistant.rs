//! What an assistant says in a dialogue: TRL's `assistant_only_loss`, by the `{% generation %}` tags of
//! the chat template. Reference: transformers 5.23's `apply_chat_template` with
//! `return_assistant_tokens_mask`, and TRL 1.16's `SFTTrainer`.

use std::ops::Range;

use serde::Deserialize;

use super::sequence::Sequence;
use super::template;
use crate::data::forms::Beside;
use crate::data::pair::{Message, Text};
use crate::files;
use crate::llm::text::chat::ChatTemplate;
use crate::llm::text::tokenizer::{PlacedToken, Tokenizer};
use crate::train::error::Error;

/// Templates without tags for which TRL has a variant with them: by the SHA-256 of the whole text, as TRL
/// knows them, and what is to be written in place of what.
const KNOWN: &str = include_str!("training_templates.json");

#[derive(Deserialize)]
struct Known {
    sha256: String,
    edits: Vec<Edit>,
}

#[derive(Deserialize)]
struct Edit {
    from: String,
    to: String,
}

/// The template that a run uses in place of a model's own, where that does not mark what an assistant
/// says: it writes and marks the same as TRL's `get_training_chat_template`. Some write more than the
/// model's own: the reasoning of every turn.
pub fn training_template(chat: &ChatTemplate) -> Option<ChatTemplate> {
    if chat.has_generation_tags() {
        return None;
    }
    let sha256 = files::sha256_of_bytes(chat.source().as_bytes());
    let known: Vec<Known> = serde_json::from_str(KNOWN).unwrap_or_default();
    let known = known.into_iter().find(|known| known.sha256 == sha256)?;
    let edited = known
        .edits
        .iter()
        .fold(chat.source().to_owned(), |source, Edit { from, to }| source.replace(from, to));
    Some(chat.replaced(&edited))
}

/// The chat template that writes the dialogues of a run.
#[derive(Clone, Copy, Debug)]
pub struct Assistant<'a> {
    chat: Option<&'a ChatTemplate>,

    /// It says what an assistant writes.
    is_marked: bool,
}

impl<'a> Assistant<'a> {
    pub fn of(chat: Option<&'a ChatTemplate>) -> Self {
        Self { chat, is_marked: chat.is_some_and(ChatTemplate::has_generation_tags) }
    }

    /// A dialogue, with the answer behind the prompt, with what the assistant says in it as what is
    /// learned.
    pub fn sequence(
        self,
        tokenizer: &Tokenizer,
        (text, answer): (&Text, Option<&Text>),
        beside: &Beside,
        line: usize,
    ) -> Result<Sequence, Error> {
        if matches!(text, Text::Plain(_)) {
            return Err(Error::NotADialogue { line });
        }
        let chat = self.chat.ok_or(Error::NoChatTemplate { line })?;
        if !self.is_marked {
            return Err(Error::NoGenerationTags);
        }
        let messages = template::messages(text, answer, chat);
        let written = chat.render_marked(&messages, beside);
        let (text, written) =
            written.map_err(|source| Error::Tokenize { line, source: source.into() })?;
        let tokens = tokenizer.encode_with_places(&text, false);
        let tokens = tokens.map_err(|source| Error::Tokenize { line, source: source.into() })?;
        let learned = mask(&tokens, &written);
        if !learned.contains(&true) {
            return Err(Error::NoAssistant { line });
        }
        Ok(Sequence::masked(tokens.into_iter().map(|(id, _)| id).collect(), &learned))
    }

    /// Whether the token that ends a turn is learned too (TRL's `is_chat_template_stop_token_trained`).
    pub fn learns_to_stop(self, tokenizer: &Tokenizer) -> bool {
        let dialogue = ["user", "assistant", "user"].map(|role| Message::new(role, "dummy"));
        let dialogue = Text::Messages(dialogue.to_vec());
        let Ok(sequence) = self.sequence(tokenizer, (&dialogue, None), &Beside::default(), 0)
        else {
            return false;
        };
        let learned = (0..sequence.ids.len()).rev().filter(|place| sequence.is_learned(*place));
        let mut ids = learned.map(|place| sequence.ids[place]);
        let last = ids.find(|id| !tokenizer.decode(&[*id], false).trim().is_empty());
        last.is_some_and(|id| tokenizer.is_added(id))
    }
}

/// The tokens that stand for what was written, as transformers finds them: from the one with the first
/// character to the one with the last. A character without a token ends it.
fn mask(tokens: &[PlacedToken], written: &[Range<usize>]) -> Vec<bool> {
    let token_of = |character: usize| {
        let has = |(_, place): &PlacedToken| {
            place.as_ref().is_some_and(|place| place.contains(&character))
        };
        tokens.iter().position(has)
    };
    let mut mask = vec![false; tokens.len()];
    for Range { start, end } in written {
        let Some(first) = token_of(*start) else { break };
        // transformers takes a last token of 0 for none, and then everything that follows.
        let last = end.checked_sub(1).and_then(token_of).filter(|last| *last > 0);
        let end = last.map_or(tokens.len(), |last| last + 1);
        if first < end {
            mask[first..end].fill(true);
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_template_has_edits_that_put_in_tags() {
        let known: Vec<Known> = serde_json::from_str(KNOWN).unwrap();
        assert!(known.len() >= 17);
        for Known { sha256, edits } in known {
            assert_eq!(sha256.len(), 64);
            let put = |tag: &str| edits.iter().filter(|edit| edit.to.contains(tag)).count();
            assert!(put("generation ") > 0 && put("endgeneration ") > 0, "{sha256}");
        }
    }

    #[test]
    fn what_is_written_is_found_as_transformers_finds_it() {
        // "ab c d": the space before d belongs to no token
        let tokens: Vec<PlacedToken> =
            vec![(1, Some(0..2)), (2, Some(2..4)), (3, None), (4, Some(5..6))];
        let mask_of = |written: Range<usize>| mask(&tokens, std::slice::from_ref(&written));
        assert_eq!(mask_of(0..2), [true; 4]); // up to token 0: to the end
        assert_eq!(mask_of(1..4), [true, true, false, false]);
        assert_eq!(mask_of(2..5), [false, true, true, true]); // its end has no token
        assert_eq!(mask(&tokens, &[4..6, 0..4]), [false; 4]); // its start has none
        assert_eq!(mask(&tokens, &[5..6, 3..3]), [false, true, false, true]); // an empty one has a token
    }
}
