//! Pretraining: transformers' `Trainer` on windows of a text against ours, a model that is born, and runs of
//! whole weights that are stopped and resumed.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Quiet, Recorder};
use tuning_fork_engine::llm::adapter_files::merge;
use tuning_fork_engine::llm::newborn::{Architecture, Newborn};
use tuning_fork_engine::llm::text::born;
use tuning_fork_engine::llm::text::born::TokenKind;
use tuning_fork_engine::llm::{Adapter, Model, Positions, Weights};
use tuning_fork_engine::train;
use tuning_fork_engine::train::config::metric::Metric;
use tuning_fork_engine::train::config::run_file;
use tuning_fork_engine::train::config::{
    LoraConfig, Method, Objective, SchedulerType, TrainConfig,
};
use tuning_fork_engine::train::newborn;
use tuning_fork_engine::train::record::metrics::{StepMetrics, TrainEvent};
use tuning_fork_engine::train::{ResumeRequest, StartRequest};

use crate::support::{StopAfter, assert_close, load, reference, tensors, values};

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        let bytes = std::fs::read(from.join(name)).unwrap();
        files::write_atomic(&to.join(name), &bytes).unwrap();
    }
}

fn run(model: &Model, config: &TrainConfig, run_dir: &Path) -> Vec<StepMetrics> {
    let request = StartRequest { config: config.clone(), run_dir: run_dir.to_owned(), cache: None };
    let progress = Recorder::default();
    train::start(model, &request, &progress).unwrap();
    let events = progress.into_events().into_iter();
    let steps = events.filter_map(|event| match event {
        TrainEvent::Step(metrics) => Some(metrics),
        _ => None,
    });
    steps.collect()
}

/// What the same means is said in `traces.rs`.
fn replay(name: &str) {
    let folder = reference(&format!("pretraining/{name}"));
    let trace = json(&folder.join("run.json"));
    let work = tempfile::tempdir().unwrap();
    let begun = work.path().join("init");
    copy(&folder.join("init"), &begun, &["config.json", "model.safetensors"]);
    let tokens: Vec<String> = match json(&folder.join("vocab.json")) {
        Value::Array(tokens) => {
            tokens.iter().map(|token| token.as_str().unwrap().to_owned()).collect()
        }
        Value::Object(places) => {
            let mut tokens: Vec<(String, u64)> =
                places.into_iter().map(|(token, id)| (token, id.as_u64().unwrap())).collect();
            tokens.sort_by_key(|(_, id)| *id);
            tokens.into_iter().map(|(token, _)| token).collect()
        }
        other => panic!("{other}"),
    };
    let tokenizer = born::of_characters(&tokens, &[]).to_string();
    files::write_atomic(&begun.join("tokenizer.json"), tokenizer.as_bytes()).unwrap();
    // Or a GPT-2's texts would be split as GPT-2 splits them.
    let class = br#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#;
    files::write_atomic(&begun.join("tokenizer_config.json"), class).unwrap();
    let model = load(&begun, Weights::AsStored);
    let config = TrainConfig {
        objective: Objective::Pretrain,
        method: Method::Full,
        data: folder.join("text.txt"),
        shuffle: false,
        per_device_train_batch_size: 8,
        max_steps: Some(30),
        learning_rate: trace["lr"].as_f64().unwrap(),
        lr_scheduler_type: SchedulerType::Cosine,
        warmup_steps: 5.0,
        weight_decay: 0.1,
        adam_beta2: 0.95,
        max_length: trace["window"].as_u64().unwrap() as usize,
        stride: trace["stride"].as_u64().unwrap() as usize,
        ..TrainConfig::default()
    };
    let run_dir = work.path().join("run");
    let steps = run(&model, &config, &run_dir);
    let log = json(&folder.join("log.json"));
    let log = log.as_array().unwrap();
    assert_eq!(steps.len(), log.len());
    for (step, expected) in steps.iter().zip(log) {
        let of = |key: &str| expected[key].as_f64().unwrap();
        assert!((step.loss() - of("loss")).abs() < 2e-4, "{name}, step {}", step.step);
        let norm = step.values.get(Metric::GradNorm).unwrap();
        assert!((norm - of("grad_norm")).abs() < 5e-3 * of("grad_norm"), "{name}: {norm}");
        let rate = step.values.get(Metric::LearningRate).unwrap();
        assert!((rate - of("learning_rate")).abs() < 1e-12);
    }
    let found = tensors(&run_dir.join("model/model.safetensors"));
    for (tensor, expected) in tensors(&folder.join("final.safetensors")) {
        let Some(ours) = found.get(&tensor) else {
            assert_eq!(tensor, "lm_head.weight", "{name}: a tied head is stored once");
            continue;
        };
        if !tensor.ends_with("c_attn.bias") {
            assert_close(ours, &expected, 1e-4, &format!("{name}: {tensor}"));
            continue;
        }
        // The keys' bias has a gradient of exactly zero but for rounding, which Adam turns into steps.
        let (ours, expected) = (values(ours), values(&expected));
        let third = ours.len() / 3;
        for (place, (one, other)) in ours.iter().zip(&expected).enumerate() {
            let is_key = (third..2 * third).contains(&place);
            assert!(is_key || (one - other).abs() < 1e-4, "{name}: {tensor} {place}");
        }
    }
}

#[test]
fn pretraining_of_gpt2_is_that_of_transformers() {
    replay("pretrain_gpt2");
}

#[test]
fn pretraining_of_llama_is_that_of_transformers() {
    replay("pretrain_llama");
}

