//! Why a table could not be read, at which place of the person's own file.

use std::io;
use std::path::PathBuf;

/// Why nothing was read. There is no reading halfway: all rows are good, or none is taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    /// `column` counts bytes in a line of JSON and fields in a line of CSV, from 1.
    #[error("line {line}, column {column} of {}: {problem}", path.display())]
    Row { path: PathBuf, line: usize, column: usize, problem: String, source: Nearby },

    /// Where there are no lines: `row` counts from 1 (in a sheet, the header is one), and a column
    /// has a name.
    #[error("{}{}: {problem}", place(*row, column.as_deref()), path.display())]
    Table { path: PathBuf, row: Option<u64>, column: Option<String>, problem: String },

    #[error("reading {} was stopped", path.display())]
    Stopped { path: PathBuf },

    /// `columns`: those that its header names.
    #[error("{} has no rows{}", path.display(), under(columns))]
    NoRows { path: PathBuf, columns: Vec<String> },

    /// What the file is instead of a table, and what to do.
    #[error("{}: {problem}", path.display())]
    Unrecognised { path: PathBuf, problem: String },
}

/// ` under its header "text", "label"`
fn under(columns: &[String]) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    format!(" under its header {}", names.join(", "))
}

/// `row 12, column "chosen" of `
fn place(row: Option<u64>, column: Option<&str>) -> String {
    match (row, column) {
        (None, None) => String::new(),
        (Some(row), None) => format!("row {row} of "),
        (None, Some(column)) => format!("column \"{column}\" of "),
        (Some(row), Some(column)) => format!("row {row}, column \"{column}\" of "),
    }
}

/// The lines around a bad row, numbered and shortened. A source of [`ImportError::Row`], so that
/// whoever shows the chain of causes shows them too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearby(pub Vec<String>);

impl std::fmt::Display for Nearby {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the rows around it:\n{}", self.0.join("\n"))
    }
}

impl std::error::Error for Nearby {}
