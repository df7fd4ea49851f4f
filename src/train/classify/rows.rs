//! Rows of texts with labels, from any table: what each says, before it is known which labels there
//! are.

use std::path::Path;

use serde_json::{Map, Value};

use crate::data::cell;
use crate::data::forms::mapping::Mapping;
use crate::data::forms::value::{given, kind_of};
use crate::data::literal;
use crate::data::table::{self, ImportError, Reading, Report, Unmapped};
use crate::jobs::Progress;
use crate::train::config::Objective;
use crate::train::rows::RowsError;

/// A row, with the number of its line, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct TextRow {
    pub line: usize,
    pub content: Content,
    pub label: Given,

    /// Where the person says in which part it belongs.
    pub part: Option<Part>,

    /// What must not be in two parts.
    pub group: Option<String>,
}

/// What is read of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Text {
        text: String,
        second: Option<String>,
    },

    /// Masked already: ids, and the right ones where something is hidden (-100 elsewhere).
    Masked {
        ids: Vec<u32>,
        labels: Vec<i64>,
    },
}

/// A label as the row has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    None,
    Name(String),

    /// Several: each of them belongs to the text, or each is what a coder said.
    Names(Vec<String>),

    /// Shares by name.
    Shares(Vec<(String, f64)>),

    /// A number for each label, in their order.
    Vector(Vec<f64>),
    Number(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Train,
    Validation,
    Test,
}

/// All rows of a file, and those that were left out.
#[derive(Clone, Debug)]
pub struct TextRows {
    pub rows: Vec<TextRow>,

    /// Lines without a label, and without a text.
    pub unlabelled: Vec<usize>,
    pub empty: Vec<usize>,
    pub report: Report,
}

/// Reads every row of a file.
pub fn read(
    path: &Path,
    columns: &Mapping,
    objective: Objective,
    progress: &dyn Progress<Reading>,
) -> Result<TextRows, RowsError> {
    let table::Table { report, rows } = table::rows(path, progress)?;
    let unmapped = |problem: String, report: &Report| {
        let error = ImportError::Table { path: path.to_owned(), row: None, column: None, problem };
        RowsError::Columns(Box::new(Unmapped { report: report.clone(), error }))
    };
    if let Some(problem) = columns.missing(&report.columns) {
        return Err(unmapped(problem, &report));
    }
    let wants_label = objective != Objective::Mlm;
    let has = |name: &str| {
        columns.get(name).is_some() || report.columns.iter().any(|column| column == name)
    };
    let has_text = ["text", "sentence", "headline"].into_iter().any(has) || has("input_ids");
    let has_label = ["label", "labels"].into_iter().any(has);
    if !has_text || (wants_label && !has_label) {
        let lacking = if has_text { "label" } else { "text" };
        let all: Vec<String> =
            report.columns.iter().map(|column| format!("\"{column}\"")).collect();
        let problem = format!(
            "it has no column \"{lacking}\"; its columns are {}. Say which one is meant: columns = {{ {lacking} = \"NAME\" }}",
            all.join(", ")
        );
        return Err(unmapped(problem, &report));
    }
    let mut found =
        TextRows { rows: Vec::new(), unlabelled: Vec::new(), empty: Vec::new(), report };
    for table::Row { place, fields } in rows {
        let line = place.number() as usize;
        let fields: Map<String, Value> = columns.apply(fields);
        let explained = |(key, problem): (&str, String)| {
            let (key, problem) = columns.explain(Some(key), problem);
            RowsError::Table(found.report.error(place, key.as_deref(), problem))
        };
        let content = content(&fields).map_err(explained)?;
        let Some(content) = content else {
            found.empty.push(line);
            continue;
        };
        let label =
            if wants_label { label(&fields, objective).map_err(explained)? } else { Given::None };
        if wants_label && label == Given::None {
            found.unlabelled.push(line);
            continue;
        }
        let part = match given(&fields, "split") {
            None => None,
            Some(value) => Some(part(value).map_err(|problem| explained(("split", problem)))?),
        };
        let group = given(&fields, "group").map(plain);
        found.rows.push(TextRow { line, content, label, part, group });
    }
    Ok(found)
}

/// A value as it is written.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

fn content(fields: &Map<String, Value>) -> Result<Option<Content>, (&'static str, String)> {
    if let Some(ids) = given(fields, "input_ids") {
        let numbers = |key: &'static str, value: Option<&Value>| {
            let list = value.and_then(Value::as_array);
            let found =
                list.and_then(|list| list.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>());
            found.ok_or_else(|| (key, format!("\"{key}\" must be a list of whole numbers")))
        };
        let ids = numbers("input_ids", Some(ids))?;
        let ids = ids.into_iter().map(u32::try_from).collect::<Result<Vec<u32>, _>>();
        let ids = ids
            .map_err(|_negative| ("input_ids", "\"input_ids\" has a number below 0".to_owned()))?;
        let labels = numbers("labels", given(fields, "labels"))?;
        if labels.len() != ids.len() {
            let problem = format!(
                "\"labels\" has {} numbers and \"input_ids\" {}: both must be as long",
                labels.len(),
                ids.len()
            );
            return Err(("labels", problem));
        }
        return Ok(Some(Content::Masked { ids, labels }));
    }
    let text = |key: &'static str| match given(fields, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err((key, format!("\"{key}\" must be text, and it is {}", kind_of(other)))),
    };
    let mut first = None;
    for key in ["text", "sentence", "headline"] {
        first = first.or(text(key)?);
    }
    let second = text("text_pair")?;
    Ok(first
        .filter(|text| !text.trim().is_empty())
        .map(|text| Content::Text { text, second: second.filter(|text| !text.is_empty()) }))
}

