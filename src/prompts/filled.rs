//! A step with a value for each of its variables: what is asked.

use std::collections::BTreeMap;

use super::error::{PromptError, listed, suggested};
use super::material::{Material, Mode, Step};
use super::template::Template;
use crate::data::pair::Message;
use crate::files::meant::meant;
use crate::llm::generate::Prompt;

/// What the person has set, by name.
pub type Values = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    pub mode: Mode,
    pub system: String,
    pub prompt: String,

    /// What the answer begins with.
    pub begin: String,
}

impl Filled {
    /// `value` knows what is no person's to set: the examples, the answers of earlier steps.
    pub fn new(
        material: &Material,
        step: &Step,
        values: &Values,
        value: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, PromptError> {
        let all = |name: &str| value(name).or_else(|| value_of(material, values, name));
        let fill = |text: &str| {
            Template::parse(text).fill(&all).map_err(|name| PromptError::NoValue { name })
        };
        Ok(Self {
            mode: step.mode.unwrap_or(material.mode),
            system: fill(step.system.as_deref().unwrap_or(&material.system))?,
            prompt: fill(&step.prompt)?,
            begin: fill(&step.begin)?,
        })
    }

    /// As the engine is asked.
    pub fn asked(&self) -> Prompt {
        match self.mode {
            Mode::Raw if self.system.is_empty() => Prompt::Raw(self.prompt.clone()),
            Mode::Raw => Prompt::Raw(format!("{}\n\n{}", self.system, self.prompt)),
            Mode::Chat => {
                let system =
                    (!self.system.trim().is_empty()).then(|| Message::new("system", &self.system));
                let user = Message::new("user", &self.prompt);
                Prompt::Chat(system.into_iter().chain([user]).collect())
            }
        }
    }
}

/// What a variable is set to, else its default.
pub fn value_of(material: &Material, values: &Values, name: &str) -> Option<String> {
    values.get(name).cloned().or_else(|| default(material, name))
}

fn default(material: &Material, name: &str) -> Option<String> {
    material.variables.get(name)?.default.clone()
}

/// Refuses values for variables that the prompt does not have.
pub fn check_values(material: &Material, values: &Values) -> Result<(), PromptError> {
    let asked = material.asked_for();
    let Some(unknown) = values.keys().find(|name| !asked.contains(name)) else { return Ok(()) };
    let known = || asked.iter().map(String::as_str);
    let meant = meant(unknown, known());
    Err(PromptError::Unusable(format!(
        "the prompt has no variable \"{unknown}\"{}; it has {}",
        suggested(meant),
        listed(known())
    )))
}

/// The first variable that has no value.
pub fn missing<'a>(material: &Material, asked: &'a [String], values: &Values) -> Option<&'a str> {
    let is_missing = |name: &&String| {
        values.get(*name).is_none_or(|value| value.is_empty()) && default(material, name).is_none()
    };
    asked.iter().find(is_missing).map(String::as_str)
}
