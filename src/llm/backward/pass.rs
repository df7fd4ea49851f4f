//! What a pass with gradients is run over, and with; the backward of norms.

use std::borrow::Cow;

use candle_core::Result;

use super::course::Course;
use super::dropout::Dropout;
use super::gradients::Gradients;
use super::linear_grad::Learning;
use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::soft::{KeysValues, SoftPrompt};
use crate::llm::config::{Config, RopeTable};
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::Norm;
use crate::llm::net::transformer::Layer;
use crate::llm::net::tree::TokenTree;

/// What a pass is run over, and with.
pub(crate) struct Pass<'a> {
    pub(super) config: &'a Config,
    /// Its first rows are an adapter's virtual tokens, where it has a soft prompt.
    pub(super) tree: Cow<'a, TokenTree>,

    /// The way of states through the tree.
    pub(super) course: Course,
    pub(super) learning: Learning<'a>,

    /// The token whose vector learns nothing from being read, as torch's `padding_idx`.
    pub(super) padding: Option<u32>,

    /// Keys and values that stand in place of those of the virtual tokens.
    pub(super) prefix: KeysValues,

    /// Of each of the model's rope kinds, with an entry for each row of the tree.
    tables: Vec<RopeTable>,
}

impl<'a> Pass<'a> {
    pub fn new(
        config: &'a Config,
        tree: &'a TokenTree,
        adapter: Option<&'a Adapter>,
        dropout: Option<&'a Dropout>,
    ) -> Result<Self> {
        let soft = adapter.and_then(Adapter::soft);
        let tree = match soft {
            None => Cow::Borrowed(tree),
            Some(soft) => Cow::Owned(tree.after(&soft.ids())),
        };
        let prefix = soft.map(|soft| soft.keys_values(config.layers.len())).transpose()?;
        let prefix = prefix.unwrap_or_default();
        let depth = tree.depth();
        let positions = tree.positions();
        let tables = config.ropes.iter().map(|rope| rope.table(0, depth).at(positions));
        let tables = tables.collect();
        let course = Course::of(&tree);
        let learning = Learning { adapter, dropout };
        Ok(Self { config, tree, course, learning, padding: None, prefix, tables })
    }

    #[must_use]
    pub fn padding(self, padding: Option<u32>) -> Self {
        Self { padding, ..self }
    }

    pub(super) fn rows(&self) -> usize {
        self.tree.len()
    }

    pub(super) fn soft(&self) -> Option<&'a SoftPrompt> {
        self.learning.adapter.and_then(Adapter::soft)
    }

    pub(super) fn virtual_rows(&self) -> usize {
        self.soft().map_or(0, SoftPrompt::tokens)
    }

    pub(super) fn table(&self, layer: &Layer) -> Option<&RopeTable> {
        layer.rope.map(|rope| &self.tables[rope])
    }
}

pub(super) fn normed(norm: Option<&Norm>, x: &[f32]) -> Buffer {
    let mut out = Buffer::any(x.len());
    match norm {
        Some(norm) => norm.row.run(x, &mut out),
        None => out.copy_from_slice(x),
    }
    out
}

/// From the gradient by what a norm of `x` gives to the one by `x`, and to what the norm learns.
pub(super) fn norm_grad(norm: &Norm, x: &[f32], grad: &[f32], gradients: &mut Gradients) -> Buffer {
    let [weight, bias] = gradients.weight_and_bias(&norm.name);
    norm.row.backward_own(x, grad, weight, bias);
    let mut out = Buffer::any(x.len());
    norm.row.backward(x, grad, &mut out);
    out
}

pub(super) fn norm_backward(
    norm: Option<&Norm>,
    x: &[f32],
    grad: Buffer,
    gradients: &mut Gradients,
) -> Buffer {
    match norm {
        Some(norm) => norm_grad(norm, x, &grad, gradients),
        None => grad,
    }
}
