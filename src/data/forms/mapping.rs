//! Columns under names of the person's own: which of them is the prompt, which the better answer.
//!
//! A mapping renames columns and nothing else, as `rename_column` of `datasets` does before a
//! trainer of TRL sees them. So `prompt` and `chosen` are what they are in TRL, and `question` or
//! `instruction` are turns of a dialogue, as in every file that has columns of that name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::content::Fields;
use super::value::given;

/// The names that a column can be given, with what each stands for.
pub const NAMES: [(&str, &str); 20] = [
    ("prompt", "what is asked, as text that the answer goes on from"),
    ("completion", "the answer to it"),
    ("chosen", "the better answer"),
    ("rejected", "the worse answer"),
    ("margin", "by how much the better answer is to be better, for reward models"),
    ("question", "what is asked, as a user's turn of a dialogue"),
    ("answer", "the assistant's answer to it"),
    ("system", "the system prompt"),
    ("history", "earlier turns, as a list of [question, answer]"),
    ("messages", "a dialogue as a list of messages"),
    ("conversations", "a dialogue as ShareGPT has it"),
    ("text", "a text to learn as a whole"),
    ("label", "whether an answer is good: true or false, 1 or 0; or the label of a text"),
    ("instruction", "Alpaca's instruction"),
    ("input", "what Alpaca adds to it"),
    ("output", "Alpaca's answer"),
    ("text_pair", "the second text of a pair"),
    ("split", "which part a text belongs to: train, validation or test"),
    ("group", "what must not be in two parts, such as an author"),
    ("tools", "the functions that a dialogue may call"),
];

/// Columns that a chat template is told of, which need no mapping.
const BESIDE: [&str; 2] = ["tools", "chat_template_kwargs"];

/// Names, and the columns that have them in the person's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mapping(BTreeMap<String, String>);

impl Mapping {
    /// `prompt=question,chosen=better`. A column's own name may have commas in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut mapping = Self::default();
        mapping.add(text)?;
        Ok(mapping)
    }

    /// Several of them, one after the other.
    pub fn parse_all(texts: &[String]) -> Result<Self, String> {
        let mut mapping = Self::default();
        texts.iter().try_for_each(|text| mapping.add(text))?;
        Ok(mapping)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let mut last: Option<String> = None;
        for part in text.split(',') {
            match part.split_once('=') {
                Some((name, column)) if is_name(name.trim()) => {
                    let name = name.trim().to_owned();
                    if self.get(&name).is_some() {
                        return Err(format!("\"{name}\" is given two columns"));
                    }
                    self.set(&name, column);
                    last = Some(name);
                }
                _ => {
                    let Some(column) = last.as_ref().and_then(|name| self.0.get_mut(name)) else {
                        return Err(format!(
                            "\"{part}\" is not NAME=COLUMN with one of the names {}",
                            names()
                        ));
                    };
                    column.push(',');
                    column.push_str(part);
                }
            }
        }
        self.problem().map_or(Ok(()), Err)
    }

    /// What is wrong with it whatever the file.
    pub fn problem(&self) -> Option<String> {
        if let Some(name) = self.0.keys().find(|name| !is_name(name)) {
            return Some(format!("\"{name}\" is none of the names {}", names()));
        }
        let empty = self.0.iter().find(|(_, column)| column.is_empty());
        empty.map(|(name, _)| format!("\"{name}\" is given no column"))
    }

    pub fn set(&mut self, name: &str, column: &str) {
        self.0.insert(name.to_owned(), column.to_owned());
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The column that has this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names with their columns.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, column)| (name.as_str(), column.as_str()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As the command line takes it.
    pub fn words(&self) -> String {
        let pairs: Vec<String> =
            self.iter().map(|(name, column)| format!("{name}={column}")).collect();
        pairs.join(",")
    }

    /// The first of its columns that a file does not have, in a sentence.
    pub fn missing(&self, columns: &[String]) -> Option<String> {
        let (name, column) =
            self.iter().find(|(_, column)| !columns.iter().any(|known| known == column))?;
        let all: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        Some(format!(
            "\"{name}\" should be the column \"{column}\", and there is none of that name; there \
             are {}",
            all.join(", ")
        ))
    }

    /// A row under the new names. Columns that are not mapped are left out, so that nothing else
    /// decides what the row means.
    pub fn apply(&self, row: Fields) -> Fields {
        if self.is_empty() {
            return row;
        }
        let mapped = self
            .iter()
            .map(|(name, column)| (name.to_owned(), row.get(column).cloned().unwrap_or_default()));
        let beside = BESIDE.into_iter().filter(|name| self.get(name).is_none());
        let beside = beside.filter_map(|name| Some((name.to_owned(), given(&row, name)?.clone())));
        mapped.chain(beside).collect::<BTreeMap<String, Value>>().into_iter().collect()
    }

    /// What is wrong with what has `key`, with the column that it is in the person's file.
    pub fn explain(&self, key: Option<&str>, sentence: String) -> (Option<String>, String) {
        let key = key.map(|key| (key, self.get(key)));
        match key {
            Some((key, Some(column))) if key != column => {
                let sentence = format!("{sentence} (\"{key}\" is the column \"{column}\")");
                (Some(column.to_owned()), sentence)
            }
            Some((key, _)) => (Some(key.to_owned()), sentence),
            None => (None, sentence),
        }
    }
}

