//! Families that mix recurrent layers with attention, from `config.json`.

use serde_json::Value;

use super::base::{Defaults, LLAMA, MOST_LAYERS, QWEN, base};
use super::config_keys::{Keys, RopeDefaults};
use super::experts::{Routing, SharedExpertConfig};
use super::like_llama::granite_multipliers;
use super::mixtures::{some_layers, with_experts};
use super::names::Naming;
use super::recurrent_layers::{BesideAttention, MambaDims, MambaNorm, RecurrentConfig};
use super::{Config, MlpKind, NormKind, NormPlacement, QkNorm};
use crate::llm::error::Error;

/// Which layers are recurrent: those that `layer_types` calls so, or, without such a list, those that
/// `by_default` picks.
fn recurrent_layers(
    keys: Keys<'_>,
    config: &mut Config,
    name: &str,
    by_default: impl Fn(usize) -> bool,
) -> Result<(), Error> {
    let count = config.layer_count();
    let types = match keys.get("layer_types") {
        None => None,
        Some(value) => {
            let list = value.as_array().filter(|list| list.len() == count);
            let expected = || format!("one entry for each of the {count} layers");
            Some(list.ok_or_else(|| keys.refuse("layer_types", expected()))?)
        }
    };
    for (index, layer) in config.layers.iter_mut().enumerate() {
        layer.recurrent = match types.map(|types| types[index].as_str()) {
            None => by_default(index),
            Some(Some(kind)) if kind == name => true,
            Some(Some("full_attention" | "attention")) => false,
            Some(_) => {
                let expected = format!("full_attention and {name} are known");
                return Err(keys.refuse("layer_types", expected));
            }
        };
        if layer.recurrent {
            layer.rope = None;
        }
    }
    Ok(())
}

pub(super) fn granite_hybrid(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "num_local_experts")]);
    let defaults = Defaults {
        name: "granitemoehybrid",
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
    config.activation = keys.activation("hidden_act", "silu")?;
    config.naming = Naming::GraniteHybrid;
    if keys.text("position_embedding_type") != Some("rope") {
        config.ropes.clear();
        config.layers.iter_mut().for_each(|layer| layer.rope = None);
    }
    // Each layer type has two names.
    let mut json = keys.json.clone();
    if let Some(types) = json.get_mut("layer_types").and_then(Value::as_array_mut) {
        for kind in types.iter_mut().filter(|kind| *kind == "mamba") {
            *kind = "linear_attention".into();
        }
    }
    recurrent_layers(keys.of(&json), &mut config, "linear_attention", |_| true)?;
    let inner = keys.size("mamba_expand", 2)? * config.width;
    config.recurrent = Some(RecurrentConfig::Mamba2(mamba2(keys, inner)?));
    let width = config.mlp_width;
    config.mlp = MlpKind::GatedFused;
    config.mlp_width = keys.size("shared_intermediate_size", 1024)?;
    if keys.get("num_local_experts").and_then(Value::as_u64) == Some(0) {
        return Ok(config);
    }
    let shared = SharedExpertConfig { width: config.mlp_width, is_mlp: true, gated: false };
    let mut config =
        with_experts(keys, config, (8, 2), width, Routing::Softmax { normalised: true })?;
    if let Some(experts) = &mut config.experts {
        experts.shared = Some(shared);
    }
    Ok(config)
}

/// The least and the longest step of a Mamba-2 layer; transformers writes infinity as an object.
fn step_limits(keys: Keys<'_>) -> Result<[f32; 2], Error> {
    const KEY: &str = "time_step_limit";

    let Some(value) = keys.get(KEY) else { return Ok([0.0, f32::INFINITY]) };
    let number = |value: &Value| match (value.as_f64(), value.get("__float__")) {
        (Some(number), _) => Some(number as f32),
        (None, Some(name)) if name == "Infinity" => Some(f32::INFINITY),
        _ => None,
    };
    let limits: Option<Vec<f32>> =
        value.as_array().and_then(|list| list.iter().map(number).collect());
    match limits.as_deref() {
        Some(&[least, most]) if least <= most => Ok([least, most]),
        _ => Err(keys.refuse(KEY, "the least and the longest step were expected")),
    }
}

