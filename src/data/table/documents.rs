//! Rows of a JSON file, in whichever form it keeps them: objects one after the other, a list of
//! them, or one object around all (a list for each column, and what pandas' `to_json` makes).

use std::path::Path;

use serde_json::{Map, Value};

use super::error::ImportError;
use super::feed::Feed;
use super::json::{Json, Problem};
use super::recognise::COLUMNS;
use super::report::{Format, Sink};

/// Hands on every row of a text that begins with `{`, `[` or `"`.
pub(super) fn read(feed: &mut Feed<'_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    let mut json = Json::new(feed);
    match json.peek() {
        Some(b'[') => list(&mut json, sink),
        Some(_) => objects(&mut json, sink),
        None => ended(&mut json, sink),
    }
}

/// Nothing more comes. An input that failed looks like one that ended.
fn ended(json: &mut Json<'_, '_>, sink: &Sink<'_>) -> Result<(), ImportError> {
    match json.feed.failure() {
        Some(source) => Err(ImportError::Read { path: sink.report.path.clone(), source }),
        None => Ok(()),
    }
}

fn fail(json: &mut Json<'_, '_>, sink: &Sink<'_>, problem: Problem) -> ImportError {
    match ended(json, sink) {
        Err(error) => error,
        Ok(()) => sink.line_error(problem.line, problem.column, problem.what),
    }
}

fn value(json: &mut Json<'_, '_>, sink: &mut Sink<'_>) -> Result<Value, ImportError> {
    let value = json.value();
    for change in json.changes.drain(..) {
        sink.report.note(change.what, change.key.as_deref(), change.line);
    }
    value.map_err(|problem| fail(json, sink, problem))
}

/// One list of rows, or several lists one after the other.
fn list(json: &mut Json<'_, '_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    sink.report.format = Format::JsonArray;
    loop {
        json.feed.next(); // [
        let mut is_first = true;
        loop {
            match json.peek() {
                Some(b']') if is_first => break,
                Some(b']') => {
                    let what = "a comma stands before ] with no row behind it; take it out";
                    let problem = json.problem(what);
                    return Err(fail(json, sink, problem));
                }
                _ => {}
            }
            let (line, column) = (json.feed.line(), json.feed.column());
            let row = value(json, sink)?;
            hand_on(sink, line, column, row)?;
            is_first = false;
            match json.peek() {
                Some(b',') => json.feed.next(),
                Some(b']') => break,
                Some(_) => {
                    let what = "a comma between two rows, or ] after the last one, is missing";
                    let problem = json.problem(what);
                    return Err(fail(json, sink, problem));
                }
                None => {
                    let what = "the file ends before the ] of its list: it was cut off";
                    let problem = json.problem(what);
                    return Err(fail(json, sink, problem));
                }
            };
        }
        json.feed.next(); // ]
        match json.peek() {
            None => return ended(json, sink),
            Some(b'[') => {}
            Some(_) => {
                let what = "something stands behind the list of rows; a file has one list, or a \
                            row a line without a list around them";
                let problem = json.problem(what);
                return Err(fail(json, sink, problem));
            }
        }
    }
}

/// Objects one after the other. A single one may be a whole table.
fn objects(json: &mut Json<'_, '_>, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    sink.report.format = Format::JsonLines;
    let (line, column) = (json.feed.line(), json.feed.column());
    let first = value(json, sink)?;
    let mut end = json.feed.line();
    let mut is_line_each = line == end;
    if json.peek().is_none() {
        ended(json, sink)?;
        return alone(sink, line, column, first);
    }
    hand_on(sink, line, column, first)?;
    while let Some(byte) = json.peek() {
        let (line, column) = (json.feed.line(), json.feed.column());
        if byte == b',' {
            let what = "a comma stands behind a row. Rows are one a line without commas, or in a \
                        list: [row, row, row]";
            let problem = json.problem(what);
            return Err(fail(json, sink, problem));
        }
        let row = value(json, sink)?;
        is_line_each &= line > end && json.feed.line() == line;
        if !is_line_each {
            sink.report.format = Format::JsonObjects;
        }
        end = json.feed.line();
        hand_on(sink, line, column, row)?;
    }
    ended(json, sink)
}

/// A row that stands in the file as such.
fn hand_on(sink: &mut Sink<'_>, line: u64, column: u64, row: Value) -> Result<(), ImportError> {
    match row {
        Value::Object(fields) => sink.row(Some(line), fields),
        Value::String(_) => sink.row(Some(line), Map::from_iter([("text".to_owned(), row)])),
        other => {
            let problem = format!(
                "a row should be an object such as {{\"prompt\": \"…\"}}, and is {}",
                kind_of(&other)
            );
            Err(sink.line_error(line, column, problem))
        }
    }
}

