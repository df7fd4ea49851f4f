//! Writes codes, the codebook, or a package of a study.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::host::StudyFile;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::OnClosing;
use crate::app::work::{Rules, Work};
use crate::files;
use crate::jobs::Progress;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::study::design::StudyError;
use crate::study::folder::Folder;
use crate::study::forms::export::{files_of, lost};
use crate::study::log::Use;
use crate::study::package;

pub struct ExportStudy {
    pub path: PathBuf,
}

/// What is written of which study, and where to.
pub struct StudyToExport {
    pub study: PathBuf,
    pub file: StudyFile,
    pub coder: String,
    pub path: PathBuf,
}

impl Work for ExportStudy {
    type Request = StudyToExport;
    type Event = ();

    /// What the form has no place for, in sentences.
    type Output = Vec<String>;
    type Error = StudyError;

    const RULES: Rules =
        Rules { on_closing: OnClosing::Wait, ..Rules::short("Exporting the study") };

    fn run(
        request: StudyToExport,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Vec<String>, StudyError> {
        let StudyToExport { study, file, coder, path } = request;
        let folder = Folder::open(&study, Use::Read)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lost = match file {
            StudyFile::Export(form) => lost(&folder, form),
            StudyFile::Package | StudyFile::Codes => Vec::new(),
        };
        let written = match file {
            StudyFile::Package => vec![(None, package::for_colleague(&folder))],
            StudyFile::Codes => vec![(None, package::with_codes(&folder, &[coder])?)],
            StudyFile::Export(form) => files_of(&folder, form, &name)?,
        };
        for (ending, bytes) in written {
            let path = match ending {
                None => path.clone(),
                Some(ending) => path.with_extension(ending),
            };
            files::write_atomic(&path, &bytes)
                .map_err(|source| StudyError::Write { path, source })?;
        }
        Ok(lost)
    }
}

impl Task<Workbench> for ExportStudy {
    fn done(self, lost: Vec<String>, app: &mut Workbench) {
        let summary = format!("Written to {}", self.path.display());
        let mut notice = Notice::info(PanelId::Annotate, summary);
        if !lost.is_empty() {
            notice = notice.hint(format!("Not all of it fits into this form. {}", lost.join(". ")));
        }
        let notice = notice.remedy("Show the file", WindowCommand::Reveal(self.path));
        app.state.notices.push(notice);
    }

    fn failed(self, error: StudyError, app: &mut Workbench) {
        app.state.notices.push(Notice::error(PanelId::Annotate, "Nothing was exported", &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}
