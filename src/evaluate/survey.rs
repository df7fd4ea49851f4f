//! A survey that a model answers as different people: who they are, how it is asked, and what real
//! people said.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cells::words;
use crate::data::table;
use crate::data::table::{ImportError, Reading, Row};
use crate::jobs::Progress;

/// A survey as a task's file has it. The rows of the task's table are its items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Survey {
    /// The column of the questions.
    pub question: String,

    /// A column for each option, in the order of the scale, or one column with a list of them.
    pub options: Vec<String>,

    /// Options that refuse an answer, as `don't know`: their mass is said apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusal: Vec<String>,

    /// A table of people, a row each. Without it the model answers as itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personas: Option<PathBuf>,

    /// What is said of a person, with columns of that table in braces.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub persona: String,

    /// The column of that table whose groups are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,

    /// A table of what real people said: `item` as the id of an item, `option`, `share`, and `group`
    /// where shares are of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marginals: Option<PathBuf>,

    /// How answers are read from the model; side by side in the report.
    pub ways: Vec<Way>,

    /// How many answers are drawn where they are sampled.
    pub samples: usize,
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            question: String::new(),
            options: Vec::new(),
            refusal: Vec::new(),
            personas: None,
            persona: String::new(),
            by: None,
            marginals: None,
            ways: vec![Way::Letters],
            samples: 20,
        }
    }
}

/// How a distribution over options is read from a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The probabilities of the letters that the options are listed under.
    Letters,

    /// The probabilities of the options' whole texts.
    Texts,

    /// The model says percentages.
    Verbalised,

    /// Answers are drawn and counted.
    Sampled,
}

impl Way {
    pub fn words(self) -> &'static str {
        match self {
            Self::Letters => "letters",
            Self::Texts => "whole texts",
            Self::Verbalised => "said in per cent",
            Self::Sampled => "drawn answers",
        }
    }
}

/// What belongs to one question to one person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Poll {
    pub item: String,

    /// The options that refuse an answer, by place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<usize>,

    /// The share of each option among real people of the same group; empty: it is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<f64>,
}

/// What a model answered, way by way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Surveyed {
    pub poll: Poll,
    pub ways: BTreeMap<Way, Distribution>,
}

/// Over the options of a question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Distribution {
    /// Averaged over the orders; they add up to 1, or are empty where no option was said.
    pub probabilities: Vec<f64>,

    /// In the order of the table alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_first_order: Vec<f64>,

    /// Mean probability of each place in the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_place: Vec<f64>,

    /// The probability, or the share of drawn answers, of anything but an option.
    pub other: f64,
}

/// A person of the personas' table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub words: String,
    pub group: Option<String>,
}

/// What is read beside the items.
#[derive(Clone, Debug, Default)]
pub struct Field {
    pub people: Vec<Person>,
    marginals: BTreeMap<(String, Option<String>), BTreeMap<String, f64>>,
}

/// Why a survey cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    #[error(transparent)]
    Table(#[from] ImportError),

    #[error("{0}")]
    Unusable(String),
}

impl Survey {
    /// Reads the people, and what real people said.
    pub fn field(&self, progress: &dyn Progress<Reading>) -> Result<Field, SurveyError> {
        let mut field = Field { people: vec![Person::default()], ..Field::default() };
        if let Some(path) = &self.personas {
            let table = table::rows(path, progress)?;
            field.people =
                table.rows.iter().map(|row| self.person(row)).collect::<Result<_, _>>()?;
        } else if !self.persona.is_empty() || self.by.is_some() {
            return Err(SurveyError::Unusable(
                "the task says something of people and names no `personas`: the table that has them"
                    .to_owned(),
            ));
        }
        if let Some(path) = &self.marginals {
            let table = table::rows(path, progress)?;
            for row in &table.rows {
                let cell = |name: &str| words(row.get(name)).trim().to_owned();
                let share = cell("share");
                let share: f64 = share.parse().ok().filter(|it| *it >= 0.0).ok_or_else(|| {
                    let said = format!("“{share}” is no share of people: a number of 0 or more");
                    SurveyError::Table(table.report.error(row.place, Some("share"), said))
                })?;
                let group = Some(cell("group")).filter(|group| !group.is_empty());
                let known = field.marginals.entry((cell("item"), group)).or_default();
                known.insert(cell("option"), share);
            }
        }
        Ok(field)
    }

