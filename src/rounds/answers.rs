//! Answers of a model to many prompts, several to each, as a chat model is asked or as a text is continued.

use super::error::Error;
use super::record::AnswerSettings;
use crate::data::pair::{Message, Text};
use crate::jobs::{Cancelled, Progress};
use crate::llm::generate::groups::{self, GroupRequest, Writing};
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::{Prompt, render_prompt};
use crate::llm::{Adapter, Model};

/// Prompts whose answers are written together.
const AT_ONCE: usize = 16;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    pub tokens: usize,
}

impl Answer {
    pub fn words(&self) -> usize {
        self.text.split_whitespace().count()
    }
}

/// `group` answers to each prompt. `on_prompts`: told how many prompts have theirs.
///
/// The same settings give the same answers; slow.
pub fn ask(
    (model, adapter): (&Model, Option<&Adapter>),
    prompts: &[Text],
    (settings, group): (&AnswerSettings, usize),
    progress: &dyn Progress<usize>,
) -> Result<Vec<Vec<Answer>>, Error> {
    let AnswerSettings { temperature, top_p, max_new_tokens, seed, most: _ } = *settings;
    let sampling = SamplingParams {
        temperature: temperature as f32,
        top_p: top_p as f32,
        top_k: 0,
        repetition_penalty: 1.0,
        ..SamplingParams::default()
    };
    let mut all = Vec::with_capacity(prompts.len());
    for (part, some) in prompts.chunks(AT_ONCE).enumerate() {
        let mut ids = Vec::with_capacity(some.len());
        for prompt in some {
            ids.push(render_prompt(model, &asked(model, prompt))?.ids);
        }
        let request = GroupRequest {
            prompts: &ids,
            group,
            sampling: sampling.clone(),
            max_new_tokens,
            seed: seed.rotate_left(17) ^ part as u64,
        };
        let written = groups::sample(model, adapter, &request, &Checked(progress))?;
        progress.check()?; // what Stop cut short is no answer
        for group in written {
            let answer = |written: groups::Written| Answer {
                text: model.tokenizer().decode(&written.ids, true).trim().to_owned(),
                tokens: written.ids.len(),
            };
            all.push(group.into_iter().map(answer).collect());
        }
        progress.emit(all.len());
        progress.rest();
    }
    Ok(all)
}

/// A prompt as a model is asked it: through its chat template where it has one.
pub fn asked(model: &Model, prompt: &Text) -> Prompt {
    match (prompt, model.chat()) {
        (Text::Messages(messages), Some(_)) => Prompt::Chat(messages.clone()),
        (Text::Plain(text), Some(_)) => Prompt::Chat(vec![Message::new("user", text)]),
        (prompt, None) => Prompt::Raw(prompt.words()),
    }
}

/// Passes on a Stop.
struct Checked<'a>(&'a dyn Progress<usize>);

impl Progress<Writing> for Checked<'_> {
    fn emit(&self, _writing: Writing) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}
