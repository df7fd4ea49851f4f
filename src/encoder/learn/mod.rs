//! Encoders and encoder-decoders that learn: the backward pass through every family, for LoRA, for every
//! weight, or for the head alone; and classifiers with an adapter of PEFT laid over them.
//!
//! Everything is in f32 on our own kernels. Texts lie one after the other, without padding between
//! them: padding has no gradient in transformers either.

mod adapted;
mod attention;
mod block;
mod body;
mod build;
mod cross;
mod dropouts;
mod head;
mod layers;
mod learns;
mod mask;
mod pair;
mod saved;
mod weights;

use std::path::{Path, PathBuf};

use serde_json::Value;

use self::adapted::Adapted;
pub(crate) use self::adapted::Stored;
use self::body::{Batch, Body};
use self::build::Builder;
use self::dropouts::Dropouts;
use self::head::{Head, Rows};
use self::layers::{Lin, Pass};
pub use self::learns::Learns;
pub use self::mask::Masks;
pub use self::pair::PairLearner;
pub(crate) use self::saved::labels_json;
pub use self::saved::write_safetensors;
use self::weights::Id;
pub use self::weights::{Grads, Weights};
use super::error::Error;
use super::family::{FAMILIES, describe};
use super::labels::Labels;
use super::model::{Encoded, TokenizerSettings, is_encoder, read_config};
use super::network::{Tokens, check_ids};
use super::promise::{Promise, promise};
use super::store::Store;
use crate::jobs;
use crate::llm;
use crate::llm::Tokenizer;
use crate::llm::card::ModelIdentity;
use crate::llm::config::config_keys::Keys;

/// What stands on top.
#[derive(Clone, Debug, PartialEq)]
pub enum Top {
    Labels(Labels),
    Words,
}

/// An encoder that learns.
pub struct Learner {
    folder: PathBuf,
    config: Value,
    weights: Weights,
    body: Body,
    head: Head,
    top: Top,
    adapted: Option<Adapted>,
    tokenizer: Tokenizer,
    has_kinds: bool,
    longest: Option<usize>,
    vocabulary: usize,

    /// Modules that the files lack, and that begin with random numbers.
    made: Vec<String>,
}

impl Learner {
    /// `folder`: an encoder's. `seed`: of what is drawn at random.
    pub fn load(folder: &Path, top: Top, learns: &Learns, seed: u64) -> Result<Self, Error> {
        let config = read_config(folder)?;
        let path = folder.join("config.json");
        let keys = Keys::new(&config, &path);
        if !is_encoder(&config) {
            let expected = format!("encoders that learn here are {}", FAMILIES.join(", "));
            return Err(keys.refuse("model_type", expected).into());
        }
        if let Some("nomic_bert" | "big_bird") = keys.text("model_type") {
            let expected =
                "it is read here and not trained yet; take another encoder to begin from";
            return Err(keys.refuse("model_type", expected).into());
        }
        let family = describe(&keys)?;
        let tokenizer = Tokenizer::from_folder(folder)?;
        let known = family.body.vocabulary;
        if tokenizer.vocab_size() > known + 64 {
            return Err(Error::Token { id: tokenizer.vocab_size() as u32 - 1, known });
        }
        let place = |source| Error::Weights { folder: folder.to_owned(), source };
        let store = Store::open(folder).map_err(place)?;
        let mut store = store.with_prefix(family.body.prefixes, &family.body.probe());
        if let Learns::Laid(adapter) = learns {
            store = store.with_adapter(adapter)?;
        }
        let prefix = family.body.prefixes.first().copied().unwrap_or_default();
        let mut builder = Builder::new(&store, &keys, prefix, seed);
        let mut body = builder.body(&family.body, &keys).map_err(place)?;
        let is_tied = keys.flag("tie_word_embeddings", true)?;
        let stored = match learns {
            Learns::Adapter(folder) => {
                let stored = Stored::read(folder)?;
                stored.check_learns()?;
                Some(stored)
            }
            _ => None,
        };
        let mut head = match &top {
            Top::Labels(labels) => {
                builder.sequence_head(&family, labels.names.len(), body.dropouts).map_err(place)?
            }
            Top::Words => {
                let found = builder.masked_head(&family, (body.words.0, is_tied), body.dropouts);
                found.map_err(place)?.ok_or_else(|| Error::NoHead {
                    folder: folder.to_owned(),
                    wanted: "guesses masked words",
                    found:
                        "a head of random numbers would have to be trained from nothing; take a \
                            model whose files have it (ForMaskedLM)"
                            .to_owned(),
                })?
            }
        };
        let layers = linears(&mut body, &mut head);
        let is_classifier = matches!(top, Top::Labels(_));
        let model_type = keys.text("model_type").unwrap_or_default();
        let adapted = match (learns, stored) {
            (_, Some(stored)) => {
                builder.made.retain(|module| !stored.brings(module));
                let mut adapted = adapted::lay(&mut builder.weights, layers, prefix, stored)?;
                // What is made now would else stay random, and be lost when the adapter is saved.
                adapted.saved.extend(builder.made.iter().cloned());
                Some(adapted)
            }
            (Learns::Lora(spec), _) => {
                Some(adapted::begin(&mut builder, layers, spec, (model_type, is_classifier))?)
            }
            _ => None,
        };
        let Builder { weights, made, .. } = builder;
        let settings = TokenizerSettings::of(folder);
        let longest = [family.body.longest, settings.longest].into_iter().flatten().min();
        let has_kinds = settings.tells_kinds(family.has_kinds, family.body.kinds);
        let mut learner = Self {
            folder: folder.to_owned(),
            weights,
            body,
            head,
            top,
            adapted,
            tokenizer,
            has_kinds,
            longest,
            vocabulary: known,
            made,
            config: config.clone(),
        };
        learner.choose(learns);
        Ok(learner)
    }

