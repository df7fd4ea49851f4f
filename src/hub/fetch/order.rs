//! What a person asks for: a repository, a revision, and which of its files.

use serde::{Deserialize, Serialize};

use crate::hub::protocol::repository::RepoKind;

/// What a person asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub kind: RepoKind,

    /// `owner/name`.
    pub repo: String,

    /// A branch, a tag or a commit.
    pub revision: String,
    pub files: FileChoice,
}

impl Order {
    /// What this program needs of a model's `main`.
    pub fn model(repo: &str) -> Self {
        Self {
            kind: RepoKind::Model,
            repo: repo.to_owned(),
            revision: "main".to_owned(),
            files: FileChoice::Needed,
        }
    }

    /// The data files of a data set's `main`.
    pub fn dataset(repo: &str) -> Self {
        Self { kind: RepoKind::Dataset, ..Self::model(repo) }
    }

    /// The same with these files and no others.
    #[must_use]
    pub fn with_files(self, paths: Vec<String>) -> Self {
        Self { files: FileChoice::Named(paths), ..self }
    }
}

/// Which files of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChoice {
    /// Of a model what [`crate::hub::fetch::needed::files_needed`] says; of a data set its JSON Lines, CSV
    /// and Parquet files.
    Needed,

    /// These paths. One that the repository does not have is an error.
    Named(Vec<String>),

    /// Every file that one of these patterns fits: `*` is any text, `?` any one character.
    Matching(Vec<String>),
}
