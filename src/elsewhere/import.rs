//! Results of another engine as a run of the project.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::bundle;
use super::error::Error;
use super::manifest::{MANIFEST_FILE, Manifest};
use super::recompute::{self, AGREES, Beside, Measure};
use super::results::{self, Learned, Results};
use crate::data::table;
use crate::files;
use crate::jobs::{Cancelled, Progress, Quiet};
use crate::llm::SoftKind;
use crate::llm::adapter::soft_config;
use crate::llm::card::{ModelIdentity, ModelSource};
use crate::llm::model;
use crate::llm::model::{LoadOptions, Model};
use crate::llm::net::transformer::LoadEvent;
use crate::train::config::run_file;
use crate::train::config::{Method, TrainConfig};
use crate::train::estimate;
use crate::train::record;
use crate::train::record::history::History;
use crate::train::record::metrics::{EvalMetrics, TrainEvent};
use crate::train::record::notes::RunNotes;
use crate::train::record::{MODEL_FOLDER, RunRecord, RunStatus};
use crate::train::run::setup;
use crate::words::gigabytes;

/// What is beside the log, in the run's folder.
const IMPORTED_FILE: &str = "imported.json";

/// What is to be taken back.
#[derive(Clone, Debug)]
pub struct ImportOrder {
    /// The folder of results, or the bundle with its results in `out`.
    pub results: PathBuf,

    /// `None`: the results lie in their bundle, or there is none.
    pub bundle: Option<PathBuf>,

    /// A run file, where there is no bundle.
    pub run_file: Option<PathBuf>,
    pub run_dir: PathBuf,

    /// Whether the held-out numbers are computed here, too.
    pub recomputes: bool,
}

/// What was taken back.
#[derive(Clone, Debug)]
pub struct Imported {
    pub run_dir: PathBuf,

    /// `TRL 1.16.0 on NVIDIA H200, 8 processes, bfloat16`
    pub engine: String,
    pub steps_done: usize,
    pub evaluations: usize,

    /// Held-out numbers of the log with ours.
    pub beside: Vec<Beside>,
    pub notes: Vec<String>,
}

/// `imported.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ImportedRecord {
    engine: String,
    results: PathBuf,
    bundle: Option<PathBuf>,
    trained: Value,
    beside: Vec<Beside>,
    notes: Vec<String>,
}

impl Imported {
    /// The largest difference between a held-out number of the log and ours.
    pub fn largest(&self) -> Option<&Beside> {
        self.beside.iter().max_by(|one, other| one.difference().total_cmp(&other.difference()))
    }

    /// `the held-out metrics, computed here, agree with the log: largest difference 2.0e-5 (eval_loss: …`
    pub fn words(&self) -> Option<String> {
        let largest = self.largest()?;
        let difference = largest.difference();
        let verdict = if difference <= AGREES { "agree with" } else { "differ from" };
        Some(format!(
            "the held-out metrics, computed here, {verdict} the log: largest difference {difference:.1e} ({}: \
             {:.5} in the log, {:.5} here)",
            largest.metric, largest.logged, largest.recomputed
        ))
    }
}

/// Where the settings and the rows come from.
struct Origin {
    config: TrainConfig,
    manifest: Option<Manifest>,
    bundle: Option<PathBuf>,
}

impl Origin {
    fn of(order: &ImportOrder) -> Result<Self, Error> {
        let results = &order.results;
        let parent = || std::path::absolute(results).ok()?.parent().map(Path::to_owned);
        let guesses = [Some(results.clone()), Some(results.join("bundle")), parent()];
        let here = |folder: &PathBuf| folder.join(MANIFEST_FILE).is_file();
        let bundle = match &order.bundle {
            Some(given) if !here(given) && here(&given.join("bundle")) => {
                Some(given.join("bundle"))
            }
            Some(given) => Some(given.clone()),
            None => guesses.into_iter().flatten().find(here),
        };
        if let Some(bundle) = bundle.filter(|_| order.run_file.is_none()) {
            let manifest = Manifest::read(&bundle)?;
            let config = bundle::read_run(&bundle)?;
            manifest.check_data(&bundle)?;
            return Ok(Self { config, manifest: Some(manifest), bundle: Some(bundle) });
        }
        if let Some(path) = &order.run_file {
            let config = run_file::read(path).map_err(crate::train::Error::RunFile)?;
            return Ok(Self { config, manifest: None, bundle: None });
        }
        Err(Error::NeedsRun(format!(
            "{} is not in a bundle, so nothing says which base model and which data these results belong to: \
             give the bundle with --bundle, or a run file with --run",
            results.display()
        )))
    }
}

