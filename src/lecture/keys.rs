//! The keys of one table of a lecture's file: taken one by one, and what is left is unknown.

use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::error::FileError;
use super::scene::FORMAT;
use crate::files;
use crate::files::meant::meant;

/// A table that is read.
pub struct Keys<'a> {
    table: Table,

    /// The file, to name lines.
    text: &'a str,

    /// The line at which the table begins, counted from 1.
    line: usize,

    /// `scene 3`; nothing at the top of the file.
    name: String,
    known: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    pub fn new(table: Table, text: &'a str, line: usize, name: String) -> Self {
        Self { table, text, line, name, known: Vec::new() }
    }

    /// Those at the top of a file, whose form has to be known here.
    pub fn of_file(text: &'a str) -> Result<Self, FileError> {
        let table: Table = toml::from_str(text).map_err(|err| {
            let (line, what) = files::mistake_in_toml(text, &err);
            FileError::Toml { line, what }
        })?;
        let found = table.get("format").and_then(Value::as_integer);
        if let Some(found) = found.filter(|found| *found > FORMAT) {
            return Err(FileError::Newer { found, known: FORMAT });
        }
        let mut keys = Self::new(table, text, 1, String::new());
        keys.whole("format", 1..=usize::MAX)?;
        Ok(keys)
    }

    /// `line 41, scene 3`.
    pub fn place(&self, key: &str) -> String {
        let line = self.line_of(key);
        if self.name.is_empty() {
            format!("line {line}")
        } else {
            format!("line {line}, {}", self.name)
        }
    }

    /// The line of a key, or the one at which the table begins.
    fn line_of(&self, key: &str) -> usize {
        let lines = self.text.lines().enumerate().skip(self.line - 1);
        let own = lines.take_while(|(at, line)| *at < self.line || !line.starts_with("[["));
        let is_key = |line: &str| {
            let line = line.trim_start().trim_start_matches('"');
            let rest = line.strip_prefix(key).map(|rest| rest.trim_start_matches('"').trim_start());
            rest.is_some_and(|rest| rest.starts_with('='))
        };
        own.into_iter().find(|(_, line)| is_key(line)).map_or(self.line, |(at, _)| at + 1)
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn wrong(&self, key: &str, found: &Value, expected: &str) -> FileError {
        let found = match found {
            Value::String(text) => format!("the text {text:?}"),
            other => other.to_string(),
        };
        let (place, key) = (self.place(key), key.to_owned());
        FileError::Value { place, key, found, expected: expected.to_owned() }
    }

    pub fn text(&mut self, key: &'static str) -> Result<Option<String>, FileError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, &other, "a text in quotation marks")),
        }
    }

    /// A text that must be there and hold something.
    pub fn needed_text(&mut self, key: &'static str, what: &str) -> Result<String, FileError> {
        let text = self.text(key)?.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| FileError::Missing {
            place: self.place("view"),
            key,
            expected: what.to_owned(),
        })
    }

    pub fn texts(&mut self, key: &'static str) -> Result<Vec<String>, FileError> {
        let expected = "a list of texts, as [\"one\", \"two\"]";
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => {
                let text = |value: Value| match value {
                    Value::String(text) => Ok(text),
                    other => Err(self.wrong(key, &other, expected)),
                };
                values.into_iter().map(text).collect()
            }
            Some(other) => Err(self.wrong(key, &other, expected)),
        }
    }

    pub fn flag(&mut self, key: &'static str) -> Result<bool, FileError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(key, &other, "true or false")),
        }
    }

    pub fn whole(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<Option<usize>, FileError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
        let Some(number) = number.filter(|number| range.contains(number)) else {
            let expected = match *range.end() {
                usize::MAX => format!("a whole number from {} on", range.start()),
                end => format!("a whole number from {} to {end}", range.start()),
            };
            return Err(self.wrong(key, &value, &expected));
        };
        Ok(Some(number))
    }

    /// The same below 0 too.
    pub fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, FileError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = value.as_integer().filter(|number| range.contains(number));
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| self.wrong(key, &value, &expected))
    }

    pub fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, FileError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        if let Some(number) = as_number(&value).filter(|number| range.contains(number)) {
            return Ok(Some(number));
        }
        let expected = format!("a number from {} to {}", range.start(), range.end());
        Err(self.wrong(key, &value, &expected))
    }

    pub fn numbers(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Result<Vec<f64>, FileError> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let expected =
            format!("a list of numbers from {} to {}, as [0.3, 1.0]", range.start(), range.end());
        let Value::Array(values) = &value else { return Err(self.wrong(key, &value, &expected)) };
        let number = |item: &Value| {
            let number = as_number(item).filter(|number| range.contains(number));
            number.ok_or_else(|| self.wrong(key, item, &expected))
        };
        values.iter().map(number).collect()
    }

    /// The tables of a list of tables.
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Table>, FileError> {
        let expected = &format!("{key}s, each beginning with a line [[{key}]]");
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => {
                let table = |value: Value| match value {
                    Value::Table(table) => Ok(table),
                    other => Err(self.wrong(key, &other, expected)),
                };
                values.into_iter().map(table).collect()
            }
            Some(other) => Err(self.wrong(key, &other, expected)),
        }
    }

    /// Fails where something is left that nobody asked for.
    pub fn end(self) -> Result<(), FileError> {
        let Some(key) = self.table.keys().next().cloned() else { return Ok(()) };
        let place = self.place(&key);
        let meant = meant(&key, self.known.iter().copied()).map(str::to_owned);
        Err(FileError::UnknownKey { place, key, meant, known: self.known.join(", ") })
    }
}

/// The lines at which the tables of a list begin, counted from 1.
pub fn table_lines(text: &str, name: &str) -> Vec<usize> {
    let begin = format!("[[{name}]]");
    let begins = |line: &str| line.replace(' ', "").starts_with(&begin);
    let lines = text.lines().enumerate().filter(|(_, line)| begins(line));
    lines.map(|(at, _)| at + 1).collect()
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}
