//! Exports of annotation tools: who preferred what, in Argilla, Label Studio, Potato and here.

use serde_json::Value;

use super::content::{Content, Fault, Fields, Turned};
use super::feedback::{Winner, asked, preferred, said};
use super::value::{as_text, given, keys, kind_of, needed, plain};
use crate::data::pair::Text;
use crate::data::record::VerdictRecord;

const NOT_ANSWERED: &str = "nobody has answered it";
const NO_MAJORITY: &str = "its annotators do not agree, or call it a tie";

/// Where a question may be, in this order.
const QUESTIONS: [&str; 7] =
    ["prompt", "instruction", "question", "query", "input", "context", "text"];

/// Where a single answer may be.
const ANSWERS: [&str; 6] = ["response", "answer", "completion", "output", "reply", "generation"];

/// What two answers to compare are called, before their number or letter.
const STEMS: [&str; 11] = [
    "answer",
    "response",
    "text",
    "output",
    "completion",
    "reply",
    "option",
    "model",
    "summary",
    "generation",
    "candidate",
];

/// The two columns with answers to be compared.
pub(super) fn two_answers(fields: &Fields) -> Option<[&str; 2]> {
    let find = |name: &str| {
        fields.keys().find(|key| key.to_lowercase().replace(['_', '-', ' '], "") == name)
    };
    let mut names = vec![["left".to_owned(), "right".to_owned()]];
    for stem in STEMS {
        for [first, second] in [["1", "2"], ["a", "b"], ["one", "two"], ["0", "1"]] {
            names.push([format!("{stem}{first}"), format!("{stem}{second}")]);
        }
    }
    names.iter().find_map(|[first, second]| Some([find(first)?.as_str(), find(second)?.as_str()]))
}

/// The question among the fields of a task.
pub(super) fn question(fields: &Fields, answers: &[&str]) -> Result<Text, Fault> {
    let key = QUESTIONS
        .into_iter()
        .find(|key| given(fields, key).is_some() && !answers.contains(key))
        .ok_or_else(|| {
            Fault::of_row(format!(
                "none of its fields is a question; they are: {}. Name one \"prompt\"",
                keys(fields)
            ))
        })?;
    Ok(match as_text(key, needed(fields, key)?)? {
        Text::Plain(words) => asked(&words),
        messages @ Text::Messages(_) => messages,
    })
}

fn answer(fields: &Fields, key: &str) -> Result<Text, Fault> {
    Ok(match as_text(key, needed(fields, key)?)? {
        Text::Plain(words) => said(&words),
        messages @ Text::Messages(_) => messages,
    })
}

/// A pair, by what most annotators said.
fn by_votes(
    fields: &Fields,
    [first, second]: [&str; 2],
    votes: &[Winner],
) -> Result<Turned, Fault> {
    if votes.is_empty() {
        return Ok(Turned::LeftOut(NOT_ANSWERED));
    }
    let count = |is: fn(&Winner) -> bool| votes.iter().filter(|vote| is(vote)).count();
    let ones = count(|vote| matches!(vote, Winner::First));
    let twos = count(|vote| matches!(vote, Winner::Second));
    let prompt = question(fields, &[first, second])?;
    let (first, second) = (answer(fields, first)?, answer(fields, second)?);
    Ok(match ones.cmp(&twos) {
        std::cmp::Ordering::Greater => preferred(prompt, first, second),
        std::cmp::Ordering::Less => preferred(prompt, second, first),
        std::cmp::Ordering::Equal => Turned::LeftOut(NO_MAJORITY),
    })
}

