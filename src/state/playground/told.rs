//! Answers of a model on a server: tokens without ids, with what the server says of them.

use super::turn::ShownToken;
use super::{Mode, PlaygroundState};
use crate::llm::generate::ToldToken;
use crate::remote::answer;
use crate::state::scores::Position;
use crate::state::slots::ModelSlot;

impl PlaygroundState {
    /// Why Send cannot be pressed, with the model in memory or on a server.
    pub fn obstacle_in(&self, slot: &ModelSlot) -> Option<&'static str> {
        let Some(probe) = slot.remote() else { return self.obstacle(slot.ready()) };
        if self.running {
            return Some("An answer is being written");
        }
        let obstacle = answer::obstacle(probe, self.mode == Mode::Chat);
        let is_empty = self.prompt.trim().is_empty();
        obstacle.or_else(|| is_empty.then_some("Write a prompt first"))
    }

    pub(super) fn on_told(&mut self, lane: usize, token: ToldToken, now_secs: f64) {
        let Some(view) = self.lanes.get_mut(lane) else { return };
        if token.is_rest
            && let (Some(shown), Some(told)) = (view.tokens.last_mut(), view.told.last_mut())
        {
            shown.text.push_str(&token.text);
            told.text.push_str(&token.text);
            self.version += 1;
            return;
        }
        // Where the server says nothing, nothing is shaded.
        let probability = token.logprob.map_or(1.0, f32::exp);
        let text = token.text.clone();
        view.tokens.push(ShownToken { id: u32::MAX, text, probability, is_guessed: false });
        view.told.push(token);
        view.first_token_secs.get_or_insert(now_secs);
        view.last_token_secs = Some(now_secs);
        self.version += 1;
    }

    /// The token of a server's answer that is looked at: the clicked one, else the newest.
    pub fn told_position(&self) -> Option<Position> {
        let is_there =
            |at: &Position| self.lanes.get(at.lane).is_some_and(|lane| at.token < lane.told.len());
        let newest = self.lanes.iter().enumerate().rev().find_map(|(lane, view)| {
            Some(Position { lane, token: view.told.len().checked_sub(1)? })
        });
        self.selected.filter(is_there).or(newest)
    }
}
