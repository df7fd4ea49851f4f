//! Asks a model about every row of a task, keeps each answer as it comes, and resumes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::env::consts;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finder::Finder;
use super::interviewing::{InterviewError, Interviewer};
use super::passages::Excerpt;
use super::prompt::{Form, PromptError};
use super::question::{Question, QuestionError, Questions};
use super::rating;
use super::respondent::{Answerer, Respondent};
use super::results::{Answered, Evaluation, Folder, FolderError};
use super::scale::LabelScale;
use super::scoring::{Asked, Unaskable, common, sentence};
use super::several_answers::together;
use super::shown;
use super::table;
use super::task::{Kind, Scoring, Task, TaskError};
use super::weighing::weigh;
use super::writing::{Writer, WritingError, likeliest_text};
use crate::data::codebook::Codebook;
use crate::data::table::Reading;
use crate::data::table::folder;
use crate::data::table::rows as read_table;
use crate::encoder;
use crate::files;
use crate::jobs::{Cancelled, Progress, Quiet};
use crate::llm::card::{AdapterCard, ModelCard, ModelIdentity};
use crate::llm::{Adapter, Model};
use crate::remote::error::RemoteError;

/// What is worth showing while it runs.
#[derive(Clone, Debug)]
pub enum AskEvent {
    /// Of a row that is read in windows, `done` of `windows` are read.
    Window { row: u64, done: usize, windows: usize },

    /// A row is answered, `done` of `total`; rows that were answered before are counted.
    Answered { done: usize, total: usize, row: Box<Answered> },
}

/// Why the rows could not be asked, or not all of them.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Question(#[from] QuestionError),

    #[error(transparent)]
    Task(#[from] TaskError),

    #[error(transparent)]
    Prompt(#[from] PromptError),

    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("the model failed at row {row}")]
    Model { row: u64, source: encoder::Error },

    #[error(transparent)]
    Stopped(#[from] Cancelled),

    #[error(transparent)]
    Writing(#[from] WritingError),

    #[error("row {row} could not be asked")]
    Interview { row: u64, source: InterviewError },

    #[error("row {row} could not be asked")]
    Server { row: u64, source: RemoteError },

    /// Of a model behind a server.
    #[error("{0}")]
    Unservable(String),

    #[error("the passages for row {row} could not be chosen")]
    Passages { row: u64, source: encoder::Error },

    #[error("the task names the encoder {name}, and it is not loaded")]
    NoEncoder { name: String },

    #[error("the beginning that all prompts share could not be prepared")]
    Beginning(#[source] encoder::Error),

    #[error("the model cannot be asked")]
    Unready(#[source] encoder::Error),
}

impl AskError {
    /// Stop was pressed: no failure.
    pub fn is_stop(&self) -> bool {
        match self {
            Self::Stopped(_) => true,
            Self::Model { source, .. }
            | Self::Beginning(source)
            | Self::Interview { source: InterviewError::Model(source), .. } => source.is_stop(),
            _ => false,
        }
    }
}

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
        let form = Form::of(task, task.kind()?, questions.codebook.as_ref())?;
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
            shown::show(&mut questions, others, (examples, &form, task.seed))?;
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
        }
    }
}

fn hash(path: &Path) -> Result<String, AskError> {
    folder::sha256(path).map_err(|source| AskError::Read { path: path.to_owned(), source })
}

/// Asks about every row that has no answer yet, and writes the table once all have one. Whoever stops
/// it finds all answers so far in the folder.
pub fn run<'a>(
    respondent: impl Into<Respondent<'a>>,
    prepared: &'a Prepared,
    folder: &Folder,
    mut answered: BTreeMap<u64, Answered>,
    progress: &dyn Progress<AskEvent>,
) -> Result<BTreeMap<u64, Answered>, AskError> {
    let mut asker = Asker::new(respondent, prepared)?;
    let total = prepared.questions.list.len();
    for question in &prepared.questions.list {
        let row = question.row.place.row;
        if answered.contains_key(&row) {
            continue;
        }
        progress.check()?;
        let answer = asker.answer_in_steps(question, progress, &mut |done, windows| {
            progress.emit(AskEvent::Window { row, done, windows });
        })?;
        folder.append(&answer)?;
        answered.insert(row, answer.clone());
        progress.emit(AskEvent::Answered { done: answered.len(), total, row: Box::new(answer) });
        progress.rest();
    }
    folder.finish(&answered, &table::all(&prepared.task, &prepared.questions, &answered))?;
    Ok(answered)
}

