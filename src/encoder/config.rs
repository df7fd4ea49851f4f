//! What the files of an encoder's folder say: the network's sizes from `config.json`, and from
//! sentence-transformers' files how a text is cut and its tokens become one vector.

use std::path::{Path, PathBuf};

use candle_transformers::models::bert;
use serde_json::{Map, Value, json};

use super::error::Error;
use super::pooling::Pooling;

/// transformers' `model_type`s that are computed here.
pub const FAMILIES: [&str; 1] = ["bert"];

/// Everything but the weights and the tokens.
pub(super) struct EncoderConfig {
    pub bert: bert::Config,
    pub pooling: Pooling,
    pub is_normalized: bool,
    pub most_tokens: usize,

    /// What is put before a text, if a person names nothing else.
    pub default_prompt: Option<String>,

    /// Whether a prompt's tokens take part in the vector.
    pub includes_prompt: bool,
}

/// Whether a `config.json` is that of an encoder that is computed here.
pub fn is_encoder(config: &Value) -> bool {
    let kind = config.get("model_type").and_then(Value::as_str);
    kind.is_some_and(|kind| FAMILIES.contains(&kind))
        && config.get("is_decoder").and_then(Value::as_bool) != Some(true)
}

/// Whether a folder is one, by its `config.json`.
pub fn is_encoder_folder(folder: &Path) -> bool {
    let text = std::fs::read(folder.join("config.json")).unwrap_or_default();
    serde_json::from_slice(&text).is_ok_and(|config| is_encoder(&config))
}

impl EncoderConfig {
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("config.json");
        let config = read_json(&path)?;
        if !is_encoder(&config) {
            let found = config.get("model_type").cloned().unwrap_or_default();
            let expected = format!("computed here are: {}", FAMILIES.join(", "));
            return Err(setting(&path, "model_type", &found, &expected));
        }
        let bert = bert_config(&path, config)?;
        let Modules { pooling, is_normalized, includes_prompt } = modules(folder)?;
        let most_tokens = most_tokens(folder, bert.max_position_embeddings)?;
        let default_prompt = default_prompt(folder)?;
        Ok(Self { bert, pooling, is_normalized, most_tokens, default_prompt, includes_prompt })
    }
}

/// What `config.json` leaves out is as transformers' `BertConfig` has it.
fn bert_config(path: &Path, config: Value) -> Result<bert::Config, Error> {
    let not_one = |problem: String| Error::NotAnEncoder { path: path.to_owned(), problem };
    let Value::Object(given) = config else {
        return Err(not_one("its config.json is not an object".to_owned()));
    };
    let Value::Object(mut all) = json!({
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }) else {
        unreachable!("it is written as an object above")
    };
    all.extend(given.into_iter().filter(|(_, value)| !value.is_null()));
    // As candle spells them.
    let activation = match all["hidden_act"].as_str() {
        Some("gelu_new" | "gelu_pytorch_tanh") => "geluapproximate",
        Some("gelu") => "gelu",
        Some("relu") => "relu",
        _ => {
            let expected = "computed here are gelu, gelu_new and relu";
            return Err(setting(path, "hidden_act", &all["hidden_act"], expected));
        }
    };
    all.insert("hidden_act".to_owned(), activation.into());
    let position = all.get("position_embedding_type").cloned().unwrap_or_default();
    if !position.is_null() && position != "absolute" {
        let expected = "computed here is absolute";
        return Err(setting(path, "position_embedding_type", &position, expected));
    }
    check_sizes(path, &all)?;
    serde_json::from_value(Value::Object(all)).map_err(|error| not_one(error.to_string()))
}

