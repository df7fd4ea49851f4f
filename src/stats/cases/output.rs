//! Writes what was computed: numbers with all their digits, null with its reason beside it.

use serde_json::{Map, Value};

use crate::stats::moments::Estimate;
use crate::stats::undefined::{Number, Undefined};

/// An object of results.
#[derive(Debug, Default)]
pub struct Got {
    values: Map<String, Value>,
    null_because: Map<String, Value>,
}

impl Got {
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// A number, or null and why.
    pub fn put(&mut self, key: &str, number: Number) {
        self.put_with(key, number, Value::from);
    }

    /// The same of anything that can be written.
    pub fn put_with<T>(
        &mut self,
        key: &str,
        result: Result<T, Undefined>,
        write: impl FnOnce(T) -> Value,
    ) {
        match result.map(write) {
            Ok(Value::Null) => self.put_null(key, "not a finite number"),
            Ok(value) => self.set(key, value),
            Err(reason) => self.put_null(key, &reason.to_string()),
        }
    }

    pub fn put_list(&mut self, key: &str, list: Result<Vec<f64>, Undefined>) {
        self.put_with(key, list, Value::from);
    }

    pub fn put_null(&mut self, key: &str, reason: &str) {
        self.set(key, Value::Null);
        self.because(key, reason);
    }

    /// Why something in the value of this key is null.
    pub fn because(&mut self, key: &str, reason: &str) {
        self.null_because.insert(key.to_owned(), Value::from(reason));
    }

    pub fn finish(mut self) -> Value {
        if !self.null_because.is_empty() {
            self.values.insert("null_because".to_owned(), Value::Object(self.null_because));
        }
        Value::Object(self.values)
    }
}

/// estimate, se, low, high.
pub fn estimate(of: &Estimate) -> Got {
    let mut got = Got::default();
    got.put("estimate", of.estimate.clone());
    got.put("se", of.se.clone());
    let (low, high) = of.ends();
    got.put("low", low);
    got.put("high", high);
    got
}

/// A list of values, null where there is none.
pub fn or_null<T: Into<Value>>(values: impl IntoIterator<Item = Option<T>>) -> Value {
    values.into_iter().map(|value| value.map_or(Value::Null, Into::into)).collect()
}
