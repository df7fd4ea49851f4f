//! What a training run promises, on the tiny model.

use std::f64::consts::LN_2;
use std::path::{Path, PathBuf};

use serde_json::json;
use tuning_fork_engine::eval::comparison;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet, Recorder};
use tuning_fork_engine::llm::net::buffers::OutOfMemory;
use tuning_fork_engine::llm::{Adapter, LoraSpec, Model, Weights};
use tuning_fork_engine::train;
use tuning_fork_engine::train::config::metric::Metric;
use tuning_fork_engine::train::config::run_file;
use tuning_fork_engine::train::config::{LoraConfig, Objective, SchedulerType, TrainConfig};
use tuning_fork_engine::train::record::history::History;
use tuning_fork_engine::train::record::metrics::{
    EvalMetrics, RunSummary, StepMetrics, TrainEvent,
};
use tuning_fork_engine::train::record::runs;
use tuning_fork_engine::train::record::runs::RunState;
use tuning_fork_engine::train::record::samples;
use tuning_fork_engine::train::record::{RunRecord, RunStatus};
use tuning_fork_engine::train::run::best;
use tuning_fork_engine::train::{ResumeRequest, StartRequest};

use crate::support::{load, reference};

fn tiny_model() -> Model {
    load(&reference("models/llama"), Weights::F32)
}

/// Eight pairs: the better answer is short.
fn eight_pairs(folder: &Path) -> PathBuf {
    let path = folder.join("pairs.jsonl");
    for (index, noun) in
        ["paper", "data", "code", "word", "step", "plan", "test", "rate"].into_iter().enumerate()
    {
        let row = json!({
            "prompt": [{"role": "user", "content": format!("What is a {noun}?")}],
            "chosen": [{"role": "assistant", "content": format!("A {noun} {index}.")}],
            "rejected": [{"role": "assistant", "content": format!("Well, one might say many things of the {noun}.")}],
        });
        files::append_json(&path, &row).unwrap();
    }
    path
}

fn config(data: PathBuf, steps: usize) -> TrainConfig {
    TrainConfig {
        data,
        per_device_train_batch_size: 4,
        max_steps: Some(steps),
        learning_rate: 1e-2,
        lr_scheduler_type: SchedulerType::Constant,
        save_steps: 3,
        lora: LoraConfig {
            r: 4,
            lora_alpha: 8.0,
            target_modules: vec!["q_proj".to_owned(), "v_proj".to_owned(), "down_proj".to_owned()],
            ..LoraConfig::default()
        },
        ..TrainConfig::default()
    }
}

fn start(
    model: &Model,
    config: &TrainConfig,
    run_dir: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RunSummary, train::Error> {
    let request = StartRequest { config: config.clone(), run_dir: run_dir.to_owned(), cache: None };
    train::start(model, &request, progress)
}

fn resume(model: &Model, run_dir: &Path) -> Result<RunSummary, train::Error> {
    let request = ResumeRequest { run_dir: run_dir.to_owned(), cache: None, unused: None };
    train::resume(model, &request, &Quiet)
}

fn weights(run_dir: &Path) -> Vec<u8> {
    std::fs::read(run_dir.join("adapter_model.safetensors")).unwrap()
}

/// Without what differs from run to run.
fn numbers(run_dir: &Path) -> Vec<StepMetrics> {
    let without_time = |step| StepMetrics { step_secs: 0.0, ..step };
    History::read(run_dir).steps.into_iter().map(without_time).collect()
}

#[test]
fn first_dpo_loss_is_ln_2() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(eight_pairs(folder.path()), 1);
    let summary = start(&tiny_model(), &config, &folder.path().join("run"), &Quiet).unwrap();
    let step = summary.last_step.unwrap();
    // Exactly: a new adapter changes nothing, so policy and reference are the same bits.
    assert_eq!(step.loss(), std::f64::consts::LN_2);
    // TRL counts strictly larger rewards
    assert_eq!(step.values.get(Metric::RewardsAccuracies), Some(0.0));
    assert_eq!(step.values.get(Metric::RewardsMargins), Some(0.0));
}