/// The only value of a file: a row, or a table in one of the forms that pandas knows.
fn alone(sink: &mut Sink<'_>, line: u64, column: u64, value: Value) -> Result<(), ImportError> {
    let Value::Object(object) = value else { return hand_on(sink, line, column, value) };
    let is_row = is_row_of_lists(&sink.report.path, &object);
    let rows = match table_of(object, is_row) {
        Ok(Table::Row(fields)) => return sink.row(Some(line), fields),
        Ok(table) => table,
        Err(problem) => return Err(sink.line_error(line, column, problem)),
    };
    sink.report.format = Format::JsonColumns;
    match rows {
        Table::Row(_) => {}
        Table::Columns(columns) => {
            for (name, _) in &columns {
                sink.column(name);
            }
            let count = columns.first().map_or(0, |(_, values)| values.len());
            let mut columns: Vec<_> =
                columns.into_iter().map(|(name, values)| (name, values.into_iter())).collect();
            for _ in 0..count {
                let fields = columns
                    .iter_mut()
                    .map(|(name, values)| (name.clone(), values.next().unwrap_or_default()));
                let fields = fields.collect();
                sink.row(None, fields)?;
            }
        }
        Table::Named(rows) => {
            let what = "each row stands under a name of its own, which is in the column \"id\"";
            sink.report.note_of_file(what.to_owned());
            for (name, row) in rows {
                let Value::Object(mut fields) = row else { continue };
                fields.entry("id").or_insert(Value::String(name));
                sink.row(None, fields)?;
            }
        }
        Table::Rows { under, rows } => {
            if let Some(under) = under {
                let what = format!("the rows were taken from under \"{under}\"");
                sink.report.note_of_file(what);
            }
            for row in rows {
                let number = sink.report.rows + 1;
                match row {
                    Value::Object(fields) => sink.row(None, fields)?,
                    other => {
                        let problem = format!(
                            "row {number} should be an object such as {{\"prompt\": \"…\"}}, and \
                             is {}",
                            kind_of(&other)
                        );
                        return Err(sink.line_error(line, column, problem));
                    }
                }
            }
        }
    }
    Ok(())
}

enum Table {
    Row(Map<String, Value>),
    Columns(Vec<(String, Vec<Value>)>),

    /// Rows that have names.
    Named(Map<String, Value>),

    /// With the key that they lie under.
    Rows {
        under: Option<String>,
        rows: Vec<Value>,
    },
}

/// Whether an object of lists is a row all the same: in a file that says that it has a row a line, or
/// of the token ids of one text.
fn is_row_of_lists(path: &Path, object: &Map<String, Value>) -> bool {
    let names = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_lines = names.split('.').any(|part| ["jsonl", "ndjson", "jsonlines"].contains(&part));
    let is_ids = object.len() == 1 && object.contains_key("ids");
    (is_lines || is_ids) && object.values().all(Value::is_array)
}

/// What an object that is a whole file means; lists alone are columns unless `is_row`. The error is that of a table whose columns differ in
/// length.
fn table_of(mut object: Map<String, Value>, is_row: bool) -> Result<Table, String> {
    if object.is_empty() {
        return Ok(Table::Row(object));
    }
    // pandas: orient="split" and "table".
    if let (Some(Value::Array(names)), Some(Value::Array(rows))) =
        (object.get("columns"), object.get("data"))
        && names.iter().all(Value::is_string)
        && rows.iter().all(Value::is_array)
    {
        return split(names, rows);
    }
    if let (Some(Value::Object(_)), Some(Value::Array(rows))) =
        (object.get("schema"), object.get("data"))
        && rows.iter().all(Value::is_object)
    {
        let Some(Value::Array(rows)) = object.remove("data") else { return Ok(Table::Row(object)) };
        return Ok(Table::Rows { under: None, rows });
    }
    // The Hub's viewer (`/rows`) puts each row into another object, and says beside them what its columns are.
    let inner = |row: &Value| row["row"].is_object() && row["row_idx"].is_u64();
    if let Some(Value::Array(rows)) = object.get_mut("rows")
        && !rows.is_empty()
        && rows.iter().all(inner)
    {
        let rows = rows.iter_mut().map(|row| row["row"].take()).collect();
        return Ok(Table::Rows { under: Some("rows".to_owned()), rows });
    }
    // pandas: orient="columns" (its default) and "index": objects with the rows' numbers.
    if let Some(table) = by_numbers(&object) {
        return Ok(table);
    }
    let are_lists_of_rows = object.len() > 1
        && object.iter().all(|(name, value)| is_name_of_rows(name) && has_objects(value));
    if object.values().all(Value::is_array)
        && !object.values().any(has_messages)
        && !are_lists_of_rows
    {
        return if is_row { Ok(Table::Row(object)) } else { columns(object) };
    }
    // An object for each row, under its name.
    if are_named_rows(&object) {
        return Ok(Table::Named(object));
    }
    // One list of rows, with what is said about it beside it.
    let is_rows = |value: &Value| {
        value.as_array().is_some_and(|rows| {
            !rows.is_empty() && rows.iter().all(Value::is_object) && !has_messages(value)
        })
    };
    let parts: Vec<&str> = object
        .iter()
        .filter(|(name, value)| is_rows(value) && is_name_of_rows(name))
        .map(|(name, _)| name.as_str())
        .collect();
    if parts.len() > 1 && parts.len() == object.len() {
        let named: Vec<String> = parts
            .iter()
            .map(|name| format!("\"{name}\" ({})", object[*name].as_array().map_or(0, Vec::len)))
            .collect();
        return Err(format!(
            "the file is one object with several lists of rows: {}. Save the one that is meant as a \
             file of its own",
            named.join(", ")
        ));
    }
    let mut lists = object.iter().filter(|(_, value)| is_rows(value));
    let others_are_small = object.values().all(|value| is_rows(value) || !value.is_array());
    let only = match (lists.next(), lists.next()) {
        (Some((name, _)), None) if others_are_small && is_name_of_rows(name) => Some(name.clone()),
        _ => None,
    };
    if let Some(name) = only
        && let Some(Value::Array(rows)) = object.remove(&name)
    {
        return Ok(Table::Rows { under: Some(name), rows });
    }
    Ok(Table::Row(object))
}