/// What one annotator said of two answers: a name, an order of names, or names with ranks.
fn vote(value: &Value, [first, second]: [&str; 2]) -> Option<Winner> {
    let place = |name: &str, list: &[Value]| {
        list.iter().enumerate().find_map(|(index, entry)| match entry {
            Value::String(entry) => (entry == name).then_some(index as f64),
            entry => {
                let is_it = entry.get("value").or_else(|| entry.get("id"))?.as_str()? == name;
                is_it.then(|| entry.get("rank").and_then(Value::as_f64).unwrap_or(index as f64))
            }
        })
    };
    match value {
        Value::String(words) if words == first => Some(Winner::First),
        Value::String(words) if words == second => Some(Winner::Second),
        Value::String(words) => match Winner::of(words) {
            Winner::Nobody => None,
            winner => Some(winner),
        },
        Value::Array(list) if list.len() == 1 => vote(&list[0], [first, second]),
        // Ranks as lists of their parts: `{"rank": [2, 1], "value": ["response-1", "response-2"]}`.
        Value::Object(parts) => {
            let (names, ranks) = (parts.get("value")?.as_array()?, parts.get("rank")?.as_array()?);
            let rank = |name: &str| {
                let at = names.iter().position(|other| other.as_str() == Some(name))?;
                ranks.get(at)?.as_f64()
            };
            match rank(first)?.total_cmp(&rank(second)?) {
                std::cmp::Ordering::Less => Some(Winner::First),
                std::cmp::Ordering::Greater => Some(Winner::Second),
                std::cmp::Ordering::Equal => Some(Winner::Tie),
            }
        }
        Value::Array(list) => {
            let (one, two) = (place(first, list)?, place(second, list)?);
            Some(match one.total_cmp(&two) {
                std::cmp::Ordering::Less => Winner::First,
                std::cmp::Ordering::Greater => Winner::Second,
                std::cmp::Ordering::Equal => Winner::Tie,
            })
        }
        _ => None,
    }
}

/// A record of Argilla, nested (`fields`, `responses`) or flattened (`question.responses`).
pub(super) fn is_argilla(row: &Fields) -> bool {
    let is_object = |key: &str| given(row, key).is_some_and(Value::is_object);
    let flattened = || row.keys().any(|key| key.ends_with(".responses"));
    (is_object("fields") && row.contains_key("responses")) || flattened() || is_pushed(row)
}

/// A record as Argilla's first versions push it to the Hub: for each question the answers of all
/// annotators, and beside it what a model suggested.
fn is_pushed(row: &Fields) -> bool {
    row.keys().any(|key| {
        let question = key.strip_suffix("-suggestion");
        question.is_some_and(|question| row.contains_key(question))
    })
}

pub(crate) fn argilla(row: &Fields) -> Result<Turned, Fault> {
    let fields = match given(row, "fields") {
        Some(Value::Object(fields)) => fields,
        _ => row,
    };
    // What was answered: of each question, the values of all annotators.
    let mut values: Vec<Value> = Vec::new();
    let is_draft = |answer: &Value| {
        let status = answer.get("status").and_then(Value::as_str);
        matches!(status, Some("draft" | "discarded"))
    };
    // Version 1: a list of annotators, each with all questions.
    if let Some(Value::Array(annotators)) = given(row, "responses") {
        for annotator in annotators.iter().filter(|annotator| !is_draft(annotator)) {
            let answers = annotator.get("values").and_then(Value::as_object);
            let answers = answers.into_iter().flatten();
            values.extend(answers.map(|(_, answer)| answer.get("value").unwrap_or(answer).clone()));
        }
    }
    // The same, pushed to the Hub: a column a question, with a list of objects or of each of their
    // parts.
    let is_question = |key: &str| row.contains_key(&format!("{key}-suggestion"));
    for (key, answers) in row.iter().filter(|(key, _)| is_question(key)) {
        match answers {
            Value::Array(answers) => {
                let given = answers.iter().filter(|answer| !is_draft(answer));
                values.extend(given.filter_map(|answer| answer.get("value").cloned()));
            }
            Value::Object(parts) => {
                let list = |part: &str| parts.get(part).and_then(Value::as_array);
                let status = |at: usize| list("status").and_then(|all| all.get(at)?.as_str());
                let all = list("value").into_iter().flatten().enumerate();
                values.extend(all.filter_map(|(at, value)| {
                    let counts = !matches!(status(at), Some("draft" | "discarded"));
                    counts.then(|| value.clone())
                }));
            }
            Value::Null => {}
            other => {
                let sentence = format!(
                    "\"{key}\" should hold the answers of annotators, and is {}",
                    kind_of(other)
                );
                return Err(Fault::new(key, sentence));
            }
        }
    }
    if let Some(Value::Object(questions)) = given(row, "responses") {
        for answers in questions.values() {
            for answer in answers.as_array().map_or(&[][..], Vec::as_slice) {
                if let Some(value) = answer.get("value").filter(|_| !is_draft(answer)) {
                    values.push(value.clone());
                }
            }
        }
    }
    for (key, answers) in row {
        if key.ends_with(".responses") {
            values.extend(answers.as_array().into_iter().flatten().cloned());
        }
    }
    values.retain(|value| !value.is_null());
    if let Some(names) = two_answers(fields) {
        let votes: Vec<Winner> = values.iter().filter_map(|value| vote(value, names)).collect();
        return by_votes(fields, names, &votes);
    }
    let Some(key) = ANSWERS.into_iter().find(|key| given(fields, key).is_some()) else {
        // Written by the annotator.
        let Some(Value::String(words)) = values.first() else {
            return Ok(Turned::LeftOut(NOT_ANSWERED));
        };
        let prompt = question(fields, &[])?;
        return Ok(Turned::Into(Content::Completion { prompt, completion: said(words) }));
    };
    // A text that an annotator wrote is better than the one that it corrects.
    let corrected =
        values.iter().find_map(|value| value.as_str().filter(|text| text.contains(' ')));
    let completion = match corrected {
        Some(words) => said(words),
        None => answer(fields, key)?,
    };
    Ok(Turned::Into(Content::Completion { prompt: question(fields, &[key])?, completion }))
}

