//! Soft prompts: what PEFT computes with those that it saves (`tests/reference/make_soft.py`), and runs that
//! train one. Whole runs of TRL: see `replayed.rs`.

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde_json::{Value, json};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Progress, Quiet};
use tuning_fork_engine::llm::adapter_files::{gguf_lora, merge};
use tuning_fork_engine::llm::generate::score::score;
use tuning_fork_engine::llm::{
    Adapter, KvCache, Model, Positions, SoftInit, SoftKind, SoftSpec, Weights,
};
use tuning_fork_engine::train;
use tuning_fork_engine::train::config::{
    Method, Objective, PromptInit, SoftPromptConfig, TrainConfig,
};
use tuning_fork_engine::train::estimate::Estimator;
use tuning_fork_engine::train::record::metrics::TrainEvent;
use tuning_fork_engine::train::{ResumeRequest, StartRequest};

use crate::support::{StopAfter, argmax, assert_close, load, reference, tensors, values};

/// Each with the folder of its model.
const CASES: [(&str, &str); 10] = [
    ("prompt_gpt2", "models/gpt2"),
    ("prompt_gemma3", "models/gemma3"),
    ("prompt_neox", "families/gpt_neox"),
    ("ptuning_llama", "models/llama"),
    ("prompt_llama", "models/llama"),
    ("prefix_gpt2", "models/gpt2"),
    ("prefix_qwen3", "models/qwen3"),
    ("prefix_gemma2", "models/gemma2"),
    ("prefix_mistral", "models/mistral"),
    ("projected_llama", "models/llama"),
];

struct Case {
    name: &'static str,
    folder: PathBuf,
    model: Model,
    adapter: Adapter,
    ids: Vec<u32>,
    logits: Tensor,
}

