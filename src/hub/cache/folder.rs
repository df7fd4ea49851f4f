//! Python's model cache, as `huggingface_hub` 2.4 lays it out: each finds what the other fetched.
//!
//! `models--owner--name/{refs,blobs,snapshots}`. Paths are hf-hub's; locks, links and what may be
//! deleted are ours.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::Cache;
use hf_hub::CacheRepo;
use hf_hub::Repo;
use hf_hub::RepoType;

use super::disk::{
    BlobLock, copy_file, file_size, files_below, folders_in, lock_file, move_file, symlink,
};
use crate::files;
use crate::hub::error::Error;
use crate::hub::protocol::names::is_safe_name;
use crate::hub::protocol::repository::{RepoKind, is_commit};
use crate::jobs::Progress;

/// One repository's folder in the cache.
#[derive(Debug)]
pub struct RepoFolder {
    root: PathBuf,
    repo: Repo,
    entry: CacheRepo,
}

impl RepoFolder {
    /// A model's. `cache` is the folder that holds `models--…`; `repo` is `owner/name`.
    pub fn new(cache: &Path, repo: &str) -> Self {
        Self::of(cache, RepoKind::Model, repo)
    }

    pub fn of(cache: &Path, kind: RepoKind, repo: &str) -> Self {
        let kind = match kind {
            RepoKind::Model => RepoType::Model,
            RepoKind::Dataset => RepoType::Dataset,
        };
        let repo = Repo::new(repo.to_owned(), kind);
        let entry = Cache::new(cache.to_owned()).repo(repo.clone());
        Self { root: cache.to_owned(), repo, entry }
    }

    pub fn path(&self) -> PathBuf {
        self.root.join(self.repo.folder_name())
    }

