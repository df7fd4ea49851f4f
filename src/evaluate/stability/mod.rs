//! Whether a model does what a codebook says, and whether its answers stay when only the form of
//! the question changes.
//!
//! Seven tests are those of Halterman and Keith, "Codebook LLMs" (Political Analysis 2025, arXiv
//! 2407.10747); the eighth is the prompt stability score of Barrie, Palaiologou and Törnberg (arXiv
//! 2407.02039). Asking the same again is no test here: nothing is drawn, the answer is the same.

pub mod testing;
pub mod variations;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::evaluate::asking::error::AskError;
use crate::files;
use crate::stats::stability::STABLE;
use crate::words::table::Table;

/// The file in the folder of an evaluation.
pub const STABILITY: &str = "stability.json";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    LegalLabels,
    Definitions,
    Examples,
    Order,
    Exclusion,
    GenericLabels,
    SwappedLabels,
    Prompts,
}

impl Test {
    pub fn name(self) -> &'static str {
        match self {
            Self::LegalLabels => "Legal labels",
            Self::Definitions => "Definitions",
            Self::Examples => "Examples",
            Self::Order => "Order of the classes",
            Self::Exclusion => "Exclusion",
            Self::GenericLabels => "Generic labels",
            Self::SwappedLabels => "Swapped labels",
            Self::Prompts => "Other prompts",
        }
    }

    /// What passes. `several`: a text can have several labels, and each is asked about with yes or no.
    pub fn words(self, several: bool) -> &'static str {
        match self {
            Self::LegalLabels if several => {
                "When the model may write anything, it writes yes or no: of each text about one label, in turn"
            }
            Self::Definitions if several => {
                "When the text is the definition of a label, the label applies"
            }
            Self::Examples if several => {
                "When the text is an example of a label from the codebook, the label applies"
            }
            Self::Order if several => {
                "What is said of a label stays the same when no is named before yes"
            }
            Self::GenericLabels if several => {
                "What is said of a label stays the same when the labels are called LABEL_1, LABEL_2 and so on"
            }
            Self::Prompts if several => {
                "Krippendorff's alpha between what reworded prompts say of each label of each text"
            }
            Self::LegalLabels => "When the model may write anything, it writes one of the labels",
            Self::Definitions => "When the text is the definition of a label, it gives that label",
            Self::Examples => {
                "When the text is an example from the codebook, it gives the example's label"
            }
            Self::Order => "The label stays the same when the classes stand in another order",
            Self::Exclusion => {
                "A rule that excludes texts with a certain word is followed where the word occurs, \
                 and only there"
            }
            Self::GenericLabels => {
                "The label stays the same when the labels are called LABEL_1, LABEL_2 and so on"
            }
            Self::SwappedLabels => {
                "When the labels are swapped, the model follows the definitions and not the names"
            }
            Self::Prompts => {
                "Krippendorff's alpha between the labels that reworded prompts lead to"
            }
        }
    }
}

/// An answer that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A row of the table; what belongs to the codebook has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    pub expected: String,
    pub got: String,
}

/// What a test found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub test: Test,

    /// Answers that were compared, each about a text, or about a label of it where it can have several; of
    /// prompts, what they were about.
    pub asked: usize,

    /// The share of them that is as it has to be, with Wilson's interval; of prompts, Krippendorff's
    /// alpha with its bootstrap interval. `None`: there is no number, for the reason below.
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub needed: f64,

    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// The first ones only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// `None`: there is no number.
    pub fn passes(&self) -> Option<bool> {
        self.value.map(|value| value >= self.needed)
    }
}

/// All tests of a model with a codebook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    pub model: String,
    pub model_sha256: String,
    pub rows: usize,
    pub seed: u64,

    /// A text can have several labels.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several: bool,

    /// Examples that the task shows before each question, and these tests do not.
    #[serde(default, skip_serializing_if = "crate::files::is_zero")]
    pub without_examples: usize,
    pub outcomes: Vec<Outcome>,
}

