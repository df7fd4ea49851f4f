//! What can go wrong with an encoder.

use std::io;
use std::path::PathBuf;

use crate::jobs::Cancelled;
use crate::llm::text::tokenizer::TokenizerError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cancelled(#[from] Cancelled),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} is not a sentence encoder: {problem}", path.display())]
    NotAnEncoder { path: PathBuf, problem: String },

    /// A setting that this program cannot honour.
    #[error("{} has {key} = {found}; {expected}", path.display())]
    Setting { path: PathBuf, key: String, found: String, expected: String },

    #[error("the weights of {} are not those that its configuration asks for", folder.display())]
    Weights { folder: PathBuf, source: candle_core::Error },

    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),

    #[error(
        "the text has token {id}, but the network knows {known} tokens: the tokenizer is of \
         another model"
    )]
    Token { id: u32, known: usize },

    #[error("the text has no tokens: the tokenizer adds none that begin or end it")]
    NoTokens,

    #[error("the network could not be computed")]
    Compute(#[from] candle_core::Error),
}
