//! Adapters as PEFT saves them: its starts, `DoRA`, patterns, and decoders beside a tower. The numbers are
//! PEFT's: `tests/reference/make_adapters.py`; a hundred random ones: `random_adapters.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::adapter_files::{gguf_lora, merge};
use tuning_fork_engine::llm::{Adapter, INITS, LoraSpec, Model, Positions, Weights};

use crate::adapters::assert_gradients_are_slopes;
use crate::support;
use crate::support::{assert_close, load, reference, tensors};

const CASES: [&str; 12] = [
    "dora_llama",
    "dora_gpt2",
    "pissa_llama",
    "pissa_gpt2",
    "pissa_dora_qwen2",
    "olora_mistral",
    "eva_qwen3",
    "patterns_gemma2",
    "layers_llama",
    "parameter_llama",
    "nested_gemma3",
    "nested_old_names_gemma3",
];

/// The folder of a case, its model and its adapter.
fn case(name: &str) -> (PathBuf, Model, Adapter) {
    let folder = reference("adapters").join(name);
    let base = std::fs::read_to_string(folder.join("adapter_config.json")).unwrap();
    let base: serde_json::Value = serde_json::from_str(&base).unwrap();
    let base = base["base_model_name_or_path"].as_str().unwrap();
    let base = base.strip_prefix("tests/reference/").unwrap();
    let model = match base.strip_prefix("families/") {
        Some(family) => {
            let home = tempfile::tempdir().unwrap();
            support::family_into(family, home.path());
            load(home.path(), Weights::F32)
        }
        None => load(&reference(base), Weights::F32),
    };
    let adapter = Adapter::load(&folder, &model).unwrap();
    (folder, model, adapter)
}

/// PEFT's ids, and its logits of the last two of them.
fn expected(folder: &Path) -> (Vec<u32>, Tensor) {
    let tensors = tensors(&folder.join("expected.safetensors"));
    let ids = tensors["ids"].to_vec1::<i64>().unwrap();
    (ids.into_iter().map(|id| id as u32).collect(), tensors["logits"].clone())
}

fn last_two(model: &Model, adapter: Option<&Adapter>, ids: &[u32]) -> Tensor {
    let which = Positions::From(ids.len() - 2);
    model.logits(ids, &mut model.new_cache(), adapter, which).unwrap()
}

#[test]
fn adapters_of_peft_compute_what_peft_computes() {
    for name in CASES {
        let (folder, model, adapter) = case(name);
        let (ids, logits) = expected(&folder);
        assert_close(&last_two(&model, Some(&adapter), &ids), &logits, 1e-4, name);
    }
}

/// Methods beside LoRA, LoRA of experts and routers, and B with a bias: read, and not trained further.
const LAID: [&str; 13] = [
    "bias_qwen2",
    "bias_own_qwen2",
    "ia3_qwen2",
    "ia3_gpt2",
    "loha_llama",
    "lokr_llama",
    "lokr_both_mistral",
    "vera_qwen3",
    "experts_gpt_oss",
    "experts_olmoe",
    "experts_qwen3_moe",
    "experts_old_names_mixtral",
    "router_gemma4_moe",
];