#[test]
fn forty_steps_learn_eight_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(eight_pairs(folder.path()), 40);
    let summary = start(&tiny_model(), &config, &folder.path().join("run"), &Quiet).unwrap();
    let step = summary.last_step.unwrap();
    assert!(step.loss() < 0.1, "{}", step.loss());
    assert_eq!(step.values.get(Metric::RewardsAccuracies), Some(1.0));
    let margin = step.values.get(Metric::RewardsMargins).unwrap();
    assert!(margin > 2.0, "{margin}");
}

#[test]
fn supervised_training_learns_the_chosen_answers() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        TrainConfig { objective: Objective::Sft, ..config(eight_pairs(folder.path()), 40) };
    let run_dir = folder.path().join("run");
    let summary = start(&tiny_model(), &config, &run_dir, &Quiet).unwrap();
    let first = &numbers(&run_dir)[0];
    assert!((first.loss() - 384.0_f64.ln()).abs() < 1.0, "{}", first.loss()); // a guess among 384
    let last = summary.last_step.unwrap();
    assert!(last.loss() < first.loss() * 0.6, "{} after {}", last.loss(), first.loss());
    assert_eq!(first.values.get(Metric::RewardsMargins), None);
}

#[test]
fn a_stopped_run_can_be_resumed_and_used() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        held_out_share: 0.25,
        eval_steps: 2,
        per_device_train_batch_size: 2,
        gradient_accumulation_steps: 2,
        ..config(eight_pairs(folder.path()), 8)
    };
    let (whole, stopped) = (folder.path().join("runs/whole"), folder.path().join("runs/stopped"));
    start(&model, &config, &whole, &Quiet).unwrap();

    // The reference, a step of two passes and one of one (six rows are trained on), an evaluation,
    // half a step
    let progress = Recorder::stop_after(reading(&model, &config) + 6);
    let summary = start(&model, &config, &stopped, &progress).unwrap();
    assert_eq!(summary.steps_done, 2, "{summary:?}");
    let run = runs::entry(&stopped).unwrap();
    assert_eq!((run.state, run.resumable_from), (RunState::Stopped, Some(summary.steps_done)));
    Adapter::load(&stopped, &model).unwrap(); // usable as it is

    let summary = resume(&model, &stopped).unwrap();
    assert_eq!((summary.steps_done, summary.steps_planned), (8, 8));
    assert!(weights(&stopped) == weights(&whole), "the adapters differ");
    assert_eq!(numbers(&stopped), numbers(&whole));
    let evaluations = |run_dir| History::read(run_dir).evaluations;
    assert_eq!(evaluations(&stopped), evaluations(&whole));
    assert_eq!(runs::entry(&stopped).unwrap().state, RunState::Finished);
}

#[test]
fn a_killed_run_goes_on_from_its_checkpoint() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = config(eight_pairs(folder.path()), 8);
    let (whole, killed) = (folder.path().join("runs/whole"), folder.path().join("runs/killed"));
    start(&model, &config, &whole, &Quiet).unwrap();
    // Reading the rows, the reference, five steps of one pass
    start(&model, &config, &killed, &Recorder::stop_after(7)).unwrap();
    // What a kill two steps later leaves: the record says that it runs, the metrics are ahead of
    // the checkpoint, the last line is cut short.
    let record = RunRecord { status: RunStatus::Running, ..RunRecord::read(&killed).unwrap() };
    record.write(&killed).unwrap();
    let metrics = killed.join("metrics.jsonl");
    for step in [record.steps_done + 1, record.steps_done + 2] {
        files::append_json(&metrics, &StepMetrics { step, ..StepMetrics::default() }).unwrap();
    }
    files::append_line(&metrics, "{\"step\": 9, \"lo").unwrap();
    assert_eq!(runs::entry(&killed).unwrap().state, RunState::Interrupted);
    resume(&model, &killed).unwrap();
    assert!(weights(&killed) == weights(&whole), "the adapters differ");
    assert_eq!(numbers(&killed), numbers(&whole));
}

/// How often a run asks whether it is to stop before its rows are read: stopped after that, it is a
/// run that can be resumed.
fn reading(model: &Model, config: &TrainConfig) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let stopped = |checks: &usize| {
        let run_dir = folder.path().join(checks.to_string());
        start(model, config, &run_dir, &Recorder::stop_after(*checks)).is_ok()
    };
    (0..200).find(stopped).expect("the rows are read some time")
}