fn has_objects(list: &Value) -> bool {
    list.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_object))
}

/// Whether an object has a row under each of its names: several objects with the same keys, among
/// them one that columns have and rows do not. pandas would take the names for columns.
fn are_named_rows(object: &Map<String, Value>) -> bool {
    let is_column = |name: &String| COLUMNS.contains(&name.to_lowercase().as_str());
    let mut rows = object.values().map(Value::as_object);
    let Some(Some(first)) = rows.next() else { return false };
    object.len() > 1
        && !object.keys().any(is_column)
        && first.keys().any(is_column)
        && rows.all(|row| {
            row.is_some_and(|row| row.len() == first.len() && row.keys().eq(first.keys()))
        })
}

/// What people and programs call a list of rows in a file.
fn is_name_of_rows(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "data",
        "rows",
        "train",
        "test",
        "validation",
        "items",
        "records",
        "examples",
        "instances",
        "samples",
        "prompts",
        "pairs",
        "questions",
        "dataset",
        "results",
        "entries",
        "features",
        "documents",
        "articles",
        "dev",
        "valid",
        "eval",
    ];
    NAMES.contains(&name.to_lowercase().as_str())
}

/// Whether a list is a dialogue: a row's, and not a column.
fn has_messages(value: &Value) -> bool {
    let is_message = |item: &Value| {
        ["role", "from"].iter().any(|key| item.get(key).is_some_and(Value::is_string))
    };
    value.as_array().is_some_and(|items| items.iter().any(is_message))
}

fn columns(object: Map<String, Value>) -> Result<Table, String> {
    let columns: Vec<(String, Vec<Value>)> = object
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::Array(values) => Some((name, values)),
            _ => None,
        })
        .collect();
    let (first, len) = columns.first().map_or(("", 0), |(name, values)| (name, values.len()));
    if let Some((name, values)) = columns.iter().find(|(_, values)| values.len() != len) {
        return Err(format!(
            "the file is one object with a list for each column, and the lists differ in length: \
             \"{first}\" has {len} values and \"{name}\" has {}",
            values.len()
        ));
    }
    Ok(Table::Columns(columns))
}

fn split(names: &[Value], rows: &[Value]) -> Result<Table, String> {
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    let rows = rows.iter().enumerate().map(|(index, row)| {
        let values = row.as_array().map(Vec::as_slice).unwrap_or_default();
        if values.len() != names.len() {
            return Err(format!(
                "row {} of \"data\" has {} values, and \"columns\" has {} names",
                index + 1,
                values.len(),
                names.len()
            ));
        }
        let fields = names.iter().zip(values);
        Ok(Value::Object(fields.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()))
    });
    Ok(Table::Rows { under: None, rows: rows.collect::<Result<_, _>>()? })
}

fn by_numbers(object: &Map<String, Value>) -> Option<Table> {
    let is_number = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    let inner: Vec<&Map<String, Value>> =
        object.values().map(Value::as_object).collect::<Option<_>>()?;
    let keys: Vec<&String> = inner.first()?.keys().collect();
    if !keys.is_empty() && keys.iter().all(|name| is_number(name)) {
        let same = inner.iter().all(|column| column.keys().eq(keys.iter().copied()));
        let columns = object.iter().zip(&inner).map(|((name, _), column)| {
            (name.clone(), column.values().cloned().collect::<Vec<_>>())
        });
        return same.then(|| Table::Columns(columns.collect()));
    }
    let are_rows = object.keys().all(is_number);
    are_rows.then(|| Table::Rows { under: None, rows: object.values().cloned().collect() })
}

/// What a value is, in words.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