fn case((name, at): (&'static str, &str)) -> Case {
    let folder = reference("soft").join(name);
    let model = open(at);
    let adapter = Adapter::load(&folder.join("adapter"), &model).unwrap();
    let expected = tensors(&folder.join("expected.safetensors"));
    let ids = whole(&expected["ids"]);
    Case { name, folder, model, adapter, ids, logits: expected["logits"].clone() }
}

/// The small families share a tokenizer.
fn open(at: &str) -> Model {
    let folder = reference(at);
    if folder.join("tokenizer.json").is_file() {
        return load(&folder, Weights::F32);
    }
    let home = tempfile::tempdir().unwrap();
    let copy = |from: PathBuf, name: &str| {
        std::fs::copy(from, home.path().join(name)).unwrap();
    };
    for name in ["config.json", "model.safetensors"] {
        copy(folder.join(name), name);
    }
    copy(reference("families/tokenizer.json"), "tokenizer.json");
    load(home.path(), Weights::F32)
}

fn whole(tensor: &Tensor) -> Vec<u32> {
    let ids = tensor.flatten_all().unwrap().to_vec1::<i64>().unwrap();
    ids.into_iter().map(|id| id as u32).collect()
}

fn last(case: &Case, cache: &mut KvCache, ids: &[u32], adapter: Option<&Adapter>) -> Tensor {
    let which = Positions::From(ids.len() - 3);
    case.model.logits(ids, cache, adapter, which).unwrap()
}

#[test]
fn soft_prompts_of_peft_compute_what_peft_computes() {
    for case in CASES.map(case) {
        let mut cache = case.model.new_cache();
        let found = last(&case, &mut cache, &case.ids, Some(&case.adapter));
        assert_close(&found, &case.logits, 2e-4, case.name);
        assert_eq!(cache.len(), case.ids.len(), "virtual tokens are none of the text's");
    }
}

/// Token by token, as `generate` of PEFT says it.
#[test]
fn a_soft_prompt_goes_on_as_peft_generates() {
    for case in CASES.map(case) {
        let expected = whole(&tensors(&case.folder.join("expected.safetensors"))["greedy"]);
        let mut cache = case.model.new_cache();
        let adapter = Some(&case.adapter);
        let mut ids = case.ids.clone();
        let mut said = Vec::new();
        for _ in 0..expected.len() {
            let scores = case.model.logits(&ids, &mut cache, adapter, Positions::Last).unwrap();
            ids = vec![argmax(&values(&scores))];
            said.push(ids[0]);
        }
        assert_eq!(said, expected, "{}", case.name);
    }
}

/// A text in pieces, one that goes back, several side by side: all as the whole text at once.
#[test]
fn a_cache_before_which_a_soft_prompt_stands_goes_back_and_on() {
    for case in CASES.map(case) {
        let (model, adapter) = (&case.model, Some(&case.adapter));
        let mut cache = model.new_cache();
        model.logits(&case.ids[..7], &mut cache, adapter, Positions::Last).unwrap();
        cache.truncate(4);
        assert_eq!(cache.len(), 4);
        let found = last(&case, &mut cache, &case.ids[4..], adapter);
        assert_close(&found, &case.logits, 2e-4, case.name);
        // From the beginning again: with the same soft prompt, without one, and with it once more.
        cache.truncate(0);
        let found = last(&case, &mut cache, &case.ids, adapter);
        assert_close(&found, &case.logits, 2e-4, case.name);
        cache.truncate(0);
        let bare = last(&case, &mut cache, &case.ids, None);
        assert_close(&bare, &last(&case, &mut model.new_cache(), &case.ids, None), 1e-5, case.name);
        cache.truncate(0);
        let found = last(&case, &mut cache, &case.ids, adapter);
        assert_close(&found, &case.logits, 2e-4, case.name);
        // Lanes, one of them a token further.
        let before = case.ids.len() - 1;
        let mut lanes = [model.new_cache(), model.new_cache()];
        model.logits(&case.ids[..before], &mut lanes[0], adapter, Positions::Last).unwrap();
        model.logits(&case.ids, &mut lanes[1], adapter, Positions::Last).unwrap();
        let ids = [case.ids[before], 5];
        let found = model.lane_logits(&ids, &mut lanes, adapter).unwrap();
        let width = model.config().vocab_size;
        let found = Tensor::from_slice(&found[..width], (1, width), case.logits.device()).unwrap();
        assert_close(&found, &case.logits.narrow(0, 2, 1).unwrap(), 2e-4, case.name);
    }
}

#[test]
fn every_pass_sees_the_same_soft_prompt() {
    use tuning_fork_engine::llm::Keep;
    use tuning_fork_engine::llm::net::tree::{SortedTree, TokenTree};
    for case in CASES.map(case) {
        let (model, adapter) = (&case.model, Some(&case.adapter));
        let shape = case.logits.dims();
        let tensor =
            |values: &[f32]| Tensor::from_slice(values, shape, case.logits.device()).unwrap();
        // For training.
        let tree = TokenTree::new([case.ids.as_slice()]);
        let pass = model.run_tree(&tree, adapter, None, Keep::Nothing).unwrap();
        let first = (case.ids.len() - 3) * model.config().width;
        let scores = model.tree_scores(&pass.hidden()[first..], None).unwrap();
        assert_close(&tensor(&scores), &case.logits, 2e-4, case.name);
        assert_eq!(
            pass.all_hidden().len() - pass.hidden().len(),
            pass.virtual_rows() * model.config().width
        );
        // A tree after what a cache holds, which is nothing yet.
        let sorted = SortedTree::new(std::slice::from_ref(&case.ids));
        let rows = [case.ids.len() - 3, case.ids.len() - 2, case.ids.len() - 1];
        let found = model.tree_logits(&sorted, &mut model.new_cache(), adapter, &rows).unwrap();
        assert_close(&found, &case.logits, 2e-4, case.name);
        // The log-probabilities that are scored.
        let scored = score(model, adapter, &case.ids, &Quiet).unwrap();
        let row: Vec<f32> = values(&case.logits.narrow(0, 0, 1).unwrap());
        let sum: f64 = row.iter().map(|score| f64::from(*score).exp()).sum();
        let next = case.ids[case.ids.len() - 2] as usize;
        let expected = f64::from(row[next]) - sum.ln();
        let found = f64::from(scored[case.ids.len() - 2].unwrap());
        assert!((found - expected).abs() < 2e-4, "{}: {found}, not {expected}", case.name);
    }
}

#[test]
fn attention_before_which_a_soft_prompt_stands_is_that_of_transformers() {
    for case in CASES.map(case) {
        let expected = tensors(&case.folder.join("expected.safetensors"));
        let Some(expected) = expected.get("attention") else { continue };
        let found = case.model.attention_weights(&case.ids, 1, Some(&case.adapter)).unwrap();
        assert_close(&found, expected, 1e-4, case.name);
    }
}

#[test]
fn a_soft_prompt_is_saved_as_peft_saves_it() {
    for case in CASES.map(case) {
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join("again");
        case.adapter.save(&to, &case.model.card().identity).unwrap();
        let file = "adapter_model.safetensors";
        let (old, new) = (case.folder.join("adapter").join(file), to.join(file));
        assert_eq!(
            values(&tensors(&old)["prompt_embeddings"]),
            values(&tensors(&new)["prompt_embeddings"])
        );
        let json = |path: &Path| -> Value {
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
        };
        let (mut old, mut new) = (
            json(&case.folder.join("adapter/adapter_config.json")),
            json(&to.join("adapter_config.json")),
        );
        for of in [&mut old, &mut new] {
            of["base_model_name_or_path"] = Value::Null;
        }
        assert_eq!(new, old, "{}", case.name);
        assert!(Adapter::load(&to, &case.model).is_ok());
    }
}

/// A new one is described as PEFT describes it: a folder of PEFT with the same settings.
#[test]
fn a_new_soft_prompt_has_the_keys_of_peft() {
    for (name, kind) in [("prompt_gpt2", SoftKind::Prompt), ("prefix_qwen3", SoftKind::Prefix)] {
        let at = CASES.into_iter().find(|(known, _)| *known == name).unwrap();
        let case = case(at);
        let tokens = case.adapter.virtual_tokens();
        let spec = SoftSpec { kind, num_virtual_tokens: tokens, init: SoftInit::Random };
        let home = tempfile::tempdir().unwrap();
        let new = Adapter::soft_prompt(&case.model, &spec, 3).unwrap();
        new.save(home.path(), &case.model.card().identity).unwrap();
        let json = |folder: &Path| -> Value {
            let path = folder.join("adapter_config.json");
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
        };
        let (new, peft) = (json(home.path()), json(&case.folder.join("adapter")));
        for (key, value) in new.as_object().unwrap() {
            if key != "base_model_name_or_path" {
                assert_eq!(value, &peft[key], "{name}: {key}");
            }
        }
        assert_eq!(new["peft_type"], peft["peft_type"]);
    }
}

fn copied(name: &str, change: impl Fn(&mut Value)) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let from = reference("soft").join(name).join("adapter");
    let config = std::fs::read(from.join("adapter_config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    change(&mut config);
    let to = home.path();
    files::write_atomic(&to.join("adapter_config.json"), &serde_json::to_vec(&config).unwrap())
        .unwrap();
    let weights = std::fs::read(from.join("adapter_model.safetensors")).unwrap();
    files::write_atomic(&to.join("adapter_model.safetensors"), &weights).unwrap();
    home
}

#[test]
fn what_is_no_soft_prompt_of_this_model_is_refused_in_words() {
    let llama = load(&reference("models/llama"), Weights::F32);
    let refused =
        |folder: &Path, model: &Model| Adapter::load(folder, model).err().unwrap().to_string();
    let kind = copied("prompt_llama", |config| config["peft_type"] = json!("CARTRIDGE"));
    let said = refused(kind.path(), &llama);
    assert!(said.contains("CARTRIDGE") && said.contains("PROMPT_TUNING"), "{said}");
    let count = copied("prompt_llama", |config| config["num_virtual_tokens"] = json!(9));
    assert!(refused(count.path(), &llama).contains("num_virtual_tokens = 9"));
    let none = copied("prefix_qwen3", |config| config["num_virtual_tokens"] = json!(0));
    assert!(refused(none.path(), &llama).contains("num_virtual_tokens"));
    let labels = copied("prompt_llama", |config| config["task_type"] = json!("SEQ_CLS"));
    assert!(refused(labels.path(), &llama).contains("SEQ_CLS"));
    // Of a model with other layers.
    let other = load(&reference("models/gpt2"), Weights::F32);
    let said = refused(copied("prefix_gemma2", |_| ()).path(), &other);
    assert!(said.contains("another model"), "{said}");
    // LoRA's tensors under a soft prompt's name.
    let wrong = copied("prompt_llama", |_| ());
    let lora = std::fs::read(reference("adapters/layers_llama/adapter_model.safetensors")).unwrap();
    files::write_atomic(&wrong.path().join("adapter_model.safetensors"), &lora).unwrap();
    assert!(refused(wrong.path(), &llama).contains("alone"));
    // Layers that carry states have no place for virtual tokens yet.
    let recurrent = open("families/lfm2");
    let spec = SoftSpec { kind: SoftKind::Prompt, num_virtual_tokens: 2, init: SoftInit::Random };
    let said = Adapter::soft_prompt(&recurrent, &spec, 1).err().unwrap().to_string();
    assert!(said.contains("recurrent layers") && said.contains("LoRA"), "{said}");
    let many = SoftSpec { num_virtual_tokens: 9_000, ..spec };
    assert!(Adapter::soft_prompt(&llama, &many, 1).err().unwrap().to_string().contains("no room"));
}

#[test]
fn a_soft_prompt_can_neither_be_merged_nor_be_a_file_of_lora() {
    let case = case(CASES[4]);
    let home = tempfile::tempdir().unwrap();
    let merged = merge::merge(&case.model, &case.adapter, &home.path().join("merged"), &Quiet);
    let said = merged.err().unwrap().to_string();
    assert!(said.contains("soft prompt") && said.contains("nothing to merge"), "{said}");
    let written =
        gguf_lora::write(&case.adapter, case.model.config(), &home.path().join("it.gguf"));
    assert!(written.err().unwrap().to_string().contains("soft prompt"));
}

#[test]
fn a_text_fits_into_what_a_soft_prompt_leaves_of_the_context() {
    let case = case(CASES[4]);
    let context = case.model.config().context_length;
    assert_eq!(case.model.context_with(Some(&case.adapter)), context - 3);
    let ids: Vec<u32> = (0..context as u32 - 2).map(|id| 3 + id % 200).collect();
    let logits = |ids: &[u32], adapter| {
        case.model.logits(ids, &mut case.model.new_cache(), adapter, Positions::Last).is_ok()
    };
    assert!(logits(&ids, None) && !logits(&ids, Some(&case.adapter)));
    assert!(logits(&ids[1..], Some(&case.adapter)));
    // What is asked before any work begins.
    let (fits, adapter) =
        (|count, of| case.model.check_fits(count, of).is_ok(), Some(&case.adapter));
    assert!(fits(context - 3, adapter) && !fits(context - 2, adapter) && fits(context, None));
}

/// Rows, and settings that train a soft prompt on them.
fn settings(folder: &Path, method: Method) -> TrainConfig {
    let data = folder.join("rows.jsonl");
    let row = |at: usize| json!({ "prompt": format!("question {at}:"), "completion": format!(" answer {}", at % 3) });
    let rows: Vec<String> = (0..8).map(|at| format!("{}\n", row(at))).collect();
    files::write_atomic(&data, rows.concat().as_bytes()).unwrap();
    TrainConfig {
        model: "llama".to_owned(),
        data,
        objective: Objective::Sft,
        method,
        loss_type: Objective::Sft.usual_loss(),
        per_device_train_batch_size: 2,
        max_steps: Some(6),
        learning_rate: 0.03,
        held_out_share: 0.25,
        eval_steps: 3,
        save_steps: 2,
        soft_prompt: SoftPromptConfig {
            num_virtual_tokens: 4,
            prompt_tuning_init: PromptInit::Text,
            prompt_tuning_init_text: "tone fork".to_owned(),
        },
        ..TrainConfig::default()
    }
}

fn start(
    model: &Model,
    config: &TrainConfig,
    run_dir: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<(), train::Error> {
    let request = StartRequest { config: config.clone(), run_dir: run_dir.to_owned(), cache: None };
    train::start(model, &request, progress).map(drop)
}

#[test]
fn a_soft_prompt_that_is_stopped_and_resumed_ends_in_the_same_bytes() {
    let model = load(&reference("models/llama"), Weights::F32);
    for method in [Method::PromptTuning, Method::PrefixTuning] {
        for objective in [Objective::Sft, Objective::Dpo] {
            let home = tempfile::tempdir().unwrap();
            let mut config = settings(home.path(), method);
            if objective == Objective::Dpo {
                let row = json!({"prompt": "question:", "chosen": " yes", "rejected": " no or so"});
                files::write_atomic(&config.data, format!("{row}\n").repeat(6).as_bytes()).unwrap();
                config = TrainConfig {
                    objective,
                    loss_type: objective.usual_loss(),
                    held_out_share: 0.0,
                    ..config
                };
            }
            let (whole, parts) = (home.path().join("whole"), home.path().join("parts"));
            start(&model, &config, &whole, &Quiet).unwrap();
            start(&model, &config, &parts, &StopAfter::steps(3)).unwrap();
            let request = ResumeRequest { run_dir: parts.clone(), cache: None, unused: None };
            train::resume(&model, &request, &Quiet).unwrap();
            for file in ["adapter_model.safetensors", "adapter_config.json", "resume.safetensors"] {
                let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
                assert_eq!(read(&whole), read(&parts), "{method:?} {objective:?} {file}");
            }
            // It has learned, and loads as an adapter.
            let adapter = Adapter::load(&whole, &model).unwrap();
            assert_eq!(adapter.virtual_tokens(), 4);
        }
    }
}

/// What `compare-methods` found: the bias of the first norm stands before everything that learns, and got no
/// gradient.
#[test]
fn every_bias_of_gpt2_learns_where_only_biases_do() {
    let model = load(&reference("models/gpt2"), Weights::F32);
    let home = tempfile::tempdir().unwrap();
    let config = TrainConfig { max_steps: Some(2), ..settings(home.path(), Method::Bias) };
    let run_dir = home.path().join("run");
    start(&model, &config, &run_dir, &Quiet).unwrap();
    let before = tensors(&reference("models/gpt2/model.safetensors"));
    let after = tensors(&run_dir.join("model/model.safetensors"));
    let first = before.keys().find(|name| name.ends_with("h.0.ln_1.bias")).unwrap();
    assert!(crate::support::distance(&before[first], &after[first]) > 1e-3);
}

#[test]
fn a_soft_prompt_is_not_trained_further_and_settings_that_cannot_be_are_named() {
    let model = load(&reference("models/llama"), Weights::F32);
    let home = tempfile::tempdir().unwrap();
    let config = settings(home.path(), Method::PromptTuning);
    let refused = |config: &TrainConfig| {
        start(&model, config, &home.path().join("refused"), &Quiet).err().unwrap().to_string()
    };
    let soft = reference("soft/prompt_llama/adapter");
    let lora = TrainConfig { method: Method::Lora, adapter: Some(soft.clone()), ..config.clone() };
    assert!(refused(&lora).contains("not trained further"), "{}", refused(&lora));
    let again = TrainConfig { adapter: Some(soft), ..config.clone() };
    assert!(refused(&again).contains("begun anew"), "{}", refused(&again));
    let packed = TrainConfig { packing: true, ..config.clone() };
    assert!(refused(&packed).contains("packing"), "{}", refused(&packed));
    let objective = Objective::Orpo;
    let other = TrainConfig { objective, loss_type: objective.usual_loss(), ..config.clone() };
    assert!(refused(&other).contains("SFT, DPO and KTO"), "{}", refused(&other));
    let mut wordless = config.clone();
    wordless.soft_prompt.prompt_tuning_init_text = String::new();
    assert!(refused(&wordless).contains("prompt_tuning_init_text"));
    let mut many = config;
    many.soft_prompt.num_virtual_tokens = 5_000;
    assert!(refused(&many).contains("room for a text"), "{}", refused(&many));
    assert!(!home.path().join("refused").exists());
}

#[test]
fn what_a_soft_prompt_takes_is_said_before() {
    let model = load(&reference("models/llama"), Weights::F32);
    let home = tempfile::tempdir().unwrap();
    // 4 tokens: of 64 numbers, or of 3 layers · 2 · 32
    for (method, expected) in [(Method::PromptTuning, 256), (Method::PrefixTuning, 768)] {
        let config = settings(home.path(), method);
        let data = (config.data.as_path(), None);
        let found = Estimator::default().estimate(&model, &config, data, &Quiet).unwrap();
        assert_eq!(found.trained_parameters, expected);
        assert!(found.memory.peak() > 0 && found.parameters > expected);
    }
}
