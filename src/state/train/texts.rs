//! What the Train panel knows beside its form where a run learns from texts: the encoders on this
//! disk, what a run says of its held-out texts, and a text that its classifier is tried on.

use std::path::{Path, PathBuf};

use crate::llm::card::{ModelSource, Purpose};
use crate::state::models::FoundModel;
use crate::train::record::confusion::{Confusion, Tested};

/// Of the panel as a whole.
#[derive(Clone, Debug, Default)]
pub struct TextsState {
    pub encoders: Vec<EncoderChoice>,

    /// The one that the next run begins with.
    pub chosen: Option<PathBuf>,

    /// What the picked run of the list has said.
    pub past: Option<(String, Said)>,
    pub trial: Trial,
}

/// An encoder on this disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderChoice {
    pub name: String,
    pub path: PathBuf,
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
        let is_encoder = |model: &&FoundModel| {
            let facts = model.facts.as_ref();
            let purposes = [Purpose::Encode, Purpose::FillMask, Purpose::Classify];
            facts
                .is_ok_and(|facts| facts.unsupported.is_none() && purposes.contains(&facts.purpose))
        };
        let folder = |model: &FoundModel| {
            let source = ModelSource::named(&model.local.path);
            matches!(source, ModelSource::Folder(_)).then(|| EncoderChoice {
                name: model.local.name.clone(),
                path: model.local.path.clone(),
            })
        };
        self.encoders = found.iter().filter(is_encoder).filter_map(folder).collect();
        let is_there = |path: &Path| self.encoders.iter().any(|encoder| encoder.path == path);
        if !self.chosen.as_deref().is_some_and(is_there) {
            self.chosen = self.encoders.first().map(|encoder| encoder.path.clone());
        }
    }

    /// The name of the chosen one.
    pub fn chosen_name(&self) -> Option<&str> {
        let chosen = self.chosen.as_ref()?;
        let found = self.encoders.iter().find(|encoder| encoder.path == *chosen);
        found.map(|encoder| encoder.name.as_str())
    }

    /// What the picked run said, if it is this one.
    pub fn said_by(&self, id: &str) -> Option<&Said> {
        self.past.as_ref().filter(|(of, _)| of == id).map(|(_, said)| said)
    }
}
