//! `config.json` of transformers, family by family. A key that is absent means transformers'
//! default for that family, since transformers writes only what differs from it.

use std::path::Path;

use serde_json::Value;

use super::config::{
    Activation, Config, LayerConfig, MlpKind, Naming, NormKind, NormPlacement, QkNorm, Rope,
    RopeScaling,
};
use super::error::Error;

/// Reads a decoder's description. `path` is for error messages.
pub fn from_json(json: &Value, path: &Path) -> Result<Config, Error> {
    let keys = Keys { json, path };
    let model_type = keys.text("model_type").unwrap_or_default();
    match model_type {
        "llama" => llama(keys),
        "mistral" => mistral(keys),
        "qwen2" => qwen2(keys),
        "qwen3" => qwen3(keys),
        "gemma2" => gemma2(keys),
        "gemma3_text" => gemma3(keys),
        "phi3" => phi3(keys),
        "olmo2" => olmo2(keys),
        "smollm3" => smollm3(keys),
        "gpt2" => gpt2(keys),
        "" => Err(Error::not_a_model(path, "it has no model_type")),
        other => Err(Error::UnsupportedArchitecture { architecture: other.to_owned() }),
    }
}

/// The Llama family's block, from which the others differ in a few fields.
fn base(keys: Keys<'_>, defaults: Defaults) -> Result<Config, Error> {
    let width = keys.size("hidden_size")?;
    let heads = keys.size("num_attention_heads")?;
    let kv_heads =
        keys.size_or("num_key_value_heads", defaults.kv_heads.unwrap_or(heads).min(heads))?;
    let head_dim = keys.size_or("head_dim", defaults.head_dim.unwrap_or(width / heads))?;
    if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        let expected = format!("it must divide num_attention_heads = {heads}");
        return Err(keys.refuse("num_key_value_heads", expected));
    }
    let layer_count = keys.size("num_hidden_layers")?;
    let rotary_dims =
        (keys.rope_number("partial_rotary_factor").unwrap_or(1.0) * head_dim as f64) as usize;
    let rope = keys.rope(keys.rope_parameters(), defaults.rope_theta, rotary_dims)?;
    let attention_bias = keys.flag_or("attention_bias", false)?;
    Ok(Config {
        architecture: keys.text("model_type").unwrap_or_default().to_owned(),
        vocab_size: keys.size("vocab_size")?,
        width,
        mlp_width: keys.size("intermediate_size")?,
        heads,
        kv_heads,
        head_dim,
        context_length: keys.size_or("max_position_embeddings", defaults.context)?,
        layers: vec![LayerConfig { window: None, rope: Some(0) }; layer_count],
        ropes: vec![rope],
        learned_positions: false,
        norm: NormKind::Rms,
        norm_eps: keys.number_or("rms_norm_eps", defaults.norm_eps)? as f32,
        norm_placement: NormPlacement::Before,
        qk_norm: QkNorm::None,
        activation: keys.activation("hidden_act", "silu")?,
        mlp: MlpKind::Gated,
        fused_qkv: false,
        qkv_bias: attention_bias,
        output_bias: attention_bias,
        mlp_bias: keys.flag_or("mlp_bias", false)?,
        query_scale: (head_dim as f32).powf(-0.5),
        attention_softcap: None,
        final_softcap: None,
        embedding_scale: None,
        tied_head: keys.flag_or("tie_word_embeddings", defaults.tied)?,
        naming: Naming::Llama,
    })
}

/// Where the families' defaults differ.
#[derive(Clone, Copy)]
struct Defaults {
    kv_heads: Option<usize>,
    head_dim: Option<usize>,
    context: usize,
    norm_eps: f64,
    rope_theta: f64,
    tied: bool,
}

const LLAMA: Defaults = Defaults {
    kv_heads: None,
    head_dim: None,
    context: 2048,
    norm_eps: 1e-6,
    rope_theta: 10_000.0,
    tied: false,
};

fn llama(keys: Keys<'_>) -> Result<Config, Error> {
    base(keys, LLAMA)
}

fn mistral(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = base(keys, Defaults { kv_heads: Some(8), context: 131_072, ..LLAMA })?;
    // `null` is no window; absent is the default of 4096.
    let window = keys.optional_size("sliding_window", Some(4096))?;
    for layer in &mut config.layers {
        layer.window = window;
    }
    Ok(config)
}

