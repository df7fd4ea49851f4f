//! The arena: which of several models the verdicts prefer.

use crate::eval::arena::ArenaReport;

#[derive(Clone, Debug, Default)]
pub struct ArenaPage {
    pub report: Option<ArenaReport>,

    /// Where the comparisons come from: the name of a file. `None`: the verdicts of the project.
    pub file: Option<String>,

    /// Why there is nothing to rate.
    pub problem: Option<String>,
    pub busy: bool,

    /// The number of the project's verdicts when it was computed.
    pub verdicts: usize,
}

impl ArenaPage {
    /// Two models each, the most telling first.
    pub fn next(&self) -> Vec<[String; 2]> {
        let next = self.report.iter().flat_map(|report| &report.next);
        next.map(|pair| [pair.first.clone(), pair.second.clone()]).collect()
    }
}
