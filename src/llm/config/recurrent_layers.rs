//! What recurrent layers are, whatever family they are of.

/// Layers that carry a state from token to token in place of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecurrentConfig {
    /// LFM2's: a convolution over the last tokens, `kernel` with its own.
    ShortConv { kernel: usize, bias: bool },

    /// Qwen 3.5's.
    DeltaNet {
        kernel: usize,
        key_heads: usize,
        value_heads: usize,
        key_dim: usize,
        value_dim: usize,

        /// Its matrices give one key head after the other (Qwen3-Next).
        by_head: bool,
    },

    /// Granite 4's.
    Mamba2(MambaDims),
}

/// Shapes of a Mamba-2 layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MambaDims {
    pub kernel: usize,
    pub heads: usize,
    pub head_dim: usize,

    /// Numbers that each of a head's dimensions carries.
    pub state: usize,

    /// Heads of a group are written and read by the same vectors.
    pub groups: usize,
    pub conv_bias: bool,
    pub bias: bool,
}

impl RecurrentConfig {
    /// Length of what the layer's last matrix reads, in a model of this width.
    pub fn output_width(&self, width: usize) -> usize {
        match *self {
            Self::ShortConv { .. } => width,
            Self::DeltaNet { value_heads, value_dim, .. } => value_heads * value_dim,
            Self::Mamba2(MambaDims { heads, head_dim, .. }) => heads * head_dim,
        }
    }

    /// Whether the layer's matrices have biases.
    pub fn has_biases(&self) -> bool {
        match *self {
            Self::ShortConv { bias, .. } | Self::Mamba2(MambaDims { bias, .. }) => bias,
            Self::DeltaNet { .. } => false,
        }
    }
}