/// A list of numbers, of which each is 1 where the file has no list.
fn multipliers<const N: usize>(keys: Keys<'_>, key: &str) -> Result<[f32; N], Error> {
    let Some(value) = keys.get(key) else { return Ok([1.0; N]) };
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    let list = list.and_then(|list: Vec<f64>| <[f64; N]>::try_from(list).ok());
    let list = list.ok_or_else(|| keys.refuse(key, format!("{N} numbers were expected")))?;
    Ok(list.map(|number| number as f32))
}

pub(super) fn falcon_h1(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "falcon_h1",
        vocab_size: 128_000,
        mlp_width: 14_336,
        kv_heads: Some(8),
        context: 8192,
        norm_eps: 1e-5,
        own: &["attention_bias", "mlp_bias", "embedding_multiplier"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.naming = Naming::FalconH1;
    let number = |key: &str| match keys.get(key) {
        None => Ok(1.0),
        Some(value) => {
            let expected = || keys.refuse(key, "a number was expected");
            value.as_f64().map(|number| number as f32).ok_or_else(expected)
        }
    };
    config.embedding_scale = Some(number("embedding_multiplier")?);
    config.logit_scale = Some(number("lm_head_multiplier")?);
    config.mlp_scales = Some(multipliers(keys, "mlp_multipliers")?);
    // Keys only meet queries, so that it is a part of the scores' scale.
    let of_keys = number("key_multiplier")?;
    config.layers.iter_mut().for_each(|layer| layer.scale *= of_keys);
    config.beside_attention = Some(BesideAttention {
        attention: [number("attention_in_multiplier")?, number("attention_out_multiplier")?],
        recurrent: [number("ssm_in_multiplier")?, number("ssm_out_multiplier")?],
    });
    // `null` is what follows from `mamba_expand`.
    let inner = match keys.optional_size("mamba_d_ssm", Some(1024))? {
        Some(inner) => inner,
        None => keys.size("mamba_expand", 2)? * config.width,
    };
    let normed = keys.flag("mamba_rms_norm", false)?;
    let before = keys.flag("mamba_norm_before_gate", true)?;
    config.recurrent = Some(RecurrentConfig::Mamba2(MambaDims {
        output_bias: keys.flag("projectors_bias", false)?,
        norm: match (normed, before) {
            (false, _) => MambaNorm::None,
            (true, true) => MambaNorm::BeforeGate,
            (true, false) => MambaNorm::AfterGate,
        },
        scales: Some(multipliers(keys, "ssm_multipliers")?),
        ..mamba2(keys, inner)?
    }));
    Ok(config)
}

/// A Mamba-2 layer as Granite has it, `inner` dimensions in all.
fn mamba2(keys: Keys<'_>, inner: usize) -> Result<MambaDims, Error> {
    let heads = keys.size("mamba_n_heads", 128)?;
    let head_dim = match keys.text("mamba_d_head") {
        Some("auto") => inner / heads,
        _ => keys.size("mamba_d_head", inner / heads)?,
    };
    let groups = keys.size("mamba_n_groups", 1)?;
    if head_dim * heads != inner || !heads.is_multiple_of(groups) {
        let expected = format!("{inner} in all, in groups of equal size, were expected");
        return Err(keys.refuse("mamba_n_heads", expected));
    }
    let bias = keys.flag("mamba_proj_bias", false)?;
    Ok(MambaDims {
        kernel: keys.size_up_to("mamba_d_conv", 4, MOST_LAYERS)?,
        heads,
        head_dim,
        state: keys.size("mamba_d_state", 256)?,
        groups,
        conv_bias: keys.flag("mamba_conv_bias", true)?,
        bias,
        output_bias: bias,
        norm: MambaNorm::AfterGate,
        steps: step_limits(keys)?,
        scales: None,
    })
}

const LFM2: Defaults = Defaults {
    name: "lfm2",
    vocab_size: 65_536,
    width: 2560,
    mlp_width: 12_288,
    kv_heads: Some(8),
    context: 128_000,
    norm_eps: 1e-5,
    rope_theta: 1e6,
    tied: true,
    own: &["num_experts"],
    ..LLAMA
};

const LFM2_NAMES: &[(&str, &str)] = &[
    ("rms_norm_eps", "norm_eps"),
    ("num_attention_heads", "num_heads"),
    ("intermediate_size", "block_ff_dim"),
    ("tie_word_embeddings", "tie_embedding"),
];

fn lfm2_base(keys: Keys<'_>, defaults: Defaults) -> Result<Config, Error> {
    let mut config = base(keys, defaults)?;
    config.qk_norm = QkNorm::PerHead;
    config.naming = Naming::Lfm2;
    let full = keys.get("full_attn_idxs").and_then(Value::as_array);
    let is_full = |layer: usize| {
        full.is_none_or(|list| list.iter().any(|index| index.as_u64() == Some(layer as u64)))
    };
    recurrent_layers(keys, &mut config, "conv", |layer| !is_full(layer))?;
    config.recurrent = Some(RecurrentConfig::ShortConv {
        kernel: keys.size_up_to("conv_L_cache", 3, MOST_LAYERS)?,
        bias: keys.flag("conv_bias", false)?,
    });
    Ok(config)
}

pub(super) fn lfm2(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(LFM2_NAMES);
    let mut config = lfm2_base(keys, LFM2)?;
    if keys.flag("block_auto_adjust_ff_dim", true)? {
        let mut width = 2 * config.mlp_width / 3;
        if let Some(by) = keys.optional_positive("block_ffn_dim_multiplier", Some(1.0))? {
            let multiple = keys.size("block_multiple_of", 256)?;
            width = ((f64::from(by) * width as f64) as usize).next_multiple_of(multiple);
        }
        config.mlp_width = width;
    }
    Ok(config)
}

pub(super) fn lfm2_moe(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(LFM2_NAMES);
    let defaults =
        Defaults { name: "lfm2_moe", width: 2048, mlp_width: 7168, context: 128_000, ..LFM2 };
    let config = lfm2_base(keys, defaults)?;
    let width = keys.size("moe_intermediate_size", 1792)?;
    let normalised = keys.flag("norm_topk_prob", true)?;
    let routing = Routing::Sigmoid { normalised, little: 1e-6 };
    let mut config = with_experts(keys, config, (32, 4), width, routing)?;
    let scale = keys.positive("routed_scaling_factor", 1.0)? as f32;
    let correction = keys.flag("use_expert_bias", true)?;
    if let Some(experts) = &mut config.experts {
        (experts.scale, experts.correction) = (scale, correction);
    }
    let dense = keys.get("num_dense_layers").map_or(Some(2), Value::as_u64).unwrap_or(0);
    for (index, layer) in config.layers.iter_mut().enumerate() {
        layer.experts = index as u64 >= dense;
    }
    Ok(config)
}

pub(super) fn lfm3(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("rms_norm_eps", "norm_eps")]);
    let defaults = Defaults {
        name: "lfm3",
        vocab_size: 128_000,
        width: 2048,
        mlp_width: 7680,
        layers: 24,
        heads: 16,
        kv_heads: Some(4),
        head_dim: Some(128),
        context: 128_000,
        norm_eps: 1e-5,
        ropes_by_layer: true,
        tied: true,
        own: &["attention_bias"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.qk_norm = QkNorm::PerHead;
    config.naming = Naming::Lfm3;
    config.head_gate = keys.flag("use_attention_gate", true)?;
    if keys.flag("use_sandwich_norm", true)? {
        config.norm_placement = NormPlacement::Around;
    }
    config.recurrent = Some(RecurrentConfig::ShortConv {
        kernel: keys.size_up_to("conv_L_cache", 7, MOST_LAYERS)?,
        bias: keys.flag("conv_bias", false)?,
    });

    let full_or_sliding = |layer: usize| match layer % 4 {
        2 => "full_attention",
        0 if layer > 0 => "sliding_attention",
        _ => "conv",
    };
    let count = config.layer_count();
    let types: Vec<&str> = match keys.get("layer_types") {
        None => (0..count).map(full_or_sliding).collect(),
        Some(value) => {
            let list = value.as_array().filter(|list| list.len() == count);
            let list = list.and_then(|list| list.iter().map(Value::as_str).collect());
            let expected = || format!("a name for each of the {count} layers was expected");
            list.ok_or_else(|| keys.refuse("layer_types", expected()))?
        }
    };
    let window = keys.optional_size("sliding_window", Some(256))?;
    for (layer, kind) in config.layers.iter_mut().zip(types) {
        match kind {
            "conv" => (layer.recurrent, layer.rope) = (true, None),
            "full_attention" => layer.rope = Some(0),
            "sliding_attention" => (layer.window, layer.rope) = (window, Some(1)),
            _ => {
                let expected = "conv, full_attention and sliding_attention are known";
                return Err(keys.refuse("layer_types", expected));
            }
        }
    }
    let nested = keys.get("rope_parameters");
    let of = |kind: &str| nested.and_then(|all| all.get(kind)).filter(|value| !value.is_null());
    let proportional = serde_json::json!({
        "rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 1e6,
    });
    let context = keys.size("max_position_embeddings", defaults.context)?;
    let defaults = RopeDefaults {
        theta: 1e6,
        dims: config.head_dim,
        context,
        original_context: None,
        by_layer: true,
    };
    let full = of("full_attention").or_else(|| nested.is_none().then_some(&proportional));
    let global = keys.of(full.unwrap_or(&Value::Null)).rope(full, "", defaults)?;
    let theta = if nested.is_none() { 1e4 } else { 1e6 };
    let local = keys.rope(of("sliding_attention"), "", RopeDefaults { theta, ..defaults })?;
    config.ropes = vec![global, local];
    Ok(config)
}

/// Qwen's blocks since Qwen3-Next.
fn qwen_hybrid(keys: Keys<'_>, defaults: Defaults, by_head: bool) -> Result<Config, Error> {
    let mut config = base(keys, defaults)?;
    if !keys.flag("attn_output_gate", true)? {
        return Err(keys.refuse("attn_output_gate", "attention with a gate was expected"));
    }
    config.activation = keys.activation("hidden_act", "silu")?;
    config.norm = NormKind::RmsPlusOne;
    config.qk_norm = QkNorm::PerHead;
    config.attention_gate = true;
    config.naming = Naming::QwenHybrid;
    let every = keys.size("full_attention_interval", 4)?;
    let is_full = |layer: usize| (layer + 1).is_multiple_of(every);
    recurrent_layers(keys, &mut config, "linear_attention", |layer| !is_full(layer))?;
    let (key_heads, value_heads) =
        (keys.size("linear_num_key_heads", 16)?, keys.size("linear_num_value_heads", 32)?);
    if !value_heads.is_multiple_of(key_heads) {
        let expected = format!("a multiple of linear_num_key_heads = {key_heads} was expected");
        return Err(keys.refuse("linear_num_value_heads", expected));
    }
    config.recurrent = Some(RecurrentConfig::DeltaNet {
        kernel: keys.size_up_to("linear_conv_kernel_dim", 4, MOST_LAYERS)?,
        key_heads,
        value_heads,
        key_dim: keys.size("linear_key_head_dim", 128)?,
        value_dim: keys.size("linear_value_head_dim", 128)?,
        by_head,
    });
    Ok(config)
}

const QWEN_HYBRID: Defaults = Defaults {
    vocab_size: 248_320,
    width: 4096,
    mlp_width: 12_288,
    heads: 16,
    kv_heads: Some(4),
    head_dim: Some(256),
    partial: 0.25,
    own: &["attention_bias", "partial_rotary_factor", "num_experts"],
    ..QWEN
};

pub(super) fn qwen3_5(keys: Keys<'_>) -> Result<Config, Error> {
    qwen_hybrid(keys, Defaults { name: "qwen3_5_text", ..QWEN_HYBRID }, false)
}

/// An expert that every token goes through, behind a gate, beside those that are chosen.
fn qwen_experts(
    keys: Keys<'_>,
    config: Config,
    (count, chosen): (usize, usize),
    normalised: bool,
) -> Result<Config, Error> {
    let width = keys.size("moe_intermediate_size", 512)?;
    let routing = Routing::Softmax { normalised };
    let mut config = with_experts(keys, config, (count, chosen), width, routing)?;
    let width = keys.size("shared_expert_intermediate_size", 512)?;
    if let Some(experts) = &mut config.experts {
        experts.shared = Some(SharedExpertConfig { width, is_mlp: false, gated: true });
    }
    Ok(config)
}

pub(super) fn qwen3_5_moe(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "qwen3_5_moe_text",
        width: 2048,
        layers: 40,
        kv_heads: Some(2),
        ..QWEN_HYBRID
    };
    let config = qwen_hybrid(keys, defaults, false)?;
    qwen_experts(keys, config, (256, 8), true)
}

pub(super) fn qwen3_next(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "qwen3_next",
        vocab_size: 151_936,
        width: 2048,
        mlp_width: 5632,
        layers: 48,
        kv_heads: Some(2),
        ..QWEN_HYBRID
    };
    let config = qwen_hybrid(keys, defaults, true)?;
    let normalised = keys.flag("norm_topk_prob", true)?;
    some_layers(keys, qwen_experts(keys, config, (512, 10), normalised)?)
}
