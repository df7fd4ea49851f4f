//! A prompt or a chain as its file has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::PromptError;
use super::tools::Tool;
use crate::llm::generate::sampling::{ChainOrder, SamplingParams};

/// The form of the file that this version writes.
pub const FORMAT: u32 = 1;

/// A file of the library.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Material {
    pub format: u32,

    /// What it is called on the screen; without one, its file's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,

    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,

    /// Whom to cite.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,

    #[serde(skip_serializing_if = "Mode::is_chat")]
    pub mode: Mode,

    #[serde(skip_serializing_if = "String::is_empty")]
    pub system: String,

    /// The folder of the project that the tool `search` looks in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub texts: String,

    /// Of a prompt: its one text. A chain has steps instead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prompt: String,

    /// What holds for every step that does not say otherwise.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,

    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Variable>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub examples: Option<Examples>,

    #[serde(rename = "step", skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// Whether the text goes through the chat template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Chat,

    /// The model continues the text as it stands.
    Raw,
}

impl Mode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_chat(&self) -> bool {
        *self == Self::Chat
    }
}

/// What is said of a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variable {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,

    /// Its value where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// Where examples come from, and how many of them stand at `{examples}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Examples {
    /// A table: beside the prompt's file, in the project, or anywhere by its whole path.
    pub table: String,

    /// One example, with the table's columns as variables.
    pub template: String,
    pub separator: String,

    /// 0 is zero-shot, 1 one-shot.
    pub count: usize,
    pub choose: Choose,

    /// By hand: rows of the table from 1, in the order in which they stand in the prompt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<usize>,
    pub seed: u64,

    /// For the nearest: the column that is compared with the variable of the same name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub compare: String,

    /// For the nearest: an encoder whose vectors are compared. Without one, BM25 compares words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encoder: String,
}

impl Default for Examples {
    fn default() -> Self {
        Self {
            table: String::new(),
            template: String::new(),
            separator: "\n\n".to_owned(),
            count: 3,
            choose: Choose::default(),
            rows: Vec::new(),
            seed: 0,
            compare: String::new(),
            encoder: String::new(),
        }
    }
}

impl Examples {
    /// The encoder that finds the nearest rows, where one does.
    pub fn encoder_name(&self) -> Option<&str> {
        let is_used = self.choose == Choose::Nearest && !self.encoder.is_empty();
        is_used.then_some(self.encoder.as_str())
    }
}

/// Which rows become examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choose {
    /// Those that `rows` names.
    Hand,

    /// The first ones.
    #[default]
    First,

    /// Drawn with the seed.
    Random,

    /// Those that are most like what is asked about; the nearest stands last.
    Nearest,
}

impl Choose {
    pub const ALL: [Self; 4] = [Self::First, Self::Hand, Self::Random, Self::Nearest];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hand => "By hand",
            Self::First => "First",
            Self::Random => "Random",
            Self::Nearest => "Nearest",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Hand => "The rows that you name, in your order",
            Self::First => "The first rows of the table",
            Self::Random => "Drawn at random: the same seed draws the same rows",
            Self::Nearest => {
                "The rows most like the text that is asked about, the nearest last. By the encoder \
                 that the prompt's file names, else by BM25 over words"
            }
        }
    }
}

/// A step of a chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// A later step may use its answer as `{name}`, beside `{step1}`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,

    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    pub prompt: String,

    /// What the answer begins with: the model continues it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub begin: String,

    /// Thought, action, observation: the model may use these until it gives a final answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,

    /// The most turns of such a step. 0: the default, 6.
    #[serde(skip_serializing_if = "crate::files::is_zero")]
    pub turns: usize,

    /// The answer is a program of arithmetic, which the calculator works out: `{step1.result}`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub calculate: bool,

    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
}

/// Settings that a prompt or a step gives; what it does not give is as outside of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// A named preset; what stands beside it changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greedy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_repeat_ngram_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<ChainOrder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<usize>,

    /// The answer ends where one of these appears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// How an answer is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manner {
    pub sampling: SamplingParams,
    pub max_new_tokens: usize,
    pub stop: Vec<String>,
    pub seed: u64,
}

