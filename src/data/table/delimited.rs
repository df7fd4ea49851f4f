//! Fields between commas, semicolons, tabs or bars, cut as pandas cuts them.
//!
//! A `"` at the beginning of a field opens it, `""` in it is one `"`, and whatever follows its end
//! belongs to it up to the next delimiter. Anywhere else a `"` is a character. Blank lines are left
//! out. Where pandas would take part of a row for names of rows, this is an error.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::error::ImportError;
use super::feed::Feed;
use super::report::{Format, Sink};

/// Tried in this order.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A field that takes more than this was never closed, in bytes.
const LONGEST: usize = 1 << 26;

/// Rows that are looked at before the delimiter is known.
const LOOKED_AT: usize = 50;

/// How fields are separated, and whether the first line says so (`sep=;`, which Excel writes and
/// reads).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub is_said: bool,

    /// In the header.
    pub fields: usize,

    /// Every row that was looked at has as many.
    pub is_even: bool,
    pub rows: usize,
}

impl Dialect {
    /// Whether there is any reason to take the text for a table.
    pub fn is_table(self) -> bool {
        self.is_said || (self.fields > 1 && self.is_even && self.rows > 1)
    }
}

/// The dialect of a text that begins so.
pub(super) fn dialect(head: &str) -> Dialect {
    if let Some(delimiter) = said(head) {
        return Dialect { delimiter, is_said: true, fields: 0, is_even: true, rows: 0 };
    }
    let tried = DELIMITERS.map(|delimiter| {
        let mut feed = Feed::new(Box::new(head.as_bytes()));
        let mut records = Records { feed: &mut feed, delimiter };
        let mut counts = Vec::new();
        let mut quotes_close = true;
        while counts.len() < LOOKED_AT {
            match records.next() {
                Ok(Some(record)) => counts.push(record.fields.len()),
                Ok(None) => break,
                Err(_) => {
                    quotes_close = false;
                    break;
                }
            }
        }
        if counts.len() > 1 && counts.len() < LOOKED_AT && head.len() >= (1 << 18) {
            counts.pop(); // cut by the end of the head
        }
        let fields = counts.first().copied().unwrap_or(0);
        // A comma in the name of an only column: the rows have none.
        let with_more = counts.iter().skip(1).filter(|count| **count > 1).count();
        let is_one_column = fields > 1 && quotes_close && with_more * 2 < counts.len() - 1;
        let is_even = counts.iter().all(|count| *count == fields) && quotes_close;
        let dialect = Dialect { delimiter, is_said: false, fields, is_even, rows: counts.len() };
        (dialect, is_one_column)
    });
    let rank = |(dialect, is_one_column): &(Dialect, bool)| {
        (dialect.fields > 1 && !is_one_column, dialect.is_even, dialect.fields)
    };
    // The first of equals: commas.
    tried.into_iter().rev().max_by_key(rank).expect("four were tried").0
}