#[derive(Debug, thiserror::Error)]
pub enum StabilityError {
    #[error(transparent)]
    Ask(#[from] AskError),

    #[error("only tasks with a codebook can be tested: this one has no part [code]")]
    NoCodebook,

    #[error("there is no row to test with: every text of the table is empty")]
    NoRows,

    #[error("{} could not be read: {problem}", path.display())]
    Read { path: PathBuf, problem: String },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl Stability {
    /// What lies in the folder of an evaluation; `None`: nothing was tested.
    pub fn read(folder: &Path) -> Result<Option<Self>, StabilityError> {
        let path = folder.join(STABILITY);
        let text = files::read_if_there(&path)
            .map_err(|err| StabilityError::Read { path: path.clone(), problem: err.to_string() })?;
        let Some(text) = text else { return Ok(None) };
        let read = serde_json::from_str(&text);
        read.map(Some).map_err(|err| StabilityError::Read {
            path,
            problem: files::mistake_in_json(text.as_bytes(), &err),
        })
    }

    pub fn save(&self, folder: &Path) -> Result<(), StabilityError> {
        let path = folder.join(STABILITY);
        let text = serde_json::to_string_pretty(self).expect("texts and numbers are valid JSON");
        files::write_atomic(&path, text.as_bytes())
            .map_err(|source| StabilityError::Write { path, source })
    }

    /// That the answers of the evaluation were given after examples, and those of the tests were not.
    fn examples_sentence(&self) -> String {
        match self.without_examples {
            0 => String::new(),
            count => format!(
                " The task shows {count} examples before each question. The tests were made without them, for \
                 examples have the labels that some tests exchange: these numbers are those of the codebook \
                 alone, not of the prompt with its examples."
            ),
        }
    }

    /// A section of the report.
    pub fn markdown(&self) -> String {
        let needed = self.outcomes.first().map_or(0.0, |outcome| outcome.needed);
        let mut out = format!(
            "\n## Stability\n\nTested with {} rows, drawn with seed {}, and {}. The first seven \
             tests are those of Halterman and Keith (2025), who name no threshold: {:.0} % is \
             ours. The last is the prompt stability score of Barrie et al. (2024), who call {STABLE} \
             stable. Asking the same prompt again gives the same probabilities: nothing is \
             drawn.{}\n\n",
            self.rows,
            self.seed,
            self.model,
            needed * 100.0,
            self.examples_sentence()
        );
        let table = Table::default().words(["test", "what passes"]).numbers(["answers", "result"]);
        let mut table = table.words(["95 % interval"]).numbers(["needed"]).words([""]);
        for outcome in &self.outcomes {
            let number = |value: Option<f64>| value.map(|value| format!("{value:.3}"));
            let interval = match (number(outcome.low), number(outcome.high)) {
                (Some(low), Some(high)) => format!("{low} to {high}"),
                _ => String::new(),
            };
            let verdict = match (outcome.passes(), &outcome.reason) {
                (Some(true), _) => "passes",
                (Some(false), _) => "**fails**",
                (None, Some(reason)) => reason,
                (None, None) => "",
            };
            let (name, words) = (outcome.test.name(), outcome.test.words(self.several));
            let (value, needed) = (number(outcome.value), format!("{:.2}", outcome.needed));
            let value = value.unwrap_or_default();
            table.row(&[&name, &words, &outcome.asked, &value, &interval, &needed, &verdict]);
        }
        out.push_str(&table.after(""));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_back_and_a_folder_without_it_was_not_tested() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Stability::read(folder.path()).unwrap(), None);
        let found = Stability {
            model: "tiny".to_owned(),
            model_sha256: "00".to_owned(),
            rows: 3,
            seed: 1,
            several: false,
            without_examples: 4,
            outcomes: vec![Outcome {
                test: Test::Definitions,
                asked: 0,
                value: None,
                low: None,
                high: None,
                needed: 0.95,
                reason: Some("the codebook has no definitions".to_owned()),
                failures: Vec::new(),
            }],
        };
        found.save(folder.path()).unwrap();
        assert!(found.markdown().contains("shows 4 examples before each question"));
        assert_eq!(Stability::read(folder.path()).unwrap(), Some(found));
    }
}
