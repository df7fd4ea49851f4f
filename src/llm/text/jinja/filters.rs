//! The filters of Jinja2 on single values, and the way to all others.

use super::arguments::Values;
use super::failure::{Failure, Kind, Outcome, type_error, unsupported};
use super::json;
use super::markup;
use super::methods::replace;
use super::numbers;
use super::percent;
use super::pretty;
use super::sequences;
use super::strings;
use super::text_filters;
use super::value::{Interpreter, LONGEST, Object, Value};
use super::words::{self, escape, is_space};

/// `value | name(values)`
pub fn apply(
    name: &str,
    value: Value,
    values: Values,
    interpreter: &dyn Interpreter,
) -> Outcome<Value> {
    if let Some(result) = sequences::apply(name, &value, &values, interpreter, apply) {
        return result;
    }
    match name {
        "abs" => {
            values.none(name)?;
            match &value {
                Value::Float(float) => Ok(Value::Float(float.abs())),
                _ => match value.as_index() {
                    Some(whole) => Ok(Value::Int(whole.abs())),
                    None => {
                        type_error(format!("bad operand type for abs(): '{}'", value.type_name()))
                    }
                },
            }
        }
        "attr" => {
            let [attribute] = values.bind(name, ["name"], 1)?;
            match attribute.as_ref().and_then(Value::as_str) {
                Some(attribute) => interpreter.attribute_only(&value, attribute),
                None => type_error("attribute name must be string"),
            }
        }
        "count" | "length" => {
            values.none(name)?;
            match value.as_object() {
                Some(Object::Loop(context)) => context.length(interpreter).map(Value::from),
                _ => value.length().map(Value::from),
            }
        }
        "d" | "default" => {
            let [default, boolean] = values.bind(name, ["default_value", "boolean"], 0)?;
            let boolean = boolean.as_ref().map_or(Ok(false), |value| interpreter.truthy(value))?;
            if value.is_undefined() || boolean && !interpreter.truthy(&value)? {
                return Ok(default.unwrap_or_else(|| Value::from("")));
            }
            Ok(value)
        }
        "e" | "escape" => {
            values.none(name)?;
            Ok(escape(&value))
        }
        "forceescape" => {
            values.none(name)?;
            Ok(escape(&Value::from(words::text(&value))))
        }
        "safe" => {
            values.none(name)?;
            Ok(Value::Safe(words::text(&value).into()))
        }
        "string" => {
            values.none(name)?;
            Ok(soft(&value))
        }
        "float" => {
            let [default] = values.bind(name, ["default"], 0)?;
            match to_float(&value) {
                Err(failure) if matches!(failure.kind, Kind::Type | Kind::Value) => {
                    Ok(default.unwrap_or(Value::Float(0.0)))
                }
                result => result.map(Value::Float),
            }
        }
        "int" => to_int(&value, values),
        "round" => round(&value, values),
        "filesizeformat" => {
            let [binary] = values.bind(name, ["binary"], 0)?;
            let binary = binary.as_ref().map_or(Ok(false), |value| interpreter.truthy(value))?;
            Ok(Value::from(file_size(to_float(&value)?, binary)?))
        }
        "format" => {
            if !values.positional.is_empty() && !values.named.is_empty() {
                let message = "can't handle positional and keyword arguments at the same time";
                return Err(Failure::new(Kind::Runtime, message));
            }
            let arguments = if values.named.is_empty() {
                Value::tuple(values.positional)
            } else {
                let named = values.named.into_iter();
                Value::dict(named.map(|(name, value)| ((&*name).into(), value)))
            };
            percent::format(&soft(&value), &arguments)
        }
        "capitalize" | "lower" | "upper" | "title" => {
            values.none(name)?;
            let text = soft(&value);
            let plain = words::text(&text);
            let changed = match name {
                "capitalize" => strings::capitalize(&plain),
                "lower" => plain.to_lowercase(),
                "upper" => plain.to_uppercase(),
                _ => return Ok(Value::from(text_filters::title(&plain))),
            };
            Ok(Value::text_like(&text, changed))
        }
        "center" => {
            let [width] = values.bind(name, ["width"], 0)?;
            let width = width.as_ref().map_or(Ok(80), Value::index)?.clamp(0, LONGEST as i128);
            let text = soft(&value);
            Ok(Value::text_like(&text, strings::center(&words::text(&text), width as usize, ' ')))
        }
        "trim" => {
            let [characters] = values.bind(name, ["chars"], 0)?;
            let text = soft(&value);
            let plain = words::text(&text);
            let trimmed = match &characters {
                None | Some(Value::None) => plain.trim_matches(is_space).to_owned(),
                Some(characters) => match characters.as_str() {
                    Some(wanted) => plain.trim_matches(|c| wanted.contains(c)).to_owned(),
                    None => return type_error("strip arg must be None or str"),
                },
            };
            Ok(Value::text_like(&text, trimmed))
        }
        "replace" => {
            let [old, new, count] = values.bind(name, ["old", "new", "count"], 2)?;
            let text =
                |value: Option<Value>| value.map(|value| words::text(&value)).unwrap_or_default();
            let count = match &count {
                None | Some(Value::None) => -1,
                Some(count) => count.index()?,
            };
            Ok(Value::from(replace(&words::text(&value), &text(old), &text(new), count)?))
        }
        "indent" => text_filters::indent(&value, values, interpreter),
        "truncate" => text_filters::truncate(&value, values, interpreter),
        "wordcount" => {
            values.none(name)?;
            let text = words::text(&soft(&value));
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            Ok(text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).count().into())
        }
        "urlencode" => {
            values.none(name)?;
            text_filters::url_encode(&value, interpreter)
        }
        "striptags" => {
            values.none(name)?;
            markup::strip_tags(&words::text(&value)).map(Value::from)
        }
        "xmlattr" => {
            let [space] = values.bind(name, ["autospace"], 0)?;
            let space = space.as_ref().map_or(Ok(true), |value| interpreter.truthy(value))?;
            let Value::Dict(dict) = &value else {
                return type_error(format!(
                    "'{}' object has no attribute 'items'",
                    value.type_name()
                ));
            };
            let text = markup::attributes(dict, space)?;
            Ok(if interpreter.autoescape() { Value::Safe(text.into()) } else { Value::from(text) })
        }
        "tojson" => json::to_json(&value, values, interpreter),
        "pprint" => {
            values.none(name)?;
            pretty::pretty(&value).map(Value::from)
        }
        "wordwrap" => text_filters::word_wrap(&value, values, interpreter),
        "random" => unsupported("the filter random: every rendering would be another"),
        "urlize" => unsupported("the filter urlize"),
        _ => Err(Failure::new(Kind::Runtime, format!("No filter named '{name}' found."))),
    }
}

