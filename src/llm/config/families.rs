//! `config.json` of transformers, family by family. A key that is absent means transformers'
//! default for that family, since transformers writes only what differs from it. A setting that a
//! family does not have is refused by its name.

use std::path::Path;

use serde_json::Value;

use super::base::{
    Defaults, GEMMA2, GEMMA3, LLAMA, MOST_LAYERS, QWEN, base, qwen_windows, ropes_by_window,
};
use super::config_keys::Keys;
use super::names::Naming;
use super::plain::Shape;
use super::{Activation, Config, LayerConfig, MlpKind, NormKind, NormPlacement, QkNorm, QkvLayout};
use super::{gemma3n, gemma4, latent, like_llama, mixtures, older, recurrent, shared_experts};
use crate::llm::error::Error;
use crate::llm::files::packed::{self, quantization};

/// Reads a decoder's description. `path` is for error messages.
pub fn from_json(json: &Value, path: &Path) -> Result<Config, Error> {
    let keys = Keys::new(json, path);
    refuse_quantised(keys)?;
    see_both_ways(keys, described(keys)?)
}

/// transformers' `is_causal`: with `false` a token of any decoder sees those after it too, and a window
/// reaches as far on either side.
fn see_both_ways(keys: Keys<'_>, mut config: Config) -> Result<Config, Error> {
    const KNOWN: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];

    if config.both_ways || keys.flag("is_causal", true)? {
        return Ok(config);
    }
    if !KNOWN.contains(&config.architecture.as_str()) {
        let expected = format!("attention in both directions is computed for {}", KNOWN.join(", "));
        return Err(keys.refuse("is_causal", expected));
    }
    config.both_ways = true;
    for layer in &mut config.layers {
        layer.window = layer.window.map(|window| window + 1); // the token itself beside as many
    }
    Ok(config)
}

