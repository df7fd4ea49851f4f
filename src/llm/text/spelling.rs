//! How a vocabulary writes bytes, and the text of its tokens: exactly as the `tokenizers` crate
//! decodes. One by one, while an answer is written: see `decode.rs`.

use serde_json::Value;

use super::byte_names::{byte_name, byte_token};

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