    /// Says of each tensor whether it learns.
    fn choose(&mut self, learns: &Learns) {
        let ids: Vec<Id> = match learns {
            Learns::Nothing | Learns::Laid(_) => Vec::new(),
            Learns::Everything => self.weights.ids().collect(),
            Learns::Head => {
                let linears = self.head.linears_mut();
                let mut ids: Vec<Id> =
                    linears.iter().flat_map(|lin| [Some(lin.weight), lin.bias]).flatten().collect();
                let norm = self.head.dense.as_ref().and_then(|dense| dense.norm);
                ids.extend(
                    norm.into_iter().flat_map(|norm| [Some(norm.weight), norm.bias]).flatten(),
                );
                if self.top == Top::Words {
                    // The vectors of words, which the head shares, are the body's.
                    ids.retain(|id| *id != self.body.words.0);
                }
                ids
            }
            Learns::Lora(_) | Learns::Adapter(_) => {
                let Some(adapted) = &self.adapted else { return };
                adapted.ids().chain(adapted.whole(&self.weights)).collect()
            }
        };
        for id in ids {
            self.weights.train(id);
        }
    }

    pub fn made(&self) -> &[String] {
        &self.made
    }

    pub fn top(&self) -> &Top {
        &self.top
    }

    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The most tokens of a text that are read.
    pub fn longest(&self) -> Option<usize> {
        self.longest
    }

    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Scores of a text or of a token.
    pub fn outputs(&self) -> usize {
        self.head.out.outputs
    }

    /// Nothing is dropped from now on.
    pub fn without_dropout(&mut self) {
        self.body.dropouts = Dropouts::default();
        self.head.dropouts = Dropouts::default();
    }

    /// The ids of a text or a pair, cut to what is read.
    pub fn encode(&self, text: &str, second: Option<&str>, most: usize) -> Result<Encoded, Error> {
        let most = self.longest.map_or(most, |longest| longest.min(most));
        let (ids, kinds, is_cut) = self.tokenizer.encode_pair(text, second, Some(most))?;
        self.check(&ids)?;
        Ok(Encoded { ids, kinds: self.has_kinds.then_some(kinds), is_cut })
    }

    /// Fails where the network cannot read these ids.
    pub fn check(&self, ids: &[u32]) -> Result<(), Error> {
        if let Some(longest) = self.longest
            && ids.len() > longest
        {
            return Err(Error::TooLong { tokens: ids.len(), longest });
        }
        check_ids(ids, self.vocabulary)
    }

