//! What a run is said to take before it starts, against what it takes: bytes that can be counted.
//! Seconds and the system's own count of memory are compared on a quiet machine, not here.

use std::path::{Path, PathBuf};

use serde_json::json;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Quiet, Recorder};
use tuning_fork_engine::llm::cost::pass_cost;
use tuning_fork_engine::llm::net::tree::TokenTree;
use tuning_fork_engine::llm::{self, Adapter, Keep, LoraSpec, Model, Weights};
use tuning_fork_engine::train;
use tuning_fork_engine::train::StartRequest;
use tuning_fork_engine::train::config::{LoraConfig, Objective, TrainConfig};
use tuning_fork_engine::train::estimate::{Estimate, Estimator, Memory, Time};
use tuning_fork_engine::train::objective::logprobs;
use tuning_fork_engine::train::record::CHECKPOINT_FILE;
use tuning_fork_engine::train::record::metrics::TrainEvent;
use tuning_fork_engine::train::rows::batch::Example;
use tuning_fork_engine::train::rows::plan::Plan;
use tuning_fork_engine::train::rows::prepare;
use tuning_fork_engine::train::rows::sequence::Sequence;
use tuning_fork_engine::train::step::adapter;

use crate::support::{family_into, load, reference};

fn all_linear(model: &Model) -> Adapter {
    let spec = LoraSpec {
        r: 4,
        lora_alpha: 8.0,
        lora_dropout: 0.0,
        use_rslora: false,
        target_modules: vec!["all-linear".to_owned()],
        ..LoraSpec::default()
    };
    Adapter::init(model, &spec, 1).unwrap()
}

#[test]
fn a_pass_keeps_as_many_bytes_as_were_counted_for_it() {
    let families =
        ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2", "tiny_olmo2"];
    for family in families {
        let model = load(&reference(&format!("models/{family}")), Weights::F32);
        let adapter = all_linear(&model);
        let sequence = |last: u32| Sequence::new((3..50).chain([last, last]).collect(), 40);
        let (one, other) = (sequence(7), sequence(9));
        let tree = logprobs::tree(&[&one, &other]);
        assert_eq!(tree.len(), 51, "what both begin with is there once");
        for keep in [Keep::LayerInputs, Keep::Everything] {
            let pass = model.run_tree(&tree, Some(&adapter), None, keep).unwrap();
            let counted =
                pass_cost::kept_bytes(model.config(), tree.len(), adapter.rank_sum(), keep);
            assert_eq!(pass.kept_bytes(), counted, "{family} {keep:?}");
        }
    }
}

#[test]
fn layers_of_every_kind_keep_what_was_counted() {
    let states =
        ["falcon_h1", "lfm3", "lfm2", "granite_hybrid", "qwen3_5", "qwen3_next", "qwen3_5_moe"];
    let shared = ["gemma3n", "gemma3n_plain", "gemma4_dense", "gemma4_e", "gemma4_moe"];
    let others = ["deepseek_v2_groups", "deepseek_v3", "minicpm3", "mpt_6_heads"];
    for family in states.into_iter().chain(shared).chain(others) {
        let folder = tempfile::tempdir().unwrap();
        family_into(family, folder.path());
        let model = load(folder.path(), Weights::F32);
        let tree = TokenTree::new([&[3, 4, 5, 6][..], &[3, 4, 7]]);
        for keep in [Keep::LayerInputs, Keep::Everything] {
            let pass = model.run_tree(&tree, None, None, keep).unwrap();
            let counted = pass_cost::kept_bytes(model.config(), tree.len(), 0, keep);
            assert_eq!(pass.kept_bytes(), counted, "{family} {keep:?}");
        }
    }
}

fn pairs(folder: &Path) -> PathBuf {
    let path = folder.join("pairs.jsonl");
    for index in 0..12 {
        let row = json!({
            "prompt": format!("Question {index}: {}", "and so on, ".repeat(index % 5)),
            "chosen": format!(" Answer {index}."),
            "rejected": format!(" No {}", "answer ".repeat(index % 4 + 1)),
        });
        files::append_json(&path, &row).unwrap();
    }
    path
}

