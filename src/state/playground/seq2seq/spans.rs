//! The game of hidden spans: words of a text are hidden, a room guesses, and so does the model.

use std::collections::BTreeSet;

use crate::explore::spans::{Filled, corrupted, drawn, words};

/// The game.
#[derive(Debug)]
pub struct SpansState {
    pub text: String,

    /// Words of the text, counted from 0.
    pub hidden: BTreeSet<usize>,

    /// In percent of the words, when they are drawn.
    pub share: u32,

    /// Words of a span on the mean, when they are drawn.
    pub length: u32,
    pub seed: u64,

    /// What the room says, a line a span.
    pub guesses: Vec<String>,
    pub filled: Option<Filled>,
    pub is_revealed: bool,
}

impl Default for SpansState {
    fn default() -> Self {
        let text =
            "A survey asks many people the same questions. Their answers are counted, and the \
                    result says something about the people who were not asked."
                .to_owned();
        let mut state = Self {
            text,
            hidden: BTreeSet::new(),
            share: 15,
            length: 2,
            seed: 1,
            guesses: Vec::new(),
            filled: None,
            is_revealed: false,
        };
        state.draw();
        state
    }
}

impl SpansState {
    /// Hides words as T5's pretraining does.
    pub fn draw(&mut self) {
        let count = words(&self.text).len();
        let hidden = drawn(count, f64::from(self.share) / 100.0, f64::from(self.length), self.seed);
        self.hide(hidden);
    }

    /// Hides a word, or shows it again.
    pub fn toggle(&mut self, word: usize) {
        let mut hidden = std::mem::take(&mut self.hidden);
        if !hidden.remove(&word) {
            hidden.insert(word);
        }
        self.hide(hidden);
    }

    /// The text has changed: what is hidden may be another word now.
    pub fn text_changed(&mut self) {
        let count = words(&self.text).len();
        let mut hidden = std::mem::take(&mut self.hidden);
        hidden.retain(|word| *word < count);
        self.hide(hidden);
    }

    fn hide(&mut self, hidden: BTreeSet<usize>) {
        self.hidden = hidden;
        self.filled = None;
        self.is_revealed = false;
        let (_, originals) = self.corrupted();
        self.guesses = vec![String::new(); originals.len()];
    }

    /// What the model reads, and what stands behind each sentinel.
    pub fn corrupted(&self) -> (String, Vec<String>) {
        corrupted(&self.text, &self.hidden)
    }

    pub fn obstacle(&self) -> Option<&'static str> {
        if words(&self.text).is_empty() {
            return Some("Write a text first");
        }
        self.hidden.is_empty().then_some("Hide at least one word")
    }

    /// Without what another model has written.
    #[must_use]
    pub fn unfilled(self) -> Self {
        Self { filled: None, is_revealed: false, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_game_begins_with_hidden_words_and_a_click_hides_or_shows() {
        let mut state = SpansState::default();
        assert_eq!(state.obstacle(), None);
        assert_eq!(state.guesses.len(), state.corrupted().1.len());
        state.text = "one two three four".to_owned();
        state.hidden = BTreeSet::from([1, 9]);
        state.text_changed();
        assert_eq!(state.corrupted().0, "one <extra_id_0> three four");
        state.toggle(3);
        assert_eq!(state.corrupted().1, ["two", "four"]);
        assert_eq!(state.guesses.len(), 2);
        state.toggle(1);
        state.toggle(3);
        assert_eq!(state.obstacle(), Some("Hide at least one word"));
        state.text = "  ".to_owned();
        assert_eq!(state.obstacle(), Some("Write a text first"));
    }
}
