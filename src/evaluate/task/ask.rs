//! `[ask]`: questions about documents.

use serde::{Deserialize, Serialize};

/// Questions about documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ask {
    /// The column of the documents; of a folder of them, `text`.
    pub text: String,

    /// What is asked about every document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<String>,

    /// Instead of that a column with a question of each row's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,

    /// Columns with right answers, where each row has its own question.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,

    /// The model reads so many passages of a document at most, those that fit the question best. A
    /// document that has no more is read whole.
    pub passages: usize,

    /// Words of a passage, at most.
    pub passage_words: usize,

    /// An answer that comes to so many tokens is cut.
    pub max_tokens: usize,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            text: "text".to_owned(),
            questions: Vec::new(),
            question: None,
            references: Vec::new(),
            passages: 6,
            passage_words: 120,
            max_tokens: 200,
        }
    }
}

impl Ask {
    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let said = match (self.questions.is_empty(), &self.question) {
            (true, None) => {
                "[ask] needs `questions`, a list, or `question`, the column with each row's own"
            }
            (false, Some(_)) => "[ask] has both `questions` and `question`: leave one of them out",
            _ if self.questions.iter().any(|question| question.trim().is_empty()) => {
                "one of the `questions` of [ask] is empty"
            }
            (false, None) if !self.references.is_empty() => {
                "[ask] has `references`, which say what is right of one question: give each row its \
                 own with `question`"
            }
            _ if self.passages == 0 || self.passage_words == 0 => {
                "[ask] needs 1 or more `passages` and `passage_words`"
            }
            _ => return None,
        };
        Some(said.to_owned())
    }
}
