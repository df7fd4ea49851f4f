//! Files of prompts and of training data that a person picked, read behind the window.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Workbench;
use super::running::take_ended;
use crate::data::import;
use crate::data::pair::Text;
use crate::data::rows::ImportError;
use crate::data::table;
use crate::files::JsonlError;
use crate::hub;
use crate::jobs::{Job, JobEnd, Progress};
use crate::state::command::Command;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::train;
use crate::train::config::Objective;
use crate::widgets::format;

pub type PromptsJob = Job<Reading, Vec<Text>, ImportError>;
pub type RowsJob = Job<Reading, TrainingFile, RowsError>;

/// Rows read so far, and in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub done: u64,
    pub total: u64,
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
    Rows(#[from] JsonlError),
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

impl Workbench {
    /// Prompts to label, from a file; nothing is taken over from a bad one.
    pub(super) fn use_prompts_file(&mut self, path: PathBuf) {
        self.state.notices.clear(PanelId::Annotate);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let job = self.engine.read_prompts(path, Arc::clone(&self.wake));
        self.running.prompts = Some((name, Reading::default(), job));
    }

    /// Counts the rows of a file before it is trained on; nothing is taken over from a bad one.
    pub(super) fn use_training_file(&mut self, path: PathBuf) {
        self.state.notices.clear(PanelId::Train);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let objective = self.state.train.form.objective;
        let job = self.engine.read_training_file(path, objective, Arc::clone(&self.wake));
        self.running.rows = Some((name, Reading::default(), job));
    }

    pub(super) fn poll_imports(&mut self) {
        self.poll_prompts();
        self.poll_rows();
    }

    fn poll_prompts(&mut self) {
        let mut name = String::new();
        let end = take_ended(&mut self.running.prompts, |(known, at, job)| {
            let end = job.poll(|event| *at = event);
            name.clone_from(known);
            end
        });
        match end {
            None | Some(JobEnd::Failed(ImportError::Stopped { .. })) => {}
            Some(JobEnd::Done(prompts)) => self.state.annotate.set_prompts(&name, prompts),
            Some(JobEnd::Failed(err)) => self.state.notices.push(
                Notice::error(PanelId::Annotate, "These prompts cannot be used", &err)
                    .remedy("Choose another…", Command::ChoosePrompts),
            ),
            Some(JobEnd::Crashed(message)) => {
                self.crashed(PanelId::Annotate, "Reading the prompts", message);
            }
        }
    }

    fn poll_rows(&mut self) {
        let end = take_ended(&mut self.running.rows, |(_, at, job)| job.poll(|event| *at = event));
        match end {
            None | Some(JobEnd::Failed(RowsError::Table(ImportError::Stopped { .. }))) => {}
            Some(JobEnd::Done(TrainingFile { path, rows })) => {
                self.state.train.use_file(path, rows);
            }
            Some(JobEnd::Failed(err)) => self.state.notices.push(
                Notice::error(PanelId::Train, "This file cannot be trained on", &err)
                    .remedy("Choose another…", Command::ChooseTrainingData),
            ),
            Some(JobEnd::Crashed(message)) => {
                self.crashed(PanelId::Train, "Reading the training data", message);
            }
        }
    }

    /// The lines of the bottom bar, while large files are read.
    pub(super) fn reading(&self) -> impl Iterator<Item = Activity> + use<> {
        let prompts = self.running.prompts.as_ref().map(|(name, at, _)| (name.clone(), *at));
        let rows = self.running.rows.as_ref().map(|(name, at, _)| (name.clone(), *at));
        prompts.into_iter().chain(rows).filter(|(_, at)| at.total > 0).map(|(name, at)| {
            let Reading { done, total } = at;
            let (count, all) = (format::count(done as usize), format::count(total as usize));
            Activity {
                what: "Reading".to_owned(),
                detail: format!("{count} of {all} rows · {name}"),
                fraction: Some(done as f32 / total as f32),
                stop: Some(Command::StopReading),
            }
        })
    }
}
