//! Reads the table of a task and makes its rows ready to be asked about; of an evaluation of the
//! project, also the answers that are there.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::Workbench;
use crate::app::import::activity;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::codebook::Codebook;
use crate::data::samples;
use crate::data::table::{ImportError, Reading};
use crate::evaluate::asking::error::AskError;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::{Folder, FolderError};
use crate::evaluate::results::reproduce::task_of;
use crate::evaluate::rows::questions::QuestionError;
use crate::evaluate::task;
use crate::evaluate::task::TaskError;
use crate::evaluate::task::split::Part;
use crate::jobs::Progress;
use crate::state::command::{EvaluateCommand, WindowCommand};
use crate::state::evaluate::{Front, KeptIn, Preparing};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;

/// What comes after it, and how far it is.
pub struct PrepareEvaluation {
    pub then: Preparing,

    /// The folder of an evaluation of the project.
    pub folder: Option<PathBuf>,
    pub name: String,
    pub at: Reading,
}

/// Where the task comes from.
pub enum TaskSource {
    Form(Box<task::Task>, Codebook),
    File(PathBuf),

    /// The sample abstracts, put into this folder.
    Sample(PathBuf),

    /// The sample survey, put into this folder.
    SampleSurvey(PathBuf),

    /// The folder of an evaluation.
    Kept(PathBuf),

    /// The same task about the rows that were kept for the end.
    TestPart(PathBuf),
}

/// A task with its rows, and what was answered before.
pub struct PreparedEvaluation {
    pub prepared: Arc<Prepared>,
    pub begun: Option<(Box<Evaluation>, BTreeMap<u64, Answered>)>,
}

#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    #[error(transparent)]
    Task(#[from] TaskError),

    #[error(transparent)]
    Rows(#[from] AskError),

    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error("the sample could not be put into {}", path.display())]
    Sample { path: PathBuf, source: io::Error },

    #[error("{what} was changed since it was begun: {}", path.display())]
    Changed { what: &'static str, path: PathBuf },
}

impl PrepareError {
    fn is_stop(&self) -> bool {
        matches!(
            self,
            Self::Rows(AskError::Question(QuestionError::Table(ImportError::Stopped { .. })))
        )
    }
}

impl Work for PrepareEvaluation {
    type Request = TaskSource;
    type Event = Reading;
    type Output = PreparedEvaluation;
    type Error = PrepareError;

    const RULES: Rules = Rules::reading("Reading the table");

    fn run(
        source: TaskSource,
        _services: &Services,
        progress: &dyn Progress<Reading>,
    ) -> Result<PreparedEvaluation, PrepareError> {
        let is_survey = matches!(source, TaskSource::SampleSurvey(_));
        let prepared = match source {
            TaskSource::Form(task, codebook) if task.code.is_some() => {
                Prepared::read_with(&task, codebook, progress)?
            }
            TaskSource::Form(task, _) => Prepared::read(&task, progress)?,
            TaskSource::File(path) => Prepared::read(&task::Task::read(&path)?, progress)?,
            TaskSource::Sample(folder) | TaskSource::SampleSurvey(folder) => {
                let put = if is_survey { samples::put_survey } else { samples::put_abstracts };
                let put = put(&folder);
                let path = put.map_err(|source| PrepareError::Sample { path: folder, source })?;
                Prepared::read(&task::Task::read(&path)?, progress)?
            }
            TaskSource::Kept(folder) => return kept(&folder, progress),
            TaskSource::TestPart(folder) => {
                let (evaluation, _) = Folder::read(&folder)?;
                let mut task = task_of(&folder, &evaluation);
                if let Some(split) = &mut task.split {
                    split.part = Part::Test;
                }
                Prepared::read(&task, progress)?
            }
        };
        Ok(PreparedEvaluation { prepared: Arc::new(prepared), begun: None })
    }
}

fn kept(
    folder: &Path,
    progress: &dyn Progress<Reading>,
) -> Result<PreparedEvaluation, PrepareError> {
    let (evaluation, answered) = Folder::read(folder)?;
    let task = task_of(folder, &evaluation);
    let prepared = Prepared::read(&task, progress)?;
    if prepared.data_sha256 != evaluation.data_sha256 {
        return Err(PrepareError::Changed { what: "its table", path: task.data });
    }
    if prepared.codebook_sha256 != evaluation.codebook_sha256 {
        let path = task.code.map(|code| code.codebook).unwrap_or_default();
        return Err(PrepareError::Changed { what: "its codebook", path });
    }
    let begun = Some((Box::new(evaluation), answered));
    Ok(PreparedEvaluation { prepared: Arc::new(prepared), begun })
}

impl Task<Workbench> for PrepareEvaluation {
    fn on_event(&mut self, event: Reading, app: &mut Workbench) {
        self.at = event;
        app.state.evaluate.preparing = Some((self.then, event));
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.evaluate.preparing = None;
    }

    fn done(self, prepared: PreparedEvaluation, app: &mut Workbench) {
        let PreparedEvaluation { prepared, begun } = prepared;
        let evaluate = &mut app.state.evaluate;
        evaluate.set_prepared(prepared);
        if let (Some(open), Some((evaluation, answered)), Some(folder)) =
            (&mut evaluate.open, begun, self.folder)
        {
            // Those of studies among them.
            open.coders.clone_from(&evaluation.coders);
            open.answers = answered;
            open.version += 1;
            open.kept = Some(KeptIn { folder, begun: Some(evaluation) });
        }
        match self.then {
            Preparing::Try => app.ask_rows(true),
            Preparing::All => app.ask_rows(false),
            Preparing::Open | Preparing::Table => {
                app.state.evaluate.front = Front::Opened;
                app.state.evaluate.rows_in_front = true;
            }
        }
    }

    fn failed(self, error: PrepareError, app: &mut Workbench) {
        if error.is_stop() {
            return;
        }
        let notice = match (&self.folder, self.then) {
            (Some(folder), _) => {
                Notice::error(PanelId::Evaluate, "This evaluation cannot be opened", &error)
                    .hint("The answers that it has are in its folder")
                    .remedy("Show its folder", WindowCommand::Reveal(folder.clone()))
            }
            (None, Preparing::Open) => {
                Notice::error(PanelId::Evaluate, "This task cannot be used", &error)
                    .remedy("Choose another…", EvaluateCommand::ChooseTask)
            }
            (None, _) => Notice::error(PanelId::Evaluate, "The rows cannot be asked about", &error),
        };
        app.state.notices.push(notice);
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        activity(self.at, &self.name)
    }
}
