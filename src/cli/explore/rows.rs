//! The texts that are looked at: from `--text`, or rows of a file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::out;
use crate::cli::progress::Bar;
use crate::data::forms::value::kind_of;
use crate::explore::subject::Subject;
use crate::files;

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct InputArgs {
    /// A text; may be given several times
    #[arg(long = "text", value_name = "TEXT", conflicts_with = "input")]
    texts: Vec<String>,

    /// JSON Lines: rows of {"text"} or {"ids"}
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

/// A text, or ids that are taken as they are.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Text(String),
    Ids(Vec<u32>),
}

/// A row, with what to call it in an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub content: Content,

    /// `line 3 of rows.jsonl`, `the text "Once upon…"`
    pub place: String,
}

impl InputArgs {
    /// At least one row.
    pub fn read(&self) -> anyhow::Result<Vec<Row>> {
        let Some(path) = &self.input else {
            return Ok(self.texts.iter().map(|text| Row::of_text(text)).collect());
        };
        let rows = read_rows(path, &["text", "ids"])?;
        let rows = rows.into_iter().map(|(place, mut row)| {
            let content = take(&mut row, "text", "ids").with_context(|| place.clone())?;
            Ok(Row { content, place })
        });
        rows.collect()
    }
}

impl Row {
    pub fn of_text(text: &str) -> Self {
        const SHOWN: usize = 40;
        let start: String = text.chars().take(SHOWN).collect();
        let cut = if text.chars().count() > SHOWN { "…" } else { "" };
        let content = Content::Text(text.to_owned());
        Self { content, place: format!("the text {start:?}{cut}") }
    }

    /// The row's ids, checked.
    pub fn ids(&self, subject: Subject<'_>) -> anyhow::Result<Vec<u32>> {
        let ids = match &self.content {
            Content::Text(text) => subject.encode(text),
            Content::Ids(ids) => subject.check(ids).map(|()| ids.clone()),
        };
        ids.with_context(|| self.place.clone())
    }
}

/// The ids of all rows: a mistake in the last should not cost the time that the others take.
pub fn ids_of(rows: &[Row], subject: Subject<'_>) -> anyhow::Result<Vec<Vec<u32>>> {
    rows.iter().map(|row| row.ids(subject)).collect()
}

/// A view of each row, one after the other, as JSON or for a person.
pub fn show_each<V: Serialize>(
    ids: &[Vec<u32>],
    json: bool,
    view: impl Fn(&[u32], &Bar) -> anyhow::Result<V>,
    show: impl Fn(&V) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let bar = Bar::new();
    for ids in ids {
        let view = view(ids, &bar)?;
        bar.clear();
        if json { out::json(&view)? } else { show(&view)? }
    }
    Ok(())
}

/// Rows of a file with their places, which have none but these keys.
pub fn read_rows(path: &Path, keys: &[&str]) -> anyhow::Result<Vec<(String, Map<String, Value>)>> {
    let rows = files::read_jsonl::<Value>(path)?;
    if rows.is_empty() {
        bail!("{} has no rows", path.display());
    }
    let rows = rows.into_iter().map(|files::Row { line, value }| {
        let place = format!("line {line} of {}", path.display());
        let Value::Object(row) = value else {
            bail!("{place}: a row must be an object, and this is {}", kind_of(&value));
        };
        let known = |key: &String| keys.contains(&key.as_str());
        if let Some(stray) = row.keys().find(|key| !known(key)) {
            let keys: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
            bail!(
                "{place}: it has the key \"{stray}\", which is not known here; a row has {}",
                keys.join(" or ")
            );
        }
        Ok((place, row))
    });
    rows.collect()
}

/// What a row has under one of two keys, a text or ids.
pub fn take(row: &mut Map<String, Value>, text: &str, ids: &str) -> anyhow::Result<Content> {
    match (row.remove(text), row.remove(ids)) {
        (Some(_), Some(_)) => bail!("it has both \"{text}\" and \"{ids}\": give one of them"),
        (Some(Value::String(text)), None) => Ok(Content::Text(text)),
        (Some(other), None) => bail!("\"{text}\" must be text, and it is {}", kind_of(&other)),
        (None, Some(Value::Array(list))) => {
            let id = |id: &Value| {
                let number = id.as_u64().and_then(|id| u32::try_from(id).ok());
                number.with_context(|| {
                    format!("\"{ids}\" must be whole numbers from 0, and one of them is {id}")
                })
            };
            Ok(Content::Ids(list.iter().map(id).collect::<anyhow::Result<_>>()?))
        }
        (None, Some(other)) => {
            bail!("\"{ids}\" must be a list of token ids, and it is {}", kind_of(&other))
        }
        (None, None) => bail!("it has no \"{text}\" and no \"{ids}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Result<Vec<Row>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.jsonl");
        files::write_atomic(&path, lines.as_bytes()).unwrap();
        let args = InputArgs { texts: Vec::new(), input: Some(path) };
        args.read().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn rows_are_texts_or_ids() {
        let rows = read("{\"text\":\"Once\"}\n\n{\"ids\":[3,4]}\n").unwrap();
        assert_eq!(rows[0].content, Content::Text("Once".to_owned()));
        assert_eq!(rows[1].content, Content::Ids(vec![3, 4]));
        assert!(rows[1].place.starts_with("line 3 of "));
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said_with_line_and_file() {
        for (lines, words) in [
            ("{\"text\":\"a\"}\n{\"txt\":\"b\"}\n", "line 2 of"),
            (
                "{\"txt\":\"b\"}\n",
                "the key \"txt\", which is not known here; a row has \"text\" or",
            ),
            ("{\"text\":5}\n", "\"text\" must be text, and it is a number"),
            ("{\"text\":\"a\",\"ids\":[1]}\n", "give one of them"),
            ("{\"ids\":[-1]}\n", "one of them is -1"),
            ("{\"ids\":\"1\"}\n", "must be a list of token ids"),
            ("{}\n", "it has no \"text\" and no \"ids\""),
            ("[1]\n", "this is a list"),
            ("\n", "has no rows"),
        ] {
            let said = read(lines).unwrap_err();
            assert!(said.contains(words), "{lines}: {said}");
            assert!(said.contains("rows.jsonl"), "{lines}: {said}");
        }
    }
}
