//! Families with multi-head latent attention, from `config.json`.

use super::base::{Defaults, LLAMA, MOST_HEAD_DIMS, base};
use super::config_keys::Keys;
use super::experts::{ExpertGroups, Routing, SharedExpertConfig};
use super::like_llama::{query_growth, turned_in_neighbours, with_rope_default};
use super::mixtures::with_experts;
use super::names::Naming;
use super::rope::yarn_magnitude_scaled;
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

/// Experts as both of `DeepSeek` V2 and Mistral 4 have them: the first layers without, and some that
/// every token goes through, which are one MLP.
fn with_shared_experts(
    keys: Keys<'_>,
    config: Config,
    (count, chosen): (usize, usize),
    (width, shared): (usize, usize),
    normalised: bool,
) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "n_routed_experts")]);
    let width = keys.size("moe_intermediate_size", width)?;
    let routing = Routing::Softmax { normalised };
    let mut config = with_experts(keys, config, (count, chosen), width, routing)?;
    config.naming = Naming::DeepSeek;
    let shared = keys.size("n_shared_experts", shared)? * width;
    let scale = keys.positive("routed_scaling_factor", 1.0)? as f32;
    if let Some(experts) = &mut config.experts {
        experts.scale = scale;
        experts.shared = Some(SharedExpertConfig { width: shared, is_mlp: false, gated: false });
    }
    let dense = keys.get("first_k_dense_replace").and_then(serde_json::Value::as_u64).unwrap_or(0);
    for (index, layer) in config.layers.iter_mut().enumerate() {
        layer.experts = index as u64 >= dense;
    }
    Ok(config)
}

fn with_groups(keys: Keys<'_>, mut config: Config, by_best: usize) -> Result<Config, Error> {
    let (count, kept) = (keys.size("n_group", 1)?, keys.size("topk_group", 1)?);
    if let Some(experts) = &mut config.experts {
        let fits = experts.count.is_multiple_of(count)
            && kept <= count
            && experts.chosen <= experts.count / count * kept;
        if !fits {
            let expected = format!("groups of the {} experts were expected", experts.count);
            return Err(keys.refuse("n_group", expected));
        }
        experts.groups = (kept < count).then_some(ExpertGroups { count, kept, by_best });
    }
    Ok(config)
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
    let config = with_shared_experts(keys, config, (64, 6), (1407, 2), false)?;
    match keys.text("topk_method").unwrap_or("greedy") {
        "greedy" => Ok(config),
        "group_limited_greedy" => with_groups(keys, config, 1),
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
    let mut config = latent(keys, defaults, &ranks)?;
    if keys.flag("rope_interleave", true)? {
        config = turned_in_neighbours(config);
    }
    scale_by_yarn(keys, &mut config)?;
    if let Some(growth) = query_growth(keys)? {
        config.ropes = config.ropes.into_iter().map(|rope| rope.with_growth(growth)).collect();
    }
    let normalised = keys.flag("norm_topk_prob", true)?;
    let config = with_shared_experts(keys, config, (128, 4), (2048, 1), normalised)?;
    with_groups(keys, config, 2)
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