    fn person(&self, row: &Row) -> Result<Person, SurveyError> {
        let mut said = self.persona.clone();
        for (name, value) in &row.fields {
            said = said.replace(&format!("{{{name}}}"), &words(Some(value)));
        }
        if let Some(at) = said.find('{') {
            let near: String = said[at..].chars().take(30).collect();
            return Err(SurveyError::Unusable(format!(
                "`persona` names {near}, and the table of people has no such column"
            )));
        }
        let group = match &self.by {
            None => None,
            Some(column) if row.fields.contains_key(column) => {
                Some(words(row.get(column)).trim().to_owned())
            }
            Some(column) => {
                return Err(SurveyError::Unusable(format!(
                    "the table of people has no column \"{column}\", which the results are to be \
                     compared by"
                )));
            }
        };
        Ok(Person { words: said, group })
    }
}

impl Field {
    /// What real people of a group said of an item, or of all people where there is no such group.
    pub fn shares(&self, item: &str, group: Option<&str>, options: &[String]) -> Vec<f64> {
        let of =
            |group: Option<&str>| self.marginals.get(&(item.to_owned(), group.map(str::to_owned)));
        let Some(known) = of(group).or_else(|| of(None)) else { return Vec::new() };
        let shares: Vec<f64> =
            options.iter().map(|option| known.get(option.trim()).copied().unwrap_or(0.0)).collect();
        let all: f64 = shares.iter().sum();
        if all > 0.0 { shares.iter().map(|share| share / all).collect() } else { Vec::new() }
    }
}

/// The places of the options that refuse an answer.
pub fn refusals(options: &[String], refusal: &[String]) -> Vec<usize> {
    let is = |option: &String| {
        refusal.iter().any(|words| words.trim().eq_ignore_ascii_case(option.trim()))
    };
    options.iter().enumerate().filter(|(_, option)| is(option)).map(|(at, _)| at).collect()
}

/// The option that a drawn answer means: its letter at the beginning, or its words.
pub fn meant(answer: &str, options: &[&str]) -> Option<usize> {
    let answer = answer.trim().trim_start_matches(['(', '"', '*', ' ']);
    let begins = |option: &&&str| {
        let option = option.trim().to_lowercase();
        !option.is_empty() && answer.to_lowercase().starts_with(&option)
    };
    // The longest option that it begins with: `agree` and `agree a lot`.
    let found = options.iter().filter(begins).max_by_key(|option| option.len());
    if let Some(found) = found {
        return options.iter().position(|option| option == found);
    }
    let mut letters = answer.chars();
    let letter = letters.next().filter(char::is_ascii_uppercase)?;
    if letters.next().is_some_and(char::is_alphanumeric) {
        return None;
    }
    let place = usize::from(letter as u8 - b'A');
    (place < options.len()).then_some(place)
}

/// The percentages that a model said, made to add up to 1.
pub fn said_shares(fields: &serde_json::Map<String, Value>, count: usize) -> Vec<f64> {
    let value = |place: usize| {
        let letter = char::from(b'A' + place as u8).to_string();
        fields.get(&letter).and_then(Value::as_f64).unwrap_or(0.0)
    };
    let said: Vec<f64> = (0..count).map(value).collect();
    let all: f64 = said.iter().sum();
    if all > 0.0 { said.iter().map(|share| share / all).collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_answer_is_read_by_its_letter_or_its_words() {
        let options = ["agree", "agree a lot", "disagree"];
        for (answer, place) in [
            ("A", Some(0)),
            ("B. because", Some(1)),
            ("(C)", Some(2)),
            ("Agree a lot, I think", Some(1)),
            ("agree", Some(0)),
            ("D", None),
            ("As a model", None),
            ("", None),
        ] {
            assert_eq!(meant(answer, &options), place, "{answer}");
        }
    }

    #[test]
    fn refusals_are_found_and_shares_add_up() {
        let options = ["yes", "no", "Don't know"].map(str::to_owned);
        assert_eq!(refusals(&options, &["don't know".to_owned()]), [2]);
        let mut field = Field::default();
        let shares = BTreeMap::from([("yes".to_owned(), 30.0), ("no".to_owned(), 10.0)]);
        field.marginals.insert(("q".to_owned(), None), shares);
        assert_eq!(field.shares("q", Some("young"), &options), [0.75, 0.25, 0.0]);
        assert!(field.shares("other", None, &options).is_empty());
    }
}
