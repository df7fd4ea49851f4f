//! The one reader of tables: rows as JSON objects, each with its place in the person's own file.
//! What rows mean: see [`super::import`] and [`crate::train::rows`].
//!
//! A format is recognised by what is in a file; its name decides only what its words leave open.
//! Text: JSON Lines, JSON in its other forms, fields between commas, semicolons, tabs or bars, lines
//! of prose; in UTF-8, UTF-16 and what editors wrote before them. Not text: Parquet, Excel,
//! `OpenDocument`. Around any of them: gzip, Zstandard, bzip2, xz. A folder of documents is a table too,
//! and one with the parts of a table is that table.
//!
//! No row is dropped and no value altered without a [`Note`] of it. A row that cannot be read is an
//! error with its place, and nothing is taken.

mod biff;
mod columnar;
mod compound;
mod delimited;
mod dialect;
mod documents;
mod elements;
mod encoding;
pub mod error;
mod feed;
pub mod folder;
mod footer;
mod grid;
mod json;
mod letters;
mod lines;
mod ods;
mod open;
mod pages;
mod parts;
mod recognise;
mod records;
mod report;
mod row;
mod sheets;
mod times;
mod unmapped;

use std::path::Path;

use serde_json::{Map, Value};

pub use self::documents::kind_of;
pub use self::encoding::Encoding;
pub use self::error::ImportError;
pub use self::open::Packing;
pub use self::report::{Format, Note, Report, Take, goes_on, in_words};
pub use self::row::{Place, Reading, Row};
pub use self::unmapped::Unmapped;

use self::encoding::{Scan, Unreadable};
use self::feed::Feed;
use self::folder::Folder;
use self::open::{Kind, Position};
use self::recognise::Form;
use self::report::Sink;
use crate::jobs::{Progress, Quiet};

/// A file and all its rows.
#[derive(Clone, Debug)]
pub struct Table {
    pub report: Report,
    pub rows: Vec<Row>,
}

/// A table that takes more than this does not belong in a window's memory, in bytes.
const MOST_BYTES: usize = 2_000_000_000;

/// Every row of a file, in memory.
pub fn rows(path: &Path, progress: &dyn Progress<Reading>) -> Result<Table, ImportError> {
    let mut rows = Vec::new();
    let mut room = MOST_BYTES;
    let report = read(path, progress, &mut |_, row| {
        room = room.checked_sub(weight(&row.fields)).ok_or_else(|| too_large(path))?;
        rows.push(row);
        Ok(())
    })?;
    Ok(Table { report, rows })
}

/// Hands every row of a file to `take`, one after the other. One row and a little more are in
/// memory at a time, but of JSON that is one object around all, and of a sheet of Excel 97,
/// everything.
pub fn read(
    path: &Path,
    progress: &dyn Progress<Reading>,
    take: Take<'_>,
) -> Result<Report, ImportError> {
    if path.is_dir() {
        let mut sink = Sink::new(Report::new(path, Format::Documents), take, progress);
        match folder::what(path)? {
            Folder::Documents(found) => folder::read(path, found, &mut sink)?,
            Folder::Parts(parts) => sink.in_parts(path, &parts, file)?,
        }
        return finish(sink);
    }
    let mut sink = Sink::new(Report::new(path, Format::Lines), take, progress);
    if let Some((at, of)) = parts::one_of(path) {
        sink.report.note_of_file(format!(
            "by its name it is part {} of {of} of a table, and is read alone. To read all of them as one \
             table, give the folder that they lie in",
            at + 1
        ));
    }
    file(path, &mut sink)?;
    finish(sink)
}

/// A file that is a table, or a part of one.
fn file(path: &Path, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let read_error = |source| ImportError::Read { path: path.to_owned(), source };
    let (packing, kind) = open::look(path).map_err(read_error)?;
    sink.report.packing = packing;
    match kind {
        Kind::Text => text(path, sink)?,
        Kind::Other(what) => return Err(unrecognised(path, what)),
        Kind::Pdf => folder::one(path, sink)?,
        Kind::Parquet | Kind::Zip | Kind::OldOffice => {
            let packing = sink.report.packing.clone();
            let file = open::seekable(path, &packing, &mut || sink.check().is_ok());
            let Some(file) = file.map_err(read_error)? else {
                return Err(ImportError::Stopped { path: path.to_owned() });
            };
            if matches!(kind, Kind::Parquet) {
                columnar::read(file, sink)?;
            } else {
                sheets::read(file, &kind, sink)?;
            }
        }
    }
    Ok(())
}

/// A text as a whole, whatever its encoding, without a mark.
pub fn whole_text(path: &Path) -> Result<String, ImportError> {
    open::whole(path).map_err(|unreadable| unreadable_text(path, unreadable))
}

