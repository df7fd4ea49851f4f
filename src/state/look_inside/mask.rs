//! Fill the mask: which words of the text are hidden, what a masked model and the loaded one guess there,
//! and how well texts fit.

use std::ops::Range;
use std::path::PathBuf;

use super::guess::{Guess, Rule};
use super::slot::Slot;
use super::subject::{Form, Question, Subject};
use crate::explore::fit::Fitted;
use crate::explore::mask::{Guessed, Side};
use crate::explore::mask_words::{Piece, Word, pieces, text_of, words};
use crate::llm::card::Purpose;
use crate::state::models::FoundModel;
use crate::state::slots::{AdapterSlot, ModelSlot};

/// So many guesses are kept for each mask.
pub const TOP: usize = 10;

/// What is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Masks,

    /// How well the whole text fits, and a second one beside it.
    Fit,
}

/// A masked language model of this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskModel {
    pub name: String,
    pub path: PathBuf,
    pub memory_bytes: u64,
}

/// What a masked model is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillAsked {
    pub model: MaskModel,
    pub text: String,
    pub hidden: Vec<Range<usize>>,
}

/// What is measured with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitAsked {
    pub model: MaskModel,
    pub text: String,
    pub other: Option<String>,
}

#[derive(Debug, Default)]
pub struct MaskState {
    pub part: Part,
    pub models: Vec<MaskModel>,
    model: Option<MaskModel>,

    /// Which words are hidden, and which were revealed.
    pub game: Guess,

    /// Words and guesses are told only once they are revealed.
    pub hides: bool,

    /// The word that is looked at.
    pub selected: Option<usize>,

    /// The text that is looked at: the field may hold another one by now.
    text: String,
    words: Vec<Word>,
    pieces: Vec<Piece>,
    pub both: Slot<Side>,
    pub left: Slot<Side>,

    /// Which model is to guess from the left, and about which text.
    left_of: Option<Question>,

    /// The text that the other one is compared with.
    pub other: String,
    pub fit: Slot<Fitted>,
    fit_asked: Option<FitAsked>,

    /// Counts what was measured: rows of tokens are kept by it.
    fit_number: u64,

    /// The masked model that stays in memory.
    pub kept: Option<PathBuf>,
}

impl MaskState {
    /// The models on the disk were looked through anew.
    pub fn set_found(&mut self, found: &[FoundModel]) {
        let masked = found.iter().filter_map(|found| {
            let facts = found.facts.as_ref().ok()?;
            let is_it = facts.purpose == Purpose::FillMask && facts.unsupported.is_none();
            is_it.then(|| MaskModel {
                name: found.local.name.clone(),
                path: found.local.path.clone(),
                memory_bytes: facts.memory_bytes,
            })
        });
        self.models = masked.collect();
        let is_gone = self.model.as_ref().is_none_or(|model| !self.models.contains(model));
        if is_gone {
            self.choose(self.models.first().cloned());
        }
    }

    /// The masked model that guesses.
    pub fn model(&self) -> Option<&MaskModel> {
        self.model.as_ref()
    }

    pub fn choose(&mut self, model: Option<MaskModel>) {
        if self.model != model {
            self.model = model;
            self.both = Slot::Empty;
            self.fit = Slot::Empty;
        }
    }

    /// The one that stays in memory.
    pub fn kept(&self) -> Option<&MaskModel> {
        let kept = self.kept.as_ref()?;
        self.models.iter().find(|model| model.path == *kept)
    }

    /// The text is looked at, or looked at again.
    pub fn look(&mut self, text: &str) {
        if self.text.is_empty() {
            self.game.rule = Rule::Clicked;
        }
        if self.text != text {
            text.clone_into(&mut self.text);
            self.words = words(text);
            self.pieces = pieces(text, &self.words);
            self.game.begin();
            self.selected = None;
        }
        (self.both, self.left, self.fit) = (Slot::Empty, Slot::Empty, Slot::Empty);
    }

