//! What a run left behind, thinned to what is shown of it.

use super::curves::Curves;
use super::samples::SampleBook;
use super::texts::Said;
use crate::train::record::history::History;
use crate::train::record::landmarks::Landmarks;
use crate::train::record::metrics::StepMetrics;
use crate::train::record::round::Round;
use crate::train::record::samples::Sample;

/// A run's curves and answers. Made where its files are read: 100,000 steps are tens of megabytes.
#[derive(Clone, Debug)]
pub struct RunPast {
    pub curves: Curves,
    pub last_step: Option<StepMetrics>,
    pub samples: SampleBook,

    /// Of GRPO and RLOO: the answers of its last round.
    pub round: Option<Round>,
    /// Of a run that learns labels.
    pub said: Said,
}

impl RunPast {
    pub fn of(history: &History, samples: Vec<Sample>, round: Option<Round>) -> Self {
        Self {
            curves: Curves::of(&history.steps, &history.evaluations),
            last_step: history.steps.last().cloned(),
            samples: SampleBook::of(samples),
            round,
            said: Said::default(),
        }
    }

    /// With what a run's record says of its text.
    #[must_use]
    pub fn with_landmarks(mut self, landmarks: Option<Landmarks>) -> Self {
        self.curves.landmarks = landmarks;
        self
    }

    /// With what it said of its held-out texts.
    #[must_use]
    pub fn saying(self, said: Said) -> Self {
        Self { said, ..self }
    }
}
