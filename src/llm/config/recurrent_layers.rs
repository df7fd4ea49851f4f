//! What recurrent layers are, whatever family they are of.

/// Layers that carry a state from token to token in place of attention.
#[derive(Clone, Copy, Debug, PartialEq)]
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

    /// Granite 4's and Falcon-H1's.
    Mamba2(MambaDims),
}

/// Shapes of a Mamba-2 layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MambaDims {
    pub kernel: usize,
    pub heads: usize,
    pub head_dim: usize,

    /// Numbers that each of a head's dimensions carries.
    pub state: usize,

    /// Heads of a group are written and read by the same vectors.
    pub groups: usize,
    pub conv_bias: bool,

    /// Of its first matrix, and of its last.
    pub bias: bool,
    pub output_bias: bool,
    pub norm: MambaNorm,

    /// The least and the longest step.
    pub steps: [f32; 2],

    /// What its first matrix gives is multiplied by these: the gate, the values, what writes, what
    /// reads, the steps.
    pub scales: Option<[f32; 5]>,
}

/// The norm over what each group of a Mamba-2 layer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MambaNorm {
    None,
    BeforeGate,
    AfterGate,
}

/// How a recurrent layer and attention that read the same are added together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BesideAttention {
    /// What attention reads and gives is multiplied by these.
    pub attention: [f32; 2],

    /// The same of the recurrent layer.
    pub recurrent: [f32; 2],
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

    /// Length of what the layer's first matrices give together.
    pub fn input_width(&self, width: usize) -> usize {
        match *self {
            Self::ShortConv { .. } => 3 * width,
            Self::DeltaNet { key_heads, value_heads, key_dim, value_dim, .. } => {
                2 * (key_heads * key_dim + value_heads * (value_dim + 1))
            }
            Self::Mamba2(MambaDims { heads, head_dim, state, groups, .. }) => {
                2 * (heads * head_dim + groups * state) + heads
            }
        }
    }

    /// Heads that carry a state, and its numbers in each of them; a convolution has none.
    pub fn states(&self) -> (usize, usize) {
        match *self {
            Self::ShortConv { .. } => (0, 0),
            Self::DeltaNet { value_heads, key_dim, value_dim, .. } => {
                (value_heads, key_dim * value_dim)
            }
            Self::Mamba2(MambaDims { heads, head_dim, state, .. }) => (heads, head_dim * state),
        }
    }

    /// Numbers that a head sees of a token.
    pub fn seen_by_a_head(&self) -> usize {
        match *self {
            Self::ShortConv { .. } => 0,
            Self::DeltaNet { key_dim, value_dim, .. } => 2 * key_dim + value_dim + 2,
            Self::Mamba2(MambaDims { head_dim, state, .. }) => head_dim + 2 * state + 1,
        }
    }

    /// Whether the layer's last matrix has a bias.
    pub fn has_output_bias(&self) -> bool {
        match *self {
            Self::ShortConv { bias, .. } => bias,
            Self::Mamba2(MambaDims { output_bias, .. }) => output_bias,
            Self::DeltaNet { .. } => false,
        }
    }
}
