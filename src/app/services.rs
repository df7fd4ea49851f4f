//! What work behind the window is done with: the model and the adapter in memory, the Hub, the
//! keyring, and what was measured of this computer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::connection::{Connection, Safe, lock};
use super::pace::Pace;
use crate::explore::tree::Tree;
use crate::hub;
use crate::hub::paths::HubPaths;
use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::generate::AdapterMode;
use crate::llm::model::Model;
use crate::train::estimate::Estimator;

/// Everything is shared: a clone is the same.
#[derive(Clone, Default)]
pub struct Services {
    loaded: Arc<Mutex<Loaded>>,

    /// The branches of the Playground, with what the model computed for them.
    tree: Arc<Mutex<Option<Tree>>>,
    /// How fast answers of the Playground are shown.
    pub pace: Arc<Pace>,
    pub(super) estimator: Arc<Mutex<Estimator>>,

    /// The Hub, once [`super::work::Engine::connect`] was called.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) safe: Option<Safe>,
}

#[derive(Default)]
struct Loaded {
    model: Option<Arc<Model>>,
    adapter: Option<Arc<Adapter>>,
}

impl Services {
    /// The model in memory.
    pub fn model(&self) -> Result<Arc<Model>, llm::Error> {
        lock(&self.loaded).model.clone().ok_or(llm::Error::NoModel)
    }

    /// The adapter over it.
    pub fn adapter(&self) -> Option<Arc<Adapter>> {
        lock(&self.loaded).adapter.clone()
    }

    /// The same, unless it is switched off.
    pub fn adapter_if(&self, mode: AdapterMode) -> Option<Arc<Adapter>> {
        self.adapter().filter(|_| mode == AdapterMode::On)
    }

    /// Takes the place of the model and the adapter in memory.
    pub fn set_model(&self, model: Option<Model>) {
        *lock(&self.loaded) = Loaded { model: model.map(Arc::new), adapter: None };
        // It holds on to the model that it was grown with.
        *lock(&self.tree) = None;
    }

    pub fn set_adapter(&self, adapter: Option<Adapter>) {
        lock(&self.loaded).adapter = adapter.map(Arc::new);
    }

    /// The Playground's branches, for a task that gives them back with [`Self::keep_tree`]: nobody
    /// waits for it meanwhile.
    pub fn take_tree(&self) -> Option<Tree> {
        lock(&self.tree).take()
    }

    /// Keeps branches for the next task, if their model is still the one in memory.
    pub fn keep_tree(&self, tree: Tree) {
        let model = lock(&self.loaded).model.clone();
        if model.is_some_and(|model| Arc::ptr_eq(&model, tree.model())) {
            *lock(&self.tree) = Some(tree);
        }
    }

    pub(super) fn connection(&self) -> Result<&Connection, hub::Error> {
        self.connection.as_deref().ok_or(hub::Error::NoHome)
    }
}

/// Where a run keeps what the next one can use. `None`: there is no home folder.
pub(super) fn cache_folder() -> Option<PathBuf> {
    HubPaths::from_env().ok().map(|paths| paths.cached)
}
