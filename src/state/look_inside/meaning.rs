//! Meaning: a list of words or sentences, a layer, and the anchors of an axis.

use super::slot::Slot;
use crate::explore::word_map::{WordsRequest, WordsView};

/// More of them are no list that is read on a screen: a table of texts has a map of its own.
pub const MOST_ITEMS: usize = 100;

/// The fewest that have a map.
pub const FEWEST_ITEMS: usize = 3;

/// What stands before each item until a person says otherwise, as in lectures.
const BEFORE: &str = "Here is a word: ";

/// The view with what was chosen for it.
#[derive(Clone, Debug, PartialEq)]
pub struct MeaningState {
    pub before: String,

    /// `None`: two thirds up, where what words mean is; the last layers are busy with what comes next.
    pub layer: Option<usize>,

    /// The anchors of either end, as they are typed.
    pub from: String,
    pub to: String,
    pub view: Slot<WordsView>,

    /// What was asked last, so that nothing is asked twice.
    asked: WordsRequest,

    /// Counts what was found: pictures are kept by it.
    pub version: u64,
}

impl Default for MeaningState {
    fn default() -> Self {
        Self {
            before: BEFORE.to_owned(),
            layer: None,
            from: String::new(),
            to: String::new(),
            view: Slot::Empty,
            asked: WordsRequest::default(),
            version: 0,
        }
    }
}

impl MeaningState {
    /// Another text, or another model.
    pub fn begin(&mut self) {
        self.view = Slot::Empty;
    }

    pub fn layer(&self, layer_count: usize) -> usize {
        self.layer.unwrap_or(layer_count * 2 / 3).min(layer_count)
    }

    /// What is asked of this list in this state.
    pub fn request(&self, text: &str, layer_count: usize) -> WordsRequest {
        let mut items = listed(text);
        items.truncate(MOST_ITEMS);
        WordsRequest {
            items,
            before: self.before.clone(),
            layer: self.layer(layer_count),
            from: listed(&self.from),
            to: listed(&self.to),
        }
    }

    /// It was asked for.
    pub fn asked(&mut self, request: &WordsRequest) {
        self.asked.clone_from(request);
    }

    /// Whether something else is wanted than what was asked.
    pub fn is_outdated(&self, request: &WordsRequest) -> bool {
        self.asked != *request
    }

    pub fn found(&mut self, view: WordsView) {
        self.version += 1;
        self.view = Slot::Ready(view);
    }
}

/// One item a line; of one line, what stands between its commas.
pub fn listed(text: &str) -> Vec<String> {
    let trimmed = text.trim();
    let parts: Vec<&str> = if trimmed.contains('\n') {
        trimmed.lines().collect()
    } else {
        trimmed.split(',').collect()
    };
    let items = parts.into_iter().map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_lines_or_what_commas_part() {
        assert_eq!(listed("cat, dog , ,horse"), ["cat", "dog", "horse"]);
        assert_eq!(listed("Well, yes.\n\n No. \n"), ["Well, yes.", "No."]);
        assert!(listed("  ").is_empty());
    }

    #[test]
    fn what_is_asked_follows_the_layer_and_the_anchors() {
        let mut state = MeaningState::default();
        let request = state.request("a, b, c", 30);
        assert_eq!((request.layer, request.items.len(), request.from.len()), (20, 3, 0));
        assert!(state.is_outdated(&request));
        state.asked(&request);
        assert!(!state.is_outdated(&request));
        state.to = "man".to_owned();
        state.layer = Some(99);
        let other = state.request("a, b, c", 30);
        assert_eq!((other.layer, other.to.as_slice()), (30, ["man".to_owned()].as_slice()));
        assert!(state.is_outdated(&other));
    }
}
