//! Codes of Argilla, doccano and Prodigy: a row a text, with what people said of it.

use serde_json::{Map, Value as Json, json};

use super::argilla;
use super::said::Said;
use crate::data::table::Row;
use crate::study::folder::Folder;
use crate::study::item::cell;
use crate::study::value::{DONT_KNOW, Span, Value};
use crate::study::variable::{Kind, Variable};

/// Where they keep what was read.
const TEXTS: [&str; 4] = ["text", "data", "content", "sentence"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
    Argilla,
    Doccano,
    Prodigy,
}

/// Whether a row is of one of them.
pub fn is_ours(row: &Row) -> bool {
    program(row).is_some()
}

fn program(row: &Row) -> Option<Program> {
    let has = |name: &str| row.get(name).is_some();
    let is_list = |name: &str| row.get(name).is_some_and(Json::is_array);
    if row.get("fields").is_some_and(Json::is_object) && row.fields.contains_key("responses") {
        Some(Program::Argilla)
    } else if has("_input_hash") || has("_task_hash") || (has("answer") && has("_view_id")) {
        Some(Program::Prodigy)
    } else if TEXTS.iter().any(|name| has(name))
        && (is_list("label") || is_list("labels") || is_list("entities"))
    {
        Some(Program::Doccano)
    } else {
        None
    }
}

/// Reads their rows. `coder`: whose codes these are, where the rows do not say it.
pub fn read(rows: &[Row], folder: &Folder, coder: &str) -> Result<Vec<Said>, String> {
    let mut said = Vec::new();
    for row in rows {
        let common = Said { place: place(row), item: item_of(row, folder), ..Said::default() };
        match program(row) {
            Some(Program::Argilla) => argilla(row, folder, &common, &mut said)?,
            Some(Program::Prodigy) => prodigy(row, folder, coder, &common, &mut said)?,
            Some(Program::Doccano) | None => doccano(row, folder, coder, &common, &mut said)?,
        }
    }
    Ok(said)
}

fn place(row: &Row) -> String {
    match row.place.line {
        Some(line) => format!("line {line}"),
        None => format!("row {}", row.place.row),
    }
}

/// The item that a row is about. Its text says it, and an id only where that is not another item's:
/// these programs number the rows themselves.
fn item_of(row: &Row, folder: &Folder) -> String {
    let fields = row.get("fields").and_then(Json::as_object).unwrap_or(&row.fields);
    let texts = TEXTS.iter().filter_map(|name| fields.get(*name));
    let text = texts.chain(fields.values()).find_map(Json::as_str).unwrap_or_default();
    let ids = ["item", "external_id", "id"].iter().filter_map(|name| row.get(name).map(cell));
    let mut known = ids.filter(|id| {
        let item = folder.item_named(id.trim()).map(|item| folder.items[item].text.trim());
        item.is_some_and(|known| text.is_empty() || known == text.trim())
    });
    known.next().unwrap_or_else(|| text.to_owned())
}

/// The variable that a list of labels, or of places, is about.
fn variable_of<'f>(
    folder: &'f Folder,
    is_of_places: bool,
    place: &str,
) -> Result<&'f Variable, String> {
    let fits = |variable: &&Variable| match variable.kind {
        Kind::Spans => is_of_places,
        Kind::Choice | Kind::Choices | Kind::Scale => !is_of_places,
        _ => false,
    };
    let mut variables = folder.study.codebook.variables.iter().filter(fits);
    let what = if is_of_places { "places in the text" } else { "labels" };
    match (variables.next(), variables.next()) {
        (Some(variable), None) => Ok(variable),
        (None, _) => Err(format!("{place}: it has {what}, and the study has no variable for them")),
        (Some(_), Some(_)) => Err(format!(
            "{place}: it has {what} without the name of a variable, and the study has several that they \
             could be of. Give them as CSV with the columns item, variable, value"
        )),
    }
}

/// Labels as a cell of the study has them.
fn labels(variable: &Variable, labels: &[Json]) -> Option<String> {
    match variable.kind {
        Kind::Choices => Some(json!(labels.iter().map(cell).collect::<Vec<_>>()).to_string()),
        _ => labels.first().map(cell),
    }
}

