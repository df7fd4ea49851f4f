//! For tests of the window: an engine and a host that do nothing by themselves. The test decides
//! what they say, and looks at what they were asked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use time::OffsetDateTime;

use crate::app::connection::{
    Connected, DetailJob, HeadsJob, HubEngine, PaceJob, QueueJob, SearchJob, SecretJob, SuggestJob,
    VerifyJob,
};
use crate::app::engine::{
    AdapterExportJob, AdapterJob, Engine, EstimateJob, ExportJob, FetchJob, GenerateJob, LoadJob,
    MeasureJob, ReadJob, SaveJob, ScanJob, SurveyJob, TrainJob, TrainJobError,
};
use crate::app::host::{Ask, DialogJob, Host};
use crate::app::import;
use crate::app::import::{PromptsJob, RowsJob};
use crate::app::training_rows::TrainingRows;
use crate::eval::comparison::Comparison;
use crate::eval::preference::Measured;
use crate::hub;
use crate::hub::cache::RepoKind;
use crate::hub::details::DetailEvent;
use crate::hub::keep::{Verified, Verifying};
use crate::hub::queue::{QueueCommand, QueueEvent};
use crate::hub::search::{Page, Query};
use crate::hub::starter::{FetchEvent, Fetched};
use crate::hub::vault::Secret;
use crate::jobs::{Feeder, Job, Quiet, Wake};
use crate::llm;
use crate::llm::LoadEvent;
use crate::llm::card::{AdapterCard, ModelCard, ModelSource};
use crate::llm::generate::{Answer, GenerateEvent, GenerateRequest};
use crate::llm::merge::Merged;
use crate::state::command::AdapterForm;
use crate::state::hub::HubSettings;
use crate::state::models::FoundModel;
use crate::state::train::past::RunPast;
use crate::state::train::runs::RunView;
use crate::train::config::{Objective, TrainConfig};
use crate::train::estimate::Estimate;
use crate::train::metrics::{RunSummary, TrainEvent};
use crate::train::run::TrainRequest;
use crate::train::survey::Survey;

pub type GenerateFeeder = Feeder<GenerateEvent, Vec<Answer>, llm::Error>;

/// A question, the page of it, and the test's end of the answer.
pub type Searched = (Query, Option<String>, Feeder<(), Page, hub::Error>);
pub type Suggested = (String, Feeder<(), Vec<String>, hub::Error>);

/// The test's ends of the jobs that the window has started, and what they were asked.
#[derive(Default)]
pub struct Script {
    pub scan: Option<Feeder<(), Vec<FoundModel>, hub::Error>>,
    pub fetch: Option<Feeder<FetchEvent, Fetched, hub::Error>>,
    pub load: Option<(ModelSource, Feeder<LoadEvent, ModelCard, llm::Error>)>,
    pub adapter: Option<(PathBuf, Feeder<(), AdapterCard, llm::Error>)>,
    pub generate: Option<(GenerateRequest, GenerateFeeder)>,
    pub train: Option<(TrainRequest, Feeder<TrainEvent, RunSummary, TrainJobError>)>,
    pub adapter_export: Option<(PathBuf, Feeder<Merged, PathBuf, llm::Error>)>,
    pub measuring: Option<(String, Feeder<Measured, Comparison, TrainJobError>)>,
    pub estimate: Option<(TrainConfig, TrainingRows, Feeder<TrainEvent, Estimate, TrainJobError>)>,
    pub survey: Option<(TrainConfig, Feeder<TrainEvent, Survey, TrainJobError>)>,
    pub reading: Vec<(PathBuf, Feeder<(), RunPast, std::io::Error>)>,
    pub export: Option<(String, Feeder<(), PathBuf, std::io::Error>)>,
    pub search: Option<Searched>,
    pub suggest: Option<Suggested>,
    pub details: Option<(String, Feeder<DetailEvent, (), hub::Error>)>,
    pub queue: Option<Feeder<QueueEvent, (), hub::Error>>,
    pub verify: Option<(String, Feeder<Verifying, Verified, hub::Error>)>,
    pub heads: Option<Feeder<(), BTreeMap<String, String>, hub::Error>>,
    pub queue_commands: Vec<QueueCommand>,
    pub connected: Vec<HubSettings>,

