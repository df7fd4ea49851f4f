//! What a run minimises: losses, and the log-probabilities that they are made of.

pub mod dpo;
pub mod dual;
pub mod logprobs;
pub mod sft;
