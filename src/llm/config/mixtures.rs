//! Mixtures of experts, from `config.json`.

use serde_json::Value;

use super::base::{Defaults, LLAMA, QWEN, base};
use super::config_keys::Keys;
use super::experts::{ExpertGate, ExpertsConfig, Packing, Routing, SharedExpertConfig};
use super::like_llama::{
    granite_multipliers, hunyuan_base, turned_in_neighbours, with_rope_default,
};
use super::names::Naming;
use super::rope::Rope;
use super::{Config, NormKind, QkNorm};
use crate::llm::error::Error;

/// Experts that are refused: a list of them would take memory before any tensor is looked at.
pub(super) const MOST_EXPERTS: usize = 4096;

/// The experts of a family, all of whose layers have them.
pub(super) fn with_experts(
    keys: Keys<'_>,
    mut config: Config,
    (count, chosen): (usize, usize),
    width: usize,
    routing: Routing,
) -> Result<Config, Error> {
    let count = keys.size_up_to("num_experts", count, MOST_EXPERTS)?;
    let chosen = keys.size("num_experts_per_tok", chosen)?;
    if chosen > count {
        let expected = format!("at most the {count} experts that there are were expected");
        return Err(keys.refuse("num_experts_per_tok", expected));
    }
    config.layers.iter_mut().for_each(|layer| layer.experts = true);
    config.experts = Some(ExpertsConfig::plain(count, chosen, width, routing));
    config.activation = keys.activation("hidden_act", "silu")?;
    Ok(config)
}

pub(super) fn mixtral(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "num_local_experts")]);
    let defaults = Defaults {
        name: "mixtral",
        mlp_width: 14_336,
        kv_heads: Some(8),
        context: 131_072,
        norm_eps: 1e-5,
        rope_theta: 1e6,
        own: &["num_local_experts"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    let window = keys.optional_size("sliding_window", None)?;
    config.layers.iter_mut().for_each(|layer| layer.window = window);
    config.naming = Naming::Mixtral;
    let width = config.mlp_width;
    with_experts(keys, config, (8, 2), width, Routing::Softmax { normalised: true })
}

pub(super) fn olmoe(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "olmoe",
        vocab_size: 50_304,
        width: 2048,
        mlp_width: 2048,
        layers: 16,
        heads: 16,
        context: 4096,
        norm_eps: 1e-5,
        own: &["attention_bias", "clip_qkv", "num_experts"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.qk_norm = QkNorm::Whole;
    config.clip_qkv = keys.optional_positive("clip_qkv", None)?;
    let width = config.mlp_width;
    let normalised = keys.flag("norm_topk_prob", false)?;
    with_experts(keys, config, (64, 8), width, Routing::Softmax { normalised })
}

pub(super) fn qwen3_moe(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "num_local_experts")]);
    let defaults = Defaults {
        name: "qwen3_moe",
        width: 2048,
        mlp_width: 6144,
        layers: 24,
        kv_heads: Some(4),
        own: &["attention_bias", "num_experts", "num_local_experts"],
        ..QWEN
    };
    let mut config = base(keys, defaults)?;
    config.qk_norm = QkNorm::PerHead;
    let window = keys.optional_size("sliding_window", None)?;
    if keys.flag("use_sliding_window", false)? {
        config.layers.iter_mut().for_each(|layer| layer.window = window);
    }
    let width = keys.size("moe_intermediate_size", 768)?;
    let normalised = keys.flag("norm_topk_prob", false)?;
    let config = with_experts(keys, config, (128, 8), width, Routing::Softmax { normalised })?;
    some_layers(keys, config)
}

pub(super) fn qwen2_moe(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "qwen2_moe",
        width: 2048,
        mlp_width: 5632,
        layers: 24,
        heads: 16,
        kv_heads: Some(16),
        own: &["num_experts"],
        ..QWEN
    };
    let mut config = base(keys, defaults)?;
    config.qkv_bias = keys.flag("qkv_bias", true)?;
    if keys.flag("use_sliding_window", false)? {
        // Otherwise than in Qwen 2: every second layer, up to a number of them.
        let window = keys.optional_size("sliding_window", Some(4096))?;
        let most = match keys.get("max_window_layers").and_then(Value::as_u64) {
            Some(0) => 0,
            _ => keys.size("max_window_layers", 28)?,
        };
        keys.windows(&mut config, window, |layer| layer.is_multiple_of(2) && layer < most)?;
    }
    let width = keys.size("moe_intermediate_size", 1408)?;
    let normalised = keys.flag("norm_topk_prob", false)?;
    let mut config = with_experts(keys, config, (60, 4), width, Routing::Softmax { normalised })?;
    let width = keys.size("shared_expert_intermediate_size", 5632)?;
    if let Some(experts) = &mut config.experts {
        experts.shared = Some(SharedExpertConfig { width, is_mlp: false, gated: true });
    }
    some_layers(keys, config)
}

