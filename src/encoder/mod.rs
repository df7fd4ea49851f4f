//! Encoders: a text becomes a vector, a guess at masked words, or a label.
//!
//! Families are described in `families.rs`; `network.rs` computes any of them with the kernels of
//! `llm`, `heads.rs` what stands on top. [`EncoderModel`] is a folder in memory; [`Encoder`] makes
//! vectors as sentence-transformers does, `masked.rs` guesses, [`Classifier`] gives labels (of a
//! decoder with a score head too). `attend.rs` and `stack.rs` serve `seq2seq` as well.

mod after;
pub(crate) mod attend;
mod classifier;
pub(crate) mod description;
pub(crate) mod distance;
mod error;
mod families;
mod families_newer;
pub(crate) mod families_pairs;
mod family;
pub(crate) mod gguf;
mod heads;
mod identity;
mod judge;
mod labels;
pub mod learn;
mod masked;
mod messages;
pub(crate) mod model;
mod module_file;
pub(crate) mod network;
mod nomic;
mod pooling;
mod promise;
mod sentence;
mod sentences;
mod sines;
pub(crate) mod stack;
pub(crate) mod store;
mod word_table;

use std::path::Path;

use serde_json::Value;

pub use self::classifier::{
    Classified, Classifier, ScoreHead, Verdict, adapted_scores, decoder_labels,
};
pub use self::error::Error;
pub use self::family::FAMILIES;
pub use self::identity::EncoderIdentity;
pub use self::labels::{Labels, Problem};
pub use self::masked::{Filled, Guess, Guesses, Masked, Scored, fill, pseudo_log_likelihood};
pub use self::model::{Encoded, EncoderModel, Scores, is_encoder, is_encoder_model};
pub use self::network::Tokens;
pub use self::pooling::{Pooling, Poolings};
use self::promise::Promise;
pub use self::sentences::{Embedded, Embedding, Encoder, EncoderCard, cosine};
use crate::llm;
use crate::llm::card::{ModelFacts, ModelSource, Purpose};
use crate::llm::config::config_keys::Keys;
use crate::llm::files::gguf::GgufFile;
use crate::llm::files::gguf_stored::unsupported_types;

/// What a person has to know who expects an answer of it.
pub const ABOUT: &str = "It is an encoder: it turns a text into a vector and does not write, so it \
                         is not loaded into the Playground. Look inside draws maps of texts with it, and Evaluate \
                         finds passages; the command \"tuning-fork embed\" computes its vectors";

/// The same of models with other heads, and of encoder-decoders. `None`: it writes.
pub fn about(purpose: Purpose) -> Option<&'static str> {
    match purpose {
        Purpose::Generate => None,
        Purpose::Encode => Some(ABOUT),
        Purpose::FillMask => Some(
            "It is a masked language model: it guesses words that are hidden in a text, and does \
             not write on, so it is not loaded into the Playground. Look inside has it fill masks; the \
             commands \"tuning-fork fill\" and \"tuning-fork embed\" compute with it",
        ),
        Purpose::SequenceToSequence => Some(
            "It is an encoder-decoder: it reads one text and writes another. Once it is loaded, the \
             Playground shows both sides, its beams and its cross-attention",
        ),
        Purpose::Classify | Purpose::Score => Some(
            "It gives texts labels and does not write, so it is not loaded into the Playground. The \
             command \"tuning-fork classify\" computes with it",
        ),
    }
}

/// Why a model of this purpose is not loaded into the Playground. `None`: it is.
pub fn obstacle(purpose: Purpose) -> Option<&'static str> {
    about(purpose).filter(|_| purpose != Purpose::SequenceToSequence)
}

/// What a folder is for, by its `config.json` alone. `None`: it is neither an encoder nor an
/// encoder-decoder that is computed here.
pub fn purpose(config: &Value) -> Option<Purpose> {
    if families_pairs::is_pair(config) {
        return Some(Purpose::SequenceToSequence);
    }
    is_encoder(config).then(|| match promise::promise(config) {
        Promise::Nothing | Promise::Other(_) => Purpose::Encode,
        Promise::MaskedHead => Purpose::FillMask,
        Promise::SequenceHead => Purpose::Classify,
    })
}