/// Asks one model about one row after the other.
pub struct Asker<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) answerer: Answerer<'a>,

    /// What all prompts begin with.
    shared: Vec<u32>,

    /// Where an answer is written, and not one of several options.
    writer: Option<Writer>,

    /// Where the rows are items of a survey.
    interviewer: Option<Interviewer>,

    /// What the answers are worth without the row's text, by the ids of the prompt.
    priors: HashMap<Vec<u32>, Vec<f64>>,
}

impl<'a> Asker<'a> {
    pub fn new(
        respondent: impl Into<Respondent<'a>>,
        prepared: &'a Prepared,
    ) -> Result<Self, AskError> {
        let answerer = Answerer::new(respondent.into());
        let answerer = answerer.map_err(AskError::Unready)?;
        let shared = shared(&answerer, prepared)?;
        let kind = prepared.task.kind()?;
        let writer = Writer::new(&answerer, kind, prepared.task.seed)?;
        let interviewer = match kind {
            Kind::Survey(survey) => {
                let made = Interviewer::new(&answerer, &prepared.task, survey);
                Some(made.map_err(|source| AskError::Interview { row: 1, source })?)
            }
            _ => None,
        };
        Ok(Self { prepared, answerer, shared, writer, interviewer, priors: HashMap::new() })
    }

