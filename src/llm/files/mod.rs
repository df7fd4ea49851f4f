//! Weights as files hold them: GGUF and safetensors, mapped into memory.

pub mod gguf;
pub mod mapped;
mod mxfp4;
pub(crate) mod quantize;
pub(crate) mod weights;
