//! Leave one out: where the answer begins, and what is left out at once.

use super::slot::Slot;
use crate::explore::leave_one_out::{LeaveOneOutView, Unit, parts};
use crate::explore::tokens::Piece;

/// The view with what was chosen for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LeftOut {
    pub view: Slot<LeaveOneOutView>,
    pub unit: Unit,

    /// The first token of the answer, counted from 0, where a person has said so.
    begins: Option<usize>,
}

impl LeftOut {
    /// Another text. `begins`: where its answer begins, where that is known.
    pub fn begin(&mut self, begins: Option<usize>) {
        *self = Self { unit: self.unit, begins, ..Self::default() };
    }

    /// The first token of the answer: as it was said, else the last word. 0: there is no answer that
    /// anything stands before.
    pub fn answer(&self, pieces: &[Piece]) -> usize {
        if let Some(begins) = self.begins {
            return begins.min(pieces.len().saturating_sub(1));
        }
        let texts: Vec<String> = pieces.iter().map(|piece| piece.token.clone()).collect();
        let words = parts(&texts, Unit::Word);
        // What is nothing but marks or the tokenizer's own is no answer.
        let tells =
            |token: &Piece| !token.special && token.token.chars().any(char::is_alphanumeric);
        let last = words.iter().rev().find(|word| pieces[(*word).clone()].iter().any(tells));
        last.map_or(0, |word| word.start)
    }

    /// The answer begins here.
    pub fn begin_at(&mut self, token: usize) {
        self.begins = Some(token);
        self.view = Slot::Empty;
    }

    /// Other parts are left out.
    pub fn unit_changed(&mut self) {
        self.view = Slot::Empty;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(texts: &[&str]) -> Vec<Piece> {
        let piece = |text: &&str| Piece {
            id: 1,
            token: (*text).to_owned(),
            bytes: None,
            characters: None,
            special: text.starts_with('<'),
        };
        texts.iter().map(piece).collect()
    }

    #[test]
    fn the_answer_is_the_last_word_until_a_person_says_otherwise() {
        let mut left_out = LeftOut::default();
        let text = pieces(&["<s>", "The", " lib", "rary", " op", "ens", ".", "</s>"]);
        assert_eq!(left_out.answer(&text), 4);
        left_out.begin_at(2);
        assert_eq!(left_out.answer(&text), 2);
        left_out.begin(None);
        assert_eq!(left_out.answer(&pieces(&["<s>", "..."])), 0);
        assert_eq!(left_out.answer(&[]), 0);
    }
}