    /// The answer about one row, whatever was asked before.
    pub fn answer<E>(
        &mut self,
        question: &Question,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, AskError> {
        self.answer_in_steps(question, progress, &mut |_, _| {})
    }

    /// The same; `read` hears of a text in windows how many of how many are read.
    pub fn answer_in_steps<E>(
        &mut self,
        question: &Question,
        progress: &dyn Progress<E>,
        read: &mut dyn FnMut(usize, usize),
    ) -> Result<Answered, AskError> {
        let row = question.row.place.row;
        let answered = match &question.problem {
            Some(problem) => Answered::refused(row, None, problem.clone()),
            None if self.interviewer.is_some() => self.interview(question, progress)?,
            None if self.prepared.task.perplexity.is_some() => self.measure(question, progress)?,
            None if let Some(windows) = self.windows(question)? => {
                self.read_in_windows(question, &windows, (progress, read))?
            }
            None => match self.fit(self.prepared.placed(question, progress)?.as_ref())? {
                Ok(fitted) if self.writer.is_some() => self.write(question, fitted, progress)?,
                Ok(fitted) => self.ask(question, &fitted, progress)?,
                Err(unaskable) => Answered::refused(row, None, sentence(&unaskable)),
            },
        };
        Ok(answered.about(question))
    }

    /// What the model writes about a row when nothing holds it to the options: of so many tokens more
    /// than the longest of them, at most. `None`: the row cannot be asked.
    pub fn reply<E>(
        &mut self,
        question: &Question,
        more: usize,
        progress: &dyn Progress<E>,
    ) -> Result<Option<String>, AskError> {
        let Ok(Fitted { asked, .. }) = self.fit(question)? else { return Ok(None) };
        let Some(asked) = asked.first() else { return Ok(None) };
        let most = asked.answers.iter().map(Vec::len).max().unwrap_or(0) + more;
        let written =
            likeliest_text(&mut self.answerer, &self.shared, &asked.prompt, most, progress);
        let row = question.row.place.row;
        let (text, _) = written.map_err(|source| AskError::Model { row, source })?;
        Ok(Some(text))
    }

    fn ask<E>(
        &mut self,
        question: &Question,
        fitted: &Fitted,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, AskError> {
        let row = question.row.place.row;
        let logprobs = self.logprobs(question, &fitted.asked, progress)?;
        let scores = match self.prepared.task.score {
            Scoring::Sum => logprobs.clone(),
            Scoring::Mean => logprobs
                .iter()
                .zip(&fitted.asked)
                .map(|(sums, asked)| {
                    let lengths = asked.answers.iter().map(|ids| ids.len() as f64);
                    sums.iter().zip(lengths).map(|(sum, length)| sum / length).collect()
                })
                .collect(),
            Scoring::Prior => self.less_prior(question, &logprobs, progress)?,
        };
        let judges = matches!(self.prepared.task.kind()?, Kind::Judge(_));
        // Of several labels each has its own orders.
        let each = self.prepared.form.asks_each();
        let labels = if each { question.options.len().max(1) } else { 1 };
        let size = (fitted.orders.len() / labels).max(1);
        let parts = fitted.orders.chunks(size).zip(scores.chunks(size)).zip(logprobs.chunks(size));
        let weighed: Result<Vec<Answered>, _> = parts
            .map(|((orders, scores), logprobs)| weigh(orders, scores, logprobs, judges))
            .collect();
        let answered = match weighed {
            Ok(weighed) if each => {
                together(&question.options, weighed, self.prepared.task.threshold())
            }
            Ok(mut weighed) => weighed.swap_remove(0),
            Err(because) => return Ok(Answered::refused(row, None, because.to_string())),
        };
        Ok(Answered { row, cut: fitted.cut, ..answered.in_words_of(&question.options) })
    }

    /// Natural logs of the probability of every answer, order by order.
    fn logprobs<E>(
        &mut self,
        question: &Question,
        asked: &[Asked],
        progress: &dyn Progress<E>,
    ) -> Result<Vec<Vec<f64>>, AskError> {
        let logprobs = self.answerer.score(&self.shared, asked, progress);
        let row = question.row.place.row;
        let logprobs = logprobs.map_err(|source| AskError::Model { row, source })?;
        if !matches!(self.prepared.task.kind()?, Kind::Rate(_)) {
            return Ok(logprobs);
        }
        let apart = logprobs.iter().zip(asked).map(|(sums, asked)| {
            let names = question.options.iter().map(String::as_str);
            let said = names.zip(sums).zip(&asked.answers);
            let said: Vec<_> = said.map(|((name, sum), ids)| (name, *sum, ids.len())).collect();
            rating::apart(&said)
        });
        Ok(apart.collect())
    }

    fn interview<E>(
        &mut self,
        question: &Question,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, AskError> {
        let row = question.row.place.row;
        let Some(interviewer) = &self.interviewer else {
            return Ok(Answered::refused(row, None, "it is no item of a survey".to_owned()));
        };
        match interviewer.answer(&mut self.answerer, question, progress) {
            Ok(answered) => Ok(answered),
            Err(InterviewError::Model(source)) => Err(AskError::Model { row, source }),
            Err(source) => Err(AskError::Interview { row, source }),
        }
    }

    pub(super) fn write<E>(
        &mut self,
        question: &Question,
        Fitted { asked, cut, excerpt, .. }: Fitted,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, AskError> {
        let row = question.row.place.row;
        let (Some(writer), Some(asked)) = (&self.writer, asked.first()) else {
            return Ok(Answered::refused(row, None, "it has no prompt".to_owned()));
        };
        let text = question.part("text").unwrap_or_default();
        let given = (self.shared.as_slice(), asked.prompt.as_slice());
        let answered = writer.answer(&mut self.answerer, given, (row, &text), progress);
        let mut answered = answered.map_err(|source| AskError::Model { row, source })?;
        answered.row = row;
        answered.cut = cut;
        if let Some(written) = &mut answered.written {
            written.people.clone_from(&question.said);
            written.excerpt = excerpt;
        }
        Ok(answered)
    }

    /// The presentations of a row as ids, its text shortened where they do not fit.
    pub(super) fn fit(&self, question: &Question) -> Result<Result<Fitted, Unaskable>, AskError> {
        // A cut text may have other tokens at its new end; a few tries find a length that fits.
        const TRIES: usize = 6;

        let failed = |source| AskError::Model { row: question.row.place.row, source };
        let mut cut = None;
        let mut question = question.clone();
        let mut tries = 0;
        let room = self.prepared.task.kind()?.room();
        loop {
            let presentations = self.prepared.form.presentations(&question)?;
            let asked: Result<Vec<Asked>, Unaskable> = presentations
                .iter()
                .map(|presentation| self.answerer.encode(presentation, room))
                .collect::<Result<Vec<_>, encoder::Error>>()
                .map_err(failed)?
                .into_iter()
                .collect();
            match asked {
                Ok(asked) => {
                    let orders = presentations.into_iter().map(|one| one.order).collect();
                    let excerpt = question.excerpt;
                    return Ok(Ok(Fitted { orders, asked, cut, excerpt }));
                }
                Err(Unaskable::TooLong { needed, context }) if tries < TRIES => {
                    tries += 1;
                    if let Some(fewer) = question.with_fewer_passages() {
                        question = fewer;
                        continue;
                    }
                    let shorter = self.shortened(&question, needed - context).map_err(failed)?;
                    let Some((shorter, less)) = shorter else {
                        return Ok(Err(Unaskable::TooLong { needed, context }));
                    };
                    cut = Some(cut.unwrap_or(0) + less);
                    question = shorter;
                }
                Err(unaskable) => return Ok(Err(unaskable)),
            }
        }
    }

    /// The question with `over` tokens fewer at the end of its text. `None`: it has no text that may
    /// be cut, or nothing would be left of it.
    fn shortened(
        &self,
        question: &Question,
        over: usize,
    ) -> Result<Option<(Question, usize)>, encoder::Error> {
        let Some(text) = question.part("text") else { return Ok(None) };
        let tokenizer = self.answerer.tokenizer();
        let ids = tokenizer.encode(&text, false)?;
        let Some(kept) = ids.len().checked_sub(over).filter(|kept| *kept > 0) else {
            return Ok(None);
        };
        let shorter = tokenizer.decode(&ids[..kept], false);
        let shorter = shorter.trim_end_matches('\u{fffd}');
        Ok(Some((question.with_part("text", shorter), over)))
    }

    /// Scores less what they would be if the row's own text were empty.
    fn less_prior<E>(
        &mut self,
        question: &Question,
        logprobs: &[Vec<f64>],
        progress: &dyn Progress<E>,
    ) -> Result<Vec<Vec<f64>>, AskError> {
        let blank = question.blank();
        // What fits with a text fits without one.
        let Ok(Fitted { asked, .. }) = self.fit(&blank)? else { return Ok(logprobs.to_vec()) };
        let key: Vec<u32> = asked.iter().flat_map(|asked| asked.prompt.clone()).collect();
        let count = asked.first().map_or(1, |asked| asked.answers.len());
        if !self.priors.contains_key(&key) {
            let priors = self.logprobs(question, &asked, progress)?;
            self.priors.insert(key.clone(), priors.concat());
        }
        let priors = self.priors[&key].chunks_exact(count);
        let less = |(sums, priors): (&Vec<f64>, &[f64])| {
            sums.iter().zip(priors).map(|(sum, prior)| sum - prior).collect()
        };
        Ok(logprobs.iter().zip(priors).map(less).collect())
    }
}

/// The presentations of a row as ids.
pub(super) struct Fitted {
    orders: Vec<Vec<usize>>,
    asked: Vec<Asked>,

    /// Tokens of its text that were left out.
    cut: Option<usize>,

    /// Of a question about a document, what of that fits.
    excerpt: Option<Excerpt>,
}

/// What the prompts of all rows begin with, told by two rows that have nothing in common.
fn shared(answerer: &Answerer<'_>, prepared: &Prepared) -> Result<Vec<u32>, AskError> {
    // An encoder reads every prompt as a whole.
    let Answerer::Decoder { model, .. } = answerer else { return Ok(Vec::new()) };
    if prepared.task.perplexity.is_some() {
        return Ok(Vec::new()); // a text is read in its windows alone
    }
    let Some(question) = prepared.questions.list.first() else { return Ok(Vec::new()) };
    let mut prompts = Vec::new();
    for word in ["0", "x"] {
        let mut probe = question.filled_with(word);
        if prepared.questions.labels.is_none() {
            probe.options = vec![word.to_owned(), format!("{word}{word}")];
        }
        for presentation in prepared.form.presentations(&probe)? {
            match Asked::encode(model, &presentation, (0, model.config().context_length))
                .map_err(|source| AskError::Beginning(source.into()))?
            {
                Ok(asked) => prompts.push(asked.prompt),
                Err(_) => return Ok(Vec::new()),
            }
        }
    }
    let count = common(prompts.iter().map(Vec::as_slice));
    Ok(prompts.swap_remove(0)[..count].to_vec())
}
