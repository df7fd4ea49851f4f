//! What is wrong with a lecture's file, and why a scene cannot be shown.

use std::io;
use std::path::PathBuf;

use crate::explore;
use crate::llm;
use crate::room::error::QuestionError;

/// Why a file is not a lecture. The line is counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("line {line}: {what}")]
    Toml { line: usize, what: String },

    #[error(
        "the lecture was written by a newer version of Tuning Fork: it says format = {found}, and \
         this version reads format = {known}. Get the newer version, or take out what is new and \
         set format = {known}"
    )]
    Newer { found: i64, known: i64 },

    #[error("{place}: there is no key `{key}` here{}. Known here: {known}", suggested(.meant.as_deref()))]
    UnknownKey { place: String, key: String, meant: Option<String>, known: String },

    #[error(
        "{place}: there is no view `{view}`{} in this version of Tuning Fork. It may be from a \
         newer one. Known views: {known}",
        suggested(.meant.as_deref())
    )]
    UnknownView { place: String, view: String, meant: Option<String>, known: String },

    #[error("{place}: `{key}` is missing. Expected: {expected}")]
    Missing { place: String, key: &'static str, expected: String },

    #[error("{place}: `{key}` is {found}. Expected: {expected}")]
    Value { place: String, key: String, found: String, expected: String },

    #[error("{place}: {source}")]
    Question { place: String, source: QuestionError },

    #[error(
        "the file has no question. Begin one with a line [[question]], and give it a `kind` and a \
         `text`"
    )]
    NoQuestions,

    #[error("the lecture has no scene. Begin one with a line [[scene]], and give it a `view`")]
    NoScenes,

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} is not a recording of this program: {what}", path.display())]
    Recording { path: PathBuf, what: String },
}

fn suggested(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// Why a scene cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    #[error("the scene compares an adapter with its base model, and names no `adapter`")]
    NoAdapter,

    #[error("the scene's list of pairs cannot be used: {0}")]
    List(String),

    #[error("the scene hides the word {0:?}, which its text does not have so often")]
    NoSuchWord(String),

    #[error("{name}, which the scene names beside its model, cannot be used: {problem}")]
    Other { name: String, problem: String },

    #[error(
        "the model {name} takes about {needed_mb} MB of memory, and {free_mb} MB are free: unload \
         the model that is loaded, or close other programs"
    )]
    Memory { name: String, needed_mb: u64, free_mb: u64 },

    #[error("the model has {count} layers, counted from 0; the scene asks for layer {layer}")]
    NoSuchLayer { layer: usize, count: usize },

    #[error(
        "a layer of the model has {count} heads, counted from 0; the scene asks for head {head}"
    )]
    NoSuchHead { head: usize, count: usize },

    #[error("the next token of the scene could not be worked out with its settings")]
    Settings(#[from] crate::llm::generate::sampling::SamplingError),

    #[error(transparent)]
    Look(#[from] explore::error::Error),

    #[error(transparent)]
    Model(#[from] llm::Error),
}

impl PlayError {
    /// Whether somebody stopped it.
    pub fn is_stop(&self) -> bool {
        use explore::error::Error as Look;
        matches!(
            self,
            Self::Look(Look::Cancelled(_) | Look::Model(llm::Error::Cancelled(_)))
                | Self::Model(llm::Error::Cancelled(_))
        )
    }
}
