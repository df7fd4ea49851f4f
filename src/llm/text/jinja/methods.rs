//! Calls of the methods of Python's types.

use super::arguments::Values;
use super::comparison::equal;
use super::failure::{Failure, Kind, Outcome, type_error, unsupported, value_error};
use super::format;
use super::iteration::collect;
use super::strings;
use super::syntax::Text;
use super::value::{
    Dict, Global, Interpreter, Items, Key, LONGEST, Object, Value, View, range_length,
};
use super::words::{self, escape, is_space};

pub fn call(
    of: &Value,
    name: &str,
    values: Values,
    interpreter: &dyn Interpreter,
) -> Outcome<Value> {
    match of {
        Value::Str(text) | Value::Safe(text) => string(of, text, name, values, interpreter),
        Value::List(items) | Value::Tuple(items) | Value::Group(items) => {
            sequence(of, items, name, values)
        }
        Value::Dict(dict) => mapping(dict, name, values, interpreter),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => number(of, name, values),
        Value::Object(object) => match &**object {
            Object::Loop(context) => match (name, values.named.is_empty()) {
                ("cycle", true) => context.cycle(&values.positional),
                ("changed", true) => Ok(Value::Bool(context.changed(values.positional))),
                _ => type_error(format!("{name}() takes no keyword arguments")),
            },
            Object::Cycler { items, position } => {
                values.none(name)?;
                let at = position.get();
                position.set(if name == "reset" { 0 } else { (at + 1) % items.len() });
                Ok(if name == "reset" { Value::None } else { items[at].clone() })
            }
            Object::Range { .. } => {
                let items = collect(of, interpreter)?;
                debug_assert_eq!(items.len(), range_length(object));
                sequence(of, &items, name, values)
            }
            Object::Global(Global::Dict) => from_keys(values, interpreter),
            _ => unsupported(format!("{}.{name}()", of.type_name())),
        },
        _ => type_error(format!("'{}' object has no method '{name}'", of.type_name())),
    }
}

fn needs_text<'v>(value: Option<&'v Value>, name: &str) -> Outcome<&'v Text> {
    if let Some(text) = value.and_then(Value::as_str) {
        Ok(text)
    } else {
        let found = value.map_or("nothing", Value::type_name);
        type_error(format!("{name}() argument must be str, not {found}"))
    }
}

/// A bound, where `None` means there is none.
fn bound(value: Option<&Value>) -> Outcome<Option<i128>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(value) => match value.as_index() {
            Some(index) => Ok(Some(index)),
            None => {
                type_error("slice indices must be integers or None or have an __index__ method")
            }
        },
    }
}

fn width(value: Option<&Value>) -> Outcome<usize> {
    let width = value.map_or(Ok(0), Value::index)?;
    if width > LONGEST as i128 {
        return Err(Failure::new(Kind::Limit, "the text would be too long"));
    }
    Ok(width.max(0) as usize)
}

fn fill(value: Option<&Value>, of: &Value, name: &str) -> Outcome<char> {
    let Some(value) = value else { return Ok(' ') };
    let value = if matches!(of, Value::Safe(_)) { escape(value) } else { value.clone() };
    let text = needs_text(Some(&value), name)?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(character),
        _ => type_error("The fill character must be exactly one character long"),
    }
}

