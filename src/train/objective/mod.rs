//! What a run minimises: the losses, and the log-probabilities that they are made of.

pub mod choose;
mod cpo;
pub mod dpo;
pub mod dual;
mod kto;
pub mod logprobs;
pub(crate) mod loss;
mod orpo;
pub mod policy;
mod preferences;
mod reward;
pub mod scores;
mod sft;
pub(crate) mod sums;
pub mod tokens;
