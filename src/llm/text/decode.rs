//! Token ids to text one by one, while an answer is written. All at once: [`Tokenizer::decode`].

use super::byte_names::byte_token;
use super::spelling::Spelling;
use super::tokenizer::Tokenizer;

/// Turns ids into text as they arrive, never showing half a character.
///
/// What all pushes and [`Self::finish`] return, put together, is [`Tokenizer::decode`] of all ids,
/// with one exception: a whole character in byte tokens is shown at once, and a wrong byte directly
/// after it makes it unreadable in the text of all ids.
pub struct StreamDecoder<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    strip_leading_space: bool,

    /// Bytes of a character that is not complete: three at most.
    pending: Vec<u8>,

    /// For [`Spelling::Other`]: everything so far, and how much of its text is out.
    ids: Vec<u32>,
    shown: usize,
}

impl<'a> StreamDecoder<'a> {
    /// Decodes a text from its beginning.
    pub fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self::continuing(tokenizer, &[], skip_special)
    }

    /// Decodes what continues the text of `before`, as transformers' pipelines do: the text of both
    /// without that of `before`. (SentencePiece puts a space before every text and takes it off
    /// again, which would glue two words together here.)
    pub fn continuing(tokenizer: &'a Tokenizer, before: &[u32], skip_special: bool) -> Self {
        let text = tokenizer.decode(before, skip_special);
        let strips = Spelling::SentencePiece { strip_leading_space: true };
        let is_other = tokenizer.spelling() == Spelling::Other;
        Self {
            tokenizer,
            skip_special,
            strip_leading_space: tokenizer.spelling() == strips && text.is_empty(),
            pending: Vec::new(),
            ids: if is_other { before.to_vec() } else { Vec::new() },
            shown: if is_other { text.len() } else { 0 },
        }
    }

    /// The text that `id` adds. Empty while a character is not complete.
    pub fn push(&mut self, id: u32) -> String {
        if self.skip_special && self.tokenizer.is_special(id) {
            return String::new();
        }
        let spelling = self.tokenizer.spelling();
        if spelling == Spelling::Other {
            self.ids.push(id);
            let text = self.tokenizer.decode(&self.ids, self.skip_special);
            return self.show_from(text.trim_end_matches(char::REPLACEMENT_CHARACTER));
        }
        let Some(token) = self.tokenizer.token(id) else { return String::new() };
        let is_text = spelling != Spelling::ByteLevel && byte_token(&token).is_none();
        let mut text = if is_text { self.give_up_pending() } else { String::new() };
        self.pending.extend(spelling.bytes(&token));
        text += &take_whole_characters(&mut self.pending);
        self.without_leading_space(text)
    }

    /// What is left at the end: U+FFFD for a character that was never completed.
    pub fn finish(&mut self) -> String {
        if self.tokenizer.spelling() == Spelling::Other {
            let text = self.tokenizer.decode(&self.ids, self.skip_special);
            return self.show_from(&text);
        }
        let text = self.give_up_pending();
        self.without_leading_space(text)
    }

    /// A character that nothing completes.
    fn give_up_pending(&mut self) -> String {
        let pending = std::mem::take(&mut self.pending);
        if self.tokenizer.spelling() == Spelling::ByteLevel {
            return String::from_utf8_lossy(&pending).into_owned();
        }
        pending.iter().map(|_| char::REPLACEMENT_CHARACTER).collect()
    }

    fn show_from(&mut self, text: &str) -> String {
        let added = text.get(self.shown..).unwrap_or_default().to_owned();
        self.shown = self.shown.max(text.len());
        added
    }

    fn without_leading_space(&mut self, mut text: String) -> String {
        if self.strip_leading_space && !text.is_empty() {
            self.strip_leading_space = false;
            if text.starts_with(' ') {
                text.remove(0);
            }
        }
        text
    }
}

/// Takes everything but an incomplete character at the end. What cannot become a character
/// is replaced, exactly as `String::from_utf8_lossy` would.
fn take_whole_characters(pending: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut used = 0;
    for chunk in pending.utf8_chunks() {
        text.push_str(chunk.valid());
        used += chunk.valid().len();
        let is_last = used + chunk.invalid().len() == pending.len();
        if !chunk.invalid().is_empty() {
            if is_last && is_incomplete(chunk.invalid()) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            used += chunk.invalid().len();
        }
    }
    pending.drain(..used);
    text
}

/// Whether more bytes could make it a character.
fn is_incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|err| err.error_len().is_none())
}
