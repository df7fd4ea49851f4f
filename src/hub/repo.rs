//! A whole model from the Hub: the files that are needed and no others, into Python's cache. The
//! snapshot's weights appear last, so that a half-fetched model is never taken for a whole one.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use super::Error;
use super::cache::RepoFolder;
use super::client::{Client, RemoteFile, RepoListing};
use super::download;
use super::download::{Patience, Request};
use super::paths::HubPaths;
use super::space;
use super::starter::FetchEvent;
use crate::jobs::Progress;

/// What a transformers folder consists of beside its weights.
const SMALL_FILES: [&str; 10] = [
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
];

const INDEX: &str = "model.safetensors.index.json";

/// The files to fetch of a listing, weights last: safetensors only, in one piece or in shards,
/// without the copies in other formats.
pub fn files_needed(listing: &RepoListing) -> Result<Vec<RemoteFile>, Error> {
    let named = |name: &str| listing.files.iter().find(|file| file.path == name).cloned();
    let mut files: Vec<RemoteFile> = SMALL_FILES.iter().filter_map(|name| named(name)).collect();
    let has_config = files.iter().any(|file| file.path == "config.json");
    let shards = || -> Vec<RemoteFile> {
        let is_shard = |file: &&RemoteFile| {
            file.path.starts_with("model-0") && file.path.ends_with(".safetensors")
        };
        listing.files.iter().filter(is_shard).cloned().collect()
    };
    let weights = match named("model.safetensors") {
        Some(single) => vec![single],
        None if named(INDEX).is_some() => {
            files.extend(named(INDEX));
            shards()
        }
        None => Vec::new(),
    };
    if weights.is_empty() || !has_config {
        return Err(Error::NoWeights { repo: listing.repo.clone() });
    }
    files.extend(weights);
    Ok(files)
}

/// Fetches the `main` of a model into the cache and returns its snapshot folder. What is there
/// already is not fetched again.
pub fn fetch(
    client: &Client,
    paths: &HubPaths,
    repo: &str,
    patience: &Patience,
    progress: &dyn Progress<FetchEvent>,
) -> Result<PathBuf, Error> {
    progress.check()?;
    let listing = client.list(repo, "main")?;
    let files = files_needed(&listing)?;
    fetch_files(client, paths, &listing, &files, patience, progress)
}

/// Fetches chosen files of a listing. `Bytes` events count over all of them.
pub fn fetch_files(
    client: &Client,
    paths: &HubPaths,
    listing: &RepoListing,
    files: &[RemoteFile],
    patience: &Patience,
    progress: &dyn Progress<FetchEvent>,
) -> Result<PathBuf, Error> {
    let folder = RepoFolder::new(&paths.cache, &listing.repo);
    let total: u64 = files.iter().map(|file| file.size).sum();
    require_room(&folder, &paths.downloads, files)?;
    let finished = Cell::new(0);
    for file in files {
        let digits = file.hash.digits();
        let say = |done: u64| {
            let done = finished.get() + done;
            let file = file.path.clone();
            progress.emit(FetchEvent::Bytes { file, done, total: Some(total) });
        };
        let lock = folder.lock(digits, progress)?;
        let pointer = folder.snapshot(&listing.commit).join(&file.path);
        let blob = folder.blob(digits);
        let is_there = |path: &Path| std::fs::metadata(path).is_ok_and(|m| m.len() == file.size);
        if is_there(&blob) || is_there(&pointer) {
            say(file.size);
        } else {
            let request = Request { repo: &listing.repo, commit: &listing.commit, file };
            let downloads = &paths.downloads;
            let verified =
                download::fetch(client, request, downloads, patience, progress, &mut |n| say(n))?;
            folder.adopt_blob(&verified, digits)?;
        }
        folder.publish(&listing.commit, &file.path, digits)?;
        drop(lock);
        finished.set(finished.get() + file.size);
    }
    folder.set_main(&listing.commit)?;
    Ok(folder.snapshot(&listing.commit))
}

/// Both the downloads folder and the cache need the room: a file lies in one before the other.
fn require_room(folder: &RepoFolder, downloads: &Path, files: &[RemoteFile]) -> Result<(), Error> {
    let missing = files.iter().filter(|file| !folder.blob(file.hash.digits()).exists());
    let needed = missing.map(|file| file.size - download::bytes_kept(downloads, file)).sum();
    space::require(&folder.path(), needed)?;
    space::require(downloads, needed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::git_hash::ContentHash;

    fn listing(paths: &[&str]) -> RepoListing {
        let file = |path: &&str| RemoteFile {
            path: (*path).to_owned(),
            size: 1,
            hash: ContentHash::GitBlob("0".repeat(40)),
        };
        let files = paths.iter().map(file).collect();
        RepoListing { repo: "ada/small".to_owned(), commit: "1".repeat(40), files }
    }

    fn needed(paths: &[&str]) -> Vec<String> {
        let files = files_needed(&listing(paths)).unwrap();
        files.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn weights_come_once_and_last() {
        let paths = [
            "README.md",
            "config.json",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tokenizer.json",
        ];
        assert_eq!(needed(&paths), ["config.json", "tokenizer.json", "model.safetensors"]);
    }

    #[test]
    fn all_shards_come_with_their_index() {
        let shards = [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
        ];
        assert_eq!(needed(&shards), [shards[0], shards[3], shards[1], shards[2]]);
    }

    #[test]
    fn a_model_of_pickles_alone_is_refused() {
        let listing = listing(&["config.json", "pytorch_model.bin"]);
        assert!(matches!(files_needed(&listing), Err(Error::NoWeights { .. })));
    }
}