/// Places in a text, counted in characters, as Python does.
fn places(list: &[Json]) -> Option<String> {
    let one = |place: &Json| {
        let number = |names: [&str; 2], at: usize| {
            let value = names.iter().find_map(|name| place.get(*name)).or_else(|| place.get(at));
            value.and_then(Json::as_u64).map(|number| number as usize)
        };
        let label = place.get("label").or_else(|| place.get(2))?;
        Some(Span {
            start: number(["start", "start_offset"], 0)?,
            end: number(["end", "end_offset"], 1)?,
            label: cell(label),
        })
    };
    let mut spans: Vec<Span> = list.iter().map(one).collect::<Option<_>>()?;
    spans.sort_by(|a, b| (a.start, a.end, &a.label).cmp(&(b.start, b.end, &b.label)));
    Some(Value::Spans(spans).to_cell())
}

fn unreadable(place: &str) -> String {
    format!("{place}: a place in the text has no start, end and label")
}

/// `{"text", "label": ["good"]}`, `{"text", "label": [[0, 4, "who"]]}`, `{"text", "entities": [{…}]}`
fn doccano(
    row: &Row,
    folder: &Folder,
    coder: &str,
    common: &Said,
    said: &mut Vec<Said>,
) -> Result<(), String> {
    let coder = row.get("user").map_or_else(|| coder.to_owned(), cell);
    let mut add = |variable: &Variable, value: Option<String>| {
        let (variable, coder) = (variable.name.clone(), coder.clone());
        said.extend(value.map(|value| Said { coder, variable, value, ..common.clone() }));
    };
    for name in ["label", "labels", "entities"] {
        let Some(list) = row.get(name).and_then(Json::as_array) else { continue };
        let is_of_places =
            name == "entities" || list.first().is_some_and(|one| one.is_array() || one.is_object());
        if list.is_empty() && name != "entities" {
            continue;
        }
        let variable = variable_of(folder, is_of_places, &common.place)?;
        let value = if is_of_places {
            Some(places(list).ok_or_else(|| unreadable(&common.place))?)
        } else {
            labels(variable, list)
        };
        add(variable, value);
    }
    Ok(())
}

/// `{"text", "answer": "accept", "accept": ["good"], "spans": [{"start", "end", "label"}]}`
fn prodigy(
    row: &Row,
    folder: &Folder,
    coder: &str,
    common: &Said,
    said: &mut Vec<Said>,
) -> Result<(), String> {
    // What was rejected or ignored says nothing of what is right.
    if row.get("answer").map(cell).is_some_and(|answer| answer != "accept") {
        return Ok(());
    }
    let named = ["_annotator_id", "_session_id"].iter().find_map(|name| row.get(name).map(cell));
    let coder = named.unwrap_or_else(|| coder.to_owned());
    let mut add = |variable: &Variable, value: Option<String>| {
        let (variable, coder) = (variable.name.clone(), coder.clone());
        said.extend(value.map(|value| Said { coder, variable, value, ..common.clone() }));
    };
    let accepted = row.get("accept").and_then(Json::as_array).cloned();
    let chosen = accepted.or_else(|| row.get("label").map(|label| vec![label.clone()]));
    if let Some(chosen) = chosen.filter(|chosen| !chosen.is_empty()) {
        let variable = variable_of(folder, false, &common.place)?;
        add(variable, labels(variable, &chosen));
    }
    if let Some(list) = row.get("spans").and_then(Json::as_array) {
        let variable = variable_of(folder, true, &common.place)?;
        let value = places(list).ok_or_else(|| unreadable(&common.place))?;
        add(variable, Some(value));
    }
    Ok(())
}

