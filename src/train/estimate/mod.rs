//! What a run will take, before it is started: memory is counted, time is counted and measured.

mod answered;
mod changes;
mod check;
mod estimator;
mod memory;
mod passes;
mod speed;
mod time;

pub(crate) use answered::answered;
pub use changes::Change;
pub use check::{check_load, check_run};
pub use estimator::{Estimate, Estimator};
pub use memory::{Memory, ModelSize, Tokens, memory, memory_for};
pub use passes::{Largest, PassPlan};
pub use speed::Speed;
pub use time::{Time, Workload};
