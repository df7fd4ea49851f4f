//! A training file as a run uses it.

use super::batch::Example;
use super::survey::Survey;
use crate::data::split::Split;
use crate::train::record::landmarks::Landmarks;
use crate::train::record::sources::SourceRows;

/// A file as a run trains on it.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// What is trained on or held out, cut, in the order of the file.
    pub examples: Vec<Example>,

    /// Which of them are trained on.
    pub split: Split,

    /// Every row, and what there is to say.
    pub survey: Survey,

    /// Of several files: what is taken of each.
    pub sources: Vec<SourceRows>,

    /// Of pretraining: what the text is worth to whoever only counts.
    pub landmarks: Option<Landmarks>,
}