/// Takes results back. `resolve` finds the base model on this disk by its name. Slow: loads the
/// model and measures the held-out rows.
pub fn import(
    order: &ImportOrder,
    resolve: &dyn Fn(&str) -> Option<PathBuf>,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Imported, Error> {
    let Origin { mut config, manifest, bundle } = Origin::of(order)?;
    if order.run_dir.join(record::RECORD_FILE).exists() {
        return Err(Error::Train(crate::train::Error::Occupied(order.run_dir.clone())));
    }
    let found = results::find(&order.results)?;
    let mut notes = found.notes.clone();
    check_base(&found, manifest.as_ref())?;
    as_learned(&found, &mut config);
    let source = base_source(&config, manifest.as_ref(), resolve);
    let mut base = None;
    let identity = if let Some(source) = &source {
        let identity = if order.recomputes && has_room(source, &config, &mut notes)? {
            // The hash comes with the load: a large model is read for it once.
            let loaded = load(source, &config, progress)?;
            base.insert(loaded).card().identity.clone()
        } else {
            let hashing = Loading(progress, Instant::now());
            model::identity(source, &hashing).map_err(Error::Model)?
        };
        check_identity(&identity, manifest.as_ref())?;
        config.model = source.path().display().to_string();
        identity
    } else {
        let name = manifest.as_ref().map_or(&config.model, |manifest| &manifest.base.name);
        notes.push(format!(
            "the base model {name} is not on this disk, so the results were not loaded and nothing was \
             evaluated here: download it to use the run"
        ));
        identity_of(&config, manifest.as_ref())
    };
    let rows = rows(&config, manifest.as_ref(), bundle.as_deref())?;
    let mut history = found.history.clone();
    for evaluation in &mut history.evaluations {
        evaluation.pair_count = rows.held_out;
    }
    let beside = if let Some(base) = &base {
        let test = bundle.as_ref().map(|bundle| test_rows(bundle));
        let test = test.filter(|path| path.is_file());
        let asked = Asked { found: &found, config: &config, base, test };
        compared(&asked, &history, &mut notes, progress)?
    } else {
        Vec::new()
    };
    progress.check().map_err(|_stopped| Error::Cancelled)?;
    let imported = Imported {
        run_dir: order.run_dir.clone(),
        engine: found.engine.clone(),
        steps_done: found.weights_of_step,
        evaluations: history.evaluations.len(),
        beside,
        notes,
    };
    let origin = (manifest.as_ref(), bundle);
    write(order, (&config, identity), &rows, (&found, &history), (&imported, origin))?;
    Ok(imported)
}

/// Whether the base model fits into memory. A run may have been elsewhere because it does not.
fn has_room(
    source: &ModelSource,
    config: &TrainConfig,
    notes: &mut Vec<String>,
) -> Result<bool, Error> {
    match estimate::check_load(source, config) {
        Err(crate::train::Error::Memory { needed, free, .. }) => {
            notes.push(format!(
                "the held-out metrics were not computed here: the base model needs {} of memory, and {} \
                 are free",
                gigabytes(needed),
                gigabytes(free)
            ));
            Ok(false)
        }
        checked => Ok(checked.map(|()| true)?),
    }
}

/// The method of the results: what lies in their folder counts, not what the run file planned.
fn as_learned(found: &Results, config: &mut TrainConfig) {
    if found.learned == Learned::Model {
        // An adapter that was merged into the weights.
        if config.method.own().is_none() {
            config.method = Method::Full;
        }
        return;
    }
    let adapter = results::read_json(&found.folder.join(results::ADAPTER)).unwrap_or_default();
    let soft = adapter["peft_type"].as_str().and_then(soft_config::kind_of);
    config.method = match soft {
        None => Method::Lora,
        Some(SoftKind::Prompt) => Method::PromptTuning,
        Some(SoftKind::Prefix) => Method::PrefixTuning,
    };
    if soft.is_some()
        && let Some(tokens) = adapter["num_virtual_tokens"].as_u64()
    {
        config.soft_prompt.num_virtual_tokens = tokens as usize;
    }
}

/// Refuses results of another base than the bundle's, with both hashes.
fn check_base(found: &Results, manifest: Option<&Manifest>) -> Result<(), Error> {
    let Some(base) = manifest.map(|manifest| &manifest.base) else { return Ok(()) };
    if let (Some(expected), Some(other)) = (&base.sha256, &found.trained.base_sha256) {
        if expected != other {
            return Err(Error::OtherBase {
                what: "the model they were trained on".to_owned(),
                name: base.local.clone(),
                expected: expected.clone(),
                found: other.clone(),
            });
        }
        return Ok(());
    }
    if found.learned == Learned::Model {
        return Ok(());
    }
    let path = found.folder.join(results::ADAPTER);
    let bytes =
        std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let json: Value = serde_json::from_slice(&bytes)
        .map_err(|err| Error::Settings { problem: files::mistake_in_json(&bytes, &err), path })?;
    let Some(named) = json["base_model_name_or_path"].as_str() else { return Ok(()) };
    // Unsloth has copies of models under its own name.
    let last = |name: &str| name.rsplit(['/', '\\']).next().unwrap_or(name).to_lowercase();
    if last(named) == last(&base.name) || last(named) == last(&base.local) {
        return Ok(());
    }
    Err(Error::OtherName { expected: base.name.clone(), found: named.to_owned() })
}

fn check_identity(identity: &ModelIdentity, manifest: Option<&Manifest>) -> Result<(), Error> {
    let expected = manifest.and_then(|manifest| Some((manifest, manifest.base.sha256.as_ref()?)));
    match expected {
        Some((manifest, expected)) if *expected != identity.sha256 => Err(Error::OtherBase {
            what: format!("{} on this disk", identity.name),
            name: manifest.base.local.clone(),
            expected: expected.clone(),
            found: identity.sha256.clone(),
        }),
        _ => Ok(()),
    }
}

/// The base model on this disk: as the run file names it, else as the other machine did.
fn base_source(
    config: &TrainConfig,
    manifest: Option<&Manifest>,
    resolve: &dyn Fn(&str) -> Option<PathBuf>,
) -> Option<ModelSource> {
    let mut names = vec![config.model.clone()];
    if let Some(Manifest { base, .. }) = manifest {
        names.extend(base.revision.as_ref().map(|revision| format!("{}@{revision}", base.name)));
        names.push(base.name.clone());
    }
    // A quantised file is not what was trained.
    let found = names.iter().filter_map(|name| resolve(name)).map(|path| ModelSource::at(&path));
    let mut found: Vec<ModelSource> = found.collect();
    found.sort_by_key(|source| matches!(source, ModelSource::Gguf(_)));
    found.into_iter().next()
}

fn identity_of(config: &TrainConfig, manifest: Option<&Manifest>) -> ModelIdentity {
    match manifest.map(|manifest| &manifest.base) {
        Some(base) => ModelIdentity {
            name: base.local.clone(),
            repo: base.revision.as_ref().map(|_| base.name.clone()),
            commit: base.revision.clone(),
            sha256: base.sha256.clone().unwrap_or_default(),
            server: None,
        },
        None => ModelIdentity { name: config.model.clone(), ..ModelIdentity::default() },
    }
}

/// The rows of the run, as JSON Lines in their order.
struct RunRows {
    bytes: Vec<u8>,
    train: usize,
    held_out: usize,
}

fn rows(
    config: &TrainConfig,
    manifest: Option<&Manifest>,
    bundle: Option<&Path>,
) -> Result<RunRows, Error> {
    let (Some(manifest), Some(bundle)) = (manifest, bundle) else {
        let bytes =
            table::json_lines(&config.data, &Quiet).map_err(|err| Error::Data(err.into()))?;
        let train = bytes.iter().filter(|byte| **byte == b'\n').count();
        return Ok(RunRows { bytes, train, held_out: 0 });
    };
    let read = |name: &str| {
        let path = bundle.join("data").join(name);
        std::fs::read_to_string(&path).map_err(|source| Error::Read { path, source })
    };
    let (train, held_out) = (manifest.train_rows, manifest.held_out.len());
    if bundle.join("data/rows.jsonl").is_file() {
        return Ok(RunRows { bytes: read("rows.jsonl")?.into_bytes(), train, held_out });
    }
    let test = if held_out > 0 { read("test.jsonl")? } else { String::new() };
    let training = read("train.jsonl")?;
    let (mut trained, mut tested) = (training.lines(), test.lines());
    let mut text = String::new();
    for place in 0..train + held_out {
        let is_held_out = manifest.held_out.binary_search(&place).is_ok();
        let line = if is_held_out { tested.next() } else { trained.next() };
        text.push_str(line.unwrap_or_default());
        text.push('\n');
    }
    Ok(RunRows { bytes: text.into_bytes(), train, held_out })
}

/// What TRL evaluated.
fn test_rows(bundle: &Path) -> PathBuf {
    bundle.join("data").join("test.jsonl")
}

/// Whose held-out numbers are computed.
struct Asked<'a> {
    found: &'a Results,
    config: &'a TrainConfig,
    base: &'a Model,
    test: Option<PathBuf>,
}