    fn pass(&self, masks: Option<Masks>) -> Pass<'_> {
        let lora_dropout = self.adapted.as_ref().map_or(0.0, |adapted| adapted.dropout);
        Pass { weights: &self.weights, masks, lora_dropout }
    }

    /// Scores without dropout: (texts, labels), or of the tokens at `positions` (places in the texts one
    /// after the other) (tokens, vocabulary).
    pub fn scores(&self, texts: &[Tokens<'_>], positions: &[usize]) -> Vec<f32> {
        jobs::in_pool(|| {
            let batch = self.body.batch(texts);
            let pass = self.pass(None);
            let only_first = self.head.reads_first();
            let (hidden, _) = self.body.forward(pass, &batch, (only_first, false));
            let rows = self.rows(&batch, positions);
            self.head.forward(pass, &hidden, rows).0.to_vec()
        })
    }

    fn rows<'a>(&self, batch: &'a Batch, positions: &'a [usize]) -> Rows<'a> {
        match self.top {
            Top::Labels(_) if self.head.reads_first() => Rows::All,
            Top::Labels(_) => Rows::Texts(&batch.spans),
            Top::Words => Rows::Some(positions),
        }
    }

    /// Forwards, and back from the slopes that `slopes` gives for the scores; adds to the gradients.
    pub fn learn(
        &self,
        texts: &[Tokens<'_>],
        positions: &[usize],
        masks: Option<Masks>,
        slopes: &mut (dyn FnMut(&[f32]) -> Vec<f32> + Send),
        grads: &mut Grads,
    ) {
        jobs::in_pool(|| {
            let batch = self.body.batch(texts);
            let pass = self.pass(masks);
            let wants_body = self.body.learns(grads);
            let only_first = self.head.reads_first();
            let (hidden, tape) = self.body.forward(pass, &batch, (only_first, wants_body));
            let rows = self.rows(&batch, positions);
            let (scores, head_tape) = self.head.forward(pass, &hidden, rows);
            let slopes = slopes(&scores);
            drop(scores);
            let count = hidden.len();
            drop(hidden);
            let grad =
                self.head.backward(pass, (head_tape, &slopes), (rows, count), grads, wants_body);
            if let (Some(tape), Some(grad)) = (tape, grad) {
                self.body.backward(pass, &batch, (tape, grad, false), grads);
            }
        });
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    pub fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    pub fn no_grads(&self) -> Grads {
        Grads::none(&self.weights)
    }

    /// Places of the tensors that learn, in the order of their names.
    pub fn trained(&self) -> Vec<usize> {
        self.weights.trained()
    }

    /// transformers' (or PEFT's) name of a tensor.
    pub fn name(&self, id: usize) -> &str {
        self.weights.name(id)
    }

    pub fn shape(&self, id: usize) -> &[usize] {
        self.weights.shape(id)
    }

    pub fn values(&self, id: usize) -> &[f32] {
        self.weights.values(id)
    }

    pub fn values_mut(&mut self, id: usize) -> &mut [f32] {
        self.weights.own_mut(id)
    }

    pub fn gradient<'a>(&self, grads: &'a Grads, id: usize) -> Option<&'a [f32]> {
        grads.get(id)
    }

    /// Takes the values of what learns from a folder that [`Self::save`] has written.
    pub fn restore(&mut self, folder: &Path) -> Result<(), llm::Error> {
        let is_adapter = self.is_adapter();
        adapted::restore(&mut self.weights, is_adapter, folder)
    }

    /// Bytes of all tensors, and of those that learn.
    pub fn bytes(&self) -> (u64, u64) {
        self.weights.bytes()
    }

    /// Bytes that a token takes in the backward pass.
    pub fn bytes_a_token(&self) -> u64 {
        let floats: usize = self.body.blocks.iter().map(block::Block::floats_a_token).sum();
        (floats * size_of::<f32>()) as u64
    }

    /// Whether it is saved as an adapter.
    pub fn is_adapter(&self) -> bool {
        self.adapted.is_some()
    }

    /// Writes it as transformers saves it, or the adapter as PEFT does. `base`: the model that it began
    /// with.
    pub fn save(&self, to: &Path, base: &ModelIdentity) -> Result<(), llm::Error> {
        let labels = match &self.top {
            Top::Labels(labels) => Some(labels),
            Top::Words => None,
        };
        if let Some(adapted) = &self.adapted {
            if let Some(labels) = labels {
                saved::write_json(&to.join(saved::LABELS), &saved::labels_json(labels))?;
            }
            let task = labels.map(|_| "SEQ_CLS");
            adapted.save(&self.weights, (to, task), (base, &self.folder))?;
            return saved::copy_tokenizer(&self.folder, to);
        }
        let mut named: Vec<(String, Id)> =
            self.weights.ids().map(|id| (self.weights.get(id).name.clone(), id)).collect();
        named.sort();
        saved::write_json(&to.join("config.json"), &saved::config(&self.config, labels))?;
        saved::copy_tokenizer(&self.folder, to)?;
        saved::write_tensors(&to.join("model.safetensors"), &self.weights, &named)
    }
}

fn linears<'a>(body: &'a mut Body, head: &'a mut Head) -> Vec<&'a mut Lin> {
    let blocks = body.blocks.iter_mut().flat_map(block::Block::linears_mut);
    let projection = body.projection.iter_mut();
    blocks.chain(projection).chain(head.linears_mut()).collect()
}

/// The labels of a classifier's folder, or of an adapter's with its base.
pub fn known_labels(folder: &Path, adapter: Option<&Path>) -> Result<Option<Labels>, Error> {
    let config = read_config(folder)?;
    let path = folder.join("config.json");
    let keys = Keys::new(&config, &path);
    let family = describe(&keys)?;
    let out = format!("{}.weight", family.sequence.out);
    if let Some(adapter) = adapter {
        let told = adapter.join(saved::LABELS);
        if let Ok(text) = std::fs::read(&told)
            && let Ok(json) = serde_json::from_slice::<Value>(&text)
        {
            let count = json["id2label"].as_object().map_or(0, serde_json::Map::len);
            return Ok(Some(Labels::read(&Keys::new(&json, &told), count)?));
        }
        let stored = Stored::read(adapter)?;
        if let Some(count) = stored.label_count(family.sequence.out) {
            let of_base = Labels::read(&keys, count).ok();
            let unnamed = Value::Object(serde_json::Map::new());
            return match of_base {
                Some(labels) => Ok(Some(labels)),
                None => Ok(Some(Labels::read(&Keys::new(&unnamed, &told), count)?)),
            };
        }
    }
    if let Promise::Other(_) = promise(&config) {
        return Ok(None);
    }
    let store = Store::open(folder)
        .map_err(|source| Error::Weights { folder: folder.to_owned(), source })?;
    match store.row_count(&out) {
        Some(count) => Ok(Some(Labels::read(&keys, count)?)),
        None => Ok(None),
    }
}
