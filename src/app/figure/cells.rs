//! Cells of a table as CSV.

use std::fmt::Display;

/// A cell: with quotes where it needs them.
pub(super) fn cell(text: &str) -> String {
    // White space at the ends is part of a token, and some programs take it away.
    let is_plain = text == text.trim() && !text.contains([',', '"', '\n', '\r']);
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

pub(super) fn maybe(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

pub(super) fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
