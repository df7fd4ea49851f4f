//! Writes a view of Look inside as files: a picture for a slide, its numbers as a table.

use std::io;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::figure::exported::Exported;
use crate::app::figure::views;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::files;
use crate::jobs::Progress;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ExportView;

/// What is written, and where.
pub struct ViewToExport {
    pub exported: Exported,
    pub title: String,
    pub folder: PathBuf,
}

impl Work for ExportView {
    type Request = ViewToExport;
    type Event = ();
    type Output = PathBuf;
    type Error = io::Error;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("The export") };

    fn run(
        ViewToExport { exported, title, folder }: ViewToExport,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> io::Result<PathBuf> {
        views::export(&exported, &title, &folder).map_err(|err| files::not_written(&folder, &err))
    }
}

impl Task<Workbench> for ExportView {
    fn done(self, folder: PathBuf, app: &mut Workbench) {
        let summary = "The view's numbers (CSV) and its picture (SVG, PNG) are in the project";
        let notice = Notice::info(PanelId::LookInside, summary);
        app.state.notices.push(notice.remedy("Show the folder", WindowCommand::Reveal(folder)));
    }

    fn failed(self, error: io::Error, app: &mut Workbench) {
        let summary = "The view could not be exported";
        app.state.notices.push(
            Notice::error(PanelId::LookInside, summary, &error)
                .hint("Is the disk full, or the project's folder read-only?"),
        );
    }

    fn panel(&self) -> PanelId {
        PanelId::LookInside
    }
}
