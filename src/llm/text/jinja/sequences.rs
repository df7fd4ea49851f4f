//! The filters that go through items.

use std::rc::Rc;

use super::arguments::Values;
use super::choices::{By, Filter, Path, flag, lazily, lower, map, select, whole};
use super::comparison::{equal, less, ordered};
use super::failure::{Failure, Kind, Outcome, type_error};
use super::iteration::collect;
use super::operators::{binary, pairs};
use super::syntax::{Binary, Comparison};
use super::value::{Dict, Generator, Interpreter, Items, Key, Object, Value};
use super::words;

type Found = Outcome<Value>;

/// `None`: the filter is none of these. `filter` knows them all.
pub fn apply(
    name: &str,
    value: &Value,
    values: &Values,
    interpreter: &dyn Interpreter,
    filter: Filter,
) -> Option<Found> {
    let values = || values.clone();
    Some(match name {
        "batch" => batch(value, values()),
        "dictsort" => dict_sort(value, values(), interpreter),
        "first" => first(value, values(), interpreter),
        "groupby" => group_by(value, values(), interpreter),
        "items" => items(value, values()),
        "join" => join(value, values(), interpreter),
        "last" => last(value, values(), interpreter),
        "list" => values().none(name).and_then(|()| list(value, interpreter)),
        "map" => Ok(map(value, values(), filter)),
        "max" => extreme(value, values(), Comparison::Greater, interpreter),
        "min" => extreme(value, values(), Comparison::Less, interpreter),
        "reject" => Ok(select(value, values(), false, By::Item)),
        "rejectattr" => Ok(select(value, values(), false, By::Attribute)),
        "reverse" => reverse(value, values(), interpreter),
        "select" => Ok(select(value, values(), true, By::Item)),
        "selectattr" => Ok(select(value, values(), true, By::Attribute)),
        "slice" => slice(value, values()),
        "sort" => sorted(value, values(), interpreter),
        "sum" => sum(value, values(), interpreter),
        "unique" => unique(value, values(), interpreter),
        _ => return None,
    })
}

/// Stable, and an error where two items cannot be compared.
pub fn sort(
    items: Vec<Value>,
    less: impl Fn(&Value, &Value) -> Outcome<bool> + Copy,
) -> Outcome<Vec<Value>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let (left, right) = (sort(left, less)?, sort(right, less)?);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if less(b, a)? { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}

/// Pairs of a key and an item, by their keys, without the keys.
fn sort_by_key(mut pairs: Vec<(Value, Value)>, reverse: bool) -> Outcome<Vec<(Value, Value)>> {
    if reverse {
        pairs.reverse();
    }
    let pairs = pairs.into_iter().map(|(key, item)| Value::tuple(vec![key, item])).collect();
    let by_key = |left: &Value, right: &Value| match (left.as_tuple(), right.as_tuple()) {
        (Some(left), Some(right)) => less(&left[0], &right[0]),
        _ => Ok(false),
    };
    let mut sorted: Vec<_> = sort(pairs, by_key)?
        .into_iter()
        .filter_map(|pair| pair.as_tuple().map(|pair| (pair[0].clone(), pair[1].clone())))
        .collect();
    if reverse {
        sorted.reverse();
    }
    Ok(sorted)
}

fn batch(value: &Value, values: Values) -> Found {
    let [count, fill] = values.bind("do_batch", ["linecount", "fill_with"], 1)?;
    let fill = fill.filter(|fill| !matches!(fill, Value::None));
    let mut waiting: Option<Value> = None;
    let mut done = false;
    Ok(lazily(
        value,
        |_| Ok(true),
        move |items, interpreter| {
            let mut line: Vec<Value> = Vec::new();
            while !done {
                let next = match waiting.take() {
                    Some(item) => Some(item),
                    None => items.next(interpreter)?,
                };
                let Some(item) = next else {
                    done = true;
                    break;
                };
                if equal(&line.len().into(), count.as_ref().unwrap_or(&Value::None)) {
                    waiting = Some(item);
                    return Ok(Some(Value::list(line)));
                }
                line.push(item);
            }
            if line.is_empty() {
                return Ok(None);
            }
            if let Some(fill) = &fill {
                let count = whole(count.as_ref(), "batch")?;
                while (line.len() as i128) < count {
                    line.push(fill.clone());
                    interpreter.step()?;
                }
            }
            Ok(Some(Value::list(line)))
        },
    ))
}

