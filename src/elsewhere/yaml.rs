//! YAML as every reader of it understands it the same way: quoted where in doubt, and numbers that
//! YAML 1.1 takes for numbers (`1e-5` is text to it, `1.0e-5` is not).

use serde_json::{Map, Value};

/// A document of keys in their order.
pub(super) fn document(keys: &Map<String, Value>) -> String {
    let mut text = String::new();
    block(keys, 0, &mut text);
    text
}

fn block(keys: &Map<String, Value>, depth: usize, text: &mut String) {
    for (key, value) in keys {
        text.push_str(&"  ".repeat(depth));
        text.push_str(&words(key));
        text.push(':');
        nested(value, depth, text);
    }
}

fn nested(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(keys) if !keys.is_empty() => {
            text.push('\n');
            block(keys, depth + 1, text);
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            text.push('\n');
            for item in items {
                let mut one = String::new();
                match item {
                    Value::Object(keys) if !keys.is_empty() => block(keys, depth + 2, &mut one),
                    other => one = format!("{}{}\n", "  ".repeat(depth + 2), inline(other)),
                }
                text.push_str(&"  ".repeat(depth + 1));
                text.push_str("- ");
                text.push_str(one.trim_start());
            }
        }
        other => {
            text.push(' ');
            text.push_str(&inline(other));
            text.push('\n');
        }
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float_words(float),
            _ => number.to_string(),
        },
        Value::String(text) => words(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Object(keys) => {
            let entries =
                keys.iter().map(|(key, value)| format!("{}: {}", words(key), inline(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// With a point, and an exponent with its sign.
fn float_words(value: f64) -> String {
    if value == 0.0 || (1e-4..1e7).contains(&value.abs()) {
        let text = value.to_string();
        return if text.contains('.') { text } else { format!("{text}.0") };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{digits}{point}e{sign}{exponent}")
}

/// Text without quotes where no reader could take it for anything else.
fn words(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "_./-".contains(character);
    let begins =
        text.starts_with(|first: char| first.is_ascii_alphabetic() || "_/.".contains(first));
    let is_word = begins && text.chars().all(is_plain) && !text.ends_with('.') && !is_taken(text);
    if is_word {
        return text.to_owned();
    }
    // JSON leaves these as they are; YAML ends a line there, or refuses them.
    let is_odd =
        |letter| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    let mut quoted = String::new();
    for letter in Value::from(text).to_string().chars() {
        if is_odd(letter) {
            quoted.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            quoted.push(letter);
        }
    }
    quoted
}

/// What YAML 1.1 reads as something else than text.
fn is_taken(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["true", "false", "null", "yes", "no", "on", "off", "y", "n", ".nan", ".inf"]
        .contains(&lower.as_str())
        || text.starts_with('.') && text[1..].starts_with(|next: char| next.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_yaml_could_misread_is_quoted_and_numbers_stay_numbers() {
        let Value::Object(keys) = json!({
            "learning_rate": 1e-5, "beta": 0.1, "r": 8, "big": 1e9, "none": null, "off": false,
            "strategy": "no", "mixed_precision": "bf16", "model": "org/name", "revision": "1e5",
            "pattern": ".*\\.q_proj", "odd": "a\u{85}b\u{2028}", "path": "./data", "loss": ["sigmoid", "sft"],
            "kwargs": {"num_cycles": 3.0}, "empty": {},
            "datasets": [{"path": "a b", "type": "x"}, {"path": "c"}],
        }) else {
            panic!()
        };
        // Read back by PyYAML's safe_load as the same values: tests/reference/check_bundles.py
        let expected = "learning_rate: 1.0e-5\nbeta: 0.1\nr: 8\nbig: 1.0e+9\nnone: null\n\"off\": false\n\
             strategy: \"no\"\nmixed_precision: bf16\nmodel: org/name\nrevision: \"1e5\"\n\
             pattern: \".*\\\\.q_proj\"\nodd: \"a\\u0085b\\u2028\"\npath: ./data\nloss: [sigmoid, sft]\nkwargs:\n  num_cycles: 3.0\n\
             empty: {}\ndatasets:\n  - path: \"a b\"\n    type: x\n  - path: c\n";
        assert_eq!(document(&keys), expected);
    }
}
