//! Reward models: trained as TRL trains them, read as transformers and PEFT read them.

use std::path::Path;

use serde_json::Value;
use tuning_fork_engine::encoder::Classifier;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::{Adapter, Weights};

use crate::support::{load, reference};
use crate::traces::replay;

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
