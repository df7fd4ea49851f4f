//! `[extract]`: fields are read out of texts.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema::{Field, Schema};

/// Two or three sentences.
const OVERLAP: usize = 64;

/// Fields are read out of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Extract {
    /// The column of the texts.
    pub text: String,

    /// What is asked, said before the fields; without it, a sentence of ours.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instruction: String,

    /// What is read out of a text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,

    /// Instead of fields the file of a JSON schema. Once the task is read, it is in `json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<PathBuf>,

    /// A JSON schema as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,

    /// Properties of the schema whose texts must stand in the text that was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotes: Vec<String>,

    /// By field, the column with what a person read out of the text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub human: BTreeMap<String, String>,

    /// So far may a number be from a person's and count as the same.
    pub tolerance: f64,

    /// An answer that comes to so many tokens is closed in its form.
    pub max_tokens: usize,

    /// A text that does not fit is read in windows whose fields are merged, instead of being cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub windows: bool,

    /// Tokens of the text in a window, at most; 0: as many as fit.
    #[serde(skip_serializing_if = "crate::files::is_zero")]
    pub window_tokens: usize,

    /// A window begins with about so many tokens of the one before, in whole sentences.
    #[serde(skip_serializing_if = "is_usual_overlap")]
    pub overlap: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_usual_overlap(tokens: &usize) -> bool {
    *tokens == OVERLAP
}

impl Default for Extract {
    fn default() -> Self {
        Self {
            text: String::new(),
            instruction: String::new(),
            fields: Vec::new(),
            schema: None,
            json: None,
            quotes: Vec::new(),
            human: BTreeMap::new(),
            tolerance: 0.0,
            max_tokens: 300,
            windows: false,
            window_tokens: 0,
            overlap: OVERLAP,
        }
    }
}

impl Extract {
    /// What keeps its windows from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let Self { windows, window_tokens, overlap, .. } = self;
        (*windows && *window_tokens > 0 && overlap >= window_tokens).then(|| {
            format!(
                "`overlap` of [extract] is {overlap} and `window_tokens` {window_tokens}: with every window \
                 something new has to be read, so that the overlap is to be smaller"
            )
        })
    }

    /// What an answer has to look like, or what is wrong with it.
    pub fn form(&self) -> Result<Schema, String> {
        match &self.json {
            Some(_) if !self.fields.is_empty() => {
                Err("the task has both fields and a schema: leave one of them out".to_owned())
            }
            Some(json) => Schema::of_json(json, &self.quotes),
            None => Schema::of_fields(&self.fields),
        }
    }
}
