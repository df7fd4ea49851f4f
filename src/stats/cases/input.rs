//! Reads a case's values, and says which one is not what it should be.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// A value of a case that cannot be used: where, what was found, what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As `input.ratings[3]`.
    pub at: String,
    pub found: String,
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, found, expected } = self;
        write!(f, "\"{at}\" is {found}, and {expected} is expected")
    }
}

/// A result, or what is wrong with the input.
pub type Read<T> = Result<T, Problem>;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    pub value: &'a Value,
    pub at: String,
}

/// What a value is, in words, short enough for a line.
pub fn describe(value: &Value) -> String {
    let text = match value {
        Value::Null => return "missing (null)".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("the text {text:?}"),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "an object".to_owned(),
    };
    if text.chars().count() <= 60 {
        return text;
    }
    let start: String = text.chars().take(57).collect();
    format!("{start}…")
}

impl<'a> Node<'a> {
    pub fn problem(&self, expected: impl Into<String>) -> Problem {
        Problem { at: self.at.clone(), found: describe(self.value), expected: expected.into() }
    }

    pub fn object(&self) -> Read<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.problem("an object"))
    }

    fn child(&self, value: &'a Value, step: &str) -> Self {
        Self { value, at: format!("{}{step}", self.at) }
    }

    /// A key that may be missing or null.
    pub fn optional(&self, key: &str) -> Read<Option<Self>> {
        let value = self.object()?.get(key).filter(|value| !value.is_null());
        Ok(value.map(|value| self.child(value, &format!(".{key}"))))
    }

    /// A key that must be there.
    pub fn key(&self, key: &str) -> Read<Self> {
        match self.object()?.get(key) {
            Some(value) => Ok(self.child(value, &format!(".{key}"))),
            None => Err(Problem {
                at: format!("{}.{key}", self.at),
                found: "not there".to_owned(),
                expected: "a value".to_owned(),
            }),
        }
    }

    fn values(&self, expected: &str) -> Read<&'a [Value]> {
        let list = self.value.as_array().ok_or_else(|| self.problem(expected))?;
        Ok(list)
    }

    pub fn list(&self) -> Read<Vec<Self>> {
        let values = self.values("a list")?;
        Ok(values
            .iter()
            .enumerate()
            .map(|(i, value)| self.child(value, &format!("[{i}]")))
            .collect())
    }

    /// A list, each value read; the place of a value is put together only where it is wrong.
    fn each<T>(
        &self,
        list: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Read<Vec<T>> {
        let values = self.values(list)?;
        let one = |(i, value): (usize, &'a Value)| {
            read(value).ok_or_else(|| self.child(value, &format!("[{i}]")).problem(expected))
        };
        values.iter().enumerate().map(one).collect()
    }

    pub fn number(&self) -> Read<f64> {
        number(self.value).ok_or_else(|| self.problem("a number"))
    }

    /// A number within bounds.
    pub fn number_where(&self, fits: impl Fn(f64) -> bool, expected: &str) -> Read<f64> {
        number(self.value).filter(|value| fits(*value)).ok_or_else(|| self.problem(expected))
    }

    pub fn count(&self) -> Read<usize> {
        whole(self.value).ok_or_else(|| self.problem("a whole number from 0"))
    }

    pub fn text(&self) -> Read<&'a str> {
        self.value.as_str().ok_or_else(|| self.problem("a text"))
    }

    pub fn texts(&self) -> Read<Vec<String>> {
        self.each("a list of texts", "a text", |value| value.as_str().map(str::to_owned))
    }

    pub fn numbers(&self) -> Read<Vec<f64>> {
        self.each("a list of numbers", "a number", number)
    }

    /// Each within bounds.
    pub fn numbers_where(&self, fits: impl Fn(f64) -> bool, expected: &str) -> Read<Vec<f64>> {
        self.each("a list of numbers", expected, |value| number(value).filter(|value| fits(*value)))
    }

    pub fn masses(&self) -> Read<Vec<f64>> {
        self.numbers_where(|mass| mass >= 0.0, "a number from 0")
    }

    pub fn numbers_or_missing(&self) -> Read<Vec<Option<f64>>> {
        self.or_missing("a number or null", |_| true)
    }

    pub fn or_missing(&self, expected: &str, fits: impl Fn(f64) -> bool) -> Read<Vec<Option<f64>>> {
        self.each("a list of numbers", expected, |value| match value {
            Value::Null => Some(None),
            value => number(value).filter(|value| fits(*value)).map(Some),
        })
    }

    /// true, false, 1, 0 or null.
    pub fn truths_or_missing(&self) -> Read<Vec<Option<bool>>> {
        self.each("a list of 0 and 1", "0, 1 or null", |value| match value {
            Value::Null => Some(None),
            value => truth(value).map(Some),
        })
    }

    /// Whole numbers below `end`.
    pub fn positions(&self, end: usize) -> Read<Vec<usize>> {
        let expected = match end.checked_sub(1) {
            Some(last) => format!("a whole number from 0 to {last}"),
            None => "nothing: there is no item it could point to".to_owned(),
        };
        self.each("a list of positions", &expected, |value| whole(value).filter(|at| *at < end))
    }

    /// Lists of numbers that are all as long as the first.
    pub fn matrix(&self) -> Read<Vec<Vec<f64>>> {
        let rows = self.list()?;
        let mut matrix: Vec<Vec<f64>> = Vec::with_capacity(rows.len());
        for row in &rows {
            let numbers = row.numbers()?;
            row.check_length(numbers.len(), matrix.first().map_or(numbers.len(), Vec::len))?;
            matrix.push(numbers);
        }
        Ok(matrix)
    }

    /// Said of a list that must be as long as another.
    pub fn check_length(&self, found: usize, expected: usize) -> Read<()> {
        if found == expected {
            return Ok(());
        }
        Err(Problem {
            at: self.at.clone(),
            found: format!("a list of {found}"),
            expected: format!("a list of {expected}, as long as the other"),
        })
    }

    /// Weights of items, from 0: `None` for an item whose weight is null.
    pub fn weights(&self, count: usize) -> Read<Option<Vec<Option<f64>>>> {
        let Some(weights) = self.optional("weights")? else { return Ok(None) };
        let numbers = weights.or_missing("a weight from 0, or null", |weight| weight >= 0.0)?;
        weights.check_length(numbers.len(), count)?;
        Ok(Some(numbers))
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite())
}

