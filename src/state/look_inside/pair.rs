//! A minimal pair: a second prompt beside the text, and what comes next after either.

use super::slot::Slot;
use super::subject::{Form, Subject};
use crate::explore::next_token::NextComparison;

/// So many of the likeliest tokens of each side are listed.
pub const TOP: usize = 20;

/// The second prompt, and the comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairState {
    /// What the field holds.
    pub other: String,
    pub view: Slot<NextComparison>,

    /// What was asked: the field may hold something else by now.
    asked: String,
}

impl PairState {
    /// Another text, or another second prompt.
    pub fn begin(&mut self) {
        self.view = Slot::Empty;
        self.asked.clone_from(&self.other);
    }

    /// The second prompt as it was asked. `None`: there was none.
    pub fn subject(&self, form: Form) -> Option<Subject> {
        let text = self.asked.clone();
        (!text.is_empty()).then_some(Subject::Text { text, form })
    }

    /// The second prompt as it was asked.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// Whether the field holds something else than what is shown.
    pub fn is_outdated(&self) -> bool {
        self.other != self.asked
    }
}
