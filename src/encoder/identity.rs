//! Which encoder made a vector: everything that a vector depends on but its text.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::sentence::module_files;
use super::sentences::{Encoder, EncoderCard};
use crate::files;
use crate::jobs::Quiet;
use crate::llm;
use crate::llm::card::{ModelIdentity, ModelSource};

/// Files that change vectors and hold no weights.
const SETTINGS: [&str; 11] = [
    "config.json",
    "config_sentence_transformers.json",
    "merges.txt",
    "modules.json",
    "sentence_bert_config.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
];

/// An encoder, precisely enough to find it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderIdentity {
    /// With the hash of the weights.
    #[serde(flatten)]
    pub model: ModelIdentity,

    /// SHA-256 of the names and hashes of the tokenizer's files and of those that say how a vector is
    /// made.
    pub settings_sha256: String,

    /// In words: `the mean of its tokens`.
    pub pooling: String,
    pub is_normalized: bool,

    /// Tokens of a text that are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_tokens: Option<usize>,

    /// What stands before a question, and before a text that may answer it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question_prompt: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text_prompt: String,
}

impl EncoderIdentity {
    /// Slow: the weights are read for their hash. `folder`: where `encoder` was loaded from.
    pub fn of(encoder: &Encoder, folder: &Path) -> Result<Self, Error> {
        let EncoderCard { pooling, is_normalized, most_tokens, .. } = encoder.card();
        let network = encoder.network();
        let mut model = llm::model::identity(&ModelSource::at(network), &Quiet)?;
        if network != folder {
            model.name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        }
        let mut all = String::new();
        let settings = SETTINGS.iter().map(|name| network.join(name));
        for path in module_files(folder).into_iter().chain(settings) {
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
                let hash = files::sha256_of_file(&path, |_| Ok(()))
                    .map_err(|source| Error::Read { path, source })?;
                all.push_str(&format!("{name} {hash}\n"));
            }
        }
        Ok(Self {
            model,
            settings_sha256: files::sha256_of_bytes(all.as_bytes()),
            pooling: pooling.words(),
            is_normalized,
            most_tokens,
            question_prompt: encoder.question_prompt().unwrap_or_default().to_owned(),
            text_prompt: encoder.text_prompt().unwrap_or_default().to_owned(),
        })
    }

    /// Whether it makes the same vectors, wherever it lies and whatever it is called.
    pub fn is_same(&self, other: &Self) -> bool {
        self.model.sha256 == other.model.sha256 && self.settings_sha256 == other.settings_sha256
    }

    /// `all-MiniLM-L6-v2`.
    pub fn name(&self) -> &str {
        &self.model.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_is_known_by_what_changes_its_vectors() {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder/plain");
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            std::fs::copy(root.join(name), folder.path().join(name)).unwrap();
        }
        let of =
            |folder: &Path| EncoderIdentity::of(&Encoder::load(folder).unwrap(), folder).unwrap();
        let first = of(&root);
        assert_eq!(first.name(), "plain");
        assert_eq!(first.model.sha256.len(), 64);
        assert!(first.is_same(&of(folder.path())), "where it lies does not matter");
        let path = folder.path().join("config_sentence_transformers.json");
        let prompts = "{\"prompts\": {\"query\": \"query: \", \"passage\": \"passage: \"}}";
        files::write_atomic(&path, prompts.as_bytes()).unwrap();
        let other = of(folder.path());
        assert!(!first.is_same(&other), "another prompt makes other vectors");
        assert_eq!((&*other.question_prompt, &*other.text_prompt), ("query: ", "passage: "));
        let text = serde_json::to_string(&other).unwrap();
        assert_eq!(serde_json::from_str::<EncoderIdentity>(&text).unwrap(), other);
    }
}
