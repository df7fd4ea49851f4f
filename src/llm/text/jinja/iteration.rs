//! Going through a value's items, one at a time, as Python does.

use super::failure::{Outcome, type_error, unsupported};
use super::value::{Interpreter, Items, Object, Value, View, range_length};

impl Items {
    /// Python's `iter`.
    pub fn of(value: &Value) -> Outcome<Self> {
        match value {
            Value::Undefined(_) => Ok(Self::Empty),
            Value::Str(text) | Value::Safe(text) => Ok(Self::Text(text.clone(), 0)),
            Value::List(items) | Value::Tuple(items) | Value::Group(items) => {
                Ok(Self::List(items.clone(), 0))
            }
            Value::Dict(dict) => Ok(Self::Dict(dict.clone(), View::Keys, 0)),
            Value::Object(object) => match &**object {
                Object::Range { start, step, .. } => {
                    Ok(Self::Range { next: *start, step: *step, left: range_length(object) })
                }
                Object::View(view, dict) => Ok(Self::Dict(dict.clone(), *view, 0)),
                Object::Generator(_) => Ok(Self::Generator(object.clone())),
                Object::Loop(_) => unsupported("going through \"loop\" itself"),
                _ => not_iterable(value),
            },
            _ => not_iterable(value),
        }
    }

    pub fn next(&mut self, interpreter: &dyn Interpreter) -> Outcome<Option<Value>> {
        interpreter.step()?;
        Ok(match self {
            Self::Empty => None,
            Self::List(items, at) => {
                *at += 1;
                items.get(*at - 1).cloned()
            }
            Self::Text(text, at) => {
                let Some(character) = text[*at..].chars().next() else { return Ok(None) };
                *at += character.len_utf8();
                Some(Value::from(character.to_string()))
            }
            Self::Dict(dict, view, at) => {
                *at += 1;
                dict.get_index(*at - 1).map(|(key, value)| match view {
                    View::Keys => key.value().clone(),
                    View::Values => value.clone(),
                    View::Items => Value::tuple(vec![key.value().clone(), value.clone()]),
                })
            }
            Self::Range { next, step, left } => {
                if *left == 0 {
                    return Ok(None);
                }
                let value = *next;
                *next += *step;
                *left -= 1;
                Some(Value::Int(value))
            }
            Self::Generator(object) => {
                let Object::Generator(generator) = &**object else { return Ok(None) };
                return generator.next(interpreter);
            }
            Self::Made(next) => return next(interpreter),
        })
    }

    pub fn rest(&mut self, interpreter: &dyn Interpreter) -> Outcome<Vec<Value>> {
        let mut items = Vec::new();
        while let Some(item) = self.next(interpreter)? {
            items.push(item);
        }
        Ok(items)
    }
}

fn not_iterable<T>(value: &Value) -> Outcome<T> {
    type_error(format!("'{}' object is not iterable", value.type_name()))
}

/// Python's `list(value)`.
pub fn collect(value: &Value, interpreter: &dyn Interpreter) -> Outcome<Vec<Value>> {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Group(items) => Ok(items.to_vec()),
        _ => Items::of(value)?.rest(interpreter),
    }
}
