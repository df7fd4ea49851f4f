//! Says how far the answers of an evaluation can be trusted: a report in its folder, and a paragraph
//! for a methods section to paste.

use std::io;
use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::evaluate::methods;
use crate::evaluate::report::Report;
use crate::evaluate::results::{Folder, FolderError};
use crate::files;
use crate::jobs::Progress;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

/// The report's name in the folder of the evaluation.
pub const REPORT: &str = "report.md";

/// By the evaluation's folder.
pub struct ReportEvaluation {
    pub folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Work for ReportEvaluation {
    type Request = PathBuf;
    type Event = ();

    /// The paragraph for a methods section.
    type Output = String;
    type Error = ReportError;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("The report") };

    fn run(
        folder: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<String, ReportError> {
        write(&folder)
    }
}

fn write(folder: &Path) -> Result<String, ReportError> {
    let (evaluation, answered) = Folder::read(folder)?;
    let report = Report::of(&evaluation, &answered);
    let path = folder.join(REPORT);
    files::write_atomic(&path, methods::markdown(&evaluation, &report).as_bytes())
        .map_err(|source| ReportError::Write { path, source })?;
    Ok(methods::paragraph(&evaluation, &report))
}

impl Task<Workbench> for ReportEvaluation {
    fn done(self, paragraph: String, app: &mut Workbench) {
        let summary = format!("The report is written: {}", self.folder.join(REPORT).display());
        let notice = Notice::info(PanelId::Evaluate, summary)
            .hint("Agreement with people, calibration, what the order changes, and how it was done")
            .remedy("Copy the methods paragraph", WindowCommand::CopyText(paragraph));
        app.state.notices.push(notice);
    }

    fn failed(self, error: ReportError, app: &mut Workbench) {
        let notice = Notice::error(PanelId::Evaluate, "There is no report", &error);
        app.state.notices.push(notice);
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
