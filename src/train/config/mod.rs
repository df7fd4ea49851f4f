//! A run's settings under the names of TRL and PEFT, what stands in their way, and run files.

mod check;
pub mod run_file;
mod settings;

pub use check::ConfigProblem;
pub use settings::{
    BEST_MODEL_METRICS, DTYPES, Dtype, LOSS_TYPES, LoraConfig, Objective, SchedulerType,
    TrainConfig,
};
