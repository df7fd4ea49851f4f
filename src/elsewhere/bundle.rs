//! The folder of a run that another engine does.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::axolotl;
use super::base::{BASE_FOLDER, Base};
use super::engine::Engine;
use super::error::Error;
use super::gpu::{self, Choice, Need, Size};
use super::keys;
use super::llama_factory;
use super::manifest::{BaseHash, MANIFEST_FILE, Manifest};
use super::preset::{Layout, Preset};
use super::refuse;
use super::rows;
use super::scripts;
use super::settings;
use super::settings::{ADAPTER_FOLDER, Settings};
use super::yaml;
use crate::data::split::Split;
use crate::data::table::{Reading, folder};
use crate::files;
use crate::jobs::Progress;
use crate::llm::card::ModelSource;
use crate::train::config::run_file;
use crate::train::config::scheduler::{SchedulerKwargs, SchedulerType};
use crate::train::config::{Method, TrainConfig};
use crate::train::record;
use crate::train::record::sources::SourceRows;
use crate::train::rows::Row;

const TRAIN_PY: &str = include_str!("files/train.py");
const REWARDS_PY: &str = include_str!("files/rewards.py");

/// The settings of the run in a bundle, as a run file.
pub const RUN_FILE: &str = "run.toml";

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Order {
    pub config: TrainConfig,
    pub engine: Engine,
    pub preset: Preset,
    pub gpus: Option<usize>,
    pub machines: Option<usize>,

    /// The model as it is on this disk. `None`: it is not here.
    pub source: Option<ModelSource>,

    /// What the other machine is to call it: `owner/name`, `owner/name@commit`, a path there.
    pub base: Option<String>,

    /// Copy the model's folder into the bundle.
    pub with_model: bool,

    /// Settings of TRL's that the person gives: `bf16=false`.
    pub given: Vec<String>,
    pub out: PathBuf,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    pub out: PathBuf,
    pub engine: Engine,
    pub preset: Preset,
    pub processes: usize,
    pub train_rows: usize,
    pub held_out_rows: usize,

    /// In the order in which they were written.
    pub files: Vec<String>,

    /// What the person should know, a sentence each.
    pub notes: Vec<String>,

    /// `None`: the model is not on this disk, so nothing is known of its size.
    pub memory: Option<Memory>,
}

/// What the run takes of a GPU.
#[derive(Clone, Debug)]
pub struct Memory {
    pub need: Need,
    pub choices: Vec<Choice>,

    /// With the gigabytes of its GPUs.
    pub smallest: Option<(Choice, u64)>,
}

/// Makes a bundle. Whatever stands in its way is said before anything is written.
pub fn make(order: &Order, progress: &dyn Progress<Reading>) -> Result<Made, Error> {
    let mut order = order.clone();
    if order.preset == Preset::Llama2 {
        as_in_the_courses(&mut order);
    }
    let config = &order.config;
    if let Some(problem) = config.problems().first() {
        return Err(Error::NotCarried {
            engine: order.engine.name(),
            problems: vec![format!("{} {}", problem.field, problem.message)],
        });
    }
    let layout = order.preset.layout(order.gpus, order.machines)?;
    if has_files(&order.out) {
        return Err(Error::Occupied(order.out.clone()));
    }
    let base = Base::of(
        &order.config.model,
        order.source.as_ref(),
        order.base.as_deref(),
        order.with_model,
        progress,
    )?;
    // Before the rows are read: what they are does not matter there.
    refused(config, &base, &[], order.engine)?;
    let mut files = Vec::new();
    for source in config.sources(&config.data) {
        let read =
            crate::train::rows::read(source.path, source.columns, config.objective, progress)
                .map_err(Error::Data)?;
        if read.rows.is_empty() {
            return Err(Error::NoRows(source.path.to_owned()));
        }
        files.push(read.rows);
    }
    let (mut rows, split, sources) = rows::arranged(files, config);
    if let Err(problem) = rows::in_one_form(&mut rows) {
        let engine = order.engine.name();
        let sentence = format!(
            "{problem}, and {engine} reads rows of one form: bring the files of the mix to one form, or train here"
        );
        return Err(Error::NotCarried { engine, problems: vec![sentence] });
    }
    refused(config, &base, &rows, order.engine)?;
    let mut bundle = Bundle::default();
    bundle.notes.extend(mix_note(&sources, config));
    bundle.put(&order, &base, (&rows, &split), layout)?;
    let memory = base.config.as_ref().map(|model| {
        let size = Size::of(model, config);
        Memory {
            need: Need::of(&size, config, layout),
            choices: gpu::choices(&size, config),
            smallest: gpu::smallest_choice(&size, config),
        }
    });
    if let Some(memory) = memory.as_ref().filter(|_| !layout.is_cpu()) {
        bundle.notes.push(memory_note(memory, order.preset));
    }
    if !base.is_on_hub() && !order.with_model && order.base.is_none() {
        bundle.notes.push(format!(
            "the base model is the folder {} on this machine. For another machine, copy it into the bundle (a \
             checkbox in the window, --with-model), or give its name or path there (--base)",
            base.name
        ));
    }
    bundle.finish(&order, &base, (layout, &split), memory.as_ref())?;
    bundle.write(&order)?;
    Ok(Made {
        out: order.out.clone(),
        engine: order.engine,
        preset: order.preset,
        processes: layout.processes(),
        train_rows: split.train.len(),
        held_out_rows: split.held_out.len(),
        files: bundle.files.into_iter().map(|(name, _)| name).collect(),
        notes: bundle.notes,
        memory,
    })
}

