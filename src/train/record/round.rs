//! The answers of a round of GRPO or RLOO, with what they were rewarded and what is learned from each.
//!
//! Kept in the run's folder, for whoever watches, and for a run that is resumed in the middle of a round.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::train::error::Error;

/// A round: some prompts, several answers to each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// From 0.
    pub round: usize,

    /// How strongly the policy is held to its reference in it.
    pub beta: f64,

    /// What the rewards are called, in the order of [`Answered::rewards`].
    pub rewards: Vec<String>,
    pub answers: Vec<Answered>,
}

/// An answer; those to the same prompt follow each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The line of its prompt in the data, from 1.
    pub line: usize,
    pub prompt: String,
    pub answer: String,

    /// The prompt's tokens, and the answer's, with the one that ends it.
    pub prompt_ids: Vec<u32>,
    pub ids: Vec<u32>,
    pub is_ended: bool,

    /// What each function gave. `None`: it does not apply.
    pub rewards: Vec<Option<f64>>,

    /// Their weighted sum.
    pub reward: Option<f64>,
    pub advantage: f64,

    /// ln p of each token when it was sampled, where that is needed again, and by the reference, where the
    /// policy is held to one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference: Vec<f64>,
}

const PREFIX: &str = "answers-";
const ENDING: &str = ".json";

fn path(run_dir: &Path, round: usize) -> PathBuf {
    run_dir.join(format!("{PREFIX}{round}{ENDING}"))
}

impl Round {
    pub(crate) fn write(&self, run_dir: &Path) -> Result<(), Error> {
        let path = path(run_dir, self.round);
        let bytes = serde_json::to_vec(self).expect("a round is plain data");
        files::write_atomic(&path, &bytes).map_err(|source| Error::Write { path, source })
    }

    /// A round of a run that is resumed. `None`: it is not there, or damaged, or another one.
    pub(crate) fn read(run_dir: &Path, round: usize) -> Option<Self> {
        let found: Self =
            serde_json::from_slice(&std::fs::read(path(run_dir, round)).ok()?).ok()?;
        (found.round == round).then_some(found)
    }

    /// The last one of a run.
    pub fn last(run_dir: &Path) -> Option<Self> {
        let last = rounds(run_dir).into_iter().max()?;
        Self::read(run_dir, last)
    }
}

fn rounds(run_dir: &Path) -> Vec<usize> {
    let entries = std::fs::read_dir(run_dir).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let number = |name: String| name.strip_prefix(PREFIX)?.strip_suffix(ENDING)?.parse().ok();
    names.filter_map(number).collect()
}

/// Removes the rounds before this one: only once a checkpoint does not need them.
pub(crate) fn remove_before(run_dir: &Path, round: usize) -> Result<(), Error> {
    for old in rounds(run_dir).into_iter().filter(|old| *old < round) {
        let path = path(run_dir, old);
        files::remove_if_there(&path).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

/// Removes the rounds after this one: they are sampled again.
pub(crate) fn remove_after(run_dir: &Path, round: usize) -> Result<(), Error> {
    for new in rounds(run_dir).into_iter().filter(|new| *new > round) {
        let path = path(run_dir, new);
        files::remove_if_there(&path).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers as they come out of a computation: a run that is resumed in the middle of a round must not
    /// learn from other ones, not even by the last bit.
    #[test]
    fn every_number_of_a_round_comes_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let old: Vec<f64> = (1..=20_000).map(|place| -f64::from(place).sqrt() / 7.0).collect();
        let answers = vec![Answered { old, ..Answered::default() }];
        let round = Round { answers, ..Round::default() };
        round.write(folder.path()).unwrap();
        assert_eq!(Round::read(folder.path(), 0), Some(round));
    }

    #[test]
    fn a_round_comes_back_to_the_bit_and_the_last_one_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let answered = Answered {
            answer: "a\nb".to_owned(),
            rewards: vec![Some(1.0 / 3.0), None],
            old: vec![-0.1, -1e-300, f64::MIN_POSITIVE],
            ..Answered::default()
        };
        let round =
            |number| Round { round: number, answers: vec![answered.clone()], ..Round::default() };
        for number in [9, 10] {
            round(number).write(folder.path()).unwrap();
        }
        assert_eq!(Round::last(folder.path()), Some(round(10)));
        assert_eq!(Round::read(folder.path(), 9), Some(round(9)));
        remove_before(folder.path(), 10).unwrap();
        assert_eq!(Round::read(folder.path(), 9), None);
        remove_after(folder.path(), 3).unwrap();
        assert_eq!(Round::last(folder.path()), None);
    }
}
