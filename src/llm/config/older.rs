//! Families from before Llama, and those that kept their ways: `LayerNorm` with biases, an MLP
//! without a gate, attention and MLP side by side, positions as a bias or from a table.

use tuning_fork_kernels::Alibi;

use super::base::{Defaults, LLAMA, base};
use super::config_keys::Keys;
use super::like_llama::turned_in_neighbours;
use super::names::Naming;
use super::{Activation, Config, MlpKind, NormKind, NormPlacement, QkNorm, QkvLayout};
use crate::llm::error::Error;

/// `LayerNorm`, a plain MLP, and a bias wherever there can be one.
fn with_biases(config: Config) -> Config {
    Config {
        norm: NormKind::Layer,
        mlp: MlpKind::Plain,
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        ..config
    }
}

/// Nothing turns.
const NO_ROPE: Defaults = Defaults { rotary_dims: Some(0), own: &[], ..LLAMA };

/// Of families in which every head has keys of its own, whatever else the file says.
fn without_groups(config: Config) -> Config {
    Config { kv_heads: config.heads, ..config }
}

pub(super) fn gpt_neox(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[
        ("rms_norm_eps", "layer_norm_eps"),
        ("partial_rotary_factor", "rotary_pct"),
        ("rope_theta", "rotary_emb_base"),
    ]);
    let defaults = Defaults {
        name: "gpt_neox",
        vocab_size: 50_432,
        width: 6144,
        mlp_width: 24_576,
        layers: 44,
        heads: 64,
        norm_eps: 1e-5,
        partial: 0.25,
        own: &["attention_bias", "partial_rotary_factor", "use_parallel_residual"],
        ..LLAMA
    };
    let config = with_biases(without_groups(base(keys, defaults)?));
    let bias = keys.flag("attention_bias", true)?;
    let parallel = keys.flag("use_parallel_residual", true)?;
    Ok(Config {
        activation: keys.activation("hidden_act", "gelu")?,
        norm_placement: if parallel { NormPlacement::Parallel } else { NormPlacement::Before },
        qkv: QkvLayout::FusedByHead,
        qkv_bias: bias,
        output_bias: bias,
        naming: Naming::GptNeox,
        ..config
    })
}

/// What GPT-2's heirs call their settings.
const GPT2_NAMES: &[(&str, &str)] = &[
    ("hidden_size", "n_embd"),
    ("num_hidden_layers", "n_layer"),
    ("num_attention_heads", "n_head"),
    ("max_position_embeddings", "n_positions"),
    ("rms_norm_eps", "layer_norm_epsilon"),
];

/// The MLP is as wide as they say, or four times as wide as a hidden state.
fn with_inner_width(keys: Keys<'_>, config: Config) -> Result<Config, Error> {
    let mlp_width = keys.optional_size("n_inner", None)?.unwrap_or(4 * config.width);
    Ok(Config { mlp_width, ..config })
}

/// The first `StarCoder`, and `SantaCoder`.
pub(super) fn gpt_bigcode(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(GPT2_NAMES);
    let width = keys.size("hidden_size", 768)?;
    let defaults = Defaults {
        name: "gpt_bigcode",
        vocab_size: 50_257,
        width,
        mlp_width: 4 * width,
        layers: 12,
        heads: 12,
        context: 1024,
        norm_eps: 1e-5,
        tied: true,
        ..NO_ROPE
    };
    let config = with_inner_width(keys, base(keys, defaults)?)?;
    let mut config = with_biases(without_groups(config));
    if keys.flag("multi_query", true)? {
        config.kv_heads = 1;
    }
    if !keys.flag("scale_attn_weights", true)? {
        config.layers.iter_mut().for_each(|layer| layer.scale = 1.0);
    }
    Ok(Config {
        activation: keys.activation("activation_function", "gelu_pytorch_tanh")?,
        learned_positions: Some(0),
        qkv: QkvLayout::FusedByHead,
        naming: Naming::GptBigCode,
        ..config
    })
}

pub(super) fn codegen(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(GPT2_NAMES);
    let width = keys.size("hidden_size", 4096)?;
    let defaults = Defaults {
        name: "codegen",
        vocab_size: 50_400,
        width,
        mlp_width: 4 * width,
        layers: 28,
        heads: 16,
        norm_eps: 1e-5,
        rotary_dims: Some(keys.size("rotary_dim", 64)?),
        own: &[],
        ..LLAMA
    };
    let config = with_inner_width(keys, base(keys, defaults)?)?;
    let config = turned_in_neighbours(with_biases(without_groups(config)));
    if !config.heads.is_multiple_of(4) {
        let expected =
            "its queries, keys and values are stored in four parts: a multiple of 4 was expected";
        return Err(keys.refuse("num_attention_heads", expected));
    }
    Ok(Config {
        activation: keys.activation("activation_function", "gelu_new")?,
        norm_placement: NormPlacement::ParallelShared,
        qkv: QkvLayout::FusedInFours,
        qkv_bias: false,
        output_bias: false,
        head_bias: true,
        naming: Naming::CodeGen,
        ..config
    })
}

