//! What work behind the window is done with: the model and the adapter in memory, the Hub, the
//! keyring, and what was measured of this computer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::connection::{Connection, Safe, lock};
use super::pace::Pace;
use super::respondent::InMemory;
use crate::encoder;
use crate::encoder::Encoder;
use crate::explore;
use crate::explore::mask::MaskedModel;
use crate::explore::tree::Tree;
use crate::explore::vectors::source::stamp;
use crate::hub;
use crate::hub::paths::HubPaths;
use crate::jobs::{Checks, Progress};
use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::card::{AdapterCard, ModelCard, ModelSource};
use crate::llm::generate::AdapterMode;
use crate::llm::generate::guess::{KeptGuesser, check_draft};
use crate::llm::model::{LoadOptions, Model};
use crate::llm::{ChatTemplate, Tokenizer, Weights};
use crate::memory::free_memory;
use crate::remote::server::Server;
use crate::seq2seq::Seq2Seq;
use crate::state::prefs::Guessing;
use crate::train::estimate::Estimator;

/// Everything is shared: a clone is the same.
#[derive(Clone, Default)]
pub struct Services {
    loaded: Arc<Mutex<Loaded>>,

    /// The encoder that the map in front was made with: a search by meaning needs it again.
    encoder: Arc<Mutex<Option<KeptEncoder>>>,

    /// The masked model that fills gaps.
    masked: Arc<Mutex<Option<KeptMasked>>>,

    /// The branches of the Playground, with what the model computed for them.
    tree: Arc<Mutex<Option<Tree>>>,

    /// Tokenizers that were read without their models, by where they lie: each letter that is typed asks them.
    texts: Arc<Mutex<BTreeMap<PathBuf, Arc<ReadText>>>>,

    /// The keys of servers that were typed since the start, by address.
    server_keys: Arc<Mutex<BTreeMap<String, String>>>,

    /// How fast answers of the Playground are shown.
    pub pace: Arc<Pace>,
    pub(super) estimator: Arc<Mutex<Estimator>>,

    /// The Hub, once [`super::work::Engine::connect`] was called.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) safe: Option<Safe>,
}

/// A tokenizer, and its model's chat template.
pub type ReadText = (Tokenizer, Option<ChatTemplate>);

#[derive(Default)]
struct Loaded {
    model: Option<Arc<Model>>,
    adapter: Option<Arc<Adapter>>,

    /// In place of a decoder.
    pair: Option<Pair>,

    /// Answers in place of a model in memory.
    server: Option<Server>,

    /// The draft model, and where it lies.
    draft: Option<(PathBuf, Arc<Model>)>,

    /// What the model is compared with: where it lies, and how its weights are kept.
    second: Option<(PathBuf, Weights, Arc<Model>)>,
}

struct KeptEncoder {
    folder: PathBuf,

    /// How its files were when it was loaded.
    stamp: String,
    encoder: Arc<Encoder>,
}

struct KeptMasked {
    path: PathBuf,

    /// How its files were when it was loaded.
    stamp: String,
    model: Arc<MaskedModel>,
}

/// An encoder-decoder in memory, and the same with an adapter over it: what the adapter leaves as it is,
/// lies there once.
struct Pair {
    model: Arc<Seq2Seq>,
    card: ModelCard,
    adapted: Option<(Arc<Seq2Seq>, AdapterCard)>,
}

impl Services {
    /// The model in memory.
    pub fn model(&self) -> Result<Arc<Model>, llm::Error> {
        let loaded = lock(&self.loaded);
        let why = || match &loaded.pair {
            Some(_) => llm::Error::OnlyDecoders,
            None => llm::Error::NoModel,
        };
        loaded.model.clone().ok_or_else(why)
    }

    /// The encoder-decoder in memory, with its adapter where one is laid over it and wanted.
    pub fn seq2seq(&self, mode: AdapterMode) -> Result<Arc<Seq2Seq>, llm::Error> {
        let loaded = lock(&self.loaded);
        let pair = loaded.pair.as_ref().ok_or(llm::Error::NoModel)?;
        let adapted = pair.adapted.as_ref().filter(|_| mode == AdapterMode::On);
        Ok(Arc::clone(adapted.map_or(&pair.model, |(adapted, _)| adapted)))
    }

    /// Takes the place of the model in memory.
    pub fn set_seq2seq(&self, model: Seq2Seq, card: ModelCard) {
        self.set_model(None);
        let pair = Pair { model: Arc::new(model), card, adapted: None };
        lock(&self.loaded).pair = Some(pair);
    }

