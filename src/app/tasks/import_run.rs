//! Imports results of another engine as a run of the project.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::elsewhere::{self, ImportOrder, Imported};
use crate::hub::resolve::resolve_model;
use crate::jobs::Progress;
use crate::state::command::{Command, TrainCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::state::train::LeftTab;
use crate::train::record::metrics::TrainEvent;

/// How far it is.
#[derive(Default)]
pub struct ImportRun {
    /// The bundle of a run elsewhere, which leaves the list once its results are here.
    bundle: Option<PathBuf>,
    what: String,
    done: usize,
    total: usize,
}

impl ImportRun {
    /// `bundle`: of a run elsewhere.
    pub fn of(bundle: Option<PathBuf>) -> Self {
        Self { bundle, ..Self::default() }
    }
}

impl Work for ImportRun {
    type Request = ImportOrder;
    type Event = TrainEvent;
    type Output = Imported;
    type Error = elsewhere::Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        on_closing: OnClosing::Wait,
        ..Rules::short("Importing results")
    };

    fn run(
        order: ImportOrder,
        _services: &Services,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Imported, elsewhere::Error> {
        elsewhere::import(&order, &|name| resolve_model(name).ok(), progress)
    }
}

impl Task<Workbench> for ImportRun {
    fn on_event(&mut self, event: TrainEvent, _app: &mut Workbench) {
        if let TrainEvent::Preparing { what, done, total, .. } = event {
            (self.what, self.done, self.total) = (what, done, total);
        }
    }

    fn done(self, imported: Imported, app: &mut Workbench) {
        app.list_runs();
        if let Some(bundle) = &self.bundle {
            app.forget_away(bundle);
        }
        app.state.train.left_tab = LeftTab::Runs;
        let mut summary =
            format!("Imported as a run: {} steps of {}", imported.steps_done, imported.engine);
        for words in imported.words().iter().chain(&imported.notes) {
            summary.push_str("\n• ");
            summary.push_str(words);
        }
        app.state.notices.push(Notice::info(PanelId::Train, summary));
    }

    fn failed(self, error: elsewhere::Error, app: &mut Workbench) {
        if !error.is_stop() {
            let notice = Notice::error(PanelId::Train, "The results were not imported", &error);
            app.state.notices.push(notice.remedy("Import results…", TrainCommand::TakeResults));
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        let Self { what, done, total, .. } = self;
        let what = if what.is_empty() { "Reading the results".to_owned() } else { what.clone() };
        Some(Activity {
            fraction: (*total > 0).then(|| *done as f32 / *total as f32),
            stop: Some(Command::Train(TrainCommand::StopTakingBack)),
            ..Activity::new("Importing results", what)
        })
    }
}