pub(super) fn mpt(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[
        ("hidden_size", "d_model"),
        ("num_hidden_layers", "n_layers"),
        ("num_attention_heads", "n_heads"),
        ("max_position_embeddings", "max_seq_len"),
        ("rms_norm_eps", "layer_norm_epsilon"),
    ]);
    let width = keys.size("hidden_size", 2048)?;
    let defaults = Defaults {
        name: "mpt",
        vocab_size: 50_368,
        width,
        mlp_width: 4 * width,
        layers: 24,
        heads: 16,
        norm_eps: 1e-5,
        tied: true,
        ..NO_ROPE
    };
    let nothing = serde_json::json!({});
    let attention = keys.of(keys.get("attn_config").unwrap_or(&nothing));
    // transformers reads these and computes as if they were otherwise.
    for (key, expected) in [("alibi", true), ("prefix_lm", false), ("qk_ln", false)] {
        if attention.flag(key, expected)? != expected {
            return Err(attention.refuse(key, format!("{expected} was expected")));
        }
    }
    if attention.positive("alibi_bias_max", 8.0)? != 8.0 {
        return Err(attention.refuse("alibi_bias_max", "8 was expected"));
    }
    if attention.text("attn_type").is_some_and(|kind| kind != "multihead_attention") {
        return Err(attention.refuse("attn_type", "multihead_attention was expected"));
    }
    if keys.size("expansion_ratio", 4)? != 4 {
        return Err(keys.refuse("expansion_ratio", "4 was expected"));
    }
    let mut config = without_groups(base(keys, defaults)?);
    if let Some(scale) = attention.optional_positive("softmax_scale", None)? {
        config.layers.iter_mut().for_each(|layer| layer.scale = scale);
    }
    Ok(Config {
        mlp_width: 4 * config.width,
        activation: Activation::Gelu,
        alibi: Some(Alibi { heads: config.heads, rounded: false }),
        clip_qkv: attention.optional_positive("clip_qkv", None)?,
        norm: NormKind::LayerWithoutBias,
        mlp: MlpKind::Plain,
        qkv: QkvLayout::Fused,
        naming: Naming::Mpt,
        ..config
    })
}

pub(super) fn gptj(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(GPT2_NAMES);
    let width = keys.size("hidden_size", 4096)?;
    let defaults = Defaults {
        name: "gptj",
        vocab_size: 50_400,
        width,
        mlp_width: 4 * width,
        layers: 28,
        heads: 16,
        norm_eps: 1e-5,
        rotary_dims: Some(keys.size("rotary_dim", 64)?),
        own: &[],
        ..LLAMA
    };
    let config = with_inner_width(keys, base(keys, defaults)?)?;
    let config = turned_in_neighbours(with_biases(without_groups(config)));
    Ok(Config {
        activation: keys.activation("activation_function", "gelu_new")?,
        norm_placement: NormPlacement::ParallelShared,
        qkv_bias: false,
        output_bias: false,
        head_bias: true,
        naming: Naming::GptJ,
        ..config
    })
}

pub(super) fn bloom(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[
        ("hidden_size", "n_embed"),
        ("num_hidden_layers", "n_layer"),
        ("num_attention_heads", "n_head"),
        ("max_position_embeddings", "seq_length"),
        ("rms_norm_eps", "layer_norm_epsilon"),
    ]);
    let width = keys.size("hidden_size", 64)?;
    let defaults = Defaults {
        name: "bloom",
        vocab_size: 250_880,
        width,
        mlp_width: 4 * width,
        layers: 2,
        heads: 8,
        norm_eps: 1e-5,
        tied: true,
        ..NO_ROPE
    };
    let to_normed = keys.flag("apply_residual_connection_post_layernorm", false)?;
    if keys.flag("slow_but_exact", false)? && keys.size("pretraining_tp", 1)? > 1 {
        let expected = "with it and pretraining_tp above 1 transformers leaves out the biases of two layers, \
                        which is not done here: false was expected";
        return Err(keys.refuse("slow_but_exact", expected));
    }
    let config = with_biases(without_groups(base(keys, defaults)?));
    Ok(Config {
        // Whatever else the file says.
        mlp_width: 4 * config.width,
        activation: Activation::GeluTanh,
        alibi: Some(Alibi { heads: config.heads, rounded: false }),
        embedding_norm: true,
        norm_placement: if to_normed { NormPlacement::BeforeAdding } else { NormPlacement::Before },
        qkv: QkvLayout::FusedByHead,
        naming: Naming::Bloom,
        ..config
    })
}

