//! Families of the Llama kind: what each does otherwise, from `config.json`. The older ones:
//! `older.rs`; what they all begin with: `base.rs`.

use serde_json::{Value, json};

use super::base::{Defaults, LLAMA, base};
use super::config_keys::{Keys, RopeDefaults};
use super::names::Naming;
use super::rope::{QueryGrowth, Rope};
use super::{Config, MlpKind, NormKind, NormPlacement, QkNorm};
use crate::llm::error::Error;

/// Rope settings that a family has where its file says nothing of them, put into the description. A base
/// among them is kept, also where the file has one outside, as transformers keeps it.
pub(super) fn with_rope_default(keys: Keys<'_>, default: Value) -> Value {
    let mut json = keys.json.clone();
    if keys.rope_settings().is_none()
        && let Some(map) = json.as_object_mut()
    {
        map.remove("rope_scaling");
        map.insert("rope_parameters".to_owned(), default);
    }
    json
}

pub(super) fn ministral3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "ministral3",
        vocab_size: 131_072,
        mlp_width: 14_336,
        layers: 34,
        kv_heads: Some(8),
        head_dim: Some(128),
        context: 262_144,
        norm_eps: 1e-5,
        rope_theta: 1e6,
        own: &[],
        ..LLAMA
    };
    let json = with_rope_default(
        keys,
        json!({
            "rope_type": "yarn", "rope_theta": 1e6, "factor": 16.0, "beta_fast": 32.0, "beta_slow": 1.0,
            "original_max_position_embeddings": 16_384, "mscale": 1.0, "mscale_all_dim": 1.0,
            "llama_4_scaling_beta": 0.1,
        }),
    );
    let keys = keys.of(&json);
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    let window = keys.optional_size("sliding_window", None)?;
    config.layers.iter_mut().for_each(|layer| layer.window = window);
    if let Some(growth) = query_growth(keys)? {
        config.ropes = config.ropes.into_iter().map(|rope| rope.with_growth(growth)).collect();
    }
    Ok(config)
}

/// `llama_4_scaling_beta` among the rope settings.
pub(super) fn query_growth(keys: Keys<'_>) -> Result<Option<QueryGrowth>, Error> {
    let Some(settings) = keys.rope_settings() else { return Ok(None) };
    let settings = keys.of(settings);
    let beta = settings.optional_positive("llama_4_scaling_beta", None)?;
    let every = settings.size("original_max_position_embeddings", 1)?;
    Ok(beta.map(|beta| QueryGrowth { beta, every }))
}

pub(super) fn granite(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "granite",
        own: &[
            "attention_bias",
            "mlp_bias",
            "embedding_multiplier",
            "attention_multiplier",
            "residual_multiplier",
            "logits_scaling",
        ],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    granite_multipliers(keys, &mut config)?;
    Ok(config)
}

pub(super) fn granite_multipliers(keys: Keys<'_>, config: &mut Config) -> Result<(), Error> {
    let unless_one = |value: f64| (value != 1.0).then_some(value as f32);
    config.embedding_scale = unless_one(keys.positive("embedding_multiplier", 1.0)?);
    config.residual_scale = unless_one(keys.positive("residual_multiplier", 1.0)?);
    config.logit_scale = unless_one(keys.positive("logits_scaling", 1.0)?.recip());
    let scale = keys.positive("attention_multiplier", 1.0)? as f32;
    config.layers.iter_mut().for_each(|layer| layer.scale = scale);
    Ok(())
}

pub(super) fn seed_oss(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "seed_oss",
        vocab_size: 155_136,
        mlp_width: 27_648,
        layers: 64,
        heads: 80,
        kv_heads: Some(8),
        head_dim: Some(128),
        context: 524_288,
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.qkv_bias = keys.flag("attention_bias", true)?;
    config.output_bias = keys.flag("attention_out_bias", false)?;
    Ok(config)
}

pub(super) fn ernie(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "ernie4_5",
        vocab_size: 103_424,
        width: 1024,
        mlp_width: 3072,
        layers: 18,
        heads: 16,
        kv_heads: Some(2),
        head_dim: Some(128),
        context: 131_072,
        norm_eps: 1e-5,
        rope_theta: 500_000.0,
        tied: true,
        own: &[],
        ..LLAMA
    };
    let mut config = turned_in_neighbours(base(keys, defaults)?);
    config.activation = keys.activation("hidden_act", "silu")?;
    let bias = keys.flag("use_bias", false)?;
    (config.qkv_bias, config.output_bias, config.mlp_bias) = (bias, bias, bias);
    Ok(config)
}

pub(super) fn turned_in_neighbours(mut config: Config) -> Config {
    config.ropes = config.ropes.into_iter().map(Rope::of_neighbours).collect();
    config
}

