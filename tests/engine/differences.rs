//! What is said where TRL gets other numbers from the same settings.

use std::path::{Path, PathBuf};

use serde_json::json;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::{Init, Model, Weights};
use tuning_fork_engine::train;
use tuning_fork_engine::train::StartRequest;
use tuning_fork_engine::train::config::{LoraConfig, Objective, TrainConfig};
use tuning_fork_engine::train::run::setup;

use crate::support::{family_into, load, reference};

fn model(name: &str) -> Model {
    load(&reference(&format!("models/{name}")), Weights::F32)
}

fn pairs(folder: &Path) -> PathBuf {
    let path = folder.join("pairs.jsonl");
    for noun in ["paper", "data", "code", "word"] {
        let row = json!({
            "prompt": format!("What is a {noun}?"), "chosen": " Short.", "rejected": " Not so short.",
        });
        files::append_json(&path, &row).unwrap();
    }
    path
}

fn config(objective: Objective, data: &Path, targets: &[&str]) -> TrainConfig {
    TrainConfig {
        objective,
        data: data.to_owned(),
        max_steps: Some(1),
        loss_type: objective.usual_loss(),
        lora: LoraConfig {
            target_modules: targets.iter().map(|&name| name.to_owned()).collect(),
            ..LoraConfig::default()
        },
        ..TrainConfig::default()
    }
}

/// What is said of the settings before a run.
fn said(model: &Model, config: &TrainConfig, folder: &Path) -> String {
    let (config, run_dir) = (config.clone(), folder.join("none"));
    let request = StartRequest { config, run_dir, cache: None };
    setup::check_start(model, &request, &Quiet).unwrap().notes.join("\n")
}

#[test]
fn a_dropout_of_the_models_own_is_said_where_trl_would_have_it_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = pairs(folder.path());
    let gpt2 = model("gpt2");
    let of = |objective| said(&gpt2, &config(objective, &data, &["c_attn"]), folder.path());
    let told = of(Objective::Sft);
    assert!(told.contains("embd_pdrop = 0.1, resid_pdrop = 0.1: TRL would drop"), "{told}");
    assert_eq!(of(Objective::Dpo), ""); // `disable_dropout`
    let on = TrainConfig { disable_dropout: false, ..config(Objective::Dpo, &data, &["c_attn"]) };
    assert!(said(&gpt2, &on, folder.path()).contains("resid_pdrop"));
    let llama = model("llama");
    assert_eq!(said(&llama, &config(Objective::Sft, &data, &["q_proj"]), folder.path()), "");
}

/// TRL's `disable_dropout` sets p = 0 of modules; Seed-OSS hands its shares on as numbers.
#[test]
fn a_dropout_that_trl_cannot_turn_off_is_said_beside_disable_dropout() {
    let folder = tempfile::tempdir().unwrap();
    let data = pairs(folder.path());
    let home = tempfile::tempdir().unwrap();
    family_into("seed_oss", home.path());
    let model = load(home.path(), Weights::F32);
    let of = |objective| said(&model, &config(objective, &data, &["q_proj"]), folder.path());
    let shares = "residual_dropout = 0.1, attention_dropout = 0.1: ";
    let told = of(Objective::Dpo);
    assert!(told.contains(&format!("{shares}disable_dropout = true turns off modules")), "{told}");
    let told = of(Objective::Sft);
    assert!(told.contains(&format!("{shares}TRL would drop")), "{told}");
}

/// TRL 1.16.0 copies such an adapter as its reference, and not as it is: DPO does not begin at ln 2 there.
#[test]
fn an_adapter_that_trl_cannot_copy_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = pairs(folder.path());
    let llama = model("llama");
    for (targets, init, words) in [
        (&["q_proj", "embed_tokens"][..], Init::Usual, "changes the embedding"),
        (&["q_proj"], Init::Pissa, "takes that out twice"),
        (&["q_proj"], Init::Usual, ""),
    ] {
        let mut first = config(Objective::Sft, &data, targets);
        first.lora.init_lora_weights = init;
        let run_dir = folder.path().join(format!("{}_{init:?}", targets.len()));
        let request = StartRequest { config: first, run_dir: run_dir.clone(), cache: None };
        train::start(&llama, &request, &Quiet).unwrap();
        let continued = |objective| TrainConfig {
            adapter: Some(run_dir.clone()),
            ..config(objective, &data, targets)
        };
        let told = said(&llama, &continued(Objective::Dpo), folder.path());
        assert_eq!(
            told.contains("Here the reference is the model as the run begins"),
            !words.is_empty()
        );
        assert!(told.contains(words), "{told}");
        let told = said(&llama, &continued(Objective::Sft), folder.path());
        assert!(!told.contains("reference"), "{told}"); // it has none
    }
}
