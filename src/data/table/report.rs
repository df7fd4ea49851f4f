//! What a reader tells of a table beside its rows: how it was recognised, which columns it has, and
//! what was not taken as it stands.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::encoding::Encoding;
use super::error::{ImportError, Nearby};
use super::feed::Feed;
use super::open::{self, Packing};
use super::row::{Place, Reading, Row};
use crate::jobs::Progress;

/// Places that are kept of a note, and notes that are kept of a file.
const MOST_PLACES: usize = 100;
const MOST_NOTES: usize = 200;

/// Rows that are kept to be shown.
const MOST_SHOWN: usize = 5;

/// So many characters of a text are kept of them: several thousand tokens.
const LONGEST_SHOWN: usize = 20_000;

/// Somebody hears how far it is, and may stop it, every so many rows.
const TELL_EVERY: u64 = 1000;

/// What a file was recognised as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// An object a line.
    JsonLines,

    /// Objects one after the other, however their lines are broken.
    JsonObjects,

    /// One list of objects.
    JsonArray,

    /// One object with a list for each column, or what pandas makes of a table.
    JsonColumns,

    /// Fields between commas, semicolons, tabs or bars, under a header.
    Delimited(char),

    /// A text a line.
    Lines,
    Parquet,

    /// A folder, a row for each document in it.
    Documents,

    /// One of them by itself.
    Document,

    /// The sheet of a workbook.
    Sheet {
        program: &'static str,
        name: String,
    },
}

impl Format {
    /// What a place is a number of: a line of text, or a row where there are no lines.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Parquet
            | Self::JsonColumns
            | Self::Documents
            | Self::Document
            | Self::Sheet { .. } => "row",
            _ => "line",
        }
    }

    fn words(&self) -> String {
        match self {
            Self::JsonLines => "JSON Lines".to_owned(),
            Self::JsonObjects => "JSON objects, one after the other".to_owned(),
            Self::JsonArray => "a JSON array".to_owned(),
            Self::JsonColumns => "JSON with a list for each column".to_owned(),
            Self::Delimited(',') => "CSV".to_owned(),
            Self::Delimited(';') => "CSV with semicolons".to_owned(),
            Self::Delimited('\t') => "a table with tabs".to_owned(),
            Self::Delimited(other) if other.is_control() => {
                format!("a table with the character {}", *other as u32)
            }
            Self::Delimited(other) => format!("a table with {other}"),
            Self::Lines => "text, a row a line".to_owned(),
            Self::Parquet => "Parquet".to_owned(),
            Self::Documents => "a folder of documents".to_owned(),
            Self::Document => "a document".to_owned(),
            Self::Sheet { program, name } => format!("{program}, sheet “{name}”"),
        }
    }
}

/// Something that was not taken as it stands in the file, or that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// A sentence without its place.
    pub what: String,
    pub column: Option<String>,

    /// Lines of the file, or rows where it has none; the first hundred. None: all of it.
    pub places: Vec<u64>,
    pub count: u64,
}

impl Note {
    /// With its place: `column "image", rows 1, 3 and 8 more: it holds bytes, not text`.
    pub fn sentence(&self, format: &Format) -> String {
        const SHOWN: usize = 5;

        let one = format.unit();
        if self.places.is_empty() {
            return self.what.clone();
        }
        let numbers: Vec<String> = self.places.iter().take(SHOWN).map(u64::to_string).collect();
        let more = self.count - numbers.len() as u64;
        let mut place = match (numbers.as_slice(), more) {
            ([only], 0) => format!("{one} {only}"),
            (all, 0) => format!("{one}s {}", all.join(", ")),
            (all, more) => format!("{one}s {} and {more} more", all.join(", ")),
        };
        if let Some(column) = &self.column {
            place = format!("column \"{column}\", {place}");
        }
        format!("{place}: {}", self.what)
    }
}

/// How a file was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub path: PathBuf,
    pub format: Format,

    /// From the outside to the inside.
    pub packing: Vec<Packing>,

    /// Of a text.
    pub encoding: Option<Encoding>,

    /// In the order in which they come.
    pub columns: Vec<String>,
    pub rows: u64,
    pub notes: Vec<Note>,

    /// How it begins, with very long texts cut: to be shown, and to show what is made of it.
    pub first: Vec<Row>,

    /// Of a table in several files: each, with how many rows stand before it.
    parts: Vec<(u64, PathBuf)>,

    /// Columns that cannot be read, each with the row from which on, and why.
    unread: Vec<(String, u64, String)>,
}

