//! A task with its rows, read and checked before a model is loaded.

use std::borrow::Cow;
use std::env::consts;
use std::path::Path;
use std::sync::Arc;

use super::error::AskError;
use super::finder::Finder;
use super::shown;
use crate::data::codebook::Codebook;
use crate::data::table::Reading;
use crate::data::table::folder;
use crate::data::table::rows as read_table;
use crate::encoder;
use crate::evaluate::prompt::Form;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::rows::question::Question;
use crate::evaluate::rows::questions::{QuestionError, Questions};
use crate::evaluate::task::scale::LabelScale;
use crate::evaluate::task::{Kind, Task};
use crate::files;
use crate::jobs::{Progress, Quiet};
use crate::llm::card::{AdapterCard, ModelCard, ModelIdentity};
use crate::llm::{Adapter, Model};

/// A task with its rows, ready to be asked of any model.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub task: Task,
    pub questions: Questions,
    pub form: Form,
    pub data_sha256: String,
    pub codebook_sha256: Option<String>,

    /// Of the table that examples are from, where they are from another one.
    pub examples_sha256: Option<String>,

    /// Chooses the passages for questions about documents; without it, BM25 does.
    pub finder: Option<Arc<Finder>>,
}

impl Prepared {
    /// Reads everything, and finds what is wrong with the prompt before a model is loaded.
    pub fn read(task: &Task, progress: &dyn Progress<Reading>) -> Result<Self, AskError> {
        let codebook_sha256 = match task.kind()? {
            Kind::Code(code) => Some(hash(&code.codebook)?),
            Kind::Survey(survey) => {
                // Who answers, and what real people said.
                let files = [&survey.personas, &survey.marginals].into_iter().flatten();
                let hashes = files.map(|path| hash(path)).collect::<Result<Vec<_>, _>>()?;
                Some(files::sha256_of_bytes(hashes.concat().as_bytes()))
            }
            _ => None,
        };
        Self::of(task, Questions::read(task, progress)?, codebook_sha256)
    }

    /// The same with a codebook that is not in a file yet.
    pub fn read_with(
        task: &Task,
        codebook: Codebook,
        progress: &dyn Progress<Reading>,
    ) -> Result<Self, AskError> {
        let sha256 = files::sha256_of_bytes(codebook.to_toml().as_bytes());
        let table = read_table(&task.data, progress).map_err(QuestionError::Table)?;
        Self::of(task, Questions::of(task, Some(codebook), table)?, Some(sha256))
    }

    fn of(
        task: &Task,
        mut questions: Questions,
        codebook_sha256: Option<String>,
    ) -> Result<Self, AskError> {
        let mut form = Form::of(task, task.kind()?, questions.codebook.as_ref())?;
        let mut examples_sha256 = None;
        if let Some(examples) = &task.examples {
            let others = if let Some(data) = &examples.data {
                examples_sha256 = Some(hash(data)?);
                let table = read_table(data, &Quiet).map_err(QuestionError::Table)?;
                let whole = Task { split: None, rows: 0, id: None, ..task.clone() };
                Some(Questions::of(&whole, questions.codebook.clone(), table)?.list)
            } else {
                None
            };
            shown::show(&mut questions, others, (examples, &mut form, task.seed))?;
        }
        if let Some(question) = questions.list.first() {
            form.presentations(question)?;
        }
        let data_sha256 = hash(&task.data)?;
        let task = task.clone();
        Ok(Self {
            task,
            questions,
            form,
            data_sha256,
            codebook_sha256,
            examples_sha256,
            finder: None,
        })
    }

    /// Some of its rows.
    #[must_use]
    pub fn with_rows(&self, list: Vec<Question>) -> Self {
        let Questions { report, list: _, codebook, coders, labels, repeated } = &self.questions;
        let questions = Questions {
            report: report.clone(),
            list,
            codebook: codebook.clone(),
            coders: coders.clone(),
            labels: labels.clone(),
            repeated: repeated.clone(),
        };
        Self {
            task: self.task.clone(),
            questions,
            form: self.form.clone(),
            data_sha256: self.data_sha256.clone(),
            codebook_sha256: self.codebook_sha256.clone(),
            examples_sha256: self.examples_sha256.clone(),
            finder: self.finder.clone(),
        }
    }

