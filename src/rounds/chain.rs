//! Rounds in a row: each run goes on from the adapter of the one before it, which its settings name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::error::Error;
use super::record::{Against, RoundRecord, RowDrift};
use crate::data::forms::Want;
use crate::data::forms::mapping::Mapping;
use crate::data::import;
use crate::data::pair::Text;
use crate::jobs::Quiet;
use crate::train::config::TrainConfig;
use crate::train::config::metric::Metric;
use crate::train::config::objective::Head;
use crate::train::record::runs::{self, RunEntry};
use crate::train::record::{DATA_FILE, RECORD_FILE};

/// A run in its row.
#[derive(Clone, Debug, PartialEq)]
pub struct InRow {
    /// From 1.
    pub number: usize,
    pub run: RunEntry,

    /// What it learned from. `None`: no round led to it.
    pub learned_from: Option<RoundRecord>,

    /// The round that its model answered in. `None`: none has been made.
    pub answered_in: Option<(PathBuf, RoundRecord)>,

    /// How far its policy has moved. `None`: that was not measured.
    pub drift: Option<RowDrift>,
}

impl InRow {
    /// Of the held-out pairs at the end: the share that is told apart, the margin, the loss.
    pub fn held_out(&self, metric: Metric) -> Option<f64> {
        self.run.evaluation.as_ref()?.values.get(metric)
    }

    /// Its answers against those of the round before it.
    pub fn against(&self) -> Option<&Against> {
        self.answered_in.as_ref()?.1.against.as_ref()
    }

    /// Whether it is still to be measured how far its policy has moved.
    pub fn lacks_drift(&self) -> bool {
        self.drift.is_none() && self.run.has_adapter && learns_from_pairs(&self.run.config)
    }

    pub fn name(&self) -> &str {
        if self.run.notes.title.is_empty() { &self.run.id } else { &self.run.notes.title }
    }

    pub fn json(&self) -> Value {
        let against = self.against().map(|against| {
            let rate = against.win_rate();
            json!({
                "name": against.name,
                "wins": against.wins,
                "losses": against.losses,
                "ties": against.ties,
                "win_rate": rate.map(|found| found.0),
                "low_95": rate.map(|found| found.1),
                "high_95": rate.map(|found| found.2),
            })
        });
        let answered = self.answered_in.as_ref().map(|(_, round)| round);
        json!({
            "round": self.number,
            "run": self.run.run_dir,
            "began_from": self.run.config.adapter,
            "train_rows": self.run.record.train_rows,
            "held_out_rows": self.run.record.held_out_rows,
            "eval_loss": self.held_out(Metric::Loss),
            "eval_rewards/accuracies": self.held_out(Metric::RewardsAccuracies),
            "eval_rewards/margins": self.held_out(Metric::RewardsMargins),
            "learned_from": self.learned_from,
            "mean_words": answered.map(|round| round.mean_words),
            "mean_reward": answered.and_then(|round| round.mean_reward),
            "against_the_round_before": against,
            "kl": self.drift.as_ref().map(RowDrift::json),
        })
    }
}

/// Whether an objective can go on from round to round.
pub fn learns_from_pairs(config: &TrainConfig) -> bool {
    let facts = config.objective.facts();
    facts.columns == Want::Pairs
        && facts.head == Head::Tokens
        && config.method.own().is_none()
        && config.method.soft().is_none()
}

/// What the first preference run of a row was held to: the adapter that it began with. `None`: the base model.
pub fn first_reference(row: &[InRow]) -> Option<&Path> {
    let first = row.iter().find(|one| learns_from_pairs(&one.run.config));
    first?.run.config.adapter.as_deref()
}

