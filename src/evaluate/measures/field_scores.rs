//! Fields that a model read out of texts, against those that a person read out of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::figure::WithInterval;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::written::{Written, cell};
use crate::evaluate::task::extract::Extract;
use crate::stats::text::squad::{normalised, token_f1};
use crate::words::table::Table;

/// What is said of all fields.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldScores {
    pub fields: Vec<FieldScore>,

    /// By quote, the share of quotes whose words are in the text.
    pub quotes: Vec<(String, WithInterval)>,

    /// Answers that came to the end of their room and were closed there.
    pub ended_early: usize,

    /// Of long texts that were read in windows; where there are none, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<InWindows>,
}

/// Texts that were read in windows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InWindows {
    pub texts: usize,
    pub windows: usize,

    /// Windows out of which nothing could be read.
    pub problems: usize,

    /// About how many tokens windows overlap.
    pub overlap: usize,

    /// By field, the texts whose windows have different values of it.
    pub disagree: Vec<(String, usize)>,
}

impl InWindows {
    fn of(extract: &Extract, rows: &[&Answered]) -> Option<Self> {
        let written = rows.iter().filter_map(|row| row.written.as_ref());
        let written: Vec<&Written> = written.filter(|it| !it.windows.is_empty()).collect();
        if written.is_empty() {
            return None;
        }
        let windows = || written.iter().flat_map(|written| &written.windows);
        let mut disagree: BTreeMap<&String, usize> = BTreeMap::new();
        for name in written.iter().flat_map(|written| &written.disagree) {
            *disagree.entry(name).or_default() += 1;
        }
        let disagree = disagree.into_iter().map(|(name, count)| (name.clone(), count));
        Some(Self {
            texts: written.len(),
            windows: windows().count(),
            problems: windows().filter(|window| window.problem.is_some()).count(),
            overlap: extract.overlap,
            disagree: disagree.collect(),
        })
    }

    /// For a methods section.
    pub fn sentence(&self) -> String {
        let long = texts(self.texts);
        let mut said = format!(
            "Texts that did not fit into one window ({long}) were read in {} windows, which end with sentences \
             or paragraphs and overlap by about {} tokens. Their fields were merged by fixed rules: of lists the \
             union in order; of other fields the first value whose quote is in the text, else the first that a \
             window has.",
            self.windows, self.overlap
        );
        let listed = self.disagree.iter();
        let listed: Vec<String> =
            listed.map(|(name, count)| format!("“{name}” in {}", texts(*count))).collect();
        if !listed.is_empty() {
            said.push_str(&format!(" Windows have different values of {}.", listed.join(", ")));
        }
        if self.problems > 0 {
            said.push_str(&format!(
                " Windows out of which nothing could be read: {}.",
                self.problems
            ));
        }
        said
    }

    /// A part of the report.
    pub fn markdown(&self) -> String {
        let table = Table::default().words(["field"]);
        let mut table = table.numbers(["texts whose windows have different values"]);
        for (name, count) in &self.disagree {
            table.row(&[name, &format!("{count} of {}", self.texts)]);
        }
        table.after("\n")
    }
}

/// One field against a person's column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldScore {
    pub field: String,

    /// Rows in which a person wrote something.
    pub items: usize,

    /// The share that is the same: letter for letter but for spaces at the ends; of numbers, the
    /// same number.
    pub exact: WithInterval,

    /// The mean F1 of the words, as `SQuAD` counts it.
    pub token_f1: WithInterval,

    /// Of numbers, the share that is within the tolerance.
    pub within: Option<WithInterval>,
}

fn texts(count: usize) -> String {
    if count == 1 { "1 text".to_owned() } else { format!("{count} texts") }
}

impl FieldScores {
    pub fn of(extract: &Extract, rows: &[&Answered]) -> Self {
        let written = || rows.iter().filter_map(|row| row.written.as_ref());
        let fields = extract.human.keys().map(|field| {
            let pairs: Vec<(Value, String)> = written()
                .filter_map(|written| {
                    let person = written.people.get(field)?;
                    let value = written.fields.get(field).cloned().unwrap_or(Value::Null);
                    Some((value, person.clone()))
                })
                .collect();
            FieldScore::of(field, &pairs, extract.tolerance)
        });
        let fields = fields.collect();
        let mut names: Vec<&String> = written().flat_map(|written| written.quotes.keys()).collect();
        names.sort();
        names.dedup();
        let quotes = names.into_iter().map(|name| {
            let found: Vec<bool> =
                written().filter_map(|written| written.quotes.get(name)).copied().collect();
            let right = found.iter().filter(|found| **found).count();
            (name.clone(), WithInterval::share(right, found.len()))
        });
        let quotes = quotes.collect();
        let ended_early = written().filter(|it| it.ended_early).count();
        Self { fields, quotes, ended_early, windows: InWindows::of(extract, rows) }
    }
}

