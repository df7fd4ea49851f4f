//! What a run of GRPO or RLOO promises, on the tiny model: answers are sampled, rewarded and learned from.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use serde_json::json;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet, Recorder};
use tuning_fork_engine::llm::{Model, Weights};
use tuning_fork_engine::train;
use tuning_fork_engine::train::config::metric::{Metric, Values};
use tuning_fork_engine::train::config::rewards::{LengthUnit, Reward, Rule};
use tuning_fork_engine::train::config::{
    LoraConfig, Objective, PolicyConfig, SchedulerType, TrainConfig, run_file,
};
use tuning_fork_engine::train::record::RunRecord;
use tuning_fork_engine::train::record::history::History;
use tuning_fork_engine::train::record::leash;
use tuning_fork_engine::train::record::metrics::{Best, EvalMetrics, StepMetrics, TrainEvent};
use tuning_fork_engine::train::record::round::Round;
use tuning_fork_engine::train::{ResumeRequest, StartRequest};

use crate::support::{load, reference};

fn tiny_model() -> Model {
    load(&reference("models/llama"), Weights::F32)
}

/// Six questions with their answers in a column.
fn prompts(folder: &Path) -> PathBuf {
    let path = folder.join("prompts.jsonl");
    for (word, answer) in
        [("one", "1"), ("two", "2"), ("three", "3"), ("four", "4"), ("five", "5"), ("six", "6")]
    {
        let prompt = json!([{"role": "user", "content": format!("Which number is {word}?")}]);
        files::append_json(&path, &json!({"prompt": prompt, "answer": answer})).unwrap();
    }
    path
}

fn length(per: f64) -> Reward {
    Reward::of(Rule::Length { unit: LengthUnit::Tokens, target: None, per })
}

/// Two prompts with four answers each in a round.
fn config(data: PathBuf, objective: Objective, steps: usize) -> TrainConfig {
    TrainConfig {
        data,
        objective,
        loss_type: objective.usual_loss(),
        per_device_train_batch_size: 4,
        gradient_accumulation_steps: 2,
        max_steps: Some(steps),
        learning_rate: 1e-2,
        lr_scheduler_type: SchedulerType::Constant,
        save_steps: 2,
        beta: 0.05,
        policy: PolicyConfig {
            num_generations: 4,
            max_completion_length: 12,
            ..PolicyConfig::default()
        },
        rewards: vec![length(10.0)],
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
) -> Result<usize, train::Error> {
    let request = StartRequest { config: config.clone(), run_dir: run_dir.to_owned(), cache: None };
    train::start(model, &request, progress).map(|summary| summary.steps_done)
}

fn resume(model: &Model, run_dir: &Path) -> usize {
    let request = ResumeRequest { run_dir: run_dir.to_owned(), cache: None, unused: None };
    train::resume(model, &request, &Quiet).unwrap().steps_done
}

fn weights(run_dir: &Path) -> Vec<u8> {
    std::fs::read(run_dir.join("adapter_model.safetensors")).unwrap()
}

fn numbers(run_dir: &Path) -> Vec<StepMetrics> {
    let without_time = |step| StepMetrics { step_secs: 0.0, ..step };
    History::read(run_dir).steps.into_iter().map(without_time).collect()
}

/// Stops a run while it does a step.
struct StopIn {
    step: usize,
    done: Cell<usize>,
}

impl Progress<TrainEvent> for StopIn {
    fn emit(&self, event: TrainEvent) {
        if let TrainEvent::Step(step) = event {
            self.done.set(step.step);
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.done.get() + 1 >= self.step { Err(Cancelled) } else { Ok(()) }
    }
}

#[test]
fn a_run_on_rewards_ends_early_and_is_that_of_its_best_evaluation() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let config = TrainConfig {
        held_out_share: 0.34, // two of six prompts
        eval_steps: 2,
        early_stopping_patience: 2,
        early_stopping_threshold: 1e6, // no later evaluation is so much better
        metric_for_best_model: Metric::Reward.evaluated(),
        load_best_model_at_end: true,
        ..config(prompts(folder.path()), Objective::Grpo, 16)
    };
    let progress = Recorder::default();
    assert_eq!(start(&model, &config, &run_dir, &progress).unwrap(), 6);
    let evaluations = History::read(&run_dir).evaluations;
    let reward = |found: &EvalMetrics| found.values.get(Metric::Reward).unwrap();
    assert_eq!(evaluations.iter().map(|found| found.step).collect::<Vec<_>>(), [2, 4, 6]);
    let best = evaluations.iter().rev().max_by(|a, b| reward(a).total_cmp(&reward(b))).unwrap();
    let record = RunRecord::read(&run_dir).unwrap();
    assert_eq!(record.best.unwrap(), Best { step: best.step, value: reward(best) });
    assert!(
        record.message.unwrap().starts_with("Stopped early: eval_reward has not become better")
    );
    assert_eq!(weights(&run_dir), weights(&run_dir.join(format!("best-{}", best.step))));
    for found in &evaluations {
        assert_eq!(found.pair_count, 2);
        for metric in [Metric::Loss, Metric::Kl, Metric::Entropy, Metric::CompletionsMeanLength] {
            assert!(found.values.get(metric).is_some_and(f64::is_finite), "{metric:?}");
        }
    }
}

#[test]
fn held_out_prompts_are_answered_alike_where_nothing_was_learned() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    for objective in [Objective::Grpo, Objective::Rloo] {
        let run_dir = folder.path().join(objective.facts().key);
        let config = TrainConfig {
            held_out_share: 0.34,
            eval_steps: 1,
            learning_rate: 1e-9,
            ..config(prompts(folder.path()), objective, 3)
        };
        start(&model, &config, &run_dir, &Quiet).unwrap();
        let evaluations = History::read(&run_dir).evaluations;
        let values: Vec<_> = evaluations.iter().map(|found| found.values).collect();
        assert_eq!(values.len(), 3);
        let length = |values: &Values| values.get(Metric::CompletionsMeanLength);
        assert!(values.iter().all(|one| length(one) == length(&values[0])));
        let reward = values[0].get(Metric::Reward).unwrap();
        assert!(values.iter().all(|one| (one.get(Metric::Reward).unwrap() - reward).abs() < 1e-6));
    }
}