/// The run whose adapter a run began with. `None`: it began a new one, or one that is no run's.
pub fn before(run: &RunEntry) -> Option<PathBuf> {
    let adapter = run.config.adapter.as_deref()?;
    // A best checkpoint lies in a folder of its run.
    let folders = [Some(adapter), adapter.parent()].into_iter().flatten();
    let found = folders.into_iter().find(|folder| folder.join(RECORD_FILE).is_file());
    found.map(Path::to_owned)
}

/// The row that a run is in: those before it, and those that went on from it, where several did the newest.
/// `rounds`: the folder of the project's rounds.
pub fn row_of(run_dir: &Path, rounds: Option<&Path>) -> Result<Vec<InRow>, Error> {
    let mut row = vec![runs::entry(run_dir)?];
    let mut known: BTreeSet<PathBuf> = [real(run_dir)].into();
    while let Some(folder) = row.first().and_then(before) {
        if !known.insert(real(&folder)) {
            break; // an adapter that names itself
        }
        row.insert(0, runs::entry(&folder)?);
    }
    let beside = beside(run_dir);
    while let Some(last) = row.last() {
        let place = real(&last.run_dir);
        let follows = |run: &&RunEntry| before(run).is_some_and(|folder| real(&folder) == place);
        let next = beside.iter().filter(follows).max_by_key(|run| run.record.started.clone());
        let Some(next) = next.filter(|next| known.insert(real(&next.run_dir))) else { break };
        row.push(next.clone());
    }
    let made = rounds.map(made).unwrap_or_default();
    let mut found = Vec::with_capacity(row.len());
    for (place, run) in row.into_iter().enumerate() {
        let learned_from = RoundRecord::read(&run.run_dir)?;
        let own = real(&run.run_dir);
        let of_run = |(_, round): &&(PathBuf, RoundRecord)| real(&round.of) == own;
        let answered_in = made.iter().rfind(of_run).cloned();
        found.push(InRow { number: place + 1, run, learned_from, answered_in, drift: None });
    }
    let first = first_reference(&found).map(Path::to_owned);
    for one in &mut found {
        one.drift = RowDrift::read(&one.run.run_dir, first.as_deref());
    }
    // Where the folder of a round is gone, the run that learned from it has its record.
    for place in 1..found.len() {
        let kept = found[place].learned_from.clone();
        let folder = found[place].run.run_dir.clone();
        let before = &mut found[place - 1];
        if before.answered_in.is_none() {
            let own = real(&before.run.run_dir);
            before.answered_in =
                kept.filter(|round| real(&round.of) == own).map(|round| (folder, round));
        }
    }
    Ok(found)
}

/// What tells a prompt from others, whether it is written as text or as a dialogue of one turn.
pub fn key(prompt: &Text) -> String {
    prompt.told_apart()
}

/// The prompts that the runs of a row have learned from or were measured on.
pub fn used(row: &[InRow]) -> Result<BTreeSet<String>, Error> {
    let mut used = BTreeSet::new();
    for run in row {
        let data = run.run.run_dir.join(DATA_FILE);
        let read = import::prompts(&data, &run.run.config.columns, &Quiet)
            .or_else(|_| import::prompts(&data, &Mapping::default(), &Quiet))
            .map_err(|err| Error::Prompts(Box::new(err)))?;
        used.extend(read.items.iter().map(key));
    }
    Ok(used)
}

/// The rounds in a folder, by the names of theirs. One that cannot be read is left out.
fn made(rounds: &Path) -> Vec<(PathBuf, RoundRecord)> {
    let Ok(entries) = std::fs::read_dir(rounds) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    let read = |folder: PathBuf| Some((folder.clone(), RoundRecord::read(&folder).ok()??));
    folders.into_iter().filter_map(read).collect()
}

/// The runs in the same folder.
fn beside(run_dir: &Path) -> Vec<RunEntry> {
    let Some(entries) = real(run_dir).parent().and_then(|parent| std::fs::read_dir(parent).ok())
    else {
        return Vec::new();
    };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    folders.filter_map(|folder| runs::entry(&folder).ok()).collect()
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
