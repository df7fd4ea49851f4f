//! Where a lecture is: in the program, or in a file.

use std::path::{Path, PathBuf};

use super::error::FileError;
use super::file;
use super::recording::{Recording, path_beside};
use super::samples;
use super::scene::Lecture;

/// The folder of a project that its lectures are in.
pub const FOLDER: &str = "lectures";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The guided tour, which the program carries.
    Tour,
    File(PathBuf),
}

impl Place {
    pub fn read(&self) -> Result<Lecture, FileError> {
        match self {
            Self::Tour => Ok(samples::tour()),
            Self::File(path) => file::read(path),
        }
    }

    /// What was recorded of it, where something was.
    pub fn recording(&self) -> Result<Option<Recording>, FileError> {
        match self {
            Self::Tour => Ok(Some(samples::tour_recording())),
            Self::File(path) => {
                let beside = path_beside(path);
                if beside.exists() { Recording::read(&beside).map(Some) } else { Ok(None) }
            }
        }
    }

    /// Its file. `None`: the program carries it.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tour => None,
            Self::File(path) => Some(path),
        }
    }
}
