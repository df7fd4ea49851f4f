//! What comes before and after the bytes of an item: what the Hub has of it, whether it goes on
//! the disk, what is deleted when it is cancelled, and what would help when it failed.

use super::item::{Failure, Help, Item, ItemFile, ItemId, ItemState};
use super::ledger::{Discarded, Ledger, waiting};
use super::options::QueueOptions;
use crate::errors::one_line;
use crate::files;
use crate::hub::cache::folder::RepoFolder;
use crate::hub::cache::space;
use crate::hub::error::Error;
use crate::hub::fetch::download;
use crate::hub::fetch::needed;
use crate::hub::fetch::order::Order;
use crate::hub::fetch::repo;
use crate::hub::fetch::transfer;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::client::Client;
use crate::hub::protocol::repository::RemoteFile;
use crate::jobs::Progress;

/// What the Hub said about an order.
pub(crate) struct Plan {
    pub commit: String,
    pub files: Vec<ItemFile>,

    /// All that the repository has.
    pub listing: Vec<RemoteFile>,
}

/// What the Hub has of an order, whether it goes on the disk, and how much of it is there.
pub(crate) fn plan(
    options: &QueueOptions,
    order: &Order,
    commit: Option<&str>,
    reserved: u64,
    progress: &dyn Progress<()>,
) -> Result<Plan, Error> {
    let QueueOptions { client, paths, patience, .. } = options;
    let list = |revision: &str| repo::list_patiently(client, order, revision, patience, progress);
    let listing = match commit {
        // The version that was begun is finished, even if the branch has moved meanwhile.
        Some(commit) => match list(commit) {
            Err(Error::NotFound { .. }) => list(&order.revision)?,
            listing => listing?,
        },
        None => list(&order.revision)?,
    };
    let files = needed::choose(&listing, &order.files)?;
    let revision = listing.revision();
    repo::require_room(paths, revision, &files, reserved)?;
    let folder = RepoFolder::of(&paths.cache, order.kind, &order.repo);
    let with_progress = |remote: RemoteFile| {
        let done = transfer::bytes_here(paths, &folder, &listing.commit, &remote);
        ItemFile { done, ..waiting(remote) }
    };
    let files = files.into_iter().map(with_progress).collect();
    Ok(Plan { commit: listing.commit, files, listing: listing.files })
}

/// Bytes that the other items under way will still write.
pub(crate) fn reserved_beside(ledger: &Ledger, id: ItemId) -> u64 {
    let others = ledger.items().iter().filter(|item| item.id != id);
    let left = |item: &Item| item.total_bytes().unwrap_or(0).saturating_sub(item.done_bytes());
    others.filter(|item| item.state == ItemState::Fetching).map(left).fold(0, u64::saturating_add)
}

/// Deletes what came of an item that was taken out: partial files, and whole ones that no
/// snapshot uses.
pub(crate) fn discard(paths: &HubPaths, discarded: &Discarded) {
    let Discarded { order, files: unwanted, .. } = discarded;
    let folder = RepoFolder::of(&paths.cache, order.kind, &order.repo);
    for file in unwanted {
        // Somebody else is fetching the same, for this repository or another: theirs now.
        let own = paths.locks.join(format!("{}.lock", file.hash.digits()));
        let locks = (folder.try_lock(file.hash.digits()), files::lock(&own));
        if let (Ok(Some(_entry)), Ok(Some(_part))) = &locks {
            download::discard(&paths.downloads, file);
        }
    }
    folder.remove_unused_blobs(unwanted.iter().map(|file| file.hash.digits()));
}

/// Why an item stopped, and what would help.
pub(crate) fn failure_of(client: &Client, item: &Item, error: &Error) -> Failure {
    let help = match error {
        Error::NoAccess { .. } => Help::Access {
            page: client.page_of(item.order.kind, &item.order.repo),
            has_token: client.has_token(),
        },
        Error::NoRoom { folder, needed, free } => {
            Help::Room { folder: folder.clone(), needed: *needed, free: *free }
        }
        Error::Write { path, source } if source.kind() == std::io::ErrorKind::StorageFull => {
            let needed = item.total_bytes().unwrap_or(0).saturating_sub(item.done_bytes());
            let free = space::free_bytes(path).unwrap_or(0);
            Help::Room { folder: path.clone(), needed, free }
        }
        Error::Offline => Help::GoOnline,
        Error::BadId { .. }
        | Error::UnsafeName { .. }
        | Error::Clash { .. }
        | Error::NoWeights { .. }
        | Error::NoData { .. }
        | Error::NoSuchFile { .. }
        | Error::NothingFits { .. } => Help::None,
        _ => Help::TryAgain,
    };
    Failure { reason: one_line(error), help }
}
