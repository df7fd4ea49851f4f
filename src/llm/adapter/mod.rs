//! What an adapter is and how it changes a layer. Its files: see [`super::adapter_files`].

pub mod lora;
