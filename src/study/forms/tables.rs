//! Codes as tables: long CSV (a row a code), wide CSV (a row an item, a column a coder), JSON Lines (a
//! line a verdict).

use serde_json::{Map, Value as Json, json};

use super::said::Said;
use crate::data::table::Row;
use crate::study::disagreement;
use crate::study::folder::Folder;
use crate::study::item::{Role, cell};
use crate::study::log::{CoderLog, Verdict};
use crate::study::variable::{FIRST, SECOND};

/// The columns of the long table.
pub const LONG: [&str; 15] = [
    "coder",
    "item",
    "variable",
    "value",
    "pass",
    "role",
    "seconds",
    "at",
    "inclusion_probability",
    "flagged",
    "reason",
    "guideline_version",
    "suggestion",
    "suggestion_seen",
    "left",
];

/// Of two answers, the one that stood on the left; empty of texts.
fn left(verdict: &Verdict) -> &'static str {
    match verdict.left {
        Some(0) => FIRST,
        Some(_) => SECOND,
        None => "",
    }
}

fn written(rows: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect("memory can be written, and all rows are as wide");
    }
    writer.into_inner().expect("memory can be written")
}

fn role(folder: &Folder, item: usize) -> &'static str {
    match folder.items[item].role {
        Role::Coding => "coding",
        Role::Training => "training",
        Role::Check => "check",
    }
}

fn inclusion(folder: &Folder, item: usize) -> String {
    folder.items[item].inclusion.map(|share| share.to_string()).unwrap_or_default()
}

/// The verdicts that count, coder by coder.
fn verdicts(folder: &Folder) -> impl Iterator<Item = (&CoderLog, &Verdict)> {
    folder.logs.iter().flat_map(|log| log.counting().map(move |verdict| (log, verdict)))
}

/// A row a code: coder, item, variable, value, time, inclusion probability and what else is known.
pub fn long(folder: &Folder) -> Vec<u8> {
    let mut rows = vec![LONG.map(str::to_owned).to_vec()];
    for (log, verdict) in verdicts(folder) {
        let item = verdict.item;
        let suggestion = verdict.suggestion.as_deref();
        for (place, value) in verdict.values.iter() {
            rows.push(vec![
                log.coder.clone(),
                folder.items[item].id.clone(),
                folder.study.codebook.variables[usize::from(*place)].name.clone(),
                value.to_cell(),
                verdict.pass.to_string(),
                role(folder, item).to_owned(),
                verdict.seconds.to_string(),
                verdict.at.to_string(),
                inclusion(folder, item),
                verdict.flagged.to_string(),
                verdict.reason.as_deref().unwrap_or_default().to_owned(),
                verdict.guideline.to_string(),
                suggestion.map(|one| one.value.to_cell()).unwrap_or_default(),
                suggestion.map(|one| one.seen.to_string()).unwrap_or_default(),
                left(verdict).to_owned(),
            ]);
        }
    }
    written(rows)
}

/// A row an item: its text, for each variable a column a coder (`tone.Ada`) and what is agreed
/// (`tone.agreed`: settled, or said by all). First looks only.
pub fn wide(folder: &Folder) -> Vec<u8> {
    let variables = &folder.study.codebook.variables;
    let mut header: Vec<String> =
        ["item", "text", "role", "inclusion_probability"].map(str::to_owned).to_vec();
    for variable in variables {
        header.extend(folder.logs.iter().map(|log| format!("{}.{}", variable.name, log.coder)));
        header.push(format!("{}.agreed", variable.name));
    }
    let mut rows = vec![header];
    for (number, item) in folder.items.iter().enumerate() {
        let mut row = vec![
            item.id.clone(),
            item.whole_text().into_owned(),
            role(folder, number).to_owned(),
            inclusion(folder, number),
        ];
        for place in 0..variables.len() {
            row.extend(folder.logs.iter().map(|log| {
                let value = log.verdict(number, 1).and_then(|verdict| verdict.value(place));
                value.map(crate::study::value::Value::to_cell).unwrap_or_default()
            }));
            let agreed = disagreement::agreed(folder, number, place);
            row.push(agreed.map(|value| value.to_cell()).unwrap_or_default());
        }
        rows.push(row);
    }
    written(rows)
}