/// Hands on every row of a text that is in memory. `path` is what errors call it.
pub fn read_text(path: &Path, text: &str, take: Take<'_>) -> Result<Report, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut report = Report::new(path, Format::Lines);
    report.encoding = Some(Encoding::Utf8);
    let mut sink = Sink::new(report, take, &Quiet);
    let mut feed = Feed::new(Box::new(text.as_bytes()));
    by_form(&mut feed, recognise::form(&open::ending(path, &[]), text), &mut sink)?;
    finish(sink)
}

/// The rows as JSON Lines: the file itself where it is that, so that not a byte of it changes.
pub fn json_lines(path: &Path, progress: &dyn Progress<Reading>) -> Result<Vec<u8>, ImportError> {
    let mut lines = Vec::new();
    let report = read(path, progress, &mut |_, row| {
        lines.extend(Value::Object(row.fields).to_string().into_bytes());
        lines.push(b'\n');
        Ok(())
    })?;
    if report.is_plain_json_lines() {
        return std::fs::read(path)
            .map_err(|source| ImportError::Read { path: path.to_owned(), source });
    }
    Ok(lines)
}

fn finish(sink: Sink<'_>) -> Result<Report, ImportError> {
    if sink.report.rows == 0 {
        let Report { path, columns, .. } = sink.report;
        return Err(ImportError::NoRows { path, columns });
    }
    sink.tell()?;
    Ok(sink.report)
}

fn text(path: &Path, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let read_error = |source| ImportError::Read { path: path.to_owned(), source };
    let packing = sink.report.packing.clone();
    let stream = open::stream(path, &packing, &Position::default()).map_err(read_error)?;
    let scan = encoding::scan(stream, &mut || sink.check().is_ok());
    let Scan { encoding, head } = scan.map_err(|unreadable| unreadable_text(path, unreadable))?;
    sink.report.encoding = Some(encoding);
    sink.total = std::fs::metadata(path).map_err(read_error)?.len();
    let text = open::text(path, &packing, encoding, &sink.position).map_err(read_error)?;
    let mut feed = Feed::new(text);
    let head = head.strip_prefix('\u{feff}').unwrap_or(&head);
    if head.trim().is_empty() && head.len() < encoding::HEAD / 2 {
        return Ok(()); // it has no rows
    }
    by_form(&mut feed, recognise::form(&open::ending(path, &packing), head), sink)
}

fn by_form(feed: &mut Feed<'_>, form: Form, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    match form {
        Form::Json => documents::read(feed, sink),
        Form::Delimited(dialect) => delimited::read(feed, dialect, sink),
        Form::Lines => lines::read(feed, sink),
        Form::Neither(what) => Err(unrecognised(&sink.report.path, &what)),
    }
}

fn unrecognised(path: &Path, what: &str) -> ImportError {
    ImportError::Unrecognised { path: path.to_owned(), problem: what.to_owned() }
}

fn unreadable_text(path: &Path, unreadable: Unreadable) -> ImportError {
    match unreadable {
        Unreadable::Io(source) => ImportError::Read { path: path.to_owned(), source },
        Unreadable::Stopped => ImportError::Stopped { path: path.to_owned() },
        Unreadable::Broken { line, byte } => {
            let problem = format!(
                "line {line} is not UTF-8, as the rest of the file is (byte {byte:#04x}): it was \
                 damaged, or put together from files in two encodings. Correct that line, and save \
                 the file as UTF-8"
            );
            unrecognised(path, &problem)
        }
        Unreadable::Binary => unrecognised(
            path,
            "it is no text, and none of the tables that are read here (Parquet, Excel, \
             OpenDocument)",
        ),
        Unreadable::Padded { line } => {
            let problem = format!(
                "behind line {line} it has nothing but zeros: it was not written to its end, as \
                 after a crash. Write it again, or take the zeros out"
            );
            unrecognised(path, &problem)
        }
        Unreadable::Utf32 => unrecognised(path, "it is text in UTF-32; save it as UTF-8"),
    }
}

fn too_large(path: &Path) -> ImportError {
    let problem = format!(
        "it holds more than {} GB of words. Save a part of it as a file of its own and open that",
        MOST_BYTES / 1_000_000_000
    );
    unrecognised(path, &problem)
}

/// What a row takes in memory, roughly and never too little: its words, a bit for each value and
/// one for itself.
fn weight(row: &Map<String, Value>) -> usize {
    /// Key and value in their place (104 bytes), the place in the hash table, and what the
    /// allocator keeps beside a name and a text.
    const EACH: usize = 160;

    /// Twice: a list that is full grows to the double of it.
    const ROW: usize = 2 * size_of::<Row>();

    fn values(fields: &Map<String, Value>) -> usize {
        fields.iter().map(|(name, value)| EACH + name.len() + inside(value)).sum()
    }
    fn inside(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(|item| EACH + inside(item)).sum(),
            Value::Object(fields) => values(fields),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    ROW + values(row)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