pub(super) fn hunyuan(keys: Keys<'_>) -> Result<Config, Error> {
    hunyuan_base(keys, "hunyuan_v1_dense", &["attention_bias"])
}

/// What Hunyuan's dense models and its mixtures share.
pub(super) fn hunyuan_base(
    keys: Keys<'_>,
    name: &'static str,
    own: &'static [&'static str],
) -> Result<Config, Error> {
    let defaults = Defaults { name, vocab_size: 290_943, norm_eps: 1e-5, own, ..LLAMA };
    // `dynamic` with an `alpha` is another base, whatever the length of the text.
    let mut json = keys.json.clone();
    if let Some(settings) = keys.rope_settings() {
        let settings = keys.of(settings);
        let kind = settings.text("rope_type").or_else(|| settings.text("type"));
        if kind == Some("dynamic") && settings.get("alpha").is_some() {
            let alpha = settings.positive("alpha", 1.0)?;
            let theta = match settings.get("rope_theta") {
                Some(_) => settings.positive("rope_theta", LLAMA.rope_theta)?,
                None => keys.positive("rope_theta", LLAMA.rope_theta)?,
            };
            let heads = keys.size("num_attention_heads", LLAMA.heads)?;
            let dim = keys.size("head_dim", keys.size("hidden_size", LLAMA.width)? / heads)? as f64;
            if dim <= 2.0 {
                return Err(keys.refuse("head_dim", "more than 2 were expected"));
            }
            let theta = theta * alpha.powf(dim / (dim - 2.0));
            if let Some(map) = json.as_object_mut() {
                map.remove("rope_scaling");
                map.insert("rope_parameters".to_owned(), json!({ "rope_theta": theta }));
            }
        }
    }
    let keys = keys.of(&json);
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.qk_norm = QkNorm::PerHeadTurned;
    config.naming = Naming::Hunyuan;
    Ok(config)
}

pub(super) fn glm4(keys: Keys<'_>) -> Result<Config, Error> {
    let config = glm_base(keys, "glm4")?;
    Ok(Config { norm_placement: NormPlacement::Around, naming: Naming::Glm4, ..config })
}

/// GLM-4 as it was first published (`glm-4-9b-hf`).
pub(super) fn glm(keys: Keys<'_>) -> Result<Config, Error> {
    glm_base(keys, "glm")
}

fn glm_base(keys: Keys<'_>, name: &'static str) -> Result<Config, Error> {
    let defaults = Defaults {
        name,
        vocab_size: 151_552,
        mlp_width: 13_696,
        layers: 40,
        kv_heads: Some(2),
        head_dim: Some(128),
        context: 131_072,
        norm_eps: 1.5625e-7,
        partial: 0.5,
        own: &["attention_bias", "partial_rotary_factor"],
        ..LLAMA
    };
    let mut config = turned_in_neighbours(base(keys, defaults)?);
    config.activation = keys.activation("hidden_act", "silu")?;
    config.mlp = MlpKind::GatedFused;
    config.qkv_bias = keys.flag("attention_bias", true)?;
    config.output_bias = false;
    Ok(config)
}

pub(super) fn exaone4(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "exaone4",
        vocab_size: 102_400,
        mlp_width: 16_384,
        norm_eps: 1e-5,
        own: &[],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.norm_placement = NormPlacement::After;
    config.qk_norm = QkNorm::PerHead;
    let window = keys.optional_size("sliding_window", Some(4096))?;
    let pattern = keys.raw("sliding_window_pattern");
    // "LLLG": local, local, local, global, and so on; or the number of the global one.
    match pattern.and_then(Value::as_str) {
        Some(letters) if !letters.is_empty() && letters.chars().all(|kind| "LG".contains(kind)) => {
            let local: Vec<bool> = letters.chars().map(|kind| kind == 'L').collect();
            keys.windows(&mut config, window, |layer| local[layer % local.len()])?;
        }
        _ if window.is_none() => keys.windows(&mut config, None, |_| false)?,
        _ => {
            let every = keys.size("sliding_window_pattern", 4)?;
            keys.windows(&mut config, window, |layer| !(layer + 1).is_multiple_of(every))?;
        }
    }
    if window.is_some() {
        for layer in &mut config.layers {
            layer.rope = layer.window.map(|_| 0);
        }
    }
    Ok(config)
}