#[test]
fn what_is_worked_in_as_it_is_read_computes_what_peft_computes() {
    for name in LAID {
        let (folder, model, adapter) = case(name);
        let (ids, logits) = expected(&folder);
        assert_close(&last_two(&model, Some(&adapter), &ids), &logits, 2e-4, name);
        // None is trained further, nor written without a part of it.
        assert!(adapter.check_trainable().is_err(), "{name}");
        let copy = tempfile::tempdir().unwrap();
        assert!(adapter.save(copy.path(), &model.card().identity).is_err(), "{name}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let told = gguf_lora::write(&adapter, model.config(), file.path()).unwrap_err();
        assert!(told.to_string().contains("llama.cpp"), "{name}: {told}");
        // Its numbers are counted as they lie in the file.
        let stored = tensors(&folder.join("adapter_model.safetensors"));
        let stored: usize = stored.values().map(Tensor::elem_count).sum();
        if name != "bias_own_qwen2" {
            // There the layers' own biases are trained too, which a card does not count.
            assert_eq!(adapter.card().parameter_count as usize, stored, "{name}");
        }
    }
}

#[test]
fn what_is_worked_in_is_merged_or_refused_by_name() {
    for name in LAID {
        let (folder, model, adapter) = case(name);
        let (ids, logits) = expected(&folder);
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join("merged");
        let merged = merge::merge(&model, &adapter, &to, &Quiet).map_err(|err| err.to_string());
        match name {
            "bias_qwen2" => assert!(merged.unwrap_err().contains("o_proj has no bias")),
            _ if name.contains("experts") || name.contains("router") => {
                assert!(merged.unwrap_err().contains("experts or routers"), "{name}");
            }
            _ => {
                merged.unwrap();
                let merged = load(&to, Weights::F32);
                assert_close(&last_two(&merged, None, &ids), &logits, 2e-4, name);
            }
        }
    }
}

/// Of a model whose head is its embedding, a trained token counts in both.
#[test]
fn single_tokens_are_what_peft_made_of_them() {
    for name in ["tokens_qwen3", "tokens_mistral"] {
        let (folder, model, adapter) = case(name);
        let (ids, logits) = expected(&folder);
        assert_close(&last_two(&model, Some(&adapter), &ids), &logits, 1e-4, name);
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join("merged");
        merge::merge(&model, &adapter, &to, &Quiet).unwrap();
        assert_close(&last_two(&load(&to, Weights::F32), None, &ids), &logits, 2e-4, name);
        let said = adapter.check_trainable().unwrap_err().to_string();
        assert!(said.contains("trainable_token_indices"), "{said}");
    }
}

/// Scoring for training runs another pass.
#[test]
fn the_training_pass_computes_the_same_with_any_adapter() {
    use tuning_fork_engine::llm::Keep;
    use tuning_fork_engine::llm::net::tree::TokenTree;
    for name in CASES.into_iter().chain(LAID) {
        let (folder, model, adapter) = case(name);
        let (ids, logits) = expected(&folder);
        let tree = TokenTree::new([ids.as_slice()]);
        let pass = model.run_tree(&tree, Some(&adapter), None, Keep::Nothing).unwrap();
        let width = model.config().width;
        let hidden = &pass.hidden()[(ids.len() - 2) * width..];
        let scores = model.tree_scores(hidden, None).unwrap();
        let scores = Tensor::from_slice(&scores, logits.dims(), logits.device()).unwrap();
        assert_close(&scores, &logits, 1e-4, name);
    }
}

#[test]
fn a_merged_folder_holds_what_the_adapter_did() {
    for name in CASES {
        let (folder, model, adapter) = case(name);
        let (ids, logits) = expected(&folder);
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join("merged");
        merge::merge(&model, &adapter, &to, &Quiet).unwrap();
        assert_close(&last_two(&load(&to, Weights::F32), None, &ids), &logits, 2e-4, name);
    }
}

/// What stands beside the pairs, and a table that a model reads and writes with: `PEFT`'s `merge_and_unload`
/// would change both uses of it, so the merged model has a head of its own.
#[test]
fn tables_biases_and_both_ends_of_a_model_are_merged_as_they_were_trained() {
    let ids: Vec<u32> = (3..40).map(|id| id * 7 % 300).collect();
    for name in ["lora_bias", "lora_embed", "lora_lm_head", "lora_save_head"] {
        let folder = reference("traces").join(name);
        let run = std::fs::read_to_string(folder.join("run.json")).unwrap();
        let run: serde_json::Value = serde_json::from_str(&run).unwrap();
        let from = reference("models").join(run["model"].as_str().unwrap());
        let model = load(&from, Weights::F32);
        let adapter = Adapter::load(&folder.join("adapter_final"), &model).unwrap();
        let expected = last_two(&model, Some(&adapter), &ids);
        assert!(support::distance(&last_two(&model, None, &ids), &expected) > 1e-3, "{name}");
        let home = tempfile::tempdir().unwrap();
        let to = home.path().join("merged");
        merge::merge(&model, &adapter, &to, &Quiet).unwrap();
        let merged = load(&to, Weights::F32);
        assert_close(&last_two(&merged, None, &ids), &expected, 2e-4, name);
        let stays_tied = model.config().tied_head && name == "lora_bias";
        assert_eq!(merged.config().tied_head, stays_tied, "{name}");

        // llama.cpp's files of adapters hold layers, and nothing else.
        let file = home.path().join("adapter.gguf");
        let told = gguf_lora::write(&adapter, model.config(), &file).map_err(|err| err.to_string());
        match name {
            "lora_lm_head" => told.unwrap(),
            _ => assert!(told.unwrap_err().contains("export it as a merged model"), "{name}"),
        }
    }
}

/// Both halves of Gemma 3 have `layers.N.self_attn.q_proj`.
#[test]
fn merging_leaves_the_tower_untouched() {
    let (_, model, adapter) = case("nested_gemma3");
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("merged");
    merge::merge(&model, &adapter, &to, &Quiet).unwrap();
    let before = tensors(&reference("models/tiny_gemma3_tower/model.safetensors"));
    let after = tensors(&to.join("model.safetensors"));
    assert_eq!(before.len(), after.len());
    let mut changed = Vec::new();
    for (name, tensor) in &before {
        if support::distance(tensor, &after[name]) > 0.0 {
            assert!(!name.contains("vision"), "{name} was changed");
            changed.push(name.clone());
        }
    }
    assert_eq!(changed.len(), 4, "two layers, two matrices each: {changed:?}");
}

/// An adapter that was saved for the decoder alone means the decoder inside the larger model.
#[test]
fn an_adapter_of_the_decoder_alone_is_merged_into_the_decoder() {
    let (folder, model, adapter) = case("nested_gemma3");
    let (ids, logits) = expected(&folder);
    let home = tempfile::tempdir().unwrap();
    let alone = home.path().join("alone");
    let plain = tensors(&folder.join("adapter_model.safetensors"));
    let plain = plain.into_iter().map(|(name, tensor)| {
        (name.replace("model.language_model.layers", "model.layers"), tensor)
    });
    let plain: std::collections::HashMap<String, Tensor> = plain.collect();
    std::fs::create_dir_all(&alone).unwrap();
    candle_core::safetensors::save(&plain, alone.join("adapter_model.safetensors")).unwrap();
    let config = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4,
        "target_modules": ["q_proj", "down_proj"]}"#;
    files::write_atomic(&alone.join("adapter_config.json"), config.as_bytes()).unwrap();
    let same = Adapter::load(&alone, &model).unwrap();
    assert_eq!(same.vars().len(), adapter.vars().len());
    assert_close(&last_two(&model, Some(&same), &ids), &logits, 1e-4, "as it is");
    let to = home.path().join("merged");
    merge::merge(&model, &same, &to, &Quiet).unwrap();
    assert_close(&last_two(&load(&to, Weights::F32), None, &ids), &logits, 2e-4, "merged");
}