impl Settings {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `outside`, with what is given here in its place. `preset` finds a named one.
    pub fn over(
        &self,
        outside: &Manner,
        preset: &dyn Fn(&str) -> Result<SamplingParams, PromptError>,
    ) -> Result<Manner, PromptError> {
        let base = match &self.preset {
            Some(name) => preset(name)?,
            None => outside.sampling.clone(),
        };
        Ok(Manner {
            sampling: SamplingParams {
                greedy: self.greedy.unwrap_or(base.greedy),
                temperature: self.temperature.unwrap_or(base.temperature),
                top_k: self.top_k.unwrap_or(base.top_k),
                top_p: self.top_p.unwrap_or(base.top_p),
                min_p: self.min_p.unwrap_or(base.min_p),
                typical_p: self.typical_p.unwrap_or(base.typical_p),
                repetition_penalty: self.repetition_penalty.unwrap_or(base.repetition_penalty),
                no_repeat_ngram_size: self
                    .no_repeat_ngram_size
                    .unwrap_or(base.no_repeat_ngram_size),
                order: self.order.unwrap_or(base.order),
            },
            max_new_tokens: self.max_new_tokens.unwrap_or(outside.max_new_tokens),
            stop: self.stop.clone().unwrap_or_else(|| outside.stop.clone()),
            seed: self.seed.unwrap_or(outside.seed),
        })
    }
}

impl Material {
    pub fn to_toml(&self) -> String {
        let written = Self { format: FORMAT, ..self.clone() };
        toml::to_string(&written).expect("texts, numbers and lists of them are valid TOML")
    }

    pub fn is_chain(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Its steps; a prompt is one step.
    pub fn all_steps(&self) -> Vec<Step> {
        if self.is_chain() {
            return self.steps.clone();
        }
        vec![Step { prompt: self.prompt.clone(), ..Step::default() }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_comes_back_from_its_file() {
        let text = "title = \"Label\"\nprompt = \"\"\"{examples}\nText: {text}\nLabel:\"\"\"\n\
                    [settings]\ngreedy = true\nstop = [\"\\n\"]\n[variables.text]\n\
                    about = \"What is labelled\"\n[examples]\ntable = \"t.csv\"\n\
                    template = \"Text: {text}\\nLabel: {label}\"\nchoose = \"nearest\"\n\
                    compare = \"text\"\n";
        let read = Material::from_toml(text).unwrap();
        assert_eq!(read.asked_for(), ["text"]);
        let again = Material::from_toml(&read.to_toml()).unwrap();
        assert_eq!(Material { format: FORMAT, ..read }, again);
    }

    #[test]
    fn a_mistake_in_a_file_is_named_with_its_line() {
        let said = |text: &str| Material::from_toml(text).unwrap_err().to_string();
        assert!(said("promt = \"a\"").starts_with("line 1: `promt = \"a\"`: unknown field"));
        assert!(said("format = 9\nprompt = \"a\"").contains("newer version"));
        let tool = "[[step]]\nprompt = \"a\"\ntools = [\"shell\"]\n";
        assert!(said(tool).contains("unknown variant `shell`"), "{}", said(tool));
    }

    #[test]
    fn settings_of_a_step_stand_over_those_outside() {
        let outside = Manner {
            sampling: SamplingParams::default(),
            max_new_tokens: 200,
            stop: Vec::new(),
            seed: 3,
        };
        let settings = Settings {
            temperature: Some(0.2),
            preset: Some("mine".to_owned()),
            ..Settings::default()
        };
        let preset = |_: &str| Ok(SamplingParams { top_k: 7, ..SamplingParams::default() });
        let manner = settings.over(&outside, &preset).unwrap();
        assert_eq!((manner.sampling.top_k, manner.sampling.temperature), (7, 0.2));
        assert_eq!((manner.seed, manner.max_new_tokens), (3, 200));
    }
}
