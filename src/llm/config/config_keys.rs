//! Typed access to `config.json`: every error names the file, the key, what was found and what was
//! expected. What the keys of a family mean: `families.rs`.

use std::path::Path;

use serde_json::Value;

use super::rope::{
    Rope, RopeScaling, longrope_magnitude, pair_count, yarn_magnitude, yarn_magnitude_scaled,
};
use super::{Activation, Config, Xielu};
use crate::llm::error::Error;

/// `config.json`, or the part of it that describes the decoder.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub json: &'a Value,
    pub path: &'a Path,

    /// What a family calls settings that others have by another name: (theirs, its own).
    pub own_names: &'a [(&'a str, &'a str)],
}

/// What a family's rope settings fall back to.
#[derive(Clone, Copy)]
pub(crate) struct RopeDefaults {
    pub theta: f64,

    /// How many of a head's dimensions turn.
    pub dims: usize,

    /// `max_position_embeddings`.
    pub context: usize,

    /// The family has a default of its own for `original_max_position_embeddings`, which then
    /// stands outside the rope settings.
    pub original_context: Option<usize>,

    /// The settings are those of one kind of layers. transformers then looks for some of them only
    /// within, and does not look for `truncate`.
    pub by_layer: bool,
}

/// Settings that change numbers and are other families'. They may be there, but only switched off.
const FOREIGN: &[&str] = &[
    "attention_bias",
    "mlp_bias",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "partial_rotary_factor",
    "logit_scale",
    "logits_scaling",
    "residual_multiplier",
    "embedding_multiplier",
    "attention_multiplier",
    "use_bidirectional_attention",
    "use_parallel_residual",
    "parallel_attn",
    "alibi",
    "clip_qkv",
    "use_qk_norm",
    "qk_layernorm",
    "attention_chunk_size",
    "add_cross_attention",
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
];

impl<'a> Keys<'a> {
    pub fn new(json: &'a Value, path: &'a Path) -> Self {
        Self { json, path, own_names: &[] }
    }

    /// The same under the family's own names.
    pub fn called(self, own_names: &'a [(&'a str, &'a str)]) -> Self {
        Self { own_names, ..self }
    }

