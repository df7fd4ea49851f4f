//! What a run says while its model is loaded.

use std::time::Instant;

use crate::jobs::{Cancelled, Progress};
use crate::llm::LoadEvent;
use crate::train::record::metrics::TrainEvent;

pub const LOADING: &str = "Loading the base model";

/// What of it is counted.
pub const LAYERS: &str = "layers";

/// Passes a Stop on to the loader, and its progress on as a run's.
pub struct Loading<'a>(pub &'a dyn Progress<TrainEvent>, pub Instant);

impl Progress<LoadEvent> for Loading<'_> {
    fn emit(&self, event: LoadEvent) {
        if let LoadEvent::Tensors { done, total } = event {
            self.0.emit(TrainEvent::preparing(LOADING, (done, total), LAYERS, self.1));
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}
