//! The embedding and the head for training: what a token's vector and a token's score learn.

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::gradients::{Gradients, PairSums};
use super::linear_grad::Learning;
use super::pass::Pass;
use crate::llm::adapter::learned::Part;
use crate::llm::adapter::lora::{Adapter, HEAD, LoraPair};
use crate::llm::adapter::soft::{SOFT, SoftKind};
use crate::llm::config::Config;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::Linear;
use crate::llm::net::ops::with_f32;
use crate::llm::net::rows;
use crate::llm::net::transformer::Transformer;

impl Transformer {
    /// Whether anything learns that the first layer's input is made of.
    pub(super) fn learns_input(&self, pass: &Pass<'_>, gradients: &Gradients) -> bool {
        if let Some(soft) = pass.soft() {
            return soft.kind == SoftKind::Prompt && gradients.learns(SOFT);
        }
        let config = pass.config;
        let names = config.naming.names(config.norm_placement);
        let norm = self.embedding_norm.as_ref().map_or("", |norm| &norm.name);
        [names.embedding, names.positions, norm].iter().any(|module| gradients.learns(module))
    }

    /// From the gradient by the first layer's input, (rows, width), to what that is made of.
    pub(super) fn embed_backward(
        &self,
        pass: &Pass<'_>,
        grad: &[f32],
        gradients: &mut Gradients,
    ) -> Result<()> {
        let config = pass.config;
        let names = config.naming.names(config.norm_placement);
        let adapter = pass.learning.adapter;
        let width = config.width;
        let through_norm = self.embedding_norm.as_ref().map(|norm| {
            let before = self.embed_rows(pass);
            let mut out = Buffer::any(before.len());
            norm.row.backward(&before, grad, &mut out);
            let [weight, bias] = gradients.weight_and_bias(&norm.name);
            norm.row.backward_own(&before, grad, weight, bias);
            out
        });
        let grad = through_norm.as_deref().unwrap_or(grad);
        if pass.soft().is_some() {
            if let Some(sum) = gradients.sum(SOFT, Part::Weight) {
                // The first rows are the virtual tokens.
                sum.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
            }
            return Ok(()); // it has nothing else
        }
        if let (Some(skipped), Some(sum)) =
            (config.learned_positions, gradients.sum(names.positions, Part::Weight))
        {
            for (position, grad) in pass.tree.positions().iter().zip(grad.chunks_exact(width)) {
                let row = skipped + position;
                rows::add_scaled(&mut sum[row * width..(row + 1) * width], 1.0, grad);
            }
        }
        let scale = config.embedding_scale.unwrap_or(1.0);
        let learns = |id: u32| pass.padding != Some(id);
        if let Some(sum) = gradients.sum(names.embedding, Part::Weight) {
            for (id, grad) in pass.tree.ids().iter().zip(grad.chunks_exact(width)) {
                if learns(*id) {
                    let row = *id as usize;
                    rows::add_scaled(&mut sum[row * width..(row + 1) * width], scale, grad);
                }
            }
        }
        let pair = adapter.and_then(|adapter| adapter.pair(names.embedding));
        if let (Some(LoraPair { a, b, scale: by, .. }), Some(sums)) =
            (pair, gradients.pair_mut(names.embedding))
        {
            let PairSums { a: a_sum, b: b_sum, .. } = sums;
            let (rank, vocabulary) = a.dims2()?;
            let scale = scale * *by as f32;
            with_f32(a, |a| {
                with_f32(b, |b| {
                    for (id, grad) in pass.tree.ids().iter().zip(grad.chunks_exact(width)) {
                        let column = *id as usize;
                        for (at, grad) in grad.iter().enumerate() {
                            let own = &b[at * rank..(at + 1) * rank];
                            let b_sum = &mut b_sum[at * rank..(at + 1) * rank];
                            for (r, (b, b_sum)) in own.iter().zip(b_sum).enumerate() {
                                let place = r * vocabulary + column;
                                *b_sum += scale * grad * a[place];
                                if learns(*id) {
                                    a_sum[place] += scale * grad * b;
                                }
                            }
                        }
                    }
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    /// The rows of a tree before the embedding's norm.
    fn embed_rows(&self, pass: &Pass<'_>) -> Buffer {
        let Pass { config, tree, learning, .. } = pass;
        let mut hidden = Buffer::any(tree.len() * config.width);
        for segment in tree.segments() {
            let rows = segment.first_row..segment.first_row + segment.len;
            let (ids, start) = (&tree.ids()[rows.clone()], segment.prefix.len());
            let embedded = self.embed_plain(config, ids, start, learning.adapter);
            hidden[rows.start * config.width..rows.end * config.width].copy_from_slice(&embedded);
        }
        hidden
    }

    /// The head as a linear layer, without its bias, which is added apart.
    fn head_layer(&self, adapter: Option<&Adapter>) -> Linear {
        let own = adapter.and_then(|adapter| adapter.tables.head.as_ref());
        let weight = own.unwrap_or(&self.head).clone();
        Linear { name: HEAD.to_owned(), weight, bias: None }
    }

    /// Hidden rows (count, width) -> scores (count, vocabulary), with the final soft-cap.
    pub fn scores(
        &self,
        config: &Config,
        hidden: &[f32],
        adapter: Option<&Adapter>,
    ) -> Result<Buffer> {
        let count = hidden.len() / config.width;
        let learning = Learning { adapter, dropout: None };
        let (mut scores, _) = self.head_layer(adapter).forward(hidden, count, learning)?;
        self.finish_scores(config, &mut scores);
        Ok(scores)
    }

    /// From the gradient by scores (count, vocabulary) to that by the hidden rows. `scores` are
    /// looked at where the model caps them.
    pub fn scores_backward(
        &self,
        config: &Config,
        scores: &[f32],
        grad: &mut [f32],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<f32>> {
        through_finish(config, scores, grad);
        let count = grad.len() / config.vocab_size;
        let mut hidden = vec![0.0; count * config.width];
        let by = (hidden.as_mut_slice(), gemm::Result::Replace);
        self.head_layer(adapter).back_to_input(grad, count, adapter, by)?;
        Ok(hidden)
    }

    /// From the gradient by scores to what the head itself learns; `hidden`: what they were computed
    /// from.
    pub fn head_backward(
        &self,
        config: &Config,
        (hidden, scores): (&[f32], &[f32]),
        grad: &mut [f32],
        adapter: Option<&Adapter>,
        gradients: &mut Gradients,
    ) -> Result<()> {
        through_finish(config, scores, grad);
        let count = grad.len() / config.vocab_size;
        let learning = Learning { adapter, dropout: None };
        let layer = self.head_layer(adapter);
        let low = layer.low(hidden, count, adapter)?;
        layer.backward((hidden, &low), grad, learning, gradients, None)
    }
}

/// Back through what comes after the head's product.
fn through_finish(config: &Config, scores: &[f32], grad: &mut [f32]) {
    if let Some(cap) = config.final_softcap {
        for (grad, score) in grad.iter_mut().zip(scores) {
            let tanh = score / cap;
            *grad *= 1.0 - tanh * tanh;
        }
    }
    rows::scale(grad, config.logit_scale);
}