impl Report {
    /// The column with the longest texts in the first rows: what a person most likely means by the texts.
    pub fn longest_column(&self) -> Option<String> {
        let length = |name: &String| -> usize {
            let texts = self.first.iter().filter_map(|row| row.get(name)).map(in_words);
            texts.map(|text| text.chars().count()).sum()
        };
        self.columns.iter().max_by_key(|name| length(name)).cloned()
    }

    pub(super) fn new(path: &Path, format: Format) -> Self {
        Self {
            path: path.to_owned(),
            format,
            packing: Vec::new(),
            encoding: None,
            columns: Vec::new(),
            rows: 0,
            notes: Vec::new(),
            first: Vec::new(),
            parts: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// The format as a person would say it: `CSV with semicolons, Windows-1252, packed with gzip`.
    pub fn words(&self) -> String {
        let mut words = self.format.words();
        match self.encoding {
            None | Some(Encoding::Utf8) => {}
            Some(encoding @ Encoding::Guessed(_)) => {
                words.push_str(&format!(", {} by its letters", encoding.name()));
            }
            Some(encoding) => words.push_str(&format!(", {}", encoding.name())),
        }
        for packing in &self.packing {
            words.push_str(&format!(", packed with {}", packing.name()));
        }
        if !self.parts.is_empty() {
            words.push_str(&format!(", in {} files", self.parts.len()));
        }
        words
    }

    /// What was not taken as it stands, a sentence each.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        self.notes.iter().map(|note| note.sentence(&self.format))
    }

    /// Whether the file itself is what this program and its kin call a training file: JSON Lines in
    /// UTF-8, with nothing around it.
    pub fn is_plain_json_lines(&self) -> bool {
        self.format == Format::JsonLines
            && self.encoding == Some(Encoding::Utf8)
            && self.packing.is_empty()
            && self.parts.is_empty()
    }

    /// What is wrong with a row of this file, or with what it has under `key`, at its place in the
    /// person's own file and with the lines around it.
    pub fn error(&self, place: Place, key: Option<&str>, problem: String) -> ImportError {
        let part = self.parts.iter().rev().find(|(before, _)| *before < place.row);
        if let Some((before, path)) = part {
            let (path, row) = (path.clone(), Some(place.row - before));
            return ImportError::Table { path, row, column: key.map(str::to_owned), problem };
        }
        let path = self.path.clone();
        let unread = self
            .unread
            .iter()
            .find(|(column, from, _)| Some(column.as_str()) == key && *from <= place.row);
        if let Some((column, _, why)) = unread {
            let (row, column) = (Some(place.number()), Some(column.clone()));
            return ImportError::Table { path, row, column, problem: why.clone() };
        }
        let in_table = |problem| {
            let (row, column) = (Some(place.number()), key.map(str::to_owned));
            ImportError::Table { path: self.path.clone(), row, column, problem }
        };
        let Some(line) = place.line else { return in_table(problem) };
        let (line, column) = match &self.format {
            Format::Sheet { .. }
            | Format::Parquet
            | Format::JsonColumns
            | Format::Documents
            | Format::Document => {
                return in_table(problem);
            }
            Format::Delimited(_) => {
                let at = self.columns.iter().position(|name| Some(name.as_str()) == key);
                (line, at.map_or(1, |at| at + 1))
            }
            Format::Lines => (line, 1),
            Format::JsonLines | Format::JsonObjects | Format::JsonArray => {
                self.line_and_column_of(line, key)
            }
        };
        self.line_error(line, column, problem)
    }

    /// What is wrong at a line, with the lines around it.
    pub(super) fn line_error(&self, line: u64, column: usize, problem: String) -> ImportError {
        let first = line.saturating_sub(1).max(1);
        let lines = self.lines(first, 3).into_iter().zip(first..);
        let lines = lines.map(|(text, number)| {
            let short: String = text.chars().take(120).collect();
            let cut = if short.len() < text.len() { "…" } else { "" };
            format!("{number}: {short}{cut}")
        });
        let source = Nearby(lines.collect());
        let (path, line) = (self.path.clone(), line as usize);
        ImportError::Row { path, line, column, problem, source }
    }

    /// Where `key` stands in the object that begins on `line`, which may go on for some lines.
    fn line_and_column_of(&self, line: u64, key: Option<&str>) -> (u64, usize) {
        const MOST_LINES: usize = 200;

        let Some(key) = key else { return (line, 1) };
        let name = Value::from(key).to_string();
        let texts = self.lines(line, MOST_LINES);
        let found = texts.iter().enumerate().find_map(|(index, text)| {
            let of_another_row =
                index > 0 && self.format != Format::JsonArray && text.starts_with('{');
            if of_another_row { Some(None) } else { text.find(&name).map(|at| Some((index, at))) }
        });
        found.flatten().map_or((line, 1), |(index, at)| (line + index as u64, at + 1))
    }

    /// Some lines of the file, from `first` on: read again, since only errors need them.
    fn lines(&self, first: u64, count: usize) -> Vec<String> {
        const LONGEST: usize = 1 << 20;

        let Some(encoding) = self.encoding else { return Vec::new() };
        let Ok(text) = open::text(&self.path, &self.packing, encoding, &Rc::default()) else {
            return Vec::new(); // it was there a moment ago
        };
        let mut feed = Feed::new(text);
        let mut lines: Vec<Vec<u8>> = Vec::new();
        while feed.line() < first {
            let ahead = feed.ahead();
            let run = ahead.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let run = run.unwrap_or(ahead.len());
            feed.skip(run);
            if feed.peek().is_none() {
                return Vec::new();
            }
            if matches!(feed.peek(), Some(b'\n' | b'\r')) {
                feed.next();
            }
        }
        while feed.line() < first + count as u64 {
            let line = feed.line();
            let Some(byte) = feed.next() else { break };
            let index = (line - first) as usize;
            lines.resize_with(lines.len().max(index + 1), Vec::new);
            if !matches!(byte, b'\n' | b'\r') && lines[index].len() < LONGEST {
                lines[index].push(byte);
            }
        }
        lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    /// Something about a row.
    pub fn note(&mut self, what: &str, column: Option<&str>, place: u64) {
        let same = |note: &&mut Note| note.what == what && note.column.as_deref() == column;
        if let Some(note) = self.notes.iter_mut().find(same) {
            note.count += 1;
            if note.places.len() < MOST_PLACES {
                note.places.push(place);
            }
        } else if self.notes.len() < MOST_NOTES {
            let (what, column) = (what.to_owned(), column.map(str::to_owned));
            self.notes.push(Note { what, column, places: vec![place], count: 1 });
        }
    }

    /// Something about the whole file.
    pub(super) fn note_of_file(&mut self, what: String) {
        self.notes.push(Note { what, column: None, places: Vec::new(), count: 1 });
    }

    /// No value of a column is taken. What was noted of its rows so far is a part of that.
    pub(super) fn column_left_out(&mut self, column: &str, why: &str) {
        self.notes.retain(|note| note.column.as_deref() != Some(column));
        self.note_of_file(format!("column \"{column}\" was left out: {why}"));
    }

    /// A column has no values from a row on. Who asks for one hears why.
    pub(super) fn column_unread(&mut self, column: &str, row: u64, why: String) {
        if !self.unread.iter().any(|(known, ..)| known == column) {
            self.unread.push((column.to_owned(), row, why));
        }
    }
}

/// What is done with each row. The report is as far as the file was read.
pub type Take<'a> = &'a mut dyn FnMut(&Report, Row) -> Result<(), ImportError>;

/// A row to be shown: as it is, but for texts that are very long.
fn shortened(row: &Row) -> Row {
    let fields = row.fields.iter().map(|(name, value)| {
        let text = in_words(value);
        let cut = text.char_indices().nth(LONGEST_SHOWN).map(|(at, _)| format!("{}…", &text[..at]));
        (name.clone(), cut.map_or_else(|| value.clone(), Value::String))
    });
    Row { place: row.place, fields: fields.collect() }
}

/// A field as a person reads it in a table.
pub fn in_words(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}

/// Whether a text of a row of [`Report::first`] goes on in the file.
pub fn goes_on(row: &Row) -> bool {
    let mut texts = row.fields.values().filter_map(Value::as_str);
    texts.any(|text| text.ends_with('…') && text.chars().count() == LONGEST_SHOWN + 1)
}

/// Where the parts of the reader put rows.
pub(super) struct Sink<'a> {
    pub report: Report,
    known: HashSet<String>,
    take: Take<'a>,
    progress: &'a dyn Progress<Reading>,

    /// Bytes of the file that were read, where rows are not counted beforehand.
    pub position: Rc<Cell<u64>>,

    /// Bytes, or rows.
    pub total: u64,
    counts_rows: bool,

    /// How many files there are; 0: one.
    total_parts: u64,
}

impl<'a> Sink<'a> {
    pub fn new(report: Report, take: Take<'a>, progress: &'a dyn Progress<Reading>) -> Self {
        let (known, position) = (HashSet::new(), Rc::default());
        let (total, counts_rows, total_parts) = (0, false, 0);
        Self { report, known, take, progress, position, total, counts_rows, total_parts }
    }

