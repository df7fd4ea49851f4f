//! Runs that learn from several files: shares, held-out rows of each, the same bytes whatever happens.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Progress, Quiet};
use tuning_fork_engine::llm::{Model, Weights};
use tuning_fork_engine::train;
use tuning_fork_engine::train::config::metric::Metric;
use tuning_fork_engine::train::config::mix::MixSource;
use tuning_fork_engine::train::config::run_file;
use tuning_fork_engine::train::config::{LoraConfig, Objective, PackingStrategy, TrainConfig};
use tuning_fork_engine::train::record::RunRecord;
use tuning_fork_engine::train::record::history::History;
use tuning_fork_engine::train::record::metrics::{EvalMetrics, StepMetrics, TrainEvent};
use tuning_fork_engine::train::rows::prepare;
use tuning_fork_engine::train::rows::prepared::Prepared;
use tuning_fork_engine::train::rows::survey::Part;
use tuning_fork_engine::train::step::{adapter, evaluation};
use tuning_fork_engine::train::{ResumeRequest, StartRequest};

use crate::support::{StopAfter, load, reference};

fn model() -> Model {
    load(&reference("models/llama"), Weights::F32)
}

/// 20 questions with answers, and 50 texts.
fn two_files(folder: &Path) -> (PathBuf, PathBuf) {
    let (own, neutral) = (folder.join("questions.jsonl"), folder.join("neutral.jsonl"));
    for number in 0..20 {
        let prompt = format!("Question {number}?");
        let row = json!({ "prompt": prompt, "completion": format!(" Answer {number}.") });
        files::append_json(&own, &row).unwrap();
    }
    for number in 0..50 {
        let row = json!({ "text": format!("It rained for {number} days, and the river rose.") });
        files::append_json(&neutral, &row).unwrap();
    }
    (own, neutral)
}

fn config(folder: &Path, share: f64) -> TrainConfig {
    let (own, neutral) = two_files(folder);
    TrainConfig {
        objective: Objective::Sft,
        data: own,
        mix: vec![MixSource::of(neutral, share)],
        per_device_train_batch_size: 4,
        max_steps: Some(6),
        learning_rate: 1e-2,
        held_out_share: 0.2,
        eval_steps: 3,
        save_steps: 2,
        measure_forgetting: true,
        lora: LoraConfig { r: 4, lora_alpha: 8.0, ..LoraConfig::default() },
        ..TrainConfig::suggested(Objective::Sft)
    }
}

fn start(config: &TrainConfig, run_dir: &Path, progress: &dyn Progress<TrainEvent>) {
    let request = StartRequest { config: config.clone(), run_dir: run_dir.to_owned(), cache: None };
    train::start(&model(), &request, progress).unwrap();
}

fn prepared(config: &TrainConfig) -> Prepared {
    prepare::prepared(&model(), config, &config.data, &Quiet).unwrap()
}

#[test]
fn each_file_has_its_share_of_what_is_trained_on_and_of_what_is_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 0.2);
    let Prepared { examples, split, survey, sources, .. } = prepared(&config);
    let counts: Vec<_> = sources
        .iter()
        .map(|file| (file.name.as_str(), file.rows, file.train_rows, file.held_out_rows))
        .collect();
    // 5 texts go with 20 questions; of both a fifth is held out.
    assert_eq!(counts, [("questions", 20, 16, 4), ("neutral", 50, 4, 1)]);
    let of =
        |rows: &[usize], source| rows.iter().filter(|row| examples[**row].source == source).count();
    assert_eq!((of(&split.train, 0), of(&split.train, 1)), (16, 4));
    assert_eq!((of(&split.held_out, 0), of(&split.held_out, 1)), (4, 1));
    let groups = |rows: &[usize]| -> BTreeSet<&str> {
        rows.iter().map(|row| examples[*row].group.as_str()).collect()
    };
    assert!(groups(&split.train).is_disjoint(&groups(&split.held_out)));
    let parts = |part| survey.rows.iter().filter(|row| row.part == part).count();
    assert_eq!(
        [Part::Train, Part::HeldOut, Part::NotDrawn, Part::Dropped].map(parts),
        [20, 5, 45, 0]
    );
    let said: Vec<&str> = survey.findings.iter().map(|found| found.sentence.as_str()).collect();
    let expected = "Of neutral: 4 rows to train on (20.0 %), drawn from 50, and 1 held out";
    assert!(said.contains(&expected), "{said:#?}");
    assert!(said.iter().any(|said| said.starts_with("neutral: The rows are read as")), "{said:#?}");

    // Without the mix, the same questions are held out.
    let alone = TrainConfig { mix: Vec::new(), ..config };
    let Prepared { examples: own, split: of_own, .. } = prepared(&alone);
    let asked: Vec<&str> = of_own.held_out.iter().map(|row| own[*row].group.as_str()).collect();
    let mixed = split.held_out.iter().map(|row| &examples[*row]);
    let mixed: Vec<&str> =
        mixed.filter(|row| row.source == 0).map(|row| row.group.as_str()).collect();
    assert_eq!(asked, mixed);
}