    /// What was guessed from the left belongs to the model that is loaded.
    pub fn follow(&mut self, model: &ModelSlot, adapter: &AdapterSlot) {
        let asked = model.ready().filter(|_| !self.text.is_empty()).map(|model| {
            let subject = Subject::Text { text: self.text.clone(), form: Form::Text };
            Question::new(subject, model, adapter)
        });
        if self.left_of != asked {
            self.left_of = asked;
            self.left = Slot::Empty;
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn words(&self) -> &[Word] {
        &self.words
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub fn word_text(&self, word: usize) -> String {
        self.words.get(word).map(|word| text_of(&self.text, &word.characters)).unwrap_or_default()
    }

    /// Whether a word is guessed: it was chosen, or a mask was typed.
    pub fn is_chosen(&self, word: usize) -> bool {
        self.words.get(word).is_some_and(|it| it.is_mask) || self.game.is_chosen(word)
    }

    /// The words that are guessed, in the order of the text.
    pub fn chosen(&self) -> Vec<usize> {
        (0..self.words.len()).filter(|word| self.is_chosen(*word)).collect()
    }

    /// Whether the guesses at a word may be seen, and the word.
    pub fn is_told(&self, word: usize) -> bool {
        !self.hides || self.game.is_revealed(word)
    }

    /// The rule, or its numbers, have changed.
    pub fn hide_anew(&mut self) {
        self.hide_again();
        self.both = Slot::Empty;
    }

    /// Hides a word, or no more.
    pub fn toggle(&mut self, word: usize) {
        if self.words.get(word).is_some_and(|it| !it.is_mask) {
            self.game.toggle(word, self.words.len());
            self.both = Slot::Empty;
            self.selected = self.game.is_chosen(word).then_some(word);
        }
    }

    /// A click: a hidden word is looked at, and one that is looked at is hidden no more; any other is hidden.
    pub fn click(&mut self, word: usize) {
        if self.is_chosen(word) && self.selected != Some(word) {
            self.selected = Some(word);
        } else {
            self.toggle(word);
        }
    }

    /// Tells the next word that is still hidden.
    pub fn reveal_next(&mut self) {
        let next = self.chosen().into_iter().find(|word| !self.is_told(*word));
        if let Some(word) = next {
            self.reveal(word);
        }
    }

    /// Nothing was told, and the first hidden word is in front.
    pub fn hide_again(&mut self) {
        self.game.hide_again();
        self.selected = None;
    }

    pub fn reveal(&mut self, word: usize) {
        self.game.reveal(word);
        self.selected = Some(word);
    }

    /// Moves so many words on.
    pub fn step(&mut self, by: isize) {
        let last = self.words.len().saturating_sub(1);
        let next = self.selected.map_or(0, |word| word.saturating_add_signed(by).min(last));
        self.selected = (!self.words.is_empty()).then_some(next);
    }

    /// The word whose guesses are in front: the one that is looked at, else the first that is hidden.
    pub fn in_front(&self) -> Option<usize> {
        match self.selected {
            Some(word) => self.is_chosen(word).then_some(word),
            None => self.chosen().first().copied(),
        }
    }

    /// What each of the two guesses at a word.
    pub fn guesses_at(&self, word: usize) -> [Option<&Guessed>; 2] {
        let Some(Word { characters, .. }) = self.words.get(word) else { return [None, None] };
        [&self.both, &self.left].map(|slot| slot.ready().and_then(|side| side.at(characters)))
    }

    /// What the masked model is to be asked. `None`: there is none, or no word is hidden.
    pub fn fill_asked(&self) -> Option<FillAsked> {
        let chosen = self.chosen();
        if chosen.is_empty() {
            return None;
        }
        let hidden = chosen.into_iter().map(|word| &self.words[word]);
        let hidden = hidden.filter(|word| !word.is_mask).map(|word| word.characters.clone());
        Some(FillAsked {
            model: self.model.clone()?,
            text: self.text.clone(),
            hidden: hidden.collect(),
        })
    }

    /// All words: the loaded model reads the text once, whatever is hidden.
    pub fn all_words(&self) -> Vec<Range<usize>> {
        let words = self.words.iter().filter(|word| !word.is_mask);
        words.map(|word| word.characters.clone()).collect()
    }

    pub fn is_fill_due(&self) -> bool {
        self.part == Part::Masks && self.both.is_empty() && self.fill_asked().is_some()
    }

    pub fn is_left_due(&self) -> bool {
        self.part == Part::Masks
            && self.left.is_empty()
            && self.left_of.is_some()
            && !self.words.is_empty()
    }

    /// Somebody stopped it: what would be computed next is not begun.
    pub fn stop(&mut self) {
        if self.is_running() && self.left.is_empty() {
            self.left = Slot::Ended;
        }
    }

    /// What the button measures. `Err`: what is missing.
    pub fn fit_request(&self) -> Result<FitAsked, &'static str> {
        let model = self.model.clone().ok_or("Choose a masked model first")?;
        if self.text.trim().is_empty() {
            return Err("Write a text above first, and press Look");
        }
        let other = (!self.other.trim().is_empty()).then(|| self.other.clone());
        Ok(FitAsked { model, text: self.text.clone(), other })
    }

    /// The button was pressed.
    pub fn begin_fit(&mut self, asked: FitAsked) {
        self.fit.begin();
        self.fit_number += 1;
        self.fit_asked = Some(asked);
    }

    pub fn fit_number(&self) -> u64 {
        self.fit_number
    }

    /// Whether what is shown is of other texts than the fields hold.
    pub fn is_fit_outdated(&self) -> bool {
        self.fit_request().ok().as_ref() != self.fit_asked.as_ref()
    }

    pub fn is_running(&self) -> bool {
        self.both.is_running() || self.left.is_running() || self.fit.is_running()
    }

    /// Whether the part in front is there, and can be written as files.
    pub fn has_part(&self) -> bool {
        match self.part {
            Part::Masks => {
                let is_there = self.both.ready().is_some() || self.left.ready().is_some();
                is_there && !self.chosen().is_empty()
            }
            Part::Fit => self.fit.ready().is_some(),
        }
    }

    /// Changes with the words that are drawn.
    pub fn version(&self) -> u64 {
        (self.game.version() << 1) | u64::from(self.hides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looking(text: &str) -> MaskState {
        let mut mask = MaskState::default();
        let (name, path) = ("tiny".to_owned(), PathBuf::from("/tiny"));
        mask.choose(Some(MaskModel { name, path, memory_bytes: 1 }));
        mask.look(text);
        mask
    }

    #[test]
    fn a_text_is_its_pieces() {
        let mask = looking("“So,” she said\nno [MASK]!");
        let texts: String = mask.pieces().iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(texts, "“So,” she said\nno [MASK]!");
        let words: Vec<_> = mask.pieces().iter().filter(|piece| piece.word.is_some()).collect();
        let words: Vec<&str> = words.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(words, ["So", " she", " said", "no", " [MASK]"]);
    }

    #[test]
    fn a_mask_that_is_typed_is_guessed_and_a_clicked_word_too() {
        let mut mask = looking("The door is [MASK] today");
        assert_eq!(mask.chosen(), [3]);
        mask.click(1);
        assert_eq!((mask.chosen(), mask.selected), (vec![1, 3], Some(1)));
        let hidden = mask.fill_asked().unwrap().hidden;
        assert_eq!(hidden, std::slice::from_ref(&(4..8)), "the typed one is in the text");
        mask.click(1);
        assert_eq!((mask.chosen(), mask.selected), (vec![3], None));
        mask.click(3);
        mask.click(3);
        assert_eq!(mask.chosen(), [3], "what is typed stays");
    }

    #[test]
    fn guesses_are_told_one_after_the_other() {
        let mut mask = looking("The door is open");
        mask.hides = true;
        mask.toggle(1);
        mask.toggle(3);
        assert!(!mask.is_told(1) && !mask.is_told(3));
        mask.reveal_next();
        assert!(mask.is_told(1) && !mask.is_told(3));
        mask.reveal_next();
        assert_eq!((mask.is_told(3), mask.selected), (true, Some(3)));
        mask.hides = false;
        mask.game.hide_again();
        assert!(mask.is_told(1));
    }

    #[test]
    fn another_text_has_no_clicked_words_and_the_same_text_keeps_them() {
        let mut mask = looking("The door is open");
        mask.toggle(1);
        mask.look("The door is open");
        assert_eq!(mask.chosen(), [1]);
        mask.look("The door is shut");
        assert!(mask.chosen().is_empty() && mask.fill_asked().is_none());
    }
}