#[test]
fn a_run_that_is_stopped_before_its_first_step_can_go_on() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = config(eight_pairs(folder.path()), 2);
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    start(&model, &config, &whole, &Quiet).unwrap();
    let progress = Recorder::stop_after(reading(&model, &config));
    let summary = start(&model, &config, &stopped, &progress).unwrap();
    assert_eq!(summary.steps_done, 0); // while the reference was computed
    resume(&model, &stopped).unwrap();
    assert!(weights(&stopped) == weights(&whole), "the adapters differ");
}

#[test]
fn the_same_run_twice_gives_the_same_bytes() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = config(eight_pairs(folder.path()), 5);
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    start(&model, &config, &one, &Quiet).unwrap();
    start(&model, &config, &two, &Quiet).unwrap();
    assert!(weights(&one) == weights(&two), "the adapters differ");
    assert_eq!(numbers(&one), numbers(&two));
    let other = TrainConfig { seed: 43, ..config };
    let three = folder.path().join("three");
    start(&model, &other, &three, &Quiet).unwrap();
    assert!(weights(&one) != weights(&three), "the seed changes nothing");
}

#[test]
fn dropout_is_the_same_after_a_stop_and_off_where_trl_has_it_off() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let plain = config(eight_pairs(folder.path()), 4);
    let mut config = TrainConfig { objective: Objective::Sft, ..plain.clone() };
    config.lora.lora_dropout = 0.3;
    let run_dir = |name: &str| folder.path().join(name);
    start(&model, &config, &run_dir("whole"), &Quiet).unwrap();
    // Two steps of one pass
    let progress = Recorder::stop_after(reading(&model, &config) + 2);
    start(&model, &config, &run_dir("stopped"), &progress).unwrap();
    assert_eq!(runs::entry(&run_dir("stopped")).unwrap().resumable_from, Some(2));
    resume(&model, &run_dir("stopped")).unwrap();
    assert!(weights(&run_dir("stopped")) == weights(&run_dir("whole")), "the adapters differ");

    let without = TrainConfig { objective: Objective::Sft, ..plain.clone() };
    start(&model, &without, &run_dir("without"), &Quiet).unwrap();
    assert!(weights(&run_dir("without")) != weights(&run_dir("whole")), "nothing was dropped");

    // TRL's DPO switches dropout off (`disable_dropout`).
    start(&model, &plain, &run_dir("dpo"), &Quiet).unwrap();
    let dpo = TrainConfig { lora: config.lora.clone(), ..plain };
    start(&model, &dpo, &run_dir("dpo_off"), &Quiet).unwrap();
    assert!(weights(&run_dir("dpo")) == weights(&run_dir("dpo_off")));
    let dpo = TrainConfig { disable_dropout: false, ..dpo };
    start(&model, &dpo, &run_dir("dpo_on"), &Quiet).unwrap();
    assert!(weights(&run_dir("dpo")) != weights(&run_dir("dpo_on")));
}

#[test]
fn every_adapter_gets_a_gradient() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(eight_pairs(folder.path()), 1);
    config.lora.target_modules = vec!["all-linear".to_owned()];
    // The run itself fails where a gradient is cut; what moved is what the gradient reached.
    let run_dir = folder.path().join("run");
    start(&model, &config, &run_dir, &Quiet).unwrap();
    let moved = Adapter::load(&run_dir, &model).unwrap();
    let pairs = moved.vars();
    assert_eq!(pairs.len(), 2 * 7 * 3); // A and B of seven linears in three layers
    for (name, var) in pairs.iter().filter(|(name, _)| name.contains("lora_B")) {
        let largest = var.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(largest > 0.0, "{name} did not move"); // B starts at zero
    }
}

#[test]
fn held_out_prompts_are_measured_and_not_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        held_out_share: 0.25,
        eval_steps: 10,
        ..config(eight_pairs(folder.path()), 30)
    };
    let progress = Recorder::default();
    let run_dir = folder.path().join("run");
    let summary = start(&tiny_model(), &config, &run_dir, &progress).unwrap();
    let events = progress.into_events();
    let planned = TrainEvent::Planned { steps: 30, train_rows: 6, held_out_rows: 2 };
    assert!(events.contains(&planned));
    let steps: Vec<usize> = History::read(&run_dir).evaluations.iter().map(|e| e.step).collect();
    assert_eq!(steps, [10, 20, 30]);
    let evaluation = summary.evaluation.unwrap();
    assert_eq!(evaluation.pair_count, 2);
    assert_eq!(evaluation.values.get(Metric::RewardsAccuracies), Some(1.0)); // short answers win there too
}

