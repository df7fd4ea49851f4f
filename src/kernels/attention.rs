//! The shapes of an attention, and the keys and values that it reads.

#![expect(clippy::inline_always, reason = "only what is inlined is compiled for a level")]

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

    /// Scores grow with the position of the key.
    pub alibi: Option<Alibi>,
}

/// Attention with linear biases (arXiv 2108.12409), as transformers has it: a score grows by the
/// position of the key times a slope of the query head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alibi {
    pub heads: usize,

    /// Slopes and products are rounded to bfloat16, and come before the scale (Falcon).
    pub rounded: bool,
}

impl Alibi {
    /// From 2^(-8 / n) on as powers of itself, where n is the largest power of two among the heads;
    /// further heads take every second power of what twice as many heads would have.
    fn slope(self, head: usize) -> f32 {
        let whole = 1 << self.heads.ilog2();
        let base = |heads: usize| 2f64.powf(-8.0 / heads as f64);
        let slope = match head.checked_sub(whole) {
            None => base(whole).powf(head as f64 + 1.0),
            Some(further) => base(2 * whole).powf(2.0 * further as f64 + 1.0),
        };
        slope as f32
    }

    /// Adds to the scaled scores of the keys from `first` on.
    pub fn add(self, head: usize, scale: f32, first: usize, scores: &mut [f32]) {
        let slope = self.slope(head);
        let round = |value: f32| half::bf16::from_f32(value).to_f32();
        for (at, score) in scores.iter_mut().enumerate() {
            let position = (first + at) as f32;
            *score += if self.rounded {
                round(round(slope) * round(position)) * scale
            } else {
                slope * position
            };
        }
    }
}

/// Keys and values of `capacity` positions, a multiple of [`KEY_TILE`].
#[derive(Clone, Copy, Debug)]
pub struct KeysValues<'a> {
    pub capacity: usize,

    /// (`kv_heads`, capacity / 8, `head_dim`, 8)
    pub keys: Numbers<'a>,

    /// (`kv_heads`, capacity, `head_dim`)
    pub values: Numbers<'a>,

    /// Of each query head, a score that every position sees and that leads to no value (gpt-oss).
    /// Empty: there is none.
    pub sinks: &'a [f32],
}

/// What a cache keeps.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),

    /// Eight bits, with a scale for each [`BLOCK`] of them along a head.
    Q8(Blocks<'a>),
}

/// Numbers of a head that share a scale; the last ones of a head are fewer where it does not divide.
pub const BLOCK: usize = 32;

/// Numbers of eight bits times their scales, as in llama.cpp's `Q8_0`.
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    /// As they would lie in f32.
    pub numbers: &'a [i8],

    /// In the same order, a block for `BLOCK` numbers.
    pub scales: &'a [f16],
    pub head_dim: usize,

    /// Positions side by side: [`KEY_LANES`] of keys, 1 of values.
    pub lanes: usize,
}

impl Blocks<'_> {
    /// The numbers from `start` on, which is where a row of a head begins, as is the end of `out`.
    #[inline(always)]
    pub(super) fn widen(self, start: usize, out: &mut [f32]) {
        let Self { numbers, scales, head_dim, lanes } = self;
        let row_len = head_dim * lanes;
        let scales_len = head_dim.div_ceil(BLOCK) * lanes;
        let first = start / row_len;
        let numbers = numbers[start..start + out.len()].chunks_exact(row_len);
        let scales = scales[first * scales_len..].chunks_exact(scales_len);
        for ((out, numbers), scales) in out.chunks_exact_mut(row_len).zip(numbers).zip(scales) {
            let blocks = out.chunks_mut(BLOCK * lanes).zip(numbers.chunks(BLOCK * lanes));
            if lanes == KEY_LANES {
                for ((out, numbers), scales) in blocks.zip(scales.as_chunks::<KEY_LANES>().0) {
                    let scales = scales.map(f16::to_f32);
                    let out = out.as_chunks_mut::<KEY_LANES>().0;
                    for (out, numbers) in out.iter_mut().zip(numbers.as_chunks::<KEY_LANES>().0) {
                        for lane in 0..KEY_LANES {
                            out[lane] = f32::from(numbers[lane]) * scales[lane];
                        }
                    }
                }
            } else {
                for ((out, numbers), scale) in blocks.zip(scales) {
                    let scale = scale.to_f32();
                    for (out, number) in out.iter_mut().zip(numbers) {
                        *out = f32::from(*number) * scale;
                    }
                }
            }
        }
    }
}