/// Tries the adapter on its base, and compares the held-out numbers with the log's.
fn compared(
    asked: &Asked<'_>,
    history: &History,
    notes: &mut Vec<String>,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Vec<Beside>, Error> {
    let Asked { found, config, base, test } = asked;
    let whole = match found.learned {
        Learned::Adapter => None,
        Learned::Model => Some(load(&ModelSource::at(&found.folder), config, progress)?),
    };
    let trained = whole.as_ref().unwrap_or(base);
    let adapter = recompute::adapter_of(found.learned, &found.folder, base, trained)?;
    let Some(test) = test.as_ref().filter(|_| !config.objective.samples()) else {
        return Ok(Vec::new());
    };
    let logged = history.evaluations.iter().rfind(|row| row.step == found.weights_of_step);
    let Some(logged) = logged else {
        if !history.evaluations.is_empty() {
            notes.push(
                "the log has no evaluation at the step of these weights, so there is nothing to compare with"
                    .to_owned(),
            );
        }
        return Ok(Vec::new());
    };
    let measure = Measure {
        base,
        trained,
        adapter: &adapter,
        config,
        batch: found.trained.per_device_eval_batch_size.unwrap_or(8), // transformers' default
        processes: found.trained.processes.unwrap_or(1),
    };
    let ours: EvalMetrics = recompute::held_out(&measure, test, progress)?;
    let beside = recompute::beside(logged, &ours);
    let apart = beside.iter().any(|pair| pair.difference() > AGREES);
    if apart && found.trained.dtype.as_deref() != Some("float32") {
        notes.push(
            "there the evaluation ran in half precision or with other batches, here in f32: small \
             differences are to be expected"
                .to_owned(),
        );
    }
    Ok(beside)
}

const LOADING: &str = "Loading the base model";
const HASHING: &str = "Checking the hash of the base model (MB)";

struct Loading<'a>(&'a dyn Progress<TrainEvent>, Instant);

