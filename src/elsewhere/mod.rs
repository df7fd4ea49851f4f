//! Runs that another engine does: a run file as a folder for TRL, LLaMA-Factory, Axolotl or Hugging
//! Face Jobs, started here or on a host, and its results as a run of the project.
//!
//! Training here: see [`crate::train`].

mod axolotl;
mod base;
mod batches;
pub mod bundle;
pub mod engine;
pub mod error;
pub mod follow;
pub mod gpu;
pub mod import;
pub mod keys;
mod llama_factory;
pub mod manifest;
pub mod place;
pub mod preset;
pub mod recompute;
mod refuse;
pub mod results;
mod rows;
mod scripts;
mod settings;
mod tail;
#[cfg(test)]
mod tests;
pub mod watch;
mod yaml;

pub use bundle::{Made, Order, make};
pub use engine::Engine;
pub use error::Error;
pub use import::{ImportOrder, Imported, import};
pub use preset::Preset;
