//! `adapter_config.json` of PEFT where it is of a soft prompt: what is read of it, and what is refused by
//! its name.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::modules::is_off;
use super::soft::{SoftInit, SoftKind, SoftSpec};
use crate::llm::card::ModelIdentity;
use crate::llm::config::Config;
use crate::llm::error::Error;

/// What we keep of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftConfig {
    pub kind: SoftKind,
    pub num_virtual_tokens: usize,

    /// As it stands in the file.
    keys: Map<String, Value>,
}

/// Every `peft_type` that is read. P-tuning learns vectors by way of a small network, of which PEFT saves
/// what came out.
const TYPES: [(&str, SoftKind); 3] = [
    ("PROMPT_TUNING", SoftKind::Prompt),
    ("P_TUNING", SoftKind::Prompt),
    ("PREFIX_TUNING", SoftKind::Prefix),
];

/// Keys that are read, or say only how the soft prompt came about: PEFT saves what its network gave.
const KNOWN: [&str; 24] = [
    "auto_mapping",
    "base_model_name_or_path",
    "encoder_dropout",
    "encoder_hidden_size",
    "encoder_num_layers",
    "encoder_reparameterization_type",
    "inference_mode",
    "init_weights",
    "modules_to_save",
    "num_attention_heads",
    "num_layers",
    "num_transformer_submodules",
    "num_virtual_tokens",
    "peft_type",
    "peft_version",
    "prefix_projection",
    "prompt_tuning_init",
    "prompt_tuning_init_text",
    "revision",
    "task_type",
    "token_dim",
    "tokenizer_kwargs",
    "tokenizer_name_or_path",
    "transformers_version",
];

/// Of a file's `peft_type`. `None`: it is of no soft prompt.
pub(crate) fn kind_of(peft_type: &str) -> Option<SoftKind> {
    TYPES.iter().find(|(name, _)| *name == peft_type).map(|(_, kind)| *kind)
}

impl SoftConfig {
    /// Of a new one.
    pub(crate) fn from_spec(spec: &SoftSpec, config: &Config) -> Self {
        let SoftSpec { kind, num_virtual_tokens, init } = spec;
        let mut keys = Map::new();
        let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
        for key in ["auto_mapping", "base_model_name_or_path", "modules_to_save", "revision"] {
            put(key, Value::Null);
        }
        put("inference_mode", json!(true));
        put("num_layers", json!(config.layers.len()));
        put("num_transformer_submodules", json!(1));
        put("num_virtual_tokens", json!(num_virtual_tokens));
        put("task_type", json!("CAUSAL_LM"));
        match kind {
            SoftKind::Prompt => {
                let (name, text) = match init {
                    SoftInit::Random => ("RANDOM", None),
                    SoftInit::SampleVocab => ("SAMPLE_VOCAB", None),
                    SoftInit::Text(text) => ("TEXT", Some(text)),
                };
                put("num_attention_heads", json!(config.heads));
                put("peft_type", json!("PROMPT_TUNING"));
                put("prompt_tuning_init", json!(name));
                put("prompt_tuning_init_text", json!(text));
                put("token_dim", json!(config.width));
                put("tokenizer_kwargs", Value::Null);
                put("tokenizer_name_or_path", Value::Null);
            }
            SoftKind::Prefix => {
                put("encoder_hidden_size", json!(config.kv_width()));
                put("num_attention_heads", json!(config.kv_heads));
                put("peft_type", json!("PREFIX_TUNING"));
                put("prefix_projection", json!(false));
                put("token_dim", json!(config.kv_width()));
            }
        }
        Self { kind: *kind, num_virtual_tokens: *num_virtual_tokens, keys }
    }

    /// With what to know of how it was read, a sentence each. `path` is for error messages.
    pub(super) fn from_json(
        kind: SoftKind,
        json: &Value,
        path: &Path,
    ) -> Result<(Self, Vec<String>), Error> {
        let keys = json.as_object().cloned().unwrap_or_default();
        let refuse = |key: &str, why: &str| {
            let found = keys.get(key).cloned().unwrap_or_default();
            Error::adapter(path, format!("{key} = {found}: {why}"))
        };
        let present = |key: &str| keys.get(key).filter(|value| !value.is_null());
        let tokens = present("num_virtual_tokens").and_then(Value::as_u64);
        let Some(tokens) = tokens.filter(|tokens| (1..=1_000_000).contains(tokens)) else {
            return Err(refuse("num_virtual_tokens", "a whole number of at least 1 was expected"));
        };
        if present("num_transformer_submodules").is_some_and(|count| *count != json!(1)) {
            let why = "2 is for models with an encoder and a decoder, and this model is a decoder";
            return Err(refuse("num_transformer_submodules", why));
        }
        let task = present("task_type").and_then(Value::as_str);
        if !matches!(task, None | Some("CAUSAL_LM")) {
            let why = "a soft prompt is computed before texts that a model continues (CAUSAL_LM)";
            return Err(refuse("task_type", why));
        }
        if present("modules_to_save").is_some_and(|saved| *saved != json!([])) {
            let why = "whole layers saved beside a soft prompt are not read";
            return Err(refuse("modules_to_save", why));
        }
        let mut warnings = Vec::new();
        for (key, value) in keys.iter().filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
            if !is_off(value) {
                warnings.push(format!(
                    "adapter_config.json has {key} = {value}, which is not known here: whether the \
                     soft prompt needs it cannot be told"
                ));
            }
        }
        Ok((Self { kind, num_virtual_tokens: tokens as usize, keys }, warnings))
    }

    pub(super) fn to_json(&self, base: &ModelIdentity) -> Value {
        let mut keys = self.keys.clone();
        let name = base.repo.clone().unwrap_or_else(|| base.name.clone());
        // PEFT does not open a prompt that began as a text without it.
        if keys.get("prompt_tuning_init") == Some(&json!("TEXT")) {
            keys.insert("tokenizer_name_or_path".to_owned(), json!(name));
        }
        keys.insert("base_model_name_or_path".to_owned(), json!(name));
        keys.insert("revision".to_owned(), json!(base.commit));
        Value::Object(keys)
    }

    /// What the file says that its tensor was made for.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.keys.get(key).and_then(Value::as_u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &Value) -> Result<(SoftConfig, Vec<String>), String> {
        let mut json = json!({
            "peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4, "task_type": "CAUSAL_LM",
            "prefix_projection": false, "num_transformer_submodules": 1,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        let path = Path::new("adapter_config.json");
        SoftConfig::from_json(SoftKind::Prefix, &json, path).map_err(|err| err.to_string())
    }

    #[test]
    fn what_is_not_computed_before_a_text_is_refused_by_its_key() {
        for (key, value) in [
            ("num_virtual_tokens", json!(0)),
            ("num_virtual_tokens", json!("four")),
            ("num_transformer_submodules", json!(2)),
            ("task_type", json!("SEQ_CLS")),
            ("modules_to_save", json!(["lm_head"])),
        ] {
            let err = read(&json!({ key: value })).unwrap_err();
            assert!(err.contains(key), "{err}");
        }
        let (config, warnings) = read(&json!({ "of_tomorrow": "yes" })).unwrap();
        assert_eq!(config.num_virtual_tokens, 4);
        assert!(warnings[0].contains("of_tomorrow"), "{warnings:?}");
    }
}
