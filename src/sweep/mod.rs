//! Sweeps and repeats: one run file with several settings or seeds, as a queue of ordinary runs that survives a
//! restart, and one table with intervals over seeds.
//!
//! What a run computes: see `train`. The window's own part: see `state::train::sweep`.

pub mod born;
pub mod commas;
pub mod definition;
pub mod error;
pub mod expand;
pub mod keys;
pub mod methods;
pub mod outcome;
pub mod plot;
pub mod queue;
pub mod report;
pub mod scaling;
pub mod scaling_plot;
pub mod scaling_words;
pub mod sizes;
pub mod table;
pub mod work;
pub mod worker;

#[cfg(test)]
mod scaling_tests;
#[cfg(test)]
mod sweep_tests;
