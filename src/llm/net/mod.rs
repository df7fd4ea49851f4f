//! The decoder itself: its parts, the pass that only answers, and what it remembers.

pub(crate) mod altup;
mod attended;
pub mod attention;
pub mod buffers;
pub mod cache;
pub(crate) mod decoder;
pub(crate) mod experts;
pub(crate) mod feed;
pub(crate) mod infer;
mod lanes;
pub(crate) mod latent;
pub(crate) mod layer;
pub(crate) mod linear;
pub(crate) mod loader;
mod loader_experts;
mod loader_latent;
mod loader_recurrent;
mod loader_streams;
pub(crate) mod mlp;
pub(crate) mod ops;
pub mod own;
pub(crate) mod per_layer;
pub(crate) mod recurrent;
pub(crate) mod rows;
pub(crate) mod times;
pub(crate) mod transformer;
pub mod tree;
