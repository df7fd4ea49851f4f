//! A loaded model: the one thing that generates, scores and trains.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::adapter::lora::{Adapter, HEAD};
use super::adapter::soft::{SoftKind, SoftPrompt};
use super::adapter::spec::LinearInfo;
use super::card::{ModelCard, ModelIdentity, ModelSource};
use super::config::{CacheNumbers, Config};
use super::error::Error;
use super::files::gguf_parts;
use super::files::safetensors_files::SafetensorsFiles;
use super::files::watched::Watched;
use super::files::weights::{WeightSource, Weights};
use super::headers::asked::Asked;
use super::headers::inspect;
use super::headers::inspect::Opened;
use super::headers::survey::TensorNeed;
use super::net::buffers::Buffer;
use super::net::cache::KvCache;
use super::net::decoder::{Decoder, Following};
use super::net::loader;
use super::net::transformer::{LoadEvent, Transformer};
use super::text::chat::ChatTemplate;
use super::text::tokenizer::Tokenizer;
use crate::allocator;
use crate::files;
use crate::jobs::{self, Progress};

/// How a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    pub weights: Weights,

    /// What the cache keeps while an answer is written. `None`: as exact as the weights are.
    pub cache: Option<CacheNumbers>,
}

/// Which positions' scores are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// Only what follows the last token.
    Last,
    All,

    /// From this index of the given ids on.
    From(usize),
}

/// Rows of raw scores, (rows, vocabulary).
#[derive(Debug)]
pub struct Scores(pub(super) Buffer);

impl std::ops::Deref for Scores {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl std::ops::DerefMut for Scores {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

/// That files hold tensors that are not computed with: a part of the model may be missing from what it
/// answers.
fn unused_words(unused: &[String]) -> Option<String> {
    const SHOWN: usize = 3;

    let shown = unused.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = unused.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    match unused.len() {
        0 => None,
        1 => Some(format!(
            "a tensor of the files has no place in this model and is not used: {shown}"
        )),
        count => Some(format!(
            "{count} tensors of the files have no place in this model and are not used: {shown}{more}"
        )),
    }
}

/// A model in memory. Share it behind an `Arc`: running it changes nothing in it.
pub struct Model {
    pub(super) card: ModelCard,
    pub(super) config: Config,
    pub(super) decoder: Box<dyn Decoder>,
    pub(super) chat: Option<Arc<ChatTemplate>>,
    pub(super) stop_ids: Vec<u32>,
    pub(super) start_id: Option<u32>,
    pub(super) asked: Vec<Asked>,
    pub(super) unused: Vec<String>,
    pub(super) kept: Weights,

    /// The head that its files lack, by name: it reads texts and does not write. See `loader::has_head`.
    pub(super) lacks_head: Option<&'static str>,

    /// The token whose vector learns nothing from being read.
    pub(super) padding_id: Option<u32>,
    pub(super) answer_cache: Option<CacheNumbers>,

