//! Text to token ids and back.
//!
//! Encoding is the `tokenizers` crate's. Decoding is ours, token by token over bytes, so that an
//! answer can be shown while it is written: half a character waits for its other half.
//! Building a tokenizer from a GGUF file's metadata: see `llm::gguf_vocab`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::Model as _;

use super::bpe::{AnyTokenizer, byte_name};
use super::gguf_vocab::{self, GgufVocab, VocabError};
use super::tokenizer_check;
use crate::llm::files::gguf::GgufFile;

/// Why there is no tokenizer, or no ids for a text.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    #[error("{} could not be read as a tokenizer", path.display())]
    File { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("the tokenizer in {} cannot be used", path.display())]
    Gguf { path: PathBuf, source: VocabError },

    #[error("the text could not be split into tokens")]
    Encode(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A tokenizer, from `tokenizer.json` or from a GGUF file's own metadata.
#[derive(Debug)]
pub struct Tokenizer {
    inner: AnyTokenizer,
    spelling: Spelling,

    /// Ids that are left out of a text: turn markers, end of text, padding.
    special: BTreeSet<u32>,
    bos: Option<u32>,
    eos: Option<u32>,
    vocab_size: usize,
}

/// How the vocabulary writes the bytes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// GPT-2's: one printable character stands for each byte.
    ByteLevel,

    /// SentencePiece's: `▁` is a space and `<0xE4>` a byte.
    SentencePiece { strip_leading_space: bool },

    /// Anything else is left to the `tokenizers` crate.
    Other,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. Which tokens begin and end a text comes from the
    /// `tokenizer_config.json` or `special_tokens_map.json` beside it.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let file_error = |source| TokenizerError::File { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(|err| file_error(err.into()))?;
        tokenizer_check::check(&bytes).map_err(file_error)?;
        let mut inner = AnyTokenizer::from_bytes(&bytes).map_err(file_error)?;

        // Settings of whoever saved the file; transformers ignores them unless it is asked.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(file_error)?;

        let mut tokenizer = Self::new(inner);
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        for name in ["tokenizer_config.json", "special_tokens_map.json"] {
            let Ok(text) = std::fs::read(folder.join(name)) else { continue };
            let config: Value = serde_json::from_slice(&text).map_err(|err| {
                TokenizerError::File { path: folder.join(name), source: err.into() }
            })?;
            let find = |key: &str| tokenizer.inner.token_to_id(special_token(&config, key)?);
            let (bos, eos) = (find("bos_token"), find("eos_token"));
            tokenizer.bos = tokenizer.bos.or(bos);
            tokenizer.eos = tokenizer.eos.or(eos);
        }
        Ok(tokenizer)
    }

    /// Builds the tokenizer that a GGUF file's metadata describes. Where that kind is not known, a
    /// `tokenizer.json` beside the file takes its place.
    pub fn from_gguf(file: &GgufFile) -> Result<Self, TokenizerError> {
        let built = GgufVocab::read(file).and_then(|vocab| Self::from_gguf_vocab(&vocab));
        let beside = file.path().with_file_name("tokenizer.json");
        match built {
            Ok(tokenizer) => Ok(tokenizer),
            Err(VocabError::Pre(_) | VocabError::Model(_)) if beside.is_file() => {
                Self::from_file(&beside)
            }
            Err(source) => Err(TokenizerError::Gguf { path: file.path().to_owned(), source }),
        }
    }

    /// As [`Self::from_gguf`], from a vocabulary in memory.
    pub fn from_gguf_vocab(vocab: &GgufVocab) -> Result<Self, VocabError> {
        let mut tokenizer = Self::new(gguf_vocab::build(vocab)?);
        tokenizer.bos = vocab.bos;
        tokenizer.eos = vocab.eos;
        tokenizer.vocab_size = tokenizer.vocab_size.max(vocab.tokens.len());
        Ok(tokenizer)
    }

    fn new(inner: AnyTokenizer) -> Self {
        let decoder = serde_json::to_value(inner.get_decoder()).unwrap_or(Value::Null);
        let added = inner.get_added_tokens_decoder();
        let special: BTreeSet<u32> =
            added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id).collect();
        let past_added = added.keys().max().map_or(0, |id| *id as usize + 1);
        let vocab_size = past_added.max(inner.get_vocab_size(false));
        Self { spelling: Spelling::of(&decoder), inner, special, bos: None, eos: None, vocab_size }
    }

    /// The ids of `text`. Special tokens written out in it become their one id. `add_special` adds
    /// what this tokenizer puts around a text (transformers' `add_special_tokens`); text that a
    /// chat template wrote has it already.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, add_special).map_err(TokenizerError::Encode)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `ids`. Bytes that are no character become U+FFFD.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        if self.spelling == Spelling::Other {
            return self.inner.decode(ids, skip_special).unwrap_or_default();
        }
        let mut stream = StreamDecoder::new(self, skip_special);
        let mut text: String = ids.iter().map(|id| stream.push(*id)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// One token for display: special tokens as they are written, a part of a character as its
    /// bytes: ` the`, `<|im_end|>`, `<0xE4><0xBD>`.
    pub fn token_text(&self, id: u32) -> String {
        let Some(token) = self.token(id) else { return format!("<id {id}>") };
        if self.spelling == Spelling::Other {
            return token;
        }
        let bytes = self.spelling.bytes(&token);
        String::from_utf8(bytes)
            .unwrap_or_else(|err| err.as_bytes().iter().map(|byte| byte_name(*byte)).collect())
    }

    /// As a `tokenizer.json`.
    pub fn to_json(&self) -> Result<String, TokenizerError> {
        self.inner.to_string(true).map_err(TokenizerError::Encode)
    }

    /// One more than the largest id.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The token that begins a text.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The token that ends a text. What ends an answer: `Model::stop_ids`.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether decoding may leave this id out.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id)
    }

    /// The id of a token as the vocabulary spells it.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// A token as the vocabulary spells it: `Ġthe`, `▁the`.
    pub fn token(&self, id: u32) -> Option<String> {
        let added = self.inner.get_added_vocabulary().simple_id_to_token(id);
        added.or_else(|| self.inner.get_model().id_to_token(id))
    }
}

