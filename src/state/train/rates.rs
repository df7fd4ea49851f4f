//! The learning-rate finder in the Train panel.

use crate::train::config::TrainConfig;
use crate::train::config::metric::Metric;
use crate::train::record::metrics::{StepMetrics, TrainEvent};
use crate::train::run::loading::LOADING;
use crate::train::run::rates::{RateSearch, RateTrace};

/// What the finder shows.
#[derive(Clone, Debug, Default)]
pub struct RateState {
    pub search: RateSearch,
    pub slot: RateSlot,
}

#[derive(Clone, Debug, Default)]
pub enum RateSlot {
    #[default]
    Closed,

    /// What is to be searched, before it begins.
    Form,

    /// Before the first step, in words.
    Preparing(String),

    /// What it has found so far.
    Searching(RateTrace),
    Found {
        trace: RateTrace,

        /// The settings that it was found for.
        settings: Box<TrainConfig>,
    },
}

impl RateState {
    pub fn is_open(&self) -> bool {
        !matches!(self.slot, RateSlot::Closed)
    }

    pub fn is_searching(&self) -> bool {
        matches!(self.slot, RateSlot::Preparing(_) | RateSlot::Searching(_))
    }

    /// The form comes to the front; what was found stays.
    pub fn open(&mut self) {
        if !self.is_open() {
            self.slot = RateSlot::Form;
        }
    }

    pub fn begin(&mut self) {
        self.slot = RateSlot::Preparing(LOADING.to_owned());
    }

    pub fn on_event(&mut self, event: TrainEvent) {
        match (event, &mut self.slot) {
            (_, RateSlot::Closed | RateSlot::Form | RateSlot::Found { .. }) => {}
            (TrainEvent::Preparing { what, .. }, slot @ RateSlot::Preparing(_)) => {
                *slot = RateSlot::Preparing(what);
            }
            (TrainEvent::Step(step), slot) => {
                let Some((rate, loss)) = point(&step) else { return };
                if let RateSlot::Preparing(_) = slot {
                    *slot = RateSlot::Searching(RateTrace::default());
                }
                if let RateSlot::Searching(trace) = slot {
                    trace.add(rate, loss);
                }
            }
            _ => {}
        }
    }

    /// The trace that there is so far.
    pub fn trace(&self) -> Option<&RateTrace> {
        match &self.slot {
            RateSlot::Closed | RateSlot::Form | RateSlot::Preparing(_) => None,
            RateSlot::Searching(trace) | RateSlot::Found { trace, .. } => Some(trace),
        }
    }
}

fn point(step: &StepMetrics) -> Option<(f64, f64)> {
    Some((step.values.get(Metric::LearningRate)?, step.values.get(Metric::Loss)?))
}
