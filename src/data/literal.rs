//! Lists and objects that a table of text could only hold as text: as JSON, as Python prints them, as
//! `NumPy` does.
//!
//! pandas writes a column of lists into CSV as Python prints them; what reads it back there is
//! `ast.literal_eval`, and here this. What else a text may be is left to whoever asks.

use serde_json::{Map, Number, Value};

/// Lists in lists in lists.
const DEEPEST: usize = 64;

/// The list or the object that a text holds, and nothing else. `None`: it is a text like any other.
pub fn list_or_object(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with(['[', '{', '(']) && !text.starts_with("array(") {
        return None;
    }
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    reader.skip();
    reader.rest.is_empty().then_some(value)
}

/// What has not been read yet. Everything is `None` where it is no literal.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, what: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.skip();
        match self.rest.chars().next()? {
            '[' => self.list('[', ']', depth),
            '(' => self.list('(', ')', depth),
            '{' => self.object(depth),
            '\'' | '"' => self.text().map(Value::String),
            '-' | '+' | '.' | '0'..='9' => self.number(),
            _ => self.word(depth),
        }
    }

    /// Between its brackets. Where commas are missing, `NumPy` has printed it.
    fn list(&mut self, open: char, close: char, depth: usize) -> Option<Value> {
        self.rest = self.rest.strip_prefix(open)?;
        let mut items = Vec::new();
        loop {
            self.skip();
            if let Some(rest) = self.rest.strip_prefix(close) {
                self.rest = rest;
                return Some(Value::Array(items));
            }
            items.push(self.value(depth + 1)?);
            let before = self.rest;
            if !self.takes(",") && !self.rest.starts_with(close) && self.rest.len() == before.len()
            {
                return None; // nothing stands between two values
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.strip_prefix('{')?;
        let mut fields = Map::new();
        loop {
            if self.takes("}") {
                return Some(Value::Object(fields));
            }
            let name = match self.value(depth + 1)? {
                Value::String(name) => name,
                other => other.to_string(),
            };
            if !self.takes(":") {
                return None;
            }
            let value = self.value(depth + 1)?;
            fields.insert(name, value);
            if !self.takes(",") && !self.rest.starts_with('}') {
                return None;
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut letters = self.rest[1..].char_indices();
        let mut text = String::new();
        loop {
            let (at, letter) = letters.next()?;
            match letter {
                letter if letter == quote => {
                    self.rest = &self.rest[1 + at + 1..];
                    return Some(text);
                }
                '\n' => return None,
                '\\' => {
                    let (_, escape) = letters.next()?;
                    let mut code = |digits: usize| {
                        let digits: String =
                            letters.by_ref().take(digits).map(|(_, digit)| digit).collect();
                        u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
                    };
                    match escape {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        'a' => text.push('\u{7}'),
                        'b' => text.push('\u{8}'),
                        'f' => text.push('\u{c}'),
                        'v' => text.push('\u{b}'),
                        '0' => text.push('\0'),
                        'x' => text.push(code(2)?),
                        'u' => text.push(code(4)?),
                        'U' => text.push(code(8)?),
                        '\n' => {}
                        '\\' | '\'' | '"' => text.push(escape),
                        other => text.extend(['\\', other]),
                    }
                }
                letter => text.push(letter),
            }
        }
    }

    fn number(&mut self) -> Option<Value> {
        let is_part = |letter: char| {
            letter.is_ascii_alphanumeric() || matches!(letter, '-' | '+' | '.' | '_')
        };
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        let text = text.replace('_', "");
        self.rest = rest;
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if text.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) {
            return None;
        }
        Number::from_f64(text.parse().ok()?).map(Value::Number)
    }

    fn word(&mut self, depth: usize) -> Option<Value> {
        // `array(['a', 'b'], dtype=object)`
        if self.takes("array(") {
            let value = self.value(depth + 1)?;
            if self.takes(",") && !self.rest.trim_start().starts_with(')') {
                let end = self.rest.find([')', '\'', '"', '['])?;
                self.rest = &self.rest[end..];
            }
            return self.takes(")").then_some(value);
        }
        for (word, value) in [
            ("None", Value::Null),
            ("nan", Value::Null),
            ("null", Value::Null),
            ("True", true.into()),
            ("False", false.into()),
            ("true", true.into()),
            ("false", false.into()),
        ] {
            let ends = |rest: &str| !rest.starts_with(|letter: char| letter.is_alphanumeric());
            if let Some(rest) = self.rest.strip_prefix(word).filter(|rest| ends(rest)) {
                self.rest = rest;
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What Python 3.11's `ast.literal_eval` makes of the same texts.
    #[test]
    fn what_python_prints_is_read_as_python_reads_it() {
        for (text, expected) in [
            (r#"["a", 1]"#, json!(["a", 1])),
            ("['a', \"it's\", 'say \"hi\"']", json!(["a", "it's", "say \"hi\""])),
            (
                r"['a\n\'b\'', '\xe9\u4e2d\U0001f600', 'C:\dir']",
                json!(["a\n'b'", "é中😀", "C:\\dir"]),
            ),
            ("{'role': 'user', 'content': None}", json!({"role": "user", "content": null})),
            (
                "[{'a': True, 'b': [1.5, -2, 1e-3]}, ()]",
                json!([{"a": true, "b": [1.5, -2, 0.001]}, []]),
            ),
            ("('x', 'y',)", json!(["x", "y"])),
            ("[]", json!([])),
            ("{1: 'one'}", json!({"1": "one"})),
        ] {
            assert_eq!(list_or_object(text), Some(expected), "{text}");
        }
    }

    /// As `str` of an array of `NumPy` 2 has it.
    #[test]
    fn what_numpy_prints_is_a_list() {
        assert_eq!(list_or_object("['0' '4'\n '2']"), Some(json!(["0", "4", "2"])));
        assert_eq!(
            list_or_object("[{'a': 'x'}\n {'a': nan}]"),
            Some(json!([{"a": "x"}, {"a": null}]))
        );
        let typed = "{'text': array(['a', 'b'], dtype=object)}";
        assert_eq!(list_or_object(typed), Some(json!({"text": ["a", "b"]})));
    }

    #[test]
    fn other_texts_are_texts() {
        for text in [
            "",
            "[1",
            "[a, b]",
            "['a' 'b",
            "[see above] and so on",
            "{x}",
            "(in brackets)",
            "[1] note",
            "{'a': }",
            "['a''b']",
            "plain",
            "[0x1g]",
        ] {
            assert_eq!(list_or_object(text), None, "{text}");
        }
        assert_eq!(list_or_object(&"[".repeat(100_000)), None);
    }
}
