//! What is to be run: a run that is started, or one that is resumed.

use std::path::PathBuf;

use crate::train::config::TrainConfig;

/// A run to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct StartRequest {
    pub config: TrainConfig,

    /// `runs/<id>`. Made if need be; it must not hold another run.
    pub run_dir: PathBuf,

    /// Where reference log-probabilities are kept for the next run on the same rows. `None`: they
    /// are not.
    pub cache: Option<PathBuf>,
}

/// A run to be resumed from its checkpoint, with the settings and the data in its folder.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumeRequest {
    /// `runs/<id>`, which holds a checkpoint.
    pub run_dir: PathBuf,

    /// As [`StartRequest::cache`].
    pub cache: Option<PathBuf>,

    /// Settings that the person named beside it. They are not used: what in them differs from the
    /// run's own is said.
    pub unused: Option<TrainConfig>,
}
