//! Text to token ids and back.
//!
//! Encoding is the `tokenizers` crate's. Decoding is ours, token by token over bytes, so that an
//! answer can be shown while it is written: half a character waits for its other half (see
//! `llm::text::decode`). Which files say what a tokenizer does: see `llm::text::folder`. Building
//! a tokenizer from a GGUF file's metadata: see `llm::text::gguf_vocab`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenizers::utils::truncation::{
    TruncationDirection, TruncationParams, TruncationStrategy, truncate_encodings,
};
use tokenizers::{Encoding, Model as _, PostProcessor as _};

use super::bpe::{AnyModel, AnyTokenizer};
use super::folder::{self, Assembled};
use super::folder_files::FolderError;
use super::gguf_build;
use super::gguf_vocab::{GgufVocab, VocabError};
use super::spelling::{Spelling, shown, without_spaces_before_punctuation};
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

/// A token, and the characters of the text that it stands for.
pub type PlacedToken = (u32, Option<Range<usize>>);

/// A tokenizer, from a folder's files or from a GGUF file's own metadata.
#[derive(Debug)]
pub struct Tokenizer {
    inner: AnyTokenizer,
    spelling: Spelling,

    /// SentencePiece's Unigram, whose `▁` is a space; the crate decodes it.
    has_bars: bool,

    /// Ids that are left out of a text: turn markers, end of text, padding.
    special: BTreeSet<u32>,

    /// Special tokens by transformers' names for them: `bos_token`, `pad_token`, `image_token`.
    named: BTreeMap<String, String>,
    bos: Option<u32>,
    eos: Option<u32>,
    vocab_size: usize,
    cleans_spaces: bool,

    /// Texts that are too long lose their beginning, not their end.
    cuts_left: bool,

    /// Markers of a GGUF file that take the white space after them, as llama.cpp does it.
    markers: Vec<String>,

    /// What a person should know of how it was put together, a sentence each.
    warnings: Vec<String>,
}

impl Tokenizer {
    /// The tokenizer of a model's folder, as transformers' `AutoTokenizer` puts it together.
    pub fn from_folder(folder: &Path) -> Result<Self, TokenizerError> {
        let assembled = folder::assemble(folder);
        let Assembled { inner, named, cleans_spaces, cuts_left, warnings } = assembled
            .map_err(|FolderError { path, source }| TokenizerError::File { path, source })?;
        let mut tokenizer = Self::new(inner);
        let id = |name: &str| tokenizer.inner.token_to_id(named.get(name)?);
        (tokenizer.bos, tokenizer.eos) = (id("bos_token"), id("eos_token"));
        let named = named.iter().map(|(name, token)| (name.to_owned(), token.content().to_owned()));
        tokenizer.named = named.collect();
        tokenizer.cleans_spaces = cleans_spaces;
        tokenizer.cuts_left = cuts_left;
        tokenizer.warnings = warnings;
        Ok(tokenizer)
    }