/// PEFT finds our tensors by their names, and by `target_modules` the layers to put them on.
#[test]
fn what_is_saved_is_named_as_peft_names_it() {
    let model = load(&reference("models/tiny_gemma3_tower"), Weights::F32);
    for target in ["q_proj", "all-linear"] {
        let spec = LoraSpec {
            r: 2,
            lora_alpha: 4.0,
            lora_dropout: 0.0,
            use_rslora: false,
            target_modules: vec![target.to_owned()],
            ..LoraSpec::default()
        };
        let adapter = support::lively(&model, &spec);
        let home = tempfile::tempdir().unwrap();
        adapter.save(home.path(), &model.card().identity).unwrap();
        let names: Vec<String> =
            tensors(&home.path().join("adapter_model.safetensors")).into_keys().collect();
        let decoder = "base_model.model.model.language_model.layers.";
        assert!(names.iter().all(|name| name.starts_with(decoder)), "{names:?}");
        let back = Adapter::load(home.path(), &model).unwrap();
        let ids = [3, 1, 4, 1, 5, 9];
        let (one, other) =
            (last_two(&model, Some(&adapter), &ids), last_two(&model, Some(&back), &ids));
        assert_close(&one, &other, 0.0, target);
    }
}

/// Every case written and read again is the same adapter, with its start and its lengths.
#[test]
fn an_adapter_of_peft_comes_back_from_our_files() {
    for name in CASES {
        let (folder, model, adapter) = case(name);
        let (ids, logits) = expected(&folder);
        let home = tempfile::tempdir().unwrap();
        adapter.save(home.path(), &model.card().identity).unwrap();
        let back = Adapter::load(home.path(), &model).unwrap();
        assert_close(&last_two(&model, Some(&back), &ids), &logits, 1e-4, name);
        let names = |folder: &Path| {
            let tensors = tensors(&folder.join("adapter_model.safetensors"));
            tensors
                .into_iter()
                .map(|(name, t)| (name, t.dims().to_vec()))
                .collect::<BTreeMap<_, _>>()
        };
        if !name.contains("old_names") {
            assert_eq!(names(home.path()), names(&folder), "{name}");
        }
    }
}