fn described(keys: Keys<'_>) -> Result<Config, Error> {
    let path = keys.path;
    match keys.text("model_type").unwrap_or_default() {
        "llama" => llama(keys),
        "mistral" => mistral(keys),
        "qwen2" => qwen2(keys),
        "qwen3" => qwen3(keys),
        "gemma" => gemma1(keys),
        "gemma2" => gemma2(keys),
        "gemma3_text" => gemma3(keys),
        // With pictures; the decoder is described inside and is all that is run.
        "gemma3" => match keys.get("text_config") {
            Some(text) => Ok(Config { with_tower: true, ..gemma3(keys.of(text))? }),
            None => Err(keys.refuse("text_config", "the decoder's description was expected")),
        },
        "gemma3n_text" => gemma3n::gemma3n(keys),
        "gemma4_text" => gemma4::gemma4(keys),
        // As above, and with sound.
        "gemma3n" => match keys.get("text_config") {
            Some(text) => Ok(Config { with_tower: true, ..gemma3n::gemma3n(keys.of(text))? }),
            None => Err(keys.refuse("text_config", "the decoder's description was expected")),
        },
        "gemma4" => match keys.get("text_config") {
            Some(text) => gemma4::gemma4(keys.of(text)),
            None => Err(keys.refuse("text_config", "the decoder's description was expected")),
        },
        "phi3" => phi3(keys),
        "olmo2" => olmo2(keys),
        "smollm3" => smollm3(keys),
        "gpt2" => gpt2(keys),
        // With pictures, as above; which Mistral it is, the inner description says.
        "mistral3" => match keys.get("text_config") {
            Some(text) if text.get("model_type").and_then(Value::as_str) != Some("mistral3") => {
                from_json(text, path)
            }
            _ => Err(keys.refuse("text_config", "the decoder's description was expected")),
        },
        "apertus" => like_llama::apertus(keys),
        "cohere" => like_llama::cohere(keys),
        "cohere2" => like_llama::cohere2(keys),
        "ernie4_5" => like_llama::ernie(keys),
        "ernie4_5_moe" => mixtures::ernie_moe(keys),
        "exaone4" => like_llama::exaone4(keys),
        "glm" => like_llama::glm(keys),
        "glm4" => like_llama::glm4(keys),
        "granite" => like_llama::granite(keys),
        "hunyuan_v1_dense" => like_llama::hunyuan(keys),
        "ministral3" => like_llama::ministral3(keys),
        "nanochat" => like_llama::nanochat(keys),
        "olmo3" => like_llama::olmo3(keys),
        "seed_oss" => like_llama::seed_oss(keys),
        "gpt_oss" => mixtures::gpt_oss(keys),
        "granitemoe" => mixtures::granitemoe(keys),
        "hunyuan_v1_moe" => mixtures::hunyuan_moe(keys),
        "mixtral" => mixtures::mixtral(keys),
        "olmoe" => mixtures::olmoe(keys),
        "phimoe" => mixtures::phimoe(keys),
        "qwen2_moe" => mixtures::qwen2_moe(keys),
        "qwen3_moe" => mixtures::qwen3_moe(keys),
        "deepseek_v2" => latent::deepseek_v2(keys),
        "deepseek_v3" => latent::deepseek_v3(keys),
        "glm4_moe" => shared_experts::glm4_moe(keys),
        "glm4_moe_lite" => latent::glm4_moe_lite(keys),
        "minicpm3" => latent::minicpm3(keys),
        "mistral4" => latent::mistral4(keys),
        "granitemoehybrid" => recurrent::granite_hybrid(keys),
        "falcon_h1" => recurrent::falcon_h1(keys),
        "lfm2" => recurrent::lfm2(keys),
        "lfm2_moe" => recurrent::lfm2_moe(keys),
        "lfm3" => recurrent::lfm3(keys),
        "qwen3_next" => recurrent::qwen3_next(keys),
        "qwen3_5_text" => recurrent::qwen3_5(keys),
        "qwen3_5_moe_text" => recurrent::qwen3_5_moe(keys),
        "qwen3_5" | "qwen3_5_moe" => match keys.get("text_config") {
            Some(text) if text.get("text_config").is_none() => from_json(text, path),
            _ => Err(keys.refuse("text_config", "the decoder's description was expected")),
        },
        "bloom" => older::bloom(keys),
        "codegen" => older::codegen(keys),
        "falcon" => older::falcon(keys),
        "gpt_bigcode" => older::gpt_bigcode(keys),
        "gpt_neo" => older::gpt_neo(keys),
        "gpt_neox" => older::gpt_neox(keys),
        "gptj" => older::gptj(keys),
        "mpt" => older::mpt(keys),
        "olmo" => older::olmo(keys),
        "opt" => older::opt(keys),
        "phi" => older::phi(keys),
        "stablelm" => older::stablelm(keys),
        "starcoder2" => older::starcoder2(keys),
        "" => Err(Error::not_a_model(path, "it has no model_type")),
        other => Err(Error::UnsupportedArchitecture { architecture: other.to_owned() }),
    }
}

/// Weights that another library has packed: GPTQ, AWQ, bitsandbytes, …
fn refuse_quantised(keys: Keys<'_>) -> Result<(), Error> {
    let Some(settings) = quantization(keys.json) else { return Ok(()) };
    if settings.get("quant_method").and_then(Value::as_str) == Some("mxfp4") {
        return Ok(()); // whoever reads the tensors knows it
    }
    let why = match packed::method(settings) {
        Ok(_) => return Ok(()),
        Err(why) => why.map(|why| format!(" ({why})")).unwrap_or_default(),
    };
    let on = |key: &str| settings.get(key).and_then(Value::as_bool) == Some(true);
    let bits = ["bits", "w_bit", "num_bits"].iter().find_map(|key| settings.get(*key)?.as_u64());
    let bits = bits.or_else(|| on("load_in_4bit").then_some(4));
    let bits = bits.or_else(|| on("load_in_8bit").then_some(8));
    let method = settings.get("quant_method").and_then(Value::as_str).unwrap_or("a method unsaid");
    let found = match bits {
        Some(bits) => format!("{method}, {bits} bits{why}"),
        None => format!("{method}{why}"),
    };
    let expected = "weights packed like this are not computed; open a GGUF file of this model (on the \
                    Hub mostly in a repository whose name ends in -GGUF), or the folder that it was \
                    quantised from";
    Err(Error::Setting {
        path: keys.path.to_owned(),
        key: "quantization_config".to_owned(),
        found: Some(found),
        expected: expected.to_owned(),
    })
}

