//! Fields between commas, semicolons, tabs or bars, cut as pandas cuts them.
//!
//! A `"` at the beginning of a field opens it, `""` in it is one `"`, and whatever follows its end
//! belongs to it up to the next delimiter. Anywhere else a `"` is a character. Blank lines are left
//! out. Where pandas would take part of a row for names of rows, this is an error, but for the numbers
//! that R and pandas write before the rows. What pandas has to be told (a `\"` for a `"`, rarer
//! delimiters) is found in the text, and said.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::dialect::{Before, Dialect};
use super::error::ImportError;
use super::feed::Feed;
use super::records::{DELIMITERS, Record, Records, Unclosed};
use super::report::{Format, Sink};

/// Hands on every row under the header.
pub(super) fn read(
    feed: &mut Feed<'_>,
    dialect: Dialect,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    sink.report.format = Format::Delimited(dialect.delimiter as char);
    if dialect.is_said {
        while feed.line() == 1 && feed.next().is_some() {}
    }
    let mut records = Records::new(feed, dialect.delimiter, dialect.has_escapes);
    let Some(mut header) = next(&mut records, sink)? else { return Ok(()) };
    if let Before::Titles(count) = dialect.before {
        return Err(titled(&mut records, &header, count, sink));
    }
    if dialect.has_escapes {
        let what = "quotation marks in texts are written \\\" here, as Spark and MySQL write them";
        sink.report.note_of_file(what.to_owned());
    }
    if dialect.before == Before::RowNumbers {
        header.fields.insert(0, String::new());
    }
    let names = header_names(&header.fields, header.line, sink);
    if let [only] = names.as_slice()
        && header.has_quotes
        && only.bytes().any(|byte| DELIMITERS.contains(&byte))
    {
        let what = format!(
            "the header is one name between quotation marks, “{only}”: there is one column"
        );
        sink.report.note(&what, None, header.line);
    }
    for name in &names {
        sink.column(name);
    }
    let mut first = described(&mut records, sink)?.into_iter();
    loop {
        let record = match first.next() {
            Some(record) => record,
            None => match next(&mut records, sink)? {
                Some(record) => record,
                None => return Ok(()),
            },
        };
        row(record, &names, dialect.delimiter, sink)?;
    }
}

/// A row under its names.
fn row(
    record: Record,
    names: &[String],
    delimiter: u8,
    sink: &mut Sink<'_>,
) -> Result<(), ImportError> {
    let Record { line, fields: mut values, other_delimiter, oddity, .. } = record;
    let (len, expected) = (values.len(), names.len());
    if let Some(other) = other_delimiter.filter(|_| expected == 1) {
        let (other, found) = (delimiter_name(other), names[0].as_str());
        let problem = format!(
            "{other} stands after a closing quotation mark, as if there were a second column, and \
             the header has one, “{found}”. Give the header a name for it, or put the whole text \
             between quotation marks"
        );
        return Err(sink.line_error(line, 1, problem));
    }
    if len > expected {
        let rest_is_empty = values[expected..].iter().all(String::is_empty);
        if !rest_is_empty {
            let delimiter = delimiter_name(delimiter);
            let problem = format!(
                "it has {len} fields, and the header has {expected}. A field with {delimiter} in it \
                 has to stand between double quotation marks (\")"
            );
            return Err(sink.line_error(line, expected as u64 + 1, problem));
        }
        let what = "it has more fields than the header; those beyond it are empty";
        sink.report.note(what, None, line);
        values.truncate(expected);
    }
    if len < expected {
        let what = "it has fewer fields than the header; the others are taken as empty";
        sink.report.note(what, None, line);
    }
    if let Some(oddity) = oddity {
        sink.report.note(oddity.words(), None, line);
    }
    if values.iter().any(|text| text.contains('\0')) {
        sink.report.note("a text has a character without a sign in it (NUL)", None, line);
    }
    let values = values.into_iter().map(|text| match text.as_str() {
        "" => Value::Null,
        _ => Value::String(text),
    });
    sink.row(Some(line), names.iter().cloned().zip(values).collect())
}

