//! A change of low rank that is only read.

/// A product of two factors that does not learn.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank {
    /// (rank, inputs)
    pub a: Vec<f32>,

    /// (outputs, rank)
    pub b: Vec<f32>,
    pub rank: usize,
}