#[test]
fn an_estimate_is_that_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let model = load(&reference("models/llama"), Weights::F32);
    let config = TrainConfig {
        data: pairs(folder.path()),
        per_device_train_batch_size: 3,
        max_steps: Some(4),
        held_out_share: 0.25,
        eval_steps: 2,
        sample_steps: 4,
        lora: LoraConfig {
            r: 16,
            target_modules: vec!["all-linear".to_owned()],
            ..LoraConfig::default()
        },
        ..TrainConfig::default()
    };
    let mut estimator = Estimator::default();
    let found = estimator.estimate(&model, &config, (&config.data, None), &Quiet).unwrap();
    let Estimate { trained_parameters, parameters, .. } = found;
    let Estimate { memory, time, steps, train_rows, held_out_rows, changes, .. } = found;

    // Memory, against what is there
    let adapter = adapter::begin(&model, &config).unwrap();
    let Memory { weights, adapter: learned, kept, work, checkpoint, program } = memory;
    assert_eq!(memory.peak(), weights + learned + program + (kept + work).max(checkpoint));
    assert_eq!(weights, llm::memory_needed(&model.card().source, Weights::F32).unwrap());
    let values: usize = adapter.vars().iter().map(|(_, var)| var.elem_count()).sum();
    assert_eq!(learned, 4 * 4 * values as u64); // values, gradients and two moments, in f32
    assert_eq!(trained_parameters, values as u64);
    assert!(parameters > trained_parameters);
    let most = most_kept(&model, &config, &adapter);
    assert_eq!(kept, most);
    assert!(work > 0 && program > 0);
    assert!(changes.is_sorted_by_key(|change| change.peak));
    assert!(changes.iter().all(|change| change.peak < memory.peak()), "{changes:?}");

    // Time, only whether it adds up
    let Time { step_secs, training_secs, reference_secs, evaluation_secs, sample_secs } = time;
    let parts = [training_secs, reference_secs, evaluation_secs, sample_secs];
    assert!(parts.iter().all(|secs| *secs > 0.0 && secs.is_finite()), "{time:?}");
    assert!((time.total_secs() - parts.iter().sum::<f64>()).abs() < 1e-9);
    assert!((step_secs * steps as f64 - training_secs).abs() < 1e-9);

    // What the run says of itself
    let run_dir = folder.path().join("run");
    let cache = folder.path().join("cache");
    let request = StartRequest {
        config: config.clone(),
        run_dir: run_dir.clone(),
        cache: Some(cache.clone()),
    };
    let events = Recorder::default();
    train::start(&model, &request, &events).unwrap();
    let planned = TrainEvent::Planned { steps, train_rows, held_out_rows };
    assert!(events.into_events().contains(&planned), "{planned:?}");
    let size = |file| std::fs::metadata(run_dir.join(file)).unwrap().len();
    let written = size(CHECKPOINT_FILE) + size("adapter_model.safetensors");
    assert!(written <= checkpoint && checkpoint <= 3 * written, "{written} of {checkpoint}");

    // Another learning rate is the same work: nothing is read or measured again.
    let again = Recorder::default();
    let config = TrainConfig { learning_rate: 1e-4, ..config };
    let second = estimator.estimate(&model, &config, (&config.data, None), &again).unwrap();
    assert_eq!((second.memory, second.time), (memory, time));
    assert!(again.into_events().is_empty());

    // The reference of the run is there now, for one that begins as that did.
    let mut reference = |config: &TrainConfig| {
        let files = (config.data.as_path(), Some(cache.as_path()));
        estimator.estimate(&model, config, files, &Quiet).unwrap().time.reference_secs
    };
    assert_eq!(reference(&config), 0.0);
    let wider = LoraConfig { r: 2 * config.lora.r, ..config.lora.clone() };
    assert_eq!(reference(&TrainConfig { lora: wider, ..config.clone() }), 0.0);
    let continued = reference(&TrainConfig { adapter: Some(run_dir), ..config });
    assert!((continued / reference_secs - 1.0).abs() < 1e-9, "{continued} of {reference_secs}");
}

/// The most that a batch of the run keeps, by running every one.
fn most_kept(model: &Model, config: &TrainConfig, adapter: &Adapter) -> u64 {
    let examples = prepare::examples(model, config, &config.data, &Quiet).unwrap().examples;
    let split = prepare::held_out_split(&examples, config);
    let plan = Plan::new(config, split.train.len());
    let batches = (0..plan.steps).flat_map(|step| plan.batches_of(step, &split.train));
    let kept = batches.map(|batch| {
        let members = batch.iter().map(|row| &examples[*row]);
        let sequences: Vec<&Sequence> = members.flat_map(Example::sequences).collect();
        let tree = logprobs::tree(&sequences);
        model.run_tree(&tree, Some(adapter), None, Keep::Everything).unwrap().kept_bytes()
    });
    kept.max().unwrap()
}

#[test]
fn a_run_on_the_parts_of_a_table_is_estimated_as_on_the_whole() {
    let model = load(&reference("models/llama"), Weights::F32);
    let folder = tempfile::tempdir().unwrap();
    let parts = folder.path().join("parts");
    std::fs::create_dir(&parts).unwrap();
    let row = |at: usize| format!("{{\"prompt\": \"Name {at}.\", \"completion\": \" An oak.\"}}\n");
    let rows: Vec<String> = (0..8).map(row).collect();
    let write = |path: &Path, rows: &[String]| {
        files::write_atomic(path, rows.concat().as_bytes()).unwrap();
    };
    write(&parts.join("train-00000-of-00002.jsonl"), &rows[..5]);
    write(&parts.join("train-00001-of-00002.jsonl"), &rows[5..]);
    let whole = folder.path().join("whole.jsonl");
    write(&whole, &rows);
    let estimate = |data: &Path| {
        let config = TrainConfig {
            objective: Objective::Sft,
            data: data.to_owned(),
            ..TrainConfig::default()
        };
        let found = Estimator::default().estimate(&model, &config, (data, None), &Quiet).unwrap();
        (found.train_rows, found.held_out_rows, found.steps, found.memory.peak())
    };
    assert_eq!(estimate(&parts), estimate(&whole));
}
