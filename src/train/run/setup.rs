//! Everything before the first step: settings checked, rows read and encoded, the split drawn, the
//! run folder opened. Bad input is found here, before anything is written.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::TrainRequest;
use crate::data::pair::{PreferencePair, Text};
use crate::data::split;
use crate::data::split::Split;
use crate::files;
use crate::files::Lock;
use crate::jobs::Progress;
use crate::llm::adapter::lora::{Adapter, LoraSpec};
use crate::llm::model::Model;
use crate::train::config::{LoraConfig, TrainConfig};
use crate::train::error::Error;
use crate::train::estimate;
use crate::train::record;
use crate::train::record::metrics::TrainEvent;
use crate::train::record::run_file;
use crate::train::record::run_file::RunFileError;
use crate::train::record::{RunRecord, RunStatus};
use crate::train::rows;
use crate::train::rows::Rows;
use crate::train::rows::batch::{Encoder, Example, Examples, Learned};
use crate::train::rows::plan::Plan;

/// A run that can begin.
pub struct Setup {
    pub config: TrainConfig,
    pub run_dir: PathBuf,
    pub resume: bool,
    pub cache: Option<PathBuf>,

    /// All rows, in the order of the file.
    pub examples: Vec<Example>,

    /// Which examples are trained on, and which are only measured with.
    pub train: Vec<usize>,
    pub held_out: Vec<usize>,
    pub plan: Plan,
    pub record: RunRecord,

    /// Held until the run is over.
    _lock: Lock,
}

