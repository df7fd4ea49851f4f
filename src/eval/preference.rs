//! Does the tuned model prefer the better answers? The rewards of an adapter on single pairs. On all
//! pairs of a run, with intervals: see `eval::comparison`.
//!
//! Works on weights of any type, quantised ones too: model and tuned model are run the same way.
//! The evaluation of a run: see `train::step::evaluation`.

use crate::jobs::{Cancelled, Progress};
use crate::llm::adapter::lora::Adapter;
use crate::llm::generate::score;
use crate::llm::generate::score::Scoring;
use crate::llm::model::Model;
use crate::train::Error;
use crate::train::record::metrics::TrainEvent;
use crate::train::rows::sequence::Sequence;

/// `done` of `total` pairs are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    pub done: usize,
    pub total: usize,
}

/// One pair: β times the summed log-ratio of tuned model and model, of each answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairReward {
    pub chosen: f64,
    pub rejected: f64,
}

/// ln p(completion | prompt).
pub(super) fn completion_logp(
    model: &Model,
    adapter: Option<&Adapter>,
    sequence: &Sequence,
    progress: &dyn Progress<Scoring>,
) -> Result<f64, Error> {
    let logprobs = score::score(model, adapter, &sequence.ids, progress)?;
    let learned = sequence.targets().filter_map(|place| logprobs[place]);
    Ok(learned.map(f64::from).sum())
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
