//! One description of a decoder, whatever family it is of and whatever file it came in.
//!
//! The passes read this and know no family names. A new family is a function in `families.rs`
//! (from `config.json`) or one of its neighbours, and one in `gguf_config.rs`.

mod base;
mod cache_numbers;
pub(crate) mod config_keys;
mod experts;
pub(crate) mod families;
mod gemma3n;
mod gemma4;
pub(crate) mod gguf_config;
mod gguf_dense;
mod gguf_gemma;
mod gguf_keys;
mod gguf_latent;
mod gguf_mixtures;
mod latent;
mod like_llama;
mod mixtures;
pub(crate) mod names;
mod older;
mod plain;
mod recurrent;
mod recurrent_layers;
pub(crate) mod rope;
mod shared_experts;
#[cfg(test)]
mod spelling_tests;
mod supported;

use tuning_fork_kernels::Alibi;

pub use self::cache_numbers::CacheNumbers;
pub use self::experts::{
    ExpertGate, ExpertGroups, ExpertsConfig, Packing, Routing, SharedExpertConfig,
};
pub use self::names::Naming;
pub use self::recurrent_layers::{BesideAttention, MambaDims, MambaNorm, RecurrentConfig};
pub use self::rope::{Rope, RopeScaling, RopeTable};
pub use self::supported::{GGUF_ARCHITECTURES, SUPPORTED, UNPACKED, WITH_MORE_SENSES};

/// How a row is brought to length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// x / rms(x) · w
    Rms,

    /// x / rms(x) · (1 + w), as the Gemma families store it.
    RmsPlusOne,

    /// (x - mean) / std · w + b
    Layer,

    /// (x - mean) / std · w (Cohere)
    LayerWithoutBias,

    /// x / rms(x): the file has no weights for it (nanochat).
    Unit,

    /// (x - mean) / std, likewise (an option of OPT).
    UnitLayer,
}

impl NormKind {
    /// Whether a file has its weights without the 1 that is added to them.
    pub fn adds_one(self) -> bool {
        self == Self::RmsPlusOne
    }
}

/// Where in a block the norms are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormPlacement {
    /// Before attention and before the MLP.
    Before,

    /// The same, and what attention and the MLP give is added to what their norm gave (an option of
    /// BLOOM).
    BeforeAdding,

    /// After attention and after the MLP, before they are added (`OLMo` 2).
    After,

    /// Both (Gemma 2 and 3).
    Around,

    /// After what attention and the MLP give has been added, and none before the head (OPT 350M).
    AfterSum,

    /// Attention and MLP both read the block's input, each through a norm of its own, and are added
    /// to it together (GPT-NeoX).
    Parallel,

    /// The same through one norm (GPT-J, Cohere).
    ParallelShared,
}

/// Norms on queries and keys, before they are rotated where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    None,
    PerHead,

    /// The same, after they are rotated (Hunyuan, nanochat).
    PerHeadTurned,

    /// Over all heads together (`OLMo` 2).
    Whole,

    /// A `LayerNorm` without bias for each head, with weights of its own (`StableLM` 2).
    EachHead,

    /// The same, whose weights lie in one tensor (Command-R+).
    EachHeadAtOnce,
}

/// How queries, keys and values come out of their matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkvLayout {
    /// Of three.
    Separate,

    /// Of one: all queries, all keys, all values.
    Fused,

    /// Of one: for each key head its queries, its key, its value (GPT-NeoX, BLOOM, Falcon).
    FusedByHead,

    /// Of one, in four parts: of each the queries, the values, the keys of a quarter of the heads
    /// (`CodeGen`).
    FusedInFours,
}

/// Queries, keys and values that are compressed between two matrices (`DeepSeek` V2's multi-head latent
/// attention).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentConfig {
    /// Numbers that a position's queries come from. `None`: from the hidden state itself.
    pub q_rank: Option<usize>,

    /// Numbers that all keys and values of a position come from.
    pub kv_rank: usize,

    /// Dimensions of a head's queries and keys that turn, of which all heads share the keys, and those
    /// that do not.
    pub turned: usize,
    pub still: usize,

    /// Dimensions of a head's values.
    pub values: usize,
    pub bias: bool,
}

/// Several hidden states of each position, of which a layer computes one and by it corrects the others
/// (Gemma 3n's alternating updates), with a way around attention through `laurel_rank` numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AltUpConfig {
    pub states: usize,

    /// The one that layers compute.
    pub active: usize,

    /// It is multiplied by learned numbers before it gates a layer's own vectors.
    pub scaled: bool,
    pub laurel_rank: usize,
}

