//! What a run of a sweep says whose model is born for it: its size, its tokens, its losses.

use std::path::{Path, PathBuf};

use super::outcome::{LAST_STEPS, Of, Which};
use super::sizes::{differ_in_size_alone, without_embeddings};
use crate::llm::newborn::Newborn;
use crate::stats::repeats::repeats;
use crate::train::config::TrainConfig;
use crate::train::config::metric::Metric;
use crate::train::record::history::History;

/// What is known of a run that begins from nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Born {
    pub newborn: Newborn,

    /// Without embeddings, positions and head.
    pub parameters: u64,

    /// Everything else that two runs must have in common: the text, the window, what is held out.
    pub text: (PathBuf, usize, f64),
    pub of: Of,

    /// That it has learned from so far.
    pub tokens: u64,
    pub epochs: f64,

    /// Held-out loss at the last evaluation and at the best one; of the last steps where nothing is held out.
    pub last: Option<f64>,
    pub best: Option<f64>,

    /// Loss after so many tokens: held out, or of each step.
    pub curve: Vec<(u64, f64)>,
}

impl Born {
    /// What a run's folder says so far. `None`: its model is not born for it.
    pub fn read(run_dir: &Path, config: &TrainConfig) -> Option<Self> {
        let newborn = config.newborn.clone()?;
        let parameters = without_embeddings(&newborn)?;
        let history = History::read(run_dir);
        let of = if config.held_out_share > 0.0 { Of::HeldOut } else { Of::Steps };
        let steps = &history.steps;
        let tokens_at = |step: usize| {
            let place = steps.partition_point(|known| known.step <= step);
            place.checked_sub(1).map_or(0, |place| steps[place].num_tokens)
        };
        let curve: Vec<(u64, f64)> = match of {
            Of::HeldOut => {
                let found = history.evaluations.iter();
                found
                    .filter_map(|found| {
                        Some((tokens_at(found.step), found.values.get(Metric::Loss)?))
                    })
                    .collect()
            }
            Of::Steps => {
                let found = steps.iter();
                found
                    .filter_map(|step| Some((step.num_tokens, step.values.get(Metric::Loss)?)))
                    .collect()
            }
        };
        let losses = || curve.iter().map(|point| point.1).filter(|loss| loss.is_finite());
        let last = match of {
            Of::HeldOut => losses().next_back(),
            Of::Steps => {
                let latest: Vec<f64> = losses().collect();
                let latest = &latest[latest.len().saturating_sub(LAST_STEPS)..];
                repeats(latest).map(|found| found.mean)
            }
        };
        let best = match of {
            Of::HeldOut => losses().reduce(f64::min),
            Of::Steps => None,
        };
        Some(Self {
            newborn,
            parameters,
            text: (config.data.clone(), config.max_length, config.held_out_share),
            of,
            tokens: steps.last().map_or(0, |step| step.num_tokens),
            epochs: steps.last().map_or(0.0, |step| step.epoch),
            last,
            best,
            curve,
        })
    }

    /// Whether nothing but the size differs.
    pub fn is_of_one_series_with(&self, other: &Self) -> bool {
        differ_in_size_alone(&self.newborn, &other.newborn)
            && self.text == other.text
            && self.of == other.of
    }

    pub fn loss(&self, which: Which) -> Option<f64> {
        match which {
            Which::Last => self.last,
            Which::Best => self.best.or(self.last),
        }
    }
}