/// The delimiter of a first line `sep=;`.
fn said(head: &str) -> Option<u8> {
    let line = head.split(['\r', '\n']).next().unwrap_or_default();
    let line = line.trim_matches('"');
    let rest = line.get(..4).filter(|start| start.eq_ignore_ascii_case("sep="));
    let delimiter = rest.and_then(|_| line[4..].bytes().next())?;
    (line.len() == 5 && delimiter.is_ascii()).then_some(delimiter)
}

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
    let mut records = Records { feed, delimiter: dialect.delimiter };
    let Some(header) = next(&mut records, sink)? else { return Ok(()) };
    let names = header_names(&header.fields, header.line, sink);
    for name in &names {
        sink.column(name);
    }
    while let Some(record) = next(&mut records, sink)? {
        let Record { line, fields: mut values, other_delimiter, .. } = record;
        let (len, expected) = (values.len(), names.len());
        if let Some(other) = other_delimiter.filter(|_| expected == 1) {
            let (other, found) = (delimiter_name(other), names[0].as_str());
            let problem = format!(
                "{other} stands after a closing quotation mark, as if there were a second column, \
                 and the header has one, “{found}”. Give the header a name for it, or put the whole \
                 text between quotation marks"
            );
            return Err(sink.line_error(line, 1, problem));
        }
        if len > expected {
            let rest_is_empty = values[expected..].iter().all(String::is_empty);
            if !rest_is_empty {
                let delimiter = delimiter_name(dialect.delimiter);
                let problem = format!(
                    "it has {len} fields, and the header has {expected}. A field with {delimiter} \
                     in it has to stand between quotation marks"
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
        let values = values.into_iter().map(|text| match text.as_str() {
            "" => Value::Null,
            _ => Value::String(text),
        });
        let fields: Map<String, Value> = names.iter().cloned().zip(values).collect();
        sink.row(Some(line), fields)?;
    }
    Ok(())
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
        other => format!("a {}", other as char),
    }
}

/// The names of columns as pandas makes them: `prompt`, `prompt.1`, `Unnamed: 2`.
pub(super) fn header_names(fields: &[String], line: u64, sink: &mut Sink<'_>) -> Vec<String> {
    let given: Vec<String> = fields.iter().map(|name| name.trim().to_owned()).collect();
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

struct Record {
    /// Where it begins.
    line: u64,
    fields: Vec<String>,
    has_quotes: bool,

    /// What stands after a closing quotation mark, where it separates columns in other tables.
    other_delimiter: Option<u8>,
}

/// The line and the field (from 1) that a quotation mark opens and nothing closes.
struct Unclosed {
    line: u64,
    field: usize,
}

struct Records<'f, 'a> {
    feed: &'f mut Feed<'a>,
    delimiter: u8,
}

impl Records<'_, '_> {
    /// The next row that is not blank.
    fn next(&mut self) -> Result<Option<Record>, Unclosed> {
        loop {
            let Some(record) = self.record()? else { return Ok(None) };
            let is_blank = match record.fields.as_slice() {
                [only] => !record.has_quotes && only.trim().is_empty(),
                _ => false,
            };
            if !is_blank {
                return Ok(Some(record));
            }
        }
    }

    fn record(&mut self) -> Result<Option<Record>, Unclosed> {
        if self.feed.peek().is_none() {
            return Ok(None);
        }
        let line = self.feed.line();
        let mut fields = Vec::new();
        let mut has_quotes = false;
        let mut other_delimiter = None;
        let mut bytes = Vec::new();
        loop {
            if self.feed.peek() == Some(b'"') {
                let opened = Unclosed { line: self.feed.line(), field: fields.len() + 1 };
                self.feed.next();
                has_quotes = true;
                self.quoted(&mut bytes, &opened)?;
                let after = self.feed.peek().filter(|byte| *byte != self.delimiter);
                let after = after.filter(|byte| DELIMITERS.contains(byte));
                other_delimiter = other_delimiter.or(after);
            }
            self.unquoted(&mut bytes);
            if bytes.len() > LONGEST {
                return Err(Unclosed { line, field: fields.len() + 1 });
            }
            // What is not UTF-8 was found before.
            fields.push(String::from_utf8_lossy(&bytes).into_owned());
            bytes.clear();
            match self.feed.peek() {
                Some(byte) if byte == self.delimiter => {
                    self.feed.skip(1);
                    if self.feed.peek().is_none() {
                        fields.push(String::new());
                        break;
                    }
                }
                Some(b'\r') => {
                    self.feed.next();
                    if self.feed.peek() == Some(b'\n') {
                        self.feed.next();
                    }
                    break;
                }
                Some(_) => {
                    self.feed.next();
                    break;
                }
                None => break,
            }
        }
        Ok(Some(Record { line, fields, has_quotes, other_delimiter }))
    }

    /// Up to the quotation mark that closes a field, which is taken too.
    fn quoted(&mut self, bytes: &mut Vec<u8>, opened: &Unclosed) -> Result<(), Unclosed> {
        loop {
            let ahead = self.feed.ahead();
            let run = ahead.iter().position(|byte| matches!(byte, b'"' | b'\n' | b'\r'));
            let run = run.unwrap_or(ahead.len());
            bytes.extend_from_slice(&ahead[..run]);
            self.feed.skip(run);
            match self.feed.next() {
                Some(b'"') if self.feed.peek() == Some(b'"') => {
                    self.feed.next();
                    bytes.push(b'"');
                }
                Some(b'"') => return Ok(()),
                Some(byte) => bytes.push(byte),
                None => return Err(Unclosed { ..*opened }),
            }
            if bytes.len() > LONGEST {
                return Err(Unclosed { ..*opened });
            }
        }
    }

    /// Up to the next delimiter or the end of the line, which are left.
    fn unquoted(&mut self, bytes: &mut Vec<u8>) {
        loop {
            let delimiter = self.delimiter;
            let ahead = self.feed.ahead();
            let ends = |byte: &u8| *byte == delimiter || matches!(byte, b'\n' | b'\r');
            let run = ahead.iter().position(ends);
            let is_whole = run.is_some() || ahead.is_empty();
            let run = run.unwrap_or(ahead.len());
            bytes.extend_from_slice(&ahead[..run]);
            self.feed.skip(run);
            if is_whole || bytes.len() > LONGEST {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_every_row_has() {
        for (text, delimiter, is_table, reason) in [
            ("id,prompt\n1,Why?\n", b',', true, "commas"),
            ("id;prompt\n1;Why, oh why?\n", b';', true, "commas in the words"),
            ("id\tprompt\n1\tWhy, oh why?\n", b'\t', true, "tabs"),
            ("id|prompt\n1|Why?\n", b'|', true, "bars"),
            ("\"a;b\",c\n1,2\n", b',', true, "a semicolon in a name"),
            ("\"a,b,c\";d\n1;2\n", b';', true, "commas in a name"),
            ("prompt\nWhy; and how?\n", b',', false, "one column"),
            ("sep=;\na;b\n1;2\n", b';', true, "said"),
            ("\"sep=\t\"\na\tb\n1\t2\n", b'\t', true, "said between quotation marks"),
            ("a,b\n1,2,3\n", b',', false, "uneven"),
            ("", b',', false, "nothing"),
        ] {
            let found = dialect(text);
            assert_eq!((found.delimiter, found.is_table()), (delimiter, is_table), "{reason}");
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "records with their lines, or where a quote is open"
    )]
    fn cut(text: &str) -> Result<Vec<(u64, Vec<String>)>, (u64, usize)> {
        let mut feed = Feed::new(Box::new(text.as_bytes()));
        let mut records = Records { feed: &mut feed, delimiter: b',' };
        let mut all = Vec::new();
        loop {
            match records.next() {
                Ok(Some(record)) => all.push((record.line, record.fields)),
                Ok(None) => return Ok(all),
                Err(Unclosed { line, field }) => return Err((line, field)),
            }
        }
    }

    /// What pandas 3.1 reads (`read_csv(header=None, dtype=str, keep_default_na=False)`).
    #[test]
    fn fields_are_cut_as_pandas_cuts_them() {
        let cases: [(&str, &[&[&str]]); 12] = [
            ("a,b\n1,2\n", &[&["a", "b"], &["1", "2"]]),
            ("a,b\r\n1,2", &[&["a", "b"], &["1", "2"]]),
            ("a,b\r1,2\r", &[&["a", "b"], &["1", "2"]]),
            ("\"a\nb\",c\n", &[&["a\nb", "c"]]),
            ("\"a\r\nb\",c\n", &[&["a\r\nb", "c"]]),
            ("\"say \"\"hi\"\"\",c\n", &[&["say \"hi\"", "c"]]),
            ("5\" disk,c\n", &[&["5\" disk", "c"]]),
            ("\"a\"b,c\n", &[&["ab", "c"]]),
            ("a,\n,b\n", &[&["a", ""], &["", "b"]]),
            ("a\n\n  \nb\n", &[&["a"], &["b"]]),
            ("a\n\"\"\nb\n", &[&["a"], &[""], &["b"]]),
            (" a , b\n", &[&[" a ", " b"]]),
        ];
        for (text, expected) in cases {
            let rows: Vec<Vec<String>> =
                cut(text).unwrap().into_iter().map(|(_, fields)| fields).collect();
            assert_eq!(rows, expected, "{text:?}");
        }
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_is_found_where_it_opens() {
        assert_eq!(cut("a,b\n1,\"x\n2,y\n").unwrap_err(), (2, 2));
        assert_eq!(cut("a,b\n\"1\n\",\"x\n2,y\n").unwrap_err(), (3, 2));
        let lines: Vec<u64> =
            cut("a\n\"b\nc\"\nd\n").unwrap().into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 2, 4], "a row has the line on which it begins");
    }
}
