//! Other tokenizers beside the loaded model's.

use std::path::{Path, PathBuf};

use super::slot::Slot;
use crate::explore::token_sides::TokenizerSide;

/// Most of them at once: more have no room.
pub const MOST: usize = 5;

/// What is shown of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Text,

    /// One sentence in many languages.
    Languages,
}

/// A tokenizer to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub name: String,
    pub path: PathBuf,
}

/// What was read by one of them, or why it could not be, in a sentence.
pub type ReadBy = Result<TokenizerSide, (String, String)>;

/// The part of the view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BesideState {
    pub part: Part,
    chosen: Vec<Chosen>,

    /// The loaded model's own first, then the others in their order.
    pub view: Slot<Vec<ReadBy>>,
}

impl BesideState {
    /// Another text, or another model.
    pub fn begin(&mut self) {
        self.view = Slot::Empty;
    }

    pub fn chosen(&self) -> &[Chosen] {
        &self.chosen
    }

    /// Whether no more are taken.
    pub fn is_full(&self) -> bool {
        self.chosen.len() >= MOST
    }

    pub fn add(&mut self, name: &str, path: &Path) {
        let is_there = self.chosen.iter().any(|known| known.path == path);
        if !is_there && !self.is_full() {
            self.chosen.push(Chosen { name: name.to_owned(), path: path.to_owned() });
            self.view = Slot::Empty;
        }
    }

    pub fn remove(&mut self, at: usize) {
        if at < self.chosen.len() {
            self.chosen.remove(at);
            self.view = Slot::Empty;
        }
    }

    /// Whether there is more to show than the loaded model's own tokens.
    pub fn is_wanted(&self) -> bool {
        !self.chosen.is_empty() || self.part == Part::Languages
    }

    pub fn is_due(&self) -> bool {
        self.is_wanted() && self.view.is_empty()
    }

    /// Those that could be read.
    pub fn sides(&self) -> impl Iterator<Item = &TokenizerSide> {
        self.view.ready().into_iter().flatten().filter_map(|read| read.as_ref().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokenizer_is_taken_once_and_no_more_than_have_room() {
        let mut beside = BesideState::default();
        assert!(!beside.is_due());
        for at in 0..7 {
            beside.add("one", Path::new(&format!("/models/{at}")));
            beside.add("one again", Path::new(&format!("/models/{at}")));
        }
        assert_eq!(beside.chosen().len(), MOST);
        assert!(beside.is_due() && beside.is_full());
        beside.view.begin();
        beside.remove(0);
        assert!(beside.is_due(), "others are beside each other now");
        assert_eq!(beside.chosen()[0].path, Path::new("/models/1"));
    }
}
