//! A model that has learned, as transformers saves it: `model.safetensors`, `config.json` with the
//! labels, the tokenizer's files.

use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::weights::{Id, Weights};
use crate::encoder::labels::Labels;
use crate::files;
use crate::llm::error::Error;

/// Files of a tokenizer, as far as a folder has them.
const TOKENIZER: [&str; 10] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spm.model",
    "spiece.model",
    "sentencepiece.bpe.model",
];

/// The labels of an adapter, whose base knows none of them.
pub(crate) const LABELS: &str = "labels.json";

/// A tensor that is written: its name, its shape, its values.
pub type Named<'a> = (String, Vec<usize>, &'a [f32]);

/// A safetensors file, a tensor at a time: the model need not be in memory twice. `told`: a key with
/// its text, beside the tensors.
pub fn write_safetensors(path: &Path, told: (&str, &str), named: &[Named<'_>]) -> io::Result<()> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!({ told.0: told.1 }));
    let mut offset = 0;
    for (name, shape, values) in named {
        let end = offset + size_of_val(*values);
        let entry = json!({ "dtype": "F32", "shape": shape, "data_offsets": [offset, end] });
        header.insert(name.clone(), entry);
        offset = end;
    }
    let mut header = Value::Object(header).to_string();
    // Tensor data begin at a multiple of 8.
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    files::write_in_pieces(path, |to| {
        to.write_all(&(header.len() as u64).to_le_bytes())?;
        to.write_all(header.as_bytes())?;
        named.iter().try_for_each(|(_, _, values)| {
            values.chunks(1 << 14).try_for_each(|part| {
                let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
                to.write_all(&bytes)
            })
        })
    })
}

pub(crate) fn write_tensors(
    path: &Path,
    weights: &Weights,
    named: &[(String, Id)],
) -> Result<(), Error> {
    let of = |(name, id): &(String, Id)| {
        (name.clone(), weights.get(*id).shape.clone(), weights.values(*id))
    };
    let named: Vec<Named<'_>> = named.iter().map(of).collect();
    write_safetensors(path, ("format", "pt"), &named)
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// What transformers calls a family's classes.
fn class_prefix(model_type: &str) -> Option<&'static str> {
    Some(match model_type {
        "bert" => "Bert",
        "distilbert" => "DistilBert",
        "roberta" => "Roberta",
        "xlm-roberta" => "XLMRoberta",
        "camembert" => "Camembert",
        "mpnet" => "MPNet",
        "albert" => "Albert",
        "electra" => "Electra",
        "modernbert" => "ModernBert",
        "deberta-v2" => "DebertaV2",
        _ => return None,
    })
}

/// `config.json` of a model with these labels; `None`: it guesses words.
pub(crate) fn config(base: &Value, labels: Option<&Labels>) -> Value {
    let mut config = base.clone();
    let class = config["model_type"].as_str().and_then(class_prefix).unwrap_or_default();
    let head = if labels.is_some() { "ForSequenceClassification" } else { "ForMaskedLM" };
    config["architectures"] = json!([format!("{class}{head}")]);
    for key in ["dtype", "torch_dtype"] {
        if config.get(key).is_some() {
            config[key] = json!("float32");
        }
    }
    if let Some(labels) = labels {
        let mut told = labels_json(labels);
        for key in ["id2label", "label2id", "problem_type"] {
            config[key] = told[key].take();
        }
        if let Some(map) = config.as_object_mut() {
            map.remove("num_labels");
        }
    }
    config
}

/// `id2label`, `label2id` and `problem_type` as `config.json` has them.
pub(crate) fn labels_json(labels: &Labels) -> Value {
    let names = || labels.names.iter().enumerate();
    let by_id: Map<String, Value> =
        names().map(|(id, name)| (id.to_string(), json!(name))).collect();
    let by_name: Map<String, Value> = names().map(|(id, name)| (name.clone(), json!(id))).collect();
    json!({ "id2label": by_id, "label2id": by_name, "problem_type": labels.problem.name() })
}

pub(crate) fn write_json(path: &Path, value: &Value) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    text.push('\n');
    files::write_atomic(path, text.as_bytes())
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The tokenizer's files of a folder, copied to another.
pub(crate) fn copy_tokenizer(from: &Path, to: &Path) -> Result<(), Error> {
    TOKENIZER.iter().try_for_each(|name| copy(from, to, name))
}

/// A file of a folder, copied to another where it is there.
pub(crate) fn copy(from: &Path, to: &Path, name: &str) -> Result<(), Error> {
    match std::fs::read(from.join(name)) {
        Ok(bytes) => {
            let path = to.join(name);
            files::write_atomic(&path, &bytes).map_err(|source| Error::Write { path, source })
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::read(&from.join(name), source)),
    }
}
