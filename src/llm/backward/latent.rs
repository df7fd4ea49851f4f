//! Queries, keys and values that are compressed between two matrices, for training: forth and back.

use candle_core::Result;
use tuning_fork_kernels::gemm;

use super::gradients::Gradients;
use super::linear_grad::{Learning, Low};
use super::pass::norm_grad;
use super::tree_attention;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::latent::{Latent, LatentQueries};

/// What a forward pass gives, and what its norms saw.
pub(super) struct LatentSeen {
    /// Queries, keys and values as [`Latent::run`] gives them.
    pub parts: [Buffer; 3],

    /// Compressed queries, where they are compressed, and compressed keys and values: before their norms.
    pub low: [Buffer; 2],
}

impl Latent {
    /// x (count, width). `keep` takes what each layer keeps for its backward pass, in the order of
    /// [`Latent::linears`].
    pub(super) fn forward(
        &self,
        x: &[f32],
        count: usize,
        learning: Learning<'_>,
        keep: &mut dyn FnMut((Buffer, Low)) -> Buffer,
    ) -> Result<LatentSeen> {
        let (q, q_low) = match &self.queries {
            LatentQueries::Whole(q) => (keep(q.forward(x, count, learning)?), Buffer::default()),
            LatentQueries::Compressed { low, norm, high } => {
                let compressed = keep(low.forward(x, count, learning)?);
                let q = keep(high.forward(&norm.run(&compressed), count, learning)?);
                (q, compressed)
            }
        };
        let both = keep(self.kv_low.forward(x, count, learning)?);
        let [kv_low, shared] = self.compressed().map(|part| part.take(&both));
        let high = keep(self.kv_high.forward(&self.kv_norm.run(&kv_low), count, learning)?);
        Ok(LatentSeen { parts: self.expanded(&q, &shared, &high), low: [q_low, kv_low] })
    }

    /// From the gradients by queries, keys and values to that by `x`, where it is wanted: it is written
    /// there. `kept` gives what [`Self::forward`] kept, the last first.
    pub(super) fn backward(
        &self,
        (x, [q_low, kv_low]): (&[f32], [&[f32]; 2]),
        by: &tree_attention::Gradients,
        kept: &mut dyn FnMut() -> Low,
        (learning, gradients): (Learning<'_>, &mut Gradients),
        mut x_grad: Option<&mut [f32]>,
    ) -> Result<()> {
        let [q_grad, shared_grad, high_grad] = self.contracted(&by.q, &by.k, &by.v);
        let normed = self.kv_norm.run(kv_low);
        let mut grad = Buffer::any(normed.len());
        let to = Some((&mut *grad, gemm::Result::Replace));
        self.kv_high.backward((&normed, &kept()), &high_grad, learning, gradients, to)?;
        let grad = norm_grad(&self.kv_norm, kv_low, &grad, gradients);
        let mut both = Buffer::any(grad.len() + shared_grad.len());
        for (part, grad) in self.compressed().iter().zip([&grad, &shared_grad]) {
            part.put(grad, &mut both);
        }
        let to = x_grad.as_deref_mut().map(|x_grad| (x_grad, gemm::Result::Replace));
        self.kv_low.backward((x, &kept()), &both, learning, gradients, to)?;
        let to = x_grad.map(|x_grad| (x_grad, gemm::Result::Add));
        match &self.queries {
            LatentQueries::Whole(q) => q.backward((x, &kept()), &q_grad, learning, gradients, to),
            LatentQueries::Compressed { low, norm, high } => {
                let normed = norm.run(q_low);
                let mut grad = Buffer::any(normed.len());
                let inner = Some((&mut *grad, gemm::Result::Replace));
                high.backward((&normed, &kept()), &q_grad, learning, gradients, inner)?;
                let grad = norm_grad(norm, q_low, &grad, gradients);
                low.backward((x, &kept()), &grad, learning, gradients, to)
            }
        }
    }
}
