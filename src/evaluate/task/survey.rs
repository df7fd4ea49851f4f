//! A survey that a model answers as different people: who they are, how it is asked, and what real
//! people said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manner::{Manner, Way, Wording};
use crate::data::cell::number as cell_number;
use crate::data::table;
use crate::data::table::{ImportError, Reading, Row};
use crate::evaluate::cells::words;
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

    /// How far the model is held to the options; side by side too.
    #[serde(skip_serializing_if = "is_usual")]
    pub forms: Vec<Wording>,

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
            forms: vec![Wording::Forced],
            samples: 20,
        }
    }
}

fn is_usual(forms: &[Wording]) -> bool {
    forms == [Wording::Forced]
}

/// What belongs to one question to one person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Poll {
    pub item: String,

    /// What was asked, and the options.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,

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
    pub ways: BTreeMap<Manner, Distribution>,
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

/// The tables beside that of the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Who answers, a row each.
    People,

    /// What real people said.
    Marginals,
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
    /// Every way in every wording that allows it, the wordings one after the other.
    pub fn manners(&self) -> Vec<Manner> {
        let of = |wording: &Wording| {
            let wording = *wording;
            let ways = self.ways.iter().filter(move |way| wording.allows(**way));
            ways.map(move |way| Manner { wording, way: *way })
        };
        let mut found: Vec<Manner> = self.forms.iter().flat_map(of).collect();
        let mut known = std::collections::BTreeSet::new();
        found.retain(|manner| known.insert(*manner));
        found
    }

    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.ways.is_empty() || self.samples == 0 {
            let said = "[survey] needs one of the `ways` at least, and 1 or more `samples`";
            return Some(said.to_owned());
        }
        if self.forms.is_empty() {
            let said = "[survey] needs one of the `forms` at least: forced, unforced, open";
            return Some(said.to_owned());
        }
        let manners = self.manners();
        let without =
            self.forms.iter().find(|form| manners.iter().all(|manner| manner.wording != **form))?;
        let needed = match without {
            Wording::Open => {
                "shows no options, so that there are no letters: add \"texts\" or \"sampled\""
            }
            _ => "does not ask for per cents: add \"letters\", \"texts\" or \"sampled\"",
        };
        Some(format!("the form \"{}\" of [survey] {needed} to its `ways`", without.words()))
    }

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
            if let Some(problem) = lacking(path, &table.report.columns) {
                return Err(SurveyError::Unusable(problem));
            }
            for row in &table.rows {
                let cell = |name: &str| words(row.get(name)).trim().to_owned();
                let share = cell("share");
                // In per cent or not: the shares of an item are made to add up to 1.
                let bare = share.trim_end_matches('%');
                let share: f64 = cell_number(bare).filter(|it| *it >= 0.0).ok_or_else(|| {
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

    /// A row of the table of people.
    pub fn person(&self, row: &Row) -> Result<Person, SurveyError> {
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

/// What a table of marginals lacks, as a sentence.
pub fn lacking(path: &Path, columns: &[String]) -> Option<String> {
    let missing = ["item", "option", "share"]
        .into_iter()
        .find(|name| columns.iter().all(|column| column != name))?;
    Some(format!(
        "{} has no column \"{missing}\": of what real people said a row has `item` (as the row of the \
         item is named), `option` (its words), `share`, and `group` where shares are of a group; it has \
         {}",
        path.display(),
        columns.join(", ")
    ))
}

impl Field {
    /// What of the marginals belongs to no option of an item, as a sentence. `items`: each with its
    /// options.
    pub fn stray(&self, items: &[(String, &[String])]) -> Option<String> {
        let mut found = 0;
        for ((item, _), shares) in &self.marginals {
            let Some((_, options)) = items.iter().find(|(name, _)| name == item) else { continue };
            found += 1;
            let is_known =
                |option: &&String| options.iter().any(|known| known.trim() == option.as_str());
            if let Some(stray) = shares.keys().find(|option| !is_known(option)) {
                let known: Vec<&str> = options.iter().map(|option| option.trim()).collect();
                return Some(format!(
                    "the marginals have a share of “{stray}” of the item {item}, which has no such \
                     option; it has “{}”",
                    known.join("”, “")
                ));
            }
        }
        let (first, _) = self.marginals.keys().next().filter(|_| found == 0)?;
        let (own, _) = items.first()?;
        Some(format!(
            "none of the items of the marginals is in the table: they begin with “{first}”, and the \
             table with “{own}”. `id` says which column names an item"
        ))
    }

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

/// The same of an answer that is not held to the options: the only option that it names counts too.
///
/// A letter has a mark after it, or stands alone: `A person` means no option. Without letters in the
/// question there are none in the answer.
pub fn meant_freely(answer: &str, options: &[&str], has_letters: bool) -> Option<usize> {
    let mut letters = answer.trim().trim_start_matches(['(', '"', '*', ' ']).chars().skip(1);
    let is_marked = letters.next().is_none_or(|next| matches!(next, '.' | ')' | ':' | ',' | '*'));
    let begun = (has_letters && is_marked).then_some(answer);
    begun.and_then(|answer| meant(answer, options)).or_else(|| {
        let said = answer.to_lowercase();
        let mut named: Vec<(usize, usize, usize)> = Vec::new();
        for (place, option) in options.iter().enumerate() {
            let option = option.trim().to_lowercase();
            let whole = |at: &(usize, &str)| {
                let before = said[..at.0].chars().next_back();
                let after = said[at.0 + option.len()..].chars().next();
                ![before, after].into_iter().flatten().any(char::is_alphanumeric)
            };
            // A single letter is a word of English, too.
            let is_name = option.chars().count() > 1;
            let found = said.match_indices(&option).filter(|_| is_name).find(whole);
            named.extend(found.map(|(at, found)| (at, at + found.len(), place)));
        }
        // `agree` within `agree a lot` is not named.
        let is_within = |one: &(usize, usize, usize)| {
            named.iter().any(|it| it.2 != one.2 && it.0 <= one.0 && one.1 <= it.1)
        };
        let mut alone = named.iter().filter(|one| !is_within(one));
        match (alone.next(), alone.next()) {
            (Some((_, _, place)), None) => Some(*place),
            _ => None,
        }
    })
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
    fn a_free_answer_counts_where_it_names_one_option() {
        let options = ["agree", "agree a lot", "don't know"];
        for (answer, place) in [
            ("Well, I would agree a lot with that", Some(1)),
            ("I think I agree.", Some(0)),
            ("I don't know, or I agree", None),
            ("Honestly, I don't know.", Some(2)),
            ("disagree", None),
            ("B) yes", Some(1)),
            ("It depends.", None),
            ("A person like me would not say.", None),
            ("A", Some(0)),
        ] {
            assert_eq!(meant_freely(answer, &options, true), place, "{answer}");
        }
        assert_eq!(
            meant_freely("A. yes", &options, false),
            None,
            "an open question has no letters"
        );
        assert_eq!(meant_freely("Agree.", &options, false), Some(0));
    }

    #[test]
    fn a_wording_is_read_in_the_ways_that_it_allows() {
        let survey = |ways: &[Way], forms: &[Wording]| Survey {
            ways: ways.to_vec(),
            forms: forms.to_vec(),
            ..Survey::default()
        };
        let all = survey(&Way::ALL, &Wording::ALL);
        let names: Vec<String> = all.manners().into_iter().map(String::from).collect();
        assert_eq!(
            names,
            [
                "letters",
                "texts",
                "verbalised",
                "sampled",
                "letters_unforced",
                "texts_unforced",
                "sampled_unforced",
                "texts_open",
                "sampled_open",
            ]
        );
        assert_eq!(all.problem(), None);
        for manner in all.manners() {
            assert_eq!(Manner::try_from(String::from(manner)), Ok(manner));
        }
        let said = survey(&[Way::Letters], &[Wording::Open]).problem().unwrap();
        assert!(said.contains("no letters: add \"texts\" or \"sampled\""), "{said}");
        assert!(survey(&[], &[Wording::Forced]).problem().is_some());
        assert!(survey(&[Way::Letters], &[]).problem().is_some());
    }

    #[test]
    fn marginals_that_fit_no_option_are_named() {
        let options = ["yes", "no"].map(str::to_owned);
        let items = [("q".to_owned(), &options[..])];
        let field = |item: &str, option: &str| {
            let shares = BTreeMap::from([(option.to_owned(), 1.0)]);
            let marginals = BTreeMap::from([((item.to_owned(), None), shares)]);
            Field { marginals, ..Field::default() }
        };
        assert_eq!(field("q", "yes").stray(&items), None);
        assert!(field("q", "Yes").stray(&items).unwrap().contains("“Yes” of the item q"));
        assert!(field("other", "yes").stray(&items).unwrap().contains("none of the items"));
        assert_eq!(Field::default().stray(&items), None);
        let columns = ["item", "share"].map(str::to_owned);
        let said = lacking(Path::new("m.csv"), &columns).unwrap();
        assert!(said.contains("has no column \"option\""), "{said}");
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
