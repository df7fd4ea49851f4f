//! Does the tuned model prefer the better answers? Reward accuracy and margin of an adapter on
//! pairs that it was not trained on.
//!
//! Works on weights of any type, quantised ones too: model and tuned model are run the same way.
//! Measuring while a run goes on: see `train::evaluate`.

use std::path::Path;

use crate::jobs::{Cancelled, Progress};
use crate::llm::lora::Adapter;
use crate::llm::model::Model;
use crate::llm::score;
use crate::llm::score::Scoring;
use crate::train::Error;
use crate::train::batch::{Example, Sequence};
use crate::train::config::{Objective, TrainConfig};
use crate::train::metrics::TrainEvent;
use crate::train::setup;

/// `done` of `total` pairs are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    pub done: usize,
    pub total: usize,
}

/// One pair: β times the summed log-ratio of tuned model and model, of each answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairReward {
    /// Where the pair stands in its file, from 1.
    pub line: usize,
    pub chosen: f64,
    pub rejected: f64,
}

/// What was found on a file of pairs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreferenceReport {
    pub pairs: Vec<PairReward>,
    pub warnings: Vec<String>,
}

impl PreferenceReport {
    /// Share of pairs whose chosen answer has the higher reward, 0 to 1. As in TRL, equal is not
    /// higher.
    pub fn accuracy(&self) -> f64 {
        self.mean(|pair| f64::from(u8::from(pair.chosen > pair.rejected)))
    }

    /// Mean difference of the rewards.
    pub fn margin(&self) -> f64 {
        self.mean(|pair| pair.chosen - pair.rejected)
    }

    fn mean(&self, of: impl Fn(&PairReward) -> f64) -> f64 {
        self.pairs.iter().map(of).sum::<f64>() / self.pairs.len().max(1) as f64
    }
}

/// Measures `adapter` on the pairs of a file. Slow: checks for Stop between chunks.
pub fn measure(
    model: &Model,
    adapter: &Adapter,
    config: &TrainConfig,
    data: &Path,
    progress: &dyn Progress<Measured>,
) -> Result<PreferenceReport, Error> {
    let config = TrainConfig { objective: Objective::Dpo, ..config.clone() };
    let quiet = OnlyStop(progress);
    let found = setup::examples(model, &config, data, &quiet)?;
    let total = found.examples.len();
    let mut pairs = Vec::with_capacity(total);
    for (done, example) in found.examples.iter().enumerate() {
        progress.emit(Measured { done, total });
        let Example { line, chosen, rejected: Some(rejected), .. } = example else { continue };
        let log_ratio = |sequence: &Sequence| {
            let tuned = completion_logp(model, Some(adapter), sequence, &quiet)?;
            Ok::<_, Error>(tuned - completion_logp(model, None, sequence, &quiet)?)
        };
        pairs.push(PairReward {
            line: *line,
            chosen: config.beta * log_ratio(chosen)?,
            rejected: config.beta * log_ratio(rejected)?,
        });
    }
    Ok(PreferenceReport { pairs, warnings: found.warnings })
}

/// ln p(completion | prompt).
pub(super) fn completion_logp(
    model: &Model,
    adapter: Option<&Adapter>,
    sequence: &Sequence,
    progress: &dyn Progress<Scoring>,
) -> Result<f64, Error> {
    let logprobs = score::score(model, adapter, &sequence.ids, progress)?;
    let first = sequence.ids.len() - sequence.targets().len();
    Ok(logprobs[first..].iter().flatten().map(|logprob| f64::from(*logprob)).sum())
}

/// Passes on a stop, and keeps what the parts report to itself.
pub(super) struct OnlyStop<'a>(pub &'a dyn Progress<Measured>);

impl Progress<Scoring> for OnlyStop<'_> {
    fn emit(&self, _event: Scoring) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

impl Progress<TrainEvent> for OnlyStop<'_> {
    fn emit(&self, _event: TrainEvent) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rewards_are_not_a_win() {
        let pair = |chosen, rejected| PairReward { line: 1, chosen, rejected };
        let pairs = vec![pair(0.5, -0.5), pair(0.0, 0.0), pair(-1.0, 1.0), pair(0.2, 0.1)];
        let report = PreferenceReport { pairs, warnings: Vec::new() };
        assert_eq!(report.accuracy(), 0.5);
        assert!((report.margin() - (1.0 + 0.0 - 2.0 + 0.1) / 4.0).abs() < 1e-12);
        assert_eq!(PreferenceReport::default().accuracy(), 0.0); // nothing was measured
    }
}
