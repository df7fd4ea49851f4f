//! How long a row may be.

use std::ops::Range;

use crate::llm::model::Model;
use crate::train::config::{TrainConfig, TruncationMode};

/// How many tokens of a row are kept, and what sets the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub tokens: usize,

    /// The settings allow more than the model can read.
    pub is_context: bool,
    asked: usize,

    /// Which tokens of a longer row are kept.
    pub mode: TruncationMode,
}

impl Limit {
    pub fn of(model: &Model, config: &TrainConfig) -> Self {
        // Virtual tokens stand in the same context.
        let context = model.card().facts.context_length.saturating_sub(config.virtual_tokens());
        if config.objective.samples() {
            // A prompt needs the room of an answer behind it.
            let room = context.saturating_sub(config.policy.max_completion_length);
            let mode = TruncationMode::KeepStart;
            return Self { tokens: room, is_context: true, asked: context, mode };
        }
        let asked = config.max_length;
        let (tokens, is_context) = (asked.min(context), context < asked);
        Self { tokens, is_context, asked, mode: config.truncates() }
    }

    /// `first 128`: which tokens of a row are kept.
    pub fn kept(self) -> String {
        match self.mode {
            TruncationMode::KeepStart => format!("first {}", self.tokens),
            TruncationMode::KeepEnd => format!("last {}", self.tokens),
        }
    }

    /// Which of so many tokens are kept.
    pub fn places(self, length: usize) -> Range<usize> {
        self.mode.places(length, self.tokens)
    }

    /// `max_length (128 tokens)`
    pub fn words(self) -> String {
        let Self { tokens, is_context, asked, .. } = self;
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
