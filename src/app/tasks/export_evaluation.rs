//! Writes the table of an evaluation with the answers beside it, in any format.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::data::sheet;
use crate::data::sheet::form::{SheetError, SheetForm};
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::results::folder::{Folder, FolderError};
use crate::evaluate::results::table;
use crate::files;
use crate::jobs::Progress;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ExportEvaluation;

/// Which table, and as what.
pub struct TableToExport {
    pub prepared: Arc<Prepared>,

    /// Where the answers are kept.
    pub folder: PathBuf,
    pub path: PathBuf,
    pub form: SheetForm,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error(transparent)]
    Sheet(#[from] SheetError),

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Work for ExportEvaluation {
    type Request = TableToExport;
    type Event = ();
    type Output = PathBuf;
    type Error = ExportError;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("The export") };

    fn run(
        TableToExport { prepared, folder, path, form }: TableToExport,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<PathBuf, ExportError> {
        let (evaluation, answered) = Folder::read(&folder)?;
        let sheet = table::typed((&prepared.questions, &evaluation.coders), &answered);
        let bytes = sheet::bytes(&sheet, form)?;
        match files::write_atomic(&path, &bytes) {
            Ok(()) => Ok(path),
            Err(source) => Err(ExportError::Write { path, source }),
        }
    }
}

impl Task<Workbench> for ExportEvaluation {
    fn done(self, path: PathBuf, app: &mut Workbench) {
        let summary = format!("The table with the answers is in {}", path.display());
        let notice = Notice::info(PanelId::Evaluate, summary);
        app.state.notices.push(notice.remedy("Show the file", WindowCommand::Reveal(path)));
    }

    fn failed(self, error: ExportError, app: &mut Workbench) {
        let summary = "The table could not be saved";
        app.state.notices.push(Notice::error(PanelId::Evaluate, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}