pub(super) fn apertus(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "apertus",
        vocab_size: 131_072,
        mlp_width: 14_336,
        context: 65_536,
        norm_eps: 1e-5,
        rope_theta: 12e6,
        own: &["attention_bias"],
        ..LLAMA
    };
    let json = with_rope_default(
        keys,
        json!({
            "rope_type": "llama3", "rope_theta": 12e6, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192,
        }),
    );
    let keys = keys.of(&json);
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "xielu")?;
    config.qk_norm = QkNorm::PerHead;
    config.mlp = MlpKind::Plain;
    config.naming = Naming::Apertus;
    Ok(config)
}

pub(super) fn nanochat(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "nanochat",
        vocab_size: 50_304,
        width: 768,
        mlp_width: 8192,
        layers: 12,
        heads: 6,
        kv_heads: Some(6),
        own: &["attention_bias", "final_logit_softcapping"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "relu2")?;
    config.norm = NormKind::Unit;
    config.embedding_norm = true;
    config.qk_norm = QkNorm::PerHeadTurned;
    config.mlp = MlpKind::Plain;
    config.final_softcap = keys.optional_positive("final_logit_softcapping", Some(15.0))?;
    config.ropes = config.ropes.into_iter().map(Rope::turned_back).collect();
    config.naming = Naming::NanoChat;
    Ok(config)
}

pub(super) fn cohere2(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("rms_norm_eps", "layer_norm_eps")]);
    let defaults = Defaults {
        name: "cohere2",
        vocab_size: 256_000,
        width: 8192,
        mlp_width: 22_528,
        layers: 40,
        heads: 64,
        context: 8192,
        norm_eps: 1e-5,
        tied: true,
        own: &["attention_bias", "logit_scale"],
        ..LLAMA
    };
    let mut config = turned_in_neighbours(base(keys, defaults)?);
    config.activation = keys.activation("hidden_act", "silu")?;
    config.norm = NormKind::LayerWithoutBias;
    config.norm_placement = NormPlacement::ParallelShared;
    config.logit_scale = keys.optional_positive("logit_scale", Some(0.0625))?;
    let window = keys.optional_size("sliding_window", Some(4096))?;
    let every = keys.size("sliding_window_pattern", 4)?;
    keys.windows(&mut config, window, |layer| !(layer + 1).is_multiple_of(every))?;
    for layer in &mut config.layers {
        layer.rope = layer.window.map(|_| 0);
    }
    Ok(config)
}

/// Command-R and Aya 23.
pub(super) fn cohere(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("rms_norm_eps", "layer_norm_eps")]);
    let defaults = Defaults {
        name: "cohere",
        vocab_size: 256_000,
        width: 8192,
        mlp_width: 22_528,
        layers: 40,
        heads: 64,
        context: 8192,
        norm_eps: 1e-5,
        rope_theta: 500_000.0,
        tied: true,
        own: &["attention_bias", "logit_scale", "use_qk_norm"],
        ..LLAMA
    };
    let mut config = turned_in_neighbours(base(keys, defaults)?);
    config.activation = keys.activation("hidden_act", "silu")?;
    config.norm = NormKind::LayerWithoutBias;
    config.norm_placement = NormPlacement::ParallelShared;
    config.logit_scale = keys.optional_positive("logit_scale", Some(0.0625))?;
    if keys.flag("use_qk_norm", false)? {
        config.qk_norm = QkNorm::EachHeadAtOnce;
    }
    Ok(config)
}

pub(super) fn olmo3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "olmo3",
        vocab_size: 50_304,
        norm_eps: 1e-5,
        ropes_by_layer: true,
        own: &["attention_bias"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.norm_placement = NormPlacement::After;
    config.qk_norm = QkNorm::Whole;
    let window = keys.size("sliding_window", 4096)?;
    keys.windows(&mut config, Some(window), |layer| !(layer + 1).is_multiple_of(4))?;

    // One set of settings for each kind of layer; in older files `rope_scaling` is that of the
    // layers without a window, and so is `rope_theta`: transformers gives the others 500,000.
    let nested = keys.get("rope_parameters");
    let of = |kind: &str| nested.and_then(|all| all.get(kind)).filter(|value| !value.is_null());
    let full = keys.get("rope_scaling").or_else(|| of("full_attention"));
    let defaults = RopeDefaults {
        theta: 500_000.0,
        dims: config.head_dim,
        context: keys.size("max_position_embeddings", LLAMA.context)?,
        original_context: None,
        by_layer: true,
    };
    let global = keys.rope(full, "rope_theta", defaults)?;
    let has_theta = full.is_some_and(|full| full.get("rope_theta").is_some());
    let theta_key = if has_theta { "rope_theta" } else { "" };
    let local = keys.rope(of("sliding_attention"), theta_key, defaults)?;
    config.ropes = vec![global, local];
    for layer in &mut config.layers {
        layer.rope = Some(usize::from(layer.window.is_some()));
    }
    Ok(config)
}
