//! What there is to know about one repository before anything of it is fetched: its files, its
//! configuration, its card. A few requests for a few kilobytes, each part told as it comes.

use std::path::PathBuf;

use serde_json::Value;

use super::card;
use super::found::{Found, expand, found};
use crate::errors::one_line;
use crate::hub::cache::folder::RepoFolder;
use crate::hub::cache::space;
use crate::hub::error::Error;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::address::encode;
use crate::hub::protocol::api::read_text;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::names::check_repo_id;
use crate::hub::protocol::repository::RepoKind;
use crate::hub::protocol::repository::{RepoListing, Revision};
use crate::jobs::Progress;

/// More than any `config.json` has.
const MOST_CONFIG_BYTES: usize = 4 << 20;

/// A part of the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum DetailEvent {
    /// The repository as a row of the search shows it.
    Row(Box<Found>),

    /// What its `main` consists of; where that lies or will lie; the paths of what is there
    /// already; what is free on that disk, in bytes.
    Files { listing: RepoListing, snapshot: PathBuf, here: Vec<String>, disk_free: Option<u64> },

    /// Its `config.json`.
    Config(Value),

    /// Its card as Markdown, or why there is none to show.
    Card(Result<String, String>),
}

/// Asks for everything. A part that cannot be had is left out, or says why; without a listing
/// there is nothing to show.
pub fn details(
    client: &Client,
    paths: &HubPaths,
    kind: RepoKind,
    id: &str,
    progress: &dyn Progress<DetailEvent>,
) -> Result<(), Error> {
    progress.check()?;
    check_repo_id(id)?;
    let query =
        expand(kind).into_iter().map(|(key, value)| format!("{key}={}", encode(&value, false)));
    let query = query.collect::<Vec<_>>().join("&");
    let (row, _): (Value, _) = client.api(&format!("/api/{}/{id}?{query}", kind.plural()), id)?;
    let row = found(row, kind).ok_or_else(|| Error::NotTheHub {
        host: client.host(),
        got: "a nameless row".to_owned(),
    })?;
    // The id as the Hub spells it: it follows renamed repositories.
    let id = row.id.clone();
    let base = row.base_model.clone();
    progress.emit(DetailEvent::Row(Box::new(row)));
    progress.check()?;
    let listing = client.list_of(kind, &id, "main")?;
    let snapshot = RepoFolder::of(&paths.cache, kind, &id).snapshot(&listing.commit);
    let is_here = |path: &&str| snapshot.join(path).exists();
    let names = listing.files.iter().map(|file| file.path.as_str());
    let here = names.filter(is_here).map(str::to_owned).collect();
    let disk_free = space::free_bytes(&paths.cache);
    let commit = listing.commit.clone();
    let has = |name: &str| listing.files.iter().any(|file| file.path == name);
    let (has_config, has_card) = (has("config.json"), has("README.md"));
    progress.emit(DetailEvent::Files { listing, snapshot, here, disk_free });
    let text = |repo: &str, commit: &str, path: &str, most: usize| -> Result<String, Error> {
        progress.check()?;
        let revision = Revision { kind, repo, commit };
        read_text(&mut client.open(revision, path, None)?, most, progress)
    };
    // A repository of GGUF files has no configuration of its own: it is its base model's.
    let config_at = match (has_config, &base) {
        (true, _) => Some((id.as_str(), commit.as_str())),
        (false, Some(base)) => Some((base.as_str(), "main")),
        (false, None) => None,
    };
    if let Some((repo, commit)) = config_at.filter(|_| kind == RepoKind::Model) {
        match text(repo, commit, "config.json", MOST_CONFIG_BYTES) {
            Ok(config) => {
                // A configuration that is no JSON is found out, and said, when it is loaded.
                if let Ok(config) = serde_json::from_str(&config) {
                    progress.emit(DetailEvent::Config(config));
                }
            }
            Err(error @ Error::Cancelled(_)) => return Err(error),
            Err(error) => log::info!("config.json of {repo}: {}", one_line(&error)),
        }
    }
    let card = if has_card {
        match text(&id, &commit, "README.md", 4 * card::MOST_BYTES) {
            Err(error @ Error::Cancelled(_)) => return Err(error),
            result => result.map(|readme| card::clean(&readme)).map_err(|err| one_line(&err)),
        }
    } else {
        Err("It has no card (README.md)".to_owned())
    };
    progress.emit(DetailEvent::Card(card));
    Ok(())
}
