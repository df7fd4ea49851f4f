//! A decoder's description from a GGUF file's metadata, architecture by architecture.

use super::base::{MOST_HEAD_DIMS, MOST_LAYERS};
use super::names::Naming;
use super::plain::Shape;
use super::rope::{Rope, RopeScaling, longrope_magnitude, pair_count, yarn_magnitude};
use super::{Activation, Config, LayerConfig, MlpKind, NormKind, NormPlacement, QkNorm, QkvLayout};
use crate::llm::error::Error;
use crate::llm::files::gguf::GgufFile;

/// Reads a decoder's description. llama.cpp's converters add 1 to Gemma's norms and leave GPT-2's
/// matrices (out, in), so a GGUF file needs neither `RmsPlusOne` nor a transposition.
///
/// What llama.cpp holds to be fixed in an architecture, and files hence do not say, is as fixed
/// here: every fourth layer of `SmolLM3` without rope, every sixth of Gemma 3 without a window.
pub fn from_gguf(file: &GgufFile) -> Result<Config, Error> {
    let arch = file.str("general.architecture").unwrap_or_default().to_owned();
    let keys = Keys { file, arch: &arch };
    match arch.as_str() {
        "llama" => keys.windowed(keys.base("llama", 10_000.0)?),
        "qwen2" => keys.windowed(keys.base("qwen2", 10_000.0)?),
        "qwen3" => {
            let config = keys.windowed(keys.base("qwen3", 10_000.0)?)?;
            Ok(Config { qk_norm: QkNorm::PerHead, ..config })
        }
        "phi3" => {
            let config = keys.windowed(keys.base("phi3", 10_000.0)?)?;
            let mlp = MlpKind::GatedFused;
            let qkv = QkvLayout::Fused;
            Ok(Config { qkv, mlp, restarts_when_long: true, ..config })
        }
        "olmo2" => {
            let config = keys.base("olmo2", 10_000.0)?;
            if keys.optional_size("attention.sliding_window")?.is_some() {
                return Err(keys.refuse("attention.sliding_window", "OLMo 3 is not supported"));
            }
            let norm_placement = NormPlacement::After;
            Ok(Config { norm_placement, qk_norm: QkNorm::Whole, ..config })
        }
        "smollm3" => {
            let mut config = keys.windowed(keys.base("smollm3", 10_000.0)?)?;
            for (index, layer) in config.layers.iter_mut().enumerate() {
                layer.rope = (!(index + 1).is_multiple_of(4)).then_some(0);
            }
            Ok(config)
        }
        "gemma2" => keys.gemma2(),
        "gemma3" => keys.gemma3(),
        "gpt2" => keys.gpt2(),
        "" => Err(Error::not_a_model(file.path(), "it does not say its architecture")),
        _ => Err(Error::UnsupportedArchitecture { architecture: arch.clone() }),
    }
}