    /// The same of another description, in the same file.
    pub fn of<'b>(&self, json: &'b Value) -> Keys<'b>
    where
        'a: 'b,
    {
        Keys { json, path: self.path, own_names: self.own_names }
    }

    /// What the file calls a setting: the family's own name where the file has it.
    fn called_here(&self, key: &str) -> String {
        let own = self.own_names.iter().filter(|(general, _)| *general == key);
        let mut own = own.map(|(_, own)| *own);
        let found = own.find(|own| self.json.get(*own).is_some_and(|value| !value.is_null()));
        found.unwrap_or(key).to_owned()
    }

    /// The value of a key, which may be `null`.
    pub fn raw(&self, key: &str) -> Option<&'a Value> {
        self.json.get(self.called_here(key))
    }

    /// The value of a key that is there and not `null`.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.raw(key).filter(|value| !value.is_null())
    }

    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str()
    }

    pub fn refuse(&self, key: &str, expected: impl Into<String>) -> Error {
        self.refuse_value(&self.called_here(key), self.raw(key), expected)
    }

    fn refuse_value(&self, key: &str, found: Option<&Value>, expected: impl Into<String>) -> Error {
        let found = found.map(|value| {
            let mut found = value.to_string();
            if let Some((at, _)) = found.char_indices().nth(200) {
                found.truncate(at);
                found.push('…');
            }
            found
        });
        Error::Setting {
            path: self.path.to_owned(),
            key: key.to_owned(),
            found,
            expected: expected.into(),
        }
    }

    /// Fails where a setting is on that this family, whose own are `known`, does not have.
    pub fn refuse_foreign(&self, known: &[&str]) -> Result<(), Error> {
        let off = |value: &Value| {
            matches!(value, Value::Null | Value::Bool(false))
                || value.as_f64().is_some_and(|number| number == 0.0 || number == 1.0)
        };
        let expected = "models of this family are not computed with it";
        for key in FOREIGN.iter().filter(|key| !known.contains(*key)) {
            if self.json.get(*key).is_some_and(|value| !off(value)) {
                return Err(self.refuse(key, expected));
            }
        }
        Ok(())
    }

    /// A whole number of at least 1.
    pub fn size(&self, key: &str, default: usize) -> Result<usize, Error> {
        let Some(value) = self.get(key) else { return Ok(default) };
        match value.as_u64() {
            // More than any model has, and far from what overflows when multiplied.
            Some(value) if value > 0 && value < 1 << 31 => Ok(value as usize),
            _ => Err(self.refuse(key, "a whole number of at least 1 was expected")),
        }
    }

    /// The same with a bound: it decides about memory before any tensor is looked at.
    pub fn size_up_to(&self, key: &str, default: usize, most: usize) -> Result<usize, Error> {
        match self.size(key, default)? {
            size if size <= most => Ok(size),
            _ => Err(self.refuse(key, format!("at most {most} was expected"))),
        }
    }

    /// `null` is `None`, an absent key is `default`.
    pub fn optional_size(&self, key: &str, default: Option<usize>) -> Result<Option<usize>, Error> {
        match self.raw(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(_) => self.size(key, 1).map(Some),
        }
    }

    /// A number above 0 that f32 can hold.
    pub fn positive(&self, key: &str, default: f64) -> Result<f64, Error> {
        let Some(value) = self.get(key) else { return Ok(default) };
        positive(value).ok_or_else(|| self.refuse(key, "a number above 0 was expected"))
    }

    /// `null` is `None`, an absent key is `default`.
    pub fn optional_positive(&self, key: &str, default: Option<f32>) -> Result<Option<f32>, Error> {
        match self.raw(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(None),
            Some(_) => self.positive(key, 1.0).map(|value| Some(value as f32)),
        }
    }

    pub fn flag(&self, key: &str, default: bool) -> Result<bool, Error> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| self.refuse(key, "true or false was expected"))
    }

    pub fn activation(&self, key: &str, default: &str) -> Result<Activation, Error> {
        let name = match self.get(key) {
            Some(value) => value.as_str().unwrap_or_default(),
            None => default,
        };
        match name {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu" | "gelu_python" => Ok(Activation::Gelu),
            "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_new" | "gelu_fast"
            | "gelu_accurate" => Ok(Activation::GeluTanh),
            "quick_gelu" => Ok(Activation::QuickGelu),
            "relu" => Ok(Activation::Relu),
            "relu2" => Ok(Activation::ReluSquared),
            "tanh" => Ok(Activation::Tanh),
            "xielu" => Ok(Activation::Xielu(Xielu::default())),
            _ => Err(self.refuse(
                key,
                "silu, gelu, gelu_pytorch_tanh, gelu_new, quick_gelu, relu, relu2, tanh and xielu are known",
            )),
        }
    }

    /// The rope settings: `rope_scaling` of transformers 4, which transformers 5 reads first,
    /// else its own `rope_parameters`.
    pub fn rope_settings(&self) -> Option<&'a Value> {
        let scaling = self.get("rope_scaling");
        let filled = scaling.filter(|value| value.as_object().is_none_or(|map| !map.is_empty()));
        filled.or_else(|| self.get("rope_parameters"))
    }

    /// The part of a head that turns, from 0 to 1.
    pub fn partial_rotary_factor(&self, default: f64) -> Result<f64, Error> {
        let inside = self.rope_settings().and_then(|rope| rope.get("partial_rotary_factor"));
        let Some(value) = inside.or_else(|| self.get("partial_rotary_factor")) else {
            return Ok(default);
        };
        match value.as_f64() {
            Some(factor) if factor > 0.0 && factor <= 1.0 => Ok(factor),
            _ => {
                let expected = "a number above 0 and up to 1 was expected";
                Err(self.refuse_value("partial_rotary_factor", Some(value), expected))
            }
        }
    }

    /// Rope by `settings`, which may be absent; `theta` outside of them is transformers 4's.
    pub fn rope(
        &self,
        settings: Option<&'a Value>,
        theta_key: &str,
        defaults: RopeDefaults,
    ) -> Result<Rope, Error> {
        let inside =
            |key: &str| settings.and_then(|rope| rope.get(key)).filter(|value| !value.is_null());
        let refuse = |key: &str, expected: &str| self.refuse_value(key, inside(key), expected);
        if let Some(settings) = settings {
            let Some(map) = settings.as_object() else {
                return Err(self.refuse_value(
                    "rope_scaling",
                    Some(settings),
                    "an object was expected",
                ));
            };
            if let Some((key, value)) = map.iter().find(|(_, value)| value.is_object()) {
                let expected = "one set of rope settings for all layers was expected";
                return Err(self.refuse_value(key, Some(value), expected));
            }
        }
        let number = |key: &str| match inside(key) {
            None => Ok(None),
            Some(value) => match positive(value) {
                Some(number) => Ok(Some(number)),
                None => Err(refuse(key, "a number above 0 was expected")),
            },
        };
        let need = |key: &str| {
            number(key)?.ok_or_else(|| refuse(key, "this rope type needs a number above 0"))
        };
        let theta = match number("rope_theta")? {
            Some(theta) => theta,
            None => self.positive(theta_key, defaults.theta)?,
        };
        let kind = match inside("rope_type").or_else(|| inside("type")) {
            None => "default",
            Some(value) => {
                value.as_str().ok_or_else(|| refuse("rope_type", "a name was expected"))?
            }
        };
        let RopeDefaults { dims, context, .. } = defaults;
        let original_context = || -> Result<f64, Error> {
            let outside = self.get("original_max_position_embeddings");
            let outside = outside.filter(|_| !defaults.by_layer);
            match (outside, defaults.original_context) {
                (Some(_), _) => self.positive("original_max_position_embeddings", 1.0),
                (None, Some(default)) => Ok(default as f64),
                (None, None) => {
                    Ok(number("original_max_position_embeddings")?.unwrap_or(context as f64))
                }
            }
        };
        let scaling = match kind {
            "default" => RopeScaling::None,
            // Slow pairs stand still; the others turn as if all did.
            "proportional" => {
                let part = number("partial_rotary_factor")?.unwrap_or(1.0);
                let turning = (part * dims as f64 / 2.0) as usize;
                let factor = number("factor")?.unwrap_or(1.0);
                RopeScaling::Proportional { factor, turning }
            }
            "linear" => RopeScaling::Linear { factor: need("factor")? },
            "dynamic" if dims > 2 => {
                RopeScaling::Dynamic { factor: need("factor")?, original_context: context }
            }
            "llama3" => RopeScaling::Llama3 {
                factor: need("factor")?,
                low_freq_factor: need("low_freq_factor")?,
                high_freq_factor: need("high_freq_factor")?,
                original_context: original_context()?,
            },
            "yarn" => {
                let original = original_context()?;
                let factor = number("factor")?.unwrap_or(context as f64 / original);
                let (weight, weight_all) = (number("mscale")?, number("mscale_all_dim")?);
                let magnitude = match (number("attention_factor")?, weight, weight_all) {
                    (Some(magnitude), ..) => magnitude,
                    (None, Some(weight), Some(all)) => {
                        yarn_magnitude_scaled(factor, weight) / yarn_magnitude_scaled(factor, all)
                    }
                    _ => yarn_magnitude(factor),
                };
                RopeScaling::Yarn {
                    factor,
                    original_context: original,
                    beta_fast: number("beta_fast")?.unwrap_or(32.0),
                    beta_slow: number("beta_slow")?.unwrap_or(1.0),
                    magnitude,
                    truncate: defaults.by_layer
                        || inside("truncate").and_then(Value::as_bool).unwrap_or(true),
                }
            }
            "longrope" | "su" => {
                let original = original_context()?;
                let factor = number("factor")?.unwrap_or(context as f64 / original);
                let magnitude = number("attention_factor")?
                    .unwrap_or_else(|| longrope_magnitude(factor, original));
                let divisors = |key: &str| {
                    let list = inside(key).and_then(Value::as_array);
                    let numbers = list.and_then(|list| list.iter().map(positive).collect());
                    numbers.filter(|list: &Vec<f64>| list.len() == pair_count(dims)).ok_or_else(
                        || {
                            refuse(
                                key,
                                &format!("{} numbers above 0 were expected", pair_count(dims)),
                            )
                        },
                    )
                };
                RopeScaling::LongRope {
                    short: divisors("short_factor")?,
                    long: divisors("long_factor")?,
                    original_context: original as usize,
                    magnitude,
                }
            }
            other => {
                let expected = "default, linear, dynamic, llama3, yarn, longrope and proportional are supported";
                return Err(Error::Setting {
                    path: self.path.to_owned(),
                    key: "rope_type".to_owned(),
                    found: Some(other.to_owned()),
                    expected: expected.to_owned(),
                });
            }
        };
        Ok(Rope::new(theta, dims, scaling))
    }

    /// Gives layers their window: those that `layer_types` calls sliding, or, where the file has
    /// no such list, those that `by_default` picks.
    pub fn windows(
        &self,
        config: &mut Config,
        window: Option<usize>,
        by_default: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        let types = match self.get("layer_types") {
            None => None,
            Some(value) => {
                let list = value.as_array().filter(|list| list.len() == config.layers.len());
                Some(list.ok_or_else(|| {
                    let count = config.layers.len();
                    self.refuse("layer_types", format!("one entry for each of the {count} layers"))
                })?)
            }
        };
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
            layer.window = if sliding { window } else { None };
        }
        Ok(())
    }
}

/// A number above 0 that f32 can hold.
fn positive(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| *number > 0.0 && (*number as f32).is_normal())
}
