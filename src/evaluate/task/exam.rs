//! `[exam]`: questions with options.

use serde::{Deserialize, Serialize};

/// Questions with options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exam {
    /// The column of the questions.
    pub question: String,

    /// A column for each option, or one column with a list of them.
    pub options: Vec<String>,

    /// The column of the right answer: a letter, the option's words, or its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,

    /// The number of the first option, where right answers are numbers. Without it, what the
    /// column shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,

    /// A column to report by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}
