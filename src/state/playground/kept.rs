//! Conversations over a restart: as text, without what was known of each token.

use super::{Chat, LaneView, PlaygroundState, Turn};
use crate::state::prefs::{KeptChat, KeptTurn};

impl PlaygroundState {
    /// The conversation in front and those that were left, oldest first.
    pub fn kept(&self) -> Vec<KeptChat> {
        let past = self.past.iter().map(|chat| {
            let last = chat.lanes.first().map(LaneView::text).unwrap_or_default();
            let last = (!last.is_empty()).then(|| turn(&chat.question, &last));
            chat.turns.iter().map(of_turn).chain(last).collect()
        });
        let pending = self.pending_turn();
        let front: KeptChat = self.turns.iter().chain(pending.as_ref()).map(of_turn).collect();
        past.chain([front]).filter(|chat: &KeptChat| !chat.is_empty()).collect()
    }

    /// Conversations of an earlier start: they can be had back as those that were left.
    pub fn restore(&mut self, chats: &[KeptChat]) {
        self.past = chats
            .iter()
            .map(|chat| {
                let turns = chat.iter().map(|KeptTurn { question, answer }| Turn {
                    question: question.clone(),
                    answer: answer.clone(),
                    ..Turn::default()
                });
                let turns = turns.collect();
                Chat { turns, question: String::new(), lanes: Vec::new(), rendered: None }
            })
            .collect();
    }
}

fn of_turn(Turn { question, answer, .. }: &Turn) -> KeptTurn {
    turn(question, answer)
}

fn turn(question: &str, answer: &str) -> KeptTurn {
    KeptTurn { question: question.to_owned(), answer: answer.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WINDOW A6.
    #[test]
    fn conversations_come_back_after_a_restart() {
        let mut state = PlaygroundState::default();
        let first = vec![turn("Why?", "Because."), turn("So?", "Yes.")];
        let second = vec![turn("What?", "That.")];
        state.restore(&[first.clone(), second.clone()]);
        assert!(!state.has_chat() && state.has_past());
        state.back_to_last();
        assert_eq!(state.turns.len(), 1);
        assert_eq!(state.turns[0].answer, "That.");
        let mut kept = state.kept();
        kept.sort_by_key(Vec::len);
        assert_eq!(kept, [second, first]);
    }
}
