//! Label Studio: tasks with annotations, the flat `JSON_MIN`, and the labelling config that says what
//! their tags mean. Places in texts are counted in UTF-16 units there, as JavaScript counts.

use serde_json::{Map, Value as Json, json};

use super::said::Said;
use crate::data::literal;
use crate::data::table::Row;
use crate::study::folder::Folder;
use crate::study::item::{Item, cell};
use crate::study::log::Verdict;
use crate::study::value::{DONT_KNOW, Span, Value};
use crate::study::variable::{Kind, Variable, Variables};

/// Tasks with an annotation for each coder, as Label Studio imports and exports them. First looks.
pub fn tasks(folder: &Folder) -> Json {
    let mut annotation = 0;
    let of_item = |(number, item): (usize, &Item)| {
        let mut annotations = Vec::new();
        for (coder, log) in folder.logs.iter().enumerate() {
            let Some(verdict) = log.verdict(number, 1) else { continue };
            annotation += 1;
            annotations.push(json!({
                "id": annotation,
                "completed_by": coder + 1,
                "created_username": format!("{}, {}", log.coder, coder + 1),
                "result": results(folder, item, verdict),
                "was_cancelled": false,
                "ground_truth": false,
                "lead_time": verdict.seconds,
                "created_at": verdict.at,
                "updated_at": verdict.at,
            }));
        }
        json!({
            "id": number + 1,
            "data": data(item),
            "annotations": annotations,
            "predictions": [],
        })
    };
    Json::Array(folder.items.iter().enumerate().map(of_item).collect())
}

/// A row an annotation, its codes beside the item's columns.
pub fn min(folder: &Folder) -> Json {
    let mut rows = Vec::new();
    for (number, item) in folder.items.iter().enumerate() {
        for (coder, log) in folder.logs.iter().enumerate() {
            let Some(verdict) = log.verdict(number, 1) else { continue };
            let mut row = data(item);
            row.insert("id".to_owned(), json!(number + 1));
            row.insert("item".to_owned(), json!(item.id));
            for (place, value) in verdict.values.iter() {
                let variable = &folder.study.codebook.variables[usize::from(*place)];
                // As its own converter flattens: one choice is its label, all else stays a list.
                let flat = match value {
                    Value::Words(words) if is_stars(variable) => {
                        json!([{"rating": words.parse::<i64>().unwrap_or_default()}])
                    }
                    Value::Words(words) => json!(words),
                    Value::Number(number) => json!([{"number": number}]),
                    Value::Labels(labels) if labels.len() == 1 => json!(labels[0]),
                    Value::Labels(labels) => json!({"choices": labels}),
                    Value::Spans(spans) => {
                        spans.iter().map(|span| region(&item.text, span)).collect()
                    }
                    Value::DontKnow if has_own(variable) => json!(DONT_KNOW),
                    Value::DontKnow => {
                        row.insert(format!("{}_dont_know", variable.name), json!(DONT_KNOW));
                        continue;
                    }
                };
                row.insert(variable.name.clone(), flat);
            }
            for (key, value) in [
                ("annotator", json!(coder + 1)),
                ("created_username", json!(format!("{}, {}", log.coder, coder + 1))),
                ("annotation_id", json!(rows.len() + 1)),
                ("created_at", json!(verdict.at)),
                ("updated_at", json!(verdict.at)),
                ("lead_time", json!(verdict.seconds)),
            ] {
                row.insert(key.to_owned(), value);
            }
            rows.push(Json::Object(row));
        }
    }
    Json::Array(rows)
}

/// Whether "don't know" is one of its choices; of other kinds it is a choice beside them.
fn has_own(variable: &Variable) -> bool {
    matches!(variable.kind, Kind::Choice | Kind::Better)
}

fn data(item: &Item) -> Map<String, Json> {
    let mut data = item.more.clone();
    data.insert("item".to_owned(), json!(item.id));
    data.insert("text".to_owned(), json!(item.whole_text()));
    data.insert("inclusion_probability".to_owned(), json!(item.inclusion));
    data
}