/// What an `xIELU` has learned (Apertus): for x > 0 `positive` x² + `beta` x, else
/// `negative` (exp(min(x, `eps`)) - 1 - x) + `beta` x.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Xielu {
    pub positive: f32,
    pub negative: f32,
    pub beta: f32,
    pub eps: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
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

    /// Each layer's numbers are among its tensors; in a [`Config`] they are zeros.
    Xielu(Xielu),
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

/// What differs from layer to layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerConfig {
    /// Position i sees the last `window` positions, itself included. `None`: all before it.
    pub window: Option<usize>,

    /// Index into [`Config::ropes`]. `None`: queries and keys are not rotated.
    pub rope: Option<usize>,

    /// Scores are multiplied by this.
    pub scale: f32,

    /// It has [`Config::experts`] in place of an MLP.
    pub experts: bool,

    /// It has [`Config::recurrent`] in place of attention.
    pub recurrent: bool,

    /// Key heads and `head_dim`, where they are not [`Config`]'s.
    pub own_heads: Option<(usize, usize)>,

    /// It has no keys and values of its own, and sees those of this layer.
    pub keys_of: Option<usize>,

    /// Its values come from the same matrix as its keys.
    pub values_are_keys: bool,

    /// Where it is not [`Config`]'s.
    pub own_mlp_width: Option<usize>,

    /// Of what the MLP's gate matrix gives, only what is so many standard deviations above the mean of its
    /// row comes through, and only the rest of it (Gemma 3n).
    pub sparsity: Option<f32>,
}

impl LayerConfig {
    /// A layer that sees everything before, turns nothing, and has the shapes of its model.
    pub fn new(scale: f32) -> Self {
        Self {
            window: None,
            rope: None,
            scale,
            experts: false,
            recurrent: false,
            own_heads: None,
            keys_of: None,
            values_are_keys: false,
            own_mlp_width: None,
            sparsity: None,
        }
    }
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

    /// A token sees those after it too: a text becomes vectors, and is not continued (`EmbeddingGemma`).
    pub both_ways: bool,

    /// A text that grows past the length where `LongRoPE` changes is run once more from its
    /// beginning (Phi 3). Other families keep the keys of the shorter text.
    pub restarts_when_long: bool,

    /// A table of position vectors is added to the embedding (GPT-2), from this row on.
    pub learned_positions: Option<usize>,

    /// Scores grow with the position of the key, by a slope for each head (BLOOM).
    pub alibi: Option<Alibi>,

    /// The embedding goes through a norm (BLOOM, nanochat).
    pub embedding_norm: bool,

    /// Length of the vectors in the embedding and before the head, where a matrix leads from them to
    /// the width and back (OPT 350M).
    pub embedding_width: Option<usize>,
    pub norm: NormKind,
    pub norm_eps: f32,
    pub norm_placement: NormPlacement,
    pub qk_norm: QkNorm,
    pub activation: Activation,
    pub mlp: MlpKind,
    pub experts: Option<ExpertsConfig>,

    /// Every token has a vector of this length for each layer, beside its embedding (Gemma 4).
    pub per_layer_width: Option<usize>,

    /// Tokens that have such vectors, where not all do: the others have the first one's (Gemma 3n).
    pub per_layer_tokens: Option<usize>,

    /// Several hidden states of each position go through the layers (Gemma 3n).
    pub altup: Option<AltUpConfig>,

    /// What a layer gives is multiplied by a number of its own (Gemma 4).
    pub layer_scalars: bool,

    /// Values go through a norm without weights (Gemma 4).
    pub value_norm: bool,

    /// Each query head has a score of its own that leads to no value (gpt-oss).
    pub sinks: bool,

    /// Queries, keys and values are kept within this (`OLMoE`).
    pub clip_qkv: Option<f32>,

    pub qkv: QkvLayout,

    /// Queries come with a gate for what attention gives, head by head (Qwen 3.5).
    pub attention_gate: bool,

    /// A matrix of its own gives each head one number that gates what it gives (LFM3).
    pub head_gate: bool,

    /// Of the layers that are recurrent; of all, where [`Self::beside_attention`] is set.
    pub recurrent: Option<RecurrentConfig>,

    /// Every layer has both attention and [`Self::recurrent`] (Falcon-H1).
    pub beside_attention: Option<BesideAttention>,

    /// In place of `qkv`. `head_dim` is then the longest of queries and values, and every head has
    /// keys of its own.
    pub latent: Option<LatentConfig>,
    pub qkv_bias: bool,
    pub output_bias: bool,
    pub mlp_bias: bool,
    pub head_bias: bool,

    /// What attention and the MLP give is multiplied by this before it is added (Granite).
    pub residual_scale: Option<f32>,

    /// What the MLP's gate matrix gives is multiplied by the first, what the MLP gives by the second
    /// (Falcon-H1).
    pub mlp_scales: Option<[f32; 2]>,