#[test]
fn the_numbers_of_a_file_are_those_of_its_rows_alone() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 0.4);
    let model = model();
    let Prepared { examples, split, .. } = prepared(&config);
    let adapter = adapter::begin(&model, &config).unwrap();
    let measured = |config: &TrainConfig, rows: &[usize]| {
        evaluation::held_out(&model, &adapter, config, (&examples, &[]), rows, &Quiet).unwrap()
    };
    let found = measured(&config, &split.held_out);
    assert_eq!(found.sources.len(), 2);
    let alone = TrainConfig { mix: Vec::new(), ..config };
    for (source, of_file) in found.sources.iter().enumerate() {
        let rows: Vec<usize> =
            split.held_out.iter().copied().filter(|row| examples[*row].source == source).collect();
        let EvalMetrics { pair_count, values, sources, .. } = measured(&alone, &rows);
        assert_eq!((pair_count, &values), (of_file.pair_count, &of_file.values));
        assert!(sources.is_empty());
    }
    assert_ne!(found.sources[0].values, found.sources[1].values);
}

#[test]
fn a_mixed_run_keeps_copies_of_its_files_and_is_resumed_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 0.2);
    let (whole, stopped) = (folder.path().join("runs/whole"), folder.path().join("runs/stopped"));
    start(&config, &whole, &Quiet);
    start(&config, &stopped, &StopAfter::steps(2));
    // What the run was made of may change.
    for name in ["questions.jsonl", "neutral.jsonl"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    let request = ResumeRequest { run_dir: stopped.clone(), cache: None, unused: None };
    train::resume(&model(), &request, &Quiet).unwrap();
    let bytes = |run_dir: &Path, name: &str| std::fs::read(run_dir.join(name)).unwrap();
    for name in ["adapter_model.safetensors", "run.toml", "data.jsonl", "data-2.jsonl"] {
        assert!(bytes(&whole, name) == bytes(&stopped, name), "{name} differs");
    }
    let numbers = |run_dir: &Path| {
        let History { steps, evaluations } = History::read(run_dir);
        let steps: Vec<StepMetrics> =
            steps.into_iter().map(|step| StepMetrics { step_secs: 0.0, ..step }).collect();
        (steps, evaluations)
    };
    assert_eq!(numbers(&whole), numbers(&stopped));

    let record = RunRecord::read(&whole).unwrap();
    assert_eq!(record.sources.len(), 2);
    let neutral = &record.sources[1];
    assert_eq!((neutral.name.as_str(), neutral.train_rows), ("neutral", 4));
    assert!(neutral.data.as_ref().unwrap().ends_with("neutral.jsonl"));
    let (_, evaluations) = numbers(&whole);
    let steps: Vec<usize> = evaluations.iter().map(|found| found.step).collect();
    assert_eq!(steps, [0, 3, 6], "before the first step, too");
    for found in &evaluations {
        let names: Vec<&str> = found.sources.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["questions", "neutral"]);
        assert!(found.values.get(Metric::NeutralPerplexity).is_some());
    }
    let loss =
        |found: &EvalMetrics, file: usize| found.sources[file].values.get(Metric::Loss).unwrap();
    for file in 0..2 {
        assert!(
            loss(&evaluations[2], file) < loss(&evaluations[0], file),
            "file {file} is learned"
        );
    }
}

#[test]
fn packed_rows_of_a_mix_are_held_out_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        packing: true,
        packing_strategy: PackingStrategy::Bfd,
        max_length: 64,
        ..config(folder.path(), 0.5)
    };
    let Prepared { examples, split, sources, .. } = prepared(&config);
    assert_eq!((sources[1].train_rows, sources[1].held_out_rows), (16, 4));
    let held_out: Vec<(usize, usize)> = split
        .held_out
        .iter()
        .map(|row| (examples[*row].source, 1 + examples[*row].packed.len()))
        .collect();
    let documents = |source: usize| {
        held_out.iter().filter(|(of, _)| *of == source).map(|(_, count)| count).sum::<usize>()
    };
    assert_eq!([0, 1].map(documents), [4, 4]);
}

#[test]
fn the_sample_run_file_mixes_what_comes_with_the_program() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data");
    let config = run_file::read(&sample.join("mix/mix.toml")).unwrap();
    assert_eq!(config.problems(), []);
    let model = load(&sample.join("tiny_model"), Weights::F32);
    let found = prepare::prepared(&model, &config, &config.data, &Quiet).unwrap();
    let counts: Vec<_> = found
        .sources
        .iter()
        .map(|file| (file.name.as_str(), file.train_rows, file.held_out_rows))
        .collect();
    assert_eq!(counts, [("pairs", 48, 12), ("everyday", 12, 3)]);
    let stories = std::fs::read_to_string(sample.join("texts/stories.txt")).unwrap();
    let rows = std::fs::read_to_string(sample.join("mix/everyday.jsonl")).unwrap();
    for row in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        assert!(stories.contains(row["text"].as_str().unwrap()));
    }
}

#[test]
fn a_mistake_in_a_mixed_file_names_that_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), 0.2);
    let refused = |config: &TrainConfig| {
        prepare::prepared(&model(), config, &config.data, &Quiet).unwrap_err()
    };
    let full = |err: &train::Error| {
        let causes = std::iter::successors(Some(err as &dyn std::error::Error), |err| err.source());
        causes.map(|cause| cause.to_string()).collect::<Vec<_>>().join(": ")
    };
    config.mix[0].data = folder.path().join("none.jsonl");
    assert!(full(&refused(&config)).contains("none.jsonl"));
    let pairs = folder.path().join("bad.jsonl");
    files::write_atomic(&pairs, b"{\"speaker\": \"a\", \"words\": \"b\"}\n").unwrap();
    config.mix[0].data = pairs;
    assert!(full(&refused(&config)).contains("bad.jsonl"), "{}", full(&refused(&config)));
}
