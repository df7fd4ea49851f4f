//! The learning-rate finder on what learns from texts: as [`crate::train::run::finder`], on weights that are thrown
//! away.

use std::path::Path;

use super::setup;
use super::training::Training;
use crate::jobs::Progress;
use crate::train::config::TrainConfig;
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;
use crate::train::run::finder::{settings, tell};
use crate::train::run::rates::{RateEnd, RateSearch, RateTrace};
use crate::train::run::{StartRequest, without_aborting};

/// Searches. `apart`: a folder that no run has; it is not made. Stopping is a good end.
pub fn find_rate(
    folder: &Path,
    config: &TrainConfig,
    search: &RateSearch,
    apart: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RateTrace, Error> {
    // What is held out and what is for the test part stays so: the search is on what a run would learn from.
    let config = settings(config, search)?;
    let request = StartRequest { config, run_dir: apart.to_owned(), cache: None };
    let checked = setup::check_start(folder, &request, progress)?;
    let (train_rows, steps) = (checked.parts.train.len(), search.steps);
    progress.emit(TrainEvent::Planned { steps, train_rows, held_out_rows: 0 });
    without_aborting(|| {
        let mut training = Training::new(checked, apart, progress)?;
        let mut trace = RateTrace::default();
        for step in 0..search.steps {
            progress.rest();
            let learned = match training.gradients(step) {
                Err(Error::Cancelled) => {
                    trace.ended = Some(RateEnd::Stopped);
                    break;
                }
                found => found?,
            };
            let rate = search.rate(step);
            let continues = trace.add(rate, learned.loss);
            tell(progress, step + 1, rate, learned.loss);
            if !continues {
                break;
            }
            if !training.move_by(rate)?.is_finite() {
                trace.ended = Some(RateEnd::NotFinite);
                break;
            }
        }
        Ok(trace)
    })
}