fn slice(value: &Value, values: Values) -> Found {
    let [count, fill] = values.bind("slice", ["slices", "fill_with"], 1)?;
    let fill = fill.filter(|fill| !matches!(fill, Value::None));
    let mut made: Option<std::vec::IntoIter<Value>> = None;
    Ok(lazily(
        value,
        |_| Ok(true),
        move |items, interpreter| {
            if made.is_none() {
                let all = items.rest(interpreter)?;
                let count = whole(count.as_ref(), "slice")?;
                if count == 0 {
                    return Err(Failure::new(
                        Kind::ZeroDivision,
                        "integer division or modulo by zero",
                    ));
                }
                let (count, length) = (count.clamp(0, 1_000_000) as usize, all.len());
                let mut slices = Vec::new();
                let mut rest = all.as_slice();
                for number in 0..count {
                    let extra = number < length % count;
                    let size = length / count + usize::from(extra);
                    let (part, after) = rest.split_at(size.min(rest.len()));
                    rest = after;
                    let mut part = part.to_vec();
                    if let Some(fill) = fill.as_ref().filter(|_| !extra) {
                        part.push(fill.clone());
                    }
                    slices.push(Value::list(part));
                }
                made = Some(slices.into_iter());
            }
            Ok(made.as_mut().and_then(Iterator::next))
        },
    ))
}

fn dict_sort(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    let names = ["case_sensitive", "by", "reverse"];
    let [case_sensitive, by, reverse] = values.bind("do_dictsort", names, 0)?;
    let case_sensitive = flag(case_sensitive.as_ref(), interpreter)?;
    let reverse = flag(reverse.as_ref(), interpreter)?;
    let by = by.map_or_else(|| "key".to_owned(), |by| words::text(&by));
    if !matches!(&*by, "key" | "value") {
        let message = "You can only sort by either \"key\" or \"value\"";
        return Err(Failure::new(Kind::Runtime, message));
    }
    let dict = match value {
        Value::Dict(dict) => dict,
        Value::Undefined(_) => return Err(value.undefined_failure()),
        _ => {
            let name = value.type_name();
            let message = format!("'{name}' object has no attribute 'items'");
            return Err(Failure::new(Kind::Attribute, message));
        }
    };
    let pairs = dict.iter().map(|(key, value)| {
        let sorted = if by == "key" { key.value().clone() } else { value.clone() };
        let sorted = if case_sensitive { sorted } else { lower(sorted) };
        (sorted, Value::tuple(vec![key.value().clone(), value.clone()]))
    });
    let sorted = sort_by_key(pairs.collect(), reverse)?;
    Ok(Value::list(sorted.into_iter().map(|(_, pair)| pair).collect()))
}

fn first(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    values.none("first")?;
    let first = Items::of(value)?.next(interpreter)?;
    Ok(first.unwrap_or_else(|| Value::undefined("No first item, sequence was empty.")))
}

