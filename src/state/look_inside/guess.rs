//! Hide and guess: which words of the text are hidden, and which were revealed.

use std::collections::BTreeSet;

use crate::explore::mask_words::is_drawn;

/// Which words are hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// Every n-th.
    #[default]
    Every,

    /// As many, drawn.
    Random,

    /// Those that were clicked.
    Clicked,
}

/// The game as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    pub rule: Rule,

    /// Of so many words one is hidden.
    pub every: usize,

    /// Decides which words are drawn.
    pub seed: u64,
    clicked: BTreeSet<usize>,
    revealed: BTreeSet<usize>,

    /// Counts what changes what is shown.
    version: u64,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            every: 5,
            seed: 0,
            clicked: BTreeSet::new(),
            revealed: BTreeSet::new(),
            version: 0,
        }
    }
}

impl Guess {
    /// Another text: everything is hidden again, and nothing was clicked.
    pub fn begin(&mut self) {
        self.clicked.clear();
        self.hide_again();
    }

    /// Whether a word is one of those that were chosen, revealed or not.
    pub fn is_chosen(&self, word: usize) -> bool {
        match self.rule {
            Rule::Every => (word + 1).is_multiple_of(self.every.max(1)),
            Rule::Random => is_drawn(self.seed, word, self.every),
            Rule::Clicked => self.clicked.contains(&word),
        }
    }

    pub fn is_hidden(&self, word: usize) -> bool {
        self.is_chosen(word) && !self.revealed.contains(&word)
    }

    /// Hides a word that was clicked.
    pub fn hide(&mut self, word: usize) {
        self.rule = Rule::Clicked;
        self.clicked.insert(word);
        self.revealed.remove(&word);
        self.version += 1;
    }

    /// A click: of `count` words this one is hidden from now on, or no more. Those that the rule chose stay.
    pub fn toggle(&mut self, word: usize, count: usize) {
        if self.rule != Rule::Clicked {
            self.clicked = (0..count).filter(|word| self.is_chosen(*word)).collect();
            self.rule = Rule::Clicked;
        }
        if !self.clicked.remove(&word) {
            self.clicked.insert(word);
        }
        self.revealed.remove(&word);
        self.version += 1;
    }

    pub fn reveal(&mut self, word: usize) {
        self.revealed.insert(word);
        self.version += 1;
    }

    pub fn reveal_all(&mut self, word_count: usize) {
        self.revealed.extend(0..word_count);
        self.version += 1;
    }

    /// The rule or its numbers have changed, or the game begins anew.
    pub fn hide_again(&mut self) {
        self.revealed.clear();
        self.version += 1;
    }

    pub fn is_revealed(&self, word: usize) -> bool {
        self.revealed.contains(&word)
    }

    pub fn has_revealed(&self) -> bool {
        !self.revealed.is_empty()
    }

    /// Changes with what is hidden.
    pub fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revealed_word_stays_chosen_and_is_told() {
        let mut guess = Guess::default();
        let hidden = |guess: &Guess| -> Vec<usize> {
            (0..12).filter(|word| guess.is_hidden(*word)).collect()
        };
        assert_eq!(hidden(&guess), [4, 9], "every fifth");
        guess.reveal(4);
        assert_eq!(hidden(&guess), [9]);
        assert!(guess.is_chosen(4));
        guess.hide_again();
        assert_eq!(hidden(&guess), [4, 9]);
    }

    #[test]
    fn words_are_drawn_by_the_seed() {
        let chosen = |seed: u64| -> Vec<usize> {
            let guess = Guess { rule: Rule::Random, seed, ..Guess::default() };
            (0..1000).filter(|word| guess.is_chosen(*word)).collect()
        };
        assert_eq!(chosen(7), chosen(7));
        assert_ne!(chosen(7), chosen(8));
        let count = chosen(7).len();
        assert!((150..250).contains(&count), "about a fifth: {count}");
    }

    #[test]
    fn a_word_is_added_to_those_that_the_rule_chose_and_taken_back() {
        let mut guess = Guess::default();
        let chosen = |guess: &Guess| -> Vec<usize> {
            (0..12).filter(|word| guess.is_chosen(*word)).collect()
        };
        guess.toggle(2, 12);
        assert_eq!(chosen(&guess), [2, 4, 9]);
        guess.toggle(4, 12);
        assert_eq!(chosen(&guess), [2, 9]);
    }

    #[test]
    fn a_click_hides_only_what_was_clicked() {
        let mut guess = Guess::default();
        guess.hide(3);
        assert!(guess.is_hidden(3) && !guess.is_hidden(4));
    }
}
