//! `ModernBERT` and `DeBERTa`, which have less in common with BERT than the others.

use serde_json::Value;

use super::description::{
    DenseNames, Description, Family, FeedGate, LayerNames, MaskedNames, PlaceNames, Projection,
    Reads, SequenceNames,
};
use super::families::{POOLED, SizeKeys, Sizes, bert_masked, like_bert};
use super::stack::Order;
use super::store::NormKind;
use crate::llm;
use crate::llm::config::config_keys::Keys;

pub(crate) fn modernbert(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    const SIZES: SizeKeys = [
        ("vocab_size", 50_368),
        ("hidden_size", 768),
        ("num_hidden_layers", 22),
        ("num_attention_heads", 12),
        ("intermediate_size", 1152),
        ("max_position_embeddings", 8192),
    ];
    let sizes = Sizes::read(keys, SIZES)?;
    let eps = keys.positive("norm_eps", 1e-5)?;
    let norm = NormKind::Layer { has_bias: keys.flag("norm_bias", false)? };
    let every = keys.size("global_attn_every_n_layers", 3)?;
    let listed = keys.get("layer_types").and_then(Value::as_array);
    let is_local = |layer: usize| match listed {
        Some(types) => match types.get(layer).and_then(Value::as_str) {
            Some("sliding_attention") => Ok(true),
            Some("full_attention") => Ok(false),
            _ => {
                let expected = "full_attention or sliding_attention for each layer";
                Err(keys.refuse("layer_types", expected))
            }
        },
        None => Ok(!layer.is_multiple_of(every)),
    };
    let local: Vec<bool> = (0..sizes.layers).map(is_local).collect::<Result<_, _>>()?;
    let window = keys.size("local_attention", 128)? / 2;
    let base = |kind: &str, older: &str, default: f64| -> Result<f64, llm::Error> {
        let Some(settings) = keys.get("rope_parameters").and_then(|all| all.get(kind)) else {
            // A file from before layers could differ: null means the global one.
            return match keys.get(older) {
                Some(_) => keys.positive(older, default),
                None if keys.json.get(older).is_some() => {
                    keys.positive("global_rope_theta", 160_000.0)
                }
                None => Ok(default),
            };
        };
        let kind = settings.get("rope_type").and_then(Value::as_str).unwrap_or("default");
        if kind != "default" {
            return Err(keys.refuse("rope_parameters", "rope_type \"default\" is computed here"));
        }
        keys.of(settings).positive("rope_theta", default)
    };
    let global_base = base("full_attention", "global_rope_theta", 160_000.0)?;
    let local_base = base("sliding_attention", "local_rope_theta", 10_000.0)?;
    let has_feed_bias = keys.flag("mlp_bias", false)?;
    let plain = like_bert(&sizes, keys.activation("hidden_activation", "gelu")?, eps);
    let body = Description {
        norm,
        order: Order::NormBefore,
        prefixes: &["model.", ""],
        words: "embeddings.tok_embeddings.weight",
        positions: None,
        embedding_norm: Some("embeddings.norm"),
        paths: (0..sizes.layers).map(|layer| format!("layers.{layer}")).collect(),
        layer: LayerNames {
            fused: Some("attn.Wqkv"),
            out: "attn.Wo",
            attention_norm: "attn_norm",
            first_has_no_norm: true,
            feed: "mlp.Wi",
            feed_gate: FeedGate::Fused,
            feed_out: "mlp.Wo",
            feed_norm: "mlp_norm",
            ..plain.layer
        },
        has_attention_bias: keys.flag("attention_bias", false)?,
        has_feed_bias,
        windows: local.iter().map(|local| local.then_some(window)).collect(),
        turns: local.iter().map(|local| if *local { local_base } else { global_base }).collect(),
        final_norm: Some("final_norm"),
        ..plain
    };
    let activation = keys.activation("classifier_activation", "gelu")?;
    let has_bias = keys.flag("classifier_bias", false)?;
    let masked = MaskedNames {
        dense: "head.dense",
        has_dense_bias: has_bias,
        norm: "head.norm",
        decoder: "decoder.weight",
        biases: if keys.flag("decoder_bias", true)? { &["decoder.bias"] } else { &[] },
        ..bert_masked(activation, eps)
    };
    let reads = match keys.text("classifier_pooling").unwrap_or("cls") {
        "cls" => Reads::First,
        "mean" => Reads::Mean,
        _ => return Err(keys.refuse("classifier_pooling", "cls or mean was expected")),
    };
    let dense = DenseNames {
        name: "head.dense",
        is_of_body: false,
        has_bias,
        activation,
        norm: Some("head.norm"),
    };
    let sequence = SequenceNames { reads, dense: Some(dense), ..POOLED };
    Ok(Family { body, masked: vec![masked], sequence, has_kinds: false })
}

