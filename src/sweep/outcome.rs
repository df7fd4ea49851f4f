//! What came of a run of a sweep, read from its folder.

use std::path::Path;

use serde::Serialize;

use crate::train::config::TrainConfig;
use crate::train::config::metric::{Compared, Metric, Values};
use crate::train::record::confusion::Tested;
use crate::train::record::history::History;

/// Steps whose mean stands for the last one where nothing is held out: a single step says little.
pub(super) const LAST_STEPS: usize = 10;

/// The number that runs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    pub metric: Metric,
    pub of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The rows that are held out.
    HeldOut,

    /// The steps themselves: nothing is held out.
    Steps,
}

impl Measure {
    /// The metric that a run's settings name for the best checkpoint; where nothing is held out, that of its steps.
    pub fn of(config: &TrainConfig) -> Self {
        let holds_out = config.held_out_share > 0.0 || config.columns.get("split").is_some();
        if holds_out {
            let metric = Metric::by_key(&config.metric_for_best_model).unwrap_or(Metric::Loss);
            return Self { metric, of: Of::HeldOut };
        }
        let metric = if config.objective.samples() { Metric::Reward } else { Metric::Loss };
        Self { metric, of: Of::Steps }
    }

    /// As tables name it: `eval_loss`, `reward`.
    pub fn key(self) -> String {
        match self.of {
            Of::HeldOut => self.metric.evaluated(),
            Of::Steps => self.metric.facts().key.to_owned(),
        }
    }

    /// As a person calls it: `Held-out loss`.
    pub fn title(self) -> String {
        let title = self.metric.facts().title;
        match self.of {
            Of::HeldOut => format!("Held-out {}", title.to_lowercase()),
            Of::Steps => format!("{title} (last {LAST_STEPS} steps)"),
        }
    }
}

/// Which number of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// At the last evaluation.
    #[default]
    Last,

    /// At the best one.
    Best,
}

/// One number of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Number {
    /// `eval_loss`
    pub key: String,

    /// At the last evaluation, or over the last steps.
    #[serde(rename = "final")]
    pub last: f64,

    /// At the best evaluation. `None`: there is none, or no way is better.
    pub best: Option<f64>,
    pub best_step: Option<usize>,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    pub steps: usize,

    /// All steps together.
    pub secs: f64,

    /// Of the last step, on what is trained on.
    pub loss: Option<f64>,

    /// First the one that runs are compared by.
    pub numbers: Vec<Number>,

    /// Of the test part, which was opened once: `test_accuracy`.
    pub test: Vec<(String, f64)>,
}

impl Outcome {
    /// The number that runs are compared by.
    pub fn main(&self) -> Option<&Number> {
        self.numbers.first()
    }

    pub fn number(&self, key: &str) -> Option<&Number> {
        self.numbers.iter().find(|number| number.key == key)
    }
}

/// What the folder of a run says so far. `None`: nothing yet.
pub fn read(run_dir: &Path, config: &TrainConfig) -> Option<Outcome> {
    let history = History::read(run_dir);
    let last = history.steps.last()?;
    let measure = Measure::of(config);
    let mut metrics = vec![measure.metric];
    if measure.of == Of::HeldOut {
        let told = config.objective.facts().metrics.iter().copied();
        let tells = |metric: &Metric| {
            let facts = metric.facts();
            facts.better.is_some() || facts.compared != Compared::No
        };
        metrics.extend(told.filter(|metric| tells(metric) && *metric != measure.metric));
    }
    let numbers = metrics.into_iter().filter_map(|metric| {
        let points: Vec<(usize, f64)> = match measure.of {
            Of::HeldOut => history
                .evaluations
                .iter()
                .filter_map(|found| Some((found.step, found.values.get(metric)?)))
                .collect(),
            Of::Steps => {
                let found = history.steps.iter();
                found.filter_map(|step| Some((step.step, step.values.get(metric)?))).collect()
            }
        };
        number(Measure { metric, ..measure }, &points)
    });
    let numbers = numbers.collect();
    let test = Tested::read(run_dir).map(|tested| test(&tested.values, config));
    Some(Outcome {
        steps: last.step,
        secs: history.steps.iter().map(|step| step.step_secs).sum(),
        loss: last.values.get(Metric::Loss),
        numbers,
        test: test.unwrap_or_default(),
    })
}