pub(super) fn falcon(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[
        ("num_hidden_layers", "n_layer"),
        ("num_attention_heads", "n_head"),
        ("num_key_value_heads", "n_head_kv"),
        ("num_key_value_heads", "num_kv_heads"),
        ("intermediate_size", "ffn_hidden_size"),
        ("rms_norm_eps", "layer_norm_epsilon"),
    ]);
    let width = keys.size("hidden_size", 4544)?;
    let newer = keys.flag("new_decoder_architecture", false)?;
    let has_alibi = keys.flag("alibi", false)?;
    let defaults = Defaults {
        name: "falcon",
        vocab_size: 65_024,
        width,
        mlp_width: 4 * width,
        heads: 71,
        norm_eps: 1e-5,
        tied: true,
        rotary_dims: has_alibi.then_some(0),
        own: &["alibi", "parallel_attn"],
        ..LLAMA
    };
    let mut config = with_biases(base(keys, defaults)?);
    if !newer {
        let one = keys.flag("multi_query", true)?;
        config.kv_heads = if one { 1 } else { config.heads };
    }
    config.norm_placement = match (newer, keys.size("num_ln_in_parallel_attn", 2)?) {
        (true, 2) => NormPlacement::Parallel,
        (true, _) => NormPlacement::ParallelShared,
        (false, _) if keys.flag("parallel_attn", true)? => NormPlacement::ParallelShared,
        (false, _) => NormPlacement::Before,
    };
    config.alibi = has_alibi.then_some(Alibi { heads: config.heads, rounded: true });
    let bias = keys.flag("bias", false)?;
    Ok(Config {
        activation: keys.activation("activation", "gelu")?,
        qkv: QkvLayout::FusedByHead,
        qkv_bias: bias,
        output_bias: bias,
        mlp_bias: bias,
        naming: Naming::Falcon,
        ..config
    })
}

pub(super) fn opt(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("intermediate_size", "ffn_dim")]);
    let defaults = Defaults {
        name: "opt",
        vocab_size: 50_272,
        width: 768,
        mlp_width: 3072,
        layers: 12,
        heads: 12,
        norm_eps: 1e-5,
        tied: true,
        ..NO_ROPE
    };
    let weighted = keys.flag("layer_norm_elementwise_affine", true)?;
    if keys.flag("_remove_final_layer_norm", false)? {
        return Err(keys.refuse("_remove_final_layer_norm", "a norm before the head is needed"));
    }
    let before = keys.flag("do_layer_norm_before", true)?;
    let config = with_biases(without_groups(base(keys, defaults)?));
    let bias = keys.flag("enable_bias", true)?;
    let embedding_width = keys.size("word_embed_proj_dim", config.width)?;
    Ok(Config {
        activation: keys.activation("activation_function", "relu")?,
        norm_placement: if before { NormPlacement::Before } else { NormPlacement::AfterSum },
        norm: if weighted { NormKind::Layer } else { NormKind::UnitLayer },
        // The first two rows were for padding.
        learned_positions: Some(2),
        embedding_width: (embedding_width != config.width).then_some(embedding_width),
        qkv_bias: bias,
        output_bias: bias,
        mlp_bias: bias,
        naming: Naming::Opt,
        ..config
    })
}

pub(super) fn stablelm(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("rms_norm_eps", "layer_norm_eps")]);
    let defaults = Defaults {
        name: "stablelm",
        vocab_size: 50_304,
        width: 2560,
        mlp_width: 6912,
        kv_heads: Some(32),
        context: 4096,
        norm_eps: 1e-5,
        partial: 0.25,
        own: &["partial_rotary_factor", "qk_layernorm", "use_parallel_residual"],
        ..LLAMA
    };
    let config = base(keys, defaults)?;
    let parallel = keys.flag("use_parallel_residual", false)?;
    let by_head = keys.flag("qk_layernorm", false)?;
    Ok(Config {
        activation: keys.activation("hidden_act", "silu")?,
        norm: NormKind::Layer,
        norm_placement: if parallel {
            NormPlacement::ParallelShared
        } else {
            NormPlacement::Before
        },
        qk_norm: if by_head { QkNorm::EachHead } else { QkNorm::None },
        qkv_bias: keys.flag("use_qkv_bias", false)?,
        naming: Naming::StableLm,
        ..config
    })
}

