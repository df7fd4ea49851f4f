//! T5, BART, mBART, M2M100 (NLLB), Marian and Pegasus: an encoder, and a decoder that attends to it. Both halves are described as an encoder
//! is.

use serde_json::{Value, json};

use super::description::{
    CrossNames, Description, DistanceNames, Family, FeedGate, FirstPosition, LayerNames, Learned,
};
use super::families::{POOLED, SizeKeys, Sizes, like_bert};
use super::sines::Sines;
use super::stack::Order;
use super::store::{NormKind, Store};
use crate::llm;
use crate::llm::config::Activation;
use crate::llm::config::config_keys::Keys;

/// transformers' `model_type`s of encoder-decoders that are computed here.
pub const PAIRS: [&str; 7] = ["t5", "mt5", "bart", "mbart", "m2m_100", "marian", "pegasus"];

/// The vectors of words that both halves and the head share, where none has its own.
pub(crate) const SHARED: &str = "shared.weight";

/// Those of each half, where it has its own.
const OWN_WORDS: [&str; 2] = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];

/// Both halves of an encoder-decoder, and its head.
pub(crate) struct Pair {
    pub encoder: Description,
    pub decoder: Description,

    /// What the decoder's output is multiplied with before the head.
    pub head_scale: Option<f32>,

    /// The bias of the head, as a tensor's name.
    pub head_bias: Option<&'static str>,

    /// What the configuration says where `generation_config.json` does not.
    pub start: Option<u32>,
}

/// Whether a `config.json` is that of an encoder-decoder that is computed here.
pub fn is_pair(config: &Value) -> bool {
    is_of_pairs(config) && !is_half(config)
}

/// Whether it is that of the reading half alone (`T5EncoderModel`).
pub fn is_half(config: &Value) -> bool {
    let class = config["architectures"][0].as_str().unwrap_or_default();
    is_of_pairs(config) && class.ends_with("EncoderModel")
}

fn is_of_pairs(config: &Value) -> bool {
    config["model_type"].as_str().is_some_and(|kind| PAIRS.contains(&kind))
}

pub(crate) fn describe(keys: &Keys<'_>) -> Result<Pair, llm::Error> {
    match keys.text("model_type").unwrap_or_default() {
        "bart" | "mbart" | "m2m_100" | "marian" | "pegasus" => bart(keys),
        _ => t5(keys),
    }
}

/// The reading half alone, for its vectors.
pub(crate) fn as_encoder(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let Pair { encoder, .. } = describe(keys)?;
    Ok(Family { body: encoder, masked: Vec::new(), sequence: POOLED, has_kinds: false })
}

/// Where the vectors of words of a half are: under a name of its own where the file has them twice and they are
/// not the same, as transformers ties them; files of an encoder alone have only that name.
pub(crate) fn find_words(description: &mut Description, store: &Store) {
    let [mut own, mut other] = OWN_WORDS;
    if description.cross.is_some() {
        std::mem::swap(&mut own, &mut other);
    }
    let shared = store.body(description.words);
    let is_own = store.has(&store.body(own)) && !store.is_same(&store.body(own), &shared);
    if is_own {
        description.words = own;
    } else if !store.has(&shared) && store.has(&store.body(other)) {
        description.words = other;
    }
}

fn id(keys: &Keys<'_>, key: &str) -> Option<u32> {
    u32::try_from(keys.get(key)?.as_u64()?).ok()
}