#[test]
fn what_a_start_took_out_stays_out_while_training_goes_on() {
    for name in ["pissa_llama", "olora_mistral"] {
        let (_, model, adapter) = case(name);
        adapter.check_trainable().unwrap();
        assert_gradients_are_slopes(&model, &adapter, None, name);
    }
    let (_, _, dora) = case("dora_llama");
    dora.check_trainable().unwrap(); // `replayed.rs` trains one
}

#[test]
fn a_new_adapter_changes_nothing_whatever_it_begins_with() {
    let ids = [5, 17, 99, 3, 250];
    for name in ["llama", "gpt2"] {
        let model = load(&reference(&format!("models/{name}")), Weights::F32);
        let plain = last_two(&model, None, &ids);
        for (_, init) in INITS {
            // PEFT cannot begin so on its layers: refused.
            if name == "gpt2" && init == tuning_fork_engine::llm::Init::Olora {
                continue;
            }
            for use_dora in [false, true] {
                let spec = LoraSpec {
                    r: 4,
                    lora_alpha: 6.0,
                    target_modules: vec!["all-linear".to_owned()],
                    use_dora,
                    init,
                    layers_to_transform: Some(vec![0, 2]),
                    rank_pattern: vec![("down_proj".to_owned(), 2.0)],
                    ..LoraSpec::default()
                };
                let what = format!("{name} {init:?} {use_dora}");
                let new = Adapter::init(&model, &spec, 7).unwrap();
                assert_close(&last_two(&model, Some(&new), &ids), &plain, 2e-4, &what);
                let home = tempfile::tempdir().unwrap();
                new.save(home.path(), &model.card().identity).unwrap();
                let again = Adapter::load(home.path(), &model).unwrap();
                assert_close(&last_two(&model, Some(&again), &ids), &plain, 2e-4, &what);
            }
        }
    }
}

/// A start's part becomes further ranks; rsLoRA and patterns go into B.
#[test]
fn a_gguf_adapter_is_read_back_as_it_was_written() {
    for name in CASES {
        let (folder, model, adapter) = case(name);
        let (ids, logits) = expected(&folder);
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("adapter.gguf");
        let written = gguf_lora::write(&adapter, model.config(), &path);
        if name.contains("dora") {
            let error = written.unwrap_err().to_string();
            assert!(error.contains("use_dora"), "{error}");
            continue;
        }
        written.unwrap();
        let back = Adapter::load(&path, &model).unwrap();
        assert_close(&last_two(&model, Some(&back), &ids), &logits, 1e-4, name);
        // and on as a PEFT folder
        back.save(home.path(), &model.card().identity).unwrap();
        let again = Adapter::load(home.path(), &model).unwrap();
        assert_close(&last_two(&model, Some(&again), &ids), &logits, 1e-4, name);
    }
}

