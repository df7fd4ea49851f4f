//! What the grid of repeats is asked with.

use super::repeats::{RepeatsState, parse_temperatures};
use super::{Mode, PlaygroundState, parse_stop_strings};
use crate::llm::generate::Prompt;
use crate::llm::generate::repeats::RepeatsRequest;
use crate::state::prefs::Prefs;
use crate::state::slots::AdapterSlot;

impl PlaygroundState {
    /// What the grid would be filled with, or why it cannot, in a sentence.
    pub fn repeats_request(
        &self,
        prefs: &Prefs,
        adapter: &AdapterSlot,
    ) -> Result<RepeatsRequest, String> {
        let prompt = match self.mode {
            Mode::Raw => Prompt::Raw(self.prompt.clone()),
            Mode::Chat => Prompt::Chat(self.messages()),
        };
        let RepeatsState { temperatures, count, max_new_tokens, first_seed, .. } = &self.repeats;
        Ok(RepeatsRequest {
            prompt,
            sampling: prefs.sampling.clone(),
            temperatures: parse_temperatures(temperatures)?,
            seeds: (0..*count as u64).map(|at| first_seed.wrapping_add(at)).collect(),
            max_new_tokens: *max_new_tokens,
            stop_strings: parse_stop_strings(&self.stop_text),
            adapter: adapter.mode(),
        })
    }
}
