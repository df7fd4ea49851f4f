//! Prompts with answers that are there already become the items of a study of pairs: each answer
//! compared with each other one to the same prompt, and which models gave them kept apart.

use std::collections::{BTreeMap, HashMap};

use super::folder::Origin;
use super::item::{Columns, Item, Role, cell};
use super::variable::{Variable, Variables};
use crate::data::forms::candidates::Candidates;
use crate::data::pair::Text;
use crate::data::table::Row;
use crate::words::counted;

/// Where the log-probabilities of the two answers stand that a model computed for the sample.
pub const LOGPROBS: [&str; 2] = ["logprob_first", "logprob_second"];

/// What was made of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    pub items: Vec<Item>,
    pub origins: Vec<Origin>,

    /// Pairs whose two answers have the same words: nothing can be asked of them.
    pub alike: usize,
}

/// What is said of pairs that are left out.
pub fn alike_words(count: usize) -> String {
    format!("{} left out: both answers have the same words", counted(count, "pair is", "pairs are"))
}

/// Makes items of prompts with their answers; a row without columns is of files that were joined. `kept`:
/// columns that the sample is drawn by. The error is a sentence that names the row.
pub fn of_candidates(
    rows: Vec<(Candidates, Option<Row>)>,
    columns: &Columns,
    variables: &Variables,
    kept: &[String],
) -> Result<Pairs, String> {
    let mut found = Pairs::default();
    let mut seen: HashMap<String, String> = HashMap::new();
    for (number, (candidates, row)) in (1_usize..).zip(rows) {
        let place = match row.as_ref().map(|row| row.place) {
            Some(place) if place.line.is_some() => format!("line {}", place.number()),
            Some(place) => format!("row {}", place.number()),
            None => format!("prompt {number}"),
        };
        let said = |column: &str| {
            row.as_ref().and_then(|row| row.get(column)).map(cell).unwrap_or_default()
        };
        let id = match said(&columns.id).trim() {
            "" if columns.id.is_empty() => number.to_string(),
            "" => {
                return Err(format!(
                    "{place} has no id in the column “{}”: write one, or choose another column",
                    columns.id
                ));
            }
            id => id.to_owned(),
        };
        if let Some(first) = seen.insert(id.clone(), place.clone()) {
            return Err(format!("{place} has the id “{id}” of {first}: each needs its own"));
        }
        let role = Role::of_cell(&said(&columns.role), &columns.role)
            .map_err(|problem| format!("{place} {problem}"))?;
        let Candidates { prompt, answers } = candidates;
        if role != Role::Coding && answers.len() != 2 {
            return Err(format!(
                "{place} is for {} and has {} answers: two are expected, of which one is right",
                role.words(),
                answers.len()
            ));
        }
        let mut expected = BTreeMap::new();
        for (variable, column) in columns.expected.iter().filter(|_| role != Role::Coding) {
            let Some((_, variable)) = variables.named(variable) else { continue };
            let value = right_code(variable, &said(column))
                .map_err(|problem| format!("{place}, column “{column}”: {problem}"))?;
            expected.extend(value.map(|value| (variable.name.clone(), value)));
        }
        if role != Role::Coding && expected.is_empty() {
            return Err(format!(
                "{place} is for {} but has no right answer: name the column that says it",
                role.words()
            ));
        }
        let feedback = if role == Role::Training { said(&columns.feedback) } else { String::new() };
        let more = kept.iter().filter_map(|name| {
            let value = row.as_ref()?.get(name)?;
            Some((name.clone(), value.clone()))
        });
        let item = Item {
            text: prompt.words(),
            prompt: matches!(prompt, Text::Messages(_)).then(|| Box::new(prompt)),
            role,
            expected,
            feedback,
            more: more.collect(),
            ..Item::default()
        };
        let several = answers.len() > 2;
        for (at, one) in answers.iter().enumerate() {
            for (other_at, other) in answers.iter().enumerate().skip(at + 1) {
                if one.text.trim() == other.text.trim() {
                    found.alike += 1;
                    continue;
                }
                let id =
                    if several { format!("{id}.{}-{}", at + 1, other_at + 1) } else { id.clone() };
                let models = [one.model.clone(), other.model.clone()];
                found.origins.push(Origin { item: id.clone(), models });
                let answers = Some(Box::new([one.text.clone(), other.text.clone()]));
                found.items.push(Item { id, answers, ..item.clone() });
            }
        }
    }
    if !found.items.iter().any(|item| item.role == Role::Coding) {
        return Err(if found.alike > 0 {
            "every pair has the same answer twice: there is nothing to compare".to_owned()
        } else {
            "the file has no pair to be compared".to_owned()
        });
    }
    Ok(found)
}

fn right_code(variable: &Variable, cell: &str) -> Result<Option<super::value::Value>, String> {
    let value = variable.parse(cell)?;
    let refused = value.as_ref().and_then(|value| variable.refusal(value, ""));
    refused.map_or(Ok(value), Err)
}

#[cfg(test)]
#[path = "pairs_tests.rs"]
pub mod tests;
