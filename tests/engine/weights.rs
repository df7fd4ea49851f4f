//! How weights are found, checked and kept: missing and surplus tensors, heads that are tied or
//! not, shards, broken numbers, and rounding while loading.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::card::{ModelSource, Purpose};
use tuning_fork_engine::llm::inspect;
use tuning_fork_engine::llm::{LoadOptions, Model, Positions, Weights, memory_needed};

use crate::support::{assert_close, distance, load, reference, tensors, values};

const IDS: [u32; 8] = [3, 200, 17, 44, 290, 9, 9, 101];

fn logits(model: &Model) -> Tensor {
    model.logits(&IDS, &mut model.new_cache(), None, Positions::All).unwrap()
}

/// A copy of a committed model whose tensors and settings may be changed.
fn changed(
    name: &str,
    tensors_of: impl Fn(&mut HashMap<String, Tensor>),
    config_of: impl Fn(&mut Value),
) -> tempfile::TempDir {
    let from = reference("models").join(name);
    let folder = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    let mut weights = tensors(&from.join("model.safetensors"));
    tensors_of(&mut weights);
    candle_core::safetensors::save(&weights, folder.path().join("model.safetensors")).unwrap();
    let config = std::fs::read_to_string(from.join("config.json")).unwrap();
    let mut config = serde_json::from_str(&config).unwrap();
    config_of(&mut config);
    let path = folder.path().join("config.json");
    files::write_atomic(&path, config.to_string().as_bytes()).unwrap();
    folder
}

fn refused(path: &Path) -> String {
    let error = Model::load(&ModelSource::at(path), &LoadOptions::default(), &Quiet).err();
    error.expect("this model must be refused").to_string()
}

fn unchanged<T>(_: &mut T) {}

#[test]
fn every_missing_tensor_is_named_before_anything_is_read() {
    let folder = changed(
        "tiny_olmo2",
        |weights| {
            for name in ["model.norm.weight", "model.layers.1.mlp.up_proj.weight"] {
                weights.remove(name).unwrap();
            }
        },
        unchanged,
    );
    let message = refused(folder.path());
    assert!(message.contains("model.norm.weight"), "{message}");
    assert!(message.contains("model.layers.1.mlp.up_proj.weight"), "{message}");
    let facts = inspect(&ModelSource::at(folder.path())).unwrap();
    assert_eq!(facts.unsupported.map(|why| why.sentence), Some(message));
}

