//! Typed access to a GGUF file's metadata, and the block that most architectures share. What the keys
//! of an architecture mean: `gguf_config.rs` and its neighbours.

use super::base::{MOST_HEAD_DIMS, MOST_LAYERS};
use super::plain::Shape;
use super::rope::{
    Rope, RopeScaling, longrope_magnitude, pair_count, yarn_magnitude, yarn_magnitude_scaled,
};
use super::{Config, LayerConfig};
use crate::llm::error::Error;
use crate::llm::files::gguf::{GgufArray, GgufFile};

/// The metadata of one architecture.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub file: &'a GgufFile,
    pub arch: &'a str,
}

/// What an architecture says in its own way.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    /// Of [`FOREIGN`], the settings that this architecture has.
    pub own: &'a [&'a str],

    /// `head_dim`, and how many of its dimensions turn, where the file's keys count something else.
    pub head_dim: Option<usize>,
    pub rotary: Option<usize>,

    /// Every head has keys of its own, whatever the file says.
    pub all_heads: bool,

    /// Nothing turns, and the file's count of turning dimensions means nothing.
    pub without_rope: bool,
}

/// Settings that change numbers and are other architectures'. They may be there, but only switched off.
const FOREIGN: &[&str] = &[
    "expert_count",
    "attention.output_scale",
    "attention.clamp_kqv",
    "attention.max_alibi_bias",
    "logit_scale",
    "residual_scale",
    "embedding_scale",
    "attention.temperature_scale",
    "rope.scaling.yarn_log_multiplier",
];

