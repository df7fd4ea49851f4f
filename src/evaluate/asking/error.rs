//! Why the rows of a task could not be asked.

use std::io;
use std::path::PathBuf;

use super::interviewing::InterviewError;
use super::writing::WritingError;
use crate::encoder;
use crate::evaluate::prompt::PromptError;
use crate::evaluate::results::folder::FolderError;
use crate::evaluate::rows::questions::QuestionError;
use crate::evaluate::task::TaskError;
use crate::jobs::Cancelled;
use crate::remote::error::RemoteError;

/// Why the rows could not be asked, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Question(#[from] QuestionError),

    #[error(transparent)]
    Task(#[from] TaskError),

    #[error(transparent)]
    Prompt(#[from] PromptError),

    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("the model failed at row {row}")]
    Model { row: u64, source: encoder::Error },

    #[error(transparent)]
    Stopped(#[from] Cancelled),

    #[error(transparent)]
    Writing(#[from] WritingError),

    #[error("row {row} could not be asked")]
    Interview { row: u64, source: InterviewError },

    #[error("row {row} could not be asked")]
    Server { row: u64, source: RemoteError },

    /// Of a model behind a server.
    #[error("{0}")]
    Unservable(String),

    #[error("the passages for row {row} could not be chosen")]
    Passages { row: u64, source: encoder::Error },

    #[error("the task names the encoder {name}, and it is not loaded")]
    NoEncoder { name: String },

    #[error("the beginning that all prompts share could not be prepared")]
    Beginning(#[source] encoder::Error),

    #[error("the model cannot be asked")]
    Unready(#[source] encoder::Error),
}

impl AskError {
    /// Stop was pressed: no failure.
    pub fn is_stop(&self) -> bool {
        match self {
            Self::Stopped(_) => true,
            Self::Model { source, .. }
            | Self::Beginning(source)
            | Self::Interview { source: InterviewError::Model(source), .. } => source.is_stop(),
            _ => false,
        }
    }
}
