//! nomic-bert: BERT with rotary positions, a gated feed-forward part and no biases in its matrices.
//!
//! The files of the models that people fetch call layers and settings otherwise than transformers' class does;
//! either is read.

use super::description::{Description, Family, FeedGate, LayerNames, MaskedNames};
use super::families::{POOLED, SizeKeys, Sizes, USUAL, bert_masked, like_bert};
use super::store::Store;
use crate::llm;
use crate::llm::config::Activation;
use crate::llm::config::config_keys::Keys;

const KINDS: &str = "embeddings.token_type_embeddings.weight";

pub(crate) fn nomic_bert(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let is_of_files = keys.get("n_embd").is_some();
    let (sizes, eps, base, activation) = if is_of_files {
        as_in_files(keys)?
    } else {
        let base = rotary_base(keys)?;
        let eps = keys.positive("layer_norm_eps", 1e-12)?;
        let sizes = [("vocab_size", 30_528), USUAL[1], USUAL[2], USUAL[3], USUAL[4]];
        let [vocabulary, width, layers, heads, inner] = sizes;
        let positions = ("max_position_embeddings", 2048);
        let sizes = Sizes::read(keys, [vocabulary, width, layers, heads, inner, positions])?;
        (sizes, eps, base, keys.activation("hidden_act", "silu")?)
    };
    let kinds = keys.size_up_to("type_vocab_size", 2, 1000)?;
    let plain = like_bert(&sizes, activation, eps);
    let head_dim = keys.size_up_to("head_dim", sizes.width / sizes.heads, 1 << 16)?;
    let body = Description {
        head_dim,
        scale: (head_dim as f64).sqrt().recip(),
        prefixes: &["nomic_bert.", ""],
        positions: None,
        kinds: (kinds > 0).then_some((KINDS, kinds)),
        paths: (0..sizes.layers).map(|layer| format!("layers.{layer}")).collect(),
        layer: LayerNames {
            query: "self_attn.q_proj",
            key: "self_attn.k_proj",
            value: "self_attn.v_proj",
            out: "self_attn.o_proj",
            attention_norm: "post_attention_layernorm",
            feed: "mlp.gate_proj",
            feed_gate: FeedGate::Own("mlp.up_proj"),
            feed_out: "mlp.down_proj",
            feed_norm: "post_mlp_layernorm",
            ..plain.layer
        },
        has_attention_bias: false,
        has_feed_bias: false,
        turns: vec![base; sizes.layers],
        ..plain
    };
    let usual = bert_masked(activation, eps);
    let masked = vec![MaskedNames { norm: "cls.predictions.transform.layer_norm", ..usual }, usual];
    Ok(Family { body, masked, sequence: POOLED, has_kinds: kinds > 1 })
}

/// The names that the files have, where they are not those of transformers' class.
pub(crate) fn find_names(body: &mut Description, store: &Store) {
    let fused = "encoder.layers.0.attn.Wqkv.weight";
    let prefixes: &[&str] = &["nomic_bert.", "bert.", ""];
    if !prefixes.iter().any(|prefix| store.has(&format!("{prefix}{fused}"))) {
        return;
    }
    body.prefixes = prefixes;
    body.embedding_norm = Some("emb_ln");
    body.paths = (0..body.paths.len()).map(|layer| format!("encoder.layers.{layer}")).collect();
    body.layer = LayerNames {
        fused: Some("attn.Wqkv"),
        out: "attn.out_proj",
        attention_norm: "norm1",
        feed: "mlp.fc12",
        feed_gate: FeedGate::Own("mlp.fc11"),
        feed_out: "mlp.fc2",
        feed_norm: "norm2",
        ..body.layer
    };
}

fn rotary_base(keys: &Keys<'_>) -> Result<f64, llm::Error> {
    const USUAL_BASE: f64 = 1000.0;
    let Some(settings) = keys.get("rope_parameters") else {
        return keys.positive("rope_theta", USUAL_BASE);
    };
    let kind = settings.get("rope_type").and_then(serde_json::Value::as_str).unwrap_or("default");
    if kind != "default" {
        return Err(keys.refuse("rope_parameters", "rope_type \"default\" is computed here"));
    }
    keys.of(settings).positive("rope_theta", USUAL_BASE)
}

/// Settings under the names of the published files, of which those that change what is computed are refused.
fn as_in_files(keys: &Keys<'_>) -> Result<(Sizes, f64, f64, Activation), llm::Error> {
    const SIZES: SizeKeys = [
        ("vocab_size", 30_528),
        ("n_embd", 768),
        ("n_layer", 12),
        ("n_head", 12),
        ("n_inner", 3072),
        ("max_trained_positions", 2048),
    ];
    for (key, usual) in [
        ("prenorm", false),
        ("parallel_block", false),
        ("use_rms_norm", false),
        ("qkv_proj_bias", false),
        ("mlp_fc1_bias", false),
        ("mlp_fc2_bias", false),
        ("rotary_emb_interleaved", false),
        ("causal", false),
    ] {
        if keys.flag(key, usual)? != usual {
            return Err(keys.refuse(key, "nomic-bert is computed here with this off"));
        }
    }
    let fraction = keys.positive("rotary_emb_fraction", 1.0)?;
    if fraction != 1.0 {
        let expected = "computed here is nomic-bert whose heads turn whole: 1.0 was expected";
        return Err(keys.refuse("rotary_emb_fraction", expected));
    }
    let activation = match keys.text("activation_function").unwrap_or("swiglu") {
        "swiglu" => Activation::Silu,
        _ => return Err(keys.refuse("activation_function", "swiglu is computed here")),
    };
    let eps = keys.positive("layer_norm_epsilon", 1e-12)?;
    let base = keys.positive("rotary_emb_base", 1000.0)?;
    Ok((Sizes::read(keys, SIZES)?, eps, base, activation))
}
