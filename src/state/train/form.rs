//! What the setup form adds up to: which data, how many steps, how long.

use std::path::{Path, PathBuf};

use crate::data::forms::mapping::Mapping;
use crate::data::table::Report;
use crate::train::config::objective::Sequences;
use crate::train::config::{Objective, TrainConfig};
use crate::train::rows::plan;
use crate::words;
pub use crate::words::counted;

/// Where the rows of a run come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataSource {
    /// What was labelled in this project.
    #[default]
    ProjectPairs,

    /// The preference pairs that come with the program.
    Sample,
    File,
}

/// A file of rows that the person opened.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    pub path: PathBuf,
    pub rows: usize,

    /// How it was read.
    pub report: Option<Report>,

    /// What its columns were said to be.
    pub columns: Mapping,
}

/// The data that the form has chosen, with its rows counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainingData<'a> {
    ProjectPairs { count: usize },
    File { path: &'a Path, rows: usize },
    Sample { rows: usize },
}

impl TrainingData<'_> {
    pub fn rows(self) -> usize {
        match self {
            Self::ProjectPairs { count } => count,
            Self::File { rows, .. } | Self::Sample { rows } => rows,
        }
    }

    /// The rows that a run with this objective has: KTO takes the two answers of a pair one by one.
    pub fn rows_for(self, objective: Objective) -> usize {
        let are_pairs = !matches!(self, Self::File { .. });
        if are_pairs && takes_single_answers(objective) { 2 * self.rows() } else { self.rows() }
    }
}

/// Whether a row is an answer with its label, where others take pairs.
pub fn takes_single_answers(objective: Objective) -> bool {
    objective.facts().sequences == Sequences::AnswerAndMismatched
}

/// What a row is called, one and several.
pub fn units(objective: Objective) -> (&'static str, &'static str) {
    if objective.reads_texts() {
        ("text", "texts")
    } else if objective.samples() {
        ("prompt", "prompts")
    } else if takes_single_answers(objective) {
        ("answer", "answers")
    } else if objective == Objective::Pretrain {
        ("window", "windows")
    } else if objective == Objective::Sft {
        ("row", "rows") // a dialogue, a text, an answer with its prompt, the better one of a pair
    } else {
        ("pair", "pairs")
    }
}

/// The same of a configuration: what is mixed from several files need not be of one kind.
pub fn units_of(config: &TrainConfig) -> (&'static str, &'static str) {
    if config.mix.is_empty() { units(config.objective) } else { ("row", "rows") }
}

/// What a configuration does with so many rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub rows: usize,
    pub train_rows: usize,
    pub held_out_rows: usize,

    /// Opened once, at the end.
    pub test_rows: usize,
    pub rows_per_step: usize,
    pub steps: usize,
    pub units: (&'static str, &'static str),
}

impl Plan {
    /// The engine splits by prompt, so its held-out count may differ by a few rows.
    pub fn of(config: &TrainConfig, rows: usize) -> Self {
        let share = |share: f64| ((rows as f64 * share).round() as usize).min(rows);
        let held_out_rows = share(config.held_out_share);
        let reads_texts = config.objective.reads_texts();
        let test_rows =
            if reads_texts { share(config.test_share).min(rows - held_out_rows) } else { 0 };
        let train_rows = rows - held_out_rows - test_rows;
        let rows_per_step = if config.objective.samples() {
            plan::Plan::prompts_a_round(config)
        } else {
            config.per_device_train_batch_size.max(1) * config.gradient_accumulation_steps.max(1)
        };
        let steps = match train_rows {
            0 => 0,
            rows => plan::Plan::new(config, rows).steps,
        };
        let units = units_of(config);
        Self { rows, train_rows, held_out_rows, test_rows, rows_per_step, steps, units }
    }

    /// `60 pairs: 48 to train on, 12 held out · 20 steps of 4 pairs`.
    pub fn sentence(self) -> String {
        let Self { rows, train_rows, held_out_rows, test_rows, rows_per_step, steps, units } = self;
        let counted = |count| words::counted(count, units.0, units.1);
        let [train, held_out, test] = [train_rows, held_out_rows, test_rows].map(words::thousands);
        let split = match held_out_rows {
            0 => format!("{}, all to train on", counted(rows)),
            _ if test_rows > 0 => format!(
                "{}: {train} to train on, {held_out} to validate with, {test} for the test",
                counted(rows)
            ),
            _ => format!("{}: {train} to train on, {held_out} held out", counted(rows)),
        };
        let steps = words::counted(steps, "step", "steps");
        format!("{split} · {steps} of {}", counted(rows_per_step))
    }
}

/// `300,263 characters`.
pub fn characters(count: usize) -> String {
    format!("{} characters", words::thousands(count))
}

/// `1 pair`, `60 pairs`.
pub fn pairs(count: usize) -> String {
    words::counted(count, "pair", "pairs")
}
