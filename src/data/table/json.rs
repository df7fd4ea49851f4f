//! JSON, value by value, with a person's words for what is wrong with it.
//!
//! Python's `json` and pandas take NaN and Infinity for numbers; so does this, and says that there
//! is no value. Nothing else is let pass.

use serde_json::{Map, Number, Value};

use super::feed::Feed;

/// Lists and objects in each other: far more than any row has, and no more than other readers of
/// JSON Lines allow.
const DEEPEST: usize = 100;

/// A text, or a row, that takes more than this was never closed, in bytes.
const LONGEST: u64 = 1 << 28;

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub line: u64,
    pub column: u64,
    pub what: String,
}

/// What was read other than it stands there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub what: &'static str,

    /// The outermost key around it: a column.
    pub key: Option<String>,
    pub line: u64,
}

pub(super) struct Json<'f, 'a> {
    pub feed: &'f mut Feed<'a>,
    pub changes: Vec<Change>,

    /// Where the value that is being read began.
    start: (u64, u64),
    keys: Vec<String>,
    text: Vec<u8>,
}

impl<'f, 'a> Json<'f, 'a> {
    pub fn new(feed: &'f mut Feed<'a>) -> Self {
        Self { feed, changes: Vec::new(), start: (1, 0), keys: Vec::new(), text: Vec::new() }
    }

