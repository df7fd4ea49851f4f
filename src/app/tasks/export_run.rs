//! Writes a run's numbers and curves as files into its folder.

use std::io;
use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::figure::curves;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::files;
use crate::jobs::Progress;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::train::config::Objective;
use crate::train::record::history::History;

pub struct ExportRun;

/// Which run, and what it is called.
pub struct RunToExport {
    pub id: String,
    pub folder: PathBuf,
    pub objective: Objective,
    pub title: String,
}

impl Work for ExportRun {
    type Request = RunToExport;
    type Event = ();
    type Output = PathBuf;
    type Error = io::Error;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("The export") };

    fn run(
        RunToExport { folder, objective, title, .. }: RunToExport,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> io::Result<PathBuf> {
        let history = History::read(&folder);
        let to = folder.join("export");
        curves::export(&history, objective, &title, &to)
            .map_err(|err| files::not_written(&to, &err))
    }
}

impl Task<Workbench> for ExportRun {
    fn done(self, folder: PathBuf, app: &mut Workbench) {
        let summary = "The run's numbers (CSV) and curves (SVG, PNG) are in its folder";
        let notice = Notice::info(PanelId::Train, summary);
        app.state.notices.push(notice.remedy("Show the folder", WindowCommand::Reveal(folder)));
    }

    fn failed(self, error: io::Error, app: &mut Workbench) {
        app.state.notices.push(
            Notice::error(PanelId::Train, "The run could not be exported", &error)
                .hint("Is the disk full, or the project's folder read-only?"),
        );
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
