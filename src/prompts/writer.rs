//! Who writes the answers of a chain: the model; in tests, a list.

use super::error::PromptError;
use super::material::Manner;
use crate::jobs::{Cancelled, Progress};
use crate::llm::adapter::lora::Adapter;
use crate::llm::generate::guess::Guesser;
use crate::llm::generate::{
    AdapterMode, Answer, GenerateEvent, GenerateRequest, Lane, Prompt, RenderedPrompt, StopReason,
    generate_after, render_prompt,
};
use crate::llm::model::Model;

/// What was written, and what the model saw.
pub struct Said {
    pub seen: String,
    pub prompt_tokens: usize,
    pub text: String,
    pub tokens: usize,
    pub stop: StopReason,
}

pub trait Writer {
    /// Answers `prompt`; where `begun` is not empty, continues it. `on_text` hears what is written
    /// as it comes.
    fn write(
        &self,
        prompt: &Prompt,
        begun: &str,
        manner: &Manner,
        listener: &Listener<'_>,
    ) -> Result<Said, PromptError>;
}

/// Whoever waits for an answer.
pub struct Listener<'a> {
    pub on_text: &'a dyn Fn(&str),
    pub check: &'a dyn Fn() -> Result<(), Cancelled>,
}

impl Progress<GenerateEvent> for Listener<'_> {
    fn emit(&self, event: GenerateEvent) {
        if let GenerateEvent::Token { step, .. } = event {
            (self.on_text)(&step.text);
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        (self.check)()
    }
}

/// The model in memory.
pub struct ModelWriter<'a> {
    pub model: &'a Model,
    pub adapter: Option<&'a Adapter>,
}

impl Writer for ModelWriter<'_> {
    fn write(
        &self,
        prompt: &Prompt,
        begun: &str,
        manner: &Manner,
        listener: &Listener<'_>,
    ) -> Result<Said, PromptError> {
        let mut rendered = render_prompt(self.model, prompt)?;
        if !begun.is_empty() {
            let is_raw = matches!(prompt, Prompt::Raw(_));
            let text = format!("{}{begun}", rendered.text);
            let ids =
                self.model.tokenizer().encode(&text, is_raw).map_err(crate::llm::Error::from)?;
            rendered = RenderedPrompt { text, ids };
        }
        let (seen, prompt_tokens) = (rendered.text.clone(), rendered.ids.len());
        let adapter = if self.adapter.is_some() { AdapterMode::On } else { AdapterMode::Off };
        let kind = if begun.is_empty() { prompt.clone() } else { Prompt::Raw(String::new()) };
        let request = GenerateRequest {
            prompt: kind,
            sampling: manner.sampling.clone(),
            max_new_tokens: manner.max_new_tokens,
            stop_strings: manner.stop.clone(),
            lanes: vec![Lane { seed: manner.seed, adapter }],
        };
        let answers = generate_after(
            self.model,
            self.adapter,
            Guesser::Nobody,
            rendered,
            &request,
            listener,
        )?;
        let stopped = PromptError::Cancelled(Cancelled);
        let Answer { text, ids, stop, .. } = answers.into_iter().next().ok_or(stopped)?;
        Ok(Said { seen, prompt_tokens, text, tokens: ids.len(), stop })
    }
}
