//! Causal attention with grouped heads, windows and soft-caps over the cache. With a gradient, over
//! a tree of tokens: see `tree_attention.rs`.

use super::buffers::Buffer;
use super::cache::LayerCache;
use crate::llm::config::{Config, LayerConfig};
use crate::llm::kernels;

/// What attention needs to know about a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub scale: f32,
    pub softcap: Option<f32>,
    pub window: Option<usize>,
}

impl AttentionShape {
    pub(crate) fn of(config: &Config, layer: &LayerConfig) -> Self {
        Self {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            scale: layer.scale,
            softcap: config.attention_softcap,
            window: layer.window,
        }
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
    queries: &[f32],
    cache: &LayerCache,
    start: usize,
) -> Buffer {
    let AttentionShape { heads, kv_heads, head_dim, scale, softcap, window } = *shape;
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
    };
    let mut out = Buffer::any(queries.len());
    kernels::attend(&kernel, queries, &cache.view(), &mut out);
    out
}
