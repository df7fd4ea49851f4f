//! Decoders that learn to give labels: what a run leaves behind, and what is refused or said.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};
use tuning_fork_engine::encoder::{Classifier, Problem};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet};
use tuning_fork_engine::train::classify::setup::{check_resume, check_start};
use tuning_fork_engine::train::classify::start;
use tuning_fork_engine::train::config::metric::Metric;
use tuning_fork_engine::train::config::{LoraConfig, Method, Objective, TrainConfig};
use tuning_fork_engine::train::record::confusion::{Confusion, Tested};
use tuning_fork_engine::train::record::metrics::TrainEvent;
use tuning_fork_engine::train::{Error, ResumeRequest, StartRequest};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoders").join(name)
}

/// Texts about a survey and about a headline, each with its label.
fn rows(folder: &Path, count: usize) -> PathBuf {
    let path = folder.join("rows.jsonl");
    let row = |at: usize| {
        let (label, words) = if at.is_multiple_of(2) {
            ("survey", "that survey shared")
        } else {
            ("news", "best headline")
        };
        format!("{}\n", json!({ "text": format!("{words} {at}"), "label": label }))
    };
    let lines: String = (0..count).map(row).collect();
    files::write_atomic(&path, lines.as_bytes()).unwrap();
    path
}

fn config(model: &Path, data: PathBuf, method: Method) -> TrainConfig {
    TrainConfig {
        model: model.display().to_string(),
        objective: Objective::Classify,
        method,
        data,
        per_device_train_batch_size: 4,
        max_steps: Some(6),
        learning_rate: 0.02,
        warmup_steps: 0.0,
        max_length: 32,
        held_out_share: 0.2,
        test_share: 0.2,
        eval_steps: 2,
        metric_for_best_model: Metric::MacroF1.evaluated(),
        load_best_model_at_end: true,
        lora: LoraConfig { target_modules: Vec::new(), lora_dropout: 0.1, ..LoraConfig::default() },
        ..TrainConfig::default()
    }
}