#[test]
fn a_run_stops_by_itself_once_its_evaluations_get_no_better_and_keeps_the_best() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        held_out_share: 0.25,
        eval_steps: 2,
        early_stopping_patience: 2,
        load_best_model_at_end: true,
        metric_for_best_model: "eval_rewards/accuracies".to_owned(), // never more than 1
        ..config(eight_pairs(folder.path()), 60)
    };
    let run_dir = folder.path().join("run");
    let summary = start(&model, &config, &run_dir, &Quiet).unwrap();
    let reason = summary.stopped_early.as_ref().expect("it should have stopped early");
    let found = summary.best.unwrap();
    assert!(reason.contains(&format!("2 evaluations since step {}", found.step)), "{reason}");
    assert_eq!(summary.steps_done, found.step + 4, "two evaluations of two steps after the best");
    let evaluations = History::read(&run_dir).evaluations;
    let all_right = |found: &&EvalMetrics| found.values.get(Metric::RewardsAccuracies) == Some(1.0);
    let first = evaluations.iter().find(all_right).unwrap();
    assert_eq!((found.step, found.value), (first.step, 1.0));
    // The run's adapter is that of the best checkpoint, which is there in its own folder too.
    assert_eq!(weights(&run_dir), weights(&best::folder(&run_dir, found.step)));
    let record = RunRecord::read(&run_dir).unwrap();
    assert_eq!((record.status, record.best), (RunStatus::Finished, Some(found)));
    assert_eq!(record.message.as_ref(), Some(reason));
    let listed = runs::entry(&run_dir).unwrap();
    assert_eq!(listed.resumable_from, None);
}

/// Of how many rows a run says that it computes the reference.
fn references_computed(events: Recorder<TrainEvent>) -> Option<usize> {
    events.into_events().into_iter().find_map(|event| match event {
        TrainEvent::Preparing { what, total, .. } if what.contains("Reference") => Some(total),
        _ => None,
    })
}

#[test]
fn a_reference_is_computed_once_for_a_row_and_changes_nothing() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = config(eight_pairs(folder.path()), 3);
    let cache = folder.path().join("cache");
    let run = |name: &str, config: &TrainConfig, cache: Option<PathBuf>| {
        let run_dir = folder.path().join(name);
        let events = Recorder::default();
        let config = config.clone();
        let request = StartRequest { config, run_dir: run_dir.clone(), cache };
        train::start(&model, &request, &events).unwrap();
        (references_computed(events).unwrap_or(0), weights(&run_dir), numbers(&run_dir))
    };
    let kept = || std::fs::read_dir(&cache).map_or(0, Iterator::count);
    let (computed, adapter, steps) = run("without", &config, None);
    assert_eq!((computed, kept()), (8, 0));
    let first = run("first", &config, Some(cache.clone()));
    assert_eq!((first, kept()), ((8, adapter.clone(), steps.clone()), 1));
    let second = run("second", &config, Some(cache.clone()));
    assert_eq!(second, (0, adapter.clone(), steps.clone()), "kept, and the same bits");

    // Any new adapter changes nothing of the model.
    let target_modules = vec!["all-linear".to_owned()];
    let lora = LoraConfig { r: 7, target_modules, ..config.lora.clone() };
    let other = TrainConfig { seed: config.seed + 1, lora, ..config.clone() };
    let (computed, other_adapter, other_steps) = run("other without", &other, None);
    assert_eq!(computed, 8);
    let found = run("other", &other, Some(cache.clone()));
    assert_eq!(found, (0, other_adapter, other_steps), "kept, and the same bits");
    let started = folder.path().join("first");
    let continued = TrainConfig { adapter: Some(started), ..config.clone() };
    assert_eq!(run("continued", &continued, Some(cache.clone())).0, 8, "another reference");
    assert_eq!(kept(), 2);

    let more = folder.path().join("more.jsonl");
    let row = r#"{"prompt": "One more?", "chosen": " Yes.", "rejected": " Well, no."}"#;
    std::fs::copy(&config.data, &more).unwrap();
    files::append_line(&more, row).unwrap();
    let config_of_more = TrainConfig { data: more, ..config.clone() };
    assert_eq!(run("more", &config_of_more, Some(cache.clone())).0, 1, "the new row");
    assert_eq!(kept(), 2);
    for entry in std::fs::read_dir(&cache).unwrap() {
        files::write_atomic(&entry.unwrap().path(), b"damaged").unwrap();
    }
    let after = run("after", &config, Some(cache.clone()));
    assert_eq!(after, (8, adapter, steps), "a damaged one is as if it were not there");
}

