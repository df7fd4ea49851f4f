//! A line of a coder's log, as it stands in the file.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::value::Value;

/// What a model said of an item, and whether the coder had seen it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suggested {
    pub value: Value,
    pub seen: bool,
}

/// A line of the file. What it is follows from which of the keys it has.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    /// The first line: whose codes of which study.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub coder: Option<Name<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub study: Option<Name<'a>>,

    /// The number of the verdict that is taken back, or put back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redo: Option<usize>,

    /// A verdict: its number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub item: Option<Name<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<u8>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub values: Option<Values<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub at: Option<Name<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flagged: Option<bool>,
    /// `first` or `second`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub left: Option<Name<'a>>,

    /// With which probability the item was drawn. For whoever has only this file: the study reads it
    /// from its items.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    pub inclusion: Option<f64>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub guideline: Option<Name<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggested>,
}

/// Values by the name of their variable.
pub(super) struct Values<'a>(pub Vec<(Cow<'a, str>, Value)>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Values<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Values<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("values by the name of their variable")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values<'de>, A::Error> {
                let mut values = Vec::with_capacity(1);
                while let Some(Name(name)) = map.next_key()? {
                    values.push((name, map.next_value()?));
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// A text of JSON, without a copy where it has no escapes. (Serde's own `Cow` inside an `Option` is
/// always a copy.)
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Name<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl<'a> From<&'a str> for Name<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

/// As it is written.
pub(super) fn line(line: &Line<'_>) -> String {
    serde_json::to_string(line).expect("texts and numbers are valid JSON")
}

/// Whose log begins with this line.
pub fn coder_of(first_line: &str) -> Option<String> {
    let line: Line<'_> = serde_json::from_str(first_line).ok()?;
    line.coder.map(|Name(coder)| coder.into_owned())
}
