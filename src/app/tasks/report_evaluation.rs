//! Says how far the answers of an evaluation can be trusted: a report in its folder, and a paragraph
//! for a methods section to paste.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::evaluate::report::Report;
use crate::evaluate::report::documents;
use crate::evaluate::report::page::{Page, PageError};
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::{Folder, FolderError};
use crate::evaluate::results::people;
use crate::evaluate::results::people::{PeopleError, Taken};
use crate::evaluate::task::code::USUAL_THRESHOLD;
use crate::files;
use crate::jobs::{Checks, Progress};
use crate::state::evaluate::{OpenEvaluation, ReportPage, SurveyPage};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

/// The report's name in the folder of the evaluation; there it is as docx and LaTeX too.
pub const REPORT: &str = "report.md";

/// By the evaluation's folder.
pub struct ReportEvaluation {
    pub folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error(transparent)]
    Page(#[from] PageError),

    #[error(transparent)]
    People(#[from] PeopleError),

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The labels of a study, and the evaluation with them.
pub struct TakenOver {
    taken: Taken,
    coders: Vec<String>,
    answers: BTreeMap<u64, Answered>,
}

impl Work for ReportEvaluation {
    /// Its folder, and a study whose labels by people are taken over first.
    type Request = (PathBuf, Option<PathBuf>);
    type Event = ();

    type Output = (ReportPage, Option<TakenOver>);
    type Error = ReportError;

    const RULES: Rules = Rules { stops_with_all: false, ..Rules::short("The report") };

    fn run(
        (folder, study): (PathBuf, Option<PathBuf>),
        _services: &Services,
        progress: &dyn Progress<()>,
    ) -> Result<(ReportPage, Option<TakenOver>), ReportError> {
        let Some(study) = study else { return Ok((write(&folder)?, None)) };
        let taken = people::take(&folder, &study, &Checks(progress))?;
        let (Evaluation { coders, .. }, answers) = Folder::read(&folder)?;
        Ok((write(&folder)?, Some(TakenOver { taken, coders, answers })))
    }
}

fn write(folder: &Path) -> Result<ReportPage, ReportError> {
    let (evaluation, answered) = Folder::read(folder)?;
    let report = Report::of(&evaluation, &answered);
    let Page { markdown, paragraph, .. } = Page::of(folder, &evaluation, &report)?;
    for (name, bytes) in [
        (REPORT, markdown.clone().into_bytes()),
        ("report.docx", documents::docx(&markdown)),
        ("report.tex", documents::latex(&markdown).into_bytes()),
    ] {
        let path = folder.join(name);
        files::write_atomic(&path, &bytes).map_err(|source| ReportError::Write { path, source })?;
    }
    let asks_each = evaluation.several && !answered.values().any(|row| row.approximate);
    let threshold = evaluation.task.threshold().unwrap_or(USUAL_THRESHOLD);
    let threshold = asks_each.then_some(threshold);
    let testable = evaluation.task.code.is_some().then_some(evaluation.model);
    let survey = report.survey.map(SurveyPage::new);
    let (folder, comparison) = (folder.to_owned(), None);
    Ok(ReportPage { folder, markdown, paragraph, testable, threshold, survey, comparison })
}

impl Task<Workbench> for ReportEvaluation {
    fn done(self, (page, taken): (ReportPage, Option<TakenOver>), app: &mut Workbench) {
        // The report says what there is to say, above it is how it is copied and where its files are.
        app.state.evaluate.report = Some(page);
        let Some(TakenOver { taken, coders, answers }) = taken else { return };
        let open = app.state.evaluate.open.as_mut();
        let is_shown = |open: &&mut OpenEvaluation| {
            open.kept.as_ref().is_some_and(|kept| kept.folder == self.folder)
        };
        if let Some(open) = open.filter(is_shown) {
            (open.coders, open.answers) = (coders, answers);
            open.version += 1;
        }
        app.state.notices.push(Notice::info(PanelId::Evaluate, taken.sentence()));
    }

    fn failed(self, error: ReportError, app: &mut Workbench) {
        let notice = Notice::error(PanelId::Evaluate, "There is no report", &error);
        app.state.notices.push(notice);
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