fn is_name(name: &str) -> bool {
    NAMES.iter().any(|(known, _)| *known == name)
}

fn names() -> String {
    NAMES.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::forms::{self, Content, Want};
    use crate::data::pair::{Message, PreferencePair, Text};

    fn row(value: Value) -> Fields {
        match value {
            Value::Object(row) => row,
            other => panic!("{other}"),
        }
    }

    fn content(mapping: &str, value: Value, want: Want) -> Content {
        let mapped = Mapping::parse(mapping).unwrap().apply(row(value));
        forms::understand(&[mapped], want, None).unwrap().rows.remove(0).content
    }

    #[test]
    fn a_mapping_is_read_as_it_is_written() {
        let mapping = Mapping::parse("prompt=question, please,chosen=a=b,rejected=worse").unwrap();
        let pairs: Vec<_> = mapping.iter().collect();
        assert_eq!(
            pairs,
            [("chosen", "a=b"), ("prompt", "question, please"), ("rejected", "worse")]
        );
        assert_eq!(Mapping::parse(&mapping.words()).unwrap(), mapping);
        for (wrong, words) in [
            ("question", "is not NAME=COLUMN"),
            ("ask=question", "is not NAME=COLUMN"),
            ("prompt=", "\"prompt\" is given no column"),
            ("prompt=a,prompt=b", "is given two columns"),
        ] {
            let problem = Mapping::parse(wrong).unwrap_err();
            assert!(problem.contains(words), "{wrong}: {problem}");
        }
    }

    #[test]
    fn mapped_columns_mean_what_columns_of_that_name_mean() {
        let value = json!({"frage": "Why?", "gut": " Because.", "schlecht": " No.", "text": "x"});
        let plain = |words: &str| Text::Plain(words.to_owned());
        let turn = |role: &str, words: &str| Text::Messages(vec![Message::new(role, words)]);
        let trls = "prompt=frage,chosen=gut,rejected=schlecht";
        let pair = content(trls, value.clone(), Want::Pairs);
        assert_eq!(
            pair,
            Content::Preference(PreferencePair {
                prompt: plain("Why?"),
                chosen: plain(" Because."),
                rejected: plain(" No."),
            })
        );
        let turns = "question=frage,chosen=gut,rejected=schlecht";
        let pair = content(turns, value.clone(), Want::Pairs);
        assert_eq!(
            pair,
            Content::Preference(PreferencePair {
                prompt: turn("user", "Why?"),
                chosen: turn("assistant", " Because."),
                rejected: turn("assistant", " No."),
            })
        );
        let answer = content("question=frage,answer=gut", value.clone(), Want::Answers);
        assert_eq!(
            answer,
            Content::Completion {
                prompt: turn("user", "Why?"),
                completion: turn("assistant", " Because.")
            }
        );
        // What is not mapped decides nothing: this row has a "text" of its own.
        assert_eq!(content("text=gut", value, Want::Answers), Content::Whole(plain(" Because.")));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_persons_own_columns() {
        let mapping = Mapping::parse("prompt=frage,completion=antwort").unwrap();
        let columns = ["frage".to_owned(), "Antwort".to_owned()];
        assert_eq!(
            mapping.missing(&columns).unwrap(),
            "\"completion\" should be the column \"antwort\", and there is none of that name; \
             there are \"frage\", \"Antwort\""
        );
        let (key, sentence) = mapping.explain(Some("prompt"), "its \"prompt\" is null".to_owned());
        assert_eq!(key.as_deref(), Some("frage"));
        assert_eq!(sentence, "its \"prompt\" is null (\"prompt\" is the column \"frage\")");
    }
}
