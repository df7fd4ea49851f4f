//! Everything before the first step: settings checked, rows read and encoded, the split drawn, the
//! run folder opened. Bad input is found here, before anything is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::copies;
use super::differences;
use super::request::{ResumeRequest, StartRequest};
use super::unused::{unused_lora, unused_settings};
use crate::data::forms::dataset_info;
use crate::data::split::Split;
use crate::data::table;
use crate::files;
use crate::files::Lock;
use crate::jobs::{Progress, Quiet};
use crate::llm::Init;
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::peft_mixtures;
use crate::llm::adapter::soft::leaves_room;
use crate::llm::config::Routing;
use crate::llm::model::Model;
use crate::train::config::ConfigProblem;
use crate::train::config::rewards::Rule;
use crate::train::config::run_file;
use crate::train::config::run_file::RunFileError;
use crate::train::config::{Method, Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::estimate;
use crate::train::record;
use crate::train::record::landmarks::Landmarks;
use crate::train::record::metrics::TrainEvent;
use crate::train::record::sources::SourceRows;
use crate::train::record::{RunRecord, RunStatus};
use crate::train::rows::batch::Example;
use crate::train::rows::plan;
use crate::train::rows::plan::Plan;
use crate::train::rows::prepare;
use crate::train::rows::prepared::Prepared;
use crate::train::rows::survey::{Concern, Finding};
use crate::train::rows::text;
use crate::train::step::adapter;
use crate::train::step::judge::Judge;

pub(crate) use super::copies::{absolute, write};

/// A run that can begin.
pub struct Setup {
    pub config: TrainConfig,
    pub run_dir: PathBuf,
    pub begins: Begins,
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

/// Where a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    AtItsFirstStep,
    AtItsCheckpoint,
}

/// A run that could begin: nothing stands in its way, and nothing is written yet.
pub struct Checked {
    pub config: TrainConfig,
    pub plan: Plan,

    /// What there is to know about the rows.
    pub findings: Vec<Finding>,

    /// What there is to know about the settings.
    pub notes: Vec<String>,
    data: PathBuf,
    pub(super) examples: Vec<Example>,
    pub(super) split: Split,
    landmarks: Option<Landmarks>,

    /// Of a run with several files: what is taken of each.
    pub sources: Vec<SourceRows>,
    pub(super) adapter: Adapter,

    /// Of a run that is resumed.
    stored: Option<RunRecord>,
}

/// Everything that a new run is refused for, before anything is written. Slow: reads all rows.
pub fn check_start(
    model: &Model,
    request: &StartRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Checked, Error> {
    let StartRequest { config, run_dir, cache: _ } = request;
    check_settings(model, config)?;
    if run_dir.join(record::RECORD_FILE).exists() {
        return Err(Error::Occupied(run_dir.clone()));
    }
    check_folder(run_dir)?;
    if config.objective.samples() {
        // A rule that cannot be applied is refused before anything is written.
        Judge::new(model, &config.rewards)?;
    }
    let rows = Readied::of(model, config, config.data.clone(), progress)?;
    let adapter = adapter::begin(model, config)?;
    let mut notes: Vec<String> = unused_lora(config, &adapter).into_iter().collect();
    notes.extend(differences::notes(model, config, &adapter));
    let init = config.lora.init_lora_weights;
    let is_new = config.method == Method::Lora && config.adapter.is_none();
    if is_new && matches!(init, Init::Pissa | Init::Olora) {
        let note = "with init_lora_weights pissa and olora a part is taken out of every layer before \
                    the first step, and that time is not in the estimate";
        notes.push(note.to_owned());
    }
    let routing = model.config().experts.as_ref().map(|experts| experts.routing);
    if routing.is_some() {
        let note = "routers and experts stand still, and nothing is added to the loss for balanced routers: in TRL \
                    this is router_aux_loss_coef = 0";
        notes.push(note.to_owned());
    }
    if is_new && routing.is_some() {
        let model_type = &model.config().architecture;
        notes.extend(peft_mixtures::beyond(model_type, &config.lora.target_modules).told());
    }
    let is_all = config.lora.target_modules.iter().any(|name| name == "all-linear");
    if is_new && is_all && model.config().per_layer_width.is_some() {
        let more = match model.config().altup {
            Some(_) => ", altup_projections, altup_unembed_projections and correction_coefs",
            None => "",
        };
        notes.push(format!(
            "with all-linear PEFT adapts per_layer_model_projection{more} too; here this stands still"
        ));
    }
    if matches!(routing, Some(Routing::SparseMixer { .. })) {
        let note = "each token goes to the experts that it goes to in answers; transformers draws them at random \
                    while it trains this model";
        notes.push(note.to_owned());
    }
    Ok(rows.checked(config.clone(), notes, adapter, None))
}

/// The same of a run that is resumed.
pub fn check_resume(
    model: &Model,
    request: &ResumeRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Checked, Error> {
    let ResumeRequest { run_dir, cache: _, unused } = request;
    let config = stored_config(run_dir)?;
    check_settings(model, &config)?;
    check_folder(run_dir)?;
    let stored = stored_record(model, run_dir)?;
    let rows = Readied::of(model, &config, run_dir.join(record::DATA_FILE), progress)?;
    let mut notes = Vec::new();
    if let Some(unused) = unused {
        notes.extend(unused_settings(unused, &config, &stored, run_dir));
    }
    if stored.steps_done >= rows.plan.steps {
        notes.push(format!("all {} steps of this run are done: nothing is left", rows.plan.steps));
    }
    // It does not need the adapter that it once continued from.
    let adapter = adapter::resumed(model, &config, run_dir)?;
    Ok(rows.checked(config, notes, adapter, Some(stored)))
}

fn check_settings(model: &Model, config: &TrainConfig) -> Result<(), Error> {
    match config.method.own() {
        None => model.check_trainable()?,
        Some(_) => model.check_ownable()?,
    }
    if config.objective != Objective::Reward {
        model.check_writes()?; // a score head is all that a reward model needs
    }
    let mut problems = config.problems();
    problems.retain(|problem| problem.field != "model"); // it is here already
    if config.objective.reads_texts() {
        let name = config.objective.facts().name;
        let message = format!("{name} reads texts with labels, which is another kind of run");
        problems.push(ConfigProblem { field: "objective", message });
    }
    let (tokens, context) = (config.virtual_tokens(), model.config().context_length);
    if !leaves_room(tokens, model.config()) {
        let message = format!(
            "must leave room for a text: the model's context is {context}, and it is {tokens}"
        );
        problems.push(ConfigProblem { field: "soft_prompt.num_virtual_tokens", message });
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Config(problems)) }
}

pub(crate) fn check_folder(run_dir: &Path) -> Result<(), Error> {
    if files::is_locked(&run_dir.join(record::LOCK_FILE)) {
        return Err(Error::Busy(run_dir.to_owned()));
    }
    writable(run_dir)
}

/// The rows of a run that fits into memory.
struct Readied {
    data: PathBuf,
    prepared: Prepared,
    plan: Plan,
}

impl Readied {
    fn of(
        model: &Model,
        config: &TrainConfig,
        data: PathBuf,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Self, Error> {
        let prepared = prepare::prepared(model, config, &data, progress)?;
        let plan = Plan::new(config, prepared.split.train.len());
        let examples = prepared.examples.clone();
        let examples = estimate::answered(config, model.config().vocab_size, examples);
        estimate::check_run(model, config, (&examples, &prepared.split.train), &plan)?;
        check_prompts(config, prepared.split.train.len())?;
        check_columns(config, &prepared.examples)?;
        Ok(Self { data, prepared, plan })
    }

    fn checked(
        self,
        config: TrainConfig,
        notes: Vec<String>,
        adapter: Adapter,
        stored: Option<RunRecord>,
    ) -> Checked {
        let Self { data, prepared, plan } = self;
        let Prepared { examples, split, survey, landmarks, sources } = prepared;
        Checked {
            config,
            plan,
            findings: survey.findings,
            notes,
            data,
            examples,
            split,
            landmarks,
            sources,
            adapter,
            stored,
        }
    }
}

/// Too few prompts for a round.
fn check_prompts(config: &TrainConfig, prompts: usize) -> Result<(), Error> {
    let needed = Plan::prompts_a_round(config);
    if !config.objective.samples() || prompts >= needed {
        return Ok(());
    }
    let message = format!(
        "asks for {needed} prompts in a round (micro-batches of {} answers, {} answers to a prompt), and there \
         are {prompts}. Take more prompts, or a smaller batch",
        config.per_device_train_batch_size, config.policy.num_generations
    );
    Err(Error::Config(vec![ConfigProblem { field: "per_device_train_batch_size", message }]))
}

/// A rule that names a column which no row has would pay for nothing.
fn check_columns(config: &TrainConfig, examples: &[Example]) -> Result<(), Error> {
    if !config.objective.samples() {
        return Ok(());
    }
    for reward in &config.rewards {
        let Rule::ExactMatch { column, .. } = &reward.rule else { continue };
        if examples.iter().any(|example| example.columns.contains_key(column)) {
            continue;
        }
        let columns: BTreeSet<&str> = examples
            .iter()
            .flat_map(|example| example.columns.keys())
            .map(String::as_str)
            .collect();
        let columns = columns.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!(
            "{}: no row has the column `{column}`; the columns are {columns}. Name the one that has the right \
             answer",
            reward.title()
        );
        return Err(Error::Config(vec![ConfigProblem { field: "rewards", message }]));
    }
    Ok(())
}

impl Checked {
    /// Says what there is to know: mistakes and cautions as warnings, the rest as it is.
    pub fn tell(&self, progress: &dyn Progress<TrainEvent>) {
        for note in &self.notes {
            progress.emit(TrainEvent::Warning(note.clone()));
        }
        for finding in &self.findings {
            progress.emit(match finding.concern {
                Concern::Problem | Concern::Caution => TrainEvent::Warning(finding.with_lines()),
                Concern::Fact => TrainEvent::Noted(finding.sentence.clone()),
            });
        }
    }
}

impl Setup {
    /// A new run, and the adapter that it begins with.
    pub fn start(
        model: &Model,
        request: &StartRequest,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<(Self, Adapter), Error> {
        let checked = check_start(model, request, progress)?;
        let StartRequest { run_dir, cache, .. } = request;
        Self::open(model, checked, (run_dir, cache.as_deref()), progress)
    }

    /// A run that is resumed, and its adapter as it was saved.
    pub fn resume(
        model: &Model,
        request: &ResumeRequest,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<(Self, Adapter), Error> {
        let checked = check_resume(model, request, progress)?;
        let ResumeRequest { run_dir, cache, .. } = request;
        Self::open(model, checked, (run_dir, cache.as_deref()), progress)
    }

    fn open(
        model: &Model,
        checked: Checked,
        (run_dir, cache): (&Path, Option<&Path>),
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<(Self, Adapter), Error> {
        let is_new = !run_dir.exists();
        let opened = open(model, run_dir, &checked);
        let (lock, record) = match opened {
            Ok(opened) => opened,
            Err(err) => {
                if is_new {
                    remove(run_dir);
                }
                return Err(err);
            }
        };
        progress.emit(TrainEvent::Planned {
            steps: checked.plan.steps,
            train_rows: checked.split.train.len(),
            held_out_rows: checked.split.held_out.len(),
        });
        if let Some(landmarks) = checked.landmarks {
            progress.emit(TrainEvent::Landmarks(landmarks));
        }
        checked.tell(progress);
        let Checked { config, plan, examples, split, adapter, stored, .. } = checked;
        let begins =
            if stored.is_some() { Begins::AtItsCheckpoint } else { Begins::AtItsFirstStep };
        let setup = Self {
            config,
            run_dir: run_dir.to_owned(),
            begins,
            cache: cache.map(Path::to_owned),
            examples,
            train: split.train,
            held_out: split.held_out,
            plan,
            record,
            _lock: lock,
        };
        Ok((setup, adapter))
    }

    /// The examples that the run trains on or measures with.
    pub fn rows(&self) -> Vec<usize> {
        plan::rows_of(&self.plan, &self.train, &self.held_out)
    }
}

/// Takes the run's folder, and writes into it what the run is.
fn open(model: &Model, run_dir: &Path, checked: &Checked) -> Result<(Lock, RunRecord), Error> {
    let Checked { config, plan, data, split, stored, landmarks, sources, .. } = checked;
    let lock = files::lock(&run_dir.join(record::LOCK_FILE))
        .map_err(|source| Error::Write { path: run_dir.to_owned(), source })?
        .ok_or_else(|| Error::Busy(run_dir.to_owned()))?;
    let record = if let Some(stored) = stored {
        RunRecord { status: RunStatus::Running, message: None, finished: None, ..stored.clone() }
    } else {
        let bytes = if config.objective == Objective::Pretrain {
            text::json_lines(data)?
        } else {
            table::json_lines(data, &Quiet).map_err(|err| Error::Data(err.into()))?
        };
        write(&run_dir.join(record::DATA_FILE), &bytes)?;
        let data_sha256 = files::sha256_of_bytes(&bytes);
        let mut sources = sources.clone();
        if let Some(own) = sources.first_mut() {
            (own.data, own.data_sha256) = (Some(absolute(data)), Some(data_sha256.clone()));
        }
        copies::of_mix(run_dir, config, &mut sources)?;
        copies::of_round(run_dir, data)?;
        if let Some(info) = copies::dataset_info(config, data) {
            write(&run_dir.join(dataset_info::FILE), info.as_bytes())?;
        }
        store_config(run_dir, config)?;
        RunRecord {
            status: RunStatus::Running,
            message: None,
            best: None,
            steps_done: 0,
            steps_planned: plan.steps,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            model: model.card().identity.clone(),
            data: absolute(data),
            data_sha256,
            sources,
            train_rows: split.train.len(),
            held_out_rows: split.held_out.len(),
            landmarks: *landmarks,
            started: record::timestamp(OffsetDateTime::now_utc()),
            finished: None,
        }
    };
    record.write(run_dir)?;
    Ok((lock, record))
}

/// Takes back a folder that was made for a run which is refused after all.
pub(crate) fn remove(run_dir: &Path) {
    for file in [
        record::DATA_FILE,
        dataset_info::FILE,
        record::CONFIG_FILE,
        record::RECORD_FILE,
        record::LOCK_FILE,
    ] {
        // The folder stays if anything cannot be removed; why the run was refused matters more.
        files::remove_if_there(&run_dir.join(file)).ok();
    }
    copies::remove(run_dir);
    std::fs::remove_dir(run_dir).ok();
}

/// Whether a folder can be made or written: seen at the nearest one that is there.
fn writable(run_dir: &Path) -> Result<(), Error> {
    let absolute = absolute(run_dir);
    let there = absolute.ancestors().find(|folder| folder.exists());
    let Some(there) = there else { return Ok(()) };
    files::check_writable(there).map_err(|source| Error::Write { path: run_dir.to_owned(), source })
}

/// What is on record of a run that is resumed with the model that it was started with.
fn stored_record(model: &Model, run_dir: &Path) -> Result<RunRecord, Error> {
    let (identity, stored) = (&model.card().identity, RunRecord::read(run_dir)?);
    if stored.model.sha256 != identity.sha256 {
        let started_with = stored.model.name;
        return Err(Error::OtherModel { started_with, loaded: identity.name.clone() });
    }
    Ok(stored)
}

pub(crate) fn stored_config(run_dir: &Path) -> Result<TrainConfig, Error> {
    let path = run_dir.join(record::CONFIG_FILE);
    if !path.is_file() {
        return Err(Error::NoCheckpoint(run_dir.to_owned()));
    }
    run_file::read(&path).map_err(Error::RunFile)
}

/// The data is the copy in the same folder: what it was copied from may change, and the folder
/// may be moved. Other paths are absolute: the folder may be read from elsewhere.
pub(crate) fn store_config(run_dir: &Path, config: &TrainConfig) -> Result<(), Error> {
    let stored = TrainConfig {
        data: PathBuf::from(record::DATA_FILE),
        adapter: config.adapter.as_deref().map(absolute),
        ..copies::named(config)
    };
    let path = run_dir.join(record::CONFIG_FILE);
    run_file::write(&path, &stored).map_err(|err| match err {
        RunFileError::Write { path, source } => Error::Write { path, source },
        other => Error::RunFile(other),
    })
}
