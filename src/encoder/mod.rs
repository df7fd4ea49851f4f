//! Sentence encoders of the BERT family: a text becomes a vector.
//!
//! Texts that mean alike become vectors that point alike. The network itself is candle-transformers'; what surrounds it (which
//! tokens, how their vectors become one) is here, as sentence-transformers does it.

mod config;
mod error;
mod pooling;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::BertModel;

use self::config::EncoderConfig;
pub use self::config::{FAMILIES, is_encoder, is_encoder_folder};
pub use self::error::Error;
pub use self::pooling::Pooling;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::Tokenizer;
use crate::llm::card::{ModelFacts, ModelSource, Purpose};

/// What a person has to know who expects an answer of it.
pub const ABOUT: &str = "It is an encoder: it turns a text into a vector and does not write, so it \
                         is not loaded into the Playground. The command \"tuning-fork embed\" \
                         computes its vectors";

/// An encoder in memory.
pub struct Encoder {
    model: BertModel,
    tokenizer: Tokenizer,
    config: EncoderConfig,
}

/// What an encoder is, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderCard {
    /// Values of a vector.
    pub width: usize,

    /// Tokens of a text that are read; what follows is left out.
    pub most_tokens: usize,
    pub pooling: Pooling,

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
        let config = EncoderConfig::read(folder)?;
        let tokenizer = Tokenizer::from_folder(folder)?;
        let weights = weights(folder)?;
        let place = |source| Error::Weights { folder: folder.to_owned(), source };
        let names = VarBuilder::from_tensors(weights, DType::F32, &Device::Cpu);
        let model = BertModel::load(names, &config.bert).map_err(place)?;
        Ok(Self { model, tokenizer, config })
    }

    pub fn card(&self) -> EncoderCard {
        let EncoderConfig { bert, pooling, is_normalized, most_tokens, .. } = &self.config;
        EncoderCard {
            width: bert.hidden_size,
            most_tokens: *most_tokens,
            pooling: *pooling,
            is_normalized: *is_normalized,
        }
    }

    /// What sentence-transformers puts before a text of this encoder where no prompt is named.
    pub fn default_prompt(&self) -> Option<&str> {
        self.config.default_prompt.as_deref()
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
        // As sentence-transformers counts it: the prompt by itself, but for the token that ends it.
        let is_mean = self.config.pooling == Pooling::Mean;
        let skipped = if prompt.is_empty() || self.config.includes_prompt || !is_mean {
            0
        } else {
            self.tokenizer.encode(prompt, true)?.len().saturating_sub(1)
        };
        let mut found = Vec::with_capacity(texts.len());
        for (done, text) in texts.iter().enumerate() {
            progress.check()?;
            progress.emit(Embedded { done, total: texts.len() });
            found.push(self.embed_one(&format!("{prompt}{text}"), skipped)?);
        }
        progress.emit(Embedded { done: texts.len(), total: texts.len() });
        Ok(found)
    }

    /// The first `skipped` tokens have no part in the vector.
    fn embed_one(&self, text: &str, skipped: usize) -> Result<Embedding, Error> {
        let mut ids = self.tokenizer.encode(text, true)?;
        let is_cut = ids.len() > self.config.most_tokens;
        if is_cut && let Some(end) = ids.last().copied() {
            // The token that ends a text ends what is left of it too.
            ids.truncate(self.config.most_tokens - 1);
            ids.push(end);
        }
        if ids.is_empty() {
            return Err(Error::NoTokens);
        }
        let known = self.config.bert.vocab_size;
        if let Some(id) = ids.iter().copied().find(|id| *id as usize >= known) {
            return Err(Error::Token { id, known });
        }
        let input = Tensor::new(ids.as_slice(), &Device::Cpu)?.unsqueeze(0)?;
        let kinds = input.zeros_like()?;
        let hidden = self.model.forward(&input, &kinds, None)?.squeeze(0)?; // (time, width)
        let hidden = hidden.to_vec2::<f32>()?;
        let taken = &hidden[skipped.min(hidden.len() - 1)..];
        let mut values = self.config.pooling.pool(taken);
        if self.config.is_normalized {
            pooling::normalize(&mut values);
        }
        Ok(Embedding { values, token_count: ids.len(), is_cut })
    }
}