pub(crate) fn deberta(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    const SIZES: SizeKeys = [
        ("vocab_size", 128_100),
        ("hidden_size", 1536),
        ("num_hidden_layers", 24),
        ("num_attention_heads", 24),
        ("intermediate_size", 6144),
        ("max_position_embeddings", 512),
    ];
    let sizes = Sizes::read(keys, SIZES)?;
    if keys.get("conv_kernel_size").and_then(Value::as_u64).unwrap_or(0) > 0 {
        let expected = "DeBERTa with a convolution (v2 xlarge) is not computed here";
        return Err(keys.refuse("conv_kernel_size", expected));
    }
    let head_dim = keys.size_up_to("attention_head_size", sizes.width / sizes.heads, 1 << 16)?;
    let eps = keys.positive("layer_norm_eps", 1e-7)?;
    let activation = keys.activation("hidden_act", "gelu")?;
    let kinds = keys.get("type_vocab_size").and_then(Value::as_u64).unwrap_or(0) as usize;
    let meets = attention_types(keys)?;
    let factor = 1 + meets.iter().filter(|meets| **meets).count();
    // Distances that meet neither queries nor keys add nothing.
    let is_relative = keys.flag("relative_attention", false)? && meets.contains(&true);
    let places = if is_relative { Some(places(keys, meets, &sizes)?) } else { None };
    let has_positions = keys.flag("position_biased_input", true)?;
    let embedding_width = keys.size_up_to("embedding_size", sizes.width, 1 << 16)?;
    let projection =
        Projection { name: "embeddings.embed_proj", has_bias: false, is_before_norm: true };
    let plain = like_bert(&sizes, activation, eps);
    let body = Description {
        head_dim,
        embedding_width,
        projection: (embedding_width != sizes.width).then_some(projection),
        scale: ((head_dim * factor) as f64).sqrt().recip(),
        prefixes: &["deberta.", ""],
        positions: plain.positions.filter(|_| has_positions),
        kinds: (kinds > 0).then_some(("embeddings.token_type_embeddings.weight", kinds)),
        hides_padding: true,
        layer: LayerNames {
            query: "attention.self.query_proj",
            key: "attention.self.key_proj",
            value: "attention.self.value_proj",
            ..plain.layer
        },
        longest: plain.longest.filter(|_| has_positions),
        places,
        ..plain
    };
    let own = MaskedNames {
        dense: "lm_predictions.lm_head.dense",
        norm: "lm_predictions.lm_head.LayerNorm",
        decoder: "",
        biases: &["lm_predictions.lm_head.bias"],
        is_always_tied: true,
        ..bert_masked(activation, eps)
    };
    let pooled = DenseNames {
        name: "pooler.dense",
        is_of_body: false,
        has_bias: true,
        activation: keys.activation("pooler_hidden_act", "gelu")?,
        norm: None,
    };
    let sequence = SequenceNames { dense: Some(pooled), ..POOLED };
    let masked = vec![own, bert_masked(activation, eps)];
    Ok(Family { body, masked, sequence, has_kinds: kinds > 1 })
}

/// Whether queries meet distances (c2p), and whether keys do (p2c).
fn attention_types(keys: &Keys<'_>) -> Result<[bool; 2], llm::Error> {
    let names: Vec<String> = match keys.get("pos_att_type") {
        None => Vec::new(),
        Some(Value::String(names)) => {
            names.to_lowercase().split('|').map(|name| name.trim().to_owned()).collect()
        }
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(_) => return Err(keys.refuse("pos_att_type", "c2p, p2c or both were expected")),
    };
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if let Some(other) = names.iter().find(|name| !["c2p", "p2c", ""].contains(&name.as_str())) {
        let expected = format!("c2p and p2c are computed here, and there is {other}");
        return Err(keys.refuse("pos_att_type", expected));
    }
    Ok([has("c2p"), has("p2c")])
}

fn places(
    keys: &Keys<'_>,
    [is_for_queries, is_for_keys]: [bool; 2],
    sizes: &Sizes,
) -> Result<PlaceNames, llm::Error> {
    // -1 stands for "as many as there are positions", and for "no buckets".
    let number = |key: &str| keys.get(key).and_then(Value::as_i64).filter(|number| *number > 0);
    let most = number("max_relative_positions").map_or(sizes.positions, |most| most as usize);
    let buckets = number("position_buckets").map_or(0, |buckets| buckets as usize);
    if most > 1 << 20 || buckets > 1 << 20 {
        return Err(keys.refuse("max_relative_positions", "at most a million was expected"));
    }
    let norm = keys.text("norm_rel_ebd").unwrap_or("none").to_lowercase();
    let is_normed = norm.split('|').any(|part| part.trim() == "layer_norm");
    let is_shared = keys.flag("share_att_key", false)?;
    Ok(PlaceNames {
        name: "encoder.rel_embeddings.weight",
        norm: is_normed.then_some("encoder.LayerNorm"),
        span: if buckets > 0 { buckets } else { most },
        buckets,
        most,
        is_for_queries,
        is_for_keys,
        own: (!is_shared)
            .then_some(["attention.self.pos_key_proj", "attention.self.pos_query_proj"]),
    })
}
