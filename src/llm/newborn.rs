//! A model from nothing.
//!
//! A small decoder with weights as transformers draws them, and a tokenizer made from the text that it is
//! going to read. Written as a transformers folder, which is loaded like any other.

use std::cell::RefCell;
use std::f32::consts::TAU;
use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tuning_fork_kernels::{Bytes, GgmlType, QMatrix};

use super::config::{Config, families};
use super::error::Error;
use super::files::weights::{MatrixRequest, TensorSource, Weights};
use super::files::write_safetensors;
use super::files::write_safetensors::{Entry, write_floats};
use super::net::loader;
use super::text::born::{self, Born, TokenKind};
use crate::files;
use crate::jobs::Quiet;

/// The family of a model that is born here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    #[default]
    Llama,
    Gpt2,
}

/// Every family by its name in a run file.
pub const ARCHITECTURES: [(&str, Architecture); 2] =
    [("llama", Architecture::Llama), ("gpt2", Architecture::Gpt2)];

/// The shape of a model that is born, under Llama's names in transformers for either family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Newborn {
    pub model_type: Architecture,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,

    /// Heads of keys and values. GPT-2 has as many as of queries.
    pub num_key_value_heads: usize,

    /// Of the feed-forward part. 0: 8/3 of the width, in steps of 16 (Llama), or 4 times (GPT-2).
    pub intermediate_size: usize,

    /// Tokens that it can read together.
    pub max_position_embeddings: usize,
    pub tie_word_embeddings: bool,
    pub tokenizer: TokenKind,

    /// Tokens of a BPE vocabulary.
    pub vocab_size: usize,
}

impl Default for Newborn {
    /// One that learns to spell words within two minutes on two cores.
    fn default() -> Self {
        Self {
            model_type: Architecture::Llama,
            hidden_size: 96,
            num_hidden_layers: 3,
            num_attention_heads: 4,
            num_key_value_heads: 4,
            intermediate_size: 0,
            max_position_embeddings: 64,
            tie_word_embeddings: true,
            tokenizer: TokenKind::Characters,
            vocab_size: 1024,
        }
    }
}

impl Newborn {
    pub fn mlp_width(&self) -> usize {
        match (self.intermediate_size, self.model_type) {
            (0, Architecture::Llama) => (8 * self.hidden_size / 3).next_multiple_of(16),
            (0, Architecture::Gpt2) => 4 * self.hidden_size,
            (width, _) => width,
        }
    }

