//! The machine: the parts that a text goes through, with their shapes and how many parameters they
//! have.

use serde::{Deserialize, Serialize};

use crate::explore::pass_times::PassTimes;
use crate::llm::Model;

/// The parts in the order in which the text goes through them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MachineView {
    pub name: String,
    pub architecture: String,
    pub parameter_count: u64,
    pub memory_bytes: u64,

    /// How most of the weights are stored.
    pub precision: String,
    pub layer_count: usize,
    pub heads: usize,
    pub width: usize,
    pub vocab_size: usize,
    pub context_length: usize,
    pub cache_bytes_per_token: u64,

    /// Where the time of a pass goes, where the scene asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<PassTimes>,
}

/// What is known of a loaded model.
pub fn machine(model: &Model, times: Option<PassTimes>) -> MachineView {
    let (card, config) = (model.card(), model.config());
    let facts = &card.facts;
    MachineView {
        name: card.identity.name.clone(),
        architecture: facts.architecture.clone(),
        parameter_count: facts.parameter_count,
        memory_bytes: facts.memory_bytes,
        precision: facts.precision.clone(),
        layer_count: config.layer_count(),
        heads: config.heads,
        width: config.width,
        vocab_size: config.vocab_size,
        context_length: config.context_length,
        cache_bytes_per_token: facts.cache_bytes_per_token,
        times,
    }
}
