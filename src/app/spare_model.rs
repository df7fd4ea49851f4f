//! The model of an open lecture, where it is not the one in memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::connection::lock;
use super::services::Services;
use crate::explore::subject::Looked;
use crate::jobs::{Checks, Progress};
use crate::lecture::error::PlayError;
use crate::llm::card::ModelSource;
use crate::llm::{LoadOptions, Model};
use crate::memory::free_memory;

/// The model of a lecture that is not the one in memory. A clone is the same.
#[derive(Clone, Default)]
pub struct SpareModel(Arc<Mutex<Option<Kept>>>);

/// A model, and where it is from.
type Kept = (PathBuf, Arc<Model>);

impl SpareModel {
    /// Frees it, unless a thread is loading it: the window does not wait for that, and asks again
    /// in a later frame.
    pub fn forget(&self) {
        if let Ok(mut spare) = self.0.try_lock() {
            *spare = None;
        }
    }

    /// The model in memory, the spare one, or another that takes its place.
    pub fn model(
        &self,
        path: &Path,
        services: &Services,
        progress: &dyn Progress<Looked>,
    ) -> Result<Arc<Model>, PlayError> {
        let loaded = services.model().ok();
        if let Some(model) = loaded.filter(|model| is_same(model.card().source.path(), path)) {
            return Ok(model);
        }
        let mut spare = lock(&self.0);
        if let Some((_, model)) = spare.as_ref().filter(|(known, _)| known == path) {
            return Ok(Arc::clone(model));
        }
        *spare = None; // first: two models at once may not fit
        check_memory(path)?;
        let options = LoadOptions::default();
        let model = Model::load(&ModelSource::at(path), &options, &Checks(progress))?;
        let model = Arc::new(model);
        *spare = Some((path.to_owned(), Arc::clone(&model)));
        Ok(model)
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    one == other || whole(one) == whole(other)
}

/// A model takes about what its files do.
fn check_memory(path: &Path) -> Result<(), PlayError> {
    let size = |path: &Path| path.metadata().map_or(0, |about| about.len());
    let needed = if path.is_dir() {
        let files = std::fs::read_dir(path).into_iter().flatten().flatten();
        files.map(|file| size(&file.path())).sum()
    } else {
        size(path)
    };
    match free_memory() {
        Some(free) if needed > free => Err(PlayError::Memory {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            needed_mb: needed.div_ceil(1_000_000),
            free_mb: free / 1_000_000,
        }),
        _ => Ok(()),
    }
}
