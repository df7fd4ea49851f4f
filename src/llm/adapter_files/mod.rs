//! Adapters as files: PEFT's folder, llama.cpp's GGUF, and merged into a model; and a new one, which
//! is drawn for a model.

pub mod classifier;
pub mod fresh;
pub mod gguf_lora;
pub(crate) mod gguf_lora_read;
pub(crate) mod hf_config;
mod hf_families;
mod hf_ropes;
pub mod merge;
pub mod parts;
pub mod peft;
mod peft_experts;
pub mod peft_folder;
mod peft_methods;
mod peft_parts;
mod peft_tensors;
mod peft_write;
pub(crate) mod replaced;
pub(crate) mod score_head;
mod soft;
mod stored;
pub mod whole;