    /// How many rows there will be is known.
    pub fn expect_rows(&mut self, total: u64) {
        self.total = total;
        self.counts_rows = true;
    }

    /// A column, in case no row has a value in it.
    pub fn column(&mut self, name: &str) {
        if !self.known.contains(name) {
            self.known.insert(name.to_owned());
            self.report.columns.push(name.to_owned());
        }
    }

    /// Hands a row on. `line`: see [`Place`].
    pub fn row(
        &mut self,
        line: Option<u64>,
        fields: Map<String, Value>,
    ) -> Result<(), ImportError> {
        if self.report.rows.is_multiple_of(TELL_EVERY) {
            self.tell()?;
        }
        self.report.rows += 1;
        for name in fields.keys() {
            if !self.known.contains(name) {
                self.known.insert(name.clone());
                self.report.columns.push(name.clone());
            }
        }
        let line = line.filter(|_| self.report.parts.is_empty());
        let row = Row { place: Place { row: self.report.rows, line }, fields };
        if self.report.first.len() < MOST_SHOWN {
            self.report.first.push(shortened(&row));
        }
        (self.take)(&self.report, row)
    }

    /// Reads the parts of a table one after the other. The places of their rows are rows of the whole:
    /// lines begin again in every file.
    pub fn in_parts(
        &mut self,
        folder: &Path,
        parts: &[PathBuf],
        read: impl Fn(&Path, &mut Self) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        for path in parts {
            self.check()?;
            let rows = self.report.rows;
            self.report.parts.push((rows, path.clone()));
            path.clone_into(&mut self.report.path);
            self.total_parts = parts.len() as u64;
            self.counts_rows = false;
            self.position.set(0);
            let notes = std::mem::take(&mut self.report.notes);
            let columns = self.report.columns.len();
            let unread = std::mem::take(&mut self.report.unread);
            read(path, self)?;
            let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
            if rows > 0 && self.report.columns.len() > columns {
                let new = self.report.columns[columns..].join("\", \"");
                self.report.note_of_file(format!(
                    "it has columns that the files before it have not, which have no values there: \"{new}\""
                ));
            }
            if self.report.rows == rows {
                self.report.note_of_file("it has no rows".to_owned());
            }
            let new = std::mem::replace(&mut self.report.notes, notes);
            self.report.notes.extend(new.into_iter().map(|note| {
                let what = format!("{} (in {name})", note.what);
                Note { what, ..note }
            }));
            let new = std::mem::replace(&mut self.report.unread, unread);
            self.report.unread.extend(new);
        }
        folder.clone_into(&mut self.report.path);
        Ok(())
    }

    /// Says how far it is.
    pub fn tell(&self) -> Result<(), ImportError> {
        let rows = self.report.rows;
        if self.total_parts > 0 {
            let done = self.report.parts.len() as u64 - 1;
            self.progress.emit(Reading { rows, done, total: self.total_parts });
            return self.check();
        }
        let done = if self.counts_rows { rows } else { self.position.get() };
        self.progress.emit(Reading { rows, done: done.min(self.total), total: self.total });
        self.check()
    }

    pub fn check(&self) -> Result<(), ImportError> {
        let stopped = |_| ImportError::Stopped { path: self.report.path.clone() };
        self.progress.check().map_err(stopped)
    }

    pub fn line_error(&self, line: u64, column: u64, problem: String) -> ImportError {
        self.report.line_error(line, column as usize, problem)
    }
}
