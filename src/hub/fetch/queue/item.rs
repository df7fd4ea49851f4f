//! What a queue shows: its items, how far each is, and what would help one that failed. Plain
//! data: a view draws it, and the disk keeps part of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::hub::fetch::order::Order;
use crate::hub::protocol::repository::RemoteFile;

/// Names an item for as long as it is in the queue. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub u64);

/// One model or data set in the queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub id: ItemId,
    pub order: Order,
    pub state: ItemState,

    /// 40 hexadecimal digits, once the Hub has said what the revision points to.
    pub commit: Option<String>,

    /// Empty until the Hub has said what there is.
    pub files: Vec<ItemFile>,

    /// Over the last seconds; 0 while nothing comes.
    pub bytes_per_sec: f64,
}

/// What an item is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemState {
    /// Until those above it are done.
    Waiting,

    /// The Hub is being asked what there is, and the disk whether it fits.
    Asking,
    Fetching,

    /// The network is away: tried again by itself after so many seconds.
    WaitingForNetwork {
        reason: String,
        secs: u64,
    },

    /// By the person. What came is kept.
    Paused,

    /// Whole and verified. `folder`: the snapshot in the cache.
    Done {
        folder: PathBuf,
    },

    /// What came is kept, and `QueueCommand::Retry` goes on from there.
    Failed(Failure),
}

/// Why an item stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One line: what happened and why.
    pub reason: String,
    pub help: Help,
}

/// What would help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Help {
    /// Nothing but another try: the server or the network was at fault.
    TryAgain,

    /// The model's conditions have to be accepted on this page, by the account of the token, or
    /// there is no token yet.
    Access { page: String, has_token: bool },

    /// Room has to be made on the disk of `folder`. Bytes.
    Room { folder: PathBuf, needed: u64, free: u64 },

    /// Offline mode has to be left.
    GoOnline,

    /// Trying again would end the same.
    None,
}

/// A file of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemFile {
    /// Its path, its size in bytes, its hash.
    pub remote: RemoteFile,

    /// Bytes that are on this disk.
    pub done: u64,
    pub state: FileState,
}

/// What a file of an item is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum FileState {
    Waiting,

    /// Another program (Python's, or a second copy of this one) is fetching this file: its
    /// result is used.
    Elsewhere,
    Fetching,

    /// The server or the connection failed: tried again after so many seconds.
    Retrying {
        reason: String,
        secs: f64,
    },

    /// The hash is checked.
    Verifying,
    Done,
}

impl Item {
    /// Bytes on this disk, over all files.
    pub fn done_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.done))
    }

    /// Bytes in all; `None` until the Hub has said.
    pub fn total_bytes(&self) -> Option<u64> {
        let sum = self.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.remote.size));
        (!self.files.is_empty()).then_some(sum)
    }

    /// From 0 to 1.
    pub fn fraction(&self) -> Option<f32> {
        let total = self.total_bytes().filter(|total| *total > 0)?;
        Some((self.done_bytes() as f64 / total as f64).clamp(0.0, 1.0) as f32)
    }

    pub fn secs_left(&self) -> Option<f64> {
        let left = self.total_bytes()?.saturating_sub(self.done_bytes());
        (self.bytes_per_sec > 0.0).then(|| left as f64 / self.bytes_per_sec)
    }

    /// Whether it is neither done, nor failed, nor paused.
    pub fn is_active(&self) -> bool {
        use ItemState::{Asking, Fetching, Waiting, WaitingForNetwork};
        matches!(self.state, Waiting | Asking | Fetching | WaitingForNetwork { .. })
    }
}

/// All that is being downloaded, for one line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Items that are neither done, nor failed, nor paused.
    pub active_count: usize,
    pub done_bytes: u64,

    /// Of those items whose size is known.
    pub total_bytes: u64,
    pub bytes_per_sec: f64,
}

impl Totals {
    pub fn of(items: &[Item]) -> Self {
        items.iter().filter(|item| item.is_active()).fold(Self::default(), |sum, item| Self {
            active_count: sum.active_count + 1,
            done_bytes: sum.done_bytes.saturating_add(item.done_bytes()),
            total_bytes: sum.total_bytes.saturating_add(item.total_bytes().unwrap_or(0)),
            bytes_per_sec: sum.bytes_per_sec + item.bytes_per_sec,
        })
    }

    pub fn secs_left(&self) -> Option<f64> {
        let left = self.total_bytes.saturating_sub(self.done_bytes);
        (self.bytes_per_sec > 0.0).then(|| left as f64 / self.bytes_per_sec)
    }
}
