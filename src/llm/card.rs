//! What there is to say about a model without running it: where it lies, what it is, what it needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::text::tokenizer::Tokenizer;
use crate::files;

/// Where a model is loaded from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// A GGUF file.
    Gguf(PathBuf),

    /// A transformers folder: `config.json`, `*.safetensors`, `tokenizer.json`.
    Folder(PathBuf),
}

impl ModelSource {
    /// What lies at `path`: a folder is a transformers folder, anything else is taken for a GGUF
    /// file, whose reader says so if it is none. Looks at the disk.
    pub fn at(path: &Path) -> Self {
        if path.is_dir() { Self::Folder(path.to_owned()) } else { Self::Gguf(path.to_owned()) }
    }

    /// A file or folder by its name alone, where the disk is not to be looked at.
    pub fn named(path: &Path) -> Self {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf")) {
            Self::Gguf(path.to_owned())
        } else {
            Self::Folder(path.to_owned())
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Gguf(path) | Self::Folder(path) => path,
        }
    }

    /// `config.json` of a folder. `None`: it cannot be read, or this is a GGUF file.
    pub(crate) fn config_json(&self) -> Option<Value> {
        let Self::Folder(folder) = self else { return None };
        files::json_of_python(&std::fs::read(folder.join("config.json")).ok()?).ok()
    }
}

/// Which model answered, precisely enough to find it again. Part of every pair and every run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelIdentity {
    /// What people call it: `SmolLM2-135M-Instruct.Q4_1`.
    pub name: String,

    /// Hub repository and commit, where it came from the Hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,

    /// SHA-256 of the weights: of the file, or of the shards' hashes in the order of their names. Of a
    /// model behind a server it is not known, and empty.
    pub sha256: String,

    /// The address of the server that it answered behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl ModelIdentity {
    /// A model behind a server: its name there is all that is known of it.
    pub fn at_server(address: &str, name: &str) -> Self {
        Self { name: name.to_owned(), server: Some(address.to_owned()), ..Self::default() }
    }

    /// Whether it is the same model. Behind a server, only as far as a name says it.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.server, &other.server) {
            (None, None) => self.sha256 == other.sha256,
            (one, another) => one == another && self.name == other.name,
        }
    }

    /// `llama at http://localhost:8000/v1`, or its name.
    pub fn words(&self) -> String {
        match &self.server {
            Some(server) => format!("{} at {server}", self.name),
            None => self.name.clone(),
        }
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// It continues a text.
    #[default]
    Generate,

    /// It turns a text into a vector.
    Encode,

    /// It says what words were masked.
    FillMask,

    /// It reads one text and writes another.
    SequenceToSequence,

    /// It says which of a few labels a text has.
    Classify,

    /// It says how good a text is.
    Score,
}

/// Why this program cannot run a model, and what kind of reason that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    pub reason: Reason,

    /// To be shown.
    pub sentence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its architecture is not computed here.
    Architecture,

    /// A setting of its configuration is not honoured here.
    Setting,

    /// Its weights are stored in a way that is not read here.
    Weights,

    /// Its files are damaged, or some are missing.
    Files,
}

/// What a model's headers say, read without loading the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// transformers' `model_type`: `llama`, `qwen3`, …
    pub architecture: String,
    pub parameter_count: u64,

    /// How most of the weights are stored: `Q4_1`, `BF16`, `F32`, …
    pub precision: String,
    pub file_bytes: u64,

    /// What the weights take in memory once loaded, in bytes, without the KV cache.
    pub memory_bytes: u64,

    /// What one token of context takes in the KV cache, in bytes.
    pub cache_bytes_per_token: u64,

    /// The same for each kind of numbers that it can be kept in, in the order of
    /// `CacheNumbers::ALL`.
    pub cache_bytes_as: [u64; 3],

    /// The longest prompt and answer together, in tokens.
    pub context_length: usize,
    pub vocab_size: usize,
    pub layer_count: usize,
    pub has_chat_template: bool,

    /// Why its chat template cannot be used, in a sentence. `None`: it can, there is none, or
    /// nobody has read it yet.
    pub chat_problem: Option<String>,

    /// What else a person should know of how it was read, a sentence each.
    pub warnings: Vec<String>,

    pub purpose: Purpose,

    /// Whether its folder says how a text becomes a vector (sentence-transformers' `modules.json`), or it does
    /// nothing else: then it makes maps of texts, even if it also writes.
    pub makes_vectors: bool,

    /// Why this program cannot run it. `None`: it can.
    pub unsupported: Option<Unsupported>,
}

/// A loaded model as the screen shows it. The tensors stay in the engine.
#[derive(Clone, Debug)]
pub struct ModelCard {
    pub source: ModelSource,
    pub identity: ModelIdentity,
    pub facts: ModelFacts,

    /// For showing token ids as text. Shared with the engine.
    pub tokenizer: Arc<Tokenizer>,
}

/// A LoRA adapter as the screen shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterCard {
    /// Its folder's name, or the run's.
    pub name: String,
    pub path: PathBuf,

    /// SHA-256 of `adapter_model.safetensors`.
    pub sha256: String,
    pub rank: usize,
    pub alpha: f64,
    pub target_modules: Vec<String>,
    pub parameter_count: u64,
}