fn results(folder: &Folder, item: &Item, verdict: &Verdict) -> Vec<Json> {
    let mut results = Vec::new();
    for (place, value) in verdict.values.iter() {
        let variable = &folder.study.codebook.variables[usize::from(*place)];
        let name = variable.name.as_str();
        let id = |number: usize| format!("{}-{}-{place}-{number}", item.id, verdict.pass);
        let mut add = |from: &str, kind: &str, value: Json| {
            results.push(json!({
                "id": id(results.len()),
                "from_name": from,
                "to_name": "text",
                "type": kind,
                "origin": "manual",
                "value": value,
            }));
        };
        match value {
            Value::DontKnow if has_own(variable) => {
                add(name, "choices", json!({"choices": [DONT_KNOW]}));
            }
            Value::DontKnow => {
                add(&format!("{name}_dont_know"), "choices", json!({"choices": [DONT_KNOW]}));
            }
            Value::Words(words) => match (variable.kind, words.parse::<i64>()) {
                (Kind::Scale, Ok(rating)) if is_rating(variable) => {
                    add(name, "rating", json!({"rating": rating}));
                }
                (Kind::Text, _) => add(name, "textarea", json!({"text": [words]})),
                _ => add(name, "choices", json!({"choices": [words]})),
            },
            Value::Number(number) => add(name, "number", json!({"number": number})),
            Value::Labels(labels) => add(name, "choices", json!({"choices": labels})),
            Value::Spans(spans) => {
                for span in spans {
                    add(name, "labels", region(&item.text, span));
                }
            }
        }
    }
    results
}

fn region(text: &str, span: &Span) -> Json {
    let Span { start, end, label } = span;
    let said: String = text.chars().skip(*start).take(end - start).collect();
    json!({
        "start": to_utf16(text, *start),
        "end": to_utf16(text, *end),
        "text": said,
        "labels": [label],
    })
}

fn to_utf16(text: &str, characters: usize) -> usize {
    text.chars().take(characters).map(char::len_utf16).sum()
}

/// `None`: the place is inside a character, or behind the end.
fn of_utf16(text: &str, units: usize) -> Option<usize> {
    let (mut seen, mut characters) = (0, 0);
    for letter in text.chars() {
        if seen >= units {
            break;
        }
        seen += letter.len_utf16();
        characters += 1;
    }
    (seen == units).then_some(characters)
}

fn is_stars(variable: &Variable) -> bool {
    variable.kind == Kind::Scale && is_rating(variable)
}

/// A scale from 1 to its number of points is a row of stars there.
fn is_rating(variable: &Variable) -> bool {
    let labels = variable.labels();
    labels.iter().enumerate().all(|(place, label)| *label == (place + 1).to_string())
}

/// The labelling config: what to paste into a project there.
pub fn config(variables: &Variables) -> String {
    let mut tags = String::new();
    for variable in &variables.variables {
        let name = escaped(&variable.name);
        let question =
            if variable.question.is_empty() { &variable.name } else { &variable.question };
        tags.push_str(&format!("  <Header value=\"{}\"/>\n", escaped(question)));
        let choices = |tag: &str, extra: &[&str]| -> String {
            let labels = variable.labels();
            let labels = labels.iter().map(String::as_str).chain(extra.iter().copied());
            let mut text = String::new();
            for label in labels {
                text.push_str(&format!("    <{tag} value=\"{}\"/>\n", escaped(label)));
            }
            text
        };
        let required = if variable.optional { "" } else { " required=\"true\"" };
        match variable.kind {
            Kind::Scale if is_rating(variable) => tags.push_str(&format!(
                "  <Rating name=\"{name}\" toName=\"text\" maxRating=\"{}\"/>\n",
                variable.labels().len()
            )),
            Kind::Choice | Kind::Choices | Kind::Scale | Kind::Better => {
                let several = variable.kind == Kind::Choices;
                let choice = if several { "multiple" } else { "single" };
                let own = has_own(variable) && !variable.must_decide;
                let extra: &[&str] = if own { &[DONT_KNOW] } else { &[] };
                tags.push_str(&format!(
                    "  <Choices name=\"{name}\" toName=\"text\" choice=\"{choice}\"{required}>\n{}  \
                     </Choices>\n",
                    choices("Choice", extra)
                ));
            }
            Kind::Number => {
                let end = |name: &str, value: Option<f64>| {
                    value.map(|value| format!(" {name}=\"{value}\"")).unwrap_or_default()
                };
                tags.push_str(&format!(
                    "  <Number name=\"{name}\" toName=\"text\"{}{}/>\n",
                    end("min", variable.low),
                    end("max", variable.high)
                ));
            }
            Kind::Text => {
                tags.push_str(&format!("  <TextArea name=\"{name}\" toName=\"text\"/>\n"));
            }
            Kind::Spans => tags.push_str(&format!(
                "  <Labels name=\"{name}\" toName=\"text\">\n{}  </Labels>\n",
                choices("Label", &[])
            )),
        }
        if !has_own(variable) && !variable.must_decide {
            tags.push_str(&format!(
                "  <Choices name=\"{name}_dont_know\" toName=\"text\" choice=\"single\">\n    \
                 <Choice value=\"{DONT_KNOW}\"/>\n  </Choices>\n"
            ));
        }
    }
    format!("<View>\n  <Text name=\"text\" value=\"$text\"/>\n{tags}</View>\n")
}

