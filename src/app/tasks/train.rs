//! A training run, new or resumed.

use std::time::Instant;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::training_rows;
use crate::app::training_rows::{TrainingRows, not_copied};
use crate::app::work::{OnClosing, Rules, Work};
use crate::errors::one_line;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::card::ModelSource;
use crate::llm::model::{LoadOptions, Model};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::state::train::live::LiveRun;
use crate::train;
use crate::train::classify;
use crate::train::config::TrainConfig;
use crate::train::estimate;
use crate::train::newborn;
use crate::train::record::metrics::{RunSummary, TrainEvent};
use crate::train::run::loading::{LAYERS, LOADING, Loading};
use crate::train::run::{ResumeRequest, StartRequest};

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
    pub run: RunWork,
}

/// The run itself.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum RunWork {
    Start(NewRun),

    /// It has its rows and its settings, which are `config`.
    Resume {
        config: TrainConfig,
        request: ResumeRequest,
    },
}

/// A run whose rows are still where the person has them.
pub struct NewRun {
    pub rows: TrainingRows,
    pub request: StartRequest,
}

impl NewRun {
    /// Puts the rows where the run reads them: whether its folder can be written is known then.
    pub fn placed(self) -> Result<StartRequest, TrainJobError> {
        let Self { rows, mut request } = self;
        request.config.data = rows.for_run(&request.run_dir).map_err(TrainJobError::Data)?;
        Ok(request)
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
        TrainWork { source, run }: TrainWork,
        _services: &Services,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<RunSummary, TrainJobError> {
        match run {
            RunWork::Start(run) => {
                let is_new = !run.request.run_dir.exists();
                let mut request = run.placed()?; // before the model is loaded
                let result = if classify::is_of_texts(&request.config, source.path()) {
                    classify::start(source.path(), &request, progress).map_err(TrainJobError::from)
                } else {
                    let born =
                        newborn::born(&request.config, &request.config.data, &request.run_dir);
                    let model = born.map_err(TrainJobError::from).and_then(|config| {
                        let source = match config.newborn {
                            Some(_) => ModelSource::at(&newborn::folder(&request.run_dir)),
                            None => source,
                        };
                        request.config = config;
                        load(&source, &request.config, progress)
                    });
                    model.and_then(|model| Ok(train::start(&model, &request, progress)?))
                };
                if is_new && result.is_err() {
                    newborn::take_back(&request.run_dir);
                    training_rows::take_back(&request.run_dir);
                }
                result
            }
            RunWork::Resume { config, request } => {
                if classify::is_of_texts(&config, source.path()) {
                    return Ok(classify::resume(source.path(), &request, progress)?);
                }
                let model = load(&source, &config, progress)?;
                Ok(train::resume(&model, &request, progress)?)
            }
        }
    }
}

/// The model, with its weights as the run keeps them.
fn load(
    source: &ModelSource,
    config: &TrainConfig,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Model, TrainJobError> {
    progress.emit(TrainEvent::preparing(LOADING, (0, 0), LAYERS, Instant::now()));
    estimate::check_load(source, config)?;
    let options = LoadOptions { weights: config.weights(), ..LoadOptions::default() };
    let loading = Loading(progress, Instant::now());
    Model::load(source, &options, &loading).map_err(TrainJobError::Model)
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
            err => {
                let notice = Notice::error(PanelId::Train, "The run ended with an error", err);
                let live = app.state.train.live.as_ref();
                match live.and_then(|live| live.saved_step) {
                    Some(_) => notice.hint("What was saved before is in the list of runs"),
                    None => notice,
                }
            }
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
