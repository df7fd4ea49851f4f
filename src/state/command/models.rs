//! What the Models panel is asked for: models on this disk, and on the Hub.

use std::path::PathBuf;

use crate::hub::fetch::queue::{Order, QueueCommand};
use crate::hub::protocol::repository::RepoKind;
use crate::llm::card::ModelSource;
use crate::llm::config::CacheNumbers;

#[derive(Clone, Debug, PartialEq)]
pub enum ModelsCommand {
    /// Looks for models on the disk again.
    Refresh,
    FetchStarter,
    StopFetch,
    ChooseFile,
    ChooseFolder,
    Load(ModelSource),
    Unload,

    /// What the cache of answers keeps, from the next load on.
    KeepAnswersAs(Option<CacheNumbers>),

    /// Lets other programs ask the model in memory.
    Serve,
    StopServing,

    /// Asks the server in the card what it can.
    ProbeServer,
    StopProbing,

    /// The model that was found there takes the place of the one in memory.
    UseServer,

    /// Deletes it from the disk. The panel has asked before.
    Remove(PathBuf),

    /// Hashes its files again.
    Verify(PathBuf),
    StopVerifying,

    /// Asks the Hub whether there is a newer version of any model here.
    CheckUpdates,

    /// Asks what is in the fields; the answers before are dropped.
    Search,
    SearchMore,

    /// Files, configuration and card of a repository.
    ShowDetails(RepoKind, String),
    CloseDetails,
    Download(Order),
    Queue(QueueCommand),

    /// The Hub's page of a repository, in the browser.
    OpenHubPage(RepoKind, String),
    SaveHubSettings,

    /// The token in the form becomes the one that is used, and is kept.
    SaveToken,
    DeleteToken,
}
