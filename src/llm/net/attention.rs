//! Attention with grouped heads, windows and soft-caps over the cache. With a gradient, over
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

    /// What comes after is seen too, as far as what comes before.
    pub both_ways: bool,
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
            both_ways: config.both_ways,
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
    let AttentionShape { heads, kv_heads, head_dim, scale, softcap, window, alibi, both_ways } =
        *shape;
    if both_ways {
        return attend_both_ways(shape, queries, cache, start);
    }
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

/// As [`attend`], where a query sees what comes after it too: to the kernel, which looks back alone, it
/// stands where its window ends.
fn attend_both_ways(
    shape: &AttentionShape,
    queries: &[f32],
    cache: &LayerCache,
    start: usize,
) -> Buffer {
    let width = shape.query_width();
    let mut out = Buffer::any(queries.len());
    let rows = out.chunks_exact_mut(width).zip(queries.chunks_exact(width));
    for (at, (row, query)) in rows.enumerate() {
        let at = start + at;
        let last = cache.len().saturating_sub(1).max(at);
        let end = shape.window.map_or(last, |window| last.min(at + window - 1));
        let window = shape.window.map(|_| end + 1 - shape.first_visible(at));
        let looking_back = AttentionShape { window, both_ways: false, ..*shape };
        row.copy_from_slice(&attend(&looking_back, &[], query, cache, end));
    }
    out
}
