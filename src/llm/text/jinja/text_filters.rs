//! The filters of Jinja2 that lay out text.

use std::fmt::Write as _;

use super::arguments::Values;
use super::failure::{Failure, Kind, Outcome, type_error, value_error};
use super::iteration::collect;
use super::operators::pairs;
use super::pretty::{Wrapping, wrap};
use super::strings;
use super::value::{Interpreter, Items, Value};
use super::words::{self, is_space};

/// Jinja2's own title case: the first letter of each word, and a word begins after white space,
/// a hyphen or an opening bracket.
pub fn title(text: &str) -> String {
    let is_between = |c: char| is_space(c) || "-({[<".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let between = rest.len() - rest.trim_start_matches(is_between).len();
        out.push_str(&rest[..between]);
        rest = &rest[between..];
        let end = rest.find(is_between).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let mut characters = word.chars();
        if let Some(first) = characters.next() {
            out.extend(first.to_uppercase());
            out.push_str(&characters.as_str().to_lowercase());
        }
        rest = after;
    }
    out
}

pub fn indent(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Outcome<Value> {
    let [width, first, blank] = values.bind("indent", ["width", "first", "blank"], 0)?;
    let truthy = |value: Option<Value>| value.map_or(Ok(false), |value| interpreter.truthy(&value));
    let (first, blank) = (truthy(first)?, truthy(blank)?);
    let indention = match &width {
        None => " ".repeat(4),
        Some(width) => match width.as_str() {
            Some(text) => text.to_string(),
            None => " ".repeat(width.index()?.clamp(0, 10_000) as usize),
        },
    };
    let Some(text) = value.as_str() else {
        if value.is_undefined() {
            return Err(value.undefined_failure());
        }
        let name = value.type_name();
        return type_error(format!("unsupported operand type(s) for +=: '{name}' and 'str'"));
    };
    let indention = match value {
        Value::Safe(_) if width.as_ref().is_some_and(|width| width.as_str().is_some()) => indention,
        _ => indention,
    };
    let lines = strings::lines(&format!("{text}\n"), false);
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let wanted = if index == 0 { first } else { blank || !line.is_empty() };
        if wanted {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(Value::text_like(value, out))
}

pub fn truncate(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Outcome<Value> {
    let names = ["length", "killwords", "end", "leeway"];
    let [length, kill_words, end, leeway] = values.bind("truncate", names, 0)?;
    let length = length.as_ref().map_or(Ok(255), Value::index)?;
    let kill_words = kill_words.as_ref().map_or(Ok(false), |value| interpreter.truthy(value))?;
    let end = end.unwrap_or_else(|| Value::from("..."));
    let leeway = match &leeway {
        None | Some(Value::None) => 5,
        Some(leeway) => leeway.index()?,
    };
    let end_length = end.length()? as i128;
    if length < end_length {
        let message = format!("expected length >= {end_length}, got {length}");
        return Err(Failure::new(Kind::Runtime, message));
    }
    if leeway < 0 {
        return Err(Failure::new(Kind::Runtime, format!("expected leeway >= 0, got {leeway}")));
    }
    if value.length()? as i128 <= length + leeway {
        return Ok(value.clone());
    }
    let (Some(text), Some(end)) = (value.as_str(), end.as_str()) else {
        return type_error("truncate needs a string");
    };
    let kept: String = text.chars().take((length - end_length) as usize).collect();
    let kept =
        if kill_words { &kept } else { kept.rsplit_once(' ').map_or(&*kept, |(kept, _)| kept) };
    Ok(Value::text_like(value, format!("{kept}{end}")))
}

pub fn url_encode(value: &Value, interpreter: &dyn Interpreter) -> Outcome<Value> {
    let quote = |value: &Value, query: bool| {
        let mut out = String::new();
        for byte in words::text(value).bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => {
                    out.push(char::from(byte));
                }
                b'/' if !query => out.push('/'),
                b' ' if query => out.push('+'),
                _ => write!(out, "%{byte:02X}").expect("a String takes everything"),
            }
        }
        out
    };
    let pairs = match value {
        Value::Dict(dict) => pairs(dict),
        Value::Str(_) | Value::Safe(_) => return Ok(Value::from(quote(value, false))),
        _ => match Items::of(value) {
            Ok(mut items) => items.rest(interpreter)?,
            Err(_) => return Ok(Value::from(quote(value, false))),
        },
    };
    let mut parts = Vec::new();
    for pair in pairs {
        match collect(&pair, interpreter)?.as_slice() {
            [key, value] => parts.push(format!("{}={}", quote(key, true), quote(value, true))),
            _ => return value_error("urlencode needs pairs"),
        }
    }
    Ok(Value::from(parts.join("&")))
}

pub fn word_wrap(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Outcome<Value> {
    let names = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let [width, break_long_words, between, break_on_hyphens] = values.bind("wordwrap", names, 0)?;
    let flag = |value: Option<Value>| value.map_or(Ok(true), |value| interpreter.truthy(&value));
    let wrapping = Wrapping {
        width: width.as_ref().map_or(Ok(79), Value::index)?,
        break_long_words: flag(break_long_words)?,
        break_on_hyphens: flag(break_on_hyphens)?,
    };
    let between = match &between {
        None | Some(Value::None) => "\n".to_owned(),
        Some(text) => words::text(text),
    };
    let Some(text) = value.as_str() else {
        if value.is_undefined() {
            return Err(value.undefined_failure());
        }
        let name = value.type_name();
        let message = format!("'{name}' object has no attribute 'splitlines'");
        return Err(Failure::new(Kind::Attribute, message));
    };
    let mut paragraphs = Vec::new();
    for line in strings::lines(text, false) {
        paragraphs.push(wrap(&line, wrapping)?.join(&between));
    }
    Ok(Value::from(paragraphs.join(&between)))
}
