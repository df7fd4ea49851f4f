//! A run elsewhere: it is started there, watched until it has ended, and stopped if a person wants it.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::elsewhere;
use crate::elsewhere::place::{Running, StartOrder};
use crate::elsewhere::watch::{Ended, Watched, watch};
use crate::jobs::Progress;
use crate::state::command::TrainCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::state::train::away::{AwayStatus, of_bundle};

pub struct StartAway {
    pub bundle: PathBuf,
}

impl Work for StartAway {
    type Request = StartOrder;
    type Event = ();
    type Output = Running;
    type Error = elsewhere::Error;

    // What was copied halfway would not start.
    const RULES: Rules = Rules {
        on_closing: OnClosing::Wait,
        stops_with_all: false,
        ..Rules::short("Starting the run elsewhere")
    };

    fn run(
        order: StartOrder,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Running, elsewhere::Error> {
        Running::start(&order)
    }
}

impl Task<Workbench> for StartAway {
    fn done(self, running: Running, app: &mut Workbench) {
        if let Some(run) = of_bundle(&mut app.state.train.away, &self.bundle) {
            run.words = running.words();
        }
        app.watch_away(self.bundle);
    }

    fn failed(self, error: elsewhere::Error, app: &mut Workbench) {
        if let Some(run) = of_bundle(&mut app.state.train.away, &self.bundle) {
            run.status = AwayStatus::Failed(crate::errors::one_line(&error));
        }
        let summary = "The run was not started elsewhere";
        app.state.notices.push(Notice::error(PanelId::Train, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        let name = self.bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Some(Activity::new("Starting elsewhere", name))
    }
}

pub struct WatchAway {
    pub bundle: PathBuf,
}

impl Work for WatchAway {
    type Request = PathBuf;
    type Event = Watched;
    type Output = Ended;
    type Error = elsewhere::Error;

    // The run itself continues when the window is closed, and is found again.
    const RULES: Rules =
        Rules { stops_with_all: false, ..Rules::short("Watching a run elsewhere") };

    fn run(
        bundle: PathBuf,
        _services: &Services,
        progress: &dyn Progress<Watched>,
    ) -> Result<Ended, elsewhere::Error> {
        watch(&bundle, progress)
    }
}

impl Task<Workbench> for WatchAway {
    fn on_event(&mut self, seen: Watched, app: &mut Workbench) {
        if let Some(run) = of_bundle(&mut app.state.train.away, &self.bundle) {
            run.on_watched(seen);
        }
    }

    fn done(self, ended: Ended, app: &mut Workbench) {
        let Some(run) = of_bundle(&mut app.state.train.away, &self.bundle) else { return };
        run.ended(&ended);
        let notice = if ended.is_good() {
            Notice::info(PanelId::Train, format!("{} has finished elsewhere", run.name()))
        } else {
            let summary = format!("{} ended elsewhere with an error", run.name());
            Notice::problem(PanelId::Train, summary)
                .hint("Its last lines are shown with its curves")
        };
        let import = TrainCommand::ImportAway(self.bundle);
        app.state.notices.push(notice.remedy("Import its results", import));
    }

    fn failed(self, error: elsewhere::Error, app: &mut Workbench) {
        if error.is_stop() {
            return;
        }
        if let Some(run) = of_bundle(&mut app.state.train.away, &self.bundle) {
            run.status = AwayStatus::Failed(crate::errors::one_line(&error));
        }
        let summary = "A run elsewhere cannot be followed";
        app.state.notices.push(Notice::error(PanelId::Train, summary, &error));
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        app.state.train.away.iter().find(|run| run.bundle == self.bundle)?.activity()
    }
}

pub struct StopAway {
    pub bundle: PathBuf,
}

impl Work for StopAway {
    type Request = PathBuf;
    type Event = ();
    type Output = ();
    type Error = elsewhere::Error;

    const RULES: Rules = Rules {
        on_closing: OnClosing::Wait,
        stops_with_all: false,
        ..Rules::short("Stopping the run elsewhere")
    };

    fn run(
        bundle: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<(), elsewhere::Error> {
        Running::read(&bundle)?.stop()
    }
}

impl Task<Workbench> for StopAway {
    /// Whoever watches it sees its end.
    fn done(self, (): (), _app: &mut Workbench) {}

    fn failed(self, error: elsewhere::Error, app: &mut Workbench) {
        if let Some(run) = of_bundle(&mut app.state.train.away, &self.bundle) {
            run.status = AwayStatus::Running;
        }
        let notice = Notice::error(PanelId::Train, "The run elsewhere was not stopped", &error);
        let again = TrainCommand::StopAway(self.bundle);
        app.state.notices.push(notice.remedy("Try again", again));
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}