fn string(
    of: &Value,
    text: &Text,
    name: &str,
    values: Values,
    interpreter: &dyn Interpreter,
) -> Outcome<Value> {
    let like = |text: String| Ok(Value::text_like(of, text));
    let likes = |parts: Vec<String>| {
        Ok(Value::list(parts.into_iter().map(|part| Value::text_like(of, part)).collect()))
    };
    if let Some(holds) = strings::is(text, name) {
        values.none(name)?;
        return Ok(Value::Bool(holds));
    }
    match name {
        "capitalize" | "casefold" | "lower" | "swapcase" | "title" | "upper" => {
            values.none(name)?;
            like(match name {
                "capitalize" => strings::capitalize(text),
                "casefold" => strings::casefold(text),
                "lower" => text.to_lowercase(),
                "swapcase" => strings::swapcase(text),
                "title" => strings::title(text),
                _ => text.to_uppercase(),
            })
        }
        "center" | "ljust" | "rjust" => {
            let [wanted, filler] = values.bind(name, ["/width", "/fillchar"], 1)?;
            let wanted = width(wanted.as_ref())?;
            let filler = fill(filler.as_ref(), of, name)?;
            let missing = filler.to_string().repeat(wanted.saturating_sub(text.chars().count()));
            like(match name {
                "center" => strings::center(text, wanted, filler),
                "ljust" => format!("{text}{missing}"),
                _ => format!("{missing}{text}"),
            })
        }
        "count" | "find" | "index" | "rfind" | "rindex" => search(text, name, values),
        "startswith" | "endswith" => begins_or_ends(text, name, values),
        "expandtabs" => {
            let [size] = values.bind(name, ["tabsize"], 0)?;
            let size = size.as_ref().map_or(Ok(8), |size| width(Some(size)))?;
            like(strings::expand_tabs(text, size.min(1000)))
        }
        "format" => format::format(of, &values, interpreter),
        "format_map" => {
            let [mapping] = values.bind(name, ["/mapping"], 1)?;
            let Some(Value::Dict(dict)) = mapping else {
                return type_error("format_map() needs a dictionary");
            };
            let named = dict
                .iter()
                .filter_map(|(key, value)| Some((key.value().as_str()?.clone(), value.clone())));
            let values = Values { positional: Vec::new(), named: named.collect() };
            format::format(of, &values, interpreter)
        }
        "join" => {
            let [items] = values.bind(name, ["/iterable"], 1)?;
            let items = items.unwrap_or(Value::None);
            let Ok(mut items) = Items::of(&items) else {
                return type_error("can only join an iterable");
            };
            let mut out = String::new();
            let mut index = 0;
            while let Some(item) = items.next(interpreter)? {
                if index > 0 {
                    out.push_str(text);
                }
                let item = if matches!(of, Value::Safe(_)) { escape(&item) } else { item };
                if let Some(item) = item.as_str() {
                    out.push_str(item);
                } else {
                    let found = item.type_name();
                    return type_error(format!(
                        "sequence item {index}: expected str instance, {found} found"
                    ));
                }
                index += 1;
            }
            like(out)
        }
        "strip" | "lstrip" | "rstrip" => {
            let [characters] = values.bind(name, ["/chars"], 0)?;
            let wanted = match &characters {
                None | Some(Value::None) => None,
                Some(value) => Some(needs_text(Some(value), name)?),
            };
            let matches = |c: char| wanted.map_or_else(|| is_space(c), |wanted| wanted.contains(c));
            let mut rest: &str = text;
            if name != "rstrip" {
                rest = rest.trim_start_matches(matches);
            }
            if name != "lstrip" {
                rest = rest.trim_end_matches(matches);
            }
            like(rest.to_owned())
        }
        "partition" | "rpartition" => {
            let [separator] = values.bind(name, ["/sep"], 1)?;
            let separator = needs_text(separator.as_ref(), name)?;
            if separator.is_empty() {
                return value_error("empty separator");
            }
            let found = if name == "partition" {
                text.find(&**separator)
            } else {
                text.rfind(&**separator)
            };
            let parts = match found {
                Some(at) => [&text[..at], &**separator, &text[at + separator.len()..]],
                None if name == "partition" => [&**text, "", ""],
                None => ["", "", &**text],
            };
            Ok(Value::tuple(parts.into_iter().map(|part| Value::text_like(of, part)).collect()))
        }
        "removeprefix" | "removesuffix" => {
            let [part] = values.bind(name, ["/part"], 1)?;
            let part = needs_text(part.as_ref(), name)?;
            let rest = if name == "removeprefix" {
                text.strip_prefix(&**part)
            } else {
                text.strip_suffix(&**part)
            };
            like(rest.unwrap_or(text).to_owned())
        }
        "replace" => {
            let [old, new, count] = values.bind(name, ["/old", "/new", "/count"], 2)?;
            let old = needs_text(old.as_ref(), name)?.clone();
            let new = match &new {
                Some(new) if matches!(of, Value::Safe(_)) => escape(new),
                Some(new) => new.clone(),
                None => Value::None,
            };
            let new = needs_text(Some(&new), name)?;
            let count = match &count {
                Some(count) => count.index()?,
                None => -1,
            };
            like(replace(text, &old, new, count)?)
        }
        "split" | "rsplit" => {
            let [separator, most] = values.bind(name, ["sep", "maxsplit"], 0)?;
            let most = most.as_ref().map_or(Ok(-1), Value::index)?;
            let most = usize::try_from(most).ok();
            match &separator {
                None | Some(Value::None) if name == "split" => {
                    likes(strings::split_space(text, most))
                }
                None | Some(Value::None) => likes(strings::rsplit_space(text, most)),
                Some(separator) => {
                    let separator = needs_text(Some(separator), name)?;
                    if separator.is_empty() {
                        return value_error("empty separator");
                    }
                    likes(if name == "split" {
                        strings::split(text, separator, most)
                    } else {
                        strings::rsplit(text, separator, most)
                    })
                }
            }
        }
        "splitlines" => {
            let [keep] = values.bind(name, ["keepends"], 0)?;
            let keep = keep.as_ref().map_or(Ok(false), |keep| interpreter.truthy(keep))?;
            likes(strings::lines(text, keep))
        }
        "zfill" => {
            let [wanted] = values.bind(name, ["/width"], 1)?;
            let missing = width(wanted.as_ref())?.saturating_sub(text.chars().count());
            let (sign, digits) =
                if text.starts_with(['+', '-']) { text.split_at(1) } else { ("", &**text) };
            like(format!("{sign}{}{digits}", "0".repeat(missing)))
        }
        "striptags" => {
            values.none(name)?;
            super::markup::strip_tags(text).map(Value::from)
        }
        "escape" => {
            let [value] = values.bind(name, ["s"], 1)?;
            Ok(escape(&value.unwrap_or(Value::None)))
        }
        "unescape" => {
            values.none(name)?;
            super::markup::unescape(text).map(Value::from)
        }
        _ => unsupported(format!("the method {name}() of strings")),
    }
}