/// The first two records where they are none of those that Qualtrics writes below its header: what was
/// asked, and under which number.
fn described(
    records: &mut Records<'_, '_>,
    sink: &mut Sink<'_>,
) -> Result<Vec<Record>, ImportError> {
    let mut first = Vec::new();
    while first.len() < 2
        && let Some(record) = next(records, sink)?
    {
        first.push(record);
    }
    let is_number = |field: &String| field.starts_with("{\"ImportId\":");
    if let [asked, numbers] = first.as_slice()
        && numbers.fields.iter().all(is_number)
    {
        for line in [asked.line, numbers.line] {
            let what = "it describes the questions, as in every export of Qualtrics, and was left \
                        out: it is no answer";
            sink.report.note(what, None, line);
        }
        first.clear();
    }
    Ok(first)
}

/// Lines stand before the header.
fn titled(
    records: &mut Records<'_, '_>,
    first: &Record,
    count: usize,
    sink: &Sink<'_>,
) -> ImportError {
    let mut header = None;
    for _ in 0..count {
        match next(records, sink) {
            Ok(record) => header = record,
            Err(error) => return error,
        }
    }
    let line = header.as_ref().map_or(first.line, |header| header.line);
    let fields = header.map_or(0, |header| header.fields.len());
    let problem = format!(
        "this line has one field, and from line {line} on there are {fields}. If it is a title, take \
         out all that stands before the names of the columns; if the texts have {} in them, put them \
         between double quotation marks (\")",
        delimiter_name(records.delimiter())
    );
    sink.line_error(first.line, 1, problem)
}

fn next(records: &mut Records<'_, '_>, sink: &Sink<'_>) -> Result<Option<Record>, ImportError> {
    let record = records.next();
    if let Some(source) = records.feed.failure() {
        return Err(ImportError::Read { path: sink.report.path.clone(), source });
    }
    record.map_err(|Unclosed { line, field }| {
        let problem = "a quotation mark is opened here and never closed: the rest of the file \
                       would be one field. Close it, or write it twice (\"\") if it belongs to the \
                       text";
        sink.line_error(line, field as u64, problem.to_owned())
    })
}

fn delimiter_name(delimiter: u8) -> String {
    match delimiter {
        b',' => "a comma".to_owned(),
        b';' => "a semicolon".to_owned(),
        b'\t' => "a tab".to_owned(),
        other if other.is_ascii_control() => format!("the character {other}"),
        other => format!("a {}", other as char),
    }
}

/// The names of columns as pandas makes them: `prompt`, `prompt.1`, `Unnamed: 2`.
pub(super) fn header_names(fields: &[String], line: u64, sink: &mut Sink<'_>) -> Vec<String> {
    // Marks that nobody sees, left by programs that put files together, tell no names apart.
    let unseen = |letter: char| letter.is_whitespace() || matches!(letter, '\u{feff}' | '\u{200b}');
    let given: Vec<String> =
        fields.iter().map(|name| name.trim_matches(unseen).to_owned()).collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut taken: HashSet<String> = given.iter().cloned().collect();
    let mut names = Vec::with_capacity(given.len());
    for (index, name) in given.iter().enumerate() {
        let base = if name.is_empty() { format!("Unnamed: {index}") } else { name.clone() };
        let mut unique = base.clone();
        let count = seen.entry(base.clone()).or_default();
        while *count > 0 && taken.contains(&unique) {
            unique = format!("{base}.{count}");
            *count += 1;
        }
        *count = (*count).max(1);
        taken.insert(unique.clone());
        if name.is_empty() {
            let what = format!("column {} has no name; it is called “{unique}”", index + 1);
            sink.report.note(&what, None, line);
        } else if unique != *name {
            let what = format!(
                "the name “{name}” stands there more than once; column {} is called “{unique}”",
                index + 1
            );
            sink.report.note(&what, None, line);
        }
        names.push(unique);
    }
    names
}
