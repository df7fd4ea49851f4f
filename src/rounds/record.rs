//! `round.json`: which round it is, of which run, who was asked what, and what came of it. It lies in the folder of
//! the round, and in that of the run that learned from it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::Error;
use crate::data::pair::Text;
use crate::eval::drift::{Drift, Moved};
use crate::eval::intervals::Interval;
use crate::files;
use crate::stats::paired::wilson;
use crate::train::record::ROUND_FILE;

/// What else lies in the folder of a round.
pub const ANSWERS_FILE: &str = "answers.jsonl";
pub const PAIRS_FILE: &str = "pairs.jsonl";
pub const NEXT_RUN_FILE: &str = "RUN.toml";

/// A round: answers of a run's model to prompts that were not used before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundRecord {
    /// Of the run that learns from it. The run that no round led to is the first.
    pub number: usize,

    /// The run whose model answered.
    pub of: PathBuf,
    pub prompts: PathBuf,
    pub prompts_sha256: String,
    pub settings: AnswerSettings,

    /// Prompts of the file that an earlier round had used.
    pub used_before: usize,
    pub asked: usize,

    /// Who compared the answers, in words. `None`: nobody yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<String>,

    /// Prompts whose answers were told apart, and those whose were not.
    pub pairs: usize,
    pub ties: usize,

    /// Words of an answer, on average.
    pub mean_words: f64,

    /// What the rewards gave an answer, on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_reward: Option<f64>,

    /// Against the model that the run began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
}

/// How answers are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerSettings {
    pub temperature: f64,
    pub top_p: f64,
    pub max_new_tokens: usize,
    pub seed: u64,

    /// At most so many prompts, from the beginning of the file. 0: all.
    pub most: usize,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self { temperature: 0.9, top_p: 1.0, max_new_tokens: 128, seed: 42, most: 0 }
    }
}

/// The answers of a run's model against those of the model that the run began with, to the same prompts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Who that is: `the base model`, or the run before.
    pub name: String,
    pub wins: usize,
    pub losses: usize,
    pub ties: usize,

    /// Words of an answer of the other model, on average.
    pub mean_words: f64,
}

impl Against {
    pub fn count(&self) -> usize {
        self.wins + self.losses + self.ties
    }

    /// The share of wins, a tie half, with Wilson's 95 % interval. `None`: there is no comparison.
    pub fn win_rate(&self) -> Option<(f64, f64, f64)> {
        let wins = self.wins as f64 + self.ties as f64 / 2.0;
        let found = wilson(wins, self.count() as f64, 0.95).ok()?;
        Some((found.share, found.low, found.high))
    }

    /// `0.62 (0.45 to 0.77)`. `None`: there is no comparison.
    pub fn words(&self) -> Option<String> {
        let (share, low, high) = self.win_rate()?;
        Some(format!("{share:.2} ({low:.2} to {high:.2})"))
    }
}

impl RoundRecord {
    /// What came of it, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let Self { number, asked, used_before, pairs, ties, mean_words, .. } = self;
        let before = match used_before {
            0 => String::new(),
            count => format!("; {count} of the file were used in an earlier round"),
        };
        let mut said = vec![format!(
            "Round {number}: {asked} new prompts were answered twice, with {mean_words:.1} words an answer{before}"
        )];
        match &self.judged_by {
            None => said.push("Nobody has compared the answers yet".to_owned()),
            Some(who) => said.push(format!(
                "Compared by {who}: {pairs} pairs to learn from, {ties} without a difference"
            )),
        }
        if let Some(reward) = self.mean_reward {
            said.push(format!("An answer was paid {reward:.3} on average"));
        }
        if let Some(against) = &self.against
            && let Some(rate) = against.words()
        {
            said.push(format!(
                "Against {}: {} won, {} lost, {} tied; win rate {rate}, answers of {:.1} words there",
                against.name, against.wins, against.losses, against.ties, against.mean_words
            ));
        }
        said
    }

    /// `None`: the folder has none.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(ROUND_FILE);
        let text = files::read_if_there(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let Some(text) = text else { return Ok(None) };
        let read = serde_json::from_str(&text).map_err(|err| Error::Damaged {
            path,
            problem: files::mistake_in_json(text.as_bytes(), &err),
        })?;
        Ok(Some(read))
    }

    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(ROUND_FILE);
        let mut text = serde_json::to_string_pretty(self).expect("a round has only plain values");
        text.push('\n');
        files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
    }
}

