//! What transformers wants to know about a model that came from a GGUF file: `config.json`, the
//! tokenizer's files, and how its tensors are called.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{hf_families, hf_ropes};
use crate::files;
use crate::llm::card::ModelSource;
use crate::llm::config::families;
use crate::llm::config::{Config, NormKind};
use crate::llm::error::Error;
use crate::llm::files::gguf::GgufFile;
use crate::llm::model::Model;
use crate::llm::net::linear::Norm;
use crate::llm::net::transformer::{Qkv, Transformer};

/// Every norm that has weights under a name of its own.
pub(crate) fn norms(transformer: &Transformer) -> impl Iterator<Item = &Norm> {
    let of_layers = transformer.layers.iter().flat_map(|layer| {
        let layer = &**layer;
        let own = [
            &layer.attention_norm,
            &layer.q_norm,
            &layer.k_norm,
            &layer.post_attention_norm,
            &layer.mlp_norm,
            &layer.post_mlp_norm,
        ];
        let latent = match &layer.qkv {
            Qkv::Latent(latent) => Some(latent.norms()),
            _ => None,
        };
        own.into_iter().flatten().chain(latent.into_iter().flatten())
    });
    let beside = [&transformer.embedding_norm, &transformer.final_norm];
    of_layers.chain(beside.into_iter().flatten()).filter(|norm| !norm.name.is_empty())
}

/// transformers' Gemma adds 1 to a norm's weights; a GGUF file has it added already.
pub(crate) fn norms_are_one_less(config: &Config) -> bool {
    matches!(config.architecture.as_str(), "gemma" | "gemma2" | "gemma3_text")
}

/// `config.json` for a model that came from a GGUF file. What was written is read again: settings
/// that cannot be said in it are an error, not a model that answers otherwise.
pub(crate) fn config_json(model: &Model) -> Result<Value, Error> {
    let ModelSource::Gguf(path) = &model.card().source else {
        unreachable!("a folder has its own config.json")
    };
    let file = GgufFile::open(path)?;
    let config = model.config();
    let Some(class) = hf_families::class(&config.architecture) else {
        return Err(Error::Setting {
            path: path.clone(),
            key: "general.architecture".to_owned(),
            found: Some(file.str("general.architecture").unwrap_or_default().to_owned()),
            expected:
                "a transformers folder cannot be made of a GGUF file of this architecture; merge \
                       with the transformers folder of the model instead"
                    .to_owned(),
        });
    };
    let json = written(class, config, &file, model);
    let mut plain = None;
    for scaling in hf_ropes::scalings(config, &file) {
        let json = with_scaling(json.clone(), config, &file, &scaling);
        // A way to say it that the family does not know is none.
        let read = families::from_json(&json, path);
        if read.as_ref().is_ok_and(|read| says(read, config)) {
            return Ok(json);
        }
        plain = plain.or(Some(read));
    }
    let plain = plain.expect("rope without scaling is always tried")?;
    let (key, found) = unwritable(config, &plain, &file);
    Err(Error::Setting {
        path: path.clone(),
        key,
        found: Some(found),
        expected: "this is not said in what the program writes as config.json of the family; merge with the \
                   transformers folder of the model instead"
            .to_owned(),
    })
}

/// Whether a description that was read again is that of the model.
fn says(read: &Config, config: &Config) -> bool {
    let norm = if norms_are_one_less(config) { NormKind::RmsPlusOne } else { config.norm };
    // Rope was worked out from other numbers, and so were scores that it scales.
    let pairs = || read.ropes.iter().zip(&config.ropes);
    let near = |one: f32, other: f32| (one - other).abs() <= 1e-6 * one.abs();
    let mut layers = config.layers.clone();
    for (layer, read) in layers.iter_mut().zip(&read.layers) {
        if near(layer.scale, read.scale) {
            layer.scale = read.scale;
        }
    }
    read.ropes.len() == config.ropes.len()
        && pairs().all(|(one, other)| one.is_nearly(other))
        && *read == Config { norm, layers, ropes: read.ropes.clone(), ..config.clone() }
}

/// The description with this rope.
fn with_scaling(mut json: Value, config: &Config, file: &GgufFile, scaling: &Value) -> Value {
    let arch = file.str("general.architecture").unwrap_or_default();
    let theta = file.f32(&format!("{arch}.rope.freq_base")).unwrap_or(10_000.0);
    let whole = |scaling: &Value, theta: f32| {
        let mut whole = scaling.as_object().cloned().unwrap_or_default();
        whole.entry("rope_type").or_insert(json!("default"));
        whole.insert("rope_theta".to_owned(), json!(theta));
        Value::Object(whole)
    };
    match config.architecture.as_str() {
        // Layers of two kinds.
        "olmo3" => {
            let local = file.f32(&format!("{arch}.rope.freq_base_swa")).unwrap_or(theta);
            json["rope_parameters"] = json!({
                "full_attention": whole(scaling, theta),
                "sliding_attention": whole(&Value::Null, local),
            });
        }
        // They would have a scaling of their own where none is written.
        "apertus" | "ministral3" => json["rope_parameters"] = whole(scaling, theta),
        "phi3" if !scaling.is_null() => {
            let original = file.u64("phi3.rope.scaling.original_context_length");
            json["original_max_position_embeddings"] = json!(original);
            json["rope_scaling"] = scaling.clone();
        }
        _ if scaling.is_null() => {}
        _ => json["rope_scaling"] = scaling.clone(),
    }
    json
}

