//! What can go wrong with a model.

use std::cmp::Reverse;
use std::io;
use std::path::{Path, PathBuf};

use super::card::{Reason, Unsupported};
use super::files::gguf::GgufError;
use super::generate::sampling::SamplingError;
use super::net::buffers::OutOfMemory;
use super::text::chat::ChatError;
use super::text::tokenizer::TokenizerError;
use crate::jobs::Cancelled;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error(transparent)]
    Gguf(#[from] GgufError),

    #[error("{} is not a model: {problem}", path.display())]
    NotAModel { path: PathBuf, problem: String },

    #[error("the architecture {architecture} is not supported{}", instead(architecture))]
    UnsupportedArchitecture { architecture: String },

    #[error(
        "GGUF files of the architecture {architecture} are not supported{}",
        near(architecture)
    )]
    UnsupportedGguf { architecture: String },

    #[error(
        "this {architecture} can be run, but not trained yet: it has {part}; train another model, \
         or train this one with TRL and load its adapter"
    )]
    NotTrainable { architecture: String, part: &'static str },

    #[error(
        "the own weights of this {architecture} cannot be trained yet: it has {part}; train an adapter \
         (method = \"lora\"), or another model"
    )]
    NotOwnable { architecture: String, part: &'static str },

    #[error("this model is computed by {engine}, which cannot {what}")]
    OtherEngine { engine: String, what: &'static str },

    /// A setting of `config.json` or of a GGUF file that this program cannot honour.
    #[error("{} has {}; {expected}", path.display(), setting(key, found.as_deref()))]
    Setting { path: PathBuf, key: String, found: Option<String>, expected: String },

    #[error("{} lacks tensors that its configuration asks for: {}", path.display(), few(names))]
    MissingTensors { path: PathBuf, names: Vec<String> },

    #[error("the tensor {name} in {} has the shape {found:?}; {expected:?} was expected", path.display())]
    Shape { path: PathBuf, name: String, found: Vec<usize>, expected: Vec<usize> },

    #[error("{} has tensors of types that cannot be computed with: {types}", path.display())]
    TensorTypes { path: PathBuf, types: String },

    #[error("the tensor {name} in {} holds values that are not numbers", path.display())]
    NotFinite { path: PathBuf, name: String },

    #[error(
        "another program has cut {} short since its model was loaded: fetch or copy the file again, and \
         load the model again", path.display()
    )]
    CutShort { path: PathBuf },

    #[error("{needed} tokens do not fit: the model's context is {context} tokens")]
    ContextFull { needed: usize, context: usize },

    #[error("token {id} is outside the model's vocabulary of {vocab_size}")]
    TokenOutOfRange { id: u32, vocab_size: usize },

    #[error("position {position} is outside the {count} tokens")]
    NoSuchPosition { position: usize, count: usize },

    #[error("there is no layer {index}; the model has {count}, counted from 0")]
    NoSuchLayer { index: usize, count: usize },

    #[error(
        "layer {index}, counted from 0, has no attention to show: it carries a state from token to \
         token instead"
    )]
    NoAttention { index: usize },

    #[error(
        "there was no memory left for {} MB more; end other programs, or ask with a shorter text",
        bytes.div_ceil(1_000_000)
    )]
    OutOfMemory { bytes: u64 },

    #[error("there are no tokens to run")]
    NoTokens,

    #[error(
        "this {architecture} reads a text in both directions (by its config.json), to make a vector of it, and \
         does not write: `tuning-fork embed` computes its vectors"
    )]
    ReadsBothWays { architecture: String },

    #[error(
        "this {architecture} reads texts and does not write: its files have no {head}.weight, and its \
         config.json does not use the embedding in its place (tie_word_embeddings). `tuning-fork embed` \
         computes its vectors; a model that was saved with its head can write"
    )]
    LacksHead { architecture: String, head: &'static str },

    /// An adapter that does not fit this model, or that this program cannot honour.
    #[error("the adapter {} cannot be used: {problem}", path.display())]
    Adapter { path: PathBuf, problem: String },

    #[error("no layer of the model is called {name}{}; there are {known}", why_not(name))]
    NoSuchModule { name: String, known: String },

    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),

    #[error(transparent)]
    Chat(#[from] ChatError),

    #[error("the model has no chat template; use raw mode")]
    NoChatTemplate,

    #[error(transparent)]
    Sampling(#[from] SamplingError),

    #[error("an answer with the adapter was asked for, but no adapter is loaded")]
    NoAdapter,

    #[error(
        "{draft} cannot guess for {model}: token {id} is {found:?} in one vocabulary and {expected:?} in the \
         other; choose a smaller model of the same family, or the lookup, which needs no model"
    )]
    DraftVocabulary { draft: String, model: String, id: u32, found: String, expected: String },

    #[error("no model is loaded")]
    NoModel,

    #[error(
        "the model in memory is an encoder-decoder, and this works with decoders only: load a decoder for it"
    )]
    OnlyDecoders,

    #[error("the background thread could not be started")]
    Thread(#[source] io::Error),

    #[error("a tensor operation failed")]
    Tensor(#[from] candle_core::Error),

    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl From<OutOfMemory> for Error {
    fn from(OutOfMemory { bytes }: OutOfMemory) -> Self {
        Self::OutOfMemory { bytes }
    }
}

/// A layer that the model may have, and that adapters do not change here.
fn why_not(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("lm_head" | "embed_tokens" | "wte" | "wpe") => {
            " that LoRA can be trained on (the embedding and the head are left as they are)"
        }
        _ => "",
    }
}

/// The first of a list of names, and how many follow.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().checked_sub(SHOWN + 1) {
        None => shown,
        Some(rest) => format!("{shown} and {} more", rest + 1),
    }
}

