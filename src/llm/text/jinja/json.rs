//! `tojson` as transformers has it: Python's `json.dumps` with nothing escaped for HTML.

use std::fmt::Write as _;

use super::arguments::Values;
use super::comparison::less;
use super::failure::{Outcome, type_error, value_error};
use super::iteration::collect;
use super::sequences::sort;
use super::value::{Dict, Interpreter, Value};
use super::words;

pub fn to_json(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Outcome<Value> {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ensure_ascii, indent, separators, sort_keys] = values.bind("tojson", names, 0)?;
    let given = |value: Option<Value>| value.filter(|value| !matches!(value, Value::None));
    let truthy = |value: Option<Value>| value.map_or(Ok(false), |value| interpreter.truthy(&value));
    let indent = match given(indent) {
        None => None,
        Some(value) => match value.as_str() {
            Some(text) => Some(text.to_string()),
            None => Some(" ".repeat(value.index()?.clamp(0, 1000) as usize)),
        },
    };
    let (comma, colon) = match given(separators) {
        Some(pair) => match collect(&pair, interpreter)?.as_slice() {
            [comma, colon] => match (comma.as_str(), colon.as_str()) {
                (Some(comma), Some(colon)) => (comma.to_string(), colon.to_string()),
                _ => return type_error("the separators of tojson have to be strings"),
            },
            _ => return value_error("the separators of tojson have to be two"),
        },
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
    };
    let layout = Layout {
        ensure_ascii: truthy(ensure_ascii)?,
        sort_keys: truthy(sort_keys)?,
        indent,
        comma,
        colon,
    };
    let mut text = String::new();
    layout.write(value, 0, &mut text)?;
    Ok(Value::from(text))
}

struct Layout {
    ensure_ascii: bool,
    sort_keys: bool,
    indent: Option<String>,
    comma: String,
    colon: String,
}

impl Layout {
    fn write(&self, value: &Value, depth: usize, out: &mut String) -> Outcome<()> {
        match value {
            Value::None => out.push_str("null"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value) => out.push_str(&value.to_string()),
            Value::Float(value) => out.push_str(&float(*value)),
            Value::Str(text) | Value::Safe(text) => self.write_string(text, out),
            Value::List(items) | Value::Tuple(items) | Value::Group(items) => {
                self.write_items(['[', ']'], items, depth, out, |item, out| {
                    self.write(item, depth + 1, out)
                })?;
            }
            Value::Dict(dict) => {
                let entries = self.entries(dict)?;
                self.write_items(['{', '}'], &entries, depth, out, |(key, value), out| {
                    self.write_string(key, out);
                    out.push_str(&self.colon);
                    self.write(value, depth + 1, out)
                })?;
            }
            Value::Undefined(_) | Value::Object(_) => {
                let name = value.type_name();
                return type_error(format!("Object of type {name} is not JSON serializable"));
            }
        }
        Ok(())
    }

    fn entries<'v>(&self, dict: &'v Dict) -> Outcome<Vec<(String, &'v Value)>> {
        let mut keys: Vec<Value> = dict.keys().map(|key| key.value().clone()).collect();
        if self.sort_keys {
            keys = sort(keys, less)?;
        }
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            let name = match &key {
                Value::Str(text) | Value::Safe(text) => text.to_string(),
                Value::None => "null".to_owned(),
                Value::Bool(value) => value.to_string(),
                Value::Int(value) => value.to_string(),
                Value::Float(value) => float(*value),
                other => {
                    let name = other.type_name();
                    return type_error(format!(
                        "keys must be str, int, float, bool or None, not {name}"
                    ));
                }
            };
            if let Some(value) = dict.get(&super::value::Key::new(key)?) {
                entries.push((name, value));
            }
        }
        Ok(entries)
    }

    fn write_items<T>(
        &self,
        [open, close]: [char; 2],
        items: &[T],
        depth: usize,
        out: &mut String,
        write: impl Fn(&T, &mut String) -> Outcome<()>,
    ) -> Outcome<()> {
        let new_line = |depth: usize, out: &mut String| {
            if let Some(indent) = &self.indent {
                out.push('\n');
                out.push_str(&indent.repeat(depth));
            }
        };
        out.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push_str(&self.comma);
            }
            new_line(depth + 1, out);
            write(item, out)?;
        }
        if !items.is_empty() {
            new_line(depth, out);
        }
        out.push(close);
        Ok(())
    }

    fn write_string(&self, text: &str, out: &mut String) {
        out.push('"');
        for character in text.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                _ if character < ' ' || self.ensure_ascii && !(' '..='~').contains(&character) => {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        write!(out, "\\u{unit:04x}").expect("a String takes everything");
                    }
                }
                _ => out.push(character),
            }
        }
        out.push('"');
    }
}

fn float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        words::float(value)
    }
}
