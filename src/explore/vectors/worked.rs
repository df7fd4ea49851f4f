//! How far the work on vectors is.

use crate::jobs::{Cancelled, Progress};

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    ReadingTable,
    Embedding,
    Components,
    Neighbours,
    Layout,
    Clusters,
    Probe,
}

impl Stage {
    /// As a person reads it while it runs.
    pub fn words(self) -> &'static str {
        match self {
            Self::ReadingTable => "Reading the table",
            Self::Embedding => "Computing vectors",
            Self::Components => "Finding principal components",
            Self::Neighbours => "Finding nearest neighbours",
            Self::Layout => "Laying out the map",
            Self::Clusters => "Finding clusters",
            Self::Probe => "Training on the folds",
        }
    }

    /// What is counted, where `done` of `total` tells a person something: bytes do not, nor do steps that end
    /// before the last, nor the parts of a tree.
    fn unit(self) -> Option<&'static str> {
        match self {
            Self::Embedding => Some("texts"),
            Self::Neighbours => Some("points"),
            Self::Layout => Some("rounds"),
            Self::Probe => Some("folds"),
            Self::ReadingTable | Self::Components | Self::Clusters => None,
        }
    }
}

/// `done` of `total` parts of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worked {
    pub stage: Stage,
    pub done: usize,
    pub total: usize,
}

impl Worked {
    /// `512 of 2048 texts`, where that tells a person something.
    pub fn count(self, grouped: impl Fn(usize) -> String) -> Option<String> {
        let unit = self.stage.unit()?;
        Some(format!("{} of {} {unit}", grouped(self.done), grouped(self.total)))
    }
}

/// Reports, and fails once nobody waits any more.
pub fn reached(
    progress: &dyn Progress<Worked>,
    stage: Stage,
    done: usize,
    total: usize,
) -> Result<(), Cancelled> {
    progress.check()?;
    progress.emit(Worked { stage, done, total });
    Ok(())
}
