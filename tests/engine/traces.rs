//! Whole training runs, step by step, against TRL's (`tests/reference/traces`, made by TRL 1.16.0,
//! PEFT 0.21.2, transformers 5.23.0 and torch 2.15.0 on the CPU in f32).

use std::cmp::Ordering::{Equal, Less};
use std::collections::{BTreeSet, HashMap};
use std::f64::consts::LN_2;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_json::Value;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet, Recorder};
use tuning_fork_engine::llm::adapter::learned::Learned;
use tuning_fork_engine::llm::backward::gradients::Gradients;
use tuning_fork_engine::llm::{Adapter, Model, Weights};
use tuning_fork_engine::train::config::metric::Metric;
use tuning_fork_engine::train::config::{
    FDivergence, LoraConfig, Method, Objective, PackingStrategy, PromptInit, SchedulerType,
    SoftPromptConfig, TrainConfig,
};
use tuning_fork_engine::train::objective::dpo::Reference;
use tuning_fork_engine::train::objective::logprobs::PassSize;
use tuning_fork_engine::train::record::metrics::{StepMetrics, TrainEvent};
use tuning_fork_engine::train::rows::batch::Example;
use tuning_fork_engine::train::rows::plan::Plan;
use tuning_fork_engine::train::rows::prepare;
use tuning_fork_engine::train::step::adapter;
use tuning_fork_engine::train::step::forward_backward::StepInput;
use tuning_fork_engine::train::step::reference_cache::ReferenceCache;
use tuning_fork_engine::train::step::student::Student;
use tuning_fork_engine::train::step::{evaluation, forward_backward, reference};
use tuning_fork_engine::train::{ResumeRequest, StartRequest};

use crate::support::{distance, family_into, load, reference, tensors, values};

/// `run.json` of a trace.
#[derive(Deserialize)]
struct Trace {
    model: String,
    kind: Kind,
    method: Option<Method>,
    batch: usize,
    accum: usize,

    /// -1: `epochs` says how long.
    steps: i64,
    epochs: Option<f64>,
    lr: f64,
    beta: Option<f64>,
    r: Option<usize>,
    alpha: Option<f64>,
    sched: SchedulerType,
    warmup: f64,
    wd: f64,
    clip: f64,
    max_length: Option<usize>,
    extra: Extra,

    /// A soft prompt in place of LoRA.
    soft: Option<Soft>,

    /// What the run is held to: its model without an adapter, or with the one that it begins with.
    #[serde(default)]
    reference: HeldTo,
}

#[derive(Deserialize)]
struct Soft {
    #[serde(rename = "type")]
    kind: SoftName,
    num_virtual_tokens: usize,
    prompt_tuning_init: Option<PromptInit>,
    prompt_tuning_init_text: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SoftName {
    Prompt,
    Prefix,
}

impl Soft {
    fn method(&self) -> Method {
        match self.kind {
            SoftName::Prompt => Method::PromptTuning,
            SoftName::Prefix => Method::PrefixTuning,
        }
    }

