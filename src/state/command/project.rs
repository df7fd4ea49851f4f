//! Which project is open.

use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub enum ProjectCommand {
    /// Asks for a folder.
    Choose,
    Open(PathBuf),

    /// What is being opened is not, after all.
    StopOpening,
}
