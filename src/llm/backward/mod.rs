//! The pass with gradients, over a tree of tokens.

mod attending;
pub(crate) mod course;
mod delta_net;
pub(crate) mod differentiable;
pub mod dropout;
pub(crate) mod experts;
pub(crate) mod feed;
pub mod gradients;
mod latent;
mod lent;
pub(crate) mod linear_grad;
pub(crate) mod pass;
mod recurrent;
mod states;
pub(crate) mod tables;
pub(crate) mod tree_attention;