pub fn replace(text: &str, old: &str, new: &str, count: i128) -> Outcome<String> {
    let times = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    if text.len() + times.saturating_mul(new.len()) > LONGEST {
        return Err(Failure::new(Kind::Limit, "the text would be too long"));
    }
    Ok(match usize::try_from(count) {
        Ok(count) => text.replacen(old, new, count),
        Err(_) => text.replace(old, new),
    })
}

fn search(text: &str, name: &str, values: Values) -> Outcome<Value> {
    let [part, start, stop] = values.bind(name, ["/sub", "/start", "/end"], 1)?;
    let part = needs_text(part.as_ref(), name)?;
    let window = strings::window(text, bound(start.as_ref())?, bound(stop.as_ref())?);
    if name == "count" {
        let count = window.map_or(0, |(_, text)| {
            if part.is_empty() { text.chars().count() + 1 } else { text.matches(&**part).count() }
        });
        return Ok(count.into());
    }
    let found = window.and_then(|(offset, text)| {
        let at = if name.starts_with('r') { text.rfind(&**part) } else { text.find(&**part) };
        at.map(|at| offset + text[..at].chars().count())
    });
    match found {
        Some(at) => Ok(at.into()),
        None if name.ends_with("index") => value_error("substring not found"),
        None => Ok(Value::Int(-1)),
    }
}