/// A line a verdict, with the item's text and columns.
pub fn json_lines(folder: &Folder) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (log, verdict) in verdicts(folder) {
        let item = &folder.items[verdict.item];
        let named = |(place, value): &(u16, crate::study::value::Value)| {
            let name = folder.study.codebook.variables[usize::from(*place)].name.clone();
            (name, value.to_json())
        };
        let values: Map<String, Json> = verdict.values.iter().map(named).collect();
        let line = json!({
            "coder": log.coder,
            "item": item.id,
            "text": item.text,
            "answers": item.answers,
            "left": verdict.left.map(|_| left(verdict)),
            "values": values,
            "pass": verdict.pass,
            "role": role(folder, verdict.item),
            "seconds": verdict.seconds,
            "at": verdict.at,
            "inclusion_probability": item.inclusion,
            "flagged": verdict.flagged,
            "reason": verdict.reason,
            "guideline_version": *verdict.guideline,
            "suggestion": verdict.suggestion,
            "columns": item.more,
        });
        bytes.extend(line.to_string().into_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// Reads rows of any of the three. `coder`: whose codes these are, where the rows do not say it.
pub fn read(rows: &[Row], folder: &Folder, coder: &str) -> Result<Vec<Said>, String> {
    let Some(first) = rows.first() else { return Err("the table has no rows".to_owned()) };
    let has = |name: &str| first.fields.contains_key(name);
    if has("variable") && has("value") {
        return Ok(rows.iter().map(|row| of_long(row, coder)).collect());
    }
    if first.fields.get("values").is_some_and(Json::is_object) {
        return Ok(rows.iter().flat_map(|row| of_json(row, coder)).collect());
    }
    of_wide(rows, folder, coder)
}

fn text(row: &Row, name: &str) -> String {
    row.get(name).map(cell).unwrap_or_default()
}

fn place(row: &Row) -> String {
    match row.place.line {
        Some(line) => format!("line {line}"),
        None => format!("row {}", row.place.row),
    }
}

/// What all codes of a row have in common.
fn common(row: &Row, coder: &str) -> Said {
    let named = text(row, "coder");
    Said {
        place: place(row),
        coder: if named.trim().is_empty() { coder.to_owned() } else { named },
        item: id_of(row),
        pass: text(row, "pass").parse().unwrap_or(1),
        seconds: text(row, "seconds").parse().unwrap_or_default(),
        at: text(row, "at"),
        reason: text(row, "reason"),
        flagged: matches!(text(row, "flagged").to_lowercase().as_str(), "true" | "1" | "yes"),
        guideline: text(row, "guideline_version"),
        left: match text(row, "left").as_str() {
            FIRST => Some(0),
            SECOND => Some(1),
            _ => None,
        },
        ..Said::default()
    }
}

fn id_of(row: &Row) -> String {
    let names = ["item", "id", "item_id", "text"];
    names.iter().map(|name| text(row, name)).find(|id| !id.trim().is_empty()).unwrap_or_default()
}

fn of_long(row: &Row, coder: &str) -> Said {
    Said { variable: text(row, "variable"), value: text(row, "value"), ..common(row, coder) }
}

fn of_json(row: &Row, coder: &str) -> Vec<Said> {
    let Some(Json::Object(values)) = row.get("values") else { return Vec::new() };
    let of = |(name, value): (&String, &Json)| {
        let value = serde_json::from_value::<crate::study::value::Value>(value.clone());
        let value = value.map(|value| value.to_cell()).unwrap_or_default();
        Said { variable: name.clone(), value, ..common(row, coder) }
    };
    values.iter().map(of).collect()
}

/// Columns `tone.Ada`, or, of one coder, `tone`.
fn of_wide(rows: &[Row], folder: &Folder, coder: &str) -> Result<Vec<Said>, String> {
    let variables = &folder.study.codebook.variables;
    let columns: Vec<&String> = rows[0].fields.keys().collect();
    let mut found = Vec::new();
    for column in &columns {
        for variable in variables {
            let rest = column.strip_prefix(variable.name.as_str());
            match rest {
                Some("") if !coder.is_empty() => found.push((*column, variable, coder)),
                Some(rest) => {
                    if let Some(name) = rest.strip_prefix('.').filter(|name| *name != "agreed") {
                        found.push((*column, variable, name));
                    }
                }
                None => {}
            }
        }
    }
    if found.is_empty() {
        let first = &variables[0].name;
        let columns: Vec<&str> = columns.iter().map(|name| name.as_str()).collect();
        return Err(format!(
            "no column holds codes: `variable` and `value` are expected, or `{first}.` with the \
             coder's name, or `{first}` and a name for the coder. It has the columns {}",
            columns.join(", ")
        ));
    }
    let of = |row: &Row| {
        let codes = found.iter().map(|(column, variable, coder)| Said {
            variable: variable.name.clone(),
            value: text(row, column),
            ..Said { coder: (*coder).to_owned(), ..common(row, coder) }
        });
        codes.collect::<Vec<Said>>()
    };
    Ok(rows.iter().flat_map(of).collect())
}

/// Columns of a table that each hold one coder's codes of the first variable, as tables with human
/// codes often have them: `coder_1`, `coder_2`.
pub fn of_columns(rows: &[Row], folder: &Folder, id: &str, columns: &[String]) -> Vec<Said> {
    let variable = &folder.study.codebook.variables[0].name;
    let known = rows.iter().filter_map(|row| {
        let item = if id.is_empty() { row.place.row.to_string() } else { text(row, id) };
        folder.item_named(item.trim()).map(|_| (row, item))
    });
    known
        .flat_map(|(row, item)| {
            columns.iter().map(move |column| Said {
                place: place(row),
                coder: column.clone(),
                item: item.clone(),
                variable: variable.clone(),
                value: text(row, column),
                ..Said::default()
            })
        })
        .collect()
}