impl Setup {
    pub fn new(
        model: &Model,
        request: &TrainRequest,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Self, Error> {
        let TrainRequest { config, run_dir, resume, cache } = request;
        let config = if *resume { stored_config(run_dir)? } else { config.clone() };
        let mut problems = config.problems();
        problems.retain(|problem| problem.field != "model"); // it is here already
        if !problems.is_empty() {
            return Err(Error::Config(problems));
        }
        let copied = run_dir.join(record::DATA_FILE);
        let data_path = if *resume { &copied } else { &config.data };
        let Examples { examples, warnings } = examples(model, &config, data_path, progress)?;
        let Split { train, held_out } = held_out_split(&examples, &config);
        let plan = Plan::new(&config, train.len());
        estimate::check_run(model, &config, (&examples, &train), &plan)?;

        let lock = files::lock(&run_dir.join(record::LOCK_FILE))
            .map_err(|source| Error::Write { path: run_dir.clone(), source })?
            .ok_or_else(|| Error::Busy(run_dir.clone()))?;
        let identity = &model.card().identity;
        let record = if *resume {
            let stored = RunRecord::read(run_dir)?;
            if stored.model.sha256 != identity.sha256 {
                let started_with = stored.model.name;
                return Err(Error::OtherModel { started_with, loaded: identity.name.clone() });
            }
            RunRecord { status: RunStatus::Running, message: None, finished: None, ..stored }
        } else {
            if run_dir.join(record::RECORD_FILE).exists() {
                return Err(Error::Occupied(run_dir.clone()));
            }
            let bytes = read(data_path)?;
            write(&copied, &bytes)?;
            store_config(run_dir, &config)?;
            RunRecord {
                status: RunStatus::Running,
                message: None,
                best: None,
                steps_done: 0,
                steps_planned: plan.steps,
                program_version: env!("CARGO_PKG_VERSION").to_owned(),
                model: identity.clone(),
                data: absolute(data_path),
                data_sha256: files::sha256_of_bytes(&bytes),
                train_rows: train.len(),
                held_out_rows: held_out.len(),
                started: record::timestamp(OffsetDateTime::now_utc()),
                finished: None,
            }
        };
        record.write(run_dir)?;
        progress.emit(TrainEvent::Planned {
            steps: plan.steps,
            train_rows: train.len(),
            held_out_rows: held_out.len(),
        });
        for warning in warnings {
            progress.emit(TrainEvent::Warning(warning));
        }
        Ok(Self {
            config,
            run_dir: run_dir.clone(),
            resume: *resume,
            cache: cache.clone(),
            examples,
            train,
            held_out,
            plan,
            record,
            _lock: lock,
        })
    }

    /// The examples that the run trains on or measures with.
    pub fn rows(&self) -> Vec<usize> {
        rows_of(&self.plan, &self.train, &self.held_out)
    }
}

/// The examples that a run comes to: those of its plan, and those that are held out.
pub(crate) fn rows_of(plan: &Plan, train: &[usize], held_out: &[usize]) -> Vec<usize> {
    let mut rows: Vec<usize> = plan.rows().into_iter().map(|row| train[row]).collect();
    rows.extend(held_out);
    rows.sort_unstable();
    rows
}

/// A new adapter, or the one to continue.
pub fn adapter(
    model: &Model,
    config: &TrainConfig,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Adapter, Error> {
    let Some(path) = &config.adapter else {
        return Ok(Adapter::init(model, &lora_spec(config), config.seed)?);
    };
    let adapter = load_adapter(model, path)?;
    let rank = adapter.card().rank;
    if rank != config.lora.r {
        progress.emit(TrainEvent::Warning(format!(
            "the adapter that is continued has rank {rank}; r = {} is not used",
            config.lora.r
        )));
    }
    Ok(adapter)
}

pub(crate) fn lora_spec(config: &TrainConfig) -> LoraSpec {
    let LoraConfig { r, lora_alpha, lora_dropout, target_modules, use_rslora } =
        config.lora.clone();
    LoraSpec { r, lora_alpha, lora_dropout, use_rslora, target_modules }
}

pub fn load_adapter(model: &Model, path: &Path) -> Result<Adapter, Error> {
    Adapter::load(path, model).map_err(|source| Error::Adapter { path: path.to_owned(), source })
}

/// The rows of a file as a model sees them.
pub fn examples(
    model: &Model,
    config: &TrainConfig,
    data: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Examples, Error> {
    let Rows { rows, mut warnings } = rows::read(data, config.objective).map_err(Error::Data)?;
    if rows.is_empty() {
        return Err(Error::NoRows(data.to_owned()));
    }
    let eos = eos_text(model);
    let encoder = encoder(model, config, &eos);
    let mut found = encoder.examples(&rows, max_length(model, config), progress)?;
    warnings.append(&mut found.warnings);
    Ok(Examples { warnings, ..found })
}

/// What turns rows into ids, for a run. `eos` is the model's [`eos_text`].
pub(crate) fn encoder<'a>(model: &'a Model, config: &TrainConfig, eos: &'a str) -> Encoder<'a> {
    let learned =
        if config.completion_only_loss { Learned::Completion } else { Learned::Everything };
    Encoder { tokenizer: model.tokenizer(), chat: model.chat(), eos, learned }
}

/// The text of the token that ends an answer; empty where the model has none.
pub(crate) fn eos_text(model: &Model) -> String {
    let tokenizer = model.tokenizer();
    let eos = tokenizer.eos().or_else(|| model.stop_ids().first().copied());
    eos.and_then(|id| tokenizer.token(id)).unwrap_or_default()
}

/// Longer than the context cannot be run, whatever the settings say.
pub(crate) fn max_length(model: &Model, config: &TrainConfig) -> usize {
    config.max_length.min(model.card().facts.context_length)
}

/// Which examples are trained on and which are held out: the same in every run with the same
/// rows, share and seed.
pub fn held_out_split(examples: &[Example], config: &TrainConfig) -> Split {
    let nothing = Text::Plain(String::new());
    let prompts: Vec<PreferencePair> = examples
        .iter()
        .map(|example| PreferencePair {
            prompt: example.prompt.clone(),
            chosen: nothing.clone(),
            rejected: nothing.clone(),
        })
        .collect();
    split::split(&prompts, config.held_out_share, config.seed)
}

fn stored_config(run_dir: &Path) -> Result<TrainConfig, Error> {
    let path = run_dir.join(record::CONFIG_FILE);
    if !path.is_file() {
        return Err(Error::NoCheckpoint(run_dir.to_owned()));
    }
    run_file::read(&path).map_err(Error::RunFile)
}

/// The data is the copy in the same folder: what it was copied from may change, and the folder
/// may be moved. Other paths are absolute: the folder may be looked at from elsewhere.
fn store_config(run_dir: &Path, config: &TrainConfig) -> Result<(), Error> {
    let stored = TrainConfig {
        data: PathBuf::from(record::DATA_FILE),
        adapter: config.adapter.as_deref().map(absolute),
        ..config.clone()
    };
    let path = run_dir.join(record::CONFIG_FILE);
    run_file::write(&path, &stored).map_err(|err| match err {
        RunFileError::Write { path, source } => Error::Write { path, source },
        other => Error::RunFile(other),
    })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    files::write_atomic(path, bytes)
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}