fn begins_or_ends(text: &str, name: &str, values: Values) -> Outcome<Value> {
    let [parts, start, stop] = values.bind(name, ["/prefix", "/start", "/end"], 1)?;
    let parts = match parts {
        Some(Value::Tuple(items) | Value::Group(items)) => items.to_vec(),
        Some(part) if part.as_str().is_some() => vec![part],
        other => {
            let found = other.as_ref().map_or("nothing", Value::type_name);
            return type_error(format!(
                "{name} first arg must be str or a tuple of str, not {found}"
            ));
        }
    };
    let window = strings::window(text, bound(start.as_ref())?, bound(stop.as_ref())?);
    for part in parts {
        let part = needs_text(Some(&part), name)?.clone();
        let holds = window.is_some_and(|(_, text)| {
            if name == "startswith" { text.starts_with(&*part) } else { text.ends_with(&*part) }
        });
        if holds {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn sequence(of: &Value, items: &[Value], name: &str, values: Values) -> Outcome<Value> {
    match name {
        "copy" => {
            values.none(name)?;
            Ok(of.clone())
        }
        "count" => {
            let [wanted] = values.bind(name, ["/value"], 1)?;
            let wanted = wanted.unwrap_or(Value::None);
            Ok(items.iter().filter(|item| equal(item, &wanted)).count().into())
        }
        _ => {
            let [wanted, start, stop] = values.bind(name, ["/value", "/start", "/stop"], 1)?;
            let wanted = wanted.unwrap_or(Value::None);
            let length = items.len() as i128;
            let clamp = |value: Option<Value>, usual: i128| -> Outcome<usize> {
                let index = value.as_ref().map_or(Ok(usual), Value::index)?;
                let index = if index < 0 { index + length } else { index };
                Ok(index.clamp(0, length) as usize)
            };
            let (start, stop) = (clamp(start, 0)?, clamp(stop, length)?);
            let part = items.get(start..stop).unwrap_or_default();
            if let Some(at) = part.iter().position(|item| equal(item, &wanted)) {
                Ok((start + at).into())
            } else {
                let wanted = words::repr(&wanted);
                value_error(match of.as_tuple() {
                    Some(_) => "tuple.index(x): x not in tuple".to_owned(),
                    None => format!("{wanted} is not in {}", of.type_name()),
                })
            }
        }
    }
}

fn mapping(
    dict: &std::rc::Rc<Dict>,
    name: &str,
    values: Values,
    interpreter: &dyn Interpreter,
) -> Outcome<Value> {
    let view = |view| Ok(Object::View(view, dict.clone()).into());
    match name {
        "get" => {
            let [key, default] = values.bind(name, ["/key", "/default"], 1)?;
            let key = Key::new(key.unwrap_or(Value::None))?;
            Ok(dict.get(&key).cloned().or(default).unwrap_or(Value::None))
        }
        "fromkeys" => from_keys(values, interpreter),
        _ => {
            values.none(name)?;
            match name {
                "keys" => view(View::Keys),
                "values" => view(View::Values),
                "items" => view(View::Items),
                _ => Ok(Value::Dict(dict.clone())),
            }
        }
    }
}

fn from_keys(values: Values, interpreter: &dyn Interpreter) -> Outcome<Value> {
    let [keys, value] = values.bind("fromkeys", ["/iterable", "/value"], 1)?;
    let value = value.unwrap_or(Value::None);
    let mut dict = Dict::new();
    for key in collect(&keys.unwrap_or(Value::None), interpreter)? {
        dict.insert(Key::new(key)?, value.clone());
    }
    Ok(Value::dict(dict))
}

fn number(of: &Value, name: &str, values: Values) -> Outcome<Value> {
    values.none(name)?;
    match (of, name) {
        (Value::Float(value), "is_integer") => {
            Ok(Value::Bool(value.is_finite() && value.fract() == 0.0))
        }
        (Value::Float(_), "conjugate") => Ok(of.clone()),
        (_, "conjugate") => Ok(Value::Int(of.index()?)),
        (Value::Bool(_) | Value::Int(_), "bit_length") => {
            Ok(Value::Int(i128::from(128 - of.index()?.unsigned_abs().leading_zeros())))
        }
        (Value::Bool(_) | Value::Int(_), "bit_count") => {
            Ok(Value::Int(i128::from(of.index()?.unsigned_abs().count_ones())))
        }
        (Value::Bool(_) | Value::Int(_), "as_integer_ratio") => {
            Ok(Value::tuple(vec![Value::Int(of.index()?), Value::Int(1)]))
        }
        _ => unsupported(format!("the method {name}() of numbers")),
    }
}
