//! A decoder that has learned to give labels, as a transformers folder that stands alone:
//! `…ForSequenceClassification`, with its score head in the place of the head that writes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use super::hf_config;
use super::merge::{copy_others, model_parts};
use super::parts::{Part, Values, write_tensors};
use super::whole::values_of;
use crate::files;
use crate::jobs::Quiet;
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::score_head::ScoreHead;
use crate::llm::card::ModelSource;
use crate::llm::error::Error;
use crate::llm::files::mapped::Mapped;
use crate::llm::files::safetensors_files::SafetensorsFiles;
use crate::llm::files::weights::SCORE;
use crate::llm::model::Model;
use crate::llm::net::ops::with_f32;

/// The one file of weights: an index of several would have to name the head.
const WEIGHTS: &str = "model.safetensors";

/// `model_type`s of decoders for which transformers 5.23 has a class with a score head.
const KNOWN: [&str; 40] = [
    "arcee",
    "bloom",
    "deepseek_v2",
    "deepseek_v3",
    "exaone4",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "glm",
    "glm4",
    "gpt2",
    "gpt_bigcode",
    "gpt_neo",
    "gpt_neox",
    "gpt_oss",
    "gptj",
    "helium",
    "llama",
    "minicpm3",
    "ministral",
    "ministral3",
    "mistral",
    "mixtral",
    "mpt",
    "nemotron",
    "olmo",
    "olmo2",
    "olmo3",
    "opt",
    "persimmon",
    "phi",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "smollm3",
    "starcoder2",
];

/// Where the weights beside the head come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// They have learned, and are written in f32.
    Own,

    /// As the files have them.
    Untouched,
}

/// transformers' class for a decoder that gives labels, by its `config.json`. `None`: there is none.
pub fn class_of(config: &Value) -> Option<String> {
    let kind = config["model_type"].as_str().unwrap_or_default();
    if !KNOWN.contains(&kind) {
        return None;
    }
    if kind == "gemma3_text" {
        return Some("Gemma3TextForSequenceClassification".to_owned());
    }
    let told = config["architectures"][0].as_str().unwrap_or_default();
    let ends =
        ["ForSequenceClassification", "ForCausalLM", "LMHeadModel", "ForConditionalGeneration"];
    let name = ends.iter().find_map(|end| told.strip_suffix(end))?;
    Some(format!("{name}ForSequenceClassification"))
}

/// The `config.json` that a model came with, or what stands for it where it came as GGUF.
pub fn config_of(model: &Model) -> Result<Value, Error> {
    let ModelSource::Folder(folder) = &model.card().source else {
        return hf_config::config_json(model);
    };
    let path = folder.join("config.json");
    let text = std::fs::read(&path).map_err(|source| Error::read(&path, source))?;
    serde_json::from_slice(&text)
        .map_err(|err| Error::not_a_model(&path, files::mistake_in_json(&text, &err)))
}

