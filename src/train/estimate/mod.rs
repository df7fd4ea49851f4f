//! What a run will take, before it is started.

pub mod memory;
pub mod passes;

pub use memory::{Memory, ModelSize, Tokens, memory, memory_for};
pub use passes::{Largest, PassPlan};
