//! The adapter of a run, under PEFT's names.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::llm::{Bias, INITS, Init, LoraSpec, is_pattern};

/// The adapter's shape, under PEFT's names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// Rank: how many directions each layer may change in.
    pub r: usize,

    /// The change is scaled by `lora_alpha / r` (by `lora_alpha / √r` with rsLoRA).
    pub lora_alpha: f64,
    pub lora_dropout: f64,

    /// Names of layers (`q_proj`), `all-linear`, or a regular expression for their whole paths.
    #[serde(deserialize_with = "one_or_many")]
    pub target_modules: Vec<String>,
    pub use_rslora: bool,

    /// `DoRA` (Liu et al. 2024): the length of each output is learned apart from its direction.
    pub use_dora: bool,

    /// What a new adapter begins with: `true`, `"gaussian"`, `"pissa"` or `"olora"`.
    #[serde(serialize_with = "init_by_name", deserialize_with = "named_init")]
    pub init_lora_weights: Init,

    /// Numbers of the layers that are adapted. `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers_to_transform: Option<Vec<usize>>,

    /// What stands before the number of a layer, where the first number of a path is not it.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub layers_pattern: Vec<String>,

    /// Ranks of their own for some layers: `rank_pattern = { "down_proj" = 4 }`.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub rank_pattern: Table,

    /// The same for `lora_alpha`.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub alpha_pattern: Table,

    /// Which biases learn beside the adapter.
    #[serde(skip_serializing_if = "is_none")]
    pub bias: Bias,

    /// Embedding and head, where they learn as a whole: `embed_tokens`, `lm_head`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub modules_to_save: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(bias: &Bias) -> bool {
    *bias == Bias::None
}

/// Numbers by regular expressions, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(pub Vec<(String, f64)>);

impl LoraConfig {
    pub fn spec(&self) -> LoraSpec {
        let Self {
            r,
            lora_alpha,
            lora_dropout,
            target_modules,
            use_rslora,
            use_dora,
            init_lora_weights,
            layers_to_transform,
            layers_pattern,
            rank_pattern,
            alpha_pattern,
            bias,
            modules_to_save,
        } = self.clone();
        LoraSpec {
            r,
            lora_alpha,
            lora_dropout,
            use_rslora,
            target_modules,
            use_dora,
            init: init_lora_weights,
            layers_to_transform,
            layers_pattern,
            rank_pattern: rank_pattern.0,
            alpha_pattern: alpha_pattern.0,
            bias,
            modules_to_save,
        }
    }

    /// What cannot be, by key. Ranges are looked at elsewhere.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.use_dora && self.lora_dropout > 0.0 {
            let message =
                "must be 0 with use_dora: DoRA is trained without dropout here".to_owned();
            found.push(("lora.lora_dropout", message));
        }
        let by_pattern = self.target_modules.iter().any(|name| is_pattern(name));
        if self.layers_to_transform.is_some() && by_pattern {
            let message =
                "must be left out where target_modules is a regular expression, as in PEFT: \
                           let the expression name the layers"
                    .to_owned();
            found.push(("lora.layers_to_transform", message));
        }
        if self.layers_to_transform.as_ref().is_some_and(Vec::is_empty) {
            let message = "names no layer; leave it out for all of them".to_owned();
            found.push(("lora.layers_to_transform", message));
        }
        for (key, value) in &self.rank_pattern.0 {
            if value.fract() != 0.0 || !(1.0..=1024.0).contains(value) {
                let message = format!("has {value} for \"{key}\"; a rank is between 1 and 1024");
                found.push(("lora.rank_pattern", message));
            }
        }
        for (key, value) in &self.alpha_pattern.0 {
            if !(0.001..=10_000.0).contains(value) {
                let message =
                    format!("has {value} for \"{key}\"; an alpha is between 0.001 and 10000");
                found.push(("lora.alpha_pattern", message));
            }
        }
        let spec = self.spec();
        for (field, entries) in
            [("lora.rank_pattern", &spec.rank_pattern), ("lora.alpha_pattern", &spec.alpha_pattern)]
        {
            if let Some((key, _)) = entries.iter().find(|(key, _)| !crate::llm::is_key(key)) {
                found.push((field, format!("has \"{key}\", which is no regular expression")));
            }
        }
        found
    }
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            r: 8,
            lora_alpha: 8.0,
            lora_dropout: 0.0,
            target_modules: vec!["q_proj".to_owned(), "v_proj".to_owned()],
            use_rslora: false,
            use_dora: false,
            init_lora_weights: Init::Usual,
            layers_to_transform: None,
            layers_pattern: Vec::new(),
            rank_pattern: Table::default(),
            alpha_pattern: Table::default(),
            bias: Bias::None,
            modules_to_save: Vec::new(),
        }
    }
}

