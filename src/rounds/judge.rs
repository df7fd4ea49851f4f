//! Which of two answers is better, without a person: by rewards, or by a model that is asked in both orders.

use std::collections::BTreeMap;

use super::answers::Answer;
use super::error::Error;
use super::record::AnsweredTwice;
use crate::data::forms::Fields;
use crate::data::pair::Text;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::asking::run::Asker;
use crate::evaluate::task::Task;
use crate::evaluate::task::judge::Judge as JudgeTask;
use crate::files;
use crate::jobs::{Progress, Quiet};
use crate::llm::Model;
use crate::train::config::rewards::Reward;
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;
use crate::train::step::judge::{Judge, Judged};

/// Who compares.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// A person does, later.
    Nobody,

    /// What is paid more is better; the weighted sum of all.
    Rewards(&'a [Reward]),

    /// The model without an adapter, and what makes an answer better (empty: a sentence of ours).
    Model { criterion: &'a str },
}

/// What came of comparing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// Of each prompt the better answer, 0 or 1. `None`: they were not told apart.
    pub better: Vec<Option<usize>>,

    /// Of each prompt what either answer was paid. Empty: nothing is paid.
    pub rewards: Vec<[Option<f64>; 2]>,
}

impl By<'_> {
    /// In words.
    pub fn words(&self, model: &Model) -> Option<String> {
        match self {
            By::Nobody => None,
            By::Rewards(rewards) => {
                let names: Vec<&str> = rewards.iter().map(Reward::title).collect();
                Some(format!("rewards: {}", names.join(", ")))
            }
            By::Model { .. } => {
                Some(format!("{} as judge, in both orders", model.card().identity.name))
            }
        }
    }

    /// Compares two answers to each prompt. `columns`: what else the rows of the prompts say.
    pub fn compare(
        &self,
        model: &Model,
        (prompts, columns): (&[Text], &[Fields]),
        answers: &[[Answer; 2]],
        progress: &dyn Progress<usize>,
    ) -> Result<Compared, Error> {
        match self {
            By::Nobody => Ok(Compared::default()),
            By::Rewards(rewards) => paid(model, rewards, (prompts, columns), answers, progress),
            By::Model { criterion } => judged(model, criterion, prompts, answers, progress),
        }
    }
}

fn paid(
    model: &Model,
    rewards: &[Reward],
    (prompts, columns): (&[Text], &[Fields]),
    answers: &[[Answer; 2]],
    progress: &dyn Progress<usize>,
) -> Result<Compared, Error> {
    let judge = Judge::new(model, rewards)?;
    let mut compared = Compared::default();
    for (place, (prompt, two)) in prompts.iter().zip(answers).enumerate() {
        progress.check()?;
        let nothing = Sequence::new(Vec::new(), 0);
        let mut example = Example::of_one(place + 1, prompt.clone(), String::new(), nothing);
        example.columns = columns.get(place).cloned().unwrap_or_default();
        let mut both = [None, None];
        for (reward, answer) in both.iter_mut().zip(two) {
            let judged = Judged { example: &example, text: &answer.text, tokens: answer.tokens };
            let found = judge.rewards(&judged)?;
            let applied: Vec<f64> = found
                .iter()
                .zip(&judge.weights)
                .filter_map(|(reward, weight)| Some((*reward)? * weight))
                .collect();
            // What no rule applies to is not paid nothing: it is not judged.
            *reward = (!applied.is_empty()).then(|| applied.iter().sum());
        }
        compared.better.push(match both {
            [Some(first), Some(second)] if first > second => Some(0),
            [Some(first), Some(second)] if second > first => Some(1),
            _ => None,
        });
        compared.rewards.push(both);
        progress.emit(place + 1);
    }
    Ok(compared)
}

/// As `tuning-fork evaluate` judges: a verdict that changes with the order is a tie.
fn judged(
    model: &Model,
    criterion: &str,
    prompts: &[Text],
    answers: &[[Answer; 2]],
    progress: &dyn Progress<usize>,
) -> Result<Compared, Error> {
    let write_failed =
        |path: &std::path::Path, source| Error::Write { path: path.to_owned(), source };
    let apart = tempfile::tempdir().map_err(Error::Temporary)?;
    let data = apart.path().join("answers.jsonl");
    for (prompt, [first, second]) in prompts.iter().zip(answers) {
        let row = AnsweredTwice {
            prompt: prompt.clone(),
            answer_a: first.text.clone(),
            answer_b: second.text.clone(),
        };
        files::append_json(&data, &row).map_err(|source| write_failed(&data, source))?;
    }
    let judge = JudgeTask {
        prompt: "prompt".to_owned(),
        answers: ["answer_a", "answer_b"].map(str::to_owned),
        criterion: criterion.to_owned(),
        ..JudgeTask::default()
    };
    let task = Task { data, judge: Some(judge), ..Task::default() };
    let failed = |err| Error::Judge(Box::new(err));
    let prepared = Prepared::read(&task, &Quiet).map_err(failed)?;
    let mut asker = Asker::new((model, None), &prepared).map_err(failed)?;
    let mut better = BTreeMap::new();
    for question in &prepared.questions.list {
        let answered = asker.answer(question, progress).map_err(failed)?;
        let decided = answered.index.filter(|index| *index < 2);
        better.insert(answered.row, decided);
        progress.emit(better.len());
        progress.rest();
    }
    let of_row = |place: usize| better.get(&(place as u64 + 1)).copied().flatten();
    Ok(Compared { better: (0..prompts.len()).map(of_row).collect(), rewards: Vec::new() })
}
