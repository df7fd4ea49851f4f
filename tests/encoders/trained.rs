//! Training runs of encoders, of encoder-decoders and of decoders with a score head: every step, gradient and
//! final weight against transformers, PEFT and torch (`tests/reference/encoders/train_*`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use tuning_fork_engine::data::forms::mapping::Mapping;
use tuning_fork_engine::encoder::learn::{
    Grads, Learner, Learns, PairLearner, Top, Weights, known_labels,
};
use tuning_fork_engine::encoder::{Classifier, EncoderModel, is_encoder_model};
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet};
use tuning_fork_engine::llm::generate::sampling::SamplingParams;
use tuning_fork_engine::seq2seq::{Seq2Seq, WriteRequest, is_pair_model};
use tuning_fork_engine::train::classify::labels::{Target, targets};
use tuning_fork_engine::train::classify::rows::{Content, read};
use tuning_fork_engine::train::classify::{loss, resume, start};
use tuning_fork_engine::train::config::metric::Metric;
use tuning_fork_engine::train::config::{
    LoraConfig, Method, Objective, SchedulerType, TrainConfig,
};
use tuning_fork_engine::train::record::history::History;
use tuning_fork_engine::train::record::metrics::TrainEvent;
use tuning_fork_engine::train::{ResumeRequest, StartRequest};

/// The folders of runs: those that are kept here, or all of a folder that
/// `tests/reference/make_trained.py` has made.
fn runs() -> Vec<PathBuf> {
    let Some(made) = std::env::var_os("ENCODER_RUNS") else {
        let kept = [
            "train_cls_lora",
            "train_cls_full",
            "train_cls_accum",
            "train_mlm_full",
            "train_score_lora",
            "train_t5_lora",
        ];
        let mut kept = kept.map(|name| root().join(name)).to_vec();
        // One of each of the other families, made by the same script.
        let families = ["albert", "deberta", "electra", "modernbert", "mpnet", "roberta"];
        let folder = root().join("trained");
        kept.extend(families.map(|name| folder.join(format!("train_{name}_lora"))));
        // Decoders: a head that is new, weights that lie transposed, a head alone.
        let decoders = ["train_gemma3_lora", "train_gpt2_full", "train_qwen3_head"];
        kept.extend(decoders.map(|name| folder.join(name)));
        return kept;
    };
    let entries = std::fs::read_dir(made).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.join("run.json").is_file()).collect();
    found.sort();
    found
}

/// Each run by itself, so that all that are wrong are named.
fn each_run(check: impl Fn(&str, &Path) + std::panic::RefUnwindSafe) {
    let mut wrong = Vec::new();
    for folder in runs() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if std::panic::catch_unwind(|| check(&name, &folder)).is_err() {
            wrong.push(name);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoders")
}

fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let found = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let values = |tensor: Tensor| -> Vec<f32> {
        tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    };
    found.into_iter().map(|(name, tensor)| (name, values(tensor))).collect()
}

/// The settings of a reference run, and the folder of its model.
fn config(folder: &Path) -> (TrainConfig, PathBuf) {
    let run: Value =
        serde_json::from_slice(&std::fs::read(folder.join("run.json")).unwrap()).unwrap();
    let number = |key: &str| run[key].as_f64().unwrap();
    let count = |key: &str| run[key].as_u64().unwrap() as usize;
    let model = folder.parent().unwrap().join(run["model"].as_str().unwrap());
    let is_full = run["full"].as_bool().unwrap();
    let mapping = if run["kind"] == "seq2seq" {
        serde_json::from_value(json!({ "prompt": "input", "completion": "target" })).unwrap()
    } else {
        Mapping::default()
    };
    let config = TrainConfig {
        model: model.display().to_string(),
        objective: match run["kind"].as_str().unwrap() {
            "mlm" => Objective::Mlm,
            "number" => Objective::Regress,
            "seq2seq" => Objective::Sft,
            _ => Objective::Classify,
        },
        adapter: (!is_full).then(|| folder.join("adapter_init")),
        method: match run["method"].as_str() {
            Some("head") => Method::Head,
            _ if is_full => Method::Full,
            _ => Method::Lora,
        },
        data: folder.join("data.jsonl"),
        shuffle: false,
        per_device_train_batch_size: count("batch"),
        gradient_accumulation_steps: count("accum"),
        max_steps: Some(count("steps")),
        learning_rate: number("lr"),
        lr_scheduler_type: if run["sched"] == "cosine" {
            SchedulerType::Cosine
        } else {
            SchedulerType::Linear
        },
        warmup_steps: number("warmup"),
        weight_decay: number("wd"),
        max_grad_norm: number("clip"),
        max_length: count("max_length"),
        disable_dropout: false, // the models have none
        save_steps: 0,
        columns: mapping,
        lora: LoraConfig {
            target_modules: if run["kind"] == "seq2seq" {
                vec!["q".to_owned()]
            } else {
                Vec::new()
            },
            ..LoraConfig::default()
        },
        ..TrainConfig::default()
    };
    (config, model)
}