#[test]
fn a_run_that_is_paid_for_length_reports_everything() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    let mut config = config(prompts(folder.path()), Objective::Grpo, 16);
    // A random model hardly ever ends an answer: letters are what it can earn more of.
    config.rewards =
        vec![Reward::of(Rule::Length { unit: LengthUnit::Characters, target: None, per: 10.0 })];
    config.rewards.push(Reward::of(Rule::ExactMatch {
        column: "answer".to_owned(),
        ignore_case: true,
        contains: true,
    }));
    let progress = Recorder::default();
    start(&model, &config, &run_dir, &progress).unwrap();
    let steps = History::read(&run_dir).steps;
    assert_eq!(steps.len(), 16);
    let line = std::fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    for key in [
        "loss",
        "reward",
        "reward_std",
        "frac_reward_zero_std",
        "rewards/length/mean",
        "rewards/length/std",
        "rewards/exact_match/mean",
        "kl",
        "entropy",
        "beta",
        "completions/mean_length",
        "completions/clipped_ratio",
        "clip_ratio/region_mean",
        "num_tokens",
        "learning_rate",
    ] {
        assert!(line[key].is_number(), "{key}: {line}");
    }
    assert_eq!(line["kl"], 0.0, "a new adapter is its own reference");

    // The answers of the last round are kept, and said.
    let round = Round::last(&run_dir).unwrap();
    assert_eq!((round.round, round.answers.len(), round.beta), (15, 8, 0.05));
    let answers = &round.answers[..4];
    assert!(answers.iter().all(|answer| answer.line == answers[0].line));
    let sum: f64 = answers.iter().map(|answer| answer.advantage).sum();
    assert!(sum.abs() < 1e-6, "advantages of a group add up to nothing: {sum}");
    let said = progress.into_events();
    let said = said.iter().filter(|event| matches!(event, TrainEvent::Answered(_)));
    assert_eq!(said.count(), 16);
}

#[test]
fn a_stopped_run_ends_with_the_same_bytes_whatever_it_learns_with() {
    let model = tiny_model();
    for (objective, iterations, together) in
        [(Objective::Grpo, 1, None), (Objective::Grpo, 2, Some(4)), (Objective::Rloo, 1, None)]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(prompts(folder.path()), objective, 7);
        config.policy.num_iterations = iterations;
        config.policy.steps_per_generation = together;
        config.lora.lora_dropout = 0.1;
        let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
        assert_eq!(start(&model, &config, &whole, &Quiet).unwrap(), 7);
        // In the middle of a round, where that is learned from in several steps.
        let stop = StopIn { step: 4, done: Cell::new(0) };
        let done = start(&model, &config, &stopped, &stop).unwrap();
        assert_eq!(done, 3, "{objective:?}");
        assert_eq!(resume(&model, &stopped), 7);
        assert!(weights(&stopped) == weights(&whole), "{objective:?}: the adapters differ");
        assert_eq!(numbers(&stopped), numbers(&whole), "{objective:?}");
        assert_eq!(Round::last(&stopped), Round::last(&whole));
    }
}

