//! Gemma 4's text decoder, from `config.json`.

use serde_json::Value;

use super::base::{Defaults, GEMMA3, MOST_HEAD_DIMS, base};
use super::config_keys::{Keys, RopeDefaults};
use super::experts::Routing;
use super::mixtures::with_experts;
use super::names::Naming;
use super::{Config, NormPlacement, QkNorm};
use crate::llm::error::Error;

pub(super) fn gemma4(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "gemma4_text",
        vocab_size: 262_144,
        layers: 30,
        own: &[
            "attention_bias",
            "final_logit_softcapping",
            "num_experts",
            "use_bidirectional_attention",
        ],
        ..GEMMA3
    };
    if keys.text("use_bidirectional_attention") == Some("all") {
        return Err(
            keys.refuse("use_bidirectional_attention", "only causal decoders are supported")
        );
    }
    let mut config = base(keys, defaults)?;
    config.norm_placement = NormPlacement::Around;
    config.naming = Naming::Gemma4;
    config.activation = keys.activation("hidden_activation", "gelu_pytorch_tanh")?;
    config.embedding_scale = Some((config.width as f32).sqrt());
    config.qk_norm = QkNorm::PerHead;
    config.value_norm = true;
    config.layer_scalars = true;
    config.final_softcap = keys.optional_positive("final_logit_softcapping", None)?;
    config.per_layer_width = match keys.get("hidden_size_per_layer_input").and_then(Value::as_u64) {
        Some(0) => None,
        _ => Some(keys.size("hidden_size_per_layer_input", 256)?),
    };
    let window = keys.size("sliding_window", 512)?;
    keys.windows(&mut config, Some(window), |layer| !(layer + 1).is_multiple_of(6))?;
    if let Some(last) = config.layers.last_mut() {
        last.window = None; // as transformers does, whatever the list says
    }
    heads_of_layers(keys, &mut config)?;
    ropes(keys, &mut config)?;

    let count = config.layer_count();
    let sharing = match keys.get("num_kv_shared_layers").and_then(Value::as_u64) {
        Some(0) | None => 0,
        _ => keys.size_up_to("num_kv_shared_layers", 0, count - 1)?,
    };
    let wide = keys.flag("use_double_wide_mlp", false)?;
    let same = keys.flag("attention_k_eq_v", false)?;
    for index in 0..count {
        let is_full = config.layers[index].window.is_none();
        config.layers[index].scale = 1.0;
        config.layers[index].values_are_keys = same && is_full;
        if index >= count - sharing {
            config.layers[index].own_mlp_width = wide.then_some(2 * config.mlp_width);
        }
    }
    if !share_keys(&mut config, sharing) {
        let expected = "a layer of each kind that has keys and values was expected";
        return Err(keys.refuse("num_kv_shared_layers", expected));
    }
    if !keys.flag("enable_moe_block", false)? {
        return Ok(config);
    }
    let keys = keys
        .called(&[("num_experts_per_tok", "top_k_experts"), ("hidden_act", "hidden_activation")]);
    let width = keys.size("moe_intermediate_size", 704)?;
    let routing = Routing::Softmax { normalised: true };
    let mut config = with_experts(keys, config, (128, 8), width, routing)?;
    if let Some(experts) = &mut config.experts {
        experts.beside_mlp = true;
    }
    Ok(config)
}

/// The last `sharing` layers see the keys and values of the last layer before them that has a window, or
/// has none, as they. `false`: there is no such layer.
pub(super) fn share_keys(config: &mut Config, sharing: usize) -> bool {
    let first = config.layers.len().saturating_sub(sharing);
    let (own, others) = config.layers.split_at_mut(first);
    for layer in others {
        let is_full = layer.window.is_none();
        layer.keys_of = own.iter().rposition(|other| other.window.is_none() == is_full);
        if layer.keys_of.is_none() {
            return false;
        }
    }
    true
}

/// Layers without a window have longer heads, and can have fewer of keys.
fn heads_of_layers(keys: Keys<'_>, config: &mut Config) -> Result<(), Error> {
    let dim = keys.size_up_to("global_head_dim", 512, MOST_HEAD_DIMS)?;
    let kv_heads = if keys.flag("attention_k_eq_v", false)? {
        keys.optional_size("num_global_key_value_heads", None)?
    } else {
        None
    };
    let by_layer = keys.get("per_layer_config");
    for (index, layer) in config.layers.iter_mut().enumerate() {
        let (kv_heads, dim) = match by_layer {
            None if layer.window.is_some() => continue,
            None => (kv_heads.unwrap_or(config.kv_heads), dim),
            // transformers 5's own spelling
            Some(all) => {
                let Some(own) = all.get(index.to_string()) else { continue };
                let own = keys.of(own);
                let kv_heads = own.size("num_key_value_heads", config.kv_heads)?;
                (kv_heads, own.size_up_to("head_dim", config.head_dim, MOST_HEAD_DIMS)?)
            }
        };
        if !config.heads.is_multiple_of(kv_heads) || !dim.is_multiple_of(2) {
            let expected = format!(
                "key heads that divide {}, of an even number of dimensions, were expected",
                config.heads
            );
            return Err(keys.refuse("num_global_key_value_heads", expected));
        }
        layer.own_heads = Some((kv_heads, dim));
    }
    Ok(())
}

fn ropes(keys: Keys<'_>, config: &mut Config) -> Result<(), Error> {
    let nested = keys.get("rope_parameters");
    let of = |kind: &str| nested.and_then(|all| all.get(kind)).filter(|value| !value.is_null());
    let proportional = serde_json::json!({
        "rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6,
    });
    let full = config.layers.iter().find(|layer| layer.window.is_none());
    let (_, dims) = full.and_then(|layer| layer.own_heads).unwrap_or((0, config.head_dim));
    let (context, original_context) = (config.context_length, None);
    let defaults = RopeDefaults { theta: 1e6, dims, context, original_context, by_layer: true };
    let full = of("full_attention").unwrap_or(&proportional);
    let global = keys.of(full).rope(Some(full), "", defaults)?;
    let defaults = RopeDefaults { theta: 1e4, dims: config.head_dim, ..defaults };
    let local = keys.rope(of("sliding_attention"), "", defaults)?;
    config.ropes = vec![global, local];
    for layer in &mut config.layers {
        layer.rope = Some(usize::from(layer.window.is_some()));
    }
    Ok(())
}
