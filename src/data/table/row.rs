//! A row, its place in the person's own file, and how far a reader is.

use serde_json::{Map, Value};

/// A row with its place. Its fields are in the order of the columns; a value that is null and one
/// that is not there mean the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub place: Place,
    pub fields: Map<String, Value>,
}

impl Row {
    /// A value that is there.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }
}

/// Where a row is in the person's own file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1, the header not counted.
    pub row: u64,

    /// The line on which it begins, or its row in the sheet with the header counted; from 1. A
    /// table that is not text has none.
    pub line: Option<u64>,
}

impl Place {
    /// The number that a person finds it by: the line, or the row where there are none.
    pub fn number(self) -> u64 {
        self.line.unwrap_or(self.row)
    }
}

/// How far a reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub rows: u64,

    /// Of `total`: bytes of the file, or rows where their number is known.
    pub done: u64,
    pub total: u64,
}
