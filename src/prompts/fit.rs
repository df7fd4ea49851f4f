//! A prompt before it is asked: its filled text, how many tokens it takes, and how many of its examples
//! fit into the context.

use super::check::{Meaning, meaning};
use super::error::PromptError;
use super::examples::Chosen;
use super::filled::{Filled, Values};
use super::material::{Manner, Material, Step};
use super::template::{EXAMPLES, Template};
use crate::llm::Error;
use crate::llm::generate::Prompt;
use crate::llm::text::chat::ChatTemplate;
use crate::llm::text::tokenizer::Tokenizer;

/// What counts tokens: a model's text parts, and the tokens that it can attend to.
#[derive(Clone, Copy)]
pub struct Space<'a> {
    pub tokenizer: &'a Tokenizer,
    pub chat: Option<&'a ChatTemplate>,
    pub context: usize,
}

/// What a prompt takes of the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    pub tokens: usize,
    pub context: usize,
    pub max_new_tokens: usize,

    /// Examples that were chosen, and how many of them fit. `None`: the prompt does not fit without
    /// any either.
    pub wanted: usize,
    pub fits: Option<usize>,
}

impl Fit {
    /// What is left of the context for the prompt.
    pub fn room(&self) -> usize {
        self.context.saturating_sub(self.max_new_tokens)
    }

    /// Refuses examples that do not fit: with fewer of them it would be another prompt.
    pub fn check(&self) -> Result<(), PromptError> {
        if self.wanted == 0 || self.fits == Some(self.wanted) {
            return Ok(());
        }
        Err(PromptError::ExamplesDoNotFit {
            wanted: self.wanted,
            tokens: self.tokens,
            room: self.room(),
            context: self.context,
            new: self.max_new_tokens,
            fits: self.fits,
        })
    }
}

impl Space<'_> {
    /// Tokens of a prompt as the model sees it.
    pub fn count(&self, prompt: &Prompt) -> Result<usize, PromptError> {
        let (text, add_special) = match prompt {
            Prompt::Raw(text) => (text.clone(), true),
            Prompt::Chat(messages) => {
                let chat = self.chat.ok_or(Error::NoChatTemplate)?;
                (chat.render(messages, true).map_err(Error::from)?, false)
            }
        };
        Ok(self.tokenizer.encode(&text, add_special).map_err(Error::from)?.len())
    }
}

/// The step of a prompt that is shown and counted: the one with the examples, else the first.
fn shown_step(steps: &[Step]) -> &Step {
    let has_examples = |step: &&Step| Template::parse(&step.prompt).names().contains(&EXAMPLES);
    steps.iter().find(has_examples).unwrap_or(&steps[0])
}

/// That step with its values. Answers of earlier steps are not known yet: their names stay in braces.
pub fn shown(
    material: &Material,
    values: &Values,
    chosen: Option<&Chosen>,
) -> Result<Filled, PromptError> {
    let steps = material.all_steps();
    let value = |name: &str| match meaning(name, &steps) {
        Meaning::Examples => Some(chosen.map(Chosen::block).unwrap_or_default()),
        Meaning::Answer { .. } => Some(format!("{{{name}}}")),
        Meaning::Value => None,
    };
    Filled::new(material, shown_step(&steps), values, &value)
}

/// Counts the tokens of that step. Answers of earlier steps are not known yet and count nothing.
pub fn fit(
    material: &Material,
    values: &Values,
    chosen: Option<&Chosen>,
    manner: &Manner,
    space: &Space<'_>,
) -> Result<Fit, PromptError> {
    let steps = material.all_steps();
    let step = shown_step(&steps);
    let count = |examples: Option<&Chosen>| {
        let block = examples.map(Chosen::block).unwrap_or_default();
        let value = |name: &str| match meaning(name, &steps) {
            Meaning::Examples => Some(block.clone()),
            Meaning::Answer { .. } => Some(String::new()),
            Meaning::Value => None,
        };
        space.count(&Filled::new(material, step, values, &value)?.asked())
    };
    let tokens = count(chosen)?;
    let wanted = chosen.map_or(0, |chosen| chosen.texts.len());
    let max_new_tokens = step.settings.max_new_tokens.unwrap_or(manner.max_new_tokens);
    let mut fit = Fit { tokens, context: space.context, max_new_tokens, wanted, fits: None };
    if tokens <= fit.room() {
        fit.fits = Some(wanted);
    } else if let Some(chosen) = chosen {
        for fewer in (0..wanted).rev() {
            if count(Some(&chosen.fewer(fewer)))? <= fit.room() {
                fit.fits = Some(fewer);
                break;
            }
        }
    }
    Ok(fit)
}