#[test]
fn a_short_run_on_many_rows_computes_the_reference_of_its_own() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig { held_out_share: 0.25, ..config(eight_pairs(folder.path()), 1) };
    let (run_dir, events) = (folder.path().join("run"), Recorder::default());
    let request = StartRequest { config, run_dir: run_dir.clone(), cache: None };
    train::start(&model, &request, &events).unwrap();
    assert_eq!(references_computed(events), Some(4 + 2), "a batch, and what is held out");
    let History { steps, evaluations } = History::read(&run_dir);
    assert!((steps[0].loss() - LN_2).abs() < 1e-9 && evaluations[0].loss().is_finite());
}

/// Takes the memory away as soon as something is computed.
struct NoMemory;

impl Progress<TrainEvent> for NoMemory {
    fn emit(&self, event: TrainEvent) {
        if matches!(event, TrainEvent::Step(_)) {
            std::panic::panic_any(OutOfMemory { bytes: 5_000_000 });
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

#[test]
fn memory_that_runs_out_ends_the_run_and_not_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(eight_pairs(folder.path()), 4);
    let run_dir = folder.path().join("run");
    let err = start(&tiny_model(), &config, &run_dir, &NoMemory).unwrap_err();
    assert!(err.to_string().contains("no memory left for 5 MB more"), "{err}");
    let record = RunRecord::read(&run_dir).unwrap();
    assert_eq!((record.status, record.steps_done), (RunStatus::Failed, 0));
    assert!(start(&tiny_model(), &config, &folder.path().join("again"), &Quiet).is_ok());
}

#[test]
fn a_loss_that_is_not_a_number_ends_the_run_and_keeps_the_last_checkpoint() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(eight_pairs(folder.path()), 20);
    config.learning_rate = 1.0; // absurd, and without clipping
    config.max_grad_norm = 0.0;
    config.lora.lora_alpha = 10_000.0;
    config.loss_type = vec!["discopop".to_owned()]; // grows exponentially with a lost pair
    config.beta = 100.0;
    let run_dir = folder.path().join("run");
    let err = start(&model, &config, &run_dir, &Quiet).unwrap_err();
    let train::Error::NotFinite { kept_step, .. } = err else { panic!("{err}") };
    let record = RunRecord::read(&run_dir).unwrap();
    assert_eq!((record.status, record.steps_done), (RunStatus::Failed, kept_step));
    assert!(record.message.unwrap().contains("not a number"));
    let kept = Adapter::load(&run_dir, &model).unwrap();
    for (name, var) in kept.vars() {
        let sum = var.sum_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(sum.is_finite(), "{name}");
    }
}

#[test]
fn a_bad_row_leaves_no_run_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = eight_pairs(folder.path());
    files::append_line(&data, "{\"prompt\": \"p\", \"chosen\": \"c\"}").unwrap();
    let run_dir = folder.path().join("run");
    let err = start(&tiny_model(), &config(data, 1), &run_dir, &Quiet).unwrap_err();
    assert!(matches!(err, train::Error::Data(_)), "{err}");
    assert!(!run_dir.exists());
}

#[test]
fn a_run_keeps_its_data_and_says_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = eight_pairs(folder.path());
    let run_dir = folder.path().join("run");
    start(&tiny_model(), &config(data.clone(), 1), &run_dir, &Quiet).unwrap();
    assert_eq!(RunRecord::read(&run_dir).unwrap().data, data);
    let rows = std::fs::read(&data).unwrap();
    std::fs::remove_file(&data).unwrap();
    let moved = folder.path().join("moved");
    std::fs::rename(&run_dir, &moved).unwrap();
    let settings = run_file::read(&moved.join("run.toml")).unwrap();
    assert_eq!(settings.data, moved.join("data.jsonl"));
    assert_eq!(std::fs::read(&settings.data).unwrap(), rows);
}

