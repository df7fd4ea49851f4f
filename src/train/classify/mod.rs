//! Models that learn from texts: labels and numbers by encoders and decoders, hidden words by encoders,
//! answers by encoder-decoders.
//!
//! Rows in, a model as transformers saves it or an adapter as PEFT does out, with curves and a confusion matrix.
//! Settings, records, plan, schedule and what counts as the best are those of every run. What learns is a
//! `student`: an encoder or an encoder-decoder with the pass of [`crate::encoder::learn`], or a decoder with
//! that of [`crate::llm`].

mod answers;
mod checkpoint;
mod decoder;
mod decoder_parts;
mod encoder;
pub mod finder;
pub mod labels;
pub mod loss;
mod masking;
mod open;
mod optim;
mod pair;
pub mod rows;
pub mod scores;
pub mod setup;
pub mod split;
mod student;
mod training;

pub use open::is_of_texts;
pub use training::{resume, start};
