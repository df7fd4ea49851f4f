//! The arguments that name a model and an adapter, and loading them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::out;
use super::progress::Bar;
use crate::evaluate::asking::finder::Finder;
use crate::hub;
use crate::hub::resolve;
use crate::hub::resolve::Resolved;
use crate::llm;
use crate::llm::card::{AdapterCard, ModelCard, ModelSource, Purpose};
use crate::llm::config::CacheNumbers;
use crate::llm::{Adapter, ChatTemplate, LoadOptions, Model, Tokenizer, Weights};
use crate::seq2seq::{Seq2Seq, is_pair_model};

#[derive(Debug, Args)]
pub struct ModelArgs {
    /// A transformers folder, a .gguf file, a Hub id in the cache (owner/name, owner/name@revision,
    /// owner/name/file.gguf), an adapter's folder (its base is opened with it), or `starter`
    #[arg(long, default_value = "starter")]
    pub model: String,

    /// An adapter to lay over the model: a PEFT folder, a LoRA as .gguf, or a Hub id in the cache
    #[arg(long)]
    pub adapter: Option<String>,

    /// Keep the weights as the file stores them, widen them to f32, or round them
    #[arg(long, value_enum, default_value_t = Precision::AsStored)]
    pub weights: Precision,
}

/// What the cache of an answer keeps.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct CacheArgs {
    /// Keep the keys and values of the text as f32, f16 or `q8_0` (8 bits, a quarter of the memory of
    /// f32); without it, as exact as the weights
    #[arg(long = "cache", value_enum, value_name = "NUMBERS")]
    numbers: Option<Numbers>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Numbers {
    F32,
    F16,
    #[value(name = "q8_0")]
    Q8_0,
}

impl From<CacheArgs> for Option<CacheNumbers> {
    fn from(args: CacheArgs) -> Self {
        args.numbers.map(|numbers| match numbers {
            Numbers::F32 => CacheNumbers::F32,
            Numbers::F16 => CacheNumbers::F16,
            Numbers::Q8_0 => CacheNumbers::Q8_0,
        })
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Precision {
    AsStored,
    F32,
    Bf16,
    #[value(name = "q8_0")]
    Q8_0,
    #[value(name = "q4_0")]
    Q4_0,
}

impl From<Precision> for Weights {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::AsStored => Self::AsStored,
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
            Precision::Q8_0 => Self::Q8_0,
            Precision::Q4_0 => Self::Q4_0,
        }
    }
}

impl Precision {
    /// As a person would say it: `as stored`.
    pub fn words(self) -> &'static str {
        match self {
            Self::AsStored => "as stored",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
        }
    }

    /// What an evaluation says of how its model's weights were kept.
    pub fn of_words(words: &str) -> anyhow::Result<Self> {
        let known = Self::value_variants().iter().find(|known| known.words() == words);
        known.copied().with_context(|| format!("its weights were kept {words}, which is not known"))
    }
}

/// An encoder-decoder, with its adapter in its weights.
pub struct LoadedPair {
    pub model: Seq2Seq,
    pub card: ModelCard,
    pub adapter: Option<AdapterCard>,
}

impl ModelArgs {
    /// The encoder-decoder that is named, with its adapter. `None`: another model is named, or none that is
    /// here.
    pub fn load_pair(&self) -> anyhow::Result<Option<LoadedPair>> {
        // Whoever loads it as a decoder says what is wrong with the name.
        let found = resolve::resolve_with_adapter(&self.model).ok();
        let Some(Resolved { model: path, adapter }) = found.filter(|it| is_pair_model(&it.model))
        else {
            return Ok(None);
        };
        if !matches!(self.weights, Precision::AsStored) {
            anyhow::bail!("--weights is for decoders: leave it out with an encoder-decoder");
        }
        let named = self.adapter.as_deref().map(resolve::resolve_adapter).transpose()?;
        let bar = Bar::new();
        let loaded = Seq2Seq::load_with_card(&ModelSource::at(&path), &bar);
        bar.clear();
        let (mut model, card) =
            loaded.with_context(|| format!("{} could not be loaded", self.model))?;
        let mut laid = None;
        if let Some(adapter) = named.or(adapter) {
            let (adapted, card) = model.laid_over(&adapter)?;
            (model, laid) = (adapted, Some(card));
        }
        Ok(Some(LoadedPair { model, card, adapter: laid }))
    }