/// Text of any kind as it is, all else as Python writes it.
fn soft(value: &Value) -> Value {
    if value.as_str().is_some() { value.clone() } else { Value::from(words::text(value)) }
}

fn to_float(value: &Value) -> Outcome<f64> {
    if let Some(float) = value.as_float() {
        return Ok(float);
    }
    match value.as_str() {
        Some(text) => numbers::parse_float(text),
        None if value.is_undefined() => Err(value.undefined_failure()),
        None => {
            let name = value.type_name();
            type_error(format!("float() argument must be a string or a real number, not '{name}'"))
        }
    }
}

fn to_int(value: &Value, values: Values) -> Outcome<Value> {
    let [default, base] = values.bind("int", ["default", "base"], 0)?;
    let base = base.as_ref().map_or(Ok(10), Value::index)?;
    let first = match value {
        Value::Str(text) | Value::Safe(text) => numbers::parse_integer(text, base),
        Value::Float(float) => numbers::truncate(*float),
        Value::Undefined(_) => return Err(value.undefined_failure()),
        _ => value.index(),
    };
    match first {
        Ok(whole) => Ok(Value::Int(whole)),
        Err(failure) if matches!(failure.kind, Kind::Type | Kind::Value) => {
            match to_float(value).and_then(numbers::truncate) {
                Ok(whole) => Ok(Value::Int(whole)),
                Err(failure)
                    if matches!(failure.kind, Kind::Type | Kind::Value | Kind::Overflow) =>
                {
                    Ok(default.unwrap_or(Value::Int(0)))
                }
                Err(failure) => Err(failure),
            }
        }
        Err(failure) => Err(failure),
    }
}

fn round(value: &Value, values: Values) -> Outcome<Value> {
    let [precision, method] = values.bind("round", ["precision", "method"], 0)?;
    let method = method.unwrap_or_else(|| Value::from("common"));
    let method = method.as_str().map_or("", |method| &**method);
    if !matches!(method, "common" | "ceil" | "floor") {
        return Err(Failure::new(Kind::Runtime, "method must be common, ceil or floor"));
    }
    if value.is_undefined() {
        return Err(value.undefined_failure());
    }
    let digits = match &precision {
        None => 0,
        Some(Value::None) if method == "common" => {
            return match value {
                Value::Float(float) => {
                    Ok(Value::Int(numbers::truncate(numbers::round_float(*float, 0))?))
                }
                _ => value.index().map(Value::Int),
            };
        }
        Some(precision) => precision.index()?,
    };
    let Some(float) = value.as_float() else {
        let name = value.type_name();
        return type_error(format!("type {name} doesn't define __round__ method"));
    };
    if method == "common" {
        return Ok(match value.as_index() {
            Some(whole) => Value::Int(numbers::round_integer(whole, digits)),
            None => Value::Float(numbers::round_float(float, digits)),
        });
    }
    if !(-300..=300).contains(&digits) {
        return unsupported("rounding to so many digits");
    }
    let to_whole = |float: f64| if method == "ceil" { float.ceil() } else { float.floor() };
    let result = match value.as_index() {
        // Python divides whole numbers of any length, and what was multiplied is divided again.
        Some(whole) if digits >= 0 => whole as f64,
        _ => {
            let power = 10_f64.powi(digits as i32);
            let scaled = float * power;
            numbers::truncate(scaled)?;
            to_whole(scaled) / power
        }
    };
    Ok(Value::Float(result))
}

fn file_size(bytes: f64, binary: bool) -> Outcome<String> {
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    let units = if binary {
        ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
    } else {
        ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
    };
    if bytes == 1.0 {
        return Ok("1 Byte".to_owned());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", numbers::truncate(bytes)?));
    }
    let (mut unit, mut name) = (base, units[0]);
    for found in units {
        unit *= base;
        name = found;
        if bytes < unit {
            break;
        }
    }
    Ok(format!("{:.1} {name}", base * bytes / unit))
}
