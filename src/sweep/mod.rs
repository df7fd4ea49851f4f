//! Sweeps and repeats: one run file with several settings or seeds, as a queue of ordinary runs that survives a
//! restart, and one table with intervals over seeds.
//!
//! What a run computes: see `train`. The window's own part: see `state::train::sweep`.

pub mod definition;
pub mod error;
pub mod expand;
pub mod keys;
pub mod methods;
pub mod outcome;
pub mod plot;
pub mod queue;
pub mod table;
pub mod work;
pub mod worker;

#[cfg(test)]
mod sweep_tests;
