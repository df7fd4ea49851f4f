//! The feed-forward part of a layer: an MLP, or a mixture of experts.

use candle_core::Result;

use super::buffers::Buffer;
use super::experts::Experts;
use super::linear::{Linear, Norm};
use super::mlp::Mlp;
use super::rows;
use crate::llm::adapter::lora::Adapter;

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "one a layer, and most are the large one")]
pub(crate) enum Feed {
    Mlp(Mlp),
    Experts(Box<Experts>),
    Beside(Box<Beside>),
}

/// An MLP and experts side by side (Gemma 4).
#[derive(Clone)]
pub(crate) struct Beside {
    pub mlp: Mlp,
    pub after_mlp: Norm,
    pub before_experts: Norm,
    pub experts: Experts,
    pub after_experts: Norm,
}

impl Feed {
    /// In the order in which they run.
    pub fn linears(&self) -> Vec<&Linear> {
        match self {
            Self::Mlp(mlp) => mlp.linears(),
            Self::Experts(experts) => experts.linears(),
            Self::Beside(both) => both.mlp.linears(),
        }
    }

    pub fn experts(&self) -> Option<&Experts> {
        match self {
            Self::Mlp(_) => None,
            Self::Experts(experts) => Some(experts),
            Self::Beside(both) => Some(&both.experts),
        }
    }

    /// As [`Self::linears`].
    pub fn linears_mut(&mut self) -> Vec<&mut Linear> {
        match self {
            Self::Mlp(mlp) => mlp.linears_mut(),
            Self::Experts(experts) => experts.linears_mut(),
            Self::Beside(both) => both.mlp.linears_mut(),
        }
    }

    /// Whether it keeps packed integers.
    pub fn is_packed(&self) -> bool {
        match self {
            Self::Mlp(mlp) => !mlp.down.weight.kind().is_dense(),
            Self::Experts(experts) => experts.is_packed(),
            Self::Beside(both) => both.experts.is_packed(),
        }
    }

    /// x (count, width) -> the same; `hidden` is x before its norm.
    pub fn run(
        &self,
        x: &[f32],
        hidden: &[f32],
        count: usize,
        adapter: Option<&Adapter>,
    ) -> Result<Buffer> {
        match self {
            Self::Mlp(mlp) => mlp.run(x, count, adapter),
            Self::Experts(experts) => experts.run(x, x, count, adapter),
            Self::Beside(both) => {
                let mut out = both.after_mlp.run(&both.mlp.run(x, count, adapter)?);
                let read = both.before_experts.run(hidden);
                let fed = both.experts.run(&read, hidden, count, adapter)?;
                rows::add(&mut out, &both.after_experts.run(&fed));
                Ok(out)
            }
        }
    }
}