impl Table {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Table;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a table of numbers by names of layers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table, A::Error> {
                let mut found = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    found.push(entry);
                }
                Ok(Table(found))
            }
        }
        from.deserialize_map(Entries)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn init_by_name<S: Serializer>(init: &Init, to: S) -> Result<S::Ok, S::Error> {
    let name = INITS.iter().find(|(_, known)| known == init).map_or("", |(name, _)| name);
    if *init == Init::Usual { to.serialize_bool(true) } else { to.serialize_str(name) }
}

fn named_init<'de, D: Deserializer<'de>>(source: D) -> Result<Init, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Flag(bool),
        Name(String),
    }
    let name = match Given::deserialize(source)? {
        Given::Flag(flag) => flag.to_string(),
        Given::Name(name) => name.to_lowercase(),
    };
    let known = INITS.iter().find(|(known, _)| *known == name);
    known.map(|(_, init)| *init).ok_or_else(|| {
        let names = INITS.map(|(name, _)| name).join(", ");
        serde::de::Error::custom(format!(
            "init_lora_weights = {name} cannot be begun here; known are {names}"
        ))
    })
}

pub(super) fn one_or_many<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(source)? {
        OneOrMany::One(name) => vec![name],
        OneOrMany::Many(names) => names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_is_read_as_peft_writes_it_and_comes_back() {
        let text = "init_lora_weights = 'PiSSA'\nuse_dora = true\nlayers_to_transform = [0, 2]\n\
                    rank_pattern = { up_proj = 6, 'layers\\.2\\..*' = 2 }\n";
        let config: LoraConfig = toml::from_str(text).unwrap();
        assert_eq!(config.init_lora_weights, Init::Pissa);
        assert_eq!(config.rank_pattern.0.len(), 2);
        let again: LoraConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
        let plain: LoraConfig = toml::from_str("init_lora_weights = true").unwrap();
        assert_eq!(plain, LoraConfig::default());
        let unknown = toml::from_str::<LoraConfig>("init_lora_weights = 'loftq'").unwrap_err();
        assert!(unknown.to_string().contains("gaussian"), "{unknown}");
    }

    #[test]
    fn what_cannot_be_trained_together_is_named() {
        let fields = |config: &LoraConfig| -> Vec<&str> {
            config.problems().into_iter().map(|(field, _)| field).collect()
        };
        let usual = LoraConfig::default();
        assert!(fields(&usual).is_empty());
        let dropped = LoraConfig { use_dora: true, lora_dropout: 0.1, ..usual.clone() };
        assert_eq!(fields(&dropped), ["lora.lora_dropout"]);
        let twice = LoraConfig {
            layers_to_transform: Some(vec![1]),
            target_modules: vec![".*q_proj".to_owned()],
            ..usual.clone()
        };
        assert_eq!(fields(&twice), ["lora.layers_to_transform"]);
        let broken = LoraConfig { rank_pattern: Table(vec![("[".to_owned(), 0.5)]), ..usual };
        assert_eq!(fields(&broken), ["lora.rank_pattern", "lora.rank_pattern"]);
    }
}