impl FieldScore {
    fn of(field: &str, pairs: &[(Value, String)], tolerance: f64) -> Self {
        let exact = pairs.iter().filter(|(value, person)| is_same(value, person)).count();
        let f1: Vec<f64> = pairs.iter().map(|(value, person)| words_f1(value, person)).collect();
        let is_number = pairs.iter().any(|(value, _)| value.is_number());
        let within = is_number.then(|| {
            let near = pairs.iter().filter(|(value, person)| {
                let numbers = (value.as_f64(), number(person));
                matches!(numbers, (Some(a), Some(b)) if (a - b).abs() <= tolerance)
                    || is_same(value, person)
            });
            WithInterval::share(near.count(), pairs.len())
        });
        Self {
            field: field.to_owned(),
            items: pairs.len(),
            exact: WithInterval::share(exact, pairs.len()),
            token_f1: WithInterval::mean(&f1),
            within,
        }
    }
}

/// Whether a value is what a person wrote. A list is what stands between semicolons, in any order;
/// `none`, `null` and `-` mean that the text does not say it.
pub fn is_same(value: &Value, person: &str) -> bool {
    let person = person.trim();
    match value {
        Value::Null => is_none(person),
        Value::Bool(said) => truth(person) == Some(*said),
        Value::Number(said) => number(person).is_some_and(|number| said.as_f64() == Some(number)),
        Value::String(said) => spaced(said) == spaced(person),
        Value::Array(items) => {
            let mut wanted = listed(person);
            let same = wanted.len() == items.len();
            same && items.iter().all(|item| {
                let found = wanted.iter().position(|wanted| is_same(item, wanted));
                found.map(|at| wanted.remove(at)).is_some()
            })
        }
        Value::Object(_) => {
            serde_json::from_str::<Value>(person).is_ok_and(|wanted| wanted == *value)
        }
    }
}

fn words_f1(value: &Value, person: &str) -> f64 {
    if is_same(value, person) {
        return 1.0;
    }
    let person = if is_none(person) { "" } else { person };
    token_f1(&normalised(&cell(value)), &normalised(person))
}

fn is_none(person: &str) -> bool {
    matches!(person.to_lowercase().as_str(), "none" | "null" | "-" | "–" | "[]")
}

fn truth(person: &str) -> Option<bool> {
    match person.to_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// `1,214` is 1214.
fn number(person: &str) -> Option<f64> {
    let person = person.trim();
    person.parse().ok().or_else(|| person.replace(',', "").parse().ok())
}

fn listed(person: &str) -> Vec<String> {
    if let Ok(Value::Array(items)) = serde_json::from_str(person) {
        return items.iter().map(cell).collect();
    }
    if is_none(person) {
        return Vec::new();
    }
    person.split(';').map(|item| item.trim().to_owned()).collect()
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<&str>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_what_a_person_wrote_in_a_cell() {
        for (value, person, same) in [
            (json!("Open  Data"), "Open Data", true),
            (json!("open data"), "Open Data", false),
            (json!(1214), "1,214", true),
            (json!(1214.5), "1214.5", true),
            (json!(3), "about 3", false),
            (json!(true), "Yes", true),
            (json!(null), "none", true),
            (json!(null), "2020", false),
            (json!(["a", "b c"]), "b c; a", true),
            (json!(["a", "a"]), "a; b", false),
            (json!([]), "-", true),
            (json!([1, 2]), "[2, 1]", true),
        ] {
            assert_eq!(is_same(&value, person), same, "{value} and {person}");
        }
    }

    #[test]
    fn numbers_may_be_as_far_off_as_the_tolerance() {
        let pairs = [(json!(10), "10".to_owned()), (json!(12), "11".to_owned())];
        let score = |tolerance| FieldScore::of("n", &pairs, tolerance);
        assert_eq!(score(0.0).within.unwrap().value.value, Some(0.5));
        assert_eq!(score(1.0).within.unwrap().value.value, Some(1.0));
        assert_eq!(score(1.0).exact.value.value, Some(0.5));
        // SQuAD's F1 of "12" and "11" is 0.
        assert_eq!(score(0.0).token_f1.value.value, Some(0.5));
    }
}