fn qwen2(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = base(keys, Defaults { kv_heads: Some(32), context: 32_768, ..LLAMA })?;
    config.qkv_bias = true;
    config.output_bias = false;
    qwen_windows(keys, &mut config)?;
    Ok(config)
}

fn qwen3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults = Defaults { kv_heads: Some(32), head_dim: Some(128), context: 32_768, ..LLAMA };
    let mut config = base(keys, defaults)?;
    config.qk_norm = QkNorm::PerHead;
    qwen_windows(keys, &mut config)?;
    Ok(config)
}

fn qwen_windows(keys: Keys<'_>, config: &mut Config) -> Result<(), Error> {
    if !keys.flag_or("use_sliding_window", false)? {
        return Ok(());
    }
    let Some(window) = keys.optional_size("sliding_window", Some(4096))? else { return Ok(()) };
    let first = keys.size_or("max_window_layers", 28)?;
    keys.windows(config, window, |layer| layer >= first)
}

fn gemma2(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = gemma(keys, 8192)?;
    config.attention_softcap = keys.optional_number("attn_logit_softcapping", Some(50.0))?;
    config.final_softcap = keys.optional_number("final_logit_softcapping", Some(30.0))?;
    let window = keys.size_or("sliding_window", 4096)?;
    keys.windows(&mut config, window, |layer| layer.is_multiple_of(2))?;
    Ok(config)
}

fn gemma3(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = gemma(keys, 131_072)?;
    config.qk_norm = QkNorm::PerHead;
    config.attention_softcap = keys.optional_number("attn_logit_softcapping", None)?;
    config.final_softcap = keys.optional_number("final_logit_softcapping", None)?;
    let window = keys.size_or("sliding_window", 4096)?;
    let pattern = match keys.get("sliding_window_pattern") {
        Some(_) => keys.size("sliding_window_pattern")?,
        None => keys.size_or("_sliding_window_pattern", 6)?,
    };
    if pattern == 0 {
        return Err(keys.refuse("sliding_window_pattern", "it must be at least 1"));
    }
    keys.windows(&mut config, window, |layer| !(layer + 1).is_multiple_of(pattern))?;

    // Windowed layers turn at their own speed. transformers 5 nests the two in
    // `rope_parameters`; before, the local one had a key and the scaling was the global one's.
    let dims = config.head_dim;
    let nested = keys.get("rope_parameters");
    config.ropes = if let Some(global) = nested.and_then(|all| all.get("full_attention")) {
        let local = nested.and_then(|all| all.get("sliding_attention"));
        vec![keys.rope(Some(global), 1e6, dims)?, keys.rope(local, 1e4, dims)?]
    } else {
        let local = keys.number_or("rope_local_base_freq", 1e4)?;
        vec![
            keys.rope(keys.rope_parameters(), 1e6, dims)?,
            Rope::new(local, dims, RopeScaling::None),
        ]
    };
    for layer in &mut config.layers {
        layer.rope = Some(usize::from(layer.window.is_some()));
    }
    Ok(config)
}

fn gemma(keys: Keys<'_>, context: usize) -> Result<Config, Error> {
    let defaults =
        Defaults { kv_heads: Some(4), head_dim: Some(256), context, tied: true, ..LLAMA };
    let mut config = base(keys, defaults)?;
    if keys.flag_or("use_bidirectional_attention", false)? {
        return Err(
            keys.refuse("use_bidirectional_attention", "only causal decoders are supported")
        );
    }
    config.norm = NormKind::RmsPlusOne;
    config.norm_placement = NormPlacement::Around;
    config.activation = keys.activation("hidden_activation", "gelu_pytorch_tanh")?;
    config.embedding_scale = Some((config.width as f32).sqrt());
    let scalar = keys.number_or("query_pre_attn_scalar", 256.0)?;
    config.query_scale = scalar.powf(-0.5) as f32;
    Ok(config)
}

fn phi3(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = base(keys, Defaults { context: 4096, norm_eps: 1e-5, ..LLAMA })?;
    config.fused_qkv = true;
    config.mlp = MlpKind::GatedFused;
    let window = keys.optional_size("sliding_window", None)?;
    for layer in &mut config.layers {
        layer.window = window;
    }
    Ok(config)
}

