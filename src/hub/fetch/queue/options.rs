//! How a queue works.

use crate::hub::fetch::download::Patience;
use crate::hub::paths::HubPaths;
use crate::hub::protocol::client::Client;

/// How a queue works.
#[derive(Clone)]
pub struct QueueOptions {
    pub paths: HubPaths,
    pub client: Client,
    pub patience: Patience,
    pub items_at_once: usize,

    /// Of each item.
    pub files_at_once: usize,

    /// How often an item waits for the network to come back before it fails.
    pub network_rounds: u32,
}

impl QueueOptions {
    /// Two models of three files each; a network may be away for the length of a train ride.
    pub fn new(paths: HubPaths, client: Client) -> Self {
        let patience = Patience::default();
        Self { paths, client, patience, items_at_once: 2, files_at_once: 3, network_rounds: 100 }
    }
}

/// When `Queue::serve` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When its job is cancelled: for a window.
    Stopped,

    /// When nothing is left that could go on by itself: for a command line.
    Idle,
}