#[test]
fn the_leash_can_be_moved_while_the_run_goes_on() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let config = config(prompts(folder.path()), Objective::Grpo, 6);
    let run_dir = folder.path().join("run");
    let stop = StopIn { step: 3, done: Cell::new(0) };
    start(&model, &config, &run_dir, &stop).unwrap();
    leash::wish(&run_dir, 0.75).unwrap();
    resume(&model, &run_dir);
    let betas: Vec<f64> = History::read(&run_dir)
        .steps
        .iter()
        .map(|step| step.values.get(Metric::Beta).unwrap())
        .collect();
    assert_eq!(betas, [0.05, 0.05, 0.75, 0.75, 0.75, 0.75]);
}

#[test]
fn rewards_that_are_all_the_same_are_said_and_change_nothing() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(prompts(folder.path()), Objective::Grpo, 2);
    config.beta = 0.0;
    config.rewards = vec![Reward::of(Rule::Regex { pattern: "\u{2603}".to_owned(), whole: false })];
    let run_dir = folder.path().join("run");
    let progress = Recorder::default();
    start(&model, &config, &run_dir, &progress).unwrap();
    let warnings: Vec<String> = progress
        .into_events()
        .into_iter()
        .filter_map(|event| match event {
            TrainEvent::Warning(words) => Some(words),
            _ => None,
        })
        .collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("every advantage is zero"), "{warnings:?}");
    let steps = History::read(&run_dir).steps;
    assert_eq!(steps[0].values.get(Metric::GradNorm), Some(0.0));
    assert_eq!(steps[1].values.get(Metric::FracRewardZeroStd), Some(1.0));
}

#[test]
fn a_kl_that_explodes_ends_the_run_and_keeps_the_last_good_adapter() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(prompts(folder.path()), Objective::Grpo, 20);
    (config.learning_rate, config.policy.max_kl) = (0.1, 0.05);
    let run_dir = folder.path().join("run");
    let err = start(&model, &config, &run_dir, &Quiet).unwrap_err().to_string();
    assert!(err.contains("nats a token") && err.contains("is kept"), "{err}");
    let kept = RunRecord::read(&run_dir).unwrap().steps_done;
    assert!(err.contains(&format!("of step {kept} is kept")), "{err}");
    tuning_fork_engine::llm::Adapter::load(&run_dir, &model).unwrap();
}

#[test]
fn a_run_file_names_rules_and_sampling_under_trls_names() {
    let text = r#"
        model = "m"
        objective = "grpo"
        data = "prompts.jsonl"
        beta = 0.04

        [policy]
        num_generations = 4
        max_completion_length = 64
        scale_rewards = "none"

        [[rewards]]
        rule = "length"
        per = 50
        weight = 0.5

        [[rewards]]
        rule = "json"
        name = "fits"
        schema = '{"type": "object"}'
    "#;
    let config = run_file::parse(text).unwrap();
    assert_eq!(config.problems(), []);
    assert_eq!(config.loss_type, ["dapo"]);
    let names: Vec<&str> = config.rewards.iter().map(Reward::title).collect();
    assert_eq!(names, ["length", "fits"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    run_file::write(&path, &config).unwrap();
    assert_eq!(run_file::read(&path).unwrap().rewards, config.rewards);
    let none = run_file::parse("model = \"m\"\ndata = \"d\"\nobjective = \"rloo\"").unwrap();
    let problems: Vec<&str> = none.problems().iter().map(|problem| problem.field).collect();
    assert_eq!(problems, ["rewards"]);
}

#[test]
fn too_few_prompts_and_a_column_that_is_not_there_are_refused() {
    let model = tiny_model();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(prompts(folder.path()), Objective::Grpo, 2);
    config.per_device_train_batch_size = 32;
    let run_dir = folder.path().join("run");
    let err = start(&model, &config, &run_dir, &Quiet).unwrap_err().to_string();
    assert!(err.contains("16 prompts") && err.contains("there are 6"), "{err}");
    config.per_device_train_batch_size = 4;
    config.rewards = vec![Reward::of(Rule::ExactMatch {
        column: "solution".to_owned(),
        ignore_case: true,
        contains: false,
    })];
    let err = start(&model, &config, &run_dir, &Quiet).unwrap_err().to_string();
    assert!(err.contains("`solution`") && err.contains("answer, prompt"), "{err}");
    assert!(!run_dir.exists());
}