/// A special token of `tokenizer_config.json`: a string, or an object with its `content`.
pub(crate) fn special_token<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    let entry = config.get(key)?;
    entry.as_str().or_else(|| entry.get("content")?.as_str())
}

impl Spelling {
    /// Reads it off the `decoder` of a `tokenizer.json`.
    fn of(decoder: &Value) -> Self {
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

    fn bytes(self, token: &str) -> Vec<u8> {
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

/// Turns ids into text as they arrive, never showing half a character.
///
/// What all pushes and [`Self::finish`] return, put together, is [`Tokenizer::decode`] of all ids.
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
        let strip_leading_space =
            tokenizer.spelling == Spelling::SentencePiece { strip_leading_space: true };
        Self {
            tokenizer,
            skip_special,
            strip_leading_space,
            pending: Vec::new(),
            ids: Vec::new(),
            shown: 0,
        }
    }

    /// Decodes what continues a text: a leading space is part of it. (SentencePiece puts a space
    /// before every text and takes it off again, which would glue two words together here.)
    pub fn continuing(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self { strip_leading_space: false, ..Self::new(tokenizer, skip_special) }
    }

    /// The text that `id` adds. Empty while a character is not complete.
    pub fn push(&mut self, id: u32) -> String {
        if self.skip_special && self.tokenizer.is_special(id) {
            return String::new();
        }
        if self.tokenizer.spelling == Spelling::Other {
            self.ids.push(id);
            let text = self.tokenizer.inner.decode(&self.ids, false).unwrap_or_default();
            return self.show_from(text.trim_end_matches(char::REPLACEMENT_CHARACTER));
        }
        let Some(token) = self.tokenizer.token(id) else { return String::new() };
        self.pending.extend(self.tokenizer.spelling.bytes(&token));
        let text = take_whole_characters(&mut self.pending);
        self.without_leading_space(text)
    }

    /// What is left at the end: U+FFFD for a character that was never completed.
    pub fn finish(&mut self) -> String {
        if self.tokenizer.spelling == Spelling::Other {
            let text = self.tokenizer.inner.decode(&self.ids, false).unwrap_or_default();
            return self.show_from(&text);
        }
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned();
        self.without_leading_space(text)
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

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
