//! What a commit consists of, in a file of Python's cache: `trees/<commit>.json`, as
//! `huggingface_hub` 2.4 keeps it.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::folder::RepoFolder;
use crate::files;
use crate::hub::error::Error;
use crate::hub::protocol::content_hash;
use crate::hub::protocol::content_hash::ContentHash;
use crate::hub::protocol::names::is_safe_name;
use crate::hub::protocol::repository::RemoteFile;

impl RepoFolder {
    /// Remembers what a commit consists of, once all of it is here: with this file
    /// `snapshot_download` of `huggingface_hub` 2.4 finds a whole repository without asking. Of
    /// a part of one it would say, rightly, that the rest is missing; so that is not written.
    pub fn remember_listing(&self, commit: &str, listing: &[RemoteFile]) -> Result<(), Error> {
        let snapshot = self.snapshot(commit);
        if !listing.iter().all(|file| snapshot.join(&file.path).exists()) {
            return Ok(());
        }
        let mut by_path: Vec<&RemoteFile> = listing.iter().collect();
        by_path.sort_by(|a, b| a.path.cmp(&b.path));
        let mut entries = serde_json::Map::new();
        for file in by_path {
            let size = file.size;
            let entry = match &file.hash {
                ContentHash::GitBlob(digits) => json!({ "size": size, "blob_id": digits }),
                ContentHash::Sha256(digits) => json!({
                    "size": size,
                    "blob_id": content_hash::of_lfs_pointer(digits, size),
                    "lfs_sha256": digits,
                    "lfs_size": size,
                }),
            };
            entries.insert(file.path.clone(), entry);
        }
        let text = json!({ "format_version": 1, "files": entries });
        let path = self.tree(commit);
        let bytes = serde_json::to_vec_pretty(&text).expect("it is text and numbers");
        files::write_atomic(&path, &bytes).map_err(|source| Error::Write { path, source })
    }

    /// What was remembered of a commit, by this program or by Python's. `None`: nothing was, or
    /// the file is damaged.
    pub fn remembered_listing(&self, commit: &str) -> Option<Vec<RemoteFile>> {
        let tree: Value = serde_json::from_slice(&std::fs::read(self.tree(commit)).ok()?).ok()?;
        let files = tree.get("files")?.as_object()?.iter().filter_map(|(path, entry)| {
            let digits = |key: &str| Some(entry.get(key)?.as_str()?.to_owned());
            let lfs = digits("lfs_sha256").map(ContentHash::Sha256);
            let hash = lfs.or_else(|| digits("blob_id").map(ContentHash::GitBlob))?;
            let size = entry.get("size")?.as_u64()?;
            is_safe_name(path).then(|| RemoteFile { path: path.clone(), size, hash })
        });
        Some(files.collect())
    }

    fn tree(&self, commit: &str) -> PathBuf {
        self.path().join("trees").join(format!("{commit}.json"))
    }
}
