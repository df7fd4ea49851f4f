//! Gemma 3n's text decoder, from `config.json`.

use serde_json::Value;

use super::base::{Defaults, GEMMA3, base, ropes_by_window};
use super::config_keys::Keys;
use super::gemma4::share_keys;
use super::names::Naming;
use super::{AltUpConfig, Config, NormPlacement, QkNorm};
use crate::llm::error::Error;

/// Hidden states that are refused: a list of them would take memory before any tensor is looked at.
pub(super) const MOST_STATES: usize = 64;

pub(super) fn gemma3n(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "gemma3n_text",
        vocab_size: 262_400,
        width: 2048,
        mlp_width: 16_384,
        layers: 35,
        kv_heads: Some(2),
        context: 32_768,
        own: &["attention_bias", "final_logit_softcapping"],
        ..GEMMA3
    };
    // One width for all layers, or a list.
    let mut json = keys.json.clone();
    let widths = keys.get("intermediate_size").and_then(Value::as_array);
    if let Some(first) = widths.and_then(|widths| widths.first()) {
        json["intermediate_size"] = first.clone();
    }
    let inner = keys.of(&json);
    let mut config = gemma3n_parts(base(inner, defaults)?);
    let count = config.layer_count();
    if let Some(widths) = widths {
        let width = |value: &Value| value.as_u64().filter(|width| (1..1 << 31).contains(width));
        let list: Option<Vec<u64>> = widths.iter().map(width).collect();
        let expected = format!("a width of at least 1 for each of the {count} layers was expected");
        let list = list.filter(|list| list.len() == count);
        let list = list.ok_or_else(|| keys.refuse("intermediate_size", expected))?;
        for (layer, width) in config.layers.iter_mut().zip(list) {
            let width = width as usize;
            layer.own_mlp_width = (width != config.mlp_width).then_some(width);
        }
    }
    config.activation = keys.activation("hidden_activation", "gelu_pytorch_tanh")?;
    config.final_softcap = keys.optional_positive("final_logit_softcapping", Some(30.0))?;
    config.per_layer_width = Some(keys.size("hidden_size_per_layer_input", 256)?);
    let tokens = keys.size("vocab_size_per_layer_input", 262_144)?;
    config.per_layer_tokens = (tokens != config.vocab_size).then_some(tokens);
    let states = keys.size_up_to("altup_num_inputs", 4, MOST_STATES)?;
    let active = keys.get("altup_active_idx").map_or(Some(0), Value::as_u64);
    let active = active.and_then(|active| usize::try_from(active).ok());
    let Some(active) = active.filter(|active| *active < states) else {
        let expected = format!("the number of one of the {states} hidden states was expected");
        return Err(keys.refuse("altup_active_idx", expected));
    };
    config.altup = Some(AltUpConfig {
        states,
        active,
        scaled: keys.flag("altup_correct_scale", true)?,
        laurel_rank: keys.size("laurel_rank", 64)?,
    });
    let window = keys.size("sliding_window", 512)?;
    keys.windows(&mut config, Some(window), |layer| !(layer + 1).is_multiple_of(5))?;
    ropes_by_window(keys, &mut config)?;
    for (layer, share) in config.layers.iter_mut().zip(sparsity(keys, count)?) {
        layer.sparsity = (share > 0.0).then(|| quantile(share) as f32);
    }
    let sharing = match keys.get("num_kv_shared_layers").and_then(Value::as_u64) {
        Some(0) => 0,
        _ => keys.size_up_to("num_kv_shared_layers", 15, count.saturating_sub(1))?,
    };
    if !share_keys(&mut config, sharing) {
        let expected = "a layer of each kind that has keys and values was expected";
        return Err(keys.refuse("num_kv_shared_layers", expected));
    }
    Ok(config)
}

/// What the family has, whatever file it is read from.
pub(super) fn gemma3n_parts(mut config: Config) -> Config {
    config.norm_placement = NormPlacement::Around;
    config.naming = Naming::Gemma3n;
    config.embedding_scale = Some((config.width as f32).sqrt());
    config.qk_norm = QkNorm::PerHead;
    config.value_norm = true;
    config.layers.iter_mut().for_each(|layer| layer.scale = 1.0);
    config
}

/// The share of the MLP's numbers that each layer leaves out.
fn sparsity(keys: Keys<'_>, layers: usize) -> Result<Vec<f64>, Error> {
    const KEY: &str = "activation_sparsity_pattern";

    let Some(pattern) = keys.get(KEY) else {
        let first = if layers > 10 { 10 } else { 0 };
        return Ok((0..layers).map(|layer| if layer < first { 0.95 } else { 0.0 }).collect());
    };
    let share = |value: &Value| value.as_f64().filter(|share| (0.0..1.0).contains(share));
    let list: Option<Vec<f64>> =
        pattern.as_array().and_then(|list| list.iter().map(share).collect());
    list.filter(|list| list.len() == layers).ok_or_else(|| {
        keys.refuse(KEY, format!("a share from 0 to 1 for each of the {layers} layers"))
    })
}

/// How many standard deviations above the mean of a normal distribution this share of it ends.
fn quantile(share: f64) -> f64 {
    const DENSITY: f64 = 0.398_942_280_401_432_7; // 1 / √(2π)

    // Newton's steps from the mean, each no longer than 1; the distribution as a series in odd powers.
    let mut at = 0.0_f64;
    for _ in 0..100 {
        let (mut term, mut sum) = (at, at);
        for odd in 1..200 {
            term *= at * at / f64::from(2 * odd + 1);
            sum += term;
        }
        let density = DENSITY * (-at * at / 2.0).exp();
        at += ((share - 0.5 - density * sum) / density).clamp(-1.0, 1.0);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_that_of_the_normal_distribution() {
        // torch.distributions.normal.Normal(0, 1).icdf
        for (share, expected) in [(0.95, 1.644_853_6), (0.5, 0.0), (0.3, -0.524_400_5)] {
            assert!((quantile(share) - expected).abs() < 1e-6, "{share}: {}", quantile(share));
        }
        assert!((quantile(0.999) - 3.090_232_3).abs() < 1e-6);
    }
}
