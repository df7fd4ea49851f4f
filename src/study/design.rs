//! What a study is: its codebook, its order, how its items were drawn. `study.toml` in its folder.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::draw::Sampling;
use super::item::Columns;
use super::plan::Order;
use super::variable::Variables;
use crate::files;

/// The version of the form of a study's files.
pub const FORM: u32 = 1;

/// See the module. What decides which codes belong together is in [`Study::hash`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Study {
    pub form: u32,
    pub name: String,

    /// RFC 3339 in UTC.
    pub created_at: String,
    pub program: String,

    /// Decides the sample and the order.
    pub seed: u64,
    pub order: Order,

    /// The share of items that is shown once more (agreement of a coder with themselves).
    pub again: f64,

    /// After so many minutes a coder is reminded of a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_after: Option<u32>,

    /// After so many items, or minutes, a sitting ends: the coder is told so, and may go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_after_items: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_after_minutes: Option<u32>,

    /// How many items `items.jsonl` has, and its SHA-256.
    pub items: usize,
    pub items_sha256: String,

    /// Rows of the table that could have been drawn.
    pub population: usize,
    pub source: Source,
    pub sampling: Sampling,
    pub suggestions: Suggestions,
    pub codebook: Variables,
}

/// The table that the items are from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    pub file: String,

    /// The evaluation of the project whose results the table is: the name of its folder.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub evaluation: String,
    pub sha256: String,
    pub columns: Columns,
}

/// When a coder sees what a model says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suggest {
    #[default]
    Never,

    /// Beside the text.
    Before,

    /// Once they have given a verdict, which they may then change.
    After,
}

/// What a model says of the items, in `suggestions.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Suggestions {
    pub when: Suggest,

    /// The share of items, drawn for each coder, of which the suggestion is withheld: how far it
    /// pulls can be measured then.
    pub withheld: f64,

    /// The model, or the evaluation that it is from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
}

/// Why a study cannot be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("line {line} of {}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },

    #[error("the study {}: {problem}", path.display())]
    Unusable { path: PathBuf, problem: String },

    #[error(
        "the study {} is open in another window or program. Close it there first: two at once \
         would mix their codes", path.display()
    )]
    Busy { path: PathBuf },

    /// Of a file that belongs to another study; a sentence.
    #[error("{0}")]
    Foreign(String),
}

impl Study {
    /// Two files belong to one study if this is the same: the items, what is asked of them, the seed
    /// and the order. The guideline may grow while people code; its version stands in each verdict.
    pub fn hash(&self) -> String {
        let mut asked = self.codebook.clone();
        asked.guideline.clear();
        asked.guideline_version.clear();
        asked.name.clear();
        let asked = serde_json::to_string(&asked).expect("texts and numbers are valid JSON");
        let order = serde_json::to_string(&self.order).expect("a word is valid JSON");
        let Self { items_sha256, seed, again, .. } = self;
        let whole = format!("{FORM}\n{items_sha256}\n{asked}\n{seed}\n{order}\n{again}");
        files::sha256_of_bytes(whole.as_bytes())
    }

    /// What keeps it from being started, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if let Some(problem) = self.codebook.problem() {
            return Some(format!("the codebook is not complete: {problem}"));
        }
        if !(0.0..=0.5).contains(&self.again) {
            return Some(format!(
                "{} of the items are to be shown again: 0 to 0.5 is expected",
                self.again
            ));
        }
        if !(0.0..=1.0).contains(&self.suggestions.withheld) {
            return Some(format!(
                "suggestions are withheld of {} of the items: 0 to 1 is expected",
                self.suggestions.withheld
            ));
        }
        None
    }

    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("texts, numbers and lists of them are valid TOML")
    }

    pub fn read(path: &Path) -> Result<Self, StudyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| StudyError::Read { path: path.to_owned(), source })?;
        let study: Self = toml::from_str(&text).map_err(|err| {
            let (line, problem) = files::mistake_in_toml(&text, &err);
            StudyError::Line { path: path.to_owned(), line, problem }
        })?;
        let unusable = |problem| StudyError::Unusable { path: path.to_owned(), problem };
        if study.form > FORM {
            return Err(unusable(
                "it was made by a later version of Tuning Fork; open it with that".to_owned(),
            ));
        }
        study.problem().map_or(Ok(study), |problem| Err(unusable(problem)))
    }

    /// What differs from another study, in words; empty if their codes belong together.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = self.codebook.differences(&other.codebook);
        if self.items_sha256 != other.items_sha256 {
            found.push(if self.items == other.items {
                "the items have other texts or ids".to_owned()
            } else {
                format!("there are {} items here and {} there", self.items, other.items)
            });
        }
        if self.seed != other.seed {
            found.push(format!("the seed is {} here and {} there", self.seed, other.seed));
        }
        if self.order != other.order {
            found.push("the order of the items is drawn in another way".to_owned());
        }
        if self.again != other.again {
            found.push(format!(
                "{} of the items are shown again here and {} there",
                self.again, other.again
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::study;

    #[test]
    fn a_study_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.toml");
        let sampling = Sampling::Stratified { column: "year".to_owned(), count: 9, equal: true };
        let study = Study { sampling, break_after: Some(45), ..study() };
        files::write_atomic(&path, study.to_toml().as_bytes()).unwrap();
        assert_eq!(Study::read(&path).unwrap(), study);
    }

    #[test]
    fn another_guideline_is_the_same_study_and_another_label_is_not() {
        let mut longer = study();
        longer.codebook.guideline.push_str(" Twice.");
        longer.codebook.guideline_version = "2".to_owned();
        assert_eq!(study().hash(), longer.hash());
        let mut other = study();
        other.codebook.variables[0].classes[1].label = "poor".to_owned();
        assert_ne!(study().hash(), other.hash());
        let said = study().differences(&other).join(", ");
        assert!(said.contains("“poor”"), "{said}");
        let moved = Study { seed: 8, items: 4, items_sha256: "x".to_owned(), ..study() };
        let said = study().differences(&moved).join(", ");
        assert!(said.contains("0 items here and 4 there") && said.contains("seed is 7"), "{said}");
    }

    #[test]
    fn a_mistake_in_the_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.toml");
        files::write_atomic(&path, b"form = 1\nagain = \"often\"\n").unwrap();
        let said = Study::read(&path).unwrap_err().to_string();
        assert!(said.starts_with("line 2 of"), "{said}");
        let later = Study { form: 99, ..study() };
        files::write_atomic(&path, later.to_toml().as_bytes()).unwrap();
        assert!(Study::read(&path).unwrap_err().to_string().contains("later version"));
    }
}
