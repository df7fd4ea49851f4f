//! What a model answered about a row, and the folder that keeps it.
//!
//! `evaluation.json` says what was asked of which model, `results.jsonl` has a line a row as they
//! come, `results.csv` the table with the answers beside it once all are there, and of an exam
//! `submission.csv`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::perplexity::Likelihood;
use super::question::Question;
use super::scale::LabelScale;
use super::server_way::ServerWay;
use super::several::Several;
use super::survey::{Survey, Surveyed};
use super::task::{Code, Task};
use super::written::Written;
use crate::encoder::EncoderIdentity;
use crate::files;
use crate::llm::card::ModelIdentity;

pub const EVALUATION: &str = "evaluation.json";
pub const RESULTS: &str = "results.jsonl";
pub const TABLE: &str = "results.csv";

/// Of an exam, what Kaggle's competitions take: the id of a row and its three likeliest letters.
pub const SUBMISSION: &str = "submission.csv";

/// The answer about one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The row's number in the table, from 1.
    pub row: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,

    /// The likeliest option's words; of a judge whose two orders disagree, `tie`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,

    /// Its index among the options; a judge's tie is 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,

    /// Of each option, averaged over the orders; they add up to 1. Of an approximate answer the shares
    /// of the orders in which it was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<f64>,

    /// Natural logs of the options' whole probability in the first order, before they were made to
    /// add up to 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<f64>,

    /// In bits.
    #[serde(default)]
    pub entropy: f64,

    /// The likeliest option's probability less that of the second.
    #[serde(default)]
    pub margin: f64,

    /// The probability that the model says one of the options at all, averaged over the orders.
    #[serde(default)]
    pub mass: f64,

    /// Mean probability of each place, where there was more than one order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_place: Vec<f64>,

    /// The share of orders whose answer is the commonest one, where there was more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_answer: Option<f64>,

    /// What people said, by coder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub human: Vec<Option<usize>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,

    /// With which probability the row was drawn for people to label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion: Option<f64>,

    /// What the columns of the regression have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covariates: Vec<String>,

    /// Characters of the two answers that were judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<usize>,

    /// Of an answer that was written, not chosen among options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,

    /// Of a text that was scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scored: Option<Likelihood>,

    /// Of an item of a survey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surveyed: Option<Surveyed>,

    /// Of a text that can have several labels: which it has. Its probabilities are those with which each label
    /// applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub several: Option<Several>,

    /// It was read from what the model of a server wrote: there are no probabilities of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approximate: bool,

    /// Tokens of the row's text that did not fit and were left out at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<usize>,

    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Answered {
    /// With every number to twelve digits: what is read back from JSON is then what was written, to
    /// the last bit.
    #[must_use]
    pub fn to_twelve_digits(mut self) -> Self {
        let lists = [&mut self.probabilities, &mut self.logprobs, &mut self.by_place];
        let lists = lists.into_iter().flatten();
        let numbers = [&mut self.entropy, &mut self.margin, &mut self.mass];
        let others = self.same_answer.iter_mut().chain(&mut self.inclusion);
        let others = others.chain(self.scored.iter_mut().map(|scored| &mut scored.logprob));
        for number in lists.chain(numbers).chain(others) {
            *number = to_twelve_digits(*number);
        }
        let ways = self.surveyed.iter_mut().flat_map(|surveyed| {
            let poll = surveyed.poll.people.iter_mut();
            poll.chain(surveyed.ways.values_mut().flat_map(|way| {
                let lists = [&mut way.probabilities, &mut way.in_first_order, &mut way.by_place];
                lists.into_iter().flatten().chain(std::iter::once(&mut way.other))
            }))
        });
        for number in ways {
            *number = to_twelve_digits(*number);
        }
        let each = self.several.iter_mut().flat_map(|several| several.each.iter_mut());
        for number in each.flat_map(|one| {
            let lists = [&mut one.logprobs, &mut one.by_place];
            let numbers = std::iter::once(&mut one.mass).chain(&mut one.same_answer);
            lists.into_iter().flatten().chain(numbers)
        }) {
            *number = to_twelve_digits(*number);
        }
        let excerpts = self.written.iter_mut().filter_map(|written| written.excerpt.as_mut());
        for excerpt in excerpts {
            let scores = excerpt.passages.iter_mut().filter_map(|passage| passage.score.as_mut());
            for score in scores.chain(&mut excerpt.best_left_out) {
                *score = to_twelve_digits(*score);
            }
        }
        if let Some(written) = &mut self.written {
            let windows = written.windows.iter_mut().flat_map(|window| window.fields.values_mut());
            written.fields.values_mut().chain(windows).for_each(round);
        }
        self
    }

    /// As it is kept: with what the table says of the row.
    #[must_use]
    pub fn about(mut self, question: &Question) -> Self {
        self.row = question.row.place.row;
        self.id.clone_from(&question.id);
        self.human.clone_from(&question.human);
        self.group.clone_from(&question.group);
        self.inclusion = question.inclusion;
        self.covariates.clone_from(&question.covariates);
        self.lengths.clone_from(&question.lengths);
        if let Some(several) = &mut self.several {
            several.human.clone_from(&question.human_sets);
        }
        self.to_twelve_digits()
    }

    /// With the words of the option that is the answer.
    #[must_use]
    pub fn in_words_of(mut self, options: &[String]) -> Self {
        if let Some(index) = self.index {
            let option = options.get(index).map(|option| option.trim());
            self.answer = Some(option.unwrap_or("tie").to_owned());
        }
        self
    }

    /// A text with its log-probability.
    pub fn scored(likelihood: Likelihood, cut: Option<usize>) -> Self {
        Self {
            scored: Some(likelihood),
            cut,
            problem: None,
            ..Self::refused(0, None, String::new())
        }
    }

    /// A row without an answer.
    pub fn refused(row: u64, id: Option<Value>, problem: String) -> Self {
        Self {
            row,
            id,
            answer: None,
            index: None,
            probabilities: Vec::new(),
            logprobs: Vec::new(),
            entropy: 0.0,
            margin: 0.0,
            mass: 0.0,
            by_place: Vec::new(),
            same_answer: None,
            human: Vec::new(),
            group: None,
            inclusion: None,
            covariates: Vec::new(),
            lengths: Vec::new(),
            written: None,
            scored: None,
            surveyed: None,
            several: None,
            approximate: false,
            cut: None,
            problem: Some(problem),
        }
    }
}

