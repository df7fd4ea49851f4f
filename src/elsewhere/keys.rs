//! The settings that TRL 1.16 knows: it stops at any other.

use serde_json::{Map, Value};

use super::error::Error;
use crate::files::meant::meant;
use crate::train::config::Objective;

/// By trainer, and under `every` those of all; as `tests/reference/make_bundle_keys.py` asked TRL.
const KNOWN: &str = include_str!("files/trl_keys.json");

/// The settings of a trainer.
pub fn of(objective: Objective) -> Vec<String> {
    let known: Map<String, Value> = serde_json::from_str(KNOWN).unwrap_or_default();
    let list = |key: &str| known.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let all = list("every").into_iter().chain(list(objective.facts().key));
    all.filter_map(|key| key.as_str().map(str::to_owned)).collect()
}

/// The first key that the trainer does not know is an error with the nearest that it does.
pub fn check(keys: &Map<String, Value>, objective: Objective, file: &str) -> Result<(), Error> {
    let known = of(objective);
    let Some(key) = keys.keys().find(|key| !known.contains(key)) else { return Ok(()) };
    let near = meant(key, known.iter().map(String::as_str));
    Err(Error::UnknownKey {
        file: file.to_owned(),
        key: key.clone(),
        objective: objective.facts().name,
        near: near.map(|name| format!(". Did you mean `{name}`?")).unwrap_or_default(),
    })
}

/// `bf16=false` as a key with its value: JSON where it is some, else text.
pub fn given(text: &str) -> Result<(String, Value), Error> {
    let parts = text.split_once('=').filter(|(key, _)| !key.trim().is_empty());
    let (key, value) = parts.ok_or_else(|| Error::NoValue(text.to_owned()))?;
    let value = value.trim();
    let read = serde_json::from_str(value).unwrap_or_else(|_text| Value::from(value));
    Ok((key.trim().to_owned(), read))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_setting_is_refused_with_the_one_that_is_meant() {
        let keys = |key: &str| Map::from_iter([(key.to_owned(), json!(8))]);
        let said = |key: &str, objective| {
            let checked = check(&keys(key), objective, "config.yaml");
            checked.err().map(|err| err.to_string()).unwrap_or_default()
        };
        assert_eq!(said("lora_r", Objective::Dpo), "");
        let lora = said("lora_rank", Objective::Dpo);
        assert!(lora.contains("`lora_rank` is not a setting of TRL 1.16 for DPO"), "{lora}");
        assert!(lora.contains("Did you mean `lora_"), "{lora}");
        assert_eq!(said("num_generations", Objective::Grpo), "");
        assert!(said("num_generations", Objective::Dpo).contains("num_generations"));
        assert!(!said("xyzzy", Objective::Dpo).contains("Did you mean"));
    }

    #[test]
    fn a_setting_is_given_as_a_key_and_a_value() {
        assert_eq!(given("bf16=false").unwrap(), ("bf16".to_owned(), json!(false)));
        assert_eq!(given("optim = adamw_8bit").unwrap().1, json!("adamw_8bit"));
        assert_eq!(given("lora_target_modules=[\"q_proj\"]").unwrap().1, json!(["q_proj"]));
        assert!(given("bf16").is_err());
    }
}
