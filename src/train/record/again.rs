//! A run that was done again from its own run file: what differs.

use std::path::Path;

use serde::Serialize;

use super::history::History;
use super::run_record::RunRecord;
use crate::files;
use crate::train::error::Error;

/// The weights of an adapter, as PEFT names the file.
const ADAPTER: &str = "adapter_model.safetensors";

/// What differs between a run and the same done again.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Again {
    /// What was not the same to begin with: the model, the data, the program.
    pub setting: Vec<String>,

    /// Steps and evaluations that both have reported.
    pub steps: usize,
    pub evaluations: usize,

    /// Those that only one of them has.
    pub only_once: usize,

    /// The first step with another loss, and the largest difference between the losses of a step.
    pub first_other: Option<usize>,
    pub largest: f64,

    /// The same of evaluations.
    pub largest_of_evaluations: f64,

    /// Whether the adapters have the same bytes. `None`: one of the runs has no adapter.
    pub same_adapter: Option<bool>,
}

impl Again {
    /// Of two runs by their folders, the first one before.
    pub fn of(first: &Path, second: &Path) -> Result<Self, Error> {
        let (begun, now) = (RunRecord::read(first)?, RunRecord::read(second)?);
        let mut found = Self { setting: setting(&begun, &now), ..Self::default() };
        let (before, after) = (History::read(first), History::read(second));
        let steps = pairs(&before.steps, &after.steps, |step| step.step);
        for (one, other) in &steps {
            let apart = (one.loss() - other.loss()).abs();
            if apart > 0.0 {
                found.first_other.get_or_insert(one.step);
                found.largest = found.largest.max(apart);
            }
        }
        let evaluations = pairs(&before.evaluations, &after.evaluations, |metrics| metrics.step);
        for (one, other) in &evaluations {
            let apart = (one.loss() - other.loss()).abs();
            if apart > 0.0 {
                found.largest_of_evaluations = found.largest_of_evaluations.max(apart);
            }
        }
        (found.steps, found.evaluations) = (steps.len(), evaluations.len());
        let count = |history: &History| history.steps.len() + history.evaluations.len();
        let both = found.steps + found.evaluations;
        found.only_once = count(&before) + count(&after) - 2 * both;
        let adapter = |folder: &Path| std::fs::read(folder.join(ADAPTER)).ok();
        found.same_adapter = adapter(first)
            .zip(adapter(second))
            .map(|(one, other)| files::sha256_of_bytes(&one) == files::sha256_of_bytes(&other));
        Ok(found)
    }

    pub fn is_same(&self) -> bool {
        self.setting.is_empty()
            && self.only_once == 0
            && self.first_other.is_none()
            && self.largest_of_evaluations == 0.0
            && self.same_adapter != Some(false)
    }

    /// A sentence a line.
    pub fn words(&self) -> String {
        let mut said = Vec::new();
        if !self.setting.is_empty() {
            said.push(format!("It was begun with {}.", self.setting.join(", ")));
        }
        let steps = self.steps;
        said.push(match self.first_other {
            None => format!("All {steps} steps have the same loss, to the last digit."),
            Some(first) => format!(
                "From step {first} on losses differ, by {:.2e} at most in {steps} steps.",
                self.largest
            ),
        });
        if self.largest_of_evaluations > 0.0 {
            let most = self.largest_of_evaluations;
            said.push(format!("Losses on held-out rows differ by {most:.2e} at most."));
        } else if self.evaluations > 0 {
            said.push(format!("{} evaluations have the same loss.", self.evaluations));
        }
        match self.same_adapter {
            Some(true) => said.push("The adapters have the same bytes.".to_owned()),
            Some(false) => said.push("The adapters differ.".to_owned()),
            None => {}
        }
        if self.only_once > 0 {
            let count = self.only_once;
            said.push(format!("{count} steps or evaluations are in one of the two alone."));
        }
        said.join("\n")
    }
}

fn setting(begun: &RunRecord, now: &RunRecord) -> Vec<String> {
    let mut found = Vec::new();
    if !begun.model.is_same(&now.model) {
        found.push(format!("another model ({})", begun.model.words()));
    }
    if begun.data_sha256 != now.data_sha256 {
        found.push("other data".to_owned());
    }
    if begun.program_version != now.program_version {
        let (then, now) = (&begun.program_version, &now.program_version);
        found.push(format!("Tuning Fork {then}, now {now}"));
    }
    found
}

/// What both have reported after the same step.
fn pairs<'a, T>(
    first: &'a [T],
    second: &'a [T],
    step: impl Fn(&T) -> usize,
) -> Vec<(&'a T, &'a T)> {
    let found = |one: &'a T| {
        let other = second.iter().find(|other| step(other) == step(one))?;
        Some((one, other))
    };
    first.iter().filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::card::ModelIdentity;
    use crate::train::record::run_record::RunStatus;

    fn run(folder: &Path, losses: &[f64], data: &str) {
        let record = RunRecord {
            status: RunStatus::Finished,
            message: None,
            best: None,
            steps_done: losses.len(),
            steps_planned: losses.len(),
            program_version: "1".to_owned(),
            model: ModelIdentity::default(),
            data: "rows.jsonl".into(),
            data_sha256: data.to_owned(),
            train_rows: 2,
            held_out_rows: 0,
            sources: Vec::new(),
            landmarks: None,
            started: String::new(),
            finished: None,
        };
        record.write(folder).unwrap();
        let line = |(loss, step): (&f64, usize)| {
            format!(
                "{{\"step\":{step},\"epoch\":0,\"num_tokens\":1,\"loss\":{loss},\"step_secs\":1}}\n"
            )
        };
        let lines: String = losses.iter().zip(1..).map(line).collect();
        files::write_atomic(&folder.join("metrics.jsonl"), lines.as_bytes()).unwrap();
        files::write_atomic(&folder.join(ADAPTER), format!("{losses:?}").as_bytes()).unwrap();
    }

    #[test]
    fn what_differs_is_said_from_the_first_step_on() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str| folder.path().join(name);
        run(&of("a"), &[2.0, 1.5, 1.25], "x");
        run(&of("b"), &[2.0, 1.5, 1.25], "x");
        run(&of("c"), &[2.0, 1.75, 1.5, 1.0], "y");
        let same = Again::of(&of("a"), &of("b")).unwrap();
        assert!(same.is_same() && same.steps == 3, "{same:?}");
        assert!(same.words().contains("All 3 steps have the same loss"));
        let other = Again::of(&of("a"), &of("c")).unwrap();
        assert_eq!((other.first_other, other.largest, other.only_once), (Some(2), 0.25, 1));
        let said = other.words();
        for words in ["begun with other data", "From step 2 on", "The adapters differ", "1 steps"] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
}
