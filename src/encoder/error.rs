//! What can go wrong with an encoder, or with a head.

use std::io;
use std::path::PathBuf;

use crate::jobs::Cancelled;
use crate::llm;
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
    Weights { folder: PathBuf, source: llm::Error },

    #[error("{} has no head that {wanted}: {found}", folder.display())]
    NoHead { folder: PathBuf, wanted: &'static str, found: String },

    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),

    #[error(
        "the text has token {id}, but the network knows {known} tokens: the tokenizer is of \
         another model"
    )]
    Token { id: u32, known: usize },

    #[error("a token is of part {kind} of the text, and the network tells {known} parts apart")]
    Kind { kind: u32, known: usize },

    #[error("there are {ids} token ids, and beside them a list of {found}; both must be as long")]
    Lengths { ids: usize, found: usize },

    #[error(
        "the text has {tokens} tokens, and the network reads {longest} at most: make it shorter"
    )]
    TooLong { tokens: usize, longest: usize },

    #[error("the text has no tokens: the tokenizer adds none that begin or end it")]
    NoTokens,

    #[error("the text has no {mask}: put it where the word to guess is")]
    NoMask { mask: String },

    #[error("the tokenizer of this model has no token that masks a word")]
    NoMaskToken,

    #[error(
        "the tokenizer of this model has no token for the language {code}; one that it has is {own}"
    )]
    NoLanguage { code: String, own: String },

    #[error(
        "this model has no tokens for languages: it translates between the two that it was made for, or the \
         text says what is to be done; leave --source-language and --target-language out"
    )]
    NoLanguages,

    #[error(
        "this model is told only in which language it shall answer: leave --source-language out"
    )]
    NoSourceLanguage,

    #[error("the network could not be computed")]
    Compute(#[from] candle_core::Error),

    #[error(transparent)]
    Model(#[from] llm::Error),
}

impl Error {
    /// Stop was pressed: no failure.
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Cancelled(_) | Self::Model(llm::Error::Cancelled(_)))
    }
}