fn number(measure: Measure, points: &[(usize, f64)]) -> Option<Number> {
    let key = measure.key();
    if measure.of == Of::Steps {
        let latest = &points[points.len().saturating_sub(LAST_STEPS)..];
        let sum: f64 = latest.iter().map(|point| point.1).sum();
        let last = (!latest.is_empty()).then(|| sum / latest.len() as f64)?;
        return Some(Number { key, last, best: None, best_step: None });
    }
    let last = points.last()?.1;
    let better = measure.metric.facts().better;
    // The first of several that are equal, as transformers keeps it.
    let best = better.and_then(|better| {
        let better = |best: (usize, f64), point: (usize, f64)| {
            if better.is_better(point.1, best.1) { point } else { best }
        };
        points.iter().copied().reduce(better)
    });
    Some(Number { key, last, best: best.map(|best| best.1), best_step: best.map(|best| best.0) })
}

fn test(values: &Values, config: &TrainConfig) -> Vec<(String, f64)> {
    let metrics = config.objective.facts().metrics.iter();
    let told = metrics.filter(|metric| metric.facts().better.is_some());
    let found = told
        .filter_map(|metric| Some((format!("test_{}", metric.facts().key), values.get(*metric)?)));
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use crate::train::config::Objective;
    use crate::train::record::METRICS_FILE;
    use crate::train::record::metrics::{EvalMetrics, StepMetrics};

    #[test]
    fn the_final_and_the_best_evaluation_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(METRICS_FILE);
        let config = TrainConfig { held_out_share: 0.2, ..TrainConfig::default() };
        assert_eq!(read(folder.path(), &config), None);
        for (step, loss, accuracy) in [(1, 0.6, 0.5), (2, 0.4, 0.75), (3, 0.5, 0.75)] {
            let values = [(Metric::Loss, loss + 1.0)].into();
            files::append_json(
                &path,
                &StepMetrics { step, values, step_secs: 0.5, ..Default::default() },
            )
            .unwrap();
            let values = [(Metric::Loss, loss), (Metric::RewardsAccuracies, accuracy)].into();
            files::append_json(
                &path,
                &EvalMetrics { step, pair_count: 8, values, ..EvalMetrics::default() },
            )
            .unwrap();
        }
        let found = read(folder.path(), &config).unwrap();
        assert_eq!((found.steps, found.secs, found.loss), (3, 1.5, Some(1.5)));
        let loss = found.main().unwrap();
        assert_eq!(
            (loss.key.as_str(), loss.last, loss.best, loss.best_step),
            ("eval_loss", 0.5, Some(0.4), Some(2))
        );
        let accuracy = found.number("eval_rewards/accuracies").unwrap();
        assert_eq!((accuracy.last, accuracy.best_step), (0.75, Some(2)));
        // Nothing held out: the mean over the steps.
        let all = TrainConfig { held_out_share: 0.0, ..config };
        let found = read(folder.path(), &all).unwrap();
        assert_eq!(found.main().unwrap().key, "loss");
        assert!((found.main().unwrap().last - 1.5).abs() < 1e-12);
    }

    #[test]
    fn runs_that_are_rewarded_are_told_apart_by_their_reward() {
        let measure = Measure::of(&TrainConfig::suggested(Objective::Grpo));
        assert_eq!((measure.key(), measure.of), ("reward".to_owned(), Of::Steps));
        let measure = Measure::of(&TrainConfig::suggested(Objective::Classify));
        assert_eq!(measure.key(), Metric::MacroF1.evaluated());
    }
}