    /// A question as it is asked: of a document, with the passages that the encoder chooses.
    pub fn placed<'a, E>(
        &self,
        question: &'a Question,
        progress: &dyn Progress<E>,
    ) -> Result<Cow<'a, Question>, AskError> {
        let finder = match (&self.finder, &self.task.encoder) {
            (Some(finder), _) => finder,
            (None, None) => return Ok(Cow::Borrowed(question)),
            (None, Some(name)) => return Err(AskError::NoEncoder { name: name.clone() }),
        };
        let Kind::Ask(ask) = self.task.kind()? else { return Ok(Cow::Borrowed(question)) };
        match finder.place(question, ask, progress) {
            Ok(placed) => Ok(Cow::Owned(placed)),
            Err(encoder::Error::Cancelled(stop)) => Err(AskError::Stopped(stop)),
            Err(source) => Err(AskError::Passages { row: question.row.place.row, source }),
        }
    }

    /// The same rows, asked once each with another codebook, and with another prompt where one is
    /// given.
    pub fn varied(&self, codebook: Codebook, prompt: Option<&str>) -> Result<Self, AskError> {
        let mut varied = self.clone();
        varied.task.orders = 1;
        // Examples have the labels that are exchanged here.
        varied.task.examples = None;
        if let Some(prompt) = prompt {
            varied.task.prompt = Some(prompt.to_owned());
        }
        let labels = codebook.labels();
        for question in &mut varied.questions.list {
            question.options.clone_from(&labels);
        }
        varied.form = Form::of(&varied.task, varied.task.kind()?, Some(&codebook))?;
        varied.questions.labels = Some(labels);
        varied.questions.codebook = Some(codebook);
        Ok(varied)
    }

    /// What is written down before the first row.
    pub fn evaluation(
        &self,
        model: &Model,
        adapter: Option<&Adapter>,
        weights: &str,
        started: &str,
    ) -> Evaluation {
        let adapter = adapter.map(|adapter| adapter.card().sha256);
        self.evaluation_by(model.card().identity.clone(), adapter, weights, started)
    }

    /// The same of an encoder-decoder.
    pub fn evaluation_of_pair(
        &self,
        card: &ModelCard,
        adapter: Option<&AdapterCard>,
        started: &str,
    ) -> Evaluation {
        let adapter = adapter.map(|adapter| adapter.sha256.clone());
        let evaluation = self.evaluation_by(card.identity.clone(), adapter, "as stored", started);
        Evaluation { encoder_decoder: true, ..evaluation }
    }

    /// The same of any model.
    pub fn evaluation_by(
        &self,
        model: ModelIdentity,
        adapter_sha256: Option<String>,
        weights: &str,
        started: &str,
    ) -> Evaluation {
        Evaluation {
            task: self.task.clone(),
            model,
            adapter_sha256,
            encoder: self.finder.as_ref().map(|finder| finder.identity().clone()),
            data_sha256: self.data_sha256.clone(),
            codebook_sha256: self.codebook_sha256.clone(),
            examples_sha256: self.examples_sha256.clone(),
            prompt: self.form.template().to_owned(),
            labels: self.questions.labels.clone(),
            several: self.form.asks_each(),
            scale: self.questions.codebook.as_ref().and_then(LabelScale::of),
            coders: self.questions.coders.clone(),
            rows: self.questions.list.len(),
            way: None,
            encoder_decoder: false,
            weights: weights.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            machine: Some(format!(
                "{} threads of a {} processor under {}",
                rayon::current_num_threads(),
                consts::ARCH,
                consts::OS
            )),
            started: started.to_owned(),
            threshold_set: None,
        }
    }
}

fn hash(path: &Path) -> Result<String, AskError> {
    folder::sha256(path).map_err(|source| AskError::Read { path: path.to_owned(), source })
}
