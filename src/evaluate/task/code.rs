//! `[code]`: texts get labels from a codebook.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::codebook::Scale;

/// Texts get labels from a codebook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The column of the texts.
    pub text: String,

    /// The codebook's file, TOML or JSON.
    pub codebook: PathBuf,

    /// Columns with the labels of people, a coder each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub human: Vec<String>,

    /// Where a text can have several labels: with which probability one applies, at the least. Without it, one half.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,

    /// The column with the probability that a row was drawn for people to label. Without it, every
    /// row was as likely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion: Option<String>,

    /// A column whose groups are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,

    /// The labels, or their values on a scale, as the outcome of a regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regression: Option<Regress>,
}

/// From which probability on a label applies where a task says nothing.
pub const USUAL_THRESHOLD: f64 = 0.5;

impl Code {
    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let threshold =
            self.threshold.filter(|threshold| !(*threshold > 0.0 && *threshold < 1.0))?;
        Some(format!(
            "[code] has threshold = {threshold}: a probability between 0 and 1 is expected"
        ))
    }
}

/// On what a regression is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regress {
    /// Columns: of numbers, or of words, which are then compared with the first in their alphabet.
    pub on: Vec<String>,
    #[serde(default)]
    pub model: RegressionModel,
}

impl Regress {
    /// What keeps it from being used with labels of this kind, as a sentence.
    pub fn problem(&self, scale: Scale) -> Option<String> {
        if self.on.is_empty() {
            return Some("the regression names no column: on = [\"year\", \"journal\"]".to_owned());
        }
        (self.model == RegressionModel::Logit && scale != Scale::Nominal).then(|| {
            "the codebook's labels stand on a scale, whose values are no yes or no: take model = \"linear\" \
             for the regression, or leave `scale` out of the codebook"
                .to_owned()
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegressionModel {
    /// Least squares: of a label, the linear probability model.
    #[default]
    Linear,

    /// Logistic: whether a row has a label.
    Logit,
}
