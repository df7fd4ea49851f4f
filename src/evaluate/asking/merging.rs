//! What was read out of the windows of a long text becomes one answer, by rules that do not ask a model.
//!
//! - A list is the union of the windows' lists in their order, without doubles.
//! - An object is merged property by property.
//! - Of any other field it is the value of the first window whose quote is in the text; where none is, or the
//!   field has no quote, of the first window that has a value.
//!
//! What windows say differently of such a field is kept with them and named.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::written::{Window, Written};
use crate::evaluate::task::schema::{Schema, quote_name};

/// One answer of all windows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    pub fields: Map<String, Value>,
    pub quotes: BTreeMap<String, bool>,

    /// Fields that windows have different values of.
    pub disagree: Vec<String>,
}

/// The fields that have to have a value in every window, and no quote that shows which is right.
pub fn always_there(schema: &Schema) -> Vec<String> {
    let required = schema.json["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_one = |name: &&String| {
        let own = &schema.json["properties"][name.as_str()];
        let is_named = required.iter().any(|one| one.as_str() == Some(name));
        let has_quote = schema.quotes.contains(name) || schema.quotes.contains(&quote_name(name));
        is_named && !has_quote && is_single(own) && !may_be_null(own)
    };
    schema.columns.iter().filter(is_one).cloned().collect()
}

/// The same as a sentence, for whoever sets windows up.
pub fn warning(schema: &Schema) -> Option<String> {
    let names = always_there(schema);
    let first = names.first()?;
    let listed = names.iter().map(|name| format!("“{name}”")).collect::<Vec<String>>().join(", ");
    Some(format!(
        "In windows, {listed} has to have a value in every part of a long text, also in those that do not \
         speak of it, and no quote shows which of them is right: the first window's value is taken. Let it be \
         missing, or ask for a quote of “{first}”."
    ))
}

