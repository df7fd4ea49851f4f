//! One description of a decoder, whatever family it is of and whatever file it came in.
//!
//! The passes read this and know no family names. A new family is a function in `families.rs`
//! (from `config.json`) and one in `gguf_config.rs`.

pub(crate) mod config_keys;
pub(crate) mod families;
pub(crate) mod gguf_config;
pub(crate) mod rope;

pub use self::rope::{Rope, RopeScaling, RopeTable};

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

/// `general.architecture` of every GGUF file that can be run.
pub const GGUF_ARCHITECTURES: &[&str] =
    &["gemma2", "gemma3", "gpt2", "llama", "olmo2", "phi3", "qwen2", "qwen3", "smollm3"];

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

    /// x · sigmoid(1.702 x)
    QuickGelu,
    Relu,

    /// relu(x)²
    ReluSquared,
    Tanh,
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerConfig {
    /// Position i sees the last `window` positions, itself included. `None`: all before it.
    pub window: Option<usize>,

    /// Index into [`Config::ropes`]. `None`: queries and keys are not rotated.
    pub rope: Option<usize>,

    /// Scores are multiplied by this.
    pub scale: f32,
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

    /// A text that grows past the length where `LongRoPE` changes is run once more from its
    /// beginning (Phi 3). Other families keep the keys of the shorter text.
    pub restarts_when_long: bool,

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

    /// Two lengths of one class can share a cache.
    pub fn length_class(&self, length: usize) -> usize {
        if !self.restarts_when_long {
            return 0;
        }
        let switches = self.ropes.iter().filter_map(Rope::switches_after);
        switches.filter(|switch| length > *switch).count()
    }

    /// What one token takes in the KV cache, in bytes, for weights that are mostly stored as
    /// `precision`: packed ones come with 16-bit keys and values, see `Model::new_cache`.
    pub fn cache_bytes_per_token(&self, precision: &str) -> u64 {
        let is_dense = matches!(precision, "F32" | "F16" | "BF16");
        let value = if is_dense { size_of::<f32>() } else { size_of::<half::f16>() };
        (self.layer_count() * 2 * self.kv_width() * value) as u64
    }
}
