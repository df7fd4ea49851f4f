//! `about.json`: what a person calls a run and says about it. The run itself never reads or writes
//! it, so that it can be changed during the run.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;
use crate::train::error::Error;

const FILE: &str = "about.json";

/// A run's name and note. Both empty: it is called by its folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNotes {
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub note: String,
}

impl RunNotes {
    /// What the folder of a run says. A file that is not there or damaged is no notes: a run must
    /// not become unreadable by its name.
    pub fn read(run_dir: &Path) -> Self {
        let bytes = std::fs::read(run_dir.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub fn write(&self, run_dir: &Path) -> Result<(), Error> {
        let path = run_dir.join(FILE);
        let mut text = serde_json::to_string_pretty(self).expect("notes are two strings");
        text.push('\n');
        files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_damaged_ones_are_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(RunNotes::read(folder.path()), RunNotes::default());
        let notes =
            RunNotes { title: "β = 0.3".to_owned(), note: "for the lecture\non DPO".to_owned() };
        notes.write(folder.path()).unwrap();
        assert_eq!(RunNotes::read(folder.path()), notes);
        files::write_atomic(&folder.path().join(FILE), b"{\"title\": 3").unwrap();
        assert_eq!(RunNotes::read(folder.path()), RunNotes::default());
    }
}
