//! Calls: the functions that every template has, macros, and methods.

use std::cell::{Cell, RefCell};

use super::arguments::Values;
use super::dates::strftime;
use super::failure::{Failure, Kind, Outcome, type_error, unsupported, value_error};
use super::interpreter::{Rendering, check_namespace_name};
use super::iteration::collect;
use super::methods;
use super::value::{Dict, Global, Key, Object, Value, range_length};
use super::words;

/// The sandbox's longest range.
const LONGEST_RANGE: usize = 100_000;

impl Rendering<'_> {
    pub fn call(&self, callee: &Value, values: Values) -> Outcome<Value> {
        match callee {
            Value::Undefined(_) => Err(callee.undefined_failure()),
            Value::Object(object) => match &**object {
                Object::Macro(called) => self.call_macro(called, values),
                Object::Global(global) => self.call_global(*global, values),
                Object::Method { of, name } => methods::call(of, name, values, self),
                Object::Loop(context) => {
                    let [items] = values.bind("loop", ["iterable"], 1)?;
                    let items = items.unwrap_or(Value::None);
                    match &context.again {
                        Some((node, around)) => {
                            let text =
                                self.recursive_loop(node, around, &items, context.depth())?;
                            Ok(Value::from(text))
                        }
                        None => type_error(
                            "The loop must have the 'recursive' marker to be called recursively.",
                        ),
                    }
                }
                Object::Joiner { separator, used } => {
                    values.none("joiner")?;
                    Ok(if used.replace(true) { separator.clone() } else { Value::from("") })
                }
                Object::Block(name) => {
                    values.none("block")?;
                    self.block(name).map(Value::from)
                }
                _ => not_callable(callee),
            },
            _ => not_callable(callee),
        }
    }

    fn call_global(&self, global: Global, values: Values) -> Outcome<Value> {
        match global {
            Global::Range => range(values),
            Global::Dict => Ok(Value::dict(self.dict(values)?)),
            Global::Namespace => {
                let dict = self.dict(values)?;
                for key in dict.keys() {
                    if let Some(name) = key.value().as_str() {
                        check_namespace_name(name)?;
                    }
                }
                Ok(Object::Namespace(RefCell::new(dict)).into())
            }
            Global::Cycler => {
                if let Some((name, _)) = values.named.first() {
                    return type_error(format!(
                        "cycler() got an unexpected keyword argument '{name}'"
                    ));
                }
                if values.positional.is_empty() {
                    return Err(Failure::new(
                        Kind::Runtime,
                        "at least one item has to be provided",
                    ));
                }
                Ok(Object::Cycler { items: values.positional, position: Cell::new(0) }.into())
            }
            Global::Joiner => {
                let [separator] = values.bind("joiner", ["sep"], 0)?;
                let separator = separator.unwrap_or_else(|| Value::from(", "));
                Ok(Object::Joiner { separator, used: Cell::new(false) }.into())
            }
            Global::Lipsum => unsupported("text by chance, lipsum()"),
            Global::RaiseException => {
                let [message] = values.bind("raise_exception", ["message"], 1)?;
                let message = message.map(|message| words::text(&message)).unwrap_or_default();
                Err(Failure::new(Kind::Raised, message))
            }
            Global::StrftimeNow => {
                let [format] = values.bind("strftime_now", ["format"], 1)?;
                match format.as_ref().and_then(Value::as_str) {
                    Some(format) => Ok(Value::from(strftime(self.now, format))),
                    None => type_error("strftime_now() needs a format that is a string"),
                }
            }
            Global::Generation => {
                let [caller] = values.bind("generation", ["caller"], 1)?;
                let body = self.call(&caller.unwrap_or(Value::None), Values::default())?;
                self.note_generated(&words::text(&body));
                Ok(body)
            }
        }
    }

    /// Python's `dict(...)`.
    fn dict(&self, values: Values) -> Outcome<Dict> {
        let Values { positional, named } = values;
        let mut dict = Dict::new();
        if positional.len() > 1 {
            let count = positional.len();
            return type_error(format!("dict expected at most 1 argument, got {count}"));
        }
        match positional.first() {
            None => {}
            Some(Value::Dict(other)) => dict.clone_from(other),
            Some(pairs) => {
                for (index, pair) in collect(pairs, self)?.into_iter().enumerate() {
                    let Ok(items) = collect(&pair, self) else {
                        return type_error(format!(
                            "cannot convert dictionary update sequence element #{index} to a sequence"
                        ));
                    };
                    let [key, value] = items.as_slice() else {
                        let count = items.len();
                        return value_error(format!(
                            "dictionary update sequence element #{index} has length {count}; 2 is required"
                        ));
                    };
                    dict.insert(Key::new(key.clone())?, value.clone());
                }
            }
        }
        for (name, value) in named {
            dict.insert(Key::from(&*name), value);
        }
        Ok(dict)
    }
}

fn not_callable(value: &Value) -> Outcome<Value> {
    type_error(format!("'{}' object is not callable", value.type_name()))
}

fn range(values: Values) -> Outcome<Value> {
    if values.positional.is_empty() {
        return type_error("range expected at least 1 argument, got 0");
    }
    let bound = values.bind("range", ["/a", "/b", "/c"], 1)?;
    let mut numbers = [None; 3];
    for (number, value) in numbers.iter_mut().zip(&bound) {
        *number = match value {
            Some(value) if value.is_undefined() => return Err(value.undefined_failure()),
            Some(value) => Some(value.index()?),
            None => None,
        };
    }
    let (start, stop) = match numbers {
        [first, None, _] => (0, first.unwrap_or(0)),
        [first, Some(second), _] => (first.unwrap_or(0), second),
    };
    let step = numbers[2].unwrap_or(1);
    if step == 0 {
        return value_error("range() arg 3 must not be zero");
    }
    let huge = 1_i128 << 100;
    if [start, stop, step].iter().any(|number| number.abs() > huge) {
        return Err(Failure::new(Kind::Overflow, "Range too big."));
    }
    let range = Object::Range { start, stop, step };
    if range_length(&range) > LONGEST_RANGE {
        let message = format!(
            "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({LONGEST_RANGE})."
        );
        return Err(Failure::new(Kind::Overflow, message));
    }
    Ok(range.into())
}