    /// Its weights lie in memory as they lie in these.
    pub(super) watched: Watched,
}

impl Model {
    /// Reads a model. Stops between layers, and between chunks of the hash, when asked to.
    pub fn load(
        source: &ModelSource,
        options: &LoadOptions,
        progress: &dyn Progress<LoadEvent>,
    ) -> Result<Self, Error> {
        let opened = Opened::open(source)?;
        let watched = Watched::open(&weight_files(source)?);
        let config = opened.config()?;
        let mut facts = opened.facts();
        // Before anything large is read: whether all tensors are there, and what they will take.
        let needs = opened.survey(&config, options.weights)?;
        facts.memory_bytes = needs.bytes;
        let keyless = config.layers.iter().enumerate().filter(|(_, layer)| layer.keys_of.is_some());
        let keyless: Vec<usize> = keyless.map(|(index, _)| index).collect();
        let unused = opened.weights.unused(&needs.used, &keyless);
        facts.warnings.extend(unused_words(&unused));
        let (tokenizer, chat) = opened.text()?;
        facts.warnings.extend(tokenizer.warnings().iter().cloned());
        let problem = chat.as_ref().and_then(ChatTemplate::problem);
        facts.has_chat_template = chat.is_some() && problem.is_none();
        facts.chat_problem = problem.map(str::to_owned);
        // Lists of tokens and merges, before the weights come.
        allocator::give_back_freed_memory();
        let stop_ids = opened.stop_ids();
        let start_id = opened.start_id(&tokenizer);
        let asked = opened.asked();
        let padding_id = opened.padding_id(&config);
        let decoder = loader::load(&config, &opened.weights, options.weights, progress)?;
        let head = config.naming.names(config.norm_placement).head;
        let lacks_head = (!loader::has_head(&config, &opened.weights)).then_some(head);
        let identity = identity(source, progress)?;
        let mut card =
            ModelCard { source: source.clone(), identity, facts, tokenizer: Arc::new(tokenizer) };
        // The file's list of tokens, of which the tokenizer has made its own.
        opened.forget_headers();
        drop(opened);
        allocator::give_back_freed_memory();
        let chat = chat.map(Arc::new);
        if let Some(numbers) = options.cache {
            card.facts.cache_bytes_per_token = config.cache_bytes_as(numbers);
        }
        Ok(Self {
            card,
            config,
            decoder: Box::new(decoder),
            chat,
            stop_ids,
            start_id,
            asked,
            unused,
            kept: options.weights,
            lacks_head,
            padding_id,
            answer_cache: options.cache,
            watched,
        })
    }

    /// Where this model's tensors lie in its files, and which of them it has. Fails where they cannot be read
    /// any more.
    pub(crate) fn stored(&self) -> Result<Stored, Error> {
        let opened = Opened::open(&self.card.source)?;
        let needs = opened.survey(&self.config, self.kept)?;
        let tensors = needs.tensors.into_iter().map(|need| (need.name, need.shape)).collect();
        Ok(Stored { source: opened.weights, tensors })
    }

    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn tokenizer(&self) -> &Arc<Tokenizer> {
        &self.card.tokenizer
    }

    /// How messages become text. `None`: the model has no chat template.
    pub fn chat(&self) -> Option<&ChatTemplate> {
        self.chat.as_deref()
    }

    /// The tokens that end an answer.
    pub fn stop_ids(&self) -> &[u32] {
        &self.stop_ids
    }

    /// The token that an empty text begins with.
    pub fn start_id(&self) -> Option<u32> {
        self.start_id
    }

    /// What its `generation_config.json` asks for beside the tokens that end an answer: nothing of it is
    /// done unless a person asks for it too.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Tensors of the files that the model's configuration has no place for.
    pub fn unused_tensors(&self) -> &[String] {
        &self.unused
    }

    /// Our own transformer, for whatever changes its layers or has them learn.
    pub(crate) fn transformer(&self) -> Result<&Transformer, Error> {
        self.decoder.own().ok_or_else(|| {
            self.decoder.cannot("give its layers to an adapter, to training or to a file")
        })
    }

    /// The tensors that it computes with, in the order of a load, from the headers of its files.
    pub fn tensors(&self) -> Result<Vec<TensorNeed>, Error> {
        Ok(Opened::open(&self.card.source)?.survey(&self.config, self.kept)?.tensors)
    }

    /// What LoRA can target: every linear layer but the head.
    pub fn linear_layers(&self) -> Vec<LinearInfo> {
        self.decoder.own().map(Transformer::linear_infos).unwrap_or_default()
    }

    /// The same with embedding and head, which have to be named.
    pub fn adaptable_layers(&self) -> Vec<LinearInfo> {
        let Config { vocab_size, width, .. } = self.config;
        let embedding = self.config.embedding_module();
        let mut layers = self.linear_layers();
        // From a token to its vector.
        layers.push(LinearInfo { name: embedding.to_owned(), outputs: width, inputs: vocab_size });
        layers.push(LinearInfo { name: HEAD.to_owned(), outputs: vocab_size, inputs: width });
        layers
    }