/// Version 2: `{"fields", "responses": {"question": [{"value", "user_id"}]}}`; version 1:
/// `{"fields", "responses": [{"user_id", "values": {"question": {"value"}}}]}`.
fn argilla(row: &Row, folder: &Folder, common: &Said, said: &mut Vec<Said>) -> Result<(), String> {
    let is_draft = |answer: &Json| {
        matches!(answer.get("status").and_then(Json::as_str), Some("draft" | "discarded"))
    };
    // Records that were written here say what their coders are called.
    let names = row.get("metadata").and_then(Json::as_object).map(argilla::names);
    let coder = |answer: &Json| {
        let user = answer.get("user_id").map(cell).unwrap_or_default();
        let named = answer.get("user").and_then(Json::as_str); // as an earlier version wrote it
        let named = named.or_else(|| names.as_ref()?.get(&user).map(String::as_str));
        named.map_or_else(|| user.clone(), str::to_owned)
    };
    let mut add = |question: &str, answer: &Json, coder: String| -> Result<(), String> {
        let codebook = &folder.study.codebook;
        let own = || codebook.named(argilla::variable_name(question));
        let Some((_, variable)) = codebook.named(question).or_else(own) else {
            return Ok(()); // a question of theirs that the study does not ask
        };
        let value = match answer {
            Json::Null => return Ok(()),
            Json::Array(list) if variable.kind == Kind::Spans => {
                places(list).ok_or_else(|| unreadable(&common.place))?
            }
            Json::Array(list) => labels(variable, list).unwrap_or_default(),
            one => cell(one),
        };
        let variable = variable.name.clone();
        said.push(Said { coder, variable, value, ..common.clone() });
        Ok(())
    };
    match row.get("responses") {
        Some(Json::Object(questions)) => {
            for (question, answers) in questions {
                for answer in answers.as_array().into_iter().flatten() {
                    if !is_draft(answer) {
                        add(question, answer.get("value").unwrap_or(&Json::Null), coder(answer))?;
                    }
                }
            }
        }
        Some(Json::Array(people)) => {
            for person in people.iter().filter(|person| !is_draft(person)) {
                let none = Map::new();
                let values = person.get("values").and_then(Json::as_object).unwrap_or(&none);
                for (question, answer) in values {
                    add(question, answer.get("value").unwrap_or(answer), coder(person))?;
                }
            }
        }
        _ => {}
    }
    let metadata = row.get("metadata").and_then(Json::as_object);
    for (coder, variable) in metadata.map(argilla::not_known).unwrap_or_default() {
        if folder.study.codebook.named(&variable).is_some() {
            let value = DONT_KNOW.to_owned();
            said.push(Said { coder, variable, value, ..common.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::codebook::Class;
    use crate::data::table::Place;
    use crate::examples::{items, study};
    use crate::study::design::Study;
    use crate::study::folder::create;
    use crate::study::forms::label_studio;
    use crate::study::variable::Variables;

    fn folder() -> (tempfile::TempDir, Folder) {
        let parent = tempfile::tempdir().unwrap();
        let class = |label: &&str| Class { label: (*label).to_owned(), ..Class::default() };
        let of = |name: &str, kind, labels: &[&str]| Variable {
            name: name.to_owned(),
            kind,
            classes: labels.iter().map(class).collect(),
            ..Variable::default()
        };
        let codebook = Variables {
            variables: vec![
                of("tone", Kind::Choice, &["good", "bad"]),
                of("who", Kind::Spans, &["person"]),
            ],
            ..study().codebook
        };
        let mut list = items(2);
        list[0].text = "Ada came.".to_owned();
        list[1].text = "So did 😀 Ben.".to_owned();
        list[0].id = "1".to_owned();
        list[1].id = "2".to_owned();
        let design = Study { codebook, ..study() };
        let folder = create(&parent.path().join("study"), design, &list).unwrap();
        (parent, folder)
    }

    fn rows(list: &Json) -> Vec<Row> {
        let rows = list.as_array().unwrap().iter().zip(1..).map(|(row, number)| Row {
            place: Place { row: number, line: Some(number) },
            fields: row.as_object().unwrap().clone(),
        });
        rows.collect()
    }

    fn told(said: &[Said], folder: &Folder) -> Vec<(String, usize, String, String)> {
        let one = |code: &Said| {
            let by_text = folder.items.iter().position(|item| item.text == code.item);
            let item = folder.item_named(&code.item).or(by_text).unwrap();
            (code.coder.clone(), item, code.variable.clone(), code.value.clone())
        };
        said.iter().map(one).collect()
    }

    #[test]
    fn each_program_says_the_same() {
        let (_parent, folder) = folder();
        let (first, second) = (folder.items[0].text.clone(), folder.items[1].text.clone());
        let span = |start, end| {
            Value::Spans(vec![Span { start, end, label: "person".to_owned() }]).to_cell()
        };
        let of = |item, tone: &str, places: String| {
            [("tone", tone.to_owned()), ("who", places)]
                .map(|(variable, value)| ("ada".to_owned(), item, variable.to_owned(), value))
        };
        let expected: Vec<_> = [of(0, "good", span(0, 3)), of(1, "bad", span(9, 12))].concat();
        let ben = json!([{"label": "person", "start": 9, "end": 12}]);
        let argilla = |text: &str, tone: &str, who: Json| {
            json!({"id": "x", "fields": {"text": text}, "responses": {
                "tone": [{"value": tone, "user_id": "ada"}, {"value": "bad", "user_id": "ben", "status": "draft"}],
                "who": [{"value": who, "user_id": "ada"}], "else": [{"value": 1, "user_id": "ada"}]}})
        };
        for list in [
            // Its own numbers are other items' ids.
            json!([{"id": 2, "text": first, "label": ["good"], "entities": [{"id": 7, "label": "person", "start_offset": 0, "end_offset": 3}]},
                   {"id": 1, "text": second, "label": ["bad"], "entities": [{"id": 8, "label": "person", "start_offset": 9, "end_offset": 12}]}]),
            json!([{"text": first, "_input_hash": 1, "answer": "accept", "accept": ["good"], "_annotator_id": "ada",
                    "spans": [{"start": 0, "end": 3, "label": "person"}]},
                   {"text": second, "_input_hash": 2, "answer": "accept", "accept": ["bad"], "_annotator_id": "ada", "spans": ben},
                   {"text": second, "_input_hash": 2, "answer": "ignore", "accept": [], "_annotator_id": "ben"}]),
            json!([
                argilla(&first, "good", json!([{"label": "person", "start": 0, "end": 3}])),
                argilla(&second, "bad", ben)
            ]),
        ] {
            let rows = rows(&list);
            assert!(is_ours(&rows[0]), "{list}");
            let said = read(&rows, &folder, "ada").unwrap();
            assert_eq!(told(&said, &folder), expected, "{list}");
        }
    }

    #[test]
    fn the_csv_of_label_studio_is_read_by_its_texts() {
        let (_parent, folder) = folder();
        let list = json!([{"annotation_id": "5", "annotator": "3", "id": "2", "text": folder.items[0].text,
            "tone": "good", "who": "[{\"start\": 0, \"end\": 3, \"text\": \"Ada\", \"labels\": [\"person\"]}]", "lead_time": "2.5"}]);
        let rows = rows(&list);
        assert!(label_studio::is_ours(&rows[0]) && !is_ours(&rows[0]));
        let said = label_studio::read_rows(&rows, &folder).unwrap();
        let who =
            Value::Spans(vec![Span { start: 0, end: 3, label: "person".to_owned() }]).to_cell();
        let of = |variable: &str, value: &str| {
            ("annotator 3".to_owned(), 0, variable.to_owned(), value.to_owned())
        };
        assert_eq!(told(&said, &folder), [of("tone", "good"), of("who", &who)]);
    }

    #[test]
    fn labels_that_could_be_of_two_variables_are_not_guessed() {
        let (_parent, mut folder) = folder();
        let mut second = folder.study.codebook.variables[0].clone();
        second.name = "topic".to_owned();
        folder.study.codebook.variables.push(second);
        let rows = rows(&json!([{"text": folder.items[0].text, "label": ["good"]}]));
        let problem = read(&rows, &folder, "ada").unwrap_err();
        assert!(problem.contains("several that they could be of"), "{problem}");
    }
}
