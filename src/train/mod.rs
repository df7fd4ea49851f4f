//! Preference learning: pairs in, a LoRA adapter and its curves out. What it computes is what TRL
//! computes; where a number comes from is said beside it.

pub mod classify;
pub mod config;
pub mod error;
pub mod estimate;
pub mod newborn;
pub mod objective;
pub mod record;
pub mod rows;
pub mod run;
pub mod step;

pub use error::Error;
pub use run::{ResumeRequest, StartRequest, resume, start};