/// What the data of a bundle has of each file.
fn mix_note(sources: &[SourceRows], config: &TrainConfig) -> Option<String> {
    if sources.is_empty() {
        return None;
    }
    let all = sources.iter().map(|source| source.train_rows).sum();
    let words: Vec<String> = sources.iter().map(|source| source.words(all)).collect();
    let shuffled = if config.shuffles() { "" } else { ", in this order" };
    Some(format!(
        "the mix is in data/train.jsonl as it would be trained on here{shuffled}: {}. The numbers of each file          apart are measured only in runs here",
        words.join("; ")
    ))
}

/// Llama-2-13B with every weight, on a cosine.
fn as_in_the_courses(order: &mut Order) {
    let config = &mut order.config;
    config.method = Method::Full;
    config.adapter = None;
    config.lr_scheduler_type = SchedulerType::Cosine;
    config.lr_scheduler_kwargs = SchedulerKwargs::default();
    if config.warmup_steps == 0.0 {
        config.warmup_steps = 0.03;
    }
    let is_named = order.base.is_some() || config.model.to_lowercase().contains("llama");
    if !is_named {
        order.base = Some("meta-llama/Llama-2-13b-hf".to_owned());
        order.source = None;
    }
}

fn has_files(folder: &Path) -> bool {
    folder.exists()
        && std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_some())
}

fn refused(config: &TrainConfig, base: &Base, rows: &[Row], engine: Engine) -> Result<(), Error> {
    let problems = refuse::problems(config, base, rows, engine);
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Error::NotCarried { engine: engine.name(), problems })
    }
}

fn memory_note(memory: &Memory, preset: Preset) -> String {
    let gigabytes = |bytes: u64| bytes.div_ceil(1_000_000_000);
    let needs = gigabytes(memory.need.total());
    let fits = gpu::smallest(memory.need.total());
    let smallest = memory.smallest.as_ref().map(|(choice, room)| {
        let gpus = crate::words::counted(choice.gpus, "GPU", "GPUs");
        format!("the smallest choice that fits is {gpus} with {room} GB ({})", choice.preset.key())
    });
    let smallest = smallest.unwrap_or_else(|| "no preset for one machine fits".to_owned());
    match fits {
        Some((room, names)) => format!(
            "with the preset {} each GPU needs about {needs} GB, so one with {room} GB ({names}); {smallest}",
            preset.key()
        ),
        None => format!(
            "with the preset {} each GPU needs about {needs} GB, more than any GPU has; {smallest}",
            preset.key()
        ),
    }
}

/// A bundle before it is written: file by file.
#[derive(Default)]
struct Bundle {
    files: Vec<(String, Vec<u8>)>,
    notes: Vec<String>,
}

impl Bundle {
    fn add(&mut self, name: &str, text: impl Into<Vec<u8>>) {
        self.files.push((name.to_owned(), text.into()));
    }

