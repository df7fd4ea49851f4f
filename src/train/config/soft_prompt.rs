//! A run's soft prompt, under PEFT's names.

use serde::{Deserialize, Serialize};

use crate::llm::{SoftInit, SoftKind, SoftSpec};

/// The settings of `method = "prompt_tuning"` and `"prefix_tuning"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SoftPromptConfig {
    /// Tokens before every text.
    pub num_virtual_tokens: usize,

    /// What they begin as. A prefix is always random, as in PEFT.
    pub prompt_tuning_init: PromptInit,

    /// The words that they begin as, with `TEXT`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prompt_tuning_init_text: String,
}

/// PEFT's `PromptTuningInit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PromptInit {
    Text,
    #[default]
    Random,
    SampleVocab,
}

/// Every beginning by its name in a run file.
pub const PROMPT_INITS: [(&str, PromptInit); 3] = [
    ("TEXT", PromptInit::Text),
    ("RANDOM", PromptInit::Random),
    ("SAMPLE_VOCAB", PromptInit::SampleVocab),
];

impl SoftPromptConfig {
    pub fn spec(&self, kind: SoftKind) -> SoftSpec {
        let init = match self.prompt_tuning_init {
            _ if kind == SoftKind::Prefix => SoftInit::Random,
            PromptInit::Text => SoftInit::Text(self.prompt_tuning_init_text.clone()),
            PromptInit::Random => SoftInit::Random,
            PromptInit::SampleVocab => SoftInit::SampleVocab,
        };
        SoftSpec { kind, num_virtual_tokens: self.num_virtual_tokens, init }
    }

    /// What cannot be, by key.
    pub(super) fn problems(&self, kind: SoftKind) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let tokens = self.num_virtual_tokens;
        if !(1..=10_000).contains(&tokens) {
            let message = format!("must be between 1 and 10000, and it is {tokens}");
            found.push(("soft_prompt.num_virtual_tokens", message));
        }
        let is_text = self.prompt_tuning_init == PromptInit::Text && kind == SoftKind::Prompt;
        if is_text && self.prompt_tuning_init_text.trim().is_empty() {
            let message = "must say what the virtual tokens begin as, for example: Answer the question in one \
                           sentence. Or take prompt_tuning_init = \"RANDOM\""
                .to_owned();
            found.push(("soft_prompt.prompt_tuning_init_text", message));
        }
        found
    }

    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for SoftPromptConfig {
    fn default() -> Self {
        Self {
            num_virtual_tokens: 20,
            prompt_tuning_init: PromptInit::default(),
            prompt_tuning_init_text: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_prompt_is_set_under_the_names_of_peft() {
        let text = "num_virtual_tokens = 8\nprompt_tuning_init = 'TEXT'\nprompt_tuning_init_text = 'say why'\n";
        let config: SoftPromptConfig = toml::from_str(text).unwrap();
        assert!(config.problems(SoftKind::Prompt).is_empty());
        let spec = config.spec(SoftKind::Prompt);
        assert_eq!(spec.init, SoftInit::Text("say why".to_owned()));
        assert_eq!(config.spec(SoftKind::Prefix).init, SoftInit::Random);
        let again: SoftPromptConfig = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
        let unknown = toml::from_str::<SoftPromptConfig>("prompt_tuning_init = 'WORDS'");
        assert!(unknown.unwrap_err().to_string().contains("RANDOM"));
    }

    #[test]
    fn a_soft_prompt_of_no_tokens_or_no_words_is_named() {
        let fields = |config: &SoftPromptConfig, kind| -> Vec<&str> {
            config.problems(kind).into_iter().map(|(field, _)| field).collect()
        };
        let wordless = SoftPromptConfig {
            prompt_tuning_init: PromptInit::Text,
            ..SoftPromptConfig::default()
        };
        assert_eq!(fields(&wordless, SoftKind::Prompt), ["soft_prompt.prompt_tuning_init_text"]);
        assert!(fields(&wordless, SoftKind::Prefix).is_empty(), "a prefix begins as no text");
        let none = SoftPromptConfig { num_virtual_tokens: 0, ..SoftPromptConfig::default() };
        assert_eq!(fields(&none, SoftKind::Prefix), ["soft_prompt.num_virtual_tokens"]);
    }
}
