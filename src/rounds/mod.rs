//! Preference learning in rounds: a trained model answers new prompts, its answers are compared, and the next run
//! goes on from its adapter.
//!
//! What a run learns: see `train`. Verdicts of people: see `data::store`; of a model: see `evaluate`.

pub mod answers;
pub mod chain;
pub mod drift;
pub mod error;
pub mod judge;
pub mod make;
pub mod pairs;
pub mod record;

#[cfg(test)]
mod rounds_tests;
