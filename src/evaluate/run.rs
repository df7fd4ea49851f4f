//! Asks a model about every row of a task, keeps each answer as it comes, and resumes.

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::LN_2;
use std::io;
use std::path::{Path, PathBuf};

use super::codebook::Codebook;
use super::prompt::{Form, PromptError};
use super::question::{Question, QuestionError, Questions};
use super::results::{Answered, Evaluation, Folder, FolderError};
use super::scoring::{Asked, Scorer, Unaskable, common};
use super::table;
use super::task::{Kind, Scoring, Task, TaskError};
use crate::data::table::Reading;
use crate::data::table::rows as read_table;
use crate::files;
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::llm::{Adapter, Model};
use crate::stats::classification::probabilities::first_largest;
use crate::stats::divergence::entropy;
use crate::stats::ranking::multiple_choice::ranked;
use crate::stats::survey::orders::{Shown, order_effect};
use crate::stats::undefined::Undefined;

/// What is worth showing while it runs.
#[derive(Clone, Debug)]
pub enum AskEvent {
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
    Model { row: u64, source: llm::Error },

    #[error(transparent)]
    Stopped(#[from] Cancelled),

    #[error("the beginning that all prompts share could not be prepared")]
    Beginning(#[source] llm::Error),
}

/// A task with its rows, ready to be asked of any model.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub task: Task,
    pub questions: Questions,
    pub form: Form,
    pub data_sha256: String,
    pub codebook_sha256: Option<String>,
}

impl Prepared {
    /// Reads everything, and finds what is wrong with the prompt before a model is loaded.
    pub fn read(task: &Task, progress: &dyn Progress<Reading>) -> Result<Self, AskError> {
        let codebook_sha256 = match task.kind()? {
            Kind::Code(code) => Some(hash(&code.codebook)?),
            Kind::Exam(_) | Kind::Judge(_) => None,
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
        questions: Questions,
        codebook_sha256: Option<String>,
    ) -> Result<Self, AskError> {
        let form = Form::of(task, task.kind()?, questions.codebook.as_ref())?;
        if let Some(question) = questions.list.first() {
            form.presentations(question)?;
        }
        let data_sha256 = hash(&task.data)?;
        Ok(Self { task: task.clone(), questions, form, data_sha256, codebook_sha256 })
    }

    /// What is written down before the first row.
    pub fn evaluation(
        &self,
        model: &Model,
        adapter: Option<&Adapter>,
        weights: &str,
        started: &str,
    ) -> Evaluation {
        Evaluation {
            task: self.task.clone(),
            model: model.card().identity.clone(),
            adapter_sha256: adapter.map(|adapter| adapter.card().sha256),
            data_sha256: self.data_sha256.clone(),
            codebook_sha256: self.codebook_sha256.clone(),
            prompt: self.form.template().to_owned(),
            labels: self.questions.labels.clone(),
            coders: self.questions.coders.clone(),
            rows: self.questions.list.len(),
            weights: weights.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            started: started.to_owned(),
        }
    }
}

fn hash(path: &Path) -> Result<String, AskError> {
    files::sha256_of_file(path, |_| Ok(()))
        .map_err(|source| AskError::Read { path: path.to_owned(), source })
}

/// Asks about every row that has no answer yet, and writes the table once all have one. Whoever stops
/// it finds all answers so far in the folder.
pub fn run(
    model: &Model,
    adapter: Option<&Adapter>,
    prepared: &Prepared,
    folder: &Folder,
    mut answered: BTreeMap<u64, Answered>,
    progress: &dyn Progress<AskEvent>,
) -> Result<BTreeMap<u64, Answered>, AskError> {
    let mut asker = Asker::new(model, adapter, prepared)?;
    let total = prepared.questions.list.len();
    for question in &prepared.questions.list {
        let row = question.row.place.row;
        if answered.contains_key(&row) {
            continue;
        }
        progress.check()?;
        let answer = asker.answer(question, progress)?;
        folder.append(&answer)?;
        answered.insert(row, answer.clone());
        progress.emit(AskEvent::Answered { done: answered.len(), total, row: Box::new(answer) });
        progress.rest();
    }
    folder.finish(&answered, &table::csv(&prepared.questions, &answered))?;
    Ok(answered)
}

/// Asks one model about one row after the other.
pub struct Asker<'a> {
    model: &'a Model,
    prepared: &'a Prepared,
    scorer: Scorer<'a>,

    /// What all prompts begin with.
    shared: Vec<u32>,

