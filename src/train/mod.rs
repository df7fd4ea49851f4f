//! Preference learning: pairs in, a LoRA adapter and its curves out. What it computes is what TRL
//! computes; where a number comes from is said beside it.

pub mod batch;
pub mod best;
pub mod checkpoint;
pub mod config;
pub mod dpo;
pub mod dual;
pub mod error;
pub mod estimate;
pub mod evaluate;
pub mod history;
pub mod logprobs;
pub mod metrics;
pub mod notes;
pub mod optim;
pub mod plan;
pub mod record;
pub mod reference_cache;
pub mod rows;
pub mod run;
pub mod run_file;
pub mod runs;
pub mod samples;
pub mod schedule;
pub mod setup;
pub mod sft;
pub mod step;
pub mod survey;
pub mod table;

pub use error::Error;
pub use run::{TrainRequest, run};
