//! `TASK.toml`: what a model is asked about every row of a table.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::free_text::Write;
use super::perplexity::Perplexity;
use super::rating::Rate;
use super::schema::{Field, Schema};
use super::split::Split;
use super::survey::Survey;
use crate::data::codebook::Scale;
use crate::files;

/// A task as its file says it. Exactly one of its parts, `code` to `perplexity`, is
/// there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Task {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,

    /// Whatever `--model` understands, or the address of a server: `http://localhost:8000/v1`.
    pub model: String,

    /// Of a server, which of its models; without it, the first that it lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,

    /// An encoder, by whose vectors the passages for `[ask]` are chosen; without one, by their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,

    /// A table in any format that is read here.
    pub data: PathBuf,

    /// The column that names a row in the results.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,

    /// Only so many rows from the beginning; 0: all.
    pub rows: usize,

    /// Rows that are kept for the end, and which part is asked about; without it, all rows are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,

    /// Rows with their right answers that are shown before each question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub examples: Option<Examples>,

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract: Option<Extract>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<Write>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survey: Option<Survey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<Perplexity>,
}

impl Default for Task {
    fn default() -> Self {
        Self {
            name: String::new(),
            model: "starter".to_owned(),
            remote_model: None,
            adapter: None,
            encoder: None,
            data: PathBuf::new(),
            id: None,
            rows: 0,
            split: None,
            examples: None,
            orders: 1,
            seed: 0,
            answer: AnswerForm::default(),
            score: Scoring::default(),
            prompt: None,
            code: None,
            exam: None,
            judge: None,
            rate: None,
            extract: None,
            write: None,
            survey: None,
            ask: None,
            perplexity: None,
        }
    }
}

/// Examples for `[code]` and `[exam]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    pub count: usize,

    /// The table that they are from, with the same columns. Without one they are drawn from the task's own
    /// table, whose rows are then not asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
}

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

/// Fields are read out of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Extract {
    /// The column of the texts.
    pub text: String,

    /// What is asked, said before the fields; without it, a sentence of ours.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instruction: String,

    /// What is read out of a text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,

    /// Instead of fields the file of a JSON schema. Once the task is read, it is in `json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<PathBuf>,

    /// A JSON schema as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,

    /// Properties of the schema whose texts must stand in the text that was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotes: Vec<String>,

    /// By field, the column with what a person read out of the text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub human: BTreeMap<String, String>,

    /// So far may a number be from a person's and count as the same.
    pub tolerance: f64,

    /// An answer that comes to so many tokens is closed in its form.
    pub max_tokens: usize,

    /// A text that does not fit is read in windows whose fields are merged, instead of being cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub windows: bool,

    /// Tokens of the text in a window, at most; 0: as many as fit.
    #[serde(skip_serializing_if = "is_zero")]
    pub window_tokens: usize,

    /// A window begins with about so many tokens of the one before, in whole sentences.
    #[serde(skip_serializing_if = "is_usual_overlap")]
    pub overlap: usize,
}

/// What is said of a part that people may expect.
const SCORE: &str = "there is no part [score]: `score` says how options are scored. The part that scores texts is called \
                     [perplexity]";

/// Two or three sentences.
const OVERLAP: usize = 64;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_usual_overlap(tokens: &usize) -> bool {
    *tokens == OVERLAP
}

impl Default for Extract {
    fn default() -> Self {
        Self {
            text: String::new(),
            instruction: String::new(),
            fields: Vec::new(),
            schema: None,
            json: None,
            quotes: Vec::new(),
            human: BTreeMap::new(),
            tolerance: 0.0,
            max_tokens: 300,
            windows: false,
            window_tokens: 0,
            overlap: OVERLAP,
        }
    }
}

