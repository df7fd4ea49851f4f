//! A decoder as Llama's, without any of what other families add.

use super::names::Naming;
use super::rope::Rope;
use super::{Activation, Config, LayerConfig, MlpKind, NormKind, NormPlacement, QkNorm, QkvLayout};

/// What every decoder says of itself.
pub(super) struct Shape {
    pub architecture: String,
    pub vocab_size: usize,
    pub width: usize,
    pub mlp_width: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub context_length: usize,
    pub layers: Vec<LayerConfig>,
    pub ropes: Vec<Rope>,
    pub norm_eps: f32,
    pub tied_head: bool,
}

impl Config {
    /// What a family has beside this is changed afterwards: a part that a new family brings is absent
    /// in all others by one line here.
    pub(super) fn plain(shape: Shape) -> Self {
        let Shape { architecture, vocab_size, width, mlp_width, .. } = shape;
        let Shape { heads, kv_heads, head_dim, context_length, .. } = shape;
        let Shape { layers, ropes, norm_eps, tied_head, .. } = shape;
        Self {
            architecture,
            vocab_size,
            width,
            mlp_width,
            heads,
            kv_heads,
            head_dim,
            context_length,
            layers,
            ropes,
            both_ways: false,
            restarts_when_long: false,
            learned_positions: None,
            alibi: None,
            embedding_norm: false,
            embedding_width: None,
            norm: NormKind::Rms,
            norm_eps,
            norm_placement: NormPlacement::Before,
            qk_norm: QkNorm::None,
            activation: Activation::Silu,
            mlp: MlpKind::Gated,
            experts: None,
            per_layer_width: None,
            per_layer_tokens: None,
            altup: None,
            layer_scalars: false,
            value_norm: false,
            sinks: false,
            clip_qkv: None,
            qkv: QkvLayout::Separate,
            latent: None,
            attention_gate: false,
            head_gate: false,
            recurrent: None,
            beside_attention: None,
            qkv_bias: false,
            output_bias: false,
            mlp_bias: false,
            head_bias: false,
            residual_scale: None,
            mlp_scales: None,
            logit_scale: None,
            attention_softcap: None,
            final_softcap: None,
            embedding_scale: None,
            tied_head,
            naming: Naming::Llama,
            with_tower: false,
        }
    }
}