    pub fn blob(&self, digits: &str) -> PathBuf {
        self.entry.blob_path(digits)
    }

    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.entry.pointer_path(commit)
    }

    /// The commit that `main` pointed to when it was last fetched.
    pub fn main_commit(&self) -> Option<String> {
        self.commit_of("main")
    }

    /// The commit that a branch or tag pointed to when it was last fetched.
    pub fn commit_of(&self, revision: &str) -> Option<String> {
        let path = self.ref_path(revision)?;
        let text = std::fs::read_to_string(path).ok()?; // absent
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Remembers what a branch or tag points to. A revision that is a commit needs no memory.
    pub fn set_ref(&self, revision: &str, commit: &str) -> Result<(), Error> {
        if revision == commit {
            return Ok(());
        }
        let unsafe_name = || Error::UnsafeName { name: revision.to_owned() };
        let path = self.ref_path(revision).ok_or_else(unsafe_name)?;
        files::write_atomic(&path, commit.as_bytes())
            .map_err(|source| Error::Write { path, source })
    }

    fn ref_path(&self, revision: &str) -> Option<PathBuf> {
        let refs = self.path().join("refs");
        is_safe_name(revision).then(|| refs.join(revision))
    }

    /// Waits until no other program fetches this blob, and keeps them waiting until dropped. The
    /// file is the one that Python's client locks.
    pub fn lock<E>(
        &self,
        digits: &str,
        progress: &dyn Progress<E>,
        on_wait: &dyn Fn(),
    ) -> Result<BlobLock, Error> {
        let folder = self.root.join(".locks").join(self.repo.folder_name());
        lock_file(&folder.join(format!("{digits}.lock")), progress, on_wait)
    }

    /// [`Self::lock`] without waiting. `None`: somebody else holds it.
    pub fn try_lock(&self, digits: &str) -> io::Result<Option<files::Lock>> {
        let folder = self.root.join(".locks").join(self.repo.folder_name());
        files::lock(&folder.join(format!("{digits}.lock")))
    }

    /// Deletes those of the blobs that no snapshot uses, and the entry if nothing is left in it.
    pub fn remove_unused_blobs<'a>(&self, digits: impl Iterator<Item = &'a str>) {
        let mut used = BTreeSet::new();
        for commit in self.commits() {
            let files = files_below(&self.snapshot(&commit));
            used.extend(files.iter().filter_map(|path| path.canonicalize().ok()));
        }
        for blob in digits.map(|digits| self.blob(digits)) {
            if blob.canonicalize().is_ok_and(|real| !used.contains(&real)) {
                std::fs::remove_file(blob).ok(); // at worst it stays
            }
        }
        // Each fails where something is left, and that is its use.
        for folder in ["blobs", "snapshots", "refs", ""] {
            std::fs::remove_dir(self.path().join(folder)).ok();
        }
    }

    /// Moves a verified file into the cache.
    pub fn adopt_blob(&self, verified: &Path, digits: &str) -> Result<PathBuf, Error> {
        let blob = self.blob(digits);
        move_file(verified, &blob).map_err(|source| Error::Write { path: blob.clone(), source })?;
        Ok(blob)
    }

    /// Makes a blob appear in a snapshot: as a relative link, or, where links are not possible,
    /// as the file itself.
    pub fn publish(&self, commit: &str, path: &str, digits: &str) -> Result<PathBuf, Error> {
        self.publish_beside(commit, path, digits, None)
    }

    /// [`Self::publish`] of a content that the snapshot has under another name already, perhaps:
    /// where links are not possible, that file is copied.
    pub fn publish_beside(
        &self,
        commit: &str,
        path: &str,
        digits: &str,
        twin: Option<&Path>,
    ) -> Result<PathBuf, Error> {
        let pointer = self.snapshot(commit).join(path);
        let at = |source| Error::Write { path: pointer.clone(), source };
        if pointer.exists() {
            return Ok(pointer);
        }
        let folder = pointer.parent().expect("a file in a snapshot has a folder");
        std::fs::create_dir_all(folder).map_err(at)?;
        if pointer.symlink_metadata().is_ok() {
            std::fs::remove_file(&pointer).map_err(at)?; // a link to a blob that is gone
        }
        let up = "../".repeat(path.split('/').count() + 1);
        match symlink(Path::new(&format!("{up}blobs/{digits}")), &pointer) {
            Ok(()) => {}
            Err(_no_links_here) => match twin {
                Some(twin) if !self.blob(digits).exists() => copy_file(twin, &pointer),
                _ => move_file(&self.blob(digits), &pointer),
            }
            .map_err(at)?,
        }
        Ok(pointer)
    }

    /// Remembers that a commit has no file of this name, as Python's client does.
    pub fn remember_absence(&self, commit: &str, name: &str) -> Result<(), Error> {
        let path = self.path().join(".no_exist").join(commit).join(name);
        let at = |source| Error::Write { path: path.clone(), source };
        std::fs::create_dir_all(path.parent().expect("it has a folder")).map_err(at)?;
        // Empty: there is nothing of it that could be half written.
        OpenOptions::new().append(true).create(true).open(&path).map_err(at)?;
        Ok(())
    }

    /// The commits that have a snapshot, in the order of their names.
    pub fn commits(&self) -> Vec<String> {
        folders_in(&self.path().join("snapshots"))
    }

    /// What deleting a snapshot would free, in bytes: what no other snapshot shares.
    pub fn would_free(&self, commit: &str) -> u64 {
        self.only_in(commit).iter().map(|path| file_size(path)).sum()
    }

    /// Deletes a snapshot with what only it uses, and the whole entry with the last snapshot.
    /// Returns the bytes that became free.
    pub fn delete_snapshot(&self, commit: &str) -> io::Result<u64> {
        let blobs = self.only_in(commit);
        let freed = blobs.iter().map(|path| file_size(path)).sum();
        let is_last = self.commits().iter().all(|other| other == commit);
        if is_last {
            std::fs::remove_dir_all(self.path())?;
            return Ok(freed);
        }
        // References first: nothing may point to a snapshot that is half gone.
        for (name, target) in self.references() {
            if target == commit {
                std::fs::remove_file(self.path().join("refs").join(name))?;
            }
        }
        std::fs::remove_dir_all(self.snapshot(commit))?;
        // What Python and we remember about it; not there, as often as not.
        std::fs::remove_dir_all(self.path().join(".no_exist").join(commit)).ok();
        std::fs::remove_file(self.path().join("trees").join(format!("{commit}.json"))).ok();
        for blob in blobs.iter().filter(|blob| blob.exists()) {
            std::fs::remove_file(blob)?;
        }
        Ok(freed)
    }

    /// The files (blobs, or plain files where there are no links) that only this snapshot uses.
    fn only_in(&self, commit: &str) -> BTreeSet<PathBuf> {
        let targets = |commit: &str| -> BTreeSet<PathBuf> {
            let files = files_below(&self.snapshot(commit));
            files.iter().filter_map(|path| path.canonicalize().ok()).collect()
        };
        let mut ours = targets(commit);
        for other in self.commits().iter().filter(|other| *other != commit) {
            for shared in targets(other) {
                ours.remove(&shared);
            }
        }
        // A link may lead anywhere; only what lies in this entry is ours to delete.
        let Ok(home) = self.path().canonicalize() else { return BTreeSet::new() };
        ours.retain(|path| path.starts_with(&home));
        ours
    }

    /// Branches and tags, and the commits that they pointed to when they were last fetched.
    pub fn references(&self) -> Vec<(String, String)> {
        let refs = self.path().join("refs");
        let read = |path: PathBuf| {
            let text = std::fs::read_to_string(&path).ok()?; // gone in the meantime
            let name = path.strip_prefix(&refs).ok()?.to_string_lossy().replace('\\', "/");
            Some((name, text.trim().to_owned()))
        };
        files_below(&refs).into_iter().filter_map(read).collect()
    }
}

