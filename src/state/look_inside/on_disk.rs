//! Models of this disk that something can be compared with.

use std::path::PathBuf;

use crate::llm::card::{ModelFacts, Purpose};
use crate::state::models::FoundModel;

/// A model whose headers could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    pub name: String,
    pub path: PathBuf,

    /// Of its weights once they are loaded as they are stored.
    pub memory_bytes: u64,

    /// It writes, and this program runs it.
    pub writes: bool,
}

/// Those of all that were found, in their order.
pub fn on_disk(found: &[FoundModel]) -> Vec<OnDisk> {
    let of = |found: &FoundModel, facts: &ModelFacts| OnDisk {
        name: found.local.name.clone(),
        path: found.local.path.clone(),
        memory_bytes: facts.memory_bytes,
        writes: facts.purpose == Purpose::Generate && facts.unsupported.is_none(),
    };
    found.iter().filter_map(|found| Some(of(found, found.facts.as_ref().ok()?))).collect()
}