#[test]
fn a_tensor_without_a_place_is_named_and_left_out() {
    let folder = changed(
        "tiny_olmo2",
        |weights| {
            let extra = weights["model.norm.weight"].clone();
            weights.insert("model.layers.0.self_attn.q_proj.bias".to_owned(), extra.clone());
            weights.insert("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), extra);
        },
        unchanged,
    );
    let model = load(folder.path(), Weights::AsStored);
    assert_eq!(model.unused_tensors(), ["model.layers.0.self_attn.q_proj.bias"]);
    assert!(load(&reference("models/tiny_olmo2"), Weights::F32).unused_tensors().is_empty());
}

#[test]
fn a_head_is_tied_by_what_the_file_holds() {
    let plain = logits(&load(&reference("models/tiny_olmo2"), Weights::AsStored));
    let embedding = "model.embed_tokens.weight";
    // The same twice is tied; the head alone is the embedding too.
    for keep_embedding in [true, false] {
        let folder = changed(
            "tiny_olmo2",
            |weights| {
                let table = weights[embedding].clone();
                weights.insert("lm_head.weight".to_owned(), table);
                if !keep_embedding {
                    weights.remove(embedding).unwrap();
                }
            },
            unchanged,
        );
        assert_close(&logits(&load(folder.path(), Weights::AsStored)), &plain, 0.0, "tied");
    }
    // Another head is another head, whatever the configuration says.
    let double = |weights: &mut HashMap<String, Tensor>| {
        let table = (&weights[embedding] * 2.0).unwrap();
        weights.insert("lm_head.weight".to_owned(), table);
    };
    for tied in [true, false] {
        let folder =
            changed("tiny_olmo2", double, |config| config["tie_word_embeddings"] = tied.into());
        let doubled = logits(&load(folder.path(), Weights::AsStored));
        assert_close(&doubled, &(&plain * 2.0).unwrap(), 1e-6, "untied");
    }
    let folder = changed("tiny_olmo2", unchanged, |config| {
        config["tie_word_embeddings"] = false.into();
    });
    // Without one there are hidden states, and no scores of random numbers.
    let model = load(folder.path(), Weights::AsStored);
    let which = Positions::All;
    let said = model.logits(&[1, 2], &mut model.new_cache(), None, which).unwrap_err().to_string();
    assert!(said.contains("no lm_head.weight") && said.contains("tuning-fork embed"), "{said}");
    let facts = &model.card().facts;
    assert!(facts.purpose == Purpose::Encode && facts.makes_vectors, "{facts:?}");
    assert!(facts.warnings.iter().any(|warning| warning.contains("promises a head")), "{facts:?}");
}

#[test]
fn shards_are_one_model() {
    let from = reference("models/tiny_smollm3");
    let folder = changed("tiny_smollm3", unchanged, unchanged);
    let mut weights: Vec<_> = tensors(&from.join("model.safetensors")).into_iter().collect();
    weights.sort_by(|one, other| one.0.cmp(&other.0));
    let second = weights.split_off(weights.len() / 2);
    let mut map = serde_json::Map::new();
    for (file, part) in [("a.safetensors", weights), ("b.safetensors", second)] {
        map.extend(part.iter().map(|(name, _)| (name.clone(), Value::from(file))));
        let part: HashMap<String, Tensor> = part.into_iter().collect();
        candle_core::safetensors::save(&part, folder.path().join(file)).unwrap();
    }
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    files::write_atomic(&index, json!({ "weight_map": map }).to_string().as_bytes()).unwrap();
    let whole = logits(&load(&from, Weights::AsStored));
    assert_close(&logits(&load(folder.path(), Weights::AsStored)), &whole, 0.0, "shards");
    std::fs::remove_file(folder.path().join("b.safetensors")).unwrap();
    assert!(refused(folder.path()).contains("b.safetensors"));
}

#[test]
fn a_weight_that_is_no_number_is_reported_with_its_tensor() {
    let name = "model.layers.1.mlp.down_proj.weight";
    for (dtype, value) in
        [(DType::F32, f32::NAN), (DType::F16, f32::INFINITY), (DType::BF16, f32::NEG_INFINITY)]
    {
        let folder = changed(
            "tiny_olmo2",
            |weights| {
                let shape = weights[name].shape().clone();
                let mut broken = values(&weights[name]);
                broken[7] = value;
                let broken = Tensor::from_vec(broken, shape, &Device::Cpu).unwrap();
                weights.insert(name.to_owned(), broken.to_dtype(dtype).unwrap());
            },
            unchanged,
        );
        let message = refused(folder.path());
        assert!(message.contains(name) && message.contains("model.safetensors"), "{message}");
    }
}

#[test]
fn a_quantised_block_with_a_broken_scale_is_reported_with_its_tensor() {
    let mut bytes = std::fs::read(reference("gguf/tiny_llama_q4_0/model.gguf")).unwrap();
    // The last tensor of the file is quantised; its last block is 18 bytes before the end of it.
    let file = tuning_fork_engine::llm::files::gguf::GgufFile::open(&reference(
        "gguf/tiny_llama_q4_0/model.gguf",
    ))
    .unwrap();
    let tensor = file.tensor("blk.1.ffn_down.weight").unwrap();
    assert_eq!(tensor.kind.name(), "Q4_0");
    let end = tensor.byte_range().unwrap().end;
    bytes[end - 18..end - 16].copy_from_slice(&0x7e00u16.to_le_bytes()); // NaN in f16
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    files::write_atomic(&path, &bytes).unwrap();
    assert!(refused(&path).contains("blk.1.ffn_down.weight"));
}

/// How far rounding moves the logits, of which the standard deviation is 0.45.
#[test]
fn rounding_while_loading_stays_close_and_takes_what_was_announced() {
    let path = reference("models/tiny_llama_even");
    let source = ModelSource::at(&path);
    let exact = logits(&load(&path, Weights::F32));
    let parameters = inspect(&source).unwrap().parameter_count;
    let mut sizes = Vec::new();
    for (weights, most) in [
        (Weights::AsStored, 1e-4),
        (Weights::Bf16, 0.02),
        (Weights::Q8_0, 0.03),
        (Weights::Q4_0, 0.5),
    ] {
        let model = load(&path, weights);
        let off = distance(&logits(&model), &exact);
        assert!(off <= most && (off > 0.0 || weights == Weights::AsStored), "{weights:?}: {off}");
        let announced = memory_needed(&source, weights).unwrap();
        assert_eq!(model.card().facts.memory_bytes, announced, "{weights:?}");
        sizes.push(announced as f64 / parameters as f64);
    }
    // Bytes a weight: 4, 2, 34 / 32, and 18 / 32 but for the embedding; norms stay f32.
    let expected = [4.0, 2.02, 1.09, 0.8];
    for (found, expected) in sizes.iter().zip(expected) {
        assert!((found - expected).abs() < 0.03, "{sizes:?}");
    }
}

#[test]
fn a_quantised_file_can_be_widened_and_rounded_again() {
    let path = reference("gguf/tiny_llama_q4_0/model.gguf");
    let exact = logits(&load(&path, Weights::F32));
    for (weights, most) in [(Weights::AsStored, 1e-2), (Weights::Bf16, 0.02), (Weights::Q8_0, 0.03)]
    {
        let off = distance(&logits(&load(&path, weights)), &exact);
        assert!(off <= most, "{weights:?}: {off}");
    }
}

#[test]
fn settings_of_other_families_are_refused_by_their_names() {
    for (key, value) in [
        ("attn_logit_softcapping", json!(30.0)),
        ("partial_rotary_factor", json!(0.5)),
        ("residual_multiplier", json!(0.22)),
        ("logits_scaling", json!(8.0)),
        ("use_bidirectional_attention", json!(true)),
        ("clip_qkv", json!(6.0)),
        ("num_local_experts", json!(8)),
        ("quantization_config", json!({ "quant_method": "bitsandbytes", "load_in_4bit": true })),
        ("rope_scaling", json!({ "type": "spiral", "factor": 2.0 })),
        ("hidden_act", json!("mish")),
    ] {
        let folder = changed("llama", unchanged, |config| config[key] = value.clone());
        let message = refused(folder.path());
        let named = if key == "rope_scaling" { "spiral" } else { key };
        assert!(message.contains(named) && message.contains("config.json"), "{message}");
    }
    let folder = changed("tiny_olmo2", unchanged, |config| config["is_causal"] = false.into());
    let message = refused(folder.path());
    assert!(message.contains("is_causal = false") && message.contains("qwen3"), "{message}");
    // Switched off, they say nothing.
    let folder = changed("llama", unchanged, |config| {
        config["attn_logit_softcapping"] = Value::Null;
        config["residual_multiplier"] = json!(1.0);
        config["num_local_experts"] = json!(0);
    });
    load(folder.path(), Weights::AsStored);
}

#[test]
fn a_cache_can_be_forked_and_each_branch_goes_on_alone() {
    for name in ["tiny_smollm3", "tiny_phi3_longrope", "tiny_llama_dynamic"] {
        let model = load(&reference("models").join(name), Weights::AsStored);
        let mut trunk = model.new_cache();
        model.logits(&IDS[..4], &mut trunk, None, Positions::Last).unwrap();
        let mut branch = trunk.clone();
        let one = model.logits(&[7, 8], &mut branch, None, Positions::Last).unwrap();
        let other = model.logits(&[90, 91], &mut trunk, None, Positions::Last).unwrap();
        for (found, ends) in [(one, [7, 8]), (other, [90, 91])] {
            let ids = [&IDS[..4], &ends].concat();
            let fresh = model.logits(&ids, &mut model.new_cache(), None, Positions::Last).unwrap();
            assert_close(&found, &fresh, 2e-5, name);
        }
    }
}

#[test]
fn chosen_positions_get_the_logits_that_they_get_among_all() {
    let model = load(&reference("models/tiny_smollm3"), Weights::AsStored);
    let all = logits(&model);
    let mut cache = model.new_cache();
    let chosen = model.logits_at(&IDS, &mut cache, None, &[6, 0, 3]).unwrap();
    for (row, at) in [6, 0, 3].into_iter().enumerate() {
        assert_close(&chosen.get(row).unwrap(), &all.get(at).unwrap(), 1e-6, "chosen");
    }
    assert_eq!(cache.len(), IDS.len());
    let none = model.logits_at(&IDS, &mut model.new_cache(), None, &[]).unwrap();
    assert_eq!(none.dims(), [0, 293]);
    assert!(model.logits_at(&IDS, &mut model.new_cache(), None, &[8]).is_err());
}

/// The map of a file that ends before its weights do would end the whole program.
#[test]
fn a_model_whose_file_was_cut_short_by_another_program_is_not_run() {
    let folder = changed("tiny_olmo2", unchanged, unchanged);
    let model =
        Model::load(&ModelSource::at(folder.path()), &LoadOptions::default(), &Quiet).unwrap();
    let before = logits(&model);
    let path = folder.path().join("model.safetensors");
    // Another one of its name is as good as none: this program still holds the one that it has read.
    std::fs::rename(&path, folder.path().join("old")).unwrap();
    files::write_atomic(&path, b"short").unwrap();
    assert!(distance(&logits(&model), &before) < 1e-9);
    let old = std::fs::File::options().write(true).open(folder.path().join("old")).unwrap();
    old.set_len(100).unwrap();
    let said = model.logits(&IDS, &mut model.new_cache(), None, Positions::All).unwrap_err();
    assert!(
        said.to_string().contains("model.safetensors short since its model was loaded"),
        "{said}"
    );
}
