//! `metrics.jsonl`: a line a step and a line an evaluation, appended as they happen.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

use super::folder::METRICS_FILE;
use super::metrics::{EvalMetrics, StepMetrics};
use crate::files;
use crate::train::error::Error;

/// Everything that a run has reported so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub steps: Vec<StepMetrics>,
    pub evaluations: Vec<EvalMetrics>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Evaluation(Box<EvalMetrics>), // first: only it has `pair_count`
    Step(Box<StepMetrics>),
}

impl Line {
    fn step(&self) -> usize {
        match self {
            Self::Evaluation(metrics) => metrics.step,
            Self::Step(metrics) => metrics.step,
        }
    }
}

impl History {
    /// What the folder of a run holds. A line that a crash has cut short is skipped; no file is an
    /// empty history.
    pub fn read(run_dir: &Path) -> Self {
        let mut history = Self::default();
        let text = std::fs::read_to_string(run_dir.join(METRICS_FILE)).unwrap_or_default();
        for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            match line {
                Line::Evaluation(metrics) => history.evaluations.push(*metrics),
                Line::Step(metrics) => history.steps.push(*metrics),
            }
        }
        history
    }
}

/// Where a run stands, and its latest evaluation.
pub type Latest = (Option<StepMetrics>, Option<EvalMetrics>);

/// The latest line of each kind, read from the end of the file: that of a long run has some ten
/// megabytes, and a list of runs wants this much of each. `evaluates`: whether the run has
/// evaluations at all.
pub fn latest(run_dir: &Path, evaluates: bool) -> Latest {
    const PIECE: u64 = 1 << 16;
    let mut found: Latest = (None, None);
    let Ok(mut file) = File::open(run_dir.join(METRICS_FILE)) else { return found };
    let mut start = file.seek(SeekFrom::End(0)).unwrap_or(0);
    let mut begun = Vec::new(); // of a line whose beginning is still to come
    while start > 0 && (found.0.is_none() || (evaluates && found.1.is_none())) {
        let len = start.min(PIECE);
        start -= len;
        let mut piece = vec![0; len as usize];
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut piece));
        if read.is_err() {
            return found;
        }
        piece.append(&mut begun);
        let whole = if start == 0 {
            0
        } else {
            piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |at| at + 1)
        };
        begun = piece[..whole].to_vec();
        for line in piece[whole..].split(|byte| *byte == b'\n').rev() {
            match serde_json::from_slice(line) {
                Ok(Line::Evaluation(metrics)) => found.1 = found.1.or(Some(*metrics)),
                Ok(Line::Step(metrics)) => found.0 = found.0.or(Some(*metrics)),
                Err(_) => {} // cut short, or empty
            }
        }
    }
    found
}

/// Takes back what was reported after `step`: a resumed run reports it again.
pub fn truncate(run_dir: &Path, step: usize) -> Result<(), Error> {
    let path = run_dir.join(METRICS_FILE);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let kept: String = text
        .lines()
        .filter(|line| serde_json::from_str::<Line>(line).is_ok_and(|line| line.step() <= step))
        .flat_map(|line| [line, "\n"])
        .collect();
    files::write_atomic(&path, kept.as_bytes()).map_err(|source| Error::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::metric::{Metric, Values};

    #[test]
    fn steps_and_evaluations_come_back_and_half_a_line_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(METRICS_FILE);
        let values = Values::from([(Metric::Loss, 0.25), (Metric::RewardsChosen, 0.5)]);
        let step = |step| StepMetrics { step, values, ..Default::default() };
        let evaluation = EvalMetrics { step: 2, values, ..Default::default() };
        files::append_json(&path, &step(1)).unwrap();
        files::append_json(&path, &step(2)).unwrap();
        files::append_json(&path, &evaluation).unwrap();
        files::append_json(&path, &step(3)).unwrap();
        files::append_line(&path, "{\"step\":4,\"lo").unwrap();
        let history = History::read(folder.path());
        assert_eq!(history.steps, [step(1), step(2), step(3)]);
        assert_eq!(history.evaluations, std::slice::from_ref(&evaluation));
        truncate(folder.path(), 2).unwrap();
        let history = History::read(folder.path());
        assert_eq!((history.steps.len(), history.evaluations), (2, vec![evaluation]));
    }

    #[test]
    fn the_latest_lines_of_a_long_run_are_found_from_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(METRICS_FILE);
        assert_eq!(latest(folder.path(), true), (None, None));
        let evaluation =
            EvalMetrics { step: 7, values: [(Metric::Loss, 0.5)].into(), ..Default::default() };
        let mut text = String::new();
        for step in 1..=3000 {
            let mut metrics = StepMetrics { step, ..Default::default() };
            Metric::ALL.iter().for_each(|metric| metrics.values.set(*metric, 0.25));
            text.push_str(&serde_json::to_string(&metrics).unwrap());
            text.push('\n');
            if step == 7 {
                text.push_str(&serde_json::to_string(&evaluation).unwrap());
                text.push('\n');
            }
        }
        assert!(text.len() > 4 << 16, "several pieces");
        text.push_str("{\"step\":3001,\"lo");
        files::write_atomic(&path, text.as_bytes()).unwrap();
        let (step, found) = latest(folder.path(), true);
        assert_eq!((step.unwrap().step, found), (3000, Some(evaluation)));
        assert_eq!(latest(folder.path(), false).1, None);
    }

    #[test]
    fn supervised_steps_have_no_rewards() {
        let folder = tempfile::tempdir().unwrap();
        let values = Values::from([(Metric::Loss, 6.2)]);
        let step = StepMetrics { step: 1, values, ..Default::default() };
        files::append_json(&folder.path().join(METRICS_FILE), &step).unwrap();
        assert_eq!(History::read(folder.path()).steps, [step]);
    }

    #[test]
    fn the_log_of_an_earlier_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(METRICS_FILE);
        let step = r#"{"step":1,"epoch":0.5,"loss":0.69,"grad_norm":2.5,"learning_rate":0.0001,
            "entropy":3.25,"num_tokens":240,"mean_token_accuracy":0.5,"rewards/chosen":0.125,
            "rewards/rejected":-0.5,"rewards/accuracies":1.0,"rewards/margins":0.625,
            "logps/chosen":-20.0,"logps/rejected":-25.0,"logits/chosen":1.0,"logits/rejected":1.5,
            "step_secs":0.25}"#;
        files::append_line(&path, &step.replace('\n', " ")).unwrap();
        let evaluation = r#"{"step":1,"pair_count":12,"eval_loss":0.5,"eval_rewards/accuracies":0.75,"eval_rewards/margins":0.25}"#;
        files::append_line(&path, evaluation).unwrap();
        let History { steps, evaluations } = History::read(folder.path());
        let StepMetrics { step, epoch, num_tokens, values, named: _, step_secs } = &steps[0];
        assert_eq!((*step, *epoch, *num_tokens, *step_secs), (1, 0.5, 240, 0.25));
        assert_eq!(values.iter().count(), 13);
        assert_eq!(values.get(Metric::RewardsRejected), Some(-0.5));
        assert_eq!((evaluations[0].loss(), evaluations[0].pair_count), (0.5, 12));
    }
}