fn olmo2(keys: Keys<'_>) -> Result<Config, Error> {
    let mut config = base(keys, Defaults { norm_eps: 1e-5, ..LLAMA })?;
    config.norm_placement = NormPlacement::After;
    config.qk_norm = QkNorm::Whole;
    Ok(config)
}

fn smollm3(keys: Keys<'_>) -> Result<Config, Error> {
    let defaults =
        Defaults { kv_heads: Some(4), context: 32_768, rope_theta: 2e6, tied: true, ..LLAMA };
    let mut config = base(keys, defaults)?;
    let interval = keys.size_or("no_rope_layer_interval", 4)?.max(1);
    let listed = keys.get("no_rope_layers").and_then(Value::as_array);
    for (index, layer) in config.layers.iter_mut().enumerate() {
        // 1 in `no_rope_layers` is a layer *with* rope; so transformers reads it.
        let with_rope = match listed {
            Some(list) => list.get(index).and_then(Value::as_u64) != Some(0),
            None => !(index + 1).is_multiple_of(interval),
        };
        layer.rope = with_rope.then_some(0);
    }
    if keys.flag_or("use_sliding_window", false)? {
        let window = keys.size_or("sliding_window", 4096)?;
        let with_rope: Vec<bool> = config.layers.iter().map(|layer| layer.rope.is_some()).collect();
        keys.windows(&mut config, window, |layer| with_rope[layer])?;
    }
    Ok(config)
}

fn gpt2(keys: Keys<'_>) -> Result<Config, Error> {
    let width = keys.size_or("n_embd", 768)?;
    let heads = keys.size_or("n_head", 12)?;
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(keys.refuse("n_head", format!("it must divide n_embd = {width}")));
    }
    for key in ["scale_attn_by_inverse_layer_idx", "add_cross_attention"] {
        if keys.flag_or(key, false)? {
            return Err(keys.refuse(key, "only plain GPT-2 is supported"));
        }
    }
    let head_dim = width / heads;
    let scaled = keys.flag_or("scale_attn_weights", true)?;
    Ok(Config {
        architecture: "gpt2".to_owned(),
        vocab_size: keys.size_or("vocab_size", 50_257)?,
        width,
        mlp_width: keys.optional_size("n_inner", None)?.unwrap_or(4 * width),
        heads,
        kv_heads: heads,
        head_dim,
        context_length: keys.size_or("n_positions", 1024)?,
        layers: vec![LayerConfig { window: None, rope: None }; keys.size_or("n_layer", 12)?],
        ropes: Vec::new(),
        learned_positions: true,
        norm: NormKind::Layer,
        norm_eps: keys.number_or("layer_norm_epsilon", 1e-5)? as f32,
        norm_placement: NormPlacement::Before,
        qk_norm: QkNorm::None,
        activation: keys.activation("activation_function", "gelu_new")?,
        mlp: MlpKind::Plain,
        fused_qkv: true,
        qkv_bias: true,
        output_bias: true,
        mlp_bias: true,
        query_scale: if scaled { (head_dim as f32).powf(-0.5) } else { 1.0 },
        attention_softcap: None,
        final_softcap: None,
        embedding_scale: None,
        tied_head: keys.flag_or("tie_word_embeddings", true)?,
        naming: Naming::Gpt2,
    })
}

/// Typed access to `config.json`, with errors that name the key.
#[derive(Clone, Copy)]
struct Keys<'a> {
    json: &'a Value,
    path: &'a Path,
}

impl<'a> Keys<'a> {
    /// The value of a key that is there and not `null`.
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.json.get(key).filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    fn refuse(&self, key: &str, expected: impl Into<String>) -> Error {
        let found = self.json.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
        Error::Setting {
            path: self.path.to_owned(),
            key: key.to_owned(),
            found,
            expected: expected.into(),
        }
    }

    fn size(&self, key: &str) -> Result<usize, Error> {
        match self.get(key).and_then(Value::as_u64) {
            // More than any model has, and far from what overflows when multiplied.
            Some(value) if value > 0 && value < 1 << 31 => Ok(value as usize),
            _ => Err(self.refuse(key, "a whole number of at least 1 was expected")),
        }
    }

    fn size_or(&self, key: &str, default: usize) -> Result<usize, Error> {
        if self.get(key).is_some() { self.size(key) } else { Ok(default) }
    }

