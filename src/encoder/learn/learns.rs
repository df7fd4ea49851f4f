//! What of a model learns.

use std::path::PathBuf;

use crate::llm::LoraSpec;

/// What learns.
#[derive(Clone, Debug, PartialEq)]
pub enum Learns {
    Lora(LoraSpec),

    /// An adapter that another run or PEFT has begun.
    Adapter(PathBuf),
    Everything,
    Head,

    /// Nothing: it is only computed with.
    Nothing,

    /// Nothing: an adapter is worked into its weights, and it is only computed with.
    Laid(PathBuf),
}