impl Progress<LoadEvent> for Loading<'_> {
    fn emit(&self, event: LoadEvent) {
        let megabytes = |bytes: u64| (bytes >> 20) as usize;
        let (what, counted, unit) = match event {
            LoadEvent::Tensors { done, total } => (LOADING, (done, total), "layers"),
            LoadEvent::Hashing { done, total } => {
                (HASHING, (megabytes(done), megabytes(total)), "MB")
            }
        };
        self.0.emit(TrainEvent::preparing(what, counted, unit, self.1));
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

fn load(
    source: &ModelSource,
    config: &TrainConfig,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Model, Error> {
    let options = LoadOptions { weights: config.weights(), ..LoadOptions::default() };
    let loading = Loading(progress, Instant::now());
    Model::load(source, &options, &loading).map_err(Error::Model)
}

/// Writes the run's folder; `run.json`, which makes it a run, comes last.
fn write(
    order: &ImportOrder,
    (config, identity): (&TrainConfig, ModelIdentity),
    rows: &RunRows,
    (found, history): (&Results, &History),
    (imported, (manifest, bundle)): (&Imported, (Option<&Manifest>, Option<PathBuf>)),
) -> Result<(), Error> {
    let run_dir = &order.run_dir;
    setup::write(&run_dir.join(record::DATA_FILE), &rows.bytes)?;
    let mut log = String::new();
    let mut evaluations = history.evaluations.iter().peekable();
    for step in &history.steps {
        while let Some(row) = evaluations.next_if(|row| row.step < step.step) {
            log.push_str(&json_line(row));
        }
        log.push_str(&json_line(step));
    }
    for row in evaluations {
        log.push_str(&json_line(row));
    }
    setup::write(&run_dir.join(record::METRICS_FILE), log.as_bytes())?;
    match found.learned {
        Learned::Adapter => {
            for name in [results::ADAPTER, "adapter_model.safetensors"] {
                bundle::copy(&found.folder.join(name), &run_dir.join(name))?;
            }
        }
        Learned::Model => bundle::copy_folder(&found.folder, &run_dir.join(MODEL_FOLDER))?,
    }
    setup::store_config(run_dir, config)?;
    let text = ImportedRecord {
        engine: imported.engine.clone(),
        results: setup::absolute(&order.results),
        bundle,
        trained: results::read_json(&found.folder.join("trained.json")).unwrap_or_default(),
        beside: imported.beside.clone(),
        notes: imported.notes.clone(),
    };
    let text = serde_json::to_string_pretty(&text).expect("plain values can be written");
    let text = format!("{text}\n");
    setup::write(&run_dir.join(IMPORTED_FILE), text.as_bytes())?;
    let mut note = format!("Trained with {}", imported.engine);
    if let Some(words) = imported.words() {
        note.push_str(&format!("; {words}"));
    }
    RunNotes { title: String::new(), note }.write(run_dir)?;
    let done = found.weights_of_step.max(history.steps.last().map_or(0, |step| step.step));
    let now = record::timestamp(OffsetDateTime::now_utc());
    let record = RunRecord {
        status: if done >= found.steps_planned { RunStatus::Finished } else { RunStatus::Stopped },
        message: None,
        best: None,
        steps_done: done,
        steps_planned: found.steps_planned,
        program_version: manifest.map_or_else(
            || env!("CARGO_PKG_VERSION").to_owned(),
            |manifest| manifest.made_by.clone(),
        ),
        model: identity,
        data: bundle_data(order, config),
        data_sha256: files::sha256_of_bytes(&rows.bytes),
        train_rows: rows.train,
        held_out_rows: rows.held_out,
        sources: Vec::new(),
        landmarks: None,
        started: now.clone(),
        finished: Some(now),
    };
    record.write(run_dir)?;
    Ok(())
}

fn bundle_data(order: &ImportOrder, config: &TrainConfig) -> PathBuf {
    match &order.bundle {
        Some(bundle) => setup::absolute(&bundle.join("data")),
        None if order.run_file.is_some() => setup::absolute(&config.data),
        None => setup::absolute(&order.results),
    }
}

/// A line of `metrics.jsonl`.
fn json_line(row: &impl Serialize) -> String {
    let line = serde_json::to_string(row).expect("numbers can be written");
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_says_which_method_its_run_had() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            files::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        };
        write("adapter_model.safetensors", "");
        for (text, method) in [
            (r#"{"peft_type": "LORA"}"#, Method::Lora),
            (r#"{"peft_type": "P_TUNING", "num_virtual_tokens": 3}"#, Method::PromptTuning),
            (r#"{"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 3}"#, Method::PrefixTuning),
        ] {
            write("adapter_config.json", text);
            let mut config = TrainConfig { method: Method::Full, ..TrainConfig::default() };
            as_learned(&results::find(folder.path()).unwrap(), &mut config);
            assert_eq!(config.method, method);
            assert_eq!(config.virtual_tokens(), if method == Method::Lora { 0 } else { 3 });
        }
    }
}
