//! The shapes of an attention, and the keys and values that it reads.

use half::f16;

/// Positions whose keys lie side by side: one to a lane.
pub const KEY_LANES: usize = 8;

/// Keys whose scores are held at once. A cache has room for a multiple of it.
pub const KEY_TILE: usize = 64;

/// Shapes and rules of an attention. Query `i` stands at position `offset + i` and sees the keys up
/// to its own position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Query heads, a multiple of `kv_heads`: heads that follow each other share keys and values.
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub queries: usize,

    /// Position of the first query.
    pub offset: usize,

    /// What q · k is multiplied with, mostly `1 / sqrt(head_dim)`.
    pub scale: f32,

    /// Sliding window: a query sees this many keys, its own among them.
    pub window: Option<usize>,

    /// Scores become `cap · tanh(score / cap)` (Gemma 2).
    pub softcap: Option<f32>,
}

/// Keys and values of `capacity` positions, a multiple of [`KEY_TILE`].
#[derive(Clone, Copy, Debug)]
pub struct KeysValues<'a> {
    pub capacity: usize,

    /// (`kv_heads`, capacity / 8, `head_dim`, 8)
    pub keys: Numbers<'a>,

    /// (`kv_heads`, capacity, `head_dim`)
    pub values: Numbers<'a>,
}

/// What a cache keeps.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
}
