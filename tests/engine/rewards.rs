//! Reward models: trained as TRL trains them, read as transformers and PEFT read them.

use std::path::Path;

use serde_json::{Value, json};
use tuning_fork_engine::encoder::Classifier;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Progress, Quiet};
use tuning_fork_engine::llm::{Adapter, Weights};
use tuning_fork_engine::train::config::{Method, Objective, SchedulerType, TrainConfig};
use tuning_fork_engine::train::record::metrics::TrainEvent;
use tuning_fork_engine::train::{ResumeRequest, StartRequest, resume, start};

use crate::support::{load, reference, tensors, values};
use crate::traces::{StopAtOnce, replay};

#[test]
fn a_reward_model_with_centred_rewards_is_that_of_trl() {
    replay("reward_center");
}

#[test]
fn a_reward_model_with_margins_is_that_of_trl() {
    replay("reward_margin");
}

#[test]
fn a_reward_model_on_a_score_head_that_was_there_is_that_of_trl() {
    // One row is longer than max_length, and is left out as a whole.
    replay("train_reward_center");
}

#[test]
fn a_reward_model_on_plain_text_with_margins_is_that_of_trl() {
    replay("train_reward_margin");
}

/// By TRL (`make_changed.py`): what is kept of a run whose whole model learns has the head that learned, also
/// where the run was stopped and resumed.
#[test]
fn a_reward_model_all_whose_weights_learn_is_that_of_trl_and_keeps_its_head() {
    let rows = [
        ("we fail:", " with data", " do so careful!"),
        ("code:", " reader data people", " on!"),
        ("the paper", " may find more", " than fair"),
        ("human", " models of bias", " and chance in it"),
    ];
    let rows = rows.map(|(prompt, chosen, rejected)| {
        json!({ "prompt": prompt, "chosen": chosen, "rejected": rejected }).to_string()
    });
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data.jsonl");
    files::write_atomic(&data, format!("{}\n", rows.join("\n")).as_bytes()).unwrap();
    let config = TrainConfig {
        objective: Objective::Reward,
        method: Method::Full,
        data,
        shuffle: false,
        per_device_train_batch_size: 2,
        max_steps: Some(3),
        learning_rate: 1e-2,
        lr_scheduler_type: SchedulerType::Constant,
        max_length: 64,
        ..TrainConfig::default()
    };
    let model = load(&reference("encoders/cls_llama_reward"), Weights::F32);
    let run = |name: &str, progress: &dyn Progress<TrainEvent>| {
        let run_dir = work.path().join(name);
        let request =
            StartRequest { config: config.clone(), run_dir: run_dir.clone(), cache: None };
        start(&model, &request, progress).unwrap();
        run_dir
    };
    let (whole, parts) = (run("whole", &Quiet), run("parts", &StopAtOnce::default()));
    resume(&model, &ResumeRequest { run_dir: parts.clone(), cache: None, unused: None }, &Quiet)
        .unwrap();
    for run_dir in [whole, parts] {
        let saved = run_dir.join("model");
        let found = tensors(&saved.join("model.safetensors"));
        let first = |name: &str, count: usize| values(&found[name])[..count].to_vec();
        let head = first("score.weight", 4);
        let norm = first("model.norm.weight", 2);
        let expected = [0.193_905, 0.147_836, 0.228_226, 0.531_514, 1.089_141, 1.254_336];
        for (one, other) in head.iter().chain(&norm).zip(expected) {
            assert!((one - other).abs() < 1e-4, "{head:?} {norm:?}");
        }
        assert_eq!(Classifier::load(&saved, &Quiet).unwrap().labels().names, ["LABEL_0"]);
    }
}

/// `scores.json` of a trace, by transformers and PEFT (`make_reward_scores.py`).
fn assert_scores(model: &Path, adapter: &Path, scores: &Path) {
    let classifier = Classifier::load_adapted(model, adapter, &Quiet).unwrap();
    let expected: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(scores).unwrap()).unwrap();
    let texts: Vec<(String, Option<String>)> =
        expected.iter().map(|row| (row["text"].as_str().unwrap().to_owned(), None)).collect();
    let verdicts = classifier.classify(&texts, &Quiet).unwrap();
    for (verdict, expected) in verdicts.iter().zip(&expected) {
        let off = f64::from(verdict.scores[0]) - expected["score"].as_f64().unwrap();
        assert!(off.abs() < 1e-4, "{expected}: {:?}", verdict.scores);
    }
}

#[test]
fn a_reward_model_scores_as_in_transformers_and_peft_and_is_written_as_it_was_read() {
    for (trace, model) in [("reward_center", "qwen3"), ("reward_margin", "gemma3")] {
        let (trace, model) =
            (reference(&format!("traces/{trace}")), reference(&format!("models/{model}")));
        let scores = trace.join("scores.json");
        assert_scores(&model, &trace.join("adapter_final"), &scores);
        let loaded = load(&model, Weights::AsStored);
        let adapter = Adapter::load(&trace.join("adapter_final"), &loaded).unwrap();
        let folder = tempfile::tempdir().unwrap();
        adapter.save(folder.path(), &loaded.card().identity).unwrap();
        let config = std::fs::read_to_string(folder.path().join("adapter_config.json")).unwrap();
        let config: Value = serde_json::from_str(&config).unwrap();
        assert_eq!(config["task_type"], "SEQ_CLS");
        assert_scores(&model, folder.path(), &scores);
    }
}
