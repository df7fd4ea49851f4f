//! Deletes a run from the project.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::train;
use crate::train::record::runs;

pub struct DeleteRun {
    pub id: String,
}

impl Work for DeleteRun {
    /// The project's folder, and the run's id.
    type Request = (PathBuf, String);
    type Event = ();
    type Output = ();
    type Error = train::Error;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("Deleting the run") };

    fn run(
        (project, id): (PathBuf, String),
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<(), train::Error> {
        runs::delete(&project, &id)
    }
}

impl Task<Workbench> for DeleteRun {
    fn ended(&mut self, app: &mut Workbench) {
        app.list_runs();
    }

    fn done(self, (): (), _app: &mut Workbench) {}

    fn failed(self, error: train::Error, app: &mut Workbench) {
        let summary = format!("Run {} could not be deleted", self.id);
        app.state.notices.push(Notice::error(PanelId::Train, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
