//! A template's text as tokens, with the white space around tags trimmed as transformers asks
//! for: `trim_blocks` and `lstrip_blocks`.

use super::failure::{Failure, Kind, Outcome};
use super::syntax::Text;
use super::words::{is_space, write_escape};

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Data(Text),
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name(Text),
    String(Text),
    Integer(i128),
    Float(f64),
    Operator(&'static str),
    End,
}

impl Token {
    /// As an error names it.
    pub fn described(&self) -> String {
        match self {
            Self::Data(_) => "template data / text".to_owned(),
            Self::VariableBegin => "begin of print statement".to_owned(),
            Self::VariableEnd => "end of print statement".to_owned(),
            Self::BlockBegin => "begin of statement block".to_owned(),
            Self::BlockEnd => "end of statement block".to_owned(),
            Self::Name(text) | Self::String(text) => text.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Operator(text) => (*text).to_owned(),
            Self::End => "end of template".to_owned(),
        }
    }
}

/// Longest first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
];

/// Every token with its line; the last one is [`Token::End`].
pub fn tokens(source: &str) -> Outcome<Vec<(Token, u32)>> {
    let mut source = source.replace("\r\n", "\n").replace('\r', "\n");
    if source.ends_with('\n') {
        source.pop();
    }
    let mut lexer =
        Lexer { source: &source, position: 0, line: 1, line_starting: true, found: Vec::new() };
    lexer.run()?;
    let line = lexer.line;
    let mut found = lexer.found;
    found.push((Token::End, line));
    Ok(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Raw,
    Block,
    Comment,
    Variable,
}

struct Lexer<'a> {
    source: &'a str,
    position: usize,
    line: u32,
    /// What was read last ended a line.
    line_starting: bool,
    found: Vec<(Token, u32)>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.position..]
    }

    fn push(&mut self, token: Token) {
        self.found.push((token, self.line));
    }

    fn fail<T>(&self, message: impl Into<String>) -> Outcome<T> {
        Err(Failure::new(Kind::Syntax, message).at(self.line))
    }

    /// Goes on by `length` bytes.
    fn advance(&mut self, length: usize) {
        let passed = &self.rest()[..length];
        self.line += passed.matches('\n').count() as u32;
        if length > 0 {
            self.line_starting = passed.ends_with('\n');
        }
        self.position += length;
    }

    fn run(&mut self) -> Outcome<()> {
        while self.position < self.source.len() {
            let Some((start, tag, length, sign)) = next_tag(self.rest()) else {
                self.push(Token::Data(self.rest().into()));
                self.advance(self.rest().len());
                break;
            };
            self.data(start, sign, tag != Tag::Variable);
            self.advance(start + length);
            match tag {
                Tag::Raw => self.raw()?,
                Tag::Comment => self.comment()?,
                Tag::Block => {
                    self.push(Token::BlockBegin);
                    self.inside(true)?;
                }
                Tag::Variable => {
                    self.push(Token::VariableBegin);
                    self.inside(false)?;
                }
            }
        }
        Ok(())
    }

    /// The text before a tag, which may trim it.
    fn data(&mut self, length: usize, sign: Option<char>, may_strip_line: bool) {
        let text = &self.rest()[..length];
        let kept = match sign {
            Some('-') => text.trim_end_matches(is_space),
            None if may_strip_line => {
                let line = text.rfind('\n').map_or(0, |at| at + 1);
                let blank = line < text.len() && text[line..].chars().all(is_space);
                if blank && (line > 0 || self.line_starting) { &text[..line] } else { text }
            }
            _ => text,
        };
        if !kept.is_empty() {
            self.push(Token::Data(kept.into()));
        }
    }

    /// After `{#`.
    fn comment(&mut self) -> Outcome<()> {
        let rest = self.rest();
        let Some(end) = rest.find("#}") else { return self.fail("Missing end of comment tag") };
        let length = if rest[..end].ends_with('-') {
            end + 2 + spaces(&rest[end + 2..])
        } else if rest[..end].ends_with('+') {
            end + 2
        } else {
            end + 2 + usize::from(rest[end + 2..].starts_with('\n'))
        };
        self.advance(length);
        Ok(())
    }

    /// After `{% raw %}`.
    fn raw(&mut self) -> Outcome<()> {
        let rest = self.rest();
        let mut from = 0;
        while let Some(at) = rest[from..].find("{%").map(|at| from + at) {
            let inner = &rest[at + 2..];
            let (sign, inner) = sign_of(inner);
            let inner = inner.trim_start_matches(is_space);
            if let Some(inner) = inner.strip_prefix("endraw") {
                let inner = inner.trim_start_matches(is_space);
                if let Some(length) = block_end(inner) {
                    self.data(at, sign, true);
                    self.advance(rest.len() - inner.len() + length);
                    return Ok(());
                }
            }
            from = at + 1;
        }
        self.fail("Missing end of raw directive")
    }

    /// The tokens up to `%}` or `}}`.
    fn inside(&mut self, block: bool) -> Outcome<()> {
        let mut open: Vec<char> = Vec::new();
        loop {
            let rest = self.rest();
            if open.is_empty() {
                let end = if block { block_end(rest) } else { variable_end(rest) };
                if let Some(length) = end {
                    self.push(if block { Token::BlockEnd } else { Token::VariableEnd });
                    self.advance(length);
                    return Ok(());
                }
            }
            let Some(first) = rest.chars().next() else { return Ok(()) };
            if is_space(first) {
                self.advance(spaces(rest));
            } else if let Some((token, length)) = self.number()? {
                self.push(token);
                self.advance(length);
            } else if is_word(first) {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                if first.is_numeric() {
                    return self.fail("Invalid character in identifier");
                }
                self.push(Token::Name(rest[..length].into()));
                self.advance(length);
            } else if let Some(length) = string_length(rest) {
                let text = unescape(&rest[1..length - 1]).map_err(|err| err.at(self.line))?;
                self.push(Token::String(text.into()));
                self.advance(length);
            } else if let Some(operator) = OPERATORS.into_iter().find(|text| rest.starts_with(text))
            {
                match operator {
                    "{" => open.push('}'),
                    "(" => open.push(')'),
                    "[" => open.push(']'),
                    "}" | ")" | "]" => match open.pop() {
                        None => return self.fail(format!("unexpected '{operator}'")),
                        Some(expected) if !operator.starts_with(expected) => {
                            return self
                                .fail(format!("unexpected '{operator}', expected '{expected}'"));
                        }
                        Some(_) => {}
                    },
                    _ => {}
                }
                self.push(Token::Operator(operator));
                self.advance(operator.len());
            } else {
                return self.fail(format!("unexpected character {first:?}"));
            }
        }
    }

    /// A number that begins here, and its length.
    fn number(&self) -> Outcome<Option<(Token, usize)>> {
        let rest = self.rest();
        // `1.2.3` is not two floats.
        let after_dot = self.source[..self.position].ends_with('.');
        if !after_dot && let Some(length) = float_length(rest) {
            let digits = rest[..length].replace('_', "");
            return match digits.parse() {
                Ok(value) => Ok(Some((Token::Float(value), length))),
                Err(_) => self.fail(format!("{digits} is not a number")),
            };
        }
        let Some((digits, radix, length)) = integer(rest) else { return Ok(None) };
        match i128::from_str_radix(&digits, radix) {
            Ok(value) => Ok(Some((Token::Integer(value), length))),
            Err(_) => self.fail(format!("the number {digits} is too large")),
        }
    }
}