    /// The longest text that is read with an adapter: a soft prompt stands in the same context.
    pub fn context_with(&self, adapter: Option<&Adapter>) -> usize {
        self.config.context_length.saturating_sub(adapter.map_or(0, Adapter::virtual_tokens))
    }

    /// Fails where a text of so many tokens does not fit into the context, in which the virtual tokens of an
    /// adapter's soft prompt stand before it.
    pub fn check_fits(&self, tokens: usize, adapter: Option<&Adapter>) -> Result<(), Error> {
        let needed = tokens + adapter.map_or(0, Adapter::virtual_tokens);
        let context = self.config.context_length;
        if needed > context { Err(Error::ContextFull { needed, context }) } else { Ok(()) }
    }

    /// Fails unless `ids` are of this model and a text of `needed` tokens fits: see [`Self::check_fits`].
    pub(crate) fn check_after(
        &self,
        ids: &[u32],
        needed: usize,
        adapter: Option<&Adapter>,
    ) -> Result<(), Error> {
        self.check_writes()?;
        self.check_reads(ids, needed, adapter)
    }

    /// Whether its files have what turns hidden states into scores.
    pub(crate) fn has_head(&self) -> bool {
        self.lacks_head.is_none()
    }

    /// Fails where nothing can be said of what comes next: a token sees those after it, or there is no
    /// head.
    pub fn check_writes(&self) -> Result<(), Error> {
        let architecture = || self.config.architecture.clone();
        if self.config.both_ways {
            return Err(Error::ReadsBothWays { architecture: architecture() });
        }
        match self.lacks_head {
            Some(head) => Err(Error::LacksHead { architecture: architecture(), head }),
            None => Ok(()),
        }
    }

    /// [`Self::check_after`], for whoever asks for hidden states alone.
    pub(super) fn check_reads(
        &self,
        ids: &[u32],
        needed: usize,
        adapter: Option<&Adapter>,
    ) -> Result<(), Error> {
        if ids.is_empty() {
            return Err(Error::NoTokens);
        }
        if let Some(path) = self.watched.cut_short() {
            return Err(Error::CutShort { path: path.to_owned() });
        }
        self.check_fits(needed, adapter)?;
        let vocab_size = self.config.vocab_size;
        match ids.iter().find(|id| **id as usize >= vocab_size) {
            Some(&id) => Err(Error::TokenOutOfRange { id, vocab_size }),
            None => Ok(()),
        }
    }

    /// Before `ids` are run after what the cache holds: [`Self::check_after`] and [`Self::begin_with`].
    pub(crate) fn begin(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
    ) -> Result<(), Error> {
        self.check_after(ids, cache.len() + ids.len(), adapter)?;
        self.begin_with(cache, adapter)
    }

    /// As [`Self::begin`], for whoever asks for hidden states alone.
    pub(crate) fn begin_reading(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
    ) -> Result<(), Error> {
        self.check_reads(ids, cache.len() + ids.len(), adapter)?;
        if self.config.both_ways && !cache.is_empty() {
            return self.check_writes(); // what the cache holds has not seen these tokens
        }
        self.begin_with(cache, adapter)
    }

