//! Vectors of texts, as sentence-transformers makes them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::after::After;
use super::error::Error;
use super::families_pairs::is_pair;
use super::model::{Encoded, EncoderModel, config_at, is_encoder};
use super::network::{Network, Tokens};
use super::pooling::{Pooling, Poolings};
use super::sentence::SentenceConfig;
use super::word_table::WordTable;
use crate::jobs::{Progress, Quiet};
use crate::llm;
use crate::llm::card::ModelSource;
use crate::llm::{LoadOptions, Model};

/// A model in memory that makes vectors.
pub struct Encoder {
    body: Body,
    config: SentenceConfig,
}

enum Body {
    Encoder(Box<EncoderModel>),

    /// A decoder's last hidden states, as some embedding models have them.
    Decoder(Arc<Model>),

    /// Vectors of words alone.
    Table(Box<WordTable>),
}

/// What an encoder is, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderCard {
    /// Values of a vector.
    pub width: usize,

    /// Tokens of a text that are read; what follows is left out. `None`: all.
    pub most_tokens: Option<usize>,
    pub pooling: Poolings,

    /// Whether vectors are made one unit long.
    pub is_normalized: bool,
}

/// A text as a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    pub values: Vec<f32>,

    /// With the ones that begin and end a text.
    pub token_count: usize,

    /// Whether the text was longer than what is read.
    pub is_cut: bool,
}

/// Texts done, of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded {
    pub done: usize,
    pub total: usize,
}

