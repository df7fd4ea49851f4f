//! Families with multi-head latent attention, from `config.json`.

use super::base::{Defaults, LLAMA, MOST_HEAD_DIMS, base};
use super::config_keys::Keys;
use super::experts::Routing;
use super::like_llama::{query_growth, turned_in_neighbours, with_rope_default};
use super::rope::yarn_magnitude_scaled;
use super::shared_experts::{Shared, with_corrected_experts, with_groups, with_shared_experts};
use super::{Config, LatentConfig};
use crate::llm::error::Error;

/// Where the families' defaults differ, besides those of [`Defaults`].
struct Ranks {
    q: Option<usize>,
    kv: usize,
    turned: usize,
    still: usize,

    /// `None`: width / heads.
    values: Option<usize>,
}

/// The block with compressed keys and values.
fn latent(keys: Keys<'_>, defaults: Defaults, ranks: &Ranks) -> Result<Config, Error> {
    let size = |key: &str, default| keys.size_up_to(key, default, MOST_HEAD_DIMS);
    let width = keys.size("hidden_size", defaults.width)?;
    let heads = keys.size("num_attention_heads", defaults.heads)?;
    let latent = LatentConfig {
        q_rank: keys.optional_size("q_lora_rank", ranks.q)?,
        kv_rank: keys.size("kv_lora_rank", ranks.kv)?,
        turned: size("qk_rope_head_dim", ranks.turned)?,
        still: size("qk_nope_head_dim", ranks.still)?,
        values: size("v_head_dim", ranks.values.unwrap_or_else(|| (width / heads).max(1)))?,
        bias: keys.flag("attention_bias", false)?,
    };
    let queries = latent.turned + latent.still;
    // The file's `head_dim` is that of another part in each family.
    let mut json = keys.json.clone();
    if let Some(map) = json.as_object_mut() {
        map.insert("head_dim".to_owned(), queries.max(latent.values).into());
        map.remove("num_key_value_heads");
        map.remove("partial_rotary_factor");
        for rope in ["rope_parameters", "rope_scaling"] {
            if let Some(rope) = map.get_mut(rope).and_then(|rope| rope.as_object_mut()) {
                rope.remove("partial_rotary_factor");
            }
        }
    }
    let keys = keys.of(&json);
    let defaults = Defaults { rotary_dims: Some(latent.turned), ..defaults };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    (config.qkv_bias, config.output_bias) = (false, latent.bias);
    config.latent = Some(latent);
    let scale = (queries as f32).powf(-0.5);
    config.layers.iter_mut().for_each(|layer| layer.scale = scale);
    Ok(config)
}

/// `YaRN`'s magnitude goes into the scores as well.
fn scale_by_yarn(keys: Keys<'_>, config: &mut Config) -> Result<(), Error> {
    let Some(settings) = keys.rope_settings() else { return Ok(()) };
    let settings = keys.of(settings);
    let kind = settings.text("rope_type").or_else(|| settings.text("type"));
    let weight = settings.get("mscale_all_dim").and_then(serde_json::Value::as_f64);
    if let (Some(weight), false) = (weight, matches!(kind, None | Some("default"))) {
        let magnitude = if weight == 0.0 {
            1.0
        } else {
            yarn_magnitude_scaled(settings.positive("factor", 1.0)?, weight) as f32
        };
        config.layers.iter_mut().for_each(|layer| layer.scale *= magnitude * magnitude);
    }
    Ok(())
}

pub(super) fn deepseek_v2(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "deepseek_v2",
        vocab_size: 102_400,
        own: &["attention_bias", "mlp_bias", "n_routed_experts"],
        ..LLAMA
    };
    let ranks = Ranks { q: Some(1536), kv: 512, turned: 64, still: 128, values: Some(128) };
    let mut config = turned_in_neighbours(latent(keys, defaults, &ranks)?);
    scale_by_yarn(keys, &mut config)?;
    let experts = Shared { count: 64, chosen: 6, width: 1407, shared: 2, dense: 0, scale: 1.0 };
    let routing = Routing::Softmax { normalised: false };
    let config = with_shared_experts(keys, config, experts, routing)?;
    match keys.text("topk_method").unwrap_or("greedy") {
        "greedy" => Ok(config),
        "group_limited_greedy" => with_groups(keys, config, 1, (1, 1)),
        _ => Err(keys.refuse("topk_method", "greedy and group_limited_greedy are known")),
    }
}