/// What the headers of a model say, and of an encoder what it is.
pub fn inspect(source: &ModelSource) -> Result<ModelFacts, llm::Error> {
    let mut facts = llm::inspect(source)?;
    if is_encoder_folder(source.path()) {
        facts.purpose = Purpose::Encode;
        facts.unsupported = None;
    }
    Ok(facts)
}

/// How alike two vectors point: 1 the same way, 0 at a right angle, -1 the other way.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}

/// Every tensor of the folder's safetensors: one file, or shards.
fn weights(folder: &Path) -> Result<HashMap<String, Tensor>, Error> {
    let read_error = |source| Error::Read { path: folder.to_owned(), source };
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(read_error)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == "model.safetensors"
                || (name.starts_with("model-0") && name.ends_with(".safetensors"))
        })
        .collect();
    files.sort();
    if files.is_empty() {
        let problem = "it has no model.safetensors".to_owned();
        return Err(Error::NotAnEncoder { path: folder.to_owned(), problem });
    }
    let mut tensors = HashMap::new();
    for file in files {
        let read = candle_core::safetensors::load(&file, &Device::Cpu);
        tensors.extend(read.map_err(|source| Error::Weights { folder: file, source })?);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;

    /// From `tests/reference/make_encoders.py`: transformers' vectors of the same folders.
    #[test]
    fn vectors_are_those_of_transformers() {
        #[derive(serde::Deserialize)]
        struct Expected {
            text: String,
            tokens: usize,
            vector: Vec<f32>,
        }

        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/encoder");
        for (name, card) in [
            ("mean", (12, Pooling::Mean, true)),
            ("cls", (20, Pooling::Cls, false)),
            ("plain", (24, Pooling::Mean, false)),
        ] {
            let folder = root.join(name);
            let encoder = Encoder::load(&folder).unwrap();
            let EncoderCard { width, most_tokens, pooling, is_normalized } = encoder.card();
            assert_eq!((width, (most_tokens, pooling, is_normalized)), (16, card));
            let expected = std::fs::read(folder.join("vectors.json")).unwrap();
            let expected: Vec<Expected> = serde_json::from_slice(&expected).unwrap();
            let texts: Vec<String> = expected.iter().map(|row| row.text.clone()).collect();
            let found = encoder.embed(&texts, &Quiet).unwrap();
            for (row, found) in expected.iter().zip(&found) {
                assert_eq!(found.token_count, row.tokens, "{name}: {:?}", row.text);
                for (ours, theirs) in found.values.iter().zip(&row.vector) {
                    let text = &row.text;
                    assert!((ours - theirs).abs() <= 1e-5, "{name}: {text:?}: {ours} {theirs}");
                }
            }
            assert!(found.last().unwrap().is_cut && !found[0].is_cut);
        }
    }

    #[test]
    fn weights_of_other_sizes_are_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/encoder/plain");
        let folder = tempfile::tempdir().unwrap();
        for name in ["tokenizer.json", "model.safetensors"] {
            std::fs::copy(root.join(name), folder.path().join(name)).unwrap();
        }
        let config = std::fs::read_to_string(root.join("config.json")).unwrap();
        let wider = config.replace("\"hidden_size\": 16", "\"hidden_size\": 32");
        let path = folder.path().join("config.json");
        crate::files::write_atomic(&path, wider.as_bytes()).unwrap();
        let said = Encoder::load(folder.path()).err().expect("it is refused").to_string();
        assert!(said.contains("not those that its configuration asks for"), "{said}");
    }

    #[test]
    fn a_cosine_says_how_alike_two_vectors_point() {
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), -1.0);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
    }
}
