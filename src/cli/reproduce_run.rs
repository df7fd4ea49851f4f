//! `tuning-fork reproduce` of a training run: it is trained again from its own run file.

use std::path::Path;

use anyhow::bail;

use super::out;
use super::rows::TableArgs;
use super::train;
use super::train::TrainArgs;
use crate::train::record::again::Again;
use crate::train::record::{CONFIG_FILE, RECORD_FILE};

/// Whether a folder is that of a run.
pub(super) fn is_run(folder: &Path) -> bool {
    folder.join(RECORD_FILE).is_file() && folder.join(CONFIG_FILE).is_file()
}

/// Trains again into a folder of its own, from where an earlier call was stopped, and says what differs.
pub(super) fn run(folder: &Path, again: &Path, json: bool) -> anyhow::Result<()> {
    if again == folder {
        bail!("{} is the run itself: choose another folder with --out", folder.display());
    }
    let resume = again.join(RECORD_FILE).is_file();
    let (run, table) = (folder.join(CONFIG_FILE), TableArgs { columns: Vec::new() });
    let (out, dry_run) = (Some(again.to_owned()), false);
    train::run(&TrainArgs { run, out, resume, dry_run, table, json })?;
    let found = Again::of(folder, again)?;
    if json { out::json(&found) } else { out::line(&found.words()) }
}