/// Sizes that no encoder has, before memory is asked for them.
fn check_sizes(path: &Path, all: &Map<String, Value>) -> Result<(), Error> {
    for (key, most) in [
        ("vocab_size", 10_000_000),
        ("hidden_size", 65_536),
        ("num_hidden_layers", 1000),
        ("num_attention_heads", 1000),
        ("intermediate_size", 1_000_000),
        ("max_position_embeddings", 1_000_000),
        ("type_vocab_size", 1000),
    ] {
        let size = all[key].as_u64();
        if !size.is_some_and(|size| (1..=most).contains(&size)) {
            let expected = format!("a number from 1 to {most} was expected");
            return Err(setting(path, key, &all[key], &expected));
        }
    }
    let (width, heads) = (all["hidden_size"].as_u64(), all["num_attention_heads"].as_u64());
    if let (Some(width), Some(heads)) = (width, heads)
        && !width.is_multiple_of(heads)
    {
        let expected = format!("hidden_size, {width}, is not a multiple of that");
        return Err(setting(path, "num_attention_heads", &json!(heads), &expected));
    }
    Ok(())
}

/// What follows the network.
struct Modules {
    pooling: Pooling,
    is_normalized: bool,
    includes_prompt: bool,
}

fn modules(folder: &Path) -> Result<Modules, Error> {
    let path = folder.join("modules.json");
    let mut found = Modules { pooling: Pooling::Mean, is_normalized: false, includes_prompt: true };
    if !path.is_file() {
        return Ok(found);
    }
    for module in read_json(&path)?.as_array().map(Vec::as_slice).unwrap_or_default() {
        let kind = module["type"].as_str().unwrap_or_default();
        match kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" => {}
            "Pooling" => {
                let place = module["path"].as_str().unwrap_or("1_Pooling");
                let path = folder.join(place).join("config.json");
                found.pooling = pooling(&path)?;
                let included = read_json(&path)?.get("include_prompt").and_then(Value::as_bool);
                found.includes_prompt = included != Some(false);
            }
            "Normalize" => found.is_normalized = true,
            _ => {
                let expected = "computed here are Transformer, Pooling and Normalize";
                return Err(setting(&path, "type", &module["type"], expected));
            }
        }
    }
    Ok(found)
}

/// Older files have a switch for each mode, newer ones a name.
fn pooling(path: &Path) -> Result<Pooling, Error> {
    let config = read_json(path)?;
    let on: Vec<&str> = match config.get("pooling_mode") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => {
            let switches = config.as_object().into_iter().flatten();
            let on = switches.filter(|(_, value)| value.as_bool() == Some(true));
            on.filter_map(|(key, _)| key.strip_prefix("pooling_mode_")).collect()
        }
    };
    match on.as_slice() {
        ["mean" | "mean_tokens"] | [] => Ok(Pooling::Mean),
        ["cls" | "cls_token"] => Ok(Pooling::Cls),
        other => {
            let expected = "computed here are the mean of the tokens and the first one (cls)";
            Err(setting(path, "pooling_mode", &json!(other), expected))
        }
    }
}

/// sentence-transformers' `default_prompt_name`: which of the named prompts stands before a text.
fn default_prompt(folder: &Path) -> Result<Option<String>, Error> {
    let path = folder.join("config_sentence_transformers.json");
    if !path.is_file() {
        return Ok(None);
    }
    let config = read_json(&path)?;
    let Some(name) = config.get("default_prompt_name").filter(|name| !name.is_null()) else {
        return Ok(None);
    };
    let prompts = config.get("prompts").and_then(Value::as_object);
    let prompt = name.as_str().and_then(|name| prompts?.get(name)?.as_str());
    if let Some(prompt) = prompt {
        Ok((!prompt.is_empty()).then(|| prompt.to_owned()))
    } else {
        let names: Vec<&str> =
            prompts.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let expected = format!("one of its prompts was expected: {}", names.join(", "));
        Err(setting(&path, "default_prompt_name", name, &expected))
    }
}

/// sentence-transformers cuts texts where its own file says, if that is within the network's reach.
fn most_tokens(folder: &Path, positions: usize) -> Result<usize, Error> {
    let path = folder.join("sentence_bert_config.json");
    if !path.is_file() {
        return Ok(positions);
    }
    let config = read_json(&path)?;
    let most = config.get("max_seq_length").and_then(Value::as_u64);
    // Two tokens begin and end a text.
    Ok(most.map_or(positions, |most| positions.min((most as usize).max(2))))
}