    fn settings(&self) -> SoftPromptConfig {
        SoftPromptConfig {
            num_virtual_tokens: self.num_virtual_tokens,
            prompt_tuning_init: self.prompt_tuning_init.unwrap_or_default(),
            prompt_tuning_init_text: self.prompt_tuning_init_text.clone().unwrap_or_default(),
        }
    }
}

/// The objective, or what the trace is of where TRL's name of it says less.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Kind {
    Of(Objective),
    Named(Named),
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Named {
    /// SFT of all weights.
    Full,

    /// SFT by transformers' `Trainer`, which reports the loss alone.
    Lm,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeldTo {
    Base,
    #[default]
    AdapterInit,
}

/// What is not as TRL has it by itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    loss_type: Option<OneOrMany>,
    loss_weights: Option<Vec<f64>>,
    label_smoothing: Option<f64>,
    completion_only_loss: Option<bool>,
    f_divergence_type: Option<FDivergence>,
    f_alpha_divergence_coef: Option<f64>,
    ld_alpha: Option<f64>,
    use_weighting: Option<bool>,
    cpo_alpha: Option<f64>,
    simpo_gamma: Option<f64>,
    alpha: Option<f64>,
    desirable_weight: Option<f64>,
    undesirable_weight: Option<f64>,
    packing: Option<bool>,
    packing_strategy: Option<PackingStrategy>,
    center_rewards_coefficient: Option<f64>,

    /// 0: a router that stands still is not balanced.
    #[serde(rename = "router_aux_loss_coef")]
    _router_aux_loss_coef: Option<f64>,

    /// Beside it in the file, too.
    #[serde(rename = "max_length")]
    _max_length: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

fn config(folder: &Path) -> (String, TrainConfig) {
    let (model, config, _) = settings(folder);
    (model, config)
}

fn settings(folder: &Path) -> (String, TrainConfig, HeldTo) {
    let trace: Trace = json(&folder.join("run.json"));
    let defaults = TrainConfig::default();
    let (objective, method) = match trace.kind {
        Kind::Of(objective) => (objective, Method::Lora),
        Kind::Named(Named::Full) => (Objective::Sft, Method::Full),
        Kind::Named(Named::Lm) => (Objective::Sft, Method::Lora),
    };
    let method = trace.method.unwrap_or(method);
    let method = trace.soft.as_ref().map_or(method, Soft::method);
    let begun = folder.join("adapter_init");
    let config = TrainConfig {
        model: trace.model.clone(),
        method,
        // A soft prompt is not continued: see `run_from`.
        adapter: (begun.is_dir() && trace.soft.is_none()).then_some(begun),
        soft_prompt: trace.soft.as_ref().map(Soft::settings).unwrap_or_default(),
        objective,
        data: folder.join("data.jsonl"),
        shuffle: false,
        per_device_train_batch_size: trace.batch,
        gradient_accumulation_steps: trace.accum,
        max_steps: usize::try_from(trace.steps).ok(),
        num_train_epochs: trace.epochs.unwrap_or(defaults.num_train_epochs),
        learning_rate: trace.lr,
        lr_scheduler_type: trace.sched,
        warmup_steps: trace.warmup,
        weight_decay: trace.wd,
        max_grad_norm: trace.clip,
        beta: trace.beta.unwrap_or(defaults.beta),
        loss_type: match trace.extra.loss_type {
            None => objective.usual_loss(),
            Some(OneOrMany::One(name)) => vec![name],
            Some(OneOrMany::Many(names)) => names,
        },
        loss_weights: trace.extra.loss_weights.unwrap_or_default(),
        label_smoothing: trace.extra.label_smoothing.unwrap_or_default(),
        completion_only_loss: trace.extra.completion_only_loss.unwrap_or(true),
        f_divergence_type: trace.extra.f_divergence_type.unwrap_or_default(),
        f_alpha_divergence_coef: trace
            .extra
            .f_alpha_divergence_coef
            .unwrap_or(defaults.f_alpha_divergence_coef),
        ld_alpha: trace.extra.ld_alpha,
        cpo_alpha: trace.extra.cpo_alpha.unwrap_or(defaults.cpo_alpha),
        simpo_gamma: trace.extra.simpo_gamma.unwrap_or(defaults.simpo_gamma),
        alpha: trace.extra.alpha.unwrap_or_default(),
        desirable_weight: trace.extra.desirable_weight.unwrap_or(1.0),
        undesirable_weight: trace.extra.undesirable_weight.unwrap_or(1.0),
        packing: trace.extra.packing.unwrap_or_default(),
        packing_strategy: trace.extra.packing_strategy.unwrap_or_default(),
        use_weighting: trace.extra.use_weighting.unwrap_or_default(),
        center_rewards_coefficient: trace.extra.center_rewards_coefficient,
        max_length: trace.max_length.unwrap_or(1024),
        // The adapter that is continued says everything else.
        lora: LoraConfig {
            r: trace.r.unwrap_or(8),
            lora_alpha: trace.alpha.unwrap_or(8.0),
            ..LoraConfig::default()
        },
        ..TrainConfig::default()
    };
    (trace.model, config, trace.reference)
}

/// A trace of `tests/reference/traces`, which must be ours in everything.
#[track_caller]
pub fn replay(name: &str) {
    replay_but(name, 0);
}

/// The same, but for so many values of each tensor of the final adapter.
#[track_caller]
pub fn replay_but(name: &str, noise: usize) {
    let differences = differences(&reference(&format!("traces/{name}")), noise);
    assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
}

/// A trace whose targets were `all-linear` for PEFT has the tensors that are ours for that: no router and no
/// expert.
#[track_caller]
pub fn assert_all_linear_is_pefts(name: &str) {
    let folder = reference(&format!("traces/{name}"));
    let (model, config) = config(&folder);
    let apart = tempfile::tempdir().unwrap();
    family_into(&model, apart.path());
    let model = load(apart.path(), Weights::F32);
    let lora = LoraConfig { target_modules: vec!["all-linear".to_owned()], ..config.lora };
    let config = TrainConfig { adapter: None, lora, ..TrainConfig::default() };
    let ours = adapter::begin(&model, &config).unwrap();
    let ours: BTreeSet<String> = ours.vars().into_iter().map(|(name, _)| name).collect();
    let theirs = tensors(&folder.join("adapter_init/adapter_model.safetensors"));
    assert_eq!(ours, theirs.into_keys().collect(), "{name}");
}

/// Where a run of ours differs from a trace by more than the reference's README allows.
fn differences(folder: &Path, noise: usize) -> Vec<String> {
    let (model, config, held_to) = settings(folder);
    // A folder of traces may bring models of its own.
    let changed = folder.parent().unwrap().join("models").join(&model);
    // Those with a score head are beside the encoders.
    let places =
        [changed, reference(&format!("models/{model}")), reference(&format!("encoders/{model}"))];
    let apart = tempfile::tempdir().unwrap();
    let at = places.into_iter().find(|place| place.is_dir());
    let at = at.unwrap_or_else(|| of_family(&model, folder, apart.path()));
    let model = load(&at, Weights::F32);
    let mut found = first_gradients(&model, &config, (folder, held_to));
    found.extend(first_words(&model, &config));
    let run_dir = tempfile::tempdir().unwrap();
    let cache = (held_to == HeldTo::Base).then(|| base_as_reference(&model, &config));
    let cache = cache.as_ref().map(|folder| folder.path().to_owned());
    let steps = run_with(&model, &config, run_dir.path(), cache);
    let log: Vec<Value> = json(&folder.join("log.json"));
    if steps.len() != log.len() {
        found.push(format!("{} steps, not {}", steps.len(), log.len()));
    }
    for (step, expected) in steps.iter().zip(&log) {
        let mut expected = expected.clone();
        without_padding(&config, &mut expected);
        found.extend(metrics(&format!("step {}", step.step), step, &expected));
    }
    if config.method.own().is_none() {
        found.extend(adapters(run_dir.path(), &folder.join("adapter_final"), noise));
    } else {
        found.extend(weights(&at, &run_dir.path().join("model"), folder, noise));
    }
    if folder.join("held_out.jsonl").is_file() {
        found.extend(held_out(&model, &config, folder));
    }
    found
}

/// A model of `families` as the script that made its trace has it: with the tokenizer's settings and the template
/// of `llama`, and with what the trace changes of its configuration.
fn of_family(model: &str, trace: &Path, to: &Path) -> PathBuf {
    family_into(model, to);
    let run: Value = json(&trace.join("run.json"));
    let path = to.join("config.json");
    let mut config: Value = json(&path);
    for (key, value) in run["model_changes"].as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    files::write_atomic(&path, config.to_string().as_bytes()).unwrap();
    if run["method"] == "full" {
        // What its own weights become is compared more closely than a file of 16 bits can say.
        let path = to.join("model.safetensors");
        let widened =
            |(name, tensor): (String, Tensor)| (name, tensor.to_dtype(DType::F32).unwrap());
        let wide: HashMap<String, Tensor> = tensors(&path).into_iter().map(widened).collect();
        std::fs::remove_file(&path).unwrap();
        candle_core::safetensors::save(&wide, &path).unwrap();
    }
    to.to_owned()
}

/// Without the scores that TRL's CPO and ORPO average over all positions, padding too: they change with
/// what a row is beside, and are not reported here.
fn without_padding(config: &TrainConfig, expected: &mut Value) {
    if matches!(config.objective, Objective::Orpo | Objective::Cpo) {
        let keys = expected.as_object_mut().unwrap();
        keys.retain(|key, _| !key.contains("logits/"));
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn run(model: &Model, config: &TrainConfig, run_dir: &Path) -> Vec<StepMetrics> {
    run_with(model, config, run_dir, None)
}

fn run_with(
    model: &Model,
    config: &TrainConfig,
    run_dir: &Path,
    cache: Option<PathBuf>,
) -> Vec<StepMetrics> {
    let (config, run_dir) = (config.clone(), PathBuf::from(run_dir));
    let progress = Recorder::default();
    if config.method.soft().is_some() {
        run_from(model, config, run_dir, &progress);
    } else {
        let request = StartRequest { config, run_dir, cache };
        tuning_fork_engine::train::start(model, &request, &progress).unwrap();
    }
    let events = progress.into_events().into_iter();
    events
        .filter_map(|event| match event {
            TrainEvent::Step(metrics) => Some(metrics),
            _ => None,
        })
        .collect()
}

/// Stops before the first step.
#[derive(Default)]
pub struct StopAtOnce(AtomicBool);

impl Progress<TrainEvent> for StopAtOnce {
    fn emit(&self, event: TrainEvent) {
        self.0.fetch_or(matches!(event, TrainEvent::Planned { .. }), Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.0.load(Ordering::Relaxed) { Err(Cancelled) } else { Ok(()) }
    }
}

/// A run that begins with the soft prompt that TRL began with, which only a checkpoint can say: PEFT trains no
/// loaded one, and neither do we.
fn run_from(model: &Model, config: TrainConfig, run_dir: PathBuf, progress: &Recorder<TrainEvent>) {
    let begun = begun(model, &config);
    let request = StartRequest { config, run_dir: run_dir.clone(), cache: None };
    tuning_fork_engine::train::start(model, &request, &StopAtOnce::default()).unwrap();
    let path = run_dir.join("resume.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let at = &header["adapter.prompt_embeddings"]["data_offsets"][0];
    let at = 8 + length + usize::try_from(at.as_u64().unwrap()).unwrap();
    let numbers = begun.soft().unwrap().numbers().unwrap();
    for (place, number) in bytes[at..].chunks_exact_mut(4).zip(&numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    files::write_atomic(&path, &bytes).unwrap();
    let request = ResumeRequest { run_dir, cache: None, unused: None };
    tuning_fork_engine::train::resume(model, &request, progress).unwrap();
}

/// What a run of TRL begins with.
fn begun(model: &Model, config: &TrainConfig) -> Adapter {
    match config.method.soft() {
        Some(_) => Adapter::load(&config.data.with_file_name("adapter_init"), model).unwrap(),
        None => adapter::begin(model, config).unwrap(),
    }
}

/// A soft prompt that begins as a text is PEFT's.
fn first_words(model: &Model, config: &TrainConfig) -> Vec<String> {
    if config.method != Method::PromptTuning
        || config.soft_prompt.prompt_tuning_init != PromptInit::Text
    {
        return Vec::new();
    }
    let numbers = |adapter: Adapter| adapter.soft().unwrap().numbers().unwrap();
    let (ours, theirs) =
        (numbers(adapter::begin(model, config).unwrap()), numbers(begun(model, config)));
    let off = ours.iter().zip(&theirs).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
    let is_same = ours.len() == theirs.len() && off < 1e-6;
    if is_same { Vec::new() } else { vec![format!("it begins otherwise, by {off}")] }
}

/// Metrics under TRL's names.
fn metrics(what: &str, found: &impl serde::Serialize, expected: &Value) -> Vec<String> {
    let found = serde_json::to_value(found).unwrap();
    let mut differences = Vec::new();
    for (key, expected) in expected.as_object().unwrap() {
        let expected = expected.as_f64().unwrap();
        let Some(value) = found[key].as_f64() else {
            differences.push(format!("{what}: {key} is not reported"));
            continue;
        };
        let tolerance = match key.strip_prefix("eval_").unwrap_or(key) {
            // IPO's loss is about 25.
            "loss" | "nll_loss" | "log_odds_ratio" | "log_odds_chosen" => {
                2e-4 * expected.abs().max(1.0)
            }
            "grad_norm" => 5e-3 * expected,
            "logps/chosen" | "logps/rejected" | "rewards/chosen" | "rewards/rejected"
            | "rewards/margins" | "kl" => 2e-3,
            "entropy" | "logits/chosen" | "logits/rejected" => 2e-4,
            "mean_reward" | "min_reward" | "max_reward" | "margin" => 1e-3,
            "mean_token_accuracy" | "rewards/accuracies" | "accuracy" => 1e-6,
            "learning_rate" | "epoch" => 1e-12,
            _ => 0.0, // counts
        };
        let off = (value - expected).abs();
        if off.is_nan() || off > tolerance {
            differences.push(format!("{what}: {key} is {value}, not {expected}"));
        }
    }
    differences
}

/// The model's own weights after the run less those before it, against the trace's differences, which are
/// in 16 bits.
fn weights(before: &Path, after: &Path, folder: &Path, noise: usize) -> Vec<String> {
    let file = "model.safetensors";
    let (before, after) = (tensors(&before.join(file)), tensors(&after.join(file)));
    let moved = tensors(&folder.join("final_minus_init.safetensors"));
    let mut differences = Vec::new();
    for (name, moved) in &moved {
        let moved = moved.to_dtype(candle_core::DType::F32).unwrap();
        let pairs = values(&before[name]).into_iter().zip(values(&after[name]));
        let off = pairs.zip(values(&moved)).map(|((old, new), moved)| (new - old - moved).abs());
        let off: Vec<f32> = off.collect();
        let far = off.iter().filter(|off| !matches!(off.partial_cmp(&&1e-4), Some(Less | Equal)));
        if far.count() > noise {
            let worst = off.into_iter().fold(0.0, f32::max);
            differences.push(format!("{name} moved otherwise, by {worst}"));
        }
    }
    differences
}

/// `noise`: values of each tensor that may be off.
fn adapters(found: &Path, expected: &Path, noise: usize) -> Vec<String> {
    let file = "adapter_model.safetensors";
    let (found, mut expected) = (tensors(&found.join(file)), tensors(&expected.join(file)));
    // PEFT writes an embedding or a head of the base beside LoRA on it.
    expected.retain(|name, _| !name.ends_with(".base_layer.weight"));
    let mut differences = Vec::new();
    if found.len() != expected.len() {
        differences.push(format!("{} tensors, not {}", found.len(), expected.len()));
    }
    for (name, expected) in &expected {
        let pairs = values(&found[name]).into_iter().zip(values(expected));
        let off: Vec<f32> = pairs.map(|(found, expected)| (found - expected).abs()).collect();
        // NaNs count as far off.
        let far = off.iter().filter(|off| !matches!(off.partial_cmp(&&2e-4), Some(Less | Equal)));
        let far = far.count();
        if far > noise {
            let worst = off.into_iter().fold(0.0, f32::max);
            differences.push(format!("{far} values of the final {name} are off, by {worst}"));
        }
    }
    differences
}

fn reference_of(
    model: &Model,
    adapter: &Adapter,
    config: &TrainConfig,
    examples: &[Example],
) -> Vec<Reference> {
    let rows: Vec<usize> = (0..examples.len()).collect();
    let mut all = Vec::new();
    let mut keep = |_: &[usize], found: &[Reference]| all.extend_from_slice(found);
    let known = (model, adapter);
    reference::compute(known, config, (examples, &rows), &mut keep, &Quiet).unwrap();
    all
}

/// An adapter that changes nothing: the model as it is.
fn base(model: &Model, config: &TrainConfig) -> Adapter {
    if config.method.soft().is_some() {
        return Adapter::empty(model);
    }
    adapter::begin(model, &TrainConfig { adapter: None, ..config.clone() }).unwrap()
}

/// A cache in which a run finds the model without an adapter as its reference, where it would take
/// the adapter that it begins with.
fn base_as_reference(model: &Model, config: &TrainConfig) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let examples = prepare::examples(model, config, &config.data, &Quiet).unwrap().examples;
    let found = reference_of(model, &base(model, config), config, &examples);
    let begun = begun(model, config);
    let bytes = model.card().facts.memory_bytes;
    let cache = ReferenceCache::open(folder.path(), (model, bytes), Some(&begun), config).unwrap();
    cache.keep(examples.iter().zip(&found));
    folder
}

/// The final adapter of the trace on what is held out, as TRL's `evaluate` measures it.
fn held_out(model: &Model, config: &TrainConfig, folder: &Path) -> Vec<String> {
    let examples =
        prepare::examples(model, config, &folder.join("held_out.jsonl"), &Quiet).unwrap();
    let examples = examples.examples;
    let held_to = match config.method.soft() {
        Some(_) => base(model, config),
        None => begun(model, config),
    };
    let reference = reference_of(model, &held_to, config, &examples);
    let ended = adapter::load(model, &folder.join("adapter_final")).unwrap();
    let rows: Vec<usize> = (0..examples.len()).collect();
    let known = (examples.as_slice(), reference.as_slice());
    let found = evaluation::held_out(model, &ended, config, known, &rows, &Quiet).unwrap();
    let mut expected: Value = json(&folder.join("eval.json"));
    without_padding(config, &mut expected);
    let keys = expected.as_object_mut().unwrap();
    // How long it took and how far training was says nothing about what is held out.
    keys.retain(|key, _| {
        !["runtime", "per_second", "num_tokens", "epoch"].iter().any(|no| key.ends_with(no))
    });
    metrics("held out", &found, &expected)
}

/// The gradients of the first step, before clipping.
fn first_gradients(
    model: &Model,
    config: &TrainConfig,
    (folder, held_to): (&Path, HeldTo),
) -> Vec<String> {
    let adapter = begun(model, config);
    let student = Student::new(model, config.method, adapter).unwrap();
    let adapter = student.adapter();
    let found = prepare::examples(model, config, &config.data, &Quiet).unwrap();
    let examples = found.examples;
    let reference = match held_to {
        HeldTo::Base => reference_of(model, &base(model, config), config, &examples),
        HeldTo::AdapterInit => reference_of(model, adapter, config, &examples),
    };
    let whole = PassSize::of(model.config()).rows();
    let expected = folder.join("grads.safetensors");
    let mut expected = if expected.is_file() { tensors(&expected) } else { HashMap::new() };
    // Where TRL's f32 is too rough: the same in f64.
    let sharper = folder.join("grads_f64.safetensors");
    if sharper.is_file() {
        expected.extend(tensors(&sharper));
    }
    let figures = folder.join("grads.json");
    let figures: HashMap<String, Figures> =
        if figures.is_file() { json(&figures) } else { HashMap::new() };
    let mut differences = Vec::new();
    let batches = Plan::new(config, examples.len()).batches(0);
    // A batch at once, and each pair alone, as where memory is short.
    for pass_rows in [whole, 1] {
        let input = StepInput {
            model: student.model(),
            adapter,
            learned: student.learned(),
            config,
            step: 0,
            examples: &examples,
            reference: &reference,
            pass_rows,
        };
        let outcome = forward_backward::run(&input, &batches, &|| Ok(())).unwrap();
        let known = (&expected, &figures);
        differences.extend(gradients_off(&outcome.gradients, student.learned(), known));
    }
    differences
}

/// What a trace keeps of a gradient that is too large.
#[derive(Deserialize)]
struct Figures {
    norm: f64,
    max: f64,
    sum: f64,
    first: Vec<f64>,
}

fn gradients_off(
    found: &Gradients,
    learned: &[Learned],
    (expected, figures): (&HashMap<String, Tensor>, &HashMap<String, Figures>),
) -> Vec<String> {
    let mut differences = Vec::new();
    // Those over 8192 values are left out.
    let small = learned.iter().filter(|tensor| tensor.len() <= 8192).count();
    if small > expected.len().max(figures.len()) {
        differences.push(format!("{small} gradients, not {}", expected.len()));
    }
    for (index, tensor) in learned.iter().enumerate() {
        let gradient = found.get(index).unwrap().to_vec();
        // DoRA's is a module in PEFT's model, and a tensor in its file; what is saved whole is a copy.
        let weight = format!("{}.weight", tensor.name);
        let module = tensor.name.strip_suffix(".weight").unwrap_or_default();
        let copy = format!("{module}.modules_to_save.weight");
        let soft = "prompt_encoder.embedding.weight".to_owned(); // a module in PEFT's model, too
        let keys = [&tensor.name, &weight, &copy, &soft];
        let key = keys.into_iter().find(|key| expected.contains_key(*key));
        if let Some(key) = key {
            let gradient = Tensor::from_vec(gradient, tensor.shape.clone(), &Device::Cpu).unwrap();
            // GPT-2 stores its matrices the other way round.
            let ends = [".c_attn.weight", ".c_proj.weight", ".c_fc.weight"];
            let is_turned = ends.iter().any(|end| tensor.name.ends_with(end));
            let gradient =
                if is_turned { gradient.t().unwrap().contiguous().unwrap() } else { gradient };
            let largest =
                values(&expected[key]).iter().fold(0.0_f32, |max, value| max.max(value.abs()));
            let off = distance(&gradient, &expected[key]);
            // Without a prompt and with one token to learn, many are zero, and rounding is not.
            if off.is_nan() || off > (1e-4 * largest).max(1e-8) {
                differences.push(format!("the gradient of {key} is off by {off} of {largest}"));
            }
        } else if let Some(Figures { norm, max, sum, first }) = figures.get(&tensor.name) {
            let values = || gradient.iter().map(|value| f64::from(*value));
            let square: f64 = values().map(|value| value * value).sum();
            let largest = values().fold(0.0, |max: f64, value| max.max(value.abs()));
            let mut pairs = vec![(square.sqrt(), *norm), (largest, *max)];
            pairs.extend(values().zip(first.iter().copied()));
            let total: f64 = values().sum();
            let off = pairs.iter().map(|(one, other)| (one - other).abs());
            let off = off.fold(0.0, f64::max);
            // A sum of thousands of values carries the rounding of each.
            if off > 2e-4 * norm.max(*max) || (total - sum).abs() > 2e-3 * norm {
                let name = &tensor.name;
                differences.push(format!("the gradient of {name} is off by {off} of {max}"));
            }
        }
    }
    differences
}

/// A folder that `tests/reference/make_traces.py` made.
#[test]
#[ignore = "needs traces: TUNING_FORK_TRACES=FOLDER cargo test --test engine generated_traces -- --ignored"]
fn generated_traces_are_those_of_trl() {
    let folder = std::env::var_os("TUNING_FORK_TRACES").map(PathBuf::from);
    let folder = folder.expect("TUNING_FORK_TRACES names a folder");
    let mut failed = 0;
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut traces: Vec<PathBuf> = entries
        .filter(|path| {
            path.join("adapter_final").is_dir()
                || path.join("final_minus_init.safetensors").is_file()
        })
        .collect();
    traces.sort();
    assert!(!traces.is_empty(), "there are no traces in {}", folder.display());
    for trace in &traces {
        let name = trace.file_name().unwrap().display();
        // Where a gradient is all rounding, Adam steps by the sign of that: a full step apart.
        let found = panic::catch_unwind(|| differences(trace, 1))
            .unwrap_or_else(|_| vec!["it could not be run".to_owned()]);
        match found.as_slice() {
            [] => println!("{name}: the same"),
            [first, ..] => {
                failed += 1;
                println!("{name}: {} differences; the first: {first}", found.len());
            }
        }
    }
    assert_eq!(failed, 0, "of {} traces differ", traces.len());
}

/// Losses, their weights, and TRL's losses and gradient norms of three steps.
type LossCase<'a> = (&'a [&'a str], &'a [f64], [f64; 3], [f64; 3]);

/// TRL 1.16.0's `DPOTrainer` on the rows and the adapter of `dpo_sigmoid`, with an accumulation of
/// 2, a constant rate of 1e-3, β 0.1 and ε 0.1.
#[test]
fn every_loss_and_their_weighted_sum_is_that_of_trl() {
    let cases: &[LossCase<'_>] = &[
        (&["hinge"], &[], [1.0, 1.0057772, 0.8306757], [2.0905163, 2.0987813, 2.0870922]),
        (&["exo_pair"], &[], [0.5108256, 0.5141954, 0.4225051], [1.1483337, 1.1664113, 1.0290517]),
        (&["nca_pair"], &[], [1.3862944, 1.3880365, 1.3464036], [0.5226291, 0.5484699, 0.4708540]),
        (&["robust"], &[], [LN_2, 0.6969541, 0.5916901], [1.3065727, 1.3259664, 1.1987157]),
        (&["bco_pair"], &[], [1.3862944, 1.3894517, 1.3056740], [1.0452582, 1.0621908, 0.9462822]),
        (&["sppo_hard"], &[], [50.0, 50.7926521, 36.1576538], [209.05165, 221.17920, 154.82503]),
        (&["apo_zero"], &[], [1.0, 1.0014440, 0.9578298], [0.5226291, 0.5242720, 0.5157259]),
        (&["apo_down"], &[], [1.0, 0.9899710, 0.9310889], [0.8022124, 0.4559345, 0.7711644]),
        (&["discopop"], &[], [0.8465736, 0.8484467, 0.8098347], [1.6395171, 1.0212137, 1.0434427]),
        (&["sigmoid_norm"], &[], [LN_2, 0.6931025, 0.6904001], [0.0328422, 0.0415249, 0.0333573]),
        (&["sft"], &[], [6.2582750, 6.1930428, 6.1830850], [0.8581064, 0.7772136, 0.8537316]),
        (
            &["sigmoid", "bco_pair", "sft"],
            &[0.8, 0.2, 1.0],
            [7.0900517, 7.0354347, 6.9765167],
            [1.3316319, 1.6667162, 1.2940044],
        ),
    ];
    let folder = reference("traces/dpo_sigmoid");
    let (model, config) = config(&folder);
    let model = load(&reference(&format!("models/{model}")), Weights::F32);
    for (losses, weights, expected, norms) in cases {
        let config = TrainConfig {
            loss_type: losses.iter().map(|&name| name.to_owned()).collect(),
            loss_weights: weights.to_vec(),
            label_smoothing: 0.1,
            gradient_accumulation_steps: 2,
            lr_scheduler_type: SchedulerType::Constant,
            max_steps: Some(3),
            ..config.clone()
        };
        let run_dir = tempfile::tempdir().unwrap();
        let steps = run(&model, &config, run_dir.path());
        for (step, (loss, norm)) in steps.iter().zip(expected.iter().zip(norms)) {
            let off = (step.loss() - loss).abs();
            assert!(off <= 2e-4 * loss.max(1.0), "{losses:?}: loss {}, not {loss}", step.loss());
            let found = step.values.get(Metric::GradNorm).unwrap();
            let off = (found - norm).abs();
            assert!(off <= 5e-3 * norm, "{losses:?}: norm {found}, not {norm}");
        }
    }
}
