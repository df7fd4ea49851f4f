//! Everything the workbench can start. [`CandleEngine`] does it; a test's engine decides itself
//! what happens.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use super::connection::{Connection, HubEngine, Safe, lock};
use super::figure;
use super::handle::cache_folder;
use super::import;
use super::import::{PromptsJob, RowsJob};
use super::training_rows::TrainingRows;
use crate::data::rows::ImportError;
use crate::encoder;
use crate::errors::one_line;
use crate::eval::comparison::{self, Comparison};
use crate::eval::preference::Measured;
use crate::hub;
use crate::hub::local::LocalModel;
use crate::hub::paths::HubPaths;
use crate::hub::starter::{FetchEvent, Fetched};
use crate::jobs::{self, Job, Progress, Quiet, Wake};
use crate::llm;
use crate::llm::LoadEvent;
use crate::llm::card::{AdapterCard, ModelCard, ModelSource};
use crate::llm::generate::{Answer, GenerateEvent, GenerateRequest};
use crate::llm::lora::Adapter;
use crate::llm::merge::Merged;
use crate::llm::model::{LoadOptions, Model};
use crate::state::command::AdapterForm;
use crate::state::models::FoundModel;
use crate::state::train::past::RunPast;
use crate::state::train::runs::RunView;
use crate::train;
use crate::train::config::{Objective, TrainConfig};
use crate::train::estimate;
use crate::train::estimate::{Estimate, Estimator};
use crate::train::history::History;
use crate::train::metrics::{RunSummary, TrainEvent};
use crate::train::record::DATA_FILE;
use crate::train::run::TrainRequest;
use crate::train::run_file::RunFileError;
use crate::train::samples;
use crate::train::survey::Survey;

pub type ScanJob = Job<(), Vec<FoundModel>, hub::Error>;
pub type FetchJob = Job<FetchEvent, Fetched, hub::Error>;
pub type LoadJob = Job<LoadEvent, ModelCard, llm::Error>;
pub type AdapterJob = Job<(), AdapterCard, llm::Error>;
pub type GenerateJob = Job<GenerateEvent, Vec<Answer>, llm::Error>;
pub type ExportJob = Job<(), PathBuf, std::io::Error>;
pub type AdapterExportJob = Job<Merged, PathBuf, llm::Error>;
pub type MeasureJob = Job<Measured, Comparison, TrainJobError>;
pub type EstimateJob = Job<TrainEvent, Estimate, TrainJobError>;
pub type SurveyJob = Job<TrainEvent, Survey, TrainJobError>;
pub type ReadJob = Job<(), RunPast, std::io::Error>;
pub type TrainJob = Job<TrainEvent, RunSummary, TrainJobError>;
pub type SaveJob = Job<(), PathBuf, SaveRunError>;

