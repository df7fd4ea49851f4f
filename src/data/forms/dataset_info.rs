//! `dataset_info.json` of LLaMA-Factory: what the columns of the files beside it are called.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::columns::{history, question, said, system};
use super::content::{Content, Fault, Fields, Turned};
use super::labelled;
use super::value::{given, kind_of, needed};
use crate::data::pair::{Message, PreferencePair, Text};

pub const FILE: &str = "dataset_info.json";

/// What is said of one file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Stanza {
    pub file_name: String,

    /// `alpaca`, `sharegpt` or `openai`.
    #[serde(default = "alpaca")]
    formatting: String,
    #[serde(default)]
    ranking: bool,
    #[serde(default)]
    columns: Columns,
    #[serde(default)]
    tags: Tags,
}

fn alpaca() -> String {
    "alpaca".to_owned()
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Columns {
    prompt: Option<String>,
    query: Option<String>,
    response: Option<String>,
    history: Option<String>,
    messages: Option<String>,
    system: Option<String>,
    chosen: Option<String>,
    rejected: Option<String>,
    kto_tag: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Tags {
    role_tag: Option<String>,
    content_tag: Option<String>,
    user_tag: Option<String>,
    assistant_tag: Option<String>,
    observation_tag: Option<String>,
    function_tag: Option<String>,
    system_tag: Option<String>,
}

/// What stands in the way of using a `dataset_info.json`.
#[derive(Debug, thiserror::Error)]
#[error("{} beside the data cannot be used: {problem}", path.display())]
pub struct InfoError {
    pub path: std::path::PathBuf,
    pub problem: String,
}

/// What the file beside `data` says about it. `None`: there is no such file, or nothing about it.
pub fn beside(data: &Path) -> Result<Option<Stanza>, InfoError> {
    let path = data.with_file_name(FILE);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let wrong = |problem: String| InfoError { path: path.clone(), problem };
    // LLaMA-Factory's own list has entries of many kinds: only that of this file has to be right.
    let all: Fields = serde_json::from_str(&text).map_err(|err| wrong(err.to_string()))?;
    let Some((entry, value)) = of_file(all, data) else { return Ok(None) };
    let stanza: Stanza =
        serde_json::from_value(value).map_err(|err| wrong(format!("\"{entry}\": {err}")))?;
    if !["alpaca", "sharegpt", "openai"].contains(&stanza.formatting.as_str()) {
        let problem = format!(
            "\"{entry}\" has formatting \"{}\"; known are alpaca, sharegpt and openai",
            stanza.formatting
        );
        return Err(wrong(problem));
    }
    Ok(Some(stanza))
}

/// A `dataset_info.json` for copies of files, each with its name. `None`: nothing is said of any of them.
pub fn for_copies<'a>(copies: impl Iterator<Item = (&'a Path, &'a str)>) -> Option<String> {
    let mut entries = Fields::new();
    for (data, name) in copies {
        let Some((entry, mut value)) = entry_of(data) else { continue };
        value["file_name"] = Value::from(name);
        // Two files may stand under the same name, each in its own folder.
        let key = if entries.contains_key(&entry) { name.to_owned() } else { entry };
        entries.insert(key, value);
    }
    if entries.is_empty() { None } else { serde_json::to_string_pretty(&entries).ok() }
}

fn entry_of(data: &Path) -> Option<(String, Value)> {
    let text = std::fs::read_to_string(data.with_file_name(FILE)).ok()?;
    let all: Fields = serde_json::from_str(&text).ok()?;
    of_file(all, data)
}

/// The entry of a file.
fn of_file(all: Fields, data: &Path) -> Option<(String, Value)> {
    all.into_iter().find(|(_, entry)| {
        let file = entry.get("file_name").and_then(Value::as_str);
        file.is_some_and(|file| Path::new(file).file_name() == data.file_name())
    })
}

impl Stanza {
    pub(super) fn is_of_columns(&self) -> bool {
        self.formatting == "alpaca"
    }

    /// Whether the answer of a row is a good one.
    pub(super) fn label(&self, row: &Fields) -> Option<bool> {
        labelled::label_in(row, self.columns.kto_tag.as_deref()?)
    }

    pub(crate) fn content(&self, row: &Fields) -> Result<Turned, Fault> {
        if self.is_of_columns() { self.alpaca(row) } else { self.sharegpt(row) }
    }

    fn alpaca(&self, row: &Fields) -> Result<Turned, Fault> {
        let Columns {
            prompt,
            query,
            response,
            history: turns,
            system: first,
            chosen,
            rejected,
            ..
        } = &self.columns;
        let or =
            |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
        let mut messages: Vec<Message> = Vec::new();
        // As LLaMA-Factory, which reads no system prompt that is not named.
        if let Some(key) = first {
            messages.extend(system(row, key)?);
        }
        if let Some(key) = turns {
            messages.extend(history(row, key)?);
        }
        let asked = question(row, &[or(prompt, "instruction"), or(query, "input")])?;
        messages.push(Message::new("user", &asked));
        let prompt = Text::Messages(messages);
        Ok(Turned::Into(if self.ranking {
            let (chosen, rejected) = (or(chosen, "chosen"), or(rejected, "rejected"));
            let (chosen, rejected) = (said(row, &chosen)?, said(row, &rejected)?);
            Content::Preference(PreferencePair { prompt, chosen, rejected })
        } else {
            let completion = said(row, &or(response, "output"))?;
            Content::Completion { prompt, completion }
        }))
    }

    fn sharegpt(&self, row: &Fields) -> Result<Turned, Fault> {
        let key = self.columns.messages.as_deref().unwrap_or("conversations");
        let list = match needed(row, key)? {
            Value::Array(list) => list,
            other => {
                let sentence =
                    format!("\"{key}\" must be a list of messages, and it is {}", kind_of(other));
                return Err(Fault::new(key, sentence));
            }
        };
        let mut messages: Vec<Message> = Vec::new();
        for (index, value) in list.iter().enumerate() {
            messages.push(self.message(key, index, value)?);
        }
        let has_system = messages.first().is_some_and(|message| message.role == "system");
        if let (false, Some(key)) = (has_system, &self.columns.system)
            && let Some(message) = system(row, key)?
        {
            messages.insert(0, message);
        }
        if !self.ranking {
            return Ok(Turned::Into(Content::Whole(Text::Messages(messages))));
        }
        let answer = |key: &str| -> Result<Text, Fault> {
            Ok(Text::Messages(vec![self.message(key, 0, needed(row, key)?)?]))
        };
        let chosen = answer(self.columns.chosen.as_deref().unwrap_or("chosen"))?;
        let rejected = answer(self.columns.rejected.as_deref().unwrap_or("rejected"))?;
        let prompt = Text::Messages(messages);
        Ok(Turned::Into(Content::Preference(PreferencePair { prompt, chosen, rejected })))
    }

    /// A message under the names of this file.
    fn message(&self, key: &str, index: usize, value: &Value) -> Result<Message, Fault> {
        if self.formatting == "openai" && self.tags == Tags::default() {
            return super::value::message(key, index, value);
        }
        let Tags { role_tag, content_tag, .. } = &self.tags;
        let (role_tag, content_tag) =
            (role_tag.as_deref().unwrap_or("from"), content_tag.as_deref().unwrap_or("value"));
        let wrong =
            |what: String| Fault::new(key, format!("message {} of \"{key}\" {what}", index + 1));
        let Value::Object(fields) = value else {
            return Err(wrong(format!("must be an object, and it is {}", kind_of(value))));
        };
        let part = |tag: &str| {
            given(fields, tag)
                .and_then(Value::as_str)
                .ok_or_else(|| wrong(format!("has no text under \"{tag}\", as {FILE} calls it")))
        };
        let (speaker, words) = (part(role_tag)?, part(content_tag)?);
        let known = self.roles();
        let role = known.iter().find(|(name, _)| name == speaker).map(|(_, role)| *role);
        let Some(role) = role else {
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            return Err(wrong(format!(
                "is from \"{speaker}\", and {FILE} has only {}",
                names.join(", ")
            )));
        };
        Ok(Message::new(role, words))
    }

    fn roles(&self) -> Vec<(String, &'static str)> {
        let Tags { user_tag, assistant_tag, observation_tag, function_tag, system_tag, .. } =
            &self.tags;
        [
            (user_tag, "human", "user"),
            (assistant_tag, "gpt", "assistant"),
            (observation_tag, "observation", "tool"),
            (function_tag, "function_call", "assistant"),
            (system_tag, "system", "system"),
        ]
        .map(|(tag, usual, role)| (tag.clone().unwrap_or_else(|| usual.to_owned()), role))
        .to_vec()
    }
}
