//! Encoders that learn from texts: labels, numbers, hidden words. Rows in, a model as transformers
//! saves it or an adapter as PEFT does out, with curves and a confusion matrix.
//!
//! Settings, records, plan, schedule and what counts as the best are those of every run; the pass and
//! its tensors are those of [`crate::encoder::learn`].

mod checkpoint;
pub mod labels;
pub mod loss;
mod masking;
mod optim;
pub mod rows;
pub mod scores;
pub mod setup;
pub mod split;
mod training;

pub use training::{resume, start};
