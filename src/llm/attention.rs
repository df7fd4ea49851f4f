//! Causal attention with grouped heads, windows and soft-caps over the cache. With a gradient, over
//! a tree of tokens: see `tree_attention.rs`.

use super::cache::LayerCache;
use super::kernels;

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
) -> Vec<f32> {
    let AttentionShape { heads, kv_heads, head_dim, scale, softcap, window } = *shape;
    let count = queries.len() / (heads * head_dim);
    let kernel = kernels::Attention {
        heads,
        kv_heads,
        head_dim,
        queries: count,
        keys: cache.len(),
        kv_stride: cache.stride(),
        offset: start,
        scale,
        window,
        softcap,
    };
    // The kernel wants all positions of a head together.
    let by_head = swap_axes(queries, count, heads, head_dim);
    let mut out = vec![0.0; queries.len()];
    kernels::attend(&kernel, &by_head, cache.keys(), cache.values(), &mut out);
    swap_axes(&out, heads, count, head_dim)
}

/// (first, second, dim) -> (second, first, dim)
fn swap_axes(x: &[f32], first: usize, second: usize, dim: usize) -> Vec<f32> {
    if first == 1 || second == 1 {
        return x.to_vec();
    }
    let mut out = Vec::with_capacity(x.len());
    for inner in 0..second {
        for outer in 0..first {
            let at = (outer * second + inner) * dim;
            out.extend_from_slice(&x[at..at + dim]);
        }
    }
    out
}