    /// Lays an adapter over the model in memory. Slow. What is to be known of it, a sentence each.
    pub fn lay_adapter(&self, path: &Path) -> Result<(AdapterCard, Vec<String>), encoder::Error> {
        let Ok(base) = self.seq2seq(AdapterMode::Off) else {
            let model = self.model()?;
            let adapter = Adapter::load(path, &model)?;
            let told = (adapter.card(), adapter.warnings().to_vec());
            self.set_adapter(Some(adapter));
            return Ok(told);
        };
        let (adapted, card) = base.laid_over(path)?;
        let mut loaded = lock(&self.loaded);
        // Meanwhile another model may have taken its place.
        match loaded.pair.as_mut().filter(|pair| Arc::ptr_eq(&pair.model, &base)) {
            Some(pair) => pair.adapted = Some((Arc::new(adapted), card.clone())),
            None => return Err(llm::Error::NoModel.into()),
        }
        Ok((card, Vec::new()))
    }

    /// Whoever is asked by Evaluate: the model in memory, with its adapter where that is wanted.
    pub fn respondent(&self, mode: AdapterMode) -> Result<InMemory, llm::Error> {
        let loaded = lock(&self.loaded);
        if let Some(Pair { model, card, adapted }) = &loaded.pair {
            let adapted = adapted.as_ref().filter(|_| mode == AdapterMode::On);
            return Ok(InMemory::Pair {
                model: Arc::clone(adapted.map_or(model, |(adapted, _)| adapted)),
                card: Box::new(card.clone()),
                adapter: adapted.map(|(_, card)| card.clone()),
            });
        }
        let model = loaded.model.clone().ok_or(llm::Error::NoModel)?;
        let adapter = loaded.adapter.clone().filter(|_| mode == AdapterMode::On);
        Ok(InMemory::Decoder { model, adapter, guesser: KeptGuesser::Nobody })
    }

    /// The adapter over it.
    pub fn adapter(&self) -> Option<Arc<Adapter>> {
        lock(&self.loaded).adapter.clone()
    }

    /// The same, unless it is switched off.
    pub fn adapter_if(&self, mode: AdapterMode) -> Option<Arc<Adapter>> {
        self.adapter().filter(|_| mode == AdapterMode::On)
    }

    /// The encoder in this folder or file, which stays in memory until another one is asked for. Slow where
    /// it is not the one that is kept.
    pub fn encoder(&self, folder: &Path) -> Result<Arc<Encoder>, encoder::Error> {
        let stamp = stamp(folder);
        let is_it = |kept: &&KeptEncoder| kept.folder == folder && kept.stamp == stamp;
        if let Some(kept) = lock(&self.encoder).as_ref().filter(is_it) {
            return Ok(Arc::clone(&kept.encoder));
        }
        self.forget_encoder(); // first: two at once may not fit
        let encoder = Arc::new(Encoder::load(folder)?);
        let kept = KeptEncoder { folder: folder.to_owned(), stamp, encoder: Arc::clone(&encoder) };
        *lock(&self.encoder) = Some(kept);
        Ok(encoder)
    }

    /// The masked model that lies here, under this name; it stays in memory until another one is asked for.
    /// Slow where it is not the one that is kept; fails before it is read where there is no room for it.
    pub fn masked(
        &self,
        path: &Path,
        name: &str,
    ) -> Result<Arc<MaskedModel>, explore::error::Error> {
        let stamp = stamp(path);
        let is_it = |kept: &&KeptMasked| kept.path == path && kept.stamp == stamp;
        if let Some(kept) = lock(&self.masked).as_ref().filter(is_it) {
            return Ok(Arc::clone(&kept.model));
        }
        self.forget_masked(); // first: two at once may not fit
        let needed = encoder::inspect(&ModelSource::at(path))?.memory_bytes;
        if let Some(free) = free_memory().filter(|free| needed > *free) {
            let (needed_mb, free_mb) = (needed.div_ceil(1_000_000), free / 1_000_000);
            return Err(explore::error::Error::SecondModel { needed_mb, free_mb });
        }
        let model = Arc::new(MaskedModel::load(path, name)?);
        let kept = KeptMasked { path: path.to_owned(), stamp, model: Arc::clone(&model) };
        *lock(&self.masked) = Some(kept);
        Ok(model)
    }

    pub fn forget_masked(&self) {
        *lock(&self.masked) = None;
    }

    pub fn forget_encoder(&self) {
        *lock(&self.encoder) = None;
    }

    /// Takes the place of the model and the adapter in memory.
    pub fn set_model(&self, model: Option<Model>) {
        *lock(&self.loaded) = Loaded { model: model.map(Arc::new), ..Loaded::default() };
        // It holds on to the model that it was grown with.
        *lock(&self.tree) = None;
    }

    /// The server whose model answers, if one does.
    pub fn server(&self) -> Option<Server> {
        lock(&self.loaded).server.clone()
    }