/// How far the policy of a run has moved, in its folder.
const DRIFT_FILE: &str = "drift.json";

/// How far the policy of a run in a row has moved: from what the first preference run was held to, and from what this
/// run began with, where that is another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowDrift {
    /// The adapter of the first reference. `None`: the base model.
    pub first: Option<PathBuf>,
    pub drift: Drift,
}

impl RowDrift {
    pub fn to_first(&self) -> Option<&Moved> {
        self.drift.from.first()
    }

    pub fn to_before(&self) -> Option<&Moved> {
        self.drift.from.get(1)
    }

    /// `None`: it was not measured, or of a row that began with another model.
    pub fn read(run_dir: &Path, first: Option<&Path>) -> Option<Self> {
        let bytes = std::fs::read(run_dir.join(DRIFT_FILE)).ok()?;
        let read: Self = serde_json::from_slice(&bytes).ok()?;
        (read.first.as_deref() == first).then_some(read)
    }

    pub fn write(&self, run_dir: &Path) -> Result<(), Error> {
        let path = run_dir.join(DRIFT_FILE);
        let text = serde_json::to_string_pretty(self).expect("numbers can be written as JSON");
        files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
    }

    pub fn json(&self) -> Value {
        let Drift { estimator, prompts, held_out, answers, tokens, max_new_tokens, seed, .. } =
            &self.drift;
        json!({
            "estimator": estimator,
            "to_first": self.to_first(),
            "to_round_before": self.to_before(),
            "prompts": prompts,
            "prompts_were_held_out": held_out,
            "answers": answers,
            "tokens": tokens,
            "max_new_tokens": max_new_tokens,
            "seed": seed,
        })
    }

    /// `24 answers to 12 held-out prompts, 310 tokens`
    pub fn on_what(&self) -> String {
        let Drift { prompts, held_out, answers, tokens, .. } = &self.drift;
        let plural = if *prompts == 1 { "" } else { "s" };
        let (before, after) =
            if *held_out { ("held-out ", "") } else { ("", " that it was trained on") };
        format!("{answers} answers to {prompts} {before}prompt{plural}{after}, {tokens} tokens")
    }

    /// `0.0310 (0.0250 to 0.0400) from the base model, 0.0120 (0.0090 to 0.0160) from first`
    pub fn words(&self) -> String {
        let each = self.drift.from.iter();
        let each = each.map(|moved| format!("{} from {}", self.number(moved), moved.name));
        each.collect::<Vec<_>>().join(", ")
    }

    /// `0.0310 (0.0250 to 0.0400)`, of a token. One prompt alone has no interval.
    pub fn number(&self, moved: &Moved) -> String {
        let Interval { value, low, high } = moved.per_token;
        let interval = format!(" ({low:.4} to {high:.4})");
        format!("{value:.4}{}", if self.drift.prompts > 1 { interval.as_str() } else { "" })
    }
}

/// A prompt with its two answers: a line of `answers.jsonl`, as Annotate and a judge read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnsweredTwice {
    pub prompt: Text,
    pub answer_a: String,
    pub answer_b: String,
}

/// The answers of a round.
pub fn read_answers(folder: &Path) -> Result<Vec<AnsweredTwice>, Error> {
    let path = folder.join(ANSWERS_FILE);
    let rows = files::read_jsonl::<AnsweredTwice>(&path)
        .map_err(|err| Error::Damaged { path, problem: err.to_string() })?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// The folders of a project's rounds.
pub fn rounds_dir(project: &Path) -> PathBuf {
    project.join("rounds")
}

/// The folder of a new round after a run: `rounds/<run>-next`, with `-2` where it is taken.
pub fn new_dir(project: &Path, run_id: &str) -> PathBuf {
    let folder = rounds_dir(project);
    let first = folder.join(format!("{run_id}-next"));
    let numbered = (2..).map(|number| folder.join(format!("{run_id}-next-{number}")));
    std::iter::once(first)
        .chain(numbered)
        .find(|folder| !folder.exists())
        .expect("there are more numbers than folders")
}
