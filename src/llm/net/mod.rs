//! The decoder itself: its parts, the pass that only answers, and what it remembers.

pub mod attention;
pub mod buffers;
pub mod cache;
pub(crate) mod infer;
pub(crate) mod linear;
pub(crate) mod ops;
pub(crate) mod rows;
pub(crate) mod transformer;
