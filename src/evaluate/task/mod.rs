//! `TASK.toml`: what a model is asked about every row of a table.

pub mod ask;
pub mod code;
pub mod exam;
pub mod extract;
pub mod free_text;
pub mod judge;
pub mod manner;
pub mod perplexity;
pub mod rating;
pub mod scale;
pub mod schema;
pub mod split;
pub mod survey;

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::ask::Ask;
use self::code::Code;
use self::exam::Exam;
use self::extract::Extract;
use self::free_text::Write;
use self::judge::Judge;
use self::perplexity::Perplexity;
use self::rating::Rate;
use self::split::Split;
use self::survey::Survey;
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

/// What is said of a part that people may expect.
const SCORE: &str = "there is no part [score]: `score` says how options are scored. The part that scores texts is called \
                     [perplexity]";

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
        let kind = match (parts.next(), parts.next()) {
            (Some(kind), None) => kind,
            (None, _) => {
                return unusable(
                    "the task does not say what is asked: it needs one of the parts [code], [exam], \
                     [judge], [rate], [extract], [write], [survey], [ask] and [perplexity]",
                );
            }
            (Some(_), Some(_)) => {
                return unusable(
                    "the task has more than one of the parts [code], [exam], [judge], [rate], [extract], \
                     [write], [survey], [ask] and [perplexity]: make a task of each",
                );
            }
        };
        let problem = match kind {
            Kind::Code(code) => code.problem(),
            Kind::Rate(_) if self.answer == AnswerForm::Letter => {
                Some("[rate] is answered with a number: leave answer = \"letter\" out".to_owned())
            }
            Kind::Rate(rate) => rate.problem(),
            Kind::Extract(extract) => extract.form().err().or_else(|| extract.problem()),
            Kind::Write(write) => write.problem(),
            Kind::Survey(_) if self.score == Scoring::Prior => Some(
                "options of a [survey] are scored by the sum or the mean of their tokens: leave \
                 `score = \"prior\"` out"
                    .to_owned(),
            ),
            Kind::Survey(survey) => survey.problem(),
            Kind::Ask(ask) => ask.problem(),
            Kind::Perplexity(perplexity) => perplexity.problem(),
            Kind::Exam(_) | Kind::Judge(_) => None,
        };
        problem.map_or(Ok(kind), |problem| Err(TaskError::Unusable(problem)))
    }
}

#[cfg(test)]
mod tests;
