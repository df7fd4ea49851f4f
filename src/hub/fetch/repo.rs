//! A whole model from the Hub: the files that are needed and no others, into Python's cache. The
//! snapshot's weights appear last, so that a half-fetched model is never taken for a whole one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::choose;
use super::download::{FileEvent, Patience};
use super::queue::{FileChoice, Order};
use super::transfer;
use crate::hub::Error;
use crate::hub::cache::local;
use crate::hub::cache::names::{check_no_clash, fits_pattern};
use crate::hub::cache::paths::HubPaths;
use crate::hub::cache::space;
use crate::hub::cache::{RepoFolder, RepoKind};
use crate::hub::protocol::client::{Client, RemoteFile, RepoListing, Revision};
use crate::hub::starter::FetchEvent;
use crate::jobs;
use crate::jobs::{Cancelled, Progress};

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

/// What makes a network a sentence encoder, as sentence-transformers keeps it.
const ENCODER_FILES: [&str; 4] = [
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
];

/// What transformers asks for beside these. Python's cache remembers which of them a commit does
/// not have, so that it need not ask.
const OPTIONAL_FILES: [&str; 3] = ["added_tokens.json", "adapter_config.json", INDEX];

const INDEX: &str = "model.safetensors.index.json";

/// The files to fetch of a listing, weights last: safetensors only, in one piece or in shards,
/// without the copies in other formats.
pub fn files_needed(listing: &RepoListing) -> Result<Vec<RemoteFile>, Error> {
    let named = |name: &str| listing.files.iter().find(|file| file.path == name).cloned();
    let small = SMALL_FILES.iter().chain(&ENCODER_FILES);
    let mut files: Vec<RemoteFile> = small.filter_map(|name| named(name)).collect();
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

/// The files of a data set that this program reads.
pub fn data_files(listing: &RepoListing) -> Result<Vec<RemoteFile>, Error> {
    let is_data = |file: &&RemoteFile| choose::is_data(&file.path);
    let files: Vec<RemoteFile> = listing.files.iter().filter(is_data).cloned().collect();
    if files.is_empty() {
        return Err(Error::NoData { repo: listing.repo.clone() });
    }
    Ok(files)
}

/// The files of a listing that were asked for, weights last.
pub fn choose(listing: &RepoListing, choice: &FileChoice) -> Result<Vec<RemoteFile>, Error> {
    let repo = || listing.repo.clone();
    let mut files = match (choice, listing.kind) {
        (FileChoice::Needed, RepoKind::Model) => files_needed(listing)?,
        (FileChoice::Needed, RepoKind::Dataset) => data_files(listing)?,
        (FileChoice::Named(names), _) => {
            let find = |name: &String| {
                let found = listing.files.iter().find(|file| file.path == *name);
                found.cloned().ok_or_else(|| {
                    let known = listing.files.iter().map(|file| file.path.as_str());
                    let near = local::near_matches(name, known);
                    Error::NoSuchFile { repo: repo(), name: name.clone(), near }
                })
            };
            names.iter().map(find).collect::<Result<_, _>>()?
        }
        (FileChoice::Matching(patterns), _) => {
            let fits = |file: &&RemoteFile| patterns.iter().any(|p| fits_pattern(p, &file.path));
            let files: Vec<RemoteFile> = listing.files.iter().filter(fits).cloned().collect();
            if files.is_empty() {
                return Err(Error::NothingFits { repo: repo(), patterns: patterns.join(", ") });
            }
            files
        }
    };
    check_no_clash(&files)?;
    files.sort_by_key(|file| is_weights(&file.path)); // stable: nothing else changes its place
    Ok(files)
}

fn is_weights(path: &str) -> bool {
    let ending = Path::new(path).extension().unwrap_or_default().to_string_lossy();
    ["safetensors", "gguf", "bin", "pt", "pth", "onnx"].contains(&ending.to_lowercase().as_str())
}

/// What the Hub has of an order at `revision`, asked again where the network fails.
pub fn list_patiently<E>(
    client: &Client,
    order: &Order,
    revision: &str,
    patience: &Patience,
    progress: &dyn Progress<E>,
) -> Result<RepoListing, Error> {
    let mut failures = 0;
    loop {
        progress.check()?;
        let error = match client.list_of(order.kind, &order.repo, revision) {
            Err(error) if error.is_transient() => error,
            listing => return listing,
        };
        failures += 1;
        let pause = patience.pause(&order.repo, failures, error.retry_after());
        match pause.filter(|_| failures < patience.tries) {
            Some(pause) => jobs::pause(progress, pause)?,
            None => return Err(error),
        }
    }
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
    let listing = list_patiently(client, &Order::model(repo), "main", patience, progress)?;
    let files = choose(&listing, &FileChoice::Needed)?;
    fetch_files(client, paths, &listing, &files, patience, progress)
}

/// Fetches chosen files of a listing of `main`, one after the other. `Bytes` events count over
/// all of them.
pub fn fetch_files(
    client: &Client,
    paths: &HubPaths,
    listing: &RepoListing,
    files: &[RemoteFile],
    patience: &Patience,
    progress: &dyn Progress<FetchEvent>,
) -> Result<PathBuf, Error> {
    let revision = listing.revision();
    let total = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size));
    require_room(paths, revision, files, 0)?;
    let mut finished = 0;
    for file in files {
        let told = OverAll { progress, file: &file.path, finished, total };
        transfer::bring(client, paths, revision, file, patience, &told)?;
        finished += file.size;
    }
    let links = Links { revision, branch: "main", files, listing: Some(&listing.files) };
    links.publish(paths)
}