fn to_twelve_digits(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().map(to_twelve_digits).and_then(Number::from_f64);
            if let Some(rounded) = rounded {
                *number = rounded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

/// Everything that decides the answers, and when they were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub task: Task,
    pub model: ModelIdentity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter_sha256: Option<String>,

    /// What chose the passages for questions about documents; without it, BM25 did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<EncoderIdentity>,
    pub data_sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codebook_sha256: Option<String>,

    /// Of the table that examples are from, where they are from another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples_sha256: Option<String>,

    /// The prompt with its names in braces.
    pub prompt: String,

    /// What an answer may be, where that is the same in every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,

    /// Whether a row can have several of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several: bool,

    /// Where these labels stand on a scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<LabelScale>,

    /// The columns with what people said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coders: Vec<String>,
    pub rows: usize,

    /// Of a model behind a server, how its answers were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<ServerWay>,

    /// Whether the model reads with one half and writes with the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encoder_decoder: bool,

    /// How the weights were kept in memory.
    pub weights: String,
    pub program: String,

    /// What it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,

    /// RFC 3339, UTC.
    pub started: String,
}

/// What is wrong with the folder of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} is no evaluation: {problem}", path.display())]
    NotOne { path: PathBuf, problem: String },

    #[error(
        "{} holds an evaluation already: resume it, or choose another folder",
        path.display()
    )]
    Taken { path: PathBuf },

    #[error(
        "{} was begun with {differences}; with what is asked now its answers would not belong \
         together. Choose another folder",
        path.display()
    )]
    Another { path: PathBuf, differences: String },

    #[error("line {line} of {}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },
}

