//! A whole model from the Hub: the files that are needed and no others, into Python's cache. The
//! snapshot's weights appear last, so that a half-fetched model is never taken for a whole one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::download::{FileEvent, Patience};
use super::event::FetchEvent;
use super::needed::{OPTIONAL_FILES, SMALL_FILES, choose};
use super::order::{FileChoice, Order};
use super::transfer;
use crate::hub::cache::folder::RepoFolder;
use crate::hub::cache::space;
use crate::hub::error::Error;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::repository::{RemoteFile, RepoKind, RepoListing, Revision};
use crate::jobs;
use crate::jobs::{Cancelled, Progress};

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
