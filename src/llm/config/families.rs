//! `config.json` of transformers, family by family. A key that is absent means transformers'
//! default for that family, since transformers writes only what differs from it. A setting that a
//! family does not have is refused by its name.

use std::path::Path;

use serde_json::Value;

use super::config_keys::{Keys, RopeDefaults};
use super::{Activation, Config, LayerConfig, MlpKind, Naming, NormKind, NormPlacement, QkNorm};
use crate::llm::error::Error;

/// Layers that are refused: the list of them would take memory before any tensor is looked at.
pub(crate) const MOST_LAYERS: usize = 4096;

/// The same for the dimensions of a head, for the sake of the rope tables.
pub(crate) const MOST_HEAD_DIMS: usize = 1 << 16;

/// Reads a decoder's description. `path` is for error messages.
pub fn from_json(json: &Value, path: &Path) -> Result<Config, Error> {
    let keys = Keys { json, path };
    match keys.text("model_type").unwrap_or_default() {
        "llama" => llama(keys),
        "mistral" => mistral(keys),
        "qwen2" => qwen2(keys),
        "qwen3" => qwen3(keys),
        "gemma2" => gemma2(keys),
        "gemma3_text" => gemma3(keys),
        // With pictures; the decoder is described inside and is all that is run.
        "gemma3" => match keys.get("text_config") {
            Some(text) => gemma3(Keys { json: text, path }),
            None => Err(keys.refuse("text_config", "the decoder's description was expected")),
        },
        "phi3" => phi3(keys),
        "olmo2" => olmo2(keys),
        "smollm3" => smollm3(keys),
        "gpt2" => gpt2(keys),
        "" => Err(Error::not_a_model(path, "it has no model_type")),
        other => Err(Error::UnsupportedArchitecture { architecture: other.to_owned() }),
    }
}

/// Where the families' defaults differ.
#[derive(Clone, Copy)]
struct Defaults {
    name: &'static str,
    vocab_size: usize,
    width: usize,
    mlp_width: usize,
    layers: usize,
    heads: usize,

    /// `None`: as many as there are heads.
    kv_heads: Option<usize>,

    /// `None`: width / heads.
    head_dim: Option<usize>,
    context: usize,
    norm_eps: f64,
    rope_theta: f64,
    tied: bool,

    /// See [`RopeDefaults::original_context`].
    original_context: Option<usize>,

    /// Of the settings that only some families have, those that this one has.
    own: &'static [&'static str],
}

const LLAMA: Defaults = Defaults {
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
    tied: false,
    original_context: None,
    own: &["attention_bias", "mlp_bias"],
};

