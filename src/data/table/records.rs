//! Rows of fields between delimiters, cut as pandas cuts them: see [`super::delimited`].

use super::feed::Feed;

/// What separates columns, in the order in which it is tried.
pub(super) const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A field that takes more than this was never closed, in bytes.
const LONGEST: usize = 1 << 26;

/// A row as it is cut.
pub(super) struct Record {
    /// Where it begins.
    pub line: u64,
    pub fields: Vec<String>,
    pub has_quotes: bool,

    /// What stands after a closing quotation mark, where it separates columns in other tables.
    pub other_delimiter: Option<u8>,
    pub oddity: Option<Oddity>,
}

/// What a quotation mark in a row may be meant for, and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oddity {
    Escape,
    Space,
}

impl Oddity {
    pub fn words(self) -> &'static str {
        match self {
            Self::Escape => {
                "a quotation mark with a \\ before it ends its text here, as in pandas. If it is to \
                 belong to the text, write it twice (\"\")"
            }
            Self::Space => {
                "a quotation mark stands behind a space, and so is a part of the text, as in pandas. \
                 If it is not, take the space out"
            }
        }
    }
}

/// The line and the field (from 1) that a quotation mark opens and nothing closes.
pub(super) struct Unclosed {
    pub line: u64,
    pub field: usize,
}

/// The rows of a text, one after the other.
pub(super) struct Records<'f, 'a> {
    pub feed: &'f mut Feed<'a>,
    delimiter: u8,

    /// A `\` makes the next character one of the text.
    has_escapes: bool,

    /// Quotation marks so far that a `\` stands before and no delimiter behind, and doubled ones.
    pub escapes: usize,
    pub doubled: usize,
}

impl<'f, 'a> Records<'f, 'a> {
    pub fn new(feed: &'f mut Feed<'a>, delimiter: u8, has_escapes: bool) -> Self {
        Self { feed, delimiter, has_escapes, escapes: 0, doubled: 0 }
    }

    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The next row that is not blank.
    pub fn next(&mut self) -> Result<Option<Record>, Unclosed> {
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
        let mut oddity = None;
        let before = self.escapes;
        let mut bytes = Vec::new();
        loop {
            let is_quoted = self.feed.peek() == Some(b'"');
            if is_quoted {
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
            let inner = bytes.trim_ascii();
            if !is_quoted
                && bytes.starts_with(b" ")
                && inner.len() > 1
                && inner.starts_with(b"\"")
                && inner.ends_with(b"\"")
            {
                oddity = Some(Oddity::Space);
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
        if self.escapes > before {
            oddity = Some(Oddity::Escape);
        }
        Ok(Some(Record { line, fields, has_quotes, other_delimiter, oddity }))
    }

    /// Up to the quotation mark that closes a field, which is taken too.
    fn quoted(&mut self, bytes: &mut Vec<u8>, opened: &Unclosed) -> Result<(), Unclosed> {
        loop {
            let ahead = self.feed.ahead();
            let escapes = self.has_escapes;
            let run = ahead.iter().position(|byte| {
                matches!(byte, b'"' | b'\n' | b'\r') || (escapes && *byte == b'\\')
            });
            let run = run.unwrap_or(ahead.len());
            bytes.extend_from_slice(&ahead[..run]);
            self.feed.skip(run);
            match self.feed.next() {
                Some(b'\\') if escapes => bytes.extend(self.feed.next()),
                Some(b'"') if self.feed.peek() == Some(b'"') => {
                    self.feed.next();
                    self.doubled += 1;
                    bytes.push(b'"');
                }
                Some(b'"') => {
                    let ends = self.feed.peek().is_none_or(|byte| {
                        byte == self.delimiter
                            || DELIMITERS.contains(&byte)
                            || matches!(byte, b'\n' | b'\r')
                    });
                    self.escapes += usize::from(bytes.last() == Some(&b'\\') && !ends);
                    return Ok(());
                }
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
            let (delimiter, escapes) = (self.delimiter, self.has_escapes);
            let ahead = self.feed.ahead();
            let ends = |byte: &u8| {
                *byte == delimiter || matches!(byte, b'\n' | b'\r') || (escapes && *byte == b'\\')
            };
            let run = ahead.iter().position(ends);
            let is_whole = run.is_some() || ahead.is_empty();
            let run = run.unwrap_or(ahead.len());
            bytes.extend_from_slice(&ahead[..run]);
            self.feed.skip(run);
            if escapes && self.feed.peek() == Some(b'\\') {
                self.feed.next();
                bytes.extend(self.feed.next());
                continue;
            }
            if is_whole || bytes.len() > LONGEST {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::type_complexity,
        reason = "records with their lines, or where a quote is open"
    )]
    fn cut(text: &str) -> Result<Vec<(u64, Vec<String>)>, (u64, usize)> {
        let mut feed = Feed::new(Box::new(text.as_bytes()));
        let mut records = Records::new(&mut feed, b',', false);
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