/// The items from the end, where Python can go through them backwards.
fn reversed(value: &Value, interpreter: &dyn Interpreter) -> Outcome<Option<Vec<Value>>> {
    let possible = match value {
        Value::Undefined(_)
        | Value::Str(_)
        | Value::Safe(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::Group(_)
        | Value::Dict(_) => true,
        Value::Object(object) => matches!(**object, Object::Range { .. } | Object::View(..)),
        _ => false,
    };
    if !possible {
        return Ok(None);
    }
    let mut items = collect(value, interpreter)?;
    items.reverse();
    if matches!(value, Value::Safe(_)) {
        // Python goes backwards by index, which keeps the mark.
        items = items.iter().map(|item| Value::text_like(value, words::text(item))).collect();
    }
    Ok(Some(items))
}

fn last(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    values.none("last")?;
    match reversed(value, interpreter)? {
        Some(items) => Ok(items
            .into_iter()
            .next()
            .unwrap_or_else(|| Value::undefined("No last item, sequence was empty."))),
        None => type_error(format!("'{}' object is not reversible", value.type_name())),
    }
}

fn reverse(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    values.none("reverse")?;
    if let Some(text) = value.as_str() {
        return Ok(Value::text_like(value, text.chars().rev().collect::<String>()));
    }
    if let Some(items) = reversed(value, interpreter)? {
        let mut items = items.into_iter();
        return Ok(Generator::value("reversed", Box::new(move |_| Ok(items.next()))));
    }
    match collect(value, interpreter) {
        Ok(mut items) => {
            items.reverse();
            Ok(Value::list(items))
        }
        Err(failure) if failure.kind == Kind::Type => {
            Err(Failure::new(Kind::Runtime, "argument must be iterable"))
        }
        Err(failure) => Err(failure),
    }
}

fn list(value: &Value, interpreter: &dyn Interpreter) -> Found {
    collect(value, interpreter).map(Value::list)
}

fn items(value: &Value, values: Values) -> Found {
    values.none("items")?;
    let value = value.clone();
    let pairs = match &value {
        Value::Dict(dict) => pairs(dict),
        _ => Vec::new(),
    };
    let is_mapping = matches!(value, Value::Dict(_) | Value::Undefined(_));
    let mut pairs = pairs.into_iter();
    Ok(Generator::value(
        "generator",
        Box::new(move |_| {
            if !is_mapping {
                return type_error("Can only get item pairs from a mapping.");
            }
            Ok(pairs.next())
        }),
    ))
}

fn join(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    let [separator, attribute] = values.bind("join", ["d", "attribute"], 0)?;
    let path = attribute
        .filter(|attribute| !matches!(attribute, Value::None))
        .map(|attribute| Path::new(Some(&attribute), None, false));
    let separator = separator.unwrap_or_else(|| Value::from(""));
    let mut all = Vec::new();
    let mut items = Items::of(value)?;
    while let Some(item) = items.next(interpreter)? {
        all.push(match &path {
            Some(path) => path.get(&item, interpreter)?,
            None => item,
        });
    }
    let safe = |value: &Value| matches!(value, Value::Safe(_));
    if interpreter.autoescape() && (safe(&separator) || all.iter().any(safe)) {
        let parts: Vec<String> = all.iter().map(|item| words::text(&words::escape(item))).collect();
        return Ok(Value::Safe(parts.join(&words::text(&words::escape(&separator))).into()));
    }
    let parts: Vec<String> = all.iter().map(words::text).collect();
    Ok(Value::from(parts.join(&words::text(&separator))))
}

fn sorted(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    let names = ["reverse", "case_sensitive", "attribute"];
    let [reverse, case_sensitive, attribute] = values.bind("do_sort", names, 0)?;
    let reverse = flag(reverse.as_ref(), interpreter)?;
    let ignore_case = !flag(case_sensitive.as_ref(), interpreter)?;
    let paths: Vec<Path> = match attribute.as_ref().and_then(Value::as_str) {
        Some(list) => {
            let one = |path: &str| Path::new(Some(&Value::from(path)), None, ignore_case);
            list.split(',').map(one).collect()
        }
        None => vec![Path::new(attribute.as_ref(), None, ignore_case)],
    };
    let mut pairs = Vec::new();
    for item in collect(value, interpreter)? {
        let keys: Outcome<Vec<Value>> =
            paths.iter().map(|path| path.get(&item, interpreter)).collect();
        pairs.push((Value::list(keys?), item));
    }
    let sorted = sort_by_key(pairs, reverse)?;
    Ok(Value::list(sorted.into_iter().map(|(_, item)| item).collect()))
}

fn extreme(
    value: &Value,
    values: Values,
    better: Comparison,
    interpreter: &dyn Interpreter,
) -> Found {
    let [case_sensitive, attribute] = values.bind("min", ["case_sensitive", "attribute"], 0)?;
    let ignore_case = !flag(case_sensitive.as_ref(), interpreter)?;
    let path = Path::new(attribute.as_ref(), None, ignore_case);
    let mut items = Items::of(value)?;
    let Some(mut best) = items.next(interpreter)? else {
        return Ok(Value::undefined("No aggregated item, sequence was empty."));
    };
    let mut best_key = path.get(&best, interpreter)?;
    while let Some(item) = items.next(interpreter)? {
        let key = path.get(&item, interpreter)?;
        if ordered(better, &key, &best_key)? {
            (best, best_key) = (item, key);
        }
    }
    Ok(best)
}

fn group_by(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    let names = ["attribute", "default", "case_sensitive"];
    let [attribute, default, case_sensitive] = values.bind("do_groupby", names, 1)?;
    let case_sensitive = flag(case_sensitive.as_ref(), interpreter)?;
    let path = Path::new(attribute.as_ref(), default.clone(), !case_sensitive);
    let shown = Path::new(attribute.as_ref(), default, false);
    let mut pairs = Vec::new();
    for item in collect(value, interpreter)? {
        pairs.push((path.get(&item, interpreter)?, item));
    }
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, item) in sort_by_key(pairs, false)? {
        match groups.last_mut() {
            Some((last, items)) if equal(last, &key) => items.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    let mut result = Vec::with_capacity(groups.len());
    for (key, items) in groups {
        let key = if case_sensitive { key } else { shown.get(&items[0], interpreter)? };
        result.push(Value::Group(Rc::new(vec![key, Value::list(items)])));
    }
    Ok(Value::list(result))
}

fn sum(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    let [attribute, start] = values.bind("sum", ["attribute", "start"], 0)?;
    let path = Path::new(attribute.as_ref(), None, false);
    let mut total = start.unwrap_or(Value::Int(0));
    if total.as_str().is_some() {
        return type_error("sum() can't sum strings [use ''.join(seq) instead]");
    }
    let mut items = Items::of(value)?;
    while let Some(item) = items.next(interpreter)? {
        total = binary(Binary::Add, &total, &path.get(&item, interpreter)?)?;
    }
    Ok(total)
}

fn unique(value: &Value, values: Values, interpreter: &dyn Interpreter) -> Found {
    let [case_sensitive, attribute] = values.bind("unique", ["case_sensitive", "attribute"], 0)?;
    let ignore_case = !flag(case_sensitive.as_ref(), interpreter)?;
    let path = Path::new(attribute.as_ref(), None, ignore_case);
    let mut seen = Dict::new();
    Ok(lazily(
        value,
        |_| Ok(true),
        move |items, interpreter| {
            while let Some(item) = items.next(interpreter)? {
                let key = Key::new(path.get(&item, interpreter)?)?;
                if seen.insert(key, Value::None).is_none() {
                    return Ok(Some(item));
                }
            }
            Ok(None)
        },
    ))
}
