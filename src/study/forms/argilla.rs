//! Argilla's records: an item with what every coder said of it. Reading them: see [`super::annotated`].

use serde_json::{Map, Value as Json, json};

use crate::study::folder::Folder;
use crate::study::value::Value;
use crate::study::variable::{Kind, Variable};

/// A record an item that somebody has coded; first looks.
///
/// Argilla knows its users by UUIDs, and these coders are none of its users: each gets one after their place,
/// with the name beside it.
pub fn records(folder: &Folder) -> Json {
    let variables = &folder.study.codebook.variables;
    let record = |at: usize| {
        let item = &folder.items[at];
        let mut responses: Map<String, Json> = Map::new();
        for (number, log) in folder.logs.iter().enumerate() {
            let Some(verdict) = log.verdict(at, 1) else { continue };
            let user = format!("00000000-0000-0000-0000-{:012}", number + 1);
            for (place, value) in verdict.values.iter() {
                let variable = &variables[usize::from(*place)];
                let answer = json!({
                    "value": answer(variable, value),
                    "user_id": user,
                    "user": log.coder,
                    "status": "submitted",
                });
                let answers = responses.entry(variable.name.clone()).or_insert_with(|| json!([]));
                if let Json::Array(answers) = answers {
                    answers.push(answer);
                }
            }
        }
        let mut metadata = item.more.clone();
        if let Some(inclusion) = item.inclusion {
            metadata.insert("inclusion_probability".to_owned(), inclusion.into());
        }
        (!responses.is_empty()).then(|| {
            json!({
                "id": item.id,
                "fields": {"text": item.whole_text()},
                "metadata": metadata,
                "suggestions": {},
                "responses": responses,
                "vectors": {},
            })
        })
    };
    (0..folder.items.len()).filter_map(record).collect()
}

/// As Argilla's questions have it: a rating is a whole number, several labels are a list.
fn answer(variable: &Variable, value: &Value) -> Json {
    match value {
        Value::Words(point) if variable.kind == Kind::Scale => {
            point.parse::<i64>().map_or_else(|_| json!(point), |point| json!(point))
        }
        Value::Labels(labels) => json!(labels),
        Value::Spans(spans) => spans
            .iter()
            .map(|span| json!({"start": span.start, "end": span.end, "label": span.label}))
            .collect(),
        other => json!(other.to_cell()),
    }
}
