//! HTML, as far as Jinja2's filters write and read it.

use super::failure::{Failure, Kind, Outcome, type_error, unsupported, value_error};
use super::strings::split_space;
use super::value::{Dict, LONGEST, Value};
use super::words::{escape, text};

/// Without tags and comments, entities read, white space collapsed.
pub fn strip_tags(html: &str) -> Outcome<String> {
    let mut out = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let tag = &rest[start..];
        let end = match tag.strip_prefix("<!--") {
            Some(comment) => comment.find("-->").map(|end| end + 7),
            None => tag.find('>').map(|end| end + 1),
        };
        let Some(end) = end else { break };
        out.push_str(&rest[..start]);
        rest = &tag[end..];
    }
    out.push_str(rest);
    unescape(&split_space(&out, None).join(" "))
}

/// Entities as characters: numbers, and the names that Jinja2 itself writes.
pub fn unescape(html: &str) -> Outcome<String> {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name_end = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '#');
        let name = &rest[1..name_end.map_or(rest.len(), |end| end + 1)];
        if name.is_empty() {
            out.push('&');
            rest = &rest[1..];
            continue;
        }
        let character = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            "nbsp" => Some('\u{a0}'),
            _ => name.strip_prefix('#').and_then(|code| {
                let code = match code.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => code.parse(),
                };
                char::from_u32(code.ok()?)
            }),
        };
        let Some(character) = character else {
            return unsupported(format!("the HTML entity &{name};"));
        };
        out.push(character);
        rest = &rest[1 + name.len()..];
        rest = rest.strip_prefix(';').unwrap_or(rest);
    }
    out.push_str(rest);
    Ok(out)
}

/// `a="1" b="2"`
pub fn attributes(dict: &Dict, space: bool) -> Outcome<String> {
    let mut parts = Vec::new();
    for (key, value) in dict {
        if matches!(value, Value::None | Value::Undefined(_)) {
            continue;
        }
        let Some(name) = key.value().as_str() else {
            return type_error("expected string or bytes-like object");
        };
        let wrong =
            |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '/' | '>' | '=');
        if name.contains(wrong) {
            return value_error(format!("Invalid character in attribute name: '{name}'"));
        }
        parts.push(format!("{}=\"{}\"", text(&escape(key.value())), text(&escape(value))));
    }
    let joined = parts.join(" ");
    if joined.len() > LONGEST {
        return Err(Failure::new(Kind::Limit, "the text would be too long"));
    }
    Ok(if space && !joined.is_empty() { format!(" {joined}") } else { joined })
}
