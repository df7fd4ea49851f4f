//! What an adapter is and how it changes a layer. Its files, and a new one for a model: see
//! [`super::adapter_files`].

pub mod learned;
pub mod lora;
pub mod modules;
pub mod peft_config;
pub mod score_head;
pub mod soft;
pub mod soft_config;
pub mod spec;
pub(crate) mod start;
