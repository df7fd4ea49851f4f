//! Weights as files hold them: GGUF and safetensors, mapped into memory.

pub mod gguf;
mod gguf_made;
mod gguf_names;
pub(crate) mod gguf_parts;
pub(crate) mod gguf_stored;
pub(crate) mod gguf_tensors;
mod gguf_value;
pub mod mapped;
mod mxfp4;
pub(crate) mod packed;
pub(crate) mod quantize;
pub(crate) mod raw_tensor;
pub(crate) mod safetensors_files;
mod trits;
pub(crate) mod watched;
pub(crate) mod weights;
pub mod write_safetensors;
