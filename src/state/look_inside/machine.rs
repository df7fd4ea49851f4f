//! The machine: the loaded model as its parts.

use super::slot::Slot;
use crate::explore::machine::Machine;
use crate::explore::pass_times::PassTimes;
use crate::llm::card::ModelCard;

/// Tokens before the one that is computed, to begin with.
const BEFORE: usize = 128;

/// The parts of the model that was loaded last.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineState {
    pub view: Slot<Machine>,

    /// Where the time of a pass goes, once it was measured.
    pub times: Slot<PassTimes>,

    /// The part that is looked at.
    pub part: Option<usize>,

    /// So many tokens stand before the one whose work is shown.
    pub before: usize,

    /// Which model it is of: its weights' hash, and what they take as they were loaded.
    model: Option<(String, u64)>,

    /// Counts the models: what belongs to an older one is not taken in.
    number: u64,
}

impl Default for MachineState {
    fn default() -> Self {
        Self {
            view: Slot::Empty,
            times: Slot::Empty,
            part: None,
            before: BEFORE,
            model: None,
            number: 0,
        }
    }
}

impl MachineState {
    /// Is empty again where another model is loaded, or the same with other weights.
    pub fn follow(&mut self, card: &ModelCard) {
        let model = (card.identity.sha256.clone(), card.facts.memory_bytes);
        if self.model.as_ref() != Some(&model) {
            self.model = Some(model);
            self.number += 1;
            self.view = Slot::Empty;
            self.times = Slot::Empty;
            self.part = None;
        }
        self.before = self.before.min(card.facts.context_length);
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// The view, for whoever has worked on the model of this number.
    pub fn of(&mut self, number: u64) -> Option<&mut Self> {
        (number == self.number).then_some(self)
    }
}
