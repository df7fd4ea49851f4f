//! Families of encoders, from `config.json`: what each computes and calls its tensors. What is not in
//! the file is as transformers has it.

use super::description::{
    DenseNames, Description, DistanceNames, Family, FeedGate, FirstPosition, LayerNames, Learned,
    MaskedNames, Projection, Reads, SequenceNames,
};
use super::stack::Order;
use super::store::NormKind;
use crate::llm;
use crate::llm::config::Activation;
use crate::llm::config::config_keys::Keys;

/// Sizes that decide about memory are bounded before any tensor is looked at.
pub(crate) struct Sizes {
    pub vocabulary: usize,
    pub width: usize,
    pub layers: usize,
    pub heads: usize,
    pub inner: usize,
    pub positions: usize,
}

/// What each size is called, and what it is where nothing is said.
pub(crate) type SizeKeys = [(&'static str, usize); 6];

impl Sizes {
    pub fn read(keys: &Keys<'_>, names: SizeKeys) -> Result<Self, llm::Error> {
        const MOST: [usize; 6] = [10_000_000, 1 << 16, 1000, 1000, 1 << 20, 1 << 20];
        let mut sizes = [0; 6];
        for ((size, (key, default)), most) in sizes.iter_mut().zip(names).zip(MOST) {
            *size = keys.size_up_to(key, default, most)?;
        }
        let [vocabulary, width, layers, heads, inner, positions] = sizes;
        if !width.is_multiple_of(heads) {
            let expected = format!("{}, {width}, is not a multiple of that", names[1].0);
            return Err(keys.refuse(names[3].0, expected));
        }
        Ok(Self { vocabulary, width, layers, heads, inner, positions })
    }
}

/// What most families call their sizes.
pub(crate) const USUAL: SizeKeys = [
    ("vocab_size", 30_522),
    ("hidden_size", 768),
    ("num_hidden_layers", 12),
    ("num_attention_heads", 12),
    ("intermediate_size", 3072),
    ("max_position_embeddings", 512),
];

/// BERT, which the others are told apart from.
pub(crate) fn like_bert(sizes: &Sizes, activation: Activation, eps: f64) -> Description {
    let Sizes { vocabulary, width, layers, heads, inner, positions } = *sizes;
    Description {
        vocabulary,
        width,
        embedding_width: width,
        heads,
        head_dim: width / heads,
        inner,
        eps,
        norm: NormKind::Layer { has_bias: true },
        activation,
        order: Order::NormAfter,
        scale: ((width / heads) as f64).sqrt().recip(),
        prefixes: &["bert.", ""],
        words: "embeddings.word_embeddings.weight",
        word_scale: None,
        positions: Some(Learned {
            name: "embeddings.position_embeddings.weight",
            rows: positions,
            first: FirstPosition::From(0),
        }),
        sines: None,
        kinds: None,
        embedding_norm: Some("embeddings.LayerNorm"),
        projection: None,
        hides_padding: false,
        paths: (0..layers).map(|layer| format!("encoder.layer.{layer}")).collect(),
        layer: BERT_LAYER,
        cross: None,
        has_attention_bias: true,
        has_feed_bias: true,
        windows: Vec::new(),
        turns: Vec::new(),
        distances: None,
        places: None,
        final_norm: None,
        longest: Some(positions),
    }
}

const BERT_LAYER: LayerNames = LayerNames {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    fused: None,
    out: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    first_has_no_norm: false,
    feed: "intermediate.dense",
    feed_gate: FeedGate::None,
    feed_out: "output.dense",
    feed_norm: "output.LayerNorm",
};

const KINDS: &str = "embeddings.token_type_embeddings.weight";

/// BERT's head over the first token: the pooler, which belongs to the body, and a matrix.
pub(crate) const POOLED: SequenceNames = SequenceNames {
    reads: Reads::First,
    dense: Some(DenseNames {
        name: "pooler.dense",
        is_of_body: true,
        has_bias: true,
        activation: Activation::Tanh,
        norm: None,
    }),
    out: "classifier",
    has_out_bias: true,
};

pub(crate) fn bert_masked(activation: Activation, eps: f64) -> MaskedNames {
    MaskedNames {
        dense: "cls.predictions.transform.dense",
        has_dense_bias: true,
        norm: "cls.predictions.transform.LayerNorm",
        decoder: "cls.predictions.decoder.weight",
        biases: &["cls.predictions.decoder.bias", "cls.predictions.bias"],
        is_always_tied: false,
        activation,
        eps,
    }
}

pub(crate) fn bert(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let sizes = Sizes::read(keys, USUAL)?;
    let activation = keys.activation("hidden_act", "gelu")?;
    let eps = keys.positive("layer_norm_eps", 1e-12)?;
    let kinds = keys.size_up_to("type_vocab_size", 2, 1000)?;
    let body = Description { kinds: Some((KINDS, kinds)), ..like_bert(&sizes, activation, eps) };
    let masked = vec![bert_masked(activation, eps)];
    Ok(Family { body, masked, sequence: POOLED, has_kinds: kinds > 1 })
}

/// `BigBird` with full attention: BERT with `RoBERTa`'s head.
pub(crate) fn big_bird(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let mut names = USUAL;
    (names[0].1, names[5].1) = (50_358, 4096);
    let sizes = Sizes::read(keys, names)?;
    let activation = keys.activation("hidden_act", "gelu_new")?;
    let eps = keys.positive("layer_norm_eps", 1e-12)?;
    let kinds = keys.size_up_to("type_vocab_size", 2, 1000)?;
    if !keys.flag("use_bias", true)? {
        return Err(keys.refuse("use_bias", "attention with biases is computed here"));
    }
    let is_scaled = keys.flag("rescale_embeddings", false)?;
    let plain = like_bert(&sizes, activation, eps);
    let body = Description {
        kinds: Some((KINDS, kinds)),
        word_scale: is_scaled.then(|| (sizes.width as f32).sqrt()),
        longest: only_up_to(keys)?.into_iter().chain(plain.longest).min(),
        ..plain
    };
    let masked = vec![bert_masked(activation, eps)];
    Ok(Family { body, masked, sequence: own_dense(activation), has_kinds: kinds > 1 })
}

/// How many tokens transformers' `BigBird` reads with full attention where it is sparse beyond. `None`: it is
/// never sparse.
pub(crate) fn only_up_to(keys: &Keys<'_>) -> Result<Option<usize>, llm::Error> {
    if keys.text("model_type") != Some("big_bird") {
        return Ok(None);
    }
    match keys.text("attention_type").unwrap_or("block_sparse") {
        "original_full" => Ok(None),
        "block_sparse" => {
            let block = keys.size_up_to("block_size", 64, 1 << 16)?;
            let blocks = keys.size_up_to("num_random_blocks", 3, 1 << 10)?;
            Ok(Some((5 + 2 * blocks) * block))
        }
        _ => Err(keys.refuse("attention_type", "original_full and block_sparse are computed here")),
    }
}

pub(crate) fn distilbert(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let sizes = Sizes::read(
        keys,
        [
            ("vocab_size", 30_522),
            ("dim", 768),
            ("n_layers", 6),
            ("n_heads", 12),
            ("hidden_dim", 3072),
            ("max_position_embeddings", 512),
        ],
    )?;
    let activation = keys.activation("activation", "gelu")?;
    let body = Description {
        prefixes: &["distilbert.", ""],
        paths: (0..sizes.layers).map(|layer| format!("transformer.layer.{layer}")).collect(),
        layer: LayerNames {
            query: "attention.q_lin",
            key: "attention.k_lin",
            value: "attention.v_lin",
            out: "attention.out_lin",
            attention_norm: "sa_layer_norm",
            feed: "ffn.lin1",
            feed_out: "ffn.lin2",
            feed_norm: "output_layer_norm",
            ..BERT_LAYER
        },
        ..like_bert(&sizes, activation, 1e-12)
    };
    let masked = MaskedNames {
        dense: "vocab_transform",
        norm: "vocab_layer_norm",
        decoder: "vocab_projector.weight",
        biases: &["vocab_projector.bias"],
        ..bert_masked(activation, 1e-12)
    };
    let dense = DenseNames {
        name: "pre_classifier",
        is_of_body: false,
        has_bias: true,
        activation: Activation::Relu,
        norm: None,
    };
    let sequence = SequenceNames { dense: Some(dense), ..POOLED };
    Ok(Family { body, masked: vec![masked], sequence, has_kinds: false })
}

/// `RoBERTa`'s and `MPNet`'s head over the first token.
fn own_dense(activation: Activation) -> SequenceNames {
    let dense = DenseNames {
        name: "classifier.dense",
        is_of_body: false,
        has_bias: true,
        activation,
        norm: None,
    };
    SequenceNames { dense: Some(dense), out: "classifier.out_proj", ..POOLED }
}

fn roberta_masked(eps: f64) -> MaskedNames {
    MaskedNames {
        dense: "lm_head.dense",
        norm: "lm_head.layer_norm",
        decoder: "lm_head.decoder.weight",
        biases: &["lm_head.decoder.bias", "lm_head.bias"],
        ..bert_masked(Activation::Gelu, eps)
    }
}

pub(crate) fn roberta(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let mut names = USUAL;
    names[0].1 = 50_265;
    let sizes = Sizes::read(keys, names)?;
    let eps = keys.positive("layer_norm_eps", 1e-12)?;
    let kinds = keys.size_up_to("type_vocab_size", 2, 1000)?;
    let padding = keys.get("pad_token_id").and_then(serde_json::Value::as_u64).unwrap_or(1) as u32;
    let plain = like_bert(&sizes, keys.activation("hidden_act", "gelu")?, eps);
    let body = Description {
        prefixes: &["roberta.", ""],
        kinds: Some((KINDS, kinds)),
        positions: plain
            .positions
            .map(|learned| Learned { first: FirstPosition::After(padding), ..learned }),
        longest: Some(sizes.positions.saturating_sub(padding as usize + 1)),
        ..plain
    };
    let masked = vec![roberta_masked(eps)];
    let sequence = own_dense(Activation::Tanh);
    Ok(Family { body, masked, sequence, has_kinds: false })
}

pub(crate) fn mpnet(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let mut names = USUAL;
    names[0].1 = 30_527;
    let sizes = Sizes::read(keys, names)?;
    let eps = keys.positive("layer_norm_eps", 1e-12)?;
    let rows = keys.size_up_to("relative_attention_num_buckets", 32, 1 << 16)?;
    if rows < 32 {
        let expected = "transformers computes with 32 whatever this says: at least that many";
        return Err(keys.refuse("relative_attention_num_buckets", expected));
    }
    let plain = like_bert(&sizes, keys.activation("hidden_act", "gelu")?, eps);
    let body = Description {
        prefixes: &["mpnet.", ""],
        positions: plain
            .positions
            .map(|learned| Learned { first: FirstPosition::After(1), ..learned }),
        longest: Some(sizes.positions.saturating_sub(2)),
        layer: LayerNames {
            query: "attention.attn.q",
            key: "attention.attn.k",
            value: "attention.attn.v",
            out: "attention.attn.o",
            attention_norm: "attention.LayerNorm",
            ..BERT_LAYER
        },
        distances: Some(DistanceNames {
            name: "encoder.relative_attention_bias.weight",
            rows,
            buckets: 32,
            farthest: 128,
        }),
        ..plain
    };
    let masked = vec![roberta_masked(eps)];
    let sequence = own_dense(Activation::Tanh);
    Ok(Family { body, masked, sequence, has_kinds: false })
}

pub(crate) fn albert(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let sizes = Sizes::read(
        keys,
        [
            ("vocab_size", 30_000),
            ("hidden_size", 4096),
            ("num_hidden_layers", 12),
            ("num_attention_heads", 64),
            ("intermediate_size", 16_384),
            ("max_position_embeddings", 512),
        ],
    )?;
    let activation = keys.activation("hidden_act", "gelu_new")?;
    let eps = keys.positive("layer_norm_eps", 1e-12)?;
    let kinds = keys.size_up_to("type_vocab_size", 2, 1000)?;
    let groups = keys.size_up_to("num_hidden_groups", 1, sizes.layers)?;
    let inside = keys.size_up_to("inner_group_num", 1, 1000)?;
    let mut paths = Vec::new();
    for layer in 0..sizes.layers {
        // Layers of a group are one, run several times.
        let group = (layer as f64 / (sizes.layers as f64 / groups as f64)) as usize;
        let path = |inner| format!("encoder.albert_layer_groups.{group}.albert_layers.{inner}");
        paths.extend((0..inside).map(path));
    }
    let body = Description {
        prefixes: &["albert.", ""],
        kinds: Some((KINDS, kinds)),
        embedding_width: keys.size_up_to("embedding_size", 128, 1 << 16)?,
        projection: Some(Projection {
            name: "encoder.embedding_hidden_mapping_in",
            has_bias: true,
            is_before_norm: false,
        }),
        paths,
        layer: LayerNames {
            query: "attention.query",
            key: "attention.key",
            value: "attention.value",
            out: "attention.dense",
            attention_norm: "attention.LayerNorm",
            feed: "ffn",
            feed_out: "ffn_output",
            feed_norm: "full_layer_layer_norm",
            ..BERT_LAYER
        },
        ..like_bert(&sizes, activation, eps)
    };
    let masked = MaskedNames {
        dense: "predictions.dense",
        norm: "predictions.LayerNorm",
        decoder: "predictions.decoder.weight",
        biases: &["predictions.decoder.bias", "predictions.bias"],
        ..bert_masked(activation, eps)
    };
    let pooler = POOLED.dense.map(|dense| DenseNames { name: "pooler", ..dense });
    let sequence = SequenceNames { dense: pooler, ..POOLED };
    Ok(Family { body, masked: vec![masked], sequence, has_kinds: kinds > 1 })
}

pub(crate) fn electra(keys: &Keys<'_>) -> Result<Family, llm::Error> {
    let mut names = USUAL;
    (names[1].1, names[3].1, names[4].1) = (256, 4, 1024);
    let sizes = Sizes::read(keys, names)?;
    let eps = keys.positive("layer_norm_eps", 1e-12)?;
    let kinds = keys.size_up_to("type_vocab_size", 2, 1000)?;
    let embedding_width = keys.size_up_to("embedding_size", 128, 1 << 16)?;
    let projection =
        Projection { name: "embeddings_project", has_bias: true, is_before_norm: false };
    let body = Description {
        prefixes: &["electra.", ""],
        kinds: Some((KINDS, kinds)),
        embedding_width,
        projection: (embedding_width != sizes.width).then_some(projection),
        ..like_bert(&sizes, keys.activation("hidden_act", "gelu")?, eps)
    };
    let masked = MaskedNames {
        dense: "generator_predictions.dense",
        norm: "generator_predictions.LayerNorm",
        decoder: "generator_lm_head.weight",
        biases: &["generator_lm_head.bias"],
        ..bert_masked(Activation::Gelu, eps)
    };
    let sequence = own_dense(Activation::Gelu);
    Ok(Family { body, masked: vec![masked], sequence, has_kinds: kinds > 1 })
}