pub(super) fn starcoder2(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("rms_norm_eps", "norm_epsilon")]);
    let defaults = Defaults {
        name: "starcoder2",
        vocab_size: 49_152,
        width: 3072,
        mlp_width: 12_288,
        layers: 30,
        heads: 24,
        kv_heads: Some(2),
        context: 4096,
        norm_eps: 1e-5,
        tied: true,
        own: &[],
        ..LLAMA
    };
    let mut config = with_biases(base(keys, defaults)?);
    config.activation = keys.activation("hidden_act", "gelu_pytorch_tanh")?;
    let bias = keys.flag("use_bias", true)?;
    (config.qkv_bias, config.output_bias, config.mlp_bias) = (bias, bias, bias);
    let window = keys.optional_size("sliding_window", None)?;
    config.layers.iter_mut().for_each(|layer| layer.window = window);
    config.naming = Naming::StarCoder2;
    Ok(config)
}

pub(super) fn gpt_neo(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[
        ("num_hidden_layers", "num_layers"),
        ("num_attention_heads", "num_heads"),
        ("rms_norm_eps", "layer_norm_epsilon"),
    ]);
    let width = keys.size("hidden_size", 2048)?;
    let defaults = Defaults {
        name: "gpt_neo",
        vocab_size: 50_257,
        width,
        mlp_width: 4 * width,
        layers: 24,
        heads: 16,
        norm_eps: 1e-5,
        tied: true,
        ..NO_ROPE
    };
    let mut config = with_biases(without_groups(base(keys, defaults)?));
    let window = keys.size("window_size", 256)?;
    let is_local = local_layers(keys, config.layers.len())?;
    for (layer, is_local) in config.layers.iter_mut().zip(is_local) {
        layer.scale = 1.0; // scores are not divided by anything
        layer.window = is_local.then_some(window);
    }
    Ok(Config {
        activation: keys.activation("activation_function", "gelu_new")?,
        learned_positions: Some(0),
        qkv_bias: false,
        naming: Naming::GptNeo,
        ..config
    })
}

/// Which layers see a window alone, from GPT-Neo's `attention_types`: `[[["global", "local"], 12]]`.
fn local_layers(keys: Keys<'_>, count: usize) -> Result<Vec<bool>, Error> {
    let Some(types) = keys.get("attention_types") else {
        return Ok((0..count).map(|layer| layer % 2 == 1).collect());
    };
    let expected = || {
        let expected = format!("lists of global and local with how often, {count} layers together");
        keys.refuse("attention_types", expected)
    };
    let mut found = Vec::new();
    for item in types.as_array().ok_or_else(expected)? {
        let kinds = item[0].as_array().ok_or_else(expected)?;
        let times = item[1].as_u64().filter(|times| *times <= count as u64).ok_or_else(expected)?;
        for kind in (0..times).flat_map(|_| kinds) {
            found.push(match kind.as_str() {
                Some("global") => false,
                Some("local") => true,
                _ => return Err(expected()),
            });
        }
    }
    if found.len() == count { Ok(found) } else { Err(expected()) }
}

/// Phi 1 and 2.
pub(super) fn phi(keys: Keys<'_>) -> Result<Config, Error> {
    let keys = keys.called(&[("rms_norm_eps", "layer_norm_eps")]);
    let defaults = Defaults {
        name: "phi",
        vocab_size: 51_200,
        width: 2048,
        mlp_width: 8192,
        layers: 24,
        norm_eps: 1e-5,
        partial: 0.5,
        own: &["partial_rotary_factor"],
        ..LLAMA
    };
    let config = with_biases(base(keys, defaults)?);
    Ok(Config {
        activation: keys.activation("hidden_act", "gelu_new")?,
        norm_placement: NormPlacement::ParallelShared,
        head_bias: true,
        naming: Naming::Phi,
        ..config
    })
}

/// The first `OLMo`: norms without weights.
pub(super) fn olmo(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "olmo",
        vocab_size: 50_304,
        norm_eps: 1e-5,
        own: &["attention_bias", "clip_qkv"],
        ..LLAMA
    };
    let config = base(keys, defaults)?;
    Ok(Config {
        activation: keys.activation("hidden_act", "silu")?,
        norm: NormKind::UnitLayer,
        norm_eps: 1e-5, // whatever the file says
        clip_qkv: keys.optional_positive("clip_qkv", None)?,
        ..config
    })
}