impl Keys<'_> {
    pub fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.arch)
    }

    /// `None` where the key is absent or 0.
    pub fn optional_size(&self, name: &str) -> Result<Option<usize>, Error> {
        let key = self.key(name);
        if self.file.metadata().get(&key).is_none() || self.file.u64(&key) == Some(0) {
            return Ok(None);
        }
        match self.file.u64(&key) {
            Some(value) if value < 1 << 31 => Ok(Some(value as usize)),
            _ => Err(self.refuse(name, "a whole number was expected")),
        }
    }

    pub fn size(&self, name: &str) -> Result<usize, Error> {
        self.optional_size(name)?
            .ok_or_else(|| self.refuse(name, "a whole number of at least 1 was expected"))
    }

    /// A number above 0, where the key is there.
    pub fn positive(&self, name: &str) -> Result<Option<f32>, Error> {
        let key = self.key(name);
        if self.file.metadata().get(&key).is_none() {
            return Ok(None);
        }
        match self.file.f32(&key).filter(|value| *value > 0.0 && value.is_normal()) {
            Some(value) => Ok(Some(value)),
            None => Err(self.refuse(name, "a number above 0 was expected")),
        }
    }

    pub fn refuse(&self, name: &str, expected: &str) -> Error {
        let key = self.key(name);
        let found = self.file.metadata().get(&key).map(ToString::to_string);
        Error::Setting {
            path: self.file.path().to_owned(),
            key,
            found,
            expected: expected.to_owned(),
        }
    }

    pub fn has(&self, tensor: &str) -> bool {
        self.file.tensor(tensor).is_some()
    }

    /// `None` where the key is absent.
    pub fn list(&self, name: &str) -> Result<Option<Vec<usize>>, Error> {
        let Some(array) = self.file.array(&self.key(name)) else { return Ok(None) };
        let list: Option<Vec<usize>> = match array {
            GgufArray::Unsigned(values) => {
                values.iter().map(|value| usize::try_from(*value).ok()).collect()
            }
            GgufArray::Signed(values) => {
                values.iter().map(|value| usize::try_from(*value).ok()).collect()
            }
            _ => None,
        };
        let list = list.filter(|list| list.iter().all(|value| *value < 1 << 31));
        list.map(Some).ok_or_else(|| self.refuse(name, "a list of whole numbers was expected"))
    }

    /// One number for each layer, of a key that may hold one for all.
    pub fn by_layer(&self, name: &str, layers: usize) -> Result<Option<Vec<usize>>, Error> {
        match self.list(name)? {
            Some(list) if list.len() >= layers => Ok(Some(list[..layers].to_vec())),
            Some(_) => Err(self
                .refuse(name, &format!("a number for each of the {layers} layers was expected"))),
            None => Ok(self.optional_size(name)?.map(|value| vec![value; layers])),
        }
    }

    /// Layers that make up the decoder: the last ones of some files only guess ahead.
    pub fn layer_count(&self) -> Result<usize, Error> {
        let count = self.size("block_count")?;
        if count > MOST_LAYERS {
            let expected = format!("at most {MOST_LAYERS} was expected");
            return Err(self.refuse("block_count", &expected));
        }
        let ahead = self.optional_size("nextn_predict_layers")?.unwrap_or(0);
        count.checked_sub(ahead).filter(|count| *count > 0).ok_or_else(|| {
            self.refuse(
                "nextn_predict_layers",
                &format!("fewer than the {count} layers were expected"),
            )
        })
    }

    /// The Llama family's block. `theta` is the rope base where the file gives none.
    pub fn base(&self, architecture: &str, theta: f32) -> Result<Config, Error> {
        self.base_of(architecture, theta, Asked::default())
    }

    pub fn base_of(
        &self,
        architecture: &str,
        theta: f32,
        asked: Asked<'_>,
    ) -> Result<Config, Error> {
        let heads = self.size("attention.head_count")?;
        let layer_count = self.layer_count()?;
        let kv_heads = match self.by_layer("attention.head_count_kv", layer_count)? {
            Some(_) if asked.all_heads => heads,
            None => heads,
            Some(list) => list.into_iter().max().filter(|most| *most > 0).unwrap_or(heads),
        };
        if !heads.is_multiple_of(kv_heads) {
            return Err(
                self.refuse("attention.head_count_kv", "it must divide the number of heads")
            );
        }
        // What other models of these architectures do and the ones that we know do not.
        for name in FOREIGN.iter().filter(|name| !asked.own.contains(*name)) {
            if self.file.f32(&self.key(name)).is_some_and(|value| value != 0.0 && value != 1.0) {
                return Err(
                    self.refuse(name, "models of this architecture are not computed with it")
                );
            }
        }
        let width = self.size("embedding_length")?;
        let told = self.optional_size("attention.key_length")?;
        let head_dim = asked.head_dim.or(told).unwrap_or_else(|| (width / heads).max(1));
        if head_dim > MOST_HEAD_DIMS {
            let expected = format!("at most {MOST_HEAD_DIMS} was expected");
            return Err(self.refuse("attention.key_length", &expected));
        }
        let values = self.optional_size("attention.value_length")?;
        if asked.head_dim.is_none() && values.is_some_and(|length| length != head_dim) {
            let expected = format!("values as long as keys, {head_dim}, were expected");
            return Err(self.refuse("attention.value_length", &expected));
        }
        let embedding = self.file.tensor("token_embd.weight");
        let Some(&vocab_size) = embedding.and_then(|tensor| tensor.shape.first()) else {
            let names = vec!["token_embd.weight".to_owned()];
            return Err(Error::MissingTensors { path: self.file.path().to_owned(), names });
        };
        let rotary = self.optional_size("rope.dimension_count")?;
        let rotary = asked.rotary.or(rotary).unwrap_or(head_dim);
        if rotary.div_ceil(2) * 2 > head_dim && !asked.without_rope {
            let expected = format!("an even number of up to {head_dim} was expected");
            return Err(self.refuse("rope.dimension_count", &expected));
        }
        if self.file.bool(&self.key("attention.causal")) == Some(false) {
            return Err(self.refuse("attention.causal", "only causal decoders are supported"));
        }
        let context_length = self.size("context_length")?;
        let scale = self.positive("attention.scale")?;
        let scale = scale.unwrap_or_else(|| (head_dim as f32).powf(-0.5));
        let mut layer = LayerConfig::new(scale);
        let ropes = if asked.without_rope {
            Vec::new()
        } else {
            layer.rope = Some(0);
            vec![self.rope(theta, rotary, context_length)?]
        };
        let (mlp_width, mut layers) = (self.mlp_width(layer_count)?, vec![layer; layer_count]);
        for (layer, width) in layers.iter_mut().zip(&mlp_width) {
            layer.own_mlp_width = (*width != mlp_width[0]).then_some(*width);
        }
        let plain = Config::plain(Shape {
            architecture: architecture.to_owned(),
            vocab_size,
            width,
            mlp_width: mlp_width[0],
            heads,
            kv_heads,
            head_dim,
            context_length,
            layers,
            ropes,
            norm_eps: self.positive("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5),
            tied_head: !self.has("output.weight"),
        });
        Ok(Config {
            // Some files hold queries, keys and values in one tensor.
            qkv_bias: self.has("blk.0.attn_q.bias") || self.has("blk.0.attn_qkv.bias"),
            output_bias: self.has("blk.0.attn_output.bias"),
            mlp_bias: self.has("blk.0.ffn_up.bias"),
            ..plain
        })
    }

    /// Of each layer. Files of experts alone may leave it out.
    fn mlp_width(&self, layers: usize) -> Result<Vec<usize>, Error> {
        const KEY: &str = "feed_forward_length";

        match self.by_layer(KEY, layers)? {
            Some(list) if list.iter().all(|width| *width > 0) => Ok(list),
            None => match self.optional_size("expert_feed_forward_length")? {
                Some(width) => Ok(vec![width; layers]),
                None => Err(self.refuse(KEY, "a whole number of at least 1 was expected")),
            },
            Some(_) => Err(self.refuse(KEY, "whole numbers of at least 1 were expected")),
        }
    }

    /// An f32 tensor of one number for each pair.
    pub fn divisors(&self, name: &str, pairs: usize) -> Result<Option<Vec<f32>>, Error> {
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

    /// `mscale_all_dim`, which the converter writes at a tenth for these two.
    pub fn yarn_weight(&self) -> Result<Option<f64>, Error> {
        let stored = self.positive_or_zero("rope.scaling.yarn_log_multiplier")?.map(f64::from);
        let tenth = matches!(self.arch, "deepseek2" | "mistral4");
        let weight = stored.filter(|weight| *weight != 0.0);
        Ok(weight.map(|weight| if tenth { weight / f64::from(0.1_f32) } else { weight }))
    }

    /// A number of at least 0, where the key is there.
    pub fn positive_or_zero(&self, name: &str) -> Result<Option<f32>, Error> {
        match self.file.f32(&self.key(name)) {
            Some(0.0) => Ok(Some(0.0)),
            _ => self.positive(name),
        }
    }

    pub fn rope(&self, theta: f32, dims: usize, context: usize) -> Result<Rope, Error> {
        let theta = f64::from(self.positive("rope.freq_base")?.unwrap_or(theta));
        let pairs = pair_count(dims);
        // Before there were kinds of scaling, its factor had another key; it was and is linear where the file
        // does not say.
        let factor = match self.positive("rope.scaling.factor")? {
            None => self.positive_or_zero("rope.scale_linear")?.filter(|factor| *factor != 0.0),
            factor => factor,
        };
        let factor = factor.map(f64::from);
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
            (Some("none"), None, None) => RopeScaling::None,
            (None | Some("linear"), None, None) => match factor {
                None | Some(1.0) => RopeScaling::None,
                Some(factor) => RopeScaling::Linear { factor },
            },
            (Some("yarn"), None, None) => {
                let factor = factor.unwrap_or(1.0); // as llama.cpp has it
                let number = |name: &str, default: f64| {
                    Ok::<_, Error>(self.positive(name)?.map_or(default, f64::from))
                };
                // What the magnitude is divided by (`mscale_all_dim`).
                let own = match self.yarn_weight()? {
                    // Both weights are the same in its models.
                    Some(_) if self.arch == "deepseek2" => 1.0,
                    Some(weight) => yarn_magnitude(factor) / yarn_magnitude_scaled(factor, weight),
                    None => yarn_magnitude(factor),
                };
                RopeScaling::Yarn {
                    factor,
                    original_context: original as f64,
                    beta_fast: number("rope.scaling.yarn_beta_fast", 32.0)?,
                    beta_slow: number("rope.scaling.yarn_beta_slow", 1.0)?,
                    // llama.cpp multiplies its own magnitude by the file's factor.
                    magnitude: own
                        * number("rope.scaling.yarn_attn_factor", 1.0)?
                        * magnitude.unwrap_or(1.0),
                    // As the models were made; llama.cpp rounds in all of them.
                    truncate: self.arch != "gpt-oss",
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
}
