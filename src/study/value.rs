//! What a coder says of a text about one variable: words, several of them, a number, places in the
//! text, or that they do not know. What was never said is no value at all.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How "don't know" is written where a value is a piece of text.
pub const DONT_KNOW: &str = "(don't know)";

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A label, a point of a scale, or free text.
    Words(String),

    /// Labels, in the order of the codebook. None of them is an answer too.
    Labels(Vec<String>),
    Number(f64),

    /// Places in the text, in their order. None is an answer too.
    Spans(Vec<Span>),
    DontKnow,
}

/// A place in a text that got a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first character (Unicode scalar value, as Python counts), from 0.
    pub start: usize,

    /// The character behind the last.
    pub end: usize,
    pub label: String,
}

impl Value {
    pub fn words(words: &str) -> Self {
        Self::Words(words.to_owned())
    }

    /// As JSON: a text, a list of texts, a number, a list of places, `{"dont_know": true}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a value is valid JSON")
    }

    /// As a cell of a table: lists as JSON, "don't know" as [`DONT_KNOW`].
    pub fn to_cell(&self) -> String {
        match self {
            Self::Words(words) => words.clone(),
            Self::Number(number) => number.to_string(),
            Self::Labels(_) | Self::Spans(_) => self.to_json().to_string(),
            Self::DontKnow => DONT_KNOW.to_owned(),
        }
    }

    /// For a person: `praise`, `praise and blame`, `3 places`.
    pub fn shown(&self) -> String {
        match self {
            Self::Words(words) => words.clone(),
            Self::Number(number) => number.to_string(),
            Self::Labels(labels) if labels.is_empty() => "none".to_owned(),
            Self::Labels(labels) => labels.join(", "),
            Self::Spans(spans) => match spans.len() {
                0 => "no places".to_owned(),
                1 => format!("{} at {}–{}", spans[0].label, spans[0].start, spans[0].end),
                count => format!("{count} places"),
            },
            Self::DontKnow => "don't know".to_owned(),
        }
    }

    pub fn is_known(&self) -> bool {
        *self != Self::DontKnow
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Words(words) => serializer.serialize_str(words),
            Self::Labels(labels) => labels.serialize(serializer),
            // A whole number is written as one.
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                serializer.serialize_i64(*number as i64)
            }
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Spans(spans) if spans.is_empty() => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("spans", &spans)?;
                map.end()
            }
            Self::Spans(spans) => spans.serialize(serializer),
            Self::DontKnow => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("dont_know", &true)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadValue)
    }
}

/// By hand: an untagged enum reads every value twice, and a log has a million of them.
struct ReadValue;

impl<'de> Visitor<'de> for ReadValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a list of labels or of places, or {\"dont_know\": true}")
    }

    fn visit_str<E>(self, words: &str) -> Result<Value, E> {
        Ok(Value::Words(words.to_owned()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::words(if yes { "true" } else { "false" }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Element {
            Label(String),
            Span(Span),
        }
        let (mut labels, mut spans) = (Vec::new(), Vec::new());
        while let Some(element) = list.next_element()? {
            match element {
                Element::Label(label) => labels.push(label),
                Element::Span(span) => spans.push(span),
            }
        }
        match (labels.is_empty(), spans.is_empty()) {
            (false, false) => {
                Err(serde::de::Error::custom("a list has labels or places, not both"))
            }
            (_, true) => Ok(Value::Labels(labels)),
            (true, false) => Ok(Value::Spans(spans)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Some(key) = map.next_key::<String>()? else {
            return Err(serde::de::Error::custom("an empty object is no value"));
        };
        match key.as_str() {
            "dont_know" => {
                map.next_value::<bool>()?;
                Ok(Value::DontKnow)
            }
            "spans" => Ok(Value::Spans(map.next_value()?)),
            _ => Err(serde::de::Error::custom(format!("{key:?} is no kind of value"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_read_back_as_it_was_written() {
        let span = |start, end| Span { start, end, label: "claim".to_owned() };
        for (value, json) in [
            (Value::words("praise"), r#""praise""#),
            (Value::Labels(vec!["a".to_owned(), "b".to_owned()]), r#"["a","b"]"#),
            (Value::Labels(Vec::new()), "[]"),
            (Value::Number(3.0), "3"),
            (Value::Number(-2.5), "-2.5"),
            (Value::Spans(vec![span(0, 4)]), r#"[{"start":0,"end":4,"label":"claim"}]"#),
            (Value::Spans(Vec::new()), r#"{"spans":[]}"#),
            (Value::DontKnow, r#"{"dont_know":true}"#),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
            assert_eq!(serde_json::from_str::<Value>(json).unwrap(), value);
        }
    }

    #[test]
    fn what_is_no_value_is_refused_in_words() {
        for (json, words) in [
            ("null", "a text, a number"),
            (r#"{"what": 1}"#, "\"what\" is no kind of value"),
            (r#"["a", {"start":0,"end":1,"label":"b"}]"#, "not both"),
        ] {
            let error = serde_json::from_str::<Value>(json).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
