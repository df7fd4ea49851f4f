//! Rows of JSON Lines, CSV and Parquet files, each with its place, so that an error can name the place.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::table;
use super::table::Watch;
use crate::files;

/// Why nothing was imported. There is no import halfway: all rows are good, or none is taken.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    /// `column` counts bytes in a line of JSON and fields in a line of CSV, from 1.
    #[error("line {line}, column {column} of {}: {problem}", path.display())]
    Row { path: PathBuf, line: usize, column: usize, problem: String, source: Nearby },

    /// A table has no lines: `row` counts from 1, and a column has a name.
    #[error("{}{}: {problem}", place(*row, column.as_deref()), path.display())]
    Table { path: PathBuf, row: Option<u64>, column: Option<String>, problem: String },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("reading {} was stopped", path.display())]
    Stopped { path: PathBuf },

    #[error("{} has no rows", path.display())]
    NoRows { path: PathBuf },

    #[error("{} is neither {expected}", path.display())]
    UnknownKind { path: PathBuf, expected: &'static str },
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

/// The rows around a bad one, numbered and shortened. A source of [`ImportError::Row`], so that
/// whoever shows the chain of causes shows them too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nearby(pub Vec<String>);

impl std::fmt::Display for Nearby {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the rows around it are\n{}", self.0.join("\n"))
    }
}

impl std::error::Error for Nearby {}

/// A file in memory, to take rows from and to quote in errors.
pub(super) struct Source {
    path: PathBuf,
    lines: Vec<String>,
}

/// A row as an object: a line of JSON, or a line of CSV under its header.
pub(super) struct Row {
    /// From 1. Of a CSV row that spans several lines, the first; of a table the row.
    pub line: usize,
    pub fields: Map<String, Value>,
    form: Form,
}

/// What a row was written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
    Table,
}

impl Source {
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let read_error = |source| ImportError::Read { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(read_error)?;
        let text = String::from_utf8(bytes).map_err(|err| {
            let good = err.utf8_error().valid_up_to();
            let line = err.as_bytes()[..good].split(|byte| *byte == b'\n').count();
            let problem = format!("line {line} is not UTF-8; save the file as UTF-8 and try again");
            read_error(io::Error::new(io::ErrorKind::InvalidData, problem))
        })?;
        Ok(Self::from_text(path, &text))
    }

    /// `path` is only for error messages.
    pub fn from_text(path: &Path, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    /// A table and its rows, without lines to quote.
    pub fn of_table(path: &Path, watch: Watch<'_>) -> Result<(Self, Vec<Row>), ImportError> {
        let rows = table::rows(path, watch)?.into_iter();
        let rows = rows.map(|(line, fields)| Row { line, fields, form: Form::Table });
        Ok((Self { path: path.to_owned(), lines: Vec::new() }, rows.collect()))
    }

    pub fn no_rows(&self) -> ImportError {
        ImportError::NoRows { path: self.path.clone() }
    }

    /// What is wrong at a place, with the rows around it.
    pub fn error(&self, line: usize, column: usize, problem: String) -> ImportError {
        // A CSV parser counts one line more than there is when the file ends too early.
        let index = line.clamp(1, self.lines.len().max(1)) - 1;
        let nearby = Nearby(files::nearby_lines(&self.lines, index));
        ImportError::Row { path: self.path.clone(), line, column, problem, source: nearby }
    }

    /// What is wrong with a field of a row, or with its absence.
    pub fn field_error(&self, row: &Row, key: &str, problem: String) -> ImportError {
        let column = match row.form {
            Form::Csv => row.fields.keys().position(|name| name == key).unwrap_or(0) + 1,
            Form::Json => {
                let text = self.lines.get(row.line - 1).map_or("", String::as_str);
                text.find(&format!("\"{key}\"")).unwrap_or(0) + 1
            }
            Form::Table => {
                let (row, column) = (Some(row.line as u64), Some(key.to_owned()));
                return ImportError::Table { path: self.path.clone(), row, column, problem };
            }
        };
        self.error(row.line, column, problem)
    }

    /// The field that a row must have.
    pub fn field<'a>(&self, row: &'a Row, key: &str) -> Result<&'a Value, ImportError> {
        row.fields.get(key).filter(|value| !value.is_null()).ok_or_else(|| {
            let problem = format!("it has no \"{key}\"; it has {}", listed(&row.fields));
            self.field_error(row, key, problem)
        })
    }

    /// Lines with something on them, trimmed.
    pub fn text_lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty())
    }

    /// Every line as a JSON object; blank lines are skipped. A line that is only a string becomes
    /// the object `{"text": …}`.
    pub fn json_rows(&self) -> Result<Vec<Row>, ImportError> {
        let mut rows = Vec::new();
        for (index, text) in self.lines.iter().enumerate() {
            if text.trim().is_empty() {
                continue;
            }
            let line = index + 1;
            let fields = match serde_json::from_str(text) {
                Ok(Value::Object(fields)) => fields,
                Ok(text @ Value::String(_)) => Map::from_iter([("text".to_owned(), text)]),
                Ok(other) => {
                    let problem = format!(
                        "it should be an object such as {{\"prompt\": \"…\"}}, and is {}",
                        kind_of(&other)
                    );
                    return Err(self.error(line, 1, problem));
                }
                Err(err) => {
                    let problem = format!("it is not JSON: {}", files::without_position(&err));
                    return Err(self.error(line, err.column().max(1), problem));
                }
            };
            rows.push(Row { line, fields, form: Form::Json });
        }
        Ok(rows)
    }

    /// Every record under the header of a file with commas, semicolons or tabs.
    pub fn csv_rows(&self) -> Result<Vec<Row>, ImportError> {
        let header = self.lines.first().map_or("", String::as_str);
        let count = |delimiter: char| header.chars().filter(|c| *c == delimiter).count();
        // The one that the header has most of; a comma if it has none.
        let delimiter = [';', '\t'].into_iter().fold(',', |best, delimiter| {
            if count(delimiter) > count(best) { delimiter } else { best }
        });
        let text = self.lines.join("\n");
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter as u8).from_reader(text.as_bytes());
        let names = reader.headers().map_err(|err| self.csv_error(&err))?.clone();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|err| self.csv_error(&err))?;
            let line = record.position().map_or(1, |position| position.line() as usize);
            let fields = names.iter().zip(&record);
            let fields = fields.map(|(name, text)| (name.trim().to_owned(), text.into())).collect();
            rows.push(Row { line, fields, form: Form::Csv });
        }
        Ok(rows)
    }

    fn csv_error(&self, err: &csv::Error) -> ImportError {
        let line = err.position().map_or(1, |position| position.line() as usize);
        match err.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let column = (*len).min(*expected_len) as usize + 1;
                let problem = format!("it has {len} fields, and the header has {expected_len}");
                self.error(line, column, problem)
            }
            _ => self.error(line, 1, err.to_string()),
        }
    }
}

/// `"a", "b" and "c"`
pub(super) fn listed(fields: &Map<String, Value>) -> String {
    let names: Vec<String> = fields.keys().map(|name| format!("\"{name}\"")).collect();
    match names.split_last() {
        None => "no keys at all".to_owned(),
        Some((only, [])) => format!("only {only}"),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
