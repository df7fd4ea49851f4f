//! Which values are equal, which comes first, and what is in what.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::failure::{Outcome, type_error};
use super::syntax::Comparison;
use super::value::{Interpreter, Items, Key, Object, Value, View, range_length};

/// Python's `==`.
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
        (Value::Str(a) | Value::Safe(a), Value::Str(b) | Value::Safe(b)) => a == b,
        (Value::List(a), Value::List(b))
        | (Value::Tuple(a) | Value::Group(a), Value::Tuple(b) | Value::Group(b)) => {
            Rc::ptr_eq(a, b)
                || a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal(a, b))
        }
        (Value::Dict(a), Value::Dict(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b) || equal_objects(a, b),
        _ => compare_numbers(left, right) == Some(Ordering::Equal),
    }
}

fn equal_objects(left: &Object, right: &Object) -> bool {
    match (left, right) {
        (Object::Range { start: a, step: c, .. }, Object::Range { start: b, step: d, .. }) => {
            let length = range_length(left);
            length == range_length(right) && (length == 0 || a == b && (length == 1 || c == d))
        }
        (Object::View(View::Keys, a), Object::View(View::Keys, b)) => {
            a.len() == b.len() && a.keys().all(|key| b.contains_key(key))
        }
        (Object::View(View::Items, a), Object::View(View::Items, b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (Object::Global(a), Object::Global(b)) => a == b,
        (Object::Method { of: a, name: c }, Object::Method { of: b, name: d }) => {
            c == d && same(a, b)
        }
        _ => false,
    }
}

/// Python's `is`, as far as it does not depend on how Python keeps its memory.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::None, Value::None) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) | (Value::Safe(a), Value::Safe(b)) => a == b,
        (Value::List(a), Value::List(b))
        | (Value::Tuple(a), Value::Tuple(b))
        | (Value::Group(a), Value::Group(b)) => Rc::ptr_eq(a, b),
        (Value::Dict(a), Value::Dict(b)) => Rc::ptr_eq(a, b),
        (Value::Undefined(a), Value::Undefined(b)) => Rc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b) || equal_objects(a, b),
        _ => false,
    }
}

/// `None` where one of them is no number, or not a number.
pub fn compare_numbers(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Float(a), _) => compare_mixed(right.as_index()?, *a).map(Ordering::reverse),
        (_, Value::Float(b)) => compare_mixed(left.as_index()?, *b),
        _ => Some(left.as_index()?.cmp(&right.as_index()?)),
    }
}

/// Without rounding the whole number.
fn compare_mixed(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float.abs() >= 1e38 {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let floor = float.floor();
    Some(whole.cmp(&(floor as i128)).then(if float > floor {
        Ordering::Less
    } else {
        Ordering::Equal
    }))
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_))
}

/// `<`, `<=`, `>` or `>=`.
pub fn ordered(comparison: Comparison, left: &Value, right: &Value) -> Outcome<bool> {
    let by = |ordering: Ordering| match comparison {
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    };
    match (left, right) {
        (Value::Undefined(_), _) => Err(left.undefined_failure()),
        (_, Value::Undefined(_)) => Err(right.undefined_failure()),
        (Value::Str(a) | Value::Safe(a), Value::Str(b) | Value::Safe(b)) => Ok(by(a.cmp(b))),
        (Value::List(a), Value::List(b))
        | (Value::Tuple(a) | Value::Group(a), Value::Tuple(b) | Value::Group(b)) => {
            let differing = a.iter().zip(b.iter()).find(|(a, b)| !equal(a, b));
            match differing {
                Some((a, b)) => ordered(comparison, a, b),
                None => Ok(by(a.len().cmp(&b.len()))),
            }
        }
        _ if is_number(left) && is_number(right) => {
            Ok(compare_numbers(left, right).is_some_and(by))
        }
        _ => {
            let sign = match comparison {
                Comparison::Less => "<",
                Comparison::LessOrEqual => "<=",
                Comparison::Greater => ">",
                _ => ">=",
            };
            let (a, b) = (left.type_name(), right.type_name());
            type_error(format!("'{sign}' not supported between instances of '{a}' and '{b}'"))
        }
    }
}

/// `left < right`, as Python sorts.
pub fn less(left: &Value, right: &Value) -> Outcome<bool> {
    ordered(Comparison::Less, left, right)
}

pub fn compare(
    comparison: Comparison,
    left: &Value,
    right: &Value,
    interpreter: &dyn Interpreter,
) -> Outcome<bool> {
    match comparison {
        Comparison::Equal => Ok(equal(left, right)),
        Comparison::Unequal => Ok(!equal(left, right)),
        Comparison::In => contains(right, left, interpreter),
        Comparison::NotIn => Ok(!contains(right, left, interpreter)?),
        _ => ordered(comparison, left, right),
    }
}

/// `item in container`.
pub fn contains(container: &Value, item: &Value, interpreter: &dyn Interpreter) -> Outcome<bool> {
    match container {
        Value::Str(text) | Value::Safe(text) => {
            if let Some(part) = item.as_str() {
                Ok(text.contains(&**part))
            } else {
                let name = item.type_name();
                type_error(format!("'in <string>' requires string as left operand, not {name}"))
            }
        }
        Value::Dict(dict) => Ok(dict.contains_key(&Key::new(item.clone())?)),
        Value::Object(object) => match &**object {
            Object::View(View::Keys, dict) => Ok(dict.contains_key(&Key::new(item.clone())?)),
            Object::Range { start, step, .. } if item.as_index().is_some() => {
                let offset = item.index()? - start;
                let length = range_length(object) as i128;
                Ok(offset % step == 0 && (0..length).contains(&(offset / step)))
            }
            Object::Range { .. } | Object::View(..) | Object::Generator(_) | Object::Loop(_) => {
                among(container, item, interpreter)
            }
            _ => not_a_container(container),
        },
        Value::Undefined(_) | Value::List(_) | Value::Tuple(_) | Value::Group(_) => {
            among(container, item, interpreter)
        }
        _ => not_a_container(container),
    }
}

fn among(container: &Value, item: &Value, interpreter: &dyn Interpreter) -> Outcome<bool> {
    let mut items = Items::of(container)?;
    while let Some(other) = items.next(interpreter)? {
        if equal(&other, item) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn not_a_container(value: &Value) -> Outcome<bool> {
    type_error(format!("argument of type '{}' is not iterable", value.type_name()))
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        equal(self.value(), other.value())
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.value(), state);
    }
}

fn hash<H: Hasher>(value: &Value, state: &mut H) {
    match value {
        Value::Undefined(_) => 1_u8.hash(state),
        Value::None => 2_u8.hash(state),
        Value::Bool(value) => i128::from(*value).hash(state),
        Value::Int(value) => value.hash(state),
        // 1.0 and 1 are one key.
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e38 => {
            (*value as i128).hash(state);
        }
        Value::Float(value) => value.to_bits().hash(state),
        Value::Str(text) | Value::Safe(text) => text.hash(state),
        Value::Tuple(items) | Value::Group(items) => {
            for item in items.iter() {
                hash(item, state);
            }
        }
        // Never keys, or equal only to themselves.
        Value::List(_) | Value::Dict(_) | Value::Object(_) => 3_u8.hash(state),
    }
}
