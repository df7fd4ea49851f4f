//! Mixtures of experts as `DeepSeek` has them, from `config.json`: the first layers without, and some
//! experts that every token goes through, which are one MLP.

use serde_json::Value;

use super::base::{Defaults, LLAMA, base};
use super::config_keys::Keys;
use super::experts::{ExpertGroups, Routing, SharedExpertConfig};
use super::mixtures::with_experts;
use super::names::Naming;
use super::{Config, QkNorm};
use crate::llm::error::Error;

/// Where the families' defaults differ.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    pub count: usize,

    /// Experts that a token goes through, beside the shared ones.
    pub chosen: usize,
    pub width: usize,
    pub shared: usize,

    /// The first layers without experts.
    pub dense: u64,
    pub scale: f64,
}

pub(super) fn with_shared_experts(
    keys: Keys<'_>,
    config: Config,
    defaults: Shared,
    routing: Routing,
) -> Result<Config, Error> {
    let keys = keys.called(&[("num_experts", "n_routed_experts")]);
    let Shared { count, chosen, width, shared, dense, scale } = defaults;
    let width = keys.size("moe_intermediate_size", width)?;
    let mut config = with_experts(keys, config, (count, chosen), width, routing)?;
    config.naming = Naming::DeepSeek;
    let shared = keys.size("n_shared_experts", shared)? * width;
    let scale = keys.positive("routed_scaling_factor", scale)? as f32;
    if let Some(experts) = &mut config.experts {
        experts.scale = scale;
        experts.shared = Some(SharedExpertConfig { width: shared, is_mlp: false, gated: false });
    }
    let dense = keys.get("first_k_dense_replace").map_or(Some(dense), Value::as_u64).unwrap_or(0);
    for (index, layer) in config.layers.iter_mut().enumerate() {
        layer.experts = index as u64 >= dense;
    }
    Ok(config)
}

/// The same as they are since `DeepSeek` V3: weighted by a sigmoid of each, and chosen, group by group,
/// with a number of its own added to each. `groups`: how many there are, and how many are kept.
pub(super) fn with_corrected_experts(
    keys: Keys<'_>,
    config: Config,
    defaults: Shared,
    groups: (usize, usize),
) -> Result<Config, Error> {
    // Of the first files' own code, which knows more ways; transformers computes this one alone.
    if keys.get("scoring_func").is_some_and(|found| found != "sigmoid") {
        return Err(keys.refuse("scoring_func", "sigmoid was expected"));
    }
    if keys.size("moe_layer_freq", 1)? != 1 {
        let expected = "experts in every layer from first_k_dense_replace on were expected: 1";
        return Err(keys.refuse("moe_layer_freq", expected));
    }
    let normalised = keys.flag("norm_topk_prob", true)?;
    let routing = Routing::Sigmoid { normalised, little: 1e-20 };
    let mut config = with_shared_experts(keys, config, defaults, routing)?;
    if let Some(experts) = &mut config.experts {
        experts.correction = true;
    }
    with_groups(keys, config, 2, groups)
}

/// Experts are chosen within the best groups. `by_best`: a group is as good as this many of its best
/// together.
pub(super) fn with_groups(
    keys: Keys<'_>,
    mut config: Config,
    by_best: usize,
    (count, kept): (usize, usize),
) -> Result<Config, Error> {
    let (count, kept) = (keys.size("n_group", count)?, keys.size("topk_group", kept)?);
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

/// GLM-4.5 to 4.7.
pub(super) fn glm4_moe(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "glm4_moe",
        vocab_size: 151_552,
        mlp_width: 10_944,
        layers: 46,
        heads: 96,
        kv_heads: Some(8),
        context: 131_072,
        norm_eps: 1e-5,
        partial: 0.5,
        own: &["attention_bias", "n_routed_experts", "partial_rotary_factor", "use_qk_norm"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.output_bias = false;
    if keys.flag("use_qk_norm", false)? {
        config.qk_norm = QkNorm::PerHead;
    }
    let experts = Shared { count: 128, chosen: 8, width: 1408, shared: 1, dense: 1, scale: 1.0 };
    with_corrected_experts(keys, config, experts, (1, 1))
}
