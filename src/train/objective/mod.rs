//! What a run minimises: the losses, and the log-probabilities that they are made of.

pub mod choose;
pub mod dpo;
pub mod dual;
pub mod logprobs;
pub(crate) mod loss;
mod preferences;
mod sft;
pub(crate) mod sums;