    /// The next byte that is no white space.
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.feed.peek() {
            match byte {
                // RS: JSON text sequences have it before each row (RFC 7464).
                b' ' | b'\t' | b'\n' | b'\r' | 0x1e => self.feed.next(),
                // A mark in the middle: two files were put together.
                0xef if self.feed.ahead().starts_with(b"\xef\xbb\xbf") => {
                    self.feed.skip(3);
                    continue;
                }
                _ => return Some(byte),
            };
        }
        None
    }

    /// The next value as a whole.
    pub fn value(&mut self) -> Result<Value, Problem> {
        self.peek();
        self.start = (self.feed.line(), self.feed.offset());
        self.keys.clear();
        self.inner(0)
    }

    pub fn problem(&self, what: impl Into<String>) -> Problem {
        Problem { line: self.feed.line(), column: self.feed.column(), what: what.into() }
    }

    fn inner(&mut self, depth: usize) -> Result<Value, Problem> {
        if self.feed.offset() - self.start.1 > LONGEST {
            return Err(self.problem(format!(
                "the row that begins on line {} takes more than {} MB",
                self.start.0,
                LONGEST >> 20
            )));
        }
        let Some(byte) = self.peek() else { return Err(self.ended()) };
        match byte {
            b'{' | b'[' if depth >= DEEPEST => Err(self.problem(format!(
                "more than {DEEPEST} lists and objects lie in each other here; no row needs that"
            ))),
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => Ok(Value::String(self.string()?)),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Problem> {
        self.feed.next();
        let mut fields = Map::new();
        let mut after_comma = false;
        loop {
            match self.peek() {
                Some(b'}') if after_comma => return Err(self.trailing_comma('}')),
                Some(b'}') => {
                    self.feed.next();
                    return Ok(Value::Object(fields));
                }
                Some(b'"') => {}
                Some(byte) => return Err(self.no_key(byte)),
                None => return Err(self.ended()),
            }
            let name = self.string()?;
            match self.peek() {
                Some(b':') => self.feed.next(),
                Some(_) => {
                    return Err(self.problem(format!("after the name \"{name}\" a : is missing")));
                }
                None => return Err(self.ended()),
            };
            self.keys.push(name.clone());
            let value = self.inner(depth + 1)?;
            self.keys.pop();
            if fields.insert(name.clone(), value).is_some() {
                // As Python, pandas and every other reader.
                let what = "the same name stands twice in an object; the last value was taken";
                let key = Some(self.keys.first().cloned().unwrap_or(name));
                self.changes.push(Change { what, key, line: self.feed.line() });
            }
            match self.peek() {
                Some(b',') => {
                    self.feed.next();
                    after_comma = true;
                }
                Some(b'}') => after_comma = false,
                other => return Err(self.no_comma(other, '}')),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        self.feed.next();
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.feed.next();
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.inner(depth + 1)?);
            match self.peek() {
                Some(b',') => self.feed.next(),
                Some(b']') => {
                    self.feed.next();
                    return Ok(Value::Array(items));
                }
                other => return Err(self.no_comma(other, ']')),
            };
            if self.peek() == Some(b']') {
                return Err(self.trailing_comma(']'));
            }
        }
    }

    /// At a `"`.
    fn string(&mut self) -> Result<String, Problem> {
        let opened = (self.feed.line(), self.feed.column());
        self.feed.next();
        self.text.clear();
        loop {
            let ahead = self.feed.ahead();
            let run = ahead.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let run = run.unwrap_or(ahead.len());
            self.text.extend_from_slice(&ahead[..run]);
            self.feed.skip(run);
            if self.text.len() as u64 > LONGEST {
                let what =
                    format!("the text that begins here takes more than {} MB", LONGEST >> 20);
                return Err(Problem { line: opened.0, column: opened.1, what });
            }
            match self.feed.peek() {
                Some(b'"') => {
                    self.feed.next();
                    break;
                }
                Some(b'\\') => self.escape()?,
                Some(b'\n' | b'\r') => {
                    let what = "the text that begins here is not closed on its line: a \" is \
                                missing at its end, or a line break in it is not written \\n";
                    return Err(Problem {
                        line: opened.0,
                        column: opened.1,
                        what: what.to_owned(),
                    });
                }
                Some(byte @ 0..=0x1f) => {
                    let written =
                        if byte == b'\t' { "\\t".into() } else { format!("\\u{byte:04x}") };
                    return Err(self.problem(format!(
                        "a text holds a control character ({byte}) as it is; JSON writes {written}"
                    )));
                }
                Some(_) => {} // the next chunk
                None => return Err(self.ended()),
            }
        }
        let text = std::mem::take(&mut self.text);
        String::from_utf8(text).map_err(|_not_utf8| self.problem("this text is not UTF-8"))
    }

    /// At a `\`.
    fn escape(&mut self) -> Result<(), Problem> {
        let at = self.problem("");
        self.feed.next();
        let byte = match self.feed.next() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode_escape(&at),
            Some(b'\'') => {
                let what = "JSON does not write \\' ; a ' in a text stands as it is".to_owned();
                return Err(Problem { what, ..at });
            }
            Some(byte) => {
                let what = format!(
                    "\\{} is none of JSON's escapes; a \\ by itself is written \\\\ (in paths of \
                     Windows and in formulas)",
                    shown(byte)
                );
                return Err(Problem { what, ..at });
            }
            None => return Err(self.ended()),
        };
        self.text.push(byte);
        Ok(())
    }

    /// After `\u`. Characters beyond the first 65,536, emoji among them, are written as two halves.
    fn unicode_escape(&mut self, at: &Problem) -> Result<(), Problem> {
        let first = self.four_digits(at)?;
        let half = || {
            let what = format!(
                "half an emoji (or another rare character): \\u{first:04x} stands without its \
                 other half. Whatever cut the text cut it in the middle of a character; take the \
                 rest of it out"
            );
            Problem { what, line: at.line, column: at.column }
        };
        let code = match first {
            0xd800..=0xdbff => {
                if !self.feed_has(*b"\\u") {
                    return Err(half());
                }
                self.feed.next();
                self.feed.next();
                let second = self.four_digits(at)?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(half());
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            0xdc00..=0xdfff => return Err(half()),
            other => other,
        };
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// Whether two bytes come next. They may lie in two chunks.
    fn feed_has(&mut self, two: [u8; 2]) -> bool {
        if self.feed.peek() != Some(two[0]) {
            return false;
        }
        let ahead = self.feed.ahead();
        // At the end of a chunk the second is not seen: an escape comes next or an error does.
        ahead.get(1).is_none_or(|byte| *byte == two[1])
    }

    fn four_digits(&mut self, at: &Problem) -> Result<u32, Problem> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.feed.peek().and_then(|byte| (byte as char).to_digit(16));
            let Some(digit) = digit else {
                let what = "after \\u four hexadecimal digits are expected".to_owned();
                return Err(Problem { what, line: at.line, column: at.column });
            };
            code = code * 16 + digit;
            self.feed.next();
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let at = self.problem("");
        let mut text = String::new();
        while let Some(byte @ (b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) = self.feed.peek() {
            text.push(byte as char);
            self.feed.skip(1);
            if text.len() > 10_000 {
                return Err(Problem { what: "a number of more than 10,000 digits".into(), ..at });
            }
        }
        if text == "-" && self.feed.peek() == Some(b'I') {
            return self.word();
        }
        let written = Value::Number(self.checked_number(&text, &at)?);
        Ok(if written.as_f64().is_some_and(f64::is_infinite) { Value::Null } else { written })
    }

    fn checked_number(&mut self, text: &str, at: &Problem) -> Result<Number, Problem> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let whole: &str = digits.split(['.', 'e', 'E']).next().unwrap_or_default();
        let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
        let bare_point = digits.contains('.')
            && !digits
                .split_once('.')
                .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
        let no = |what: String| Problem { what, line: at.line, column: at.column };
        if whole.is_empty() || has_leading_zero || bare_point {
            return Err(no(format!("{text} is not a number as JSON writes it")));
        }
        if let Ok(number) = text.parse::<i64>()
            && text != "-0"
        {
            return Ok(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Ok(number.into());
        }
        let number: f64 = text
            .parse()
            .map_err(|_not_a_number| no(format!("{text} is not a number as JSON writes it")))?;
        if whole.len() == digits.len() {
            let what = "a whole number has too many digits to be kept exactly";
            let key = self.keys.first().cloned();
            self.changes.push(Change { what, key, line: at.line });
        }
        Number::from_f64(number).ok_or_else(|| no(format!("{text} is too large for a number")))
    }

    /// Anything that begins with a letter, or with something that has no place in JSON.
    fn word(&mut self) -> Result<Value, Problem> {
        let at = self.problem("");
        let mut word = String::new();
        while let Some(byte) = self.feed.peek() {
            if !(byte.is_ascii_alphanumeric() || byte == b'_') || word.len() > 40 {
                break;
            }
            word.push(byte as char);
            self.feed.skip(1);
        }
        let what = match word.as_str() {
            "null" => return Ok(Value::Null),
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            "NaN" | "Infinity" => {
                let what = "NaN or Infinity, which JSON does not know, is read as no value";
                let key = self.keys.first().cloned();
                self.changes.push(Change { what, key, line: at.line });
                return Ok(Value::Null);
            }
            "None" | "True" | "False" => format!(
                "{word} is how Python prints it; JSON writes {}. In Python, json.dumps(row) writes \
                 a row as JSON",
                if word == "None" { "null".to_owned() } else { word.to_lowercase() }
            ),
            "nan" | "inf" | "undefined" => format!("{word} is no JSON; for no value it has null"),
            "" => self.stray(),
            word => format!("{word} stands here without quotation marks; JSON needs \"{word}\""),
        };
        Err(Problem { what, ..at })
    }

    /// What is wrong with a character at which a value should begin.
    fn stray(&mut self) -> String {
        let ahead = self.feed.ahead();
        let ahead = &ahead[..ahead.len().min(8)];
        let text = String::from_utf8_lossy(ahead);
        match text.chars().next() {
            Some('\'') => "the text stands between ' , as Python prints it; JSON has \" . In \
                           Python, json.dumps(row) writes a row as JSON"
                .to_owned(),
            Some(curly @ ('“' | '”' | '„' | '‘' | '’' | '«' | '»')) => format!(
                "the quotation mark {curly} is a typographic one, as word processors make them; \
                 JSON needs \""
            ),
            Some('/' | '#') => "a comment stands here; JSON has none".to_owned(),
            Some(',') => "a value is missing before this comma".to_owned(),
            Some(other) if other.is_control() => {
                format!("a value should begin here, and the byte {} stands here", other as u32)
            }
            Some(other) => format!("a value should begin here, and {other} stands here"),
            None => "a value is missing here".to_owned(),
        }
    }

    fn no_key(&mut self, byte: u8) -> Problem {
        let what = match byte {
            b',' => "a comma too many".to_owned(),
            b'\'' => "the name stands between ' , as Python prints it; JSON has \" . In Python, \
                      json.dumps(row) writes a row as JSON"
                .to_owned(),
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
                "a name stands here without quotation marks; JSON puts names between \"".to_owned()
            }
            _ => {
                let found = self.stray();
                found.replace("a value should begin here", "a name between \" should begin here")
            }
        };
        self.problem(what)
    }

    fn no_comma(&mut self, found: Option<u8>, close: char) -> Problem {
        let start = self.start.0;
        let whole = if close == '}' { "object" } else { "list" };
        let Some(found) = found else { return self.ended() };
        let elsewhere = if self.feed.line() > start {
            format!(" (the row begins on line {start})")
        } else {
            String::new()
        };
        let what = match found {
            b'"' => format!(
                "a comma is missing before this, or a \" in the text before it is not written \\\"\
                 {elsewhere}"
            ),
            b'{' if close == '}' => format!(
                "the {whole} before this is not closed: a {close} or a comma is missing{elsewhere}"
            ),
            _ => {
                let found = self.first_character();
                format!(
                    "a comma or {close} should follow here, and {found} stands here{elsewhere}. Is \
                     there a \" inside a text that is not written \\\" ?"
                )
            }
        };
        self.problem(what)
    }

    fn first_character(&mut self) -> char {
        let ahead = self.feed.ahead();
        let ahead = &ahead[..ahead.len().min(8)];
        String::from_utf8_lossy(ahead).chars().next().unwrap_or(' ')
    }

    fn trailing_comma(&self, close: char) -> Problem {
        self.problem(format!("a comma stands before {close} with nothing behind it; take it out"))
    }

    fn ended(&self) -> Problem {
        let what = format!(
            "the file ends in the middle of the row that begins on line {}: it was cut off, or a \
             bracket or a \" is not closed",
            self.start.0
        );
        self.problem(what)
    }
}

fn shown(byte: u8) -> String {
    if byte.is_ascii_graphic() { (byte as char).to_string() } else { format!("(byte {byte})") }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