/// The folder of one evaluation.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new folder for `evaluation`, or, to resume, one that was begun with the same.
    /// Returns the answers that are there.
    pub fn begin(
        path: &Path,
        evaluation: &Evaluation,
        resume: bool,
    ) -> Result<(Self, BTreeMap<u64, Answered>), FolderError> {
        let folder = Self { path: path.to_owned() };
        let about = path.join(EVALUATION);
        if !about.exists() {
            let text = serde_json::to_string_pretty(evaluation).expect("strings are valid JSON");
            files::write_atomic(&about, text.as_bytes())
                .map_err(|source| FolderError::Write { path: about, source })?;
            return Ok((folder, BTreeMap::new()));
        }
        if !resume {
            return Err(FolderError::Taken { path: path.to_owned() });
        }
        let (begun, answered) = Self::read(path)?;
        let differences = differences(&begun, evaluation);
        if differences.is_empty() {
            Ok((folder, answered))
        } else {
            let differences = differences.join(", ");
            Err(FolderError::Another { path: path.to_owned(), differences })
        }
    }

    /// What was asked.
    pub fn evaluation(path: &Path) -> Result<Evaluation, FolderError> {
        let about = path.join(EVALUATION);
        let text = std::fs::read_to_string(&about)
            .map_err(|source| FolderError::Read { path: about.clone(), source })?;
        serde_json::from_str(&text).map_err(|err| FolderError::NotOne {
            path: about,
            problem: files::without_position(&err),
        })
    }

    /// What was asked, and the answers by row.
    pub fn read(path: &Path) -> Result<(Evaluation, BTreeMap<u64, Answered>), FolderError> {
        let evaluation = Self::evaluation(path)?;
        let results = path.join(RESULTS);
        let text = files::read_if_there(&results)
            .map_err(|source| FolderError::Read { path: results.clone(), source })?
            .unwrap_or_default();
        let mut answered = BTreeMap::new();
        let lines = text.lines().count();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str::<Answered>(line) {
                Ok(row) => {
                    answered.insert(row.row, row.to_twelve_digits());
                }
                // Cut off by a crash; the row is asked again.
                Err(err) if err.is_eof() || index + 1 == lines => {}
                Err(err) => {
                    return Err(FolderError::Line {
                        path: results,
                        line: index + 1,
                        problem: files::without_position(&err),
                    });
                }
            }
        }
        Ok((evaluation, answered))
    }

    /// Keeps an answer, on the disk before this returns.
    pub fn append(&self, answered: &Answered) -> Result<(), FolderError> {
        let path = self.path.join(RESULTS);
        files::append_json(&path, answered).map_err(|source| FolderError::Write { path, source })
    }

    /// Writes all answers in the order of the rows, so that an interrupted evaluation and one that
    /// was not leave the same file, and the tables with the answers.
    pub fn finish(
        &self,
        answered: &BTreeMap<u64, Answered>,
        tables: &[(&str, Vec<u8>)],
    ) -> Result<(), FolderError> {
        self.write(RESULTS, &lines(answered))?;
        tables.iter().try_for_each(|(name, bytes)| self.write(name, bytes))
    }

    /// Writes what is known of an evaluation that is done, and its answers, after people's labels were added.
    pub fn keep(
        path: &Path,
        evaluation: &Evaluation,
        answered: &BTreeMap<u64, Answered>,
    ) -> Result<(), FolderError> {
        let folder = Self { path: path.to_owned() };
        let text = serde_json::to_string_pretty(evaluation).expect("strings are valid JSON");
        // The names of the coders first: an answer with fewer labels than coders is read as well.
        folder.write(EVALUATION, text.as_bytes())?;
        folder.write(RESULTS, &lines(answered))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.path.join(name);
        files::write_atomic(&path, bytes).map_err(|source| FolderError::Write { path, source })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Answers as their file has them.
fn lines(answered: &BTreeMap<u64, Answered>) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in answered.values() {
        serde_json::to_writer(&mut lines, row).expect("an answer is valid JSON");
        lines.push(b'\n');
    }
    lines
}

