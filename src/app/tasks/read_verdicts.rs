//! Reads the verdicts of a project that is being opened, where they are many.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::project::Project;
use crate::data::scan::Scanning;
use crate::data::store::{Holding, PairStore, Recovered, StoreError};
use crate::jobs::Progress;
use crate::state::command::{Command, ProjectCommand};
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::words::bytes;

/// Until they are read, the project before stays open, and nothing is judged in it.
pub struct ReadVerdicts {
    pub project: Project,
    pub at: Scanning,
}

impl Work for ReadVerdicts {
    /// The file, and what the window keeps other windows from already.
    type Request = (PathBuf, Holding);
    type Event = Scanning;
    type Output = (PairStore, Recovered);
    type Error = StoreError;

    const RULES: Rules = Rules { takes_processor: true, ..Rules::short("Opening the project") };

    fn run(
        (path, before): (PathBuf, Holding),
        _services: &Services,
        progress: &dyn Progress<Scanning>,
    ) -> Result<(PairStore, Recovered), StoreError> {
        PairStore::open_to_write(&path, &before, progress)
    }
}

impl Task<Workbench> for ReadVerdicts {
    fn on_event(&mut self, event: Scanning, _app: &mut Workbench) {
        self.at = event;
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.annotate.is_reading = false;
    }

    fn done(self, (store, recovered): (PairStore, Recovered), app: &mut Workbench) {
        app.use_project(self.project, store, &recovered);
        app.open_waiting();
    }

    fn failed(self, error: StoreError, app: &mut Workbench) {
        app.tell_unread(&error);
        app.open_waiting();
    }

    fn crashed(self, _message: &str, app: &mut Workbench) {
        app.open_waiting();
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        let Scanning { done, total } = self.at;
        let name = &self.project.settings.name;
        let read = match total {
            0 => String::new(),
            _ => format!(": {} of {}", bytes(done), bytes(total)),
        };
        Some(Activity {
            fraction: (total > 0).then(|| done as f32 / total as f32),
            stop: Some(Command::Project(ProjectCommand::StopOpening)),
            ..Activity::new("Opening the project", format!("{name} · its verdicts{read}"))
        })
    }
}
