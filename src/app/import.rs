//! Files of prompts and of training data that a person picked.

use std::path::{Path, PathBuf};

use crate::data::import;
use crate::data::pair::Text;
use crate::data::rows::ImportError;
use crate::data::table;
use crate::hub;
use crate::jobs::Progress;
use crate::state::command::{Command, WindowCommand};
use crate::state::slots::Activity;
use crate::train;
use crate::train::config::Objective;
use crate::widgets::format;

/// Rows read so far, and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub done: u64,
    pub total: u64,
}

impl Reading {
    /// The line of the bottom bar, while a large file is read.
    pub(super) fn activity(self, name: &str) -> Option<Activity> {
        let Self { done, total } = self;
        let (count, all) = (format::count(done as usize), format::count(total as usize));
        (total > 0).then(|| Activity {
            fraction: Some(done as f32 / total as f32),
            stop: Some(Command::Window(WindowCommand::StopReading)),
            ..Activity::new("Reading", format!("{count} of {all} rows · {name}"))
        })
    }
}

/// A file that a run can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingFile {
    pub path: PathBuf,
    pub rows: usize,
}

/// Why a file cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error(transparent)]
    Table(#[from] ImportError),
    #[error(transparent)]
    Rows(#[from] train::rows::RowsError),
    #[error(transparent)]
    Home(#[from] hub::Error),
}

/// Prompts to label.
pub fn read_prompts(
    path: &Path,
    progress: &dyn Progress<Reading>,
) -> Result<Vec<Text>, ImportError> {
    import::prompts_watched(path, &mut |done, total| tell(progress, done, total))
}

/// Checks every row. A table becomes a file of JSON Lines in `tables` first.
pub fn read_training_file(
    path: &Path,
    objective: Objective,
    tables: &Path,
    progress: &dyn Progress<Reading>,
) -> Result<TrainingFile, RowsError> {
    let mut watch = |done, total| tell(progress, done, total);
    let path = table::as_json_lines(path, tables, &mut watch)?;
    let rows = train::rows::read(&path, objective)?.rows.len();
    Ok(TrainingFile { path, rows })
}

fn tell(progress: &dyn Progress<Reading>, done: u64, total: u64) -> bool {
    progress.emit(Reading { done, total });
    progress.check().is_ok()
}
