//! What is left of the model's context for an answer.

use super::length::{Counted, Left, tokenizer_of};
use super::{Mode, PlaygroundState};
use crate::llm::card::ModelCard;

impl PlaygroundState {
    /// The marks of a chat template around a new question are not counted.
    pub fn left_of_context(&mut self, model: &ModelCard) -> Left {
        let context = model.facts.context_length;
        let tokenizer = tokenizer_of(model);
        let is_known = self.counted.as_ref().is_some_and(|counted| {
            counted.version == self.version
                && counted.tokenizer == tokenizer
                && counted.prompt == self.prompt
        });
        if !is_known {
            let turns = if self.rendered.is_some() { Vec::new() } else { self.exchanges() };
            let mut count = |text: &str| self.lengths.of(text, model, context);
            let said = turns
                .iter()
                .map(|(question, answer)| count(question).tokens + count(answer).tokens)
                .sum();
            let asked = count(&self.prompt);
            let (version, prompt) = (self.version, self.prompt.clone());
            self.counted = Some(Counted { version, prompt, tokenizer, said, asked });
        }
        let Some(Counted { said, asked, .. }) = &self.counted else { return Left::Full };
        if asked.least >= context {
            return Left::TooLong(*asked);
        }
        let before = if self.mode == Mode::Raw {
            0 // a text goes on by itself
        } else {
            let lane = self.lanes.get(self.followed_lane()).filter(|_| self.rendered.is_some());
            let read = self.rendered.as_ref().map_or(0, |rendered| rendered.ids.len());
            said + read + lane.map_or(0, |lane| lane.tokens.len())
        };
        match context.saturating_sub(before + asked.tokens) {
            0 => Left::Full,
            left => Left::Tokens(left),
        }
    }
}