fn label(
    fields: &Map<String, Value>,
    objective: Objective,
) -> Result<Given, (&'static str, String)> {
    let key = if given(fields, "label").is_some() { "label" } else { "labels" };
    let Some(value) = given(fields, key) else { return Ok(Given::None) };
    let found = if objective == Objective::Regress { number(value) } else { class(value) };
    found.map_err(|problem| (key, problem))
}

fn number(value: &Value) -> Result<Given, String> {
    let of = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => cell::number(text),
        _ => None,
    };
    match value {
        Value::String(text) if text.trim().is_empty() || cell::is_missing(text) => Ok(Given::None),
        Value::Array(list) => {
            let numbers: Option<Vec<f64>> = list.iter().map(of).collect();
            numbers.map(Given::Vector).ok_or_else(|| "its number must be a number".to_owned())
        }
        value => match of(value).filter(|number| number.is_finite()) {
            Some(number) => Ok(Given::Number(number)),
            None => Err(format!(
                "its label must be a number for Regress, and it is {value}. Write numbers as 1234.5"
            )),
        },
    }
}

fn class(value: &Value) -> Result<Given, String> {
    Ok(match value {
        Value::String(text) => {
            let text = text.trim();
            // A list or a table of shares in a cell of a CSV file.
            if text.starts_with(['[', '{'])
                && let Some(inner) = literal::list_or_object(text)
            {
                return class(&inner);
            }
            let is_nothing = text.is_empty() || cell::is_missing(text);
            if is_nothing { Given::None } else { Given::Name(text.to_owned()) }
        }
        Value::Number(number) => match number.as_f64().filter(|value| value.fract() == 0.0) {
            Some(whole) => Given::Name(format!("{whole:.0}")),
            None => {
                return Err(format!(
                    "its label is {number}; for numbers as they are, take objective = \"regress\""
                ));
            }
        },
        Value::Bool(value) => Given::Name(value.to_string()),
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_number) => {
            Given::Vector(list.iter().filter_map(Value::as_f64).collect())
        }
        Value::Array(list) => {
            let names = list.iter().map(|name| match name {
                Value::String(text) => Some(text.trim().to_owned()),
                Value::Null => None,
                other => Some(other.to_string()),
            });
            Given::Names(names.flatten().collect())
        }
        Value::Object(shares) => {
            let shares: Option<Vec<(String, f64)>> =
                shares.iter().map(|(name, share)| Some((name.clone(), share.as_f64()?))).collect();
            Given::Shares(shares.ok_or_else(|| {
                "its label is a table whose values are not numbers; the share of each label was expected".to_owned()
            })?)
        }
        Value::Null => Given::None,
    })
}

fn part(value: &Value) -> Result<Part, String> {
    let name = plain(value).to_lowercase();
    match name.as_str() {
        "train" | "training" => Ok(Part::Train),
        "validation" | "valid" | "val" | "dev" | "eval" | "development" => Ok(Part::Validation),
        "test" | "testing" => Ok(Part::Test),
        _ => Err(format!("its part is \"{name}\"; train, validation or test was expected")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value, objective: Objective) -> Result<Given, String> {
        let fields = Map::from_iter([("label".to_owned(), value.clone())]);
        label(&fields, objective).map_err(|(_, problem)| problem)
    }

    /// What R, Excel and pandas make of labels on their way through CSV.
    #[test]
    fn labels_are_read_as_people_and_programs_write_them() {
        let class = |value: Value| of(&value, Objective::Classify).unwrap();
        let name = |name: &str| Given::Name(name.to_owned());
        assert_eq!(class(json!(1.0)), name("1"));
        assert_eq!(class(json!("NA")), Given::None);
        assert_eq!(class(json!("none")), name("none"));
        let names = Given::Names(vec!["x".to_owned(), "y's".to_owned()]);
        assert_eq!(class(json!("['x', \"y's\"]")), names);
        assert_eq!(class(json!("[\"x\", \"y's\"]")), names);
        assert_eq!(class(json!("[x]")), name("[x]"), "a name like any other");
        let number = |value: Value| of(&value, Objective::Regress);
        assert_eq!(number(json!("1,5")), Ok(Given::Number(1.5)));
        assert_eq!(number(json!("1,200.5")), Ok(Given::Number(1200.5)));
        assert_eq!(number(json!("NA")), Ok(Given::None));
        assert!(number(json!("1,200")).unwrap_err().contains("Write numbers as 1234.5"));
    }
}