    /// `null` is `None`, an absent key is `default`.
    fn optional_size(&self, key: &str, default: Option<usize>) -> Result<Option<usize>, Error> {
        match self.json.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(_) => self.size(key).map(Some),
        }
    }

    fn number_or(&self, key: &str, default: f64) -> Result<f64, Error> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| self.refuse(key, "a number was expected")),
        }
    }

    fn optional_number(&self, key: &str, default: Option<f32>) -> Result<Option<f32>, Error> {
        match self.json.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(_) => self.number_or(key, 0.0).map(|value| Some(value as f32)),
        }
    }

    fn flag_or(&self, key: &str, default: bool) -> Result<bool, Error> {
        match self.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_bool().ok_or_else(|| self.refuse(key, "true or false was expected"))
            }
        }
    }

    fn activation(&self, key: &str, default: &str) -> Result<Activation, Error> {
        match self.text(key).unwrap_or(default) {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu" => Ok(Activation::Gelu),
            "gelu_pytorch_tanh" | "gelu_new" | "gelu_fast" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            _ => {
                Err(self.refuse(key, "silu, gelu, gelu_pytorch_tanh, gelu_new and relu are known"))
            }
        }
    }

    /// The rope settings: `rope_parameters` since transformers 5, `rope_scaling` before.
    fn rope_parameters(&self) -> Option<&'a Value> {
        self.get("rope_parameters").or_else(|| self.get("rope_scaling"))
    }

    /// A number of the rope settings, or the top-level key of that name.
    fn rope_number(&self, key: &str) -> Option<f64> {
        let nested = self.rope_parameters().and_then(|rope| rope.get(key));
        nested.or_else(|| self.get(key)).and_then(Value::as_f64)
    }

    fn rope(&self, settings: Option<&Value>, theta: f64, dims: usize) -> Result<Rope, Error> {
        let inside = |key: &str| settings.and_then(|rope| rope.get(key)).and_then(Value::as_f64);
        let theta = inside("rope_theta")
            .or_else(|| self.get("rope_theta").and_then(Value::as_f64))
            .unwrap_or(theta);
        let kind = settings.and_then(|rope| rope.get("rope_type").or_else(|| rope.get("type")));
        let kind = kind.and_then(Value::as_str).unwrap_or("default");
        let need = |key: &str| {
            inside(key).filter(|value| *value > 0.0).ok_or_else(|| Error::Setting {
                path: self.path.to_owned(),
                key: format!("{key} of rope type {kind}"),
                found: "nothing usable".to_owned(),
                expected: "a number above 0 was expected".to_owned(),
            })
        };
        let scaling = match kind {
            "default" => RopeScaling::None,
            "linear" => RopeScaling::Linear { factor: need("factor")? },
            "llama3" => RopeScaling::Llama3 {
                factor: need("factor")?,
                low_freq_factor: need("low_freq_factor")?,
                high_freq_factor: need("high_freq_factor")?,
                original_context: need("original_max_position_embeddings")?,
            },
            other => {
                return Err(Error::Setting {
                    path: self.path.to_owned(),
                    key: "rope_type".to_owned(),
                    found: other.to_owned(),
                    expected: "default, linear and llama3 are supported".to_owned(),
                });
            }
        };
        Ok(Rope::new(theta, dims, scaling))
    }

    /// Gives layers their window: those that `layer_types` calls sliding, or, where the file has
    /// no such list, those that `by_default` picks.
    fn windows(
        &self,
        config: &mut Config,
        window: usize,
        by_default: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        let types = self.get("layer_types").and_then(Value::as_array);
        if types.is_some_and(|types| types.len() != config.layers.len()) {
            let expected = format!("one entry for each of the {} layers", config.layers.len());
            return Err(self.refuse("layer_types", expected));
        }
        for (index, layer) in config.layers.iter_mut().enumerate() {
            let sliding = match types.map(|types| types[index].as_str()) {
                Some(Some("sliding_attention")) => true,
                Some(Some("full_attention")) => false,
                Some(_) => {
                    let expected = "full_attention and sliding_attention are known";
                    return Err(self.refuse("layer_types", expected));
                }
                None => by_default(index),
            };
            layer.window = sliding.then_some(window);
        }
        Ok(())
    }
}
