//! Codebooks of which a text can have several labels, or none: each label is asked about by itself, yes or no.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::literal;
use crate::data::table::Row;
use crate::evaluate::cells::{is_nothing, label_of, words};

/// What can be said of a label, in the order of the probabilities.
pub const ANSWERS: [&str; 2] = ["Yes", "No"];

/// How a cell says that a text has none of the labels. An empty one says nothing.
const NONE: [&str; 3] = ["none", "none of them", "no label"];

/// Which labels a text has, and how that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Several {
    /// Those whose yes is at least as likely as their no, by their place in the codebook.
    pub applies: Vec<usize>,

    /// By label.
    pub each: Vec<Each>,

    /// By coder, the labels that the text has. `None`: nothing was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub human: Vec<Option<Vec<usize>>>,
}

/// What was asked about one label; the names are those of an answer about a row (`results.rs`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Each {
    /// Natural logs of the probabilities of yes and no, in the first order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<f64>,
    pub mass: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_place: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_answer: Option<f64>,
}

/// Labels as a person reads them.
pub fn named(labels: &[String], places: &[usize]) -> String {
    let names = places.iter().filter_map(|place| Some(labels.get(*place)?.trim()));
    let names: Vec<&str> = names.collect();
    if names.is_empty() { NONE[1].to_owned() } else { names.join(", ") }
}

/// Labels as a cell of a table has them, which studies and this program read again.
pub fn in_a_cell(labels: &[String], places: &[usize]) -> String {
    let names = places.iter().filter_map(|place| Some(Value::from(labels.get(*place)?.trim())));
    Value::Array(names.collect()).to_string()
}

/// The labels that a cell names: one of them, a list, or several between `;`, `|`, commas or lines.
/// `Ok(None)`: it says nothing.
///
/// # Errors
/// What it has that is no label.
pub fn labels_in(value: Option<&Value>, labels: &[String]) -> Result<Option<Vec<usize>>, String> {
    let listed = match value {
        Some(Value::Array(list)) => Some(list.clone()),
        Some(Value::String(text)) => match literal::list_or_object(text) {
            Some(Value::Array(list)) => Some(list),
            _ => None,
        },
        _ => None,
    };
    let found = |parts: Vec<String>| -> Result<Option<Vec<usize>>, String> {
        let mut found = Vec::with_capacity(parts.len());
        for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
            found.push(label_of(part, labels).ok_or_else(|| part.to_owned())?);
        }
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    };
    if let Some(list) = listed {
        return found(list.iter().map(|part| words(Some(part)).into_owned()).collect());
    }
    let said = words(value);
    let said = said.trim();
    if let Some(one) = label_of(said, labels) {
        return Ok(Some(vec![one]));
    }
    if NONE.contains(&said.to_lowercase().as_str()) {
        return Ok(Some(Vec::new()));
    }
    if is_nothing(said) {
        return Ok(None);
    }
    // The rarest in labels first: one with a comma in it can be told apart by `;`.
    let separator = [';', '|', '\n', ','].into_iter().find(|separator| said.contains(*separator));
    match separator {
        Some(separator) => found(said.split(separator).map(str::to_owned).collect()),
        None => Err(said.to_owned()),
    }
}

/// The labels of a text where the table has a column for each, with 1 where it applies. `None`: one of them is
/// missing or says nothing.
pub fn labels_by_column(row: &Row, labels: &[String]) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    for (place, label) in labels.iter().enumerate() {
        if is_yes(row.get(label)?)? {
            found.push(place);
        }
    }
    Some(found)
}

/// Whether every label is a column whose cells, as far as there is anything in them, say yes or no.
pub fn have_columns(rows: &[&Row], columns: &[String], labels: &[String]) -> bool {
    let says = |row: &&Row, label: &String| match row.get(label) {
        None => true,
        Some(value) => is_nothing(&words(Some(value))) || is_yes(value).is_some(),
    };
    labels.iter().all(|label| columns.contains(label) && rows.iter().all(|row| says(row, label)))
}

fn is_yes(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        other => match words(Some(other)).trim().to_lowercase().as_str() {
            "1" | "1.0" | "true" | "yes" | "x" => Some(true),
            "0" | "0.0" | "false" | "no" => Some(false),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::table::Place;

    fn labels() -> Vec<String> {
        ["war", "trade, tariffs", "health"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_cell_names_labels_in_every_way_that_tables_have() {
        let of = |cell: Value| labels_in(Some(&cell), &labels());
        assert_eq!(of(json!("war")), Ok(Some(vec![0])));
        assert_eq!(of(json!("trade, tariffs")), Ok(Some(vec![1])), "one label with a comma");
        assert_eq!(of(json!("health; war")), Ok(Some(vec![0, 2])));
        assert_eq!(of(json!("war | trade, tariffs")), Ok(Some(vec![0, 1])));
        assert_eq!(of(json!("war, health, war")), Ok(Some(vec![0, 2])));
        assert_eq!(of(json!("['war', \"health\"]")), Ok(Some(vec![0, 2])), "pandas wrote a list");
        assert_eq!(of(json!(["health"])), Ok(Some(vec![2])));
        assert_eq!(of(json!("[]")), Ok(Some(vec![])));
        assert_eq!(of(json!("None of them")), Ok(Some(vec![])));
        assert_eq!(of(json!("")), Ok(None));
        assert_eq!(of(json!("NA")), Ok(None));
        assert_eq!(of(json!("war; peace")), Err("peace".to_owned()));
        assert_eq!(of(json!("peace")), Err("peace".to_owned()));
        let written = Value::from(in_a_cell(&labels(), &[0, 1]));
        assert_eq!(labels_in(Some(&written), &labels()), Ok(Some(vec![0, 1])));
    }

    #[test]
    fn a_column_a_label_is_read_too() {
        let row = |fields: Value| Row {
            fields: fields.as_object().cloned().unwrap_or_default(),
            place: Place { row: 1, line: None },
        };
        let labels = ["a", "b"].map(str::to_owned);
        let columns = ["text", "a", "b"].map(str::to_owned);
        let (one, gap) = (row(json!({"a": "1", "b": 0})), row(json!({"a": true, "b": ""})));
        assert!(have_columns(&[&one, &gap], &columns, &labels));
        assert_eq!(labels_by_column(&one, &labels), Some(vec![0]));
        assert_eq!(labels_by_column(&gap, &labels), None);
        let other = row(json!({"a": "2", "b": "0"}));
        assert!(!have_columns(&[&one, &other], &columns, &labels));
        assert!(!have_columns(&[&one], &columns[..2], &labels));
    }
}
