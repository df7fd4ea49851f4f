//! A repository on the Hub as plain data: a model or a data set, its commits, its files.

use serde::{Deserialize, Serialize};

use super::content_hash::ContentHash;

/// What a repository on the Hub holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepoKind {
    Model,
    Dataset,
}

impl RepoKind {
    pub fn of(is_dataset: bool) -> Self {
        if is_dataset { Self::Dataset } else { Self::Model }
    }

    pub(crate) const ALL: [Self; 2] = [Self::Model, Self::Dataset];

    /// What the names of its folders in the cache begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Model => "models--",
            Self::Dataset => "datasets--",
        }
    }

    /// What it is called in the API's addresses.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
        }
    }
}

/// What a revision of a repository consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct RepoListing {
    pub kind: RepoKind,
    pub repo: String,

    /// 40 hexadecimal digits: what the branch pointed to when it was asked.
    pub commit: String,
    pub files: Vec<RemoteFile>,
}

/// A file on the Hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// With forward slashes, inside the model's folder.
    pub path: String,
    pub size: u64,
    pub hash: ContentHash,
}

impl RepoListing {
    pub fn revision(&self) -> Revision<'_> {
        Revision { kind: self.kind, repo: &self.repo, commit: &self.commit }
    }
}

/// A repository at one commit: what is in it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision<'a> {
    pub kind: RepoKind,
    pub repo: &'a str,
    pub commit: &'a str,
}

pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && is_hex(text)
}

pub(crate) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
