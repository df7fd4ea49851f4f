//! Two models on one text: which second one the loaded model is compared with, and what was found.

use std::path::{Path, PathBuf};

use super::slot::Slot;
use crate::explore::two_models::TwoModels;
use crate::llm::Weights;
use crate::llm::card::ModelFacts;

/// The second model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Other {
    /// The loaded model without its adapter.
    #[default]
    Base,

    /// The loaded model's file once more, its weights kept otherwise.
    LoadedAs(Weights),

    /// Another model of this disk.
    Model { name: String, path: PathBuf },
}

/// Weights that the loaded file can be compared under.
pub const KEPT_AS: [(Weights, &str); 4] = [
    (Weights::F32, "f32"),
    (Weights::Bf16, "bf16"),
    (Weights::Q8_0, "Q8_0"),
    (Weights::Q4_0, "Q4_0"),
];

impl Other {
    /// As the screen calls it beside the loaded model.
    pub fn name(&self) -> &str {
        match self {
            Self::Base => "base",
            Self::LoadedAs(weights) => {
                let known = KEPT_AS.iter().find(|(known, _)| known == weights);
                known.map_or("as stored", |(_, name)| name)
            }
            Self::Model { name, .. } => name,
        }
    }

    /// What the loaded model is called beside it.
    pub fn beside(&self) -> &'static str {
        match self {
            Self::Base => "adapter",
            Self::LoadedAs(_) => "as loaded",
            Self::Model { .. } => "this model",
        }
    }

    /// Its file, and how its weights are to be kept. `None`: nothing more is loaded. `loaded`: where the
    /// loaded model lies.
    pub fn file(&self, loaded: &Path) -> Option<(PathBuf, Weights)> {
        match self {
            Self::Base => None,
            Self::LoadedAs(weights) => Some((loaded.to_owned(), *weights)),
            Self::Model { path, .. } => Some((path.clone(), Weights::AsStored)),
        }
    }
}

/// About what the weights of a model take when they are kept so: a block of 32 has 34 bytes at 8 bits
/// and 18 at 4.
pub fn memory_as(facts: &ModelFacts, weights: Weights) -> u64 {
    let count = facts.parameter_count;
    match weights {
        Weights::AsStored => facts.memory_bytes,
        Weights::F32 => count * 4,
        Weights::Bf16 => count * 2,
        Weights::Q8_0 => count * 34 / 32,
        Weights::Q4_0 => count * 18 / 32,
    }
}

/// The view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Versus {
    other: Other,

    /// What the button was pressed for: a second model is loaded only then.
    asked: Option<Other>,
    pub view: Slot<TwoModels>,
}

impl Versus {
    /// What is chosen.
    pub fn other(&self) -> &Other {
        &self.other
    }

    pub fn choose(&mut self, other: Other) {
        if self.other != other {
            self.other = other;
            self.view = Slot::Empty;
        }
    }

    /// Another text: a second model that is in memory is asked about it too.
    pub fn begin(&mut self) {
        self.view = Slot::Empty;
    }

    /// The button was pressed.
    pub fn ask(&mut self) {
        self.asked = Some(self.other.clone());
        self.view = Slot::Empty;
    }

    /// Another model is in memory, or the second one was forgotten: it is not loaded by itself again. What
    /// was compared stays.
    pub fn forget(&mut self) {
        self.asked = None;
    }

    /// Whether what is chosen was asked for.
    pub fn is_asked(&self) -> bool {
        self.other == Other::Base || self.asked.as_ref() == Some(&self.other)
    }

    pub fn is_due(&self, has_adapter: bool) -> bool {
        self.view.is_empty() && self.is_asked() && (has_adapter || self.other != Other::Base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_model_is_loaded_when_it_is_asked_for_and_not_before() {
        let mut versus = Versus::default();
        assert!(versus.is_due(true) && !versus.is_due(false), "base against adapter needs nothing");
        versus.choose(Other::LoadedAs(Weights::Q4_0));
        assert!(!versus.is_due(true));
        versus.ask();
        assert!(versus.is_due(false));
        versus.view.begin();
        assert!(!versus.is_due(false));
        versus.begin();
        assert!(versus.is_due(false), "another text is compared too");
        versus.choose(Other::LoadedAs(Weights::F32));
        assert!(!versus.is_due(false), "that is another one");
        versus.choose(Other::LoadedAs(Weights::Q4_0));
        versus.forget();
        assert!(!versus.is_due(false));
    }
}