/// Qwen can have layers with an ordinary MLP: those of a list, and all but every n-th.
pub(super) fn some_layers(keys: Keys<'_>, mut config: Config) -> Result<Config, Error> {
    let step = keys.size("decoder_sparse_step", 1)?;
    let listed = match keys.get("mlp_only_layers") {
        None => Vec::new(),
        Some(value) => {
            let list = value.as_array().and_then(|list| list.iter().map(Value::as_u64).collect());
            list.ok_or_else(|| keys.refuse("mlp_only_layers", "a list of layers was expected"))?
        }
    };
    for (index, layer) in config.layers.iter_mut().enumerate() {
        layer.experts = !listed.contains(&(index as u64)) && (index + 1).is_multiple_of(step);
    }
    Ok(config)
}

pub(super) fn granitemoe(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "num_local_experts")]);
    let defaults = Defaults {
        name: "granitemoe",
        own: &[
            "attention_bias",
            "embedding_multiplier",
            "attention_multiplier",
            "residual_multiplier",
            "logits_scaling",
            "num_local_experts",
        ],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    granite_multipliers(keys, &mut config)?;
    config.naming = Naming::GraniteMoe;
    let width = config.mlp_width;
    // A softmax over those that were chosen.
    with_experts(keys, config, (8, 2), width, Routing::Softmax { normalised: true })
}

pub(super) fn phimoe(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "num_local_experts")]);
    let defaults = Defaults {
        name: "phimoe",
        vocab_size: 32_064,
        mlp_width: 6400,
        kv_heads: Some(8),
        context: 131_072,
        norm_eps: 1e-5,
        rope_theta: 1e6,
        own: &["attention_bias", "num_local_experts"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    if keys.size("num_experts_per_tok", 2)? != 2 {
        return Err(keys.refuse("num_experts_per_tok", "2, as the router has it, was expected"));
    }
    config.norm = NormKind::Layer;
    config.head_bias = keys.flag("lm_head_bias", false)?;
    let window = keys.optional_size("sliding_window", None)?;
    config.layers.iter_mut().for_each(|layer| layer.window = window);
    // transformers turns texts of any length by the short divisors; only the magnitude changes.
    if let Some(settings) = keys.rope_settings().filter(|rope| rope.get("short_mscale").is_some()) {
        let settings = keys.of(settings);
        let [short, long] = ["short_mscale", "long_mscale"].map(|key| settings.positive(key, 1.0));
        let (short, long) = (short? as f32, long? as f32);
        let outside = keys.get("original_max_position_embeddings").is_some();
        let whose = if outside { keys } else { settings };
        let trained = whose.size("original_max_position_embeddings", config.context_length)?;
        let turned = |rope: Rope| rope.of_phimoe(short, long, trained);
        config.ropes = config.ropes.into_iter().map(turned).collect();
        config.restarts_when_long = true;
    }
    config.naming = Naming::Mixtral;
    let width = config.mlp_width;
    let jitter = keys.positive("router_jitter_noise", 0.01)? as f32;
    with_experts(keys, config, (16, 2), width, Routing::SparseMixer { jitter })
}

pub(super) fn ernie_moe(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "moe_num_experts"), ("num_experts_per_tok", "moe_k")]);
    let defaults = Defaults {
        name: "ernie4_5_moe",
        vocab_size: 103_424,
        width: 2560,
        mlp_width: 12_288,
        layers: 28,
        heads: 20,
        kv_heads: Some(4),
        context: 131_072,
        norm_eps: 1e-5,
        rope_theta: 500_000.0,
        tied: true,
        own: &["num_experts"],
        ..LLAMA
    };
    let mut config = turned_in_neighbours(base(keys, defaults)?);
    let bias = keys.flag("use_bias", false)?;
    (config.qkv_bias, config.output_bias, config.mlp_bias) = (bias, bias, bias);
    config.head_bias = bias;
    config.naming = Naming::Ernie;
    let width = keys.size("moe_intermediate_size", 1536)?;
    let mut config =
        with_experts(keys, config, (64, 6), width, Routing::Softmax { normalised: true })?;
    let shared = match keys.get("moe_num_shared_experts").and_then(Value::as_u64) {
        Some(0) => 0,
        _ => keys.size("moe_num_shared_experts", 2)? * width,
    };
    if let Some(experts) = &mut config.experts {
        experts.correction = true;
        experts.shared = (shared > 0).then_some(SharedExpertConfig {
            width: shared,
            is_mlp: false,
            gated: false,
        });
    }
    let place = |key: &str, default: i64| match keys.get(key) {
        None => Ok(default),
        Some(value) => {
            value.as_i64().ok_or_else(|| keys.refuse(key, "a whole number was expected"))
        }
    };
    let count = i64::try_from(config.layer_count()).unwrap_or(i64::MAX);
    let first = place("moe_layer_start_index", 1)?;
    let last = match place("moe_layer_end_index", -1)? {
        -1 => count - 1,
        last => last,
    };
    let every = keys.size("moe_layer_interval", 1)?;
    for (index, layer) in config.layers.iter_mut().enumerate() {
        let within = i64::try_from(index).is_ok_and(|index| (first..=last).contains(&index));
        layer.experts = within && (index + 1).is_multiple_of(every);
    }
    Ok(config)
}

