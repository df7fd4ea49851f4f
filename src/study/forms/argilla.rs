//! Argilla's records: an item with what every coder said of it. Reading them: see `annotated.rs`.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::study::folder::Folder;
use crate::study::item::cell;
use crate::study::value::Value;
use crate::study::variable::{Kind, Variable, Variables};

/// How the key of a coder's name begins, before their place; and how that of what they did not know ends.
const CODER: &str = "coder_";
const NOT_KNOWN: &str = "_dont_know";

/// Names that its collection of questions has for itself.
const TAKEN: [&str; 5] = ["add", "count", "index", "remove", "serialize"];

/// What a variable's question is called there: `count` is `count_`.
fn question_name(variable: &str) -> String {
    if TAKEN.contains(&variable) { format!("{variable}_") } else { variable.to_owned() }
}

/// The variable of a question that was called so here.
pub fn variable_name(question: &str) -> &str {
    question.strip_suffix('_').filter(|name| TAKEN.contains(name)).unwrap_or(question)
}

fn user_id(place: usize) -> String {
    format!("00000000-0000-0000-0000-{place:012}")
}

/// The names of the coders of a record that was written here, by their user ids.
pub fn names(metadata: &Map<String, Json>) -> BTreeMap<String, String> {
    let name = |(key, name): (&String, &Json)| {
        let place = key.strip_prefix(CODER)?.parse().ok()?;
        Some((user_id(place), name.as_str()?.to_owned()))
    };
    metadata.iter().filter_map(name).collect()
}

/// What the coders of such a record did not know: a coder and a variable.
pub fn not_known(metadata: &Map<String, Json>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (key, variables) in metadata {
        let Some(coder) = key.strip_suffix(NOT_KNOWN).and_then(|coder| metadata.get(coder)) else {
            continue;
        };
        for variable in variables.as_array().into_iter().flatten().filter_map(Json::as_str) {
            found.push((cell(coder), variable.to_owned()));
        }
    }
    found
}

/// A record an item that somebody has coded; first looks.
///
/// Argilla knows its users by UUIDs, and these coders are none of its users: each gets one after their place. A
/// response takes no other field (its reader stops at one), so that the names are in the record's metadata, as
/// `coder_1` and so on; and as a question takes its own answers only, so is what somebody did not know.
pub fn records(folder: &Folder) -> Json {
    let variables = &folder.study.codebook.variables;
    let record = |at: usize| {
        let item = &folder.items[at];
        let mut responses: Map<String, Json> = Map::new();
        let mut metadata = item.more.clone();
        let mut is_coded = false;
        for (number, log) in (1..).zip(&folder.logs) {
            let Some(verdict) = log.verdict(at, 1) else { continue };
            is_coded = true;
            metadata.insert(format!("{CODER}{number}"), json!(log.coder));
            let mut not_known = Vec::new();
            for (place, value) in verdict.values.iter() {
                let variable = &variables[usize::from(*place)];
                if *value == Value::DontKnow {
                    not_known.push(variable.name.as_str());
                    continue;
                }
                let answer = json!({
                    "value": answer(variable, value),
                    "user_id": user_id(number),
                    "status": "submitted",
                });
                let answers =
                    responses.entry(question_name(&variable.name)).or_insert_with(|| json!([]));
                if let Json::Array(answers) = answers {
                    answers.push(answer);
                }
            }
            if !not_known.is_empty() {
                metadata.insert(format!("{CODER}{number}{NOT_KNOWN}"), json!(not_known));
            }
        }
        if let Some(inclusion) = item.inclusion {
            metadata.insert("inclusion_probability".to_owned(), inclusion.into());
        }
        is_coded.then(|| {
            json!({
                "id": item.id,
                "fields": {FIELD: item.whole_text()},
                "metadata": metadata,
                "suggestions": {},
                "responses": responses,
                "vectors": {},
            })
        })
    };
    (0..folder.items.len()).filter_map(record).collect()
}

/// Where the text stands in a record.
const FIELD: &str = "text";

/// The settings of a dataset that takes these records: `rg.Settings.from_json` reads them.
pub fn settings(codebook: &Variables) -> Json {
    let option = |label: &String| json!({"value": label, "text": label});
    let question = |variable: &Variable| {
        let options: Vec<Json> = variable.labels().iter().map(option).collect();
        let settings = match (variable.kind, rating(variable)) {
            (Kind::Scale, Some(points)) => {
                let options = points.iter().map(|point| json!({ "value": point }));
                json!({"type": "rating", "options": options.collect::<Vec<_>>()})
            }
            (Kind::Choice | Kind::Scale | Kind::Better, _) => {
                json!({"type": "label_selection", "options": options, "visible_options": null})
            }
            (Kind::Choices, _) => json!({
                "type": "multi_label_selection", "options": options, "visible_options": null,
                "options_order": "natural",
            }),
            (Kind::Spans, _) => json!({
                "type": "span", "field": FIELD, "options": options, "visible_options": null,
                "allow_overlapping": true,
            }),
            (Kind::Number | Kind::Text, _) => json!({"type": "text", "use_markdown": false}),
        };
        json!({
            "name": question_name(&variable.name),
            "title": variable.name,
            "description": variable.question,
            // "Don't know" is no answer there.
            "required": variable.must_decide && !variable.optional,
            "settings": settings,
        })
    };
    json!({
        "guidelines": codebook.guideline,
        "questions": codebook.variables.iter().map(question).collect::<Vec<_>>(),
        "fields": [{
            "name": FIELD, "title": FIELD, "required": true,
            "settings": {"type": "text", "use_markdown": false},
        }],
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": true,
    })
}

/// The points of a scale that is a rating there: whole numbers from 0 to 10.
fn rating(variable: &Variable) -> Option<Vec<i64>> {
    let points: Vec<i64> =
        variable.labels().iter().map(|point| point.parse().ok()).collect::<Option<_>>()?;
    points.iter().all(|point| (0..=10).contains(point)).then_some(points)
}

/// As Argilla's questions have it: a rating is a whole number, several labels are a list.
fn answer(variable: &Variable, value: &Value) -> Json {
    match value {
        Value::Words(point) if variable.kind == Kind::Scale && rating(variable).is_some() => {
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
