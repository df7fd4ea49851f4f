//! Potato's `annotated_instances.jsonl`: a line for each coder and item, labels as the keys of their
//! scheme, places with the scheme they belong to.

use serde_json::{Map, Value as Json, json};

use super::said::Said;
use crate::data::table::Row;
use crate::study::folder::Folder;
use crate::study::item::cell;
use crate::study::value::{DONT_KNOW, Span, Value};
use crate::study::variable::{Kind, Variable};

/// The field of a text or a number there.
const BOX: &str = "text_box";

/// A line a verdict; first looks.
pub fn lines(folder: &Folder) -> Vec<u8> {
    let mut bytes = Vec::new();
    for log in &folder.logs {
        for verdict in log.counting().filter(|verdict| verdict.pass == 1) {
            let item = &folder.items[verdict.item];
            let mut labels = Map::new();
            let mut places = Vec::new();
            for (place, value) in verdict.values.iter() {
                let name = &folder.study.codebook.variables[usize::from(*place)].name;
                let one = |label: &str| json!({ label: true });
                let scheme = match value {
                    Value::Words(words)
                        if folder.study.codebook.variables[usize::from(*place)].kind
                            == Kind::Text =>
                    {
                        json!({ BOX: words })
                    }
                    Value::Words(label) => one(label),
                    Value::DontKnow => one(DONT_KNOW),
                    Value::Number(number) => json!({ BOX: number.to_string() }),
                    Value::Labels(labels) => {
                        labels.iter().map(|label| (label.clone(), json!(true))).collect()
                    }
                    Value::Spans(spans) => {
                        places.extend(spans.iter().map(|span| {
                            let said: String = item
                                .text
                                .chars()
                                .skip(span.start)
                                .take(span.end - span.start)
                                .collect();
                            json!({
                                "schema": name,
                                "name": span.label,
                                "title": span.label,
                                "start": span.start,
                                "end": span.end,
                                "span": said,
                            })
                        }));
                        continue;
                    }
                };
                labels.insert(name.clone(), scheme);
            }
            let line = json!({
                "user_id": log.coder,
                "instance_id": item.id,
                "displayed_text": item.whole_text(),
                "label_annotations": labels,
                "span_annotations": places,
                "behavioral_data": {"time_spent": verdict.seconds},
            });
            bytes.extend(line.to_string().into_bytes());
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Whether a row is of this form.
pub fn is_ours(row: &Row) -> bool {
    row.fields.contains_key("label_annotations") || row.fields.contains_key("span_annotations")
}

/// Reads its lines.
pub fn read(rows: &[Row], folder: &Folder) -> Vec<Said> {
    let mut said = Vec::new();
    for row in rows {
        let text = |names: &[&str]| {
            names.iter().find_map(|name| row.get(name).map(cell)).unwrap_or_default()
        };
        let common = Said {
            place: format!("line {}", row.place.number()),
            coder: text(&["user_id", "user"]),
            item: text(&["instance_id", "id"]),
            seconds: row
                .get("behavioral_data")
                .and_then(|data| data.get("time_spent"))
                .and_then(Json::as_f64)
                .unwrap_or_default() as f32,
            ..Said::default()
        };
        for variable in &folder.study.codebook.variables {
            let value = if variable.kind == Kind::Spans {
                places(row, variable)
            } else {
                row.get("label_annotations")
                    .and_then(|schemes| schemes.get(&variable.name))
                    .and_then(Json::as_object)
                    .and_then(|scheme| of_scheme(scheme, variable))
            };
            if let Some(value) = value {
                said.push(Said { variable: variable.name.clone(), value, ..common.clone() });
            }
        }
    }
    said
}

fn of_scheme(scheme: &Map<String, Json>, variable: &Variable) -> Option<String> {
    let is_on = |value: &Json| {
        !matches!(cell(value).to_lowercase().as_str(), "" | "false" | "0" | "off" | "null")
    };
    if matches!(variable.kind, Kind::Text | Kind::Number) {
        let dont_know = scheme.get(DONT_KNOW).is_some_and(is_on);
        return if dont_know {
            Some(DONT_KNOW.to_owned())
        } else {
            scheme.values().next().map(cell)
        };
    }
    let labels = variable.labels();
    // A label is the key of a box that is ticked, or the value of a field (`scale_value`).
    let mut found: Vec<String> = Vec::new();
    for (key, value) in scheme {
        if labels.contains(key) || key == DONT_KNOW {
            if is_on(value) {
                found.push(key.clone());
            }
        } else if labels.contains(&cell(value)) {
            found.push(cell(value));
        }
    }
    match variable.kind {
        Kind::Choices if found.first().is_some_and(|label| label == DONT_KNOW) => found.pop(),
        Kind::Choices => Some(json!(found).to_string()),
        _ => found.into_iter().next(),
    }
}

fn places(row: &Row, variable: &Variable) -> Option<String> {
    let list = row.get("span_annotations")?.as_array()?;
    let mut spans = Vec::new();
    for place in list {
        let schema = place.get("schema").map(cell).unwrap_or_default();
        if schema != variable.name {
            continue;
        }
        let at = |key: &str| place.get(key).and_then(Json::as_u64).map(|at| at as usize);
        let label = ["name", "title", "label", "annotation"].iter().find_map(|key| place.get(*key));
        if let (Some(start), Some(end), Some(label)) = (at("start"), at("end"), label) {
            spans.push(Span { start, end, label: cell(label) });
        }
    }
    Some(Value::Spans(spans).to_cell())
}
