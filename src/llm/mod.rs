//! One transformer: load it, run it, sample from it. No pixels, no training loop.
//!
//! From the bottom up: `tuning_fork_kernels` multiply, `files` hold weights, `config` describes a decoder, `text`
//! turns text into tokens, `adapter` is what LoRA adds, `net` runs, `backward` trains. A [`Model`]
//! puts them together; `headers` says what is known without loading one, `cost` what it takes,
//! `generate` samples from it, and `adapter_files` reads and writes what was trained.

pub mod adapter;
pub mod adapter_files;
pub mod backward;
pub mod card;
pub mod config;
pub mod cost;
pub mod error;
pub mod files;
pub mod generate;
pub mod headers;
pub mod model;
mod model_passes;
mod model_training;
pub mod net;
pub mod newborn;
pub mod text;

pub use adapter::lora::{Adapter, LoraPair};
pub use adapter::soft::{SoftInit, SoftKind, SoftSpec};
pub use adapter::spec::{BIASES, Bias, INITS, Init, LinearInfo, LoraSpec, is_key, is_pattern};
pub use backward::differentiable::{Keep, TreePass, bytes_a_row};
pub use config::families::from_json as config_from_json;
pub use cost::shapes::Shapes;
pub use error::Error;
pub use files::weights::Weights;
pub use model::{LoadOptions, Model, Positions, inspect, load_text, memory_needed};
pub use net::cache::KvCache;
pub use net::own::Own;
pub use net::transformer::LoadEvent;
pub use text::chat::ChatTemplate;
pub use text::tokenizer::Tokenizer;