pub(super) fn mistral4(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "mistral4",
        vocab_size: 131_072,
        mlp_width: 12_288,
        layers: 36,
        context: 1_048_576,
        own: &["attention_bias", "n_routed_experts"],
        ..LLAMA
    };
    let json = with_rope_default(
        keys,
        serde_json::json!({
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 128.0, "beta_fast": 32.0, "beta_slow": 1.0,
            "original_max_position_embeddings": 8192, "mscale": 1.0, "mscale_all_dim": 1.0,
            "llama_4_scaling_beta": 0.1,
        }),
    );
    let keys = keys.of(&json);
    let ranks = Ranks { q: Some(1024), kv: 256, turned: 64, still: 64, values: Some(128) };
    let mut config = turned_where_told(keys, latent(keys, defaults, &ranks)?)?;
    if let Some(growth) = query_growth(keys)? {
        config.ropes = config.ropes.into_iter().map(|rope| rope.with_growth(growth)).collect();
    }
    let normalised = keys.flag("norm_topk_prob", true)?;
    let experts = Shared { count: 128, chosen: 4, width: 2048, shared: 1, dense: 0, scale: 1.0 };
    let routing = Routing::Softmax { normalised };
    let config = with_shared_experts(keys, config, experts, routing)?;
    with_groups(keys, config, 2, (1, 1))
}

/// `DeepSeek` V3, R1 and Moonlight.
pub(super) fn deepseek_v3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "deepseek_v3",
        vocab_size: 129_280,
        width: 7168,
        mlp_width: 18_432,
        layers: 61,
        heads: 128,
        context: 4096,
        own: &["attention_bias", "n_routed_experts"],
        ..LLAMA
    };
    let ranks = Ranks { q: Some(1536), kv: 512, turned: 64, still: 128, values: Some(128) };
    let config = turned_where_told(keys, latent(keys, defaults, &ranks)?)?;
    let experts = Shared { count: 256, chosen: 8, width: 2048, shared: 1, dense: 3, scale: 2.5 };
    with_corrected_experts(keys, config, experts, (8, 4))
}

/// GLM-4.7-Flash.
pub(super) fn glm4_moe_lite(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "glm4_moe_lite",
        vocab_size: 154_880,
        width: 2048,
        mlp_width: 10_240,
        layers: 47,
        heads: 20,
        context: 202_752,
        norm_eps: 1e-5,
        own: &["attention_bias", "n_routed_experts"],
        ..LLAMA
    };
    if keys.partial_rotary_factor(1.0)? != 1.0 {
        let expected = "all of qk_rope_head_dim turns in models of this family: 1 was expected";
        return Err(keys.refuse("partial_rotary_factor", expected));
    }
    let ranks = Ranks { q: Some(768), kv: 512, turned: 64, still: 192, values: Some(256) };
    let config = turned_where_told(keys, latent(keys, defaults, &ranks)?)?;
    // Which layers have experts, a list of its own says; transformers does not look at the number.
    let mut json = keys.json.clone();
    if let Some(map) = json.as_object_mut() {
        map.remove("first_k_dense_replace");
    }
    let experts = Shared { count: 64, chosen: 4, width: 1536, shared: 1, dense: 1, scale: 1.8 };
    let mut config = with_corrected_experts(keys.of(&json), config, experts, (1, 1))?;
    let Some(types) = keys.get("mlp_layer_types") else { return Ok(config) };
    let expected = || {
        let expected = format!("dense or sparse for each of the {} layers", config.layer_count());
        keys.refuse("mlp_layer_types", expected)
    };
    let types = types.as_array().filter(|types| types.len() == config.layer_count());
    let sparse = types.ok_or_else(expected)?.iter().map(|kind| match kind.as_str() {
        Some("sparse") => Ok(true),
        Some("dense") => Ok(false),
        _ => Err(expected()),
    });
    let sparse: Vec<bool> = sparse.collect::<Result<_, _>>()?;
    for (layer, sparse) in config.layers.iter_mut().zip(sparse) {
        layer.experts = sparse;
    }
    Ok(config)
}

/// Pairs are neighbours where the file does not say otherwise.
fn turned_where_told(keys: Keys<'_>, mut config: Config) -> Result<Config, Error> {
    if keys.flag("rope_interleave", true)? {
        config = turned_in_neighbours(config);
    }
    scale_by_yarn(keys, &mut config)?;
    Ok(config)
}

pub(super) fn minicpm3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "minicpm3",
        vocab_size: 73_448,
        width: 2560,
        mlp_width: 6400,
        layers: 62,
        heads: 40,
        context: 32_768,
        norm_eps: 1e-5,
        tied: true,
        ..LLAMA
    };
    let ranks = Ranks { q: Some(768), kv: 256, turned: 32, still: 64, values: None };
    let mut config = latent(keys, defaults, &ranks)?;
    let layers = (config.layer_count() as f64).sqrt();
    config.embedding_scale = Some(keys.positive("scale_emb", 12.0)? as f32);
    config.residual_scale = Some((keys.positive("scale_depth", 1.4)? / layers) as f32);
    let base_width = keys.positive("dim_model_base", 256.0)?;
    config.logit_scale = Some((base_width / config.width as f64) as f32);
    Ok(config)
}
