//! An encoder-decoder that learns to answer texts (T5, BART): LoRA in both halves and between them, or every
//! weight.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tuning_fork_kernels::gemm::Result as Written;

use super::adapted::{self, Adapted, Stored};
use super::block::Block;
use super::body::{Batch, Body};
use super::build::Builder;
use super::cross::Memory;
use super::dropouts::Dropouts;
use super::layers::{Lin, Pass, copy};
use super::learns::Learns;
use super::mask::Masks;
use super::saved;
use super::weights::{Grads, Id, Weights};
use crate::encoder::error::Error;
use crate::encoder::families_pairs::{Pair, describe, find_words};
use crate::encoder::model::read_config;
use crate::encoder::network::{Tokens, check_ids};
use crate::encoder::store::Store;
use crate::jobs;
use crate::llm;
use crate::llm::Tokenizer;
use crate::llm::card::ModelIdentity;
use crate::llm::config::config_keys::Keys;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows;

/// Where dropout counts the decoder's layers from.
const DECODER_SITES: usize = 1 << 16;

/// Where the network has no bound of its own.
const NO_BOUND: usize = usize::MAX;

/// The head that writes.
const HEAD: &str = "lm_head";

pub struct PairLearner {
    folder: PathBuf,
    config: Value,
    weights: Weights,
    encoder: Body,
    decoder: Body,
    head: Lin,
    head_scale: Option<f32>,
    adapted: Option<Adapted>,
    tokenizer: Tokenizer,
    longest: Option<usize>,
    longest_answer: Option<usize>,
    vocabulary: usize,

    /// What every answer begins with.
    start: u32,
}

impl PairLearner {
    /// `folder`: an encoder-decoder's. `seed`: of what is drawn at random.
    pub fn load(folder: &Path, learns: &Learns, seed: u64) -> Result<Self, Error> {
        let config = read_config(folder)?;
        let path = folder.join("config.json");
        let keys = Keys::new(&config, &path);
        if !["t5", "mt5", "bart"].contains(&keys.text("model_type").unwrap_or_default()) {
            let expected = "encoder-decoders that learn here are t5, mt5 and bart; others are read and \
                            not trained yet";
            return Err(keys.refuse("model_type", expected).into());
        }
        let Pair { mut encoder, mut decoder, head_scale, head_bias, start } = describe(&keys)?;
        let Some(start) = start else {
            let expected = "it says with which token every answer begins";
            return Err(keys.refuse("decoder_start_token_id", expected).into());
        };
        let tokenizer = Tokenizer::from_folder(folder)?;
        let place = |source| Error::Weights { folder: folder.to_owned(), source };
        let store = Store::open(folder).map_err(place)?;
        let mut store = store.with_prefix(encoder.prefixes, &encoder.probe());
        if let Learns::Laid(adapter) = learns {
            store = store.with_adapter(adapter)?;
        }
        find_words(&mut encoder, &store);
        find_words(&mut decoder, &store);
        let (longest, longest_answer) = (encoder.longest, decoder.longest);
        let (vocabulary, width) = (decoder.vocabulary, decoder.width);
        let prefix = encoder.prefixes.first().copied().unwrap_or_default();
        let mut builder = Builder::new(&store, &keys, prefix, seed);
        let mut encoder = builder.body(&encoder, &keys).map_err(place)?;
        builder.first_site = DECODER_SITES;
        let mut decoder = builder.body(&decoder, &keys).map_err(place)?;
        let may_be_tied = keys.flag("tie_word_embeddings", true)?;
        let head =
            head(&mut builder, [vocabulary, width], (decoder.words.0, may_be_tied), head_bias)
                .map_err(place)?;
        let layers = encoder.blocks.iter_mut().chain(&mut decoder.blocks);
        let layers: Vec<&mut Lin> = layers.flat_map(Block::linears_mut).collect();
        let model_type = keys.text("model_type").unwrap_or_default();
        let adapted = match learns {
            Learns::Adapter(folder) => {
                let stored = Stored::read(folder)?;
                stored.check_learns()?;
                Some(adapted::lay(&mut builder.weights, layers, prefix, stored)?)
            }
            Learns::Lora(spec) => {
                Some(adapted::begin(&mut builder, layers, spec, (model_type, false))?)
            }
            Learns::Everything | Learns::Head | Learns::Nothing | Learns::Laid(_) => None,
        };
        let Builder { mut weights, .. } = builder;
        let learned: Vec<Id> = match (&adapted, learns) {
            (Some(adapted), _) => adapted.ids().chain(adapted.whole(&weights)).collect(),
            // What is added to the scores is no parameter in transformers.
            (None, Learns::Everything) => {
                weights.ids().filter(|id| Some(*id) != head.bias).collect()
            }
            (None, Learns::Head) => vec![head.weight],
            (None, _) => Vec::new(),
        };
        for id in learned {
            weights.train(id);
        }
        Ok(Self {
            folder: folder.to_owned(),
            config: config.clone(),
            weights,
            encoder,
            decoder,
            head,
            head_scale,
            adapted,
            tokenizer,
            longest,
            longest_answer,
            vocabulary,
            start,
        })
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

    /// The ids of a text to be read, with the token that ends it; and whether it was cut.
    pub fn encode(&self, text: &str, most: usize) -> Result<(Vec<u32>, bool), Error> {
        self.ids(text, most.min(self.longest.unwrap_or(NO_BOUND)))
    }

    /// The same of an answer.
    pub fn encode_answer(&self, text: &str, most: usize) -> Result<(Vec<u32>, bool), Error> {
        self.ids(text, most.min(self.longest_answer.unwrap_or(NO_BOUND)))
    }

    fn ids(&self, text: &str, most: usize) -> Result<(Vec<u32>, bool), Error> {
        let (ids, _, is_cut) = self.tokenizer.encode_pair(text, None, Some(most))?;
        self.check(&ids)?;
        Ok((ids, is_cut))
    }

    /// Fails where the network cannot read these ids.
    pub fn check(&self, ids: &[u32]) -> Result<(), Error> {
        check_ids(ids, self.vocabulary)
    }

    /// Nothing is dropped from now on.
    pub fn without_dropout(&mut self) {
        self.encoder.dropouts = Dropouts::default();
        self.decoder.dropouts = Dropouts::default();
    }

    fn pass(&self, masks: Option<Masks>) -> Pass<'_> {
        let lora_dropout = self.adapted.as_ref().map_or(0.0, |adapted| adapted.dropout);
        Pass { weights: &self.weights, masks, lora_dropout }
    }

