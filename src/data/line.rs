//! A line of `pairs.jsonl`: a verdict, or what takes one back or puts it back.

use serde::{Deserialize, Serialize};

use crate::data::record::VerdictRecord;

/// A line that takes a verdict back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The id of the verdict that no longer counts.
    pub undo: String,
    pub created_at: String,
}

/// A line that puts back what was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Return {
    /// The id of the verdict that counts again.
    pub redo: String,
    pub created_at: String,
}

/// A tombstone has the key `undo`, a return `redo`, and a verdict neither.
pub enum Line {
    Undo(Tombstone),
    Redo(Return),
    Verdict(Box<VerdictRecord>),
}

/// A line as text, without what may stand around it. Empty: a blank one.
pub fn text_of(line: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(line)
        .map_err(|err| format!("it is not text (byte {} is not UTF-8)", err.valid_up_to() + 1))?;
    Ok(text.trim_start_matches('\u{feff}').trim())
}

/// A line of the file; `None` for a blank one. The error says what is wrong with it.
pub fn parse(line: &[u8]) -> Result<Option<Line>, String> {
    let text = text_of(line)?;
    if text.is_empty() {
        return Ok(None);
    }
    // In two steps, since "no variant matched" would not say what is missing.
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|err| format!("it is not JSON ({err})"))?;
    let line = if value.get("undo").is_some() {
        serde_json::from_value(value).map(Line::Undo)
    } else if value.get("redo").is_some() {
        serde_json::from_value(value).map(Line::Redo)
    } else {
        serde_json::from_value(value).map(Line::Verdict)
    };
    line.map(Some).map_err(|err| format!("it is not a verdict ({err})"))
}

/// Whether a line is a whole row with nothing of a verdict in it.
pub fn is_other_row(line: &[u8]) -> bool {
    let row = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
    row.is_ok_and(|row| {
        !row.is_empty()
            && !["version", "id", "verdict", "undo"].iter().any(|key| row.contains_key(*key))
    })
}