/// What a model of an architecture that is not run here is good for, or what is run.
fn instead(architecture: &str) -> String {
    match architecture {
        "bert" | "roberta" | "xlm-roberta" | "camembert" | "distilbert" | "albert" | "electra"
        | "deberta-v2" | "mpnet" | "modernbert" | "nomic_bert" | "big_bird" => {
            ": it is an encoder, which turns texts into vectors and writes \
                                     none; `tuning-fork embed` computes with it"
                .to_owned()
        }
        "t5" | "mt5" | "bart" | "mbart" | "m2m_100" | "marian" | "pegasus" => {
            ": it is an encoder-decoder, which reads one text and writes \
                                  another; `tuning-fork generate` answers with it"
                .to_owned()
        }
        "umt5" | "longt5" | "bigbird_pegasus" | "led" | "whisper" => {
            ": it reads with one half (an encoder) and writes with the other; of such models, t5, \
             mt5, bart, mbart, m2m_100 (NLLB), marian (opus-mt) and pegasus are run here"
                .to_owned()
        }
        _ => nearest_and_all(architecture, super::config::SUPPORTED),
    }
}

/// What is run in the place of an architecture of llama.cpp's.
fn near(architecture: &str) -> String {
    instead_of_gguf(architecture)
        .unwrap_or_else(|| nearest_and_all(architecture, super::config::GGUF_ARCHITECTURES))
}

/// Of the names that are known, the one that begins most like this one, and all.
fn nearest_and_all(architecture: &str, all: &[&str]) -> String {
    let alike = |other: &str| {
        let pairs = architecture.bytes().zip(other.bytes());
        pairs.take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count()
    };
    let apart = |other: &str| Reverse(other.len().abs_diff(architecture.len()));
    // Of several that are as near the first one.
    let nearest = all.iter().rev().copied().max_by_key(|other| (alike(other), apart(other)));
    match nearest.filter(|other| alike(other) >= 3) {
        Some(nearest) => {
            format!("; the nearest supported one is {nearest}. Supported are {}", all.join(", "))
        }
        None => format!("; supported are {}", all.join(", ")),
    }
}

/// What a GGUF file is good for that holds no decoder.
fn instead_of_gguf(architecture: &str) -> Option<String> {
    let is_encoder = architecture.ends_with("bert") || architecture == "t5encoder";
    is_encoder.then(|| {
        ": it is an encoder, which turns texts into vectors and writes none; open the model's folder \
         of safetensors with `tuning-fork embed`"
            .to_owned()
    })
}

/// `rope_type = "other"`, `no rope_theta`
fn setting(key: &str, found: Option<&str>) -> String {
    found.map_or_else(|| format!("no {key}"), |found| format!("{key} = {found}"))
}

impl Error {
    /// Why a model cannot be run, of an error that its headers gave.
    pub(crate) fn unsupported(&self) -> Unsupported {
        let reason = match self {
            Self::UnsupportedArchitecture { .. } | Self::UnsupportedGguf { .. } => {
                Reason::Architecture
            }
            Self::Setting { .. } => Reason::Setting,
            Self::TensorTypes { .. } => Reason::Weights,
            _ => Reason::Files,
        };
        Unsupported { reason, sentence: self.to_string() }
    }

    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(crate) fn not_a_model(path: &Path, problem: impl Into<String>) -> Self {
        Self::NotAModel { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn adapter(path: &Path, problem: impl Into<String>) -> Self {
        Self::Adapter { path: path.to_owned(), problem: problem.into() }
    }
}
