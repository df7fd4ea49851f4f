//! Adapters as files: PEFT's folder, llama.cpp's GGUF, and merged into a model.

pub mod gguf_lora;
pub(crate) mod hf_config;
pub mod merge;
pub mod peft;