/// The models that have an entry in the cache, as `owner/name`.
pub fn repos(cache: &Path) -> Vec<String> {
    let all = all_repos(cache).into_iter();
    all.filter(|(kind, _)| *kind == RepoKind::Model).map(|(_, repo)| repo).collect()
}

/// Models and data sets that have an entry in the cache.
pub fn all_repos(cache: &Path) -> Vec<(RepoKind, String)> {
    let names = folders_in(cache);
    let parse = |name: &String| {
        RepoKind::ALL.into_iter().find_map(|kind| {
            let id = name.strip_prefix(kind.prefix())?;
            Some((kind, id.replacen("--", "/", 1)))
        })
    };
    names.iter().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";

    fn with_blob(folder: &RepoFolder, digits: &str, bytes: &[u8]) {
        files::write_atomic(&folder.blob(digits), bytes).unwrap();
    }

    #[test]
    fn a_published_file_is_a_relative_link_to_its_blob() {
        let cache = tempfile::tempdir().unwrap();
        let folder = RepoFolder::new(cache.path(), "ada/small");
        with_blob(&folder, "abc", b"text");
        let pointer = folder.publish(NEW, "sub/config.json", "abc").unwrap();
        assert_eq!(std::fs::read(&pointer).unwrap(), b"text");
        let expected = format!("models--ada--small/snapshots/{NEW}/sub/config.json");
        assert_eq!(pointer, cache.path().join(expected));
        #[cfg(unix)]
        assert_eq!(std::fs::read_link(&pointer).unwrap(), Path::new("../../../blobs/abc"));
        assert_eq!(repos(cache.path()), ["ada/small"]);
    }

    #[test]
    fn deleting_a_snapshot_keeps_what_another_one_uses() {
        let cache = tempfile::tempdir().unwrap();
        let folder = RepoFolder::new(cache.path(), "ada/small");
        with_blob(&folder, "shared", b"1234");
        with_blob(&folder, "old", b"123456");
        folder.publish(OLD, "tokenizer.json", "shared").unwrap();
        folder.publish(OLD, "model.safetensors", "old").unwrap();
        folder.publish(NEW, "tokenizer.json", "shared").unwrap();
        folder.set_ref("main", NEW).unwrap();
        assert_eq!(folder.would_free(OLD), 6);
        assert_eq!(folder.delete_snapshot(OLD).unwrap(), 6);
        assert!(folder.blob("shared").exists());
        assert!(!folder.blob("old").exists());
        assert_eq!(folder.main_commit().as_deref(), Some(NEW));
        assert_eq!(folder.delete_snapshot(NEW).unwrap(), 4);
        assert!(!folder.path().exists());
    }

    #[test]
    #[cfg(unix)]
    fn a_link_out_of_the_cache_is_not_followed_when_deleting() {
        let cache = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        let folder = RepoFolder::new(cache.path(), "ada/small");
        std::fs::create_dir_all(folder.snapshot(NEW)).unwrap();
        symlink(elsewhere.path(), &folder.snapshot(NEW).join("model.gguf")).unwrap();
        folder.delete_snapshot(NEW).unwrap();
        assert!(elsewhere.path().exists());
    }
}
