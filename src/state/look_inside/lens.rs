//! The logit lens: which part of it is shown, and what is followed through the layers.

use super::slot::Slot;
use crate::explore::lens::{LensRequest, LensView};

use super::reading::CANDIDATE_COUNT;

/// How many positions are looked at: the last ones.
pub const WINDOWS: [usize; 3] = [16, 32, 64];

/// The view with what was chosen in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lens {
    pub view: Slot<LensView>,

    /// How many positions, the last ones.
    pub last: usize,

    /// A token through the layers.
    pub follow: Option<u32>,

    /// The layer that is looked at; its column is the token that is looked at.
    pub layer: Option<usize>,
}

impl Default for Lens {
    fn default() -> Self {
        Self { view: Slot::Empty, last: WINDOWS[0], follow: None, layer: None }
    }
}

impl Lens {
    /// Another text.
    pub fn begin(&mut self) {
        *self = Self { last: self.last, ..Self::default() };
    }

    pub fn request(&self) -> LensRequest {
        LensRequest { last: Some(self.last), top: CANDIDATE_COUNT, follow: self.follow }
    }

    /// Something else is asked of the same text.
    pub fn ask_again(&mut self) {
        self.view = Slot::Empty;
    }
}