    /// What cannot be, by key.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut count = |field, value: usize, low: usize, high: usize| {
            if !(low..=high).contains(&value) {
                let message = format!("must be between {low} and {high}, and it is {value}");
                found.push((field, message));
            }
        };
        count("newborn.hidden_size", self.hidden_size, 4, 8192);
        count("newborn.num_hidden_layers", self.num_hidden_layers, 1, 128);
        count("newborn.num_attention_heads", self.num_attention_heads, 1, 256);
        count("newborn.max_position_embeddings", self.max_position_embeddings, 4, 65_536);
        if self.tokenizer == TokenKind::Bpe {
            count("newborn.vocab_size", self.vocab_size, 260, 200_000);
        }
        let heads = self.num_attention_heads.max(1);
        let head_dim = self.hidden_size / heads;
        if !self.hidden_size.is_multiple_of(heads) || !head_dim.is_multiple_of(2) {
            let message = format!(
                "must be a multiple of twice num_attention_heads ({heads}), and it is {}",
                self.hidden_size
            );
            found.push(("newborn.hidden_size", message));
        }
        let kv_heads = self.num_key_value_heads;
        if self.model_type == Architecture::Llama
            && (kv_heads == 0 || !heads.is_multiple_of(kv_heads))
        {
            let message = format!(
                "must divide num_attention_heads ({heads}), and it is {kv_heads}: each of them serves as \
                 many heads of queries"
            );
            found.push(("newborn.num_key_value_heads", message));
        }
        found
    }

    /// `config.json`, as transformers writes it for these classes.
    pub fn config_json(&self, vocab_size: usize, end_of_text: u32) -> Value {
        let common = [
            ("torch_dtype", json!("float32")),
            ("dtype", json!("float32")),
            ("initializer_range", json!(INITIALIZER_RANGE)),
            ("vocab_size", json!(vocab_size)),
            ("tie_word_embeddings", json!(self.tie_word_embeddings)),
            ("bos_token_id", json!(end_of_text)),
            ("eos_token_id", json!(end_of_text)),
            ("pad_token_id", Value::Null),
            ("use_cache", json!(true)),
        ];
        let own = match self.model_type {
            Architecture::Llama => vec![
                ("architectures", json!(["LlamaForCausalLM"])),
                ("model_type", json!("llama")),
                ("hidden_size", json!(self.hidden_size)),
                ("intermediate_size", json!(self.mlp_width())),
                ("num_hidden_layers", json!(self.num_hidden_layers)),
                ("num_attention_heads", json!(self.num_attention_heads)),
                ("num_key_value_heads", json!(self.num_key_value_heads)),
                ("head_dim", json!(self.hidden_size / self.num_attention_heads.max(1))),
                ("max_position_embeddings", json!(self.max_position_embeddings)),
                ("hidden_act", json!("silu")),
                ("rms_norm_eps", json!(1e-6)),
                ("rope_theta", json!(10_000.0)),
                ("attention_bias", json!(false)),
                ("mlp_bias", json!(false)),
            ],
            Architecture::Gpt2 => vec![
                ("architectures", json!(["GPT2LMHeadModel"])),
                ("model_type", json!("gpt2")),
                ("n_embd", json!(self.hidden_size)),
                ("n_inner", json!(self.mlp_width())),
                ("n_layer", json!(self.num_hidden_layers)),
                ("n_head", json!(self.num_attention_heads)),
                ("n_positions", json!(self.max_position_embeddings)),
                ("activation_function", json!("gelu_new")),
                ("layer_norm_epsilon", json!(1e-5)),
                ("attn_pdrop", json!(0.0)),
                ("embd_pdrop", json!(0.0)),
                ("resid_pdrop", json!(0.0)),
            ],
        };
        let keys = own.into_iter().chain(common);
        Value::Object(keys.map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The decoder that this is, with a vocabulary of this size.
    pub fn config(&self, vocab_size: usize) -> Result<Config, Error> {
        families::from_json(&self.config_json(vocab_size, 0), Path::new("config.json"))
    }
}

/// transformers' `initializer_range`.
const INITIALIZER_RANGE: f64 = 0.02;

/// Makes the tokenizer from `text` and writes the folder. The same seed gives the same bytes.
pub fn create(newborn: &Newborn, text: &str, seed: u64, folder: &Path) -> Result<(), Error> {
    let sizes = (newborn.vocab_size, newborn.max_position_embeddings);
    let born = born::tokenizer(newborn.tokenizer, text, sizes)
        .map_err(|problem| Error::not_a_model(folder, problem))?;
    let Born { tokenizer_json, tokenizer_config, vocab_size, end_of_text } = born;
    let json = newborn.config_json(vocab_size, end_of_text);
    let weights = folder.join("model.safetensors");
    write_weights(newborn, &families::from_json(&json, folder)?, seed, &weights)?;
    let generation = json!({ "bos_token_id": end_of_text, "eos_token_id": end_of_text });
    let pretty = |value: &Value| {
        let text = serde_json::to_string_pretty(value);
        format!("{}\n", text.expect("plain values can be written as JSON"))
    };
    for (name, text) in [
        ("generation_config.json", pretty(&generation)),
        ("tokenizer_config.json", tokenizer_config),
        ("tokenizer.json", tokenizer_json),
        ("config.json", pretty(&json)), // last: a folder without it is no model
    ] {
        let path = folder.join(name);
        files::write_atomic(&path, text.as_bytes())
            .map_err(|source| Error::Write { path: path.clone(), source })?;
    }
    Ok(())
}

/// Weights as transformers' `_init_weights` draws them: matrices from a normal distribution, in GPT-2 those
/// that lead back into the stream narrower the more layers there are; norms are 1, biases 0.
fn write_weights(newborn: &Newborn, config: &Config, seed: u64, path: &Path) -> Result<(), Error> {
    let tensors = tensors(config)?;
    let entries: Vec<Entry> = tensors
        .iter()
        .map(|(name, shape)| Entry { name: name.clone(), dtype: Dtype::F32, shape: shape.clone() })
        .collect();
    let narrower = INITIALIZER_RANGE / (2.0 * newborn.num_hidden_layers as f64).sqrt();
    let metadata = Map::from_iter([("format".to_owned(), json!("pt"))]);
    write_safetensors::write(path, metadata, &entries, &mut |index, file| {
        let (name, shape) = &tensors[index];
        let count: usize = shape.iter().product();
        let values = if name.rsplit_once('.').is_some_and(|(_, part)| part == "bias") {
            vec![0.0; count]
        } else if shape.len() == 1 {
            vec![1.0; count]
        } else {
            let is_narrower = name.ends_with("c_proj.weight");
            let deviation = if is_narrower { narrower } else { INITIALIZER_RANGE };
            normal(seed, name, count, deviation as f32)
        };
        write_floats(&values, file)
    })
    .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Of a generator of its own for each tensor: another order of the tensors gives the same values.
fn normal(seed: u64, name: &str, count: usize, deviation: f32) -> Vec<f32> {
    let mut hash = Sha256::new_with_prefix(seed.to_le_bytes());
    hash.update(name.as_bytes());
    let mut rng = ChaCha20Rng::from_seed(hash.finalize().into());
    // 24 bits, [0, 1)
    let mut unit = || (rng.next_u32() >> 8) as f32 / (1 << 24) as f32;
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        // Box and Muller
        let (radius, angle) = ((-2.0 * (1.0 - unit()).ln()).sqrt(), TAU * unit());
        values.extend([angle.cos(), angle.sin()].map(|value| deviation * radius * value));
    }
    values.truncate(count);
    values
}

/// Every tensor of a decoder with its shape in a file, in the order in which a load asks for them.
fn tensors(config: &Config) -> Result<Vec<(String, Vec<usize>)>, Error> {
    let asked = Asked::default();
    loader::load(config, &asked, Weights::AsStored, &Quiet)?;
    Ok(asked.0.into_inner())
}

/// Writes down what it is asked for.
#[derive(Default)]
struct Asked(RefCell<Vec<(String, Vec<usize>)>>);

impl TensorSource for Asked {
    fn matrix(&self, request: &MatrixRequest<'_>) -> Result<QMatrix, Error> {
        let MatrixRequest { name, outputs, inputs, transposed, .. } = *request;
        let shape = if transposed { vec![inputs, outputs] } else { vec![outputs, inputs] };
        self.0.borrow_mut().push((name.to_owned(), shape));
        let nothing = QMatrix::new(GgmlType::F32, 0, inputs, Bytes::from(vec![]));
        Ok(nothing.expect("no bytes are no rows"))
    }

    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        self.0.borrow_mut().push((name.to_owned(), shape.to_vec()));
        Ok(Vec::new())
    }

    fn has(&self, _name: &str) -> bool {
        false
    }

    fn lacks(&self, _name: &str) -> bool {
        false
    }

    fn interleaves_heads(&self) -> bool {
        false
    }

    /// A tied pair is stored once.
    fn same(&self, _one: &str, _other: &str) -> [bool; 3] {
        [true, false, false]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::card::ModelSource;
    use crate::llm::model::{LoadOptions, Model};

    #[test]
    fn a_newborn_has_a_head_of_its_own_where_it_is_to() {
        let heads = [true, false].map(|tie_word_embeddings| {
            let newborn = Newborn { tie_word_embeddings, hidden_size: 16, ..Newborn::default() };
            let folder = tempfile::tempdir().unwrap();
            create(&newborn, "a cat and a hat", 7, folder.path()).unwrap();
            let bytes = std::fs::read(folder.path().join("model.safetensors")).unwrap();
            bytes.windows(14).any(|part| part == b"lm_head.weight")
        });
        assert_eq!(heads, [false, true]);
    }

    #[test]
    fn a_newborn_is_loaded_and_is_the_same_of_the_same_seed() {
        for model_type in [Architecture::Llama, Architecture::Gpt2] {
            let newborn = Newborn { model_type, hidden_size: 16, ..Newborn::default() };
            assert_eq!(newborn.problems(), []);
            let folder = tempfile::tempdir().unwrap();
            let weights = |seed: u64| {
                create(&newborn, "a cat and a hat", seed, folder.path()).unwrap();
                std::fs::read(folder.path().join("model.safetensors")).unwrap()
            };
            let first = weights(7);
            assert_ne!(first, weights(8));
            assert_eq!(first, weights(7));
            let source = ModelSource::at(folder.path());
            let model = Model::load(&source, &LoadOptions::default(), &Quiet).unwrap();
            let ids = model.tokenizer().encode("a hat", false).unwrap();
            assert_eq!(ids.len(), 5);
            assert_eq!(model.tokenizer().decode(&ids, false), "a hat");
            assert!(model.check_ownable().is_ok());
        }
    }

    #[test]
    fn matrices_are_as_wide_as_transformers_draws_them() {
        let values = normal(1, "model.layers.0.mlp.up_proj.weight", 40_000, 0.02);
        let mean = values.iter().sum::<f32>() / 40_000.0;
        let deviation = (values.iter().map(|x| x * x).sum::<f32>() / 40_000.0).sqrt();
        assert!(mean.abs() < 5e-4 && (deviation - 0.02).abs() < 3e-4, "{mean} {deviation}");
    }
}
