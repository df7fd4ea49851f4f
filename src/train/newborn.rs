//! The model of a run that begins from nothing: made before the run, in the run's folder.

use std::path::{Path, PathBuf};

use super::config::{ConfigProblem, TrainConfig};
use super::error::Error;
use super::record;
use super::rows::text;
use crate::llm;
use crate::llm::newborn;

/// Makes the model that `config` describes, if it describes one, in the run's folder, from the text of
/// `data`. Returns the settings with that model: what is run is an ordinary run on it.
pub fn born(config: &TrainConfig, data: &Path, run_dir: &Path) -> Result<TrainConfig, Error> {
    let Some(shape) = &config.newborn else { return Ok(config.clone()) };
    let problems: Vec<ConfigProblem> = config
        .problems()
        .into_iter()
        .filter(|problem| problem.field.starts_with("newborn."))
        .collect();
    if !problems.is_empty() {
        return Err(Error::Config(problems));
    }
    if run_dir.join(record::RECORD_FILE).exists() {
        return Err(Error::Occupied(run_dir.to_owned()));
    }
    let text = text::joined(data)?;
    if text.is_empty() {
        return Err(Error::NoRows(data.to_owned()));
    }
    let folder = folder(run_dir);
    newborn::create(shape, &text, config.seed, &folder).map_err(|err| match err {
        llm::Error::Write { path, source } => Error::Write { path, source },
        other => Error::Model(other),
    })?;
    let model = std::path::absolute(&folder).unwrap_or(folder).display().to_string();
    Ok(TrainConfig { model, ..config.clone() })
}

/// Where it lies.
pub fn folder(run_dir: &Path) -> PathBuf {
    run_dir.join(record::NEWBORN_FOLDER)
}

/// Takes back what was made for a run that is refused after all.
pub fn take_back(run_dir: &Path) {
    // Why the run was refused matters more.
    std::fs::remove_dir_all(folder(run_dir)).ok();
    std::fs::remove_dir(run_dir).ok();
}
