//! The keys of a run file by their names: `learning_rate`, `lora.r`. What is none of them gets the nearest.

use std::fmt::Display;

use serde::de::value::Error as AnyError;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use toml::Value;

use crate::files::meant::meant;
use crate::llm::newborn::Newborn;
use crate::train::config::{LoraConfig, PolicyConfig, SoftPromptConfig, TrainConfig, run_file};

/// Tables of a run file whose keys a person chooses.
const OPEN: [&str; 4] =
    ["columns", "lr_scheduler_kwargs", "lora.rank_pattern", "lora.alpha_pattern"];

/// Every key of a run file that has a value, in the order of the file.
pub fn known() -> Vec<String> {
    let mut names = Vec::new();
    for key in fields::<TrainConfig>() {
        let inner = match *key {
            "lora" => fields::<LoraConfig>(),
            "policy" => fields::<PolicyConfig>(),
            "soft_prompt" => fields::<SoftPromptConfig>(),
            "newborn" => fields::<Newborn>(),
            key => {
                names.push(key.to_owned());
                continue;
            }
        };
        names.extend(inner.iter().map(|name| format!("{key}.{name}")));
    }
    names
}

/// Why a key is none of a run file, in a sentence with the nearest one. `None`: it is one.
pub fn problem(key: &str) -> Option<String> {
    let all = known();
    let is_open = |open: &str| key.strip_prefix(open).is_some_and(|rest| rest.starts_with('.'));
    if all.iter().any(|known| known == key) || OPEN.into_iter().any(is_open) {
        return None;
    }
    let sentence = format!("`{key}` is not a key of a run file");
    Some(match meant(key, all.iter().map(AsRef::as_ref)) {
        Some(near) => format!("{sentence}; did you mean `{near}`?"),
        None => sentence,
    })
}

/// The value of a key in these settings; `None` where they leave it out.
pub fn own(key: &str, config: &TrainConfig) -> Option<Value> {
    let table: toml::Table = run_file::text(config).parse().unwrap_or_default();
    let mut value = None;
    let mut inner = Some(&table);
    for part in key.split('.') {
        value = inner.and_then(|table| table.get(part));
        inner = value.and_then(Value::as_table);
    }
    value.cloned()
}

/// The fields that a struct is read from.
fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut found = Fields(&[]);
    // It fails on purpose: only what was asked for is of interest.
    T::deserialize(&mut found).ok();
    found.0
}

/// Reads nothing, and keeps which fields it was asked for.
struct Fields(&'static [&'static str]);

fn nothing<T>(said: impl Display) -> Result<T, AnyError> {
    Err(AnyError::custom(said))
}

impl<'de> Deserializer<'de> for &mut Fields {
    type Error = AnyError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, AnyError> {
        nothing("only a struct is asked for")
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, AnyError> {
        self.0 = fields;
        nothing(name)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::Objective;

    #[test]
    fn every_key_that_a_run_file_is_written_with_is_known() {
        let known = known();
        for objective in Objective::ALL {
            let text = run_file::text(&TrainConfig::suggested(objective));
            let table: toml::Table = text.parse().unwrap();
            for (key, value) in table {
                let names = match value {
                    toml::Value::Table(inner) if !OPEN.contains(&key.as_str()) => {
                        inner.keys().map(|inner| format!("{key}.{inner}")).collect()
                    }
                    _ => vec![key],
                };
                for name in names {
                    assert!(known.contains(&name), "{name}");
                    assert_eq!(problem(&name), None);
                }
            }
        }
    }

    #[test]
    fn the_nearest_key_is_named() {
        for (given, meant) in [
            ("learning_rat", "learning_rate"),
            ("lr_scheduler", "lr_scheduler_type"),
            ("lora.rank", "lora.r"),
            ("r", "lora.r"),
            ("lora_alpha", "lora.lora_alpha"),
            ("num_generations", "policy.num_generations"),
            ("Beta", "beta"),
        ] {
            let said = problem(given).unwrap();
            if given == "lora.rank" || given == "lr_scheduler" {
                assert!(said.contains("is not a key of a run file"), "{said}"); // too far away to guess
            } else {
                assert!(said.ends_with(&format!("did you mean `{meant}`?")), "{given}: {said}");
            }
        }
        assert_eq!(problem("colour").unwrap(), "`colour` is not a key of a run file");
        assert_eq!(problem("columns.prompt"), None);
        assert!(problem("lora").is_some(), "a table is not a value");
    }
}
