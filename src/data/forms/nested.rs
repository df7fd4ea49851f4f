//! Columns that hold dialogues, and were written as text: JSON in JSON, or what pandas makes of a column
//! of lists in CSV.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::content::{Fault, Fields, Note, Problem, Weight};
use super::value::given;
use crate::data::literal;

/// Columns that never hold a text.
const NEVER_TEXT: [&str; 16] = [
    "messages",
    "conversations",
    "conversation",
    "dialog",
    "dialogue",
    "items",
    "conversation_a",
    "conversation_b",
    "contents",
    "preferred_output",
    "non_preferred_output",
    "history",
    "annotations",
    "completions",
    "responses",
    "fields",
];

/// Columns that may hold a text: a list of messages is none.
const MAYBE_TEXT: [&str; 5] = ["prompt", "completion", "chosen", "rejected", "input"];

/// Rows whose lists are lists, and what to say of that. `None`: none of them was text.
pub(super) fn unfolded(rows: &[Fields]) -> Result<Option<(Vec<Fields>, Note)>, Problem> {
    let columns: Vec<&str> = NEVER_TEXT
        .into_iter()
        .filter(|key| inside(first(rows, key)).is_some())
        .chain(
            MAYBE_TEXT
                .into_iter()
                .filter(|key| inside(first(rows, key)).is_some_and(|value| is_dialogue(&value))),
        )
        .collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::with_capacity(rows.len());
    let mut unfolded = BTreeSet::new();
    for (index, row) in rows.iter().enumerate() {
        let mut row = row.clone();
        for key in &columns {
            let Some(Value::String(text)) = row.get(*key) else { continue };
            match literal::list_or_object(text) {
                Some(value) => {
                    row.insert((*key).to_owned(), value);
                    unfolded.insert(*key);
                }
                None if text.trim().is_empty() => {
                    row.insert((*key).to_owned(), Value::Null);
                }
                None if MAYBE_TEXT.contains(key) => {}
                None => {
                    let sentence = format!(
                        "\"{key}\" is text, and in the rows before it text that holds a list. This one \
                         cannot be read as one, neither as JSON nor as Python prints it"
                    );
                    return Err(Fault::new(key, sentence).at(index));
                }
            }
        }
        all.push(row);
    }
    let names: Vec<String> = unfolded.iter().map(|key| format!("\"{key}\"")).collect();
    let sentence = format!(
        "{} hold{} lists that were written as text: they were read as lists, which TRL itself does not \
         do",
        names.join(", "),
        if names.len() == 1 { "s" } else { "" }
    );
    Ok(Some((all, Note { weight: Weight::Fact, sentence, rows: Vec::new() })))
}

/// A row whose lists of answers are lists.
pub(super) fn unfolded_row(row: &Fields) -> Cow<'_, Fields> {
    const ANSWERS: [&str; 4] = ["answers", "candidates", "outputs", "generations"];

    let mut row = Cow::Borrowed(row);
    for key in NEVER_TEXT.into_iter().chain(ANSWERS) {
        if let Some(list) = inside(given(&row, key)) {
            row.to_mut().insert(key.to_owned(), list);
        }
    }
    row
}

/// The messages that a text holds, if it holds nothing else.
pub(crate) fn dialogue_in(text: &str) -> Option<Value> {
    literal::list_or_object(text).filter(|value| value.is_array() && is_dialogue(value))
}

/// What the first row says that says anything.
fn first<'a>(rows: &'a [Fields], key: &str) -> Option<&'a Value> {
    rows.iter().find_map(|row| given(row, key))
}

fn inside(value: Option<&Value>) -> Option<Value> {
    literal::list_or_object(value?.as_str()?)
}

/// Messages, or what an object has under that name.
fn is_dialogue(value: &Value) -> bool {
    let is_message = |item: &Value| ["role", "from"].iter().any(|key| item[*key].is_string());
    match value {
        Value::Array(items) => !items.is_empty() && items.iter().all(is_message),
        object => is_message(object) || object.get("messages").is_some_and(is_dialogue),
    }
}