impl Encoder {
    /// Loads a folder as sentence-transformers keeps it: `config.json`, `tokenizer.json`,
    /// `model.safetensors`, and `modules.json` with `1_Pooling/config.json`. Without the last two
    /// the mean of the tokens is taken, as sentence-transformers does.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        Self::load_with(folder, None)
    }

    /// The same as an adapter of PEFT makes it, where there is one.
    pub fn load_with(folder: &Path, adapter: Option<&Path>) -> Result<Self, Error> {
        let config = SentenceConfig::read(folder)?;
        let folder = &config.network;
        let only_encoders = |what: &str| {
            let problem = format!("it is laid over encoders, and {} is {what}", folder.display());
            llm::Error::adapter(adapter.unwrap_or(folder), problem)
        };
        if config.is_table {
            if adapter.is_some() {
                return Err(only_encoders("a table of words' vectors").into());
            }
            let body = Body::Table(Box::new(WordTable::load(folder)?));
            let encoder = Self { body, config };
            encoder.vector_width()?;
            return Ok(encoder);
        }
        let told = config_at(folder)?;
        let is_other = !is_encoder(&told) && !is_pair(&told);
        let is_decoder = is_other && llm::config_from_json(&told, folder).is_ok();
        let body = if is_decoder {
            if adapter.is_some() {
                return Err(only_encoders("a decoder").into());
            }
            let source = ModelSource::Folder(folder.clone());
            let model = Model::load(&source, &LoadOptions::default(), &Quiet)?;
            Body::Decoder(Arc::new(model))
        } else {
            Body::Encoder(Box::new(EncoderModel::load_with(folder, adapter)?))
        };
        let encoder = Self { body, config };
        encoder.vector_width()?;
        Ok(encoder)
    }

    /// A decoder that is in memory already. `None`: it is a GGUF file, beside which nothing says how its
    /// vectors are made.
    pub fn of_decoder(model: Arc<Model>) -> Option<Result<Self, Error>> {
        let ModelSource::Folder(folder) = &model.card().source else { return None };
        let config = SentenceConfig::read(folder);
        Some(config.map(|config| Self { body: Body::Decoder(model), config }))
    }

    /// What the configuration promises and the file lacks, in a sentence.
    pub fn missing_head(&self) -> Option<String> {
        match &self.body {
            Body::Encoder(model) => model.missing_head(),
            Body::Decoder(_) | Body::Table(_) => None,
        }
    }

    /// The folder of the network: the one that was loaded, or one inside it.
    pub(super) fn network(&self) -> &Path {
        &self.config.network
    }

    /// Of a token's vector.
    fn width(&self) -> usize {
        match &self.body {
            Body::Encoder(model) => model.width(),
            Body::Decoder(model) => model.config().width,
            Body::Table(table) => table.width(),
        }
    }

    /// Of a text's vector. Fails where a module does not fit the one before it.
    fn vector_width(&self) -> Result<usize, Error> {
        let pooled = self.width() * self.config.pooling.count();
        self.config.after.iter().try_fold(pooled, |width, after| after.width(width))
    }

    /// The most tokens of a text that are read.
    fn most_tokens(&self) -> Option<usize> {
        let positions = match &self.body {
            Body::Encoder(model) => model.positions(),
            Body::Decoder(model) => Some(model.config().context_length),
            Body::Table(table) => table.most_tokens,
        };
        [self.config.most_tokens, positions].into_iter().flatten().min()
    }

    /// Another way from tokens to one vector than the folder's.
    #[must_use]
    pub fn pooled(mut self, pooling: Pooling) -> Self {
        self.config.pooling = Poolings::one(pooling);
        self
    }

    /// Whether vectors are made one unit long, whatever the folder says.
    #[must_use]
    pub fn normalized(mut self, is_normalized: bool) -> Self {
        let after = &mut self.config.after;
        let is_last = |step: &After| matches!(step, After::Normalize | After::First(_));
        let others = after.iter().rposition(|step| !is_last(step)).map_or(0, |at| at + 1);
        let mut last = after.split_off(others);
        last.retain(|step| !matches!(step, After::Normalize));
        after.append(&mut last);
        if is_normalized {
            after.push(After::Normalize);
        }
        self
    }

    pub fn card(&self) -> EncoderCard {
        let SentenceConfig { pooling, after, .. } = &self.config;
        EncoderCard {
            width: self.vector_width().unwrap_or_else(|_| self.width()),
            most_tokens: self.most_tokens(),
            pooling: pooling.clone(),
            is_normalized: matches!(after.last(), Some(After::Normalize)),
        }
    }

    /// What sentence-transformers puts before a text of this encoder where no prompt is named.
    pub fn default_prompt(&self) -> Option<&str> {
        self.config.default_prompt.as_deref()
    }

    /// The same before a question, and before a text that may answer it.
    pub fn question_prompt(&self) -> Option<&str> {
        self.config.question_prompt.as_deref()
    }

    pub fn text_prompt(&self) -> Option<&str> {
        self.config.text_prompt.as_deref()
    }

    /// The vectors of texts, in their order. Each is the same whatever stands beside it.
    pub fn embed(
        &self,
        texts: &[String],
        progress: &dyn Progress<Embedded>,
    ) -> Result<Vec<Embedding>, Error> {
        self.embed_after("", texts, progress)
    }

    /// As [`Self::embed`], with a prompt before each text.
    pub fn embed_after(
        &self,
        prompt: &str,
        texts: &[String],
        progress: &dyn Progress<Embedded>,
    ) -> Result<Vec<Embedding>, Error> {
        self.vector_width()?;
        // As sentence-transformers counts it: the prompt by itself, but for a special token that ends it.
        let leaves_out = !self.config.includes_prompt && self.config.messages.is_none();
        let skipped = if leaves_out && !prompt.is_empty() && !self.config.is_table {
            let ids = self.encode("", prompt)?.ids;
            let is_ended = match (&self.body, ids.last()) {
                (Body::Encoder(model), Some(last)) => model.tokenizer()?.is_special(*last),
                (Body::Decoder(model), Some(last)) => model.tokenizer().is_special(*last),
                _ => false,
            };
            ids.len() - usize::from(is_ended)
        } else {
            0
        };
        let mut found = Vec::with_capacity(texts.len());
        // Ids of a few thousand texts at a time: texts of one length are run together.
        for chunk in texts.chunks(CHUNK) {
            progress.check()?;
            let encoded = chunk.iter().map(|text| self.encode(prompt, text));
            let encoded = encoded.collect::<Result<Vec<Encoded>, Error>>()?;
            let lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
            let before = |done| {
                progress.check()?;
                progress.emit(Embedded { done: found.len() + done, total: texts.len() });
                Ok(())
            };
            let embedded = Network::in_batches(&lengths, before, |batch| {
                let read: Vec<Tokens<'_>> =
                    batch.iter().map(|place| encoded[*place].tokens()).collect();
                let width = self.width();
                let all = self.last_states(&read)?;
                let mut rest = all.as_slice();
                let embeddings = batch.iter().zip(&read).map(|(place, text)| {
                    let states;
                    (states, rest) = rest.split_at(text.ids.len() * width);
                    let pooled = self.config.pooling.pool(states, width, skipped);
                    let after = self.config.after.iter();
                    let values =
                        after.clone().try_fold(pooled, |values, after| after.run(values))?;
                    let Encoded { ids, is_cut, .. } = &encoded[*place];
                    Ok(Embedding { values, token_count: ids.len(), is_cut: *is_cut })
                });
                embeddings.collect::<Result<Vec<_>, Error>>()
            })?;
            found.extend(embedded);
        }
        progress.emit(Embedded { done: found.len(), total: found.len() });
        Ok(found)
    }

    fn encode(&self, prompt: &str, text: &str) -> Result<Encoded, Error> {
        if let (Some(messages), Body::Decoder(model)) = (self.config.messages, &self.body) {
            let said = [("system", prompt), ("user", text)];
            let said = if prompt.is_empty() { &said[1..] } else { &said[..] };
            let read = (&**model.tokenizer(), model.chat());
            let (ids, is_cut) = messages.encode(read, said, self.most_tokens())?;
            return if ids.is_empty() {
                Err(Error::NoTokens)
            } else {
                Ok(Encoded { ids, kinds: None, is_cut })
            };
        }
        let text = &format!("{prompt}{text}");
        let lower = self.config.lowers_case.then(|| text.to_lowercase());
        let text = lower.as_deref().unwrap_or(text);
        match &self.body {
            Body::Encoder(model) => model.encode_up_to(text, None, self.most_tokens()),
            Body::Table(table) => {
                let (ids, is_cut) = table.encode(text)?;
                Ok(Encoded { ids, kinds: None, is_cut })
            }
            Body::Decoder(model) => {
                let most = self.most_tokens();
                let (ids, _, is_cut) = model.tokenizer().encode_pair(text, None, most)?;
                if ids.is_empty() {
                    return Err(Error::NoTokens);
                }
                Ok(Encoded { ids, kinds: None, is_cut })
            }
        }
    }

    /// The last hidden states of several texts, one after the other: (tokens, width).
    fn last_states(&self, texts: &[Tokens<'_>]) -> Result<Vec<f32>, Error> {
        let model = match &self.body {
            Body::Encoder(model) => return Ok(model.run(texts)?.states.to_vec()),
            Body::Table(table) => {
                return Ok(texts.iter().flat_map(|text| table.rows(text.ids)).collect());
            }
            Body::Decoder(model) => model,
        };
        let last = model.config().layer_count();
        let mut all = Vec::new();
        for text in texts {
            model.watch(text.ids, &mut model.new_cache(), None, &mut |index, states| {
                if index == last {
                    all.extend_from_slice(states);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(all)
    }
}

/// Texts whose ids are in memory at a time.
const CHUNK: usize = 2048;

/// How alike two vectors point: 1 the same way, 0 at a right angle, -1 the other way.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}

#[cfg(test)]
#[path = "sentences_tests.rs"]
mod tests;
