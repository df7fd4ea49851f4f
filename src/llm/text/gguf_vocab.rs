//! What a GGUF file says about its tokenizer. Making one of it: `gguf_build.rs`. What a file leaves out is
//! as llama.cpp has it.

use serde_json::Value;

use crate::llm::files::gguf::GgufFile;

/// Why a GGUF file's vocabulary cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VocabError {
    #[error("the metadata has no {0}")]
    Missing(&'static str),

    #[error(
        "{0:?} is not a kind of tokenizer that is known; gpt2, llama, gemma4, bert and t5 are. Put the \
         model's tokenizer.json beside the file"
    )]
    Model(String),

    #[error(
        "how {0:?} splits text into words is not known; put the model's tokenizer.json beside the file"
    )]
    Pre(String),

    #[error("merge {index} is {merge:?}, which is not two tokens that make a third")]
    Merge { index: usize, merge: String },

    #[error("{key} has {found} entries for {expected} tokens")]
    Length { key: &'static str, found: usize, expected: usize },

    #[error("the vocabulary is inconsistent")]
    Inconsistent(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The `tokenizer.ggml.*` metadata of a GGUF file.
#[derive(Clone, Debug, Default)]
pub struct GgufVocab {
    /// `gpt2`, `llama`, `gemma4`, `bert` or `t5`.
    pub model: String,

    /// The name of the splitting rules, for `gpt2`.
    pub pre: Option<String>,
    pub tokens: Vec<String>,

    /// For `llama`: the higher, the earlier a token is merged.
    pub scores: Option<Vec<f32>>,

    /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    pub token_types: Option<Vec<i32>>,

    /// For `gpt2` and `gemma4`: `Ġ t`, the first one first.
    pub merges: Option<Vec<String>>,
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub unknown: Option<u32>,
    pub padding: Option<u32>,
    pub separator: Option<u32>,
    pub class: Option<u32>,
    pub mask: Option<u32>,
    pub add_bos: Option<bool>,
    pub add_eos: Option<bool>,
    pub add_space_prefix: Option<bool>,

    /// Markers take the spaces and line breaks after them, as Phi-3's do.
    pub markers_strip: bool,

    /// Of an encoder, which has its own tokens around a text.
    pub is_encoder: bool,

    /// For `bert`: whether capitals become small letters, and whether accents are left out.
    pub lowercase: Option<bool>,
    pub strip_accents: Option<bool>,

    /// For `t5`: SentencePiece's table of replacements.
    pub charsmap: Option<Vec<u8>>,
}

impl GgufVocab {
    pub fn read(file: &GgufFile) -> Result<Self, VocabError> {
        let model = file.str("tokenizer.ggml.model");
        let tokens = file.strings("tokenizer.ggml.tokens");
        let architecture = file.str("general.architecture").unwrap_or_default();
        Ok(Self {
            model: model.ok_or(VocabError::Missing("tokenizer.ggml.model"))?.to_owned(),
            pre: file.str("tokenizer.ggml.pre").map(str::to_owned),
            tokens: tokens.ok_or(VocabError::Missing("tokenizer.ggml.tokens"))?.to_vec(),
            scores: file.f32s("tokenizer.ggml.scores"),
            token_types: file.i32s("tokenizer.ggml.token_type"),
            merges: file.strings("tokenizer.ggml.merges").map(<[String]>::to_vec),
            bos: file.u32("tokenizer.ggml.bos_token_id"),
            eos: file.u32("tokenizer.ggml.eos_token_id"),
            unknown: file.u32("tokenizer.ggml.unknown_token_id"),
            padding: file.u32("tokenizer.ggml.padding_token_id"),
            separator: file.u32("tokenizer.ggml.seperator_token_id"), // llama.cpp's spelling
            class: file.u32("tokenizer.ggml.cls_token_id"),
            mask: file.u32("tokenizer.ggml.mask_token_id"),
            add_bos: file.bool("tokenizer.ggml.add_bos_token"),
            add_eos: file.bool("tokenizer.ggml.add_eos_token"),
            add_space_prefix: file.bool("tokenizer.ggml.add_space_prefix"),
            markers_strip: is_phi3(
                architecture,
                model.unwrap_or_default(),
                file.str("general.name").unwrap_or_default(),
            ),
            is_encoder: architecture.contains("bert"),
            lowercase: file.bool("tokenizer.ggml.normalizer.lowercase"),
            strip_accents: file.bool("tokenizer.ggml.normalizer.strip_accents"),
            charsmap: file.bytes("tokenizer.ggml.precompiled_charsmap"),
        })
    }

    /// What a person should know about the file: it says too little, or it contradicts itself.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.model == "gpt2" && self.pre.is_none() {
            warnings.push(
                "the file does not say how its tokenizer splits text into words \
                 (tokenizer.ggml.pre); llama.cpp's default is taken, and answers may be worse: \
                 a newer conversion of the model says it"
                    .to_owned(),
            );
        }
        if self.add_bos == Some(true) && self.bos.is_none() && self.bos_id().is_none() {
            warnings.push(
                "the file asks for a token that begins a text (tokenizer.ggml.add_bos_token) and does \
                 not say which (bos_token_id): none is put there, while llama.cpp takes a usual one"
                    .to_owned(),
            );
        }
        let ids = [
            ("bos_token_id", self.bos, self.bos_id()),
            ("eos_token_id", self.eos, self.eos_id()),
            ("unknown_token_id", self.unknown, self.unknown_id()),
        ];
        for (key, told, taken) in ids {
            let Some(told) = told.filter(|told| Some(*told) != taken) else { continue };
            let tokens = self.tokens.len();
            let instead = taken.map_or_else(|| "none".to_owned(), |id| id.to_string());
            warnings.push(format!(
                "tokenizer.ggml.{key} is {told}, but there are only {tokens} tokens; {instead} is \
                 taken, as llama.cpp does"
            ));
        }
        warnings
    }

    /// An id of the vocabulary, or SentencePiece's usual one where the file has none; `t5`: the same of
    /// T5's.
    fn id_or(&self, told: Option<u32>, usual: u32, t5: Option<u32>) -> Option<u32> {
        let is_there = |id: &u32| (*id as usize) < self.tokens.len();
        let usual = match self.model.as_str() {
            "llama" => Some(usual),
            "t5" => t5,
            _ => None,
        };
        told.filter(is_there).or_else(|| usual.filter(is_there))
    }

    pub fn bos_id(&self) -> Option<u32> {
        self.id_or(self.bos, 1, None)
    }

    pub fn eos_id(&self) -> Option<u32> {
        self.id_or(self.eos, 2, Some(1))
    }

    pub fn unknown_id(&self) -> Option<u32> {
        self.id_or(self.unknown, 0, Some(2))
    }

    /// Every list is at least as long as the vocabulary.
    pub(super) fn check(&self) -> Result<(), VocabError> {
        let expected = self.tokens.len();
        let lists = [
            ("tokenizer.ggml.scores", self.scores.as_ref().map(Vec::len)),
            ("tokenizer.ggml.token_type", self.token_types.as_ref().map(Vec::len)),
        ];
        for (key, length) in lists {
            if let Some(found) = length.filter(|found| *found < expected) {
                return Err(VocabError::Length { key, found, expected });
            }
        }
        Ok(())
    }

    pub(super) fn token_type(&self, id: usize) -> i32 {
        self.token_types.as_ref().map_or(NORMAL, |types| types[id])
    }

    pub(super) fn content(&self, id: u32) -> &str {
        &self.tokens[id as usize]
    }
}

pub(super) const NORMAL: i32 = 1;
pub(super) const UNKNOWN: i32 = 2;
pub(super) const CONTROL: i32 = 3;
pub(super) const USER_DEFINED: i32 = 4;
pub(super) const BYTE: i32 = 6;

/// Phi-3's markers take the white space after them. The file does not say so; llama.cpp knows it
/// by the model's name.
fn is_phi3(architecture: &str, model: &str, name: &str) -> bool {
    let name: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    name.contains("phi3") || (architecture == "phi3" && model == "llama")
}

/// A part of a tokenizer as `tokenizer.json` would write it.
pub(super) fn part<T: serde::de::DeserializeOwned>(json: Value) -> Result<T, VocabError> {
    serde_json::from_value(json).map_err(|err| VocabError::Inconsistent(err.into()))
}