    /// Scores of the vocabulary are multiplied by this (Granite, Cohere).
    pub logit_scale: Option<f32>,
    pub attention_softcap: Option<f32>,
    pub final_softcap: Option<f32>,
    pub embedding_scale: Option<f32>,

    /// The head is the embedding.
    pub tied_head: bool,
    pub naming: Naming,

    /// The decoder is one part of a model that looks at pictures too (Gemma 3): PEFT calls its layers
    /// by their paths in the whole.
    pub with_tower: bool,
}

impl Config {
    pub fn layer_count(&self) -> usize {
        self.layers.len()
    }

    /// Length of all queries of a position together.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Length of what attention gives, all heads together.
    pub fn attended_width(&self) -> usize {
        self.latent.map_or_else(|| self.query_width(), |latent| self.heads * latent.values)
    }

    /// Length of all keys of a position together, and of all values.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// The module path of the embedding.
    pub fn embedding_module(&self) -> &'static str {
        self.naming.names(self.norm_placement).embedding
    }

    /// Whether LoRA can be on a linear layer. Not on the last matrix of Falcon-H1's Mamba layers: PEFT refuses
    /// it, as the fused kernel that transformers takes on a GPU reads the matrix past its adapter. Nor on the
    /// matrix by which Gemma 3n corrects its states, which transformers reads past its adapter in training.
    pub fn takes_lora(&self, module: &str) -> bool {
        let without = match self.architecture.as_str() {
            "falcon_h1" => ".out_proj",
            "gemma3n_text" => ".altup.correction_coefs",
            _ => return true,
        };
        !module.ends_with(without)
    }

    /// The part whose own weights cannot learn here, where only an adapter beside them can.
    pub fn fixed(&self) -> Option<&'static str> {
        if self.experts.is_some() {
            return Some("a mixture of experts");
        }
        if self.recurrent.is_some() {
            return Some("recurrent layers");
        }
        if self.per_layer_width.is_some() {
            return Some("embeddings for each layer as Gemma 3n and 4 have them");
        }
        if self.layers.iter().any(|layer| layer.keys_of.is_some()) {
            return Some("layers that see other layers' keys and values");
        }
        if self.altup.is_some() {
            return Some("several hidden states of each position");
        }
        if matches!(self.activation, Activation::Xielu(_)) {
            return Some("an activation with weights of its own");
        }
        (self.qk_norm == QkNorm::EachHead).then_some("a norm of each head with a tensor of its own")
    }

    /// The part of this decoder that the pass with gradients has no backward pass through. `None`: it can
    /// be trained.
    pub fn untrainable(&self) -> Option<&'static str> {
        if self.embedding_width.is_some() {
            return Some("an embedding of another width than its layers");
        }
        if self.both_ways {
            return Some("attention in both directions");
        }
        match self.norm_placement {
            NormPlacement::AfterSum => Some("norms after the sums of its layers"),
            NormPlacement::BeforeAdding => Some("layers that add to what a norm gave"),
            _ => None,
        }
    }

    /// What PEFT puts before the decoder's own paths, where the model has other parts too:
    /// `model.layers.0` is then `model.language_model.layers.0`.
    pub fn peft_decoder(&self) -> Option<&'static str> {
        self.with_tower.then_some("model.language_model.")
    }

    /// Two lengths of one class can share a cache.
    pub fn length_class(&self, length: usize) -> usize {
        if !self.restarts_when_long {
            return 0;
        }
        let switches = self.ropes.iter().filter_map(Rope::switches_after);
        switches.filter(|switch| length > *switch).count()
    }

    /// Whether the same positions turn by the same angles in texts of these two lengths, whose keys can then
    /// be shared: there are ropes that depend on the length of the whole text.
    pub fn turns_alike(&self, one: usize, other: usize) -> bool {
        self.ropes.iter().all(|rope| rope.turns_alike(one, other))
    }

    /// What one token takes in the KV cache, in bytes, for weights that are mostly stored as
    /// `precision`.
    pub fn cache_bytes_per_token(&self, precision: &str) -> u64 {
        let is_dense = matches!(precision, "F32" | "F16" | "BF16" | "F8_E4M3");
        self.cache_bytes_as(CacheNumbers::beside(!is_dense))
    }

    /// The same with these numbers.
    pub fn cache_bytes_as(&self, numbers: CacheNumbers) -> u64 {
        let heads = self.layers.iter().filter(|layer| layer.keys_of.is_none() && !layer.recurrent);
        let heads = heads.map(|layer| layer.own_heads.unwrap_or((self.kv_heads, self.head_dim)));
        let widths = heads.map(|(kv_heads, head_dim)| 2 * kv_heads * numbers.bytes(head_dim));
        widths.sum::<usize>() as u64
    }
}
