//! A run's settings under the names of TRL and PEFT, what stands in their way, and run files; the
//! objectives and the metrics, a table each.

mod check;
pub mod metric;
pub mod objective;
pub mod run_file;
mod settings;

pub use check::ConfigProblem;
pub use objective::Objective;
pub use settings::{
    DTYPES, Dtype, F_DIVERGENCES, FDivergence, LOSS_TYPES, LoraConfig, SchedulerType, TrainConfig,
};