    /// Puts the virtual tokens of an adapter's soft prompt before what is run next, where the cache holds
    /// nothing yet. What another one left there is forgotten.
    pub(super) fn begin_with(
        &self,
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
    ) -> Result<(), Error> {
        let soft = adapter.and_then(Adapter::soft);
        if !cache.is_empty() || cache.front_of() == soft.map(SoftPrompt::id) {
            return Ok(());
        }
        cache.clear();
        let Some(soft) = soft else { return Ok(()) };
        jobs::in_pool(|| {
            match soft.kind {
                SoftKind::Prompt => {
                    let tokens = Following { ids: &soft.ids(), adapter, wanted: 0..0 };
                    self.decoder.run(&self.config, tokens, cache, None)?;
                }
                SoftKind::Prefix => {
                    let layers = self.config.layer_count();
                    let prefix = soft.keys_values(layers)?;
                    for layer in 0..layers {
                        let [keys, values] = [0, 1].map(|part| prefix.of_layer(layer, part));
                        cache.layer_mut(layer).append(&keys, &values);
                    }
                    cache.advance(soft.tokens());
                }
            }
            cache.set_front(soft.id());
            Ok::<_, Error>(())
        })
    }
}

/// A model's tokenizer and chat template, without its weights: a folder need have nothing else.
pub fn load_text(source: &ModelSource) -> Result<(Tokenizer, Option<ChatTemplate>), Error> {
    match source {
        ModelSource::Folder(path) if path.is_dir() => inspect::folder_text(path),
        source => Opened::open(source)?.text(),
    }
}

/// The tensors of a model in its files.
pub(crate) struct Stored {
    pub source: WeightSource,

    /// Those that the model is made of, by transformers' name, with the shape in which they are asked for.
    pub tensors: Vec<(String, Vec<usize>)>,
}

/// What a model's headers say, without loading its weights.
pub fn inspect(source: &ModelSource) -> Result<super::card::ModelFacts, Error> {
    Ok(Opened::open(source)?.facts())
}

/// What the weights will take in memory when loaded like this, in bytes, from the headers alone.
/// Fails as the load would, where a tensor is missing or has another shape.
pub fn memory_needed(source: &ModelSource, weights: Weights) -> Result<u64, Error> {
    let opened = Opened::open(source)?;
    Ok(opened.survey(&opened.config()?, weights)?.bytes)
}

/// The files that hold its weights.
fn weight_files(source: &ModelSource) -> Result<Vec<PathBuf>, Error> {
    match source {
        ModelSource::Gguf(file) => Ok(gguf_parts::all(file)),
        ModelSource::Folder(folder) => SafetensorsFiles::paths(folder),
    }
}

/// Name, origin and hash.
pub(crate) fn identity(
    source: &ModelSource,
    progress: &dyn Progress<LoadEvent>,
) -> Result<ModelIdentity, Error> {
    let path = source.path();
    let origin = inspect::hub_origin(path);
    let own_name = match source {
        ModelSource::Gguf(file) => file.file_stem(),
        ModelSource::Folder(folder) => folder.file_name(),
    };
    let own_name = own_name.unwrap_or_default().to_string_lossy().into_owned();
    let name = match (&origin, source) {
        (Some((repo, _)), ModelSource::Folder(_)) => {
            repo.rsplit('/').next().unwrap_or(repo).to_owned()
        }
        _ => own_name,
    };
    let (repo, commit) = origin.unzip();
    Ok(ModelIdentity {
        name,
        repo,
        commit,
        sha256: hash(&weight_files(source)?, progress)?,
        server: None,
    })
}

fn hash(paths: &[PathBuf], progress: &dyn Progress<LoadEvent>) -> Result<String, Error> {
    let len = |path: &Path| {
        std::fs::metadata(path).map(|meta| meta.len()).map_err(|source| Error::read(path, source))
    };
    let total = paths.iter().map(|path| len(path)).sum::<Result<u64, Error>>()?;
    let mut done = 0;
    let mut hashes = Vec::new();
    for path in paths {
        let sha256 = files::sha256_of_file(path, |count| {
            done += count;
            progress.emit(LoadEvent::Hashing { done, total });
            progress.check().map_err(std::io::Error::other)
        });
        // A stop comes back as an error of reading; ask again what it was.
        progress.check()?;
        hashes.push(sha256.map_err(|source| Error::read(path, source))?);
    }
    match hashes.as_slice() {
        [one] => Ok(one.clone()),
        many => {
            let mut hasher = Sha256::new();
            for hash in many {
                hasher.update(hash.as_bytes());
            }
            Ok(files::hex(&hasher.finalize()))
        }
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod packed_tests;

#[cfg(test)]
#[path = "other_engine_tests.rs"]
mod other_engine_tests;
