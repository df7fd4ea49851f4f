//! Queries, keys and values that are compressed between two matrices.
//!
//! The cache holds them expanded, each head its own: the same numbers as from compressed ones.

use candle_core::Result;

use super::buffers::Buffer;
use super::linear::{Linear, Norm};
use super::rows::Stripes;
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

    /// x (count, width) -> queries, keys and values, (count, heads · `head_dim`) each: of a head
    /// first what turns, then what stands still; values are made up with zeros.
    pub fn run(&self, x: &[f32], count: usize, adapter: Option<&Adapter>) -> Result<[Buffer; 3]> {
        let LatentConfig { kv_rank, turned, still, values, .. } = self.dims;
        let q = match &self.queries {
            LatentQueries::Whole(q) => q.run(x, count, adapter)?,
            LatentQueries::Compressed { low, norm, high } => {
                let low = norm.run(&low.run(x, count, adapter)?);
                high.run(&low, count, adapter)?
            }
        };
        let low = self.kv_low.run(x, count, adapter)?;
        let [low, shared] = Stripes::of([kv_rank, turned], 1).map(|part| part.take(&low));
        let high = self.kv_high.run(&self.kv_norm.run(&low), count, adapter)?;

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
        Ok([queries, keys, all_values])
    }

    /// What attention gave without the zeros of the values.
    pub fn narrowed(&self, attended: &[f32]) -> Buffer {
        let values = self.dims.values;
        let [part, _] = Stripes::of([values, self.head_dim - values], 1);
        part.take(attended)
    }
}