/// Keeps what is said.
#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Progress<TrainEvent> for Said {
    fn emit(&self, event: TrainEvent) {
        if let TrainEvent::Noted(words) = event {
            self.0.lock().unwrap().push(words);
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_decoder_learns_labels_in_every_way_and_is_read_back_with_their_names() {
    let model = reference("cls_llama");
    for method in [Method::Lora, Method::Full, Method::Head] {
        let folder = tempfile::tempdir().unwrap();
        let config = config(&model, rows(folder.path(), 30), method);
        let run_dir = folder.path().join("run");
        let request = StartRequest { config, run_dir: run_dir.clone(), cache: None };
        let said = Said::default();
        let summary = start(&model, &request, &said).unwrap();
        let said = said.0.into_inner().unwrap().join("\n");
        // Its own head gives left, centre and right.
        assert!(said.contains("gives 3 labels and the rows have 2"), "{said}");
        let tested = Tested::read(&run_dir).unwrap();
        assert_eq!((summary.steps_done, tested.texts), (6, 6), "{method:?}");
        assert_eq!(Confusion::read(&run_dir).len(), 3, "{method:?}");
        let classifier = if method == Method::Lora {
            let told = json_of(&run_dir.join("adapter_config.json"));
            assert_eq!(told["task_type"], "SEQ_CLS");
            assert_eq!(told["target_modules"], json!(["q_proj", "v_proj"])); // PEFT's usual
            assert!(told["modules_to_save"].as_array().unwrap().contains(&json!("score")));
            Classifier::load_adapted(&model, &run_dir, &Quiet).unwrap()
        } else {
            let told = json_of(&run_dir.join("config.json"));
            assert_eq!(told["architectures"], json!(["LlamaForSequenceClassification"]));
            assert_eq!(told["id2label"], json!({ "0": "news", "1": "survey" }));
            assert_eq!(told["dtype"], "float32");
            Classifier::load(&run_dir, &Quiet).unwrap()
        };
        assert_eq!(classifier.labels().names, ["news", "survey"], "{method:?}");
        assert_eq!(classifier.labels().problem, Problem::OneLabel, "{method:?}");
        let texts = ["that survey shared 2", "best headline 3"].map(|text| (text.to_owned(), None));
        let verdicts = classifier.classify(&texts, &Quiet).unwrap();
        assert!(verdicts[0].probabilities[1] > 0.5, "{method:?}: {verdicts:?}");
        assert!(verdicts[1].probabilities[0] > 0.5, "{method:?}: {verdicts:?}");
    }
}

#[test]
fn a_resumed_run_does_not_say_that_its_head_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let model = reference("cls_llama");
    let config = config(&model, rows(folder.path(), 20), Method::Head);
    let run_dir = folder.path().join("run");
    let request = StartRequest { config, run_dir: run_dir.clone(), cache: None };
    let begun = check_start(&model, &request, &Quiet).unwrap().notes.join("\n");
    assert!(begun.contains("random weights"), "{begun}");
    start(&model, &request, &Quiet).unwrap();
    let request = ResumeRequest { run_dir, cache: None, unused: None };
    let resumed = check_resume(&model, &request, &Quiet).unwrap().notes.join("\n");
    assert!(!resumed.contains("random weights"), "{resumed}");
}

/// A folder of the same model without this key, and without a token that ends a text.
fn without_padding(folder: &Path) -> PathBuf {
    let (from, to) = (reference("cls_llama"), folder.join("model"));
    std::fs::create_dir_all(&to).unwrap();
    for name in ["model.safetensors", "tokenizer.json"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let mut config = json_of(&from.join("config.json"));
    for key in ["pad_token_id", "eos_token_id"] {
        config.as_object_mut().unwrap().remove(key);
    }
    files::write_atomic(&to.join("config.json"), config.to_string().as_bytes()).unwrap();
    files::write_atomic(&to.join("tokenizer_config.json"), b"{}").unwrap();
    to
}

/// transformers: "Cannot handle batch sizes > 1 if no padding token is defined."
#[test]
fn a_decoder_without_a_padding_token_is_refused_in_batches_and_trained_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let model = without_padding(folder.path());
    let mut config = config(&model, rows(folder.path(), 20), Method::Head);
    let run_dir = folder.path().join("run");
    let request = |config: &TrainConfig| StartRequest {
        config: config.clone(),
        run_dir: run_dir.clone(),
        cache: None,
    };
    let refused = check_start(&model, &request(&config), &Quiet);
    let Err(Error::Config(problems)) = refused else { panic!("it was not refused") };
    assert_eq!(problems[0].field, "per_device_train_batch_size");
    assert!(problems[0].message.contains("pad_token_id"), "{problems:?}");
    config.per_device_train_batch_size = 1;
    assert_eq!(start(&model, &request(&config), &Quiet).unwrap().steps_done, 6);
}

#[test]
fn hidden_words_are_not_asked_of_a_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let model = reference("cls_llama");
    let mut config = config(&model, rows(folder.path(), 20), Method::Lora);
    config.objective = Objective::Mlm;
    config.metric_for_best_model = Metric::Loss.evaluated();
    config.test_share = 0.0;
    let request = StartRequest { config, run_dir: folder.path().join("run"), cache: None };
    let Err(error) = check_start(&model, &request, &Quiet) else { panic!("it was not refused") };
    let error = error.to_string();
    assert!(error.contains("writes from left to right"), "{error}");
    assert!(!folder.path().join("run").exists());
}

#[test]
fn an_encoder_decoder_is_trained_with_sft_alone() {
    let folder = tempfile::tempdir().unwrap();
    let model = reference("s2s_flan");
    let config = config(&model, rows(folder.path(), 20), Method::Lora);
    let request = StartRequest { config, run_dir: folder.path().join("run"), cache: None };
    let Err(Error::Config(problems)) = check_start(&model, &request, &Quiet) else {
        panic!("it was not refused")
    };
    assert_eq!(problems[0].field, "objective");
    assert!(problems[0].message.contains("encoder-decoder (T5, BART)"), "{problems:?}");
}