    /// What the keyring holds.
    pub secrets: BTreeMap<Secret, String>,

    /// What it was asked to keep or to forget, and has not answered yet.
    pub keeping: Vec<Keeping>,
    pub pace: Option<Feeder<(), f64, hub::Error>>,

    /// What the next file dialog answers.
    pub picks: Option<PathBuf>,
    pub asked: Vec<Ask>,
    pub revealed: Vec<PathBuf>,
    pub seconds: f64,
}

/// A question to the keyring.
pub struct Keeping {
    pub secret: Secret,

    /// `None`: it is to be forgotten.
    pub text: Option<String>,
    pub feeder: Feeder<(), (), hub::Error>,
}

impl Script {
    /// The keyring answers the latest question: only now it holds what it was given.
    ///
    /// # Panics
    ///
    /// If it was not asked.
    pub fn keyring_answers(&mut self, answer: Result<(), hub::Error>) {
        let Keeping { secret, text, feeder } = self.keeping.pop().expect("the keyring was asked");
        match text {
            _ if answer.is_err() => {}
            Some(text) => _ = self.secrets.insert(secret, text),
            None => _ = self.secrets.remove(&secret),
        }
        feeder.finish(answer);
    }
}

/// An engine that waits for the test.
#[derive(Clone, Default)]
pub struct FakeEngine(pub Rc<RefCell<Script>>);

impl Engine for FakeEngine {
    fn scan(&mut self, _opened: Vec<PathBuf>, _wake: Wake) -> ScanJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().scan = Some(feeder);
        job
    }

    fn fetch_starter(&mut self, _wake: Wake) -> FetchJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().fetch = Some(feeder);
        job
    }

    fn load(&mut self, source: ModelSource, _wake: Wake) -> LoadJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().load = Some((source, feeder));
        job
    }

    fn unload(&mut self) {}

    fn load_adapter(&mut self, folder: PathBuf, _wake: Wake) -> AdapterJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().adapter = Some((folder, feeder));
        job
    }

    fn unload_adapter(&mut self) {}

    fn generate(&mut self, request: GenerateRequest, _wake: Wake) -> GenerateJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().generate = Some((request, feeder));
        job
    }

    fn train(
        &mut self,
        _source: ModelSource,
        rows: Option<TrainingRows>,
        mut request: TrainRequest,
        _wake: Wake,
    ) -> TrainJob {
        let (feeder, job) = Job::manual();
        match rows.map(|rows| rows.for_run(&request.run_dir)) {
            None => {}
            Some(Ok(data)) => request.config.data = data,
            Some(Err(err)) => {
                feeder.finish(Err(TrainJobError::Data(err)));
                return job;
            }
        }
        self.0.borrow_mut().train = Some((request, feeder));
        job
    }

    fn save_run_file(
        &mut self,
        config: TrainConfig,
        rows: TrainingRows,
        path: PathBuf,
        _wake: Wake,
    ) -> SaveJob {
        let (feeder, job) = Job::manual();
        feeder.finish(rows.write_with(&path, config));
        job
    }

    fn export_adapter(
        &mut self,
        _source: ModelSource,
        _folder: PathBuf,
        _form: AdapterForm,
        to: PathBuf,
        _wake: Wake,
    ) -> AdapterExportJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().adapter_export = Some((to, feeder));
        job
    }

    fn measure_run(&mut self, _source: ModelSource, run: &RunView, _wake: Wake) -> MeasureJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().measuring = Some((run.id.clone(), feeder));
        job
    }

    fn estimate(&mut self, config: TrainConfig, rows: TrainingRows, _wake: Wake) -> EstimateJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().estimate = Some((config, rows, feeder));
        job
    }

    fn survey(&mut self, config: TrainConfig, _rows: TrainingRows, _wake: Wake) -> SurveyJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().survey = Some((config, feeder));
        job
    }

    fn read_run(&mut self, folder: PathBuf, _wake: Wake) -> ReadJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().reading.push((folder, feeder));
        job
    }

    fn read_prompts(&mut self, path: PathBuf, _wake: Wake) -> PromptsJob {
        let (feeder, job) = Job::manual();
        feeder.finish(import::read_prompts(&path, &Quiet));
        job
    }

    fn read_training_file(&mut self, path: PathBuf, objective: Objective, _wake: Wake) -> RowsJob {
        let (feeder, job) = Job::manual();
        let tables = path.with_file_name("tables");
        feeder.finish(import::read_training_file(&path, objective, &tables, &Quiet));
        job
    }

    fn export_run(&mut self, run: &RunView, _wake: Wake) -> ExportJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().export = Some((run.id.clone(), feeder));
        job
    }
}