    /// As [`Self::from_folder`], given the path of the folder's `tokenizer.json`.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        Self::from_folder(path.parent().unwrap_or_else(|| Path::new(".")))
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
        let mut tokenizer = Self::new(gguf_build::build(vocab)?);
        (tokenizer.bos, tokenizer.eos) = (vocab.bos_id(), vocab.eos_id());
        let ids = [
            ("bos_token", tokenizer.bos),
            ("eos_token", tokenizer.eos),
            ("unk_token", vocab.unknown_id()),
            ("sep_token", vocab.separator),
            ("pad_token", vocab.padding),
            ("cls_token", vocab.class),
            ("mask_token", vocab.mask),
        ];
        let named = ids.into_iter().filter_map(|(name, id)| {
            Some((name.to_owned(), vocab.tokens.get(id? as usize)?.clone()))
        });
        tokenizer.named = named.collect();
        let added = tokenizer.inner.get_added_tokens_decoder();
        let markers = added.into_values().filter(|token| token.rstrip);
        tokenizer.markers = markers.map(|token| token.content).collect();
        tokenizer.vocab_size = tokenizer.vocab_size.max(vocab.tokens.len());
        tokenizer.warnings = vocab.warnings();
        Ok(tokenizer)
    }

    fn new(inner: AnyTokenizer) -> Self {
        let decoder = serde_json::to_value(inner.get_decoder()).unwrap_or(Value::Null);
        let vocabulary = inner.get_added_vocabulary();
        let added = vocabulary.get_added_tokens_decoder();
        // By how the token is decoded, as the crate asks: one that is normalised may not be there.
        let is_special = |id: &u32| {
            vocabulary.simple_id_to_token(*id).is_some_and(|it| vocabulary.is_special_token(&it))
        };
        let special: BTreeSet<u32> = added.keys().copied().filter(is_special).collect();
        let past_added = added.keys().max().map_or(0, |id| *id as usize + 1);
        let vocab_size = past_added.max(inner.get_vocab_size(false));
        Self {
            spelling: Spelling::of(&decoder),
            has_bars: matches!(inner.get_model(), AnyModel::Numbered(_))
                || decoder["type"] == "Metaspace" && decoder["replacement"] == "▁",
            inner,
            special,
            named: BTreeMap::new(),
            bos: None,
            eos: None,
            vocab_size,
            cleans_spaces: false,
            cuts_left: false,
            markers: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The ids of `text`. Special tokens written out in it become their one id. `add_special` adds
    /// what this tokenizer puts around a text (transformers' `add_special_tokens`); text that a
    /// chat template wrote has it already.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let encode = |part: &str, add_special| self.inner.encode_fast(part, add_special);
        Ok(self.encoded(text, add_special, encode)?.get_ids().to_vec())
    }

    fn encoded(
        &self,
        text: &str,
        add_special: bool,
        encode: impl Fn(&str, bool) -> tokenizers::Result<Encoding>,
    ) -> Result<Encoding, TokenizerError> {
        let stretches = self.stretches(text);
        let encoding = guarded(|| {
            if let [whole] = stretches.as_slice() {
                return encode(whole, add_special);
            }
            let parts = stretches.iter().map(|part| encode(part, false));
            let whole = Encoding::merge(parts.collect::<tokenizers::Result<Vec<_>>>()?, true);
            self.inner.post_process(whole, None, add_special)
        });
        encoding.map_err(TokenizerError::Encode)
    }

    /// `text`, cut where other white space than ASCII's follows a marker and what it takes: llama.cpp asks
    /// `isspace` of each byte, and the crate Unicode of each character.
    fn stretches<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let (mut found, mut start) = (Vec::new(), 0);
        let wide = |letter: char| !letter.is_ascii() && letter.is_whitespace();
        let places = (!self.markers.is_empty()).then(|| text.match_indices(wide));
        for (at, _) in places.into_iter().flatten() {
            let taken = |letter: char| matches!(letter, '\t'..='\r' | ' ');
            let before = text[start..at].trim_end_matches(taken);
            if self.markers.iter().any(|marker| before.ends_with(marker.as_str())) {
                found.push(&text[start..at]);
                start = at;
            }
        }
        found.push(&text[start..]);
        found
    }

    /// As [`Self::encode`], each token with the characters of `text` that it stands for, as
    /// transformers' `return_offsets_mapping` counts them: half a character stands for all of it, and
    /// what is put around a text has no place in it.
    pub fn encode_with_places(
        &self,
        text: &str,
        add_special: bool,
    ) -> Result<Vec<PlacedToken>, TokenizerError> {
        let encode = |part: &str, add_special| self.inner.encode_char_offsets(part, add_special);
        let encoding = self.encoded(text, add_special, encode)?;
        let places = encoding.get_offsets().iter().zip(encoding.get_special_tokens_mask());
        let places = places.map(|((start, end), added)| (*added == 0).then_some(*start..*end));
        Ok(encoding.get_ids().iter().copied().zip(places).collect())
    }

    /// The ids of a text, or of a pair of texts, with what the tokenizer puts around them; which of the
    /// two each token is of; and whether something was cut off. At most `most` tokens stay: of two
    /// texts the longer one is cut first (transformers' `truncation=True`), at the end, or where the files have
    /// `truncation_side` left, at the beginning.
    pub fn encode_pair(
        &self,
        text: &str,
        second: Option<&str>,
        most: Option<usize>,
    ) -> Result<(Vec<u32>, Vec<u32>, bool), TokenizerError> {
        let encode = |text: &str| guarded(|| self.inner.encode_fast(text, false));
        let both = encode(text).and_then(|one| Ok((one, second.map(encode).transpose()?)));
        let (mut one, mut other) = both.map_err(TokenizerError::Encode)?;
        let around = self.inner.get_post_processor();
        let added = around.map_or(0, |around| around.added_tokens(other.is_some()));
        let total = one.len() + other.as_ref().map_or(0, |other| other.len()) + added;
        let is_cut = most.is_some_and(|most| total > most);
        if let Some(most) = most.filter(|_| is_cut) {
            let params = TruncationParams {
                max_length: most.saturating_sub(added),
                strategy: TruncationStrategy::LongestFirst,
                direction: if self.cuts_left {
                    TruncationDirection::Left
                } else {
                    TruncationDirection::Right
                },
                ..TruncationParams::default()
            };
            let cut = truncate_encodings(one, other, &params);
            (one, other) = cut.map_err(TokenizerError::Encode)?;
        }
        let whole = self.inner.post_process(one, other, true).map_err(TokenizerError::Encode)?;
        Ok((whole.get_ids().to_vec(), whole.get_type_ids().to_vec(), is_cut))
    }

    /// The text of `ids`, as transformers decodes it. Bytes that are no character become U+FFFD.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> String {
        let text = self.plainly_decoded(ids, skip_special);
        if self.cleans_spaces { without_spaces_before_punctuation(&text) } else { text }
    }

    fn plainly_decoded(&self, ids: &[u32], skip_special: bool) -> String {
        if let AnyModel::Numbered(model) = self.inner.get_model() {
            let kept = ids.iter().filter(|id| !(skip_special && self.is_special(**id)));
            let added = self.inner.get_added_vocabulary();
            // By how it is written: the words of answers may have numbers of their own.
            return model.text(kept.map(|id| {
                let token = self.token(*id);
                let is_special =
                    token.as_deref().is_some_and(|token| added.is_special_token(token));
                (token, is_special)
            }));
        }
        let Spelling::SentencePiece { strip_leading_space } = self.spelling else {
            if self.spelling == Spelling::Other {
                let kept = || ids.iter().filter(|id| !(skip_special && self.is_special(**id)));
                // A decoder of the crate counts on there being a token.
                if kept().next().is_none() {
                    return String::new();
                }
                let decoded = guarded(|| self.inner.decode(ids, skip_special));
                return decoded.unwrap_or_else(|_undecodable| {
                    kept().filter_map(|id| self.token(*id)).collect::<Vec<_>>().join(" ")
                });
            }
            return self.spelled(ids, skip_special);
        };
        let mut text = self.spelled(ids, skip_special);
        if strip_leading_space && text.starts_with(' ') {
            text.remove(0);
        }
        text
    }

    fn spelled(&self, ids: &[u32], skip_special: bool) -> String {
        let kept = ids.iter().filter(|id| !(skip_special && self.is_special(**id)));
        let tokens: Vec<String> = kept.filter_map(|id| self.token(*id)).collect();
        self.spelling.text(tokens.iter().map(String::as_str))
    }

    /// The text that `ids` add to that of `before`, as transformers' pipelines cut it off.
    pub fn decode_after(&self, before: &[u32], ids: &[u32], skip_special: bool) -> String {
        if before.is_empty() {
            return self.decode(ids, skip_special);
        }
        let known = self.decode(before, skip_special);
        let text = self.decode(&[before, ids].concat(), skip_special);
        match text.strip_prefix(known.as_str()) {
            Some(added) => added.to_owned(),
            None => text.chars().skip(known.chars().count()).collect(),
        }
    }

    /// One token for display: special tokens as they are written, a part of a character as its
    /// bytes: ` the`, `<|im_end|>`, `<0xE4><0xBD>`.
    pub fn token_text(&self, id: u32) -> String {
        let Some(token) = self.token(id) else { return format!("<id {id}>") };
        if self.spelling == Spelling::Other {
            return token;
        }
        shown(self.spelling.bytes(&token))
    }

    /// The bytes that a token adds inside a text, special or not. `None`: they depend on what
    /// stands before it.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        if self.spelling == Spelling::Other {
            let bytes = |token: String| token.replace('▁', " ").into_bytes();
            return self.has_bars.then(|| self.token(id).map(bytes).unwrap_or_default());
        }
        Some(self.token(id).map(|token| self.spelling.bytes(&token)).unwrap_or_default())
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

    /// Special tokens by transformers' names for them: `bos_token`, `pad_token`, `image_token`.
    /// Those of the class that the files name are among them.
    pub fn named_tokens(&self) -> &BTreeMap<String, String> {
        &self.named
    }

    /// What a person should know of how it was put together, a sentence each: its files say too little,
    /// or contradict each other.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether decoding may leave this id out.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id)
    }

    /// Whether it was added to the vocabulary, as special tokens are (transformers' `get_added_vocab`).
    pub fn is_added(&self, id: u32) -> bool {
        self.inner.get_added_vocabulary().get_added_tokens_decoder().contains_key(&id)
    }

    /// The id of a special token by how it is written.
    pub fn special_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token that says in which language a text is, by its code: NLLB's `deu_Latn`, M2M100's `de`.
    pub fn language(&self, code: &str) -> Option<u32> {
        let own = self.special_id(code).filter(|id| self.is_special(*id));
        own.or_else(|| match self.inner.get_model() {
            AnyModel::Numbered(model) => model.id(&model.language_token(code)),
            _ => None,
        })
    }

    /// What stands before a text to say in which language its answer shall be: `>>fra<<` of Marian's models
    /// for several languages. `Some(None)`: this is such a model, and has no such language; `None`: it is no such
    /// model.
    pub fn language_in_text(&self, code: &str) -> Option<Option<String>> {
        let AnyModel::Numbered(model) = self.inner.get_model() else { return None };
        let token = model.language_token(code);
        model.is_told_in_text().then(|| model.id(&token).map(|_| token))
    }

    /// The languages that are said in a text: `>>fra<<`.
    pub fn languages_in_texts(&self) -> Vec<String> {
        let AnyModel::Numbered(model) = self.inner.get_model() else { return Vec::new() };
        let is_one = |token: &&String| token.starts_with(">>") && token.ends_with("<<");
        let mut all: Vec<String> = model.vocabulary().keys().filter(is_one).cloned().collect();
        all.sort();
        all
    }

    /// The id of a token as the vocabulary spells it.
    #[cfg(test)]
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// A token as the vocabulary spells it: `Ġthe`, `▁the`.
    pub fn token(&self, id: u32) -> Option<String> {
        let added = self.inner.get_added_vocabulary().simple_id_to_token(id);
        added.or_else(|| self.inner.get_model().id_to_token(id))
    }

    pub(super) fn spelling(&self) -> Spelling {
        self.spelling
    }
}

/// What the crate computes. Where the parts of a `tokenizer.json` contradict each other it panics, as in Python.
fn guarded<R>(work: impl FnOnce() -> tokenizers::Result<R>) -> tokenizers::Result<R> {
    let gave_up = || "parts of its tokenizer.json contradict each other".into();
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic| Err(gave_up()))
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
