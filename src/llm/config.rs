//! One description of a decoder, whatever family it is of and whatever file it came in.
//!
//! The passes read this and know no family names. A new family is a function in `families.rs`
//! (from `config.json`) and one in `gguf_config.rs`.

/// `model_type` of every family that can be run.
pub const SUPPORTED: &[&str] = &[
    "gemma2",
    "gemma3_text",
    "gpt2",
    "llama",
    "mistral",
    "olmo2",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
];

/// How a row is brought to length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// x / rms(x) · w
    Rms,

    /// x / rms(x) · (1 + w), as the Gemma families store it.
    RmsPlusOne,

    /// (x - mean) / std · w + b
    Layer,
}

/// Where in a block the norms are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormPlacement {
    /// Before attention and before the MLP.
    Before,

    /// After attention and after the MLP, before they are added (`OLMo` 2).
    After,

    /// Both (Gemma 2 and 3).
    Around,
}

/// Norms on queries and keys, before they are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    None,
    PerHead,

    /// Over all heads together (`OLMo` 2).
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Silu,

    /// With the error function.
    Gelu,

    /// With the tanh approximation.
    GeluTanh,
    Relu,
}

/// The shape of the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MlpKind {
    /// down(act(gate(x)) · up(x))
    Gated,

    /// The same, with gate and up in one matrix, gate first (Phi 3).
    GatedFused,

    /// down(act(up(x))) (GPT-2)
    Plain,
}

/// How the modules are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `model.layers.0.self_attn.q_proj`
    Llama,

    /// `transformer.h.0.attn.c_attn`; weights of linear layers are stored (in, out).
    Gpt2,
}

/// What differs from layer to layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerConfig {
    /// Position i sees the last `window` positions, itself included. `None`: all before it.
    pub window: Option<usize>,

    /// Index into [`Config::ropes`]. `None`: queries and keys are not rotated.
    pub rope: Option<usize>,
}

/// Rotary position embedding: how fast each pair of dimensions turns.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Radians a position, one for each pair: dimension i turns with dimension i + len.
    /// Dimensions beyond 2 · len are left alone.
    pub frequencies: Vec<f32>,
}

/// How rope is stretched beyond the length that it was trained for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    None,
    Linear {
        factor: f64,
    },

    /// transformers' `_compute_llama3_parameters`.
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        original_context: f64,
    },
}

impl Rope {
    /// `dims` of the head's dimensions turn.
    pub fn new(theta: f64, dims: usize, scaling: RopeScaling) -> Self {
        let frequencies = (0..dims / 2).map(|pair| {
            let frequency = theta.powf(-2.0 * pair as f64 / dims as f64);
            scaling.apply(frequency) as f32
        });
        Self { frequencies: frequencies.collect() }
    }

    /// The angles of `count` positions from `start` on.
    pub fn table(&self, start: usize, count: usize) -> RopeTable {
        let pairs = self.frequencies.len();
        let mut cos = Vec::with_capacity(count * pairs);
        let mut sin = Vec::with_capacity(count * pairs);
        for position in start..start + count {
            for frequency in &self.frequencies {
                let angle = position as f32 * frequency; // in f32, as transformers does
                cos.push(angle.cos());
                sin.push(angle.sin());
            }
        }
        RopeTable { pairs, cos, sin }
    }
}

impl RopeScaling {
    fn apply(self, frequency: f64) -> f64 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                let wavelength = 2.0 * std::f64::consts::PI / frequency;
                if wavelength > original_context / low_freq_factor {
                    frequency / factor
                } else if wavelength < original_context / high_freq_factor {
                    frequency
                } else {
                    let smooth = (original_context / wavelength - low_freq_factor)
                        / (high_freq_factor - low_freq_factor);
                    (1.0 - smooth) * frequency / factor + smooth * frequency
                }
            }
        }
    }
}

/// Cosines and sines, (positions, pairs).
#[derive(Clone, Debug)]
pub struct RopeTable {
    pub pairs: usize,
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,
}

/// A decoder as data.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in config.json")]
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// transformers' `model_type`.
    pub architecture: String,
    pub vocab_size: usize,

    /// Length of a hidden state.
    pub width: usize,
    pub mlp_width: usize,
    pub heads: usize,

    /// Heads that have keys and values of their own; `heads / kv_heads` queries share one.
    pub kv_heads: usize,
    pub head_dim: usize,
    pub context_length: usize,
    pub layers: Vec<LayerConfig>,
    pub ropes: Vec<Rope>,

    /// A table of position vectors is added to the embedding (GPT-2).
    pub learned_positions: bool,
    pub norm: NormKind,
    pub norm_eps: f32,
    pub norm_placement: NormPlacement,
    pub qk_norm: QkNorm,
    pub activation: Activation,
    pub mlp: MlpKind,

    /// Queries, keys and values come from one matrix, in this order.
    pub fused_qkv: bool,
    pub qkv_bias: bool,
    pub output_bias: bool,
    pub mlp_bias: bool,

    /// Scores are multiplied by this.
    pub query_scale: f32,
    pub attention_softcap: Option<f32>,
    pub final_softcap: Option<f32>,
    pub embedding_scale: Option<f32>,

    /// The head is the embedding.
    pub tied_head: bool,
    pub naming: Naming,
}

impl Config {
    pub fn layer_count(&self) -> usize {
        self.layers.len()
    }

    /// Length of all queries of a position together.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Length of all keys of a position together, and of all values.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// What one token takes in the KV cache, in bytes.
    pub fn cache_bytes_per_token(&self) -> u64 {
        (self.layer_count() * 2 * self.kv_width() * size_of::<f32>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_rope_turns_the_first_pair_by_one_radian_a_position() {
        let rope = Rope::new(10_000.0, 4, RopeScaling::None);
        assert_eq!(rope.frequencies, [1.0, 0.01]);
        let table = rope.table(3, 1);
        assert_eq!(table.cos[0], 3f32.cos());
    }

    #[test]
    fn llama3_scaling_leaves_fast_pairs_and_slows_slow_ones() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 8192.0,
        };
        let plain = Rope::new(500_000.0, 128, RopeScaling::None);
        let scaled = Rope::new(500_000.0, 128, scaling);
        assert_eq!(scaled.frequencies[0], plain.frequencies[0]);
        assert!((scaled.frequencies[63] * 8.0 - plain.frequencies[63]).abs() < 1e-12);
    }
}