/// Text inside an attribute of XML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' | '\r' => out.push(' '),
            // XML 1.0 has no other control characters, not even escaped.
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {}
            letter => out.push(letter),
        }
    }
    out
}

/// Whether a row is as Label Studio writes it: a task, or `JSON_MIN`, which is also its CSV and TSV.
pub fn is_ours(row: &Row) -> bool {
    row.get("annotations").is_some_and(Json::is_array) || row.get("annotation_id").is_some()
}

/// Reads rows of any of its forms. The error is a sentence.
pub fn read_rows(rows: &[Row], folder: &Folder) -> Result<Vec<Said>, String> {
    // In CSV a list of labels is JSON in a cell.
    let unfolded = |value: &Json| {
        let inside = value.as_str().and_then(literal::list_or_object);
        inside.unwrap_or_else(|| value.clone())
    };
    let text = |name: &str| ["text", "item", "id"].contains(&name);
    let tasks = rows.iter().map(|row| {
        let fields = row.fields.iter().map(|(name, value)| {
            (name.clone(), if text(name) { value.clone() } else { unfolded(value) })
        });
        Json::Object(fields.collect())
    });
    read(&Json::Array(tasks.collect()), folder)
}

/// Reads tasks with annotations, or `JSON_MIN`. The error is a sentence.
pub fn read(file: &Json, folder: &Folder) -> Result<Vec<Said>, String> {
    let Json::Array(tasks) = file else {
        return Err("a list of tasks is expected: [{\"data\": …, \"annotations\": […]}]".to_owned());
    };
    let mut said = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        let place = format!("task {}", number + 1);
        let data = task.get("data").unwrap_or(task);
        let text = data.get("text").map(cell).unwrap_or_default();
        let item = item_of(data, &text, folder);
        let place_of = folder.item_named(&item);
        let text = place_of.map_or(text, |item| folder.items[item].text.clone());
        let Some(Json::Array(annotations)) = task.get("annotations") else {
            said.extend(of_min(task, &item, &text, &place, &folder.study.codebook));
            continue;
        };
        for annotation in annotations {
            if annotation.get("was_cancelled") == Some(&Json::Bool(true)) {
                continue; // skipped there
            }
            let common = Said {
                place: place.clone(),
                coder: coder(annotation),
                item: item.clone(),
                seconds: seconds(annotation),
                at: annotation.get("created_at").map(cell).unwrap_or_default(),
                ..Said::default()
            };
            let results = annotation.get("result").and_then(Json::as_array);
            let results: Vec<&Json> = results.into_iter().flatten().collect();
            for variable in &folder.study.codebook.variables {
                if let Some(value) = value_of(&results, variable, &text)? {
                    let variable = variable.name.clone();
                    said.push(Said { variable, value: value.to_cell(), ..common.clone() });
                }
            }
        }
    }
    Ok(said)
}

/// The item of a task: as our export names it, else by its text, wherever that stands. An id may be the
/// number that Label Studio gave the task, and counts only where the text is that item's.
fn item_of(data: &Json, text: &str, folder: &Folder) -> String {
    if let Some(item) = data.get("item").map(cell).filter(|id| folder.item_named(id).is_some()) {
        return item;
    }
    let is_it = |id: &String| {
        let known = folder.item_named(id).map(|item| folder.items[item].text.trim());
        known.is_some_and(|known| text.is_empty() || known == text.trim())
    };
    if let Some(id) = data.get("id").map(cell).filter(is_it) {
        return id;
    }
    if !text.is_empty() {
        return text.to_owned();
    }
    let fields = data.as_object().into_iter().flatten();
    let mut texts = fields.filter_map(|(_, value)| value.as_str());
    let found = texts.find(|text| folder.items.iter().any(|item| item.text.trim() == text.trim()));
    found.unwrap_or_default().to_owned()
}

/// `created_username` is `ada@example.org, 3` in its exports; `completed_by` a number or a person.
fn coder(annotation: &Json) -> String {
    let username = annotation.get("created_username").map(cell).unwrap_or_default();
    let by = annotation.get("completed_by").or_else(|| annotation.get("annotator"));
    let number = match by {
        Some(Json::Object(person)) => ["email", "username", "id"]
            .iter()
            .find_map(|key| person.get(*key).map(cell).filter(|name| !name.is_empty()))
            .unwrap_or_default(),
        Some(number) => cell(number),
        None => "1".to_owned(),
    };
    let name = username.trim();
    let name = name.strip_suffix(&format!(", {number}")).unwrap_or(name).trim();
    if name.is_empty() { format!("annotator {number}") } else { name.to_owned() }
}

