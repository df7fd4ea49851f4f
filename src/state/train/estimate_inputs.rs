//! What an estimate depends on: whether it has to be made again.

use std::path::PathBuf;

use super::TrainState;
use super::form::DataSource;
use crate::llm::card::ModelCard;
use crate::train::config::TrainConfig;

/// Everything that an estimate depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct EstimateInputs {
    model: String,
    form: TrainConfig,
    source: DataSource,
    file: Option<PathBuf>,
    rows: usize,
}

impl EstimateInputs {
    pub fn of(model: &ModelCard, train: &TrainState) -> Self {
        Self {
            model: model.identity.sha256.clone(),
            form: train.form.clone(),
            source: train.source,
            file: train.file.as_ref().map(|file| file.path.clone()),
            rows: rows(train),
        }
    }

    /// Whether it is what would be asked now.
    pub fn still_holds(&self, model: &ModelCard, train: &TrainState) -> bool {
        let Self { model: estimated_of, form, source, file, rows: counted } = self;
        *estimated_of == model.identity.sha256
            && *form == train.form
            && *source == train.source
            && file.as_ref() == train.file.as_ref().map(|file| &file.path)
            && *counted == rows(train)
    }
}

/// How many rows the form has chosen.
pub fn rows(train: &TrainState) -> usize {
    train.data().map_or(0, |data| data.rows())
}
