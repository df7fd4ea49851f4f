//! Which label was given to the texts of which label: `confusion.jsonl` of a run that learns labels,
//! a line for each evaluation, and `test.json`, what the test part says at the end.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;
use crate::train::config::metric::Values;
use crate::train::error::Error;

/// Which label was given to the texts of which label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// After this many steps.
    pub step: usize,

    /// `validation`, or `test`.
    pub part: String,
    pub labels: Vec<String>,

    /// Rows: what is right; columns: what was given. Where a text may have several labels, it counts
    /// once for each that it has or was given: the last column is "not given", the last row "has it not".
    pub counts: Vec<Vec<usize>>,

    /// Precision, recall and F1 of each label, and how many texts have it.
    pub classes: Vec<ClassScores>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    pub label: String,
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
    pub support: usize,
}

/// `confusion.jsonl`
pub const CONFUSION_FILE: &str = "confusion.jsonl";

/// `test.json`
pub const TEST_FILE: &str = "test.json";

/// What the test part says: measured once, after training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// The model's, which may be the best one's before the last.
    pub step: usize,
    pub texts: usize,
    pub values: Values,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
}

impl Confusion {
    /// Appends it to those of its run.
    pub fn append(&self, run_dir: &Path) -> Result<(), Error> {
        let path = run_dir.join(CONFUSION_FILE);
        files::append_json(&path, self).map_err(|source| Error::Write { path, source })
    }

    /// Those of a run's evaluations, in their order. A line that a crash has cut short is skipped.
    pub fn read(run_dir: &Path) -> Vec<Self> {
        let text = std::fs::read_to_string(run_dir.join(CONFUSION_FILE)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Takes back what was reported after `step`.
    pub fn truncate(run_dir: &Path, step: usize) -> Result<(), Error> {
        let path = run_dir.join(CONFUSION_FILE);
        if !path.is_file() {
            return Ok(());
        }
        let mut kept = String::new();
        for found in Self::read(run_dir).into_iter().filter(|found| found.step <= step) {
            kept.push_str(&serde_json::to_string(&found).unwrap_or_default());
            kept.push('\n');
        }
        files::write_atomic(&path, kept.as_bytes()).map_err(|source| Error::Write { path, source })
    }
}

impl Tested {
    pub fn write(&self, run_dir: &Path) -> Result<(), Error> {
        let path = run_dir.join(TEST_FILE);
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
    }

    pub fn read(run_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(run_dir.join(TEST_FILE)).ok()?).ok()
    }
}