    fn put(
        &mut self,
        order: &Order,
        base: &Base,
        (rows, split): (&[Row], &Split),
        layout: Layout,
    ) -> Result<(), Error> {
        let Order { config, engine, .. } = order;
        let held_out = split.held_out.len();
        let mut bf16 = !layout.is_cpu();
        match engine {
            Engine::Trl | Engine::HfJobs => {
                let Settings { mut keys, mut extras, notes } =
                    settings::trl(config, base, (rows, held_out), layout);
                self.notes.extend(notes);
                for given in &order.given {
                    let (key, value) = keys::given(given)?;
                    keys.insert(key, value);
                }
                keys::check(&keys, config.objective, "config.yaml")?;
                let target = keys.get("lora_target_modules").and_then(Value::as_array).cloned();
                if order.given.iter().any(|given| given.starts_with("lora_target_modules"))
                    && target.is_some()
                    && let Some(lora) = extras["lora"].as_object_mut()
                {
                    lora.remove("target_modules");
                }
                bf16 = keys.get("bf16").and_then(Value::as_bool).unwrap_or(bf16);
                self.add("config.yaml", yaml::document(&keys));
                self.add("extras.json", pretty(&extras));
                self.add("train.py", TRAIN_PY);
                if config.objective.samples() {
                    self.add("rewards.py", REWARDS_PY);
                }
            }
            Engine::LlamaFactory => {
                given_nothing(order)?;
                let (keys, notes) = llama_factory::settings(config, base, (rows, held_out), layout);
                self.notes.extend(notes);
                self.add("llama_factory.yaml", yaml::document(&keys));
                let info = llama_factory::dataset_info(config, rows, held_out);
                self.add("data/dataset_info.json", pretty(&info));
            }
            Engine::Axolotl => {
                given_nothing(order)?;
                let (keys, notes) = axolotl::settings(config, base, (rows, held_out), layout);
                self.notes.extend(notes);
                self.add("axolotl.yaml", yaml::document(&keys));
            }
        }
        if *engine != Engine::LlamaFactory {
            self.add("accelerate.yaml", yaml::document(&layout.accelerate(bf16)));
        }
        if let Some(deepspeed) = layout.deepspeed() {
            self.add("deepspeed.json", pretty(&deepspeed));
        }
        self.add("data/train.jsonl", rows::lines(rows, &split.train, config, *engine));
        if held_out > 0 {
            self.add("data/test.jsonl", rows::lines(rows, &split.held_out, config, *engine));
        }
        if !engine.is_trl() {
            // For taking the results back: our rows in the form that we read.
            self.add("data/rows.jsonl", rows::lines(rows, &all(rows), config, Engine::Trl));
        }
        Ok(())
    }

    /// What follows from all the rest.
    fn finish(
        &mut self,
        order: &Order,
        base: &Base,
        (layout, split): (Layout, &Split),
        memory: Option<&Memory>,
    ) -> Result<(), Error> {
        let Order { config, engine, preset, .. } = order;
        let requirements = scripts::requirements(config, layout, *engine);
        self.add("run.sh", scripts::shell(layout, *engine));
        self.add("slurm.sbatch", scripts::slurm(layout, config.objective.facts().key));
        self.add("requirements.txt", format!("{}\n", requirements.join("\n")));
        self.add("README.md", scripts::readme(*engine, layout, base, &self.notes));
        // The mix is in the data.
        let run = TrainConfig {
            data: PathBuf::from(record::DATA_FILE),
            mix: Vec::new(),
            ..config.clone()
        };
        let text =
            toml::to_string(&run).expect("a configuration has only names, numbers and lists");
        self.add(RUN_FILE, text);
        let hashes: BTreeMap<String, String> = self
            .files
            .iter()
            .map(|(name, bytes)| (name.clone(), files::sha256_of_bytes(bytes)))
            .collect();
        let source_sha256 = folder::sha256(&config.data)
            .map_err(|source| Error::Read { path: config.data.clone(), source })?;
        let manifest = Manifest {
            made_by: format!("Tuning Fork {}", env!("CARGO_PKG_VERSION")),
            made: record::timestamp(OffsetDateTime::now_utc()),
            engine: engine.key().to_owned(),
            preset: preset.key().to_owned(),
            processes: layout.processes(),
            objective: config.objective.facts().key.to_owned(),
            base: BaseHash {
                name: base.name.clone(),
                revision: base.revision.clone(),
                local: base.local.clone(),
                sha256: base.sha256.clone(),
            },
            tokenizer_sha256: base.tokenizer_sha256.clone(),
            chat_template_sha256: base.chat_template_sha256.clone(),
            source_sha256,
            files: hashes,
            train_rows: split.train.len(),
            held_out: split.held_out.clone(),
        };
        self.add(MANIFEST_FILE, pretty(&manifest));
        if *engine == Engine::HfJobs {
            let room = memory.and_then(|memory| gpu::smallest(memory.need.total()));
            let room = room.map_or(24, |(gigabytes, _)| gigabytes);
            let flavor = scripts::flavor(layout.gpus, room);
            if flavor.is_none() || layout.machines > 1 {
                let words = format!(
                    "Hugging Face Jobs has no machine with {} and {room} GB each: choose another preset, \
                     or --gpus 1, 2, 4 or 8 on one machine",
                    crate::words::counted(layout.processes(), "GPU", "GPUs")
                );
                return Err(Error::Preset(words));
            }
            // The tool mounts a folder, and sends nothing but the script.
            for (name, _) in self.files.iter_mut().filter(|(name, _)| name != "README.md") {
                *name = format!("bundle/{name}");
            }
            self.add("job.py", scripts::job(flavor.unwrap_or_default(), &requirements));
            self.add("out/.keep", "");
        }
        Ok(())
    }