/// What of a model's settings did not come back from what was written: a key of its file, and the
/// value there.
fn unwritable(config: &Config, read: &Config, file: &GgufFile) -> (String, String) {
    let arch = file.str("general.architecture").unwrap_or_default();
    let said = |name: &str| {
        let key = format!("{arch}.{name}");
        let value = file.metadata().get(&key)?.to_string();
        Some((key, value))
    };
    let shape = |tensor: &str| {
        let tensor = file.tensor(tensor)?;
        Some((tensor.name.clone(), format!("{} numbers", tensor.element_count)))
    };
    let scales = |config: &Config| config.layers.iter().map(|one| one.scale).collect::<Vec<_>>();
    let windows = |config: &Config| config.layers.iter().map(|one| one.window).collect::<Vec<_>>();
    let known = if config.ropes != read.ropes {
        said("rope.scaling.type")
            .or_else(|| shape("rope_freqs.weight"))
            .or_else(|| shape("rope_factors_long.weight"))
            .or_else(|| said("rope.dimension_count"))
            .or_else(|| said("rope.freq_base"))
    } else if windows(config) != windows(read) {
        said("attention.sliding_window")
    } else if scales(config) != scales(read) {
        said("attention.scale").or_else(|| said("attention.key_length"))
    } else {
        said("attention.key_length")
    };
    known.unwrap_or_else(|| ("general.architecture".to_owned(), arch.to_owned()))
}

fn written(class: &str, config: &Config, file: &GgufFile, model: &Model) -> Value {
    let arch = file.str("general.architecture").unwrap_or_default();
    let theta = file.f32(&format!("{arch}.rope.freq_base"));
    let tokenizer = model.tokenizer();
    let eos = tokenizer.eos().or_else(|| model.stop_ids().first().copied());
    let mut keys: Vec<(&str, Value)> = vec![
        ("architectures", json!([class])),
        ("model_type", json!(config.architecture)),
        ("torch_dtype", json!("float32")),
        ("vocab_size", json!(config.vocab_size)),
        ("tie_word_embeddings", json!(config.tied_head)),
        ("bos_token_id", json!(tokenizer.bos())),
        ("eos_token_id", json!(eos)),
        ("pad_token_id", Value::Null),
    ];
    keys.extend(hf_families::sizes(config));
    if !config.ropes.is_empty() && config.architecture != "olmo3" {
        keys.push(("rope_theta", json!(theta.unwrap_or(10_000.0))));
    }
    keys.extend(hf_families::own(config, file));
    object(keys)
}

fn object(keys: Vec<(&str, Value)>) -> Value {
    let entries = keys.into_iter().map(|(key, value)| (key.to_owned(), value));
    Value::Object(entries.collect::<Map<_, _>>())
}

/// `config.json`, `generation_config.json`, and the tokenizer with its chat template.
pub(crate) fn write_text_files(model: &Model, config: &Value, folder: &Path) -> Result<(), Error> {
    let tokenizer = model.tokenizer();
    let text = |id: Option<u32>| id.and_then(|id| tokenizer.token(id));
    let eos = tokenizer.eos().or_else(|| model.stop_ids().first().copied());
    let mut tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": text(tokenizer.bos()),
        "eos_token": text(eos),
        "model_max_length": model.config().context_length,
        "clean_up_tokenization_spaces": false,
        "chat_template": model.chat().map(|chat| chat.source().to_owned()),
    });
    if let Value::Object(entries) = &mut tokenizer_config {
        // Padding, unknown, and whatever else the tokenizer knows by name.
        for (name, token) in tokenizer.named_tokens() {
            entries.entry(name).or_insert_with(|| json!(token));
        }
    }
    let generation = json!({
        "bos_token_id": tokenizer.bos(),
        "eos_token_id": model.stop_ids(),
    });
    let pretty = |value: &Value| {
        let text = serde_json::to_string_pretty(value);
        let mut text = text.expect("plain values can be written as JSON");
        text.push('\n');
        text
    };
    for (name, text) in [
        ("generation_config.json", pretty(&generation)),
        ("tokenizer_config.json", pretty(&tokenizer_config)),
        ("tokenizer.json", tokenizer.to_json()?),
        ("config.json", pretty(config)), // last: a folder without it is no model
    ] {
        let path = folder.join(name);
        files::write_atomic(&path, text.as_bytes())
            .map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    Ok(())
}