fn llama(keys: Keys<'_>) -> Result<Config, Error> {
    let config = base(keys, LLAMA)?;
    Ok(Config { activation: keys.activation("hidden_act", "silu")?, ..config })
}

fn mistral(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "mistral",
        mlp_width: 14_336,
        kv_heads: Some(8),
        context: 131_072,
        own: &[],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    // `null` is no window; absent is the default of 4096.
    let window = keys.optional_size("sliding_window", Some(4096))?;
    for layer in &mut config.layers {
        layer.window = window;
    }
    Ok(config)
}

fn qwen2(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = base(keys, Defaults { name: "qwen2", own: &[], ..QWEN })?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.qkv_bias = true;
    qwen_windows(keys, &mut config)?;
    Ok(config)
}

fn qwen3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults =
        Defaults { name: "qwen3", head_dim: Some(128), own: &["attention_bias"], ..QWEN };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.qk_norm = QkNorm::PerHead;
    qwen_windows(keys, &mut config)?;
    Ok(config)
}

fn gemma1(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "gemma",
        width: 3072,
        mlp_width: 24_576,
        layers: 28,
        heads: 16,
        kv_heads: Some(16),
        own: &["attention_bias"],
        ..GEMMA2
    };
    let config = base(keys, defaults)?;
    // Its first files say gelu, and mean what was trained.
    let activation = match keys.activation("hidden_act", "gelu_pytorch_tanh")? {
        Activation::Gelu => Activation::GeluTanh,
        other => other,
    };
    Ok(Config {
        activation,
        norm: NormKind::RmsPlusOne,
        embedding_scale: Some((config.width as f32).sqrt()),
        ..config
    })
}

fn gemma2(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = gemma(keys, GEMMA2)?;
    config.attention_softcap = keys.optional_positive("attn_logit_softcapping", Some(50.0))?;
    config.final_softcap = keys.optional_positive("final_logit_softcapping", Some(30.0))?;
    let window = keys.size("sliding_window", 4096)?;
    keys.windows(&mut config, Some(window), |layer| layer.is_multiple_of(2))?;
    Ok(config)
}

fn gemma3(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = gemma(keys, GEMMA3)?;
    config.qk_norm = QkNorm::PerHead;
    // transformers reads Gemma 3's `attn_logit_softcapping` and does not use it.
    config.final_softcap = keys.optional_positive("final_logit_softcapping", None)?;
    config.both_ways = keys.flag("use_bidirectional_attention", false)?;
    let window = keys.size("sliding_window", 4096)?;
    // As many on either side, the token itself counted in both.
    let window = if config.both_ways { window / 2 + 1 } else { window };
    let pattern = keys.size("sliding_window_pattern", 6)?;
    keys.windows(&mut config, Some(window), |layer| !(layer + 1).is_multiple_of(pattern))?;

    ropes_by_window(keys, &mut config)?;
    Ok(config)
}

fn gemma(keys: Keys<'_>, defaults: Defaults) -> Result<Config, Error> {
    let mut config = base(keys, defaults)?;
    config.norm = NormKind::RmsPlusOne;
    config.norm_placement = NormPlacement::Around;
    config.activation = keys.activation("hidden_activation", "gelu_pytorch_tanh")?;
    config.embedding_scale = Some((config.width as f32).sqrt());
    let scale = keys.positive("query_pre_attn_scalar", 256.0)?.powf(-0.5) as f32;
    for layer in &mut config.layers {
        layer.scale = scale;
    }
    Ok(config)
}

fn phi3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "phi3",
        vocab_size: 32_064,
        width: 3072,
        mlp_width: 8192,
        context: 4096,
        norm_eps: 1e-5,
        original_context: Some(4096),
        own: &["partial_rotary_factor"],
        ..LLAMA
    };
    // Phi 3's first files call LongRoPE `su`, and some `yarn`; transformers takes both for it.
    let mut json = keys.json.clone();
    for name in ["rope_scaling", "rope_parameters"] {
        for kind in ["type", "rope_type"] {
            match json.get_mut(name).and_then(|rope| rope.get_mut(kind)) {
                Some(value) if value == "yarn" => *value = Value::from("longrope"),
                _ => {}
            }
        }
    }
    let keys = keys.of(&json);
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.qkv = QkvLayout::Fused;
    config.mlp = MlpKind::GatedFused;
    config.restarts_when_long = true;
    let window = keys.optional_size("sliding_window", None)?;
    for layer in &mut config.layers {
        layer.window = window;
    }
    Ok(config)
}