/// The metadata of one architecture.
struct Keys<'a> {
    file: &'a GgufFile,
    arch: &'a str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.arch)
    }

    /// `None` where the key is absent or 0.
    fn optional_size(&self, name: &str) -> Result<Option<usize>, Error> {
        let key = self.key(name);
        if self.file.metadata().get(&key).is_none() || self.file.u64(&key) == Some(0) {
            return Ok(None);
        }
        match self.file.u64(&key) {
            Some(value) if value < 1 << 31 => Ok(Some(value as usize)),
            _ => Err(self.refuse(name, "a whole number was expected")),
        }
    }

    fn size(&self, name: &str) -> Result<usize, Error> {
        self.optional_size(name)?
            .ok_or_else(|| self.refuse(name, "a whole number of at least 1 was expected"))
    }

    /// A number above 0, where the key is there.
    fn positive(&self, name: &str) -> Result<Option<f32>, Error> {
        let key = self.key(name);
        if self.file.metadata().get(&key).is_none() {
            return Ok(None);
        }
        match self.file.f32(&key).filter(|value| *value > 0.0 && value.is_normal()) {
            Some(value) => Ok(Some(value)),
            None => Err(self.refuse(name, "a number above 0 was expected")),
        }
    }

    fn refuse(&self, name: &str, expected: &str) -> Error {
        let key = self.key(name);
        let found = self.file.metadata().get(&key).map(ToString::to_string);
        Error::Setting {
            path: self.file.path().to_owned(),
            key,
            found,
            expected: expected.to_owned(),
        }
    }

    fn has(&self, tensor: &str) -> bool {
        self.file.tensor(tensor).is_some()
    }

    /// The Llama family's block. `theta` is the rope base where the file gives none.
    fn base(&self, architecture: &str, theta: f32) -> Result<Config, Error> {
        let heads = self.size("attention.head_count")?;
        if self.file.array(&self.key("attention.head_count_kv")).is_some() {
            return Err(
                self.refuse("attention.head_count_kv", "one number for all layers was expected")
            );
        }
        let kv_heads = self.optional_size("attention.head_count_kv")?.unwrap_or(heads);
        if !heads.is_multiple_of(kv_heads) {
            return Err(
                self.refuse("attention.head_count_kv", "it must divide the number of heads")
            );
        }
        // What other models of these architectures do and the ones that we know do not.
        for name in [
            "expert_count",
            "attention.output_scale",
            "attention.clamp_kqv",
            "attention.max_alibi_bias",
            "logit_scale",
            "residual_scale",
            "embedding_scale",
            "attention.temperature_scale",
            "rope.scaling.yarn_log_multiplier",
        ] {
            if self.file.f32(&self.key(name)).is_some_and(|value| value != 0.0 && value != 1.0) {
                return Err(
                    self.refuse(name, "models of this architecture are not computed with it")
                );
            }
        }
        let width = self.size("embedding_length")?;
        let head_dim =
            self.optional_size("attention.key_length")?.unwrap_or_else(|| (width / heads).max(1));
        if head_dim > MOST_HEAD_DIMS {
            let expected = format!("at most {MOST_HEAD_DIMS} was expected");
            return Err(self.refuse("attention.key_length", &expected));
        }
        if self.optional_size("attention.value_length")?.is_some_and(|length| length != head_dim) {
            let expected = format!("values as long as keys, {head_dim}, were expected");
            return Err(self.refuse("attention.value_length", &expected));
        }
        let embedding = self.file.tensor("token_embd.weight");
        let Some(&vocab_size) = embedding.and_then(|tensor| tensor.shape.first()) else {
            let names = vec!["token_embd.weight".to_owned()];
            return Err(Error::MissingTensors { path: self.file.path().to_owned(), names });
        };
        let rotary = self.optional_size("rope.dimension_count")?.unwrap_or(head_dim);
        if rotary.div_ceil(2) * 2 > head_dim && architecture != "gpt2" {
            let expected = format!("an even number of up to {head_dim} was expected");
            return Err(self.refuse("rope.dimension_count", &expected));
        }
        let layer_count = self.size("block_count")?;
        if self.file.bool(&self.key("attention.causal")) == Some(false) {
            return Err(self.refuse("attention.causal", "only causal decoders are supported"));
        }
        if layer_count > MOST_LAYERS {
            let expected = format!("at most {MOST_LAYERS} was expected");
            return Err(self.refuse("block_count", &expected));
        }
        let context_length = self.size("context_length")?;
        let scale = self.positive("attention.scale")?;
        let scale = scale.unwrap_or_else(|| (head_dim as f32).powf(-0.5));
        let layer = LayerConfig { rope: Some(0), ..LayerConfig::new(scale) };
        let plain = Config::plain(Shape {
            architecture: architecture.to_owned(),
            vocab_size,
            width,
            mlp_width: self.size("feed_forward_length")?,
            heads,
            kv_heads,
            head_dim,
            context_length,
            layers: vec![layer; layer_count],
            ropes: vec![self.rope(theta, rotary, context_length)?],
            norm_eps: self.positive("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5),
            tied_head: !self.has("output.weight"),
        });
        Ok(Config {
            qkv_bias: self.has("blk.0.attn_q.bias"),
            output_bias: self.has("blk.0.attn_output.bias"),
            mlp_bias: self.has("blk.0.ffn_up.bias"),
            ..plain
        })
    }

    /// An f32 tensor of one number for each pair.
    fn divisors(&self, name: &str, pairs: usize) -> Result<Option<Vec<f32>>, Error> {
        let Some(tensor) = self.file.tensor(name) else { return Ok(None) };
        let bytes = self.file.tensor_bytes(name).filter(|_| tensor.kind.name() == "F32");
        let values: Vec<f32> = bytes
            .unwrap_or_default()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|raw| f32::from_le_bytes(*raw))
            .collect();
        if values.len() == pairs && values.iter().all(|value| *value > 0.0 && value.is_normal()) {
            return Ok(Some(values));
        }
        Err(Error::Setting {
            path: self.file.path().to_owned(),
            key: name.to_owned(),
            found: Some(format!("{} {:?}", tensor.kind.name(), tensor.shape)),
            expected: format!("{pairs} numbers above 0 in F32 were expected"),
        })
    }

    fn rope(&self, theta: f32, dims: usize, context: usize) -> Result<Rope, Error> {
        let theta = f64::from(self.positive("rope.freq_base")?.unwrap_or(theta));
        let pairs = pair_count(dims);
        let factor = self.positive("rope.scaling.factor")?.map(f64::from);
        let original = self.optional_size("rope.scaling.original_context_length")?;
        let original = original.unwrap_or(context);
        let magnitude = self.positive("rope.scaling.attn_factor")?.map(f64::from);
        let kind = self.file.str(&self.key("rope.scaling.type"));
        let long = self.divisors("rope_factors_long.weight", pairs)?;
        let short = self.divisors("rope_factors_short.weight", pairs)?;
        let widen = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        let scaling = match (kind, long, short) {
            (None | Some("longrope" | "none"), Some(long), Some(short)) => RopeScaling::LongRope {
                short: widen(short),
                long: widen(long),
                original_context: original,
                magnitude: magnitude.unwrap_or_else(|| {
                    longrope_magnitude(context as f64 / original as f64, original as f64)
                }),
            },
            (None | Some("none"), None, None) => RopeScaling::None,
            (Some("linear"), None, None) => RopeScaling::Linear { factor: factor.unwrap_or(1.0) },
            (Some("yarn"), None, None) => {
                let factor = factor.unwrap_or(context as f64 / original as f64);
                let number = |name: &str, default: f64| {
                    Ok::<_, Error>(self.positive(name)?.map_or(default, f64::from))
                };
                RopeScaling::Yarn {
                    factor,
                    original_context: original as f64,
                    beta_fast: number("rope.scaling.yarn_beta_fast", 32.0)?,
                    beta_slow: number("rope.scaling.yarn_beta_slow", 1.0)?,
                    // llama.cpp multiplies its own magnitude by the file's factor.
                    magnitude: yarn_magnitude(factor)
                        * number("rope.scaling.yarn_attn_factor", 1.0)?
                        * magnitude.unwrap_or(1.0),
                    truncate: true,
                }
            }
            _ => {
                let expected = "none, linear, yarn, and longrope with the tensors \
                                rope_factors_long.weight and rope_factors_short.weight are supported";
                return Err(self.refuse("rope.scaling.type", expected));
            }
        };
        let mut rope = Rope::new(theta, dims, scaling);
        // Llama 3's scaling, worked out by the converter: one divisor for each pair.
        if let Some(divisors) = self.divisors("rope_freqs.weight", pairs)? {
            rope.divide(&divisors);
        }
        Ok(rope)
    }

    /// Every layer has the file's window, where it has one.
    fn windowed(&self, mut config: Config) -> Result<Config, Error> {
        let window = self.optional_size("attention.sliding_window")?;
        for layer in &mut config.layers {
            layer.window = window;
        }
        Ok(config)
    }

    fn gemma(&self, architecture: &str, theta: f32, layers_of_27b: usize) -> Result<Config, Error> {
        let mut config = self.base(architecture, theta)?;
        // The 27B models scale by width / heads instead; the file does not say so.
        if config.layer_count() == layers_of_27b && self.positive("attention.scale")?.is_none() {
            let scale = ((config.width / config.heads) as f32).powf(-0.5);
            config.layers.iter_mut().for_each(|layer| layer.scale = scale);
        }
        Ok(Config {
            norm_placement: NormPlacement::Around,
            activation: Activation::GeluTanh,
            embedding_scale: Some((config.width as f32).sqrt()),
            ..config
        })
    }

    fn gemma2(&self) -> Result<Config, Error> {
        let mut config = self.gemma("gemma2", 10_000.0, 46)?;
        config.attention_softcap = Some(self.positive("attn_logit_softcapping")?.unwrap_or(50.0));
        config.final_softcap = Some(self.positive("final_logit_softcapping")?.unwrap_or(30.0));
        let window = self.optional_size("attention.sliding_window")?.unwrap_or(4096);
        for (index, layer) in config.layers.iter_mut().enumerate() {
            layer.window = index.is_multiple_of(2).then_some(window);
        }
        Ok(config)
    }

    fn gemma3(&self) -> Result<Config, Error> {
        let mut config = self.gemma("gemma3_text", 1e6, 62)?;
        config.qk_norm = QkNorm::PerHead;
        config.final_softcap = self.positive("final_logit_softcapping")?;
        let local = f64::from(self.positive("rope.freq_base_swa")?.unwrap_or(1e4));
        config.ropes.push(Rope::new(local, config.head_dim, RopeScaling::None));
        let window = self.optional_size("attention.sliding_window")?.unwrap_or(1024);
        // One number, or whether each layer has the window.
        let flags = self.file.bools(&self.key("attention.sliding_window_pattern"));
        let flags = flags.filter(|flags| flags.len() == config.layer_count());
        let pattern = match flags {
            Some(_) => 6,
            None => self.optional_size("attention.sliding_window_pattern")?.unwrap_or(6),
        };
        for (index, layer) in config.layers.iter_mut().enumerate() {
            let sliding =
                flags.map_or_else(|| !(index + 1).is_multiple_of(pattern), |flags| flags[index]);
            layer.window = sliding.then_some(window);
            layer.rope = Some(usize::from(sliding));
        }
        Ok(config)
    }

    fn gpt2(&self) -> Result<Config, Error> {
        let mut config = self.base("gpt2", 10_000.0)?;
        config.layers.iter_mut().for_each(|layer| layer.rope = None);
        Ok(Config {
            ropes: Vec::new(),
            learned_positions: Some(0),
            norm: NormKind::Layer,
            norm_eps: self.positive("attention.layer_norm_epsilon")?.unwrap_or(1e-5),
            activation: Activation::GeluTanh,
            mlp: MlpKind::Plain,
            qkv: QkvLayout::Fused,
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            naming: Naming::Gpt2,
            ..config
        })
    }
}
