//! A row of the table as it is asked: its parts for the prompt, its options, and what people said.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::passages::Excerpt;
use crate::data::table::Row;
use crate::evaluate::cells::words;
use crate::evaluate::task::survey::Poll;

/// The part of a prompt with rows that are shown with their right answers.
pub const EXAMPLES: &str = "examples";

/// A row, made ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// As the table has it.
    pub row: Row,

    /// All columns of the table: a row may lack some, and has no words there.
    pub columns: Arc<[String]>,

    /// What names the row in the results.
    pub id: Option<Value>,

    /// What the task itself gives a name that a prompt may use; a column of that name stands back.
    pub parts: Vec<(&'static str, String)>,
    pub options: Vec<String>,

    /// What each coder said, as an index into the options; a judge's tie is 2. `None`: nothing.
    pub human: Vec<Option<usize>>,

    /// Where a text can have several labels: by coder, those that it has. `None`: nothing was said.
    pub human_sets: Vec<Option<Vec<usize>>>,

    /// What people wrote, by field of what is read out of the text, or by column of references.
    pub said: BTreeMap<String, String>,

    /// What the row is reported by.
    pub group: Option<String>,

    /// With which probability it was drawn for people to label.
    pub inclusion: Option<f64>,

    /// What the columns of the regression have.
    pub covariates: Vec<String>,

    /// Characters of the two answers that are judged.
    pub lengths: Vec<usize>,

    /// Of a question about a document, what of that the model reads.
    pub excerpt: Option<Excerpt>,

    /// Of an item of a survey, what belongs to it.
    pub poll: Option<Poll>,

    /// Why it cannot be asked.
    pub problem: Option<String>,
}

impl Question {
    pub(super) fn of(row: Row, columns: &Arc<[String]>) -> Self {
        Self {
            row,
            columns: Arc::clone(columns),
            id: None,
            parts: Vec::new(),
            options: Vec::new(),
            human: Vec::new(),
            human_sets: Vec::new(),
            said: BTreeMap::new(),
            group: None,
            inclusion: None,
            covariates: Vec::new(),
            lengths: Vec::new(),
            excerpt: None,
            poll: None,
            problem: None,
        }
    }

    /// What a prompt has for a name: of the task, the latest that was given; else of a column.
    pub fn part(&self, name: &str) -> Option<Cow<'_, str>> {
        let own = self.parts.iter().rev().find(|(part, _)| *part == name);
        own.map(|(_, text)| Cow::Borrowed(text.as_str())).or_else(|| {
            let is_column = self.columns.iter().any(|column| column == name);
            is_column.then(|| words(self.row.get(name)))
        })
    }

    /// Every name that a prompt may use for this row.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.parts.iter().map(|(name, _)| *name);
        self.columns.iter().map(String::as_str).chain(own)
    }

    /// The same question with another text under `name`.
    #[must_use]
    pub fn with_part(&self, name: &'static str, text: &str) -> Self {
        let mut question = self.clone();
        question.parts.push((name, text.to_owned()));
        question
    }

    /// A question about a document with half of its passages. `None`: it has no more than one.
    pub fn with_fewer_passages(&self) -> Option<Self> {
        let excerpt = self.excerpt.as_ref()?.halved()?;
        let mut question = self.with_part("passages", &excerpt.words());
        question.excerpt = Some(excerpt);
        Some(question)
    }

    /// The same question without the row's own text.
    #[must_use]
    pub fn blank(&self) -> Self {
        let mut blank = self.clone();
        for name in ["text", "question", "prompt"] {
            if blank.part(name).is_some() {
                blank = blank.with_part(name, "");
            }
        }
        blank
    }

    /// The same question with `word` for every name.
    #[must_use]
    pub fn filled_with(&self, word: &str) -> Self {
        let mut question = self.clone();
        for (_, text) in question.parts.iter_mut().filter(|(name, _)| *name != EXAMPLES) {
            word.clone_into(text);
        }
        for column in &*self.columns {
            question.row.fields.insert(column.clone(), Value::from(word));
        }
        question
    }
}
