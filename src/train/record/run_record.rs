//! `run.json`: where a run comes from and how it stands, beside its adapter.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::folder::RECORD_FILE;
use super::landmarks::Landmarks;
use super::metrics::Best;
use super::sources::SourceRows;
use crate::files;
use crate::llm::card::ModelIdentity;
use crate::train::error::Error;

/// How a run stands, as its own process wrote it. `Running` with nobody holding the lock: it was
/// interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Running,
    Finished,

    /// Somebody pressed Stop.
    Stopped,
    Failed,
}

/// Everything that is needed to say later what was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub status: RunStatus,

    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// The best evaluation so far; its adapter is in a folder of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,

    /// Steps whose adapter is on the disk.
    pub steps_done: usize,
    pub steps_planned: usize,
    pub program_version: String,
    pub model: ModelIdentity,

    /// Where the data was read from; a copy is in `data.jsonl`.
    pub data: PathBuf,
    pub data_sha256: String,
    pub train_rows: usize,
    pub held_out_rows: usize,

    /// Of several files: what is taken of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceRows>,

    /// Of pretraining.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<Landmarks>,

    /// RFC 3339, UTC.
    pub started: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
}

impl RunRecord {
    pub fn read(run_dir: &Path) -> Result<Self, Error> {
        let path = run_dir.join(RECORD_FILE);
        let bytes =
            std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        serde_json::from_slice(&bytes)
            .map_err(|err| Error::Read { path, source: std::io::Error::other(err) })
    }

    pub fn write(&self, run_dir: &Path) -> Result<(), Error> {
        let path = run_dir.join(RECORD_FILE);
        let mut text = serde_json::to_string_pretty(self).expect("a record has only plain values");
        text.push('\n');
        files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
    }
}

/// The time now as [`RunRecord`] spells it.
pub fn timestamp(now: OffsetDateTime) -> String {
    now.format(&Rfc3339).expect("a time of this century has an RFC 3339 spelling")
}