    /// A model that writes.
    pub fn load(&self) -> anyhow::Result<(Model, Option<Adapter>)> {
        self.load_for_answers(CacheArgs::default())
    }

    /// The same, whose answers are written with this cache.
    pub fn load_for_answers(&self, cache: CacheArgs) -> anyhow::Result<(Model, Option<Adapter>)> {
        let (model, adapter) = self.load_with(cache)?;
        if model.card().facts.purpose == Purpose::Classify {
            anyhow::bail!(
                "{} has no head that writes: it gives labels, and `tuning-fork classify` uses it",
                self.model
            );
        }
        model.check_writes()?;
        Ok((model, adapter))
    }

    /// A model that writes, or a decoder with a score head.
    pub fn load_any(&self) -> anyhow::Result<(Model, Option<Adapter>)> {
        self.load_with(CacheArgs::default())
    }

    fn load_with(&self, cache: CacheArgs) -> anyhow::Result<(Model, Option<Adapter>)> {
        let named = self.adapter.as_deref().map(resolve::resolve_adapter).transpose()?;
        let found = resolve::resolve_with_adapter(&self.model);
        let Resolved { model, adapter } = with_hint(&self.model, found)?;
        if named.is_some() && adapter.is_some() {
            anyhow::bail!(
                "{} is an adapter or holds one, and --adapter names another: name the model alone",
                self.model
            );
        }
        let options = LoadOptions { weights: self.weights.into(), cache: cache.into() };
        let model = load(&model, &self.model, options)?;
        let adapter = named.or(adapter).map(|path| load_adapter(&path, &model));
        Ok((model, adapter.transpose()?))
    }
}

/// Loads the encoder that a task chooses passages by.
pub fn load_finder(name: &str) -> anyhow::Result<Finder> {
    let folder = with_hint(name, resolve::resolve_model(name))?;
    let finder = Finder::load(&folder);
    let finder = finder.with_context(|| format!("the encoder {name} could not be loaded"))?;
    if let Some(sentence) = finder.missing_head() {
        out::note(&format!("warning: {name}: {sentence}"));
    }
    Ok(finder)
}

/// Loads an adapter, and says what there is to know of it.
pub fn load_adapter(path: &Path, model: &Model) -> anyhow::Result<Adapter> {
    let adapter = Adapter::load(path, model)?;
    for warning in adapter.warnings() {
        out::note(&format!("warning: {}: {warning}", path.display()));
    }
    Ok(adapter)
}

/// Loads a model by whatever a `--model` or a run file may say.
pub fn load_model(name: &str, weights: Weights) -> anyhow::Result<Model> {
    let options = LoadOptions { weights, ..LoadOptions::default() };
    load(&with_hint(name, resolve::resolve_model(name))?, name, options)
}

/// Where a model lies, without loading it.
pub fn find_model(name: &str) -> anyhow::Result<PathBuf> {
    with_hint(name, resolve::resolve_model(name))
}

/// The tokenizer and the chat template of a model or an encoder, without its weights.
pub fn load_text(name: &str) -> anyhow::Result<(Tokenizer, Option<ChatTemplate>)> {
    let path = with_hint(name, resolve::resolve_model(name))?;
    let text = llm::load_text(&ModelSource::at(&path));
    text.with_context(|| format!("the tokenizer of {name} could not be loaded"))
}

fn with_hint<T>(name: &str, found: Result<T, hub::Error>) -> anyhow::Result<T> {
    match found {
        Err(hub::Error::NoSuchModel { .. }) if name == "starter" => {
            anyhow::bail!("the starter model is not here yet: run `tuning-fork fetch starter`")
        }
        found => Ok(found?),
    }
}

fn load(path: &Path, name: &str, options: LoadOptions) -> anyhow::Result<Model> {
    let bar = Bar::new();
    let model = Model::load(&ModelSource::at(path), &options, &bar);
    bar.clear();
    let model = model.with_context(|| format!("{name} could not be loaded"))?;
    for warning in &model.card().facts.warnings {
        out::note(&format!("warning: {name}: {warning}"));
    }
    Ok(model)
}
