//! Answers of a model to survey items, against people's.

pub mod distribution;
pub mod orders;
pub mod spread;