/// The first tag: where, which, how long its opening is, and its sign.
fn next_tag(text: &str) -> Option<(usize, Tag, usize, Option<char>)> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find('{')?;
        let after = &text[at + 1..];
        let tag = match after.chars().next() {
            Some('%') => Tag::Block,
            Some('{') => Tag::Variable,
            Some('#') => Tag::Comment,
            _ => {
                from = at + 1;
                continue;
            }
        };
        let (sign, inner) = sign_of(&after[1..]);
        if tag == Tag::Block
            && let Some(rest) = inner.trim_start_matches(is_space).strip_prefix("raw")
        {
            let end = rest.trim_start_matches(is_space);
            let length = if end.starts_with("%}") {
                Some(2)
            } else {
                end.strip_prefix("-%}").map(|rest| 3 + spaces(rest))
            };
            if let Some(length) = length {
                return Some((at, Tag::Raw, text.len() - at - end.len() + length, sign));
            }
        }
        return Some((at, tag, 2 + usize::from(sign.is_some()), sign));
    }
}

/// The sign at the beginning, and what follows it.
fn sign_of(text: &str) -> (Option<char>, &str) {
    match text.chars().next() {
        Some(sign @ ('-' | '+')) => (Some(sign), &text[1..]),
        _ => (None, text),
    }
}

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches(is_space).len()
}

fn block_end(text: &str) -> Option<usize> {
    if text.starts_with("+%}") {
        Some(3)
    } else if let Some(rest) = text.strip_prefix("-%}") {
        Some(3 + spaces(rest))
    } else {
        text.strip_prefix("%}").map(|rest| 2 + usize::from(rest.starts_with('\n')))
    }
}

