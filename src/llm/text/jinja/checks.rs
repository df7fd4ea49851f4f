//! The tests of Jinja2: what may stand after `is`.

use super::arguments::Values;
use super::builtins::{is_filter, is_test};
use super::comparison::{compare, equal, same};
use super::failure::{Failure, Kind, Outcome};
use super::operators::binary;
use super::strings;
use super::syntax::{Binary, Comparison};
use super::value::{Interpreter, Items, Key, Object, Value};
use super::words;

/// `value is name(values)`
pub fn check(
    name: &str,
    value: &Value,
    values: Values,
    interpreter: &dyn Interpreter,
) -> Outcome<bool> {
    let comparison = match name {
        "==" | "eq" | "equalto" => Some(Comparison::Equal),
        "!=" | "ne" => Some(Comparison::Unequal),
        ">" | "gt" | "greaterthan" => Some(Comparison::Greater),
        "ge" | ">=" => Some(Comparison::GreaterOrEqual),
        "<" | "lt" | "lessthan" => Some(Comparison::Less),
        "<=" | "le" => Some(Comparison::LessOrEqual),
        "in" => Some(Comparison::In),
        _ => None,
    };
    if let Some(comparison) = comparison {
        let parameter = if name == "in" { "seq" } else { "/b" };
        let [other] = values.bind(name, [parameter], 1)?;
        return compare(comparison, value, &other.unwrap_or(Value::None), interpreter);
    }
    let rest = |divisor: &Value| binary(Binary::Modulo, value, divisor);
    match name {
        "divisibleby" => {
            let [number] = values.bind(name, ["num"], 1)?;
            return Ok(equal(&rest(&number.unwrap_or(Value::None))?, &Value::Int(0)));
        }
        "sameas" => {
            let [other] = values.bind(name, ["other"], 1)?;
            return Ok(same(value, &other.unwrap_or(Value::None)));
        }
        _ if is_test(name) => values.none(name)?,
        _ => return Err(Failure::new(Kind::Runtime, format!("No test named '{name}' found."))),
    }
    Ok(match name {
        "odd" => equal(&rest(&Value::Int(2))?, &Value::Int(1)),
        "even" => equal(&rest(&Value::Int(2))?, &Value::Int(0)),
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "filter" | "test" => match Key::new(value.clone())?.value().as_str() {
            Some(text) if name == "filter" => is_filter(text),
            Some(text) => is_test(text),
            None => false,
        },
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "false" => matches!(value, Value::Bool(false)),
        "true" => matches!(value, Value::Bool(true)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_)),
        "lower" => strings::is(&words::text(value), "islower").unwrap_or(false),
        "upper" => strings::is(&words::text(value), "isupper").unwrap_or(false),
        "string" => value.as_str().is_some(),
        "escaped" => matches!(value, Value::Safe(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "sequence" => match value {
            Value::Undefined(_)
            | Value::Str(_)
            | Value::Safe(_)
            | Value::List(_)
            | Value::Tuple(_)
            | Value::Group(_)
            | Value::Dict(_) => true,
            Value::Object(object) => matches!(**object, Object::Range { .. }),
            _ => false,
        },
        "iterable" => match value.as_object() {
            Some(Object::Loop(_)) => true,
            _ => Items::of(value).is_ok(),
        },
        _ => is_callable(value),
    })
}

fn is_callable(value: &Value) -> bool {
    match value {
        Value::Undefined(_) => true,
        Value::Object(object) => matches!(
            **object,
            Object::Macro(_)
                | Object::Method { .. }
                | Object::Global(_)
                | Object::Joiner { .. }
                | Object::Loop(_)
                | Object::Block(_)
        ),
        _ => false,
    }
}