/// The same of a folder, or of a GGUF file by its header.
pub fn folder_purpose(path: &Path) -> Option<Purpose> {
    purpose(&model::config_at(path).ok()?)
}

/// What an encoder-decoder's halves are, where the names of a decoder's configuration say nothing.
fn of_pair(pair: &families_pairs::Pair, keys: &Keys<'_>, facts: &mut ModelFacts) {
    let families_pairs::Pair { encoder, decoder, .. } = pair;
    // T5 has no last position; this is what it was trained with.
    let trained = keys.size_up_to("n_positions", 512, 1 << 24).unwrap_or(512);
    facts.context_length = encoder.longest.unwrap_or(trained);
    facts.vocab_size = decoder.vocabulary;
    facts.layer_count = encoder.paths.len() + decoder.paths.len();
    // Keys and values in f32: of the answer's own tokens, and of those that were read.
    let width = decoder.heads * decoder.head_dim;
    facts.cache_bytes_per_token = (2 * 2 * 4 * decoder.paths.len() * width) as u64;
}

/// Whether a folder's files say how it makes vectors of texts: a decoder without a head or with sentence-transformers'
/// pooling, or vectors of words alone.
pub fn makes_vectors(path: &Path) -> bool {
    sentence::is_table(path)
        || inspect(&ModelSource::at(path)).is_ok_and(|facts| facts.makes_vectors)
}

/// What the headers of a model say, and of an encoder or an encoder-decoder what it is.
pub fn inspect(source: &ModelSource) -> Result<ModelFacts, llm::Error> {
    let mut facts = llm::inspect(source)?;
    let folder = source.path();
    if let ModelSource::Gguf(path) = source {
        let file = GgufFile::open(path)?;
        if !gguf::is_known(&file) {
            return Ok(facts);
        }
        let types = unsupported_types(&file);
        if !types.is_empty() {
            let (path, types) = (path.clone(), types.join(", "));
            facts.unsupported = Some(llm::Error::TensorTypes { path, types }.unsupported());
            return Ok(facts);
        }
        match gguf::config(&file) {
            Ok(config) => facts.vocab_size = config["vocab_size"].as_u64().unwrap_or(0) as usize,
            Err(err) => {
                facts.unsupported = Some(err.unsupported());
                return Ok(facts);
            }
        }
    }
    let Ok(config) = model::config_at(folder) else { return Ok(facts) };
    let Some(purpose) = purpose(&config) else { return Ok(facts) };
    facts.purpose = purpose;
    facts.unsupported = None;
    let path = model::config_path(folder);
    let keys = Keys::new(&config, &path);
    if purpose == Purpose::SequenceToSequence {
        match families_pairs::describe(&keys) {
            Err(err) => facts.unsupported = Some(err.unsupported()),
            Ok(pair) => of_pair(&pair, &keys, &mut facts),
        }
        return Ok(facts);
    }
    if families_pairs::is_half(&config) {
        if let Err(err) = families_pairs::as_encoder(&keys) {
            facts.unsupported = Some(err.unsupported());
        }
        return Ok(facts);
    }
    match family::describe(&keys) {
        Err(err) => facts.unsupported = Some(err.unsupported()),
        Ok(family) => {
            if let Some(most) = families::only_up_to(&keys)? {
                facts.warnings.push(format!(
                    "its attention is sparse (attention_type is block_sparse), which is not computed: texts \
                     are cut after {most} tokens, up to which transformers has full attention too"
                ));
            }
            let names = store::Store::open(folder)?;
            let has = |name: &str| names.has(&format!("{name}.weight"));
            let is_there = match purpose {
                Purpose::FillMask => family.masked.iter().any(|names| has(names.dense)),
                Purpose::Classify => has(family.sequence.out),
                _ => true,
            };
            if !is_there {
                // Never a head of random numbers: vectors are what there is.
                facts.purpose = Purpose::Encode;
                facts.warnings.push(
                    "its config.json promises a head that its weights do not have".to_owned(),
                );
            }
        }
    }
    Ok(facts)
}