    /// Takes the place of the model in memory.
    pub fn set_server(&self, server: Server) {
        self.set_model(None);
        lock(&self.loaded).server = Some(server);
    }

    /// The key of a server, by its address: typed since the start, or kept before.
    pub fn server_key(&self, address: &str) -> Option<String> {
        let typed = lock(&self.server_keys).get(address).cloned();
        typed.or_else(|| self.safe.as_ref()?.known().server_key(address))
    }

    /// Remembers a key while the program runs. The keys of all servers, to be kept.
    pub fn keep_server_key(&self, address: &str, key: String) -> String {
        let mut keys =
            self.safe.as_ref().map(|safe| safe.known().server_keys()).unwrap_or_default();
        let mut typed = lock(&self.server_keys);
        typed.insert(address.to_owned(), key);
        keys.extend(typed.clone());
        serde_json::to_string(&keys).expect("texts are valid JSON")
    }

    /// The draft model at `path` for `model`, which is the one in memory. Slow where the draft model is not in
    /// memory yet.
    pub fn draft<E>(
        &self,
        path: &Path,
        model: &Model,
        progress: &dyn Progress<E>,
    ) -> Result<Arc<Model>, llm::Error> {
        let held = lock(&self.loaded).draft.clone();
        if let Some((_, draft)) = held.filter(|(at, _)| at == path) {
            return Ok(draft);
        }
        self.forget_draft(); // first: two at once may not fit
        let source = ModelSource::at(path);
        let draft = Model::load(&source, &LoadOptions::default(), &Checks(progress))?;
        check_draft(&draft, model)?;
        let draft = Arc::new(draft);
        let mut loaded = lock(&self.loaded);
        // Meanwhile another model may have taken its place, for which this one was not checked.
        if loaded.model.as_deref().is_some_and(|held| std::ptr::eq(held, model)) {
            loaded.draft = Some((path.to_owned(), Arc::clone(&draft)));
        }
        Ok(draft)
    }

    /// What guesses the next tokens for `model`, as a person has set it. Slow where a draft model is not in
    /// memory yet.
    pub fn guesser<E>(
        &self,
        guessing: &Guessing,
        model: &Model,
        progress: &dyn Progress<E>,
    ) -> Result<KeptGuesser, llm::Error> {
        match guessing {
            Guessing::Draft(Some(path)) => {
                Ok(KeptGuesser::Draft(self.draft(path, model, progress)?, None))
            }
            Guessing::Lookup => {
                self.forget_draft();
                Ok(KeptGuesser::Lookup(None))
            }
            Guessing::Off | Guessing::Draft(None) => {
                self.forget_draft();
                Ok(KeptGuesser::Nobody)
            }
        }
    }

    pub fn forget_draft(&self) {
        lock(&self.loaded).draft = None;
    }

    /// A model's tokenizer and chat template without its weights, which are kept.
    pub fn text_of(&self, path: &Path) -> Result<Arc<ReadText>, llm::Error> {
        if let Some(known) = lock(&self.texts).get(path) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(llm::load_text(&ModelSource::at(path))?);
        lock(&self.texts).insert(path.to_owned(), Arc::clone(&read));
        Ok(read)
    }

    /// A model that the one in memory is compared with. Slow where it is not in memory yet; fails before it
    /// is read where there is no room for it beside the other.
    pub fn second<E>(
        &self,
        path: &Path,
        weights: Weights,
        progress: &dyn Progress<E>,
    ) -> Result<Arc<Model>, explore::error::Error> {
        let held = lock(&self.loaded).second.clone();
        if let Some((_, _, model)) = held.filter(|(at, kept, _)| at == path && *kept == weights) {
            return Ok(model);
        }
        self.forget_second(); // first: three at once may not fit
        let source = ModelSource::at(path);
        let needed = llm::memory_needed(&source, weights)?;
        if let Some(free) = free_memory().filter(|free| needed > *free) {
            let (needed_mb, free_mb) = (needed.div_ceil(1_000_000), free / 1_000_000);
            return Err(explore::error::Error::SecondModel { needed_mb, free_mb });
        }
        let options = LoadOptions { weights, ..LoadOptions::default() };
        let model = Arc::new(Model::load(&source, &options, &Checks(progress))?);
        lock(&self.loaded).second = Some((path.to_owned(), weights, Arc::clone(&model)));
        Ok(model)
    }

    pub fn forget_second(&self) {
        lock(&self.loaded).second = None;
    }

    pub fn set_adapter(&self, adapter: Option<Adapter>) {
        let mut loaded = lock(&self.loaded);
        loaded.adapter = adapter.map(Arc::new);
        if let Some(pair) = &mut loaded.pair {
            pair.adapted = None;
        }
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
