//! Reads queries, keys and values that are compressed between two matrices.

use super::latent::{Latent, LatentQueries};
use super::linear::Norm;
use super::loader::{Extra, Loader};
use super::ops::RowNorm;
use crate::llm::config::{Config, LatentConfig};
use crate::llm::error::Error;

impl Loader<'_> {
    pub(super) fn latent(&self, index: usize, dims: LatentConfig) -> Result<Latent, Error> {
        let (&Config { heads, head_dim, width, .. }, names) = (self.config, &self.names);
        let LatentConfig { q_rank, kv_rank, turned, still, values, bias } = dims;
        let linear = |module: &str, outputs, inputs, bias| {
            let extra = Extra { bias, heads: None };
            self.linear(self.path(index, module), outputs, inputs, extra)
        };
        let norm = |module: &str, width| {
            // transformers leaves this norm its own default, whatever the configuration says.
            let eps = 1e-6;
            let weight =
                self.source.vector(&format!("{}.weight", self.path(index, module)), width)?;
            let row = RowNorm::Rms { weight: weight.into(), eps };
            Ok::<_, Error>(Norm { name: self.path(index, module), row, has_bias: false })
        };
        let q_width = heads * (turned + still);
        Ok(Latent {
            dims,
            heads,
            head_dim,
            queries: match q_rank {
                None => LatentQueries::Whole(linear(names.q, q_width, width, false)?),
                Some(rank) => LatentQueries::Compressed {
                    low: linear(names.q_low, rank, width, bias)?,
                    norm: norm(names.q_low_norm, rank)?,
                    high: linear(names.q_high, q_width, rank, false)?,
                },
            },
            kv_low: linear(names.kv_low, kv_rank + turned, width, bias)?,
            kv_norm: norm(names.kv_low_norm, kv_rank)?,
            kv_high: linear(names.kv_high, heads * (still + values), kv_rank, false)?,
        })
    }
}
