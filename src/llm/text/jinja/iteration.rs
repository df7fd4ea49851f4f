//! Going through a value's items, one at a time, as Python does.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::failure::{Failure, Kind, Outcome, type_error, unsupported};
use super::interpreter::Interpreter;
use super::value::{Dict, Object, Text, Value, View, range_length};

/// Gives the next item.
pub type Next = Box<dyn FnMut(&Interpreter<'_>) -> Outcome<Option<Value>>>;

/// What `map`, `select` and the like give: items that are made when they are asked for, once.
pub struct Generator {
    pub type_name: &'static str,
    next: RefCell<Option<Next>>,
    finished: Cell<bool>,
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name)
    }
}

impl Generator {
    pub fn value(type_name: &'static str, next: Next) -> Value {
        let next = RefCell::new(Some(next));
        Object::Generator(Self { type_name, next, finished: Cell::new(false) }).into()
    }

    fn next(&self, interpreter: &Interpreter<'_>) -> Outcome<Option<Value>> {
        if self.finished.get() {
            return Ok(None);
        }
        let Some(mut next) = self.next.take() else {
            return Err(Failure::new(Kind::Value, "generator already executing"));
        };
        let result = next(interpreter);
        if !matches!(result, Ok(Some(_))) {
            self.finished.set(true);
        }
        self.next.replace(Some(next));
        result
    }
}

pub enum Items {
    List(Rc<Vec<Value>>, usize),
    /// The text, and the byte where the next character begins.
    Text(Text, usize),
    Dict(Rc<Dict>, View, usize),
    Range {
        next: i128,
        step: i128,
        left: usize,
    },
    Generator(Rc<Object>),
    Made(Next),
    Empty,
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("items")
    }
}

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

    pub fn next(&mut self, interpreter: &Interpreter<'_>) -> Outcome<Option<Value>> {
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

    pub fn rest(&mut self, interpreter: &Interpreter<'_>) -> Outcome<Vec<Value>> {
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
pub fn collect(value: &Value, interpreter: &Interpreter<'_>) -> Outcome<Vec<Value>> {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Group(items) => Ok(items.to_vec()),
        _ => Items::of(value)?.rest(interpreter),
    }
}