fn variable_end(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix("-}}") {
        Some(3 + spaces(rest))
    } else {
        text.starts_with("}}").then_some(2)
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// `(\d+_)*\d+`
fn digits_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    loop {
        let run = bytes[length..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if run == 0 {
            // An underscore at the end belongs to nobody.
            return length.saturating_sub(1);
        }
        length += run;
        if bytes.get(length) != Some(&b'_') {
            return length;
        }
        length += 1;
    }
}

fn float_length(text: &str) -> Option<usize> {
    let whole = digits_length(text);
    if whole == 0 {
        return None;
    }
    let mut length = whole;
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits_length);
    if fraction > 0 {
        length += 1 + fraction;
    }
    let exponent = text[length..].strip_prefix(['e', 'E']).map_or(0, |rest| {
        let signed = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        match digits_length(signed) {
            0 => 0,
            digits => 1 + rest.len() - signed.len() + digits,
        }
    });
    length += exponent;
    (fraction > 0 || exponent > 0).then_some(length)
}

type IsDigit = fn(u8) -> bool;

/// Digits without underscores, their radix, and the length of all.
fn integer(text: &str) -> Option<(String, u32, usize)> {
    let bytes = text.as_bytes();
    let run = |from: usize, is_digit: &dyn Fn(u8) -> bool, lead: bool| {
        // `(_?digit)*`, or digit first.
        let mut length = from;
        if lead {
            if !bytes.get(length).copied().is_some_and(is_digit) {
                return from;
            }
            length += 1;
        }
        loop {
            let skip = usize::from(bytes.get(length) == Some(&b'_'));
            if !bytes.get(length + skip).copied().is_some_and(is_digit) {
                return length;
            }
            length += skip + 1;
        }
    };
    if bytes.first() == Some(&b'0') {
        let radix: Option<(u32, IsDigit)> = match bytes.get(1) {
            Some(b'b' | b'B') => Some((2, |byte| matches!(byte, b'0' | b'1'))),
            Some(b'o' | b'O') => Some((8, |byte| (b'0'..=b'7').contains(&byte))),
            Some(b'x' | b'X') => Some((16, |byte| byte.is_ascii_hexdigit())),
            _ => None,
        };
        if let Some((radix, is_digit)) = radix {
            let length = run(2, &is_digit, false);
            if length > 2 {
                return Some((text[2..length].replace('_', ""), radix, length));
            }
        }
        let length = run(0, &|byte| byte == b'0', true);
        return Some(("0".to_owned(), 10, length));
    }
    let length = run(0, &|byte| byte.is_ascii_digit(), true);
    (length > 0).then(|| (text[..length].replace('_', ""), 10, length))
}

/// The length of the string that begins here, its quotes included.
fn string_length(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return Some(at + 1);
        }
    }
    None
}

/// A string's escapes, as Python's `unicode-escape` reads them after `backslashreplace`.
fn unescape(text: &str) -> Outcome<String> {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            result.push(character);
            continue;
        }
        let Some(escape) = characters.next() else { break };
        match escape {
            '\n' => {}
            '\\' | '\'' | '"' => result.push(escape),
            'a' => result.push('\u{7}'),
            'b' => result.push('\u{8}'),
            'f' => result.push('\u{c}'),
            'n' => result.push('\n'),
            'r' => result.push('\r'),
            't' => result.push('\t'),
            'v' => result.push('\u{b}'),
            'x' => result.push(hexadecimal(&mut characters, 2, "\\xXX")?),
            'u' => result.push(hexadecimal(&mut characters, 4, "\\uXXXX")?),
            'U' => result.push(hexadecimal(&mut characters, 8, "\\UXXXXXXXX")?),
            'N' => {
                let message = "a character by its name, \\N{...}";
                return Err(Failure::new(Kind::Unsupported, message));
            }
            '0'..='7' => {
                let mut code = escape.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let mut ahead = characters.clone();
                    let Some(digit) = ahead.next().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    characters = ahead;
                }
                result.push(char::from_u32(code).unwrap_or_default());
            }
            // `\é` has become `\\xe9` before the escapes are read.
            other if !other.is_ascii() => {
                write_escape(other, &mut result);
            }
            other => {
                result.push('\\');
                result.push(other);
            }
        }
    }
    Ok(result)
}

fn hexadecimal(characters: &mut std::str::Chars<'_>, count: usize, form: &str) -> Outcome<char> {
    let mut code: u32 = 0;
    for _ in 0..count {
        let Some(digit) = characters.next().and_then(|next| next.to_digit(16)) else {
            return Err(Failure::new(Kind::Syntax, format!("truncated {form} escape")));
        };
        code = code.wrapping_mul(16).wrapping_add(digit);
    }
    match char::from_u32(code) {
        Some(character) => Ok(character),
        None if code > 0x10_ffff => Err(Failure::new(Kind::Syntax, "illegal Unicode character")),
        None => {
            Err(Failure::new(Kind::Unsupported, format!("half a surrogate pair, \\u{code:04x}")))
        }
    }
}
