//! Looks for a learning rate of the run in the form, on weights that are thrown away.

use std::path::Path;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::training_rows::TrainingRows;
use crate::app::work::{Rules, Work};
use crate::jobs::Progress;
use crate::state::command::{Command, TrainCommand};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::state::train::rates::RateSlot;
use crate::sweep::error::Error;
use crate::sweep::worker::Worker;
use crate::train;
use crate::train::config::TrainConfig;
use crate::train::record::metrics::TrainEvent;
use crate::train::run::rates::{RateSearch, RateTrace};

pub struct FindRate {
    /// The form, as it is searched for.
    pub settings: Box<TrainConfig>,
}

/// What is searched.
pub struct RateWork {
    pub config: TrainConfig,
    pub rows: TrainingRows,
    pub search: RateSearch,
}

impl Work for FindRate {
    type Request = RateWork;
    type Event = TrainEvent;
    type Output = RateTrace;
    type Error = Error;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        ..Rules::short("The learning-rate finder")
    };

    fn run(
        RateWork { config, rows, search }: RateWork,
        _services: &Services,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<RateTrace, Error> {
        let find = |data: &Path| {
            let config = TrainConfig { data: data.to_owned(), ..config };
            Worker::with_cache().find_rate(&config, &search, progress)
        };
        rows.as_file(find).map_err(Error::Temporary)?
    }
}

impl Task<Workbench> for FindRate {
    fn on_event(&mut self, event: TrainEvent, app: &mut Workbench) {
        app.state.train.rates.on_event(event);
    }

    fn done(self, trace: RateTrace, app: &mut Workbench) {
        app.state.train.rates.slot = RateSlot::Found { trace, settings: self.settings };
        app.measure_memory();
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        app.state.train.rates.slot = RateSlot::Form;
        if !matches!(error, Error::Train(train::Error::Cancelled)) {
            let summary = "No learning rate was found";
            app.state.notices.push(Notice::error(PanelId::Train, summary, &error));
        }
    }

    fn crashed(self, _message: &str, app: &mut Workbench) {
        app.state.train.rates.slot = RateSlot::Form;
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        let rates = &app.state.train.rates;
        let done = rates.trace().map_or(0, |trace| trace.points.len());
        let detail = format!("step {done} of {}", rates.search.steps);
        Some(Activity {
            fraction: Some(done as f32 / rates.search.steps.max(1) as f32),
            stop: Some(Command::Train(TrainCommand::StopFindingRate)),
            ..Activity::new("Finding a learning rate", detail)
        })
    }
}
