//! Why a sweep could not be read, started or continued.

use std::io;
use std::path::PathBuf;

use crate::hub;
use crate::llm;
use crate::train;
use crate::train::config::run_file::RunFileError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What a sweep file says that cannot be done, in a sentence.
    #[error("{0}")]
    Definition(String),

    #[error(transparent)]
    RunFile(#[from] RunFileError),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("a temporary folder could not be made: is the disk full?")]
    Temporary(#[source] io::Error),

    #[error("{} is damaged: {problem}", path.display())]
    Damaged { path: PathBuf, problem: String },

    #[error("{} already holds a sweep: continue it with --resume, or choose another folder", .0.display())]
    Occupied(PathBuf),

    #[error("{} holds no sweep to continue: start it without --resume", .0.display())]
    NoSweep(PathBuf),

    #[error("another program works on the sweep in {}: wait until it has ended", .0.display())]
    Busy(PathBuf),

    #[error(
        "{} has changed since the sweep began, so its runs could not be compared: put the old file back, or \
         start a new sweep",
        .0.display()
    )]
    OtherData(PathBuf),

    #[error(transparent)]
    Hub(#[from] hub::Error),

    #[error("the model {name} could not be loaded")]
    Model { name: String, source: llm::Error },

    #[error(transparent)]
    Train(#[from] train::Error),

    #[error("{label}: nothing was started, because this run would be refused")]
    Refused { label: String, source: Box<Self> },

    #[error("stopped")]
    Stopped,
}