pub(super) fn hunyuan_moe(keys: Keys<'_>) -> Result<Config, Error> {
    let config = hunyuan_base(keys, "hunyuan_v1_moe", &["attention_bias", "num_experts"])?;
    let keys = keys.called(&[("num_experts_per_tok", "moe_topk")]);
    // Each layer may have a number of its own; those that differ are not computed.
    let mut json = keys.json.clone();
    for key in ["num_experts", "moe_topk"] {
        let Some(list) = json.get(key).and_then(Value::as_array) else { continue };
        let same = list.iter().all(|number| Some(number) == list.first());
        let Some(first) = list.first().filter(|_| same && list.len() >= config.layer_count())
        else {
            return Err(keys.refuse(key, "one number for all layers was expected"));
        };
        json[key] = first.clone();
    }
    let width = config.mlp_width;
    let routing = Routing::Softmax { normalised: true };
    let mut config = with_experts(keys.of(&json), config, (1, 1), width, routing)?;
    if let Some(experts) = &mut config.experts {
        experts.shared = Some(SharedExpertConfig { width, is_mlp: false, gated: false });
    }
    Ok(config)
}

pub(super) fn gpt_oss(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "num_local_experts")]);
    let defaults = Defaults {
        name: "gpt_oss",
        vocab_size: 201_088,
        width: 2880,
        mlp_width: 2880,
        layers: 36,
        heads: 64,
        kv_heads: Some(8),
        head_dim: Some(64),
        context: 131_072,
        norm_eps: 1e-5,
        rope_theta: 150_000.0,
        own: &["attention_bias", "num_local_experts", "quantization_config"],
        ..LLAMA
    };
    if let Some(quantization) = keys.get("quantization_config")
        && keys.of(quantization).text("quant_method") != Some("mxfp4")
    {
        return Err(keys.refuse("quantization_config", "mxfp4 was expected"));
    }
    let json = with_rope_default(
        keys,
        serde_json::json!({
            "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
            "truncate": false, "original_max_position_embeddings": 4096,
        }),
    );
    let keys = keys.of(&json);
    let mut config = base(keys, defaults)?;
    let bias = keys.flag("attention_bias", true)?;
    (config.qkv_bias, config.output_bias) = (bias, bias);
    config.sinks = true;
    config.naming = Naming::GptOss;
    let window = keys.size("sliding_window", 128)?;
    keys.windows(&mut config, Some(window), |layer| layer.is_multiple_of(2))?;
    let width = config.mlp_width;
    let routing = Routing::Softmax { normalised: true };
    let mut config = with_experts(keys, config, (128, 4), width, routing)?;
    let slope = keys.positive("swiglu_alpha", 1.702)? as f32;
    let limit = keys.positive("swiglu_limit", 7.0)? as f32;
    if let Some(experts) = &mut config.experts {
        experts.gate = ExpertGate::Clamped { slope, limit };
        (experts.router_bias, experts.bias) = (true, true);
        experts.packing = Packing::InTurn;
    }
    Ok(config)
}
