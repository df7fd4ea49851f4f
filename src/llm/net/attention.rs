//! Causal attention with grouped heads, windows and soft-caps over the cache. With a gradient, over
//! a tree of tokens: see `tree_attention.rs`.

use tuning_fork_kernels as kernels;
use tuning_fork_kernels::{Alibi, KeysValues};

use super::buffers::Buffer;
use super::cache::LayerCache;
use crate::llm::config::{Config, LayerConfig};

/// What attention needs to know about a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub scale: f32,
    pub softcap: Option<f32>,
    pub window: Option<usize>,
    pub alibi: Option<Alibi>,
}

impl AttentionShape {
    pub(crate) fn of(config: &Config, layer: &LayerConfig) -> Self {
        let (kv_heads, head_dim) = layer.own_heads.unwrap_or((config.kv_heads, config.head_dim));
        Self {
            heads: config.heads,
            kv_heads,
            head_dim,
            scale: layer.scale,
            softcap: config.attention_softcap,
            window: layer.window,
            alibi: config.alibi,
        }
    }

    /// Length of all queries of a position together.
    pub(crate) fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Length of all keys of a position together, and of all values.
    pub(crate) fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// The first position that position `at` sees.
    pub(crate) fn first_visible(&self, at: usize) -> usize {
        self.window.map_or(0, |window| (at + 1).saturating_sub(window))
    }
}

/// Runs new queries, (positions, heads · `head_dim`), over a cache that already holds the keys and
/// values of those positions. `start` is the first one's position. The result has the queries'
/// shape.
pub(crate) fn attend(
    shape: &AttentionShape,
    sinks: &[f32],
    queries: &[f32],
    cache: &LayerCache,
    start: usize,
) -> Buffer {
    let AttentionShape { heads, kv_heads, head_dim, scale, softcap, window, alibi } = *shape;
    let count = queries.len() / (heads * head_dim);
    let kernel = kernels::Attention {
        heads,
        kv_heads,
        head_dim,
        queries: count,
        offset: start,
        scale,
        window,
        softcap,
        alibi,
    };
    let mut out = Buffer::any(queries.len());
    let keys_values = KeysValues { sinks, ..cache.view() };
    kernels::attend(&kernel, queries, &keys_values, &mut out);
    out
}
