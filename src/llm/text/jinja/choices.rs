//! Items by their attributes, and the filters that hand them on one by one: `map`, `select`,
//! `reject`.

use super::arguments::Values;
use super::builtins::{is_filter, is_test};
use super::checks;
use super::failure::{Failure, Kind, Outcome, type_error};
use super::syntax::Text;
use super::value::{Generator, Interpreter, Items, Next, Value};
use super::words;

/// The way to an attribute: `a.b.0`.
#[derive(Clone)]
pub struct Path {
    parts: Vec<Value>,
    default: Option<Value>,
    ignore_case: bool,
}

impl Path {
    pub fn new(attribute: Option<&Value>, default: Option<Value>, ignore_case: bool) -> Self {
        let default = default.filter(|default| !matches!(default, Value::None));
        Self { parts: parts(attribute), default, ignore_case }
    }

    pub fn get(&self, item: &Value, interpreter: &dyn Interpreter) -> Outcome<Value> {
        let mut item = item.clone();
        for part in &self.parts {
            item = interpreter.subscript(&item, part)?;
            if let Some(default) = self.default.as_ref().filter(|_| item.is_undefined()) {
                item = default.clone();
            }
        }
        Ok(if self.ignore_case { lower(item) } else { item })
    }
}

fn parts(attribute: Option<&Value>) -> Vec<Value> {
    match attribute {
        None | Some(Value::None) => Vec::new(),
        Some(value) => match value.as_str() {
            Some(path) => path.split('.').map(part).collect(),
            None => vec![value.clone()],
        },
    }
}

fn part(text: &str) -> Value {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match text.parse() {
        Ok(index) if digits => Value::Int(index),
        _ => Value::from(text),
    }
}

pub fn lower(value: Value) -> Value {
    match value.as_str() {
        Some(text) => Value::text_like(&value, text.to_lowercase()),
        None => value,
    }
}

pub fn flag(value: Option<&Value>, interpreter: &dyn Interpreter) -> Outcome<bool> {
    value.map_or(Ok(false), |value| interpreter.truthy(value))
}

/// Items that are made when they are asked for. The source is opened then, too.
pub fn lazily(
    source: &Value,
    mut begin: impl FnMut(&dyn Interpreter) -> Outcome<bool> + 'static,
    mut next: impl FnMut(&mut Items, &dyn Interpreter) -> Outcome<Option<Value>> + 'static,
) -> Value {
    let source = source.clone();
    let mut open: Option<Items> = None;
    let made: Next = Box::new(move |interpreter| {
        if open.is_none() {
            if !begin(interpreter)? {
                return Ok(None);
            }
            open = Some(Items::of(&source)?);
        }
        match &mut open {
            Some(items) => next(items, interpreter),
            None => Ok(None),
        }
    });
    Generator::value("generator", made)
}

pub fn whole(value: Option<&Value>, function: &str) -> Outcome<i128> {
    match value {
        Some(value) => value.index(),
        None => type_error(format!("{function}() is missing an argument")),
    }
}

/// `value | name(values)`: any filter, which `map` may be told to use.
pub type Filter = fn(&str, Value, Values, &dyn Interpreter) -> Outcome<Value>;

pub fn map(value: &Value, values: Values, filter: Filter) -> Value {
    let source = value.clone();
    let Values { positional, mut named } = values;
    let mut how: Option<Mapping> = None;
    let begin = move |interpreter: &dyn Interpreter| interpreter.truthy(&source);
    lazily(value, begin, move |items, interpreter| {
        if how.is_none() {
            how = Some(Mapping::new(&positional, &mut named)?);
        }
        let Some(item) = items.next(interpreter)? else { return Ok(None) };
        match &how {
            Some(Mapping::Path(path)) => path.get(&item, interpreter).map(Some),
            Some(Mapping::Filter(name, values)) => {
                if !is_filter(name) {
                    return Err(Failure::new(Kind::Runtime, format!("No filter named '{name}'.")));
                }
                filter(name, item, values.clone(), interpreter).map(Some)
            }
            None => Ok(None),
        }
    })
}

enum Mapping {
    Path(Path),
    Filter(Text, Values),
}

impl Mapping {
    fn new(positional: &[Value], named: &mut Vec<(Text, Value)>) -> Outcome<Self> {
        let mut take = |wanted: &str| {
            let at = named.iter().position(|(name, _)| &**name == wanted)?;
            Some(named.remove(at).1)
        };
        if let Some((first, rest)) = positional.split_first() {
            let Some(name) = first.as_str() else {
                let message = format!("No filter named {}.", words::repr(first));
                return Err(Failure::new(Kind::Runtime, message));
            };
            let values = Values { positional: rest.to_vec(), named: named.clone() };
            return Ok(Self::Filter(name.clone(), values));
        }
        let Some(attribute) = take("attribute") else {
            return Err(Failure::new(Kind::Runtime, "map requires a filter argument"));
        };
        let default = take("default");
        match named.first() {
            Some((name, _)) => {
                let message = format!("Unexpected keyword argument '{name}'");
                Err(Failure::new(Kind::Runtime, message))
            }
            None => Ok(Self::Path(Path::new(Some(&attribute), default, false))),
        }
    }
}

/// What is looked at: the items, or an attribute of theirs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    Item,
    Attribute,
}

/// The items for which a test says `wanted`.
pub fn select(value: &Value, values: Values, wanted: bool, by: By) -> Value {
    let source = value.clone();
    let begin = move |interpreter: &dyn Interpreter| interpreter.truthy(&source);
    let mut how: Option<Selection> = None;
    lazily(value, begin, move |items, interpreter| {
        if how.is_none() {
            how = Some(Selection::new(&values, by)?);
        }
        let Some(Selection { path, test }) = &how else { return Ok(None) };
        while let Some(item) = items.next(interpreter)? {
            let seen = match path {
                Some(path) => path.get(&item, interpreter)?,
                None => item.clone(),
            };
            let holds = match test {
                Some((name, values)) => checks::check(name, &seen, values.clone(), interpreter)?,
                None => interpreter.truthy(&seen)?,
            };
            if holds == wanted {
                return Ok(Some(item));
            }
        }
        Ok(None)
    })
}

struct Selection {
    path: Option<Path>,
    test: Option<(Text, Values)>,
}

impl Selection {
    fn new(values: &Values, by: By) -> Outcome<Self> {
        let mut rest = values.positional.as_slice();
        let mut path = None;
        if by == By::Attribute {
            let Some((attribute, after)) = rest.split_first() else {
                return Err(Failure::new(Kind::Runtime, "Missing parameter for attribute name"));
            };
            path = Some(Path::new(Some(attribute), None, false));
            rest = after;
        }
        let Some((name, rest)) = rest.split_first() else { return Ok(Self { path, test: None }) };
        let Some(name) = name.as_str().filter(|name| is_test(name)) else {
            let message = format!("No test named {}.", words::repr(name));
            return Err(Failure::new(Kind::Runtime, message));
        };
        let values = Values { positional: rest.to_vec(), named: values.named.clone() };
        Ok(Self { path, test: Some((name.clone(), values)) })
    }
}
