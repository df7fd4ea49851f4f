//! Ways to train, by name: what each changes in a run's settings.

use crate::llm::Init;
use crate::train::config::{Dtype, Method, TrainConfig};

/// What a method changes.
type Changes = fn(&mut TrainConfig);

/// Every method by its name, what it is called, and what it changes in a run with plain `LoRA`.
pub const METHODS: [(&str, &str, Changes); 10] = [
    ("lora", "LoRA", |_| ()),
    ("dora", "DoRA", |config| config.lora.use_dora = true),
    ("rslora", "rsLoRA", |config| config.lora.use_rslora = true),
    ("pissa", "PiSSA", |config| config.lora.init_lora_weights = Init::Pissa),
    ("olora", "OLoRA", |config| config.lora.init_lora_weights = Init::Olora),
    ("qlora", "QLoRA", |config| config.dtype = Dtype::Auto),
    ("full", "Full fine-tuning", |config| config.method = Method::Full),
    ("bias", "Biases alone", |config| config.method = Method::Bias),
    ("prompt_tuning", "Prompt tuning", |config| config.method = Method::PromptTuning),
    ("prefix_tuning", "Prefix tuning", |config| config.method = Method::PrefixTuning),
];

/// Those that are compared where nothing else is said. Most decoders, Llama and its kin, have no biases that could
/// learn, and a sweep with a run that would be refused is not begun.
pub const USUAL: [&str; 5] = ["lora", "dora", "full", "prompt_tuning", "prefix_tuning"];

/// What a method is called.
pub fn title(name: &str) -> Option<&'static str> {
    METHODS.iter().find(|(known, ..)| *known == name).map(|(_, title, _)| *title)
}

/// A run with a method; nothing else changes. The problem, where there is no such method.
pub fn with_method(given: &TrainConfig, name: &str) -> Result<TrainConfig, String> {
    let known = METHODS.iter().find(|(known, ..)| *known == name);
    let Some((.., change)) = known else {
        let names = METHODS.map(|(name, ..)| name).join(", ");
        return Err(format!("there is no method {name}; known are {names}"));
    };
    let mut config = given.clone();
    config.method = Method::Lora;
    config.lora.use_dora = false;
    config.lora.use_rslora = false;
    config.lora.init_lora_weights = Init::Usual;
    change(&mut config);
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_changes_nothing_else_of_a_run() {
        let given = TrainConfig { method: Method::Full, ..TrainConfig::default() };
        for (name, ..) in METHODS {
            let mut config = with_method(&given, name).unwrap();
            config.method = given.method;
            config.dtype = given.dtype;
            config.lora = given.lora.clone();
            assert_eq!(config, given, "{name}");
        }
        let said = with_method(&given, "adalora").unwrap_err();
        assert!(said.contains("prefix_tuning"), "{said}");
        assert!(USUAL.iter().all(|name| title(name).is_some()));
    }
}
