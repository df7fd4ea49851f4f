//! The block that most families share, and where its defaults differ from family to family.

use serde_json::Value;

use super::config_keys::{Keys, RopeDefaults};
use super::plain::Shape;
use super::{Config, LayerConfig};
use crate::llm::error::Error;

/// Layers that are refused: the list of them would take memory before any tensor is looked at.
pub(crate) const MOST_LAYERS: usize = 4096;

/// The same for the dimensions of a head, for the sake of the rope tables.
pub(crate) const MOST_HEAD_DIMS: usize = 1 << 16;

/// Where the families' defaults differ.
#[derive(Clone, Copy)]
pub(super) struct Defaults {
    pub name: &'static str,
    pub vocab_size: usize,
    pub width: usize,
    pub mlp_width: usize,
    pub layers: usize,
    pub heads: usize,

    /// `None`: as many as there are heads.
    pub kv_heads: Option<usize>,

    /// `None`: width / heads.
    pub head_dim: Option<usize>,
    pub context: usize,
    pub norm_eps: f64,
    pub rope_theta: f64,

    /// The part of a head that turns.
    pub partial: f64,

    /// How many of its dimensions, where the family says that instead. `Some(0)`: there is no rope.
    pub rotary_dims: Option<usize>,

    /// There are several rope settings, by kind of layer, which the family reads itself.
    pub ropes_by_layer: bool,
    pub tied: bool,

    /// See [`RopeDefaults::original_context`].
    pub original_context: Option<usize>,

    /// Of the settings that only some families have, those that this one has.
    pub own: &'static [&'static str],
}

pub(super) const LLAMA: Defaults = Defaults {
    name: "llama",
    vocab_size: 32_000,
    width: 4096,
    mlp_width: 11_008,
    layers: 32,
    heads: 32,
    kv_heads: None,
    head_dim: None,
    context: 2048,
    norm_eps: 1e-6,
    rope_theta: 10_000.0,
    partial: 1.0,
    rotary_dims: None,
    ropes_by_layer: false,
    tied: false,
    original_context: None,
    own: &["attention_bias", "mlp_bias"],
};

pub(super) const QWEN: Defaults = Defaults {
    vocab_size: 151_936,
    mlp_width: 22_016,
    kv_heads: Some(32),
    context: 32_768,
    ..LLAMA
};

pub(super) const GEMMA2: Defaults = Defaults {
    name: "gemma2",
    vocab_size: 256_000,
    width: 2304,
    mlp_width: 9216,
    layers: 26,
    heads: 8,
    kv_heads: Some(4),
    head_dim: Some(256),
    context: 8192,
    tied: true,
    own: &["attention_bias", "attn_logit_softcapping", "final_logit_softcapping"],
    ..LLAMA
};

pub(super) const GEMMA3: Defaults = Defaults {
    name: "gemma3_text",
    vocab_size: 262_208,
    context: 131_072,
    ropes_by_layer: true,
    own: &[
        "attention_bias",
        "attn_logit_softcapping",
        "final_logit_softcapping",
        "use_bidirectional_attention",
    ],
    ..GEMMA2
};