    fn write(&self, order: &Order) -> Result<(), Error> {
        let Order { config, out, engine, .. } = order;
        let room = if *engine == Engine::HfJobs { out.join("bundle") } else { out.clone() };
        for (name, bytes) in &self.files {
            let path = out.join(name);
            files::write_atomic(&path, bytes).map_err(|source| Error::Write { path, source })?;
        }
        if let Some(adapter) = &config.adapter {
            for name in ["adapter_config.json", "adapter_model.safetensors"] {
                copy(&adapter.join(name), &room.join(ADAPTER_FOLDER).join(name))?;
            }
        }
        if let (true, Some(ModelSource::Folder(folder))) = (order.with_model, &order.source) {
            copy_folder(folder, &room.join(BASE_FOLDER))?;
        }
        Ok(())
    }
}

fn all(rows: &[Row]) -> Vec<usize> {
    (0..rows.len()).collect()
}

fn given_nothing(order: &Order) -> Result<(), Error> {
    match order.given.first() {
        None => Ok(()),
        Some(given) => Err(Error::Preset(format!(
            "--set {given} is for TRL's settings, and this bundle is for {}: write it into its YAML file",
            order.engine.name()
        ))),
    }
}

fn pretty(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("plain values can be written");
    format!("{text}\n")
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(folder) = to.parent() {
        let made = files::folders::make(folder);
        made.map_err(|source| Error::Write { path: folder.to_owned(), source })?;
    }
    match std::fs::copy(from, to) {
        Ok(_bytes) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            Err(Error::Read { path: from.to_owned(), source })
        }
        Err(source) => Err(Error::Write { path: to.to_owned(), source }),
    }
}

/// The files of a model's folder, not what lies in folders of it, nor what a Trainer's checkpoint has
/// for resuming (`optimizer.pt` is twice the model), nor weights as a pickle.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    let entries =
        std::fs::read_dir(from).map_err(|source| Error::Read { path: from.to_owned(), source })?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_pickle = path.extension().is_some_and(|end| end == "pt" || end == "pth");
        if path.is_file() && !is_pickle {
            copy(&path, &to.join(path.file_name().unwrap_or_default()))?;
        }
    }
    Ok(())
}

/// `config.yaml` of a bundle, checked again before it is started: the person may have changed it.
pub fn check_settings(bundle: &Path, manifest: &Manifest) -> Result<(), Error> {
    let path = bundle.join("config.yaml");
    let Some(text) =
        files::read_if_there(&path).map_err(|source| Error::Read { path: path.clone(), source })?
    else {
        return Ok(());
    };
    let Some(objective) = manifest.objective() else { return Ok(()) };
    let top = text.lines().filter(|line| !line.starts_with([' ', '#', '-']));
    let names = top.filter_map(|line| line.split_once(':')).map(|(key, _)| key.trim());
    let keys: Map<String, Value> =
        names.map(|key| (key.trim_matches('"').to_owned(), Value::Null)).collect();
    keys::check(&keys, objective, "config.yaml")
}

/// The settings of the run that a bundle is of.
pub fn read_run(bundle: &Path) -> Result<TrainConfig, Error> {
    Ok(run_file::read(&bundle.join(RUN_FILE)).map_err(crate::train::Error::RunFile)?)
}