fn read_json(path: &Path) -> Result<Value, Error> {
    let text =
        std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|error| Error::NotAnEncoder {
        path: path.to_owned(),
        problem: format!("it is not JSON: {error}"),
    })
}

fn setting(path: &Path, key: &str, found: &Value, expected: &str) -> Error {
    Error::Setting {
        path: PathBuf::from(path),
        key: key.to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    fn folder(files: &[(&str, Value)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in files {
            let text = value.to_string();
            files::write_atomic(&folder.path().join(name), text.as_bytes()).unwrap();
        }
        folder
    }

    fn read(files: &[(&str, Value)]) -> Result<EncoderConfig, Error> {
        EncoderConfig::read(folder(files).path())
    }

    fn refused(files: &[(&str, Value)]) -> String {
        read(files).err().expect("it is refused").to_string()
    }

    #[test]
    fn sentence_transformers_files_are_honoured() {
        let bert = ("config.json", json!({"model_type": "bert", "hidden_size": 24}));
        let plain = read(std::slice::from_ref(&bert)).unwrap();
        assert_eq!((plain.pooling, plain.is_normalized), (Pooling::Mean, false));
        assert_eq!((plain.bert.hidden_size, plain.most_tokens), (24, 512));
        let modules = json!([
            {"type": "sentence_transformers.models.Transformer", "path": ""},
            {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
            {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"},
        ]);
        let switches = json!({"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false});
        for (pooling, expected) in [
            (switches, Pooling::Cls),
            (json!({"pooling_mode": "mean"}), Pooling::Mean),
            (json!({"pooling_mode": "cls"}), Pooling::Cls),
        ] {
            let found = read(&[
                bert.clone(),
                ("modules.json", modules.clone()),
                ("1_Pooling/config.json", pooling),
                ("sentence_bert_config.json", json!({"max_seq_length": 256})),
            ])
            .unwrap();
            assert_eq!((found.pooling, found.is_normalized), (expected, true));
            assert_eq!(found.most_tokens, 256);
        }
    }

    #[test]
    fn what_is_not_computed_is_refused_with_its_place() {
        let bert = |key: &str, value: Value| {
            let mut config = json!({"model_type": "bert", "hidden_size": 24});
            config[key] = value;
            ("config.json", config)
        };
        assert!(refused(&[bert("model_type", json!("llama"))]).contains("\"llama\""));
        assert!(refused(&[bert("hidden_act", json!("silu"))]).contains("hidden_act"));
        assert!(refused(&[bert("hidden_size", json!(25))]).contains("multiple"));
        assert!(refused(&[bert("vocab_size", json!(1_u64 << 60))]).contains("vocab_size"));
        assert!(refused(&[bert("is_decoder", json!(true))]).contains("model_type"));
        let dense = json!([{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]);
        let said = refused(&[bert("x", json!(0)), ("modules.json", dense)]);
        assert!(said.contains("Dense"), "{said}");
        let modules = json!([{"type": "a.Pooling", "path": "1_Pooling"}]);
        let max = json!({"pooling_mode_max_tokens": true});
        let files =
            [bert("x", json!(0)), ("modules.json", modules), ("1_Pooling/config.json", max)];
        assert!(refused(&files).contains("max_tokens"));
    }

    #[test]
    fn the_default_prompt_is_the_one_that_is_named() {
        let prompt = |config: Value| {
            let folder = folder(&[("config_sentence_transformers.json", config)]);
            default_prompt(folder.path())
        };
        let prompts = json!({"query": "query: ", "document": ""});
        let named = |name: Value| json!({"prompts": prompts, "default_prompt_name": name});
        // sentence-transformers' encode(text) puts it before the text
        assert_eq!(prompt(named(json!("query"))).unwrap().as_deref(), Some("query: "));
        assert_eq!(prompt(named(json!("document"))).unwrap(), None);
        assert_eq!(prompt(named(Value::Null)).unwrap(), None);
        assert_eq!(prompt(json!({})).unwrap(), None);
        assert!(prompt(named(json!("passage"))).is_err());
    }
}
