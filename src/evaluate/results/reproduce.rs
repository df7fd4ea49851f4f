//! An evaluation that was done again: what differs.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::answered::Answered;
use super::evaluation::{Evaluation, differences};
use crate::evaluate::task::Task;

/// What differs between an evaluation and the same done again.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reproduced {
    /// What was not the same to begin with: the model, the data, the program.
    pub setting: Vec<String>,
    pub rows: usize,

    /// Rows that are answered only once.
    pub only_once: usize,

    /// Rows with another answer, by their number.
    pub other_answers: Vec<u64>,

    /// Rows whose answer rests on other passages of the document.
    pub other_passages: Vec<u64>,

    /// The largest difference between two probabilities.
    pub largest: f64,

    /// The largest difference between two log-probabilities of a text, by token.
    pub largest_by_token: f64,
}

impl Reproduced {
    pub fn of(
        (begun, first): (&Evaluation, &BTreeMap<u64, Answered>),
        (now, second): (&Evaluation, &BTreeMap<u64, Answered>),
    ) -> Self {
        let mut found = Self { setting: differences(begun, now), ..Self::default() };
        if begun.program != now.program {
            found.setting.push(format!("Tuning Fork {}, now {}", begun.program, now.program));
        }
        for (row, before) in first {
            let Some(after) = second.get(row) else {
                found.only_once += 1;
                continue;
            };
            found.rows += 1;
            let has_scores = before.scored.is_some() == after.scored.is_some();
            if !has_scores || before.answer != after.answer || before.problem != after.problem {
                found.other_answers.push(*row);
            }
            if passages(before) != passages(after) {
                found.other_passages.push(*row);
            }
            if let (Some(one), Some(other)) = (&before.scored, &after.scored) {
                let apart = (one.mean() - other.mean()).abs();
                found.largest_by_token = found.largest_by_token.max(apart);
            }
            for (one, other) in before.probabilities.iter().zip(&after.probabilities) {
                found.largest = found.largest.max((one - other).abs());
            }
        }
        found.only_once += second.keys().filter(|row| !first.contains_key(row)).count();
        found
    }

    pub fn is_same(&self) -> bool {
        self.setting.is_empty()
            && self.only_once == 0
            && self.other_answers.is_empty()
            && self.other_passages.is_empty()
            && self.largest == 0.0
            && self.largest_by_token == 0.0
    }

    /// A sentence a line.
    pub fn words(&self) -> String {
        let mut said = Vec::new();
        if !self.setting.is_empty() {
            said.push(format!("It was begun with {}.", self.setting.join(", ")));
        }
        let rows = self.rows;
        said.push(if self.is_same() {
            format!("All {rows} rows have the same answers, to the last digit.")
        } else if self.other_answers.is_empty() {
            format!("All {rows} rows have the same answers.")
        } else {
            let shown: Vec<String> =
                self.other_answers.iter().take(10).map(u64::to_string).collect();
            let more = if self.other_answers.len() > shown.len() { ", …" } else { "" };
            let count = self.other_answers.len();
            format!("{count} of {rows} rows have another answer: {}{more}.", shown.join(", "))
        });
        if !self.other_passages.is_empty() {
            said.push(format!(
                "{} rows were answered from other passages of the document.",
                self.other_passages.len()
            ));
        }
        if self.largest > 0.0 {
            said.push(format!("No probability differs by more than {:.2e}.", self.largest));
        }
        if self.largest_by_token > 0.0 {
            let most = self.largest_by_token;
            said.push(format!(
                "No mean log-probability of a text's tokens differs by more than {most:.2e}."
            ));
        }
        if self.only_once > 0 {
            said.push(format!("{} rows were answered only once.", self.only_once));
        }
        said.join("\n")
    }
}

/// The numbers of the passages that were read.
fn passages(answered: &Answered) -> Option<Vec<usize>> {
    let excerpt = answered.written.as_ref()?.excerpt.as_ref()?;
    Some(excerpt.passages.iter().map(|passage| passage.number).collect())
}

/// The task of an evaluation as it was asked then: with the prompt of then, and the copy of the
/// codebook that lies in its folder.
pub fn task_of(folder: &Path, evaluation: &Evaluation) -> Task {
    let mut task = evaluation.task.clone();
    if let Some(code) = &mut task.code
        && code.codebook.is_relative()
        && folder.join(&code.codebook).exists()
    {
        code.codebook = folder.join(&code.codebook);
    }
    // The prompt of then, whatever the usual one is now.
    task.prompt = Some(evaluation.prompt.clone());
    task
}
