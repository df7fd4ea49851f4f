//! Asks a model about every row of a task, keeps each answer as it comes, and resumes.

use std::collections::{BTreeMap, HashMap};

use super::error::AskError;
use super::interviewing::{InterviewError, Interviewer};
use super::prepared::Prepared;
use super::respondent::{Answerer, Respondent};
use super::scoring::{Asked, Unaskable, common, sentence};
use super::several_answers::together;
use super::weighing::weigh;
use super::writing::{Writer, likeliest_text};
use crate::encoder;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::folder::Folder;
use crate::evaluate::results::table;
use crate::evaluate::rows::passages::Excerpt;
use crate::evaluate::rows::question::Question;
use crate::evaluate::task::rating;
use crate::evaluate::task::{Kind, Scoring};
use crate::jobs::Progress;

/// What is worth showing while it runs.
#[derive(Clone, Debug)]
pub enum AskEvent {
    /// Of a row that is read in windows, `done` of `windows` are read.
    Window { row: u64, done: usize, windows: usize },

    /// A row is answered, `done` of `total`; rows that were answered before are counted.
    Answered { done: usize, total: usize, row: Box<Answered> },
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
    /// than the longest of them, at most. `presentation`: which of the row's. `None`: the row cannot be asked.
    pub fn reply<E>(
        &mut self,
        question: &Question,
        (presentation, more): (usize, usize),
        progress: &dyn Progress<E>,
    ) -> Result<Option<String>, AskError> {
        let Ok(Fitted { asked, .. }) = self.fit(question)? else { return Ok(None) };
        let Some(asked) = asked.get(presentation) else { return Ok(None) };
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
        let each = self.prepared.form.asks_each();
        let size = self.prepared.form.for_one_answer(question, fitted.orders.len());
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
