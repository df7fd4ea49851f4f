//! A training run from beginning to end, and from its checkpoint to its end: `training`.

pub mod best;
pub mod checkpoint;
mod copies;
mod differences;
pub mod finder;
pub mod loading;
mod policy_run;
pub mod rates;
mod request;
pub mod setup;
mod training;
mod unused;

pub use request::{ResumeRequest, StartRequest};
pub(crate) use training::without_aborting;
pub use training::{resume, start};
