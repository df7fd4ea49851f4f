//! How long a row may be.

use crate::llm::model::Model;
use crate::train::config::TrainConfig;

/// How many tokens of a row are kept, and what sets the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub tokens: usize,

    /// The settings allow more than the model can read.
    pub is_context: bool,
    asked: usize,
}

impl Limit {
    pub fn of(model: &Model, config: &TrainConfig) -> Self {
        // Virtual tokens stand in the same context.
        let context = model.card().facts.context_length.saturating_sub(config.virtual_tokens());
        if config.objective.samples() {
            // A prompt needs the room of an answer behind it.
            let room = context.saturating_sub(config.policy.max_completion_length);
            return Self { tokens: room, is_context: true, asked: context };
        }
        let asked = config.max_length;
        Self { tokens: asked.min(context), is_context: context < asked, asked }
    }

    /// `max_length (128 tokens)`
    pub fn words(self) -> String {
        let Self { tokens, is_context, asked } = self;
        if is_context {
            format!("the model's context ({tokens} tokens; max_length = {asked} is more)")
        } else {
            format!("max_length ({tokens} tokens)")
        }
    }

    /// What keeps a row of so many tokens whole: `: a max_length of 300 keeps everything`.
    pub fn advice(self, needed: usize, context: usize) -> String {
        if needed <= context {
            format!("a max_length of {needed} keeps everything")
        } else {
            format!("the model's context is {context}, so shorter rows are needed")
        }
    }
}
