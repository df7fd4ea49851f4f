//! What the Train panel knows beside its form where a run learns from texts: the models on this
//! disk, what a run says of its held-out texts, and a text that its classifier is tried on.

use std::path::PathBuf;

use crate::llm::card::{ModelSource, Purpose};
use crate::state::models::FoundModel;
use crate::train::config::Objective;
use crate::train::record::confusion::{Confusion, Tested};

/// Of the panel as a whole.
#[derive(Clone, Debug, Default)]
pub struct TextsState {
    /// Encoders, and behind them decoders.
    pub models: Vec<TextModel>,

    /// The one that the next run begins with.
    pub chosen: Option<PathBuf>,

    /// What the picked run of the list has said.
    pub past: Option<(String, Said)>,
    pub trial: Trial,
}

/// A model on this disk that can learn from texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextModel {
    pub name: String,
    pub path: PathBuf,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Encoder,

    /// It gets a score head.
    Decoder,
}

/// What a run said of its held-out texts: at its last evaluation, and of the test part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub confusion: Option<Confusion>,
    pub tested: Option<Tested>,
}

/// A text that a trained classifier is tried on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    pub text: String,

    /// The run that is being asked.
    pub asked: Option<String>,

    /// Its answer: each label with its probability, or why there is none.
    pub answer: Option<Answer>,
}

/// What a classifier said of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub id: String,
    pub text: String,
    pub labels: Result<Vec<(String, f32)>, String>,
}

impl TextsState {
    /// The models on the disk were looked through anew.
    pub fn set_found(&mut self, found: &[FoundModel]) {
        let kind = |model: &FoundModel| {
            let facts = model.facts.as_ref().ok().filter(|facts| facts.unsupported.is_none())?;
            let is_folder = matches!(ModelSource::named(&model.local.path), ModelSource::Folder(_));
            match facts.purpose {
                Purpose::Encode | Purpose::FillMask | Purpose::Classify if is_folder => {
                    Some(Kind::Encoder)
                }
                Purpose::Generate | Purpose::Score => Some(Kind::Decoder),
                Purpose::Encode
                | Purpose::FillMask
                | Purpose::Classify
                | Purpose::SequenceToSequence => None,
            }
        };
        let of = |model: &FoundModel| {
            let (name, path) = (model.local.name.clone(), model.local.path.clone());
            Some(TextModel { name, path, kind: kind(model)? })
        };
        self.models = found.iter().filter_map(of).collect();
        self.models.sort_by_key(|model| model.kind); // stable: each kind in its order
        if self.chosen().is_none() {
            self.chosen = self.models.first().map(|model| model.path.clone());
        }
    }

    fn chosen(&self) -> Option<&TextModel> {
        let chosen = self.chosen.as_ref()?;
        self.models.iter().find(|model| model.path == *chosen)
    }

    /// The name of the chosen one.
    pub fn chosen_name(&self) -> Option<&str> {
        self.chosen().map(|model| model.name.as_str())
    }

    /// Why the chosen one cannot learn this; `None`: it can.
    pub fn problem(&self, objective: Objective) -> Option<&'static str> {
        match self.chosen() {
            None => Some("Choose a model first"),
            Some(model) if objective == Objective::Mlm && model.kind == Kind::Decoder => {
                Some("MLM needs an encoder, and the chosen model is a decoder")
            }
            Some(_) => None,
        }
    }

    /// What the picked run said, if it is this one.
    pub fn said_by(&self, id: &str) -> Option<&Said> {
        self.past.as_ref().filter(|(of, _)| of == id).map(|(_, said)| said)
    }
}
