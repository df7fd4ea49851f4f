//! A training run from beginning to end, and from wherever it was stopped to its end: `training`.

pub mod best;
pub mod checkpoint;
mod request;
pub mod setup;
mod training;

pub use request::TrainRequest;
pub use training::run;
