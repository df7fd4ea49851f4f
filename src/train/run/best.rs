//! Which evaluation was the best so far, and when to stop early: what transformers'
//! `EarlyStoppingCallback` and `load_best_model_at_end` do.

use std::path::{Path, PathBuf};

use crate::files;
use crate::train::config::TrainConfig;
use crate::train::config::metric::{Better, Metric};
use crate::train::error::Error;
use crate::train::record::MODEL_FOLDER;
use crate::train::record::metrics::{Best, EvalMetrics};

/// The evaluations so far. It can be made again from the run's history, so no checkpoint has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluations {
    pub best: Option<Best>,

    /// Evaluations in a row that were no better by more than the threshold.
    pub patience_used: usize,
}

/// What an evaluation was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Best,
    NotBest,
}

impl Evaluations {
    /// Those of a run that is resumed.
    pub fn of(evaluations: &[EvalMetrics], config: &TrainConfig) -> Self {
        let mut all = Self::default();
        for evaluation in evaluations {
            all.add(evaluation, config);
        }
        all
    }

    pub fn add(&mut self, evaluation: &EvalMetrics, config: &TrainConfig) -> Standing {
        let found = Metric::by_key(&config.metric_for_best_model)
            .and_then(|metric| Some((metric, evaluation.values.get(metric)?)));
        let Some((metric, value)) = found else { return Standing::NotBest };
        let direction = metric.facts().better.unwrap_or(Better::Higher);
        let better = |than: f64| direction.is_better(value, than);
        // transformers compares before it takes the new value for the best.
        let clearly = self.best.as_ref().is_none_or(|best| {
            better(best.value) && (value - best.value).abs() > config.early_stopping_threshold
        });
        self.patience_used = if clearly { 0 } else { self.patience_used + 1 };
        if self.best.as_ref().is_none_or(|best| better(best.value)) {
            self.best = Some(Best { step: evaluation.step, value });
            return Standing::Best;
        }
        Standing::NotBest
    }

    /// Why the run ends here. `None`: it does not.
    pub fn enough(&self, config: &TrainConfig) -> Option<String> {
        let patience = config.early_stopping_patience;
        let best = self.best.as_ref()?;
        (patience > 0 && self.patience_used >= patience).then(|| {
            format!(
                "Stopped early: {} has not become better in {} since step {}",
                config.metric_for_best_model,
                if patience == 1 {
                    "1 evaluation".to_owned()
                } else {
                    format!("{patience} evaluations")
                },
                best.step
            )
        })
    }
}

const FOLDER: &str = "best-";

/// The folder of the adapter as it was after a step.
pub fn folder(run_dir: &Path, step: usize) -> PathBuf {
    run_dir.join(format!("{FOLDER}{step}"))
}

/// The model of a run becomes that of its best checkpoint: file by file, each whole.
pub fn take_model(run_dir: &Path, best: &Path) -> Result<(), Error> {
    let (from, to) = (best.join(MODEL_FOLDER), run_dir.join(MODEL_FOLDER));
    let entries =
        std::fs::read_dir(&from).map_err(|source| Error::Read { path: from.clone(), source })?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let file = to.join(path.file_name().unwrap_or_default());
        let read = |source| Error::Read { path: path.clone(), source };
        let mut from = std::fs::File::open(&path).map_err(read)?;
        files::write_in_pieces(&file, |file| std::io::copy(&mut from, file).map(drop))
            .map_err(|source| Error::Write { path: file.clone(), source })?;
    }
    Ok(())
}

/// Removes the adapters of other evaluations than this. Only once a checkpoint knows of it: until
/// then a run that is resumed may need the one before.
pub fn remove_others(run_dir: &Path, step: usize) -> Result<(), Error> {
    let kept = folder(run_dir, step);
    let entries = std::fs::read_dir(run_dir)
        .map_err(|source| Error::Read { path: run_dir.to_owned(), source })?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_best = name.strip_prefix(FOLDER).is_some_and(|step| step.parse::<usize>().is_ok());
        if is_best && path != kept {
            std::fs::remove_dir_all(&path).map_err(|source| Error::Write { path, source })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluated(config: &TrainConfig, losses: &[f64]) -> Evaluations {
        let evaluations: Vec<EvalMetrics> = losses
            .iter()
            .enumerate()
            .map(|(index, loss)| EvalMetrics {
                step: 10 * (index + 1),
                values: [(Metric::Loss, *loss), (Metric::RewardsMargins, -loss)].into(),
                ..EvalMetrics::default()
            })
            .collect();
        Evaluations::of(&evaluations, config)
    }

    #[test]
    fn patience_counts_evaluations_that_are_no_better() {
        let config = TrainConfig { early_stopping_patience: 2, ..TrainConfig::default() };
        assert_eq!(evaluated(&config, &[0.7, 0.5, 0.6]).enough(&config), None);
        let found = evaluated(&config, &[0.7, 0.5, 0.6, 0.55]);
        assert_eq!(found.best, Some(Best { step: 20, value: 0.5 }));
        let words = found.enough(&config).unwrap();
        assert_eq!(
            words,
            "Stopped early: eval_loss has not become better in 2 evaluations since step 20"
        );
        assert_eq!(evaluated(&config, &[0.7, 0.5, 0.6, 0.4, 0.45]).enough(&config), None);
        let patient = TrainConfig { early_stopping_patience: 0, ..config };
        assert_eq!(evaluated(&patient, &[0.1, 0.2, 0.3, 0.4]).enough(&patient), None);
    }

    #[test]
    fn a_small_gain_is_the_best_and_still_uses_up_patience() {
        // EarlyStoppingCallback: better by no more than early_stopping_threshold does not reset it
        let config = TrainConfig {
            early_stopping_patience: 2,
            early_stopping_threshold: 0.1,
            ..TrainConfig::default()
        };
        let found = evaluated(&config, &[0.7, 0.65, 0.6]);
        assert_eq!((found.best.as_ref().unwrap().step, found.patience_used), (30, 2));
        assert!(found.enough(&config).is_some());
    }

    #[test]
    fn a_margin_is_better_when_it_is_higher() {
        let config = TrainConfig {
            metric_for_best_model: "rewards/margins".to_owned(),
            ..TrainConfig::default()
        };
        assert_eq!(evaluated(&config, &[0.7, 0.5, 0.6]).best.unwrap().step, 20);
    }
}
