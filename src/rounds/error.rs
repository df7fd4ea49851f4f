//! Why a round could not be made or read.

use std::io;
use std::path::PathBuf;

use crate::data::import::PromptsError;
use crate::data::store::StoreError;
use crate::evaluate::asking::error::AskError;
use crate::jobs::Cancelled;
use crate::llm;
use crate::train;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is no run that a round can begin from: {why}", run.display())]
    NoRound { run: PathBuf, why: String },

    #[error("the prompts could not be read")]
    Prompts(#[source] Box<PromptsError>),

    #[error(
        "all {count} prompts of {} were used in an earlier round or have no words: give a file with others",
        path.display()
    )]
    AllUsed { path: PathBuf, count: usize },

    /// The judge told no two answers apart.
    #[error("{0}")]
    NoPairs(String),

    #[error("{} already holds a round: choose another folder", .0.display())]
    Occupied(PathBuf),

    #[error("a temporary folder could not be made: is the disk full?")]
    Temporary(#[source] io::Error),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} is damaged: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },

    #[error("the model could not be loaded")]
    Load(#[source] llm::Error),

    #[error("the model could not answer")]
    Model(#[from] llm::Error),

    #[error(transparent)]
    Train(#[from] train::Error),

    #[error("the answers could not be judged")]
    Judge(#[source] Box<AskError>),

    #[error("the verdicts could not be read")]
    Verdicts(#[source] Box<StoreError>),

    #[error("stopped")]
    Stopped,
}

impl From<Cancelled> for Error {
    fn from(_stopped: Cancelled) -> Self {
        Self::Stopped
    }
}

impl Error {
    /// Stop was pressed: no failure.
    pub fn is_stop(&self) -> bool {
        match self {
            Self::Stopped | Self::Train(train::Error::Cancelled) => true,
            Self::Load(source) | Self::Model(source) => matches!(source, llm::Error::Cancelled(_)),
            Self::Judge(source) => source.is_stop(),
            _ => false,
        }
    }
}
