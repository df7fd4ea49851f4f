//! What the cache keeps keys and values as.

use serde::{Deserialize, Serialize};

/// The numbers of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheNumbers {
    F32,

    /// Half the memory, and half of what each new token has to read. Keys and values are off by 0.05 %
    /// at most, less than packed weights are.
    F16,

    /// A quarter: 34 bytes for 32 numbers of a head, as llama.cpp's `q8_0`.
    Q8_0,
}

impl CacheNumbers {
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Q8_0];

    /// What a cache keeps where nobody says: packed weights are further off than 16-bit keys and values.
    pub fn beside(packed_weights: bool) -> Self {
        if packed_weights { Self::F16 } else { Self::F32 }
    }

    /// What it is called on the screen and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }

    /// Bytes that so many numbers of a head take.
    pub fn bytes(self, head_dim: usize) -> usize {
        match self {
            Self::F32 => head_dim * size_of::<f32>(),
            Self::F16 => head_dim * size_of::<half::f16>(),
            Self::Q8_0 => head_dim + head_dim.div_ceil(tuning_fork_kernels::BLOCK) * 2,
        }
    }
}