/// The Llama family's block, from which the others differ in a few fields.
fn base(keys: Keys<'_>, defaults: Defaults) -> Result<Config, Error> {
    keys.refuse_foreign(defaults.own)?;
    let width = keys.size("hidden_size", defaults.width)?;
    let heads = keys.size("num_attention_heads", defaults.heads)?;
    let kv_heads = match keys.json.get("num_key_value_heads") {
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
    let partial = keys.partial_rotary_factor()?;
    if partial < 1.0 && !defaults.own.contains(&"partial_rotary_factor") {
        let expected = "models of this family turn whole heads";
        return Err(keys.refuse("partial_rotary_factor", expected));
    }
    let rotary_dims = (partial * head_dim as f64) as usize;
    if rotary_dims.div_ceil(2) * 2 > head_dim || rotary_dims == 0 {
        let expected =
            format!("rope needs an even number of dimensions, not {rotary_dims} of {head_dim}");
        return Err(keys.refuse("head_dim", expected));
    }
    let rope_defaults = RopeDefaults {
        theta: defaults.rope_theta,
        dims: rotary_dims,
        context,
        original_context: defaults.original_context,
    };
    // Gemma 3 has its settings by kind of layer, and reads them itself.
    let ropes = if defaults.name == GEMMA3.name {
        Vec::new()
    } else {
        vec![keys.rope(keys.rope_settings(), "rope_theta", rope_defaults)?]
    };
    let own_flag =
        |key: &str| Ok::<_, Error>(defaults.own.contains(&key) && keys.flag(key, false)?);
    let attention_bias = own_flag("attention_bias")?;
    let layer = LayerConfig { window: None, rope: Some(0), scale: (head_dim as f32).powf(-0.5) };
    Ok(Config {
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
        restarts_when_long: false,
        learned_positions: false,
        norm: NormKind::Rms,
        norm_eps: keys.positive("rms_norm_eps", defaults.norm_eps)? as f32,
        norm_placement: NormPlacement::Before,
        qk_norm: QkNorm::None,
        activation: Activation::Silu,
        mlp: MlpKind::Gated,
        fused_qkv: false,
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        mlp_bias: own_flag("mlp_bias")?,
        attention_softcap: None,
        final_softcap: None,
        embedding_scale: None,
        tied_head: keys.flag("tie_word_embeddings", defaults.tied)?,
        naming: Naming::Llama,
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

fn llama(keys: Keys<'_>) -> Result<Config, Error> {
    let config = base(keys, LLAMA)?;
    Ok(Config { activation: keys.activation("hidden_act", "silu")?, ..config })
}

fn mistral(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "mistral",
        mlp_width: 14_336,
        kv_heads: Some(8),
        context: 131_072,
        own: &[],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    // `null` is no window; absent is the default of 4096.
    let window = keys.optional_size("sliding_window", Some(4096))?;
    for layer in &mut config.layers {
        layer.window = window;
    }
    Ok(config)
}

const QWEN: Defaults = Defaults {
    vocab_size: 151_936,
    mlp_width: 22_016,
    kv_heads: Some(32),
    context: 32_768,
    ..LLAMA
};

fn qwen2(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = base(keys, Defaults { name: "qwen2", own: &[], ..QWEN })?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.qkv_bias = true;
    qwen_windows(keys, &mut config)?;
    Ok(config)
}

fn qwen3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults =
        Defaults { name: "qwen3", head_dim: Some(128), own: &["attention_bias"], ..QWEN };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.qk_norm = QkNorm::PerHead;
    qwen_windows(keys, &mut config)?;
    Ok(config)
}

fn qwen_windows(keys: Keys<'_>, config: &mut Config) -> Result<(), Error> {
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

const GEMMA2: Defaults = Defaults {
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

const GEMMA3: Defaults =
    Defaults { name: "gemma3_text", vocab_size: 262_208, context: 131_072, ..GEMMA2 };

fn gemma2(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = gemma(keys, GEMMA2)?;
    config.attention_softcap = keys.optional_positive("attn_logit_softcapping", Some(50.0))?;
    config.final_softcap = keys.optional_positive("final_logit_softcapping", Some(30.0))?;
    let window = keys.size("sliding_window", 4096)?;
    keys.windows(&mut config, Some(window), |layer| layer.is_multiple_of(2))?;
    Ok(config)
}

fn gemma3(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = gemma(keys, GEMMA3)?;
    config.qk_norm = QkNorm::PerHead;
    // transformers reads Gemma 3's `attn_logit_softcapping` and does not use it.
    config.final_softcap = keys.optional_positive("final_logit_softcapping", None)?;
    let window = keys.size("sliding_window", 4096)?;
    let pattern = keys.size("sliding_window_pattern", 6)?;
    keys.windows(&mut config, Some(window), |layer| !(layer + 1).is_multiple_of(pattern))?;

    // Windowed layers turn at their own speed. transformers 5 nests the two in
    // `rope_parameters`; before, the local one had a key and the scaling was the global one's.
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
    Ok(config)
}

fn gemma(keys: Keys<'_>, defaults: Defaults) -> Result<Config, Error> {
    let mut config = base(keys, defaults)?;
    config.norm = NormKind::RmsPlusOne;
    config.norm_placement = NormPlacement::Around;
    config.activation = keys.activation("hidden_activation", "gelu_pytorch_tanh")?;
    config.embedding_scale = Some((config.width as f32).sqrt());
    let scale = keys.positive("query_pre_attn_scalar", 256.0)?.powf(-0.5) as f32;
    for layer in &mut config.layers {
        layer.scale = scale;
    }
    Ok(config)
}

fn phi3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "phi3",
        vocab_size: 32_064,
        width: 3072,
        mlp_width: 8192,
        context: 4096,
        norm_eps: 1e-5,
        original_context: Some(4096),
        own: &["partial_rotary_factor"],
        ..LLAMA
    };
    // Phi 3's first files call LongRoPE `su`, and some `yarn`; transformers takes both for it.
    let mut json = keys.json.clone();
    for name in ["rope_scaling", "rope_parameters"] {
        for kind in ["type", "rope_type"] {
            match json.get_mut(name).and_then(|rope| rope.get_mut(kind)) {
                Some(value) if value == "yarn" => *value = Value::from("longrope"),
                _ => {}
            }
        }
    }
    let keys = Keys { json: &json, path: keys.path };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.fused_qkv = true;
    config.mlp = MlpKind::GatedFused;
    config.restarts_when_long = true;
    let window = keys.optional_size("sliding_window", None)?;
    for layer in &mut config.layers {
        layer.window = window;
    }
    Ok(config)
}

fn olmo2(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "olmo2",
        vocab_size: 50_304,
        norm_eps: 1e-5,
        own: &["attention_bias"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.norm_placement = NormPlacement::After;
    config.qk_norm = QkNorm::Whole;
    Ok(config)
}

fn smollm3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "smollm3",
        vocab_size: 128_256,
        width: 2048,
        layers: 36,
        heads: 16,
        kv_heads: Some(4),
        context: 32_768,
        rope_theta: 2e6,
        tied: true,
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    let interval = keys.size("no_rope_layer_interval", 4)?;
    let count = config.layer_count();
    let listed = match keys.get("no_rope_layers") {
        None => None,
        Some(value) => {
            let list = value.as_array().filter(|list| list.len() >= count);
            let list = list.and_then(|list| list.iter().map(Value::as_u64).collect());
            let expected = format!("0 or 1 for each of the {count} layers was expected");
            Some::<Vec<u64>>(list.ok_or_else(|| keys.refuse("no_rope_layers", expected))?)
        }
    };
    for (index, layer) in config.layers.iter_mut().enumerate() {
        // 1 in `no_rope_layers` is a layer *with* rope; so transformers reads it.
        let with_rope = match &listed {
            Some(list) => list[index] != 0,
            None => !(index + 1).is_multiple_of(interval),
        };
        layer.rope = with_rope.then_some(0);
    }
    if keys.flag("use_sliding_window", false)? {
        let window = keys.optional_size("sliding_window", None)?;
        let with_rope: Vec<bool> = config.layers.iter().map(|layer| layer.rope.is_some()).collect();
        keys.windows(&mut config, window, |layer| !with_rope[layer])?;
    }
    Ok(config)
}

fn gpt2(keys: Keys<'_>) -> Result<Config, Error> {
    keys.refuse_foreign(&[])?;
    let width = keys.size("n_embd", 768)?;
    let heads = keys.size("n_head", 12)?;
    if !width.is_multiple_of(heads) {
        return Err(keys.refuse("n_head", format!("it must divide n_embd = {width}")));
    }
    let head_dim = width / heads;
    let scaled = keys.flag("scale_attn_weights", true)?;
    let scale = if scaled { (head_dim as f32).powf(-0.5) } else { 1.0 };
    let by_layer = keys.flag("scale_attn_by_inverse_layer_idx", false)?;
    let layers = (0..keys.size_up_to("n_layer", 12, MOST_LAYERS)?).map(|index| LayerConfig {
        window: None,
        rope: None,
        scale: if by_layer { scale / (index + 1) as f32 } else { scale },
    });
    Ok(Config {
        architecture: "gpt2".to_owned(),
        vocab_size: keys.size("vocab_size", 50_257)?,
        width,
        mlp_width: keys.optional_size("n_inner", None)?.unwrap_or(4 * width),
        heads,
        kv_heads: heads,
        head_dim,
        context_length: keys.size("n_positions", 1024)?,
        layers: layers.collect(),
        ropes: Vec::new(),
        restarts_when_long: false,
        learned_positions: true,
        norm: NormKind::Layer,
        norm_eps: keys.positive("layer_norm_epsilon", 1e-5)? as f32,
        norm_placement: NormPlacement::Before,
        qk_norm: QkNorm::None,
        activation: keys.activation("activation_function", "gelu_new")?,
        mlp: MlpKind::Plain,
        fused_qkv: true,
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        attention_softcap: None,
        final_softcap: None,
        embedding_scale: None,
        tied_head: keys.flag("tie_word_embeddings", true)?,
        naming: Naming::Gpt2,
    })
}
