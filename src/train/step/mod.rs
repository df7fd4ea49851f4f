//! What a run is made of: passes forwards and backwards, the optimizer, the learning rate, the
//! reference, an evaluation, a sample. In which order: see `train::run`.

pub mod adapter;
pub mod evaluation;
pub mod forgetting;
pub mod forward_backward;
pub mod judge;
pub mod optim;
pub(crate) mod passes;
pub mod policy;
pub mod policy_evaluation;
pub mod reference;
pub mod reference_cache;
pub mod rollout;
pub mod sample;
pub mod schedule;
pub mod student;