/// A task of Label Studio: its data, and what was annotated.
pub(crate) fn label_studio(row: &Fields) -> Result<Turned, Fault> {
    let data = match needed(row, "data")? {
        Value::Object(data) => data,
        other => {
            let sentence = format!("\"data\" must be an object, and it is {}", kind_of(other));
            return Err(Fault::new("data", sentence));
        }
    };
    let annotations = given(row, "annotations").or_else(|| given(row, "completions"));
    let annotations = annotations.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is_cancelled =
        |annotation: &Value| annotation.get("was_cancelled").and_then(Value::as_bool) == Some(true);
    let results: Vec<&Value> = annotations
        .iter()
        .filter(|annotation| !is_cancelled(annotation))
        .filter_map(|annotation| annotation.get("result")?.as_array())
        .flatten()
        .collect();
    if results.is_empty() {
        return Ok(Turned::LeftOut(NOT_ANSWERED));
    }
    let value = |result: &Value, key: &str| Some(result.get("value")?.get(key)?.clone());
    if let Some(names) = two_answers(data) {
        let votes: Vec<Winner> = results
            .iter()
            .filter_map(|result| {
                let said = value(result, "selected").or_else(|| value(result, "choices"))?;
                vote(&said, names)
            })
            .collect();
        return by_votes(data, names, &votes);
    }
    let rank = results.iter().find_map(|result| value(result, "ranker"));
    if let Some(rank) = rank {
        return ranked(data, &rank);
    }
    let written = results.iter().find_map(|result| value(result, "text"));
    let words = match &written {
        Some(Value::Array(lines)) => lines.first().and_then(Value::as_str),
        Some(Value::String(words)) => Some(words.as_str()),
        _ => None,
    };
    let Some(words) = words else {
        return Err(Fault::new(
            "data",
            format!(
                "its data has no two answers to compare; its fields are: {}. Name them \"prompt\", \
                 \"answer1\" and \"answer2\"",
                keys(data)
            ),
        ));
    };
    let completion = said(words);
    Ok(Turned::Into(Content::Completion { prompt: question(data, &[])?, completion }))
}

/// The first and the last of items that were put in order.
fn ranked(data: &Fields, rank: &Value) -> Result<Turned, Fault> {
    let order = rank.get("rank").unwrap_or(rank).as_array().map_or(&[][..], Vec::as_slice);
    let items = given(data, "items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let body = |id: Option<&Value>| {
        let item = items.iter().find(|item| item.get("id") == id)?;
        item.get("body").or_else(|| item.get("html"))?.as_str()
    };
    match (body(order.first()), body(order.last())) {
        (Some(best), Some(worst)) if order.len() > 1 => {
            Ok(preferred(question(data, &["items"])?, said(best), said(worst)))
        }
        _ => Ok(Turned::LeftOut(NOT_ANSWERED)),
    }
}