/// Writes `model` with its head into `folder`. `told` has `id2label`, `label2id` and `problem_type`.
pub fn save(
    model: &Model,
    (head, body): (&ScoreHead, Body),
    told: &Value,
    folder: &Path,
) -> Result<(), Error> {
    let write_error = |source| Error::Write { path: folder.to_owned(), source };
    files::folders::make(folder).map_err(write_error)?;
    let config = with_labels(config_of(model)?, head, told);
    let score = with_f32(head.weight.as_tensor(), |values| Ok(values.to_vec()))?;
    let shape = head.weight.dims().to_vec();
    let score = || Part {
        name: SCORE.to_owned(),
        dtype: Dtype::F32,
        shape: shape.clone(),
        values: Values::Vector(Cow::Borrowed(&score)),
    };
    let to = folder.join(WEIGHTS);
    let ModelSource::Folder(from) = &model.card().source else {
        let nothing = Adapter::empty(model);
        let stored = model.stored()?;
        let mut parts = model_parts(model, &nothing, &stored)?;
        parts.retain(|part| !is_writing_head(&part.name));
        parts.push(score());
        write_tensors(&to, &parts, &Quiet)?;
        return hf_config::write_text_files(model, &config, folder);
    };
    let files = SafetensorsFiles::open(from)?;
    let mut own: BTreeMap<String, Values<'_>> = BTreeMap::new();
    let mut called: BTreeMap<String, String> = BTreeMap::new();
    for (name, values) in values_of(model)? {
        let Some(stored) = files.stored_name(&name) else { continue };
        // A file that was saved without its head lacks the first word, which goes with one.
        if name.ends_with(&format!(".{stored}")) {
            called.insert(stored.to_owned(), name);
        }
        if body == Body::Own {
            own.insert(stored.to_owned(), values);
        }
    }
    let paths = SafetensorsFiles::paths(from)?;
    let open = |path: &Path| Mapped::open(path).map_err(|source| Error::read(path, source));
    let maps = paths.iter().map(|path| open(path)).collect::<Result<Vec<_>, Error>>()?;
    let damaged = |err: safetensors::SafeTensorError| {
        Error::not_a_model(from, format!("it is cut short or damaged: {err}"))
    };
    let mut parts = Vec::new();
    for map in &maps {
        let tensors = SafeTensors::deserialize(map).map_err(damaged)?;
        // Sorted: the same model gives the same bytes.
        let names: BTreeSet<&str> = tensors.names().into_iter().collect();
        for name in names.into_iter().filter(|name| *name != SCORE && !is_writing_head(name)) {
            let view = tensors.tensor(name).map_err(damaged)?;
            let shape = view.shape().to_vec();
            let (dtype, values) = match own.remove(name) {
                Some(values) => (Dtype::F32, values),
                None => (view.dtype(), Values::Bytes(view.data())),
            };
            let name = called.get(name).cloned().unwrap_or_else(|| name.to_owned());
            parts.push(Part { name, dtype, shape, values });
        }
    }
    parts.push(score());
    write_tensors(&to, &parts, &Quiet)?;
    copy_others(from, folder)?;
    let index = folder.join("model.safetensors.index.json");
    if index.is_file() {
        // It is of the files that the model came in.
        std::fs::remove_file(&index).map_err(|source| Error::Write { path: index, source })?;
    }
    let path = folder.join("config.json");
    let mut text = serde_json::to_string_pretty(&config)
        .map_err(|err| Error::not_a_model(&path, err.to_string()))?;
    text.push('\n');
    files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
}

/// The head that writes, which a model that gives labels does not have.
fn is_writing_head(name: &str) -> bool {
    ["lm_head.weight", "lm_head.bias", "embed_out.weight"].iter().any(|head| name.ends_with(head))
}

fn with_labels(mut config: Value, head: &ScoreHead, told: &Value) -> Value {
    if let Some(class) = class_of(&config) {
        config["architectures"] = json!([class]);
    }
    for key in ["id2label", "label2id", "problem_type"] {
        config[key] = told[key].clone();
    }
    // Its weights are written in f32: in half precision it would give other answers.
    for key in ["dtype", "torch_dtype"] {
        if config.get(key).is_some() {
            config[key] = json!("float32");
        }
        if config["text_config"].get(key).is_some() {
            config["text_config"][key] = json!("float32");
        }
    }
    if let Some(id) = head.facts.pad_token_id {
        config["pad_token_id"] = json!(id);
        if config["text_config"].is_object() {
            config["text_config"]["pad_token_id"] = json!(id);
        }
    }
    if let Some(map) = config.as_object_mut() {
        map.remove("num_labels");
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_that_of_transformers() {
        // transformers 5.23: MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
        for (kind, told, class) in [
            ("llama", "LlamaForCausalLM", Some("LlamaForSequenceClassification")),
            ("gpt2", "GPT2LMHeadModel", Some("GPT2ForSequenceClassification")),
            ("gemma3_text", "Gemma3ForCausalLM", Some("Gemma3TextForSequenceClassification")),
            ("gemma3", "Gemma3ForConditionalGeneration", Some("Gemma3ForSequenceClassification")),
            ("qwen3", "Qwen3ForSequenceClassification", Some("Qwen3ForSequenceClassification")),
            ("cohere", "CohereForCausalLM", None),
        ] {
            let config = json!({ "model_type": kind, "architectures": [told] });
            assert_eq!(class_of(&config).as_deref(), class, "{kind}");
        }
    }
}