fn whole(value: &Value) -> Option<usize> {
    let number = number(value).filter(|number| number.fract() == 0.0 && *number >= 0.0)?;
    (number < 9e15).then_some(number as usize)
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        value => match number(value) {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
    }
}

/// A label as it is: 1 and 1.0 are the same, "1" is another, and so is " 1".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    Truth(bool),

    /// Its bits, in an order that is the numbers'.
    Number(u64),
    Text(String),
}

impl Label {
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(Self::Truth(*truth)),
            Value::String(text) => Some(Self::Text(text.clone())),
            value => number(value).map(|number| {
                let bits = (number + 0.0).to_bits();
                let sign = 1 << 63;
                Self::Number(if bits & sign == 0 { bits | sign } else { !bits })
            }),
        }
    }
}

/// Labels and their numbers.
#[derive(Debug, Default)]
pub struct Codes<'a> {
    numbers: BTreeMap<Label, usize>,

    /// As they were written, by number.
    pub values: Vec<&'a Value>,
}

const LABEL: &str = "a label (a text, a number, true or false)";

impl<'a> Codes<'a> {
    /// Declared labels, in their order; the same one twice is a mistake.
    pub fn declared(node: &Node<'a>) -> Read<Self> {
        let mut codes = Self::default();
        for label in node.list()? {
            let Some(key) = Label::read(label.value) else { return Err(label.problem(LABEL)) };
            if codes.numbers.insert(key, codes.values.len()).is_some() {
                return Err(label.problem("a label that is not there already"));
            }
            codes.values.push(label.value);
        }
        Ok(codes)
    }

    /// All labels of lists, in rising order (numbers before texts); nulls are passed over.
    pub fn occurring(nodes: &[&Node<'a>]) -> Read<Self> {
        let mut found: BTreeMap<Label, &'a Value> = BTreeMap::new();
        for node in nodes {
            node.each("a list of labels", LABEL, |value| {
                if !value.is_null() {
                    let label = Label::read(value)?;
                    return Some(Some((label, value)));
                }
                Some(None)
            })?
            .into_iter()
            .flatten()
            .for_each(|(label, value)| {
                found.entry(label).or_insert(value);
            });
        }
        let values: Vec<&Value> = found.values().copied().collect();
        let numbers = found.into_keys().enumerate().map(|(number, label)| (label, number));
        Ok(Self { numbers: numbers.collect(), values })
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn number(&self, value: &Value) -> Option<usize> {
        self.numbers.get(&Label::read(value)?).copied()
    }

    fn expected(&self) -> String {
        let labels: Vec<String> = self.values.iter().take(8).map(ToString::to_string).collect();
        let more = if self.len() > 8 { ", …" } else { "" };
        format!("one of the declared labels ({}{more})", labels.join(", "))
    }

    /// A list of labels.
    pub fn read(&self, node: &Node<'_>) -> Read<Vec<usize>> {
        node.each("a list of labels", &self.expected(), |value| self.number(value))
    }

    /// A list of labels and nulls.
    pub fn read_or_missing(&self, node: &Node<'_>) -> Read<Vec<Option<usize>>> {
        node.each("a list of labels", &format!("{} or null", self.expected()), |value| {
            if value.is_null() { Some(None) } else { self.number(value).map(Some) }
        })
    }

    /// The labels as numbers, where all of them are.
    pub fn numeric(&self) -> Option<Vec<f64>> {
        self.values.iter().map(|value| number(value)).collect()
    }
}