/// The Llama family's block, from which the others differ in a few fields.
pub(super) fn base(keys: Keys<'_>, defaults: Defaults) -> Result<Config, Error> {
    keys.refuse_foreign(defaults.own)?;
    let width = keys.size("hidden_size", defaults.width)?;
    let heads = keys.size("num_attention_heads", defaults.heads)?;
    let kv_heads = match keys.raw("num_key_value_heads") {
        None => defaults.kv_heads.unwrap_or(heads),
        Some(_) => keys.size("num_key_value_heads", heads)?,
    };
    if !heads.is_multiple_of(kv_heads) {
        let expected = format!("it must divide num_attention_heads = {heads}");
        return Err(keys.refuse("num_key_value_heads", expected));
    }
    let head_dim = defaults.head_dim.unwrap_or_else(|| (width / heads).max(1));
    let head_dim = keys.size_up_to("head_dim", head_dim, MOST_HEAD_DIMS)?;
    let context = keys.size("max_position_embeddings", defaults.context)?;
    let partial = keys.partial_rotary_factor(defaults.partial)?;
    if partial < 1.0 && !defaults.own.contains(&"partial_rotary_factor") {
        let expected = "models of this family turn whole heads";
        return Err(keys.refuse("partial_rotary_factor", expected));
    }
    let rotary_dims = defaults.rotary_dims.unwrap_or((partial * head_dim as f64) as usize);
    let turns = defaults.rotary_dims != Some(0);
    if turns && (rotary_dims.div_ceil(2) * 2 > head_dim || rotary_dims == 0) {
        let expected =
            format!("rope needs an even number of dimensions, not {rotary_dims} of {head_dim}");
        return Err(keys.refuse("head_dim", expected));
    }
    let rope_defaults = RopeDefaults {
        theta: defaults.rope_theta,
        dims: rotary_dims,
        context,
        original_context: defaults.original_context,
        by_layer: false,
    };
    let ropes = if defaults.ropes_by_layer || !turns {
        Vec::new()
    } else {
        vec![keys.rope(keys.rope_settings(), "rope_theta", rope_defaults)?]
    };
    let own_flag =
        |key: &str| Ok::<_, Error>(defaults.own.contains(&key) && keys.flag(key, false)?);
    let attention_bias = own_flag("attention_bias")?;
    let rope = turns.then_some(0);
    let layer = LayerConfig { rope, ..LayerConfig::new((head_dim as f32).powf(-0.5)) };
    let plain = Config::plain(Shape {
        architecture: defaults.name.to_owned(),
        vocab_size: keys.size("vocab_size", defaults.vocab_size)?,
        width,
        mlp_width: keys.size("intermediate_size", defaults.mlp_width)?,
        heads,
        kv_heads,
        head_dim,
        context_length: stretched(keys, context),
        layers: vec![layer; keys.size_up_to("num_hidden_layers", defaults.layers, MOST_LAYERS)?],
        ropes,
        norm_eps: keys.positive("rms_norm_eps", defaults.norm_eps)? as f32,
        tied_head: keys.flag("tie_word_embeddings", defaults.tied)?,
    });
    Ok(Config {
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        mlp_bias: own_flag("mlp_bias")?,
        ..plain
    })
}

/// `max_position_embeddings` is the length that a model was trained for; dynamic rope scaling
/// begins there and reaches `factor` times as far.
fn stretched(keys: Keys<'_>, context: usize) -> usize {
    let settings = keys.rope_settings();
    let of = |key: &str| settings.and_then(|rope| rope.get(key));
    let dynamic = of("rope_type").or_else(|| of("type")).and_then(Value::as_str) == Some("dynamic");
    match of("factor").and_then(Value::as_f64) {
        Some(factor) if dynamic && factor > 1.0 => (context as f64 * factor) as usize,
        _ => context,
    }
}

/// Windows as the Qwen families have them: from one layer on, where they are asked for.
pub(super) fn qwen_windows(keys: Keys<'_>, config: &mut Config) -> Result<(), Error> {
    if !keys.flag("use_sliding_window", false)? {
        return Ok(());
    }
    let window = keys.optional_size("sliding_window", Some(4096))?;
    let first = match keys.get("max_window_layers").and_then(Value::as_u64) {
        Some(0) => 0,
        _ => keys.size("max_window_layers", 28)?,
    };
    keys.windows(config, window, |layer| layer >= first)
}

/// Windowed layers turn at their own speed (Gemma 3 and 3n). transformers 5 nests the two in `rope_parameters`;
/// before, the local one had a key and the scaling was the global one's.
pub(super) fn ropes_by_window(keys: Keys<'_>, config: &mut Config) -> Result<(), Error> {
    let nested = keys.get("rope_parameters");
    let of = |kind: &str| nested.and_then(|all| all.get(kind)).filter(|value| !value.is_null());
    if nested.is_some() && of("full_attention").is_none() && of("sliding_attention").is_none() {
        let expected = "settings for full_attention and for sliding_attention were expected";
        return Err(keys.refuse("rope_parameters", expected));
    }
    let scaling = keys.get("rope_scaling").or_else(|| of("full_attention"));
    let defaults = RopeDefaults {
        theta: 1e6,
        dims: config.head_dim,
        context: config.context_length,
        original_context: None,
        by_layer: true,
    };
    let global = keys.rope(scaling, "rope_theta", defaults)?;
    let defaults = RopeDefaults { theta: 1e4, ..defaults };
    let local = keys.rope(of("sliding_attention"), "rope_local_base_freq", defaults)?;
    config.ropes = vec![global, local];
    // `layer_types` may give a layer no window and the local rope all the same where the window
    // is `null`; with a window, as here, the two go together.
    for layer in &mut config.layers {
        layer.rope = Some(usize::from(layer.window.is_some()));
    }
    Ok(())
}