    /// What the answers are worth without the row's text, by the ids of the prompt.
    priors: HashMap<Vec<u32>, Vec<f64>>,
}

impl<'a> Asker<'a> {
    pub fn new(
        model: &'a Model,
        adapter: Option<&'a Adapter>,
        prepared: &'a Prepared,
    ) -> Result<Self, AskError> {
        let scorer = Scorer::new(model, adapter);
        let shared = shared(model, prepared)?;
        Ok(Self { model, prepared, scorer, shared, priors: HashMap::new() })
    }

    /// The answer about one row, whatever was asked before.
    pub fn answer<E>(
        &mut self,
        question: &Question,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, AskError> {
        let row = question.row.place.row;
        let mut answered = match &question.problem {
            Some(problem) => Answered::refused(row, None, problem.clone()),
            None => match self.fit(question)? {
                Ok(fitted) => self.ask(question, &fitted, progress)?,
                Err(unaskable) => Answered::refused(row, None, sentence(&unaskable)),
            },
        };
        answered.id.clone_from(&question.id);
        answered.human.clone_from(&question.human);
        answered.group.clone_from(&question.group);
        Ok(answered.to_twelve_digits())
    }

    fn ask<E>(
        &mut self,
        question: &Question,
        fitted: &Fitted,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, AskError> {
        let row = question.row.place.row;
        let logprobs = self
            .scorer
            .score(&self.shared, &fitted.asked, progress)
            .map_err(|source| AskError::Model { row, source })?;
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
        let weighed = weigh(&fitted.orders, &scores, &logprobs, judges);
        let mut answered = match weighed {
            Ok(answered) => answered,
            Err(because) => return Ok(Answered::refused(row, None, because.to_string())),
        };
        answered.row = row;
        answered.cut = fitted.cut;
        answered.answer = answered.index.map(|index| match question.options.get(index) {
            Some(option) => option.trim().to_owned(),
            None => "tie".to_owned(),
        });
        Ok(answered)
    }

    /// The presentations of a row as ids, its text shortened where they do not fit.
    fn fit(&self, question: &Question) -> Result<Result<Fitted, Unaskable>, AskError> {
        // A cut text may have other tokens at its new end; a few tries find a length that fits.
        const TRIES: usize = 6;

        let failed = |source| AskError::Model { row: question.row.place.row, source };
        let mut cut = None;
        let mut question = question.clone();
        let mut tries = 0;
        loop {
            let presentations = self.prepared.form.presentations(&question)?;
            let asked: Result<Vec<Asked>, Unaskable> = presentations
                .iter()
                .map(|presentation| Asked::encode(self.model, presentation))
                .collect::<Result<Vec<_>, llm::Error>>()
                .map_err(failed)?
                .into_iter()
                .collect();
            match asked {
                Ok(asked) => {
                    let orders = presentations.into_iter().map(|one| one.order).collect();
                    return Ok(Ok(Fitted { orders, asked, cut }));
                }
                Err(Unaskable::TooLong { needed, context }) if tries < TRIES => {
                    tries += 1;
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
    ) -> Result<Option<(Question, usize)>, llm::Error> {
        let Some(text) = question.part("text") else { return Ok(None) };
        let ids = self.model.tokenizer().encode(&text, false)?;
        let Some(kept) = ids.len().checked_sub(over).filter(|kept| *kept > 0) else {
            return Ok(None);
        };
        let shorter = self.model.tokenizer().decode(&ids[..kept], false);
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
        let mut blank = question.clone();
        for name in ["text", "question", "prompt"] {
            if blank.part(name).is_some() {
                blank = blank.with_part(name, "");
            }
        }
        // What fits with a text fits without one.
        let Ok(Fitted { asked, .. }) = self.fit(&blank)? else { return Ok(logprobs.to_vec()) };
        let key: Vec<u32> = asked.iter().flat_map(|asked| asked.prompt.clone()).collect();
        let count = asked.first().map_or(1, |asked| asked.answers.len());
        if !self.priors.contains_key(&key) {
            let priors = self
                .scorer
                .score(&self.shared, &asked, progress)
                .map_err(|source| AskError::Model { row: question.row.place.row, source })?;
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
struct Fitted {
    orders: Vec<Vec<usize>>,
    asked: Vec<Asked>,

    /// Tokens of its text that were left out.
    cut: Option<usize>,
}

fn sentence(unaskable: &Unaskable) -> String {
    match unaskable {
        Unaskable::Unsayable { answer } => {
            format!("the model's tokenizer has no tokens for the answer “{answer}”")
        }
        Unaskable::TooLong { needed, context } => {
            format!("its prompt has {needed} tokens, and the model's context is {context}")
        }
    }
}

/// What the prompts of all rows begin with, told by two rows that have nothing in common.
fn shared(model: &Model, prepared: &Prepared) -> Result<Vec<u32>, AskError> {
    let Some(question) = prepared.questions.list.first() else { return Ok(Vec::new()) };
    let mut prompts = Vec::new();
    for word in ["0", "x"] {
        let mut probe = question.filled_with(word);
        if prepared.questions.labels.is_none() {
            probe.options = vec![word.to_owned(), format!("{word}{word}")];
        }
        for presentation in prepared.form.presentations(&probe)? {
            match Asked::encode(model, &presentation).map_err(AskError::Beginning)? {
                Ok(asked) => prompts.push(asked.prompt),
                Err(_) => return Ok(Vec::new()),
            }
        }
    }
    let count = common(prompts.iter().map(Vec::as_slice));
    Ok(prompts.swap_remove(0)[..count].to_vec())
}

/// Averages over the orders. `scores`, `logprobs`: of each place, order by order.
fn weigh(
    orders: &[Vec<usize>],
    scores: &[Vec<f64>],
    logprobs: &[Vec<f64>],
    judges: bool,
) -> Result<Answered, Undefined> {
    let count = orders.first().map_or(0, Vec::len);
    let shown: Vec<Shown> = orders
        .iter()
        .zip(scores)
        .map(|(order, scores)| Shown { order: order.clone(), masses: shifted_masses(scores) })
        .collect();
    let effect = order_effect(count, &shown);
    let probabilities = effect.adjusted?;
    // Where two places are as likely the first one is the choice: a judge that cannot tell two answers
    // apart then chooses another one in each order, which is a tie.
    let mut choices = vec![0_usize; count];
    for Shown { order, masses } in &shown {
        choices[order[first_largest(masses)]] += 1;
    }
    let commonest = choices.into_iter().max().unwrap_or(0);
    let masses = logprobs.iter().map(|logprobs| logprobs.iter().map(|it| it.exp()).sum::<f64>());
    let ranked = ranked(&probabilities);
    let of_rank = |rank: usize| ranked.get(rank).map_or(0.0, |option| probabilities[*option]);
    let several = orders.len() > 1;
    let disagree = commonest < orders.len();
    let mut in_order_of_table = vec![0.0; count];
    if let (Some(order), Some(logprobs)) = (orders.first(), logprobs.first()) {
        for (&option, logprob) in order.iter().zip(logprobs) {
            in_order_of_table[option] = *logprob;
        }
    }
    Ok(Answered {
        index: if judges && disagree { Some(count) } else { ranked.first().copied() },
        logprobs: in_order_of_table,
        entropy: in_bits(entropy(&probabilities)),
        margin: of_rank(0) - of_rank(1),
        mass: masses.sum::<f64>() / orders.len() as f64,
        by_place: if several { effect.by_position? } else { Vec::new() },
        same_answer: several.then_some(commonest as f64 / orders.len() as f64),
        probabilities,
        problem: None,
        ..Answered::refused(0, None, String::new())
    })
}

fn in_bits(nats: f64) -> f64 {
    nats / LN_2
}

/// Shifted by the highest first, so that answers of many tokens do not all become 0.
fn shifted_masses(scores: &[f64]) -> Vec<f64> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    scores.iter().map(|score| (score - highest).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_averaged_over_orders_by_option_and_by_place() {
        // Each order's masses are on letters; what stands there is in `orders`.
        let orders = [vec![0, 1], vec![1, 0]];
        let logprobs = [vec![0.6_f64.ln(), 0.2_f64.ln()], vec![0.5_f64.ln(), 0.5_f64.ln()]];
        let answered = weigh(&orders, &logprobs, &logprobs, false).unwrap();
        assert!((answered.probabilities[0] - f64::midpoint(0.75, 0.5)).abs() < 1e-12);
        assert!((answered.by_place[0] - f64::midpoint(0.75, 0.5)).abs() < 1e-12);
        assert!((answered.mass - 0.9).abs() < 1e-12);
        assert_eq!(answered.index, Some(0));
        // Of the second order the first place is as likely as the second and counts.
        assert_eq!(answered.same_answer, Some(0.5));
    }

    #[test]
    fn a_judge_that_follows_the_place_says_tie() {
        let orders = [vec![0, 1], vec![1, 0]];
        let first_place = [vec![-0.1, -3.0], vec![-0.1, -3.0]];
        assert_eq!(weigh(&orders, &first_place, &first_place, true).unwrap().index, Some(2));
        let steady = [vec![-0.1, -3.0], vec![-3.0, -0.1]];
        assert_eq!(weigh(&orders, &steady, &steady, true).unwrap().index, Some(0));
    }

    #[test]
    fn entropy_is_in_bits() {
        assert!((in_bits(entropy(&[0.25; 4])) - 2.0).abs() < 1e-12);
        assert_eq!(in_bits(entropy(&[1.0, 0.0])), 0.0);
    }
}
