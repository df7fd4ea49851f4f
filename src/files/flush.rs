//! When a line that was appended is flushed to the disk.
//!
//! A program that is killed loses nothing of what was written, flushed or not: the system has it. Only a cut of
//! the power does, so whoever must not wait for the disk (the thread of a window) flushes a moment later.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// When the lines of a file are flushed.
#[derive(Clone, Debug, Default)]
pub enum Flush {
    /// Before they count as written.
    #[default]
    AtOnce,

    /// By whoever takes the file from this list.
    Beside(Unflushed),
}

/// Files that have lines which are written and not flushed yet. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub struct Unflushed(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Unflushed {
    /// Every file of it, which is left empty.
    pub fn take(&self) -> BTreeSet<PathBuf> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a file.
    pub fn add(&self, path: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }
}

/// Flushes what was written to a file. One that was deleted meanwhile has nothing to flush.
pub fn flush(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Ok(file) => file.sync_data(),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(err) => Err(err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::append_line_for;

    #[test]
    fn a_file_is_listed_once_for_whoever_flushes_it_and_its_lines_are_there_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        let unflushed = Unflushed::default();
        let beside = Flush::Beside(unflushed.clone());
        append_line_for(&path, "1", &beside).unwrap();
        append_line_for(&path, "2", &beside).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "1\n2\n");
        let listed = unflushed.take();
        assert_eq!(Vec::from_iter(&listed), [&path]);
        assert!(unflushed.take().is_empty());
        listed.iter().try_for_each(|path| flush(path)).unwrap();
        append_line_for(&path, "3", &Flush::AtOnce).unwrap();
        assert!(unflushed.take().is_empty());
    }

    #[test]
    fn a_file_that_is_gone_has_nothing_to_flush_and_a_folder_cannot_be_flushed_as_one() {
        let folder = tempfile::tempdir().unwrap();
        flush(&folder.path().join("gone.jsonl")).unwrap();
        flush(folder.path()).unwrap_err();
    }
}