fn assert_relative(ours: &[f32], theirs: &[f32], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let largest = theirs.iter().fold(0.0_f32, |largest, value| largest.max(value.abs())).max(1e-6);
    for (at, (one, other)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (one - other).abs() <= tolerance * largest,
            "{what}: value {at} is {one}, and {other} was expected"
        );
    }
}

/// What `classify` makes of a run's texts with what the run has saved: the same as the run's own numbers
/// are checked by `tests/reference/check_trained.py`, where `ENCODER_KEPT` names a folder for both.
fn keep(name: &str, folder: &Path, (model, run_dir): (&Path, &Path)) {
    let is_adapter = run_dir.join("adapter_config.json").is_file();
    let rows = std::fs::read_to_string(folder.join("data.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    if is_pair_model(model) {
        let pair = if is_adapter {
            Seq2Seq::load_adapted(model, Some(run_dir))
        } else {
            Seq2Seq::load(run_dir)
        };
        let pair = pair.unwrap_or_else(|err| panic!("{name}: {err:?}"));
        let texts: Vec<&str> = rows.iter().map(|row| row["input"].as_str().unwrap()).collect();
        let sampling =
            SamplingParams { greedy: true, repetition_penalty: 1.0, ..Default::default() };
        let request = WriteRequest { sampling, max_new_tokens: 12, seed: 0 };
        let write = |text: &&str| {
            let (ids, _) = pair.encode(text).unwrap();
            pair.write(&ids, &request, &Quiet).unwrap().ids
        };
        let written: Vec<Vec<u32>> = texts.iter().map(write).collect();
        return keep_beside(
            name,
            run_dir,
            &json!({ "model": model, "texts": texts, "written": written }),
        );
    }
    let classifier = if is_adapter {
        Classifier::load_adapted(model, run_dir, &Quiet)
    } else {
        Classifier::load(run_dir, &Quiet)
    };
    let Ok(classifier) = classifier else {
        let words = EncoderModel::load(run_dir).unwrap_or_else(|err| panic!("{name}: {err:?}"));
        assert!(words.can_fill(), "{name}");
        return;
    };
    let texts: Vec<(String, Option<String>)> = rows
        .iter()
        .map(|row| {
            (row["text"].as_str().unwrap().to_owned(), row["text_pair"].as_str().map(str::to_owned))
        })
        .collect();
    let verdicts = classifier.classify(&texts, &Quiet).unwrap();
    let shares: Vec<Vec<f32>> = verdicts.into_iter().map(|verdict| verdict.probabilities).collect();
    keep_beside(name, run_dir, &json!({ "model": model, "texts": texts, "probabilities": shares }));
}

/// A run's folder is copied, and what it says with it.
fn keep_beside(name: &str, run_dir: &Path, said: &Value) {
    let Some(kept) = std::env::var_os("ENCODER_KEPT") else { return };
    let to = Path::new(&kept).join(name);
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(run_dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    tuning_fork_engine::files::write_atomic(&to.join("ours.json"), said.to_string().as_bytes())
        .unwrap();
}

/// A tensor has no gradient but rounding, which Adam turns into steps: the bias of keys, where nothing
/// but their product with the queries uses them. Its first gradient of torch tells.
fn is_rounding(gradient: &[f32]) -> bool {
    gradient.iter().all(|value| value.abs() < 1e-6)
}

#[test]
fn every_step_and_every_final_weight_is_that_of_transformers() {
    each_run(|name, folder| {
        let (config, model) = config(folder);
        let out = tempfile::tempdir().unwrap();
        let run_dir = out.path().join("run");
        let request = StartRequest { config, run_dir: run_dir.clone(), cache: None };
        let summary =
            start(&model, &request, &Quiet).unwrap_or_else(|err| panic!("{name}: {err:?}"));
        let log: Value =
            serde_json::from_slice(&std::fs::read(folder.join("log.json")).unwrap()).unwrap();
        let log = log.as_array().unwrap();
        let steps = History::read(&run_dir).steps;
        assert_eq!((steps.len(), summary.steps_done), (log.len(), log.len()), "{name}");
        for (ours, theirs) in steps.iter().zip(log) {
            let what = format!("{name}, step {}", ours.step);
            let value = |metric: Metric| ours.values.get(metric).unwrap();
            let expected = |key: &str| theirs[key].as_f64().unwrap();
            assert!(
                (value(Metric::Loss) - expected("loss")).abs() < 1e-4,
                "{what}: {} {}",
                value(Metric::Loss),
                expected("loss")
            );
            let (norm, right) = (value(Metric::GradNorm), expected("grad_norm"));
            assert!((norm / right - 1.0).abs() < 1e-3, "{what}: {norm} {right}");
            assert!(
                (value(Metric::LearningRate) - expected("learning_rate")).abs() < 1e-9,
                "{what}"
            );
        }
        keep(name, folder, (&model, &run_dir));
        let (theirs, ours) = if folder.join("final.safetensors").is_file() {
            (folder.join("final.safetensors"), run_dir.join("model.safetensors"))
        } else {
            let file = "adapter_model.safetensors";
            (folder.join("adapter_final").join(file), run_dir.join(file))
        };
        let (theirs, ours) = (tensors(&theirs), tensors(&ours));
        let names = |all: &BTreeMap<String, Vec<f32>>| all.keys().cloned().collect::<Vec<String>>();
        assert_eq!(names(&ours), names(&theirs), "{name}");
        let gradients = tensors(&folder.join("grads.safetensors"));
        for (tensor, theirs) in theirs {
            // Of a fused layer only a part is of keys.
            let gradient = gradients.get(&tensor).filter(|_| tensor.ends_with("bias"));
            for (at, (one, other)) in ours[&tensor].iter().zip(&theirs).enumerate() {
                if gradient.is_some_and(|gradient| is_rounding(&gradient[at..=at])) {
                    continue;
                }
                assert!((one - other).abs() < 1e-4, "{name}, {tensor}: {one} {other}");
            }
        }
    });
}

#[test]
fn every_gradient_of_the_first_step_is_that_of_torch() {
    each_run(|name, folder| {
        let (config, model) = config(folder);
        let learns = match &config.adapter {
            Some(adapter) => Learns::Adapter(adapter.clone()),
            None => Learns::Everything,
        };
        if is_pair_model(&model) {
            let (learner, grads) = first_step_of_pair(folder, &model, &learns, &config);
            return assert_gradients(name, folder, learner.weights(), &grads);
        }
        if !is_encoder_model(&model) {
            return; // theirs are in the norm of each step
        }
        let known = known_labels(&model, config.adapter.as_deref()).unwrap();
        let rows = read(&config.data, &config.columns, config.objective, &Quiet).unwrap().rows;
        let top = match config.objective {
            Objective::Mlm => Top::Words,
            _ => Top::Labels(known.clone().unwrap()),
        };
        let learner = Learner::load(&model, top, &learns, 0).unwrap();
        let mut grads = learner.no_grads();
        let (batch, accumulation) =
            (config.per_device_train_batch_size, config.gradient_accumulation_steps);
        for rows in rows[..batch * accumulation].chunks(batch) {
            if config.objective == Objective::Mlm {
                let (mut ids, mut places, mut words) = (Vec::new(), Vec::new(), Vec::new());
                let mut before = 0;
                for row in rows {
                    let Content::Masked { ids: own, labels } = &row.content else { panic!() };
                    for (at, label) in labels.iter().enumerate().filter(|(_, label)| **label >= 0) {
                        places.push(before + at);
                        words.push(*label as u32);
                    }
                    before += own.len();
                    ids.push(own.clone());
                }
                let texts: Vec<_> =
                    ids.iter().map(|ids| tuning_fork_engine::encoder::Tokens::plain(ids)).collect();
                let mut slopes = |scores: &[f32]| loss::of_words(scores, &words).0.slopes;
                learner.learn(&texts, &places, None, &mut slopes, &mut grads);
                continue;
            }
            let found = targets(rows, &config, known.as_ref()).unwrap();
            let examples: Vec<_> = rows
                .iter()
                .map(|row| {
                    let Content::Text { text, second } = &row.content else { panic!() };
                    learner.encode(text, second.as_deref(), 64).unwrap()
                })
                .collect();
            let texts: Vec<_> = examples.iter().map(|example| example.tokens()).collect();
            let problem = found.labels.problem;
            let wanted: Vec<&Target> = found.targets.iter().collect();
            let mut slopes = |scores: &[f32]| loss::of_texts(problem, scores, &wanted, &[]).slopes;
            learner.learn(&texts, &[], None, &mut slopes, &mut grads);
        }
        grads.scale(1.0 / accumulation as f32);
        assert_gradients(name, folder, learner.weights(), &grads);
    });
}

/// The gradients of a first step of an encoder-decoder.
fn first_step_of_pair(
    folder: &Path,
    model: &Path,
    learns: &Learns,
    config: &TrainConfig,
) -> (PairLearner, Grads) {
    let learner = PairLearner::load(model, learns, 0).unwrap();
    let rows = std::fs::read_to_string(folder.join("data.jsonl")).unwrap();
    let rows = rows.lines().take(config.per_device_train_batch_size);
    let rows: Vec<Value> = rows.map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids = |key: &str| -> Vec<Vec<u32>> {
        let texts = rows.iter().map(|row| row[key].as_str().unwrap());
        texts.map(|text| learner.encode(text, config.max_length).unwrap().0).collect()
    };
    let (read, written) = (ids("input"), ids("target"));
    let texts: Vec<_> =
        read.iter().map(|ids| tuning_fork_engine::encoder::Tokens::plain(ids)).collect();
    let answers: Vec<&[u32]> = written.iter().map(Vec::as_slice).collect();
    let words = answers.concat();
    let mut slopes = |scores: &[f32]| loss::of_words(scores, &words).0.slopes;
    let mut grads = learner.no_grads();
    learner.learn((&texts, &answers), None, &mut slopes, &mut grads);
    (learner, grads)
}

/// Every gradient is that of torch.
fn assert_gradients(name: &str, folder: &Path, weights: &Weights, grads: &Grads) {
    let theirs = tensors(&folder.join("grads.safetensors"));
    let mut seen = 0;
    for id in weights.trained() {
        let own = weights.name(id);
        let theirs = theirs.get(own).or_else(|| theirs.get(&format!("base_model.model.{own}")));
        let theirs = theirs.unwrap_or_else(|| panic!("{name}: torch has no gradient of {own}"));
        let ours = grads.get(id).unwrap_or_else(|| panic!("{name}: {own} has no gradient"));
        seen += 1;
        if is_rounding(theirs) {
            assert!(is_rounding(ours), "{name}: {own}");
        } else {
            assert_relative(ours, theirs, 1e-4, &format!("{name}: {own}"));
        }
    }
    assert_eq!(seen, theirs.len(), "{name}");
}

/// A run that was stopped after its third step and resumed ends with the same bytes.
#[test]
fn a_resumed_run_ends_with_the_same_bytes() {
    for name in [
        "train_cls_accum",
        "train_cls_full",
        "train_score_lora",
        "train_t5_lora",
        "trained/train_gpt2_full",
    ] {
        let folder = root().join(name);
        let (config, model) = config(&folder);
        let mut config = TrainConfig {
            save_steps: 1,
            shuffle: true,
            held_out_share: 0.2,
            eval_steps: 2,
            ..config
        };
        config.lora.lora_dropout = 0.1;
        let out = tempfile::tempdir().unwrap();
        let whole = out.path().join("whole");
        let request = StartRequest { config: config.clone(), run_dir: whole.clone(), cache: None };
        start(&model, &request, &Quiet).unwrap();
        let parts = out.path().join("parts");
        let request = StartRequest { config, run_dir: parts.clone(), cache: None };
        DONE.set(0);
        let summary = start(&model, &request, &StopAfter(3)).unwrap();
        assert_eq!(summary.steps_done, 3, "{name}");
        let request = ResumeRequest { run_dir: parts.clone(), cache: None, unused: None };
        resume(&model, &request, &Quiet).unwrap();
        let file =
            if whole.join("model.safetensors").is_file() { "model" } else { "adapter_model" };
        let file = format!("{file}.safetensors");
        let bytes = |folder: &Path| std::fs::read(folder.join(&file)).unwrap();
        assert!(bytes(&whole) == bytes(&parts), "{name}");
        let losses = |folder: &Path| -> Vec<f64> {
            History::read(folder)
                .steps
                .iter()
                .map(|step| step.values.get(Metric::Loss).unwrap())
                .collect()
        };
        assert_eq!(losses(&whole), losses(&parts), "{name}");
    }
}

/// Says stop once so many steps are done.
struct StopAfter(usize);

thread_local! {
    static DONE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl Progress<TrainEvent> for StopAfter {
    fn emit(&self, event: TrainEvent) {
        if let TrainEvent::Step(step) = event {
            DONE.set(step.step);
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if DONE.get() >= self.0 { Err(Cancelled) } else { Ok(()) }
    }
}