impl HubEngine for FakeEngine {
    fn connect(&mut self, settings: &HubSettings) -> Result<Connected, hub::Error> {
        let mut script = self.0.borrow_mut();
        script.connected.push(settings.clone());
        let from = |secret: Secret| script.secrets.get(&secret).map(|_| "the test".to_owned());
        let (token_from, proxy_from) = (from(Secret::Token), from(Secret::Proxy));
        Ok(Connected { token_from, proxy_from })
    }

    fn unlock(&mut self, _wake: Wake) -> Option<SecretJob> {
        None
    }

    fn keep_secret(&mut self, secret: Secret, text: Option<String>, _wake: Wake) -> SecretJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().keeping.push(Keeping { secret, text, feeder });
        job
    }

    fn search(&mut self, query: Query, next: Option<String>, _wake: Wake) -> SearchJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().search = Some((query, next, feeder));
        job
    }

    fn suggest(&mut self, _kind: RepoKind, words: String, _wake: Wake) -> SuggestJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().suggest = Some((words, feeder));
        job
    }

    fn details(&mut self, _kind: RepoKind, id: String, _wake: Wake) -> DetailJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().details = Some((id, feeder));
        job
    }

    fn pace(&mut self, _wake: Wake) -> PaceJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().pace = Some(feeder);
        job
    }

    fn serve_queue(&mut self, _wake: Wake) -> QueueJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().queue = Some(feeder);
        job
    }

    fn send_to_queue(&mut self, command: QueueCommand) {
        self.0.borrow_mut().queue_commands.push(command);
    }

    fn verify(&mut self, repo: String, _wake: Wake) -> VerifyJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().verify = Some((repo, feeder));
        job
    }

    fn heads(&mut self, _repos: Vec<String>, _wake: Wake) -> HeadsJob {
        let (feeder, job) = Job::manual();
        self.0.borrow_mut().heads = Some(feeder);
        job
    }

    fn hub_page(&self, kind: RepoKind, repo: &str) -> String {
        let kind = if kind == RepoKind::Dataset { "datasets/" } else { "" };
        format!("https://hub.example/{kind}{repo}")
    }
}

/// A host without a desktop: a fixed date, a clock that the test moves, dialogs that answer.
pub struct FakeHost {
    pub script: Rc<RefCell<Script>>,
    drawn: u64,
}

impl FakeHost {
    pub fn new(script: &Rc<RefCell<Script>>) -> Self {
        Self { script: Rc::clone(script), drawn: 0 }
    }
}

impl Host for FakeHost {
    fn ask(&mut self, ask: Ask, _wake: Wake) -> DialogJob {
        let (feeder, job) = Job::manual();
        let mut script = self.script.borrow_mut();
        script.asked.push(ask);
        feeder.finish(Ok(script.picks.take()));
        job
    }

    fn seconds(&self) -> f64 {
        self.script.borrow().seconds
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_795_271_520).expect("a valid time")
    }

    fn random(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    fn reveal(&mut self, path: &Path) -> std::io::Result<()> {
        self.script.borrow_mut().revealed.push(path.to_owned());
        Ok(())
    }

    fn memory(&mut self) -> (u64, u64) {
        (8 << 30, 16 << 30)
    }
}
