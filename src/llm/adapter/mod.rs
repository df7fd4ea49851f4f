//! What an adapter is and how it changes a layer. Its files, and a new one for a model: see
//! [`super::adapter_files`].

pub mod laid;
pub mod learned;
pub mod lora;
pub mod low_rank;
pub mod method;
pub mod modules;
pub mod peft_config;
pub mod peft_mixtures;
mod peft_read;
pub mod score_head;
pub mod soft;
pub mod soft_config;
pub mod spec;
pub(crate) mod start;