    /// What the decoder reads: each answer behind the start, without its last token.
    fn written(&self, answers: &[&[u32]], memory: Memory) -> Batch {
        let shifted: Vec<Vec<u32>> = answers
            .iter()
            .map(|answer| {
                let before = answer.split_last().map_or(&[][..], |(_, before)| before);
                std::iter::once(self.start).chain(before.iter().copied()).collect()
            })
            .collect();
        let texts: Vec<Tokens<'_>> = shifted.iter().map(|ids| Tokens::plain(ids)).collect();
        let mut batch = self.decoder.batch(&texts);
        batch.memory = Some(memory);
        batch
    }

    /// Scores of every token of the answers, without dropout: (tokens, vocabulary).
    pub fn scores(&self, texts: &[Tokens<'_>], answers: &[&[u32]]) -> Vec<f32> {
        jobs::in_pool(|| {
            let pass = self.pass(None);
            let read = self.encoder.batch(texts);
            let (states, _) = self.encoder.forward(pass, &read, (false, false));
            let written = self.written(answers, Memory { states, spans: read.spans });
            let (mut hidden, _) = self.decoder.forward(pass, &written, (false, false));
            rows::scale(&mut hidden, self.head_scale);
            self.head.forward(pass, &hidden).to_vec()
        })
    }

    /// Forwards, and back from the slopes that `slopes` gives for the scores; adds to the gradients.
    pub fn learn(
        &self,
        (texts, answers): (&[Tokens<'_>], &[&[u32]]),
        masks: Option<Masks>,
        slopes: &mut (dyn FnMut(&[f32]) -> Vec<f32> + Send),
        grads: &mut Grads,
    ) {
        jobs::in_pool(|| {
            let pass = self.pass(masks);
            let reads = self.encoder.learns(grads);
            let read = self.encoder.batch(texts);
            let (states, read_tape) = self.encoder.forward(pass, &read, (false, reads));
            let memory = Memory { states, spans: read.spans.clone() };
            let written = self.written(answers, memory);
            let is_deep = reads || self.decoder.learns(grads);
            let (mut hidden, tape) = self.decoder.forward(pass, &written, (false, is_deep));
            rows::scale(&mut hidden, self.head_scale);
            let scores = self.head.forward(pass, &hidden);
            let slopes = slopes(&scores);
            drop(scores);
            let mut grad = Buffer::any(hidden.len());
            let to = is_deep.then_some((&mut *grad, Written::Replace));
            self.head.backward(pass, &hidden, &slopes, (grads, to));
            drop(hidden);
            let Some(tape) = tape else { return };
            rows::scale(&mut grad, self.head_scale);
            let by_memory = self.decoder.backward(pass, &written, (tape, grad, reads), grads);
            if let Some(tape) = read_tape {
                self.encoder.backward(pass, &read, (tape, copy(&by_memory), false), grads);
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

    /// Bytes of all tensors, and of those that learn.
    pub fn bytes(&self) -> (u64, u64) {
        self.weights.bytes()
    }

    /// Bytes that a token, read and written, takes in the backward pass.
    pub fn bytes_a_token(&self) -> u64 {
        let halves = self.encoder.blocks.iter().chain(&self.decoder.blocks);
        let floats: usize = halves.map(Block::floats_a_token).sum();
        ((floats + self.vocabulary) * size_of::<f32>()) as u64
    }

    /// Whether it is saved as an adapter.
    pub fn is_adapter(&self) -> bool {
        self.adapted.is_some()
    }

    /// Writes it as transformers saves it, or the adapter as PEFT does.
    pub fn save(&self, to: &Path, base: &ModelIdentity) -> Result<(), llm::Error> {
        if let Some(adapted) = &self.adapted {
            let task = Some("SEQ_2_SEQ_LM");
            adapted.save(&self.weights, (to, task), (base, &self.folder))?;
            return saved::copy_tokenizer(&self.folder, to);
        }
        let mut named: Vec<(String, Id)> =
            self.weights.ids().map(|id| (self.weights.name(id).to_owned(), id)).collect();
        named.sort();
        let mut config = self.config.clone();
        for key in ["dtype", "torch_dtype"] {
            if config.get(key).is_some() {
                config[key] = json!("float32");
            }
        }
        saved::copy_tokenizer(&self.folder, to)?;
        saved::copy(&self.folder, to, "generation_config.json")?;
        saved::write_tensors(&to.join("model.safetensors"), &self.weights, &named)?;
        saved::write_json(&to.join("config.json"), &config)
    }

    /// Takes the values of what learns from a folder that [`Self::save`] has written.
    pub fn restore(&mut self, folder: &Path) -> Result<(), llm::Error> {
        let is_adapter = self.is_adapter();
        adapted::restore(&mut self.weights, is_adapter, folder)
    }
}

/// The head over the vocabulary: of its own, or the vectors of words.
fn head(
    builder: &mut Builder<'_>,
    [outputs, inputs]: [usize; 2],
    (words, may_be_tied): (Id, bool),
    bias: Option<&'static str>,
) -> Result<Lin, llm::Error> {
    let name = format!("{HEAD}.weight");
    let weight = if builder.store.has(&name) {
        let own = builder.matrix((&name, &name), [outputs, inputs])?;
        // transformers ties by what it finds: a pair of one value is one.
        let is_tied = may_be_tied && builder.weights.values(own) == builder.weights.values(words);
        if is_tied { builder.weights.forget_last(own, words) } else { own }
    } else {
        words
    };
    let bias = bias.filter(|name| builder.store.has(name));
    let bias = bias.map(|name| {
        let values = builder.store.values(name, outputs)?;
        Ok::<_, llm::Error>(builder.weights.add(name, vec![1, outputs], values))
    });
    let bias = bias.transpose()?;
    Ok(Lin { module: HEAD.to_owned(), weight, bias, inputs, outputs, lora: None })
}
