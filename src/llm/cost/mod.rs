//! What a model and a pass over it take: counted from the configuration, or timed on a part.

pub mod pace;
pub(crate) mod part;
pub mod pass_cost;
pub mod shapes;