fn olmo2(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "olmo2",
        vocab_size: 50_304,
        norm_eps: 1e-5,
        own: &["attention_bias"],
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    config.norm_placement = NormPlacement::After;
    config.qk_norm = QkNorm::Whole;
    Ok(config)
}

fn smollm3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        name: "smollm3",
        vocab_size: 128_256,
        width: 2048,
        layers: 36,
        heads: 16,
        kv_heads: Some(4),
        context: 32_768,
        rope_theta: 2e6,
        tied: true,
        ..LLAMA
    };
    let mut config = base(keys, defaults)?;
    config.activation = keys.activation("hidden_act", "silu")?;
    let interval = keys.size("no_rope_layer_interval", 4)?;
    let count = config.layer_count();
    let listed = match keys.get("no_rope_layers") {
        None => None,
        Some(value) => {
            let list = value.as_array().filter(|list| list.len() >= count);
            let list = list.and_then(|list| list.iter().map(Value::as_u64).collect());
            let expected = format!("0 or 1 for each of the {count} layers was expected");
            Some::<Vec<u64>>(list.ok_or_else(|| keys.refuse("no_rope_layers", expected))?)
        }
    };
    for (index, layer) in config.layers.iter_mut().enumerate() {
        // 1 in `no_rope_layers` is a layer *with* rope; so transformers reads it.
        let with_rope = match &listed {
            Some(list) => list[index] != 0,
            None => !(index + 1).is_multiple_of(interval),
        };
        layer.rope = with_rope.then_some(0);
    }
    // Layers that the file calls sliding have the window all the same: transformers makes their masks by that.
    if keys.get("layer_types").is_some() || keys.flag("use_sliding_window", false)? {
        let window = keys.optional_size("sliding_window", None)?;
        let with_rope: Vec<bool> = config.layers.iter().map(|layer| layer.rope.is_some()).collect();
        keys.windows(&mut config, window, |layer| !with_rope[layer])?;
    }
    Ok(config)
}

fn gpt2(keys: Keys<'_>) -> Result<Config, Error> {
    keys.refuse_foreign(&[])?;
    let width = keys.size("n_embd", 768)?;
    let heads = keys.size("n_head", 12)?;
    if !width.is_multiple_of(heads) {
        return Err(keys.refuse("n_head", format!("it must divide n_embd = {width}")));
    }
    let head_dim = width / heads;
    let scaled = keys.flag("scale_attn_weights", true)?;
    let scale = if scaled { (head_dim as f32).powf(-0.5) } else { 1.0 };
    let by_layer = keys.flag("scale_attn_by_inverse_layer_idx", false)?;
    let layers = (0..keys.size_up_to("n_layer", 12, MOST_LAYERS)?)
        .map(|index| LayerConfig::new(if by_layer { scale / (index + 1) as f32 } else { scale }));
    let plain = Config::plain(Shape {
        architecture: "gpt2".to_owned(),
        vocab_size: keys.size("vocab_size", 50_257)?,
        width,
        mlp_width: keys.optional_size("n_inner", None)?.unwrap_or(4 * width),
        heads,
        kv_heads: heads,
        head_dim,
        context_length: keys.size("n_positions", 1024)?,
        layers: layers.collect(),
        ropes: Vec::new(),
        norm_eps: keys.positive("layer_norm_epsilon", 1e-5)? as f32,
        tied_head: keys.flag("tie_word_embeddings", true)?,
    });
    Ok(Config {
        learned_positions: Some(0),
        norm: NormKind::Layer,
        activation: keys.activation("activation_function", "gelu_new")?,
        mlp: MlpKind::Plain,
        qkv: QkvLayout::Fused,
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        naming: Naming::Gpt2,
        ..plain
    })
}