fn seconds(annotation: &Json) -> f32 {
    annotation.get("lead_time").and_then(Json::as_f64).unwrap_or_default() as f32
}

fn value_of(results: &[&Json], variable: &Variable, text: &str) -> Result<Option<Value>, String> {
    let from = |name: &str| -> Vec<&Json> {
        let of = |result: &&&Json| result.get("from_name").and_then(Json::as_str) == Some(name);
        results.iter().filter(of).filter_map(|result| result.get("value")).collect()
    };
    let own = from(&variable.name);
    let strings = |value: &Json| -> Vec<String> {
        value.as_array().map(|list| list.iter().map(cell).collect()).unwrap_or_default()
    };
    if !from(&format!("{}_dont_know", variable.name)).is_empty() {
        return Ok(Some(Value::DontKnow));
    }
    let Some(first) = own.first() else { return Ok(None) };
    if variable.kind == Kind::Spans {
        let mut spans = Vec::new();
        for value in &own {
            let end = |key: &str| -> Result<usize, String> {
                let units =
                    value.get(key).and_then(|at| at.as_u64().or_else(|| cell(at).parse().ok()));
                let at = units.and_then(|units| of_utf16(text, units as usize));
                at.ok_or_else(|| format!("a place of {} is not in its text", variable.name))
            };
            let (start, end) = (end("start")?, end("end")?);
            let tags = ["labels", "hypertextlabels", "paragraphlabels"];
            let labels =
                tags.iter().find_map(|tag| value.get(*tag)).map(strings).unwrap_or_default();
            if labels.is_empty() {
                return Err(format!(
                    "a place of {} has no label: characters {start} to {end} of its text",
                    variable.name
                ));
            }
            spans.extend(labels.into_iter().map(|label| Span { start, end, label }));
        }
        spans.sort_by(|a, b| (a.start, a.end, &a.label).cmp(&(b.start, b.end, &b.label)));
        return Ok(Some(Value::Spans(spans)));
    }
    let labels = first.get("choices").map(strings);
    let said = match labels {
        Some(labels) if labels.first().is_some_and(|label| label == DONT_KNOW) => {
            return Ok(Some(Value::DontKnow));
        }
        Some(labels) if variable.kind == Kind::Choices => return Ok(Some(Value::Labels(labels))),
        Some(labels) => labels.into_iter().next().unwrap_or_default(),
        None => {
            let value = ["rating", "number", "text"].iter().find_map(|key| first.get(*key));
            match value {
                Some(Json::Array(list)) => list.iter().map(cell).collect::<Vec<_>>().join("\n"),
                Some(value) => cell(value),
                None => return Ok(None),
            }
        }
    };
    variable.parse(&said)
}

fn of_min(row: &Json, item: &str, text: &str, place: &str, variables: &Variables) -> Vec<Said> {
    let mut said = Vec::new();
    for variable in &variables.variables {
        let dont_know = row.get(format!("{}_dont_know", variable.name));
        let value = row.get(&variable.name).filter(|value| !value.is_null()).or(dont_know);
        let Some(value) = value else { continue };
        let value = match (variable.kind, value) {
            (Kind::Spans, Json::Array(places)) => {
                let results: Vec<Json> = places
                    .iter()
                    .map(|place| json!({"from_name": variable.name, "value": place}))
                    .collect();
                let results: Vec<&Json> = results.iter().collect();
                match value_of(&results, variable, text) {
                    Ok(Some(value)) => value.to_cell(),
                    _ => "[]".to_owned(),
                }
            }
            (Kind::Choices, Json::Array(list)) if list.iter().all(Json::is_string) => cell(value),
            (_, Json::Array(list)) if list.first().is_some_and(Json::is_string) => cell(&list[0]),
            (_, Json::Array(list)) => {
                let number =
                    |first: &Json| first.get("rating").or_else(|| first.get("number")).map(cell);
                list.first().and_then(number).unwrap_or_default()
            }
            (_, Json::Object(object)) => object.get("choices").map(cell).unwrap_or_default(),
            (_, value) => cell(value),
        };
        said.push(Said {
            place: place.to_owned(),
            coder: coder(row),
            item: item.to_owned(),
            variable: variable.name.clone(),
            value,
            seconds: seconds(row),
            at: row.get("created_at").map(cell).unwrap_or_default(),
            ..Said::default()
        });
    }
    said
}