/// What can go wrong before and in a training run.
#[derive(Debug, thiserror::Error)]
pub enum TrainJobError {
    #[error("the base model could not be loaded")]
    Model(#[source] llm::Error),
    #[error(transparent)]
    Train(#[from] train::Error),
    #[error("the data could not be put into a file")]
    Data(#[source] std::io::Error),
    #[error("the background thread could not be started")]
    Thread(#[source] std::io::Error),
}

/// Why a run file was not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveRunError {
    #[error("its data could not be copied")]
    Rows(#[source] std::io::Error),
    #[error(transparent)]
    File(#[from] RunFileError),
    #[error("the background thread could not be started")]
    Thread(#[source] std::io::Error),
}

/// The seam between window and work. Every method returns at once.
pub trait Engine: HubEngine {
    /// Looks for models on the disk and reads their headers.
    fn scan(&mut self, opened: Vec<PathBuf>, wake: Wake) -> ScanJob;

    fn fetch_starter(&mut self, wake: Wake) -> FetchJob;

    /// Loads a model in place of the one in memory.
    fn load(&mut self, source: ModelSource, wake: Wake) -> LoadJob;
    fn unload(&mut self);

    /// Lays an adapter (a PEFT folder) over the loaded model.
    fn load_adapter(&mut self, folder: PathBuf, wake: Wake) -> AdapterJob;
    fn unload_adapter(&mut self);

    fn generate(&mut self, request: GenerateRequest, wake: Wake) -> GenerateJob;

    /// Trains on `source`, beside the model in memory. A run that goes on has its `rows`.
    fn train(
        &mut self,
        source: ModelSource,
        rows: Option<TrainingRows>,
        request: TrainRequest,
        wake: Wake,
    ) -> TrainJob;

    /// Writes a run file, and `rows` beside it.
    fn save_run_file(
        &mut self,
        config: TrainConfig,
        rows: TrainingRows,
        path: PathBuf,
        wake: Wake,
    ) -> SaveJob;

    /// Measures a run's adapter against its model, `source`.
    fn measure_run(&mut self, source: ModelSource, run: &RunView, wake: Wake) -> MeasureJob;

    /// Makes the adapter in `folder`, which belongs to `source`, into `form` at `to`.
    fn export_adapter(
        &mut self,
        source: ModelSource,
        folder: PathBuf,
        form: AdapterForm,
        to: PathBuf,
        wake: Wake,
    ) -> AdapterExportJob;

    /// What a run on `rows` would take on the loaded model.
    fn estimate(&mut self, config: TrainConfig, rows: TrainingRows, wake: Wake) -> EstimateJob;

    /// Looks at `rows` as the loaded model would see them.
    fn survey(&mut self, config: TrainConfig, rows: TrainingRows, wake: Wake) -> SurveyJob;

    /// Reads what the run in `folder` left behind.
    fn read_run(&mut self, folder: PathBuf, wake: Wake) -> ReadJob;

    /// Prompts to label, from a file.
    fn read_prompts(&mut self, path: PathBuf, wake: Wake) -> PromptsJob;

    /// Looks at every row of a file for training; a table is made into JSON Lines first.
    fn read_training_file(&mut self, path: PathBuf, objective: Objective, wake: Wake) -> RowsJob;

    /// Writes a run's numbers and curves as files into its folder.
    fn export_run(&mut self, run: &RunView, wake: Wake) -> ExportJob;
}

/// The real one: our decoder on candle, one model and one adapter in memory.
#[derive(Default)]
pub struct CandleEngine {
    loaded: Arc<Mutex<Loaded>>,
    estimator: Arc<Mutex<Estimator>>,

    /// The Hub, once [`HubEngine::connect`] was called.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) safe: Option<Safe>,
}

#[derive(Default)]
struct Loaded {
    model: Option<Arc<Model>>,
    adapter: Option<Arc<Adapter>>,
}

impl CandleEngine {
    fn lock(&self) -> MutexGuard<'_, Loaded> {
        lock(&self.loaded)
    }
}

/// Starts `work`, or gives a job that has failed because no thread could be started.
pub(super) fn spawn<E, T, Err, F>(
    name: &str,
    wake: Wake,
    thread_error: impl FnOnce(std::io::Error) -> Err,
    work: F,
) -> Job<E, T, Err>
where
    E: Send + 'static,
    T: Send + 'static,
    Err: Send + 'static,
    F: FnOnce(&dyn Progress<E>) -> Result<T, Err> + Send + 'static,
{
    Job::spawn(name, wake, work).unwrap_or_else(|err| Job::failed(thread_error(err)))
}

impl Engine for CandleEngine {
    fn scan(&mut self, opened: Vec<PathBuf>, wake: Wake) -> ScanJob {
        spawn("scan", wake, hub::Error::Thread, move |_| {
            Ok(hub::local::scan(&opened).into_iter().map(found_model).collect())
        })
    }

    fn fetch_starter(&mut self, wake: Wake) -> FetchJob {
        let sources = self.connection.as_ref().map(|connection| connection.starter());
        spawn("fetch", wake, hub::Error::Thread, move |progress| match sources {
            Some(sources) => hub::starter::fetch_from(&sources, progress),
            None => hub::starter::fetch_starter(progress),
        })
    }

    fn load(&mut self, source: ModelSource, wake: Wake) -> LoadJob {
        // Freed first: two models at once may not fit.
        *self.lock() = Loaded::default();
        let loaded = Arc::clone(&self.loaded);
        spawn("load", wake, llm::Error::Thread, move |progress| {
            let model = Model::load(&source, &LoadOptions::default(), progress)?;
            let card = model.card().clone();
            *lock(&loaded) = Loaded { model: Some(Arc::new(model)), adapter: None };
            Ok(card)
        })
    }

    fn unload(&mut self) {
        *self.lock() = Loaded::default();
    }

    fn load_adapter(&mut self, folder: PathBuf, wake: Wake) -> AdapterJob {
        let loaded = Arc::clone(&self.loaded);
        spawn("adapter", wake, llm::Error::Thread, move |_| {
            let model = lock(&loaded).model.clone().ok_or(llm::Error::NoModel)?;
            let adapter = Adapter::load(&folder, &model)?;
            let card = adapter.card();
            lock(&loaded).adapter = Some(Arc::new(adapter));
            Ok(card)
        })
    }

    fn unload_adapter(&mut self) {
        self.lock().adapter = None;
    }

    fn generate(&mut self, request: GenerateRequest, wake: Wake) -> GenerateJob {
        let (model, adapter) = {
            let loaded = self.lock();
            (loaded.model.clone(), loaded.adapter.clone())
        };
        spawn("generate", wake, llm::Error::Thread, move |progress| {
            let model = model.ok_or(llm::Error::NoModel)?;
            llm::generate::generate(&model, adapter.as_deref(), &request, progress)
        })
    }

    fn train(
        &mut self,
        source: ModelSource,
        rows: Option<TrainingRows>,
        mut request: TrainRequest,
        wake: Wake,
    ) -> TrainJob {
        spawn("train", wake, TrainJobError::Thread, move |progress| {
            jobs::give_way();
            if let Some(rows) = rows {
                // Before the model is loaded: whether the folder can be written is known then.
                let data = rows.for_run(&request.run_dir).map_err(TrainJobError::Data)?;
                request.config.data = data;
            }
            progress.emit(TrainEvent::preparing(LOADING, (0, 1), Instant::now()));
            estimate::check_load(&source, &request.config)?;
            let options = LoadOptions { weights: request.config.dtype.weights() };
            let loading = LoadingForTraining(progress, Instant::now());
            let model = Model::load(&source, &options, &loading).map_err(TrainJobError::Model)?;
            Ok(train::run::run(&model, &request, progress)?)
        })
    }

    fn save_run_file(
        &mut self,
        config: TrainConfig,
        rows: TrainingRows,
        path: PathBuf,
        wake: Wake,
    ) -> SaveJob {
        spawn("save", wake, SaveRunError::Thread, move |_| rows.write_with(&path, config))
    }

    fn measure_run(&mut self, source: ModelSource, run: &RunView, wake: Wake) -> MeasureJob {
        let (folder, config) = (run.folder.clone(), run.config.clone());
        spawn("measure", wake, TrainJobError::Thread, move |progress| {
            jobs::give_way();
            let loaded = load_with_adapter(&source, &folder);
            let (model, adapter) = loaded.map_err(TrainJobError::Model)?;
            let data = folder.join(DATA_FILE);
            Ok(comparison::compare(&model, &adapter, &config, &data, progress)?)
        })
    }

    fn export_adapter(
        &mut self,
        source: ModelSource,
        folder: PathBuf,
        form: AdapterForm,
        to: PathBuf,
        wake: Wake,
    ) -> AdapterExportJob {
        spawn("export", wake, llm::Error::Thread, move |progress| {
            jobs::give_way();
            let (model, adapter) = load_with_adapter(&source, &folder)?;
            match form {
                AdapterForm::Merged => llm::merge::merge(&model, &adapter, &to, progress)?,
                AdapterForm::Gguf => llm::gguf_lora::write(&adapter, model.config(), &to)?,
            }
            Ok(to)
        })
    }

    fn estimate(&mut self, config: TrainConfig, rows: TrainingRows, wake: Wake) -> EstimateJob {
        let (model, estimator) = (self.lock().model.clone(), Arc::clone(&self.estimator));
        spawn("estimate", wake, TrainJobError::Thread, move |progress| {
            let model = model.ok_or(TrainJobError::Model(llm::Error::NoModel))?;
            let cache = cache_folder();
            let estimate = |data: &Path| {
                let files = (data, cache.as_deref());
                lock(&estimator).estimate(&model, &config, files, progress)
            };
            Ok(rows.as_file(estimate).map_err(TrainJobError::Data)??)
        })
    }

    fn survey(&mut self, config: TrainConfig, rows: TrainingRows, wake: Wake) -> SurveyJob {
        let model = self.lock().model.clone();
        spawn("survey", wake, TrainJobError::Thread, move |progress| {
            let model = model.ok_or(TrainJobError::Model(llm::Error::NoModel))?;
            let survey = |data: &Path| {
                let config = TrainConfig { data: data.to_owned(), ..config };
                train::survey::survey(&model, &config, progress)
            };
            Ok(rows.as_file(survey).map_err(TrainJobError::Data)??)
        })
    }

    fn read_run(&mut self, folder: PathBuf, wake: Wake) -> ReadJob {
        spawn("read run", wake, std::convert::identity, move |_| {
            Ok(RunPast::of(&History::read(&folder), samples::read(&folder)))
        })
    }

    fn read_prompts(&mut self, path: PathBuf, wake: Wake) -> PromptsJob {
        let owned = path.clone();
        let thread_error = |source| ImportError::Read { path, source };
        spawn("read", wake, thread_error, move |progress| import::read_prompts(&owned, progress))
    }

    fn read_training_file(&mut self, path: PathBuf, objective: Objective, wake: Wake) -> RowsJob {
        let tables = match HubPaths::from_env() {
            Ok(paths) => paths.tables(),
            Err(err) => return Job::failed(err.into()),
        };
        let owned = path.clone();
        let thread_error = |source| ImportError::Read { path, source }.into();
        spawn("read", wake, thread_error, move |progress| {
            import::read_training_file(&owned, objective, &tables, progress)
        })
    }

    fn export_run(&mut self, run: &RunView, wake: Wake) -> ExportJob {
        let (objective, title, folder) = (run.objective, run.name().to_owned(), run.folder.clone());
        spawn("export", wake, std::convert::identity, move |_| {
            let history = History::read(&folder);
            figure::export(&history, objective, &title, &folder.join("export"))
        })
    }
}

/// A run's model as it is stored, with its adapter: another model may be the one in memory.
fn load_with_adapter(source: &ModelSource, folder: &Path) -> Result<(Model, Adapter), llm::Error> {
    let model = Model::load(source, &LoadOptions::default(), &Quiet)?;
    let adapter = Adapter::load(folder, &model)?;
    Ok((model, adapter))
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

    fn check(&self) -> Result<(), crate::jobs::Cancelled> {
        self.0.check()
    }
}

/// What the headers of a model on the disk say.
fn found_model(local: LocalModel) -> FoundModel {
    let source = ModelSource::at(&local.path);
    let facts = encoder::inspect(&source).map_err(|err| one_line(&err));
    let frees = hub::local::would_free(&local.path);
    FoundModel { local, facts, frees, has_update: false, unused_days: None }
}
