//! A training run, new or resumed.

use std::time::Instant;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::training_rows;
use crate::app::training_rows::{TrainingRows, not_copied};
use crate::app::work::{OnClosing, Rules, Work};
use crate::errors::one_line;
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::llm::card::ModelSource;
use crate::llm::model::{LoadOptions, Model};
use crate::llm::net::transformer::LoadEvent;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::state::train::live::LiveRun;
use crate::train;
use crate::train::estimate;
use crate::train::record::metrics::{RunSummary, TrainEvent};
use crate::train::run::TrainRequest;

/// What can go wrong before and in a training run.
#[derive(Debug, thiserror::Error)]
pub enum TrainJobError {
    #[error("the base model could not be loaded")]
    Model(#[source] llm::Error),
    #[error(transparent)]
    Train(#[from] train::Error),
    #[error("the data could not be put into a file")]
    Data(#[source] std::io::Error),
}

pub struct Train;

/// What a run is made of.
pub struct TrainWork {
    pub source: ModelSource,

    /// `None`: a run that is resumed has its rows.
    pub rows: Option<TrainingRows>,
    pub request: TrainRequest,
}

impl TrainWork {
    /// Puts the rows where the run reads them: whether its folder can be written is known then.
    pub fn prepare(&mut self) -> Result<(), TrainJobError> {
        if let Some(rows) = self.rows.take() {
            let data = rows.for_run(&self.request.run_dir).map_err(TrainJobError::Data)?;
            self.request.config.data = data;
        }
        Ok(())
    }
}

impl Work for Train {
    type Request = TrainWork;
    type Event = TrainEvent;
    type Output = RunSummary;
    type Error = TrainJobError;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        on_closing: OnClosing::Ask,
        ..Rules::short("Training")
    };

    fn run(
        mut work: TrainWork,
        _services: &Services,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<RunSummary, TrainJobError> {
        let made = work.rows.is_some() && !work.request.run_dir.exists();
        work.prepare()?; // before the model is loaded
        let TrainWork { source, request, .. } = work;
        let result = run(&source, &request, progress);
        if made && result.is_err() {
            training_rows::take_back(&request.run_dir);
        }
        result
    }
}

/// Loads the model and trains.
fn run(
    source: &ModelSource,
    request: &TrainRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, TrainJobError> {
    progress.emit(TrainEvent::preparing(LOADING, (0, 1), Instant::now()));
    estimate::check_load(source, &request.config)?;
    let options = LoadOptions { weights: request.config.dtype.weights() };
    let loading = LoadingForTraining(progress, Instant::now());
    let model = Model::load(source, &options, &loading).map_err(TrainJobError::Model)?;
    Ok(train::run::run(&model, request, progress)?)
}

/// What a run says while its model is loaded.
const LOADING: &str = "Loading the base model";

/// Passes a Stop on to the loader, and its progress on as a run's.
struct LoadingForTraining<'a>(&'a dyn Progress<TrainEvent>, Instant);

impl Progress<LoadEvent> for LoadingForTraining<'_> {
    fn emit(&self, event: LoadEvent) {
        if let LoadEvent::Tensors { done, total } = event {
            self.0.emit(TrainEvent::preparing(LOADING, (done, total), self.1));
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

impl Train {
    fn finished(app: &mut Workbench, result: Result<RunSummary, String>) {
        app.state.train.finished(result);
        app.list_runs();
        app.measure_memory();
    }
}

impl Task<Workbench> for Train {
    fn on_event(&mut self, event: TrainEvent, app: &mut Workbench) {
        app.state.train.on_event(event);
    }

    fn done(self, summary: RunSummary, app: &mut Workbench) {
        Self::finished(app, Ok(summary));
    }

    fn failed(self, error: TrainJobError, app: &mut Workbench) {
        app.state.notices.push(match &error {
            TrainJobError::Data(err) => not_copied(err),
            err => Notice::error(PanelId::Train, "The run ended with an error", err)
                .hint("What was saved before is in the list of runs"),
        });
        Self::finished(app, Err(one_line(&error)));
    }

    fn crashed(self, message: &str, app: &mut Workbench) {
        Self::finished(app, Err(message.to_owned()));
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        app.state.train.live.as_ref().and_then(LiveRun::activity)
    }
}
