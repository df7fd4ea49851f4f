//! Queries, keys and values that are compressed between two matrices.
//!
//! The cache holds them expanded, each head its own: the same numbers as from compressed ones.

use candle_core::Result;

use super::buffers::Buffer;
use super::linear::{Linear, Norm};
use super::rows::{Stripes, add_scaled};
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::LatentConfig;

#[derive(Clone)]
pub(crate) struct Latent {
    pub dims: LatentConfig,
    pub heads: usize,

    /// As [`crate::llm::config::Config::head_dim`].
    pub head_dim: usize,
    pub queries: LatentQueries,

    /// Gives what keys and values come from, and the part of a key that turns.
    pub kv_low: Linear,
    pub kv_norm: Norm,

    /// Gives each head the part of its key that stands still, and its value.
    pub kv_high: Linear,
}

#[derive(Clone)]
pub(crate) enum LatentQueries {
    Whole(Linear),
    Compressed { low: Linear, norm: Norm, high: Linear },
}

impl Latent {
    /// In the order in which they run.
    pub fn linears(&self) -> Vec<&Linear> {
        let mut linears = match &self.queries {
            LatentQueries::Whole(q) => vec![q],
            LatentQueries::Compressed { low, high, .. } => vec![low, high],
        };
        linears.extend([&self.kv_low, &self.kv_high]);
        linears
    }

    /// As [`Self::linears`].
    pub fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let mut linears = match &mut self.queries {
            LatentQueries::Whole(q) => vec![q],
            LatentQueries::Compressed { low, high, .. } => vec![low, high],
        };
        linears.extend([&mut self.kv_low, &mut self.kv_high]);
        linears
    }

    /// Those between its matrices.
    pub fn norms(&self) -> impl Iterator<Item = &Norm> {
        let of_queries = match &self.queries {
            LatentQueries::Whole(_) => None,
            LatentQueries::Compressed { norm, .. } => Some(norm),
        };
        of_queries.into_iter().chain([&self.kv_norm])
    }

    /// x (count, width) -> queries, keys and values, (count, heads · `head_dim`) each: of a head
    /// first what turns, then what stands still; values are made up with zeros.
    pub fn run(&self, x: &[f32], count: usize, adapter: Option<&Adapter>) -> Result<[Buffer; 3]> {
        let q = match &self.queries {
            LatentQueries::Whole(q) => q.run(x, count, adapter)?,
            LatentQueries::Compressed { low, norm, high } => {
                let low = norm.run(&low.run(x, count, adapter)?);
                high.run(&low, count, adapter)?
            }
        };
        let both = self.kv_low.run(x, count, adapter)?;
        let [low, shared] = self.compressed().map(|part| part.take(&both));
        let high = self.kv_high.run(&self.kv_norm.run(&low), count, adapter)?;
        Ok(self.expanded(&q, &shared, &high))
    }

    /// Where in what [`Self::kv_low`] gives the compressed keys and values are, and the part of a key that
    /// turns.
    pub fn compressed(&self) -> [Stripes; 2] {
        Stripes::of([self.dims.kv_rank, self.dims.turned], 1)
    }

    /// Queries, keys and values as [`Self::run`] gives them, from the queries, from the part of a key that
    /// all heads share, and from what [`Self::kv_high`] gives.
    pub fn expanded(&self, q: &[f32], shared: &[f32], high: &[f32]) -> [Buffer; 3] {
        let LatentConfig { turned, still, values, .. } = self.dims;
        let count = shared.len() / turned;
        let width = self.heads * self.head_dim;
        let [mut queries, mut keys, mut all_values] =
            [(); 3].map(|()| Buffer::zeroed(count * width));
        for head in 0..count * self.heads {
            let to = head * self.head_dim;
            let from = &q[head * (still + turned)..(head + 1) * (still + turned)];
            queries[to..to + turned].copy_from_slice(&from[still..]);
            queries[to + turned..to + turned + still].copy_from_slice(&from[..still]);
            let from = &shared[head / self.heads * turned..][..turned];
            keys[to..to + turned].copy_from_slice(from);
            let from = &high[head * (still + values)..(head + 1) * (still + values)];
            keys[to + turned..to + turned + still].copy_from_slice(&from[..still]);
            all_values[to..to + values].copy_from_slice(&from[still..]);
        }
        [queries, keys, all_values]
    }

    /// The backward pass of [`Self::expanded`]: from the gradients by what it gives to those by what it
    /// was given.
    pub fn contracted(&self, queries: &[f32], keys: &[f32], all_values: &[f32]) -> [Buffer; 3] {
        let LatentConfig { turned, still, values, .. } = self.dims;
        let heads = queries.len() / self.head_dim;
        let mut q = Buffer::any(heads * (still + turned));
        let mut shared = Buffer::zeroed(heads / self.heads * turned);
        let mut high = Buffer::any(heads * (still + values));
        for head in 0..heads {
            let from = head * self.head_dim;
            let to = &mut q[head * (still + turned)..(head + 1) * (still + turned)];
            to[still..].copy_from_slice(&queries[from..from + turned]);
            to[..still].copy_from_slice(&queries[from + turned..from + turned + still]);
            let to = &mut shared[head / self.heads * turned..][..turned];
            add_scaled(to, 1.0, &keys[from..from + turned]);
            let to = &mut high[head * (still + values)..(head + 1) * (still + values)];
            to[..still].copy_from_slice(&keys[from + turned..from + turned + still]);
            to[still..].copy_from_slice(&all_values[from..from + values]);
        }
        [q, shared, high]
    }

    /// The backward pass of [`Self::narrowed`].
    pub fn widened(&self, grad: &[f32]) -> Buffer {
        let values = self.dims.values;
        let mut wide = Buffer::zeroed(grad.len() / values * self.head_dim);
        let [part, _] = Stripes::of([values, self.head_dim - values], 1);
        part.put(grad, &mut wide);
        wide
    }

    /// What attention gave without the zeros of the values.
    pub fn narrowed(&self, attended: &[f32]) -> Buffer {
        let values = self.dims.values;
        let [part, _] = Stripes::of([values, self.head_dim - values], 1);
        part.take(attended)
    }
}
