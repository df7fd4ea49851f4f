//! How well labels and probabilities match what is true.

pub mod confusion;
pub mod multilabel;
pub mod probabilities;
