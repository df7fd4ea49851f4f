//! One transformer: load it, run it, sample from it. No pixels, no training loop.

pub mod attention;
pub mod cache;
pub mod card;
pub mod chat;
pub mod config;
mod differentiable;
pub mod error;
mod families;
pub mod generate;
pub mod gguf;
mod gguf_config;
pub mod gguf_vocab;
mod infer;
mod inspect;
pub mod kernels;
mod linear;
pub mod lora;
pub mod mapped;
pub mod model;
mod ops;
pub mod peft;
mod rows;
pub mod sampling;
pub mod score;
pub mod tokenizer;
mod transformer;
mod weights;

pub use cache::KvCache;
pub use chat::ChatTemplate;
pub use error::Error;
pub use lora::{Adapter, LinearInfo, LoraPair, LoraSpec};
pub use model::{LoadOptions, Model, Positions, inspect};
pub use tokenizer::Tokenizer;
pub use transformer::LoadEvent;
pub use weights::Weights;
