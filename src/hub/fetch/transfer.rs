//! One file of a repository into Python's cache: the lock that Python's client takes, the bytes,
//! the hash, and the move into `blobs`. Nothing appears in a snapshot yet.

use std::path::Path;

use super::download;
use super::download::{FileEvent, Patience, Request};
use crate::hub::cache::disk;
use crate::hub::cache::folder::RepoFolder;
use crate::hub::error::Error;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::repository::{RemoteFile, Revision};
use crate::jobs::Progress;

/// Makes sure that the content of `file` is in the cache. What is there already, or what another
/// program puts there while we wait for it, is not fetched.
pub fn bring(
    client: &Client,
    paths: &HubPaths,
    revision: Revision<'_>,
    file: &RemoteFile,
    patience: &Patience,
    progress: &dyn Progress<FileEvent>,
) -> Result<(), Error> {
    progress.check()?;
    let folder = RepoFolder::of(&paths.cache, revision.kind, revision.repo);
    let digits = file.hash.digits();
    let say_elsewhere = || progress.emit(FileEvent::Elsewhere);
    if !is_here(&folder, revision.commit, file) {
        // Python's lock keeps others out of this entry; ours keeps the same content of another
        // repository out of the partial file.
        let _entry = folder.lock(digits, progress, &say_elsewhere)?;
        let own = paths.locks.join(format!("{digits}.lock"));
        let _part = disk::lock_file(&own, progress, &say_elsewhere)?;
        if !is_here(&folder, revision.commit, file) {
            let request = Request { revision, file };
            let verified = download::fetch(client, request, &paths.downloads, patience, progress)?;
            folder.adopt_blob(&verified, digits)?;
        }
    }
    progress.emit(FileEvent::Bytes(file.size));
    Ok(())
}

/// Whether the cache has a file, as far as its size tells.
pub fn is_here(folder: &RepoFolder, commit: &str, file: &RemoteFile) -> bool {
    let has_size = |path: &Path| std::fs::metadata(path).is_ok_and(|meta| meta.len() == file.size);
    has_size(&folder.blob(file.hash.digits()))
        || has_size(&folder.snapshot(commit).join(&file.path))
}

/// Bytes of a file that do not have to be fetched any more.
pub fn bytes_here(paths: &HubPaths, folder: &RepoFolder, commit: &str, file: &RemoteFile) -> u64 {
    if is_here(folder, commit, file) {
        file.size
    } else {
        download::bytes_kept(&paths.downloads, file)
    }
}