/// Passes on what one file says as what all of them say.
struct OverAll<'a> {
    progress: &'a dyn Progress<FetchEvent>,
    file: &'a str,
    finished: u64,
    total: u64,
}

impl Progress<FileEvent> for OverAll<'_> {
    fn emit(&self, event: FileEvent) {
        let file = self.file.to_owned();
        match event {
            FileEvent::Bytes(done) => {
                let done = self.finished + done;
                self.progress.emit(FetchEvent::Bytes { file, done, total: Some(self.total) });
            }
            FileEvent::Verifying => self.progress.emit(FetchEvent::Verifying { file }),
            FileEvent::Elsewhere => self.progress.emit(FetchEvent::Elsewhere { file }),
            FileEvent::Retrying { .. } => {} // it is in the log
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }
}

/// What makes fetched files a model: links in a snapshot, once all of them are there.
#[derive(Clone, Copy)]
pub struct Links<'a> {
    pub revision: Revision<'a>,

    /// The branch, tag or commit that was asked for.
    pub branch: &'a str,

    /// Weights last.
    pub files: &'a [RemoteFile],

    /// All that the repository has, where that is known.
    pub listing: Option<&'a [RemoteFile]>,
}

impl Links<'_> {
    /// Returns the snapshot.
    pub fn publish(&self, paths: &HubPaths) -> Result<PathBuf, Error> {
        let Self { revision, branch, files, listing } = *self;
        let Revision { kind, repo, commit } = revision;
        let folder = RepoFolder::of(&paths.cache, kind, repo);
        let mut published: BTreeMap<&str, PathBuf> = BTreeMap::new();
        for file in files {
            let digits = file.hash.digits();
            let twin = published.get(digits).map(PathBuf::as_path);
            let pointer = folder.publish_beside(commit, &file.path, digits, twin)?;
            // Somebody may have deleted it since it came: nothing may be called whole that is not.
            if !pointer.exists() {
                let reason = format!("{} was deleted meanwhile; try again", file.path);
                return Err(Error::Incomplete { name: repo.to_owned(), reason });
            }
            published.insert(digits, pointer);
        }
        if let Some(listing) = listing {
            folder.remember_listing(commit, listing)?;
            if kind == RepoKind::Model {
                let is_absent = |name: &&str| !listing.iter().any(|file| file.path == **name);
                for name in SMALL_FILES.iter().chain(&OPTIONAL_FILES).copied().filter(is_absent) {
                    folder.remember_absence(commit, name)?;
                }
            }
        }
        // Last: a branch never points to what is not whole.
        folder.set_ref(branch, commit)?;
        Ok(folder.snapshot(commit))
    }
}

/// Both the downloads folder and the cache need the room: a file lies in one before the other.
/// `reserved`: bytes that others will still write there.
pub fn require_room(
    paths: &HubPaths,
    revision: Revision<'_>,
    files: &[RemoteFile],
    reserved: u64,
) -> Result<(), Error> {
    let folder = RepoFolder::of(&paths.cache, revision.kind, revision.repo);
    let missing = files.iter().map(|file| {
        let here = transfer::bytes_here(paths, &folder, revision.commit, file);
        file.size.saturating_sub(here)
    });
    let needed = missing.fold(0, u64::saturating_add);
    if needed == 0 {
        return Ok(());
    }
    space::require(&folder.path(), needed, reserved)?;
    space::require(&paths.downloads, needed, reserved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::cache::git_hash::ContentHash;

    fn listing(paths: &[&str]) -> RepoListing {
        let file = |path: &&str| RemoteFile {
            path: (*path).to_owned(),
            size: 1,
            hash: ContentHash::GitBlob("0".repeat(40)),
        };
        let files = paths.iter().map(file).collect();
        RepoListing {
            kind: RepoKind::Model,
            repo: "ada/small".to_owned(),
            commit: "1".repeat(40),
            files,
        }
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
    fn an_encoder_comes_with_how_its_tokens_become_a_vector() {
        let paths = [
            "1_Pooling/config.json",
            "config.json",
            "model.safetensors",
            "modules.json",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "sentence_bert_config.json",
            "tokenizer.json",
        ];
        let expected = [paths[1], paths[7], paths[3], paths[6], paths[0], paths[2]];
        assert_eq!(needed(&paths), expected);
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