fn t5(keys: &Keys<'_>) -> Result<Pair, llm::Error> {
    const SIZES: SizeKeys = [
        ("vocab_size", 32_128),
        ("d_model", 512),
        ("num_layers", 6),
        // Heads need not divide the width: see below.
        ("n_heads_that_divide", 1),
        ("d_ff", 2048),
        ("n_positions", 512),
    ];
    let is_mt5 = keys.text("model_type") == Some("mt5");
    let mut names = SIZES;
    if is_mt5 {
        (names[0].1, names[2].1, names[4].1) = (250_112, 8, 1024);
    }
    let sizes = Sizes::read(keys, names)?;
    let heads = keys.size_up_to("num_heads", if is_mt5 { 6 } else { 8 }, 1000)?;
    let head_dim = keys.size_up_to("d_kv", 64, 1 << 16)?;
    let decoder_layers = keys.size_up_to("num_decoder_layers", sizes.layers, 1000)?;
    let told = keys.text("feed_forward_proj");
    let feed = told.unwrap_or(if is_mt5 { "gated-gelu" } else { "relu" });
    let (is_gated, name) = match feed.split_once('-') {
        Some(("gated", name)) => (true, name),
        None => (false, feed),
        Some(_) => {
            let expected = "gated-gelu, gated-silu, relu, or another activation was expected";
            return Err(keys.refuse("feed_forward_proj", expected));
        }
    };
    let told = json!({ "feed_forward_proj": name });
    // Both parts may stand by themselves as well, and then count.
    let is_gated = keys.flag("is_gated_act", is_gated)?;
    let activation = match feed {
        _ if keys.get("dense_act_fn").is_some() => keys.activation("dense_act_fn", "relu")?,
        "gated-gelu" => Activation::GeluTanh,
        _ => keys.of(&told).activation("feed_forward_proj", "relu")?,
    };
    let buckets = keys.size_up_to("relative_attention_num_buckets", 32, 1 << 16)?;
    let farthest = keys.size_up_to("relative_attention_max_distance", 128, 1 << 20)?;
    if buckets < 4 {
        return Err(keys.refuse("relative_attention_num_buckets", "at least 4 was expected"));
    }
    if farthest <= buckets / 2 {
        let expected =
            format!("more than half of relative_attention_num_buckets, {buckets}, was expected");
        return Err(keys.refuse("relative_attention_max_distance", expected));
    }
    let distances = |name| DistanceNames { name, rows: buckets, buckets, farthest };
    let eps = keys.positive("layer_norm_epsilon", 1e-6)?;
    let half = |side: &str, layers: usize| Description {
        heads,
        head_dim,
        norm: NormKind::Rms,
        order: Order::NormBefore,
        scale: 1.0,
        prefixes: &["", "transformer."],
        words: SHARED,
        positions: None,
        embedding_norm: None,
        paths: (0..layers).map(|layer| format!("{side}.block.{layer}")).collect(),
        has_attention_bias: false,
        has_feed_bias: false,
        longest: None,
        ..like_bert(&sizes, activation, eps)
    };
    let (feed, gate) = if is_gated {
        (
            ["layer.1.DenseReluDense.wi_0", "layer.2.DenseReluDense.wi_0"],
            ["layer.1.DenseReluDense.wi_1", "layer.2.DenseReluDense.wi_1"].map(FeedGate::Own),
        )
    } else {
        (["layer.1.DenseReluDense.wi", "layer.2.DenseReluDense.wi"], [FeedGate::None; 2])
    };
    let own = LayerNames {
        query: "layer.0.SelfAttention.q",
        key: "layer.0.SelfAttention.k",
        value: "layer.0.SelfAttention.v",
        fused: None,
        out: "layer.0.SelfAttention.o",
        attention_norm: "layer.0.layer_norm",
        first_has_no_norm: false,
        feed: feed[0],
        feed_gate: gate[0],
        feed_out: "layer.1.DenseReluDense.wo",
        feed_norm: "layer.1.layer_norm",
    };
    let encoder = Description {
        layer: own,
        distances: Some(distances(
            "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        )),
        final_norm: Some("encoder.final_layer_norm"),
        ..half("encoder", sizes.layers)
    };
    let decoder = Description {
        layer: LayerNames {
            feed: feed[1],
            feed_gate: gate[1],
            feed_out: "layer.2.DenseReluDense.wo",
            feed_norm: "layer.2.layer_norm",
            ..own
        },
        cross: Some(CrossNames {
            query: "layer.1.EncDecAttention.q",
            key: "layer.1.EncDecAttention.k",
            value: "layer.1.EncDecAttention.v",
            out: "layer.1.EncDecAttention.o",
            norm: "layer.1.layer_norm",
        }),
        distances: Some(distances(
            "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        )),
        final_norm: Some("decoder.final_layer_norm"),
        ..half("decoder", decoder_layers)
    };
    // transformers 5 says it itself; older files by way of a setting that means something else.
    let is_scaled =
        !is_mt5 && keys.flag("scale_decoder_outputs", keys.flag("tie_word_embeddings", true)?)?;
    Ok(Pair {
        encoder,
        decoder,
        head_scale: is_scaled.then(|| (sizes.width as f32).sqrt().recip()),
        head_bias: None,
        start: id(keys, "decoder_start_token_id").or_else(|| id(keys, "pad_token_id")),
    })
}

/// BART, and what others do in another way: all of them have their norms before attention and before the
/// feed-forward part, and one at the end.
fn bart(keys: &Keys<'_>) -> Result<Pair, llm::Error> {
    let kind = keys.text("model_type").unwrap_or_default();
    let (is_m2m, is_marian) = (kind == "m2m_100", kind == "marian");
    let has_norms_after = kind == "bart" || is_marian;
    let padding = id(keys, "pad_token_id");
    // Positions are learned and begin at 2, or computed.
    let (sines, skipped, first) = match kind {
        "m2m_100" => {
            let padding = padding.unwrap_or(1);
            (Some(Sines::AfterPadding(padding)), 2, FirstPosition::After(padding))
        }
        "marian" | "pegasus" => (Some(Sines::Pegasus), 0, FirstPosition::From(0)),
        _ => (None, 2, FirstPosition::From(2)),
    };
    let words = match kind {
        "m2m_100" => 128_112,
        "marian" => 58_101,
        _ => 50_265,
    };
    // Marian's two halves may know words of their own.
    let is_shared = !is_marian || keys.flag("share_encoder_decoder_embeddings", true)?;
    let sizes = |side: [&'static str; 3]| {
        let [layers, heads, inner] = side;
        Sizes::read(
            keys,
            [
                ("vocab_size", words),
                ("d_model", 1024),
                (layers, 12),
                (heads, 16),
                (inner, 4096),
                ("max_position_embeddings", 1024),
            ],
        )
    };
    let reads = sizes(["encoder_layers", "encoder_attention_heads", "encoder_ffn_dim"])?;
    let mut writes = sizes(["decoder_layers", "decoder_attention_heads", "decoder_ffn_dim"])?;
    if !is_shared {
        let own = keys.optional_size("decoder_vocab_size", None)?;
        writes.vocabulary = own.unwrap_or(reads.vocabulary);
    }
    let activation =
        keys.activation("activation_function", if is_m2m { "relu" } else { "gelu" })?;
    let is_scaled = keys.flag("scale_embedding", is_m2m)?;
    let half =
        |sizes: &Sizes, side: &str, [positions, norm, last]: [&'static str; 3]| Description {
            prefixes: &["model.", ""],
            words: match (is_shared, side) {
                (true, _) => SHARED,
                (false, "encoder") => OWN_WORDS[0],
                (false, _) => OWN_WORDS[1],
            },
            word_scale: is_scaled.then(|| (sizes.width as f32).sqrt()),
            positions: Some(Learned { name: positions, rows: sizes.positions + skipped, first }),
            sines,
            embedding_norm: sines.is_none().then_some(norm),
            order: if has_norms_after { Order::NormAfter } else { Order::NormBefore },
            final_norm: (!has_norms_after).then_some(last),
            paths: (0..sizes.layers).map(|layer| format!("{side}.layers.{layer}")).collect(),
            layer: LayerNames {
                query: "self_attn.q_proj",
                key: "self_attn.k_proj",
                value: "self_attn.v_proj",
                fused: None,
                out: "self_attn.out_proj",
                attention_norm: "self_attn_layer_norm",
                first_has_no_norm: false,
                feed: "fc1",
                feed_gate: FeedGate::None,
                feed_out: "fc2",
                feed_norm: "final_layer_norm",
            },
            ..like_bert(sizes, activation, 1e-5)
        };
    let encoder = half(
        &reads,
        "encoder",
        ["encoder.embed_positions.weight", "encoder.layernorm_embedding", "encoder.layer_norm"],
    );
    let decoder = Description {
        cross: Some(CrossNames {
            query: "encoder_attn.q_proj",
            key: "encoder_attn.k_proj",
            value: "encoder_attn.v_proj",
            out: "encoder_attn.out_proj",
            norm: "encoder_attn_layer_norm",
        }),
        ..half(
            &writes,
            "decoder",
            ["decoder.embed_positions.weight", "decoder.layernorm_embedding", "decoder.layer_norm"],
        )
    };
    Ok(Pair {
        encoder,
        decoder,
        head_scale: None,
        head_bias: (!is_m2m).then_some("final_logits_bias"),
        start: id(keys, "decoder_start_token_id").or_else(|| match kind {
            "mbart" => id(keys, "bos_token_id").or(Some(0)),
            "pegasus" => Some(0),
            "marian" => Some(58_100),
            _ => Some(2),
        }),
    })
}
