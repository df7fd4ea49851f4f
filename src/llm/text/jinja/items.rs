//! `value[index]` and `value[start:stop:step]`, as Python has them.

use super::failure::{Failure, Kind, Outcome, type_error, value_error};
use super::value::{Key, Object, Value, range_length};
use super::words;

/// Where an index that may count from the end points to.
fn position(index: i128, length: usize) -> Option<usize> {
    let length = length as i128;
    let index = if index < 0 { index + length } else { index };
    (0..length).contains(&index).then_some(index as usize)
}

fn out_of_range<T>(value: &Value) -> Outcome<T> {
    let name = match value {
        Value::Str(_) | Value::Safe(_) => "string",
        Value::Object(_) => "range object",
        other => other.type_name(),
    };
    Err(Failure::new(Kind::Lookup, format!("{name} index out of range")))
}

/// Python's `value[index]`.
pub fn item(value: &Value, index: &Value) -> Outcome<Value> {
    let wrong_index = |name: &str| {
        let found = index.type_name();
        type_error(format!("{name} indices must be integers or slices, not {found}"))
    };
    match value {
        Value::Undefined(_) => Err(value.undefined_failure()),
        Value::Dict(dict) => match dict.get(&Key::new(index.clone())?) {
            Some(found) => Ok(found.clone()),
            None => Err(Failure::new(Kind::Lookup, words::repr(index))),
        },
        Value::List(items) | Value::Tuple(items) | Value::Group(items) => {
            let Some(index) = index.as_index() else { return wrong_index(value.type_name()) };
            match position(index, items.len()) {
                Some(at) => Ok(items[at].clone()),
                None => out_of_range(value),
            }
        }
        Value::Str(text) | Value::Safe(text) => {
            let Some(index) = index.as_index() else { return wrong_index("string") };
            let at = position(index, text.chars().count());
            match at.and_then(|at| text.chars().nth(at)) {
                Some(character) => Ok(Value::text_like(value, character.to_string())),
                None => out_of_range(value),
            }
        }
        Value::Object(object) => match &**object {
            Object::Range { start, step, .. } => {
                let Some(index) = index.as_index() else { return wrong_index("range") };
                match position(index, range_length(object)) {
                    Some(at) => Ok(Value::Int(start + step * at as i128)),
                    None => out_of_range(value),
                }
            }
            _ => not_subscriptable(value),
        },
        _ => not_subscriptable(value),
    }
}

fn not_subscriptable<T>(value: &Value) -> Outcome<T> {
    type_error(format!("'{}' object is not subscriptable", value.type_name()))
}

/// Python's `value[start:stop:step]`.
pub fn slice(value: &Value, parts: [Option<Value>; 3]) -> Outcome<Value> {
    match value {
        Value::Undefined(_) => return Err(value.undefined_failure()),
        Value::Dict(_) => return type_error("unhashable type: 'slice'"),
        Value::Str(_) | Value::Safe(_) | Value::List(_) | Value::Tuple(_) | Value::Group(_) => {}
        Value::Object(object) if matches!(**object, Object::Range { .. }) => {}
        _ => return not_subscriptable(value),
    }
    let mut bounds = [None; 3];
    for (bound, part) in bounds.iter_mut().zip(parts) {
        *bound = match part {
            None | Some(Value::None) => None,
            Some(part) => {
                if let Some(index) = part.as_index() {
                    Some(index)
                } else {
                    let message =
                        "slice indices must be integers or None or have an __index__ method";
                    return type_error(message);
                }
            }
        };
    }
    let step = bounds[2].unwrap_or(1);
    if step == 0 {
        return value_error("slice step cannot be zero");
    }
    let length = value.length()? as i128;
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |bound: i128| {
        let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
        bound.clamp(low, high)
    };
    let start = bounds[0].map_or(if step > 0 { low } else { high }, clamp);
    let stop = bounds[1].map_or(if step > 0 { high } else { low }, clamp);
    let mut chosen = Vec::new();
    let mut at = start;
    while if step > 0 { at < stop } else { at > stop } {
        chosen.push(at as usize);
        at = at.saturating_add(step);
    }
    Ok(match value {
        Value::Str(text) | Value::Safe(text) => {
            let characters: Vec<char> = text.chars().collect();
            let part: String = chosen.into_iter().map(|at| characters[at]).collect();
            Value::text_like(value, part)
        }
        Value::List(items) => Value::list(chosen.into_iter().map(|at| items[at].clone()).collect()),
        Value::Tuple(items) | Value::Group(items) => {
            Value::tuple(chosen.into_iter().map(|at| items[at].clone()).collect())
        }
        Value::Object(object) => match **object {
            Object::Range { start: first, step: stride, .. } => Object::Range {
                start: first + start * stride,
                stop: first + stop * stride,
                step: stride * step,
            }
            .into(),
            _ => return not_subscriptable(value),
        },
        _ => return not_subscriptable(value),
    })
}
