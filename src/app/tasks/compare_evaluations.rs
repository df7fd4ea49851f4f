//! What one evaluation has over another of the same rows, with paired intervals: `comparison.md` in its folder.

use std::io;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::evaluate::measures::compare::Comparison;
use crate::evaluate::results::folder::{Folder, FolderError};
use crate::files;
use crate::jobs::Progress;
use crate::state::evaluate::ComparisonPage;
use crate::state::evaluate::form::file_name;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

/// The comparison's name in the folder of the first evaluation.
pub const COMPARISON: &str = "comparison.md";

/// By the folder of the first, whose report is open.
pub struct CompareEvaluations {
    pub folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error("{0}")]
    Unlike(String),

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Work for CompareEvaluations {
    /// The folders of both.
    type Request = (PathBuf, PathBuf);
    type Event = ();
    type Output = ComparisonPage;
    type Error = CompareError;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("The comparison") };

    fn run(
        (folder, other): (PathBuf, PathBuf),
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<ComparisonPage, CompareError> {
        let (first, second) = (Folder::read(&folder)?, Folder::read(&other)?);
        let with = match second.0.task.name.as_str() {
            "" => file_name(&other),
            name => format!("“{name}” ({})", second.0.model.name),
        };
        let found = Comparison::of(&first, &second).map_err(CompareError::Unlike)?;
        let markdown = found.markdown();
        let path = folder.join(COMPARISON);
        files::write_atomic(&path, markdown.as_bytes())
            .map_err(|source| CompareError::Write { path, source })?;
        Ok(ComparisonPage { with, markdown, is_behind: false })
    }
}

impl Task<Workbench> for CompareEvaluations {
    fn done(self, page: ComparisonPage, app: &mut Workbench) {
        // Meanwhile another report may have been opened, or this one closed.
        let report = app.state.evaluate.report.as_mut();
        if let Some(report) = report.filter(|report| report.folder == self.folder) {
            report.comparison = Some(page);
        }
    }

    fn failed(self, error: CompareError, app: &mut Workbench) {
        let summary = "The two evaluations cannot be compared";
        app.state.notices.push(Notice::error(PanelId::Evaluate, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