/// JSON-MIN: data and results side by side.
pub(crate) fn label_studio_min(row: &Fields) -> Result<Turned, Fault> {
    let Some(names) = two_answers(row) else {
        return Err(Fault::of_row(format!(
            "it has no two answers to compare; its keys are: {}",
            keys(row)
        )));
    };
    let own = ["id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"];
    let votes: Vec<Winner> = row
        .iter()
        .filter(|(key, _)| !own.contains(&key.as_str()) && !names.contains(&key.as_str()))
        .filter(|(key, _)| !QUESTIONS.contains(&key.as_str()))
        .filter_map(|(_, value)| vote(value, names))
        .collect();
    by_votes(row, names, &votes)
}

/// Where Potato keeps what was annotated.
const POTATO: [&str; 4] = ["preference", "preference_scale", "label_annotations", "annotations"];

pub(super) fn is_potato(row: &Fields) -> bool {
    let has_two =
        given(row, "responses").and_then(Value::as_array).is_some_and(|list| list.len() == 2);
    let annotated = POTATO.iter().any(|key| row.contains_key(*key));
    (has_two && annotated)
        || (row.contains_key("label_annotations") && row.contains_key("displayed_text"))
}

pub(crate) fn potato(row: &Fields) -> Result<Turned, Fault> {
    let Some([first, second]) =
        given(row, "responses").and_then(Value::as_array).map(Vec::as_slice)
    else {
        return Err(Fault::of_row(
            "it says what was preferred and not of which two texts: put the \"prompt\" and the \
             \"responses\" of Potato's input beside it"
                .to_owned(),
        ));
    };
    let words = |value: &Value| -> Result<Text, Fault> {
        let value = value.get("text").unwrap_or(value);
        Ok(said(&plain("responses", value)?))
    };
    let winner = POTATO.iter().filter_map(|key| given(row, key)).find_map(selected);
    let Some(winner) = winner else { return Ok(Turned::LeftOut(NOT_ANSWERED)) };
    let prompt = question(row, &["responses"])?;
    Ok(winner.pair(prompt, words(first)?, words(second)?))
}

/// `{"selection": "A"}`, `{"scale_value": "-2"}`, wherever it is.
fn selected(value: &Value) -> Option<Winner> {
    match value {
        Value::String(words) => match Winner::of(words) {
            Winner::Nobody => None,
            winner => Some(winner),
        },
        Value::Object(fields) => {
            if let Some(selection) = fields.get("selection") {
                return selected(selection);
            }
            if let Some(scale) = fields.get("scale_value") {
                let scale = match scale {
                    Value::String(text) => text.trim().parse::<f64>().ok()?,
                    scale => scale.as_f64()?,
                };
                return Some(if scale < 0.0 {
                    Winner::First
                } else if scale > 0.0 {
                    Winner::Second
                } else {
                    Winner::Tie
                });
            }
            fields.values().find_map(selected)
        }
        _ => None,
    }
}

/// A line of a project's `pairs.jsonl`, or of what is exported beside the pairs.
pub(super) fn is_verdict(row: &Fields) -> bool {
    let fields = match given(row, "verdict") {
        Some(Value::Object(verdict)) => verdict,
        _ => row,
    };
    ["verdict", "left", "right", "rendered_prompt"].iter().all(|key| fields.contains_key(*key))
}

pub(crate) fn verdict(row: &Fields) -> Result<Turned, Fault> {
    let value = match given(row, "verdict") {
        Some(value @ Value::Object(_)) => value.clone(),
        _ => Value::Object(row.clone()),
    };
    let record: VerdictRecord = serde_json::from_value(value)
        .map_err(|err| Fault::new("verdict", format!("it is not a verdict: {err}")))?;
    Ok(match record.own_pair() {
        Some(pair) => Turned::Into(Content::Preference(pair)),
        None => Turned::LeftOut("it is a tie, both bad or skipped"),
    })
}
