//! `samples.jsonl`: a fixed prompt, answered by the model as it is after every so many steps.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;
use crate::train::error::Error;

pub const SAMPLES_FILE: &str = "samples.jsonl";

/// The model's answer after so many steps; 0 is before the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub step: usize,
    pub prompt: String,
    pub answer: String,
}

/// Takes one down.
pub(crate) fn append(run_dir: &Path, sample: &Sample) -> Result<(), Error> {
    let path = run_dir.join(SAMPLES_FILE);
    files::append_json(&path, sample).map_err(|source| Error::Write { path, source })
}

/// What a run has answered so far. A line that a crash has cut short is skipped.
pub fn read(run_dir: &Path) -> Vec<Sample> {
    let text = std::fs::read_to_string(run_dir.join(SAMPLES_FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Takes back what was answered after `step`: a resumed run answers it again.
pub fn truncate(run_dir: &Path, step: usize) -> Result<(), Error> {
    let path = run_dir.join(SAMPLES_FILE);
    let samples = read(run_dir);
    if samples.iter().all(|sample| sample.step <= step) {
        return Ok(());
    }
    let kept: String = samples
        .iter()
        .filter(|sample| sample.step <= step)
        .map(|sample| serde_json::to_string(sample).expect("a sample is plain text"))
        .flat_map(|line| [line, "\n".to_owned()])
        .collect();
    files::write_atomic(&path, kept.as_bytes()).map_err(|source| Error::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_after_a_checkpoint_are_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let sample = |step| Sample { step, prompt: "p".to_owned(), answer: "a\nb".to_owned() };
        for step in [0, 10, 20] {
            files::append_json(&folder.path().join(SAMPLES_FILE), &sample(step)).unwrap();
        }
        truncate(folder.path(), 10).unwrap();
        assert_eq!(read(folder.path()), [sample(0), sample(10)]);
        truncate(folder.path(), 10).unwrap();
        assert_eq!(read(&folder.path().join("none")), []);
    }
}
