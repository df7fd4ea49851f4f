//! The adapter of a run: a new one, or one that is continued.

use std::path::Path;

use crate::llm;
use crate::llm::adapter::lora::{Adapter, LoraSpec};
use crate::llm::model::Model;
use crate::train::config::{LoraConfig, TrainConfig};
use crate::train::error::Error;

/// A new adapter, or the one to continue.
pub fn begin(model: &Model, config: &TrainConfig) -> Result<Adapter, Error> {
    match &config.adapter {
        Some(path) => load(model, path),
        None => Ok(Adapter::init(model, &lora_spec(config), config.seed)?),
    }
}

pub(crate) fn lora_spec(config: &TrainConfig) -> LoraSpec {
    let LoraConfig { r, lora_alpha, lora_dropout, target_modules, use_rslora } =
        config.lora.clone();
    LoraSpec { r, lora_alpha, lora_dropout, use_rslora, target_modules }
}

pub fn load(model: &Model, path: &Path) -> Result<Adapter, Error> {
    let adapter = Adapter::load(path, model).and_then(|adapter| {
        adapter.check_trainable()?;
        Ok(adapter)
    });
    adapter.map_err(|source| Error::Adapter { path: path.to_owned(), source })
}

/// Writes it in PEFT's format.
pub(crate) fn save(adapter: &Adapter, model: &Model, folder: &Path) -> Result<(), Error> {
    let saved = adapter.save(folder, &model.card().identity);
    saved.map(drop).map_err(|err| match err {
        llm::Error::Write { path, source } => Error::Write { path, source },
        other => Error::Model(other),
    })
}
