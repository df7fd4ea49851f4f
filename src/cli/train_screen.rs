//! What a run says on the command line while it runs.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use time::OffsetDateTime;

use super::out;
use super::progress::Bar;
use crate::jobs::{Cancelled, Progress};
use crate::train::config::TrainConfig;
use crate::train::record::confusion::{ClassScores, Confusion, Tested};
use crate::train::record::metrics::{EvalMetrics, TrainEvent};
use crate::train::record::runs;
use crate::train::rows::survey::{Concern, Finding};
use crate::words::counted;

pub(super) fn finding_json(finding: &Finding) -> serde_json::Value {
    let Finding { concern, sentence, lines, rows: _ } = finding;
    let concern = match concern {
        Concern::Problem => "problem",
        Concern::Caution => "caution",
        Concern::Fact => "fact",
    };
    json!({ "concern": concern, "sentence": sentence, "lines": lines })
}

/// `runs/<id>` in the current folder, as in a project.
pub(super) fn default_run_dir(config: &TrainConfig) -> PathBuf {
    let project = Path::new(".");
    let id = runs::new_run_id(project, config.objective, OffsetDateTime::now_utc());
    runs::runs_dir(project).join(id)
}

/// Steps as a bar, or as JSON Lines.
pub(super) struct Screen {
    pub(super) bar: Bar,
    json: bool,
    planned: RefCell<usize>,

    /// What was said of several runs, each sentence once. `None`: of one run, which says nothing twice.
    said: Option<RefCell<BTreeSet<String>>>,
    pub(super) broken: RefCell<Option<anyhow::Error>>,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        let (planned, broken) = (RefCell::new(0), RefCell::new(None));
        Self { bar: Bar::new(), json, planned, said: None, broken }
    }

    /// Of several runs: what is to know of all of them is said once.
    pub(super) fn of_several() -> Self {
        Self { said: Some(RefCell::default()), ..Self::new(false) }
    }

    /// Whether a sentence was not said before.
    fn is_new(&self, sentence: &str) -> bool {
        self.said.as_ref().is_none_or(|said| said.borrow_mut().insert(sentence.to_owned()))
    }

    fn print(&self, result: anyhow::Result<()>) {
        if let Err(error) = result {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }
}

impl Progress<TrainEvent> for Screen {
    fn emit(&self, event: TrainEvent) {
        match event {
            TrainEvent::Preparing { what, done, total, unit, .. } => {
                self.bar.count(&format!("{what} ({unit})"), done as u64, total as u64);
            }
            TrainEvent::Planned { steps, train_rows, held_out_rows } => {
                *self.planned.borrow_mut() = steps;
                self.bar.note(&format!(
                    "{} on {}, {} held out",
                    counted(steps, "step", "steps"),
                    counted(train_rows, "row", "rows"),
                    counted(held_out_rows, "row", "rows"),
                ));
            }
            TrainEvent::Warning(text) if self.is_new(&text) => {
                self.bar.note(&format!("warning: {text}"));
            }
            TrainEvent::Noted(text) if self.is_new(&text) => self.bar.note(&text),
            TrainEvent::Step(step) => {
                if self.json {
                    self.print(out::json(&step));
                }
                let total = *self.planned.borrow() as u64;
                self.bar.count(&step.words(), step.step as u64, total);
            }
            TrainEvent::Evaluated(evaluation) => {
                if self.json {
                    self.print(out::json(&evaluation));
                }
                self.bar.note(&evaluation.words());
            }
            TrainEvent::Confused(confusion) => {
                if self.json {
                    self.print(out::json(&confusion));
                }
            }
            TrainEvent::Tested(tested) => {
                if self.json {
                    self.print(out::json(&json!({ "test": &tested })));
                }
                self.bar.note(&tested_words(&tested));
            }
            TrainEvent::Warning(_)
            | TrainEvent::Noted(_)
            | TrainEvent::Saved { .. }
            | TrainEvent::Aside { .. }
            | TrainEvent::Answered(_)
            | TrainEvent::Landmarks(_) => {} // said before, or in a sentence, too
            TrainEvent::Sampled(sample) => self.bar.note(&format!(
                "After step {}, asked {:?}:\n{}",
                sample.step, sample.prompt, sample.answer
            )),
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.broken.borrow().is_some() { Err(Cancelled) } else { Ok(()) }
    }
}

/// What the test part says, in words.
fn tested_words(tested: &Tested) -> String {
    let (step, texts, values) = (tested.step, tested.texts, tested.values);
    let found = EvalMetrics { step, pair_count: texts, values, ..EvalMetrics::default() };
    let words = found.words();
    let words = words.split_once(": ").map_or(words.as_str(), |(_, words)| words);
    let words = words.replace("held-out rows", "texts of the test part");
    match &tested.confusion {
        Some(confusion) => format!("test: {words}\n{}", table(confusion)),
        None => format!("test: {words}"),
    }
}

/// Precision, recall and F1 of each label, and the confusion matrix where it is small.
pub(super) fn table(confusion: &Confusion) -> String {
    const SHOWN: usize = 12;
    let Confusion { labels, counts, classes, .. } = confusion;
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).max(8);
    let mut text = format!("{:<width$}  precision  recall     F1  texts", "label");
    for ClassScores { label, precision, recall, f1, support } in classes {
        text.push_str(&format!(
            "\n{label:<width$}  {precision:>9.3}  {recall:>6.3}  {f1:>5.3}  {support:>5}"
        ));
    }
    if labels.len() > SHOWN || counts.len() != labels.len() {
        return text;
    }
    text.push_str(&format!("\n{:<width$}  given:", "right"));
    for label in labels {
        text.push_str(&format!(" {label}"));
    }
    for (label, row) in labels.iter().zip(counts) {
        text.push_str(&format!("\n{label:<width$}        "));
        for (count, name) in row.iter().zip(labels) {
            let cell = name.chars().count();
            text.push_str(&format!(" {count:>cell$}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_know_of_every_run_of_a_sweep_is_said_once() {
        let (one, several) = (Screen::new(false), Screen::of_several());
        let said = |screen: &Screen| ["a", "b", "a", "a"].map(|words| screen.is_new(words));
        assert_eq!(said(&several), [true, true, false, false]);
        assert_eq!(said(&one), [true; 4]);
    }
}
