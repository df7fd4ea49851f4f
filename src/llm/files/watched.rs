//! Files that lie in memory as a map: whether another program has cut one of them short.
//!
//! What is read beyond the end of such a file ends this program. So it is asked before a pass, not after.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a model, as long as they were when it was loaded. A clone watches the same ones.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Vec<(PathBuf, File, u64)>>);

impl Watched {
    /// What cannot be opened is not watched: whoever loads it says so.
    pub fn open(paths: &[PathBuf]) -> Self {
        let open = |path: &PathBuf| {
            let file = File::open(path).ok()?;
            let length = file.metadata().ok()?.len();
            Some((path.clone(), file, length))
        };
        Self(Arc::new(paths.iter().filter_map(open).collect()))
    }

    /// A file that is shorter than it was. One that was deleted or replaced by another one of its name is as it
    /// was to whoever holds it open.
    pub fn cut_short(&self) -> Option<&Path> {
        let is_short = |(_, file, length): &&(PathBuf, File, u64)| {
            file.metadata().is_ok_and(|now| now.len() < *length)
        };
        self.0.iter().find(is_short).map(|(path, ..)| path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn a_file_that_was_cut_short_is_known_and_a_deleted_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["a", "b", "c"] {
            files::write_atomic(&path(name), b"twelve bytes").unwrap();
        }
        let watched = Watched::open(&["a", "b", "c", "nowhere"].map(path));
        std::fs::remove_file(path("a")).unwrap();
        files::write_atomic(&path("b"), b"another").unwrap();
        assert_eq!(watched.cut_short(), None);
        File::options().write(true).open(path("c")).unwrap().set_len(3).unwrap();
        assert_eq!(watched.cut_short(), Some(path("c").as_path()));
    }
}
