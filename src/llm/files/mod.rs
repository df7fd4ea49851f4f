//! Weights as files hold them: GGUF and safetensors, mapped into memory.

pub mod gguf;
mod gguf_value;
pub mod mapped;
mod mxfp4;
pub(crate) mod quantize;
mod safetensors_files;
pub(crate) mod weights;