#[test]
fn a_gguf_adapter_of_another_model_is_refused_in_words() {
    let (_, gpt2, adapter) = case("pissa_gpt2");
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("adapter.gguf");
    gguf_lora::write(&adapter, gpt2.config(), &path).unwrap();
    let llama = load(&reference("models/llama"), Weights::F32);
    let error = Adapter::load(&path, &llama).err().unwrap().to_string();
    assert!(error.contains("for a gpt2 model, and the model is a llama"), "{error}");
    let source = tuning_fork_engine::llm::card::ModelSource::at(&path);
    let error = tuning_fork_engine::llm::inspect(&source).unwrap_err().to_string();
    assert!(error.contains("it is a LoRA adapter for a gpt2 model"), "{error}");
    let model = reference("gguf/tiny_phi3_longrope/model.gguf");
    let error = Adapter::load(&model, &llama).err().unwrap().to_string();
    assert!(error.contains("it is a model, not an adapter"), "{error}");
}

/// A copy of a case with one thing changed in its configuration, or a file taken away.
fn changed(name: &str, change: impl Fn(&mut serde_json::Value), without: Option<&str>) -> String {
    let (folder, model, _) = case(name);
    let home = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_owned();
        if without.is_none_or(|without| file != without) {
            std::fs::copy(&path, home.path().join(file)).unwrap();
        }
    }
    let path = home.path().join("adapter_config.json");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let mut json = serde_json::from_str(&text).unwrap();
        change(&mut json);
        files::write_atomic(&path, json.to_string().as_bytes()).unwrap();
    }
    if without == Some("adapter_model.safetensors") {
        files::write_atomic(&home.path().join("adapter_model.bin"), b"P").unwrap();
    }
    Adapter::load(home.path(), &model).err().expect("this must be refused").to_string()
}

#[test]
fn what_would_be_other_numbers_is_refused_by_name() {
    let set = |key: &'static str, value: serde_json::Value| {
        move |json: &mut serde_json::Value| json[key] = value.clone()
    };
    for (name, key, value, said) in [
        ("pissa_llama", "init_lora_weights", serde_json::json!("pissa_niter_4"), "pissa_niter_4"),
        ("pissa_llama", "init_lora_weights", serde_json::json!("corda"), "corda"),
        ("pissa_llama", "init_lora_weights", serde_json::json!("loftq"), "loftq"),
        ("dora_llama", "use_dora", serde_json::json!(false), "lora_magnitude_vector"),
        ("pissa_llama", "use_dora", serde_json::json!(true), "no lora_magnitude_vector"),
        ("layers_llama", "layers_to_transform", serde_json::json!([0]), "layers_to_transform"),
        ("dora_llama", "exclude_modules", serde_json::json!(["v_proj"]), "exclude_modules"),
        ("dora_llama", "target_modules", serde_json::json!(["q_proj"]), "target_modules"),
        ("dora_llama", "modules_to_save", serde_json::json!(["lm_head"]), "modules_to_save"),
        ("router_gemma4_moe", "lora_bias", serde_json::json!(true), "router.proj has lora_B.bias"),
        ("dora_llama", "velora_config", serde_json::json!({"num_groups": 4}), "velora_config"),
    ] {
        let error = changed(name, set(key, value), None);
        assert!(error.contains(said), "{error}");
    }
    let same = |_: &mut serde_json::Value| ();
    let error = changed("dora_llama", same, Some("adapter_config.json"));
    assert!(error.contains("no adapter_config.json, which PEFT writes"), "{error}");
    let error = changed("dora_llama", same, Some("adapter_model.safetensors"));
    assert!(error.contains("a pickle"), "{error}");
    let model = load(&reference("models/llama"), Weights::F32);
    let error = Adapter::load(&reference("models/llama"), &model).err().unwrap().to_string();
    assert!(error.contains("it is a model's folder"), "{error}");
}

/// PEFT saves a head that LoRA changes beside it, without what its start took out of it.
#[test]
fn a_start_that_took_something_out_of_the_head_is_read_with_what_is_left_of_it() {
    let (folder, model, adapter) = case("pissa_head_mistral");
    let (ids, logits) = expected(&folder);
    assert_close(&last_two(&model, Some(&adapter), &ids), &logits, 2e-4, "pissa_head_mistral");
}
