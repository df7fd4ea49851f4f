//! An answer that is a text: what was read out of it, and what people wrote.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::evaluate::rows::passages::Excerpt;

/// What belongs to an answer that was written token after token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Written {
    pub tokens: usize,

    /// It came to the end of its room: a text was cut there, fields were brought to an end in their
    /// form.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ended_early: bool,

    /// Of an answer in fields, each of them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,

    /// Of each quote, whether the text has these words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quotes: BTreeMap<String, bool>,

    /// Of an answer about a document, what of that the model read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,

    /// Of a long text, what was read out of each of its windows, and the fields that windows have different
    /// values of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disagree: Vec<String>,

    /// What people wrote, by field or by column of references.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<String, String>,
}

/// What was read out of a window of a long text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// Its place in the text, in characters.
    pub from: usize,
    pub to: usize,

    #[serde(skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,

    /// Of each quote, whether the window has these words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quotes: BTreeMap<String, bool>,

    /// Why nothing was read out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A value as a cell of a table has it.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if !items.iter().any(|item| item.is_array() || item.is_object()) => {
            items.iter().map(cell).collect::<Vec<String>>().join("; ")
        }
        other => other.to_string(),
    }
}
