//! The JSON files of sentence-transformers' modules, and what is wrong with a setting in them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::Error;
use crate::files;

pub(super) fn read_json(path: &Path) -> Result<Value, Error> {
    let text =
        std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    files::json_of_python(&text).map_err(|error| Error::NotAnEncoder {
        path: path.to_owned(),
        problem: files::mistake_in_json(&text, &error),
    })
}

pub(super) fn setting(path: &Path, key: &str, found: &Value, expected: &str) -> Error {
    Error::Setting {
        path: PathBuf::from(path),
        key: key.to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}

/// Under which names sentence-transformers has kept the settings of its Transformer: the first that is
/// there counts.
const CUTS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];

/// The settings of a network, where it has any.
pub(super) fn settings_path(network: &Path) -> Option<PathBuf> {
    CUTS.iter().map(|name| network.join(name)).find(|path| path.is_file())
}
