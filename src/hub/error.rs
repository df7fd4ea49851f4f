//! What can go wrong between the Hub and this disk, each in one sentence.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::jobs::Cancelled;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Cancelled(#[from] Cancelled),

    #[error("the background thread could not be started")]
    Thread(#[source] io::Error),

    /// Our bug, not the user's mistake.
    #[error("the download crashed: {message}")]
    Crashed { message: String },

    #[error("offline mode is on (the Offline switch, or HF_HUB_OFFLINE)")]
    Offline,

    /// No connection, or one that said nothing for too long.
    #[error("{host} could not be reached")]
    Unreachable { host: String, source: Box<ureq::Error> },

    /// The connection ended before the file did.
    #[error("the connection to {host} broke after {done} of {total} bytes of {file}")]
    Cut { host: String, file: String, done: u64, total: u64, source: io::Error },

    #[error("{host} answered {status}{}", detail(message))]
    Status { host: String, status: u16, message: String, retry_after: Option<Duration> },

    #[error("{what} is not on {host}")]
    NotFound { host: String, what: String },

    /// 401 or 403: a private or gated model, or a token that is no longer good.
    #[error("{host} does not give access to {what}{}", detail(message))]
    NoAccess { host: String, what: String, message: String },

    #[error("a token is one word of letters, digits and signs, such as hf_...")]
    BadToken,

    /// A data set without a file in a format that this program reads.
    #[error("{repo} holds no data that this program reads (JSON Lines, CSV, Parquet)")]
    NoData { repo: String },

    /// A login page, a proxy's error page: anything but the Hub.
    #[error("{host} answered with something that is not the Hub's ({got})")]
    NotTheHub { host: String, got: String },

    #[error("{host} redirects without end, or to where no file can be")]
    Redirects { host: String },

    /// The host that the Hub redirects to no longer takes the address that the Hub gave.
    #[error(
        "{host} refuses the address that the Hub gave for the file ({status}). Such addresses \
         expire: check that this computer's clock is right, then try again"
    )]
    Expired { host: String, status: u16 },

    #[error("{file} has {got} bytes on the server where {expected} were announced")]
    WrongSize { file: String, expected: u64, got: u64 },

    #[error("{file} arrived damaged: its hash is {got}, expected {expected}")]
    WrongHash { file: String, expected: String, got: String },

    #[error("{file} changed on the server during the download")]
    Changed { file: String },

    /// A file that the listing names, and that is not there when it is asked for.
    #[error("the Hub lists {file}, and then says that it is not there")]
    Withdrawn { file: String },

    #[error("not enough room in {}: {} needed, {} free", folder.display(), megabytes(*needed), megabytes(*free))]
    NoRoom { folder: PathBuf, needed: u64, free: u64 },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("the listing names {name:?}, which is not a file name inside a model folder")]
    UnsafeName { name: String },

    #[error("the listing names {a:?} and {b:?}, which cannot lie beside each other on every disk")]
    Clash { a: String, b: String },

    #[error("{repo} has no file {name:?}{}", near_matches(near))]
    NoSuchFile { repo: String, name: String, near: Vec<String> },

    #[error("no file of {repo} fits {patterns}")]
    NothingFits { repo: String, patterns: String },

    #[error("{id:?} is not a model id of the form name or owner/name")]
    BadId { id: String },

    #[error("{repo} holds no weights that this program reads (safetensors)")]
    NoWeights { repo: String },

    #[error("no Python was found that has pip (tried {tried})")]
    NoPip { tried: String },

    #[error("pip: {reason}")]
    Pip { reason: String },

    #[error("the package is not what it should be: {reason}")]
    BadPackage { reason: String },

    #[error("{address:?} is not a proxy's address (http://host:port)")]
    BadProxy { address: String },

    /// Every source of the starter model failed; each with its reason.
    #[error("no source could serve the starter model: {}", sources(tried))]
    AllSourcesFailed { tried: Vec<(String, String)> },

    #[error("there is no model {name:?} on this disk{}", near_matches(near))]
    NoSuchModel { name: String, near: Vec<String> },

    #[error("{name:?} holds several models: name one of {}", choices.join(", "))]
    Ambiguous { name: String, choices: Vec<String> },

    #[error("{name:?} is in the cache, but not whole: {reason}")]
    Incomplete { name: String, reason: String },

    /// Something that was named by its path and cannot be loaded.
    #[error("{} cannot be loaded: {reason}", path.display())]
    BrokenModel { path: PathBuf, reason: String },

    #[error("there is no file or folder {}{}", path.display(), looked_from(path))]
    NoSuchPath { path: PathBuf },

    #[error(
        "there is no adapter {name:?} on this disk; a PEFT folder, a GGUF file of llama.cpp, or the name \
         of an adapter in the Hub's cache (owner/name) was expected"
    )]
    NoSuchAdapter { name: String },

    /// An adapter given as a model.
    #[error("{name:?} is an adapter{}", base_to_open(base.as_deref()))]
    NoBase { name: String, base: Option<String> },

    #[error("{} was only opened here, so it is not deleted: remove it with your file manager", path.display())]
    NotOurs { path: PathBuf },

    #[error("the system's keyring did not do as it was asked: {reason}")]
    Keyring { reason: String },

    #[error("this account has no home folder")]
    NoHome,
}

impl Error {
    /// Whether trying again in a moment may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Cut { .. } | Self::Expired { .. } => true,
            Self::Unreachable { source, .. } => !matches!(**source, ureq::Error::HostNotFound),
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// How long the server asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn detail(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn sources(tried: &[(String, String)]) -> String {
    let lines: Vec<String> =
        tried.iter().map(|(source, reason)| format!("{source} ({reason})")).collect();
    lines.join("; ")
}

/// Where a path that is not absolute was looked for.
fn looked_from(path: &Path) -> String {
    match std::env::current_dir() {
        Ok(folder) if path.is_relative() => format!(" (looked for in {})", folder.display()),
        _ => String::new(),
    }
}

fn base_to_open(base: Option<&str>) -> String {
    match base {
        Some(base) => format!(
            " for the model {base}, which is not on this disk: fetch it, or name the model with --model \
             and the adapter with --adapter"
        ),
        None => {
            ", and does not say for which model: name the model with --model and the adapter with \
                 --adapter"
                .to_owned()
        }
    }
}

fn near_matches(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) }
}

/// 1 MB is 1,000,000 bytes, as the Hub and file managers count.
fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