impl Extract {
    /// What keeps its windows from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let Self { windows, window_tokens, overlap, .. } = self;
        (*windows && *window_tokens > 0 && overlap >= window_tokens).then(|| {
            format!(
                "`overlap` of [extract] is {overlap} and `window_tokens` {window_tokens}: with every window \
                 something new has to be read, so that the overlap is to be smaller"
            )
        })
    }

    /// What an answer has to look like, or what is wrong with it.
    pub fn form(&self) -> Result<Schema, String> {
        match &self.json {
            Some(_) if !self.fields.is_empty() => {
                Err("the task has both fields and a schema: leave one of them out".to_owned())
            }
            Some(json) => Schema::of_json(json, &self.quotes),
            None => Schema::of_fields(&self.fields),
        }
    }
}

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
    fn problem(&self) -> Option<String> {
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
    Rate(&'a Rate),
    Extract(&'a Extract),
    Write(&'a Write),
    Survey(&'a Survey),
    Ask(&'a Ask),
    Perplexity(&'a Perplexity),
}

impl Kind<'_> {
    /// Whether an answer is a text that is written, not one of several options.
    pub fn writes(&self) -> bool {
        matches!(self, Self::Extract(_) | Self::Write(_) | Self::Ask(_))
    }

    /// The tokens that an answer may have; of an option, as many as it has.
    pub fn room(&self) -> usize {
        match self {
            Self::Extract(extract) => extract.max_tokens,
            Self::Write(write) => write.max_tokens,
            Self::Ask(ask) => ask.max_tokens,
            Self::Code(_)
            | Self::Exam(_)
            | Self::Judge(_)
            | Self::Rate(_)
            | Self::Survey(_)
            | Self::Perplexity(_) => 0,
        }
    }
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
        task.encoder = task.encoder.map(|name| files::named_beside(path, &name));
        if let Some(code) = &mut task.code {
            code.codebook = files::beside(path, &code.codebook);
        }
        if let Some(examples) = &mut task.examples {
            examples.data = examples.data.take().map(|data| files::beside(path, &data));
        }
        if let Some(survey) = &mut task.survey {
            for file in [&mut survey.personas, &mut survey.marginals].into_iter().flatten() {
                *file = files::beside(path, file);
            }
        }
        if let Some(extract) = &mut task.extract
            && let Some(schema) = extract.schema.take()
        {
            let schema = files::beside(path, &schema);
            let text = std::fs::read(&schema)
                .map_err(|source| TaskError::Read { path: schema.clone(), source })?;
            let json = serde_json::from_slice(&text).map_err(|err| {
                let problem = files::mistake_in_json(&text, &err);
                TaskError::Line { path: schema, line: err.line().max(1), problem }
            })?;
            extract.json = Some(json);
        }
        task.kind()?;
        Ok(task)
    }

    /// The task, or the line (from 1) and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|err| {
            let (line, problem) = files::mistake_in_toml(text, &err);
            // In which part it is.
            let headers = text.lines().zip(1..).take(line);
            match headers.filter(|(it, _)| it.starts_with('[')).last() {
                Some((header, line)) if header.trim_end() == "[score]" => (line, SCORE.to_owned()),
                _ => (line, problem),
            }
        })
    }

    /// With paths from the root, of models too where they are files; the copy of a codebook stays beside
    /// the task.
    #[must_use]
    pub fn with_whole_paths(mut self) -> Self {
        let named = [Some(&mut self.model), self.adapter.as_mut(), self.encoder.as_mut()];
        for name in named.into_iter().flatten() {
            let path = Path::new(name.as_str());
            if path.exists()
                && let Ok(whole) = std::path::absolute(path)
            {
                *name = whole.to_string_lossy().into_owned();
            }
        }
        let survey = self.survey.iter_mut();
        let beside = survey.flat_map(|survey| [&mut survey.personas, &mut survey.marginals]);
        let examples = self.examples.iter_mut().filter_map(|examples| examples.data.as_mut());
        for path in beside.flatten().chain(examples).chain([&mut self.data]) {
            if let Ok(whole) = std::path::absolute(&*path) {
                *path = whole;
            }
        }
        self
    }

    /// As a file has it. `None`: its JSON schema has a null, which TOML does not have.
    pub fn to_toml(&self) -> Option<String> {
        toml::to_string_pretty(self).ok()
    }

    /// With which probability one of several labels applies, where that is not one half.
    pub fn threshold(&self) -> Option<f64> {
        self.code.as_ref()?.threshold
    }

    /// The address of the server that the task names as its model.
    pub fn server(&self) -> Option<&str> {
        let is_address = self.model.starts_with("http://") || self.model.starts_with("https://");
        is_address.then_some(self.model.as_str())
    }

    pub fn kind(&self) -> Result<Kind<'_>, TaskError> {
        let unusable = |problem: &str| Err(TaskError::Unusable(problem.to_owned()));
        if self.data.as_os_str().is_empty() {
            return unusable("the task names no `data`: the table whose rows are asked about");
        }
        if let Some(problem) = self.split.and_then(|split| split.problem()) {
            return Err(TaskError::Unusable(problem));
        }
        if self.encoder.is_some() && self.ask.is_none() {
            return unusable(
                "the task names an `encoder`, which chooses the passages for [ask], and has no [ask]",
            );
        }
        if let Some(examples) = &self.examples {
            if self.code.is_none() && self.exam.is_none() {
                return unusable("the task shows `examples`, which belong to [code] and [exam]");
            }
            if examples.count == 0 {
                return unusable(
                    "`examples` has count = 0: say how many are shown, or leave it out",
                );
            }
            if self.code.is_some() && self.answer == AnswerForm::Letter {
                return unusable(
                    "`examples` of [code] show labels in their words: leave answer = \"letter\" out",
                );
            }
        }
        let parts = [
            self.code.as_ref().map(Kind::Code),
            self.exam.as_ref().map(Kind::Exam),
            self.judge.as_ref().map(Kind::Judge),
            self.rate.as_ref().map(Kind::Rate),
            self.extract.as_ref().map(Kind::Extract),
            self.write.as_ref().map(Kind::Write),
            self.survey.as_ref().map(Kind::Survey),
            self.ask.as_ref().map(Kind::Ask),
            self.perplexity.as_ref().map(Kind::Perplexity),
        ];
        let mut parts = parts.into_iter().flatten();
        match (parts.next(), parts.next()) {
            (Some(Kind::Extract(extract)), None) => {
                extract.form().map_err(TaskError::Unusable)?;
                match extract.problem() {
                    Some(problem) => unusable(&problem),
                    None => Ok(Kind::Extract(extract)),
                }
            }
            (Some(Kind::Survey(_)), None) if self.score == Scoring::Prior => unusable(
                "options of a [survey] are scored by the sum or the mean of their tokens: leave \
                 `score = \"prior\"` out",
            ),
            (Some(Kind::Survey(survey)), None) => match survey.problem() {
                Some(problem) => unusable(&problem),
                None => Ok(Kind::Survey(survey)),
            },
            (Some(Kind::Code(Code { threshold: Some(threshold), .. })), None)
                if !(*threshold > 0.0 && *threshold < 1.0) =>
            {
                Err(TaskError::Unusable(format!(
                    "[code] has threshold = {threshold}: a probability between 0 and 1 is expected"
                )))
            }
            (Some(Kind::Rate(_)), None) if self.answer == AnswerForm::Letter => {
                unusable("[rate] is answered with a number: leave answer = \"letter\" out")
            }
            (Some(Kind::Rate(rate)), None) => match rate.problem() {
                Some(problem) => unusable(&problem),
                None => Ok(Kind::Rate(rate)),
            },
            (Some(Kind::Write(write)), None) => match write.problem() {
                Some(problem) => unusable(&problem),
                None => Ok(Kind::Write(write)),
            },
            (Some(Kind::Ask(ask)), None) => match ask.problem() {
                Some(problem) => unusable(&problem),
                None => Ok(Kind::Ask(ask)),
            },
            (Some(Kind::Perplexity(perplexity)), None) => match perplexity.problem() {
                Some(problem) => unusable(&problem),
                None => Ok(Kind::Perplexity(perplexity)),
            },
            (Some(kind), None) => Ok(kind),
            (None, _) => unusable(
                "the task does not say what is asked: it needs one of the parts [code], [exam], \
                 [judge], [rate], [extract], [write], [survey], [ask] and [perplexity]",
            ),
            (Some(_), Some(_)) => unusable(
                "the task has more than one of the parts [code], [exam], [judge], [rate], [extract], \
                 [write], [survey], [ask] and [perplexity]: make a task of each",
            ),
        }
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
