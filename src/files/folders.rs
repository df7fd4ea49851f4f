//! The folders that files are written in: made if need be, but never in the place of one that is in use and was
//! moved away.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// All that are in use. Whoever writes a file knows its path, and not whose folder it is in.
static IN_USE: Mutex<Vec<Weak<PathBuf>>> = Mutex::new(Vec::new());

/// A folder that is in use, such as an open project. While this is held, nothing that is written in the folder
/// makes it anew: its files would then lie in two places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse(Arc<PathBuf>);

impl InUse {
    pub fn new(folder: &Path) -> Self {
        let folder = Arc::new(folder.to_owned());
        let mut all = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&folder));
        Self(folder)
    }
}

/// Makes `folder` and those that it is in. The error is also that of one that is [`InUse`] and gone.
pub fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let all = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = all.iter().filter_map(Weak::upgrade);
    match all.find(|used| folder.starts_with(&**used) && !used.is_dir()) {
        Some(gone) => Err(not_there(&gone, "Put it back where it was")),
        None => std::fs::create_dir_all(folder),
    }
}

/// Says that a folder in use is gone, and what can be done.
pub fn not_there(folder: &Path, help: &str) -> io::Error {
    let words = format!(
        "the folder {} is not there any more: it was moved, renamed or deleted. {help}",
        folder.display()
    );
    io::Error::new(io::ErrorKind::NotFound, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn nothing_begins_a_folder_in_use_anew_at_its_old_place() {
        let parent = tempfile::tempdir().unwrap();
        let (project, away) = (parent.path().join("project"), parent.path().join("away"));
        make(&project.join("chats")).unwrap();
        let used = InUse::new(&project);
        std::fs::rename(&project, &away).unwrap();
        let path = project.join("chats").join("1.json");
        let gone = |written: io::Result<()>| {
            let said = written.unwrap_err().to_string();
            assert!(said.contains("project is not there any more"), "{said}");
        };
        gone(files::write_atomic(&path, b"{}"));
        gone(files::write_in_pieces(&path, |file| file.write_all(b"{}")));
        gone(files::append_line(&path, "{}"));
        gone(files::lock(&path).map(drop));
        gone(make(&project));
        assert!(!project.exists());
        // Beside it there is room, and again in it once it is back, or nobody uses it.
        make(&parent.path().join("project 2")).unwrap();
        std::fs::rename(&away, &project).unwrap();
        files::write_atomic(&path, b"{}").unwrap();
        std::fs::rename(&project, &away).unwrap();
        drop(used);
        files::write_atomic(&path, b"{}").unwrap();
    }
}