const TEXT: &str = "the cat sat on the mat. the dog sat on the log. ";

#[test]
fn the_run_file_that_comes_with_the_program_can_start() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/texts/pretrain.toml");
    let config = run_file::read(&path).unwrap();
    assert_eq!(config.problems(), []);
    assert_eq!((config.method, config.data.is_file()), (Method::Full, true));
}

/// A text, and settings for a model that is born on it.
fn birth(folder: &Path, model_type: Architecture) -> TrainConfig {
    let data = folder.join("text.txt");
    files::write_atomic(&data, TEXT.repeat(30).as_bytes()).unwrap();
    let newborn = Newborn {
        model_type,
        hidden_size: 16,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 2,
        max_position_embeddings: 64,
        tokenizer: TokenKind::Characters,
        ..Newborn::default()
    };
    TrainConfig {
        data,
        max_steps: Some(12),
        max_length: 16,
        per_device_train_batch_size: 8,
        sample_steps: 6,
        eval_steps: 0,
        learning_rate: 1e-2,
        newborn: Some(newborn),
        ..TrainConfig::suggested(Objective::Pretrain)
    }
}

#[test]
fn a_model_is_born_learns_and_goes_on_with_a_chat() {
    for model_type in [Architecture::Llama, Architecture::Gpt2] {
        let folder = tempfile::tempdir().unwrap();
        let config = birth(folder.path(), model_type);
        let run_dir = folder.path().join("run");
        let config = newborn::born(&config, &config.data, &run_dir).unwrap();
        let model = load(Path::new(&config.model), config.weights());
        let steps = run(&model, &config, &run_dir);
        let loss = |at: usize| steps[at].loss();
        let uniform = (model.config().vocab_size as f64).ln();
        assert!((loss(0) - uniform).abs() < 0.2, "{} of {uniform}", loss(0));
        assert!(loss(11) < loss(0) - 0.4, "{} after {}", loss(11), loss(0));
        // What it became is a model like any other, and is taught to answer.
        let grown = run_dir.join("model");
        let model = load(&grown, Weights::F32);
        let mut cache = model.new_cache();
        let ids = model.tokenizer().encode("the cat", false).unwrap();
        let scores = model.logits(&ids, &mut cache, None, Positions::All).unwrap();
        assert!(values(&scores).iter().all(|score| score.is_finite()));
        let rows = folder.path().join("rows.jsonl");
        let row = r#"{"messages":[{"role":"user","content":"cat"},{"role":"assistant","content":"mat"}]}"#;
        files::write_atomic(&rows, format!("{row}\n{row}\n").as_bytes()).unwrap();
        let next = TrainConfig {
            objective: Objective::Sft,
            data: rows,
            max_steps: Some(2),
            learning_rate: 1e-3,
            lora: LoraConfig {
                target_modules: vec!["all-linear".to_owned()],
                ..LoraConfig::default()
            },
            ..TrainConfig::default()
        };
        let run_dir = folder.path().join("next");
        assert_eq!(run(&model, &next, &run_dir).len(), 2);
        Adapter::load(&run_dir, &model).unwrap();
    }
}

#[test]
fn a_run_of_whole_weights_that_was_stopped_ends_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let config = birth(folder.path(), Architecture::Llama);
    let born = newborn::born(&config, &config.data, &folder.path().join("born")).unwrap();
    let config = TrainConfig { newborn: None, sample_steps: 0, ..born };
    let model = load(Path::new(&config.model), config.weights());
    let at = |name: &str| folder.path().join(name);
    run(&model, &config, &at("whole"));
    let request = StartRequest { config, run_dir: at("stopped"), cache: None };
    let stopped = train::start(&model, &request, &StopAfter::steps(5)).unwrap();
    assert_eq!(stopped.steps_done, 5);
    let there = PathBuf::from("model/model.safetensors");
    assert!(bytes(&at("whole").join(&there)) != bytes(&at("stopped").join(&there)));
    let request = ResumeRequest { run_dir: at("stopped"), cache: None, unused: None };
    train::resume(&model, &request, &Quiet).unwrap();
    for name in [there, PathBuf::from("resume.safetensors")] {
        let is_same = bytes(&at("whole").join(&name)) == bytes(&at("stopped").join(&name));
        assert!(is_same, "{}", name.display());
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// The logits that PEFT computes with LoRA on embedding and head of a tied model, each its own.
#[test]
fn lora_on_both_ends_of_a_tied_model_is_that_of_peft() {
    let model = load(&reference("models/llama"), Weights::F32);
    let folder = reference("adapters/tied");
    let adapter = Adapter::load(&folder, &model).unwrap();
    let expected = tensors(&folder.join("expected.safetensors"));
    let ids: Vec<u32> = expected["input_ids"]
        .flatten_all()
        .unwrap()
        .to_vec1::<i64>()
        .unwrap()
        .into_iter()
        .map(|id| id as u32)
        .collect();
    let found = model.logits(&ids, &mut model.new_cache(), Some(&adapter), Positions::All).unwrap();
    let logits = expected["logits"].squeeze(0).unwrap();
    assert_close(&found, &logits, 2e-4, "with the adapter");

    // Worked in, which needs a head of its own.
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("merged");
    merge::merge(&model, &adapter, &to, &Quiet).unwrap();
    let merged = load(&to, Weights::F32);
    let found = merged.logits(&ids, &mut merged.new_cache(), None, Positions::All).unwrap();
    assert_close(&found, &logits, 2e-4, "merged");
}