/// What was different when an evaluation was begun, a few words each.
pub fn differences(begun: &Evaluation, now: &Evaluation) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |is_same: bool, words: String| {
        if !is_same {
            found.push(words);
        }
    };
    compare(begun.model.is_same(&now.model), format!("another model ({})", begun.model.words()));
    compare(begun.way == now.way, "a server that could do other things".to_owned());
    compare(begun.adapter_sha256 == now.adapter_sha256, "another adapter".to_owned());
    let is_same = match (&begun.encoder, &now.encoder) {
        (Some(begun), Some(now)) => begun.is_same(now),
        (begun, now) => begun.is_none() && now.is_none(),
    };
    let encoder = match &begun.encoder {
        Some(encoder) => format!("another encoder ({})", encoder.name()),
        None => "no encoder".to_owned(),
    };
    compare(is_same, encoder);
    compare(begun.weights == now.weights, format!("its weights kept {}", begun.weights));
    compare(begun.data_sha256 == now.data_sha256, "other data".to_owned());
    let beside =
        if begun.task.survey.is_some() { "other people or marginals" } else { "another codebook" };
    compare(begun.codebook_sha256 == now.codebook_sha256, beside.to_owned());
    compare(begun.examples_sha256 == now.examples_sha256, "other examples".to_owned());
    compare(begun.prompt == now.prompt, "another prompt".to_owned());
    let settings = |task: &Task| {
        let Task {
            split,
            examples,
            orders,
            seed,
            answer,
            score,
            id,
            code,
            exam,
            judge,
            rate,
            extract,
            write,
            survey,
            ask,
            perplexity,
            ..
        } = task.clone();
        // Where codebook, people and marginals lie does not matter; what is in them was compared above.
        let nowhere = |path: Option<PathBuf>| path.map(|_| PathBuf::new());
        let survey = survey.map(|survey| {
            let (personas, marginals) = (nowhere(survey.personas), nowhere(survey.marginals));
            Survey { personas, marginals, ..survey }
        });
        let code = code.map(|code| {
            let Code { text, codebook: _, human, threshold, inclusion, by, regression } = code;
            (text, human, threshold, inclusion, by, regression.map(|it| it.on))
        });
        let split = (split, examples.map(|examples| examples.count));
        let options = (code, exam, judge, rate);
        let texts = (extract, write, survey, ask, perplexity);
        (split, orders, (seed, answer, score, id), options, texts)
    };
    compare(settings(&begun.task) == settings(&now.task), "other settings".to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation() -> Evaluation {
        Evaluation {
            task: Task::default(),
            model: ModelIdentity { name: "m".to_owned(), ..ModelIdentity::default() },
            adapter_sha256: None,
            encoder: None,
            data_sha256: "d".to_owned(),
            codebook_sha256: None,
            examples_sha256: None,
            prompt: "p".to_owned(),
            labels: None,
            several: false,
            scale: None,
            coders: Vec::new(),
            rows: 2,
            way: None,
            encoder_decoder: false,
            weights: "as stored".to_owned(),
            program: "0".to_owned(),
            machine: None,
            started: "2026-11-28T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn an_evaluation_is_resumed_with_the_same_settings_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e");
        let (kept, none) = Folder::begin(&path, &evaluation(), false).unwrap();
        assert!(none.is_empty());
        kept.append(&Answered::refused(2, None, "empty".to_owned())).unwrap();
        let taken = Folder::begin(&path, &evaluation(), false).unwrap_err();
        assert!(taken.to_string().contains("resume it"), "{taken}");
        let mut later = evaluation();
        later.started = "2026-11-29T00:00:00Z".to_owned();
        let (_, answered) = Folder::begin(&path, &later, true).unwrap();
        assert_eq!(answered.keys().collect::<Vec<_>>(), [&2]);
        later.prompt = "q".to_owned();
        later.task.seed = 3;
        let said = Folder::begin(&path, &later, true).unwrap_err().to_string();
        assert!(said.contains("another prompt, other settings"), "{said}");
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, _) = Folder::begin(folder.path(), &evaluation(), false).unwrap();
        kept.append(&Answered::refused(1, None, "empty".to_owned())).unwrap();
        let results = folder.path().join(RESULTS);
        let mut text = std::fs::read_to_string(&results).unwrap();
        text.push_str("{\"row\":2,\"ans");
        files::write_atomic(&results, text.as_bytes()).unwrap();
        let (_, answered) = Folder::read(folder.path()).unwrap();
        assert_eq!(answered.len(), 1);
        // The next line does not melt into it.
        kept.append(&Answered::refused(2, None, "empty".to_owned())).unwrap();
        assert_eq!(Folder::read(folder.path()).unwrap().1.len(), 2);
    }
}
