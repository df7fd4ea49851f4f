//! One run after the other with whatever model each needs: loaded once for those that share it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tempfile::TempDir;

use super::error::Error;
use crate::files;
use crate::hub::paths::HubPaths;
use crate::hub::resolve;
use crate::jobs::Progress;
use crate::llm::card::ModelSource;
use crate::llm::{LoadOptions, Model, Weights};
use crate::train;
use crate::train::classify;
use crate::train::config::TrainConfig;
use crate::train::estimate;
use crate::train::estimate::Estimator;
use crate::train::newborn;
use crate::train::record::metrics::{RunSummary, TrainEvent};
use crate::train::record::{CHECKPOINT_FILE, LOCK_FILE, RECORD_FILE};
use crate::train::run::finder;
use crate::train::run::loading::Loading;
use crate::train::run::rates::{RateSearch, RateTrace};
use crate::train::run::{ResumeRequest, StartRequest};

/// Does runs, and says before what they take.
#[derive(Default)]
pub struct Worker {
    loaded: Option<Loaded>,
    estimator: Estimator,

    /// Where reference log-probabilities are kept.
    pub cache: Option<PathBuf>,
}

struct Loaded {
    path: PathBuf,
    weights: Weights,
    model: Model,
}

/// What a run takes, before it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Takes {
    pub parameters: Option<u64>,
    pub memory: u64,
    pub secs: f64,
}

impl Worker {
    /// With this computer's cache.
    pub fn with_cache() -> Self {
        let cache = HubPaths::from_env().ok().map(|paths| paths.cached);
        Self { cache, ..Self::default() }
    }

    /// Does a run, or continues it where it stands: a folder says itself which of both.
    pub fn run(
        &mut self,
        config: TrainConfig,
        run_dir: &Path,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<RunSummary, Error> {
        let is_begun = is_begun(run_dir)?;
        if let Some(folder) = texts(&config)? {
            let cache = None;
            return Ok(if is_begun {
                let request = ResumeRequest { run_dir: run_dir.to_owned(), cache, unused: None };
                classify::resume(&folder, &request, progress)?
            } else {
                let request = StartRequest { config, run_dir: run_dir.to_owned(), cache };
                classify::start(&folder, &request, progress)?
            });
        }
        let cache = self.cache.clone();
        if is_begun {
            let config = match config.newborn {
                Some(_) => TrainConfig { model: born_at(run_dir), ..config },
                None => config,
            };
            let request = ResumeRequest { run_dir: run_dir.to_owned(), cache, unused: None };
            return Ok(train::resume(self.model(&config, progress)?, &request, progress)?);
        }
        let is_new = !run_dir.exists();
        let started =
            newborn::born(&config, &config.data, run_dir).map_err(Error::from).and_then(|config| {
                let model = self.model(&config, progress)?;
                let request = StartRequest { config, run_dir: run_dir.to_owned(), cache };
                Ok(train::start(model, &request, progress)?)
            });
        if is_new && started.is_err() && !run_dir.join(RECORD_FILE).exists() {
            newborn::take_back(run_dir);
        }
        started
    }

    /// What a run would take. Fails where it would be refused for its settings, its rows or its model.
    pub fn takes(
        &mut self,
        config: &TrainConfig,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Takes, Error> {
        let apart = apart()?;
        let run_dir = apart.path().join("run");
        if let Some(folder) = texts(config)? {
            let request = StartRequest { config: config.clone(), run_dir, cache: None };
            let mut checked = classify::setup::check_start(&folder, &request, progress)?;
            let secs = checked.step_secs()? * checked.plan.steps as f64;
            return Ok(Takes { parameters: None, memory: checked.memory.peak(), secs });
        }
        let config = newborn::born(config, &config.data, &run_dir)?;
        let cache = self.cache.clone();
        self.load(&config, progress)?;
        let Self { loaded, estimator, .. } = self;
        let model = &loaded.as_ref().expect("it was loaded above").model;
        let data = (config.data.as_path(), cache.as_deref());
        let found = estimator.estimate(model, &config, data, progress);
        if config.newborn.is_some() {
            self.loaded = None; // its folder is taken back
        }
        let found = found?;
        Ok(Takes {
            parameters: Some(found.trained_parameters),
            memory: found.memory.peak(),
            secs: found.time.total_secs(),
        })
    }

    /// Looks for a learning rate of a run, on weights that are thrown away.
    pub fn find_rate(
        &mut self,
        config: &TrainConfig,
        search: &RateSearch,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<RateTrace, Error> {
        finder::settings(config, search)?; // before the model is loaded
        let apart = apart()?;
        let run_dir = apart.path().join("run");
        if let Some(folder) = texts(config)? {
            return Ok(classify::finder::find_rate(&folder, config, search, &run_dir, progress)?);
        }
        let config = newborn::born(config, &config.data, &run_dir)?;
        let cache = self.cache.clone();
        let model = self.model(&config, progress)?;
        let found =
            finder::find_rate(model, &config, search, (&run_dir, cache.as_deref()), progress);
        if config.newborn.is_some() {
            self.loaded = None; // its folder is taken back
        }
        Ok(found?)
    }

    fn model(
        &mut self,
        config: &TrainConfig,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<&Model, Error> {
        self.load(config, progress)?;
        Ok(&self.loaded.as_ref().expect("it was loaded above").model)
    }

    /// The model in memory becomes the one that a run needs.
    fn load(
        &mut self,
        config: &TrainConfig,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<(), Error> {
        let (path, weights) = (resolve::resolve_model(&config.model)?, config.weights());
        if self
            .loaded
            .as_ref()
            .is_some_and(|loaded| loaded.path == path && loaded.weights == weights)
        {
            return Ok(());
        }
        self.loaded = None; // before the next one takes its memory
        let source = ModelSource::at(&path);
        estimate::check_load(&source, config)?;
        let loading = Loading(progress, Instant::now());
        let model =
            Model::load(&source, &LoadOptions { weights, ..LoadOptions::default() }, &loading)
                .map_err(|source| Error::Model { name: config.model.clone(), source })?;
        self.loaded = Some(Loaded { path, weights, model });
        Ok(())
    }
}

/// A temporary folder, deleted when it is dropped.
fn apart() -> Result<TempDir, Error> {
    tempfile::tempdir().map_err(Error::Temporary)
}

/// The folder of a model that learns from texts. `None`: the run learns something else.
fn texts(config: &TrainConfig) -> Result<Option<PathBuf>, Error> {
    if config.newborn.is_some() {
        return Ok(None);
    }
    let path = resolve::resolve_model(&config.model)?;
    Ok(classify::is_of_texts(config, &path).then_some(path))
}

fn born_at(run_dir: &Path) -> String {
    let folder = newborn::folder(run_dir);
    std::path::absolute(&folder).unwrap_or(folder).display().to_string()
}

/// Whether there is something to continue. A run that was killed before its first checkpoint has learned
/// nothing, and begins anew.
fn is_begun(run_dir: &Path) -> Result<bool, Error> {
    if !run_dir.join(RECORD_FILE).is_file() {
        return Ok(false);
    }
    if run_dir.join(CHECKPOINT_FILE).is_file() {
        return Ok(true);
    }
    if files::is_locked(&run_dir.join(LOCK_FILE)) {
        return Err(Error::Busy(run_dir.to_owned()));
    }
    std::fs::remove_dir_all(run_dir)
        .map_err(|source| Error::Write { path: run_dir.to_owned(), source })?;
    Ok(false)
}
