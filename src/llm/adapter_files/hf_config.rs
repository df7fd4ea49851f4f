//! What transformers wants to know about a model that came from a GGUF file: `config.json`, the
//! tokenizer's files, and how its tensors are called.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::files;
use crate::llm::card::ModelSource;
use crate::llm::config::families;
use crate::llm::config::{Activation, Config, Naming, NormKind, names};
use crate::llm::error::Error;
use crate::llm::files::gguf::GgufFile;
use crate::llm::model::Model;
use crate::llm::net::linear::Norm;
use crate::llm::net::transformer::Transformer;

/// transformers' names for what is not a linear layer.
pub(crate) struct Names {
    names: names::Names,
    pub embedding: &'static str,

    /// transformers' Gemma adds 1 to a norm's weights; a GGUF file has it added already.
    pub norms_are_one_less: bool,
}

impl Names {
    pub fn of(config: &Config) -> Self {
        let names = config.naming.names(config.norm_placement);
        Self { names, embedding: names.embedding, norms_are_one_less: is_gemma(config) }
    }

    /// Every norm by its module path.
    pub fn norms<'a>(&self, transformer: &'a Transformer) -> Vec<(String, &'a Norm)> {
        let Self { names, .. } = self;
        let mut norms = Vec::new();
        for (index, layer) in transformer.layers.iter().enumerate() {
            for (name, norm) in [
                (names.attention_norm, &layer.attention_norm),
                (names.post_attention_norm, &layer.post_attention_norm),
                (names.mlp_norm, &layer.mlp_norm),
                (names.post_mlp_norm, &layer.post_mlp_norm),
                (names.q_norm, &layer.q_norm),
                (names.k_norm, &layer.k_norm),
            ] {
                let path = || format!("{}.{index}.{name}", names.layers);
                norms.extend(norm.as_ref().map(|norm| (path(), norm)));
            }
        }
        norms.extend(
            transformer.final_norm.as_ref().map(|norm| (names.final_norm.to_owned(), norm)),
        );
        norms
    }
}

fn is_gemma(config: &Config) -> bool {
    matches!(config.architecture.as_str(), "gemma2" | "gemma3_text")
}

/// transformers' class of a family whose `config.json` is written here. `None`: not all that is known of the
/// family can be said in what is written.
fn class(architecture: &str) -> Option<&'static str> {
    Some(match architecture {
        "gemma2" => "Gemma2ForCausalLM",
        "gemma3_text" => "Gemma3ForCausalLM",
        "gpt2" => "GPT2LMHeadModel",
        "llama" => "LlamaForCausalLM",
        "mistral" => "MistralForCausalLM",
        "olmo2" => "Olmo2ForCausalLM",
        "phi3" => "Phi3ForCausalLM",
        "qwen2" => "Qwen2ForCausalLM",
        "qwen3" => "Qwen3ForCausalLM",
        "smollm3" => "SmolLM3ForCausalLM",
        _ => return None,
    })
}

/// `config.json` for a model that came from a GGUF file. What was written is read again: settings
/// that cannot be said in it are an error, not a model that answers otherwise.
pub(crate) fn config_json(model: &Model) -> Result<Value, Error> {
    let ModelSource::Gguf(path) = &model.card().source else {
        unreachable!("a folder has its own config.json")
    };
    let file = GgufFile::open(path)?;
    let config = model.config();
    let Some(class) = class(&config.architecture) else {
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
    let read = families::from_json(&json, path)?;
    let norm = if is_gemma(config) { NormKind::RmsPlusOne } else { config.norm };
    if read == (Config { norm, ..config.clone() }) {
        return Ok(json);
    }
    let (key, found) = unwritable(config, &read, &file);
    Err(Error::Setting {
        path: path.clone(),
        key,
        found: Some(found),
        expected:
            "in a config.json this program writes rope without scaling, and windows and scales as \
                   the family has them; merge with the transformers folder of the model instead"
                .to_owned(),
    })
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
    if config.naming == Naming::Gpt2 {
        keys.extend([
            ("n_embd", json!(config.width)),
            ("n_inner", json!(config.mlp_width)),
            ("n_layer", json!(config.layer_count())),
            ("n_head", json!(config.heads)),
            ("n_positions", json!(config.context_length)),
            ("layer_norm_epsilon", json!(config.norm_eps)),
            ("activation_function", json!(activation(config.activation))),
        ]);
        return object(keys);
    }
    keys.extend([
        ("hidden_size", json!(config.width)),
        ("intermediate_size", json!(config.mlp_width)),
        ("num_hidden_layers", json!(config.layer_count())),
        ("num_attention_heads", json!(config.heads)),
        ("num_key_value_heads", json!(config.kv_heads)),
        ("max_position_embeddings", json!(config.context_length)),
        ("rms_norm_eps", json!(config.norm_eps)),
        ("rope_theta", json!(theta.unwrap_or(10_000.0))),
    ]);
    if config.architecture != "phi3" {
        keys.push(("head_dim", json!(config.head_dim)));
    }
    let act = if is_gemma(config) { "hidden_activation" } else { "hidden_act" };
    keys.push((act, json!(activation(config.activation))));
    match config.architecture.as_str() {
        "llama" => keys.extend([
            ("attention_bias", json!(config.qkv_bias)),
            ("mlp_bias", json!(config.mlp_bias)),
        ]),
        "qwen3" | "olmo2" => keys.push(("attention_bias", json!(config.qkv_bias))),
        "smollm3" => {
            let rotated = config.layers.iter().map(|layer| u8::from(layer.rope.is_some()));
            keys.push(("no_rope_layers", json!(rotated.collect::<Vec<_>>())));
        }
        "gemma2" | "gemma3_text" => {
            keys.extend([
                ("query_pre_attn_scalar", json!(pre_attention_scalar(config.layers[0].scale))),
                ("sliding_window", json!(config.layers.iter().find_map(|layer| layer.window))),
                ("attn_logit_softcapping", json!(config.attention_softcap)),
                ("final_logit_softcapping", json!(config.final_softcap)),
            ]);
            let types = config.layers.iter().map(|layer| match layer.window {
                Some(_) => "sliding_attention",
                None => "full_attention",
            });
            keys.push(("layer_types", json!(types.collect::<Vec<_>>())));
            if config.architecture == "gemma3_text" {
                let local = file.f32(&format!("{arch}.rope.freq_base_swa"));
                keys.push(("rope_local_base_freq", json!(local.unwrap_or(10_000.0))));
            }
        }
        _ => {}
    }
    object(keys)
}

/// Gemma's scores are multiplied by 1/√this, which transformers wants as a whole number.
fn pre_attention_scalar(scale: f32) -> u64 {
    (1.0 / f64::from(scale).powi(2)).round() as u64
}

fn object(keys: Vec<(&str, Value)>) -> Value {
    let entries = keys.into_iter().map(|(key, value)| (key.to_owned(), value));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
        Activation::QuickGelu => "quick_gelu",
        Activation::Relu => "relu",
        Activation::ReluSquared => "relu2",
        Activation::Tanh => "tanh",
        Activation::Xielu(_) => "xielu",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// transformers 5 checks types: `Field 'query_pre_attn_scalar' expected int, got float`.
    #[test]
    fn a_whole_number_is_written_as_one() {
        for scalar in [8_u64, 12, 144, 168, 224, 256] {
            let scale = (scalar as f32).powf(-0.5);
            assert_eq!(json!(pre_attention_scalar(scale)).to_string(), scalar.to_string());
        }
    }
}
