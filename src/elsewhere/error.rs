//! Why a run could not be exported, started elsewhere, or imported.

use std::io;
use std::path::PathBuf;

use crate::llm;
use crate::train;
use crate::train::rows::RowsError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("this run cannot be exported to {engine}: {}", problems.join("; "))]
    NotCarried { engine: &'static str, problems: Vec<String> },

    #[error("{0}")]
    Preset(String),

    #[error(
        "{file}: `{key}` is not a setting of TRL 1.16 for {objective}, and TRL would refuse it{near}"
    )]
    UnknownKey { file: String, key: String, objective: &'static str, near: String },

    #[error("`{0}` is not KEY=VALUE: write for example bf16=false")]
    NoValue(String),

    #[error("{}: {problem}", path.display())]
    Settings { path: PathBuf, problem: String },

    #[error("the training data could not be read")]
    Data(#[source] RowsError),

    #[error("{} has no rows", .0.display())]
    NoRows(PathBuf),

    #[error("{} is not empty: choose a new folder for the bundle", .0.display())]
    Occupied(PathBuf),

    #[error(
        "{} is not a bundle: it has no manifest.json. Name the folder that `tuning-fork bundle` wrote",
        .0.display()
    )]
    NoManifest(PathBuf),

    #[error("{} is not the manifest of a bundle: {problem}", path.display())]
    Manifest { path: PathBuf, problem: String },

    #[error("{} differs from what the bundle was made with: its SHA-256 is {found}, and {expected} is expected. Put the original file back, or make the bundle again", path.display())]
    OtherFile { path: PathBuf, expected: String, found: String },

    #[error(
        "these results have another base model: {what} has the SHA-256 {found}, and the bundle was made \
         for {name} with {expected}. Import the results of this bundle, or name the bundle of these results"
    )]
    OtherBase { what: String, name: String, expected: String, found: String },

    #[error(
        "these results have another base model: the adapter names {found}, and the bundle was made for \
         {expected}"
    )]
    OtherName { expected: String, found: String },

    #[error(
        "{} has no results of a run: neither an adapter (adapter_config.json) nor a model (config.json) with \
         safetensors weights is in it, in its folder out, or in a checkpoint. Has the run ended?",
        .0.display()
    )]
    NoResults(PathBuf),

    #[error("{0}")]
    NeedsRun(String),

    #[error("the base model could not be loaded")]
    Model(#[source] llm::Error),

    #[error("the adapter does not fit the base model")]
    Adapter(#[source] llm::Error),

    #[error(transparent)]
    Train(#[from] train::Error),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{what} could not be started. {advice}")]
    Start { what: String, advice: &'static str, source: io::Error },

    #[error("{what} failed: {said}")]
    Command { what: String, said: String },

    /// A network may be back later.
    #[error("{what} failed: {said}")]
    Unreached { what: String, said: String },

    #[error("the run ended with exit status {status}; its last lines are:\n{last_lines}")]
    Died { status: String, last_lines: String },

    #[error("{0}")]
    NotStarted(String),

    #[error("stopped")]
    Cancelled,
}

impl Error {
    /// Whether somebody pressed Stop, so that nothing went wrong.
    pub fn is_stop(&self) -> bool {
        match self {
            Self::Cancelled | Self::Train(train::Error::Cancelled) => true,
            Self::Model(error) | Self::Train(train::Error::Model(error)) => {
                matches!(error, llm::Error::Cancelled(_))
            }
            _ => false,
        }
    }
}
