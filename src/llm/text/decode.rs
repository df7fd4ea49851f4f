//! Token ids to text: all at once, exactly as the `tokenizers` crate decodes, and one by one while
//! an answer is written.

use serde_json::Value;

use super::bpe::byte_name;
use super::tokenizer::Tokenizer;

/// How the vocabulary writes the bytes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// GPT-2's: one printable character stands for each byte.
    ByteLevel,

    /// SentencePiece's: `▁` is a space and `<0xE4>` a byte.
    SentencePiece { strip_leading_space: bool },

    /// Anything else is left to the `tokenizers` crate.
    Other,
}

impl Spelling {
    /// Reads it off the `decoder` of a `tokenizer.json`.
    pub fn of(decoder: &Value) -> Self {
        let steps = match decoder["type"].as_str() {
            Some("Sequence") => decoder["decoders"].as_array().map_or(&[][..], Vec::as_slice),
            Some(_) => std::slice::from_ref(decoder),
            None => &[],
        };
        let kinds: Vec<&str> = steps.iter().filter_map(|step| step["type"].as_str()).collect();
        let replaces_bar = || {
            steps[0]["pattern"]["String"].as_str() == Some("▁")
                && steps[0]["content"].as_str() == Some(" ")
        };
        let strips_one_space = || {
            let strip = &steps[3];
            strip["content"].as_str() == Some(" ")
                && strip["start"].as_u64() == Some(1)
                && strip["stop"].as_u64() == Some(0)
        };
        match kinds.as_slice() {
            ["ByteLevel"] => Self::ByteLevel,
            ["Replace", "ByteFallback", "Fuse"] if replaces_bar() => {
                Self::SentencePiece { strip_leading_space: false }
            }
            ["Replace", "ByteFallback", "Fuse", "Strip"]
                if replaces_bar() && strips_one_space() =>
            {
                Self::SentencePiece { strip_leading_space: true }
            }
            _ => Self::Other,
        }
    }

    pub fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => {
                // A token outside the alphabet was added as plain text.
                let bytes: Option<Vec<u8>> = token.chars().map(byte_of_char).collect();
                bytes.unwrap_or_else(|| token.as_bytes().to_vec())
            }
            Self::SentencePiece { .. } => match byte_token(token) {
                Some(byte) => vec![byte],
                None => token.replace('▁', " ").into_bytes(),
            },
            Self::Other => token.as_bytes().to_vec(),
        }
    }

    /// The text of tokens in a row, with the space that SentencePiece puts before it.
    pub fn text<'a>(self, tokens: impl Iterator<Item = &'a str>) -> String {
        if self == Self::ByteLevel {
            let bytes: Vec<u8> = tokens.flat_map(|token| self.bytes(token)).collect();
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        let mut text = String::new();
        let mut bytes = Vec::new();
        for token in tokens {
            if let Some(byte) = byte_token(token) {
                bytes.push(byte);
            } else {
                push_bytes(&mut text, &mut bytes);
                text.push_str(&token.replace('▁', " "));
            }
        }
        push_bytes(&mut text, &mut bytes);
        text
    }
}

/// Byte tokens in a row are text, or each of them is U+FFFD: one wrong byte spoils all of them.
fn push_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(characters) => text.push_str(characters),
        Err(_broken) => text.extend(bytes.iter().map(|_| char::REPLACEMENT_CHARACTER)),
    }
    bytes.clear();
}

/// `<0x0A>` is the byte 10.
fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// The byte that a character of GPT-2's alphabet stands for. Printable Latin-1 stands for itself;
/// the other bytes, in order, follow from U+0100 on.
fn byte_of_char(character: char) -> Option<u8> {
    let code = u32::from(character);
    Some(match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => code as u8,
        0x100..=0x120 => (code - 0x100) as u8, // 0x00 to 0x20
        0x121..=0x142 => (code - 0x121 + 0x7F) as u8, // 0x7F to 0xA0
        0x143 => 0xAD,
        _ => return None,
    })
}

/// Bytes for display: as text, or where they are half a character, as bytes.
pub(super) fn shown(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|err| err.as_bytes().iter().map(|byte| byte_name(*byte)).collect())
}

/// transformers' `clean_up_tokenization_spaces`: no space before punctuation and contractions.
pub(super) fn without_spaces_before_punctuation(text: &str) -> String {
    let pairs = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

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
