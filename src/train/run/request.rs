//! What is to be run, and where it is written to.

use std::path::PathBuf;

use crate::train::config::TrainConfig;

/// A run to be started, or one to be resumed.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainRequest {
    pub config: TrainConfig,

    /// `runs/<id>`. Made if need be; it must not hold another run.
    pub run_dir: PathBuf,

    /// Where reference log-probabilities are kept for the next run on the same rows. `None`: they
    /// are not.
    pub cache: Option<PathBuf>,

    /// Go on from the checkpoint in `run_dir`. Settings and data are then those in the folder;
    /// `config` is not looked at.
    pub resume: bool,
}
