//! Values as Python writes them: `str`, `repr`, and what it takes for white space.

use std::fmt::Write as _;

use unicode_general_category::{GeneralCategory, get_general_category};

use super::value::{Dict, LONGEST, Object, Value, View};

/// White space as Python's `str.isspace` and `\s` know it.
pub fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// Python's `str`.
pub fn text(value: &Value) -> String {
    match value {
        Value::Str(text) | Value::Safe(text) => text.to_string(),
        Value::Undefined(_) => String::new(),
        _ => repr(value),
    }
}

/// Python's `repr`.
pub fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(value, &mut out);
    out
}

fn write_repr(value: &Value, out: &mut String) {
    if out.len() > LONGEST {
        return; // whoever asked refuses what is so long
    }
    match value {
        Value::Undefined(_) => out.push_str("Undefined"),
        Value::None => out.push_str("None"),
        Value::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) => out.push_str(&float(*value)),
        Value::Str(text) => quote(text, out),
        Value::Safe(text) => {
            out.push_str("Markup(");
            quote(text, out);
            out.push(')');
        }
        Value::List(items) => write_items('[', items, ']', out),
        Value::Tuple(items) | Value::Group(items) if items.len() == 1 => {
            out.push('(');
            write_repr(&items[0], out);
            out.push_str(",)");
        }
        Value::Tuple(items) | Value::Group(items) => write_items('(', items, ')', out),
        Value::Dict(dict) => write_dict(dict, out),
        Value::Object(object) => write_object(value, object, out),
    }
}

fn write_items(open: char, items: &[Value], close: char, out: &mut String) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_repr(item, out);
    }
    out.push(close);
}

fn write_dict(dict: &Dict, out: &mut String) {
    out.push('{');
    for (index, (key, value)) in dict.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_repr(key.value(), out);
        out.push_str(": ");
        write_repr(value, out);
    }
    out.push('}');
}

fn write_object(value: &Value, object: &Object, out: &mut String) {
    match object {
        Object::Range { start, stop, step: 1 } => {
            write!(out, "range({start}, {stop})").expect("a String takes everything");
        }
        Object::Range { start, stop, step } => {
            write!(out, "range({start}, {stop}, {step})").expect("a String takes everything");
        }
        Object::View(view, dict) => {
            out.push_str(value.type_name());
            out.push('(');
            let items: Vec<Value> = match view {
                View::Keys => dict.keys().map(|key| key.value().clone()).collect(),
                View::Values => dict.values().cloned().collect(),
                View::Items => {
                    let pair = |(key, value): (&super::value::Key, &Value)| {
                        Value::tuple(vec![key.value().clone(), value.clone()])
                    };
                    dict.iter().map(pair).collect()
                }
            };
            write_items('[', &items, ']', out);
            out.push(')');
        }
        Object::Namespace(namespace) => {
            out.push_str("<Namespace ");
            // A namespace may hold itself. While it is being written, it is not to be had.
            match namespace.try_borrow_mut() {
                Ok(dict) => write_dict(&dict, out),
                Err(_being_written) => out.push_str("{...}"),
            }
            out.push('>');
        }
        Object::Macro(found) => match &found.node.name {
            Some(name) => {
                out.push_str("<Macro ");
                quote(name, out);
                out.push('>');
            }
            None => out.push_str("<Macro anonymous>"),
        },
        Object::Template => out.push_str("<TemplateReference None>"),
        // Python writes an address here, another one each time.
        _ => write!(out, "<{} object>", value.type_name()).expect("a String takes everything"),
    }
}

/// A float as Python writes it: the shortest digits that mean it.
pub fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let mut scientific = format!("{value:e}");
    // Of two shortest forms that are equally near, Python takes the even one.
    let count =
        scientific.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let even = format!("{value:.*e}", count.saturating_sub(1));
    if even.parse() == Ok(value) {
        scientific = even;
    }
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let places = i32::try_from(count).unwrap_or(i32::MAX);
        let decimals = (places - 1 - exponent).max(1) as usize;
        return format!("{value:.decimals$}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// A string in quotes, as Python's `repr` writes it.
pub fn quote(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if character == quote => {
                out.push('\\');
                out.push(character);
            }
            _ if is_printable(character) => out.push(character),
            _ => write_escape(character, out),
        }
    }
    out.push(quote);
}

/// `\x07`, `\u200b`, `\U0001f642`.
pub fn write_escape(character: char, out: &mut String) {
    let code = u32::from(character);
    let written = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    written.expect("a String takes everything");
}

/// Python's `str.isprintable`, for one character.
pub fn is_printable(character: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate,
        Unassigned,
    };
    character == ' '
        || !matches!(
            get_general_category(character),
            Control
                | Format
                | Surrogate
                | PrivateUse
                | Unassigned
                | LineSeparator
                | ParagraphSeparator
                | SpaceSeparator
        )
}

/// `text` with what HTML reads as its own written otherwise.
pub fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// `markupsafe.escape`.
pub fn escape(value: &Value) -> Value {
    match value {
        Value::Safe(_) => value.clone(),
        _ => Value::Safe(escape_html(&text(value)).into()),
    }
}
