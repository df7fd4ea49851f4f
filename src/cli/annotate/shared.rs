//! What several commands about studies do alike.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::out;
use crate::study::design::StudyError;
use crate::study::folder::Folder;
use crate::study::log::Use;

/// Opens a study and tells what could not be read of it.
pub fn open(path: &Path, usage: Use) -> Result<Folder, StudyError> {
    let folder = Folder::open(path, usage)?;
    folder.found.iter().for_each(|sentence| out::note(sentence));
    Ok(folder)
}

pub fn now() -> anyhow::Result<String> {
    Ok(OffsetDateTime::now_utc().format(&Rfc3339)?)
}

/// The name by which a person knows a file.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// `codes.csv` with another ending, beside it.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    path.with_extension(ending)
}