#[test]
fn a_folder_holds_one_run() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = config(eight_pairs(folder.path()), 1);
    let run_dir = folder.path().join("run");
    start(&model, &config, &run_dir, &Quiet).unwrap();
    let err = start(&model, &config, &run_dir, &Quiet).unwrap_err();
    assert!(matches!(err, train::Error::Occupied(_)), "{err}");
    let err = resume(&model, &folder.path().join("nothing")).unwrap_err();
    assert!(matches!(err, train::Error::NoCheckpoint(_)), "{err}");
}

#[test]
fn prompts_that_fill_the_length_are_dropped_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = eight_pairs(folder.path());
    let long = "word ".repeat(200);
    let row = json!({"prompt": [{"role": "user", "content": long}],
        "chosen": [{"role": "assistant", "content": "yes"}],
        "rejected": [{"role": "assistant", "content": "no"}]});
    files::append_json(&data, &row).unwrap();
    let config = TrainConfig { max_length: 120, ..config(data, 1) };
    let progress = Recorder::default();
    start(&tiny_model(), &config, &folder.path().join("run"), &progress).unwrap();
    let warned = progress.into_events().into_iter().any(|event| {
        matches!(event, TrainEvent::Warning(text) if text.contains("left out: the prompt alone fills"))
    });
    assert!(warned);
}

#[test]
fn a_fixed_prompt_is_answered_as_the_run_goes_on_and_the_run_stays_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny_model();
    let plain = config(eight_pairs(folder.path()), 4);
    let sampled = TrainConfig { sample_steps: 2, ..plain.clone() };
    let (without, with) = (folder.path().join("without"), folder.path().join("with"));
    start(&model, &plain, &without, &Quiet).unwrap();
    let events = Recorder::default();
    start(&model, &sampled, &with, &events).unwrap();
    let samples = samples::read(&with);
    let steps: Vec<usize> = samples.iter().map(|sample| sample.step).collect();
    assert_eq!(steps, [0, 2, 4]);
    assert!(samples.iter().all(|sample| sample.prompt == samples[0].prompt));
    assert_ne!(samples[0].answer, samples[2].answer, "the run changes what is answered");
    assert_eq!(weights(&without), weights(&with), "looking does not change what is learned");
    let told = events.into_events().into_iter();
    assert_eq!(told.filter(|event| matches!(event, TrainEvent::Sampled(_))).count(), 3);
}

#[test]
fn what_changed_is_measured_on_the_rows_that_were_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let model = tiny_model();
    let data = eight_pairs(folder.path());
    let config = TrainConfig { held_out_share: 0.25, ..config(data.clone(), 12) };
    let run_dir = folder.path().join("run");
    start(&model, &config, &run_dir, &Quiet).unwrap();
    let adapter = Adapter::load(&run_dir, &model).unwrap();
    let found = comparison::compare(&model, &adapter, &config, &data, &Quiet).unwrap();
    assert!(found.held_out);
    assert_eq!(found.rows, 2);
    // The run's own last measurement says the same.
    let told = History::read(&run_dir).evaluations.pop().unwrap();
    assert_eq!(found.accuracy.map(|found| found.value), told.values.get(Metric::RewardsAccuracies));
    let margin = found.margin.unwrap();
    let told_margin = told.values.get(Metric::RewardsMargins).unwrap();
    assert!((margin.value - told_margin).abs() < 1e-3, "{margin:?} {told:?}");
    assert!(margin.low <= margin.value && margin.value <= margin.high);
    assert!(found.neutral_kl.value > 0.0, "the adapter moves something");
    // An adapter that changes nothing has moved nothing.
    let idle = Adapter::init(&model, &idle_spec(), 0).unwrap();
    let found = comparison::compare(&model, &idle, &config, &data, &Quiet).unwrap();
    assert_eq!(found.neutral_kl.value, 0.0);
    assert_eq!(found.perplexity_before, found.perplexity_after);
    assert_eq!(found.accuracy.map(|found| found.value), Some(0.0));
}

fn idle_spec() -> LoraSpec {
    LoraSpec {
        r: 2,
        lora_alpha: 2.0,
        lora_dropout: 0.0,
        use_rslora: false,
        target_modules: vec!["q_proj".to_owned()],
        ..LoraSpec::default()
    }
}