fn kinds(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Neither a list nor an object.
fn is_single(schema: &Value) -> bool {
    !kinds(schema).iter().any(|kind| matches!(*kind, "array" | "object"))
}

fn may_be_null(schema: &Value) -> bool {
    let in_list =
        |name: &str| schema[name].as_array().is_some_and(|all| all.contains(&Value::Null));
    let in_parts =
        |name: &str| schema[name].as_array().is_some_and(|all| all.iter().any(may_be_null));
    kinds(schema).contains(&"null") || in_list("enum") || in_parts("anyOf") || in_parts("oneOf")
}

/// One answer of what the windows said, in the order of the text.
pub fn merged(windows: &[Window], schema: &Schema) -> Merged {
    let mut out = Merged::default();
    for name in &schema.columns {
        let is_evidence = schema.quotes.contains(name)
            && schema.columns.iter().any(|other| quote_name(other) == *name);
        if is_evidence {
            continue; // it goes with its field
        }
        let evidence = [quote_name(name), name.clone()];
        let evidence = evidence.into_iter().find(|quote| schema.quotes.contains(quote));
        let is_found = |window: &Window| {
            evidence.as_ref().is_some_and(|quote| window.quotes.get(quote) == Some(&true))
        };
        let said: Vec<(&Window, &Value)> =
            windows.iter().filter_map(|window| Some((window, window.fields.get(name)?))).collect();
        let Some(fallback) = said.first() else { continue };
        let is_there = |(_, value): &&(&Window, &Value)| !is_empty(value);
        let first = said.iter().find(is_there);
        let supported = said.iter().filter(is_there).find(|(window, _)| is_found(window));
        let (window, _) = supported.or(first).unwrap_or(fallback);
        let values: Vec<&Value> = said.iter().map(|(_, value)| *value).collect();
        let (value, differs) = one_of(&values, supported.map(|(_, value)| *value));
        out.fields.insert(name.clone(), value);
        // Windows have other quotes anyway.
        if differs && evidence.as_ref() != Some(name) {
            out.disagree.push(name.clone());
        }
        let Some(quote) = evidence else { continue };
        if quote != *name
            && let Some(words) = window.fields.get(&quote)
        {
            out.fields.insert(quote.clone(), words.clone());
        }
        if let Some(is_in_text) = window.quotes.get(&quote) {
            out.quotes.insert(quote, *is_in_text);
        }
    }
    out
}

/// The answers to the windows of a text, in its order, as one. `people`: what people read out of it.
pub fn together(
    (text, places): (&str, &[Range<usize>]),
    answers: Vec<Answered>,
    schema: &Schema,
    people: &BTreeMap<String, String>,
) -> Answered {
    let mut whole = Written { people: people.clone(), ..Written::default() };
    let mut cut = 0;
    for (answer, bytes) in answers.into_iter().zip(places) {
        let from = text[..bytes.start].chars().count();
        let to = from + text[bytes.clone()].chars().count();
        let Written { tokens, ended_early, fields, quotes, .. } =
            answer.written.unwrap_or_default();
        whole.tokens += tokens;
        whole.ended_early |= ended_early;
        cut += answer.cut.unwrap_or(0);
        whole.windows.push(Window { from, to, fields, quotes, problem: answer.problem });
    }
    let problems = || whole.windows.iter().filter_map(|window| window.problem.as_ref());
    if problems().count() == whole.windows.len() {
        let first = problems().next().cloned().unwrap_or_default();
        return Answered::refused(0, None, format!("none of its windows could be read: {first}"));
    }
    let Merged { fields, quotes, disagree } = merged(&whole.windows, schema);
    let answer = serde_json::to_string(&fields).expect("fields are valid JSON");
    Answered {
        answer: Some(answer),
        cut: (cut > 0).then_some(cut),
        written: Some(Written { fields, quotes, disagree, ..whole }),
        ..Answered::default()
    }
}

/// The value of a field, and whether windows differ in it. `supported`: the first whose quote was found.
fn one_of(values: &[&Value], supported: Option<&Value>) -> (Value, bool) {
    let there: Vec<&Value> = values.iter().copied().filter(|value| !is_empty(value)).collect();
    let Some(first) = there.first() else {
        return (values.first().map_or(Value::Null, |value| (*value).clone()), false);
    };
    if there.iter().all(|value| value.is_array()) {
        let mut all: Vec<Value> = Vec::new();
        for item in there.iter().filter_map(|value| value.as_array()).flatten() {
            if !all.iter().any(|known| is_same(known, item)) {
                all.push(item.clone());
            }
        }
        return (Value::Array(all), false);
    }
    if there.iter().all(|value| value.is_object()) {
        let objects = || there.iter().filter_map(|value| value.as_object());
        let (mut all, mut differs) = (Map::new(), false);
        for name in objects().flat_map(Map::keys) {
            if all.contains_key(name) {
                continue;
            }
            let own: Vec<&Value> = objects().filter_map(|object| object.get(name)).collect();
            let (value, other) = one_of(&own, None);
            differs |= other;
            all.insert(name.clone(), value);
        }
        return (Value::Object(all), differs);
    }
    let differs = there.iter().any(|value| !is_same(value, first));
    (supported.unwrap_or(first).clone(), differs)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Whether two values mean the same: spaces, and upper and lower case, do not count.
fn is_same(one: &Value, other: &Value) -> bool {
    let plain =
        |text: &str| text.split_whitespace().collect::<Vec<&str>>().join(" ").to_lowercase();
    match (one, other) {
        (Value::String(one), Value::String(other)) => plain(one) == plain(other),
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evaluate::task::schema::{Field, FieldKind};

    fn schema() -> Schema {
        let field = |name: &str, kind| Field { name: name.to_owned(), kind, ..Field::default() };
        let who = Field { quote: true, optional: true, ..field("who", FieldKind::String) };
        let count = Field { optional: true, ..field("count", FieldKind::Integer) };
        let places = Field { list: true, ..field("places", FieldKind::String) };
        Schema::of_fields(&[who, count, places, field("open", FieldKind::Boolean)]).unwrap()
    }

    fn window(fields: &Value, is_in_text: Option<bool>) -> Window {
        let quotes = is_in_text.map(|is| ("who_quote".to_owned(), is));
        let fields = fields.as_object().unwrap().clone();
        Window { fields, quotes: quotes.into_iter().collect(), ..Window::default() }
    }

    #[test]
    fn lists_are_united_and_of_single_values_the_one_with_evidence_counts() {
        let windows = [
            window(
                &json!({"who": "The reader", "who_quote": "a reader", "count": null,
                       "places": ["Lyon", "Bern"], "open": true}),
                Some(false),
            ),
            Window { problem: Some("too long".to_owned()), ..Window::default() },
            window(
                &json!({"who": "the  team", "who_quote": "our team", "count": 12,
                       "places": ["bern", "Graz"], "open": true}),
                Some(true),
            ),
            window(
                &json!({"who": null, "who_quote": null, "count": 14, "places": [], "open": true}),
                None,
            ),
        ];
        let found = merged(&windows, &schema());
        let right = json!({"who": "the  team", "who_quote": "our team", "count": 12,
                           "places": ["Lyon", "Bern", "Graz"], "open": true});
        assert_eq!(Value::Object(found.fields), right);
        assert_eq!(found.quotes, BTreeMap::from([("who_quote".to_owned(), true)]));
        assert_eq!(found.disagree, ["who", "count"]);
    }

    #[test]
    fn without_evidence_the_first_value_counts_and_other_letters_are_no_difference() {
        let windows = [
            window(&json!({"who": null, "who_quote": null, "count": null}), None),
            window(&json!({"who": "The Team", "who_quote": "x", "count": 3}), Some(false)),
            window(&json!({"who": "the team", "who_quote": "y", "count": 3.0}), Some(false)),
        ];
        let found = merged(&windows, &schema());
        assert_eq!(found.fields["who"], "The Team");
        assert_eq!((&found.fields["who_quote"], &found.fields["count"]), (&json!("x"), &json!(3)));
        assert_eq!((found.disagree.len(), found.quotes["who_quote"]), (0, false));
        // No window says anything.
        let nothing = merged(&windows[..1], &schema());
        assert_eq!(nothing.fields["who"], Value::Null);
        assert!(nothing.quotes.is_empty());
    }

    #[test]
    fn objects_are_merged_property_by_property() {
        let json = json!({"type": "object", "properties": {"site": {"type": "object"}},
                          "required": ["site"]});
        let schema = Schema::of_json(&json, &[]).unwrap();
        let windows = [
            window(&json!({"site": {"town": "Lyon", "tags": ["a"], "year": null}}), None),
            window(&json!({"site": {"town": "Bern", "tags": ["b"], "year": 2024}}), None),
        ];
        let found = merged(&windows, &schema);
        let right = json!({"town": "Lyon", "tags": ["a", "b"], "year": 2024});
        assert_eq!((&found.fields["site"], found.disagree), (&right, vec!["site".to_owned()]));
        assert!(always_there(&schema).is_empty());
    }

    #[test]
    fn fields_that_every_window_has_to_fill_without_evidence_are_said() {
        let said = warning(&schema()).unwrap();
        assert!(said.contains("“open” has to have a value"), "{said}");
        assert_eq!(always_there(&schema()), ["open"]);
        let field = Field { name: "x".to_owned(), quote: true, ..Field::default() };
        assert_eq!(warning(&Schema::of_fields(&[field]).unwrap()), None);
    }
}
