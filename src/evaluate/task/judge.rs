//! `[judge]`: which of two answers is better.

use serde::{Deserialize, Serialize};

/// Which of two answers is better.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// The column of what was asked.
    pub prompt: String,

    /// The columns of the two answers.
    pub answers: [String; 2],

    /// What makes an answer better; without it, a sentence of ours.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub criterion: String,

    /// The column of a person's verdict: the name of the better answer's column, `first` or
    /// `second`, 1 or 2, A or B; `tie`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human: Option<String>,

    /// The verdict of people where it is the same in every row: `first` for a file of chosen and
    /// rejected answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
}
