//! A decoder's description from a GGUF file's metadata, architecture by architecture.

use super::config::{
    Activation, Config, LayerConfig, MlpKind, Naming, NormKind, NormPlacement, QkNorm, Rope,
    RopeScaling,
};
use super::error::Error;
use super::gguf::{GgufArray, GgufFile};

/// Reads a decoder's description. llama.cpp's converters add 1 to Gemma's norms and leave GPT-2's
/// matrices (out, in), so a GGUF file needs neither `RmsPlusOne` nor a transposition.
pub fn from_gguf(file: &GgufFile) -> Result<Config, Error> {
    let arch = file.str("general.architecture").unwrap_or_default().to_owned();
    let keys = Keys { file, arch: &arch };
    match arch.as_str() {
        "llama" => keys.base("llama"),
        "qwen2" => keys.base("qwen2"),
        "qwen3" => keys.base("qwen3").map(|config| Config { qk_norm: QkNorm::PerHead, ..config }),
        "phi3" => {
            let config = keys.base("phi3")?;
            Ok(Config { fused_qkv: true, mlp: MlpKind::GatedFused, ..config })
        }
        "olmo2" => {
            let config = keys.base("olmo2")?;
            let norm_placement = NormPlacement::After;
            Ok(Config { norm_placement, qk_norm: QkNorm::Whole, ..config })
        }
        "smollm3" => {
            let mut config = keys.base("smollm3")?;
            for (index, layer) in config.layers.iter_mut().enumerate() {
                layer.rope = (!(index + 1).is_multiple_of(4)).then_some(0); // fixed in llama.cpp too
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

    fn f32(&self, name: &str) -> Option<f32> {
        self.file.f32(&self.key(name))
    }

    fn optional_size(&self, name: &str) -> Option<usize> {
        self.file.u32(&self.key(name)).map(|value| value as usize)
    }

    fn size(&self, name: &str) -> Result<usize, Error> {
        let value = self.optional_size(name).filter(|value| *value > 0);
        value.ok_or_else(|| self.refuse(name, "a whole number of at least 1 was expected"))
    }

    fn refuse(&self, name: &str, expected: &str) -> Error {
        let key = self.key(name);
        let found = self.file.metadata().get(&key);
        let found = found.map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"));
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

    fn base(&self, architecture: &str) -> Result<Config, Error> {
        let heads = self.size("attention.head_count")?;
        if matches!(
            self.file.array(&self.key("attention.head_count_kv")),
            Some(GgufArray::Unsigned(_) | GgufArray::Signed(_))
        ) {
            return Err(
                self.refuse("attention.head_count_kv", "one number for all layers was expected")
            );
        }
        let kv_heads = self.optional_size("attention.head_count_kv").unwrap_or(heads);
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(
                self.refuse("attention.head_count_kv", "it must divide the number of heads")
            );
        }
        if self.optional_size("expert_count").is_some_and(|count| count > 0) {
            return Err(self.refuse("expert_count", "mixtures of experts are not supported"));
        }
        let width = self.size("embedding_length")?;
        let head_dim = self.optional_size("attention.key_length").unwrap_or(width / heads);
        let embedding = self.file.tensor("token_embd.weight");
        let Some(&vocab_size) = embedding.and_then(|tensor| tensor.shape.first()) else {
            let name = "token_embd.weight".to_owned();
            return Err(Error::MissingTensor { path: self.file.path().to_owned(), name });
        };
        let rotary = self.optional_size("rope.dimension_count").unwrap_or(head_dim).min(head_dim);
        Ok(Config {
            architecture: architecture.to_owned(),
            vocab_size,
            width,
            mlp_width: self.size("feed_forward_length")?,
            heads,
            kv_heads,
            head_dim,
            context_length: self.size("context_length")?,
            layers: vec![LayerConfig { window: None, rope: Some(0) }; self.size("block_count")?],
            ropes: vec![self.rope(10_000.0, rotary)?],
            learned_positions: false,
            norm: NormKind::Rms,
            norm_eps: self.f32("attention.layer_norm_rms_epsilon").unwrap_or(1e-5),
            norm_placement: NormPlacement::Before,
            qk_norm: QkNorm::None,
            activation: Activation::Silu,
            mlp: MlpKind::Gated,
            fused_qkv: false,
            qkv_bias: self.has("blk.0.attn_q.bias"),
            output_bias: self.has("blk.0.attn_output.bias"),
            mlp_bias: self.has("blk.0.ffn_up.bias"),
            query_scale: (head_dim as f32).powf(-0.5),
            attention_softcap: None,
            final_softcap: None,
            embedding_scale: None,
            tied_head: !self.has("output.weight"),
            naming: Naming::Llama,
        })
    }

    fn rope(&self, theta: f32, dims: usize) -> Result<Rope, Error> {
        let theta = self.f32("rope.freq_base").unwrap_or(theta);
        let factor = self.f32("rope.scaling.factor").map(f64::from);
        let scaling = match self.file.str(&self.key("rope.scaling.type")) {
            None | Some("none") => RopeScaling::None,
            Some("linear") => RopeScaling::Linear { factor: factor.unwrap_or(1.0) },
            Some(_) => {
                return Err(self.refuse("rope.scaling.type", "none and linear are supported"));
            }
        };
        let mut rope = Rope::new(f64::from(theta), dims, scaling);
        if self.has("rope_factors_long.weight") {
            return Err(self.refuse("rope_factors_long.weight", "longrope is not supported"));
        }
        // Llama 3's scaling, worked out by the converter: one divisor for each pair.
        if let Some(bytes) = self.file.tensor_bytes("rope_freqs.weight") {
            let (divisors, _) = bytes.as_chunks::<4>();
            if divisors.len() != rope.frequencies.len() {
                return Err(
                    self.refuse("rope_freqs.weight", "one number for each pair was expected")
                );
            }
            for (frequency, divisor) in rope.frequencies.iter_mut().zip(divisors) {
                *frequency /= f32::from_le_bytes(*divisor);
            }
        }
        Ok(rope)
    }

    fn gemma(&self, architecture: &str, layers_of_27b: usize) -> Result<Config, Error> {
        let config = self.base(architecture)?;
        // The 27B models scale by width / heads instead; the file does not say so.
        let scaled_by = if config.layer_count() == layers_of_27b {
            config.width / config.heads
        } else {
            config.head_dim
        };
        Ok(Config {
            norm_placement: NormPlacement::Around,
            activation: Activation::GeluTanh,
            embedding_scale: Some((config.width as f32).sqrt()),
            query_scale: (scaled_by as f32).powf(-0.5),
            ..config
        })
    }

    fn gemma2(&self) -> Result<Config, Error> {
        let mut config = self.gemma("gemma2", 46)?;
        config.attention_softcap = Some(self.f32("attn_logit_softcapping").unwrap_or(50.0));
        config.final_softcap = Some(self.f32("final_logit_softcapping").unwrap_or(30.0));
        let window =
            self.optional_size("attention.sliding_window").filter(|&size| size > 0).unwrap_or(4096);
        for (index, layer) in config.layers.iter_mut().enumerate() {
            layer.window = index.is_multiple_of(2).then_some(window);
        }
        Ok(config)
    }

    fn gemma3(&self) -> Result<Config, Error> {
        let mut config = self.gemma("gemma3_text", 62)?;
        config.qk_norm = QkNorm::PerHead;
        let dims = config.head_dim;
        config.ropes = vec![self.rope(1e6, dims)?, Rope::new(1e4, dims, RopeScaling::None)];
        let window =
            self.optional_size("attention.sliding_window").filter(|&size| size > 0).unwrap_or(1024);
        for (index, layer) in config.layers.iter_mut().enumerate() {
            let sliding = !(index + 1).is_multiple_of(6);
            *layer =
                LayerConfig { window: sliding.then_some(window), rope: Some(usize::from(sliding)) };
        }
        Ok(config)
    }

    fn gpt2(&self) -> Result<Config, Error> {
        let config = self.base("gpt2")?;
        Ok(Config {
            layers: vec![LayerConfig { window: None, rope: None }; config.layer_count()],
            ropes: Vec::new(),
            learned_positions: true,
            norm: NormKind::Layer,
            norm_eps: self.f32("attention.layer_norm_epsilon").unwrap_or(1e-5),
            activation: Activation::GeluTanh,
            mlp: MlpKind::Plain,
            fused_qkv: true,
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            naming: Naming::Gpt2,
            ..config
        })
    }
}
