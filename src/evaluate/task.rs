//! `TASK.toml`: what a model is asked about every row of a table.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;

/// A task as its file says it. Exactly one of `code`, `exam` and `judge` is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,

    /// Whatever `--model` understands.
    pub model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,

    /// A table in any format that is read here.
    pub data: PathBuf,

    /// The column that names a row in the results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,

    /// Only so many rows from the beginning; 0: all.
    pub rows: usize,

    /// In how many orders the options are shown; the probabilities are averaged over them. More
    /// than there are: all there are.
    pub orders: usize,

    /// Draws the orders where not all of them are shown.
    pub seed: u64,

    /// What of an option is scored.
    pub answer: AnswerForm,

    /// How the log-probabilities of an option's tokens become its score.
    pub score: Scoring,

    /// The prompt, with columns and parts in braces; without it, that of the kind of task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exam: Option<Exam>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<Judge>,
}

impl Default for Task {
    fn default() -> Self {
        Self {
            name: String::new(),
            model: "starter".to_owned(),
            adapter: None,
            data: PathBuf::new(),
            id: None,
            rows: 0,
            orders: 1,
            seed: 0,
            answer: AnswerForm::default(),
            score: Scoring::default(),
            prompt: None,
            code: None,
            exam: None,
            judge: None,
        }
    }
}

/// Texts get labels from a codebook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The column of the texts.
    pub text: String,

    /// The codebook's file, TOML or JSON.
    pub codebook: PathBuf,

    /// Columns with the labels of people, a coder each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub human: Vec<String>,
}

/// Questions with options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Which of two answers is better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerForm {
    /// Whole texts for codes, letters for exams and judges.
    #[default]
    Usual,

    /// The option's whole text.
    Text,

    /// The letter that the option is listed under.
    Letter,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scoring {
    /// Their sum: the probability of the whole text.
    #[default]
    Sum,

    /// Their mean: long options are not at a disadvantage.
    Mean,

    /// Their sum less what it would be without the row's text: options that are likely anyway are
    /// not at an advantage.
    Prior,
}

/// The kind of a task, with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    Code(&'a Code),
    Exam(&'a Exam),
    Judge(&'a Judge),
}

/// Why a task cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("line {line} of {}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },

    #[error("{0}")]
    Unusable(String),
}

impl Task {
    /// Reads a task. Relative paths in it are taken from its own folder where something is there,
    /// and from the current folder otherwise.
    pub fn read(path: &Path) -> Result<Self, TaskError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TaskError::Read { path: path.to_owned(), source })?;
        let mut task = Self::parse(&text).map_err(|(line, problem)| TaskError::Line {
            path: path.to_owned(),
            line,
            problem,
        })?;
        task.data = files::beside(path, &task.data);
        task.model = files::named_beside(path, &task.model);
        task.adapter = task.adapter.map(|name| files::named_beside(path, &name));
        if let Some(code) = &mut task.code {
            code.codebook = files::beside(path, &code.codebook);
        }
        task.kind()?;
        Ok(task)
    }

    /// The task, or the line (from 1) and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|err| files::mistake_in_toml(text, &err))
    }

    pub fn kind(&self) -> Result<Kind<'_>, TaskError> {
        let unusable = |problem: &str| Err(TaskError::Unusable(problem.to_owned()));
        if self.data.as_os_str().is_empty() {
            return unusable("the task names no `data`: the table whose rows are asked about");
        }
        match (&self.code, &self.exam, &self.judge) {
            (Some(code), None, None) => Ok(Kind::Code(code)),
            (None, Some(exam), None) => Ok(Kind::Exam(exam)),
            (None, None, Some(judge)) => Ok(Kind::Judge(judge)),
            (None, None, None) => unusable(
                "the task does not say what is asked: it needs one of the parts [code], [exam] \
                 and [judge]",
            ),
            _ => unusable(
                "the task has more than one of the parts [code], [exam] and [judge]: make a task \
                 of each",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_says_one_thing() {
        let of = |text: &str| Task::parse(text).unwrap();
        let code = "data = 'a.csv'\n[code]\ntext = 't'\ncodebook = 'c.toml'\n";
        assert!(matches!(of(code).kind(), Ok(Kind::Code(_))));
        let both = format!("{code}[judge]\nprompt = 'p'\nanswers = ['a', 'b']\n");
        for (text, words) in [
            ("data = 'a.csv'", "needs one of"),
            (both.as_str(), "more than one"),
            ("", "no `data`"),
        ] {
            let said = of(text).kind().unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_wrong_key_is_named_with_its_line() {
        let (line, problem) = Task::parse("data = 'a'\n[exam]\nquestions = 'q'\n").unwrap_err();
        assert!(line >= 2 && problem.contains("questions"), "{line}: {problem}");
    }
}
