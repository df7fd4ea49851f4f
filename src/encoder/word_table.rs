//! Vectors of words alone, without a network (sentence-transformers' `StaticEmbedding`, as model2vec makes them): a
//! text's vector is the mean of those of its tokens.

use std::path::Path;

use serde::Deserialize;
use tuning_fork_kernels::QMatrix;

use super::error::Error;
use super::module_file::setting;
use super::stack::looked_up;
use super::store::Store;
use crate::files;
use crate::llm::text::tokenizer::Tokenizer;

/// What sentence-transformers calls it.
pub(super) const KIND: &str = "StaticEmbedding";

pub(super) struct WordTable {
    tokenizer: Tokenizer,
    table: QMatrix,

    /// As the tokenizer's file cuts texts.
    pub most_tokens: Option<usize>,
}

/// What `tokenizer.json` says of texts that are too long.
#[derive(Deserialize)]
struct Cut {
    truncation: Option<Truncation>,
}

#[derive(Deserialize)]
struct Truncation {
    max_length: usize,
}

impl WordTable {
    pub fn load(folder: &Path) -> Result<Self, Error> {
        const NAMES: [&str; 2] = ["embedding.weight", "embeddings"];

        let place = |source| Error::Weights { folder: folder.to_owned(), source };
        let tokenizer = Tokenizer::from_folder(folder)?;
        let store = Store::open(folder).map_err(place)?;
        if store.has("mapping") {
            let path = folder.join("model.safetensors");
            let expected = "several tokens share a vector, which is not computed here; save the model with \
                            sentence-transformers, which gives each its own";
            return Err(setting(&path, "mapping", &serde_json::Value::Bool(true), expected));
        }
        let name = NAMES.into_iter().find(|name| store.has(name)).unwrap_or(NAMES[0]);
        let shape = store.shape(name).map_err(place)?;
        let &[rows, width] = shape.as_slice() else {
            return Err(Error::NotAnEncoder {
                path: folder.to_owned(),
                problem: format!(
                    "its {name} has the shape {shape:?}, and a vector for each token was expected"
                ),
            });
        };
        let mut table = store.matrix(name, rows, width).map_err(place)?;
        if store.has("weights") {
            // model2vec keeps how much each token counts beside its vector.
            let counts = store.values("weights", rows).map_err(place)?;
            let mut values = table.dequantize();
            for (row, count) in values.chunks_exact_mut(width).zip(counts) {
                row.iter_mut().for_each(|value| *value *= count);
            }
            table = QMatrix::of_floats(rows, width, values)
                .expect("a table has as many values as its shape says");
        }
        let path = folder.join("tokenizer.json");
        let bytes = std::fs::read(&path).unwrap_or_default();
        let cut: Cut = serde_json::from_slice(&bytes).map_err(|err| Error::NotAnEncoder {
            path: path.clone(),
            problem: files::mistake_in_json(&bytes, &err),
        })?;
        let most_tokens = cut.truncation.map(|truncation| truncation.max_length);
        Ok(Self { tokenizer, table, most_tokens })
    }

    pub fn width(&self) -> usize {
        self.table.cols()
    }

    /// The ids of a text, with nothing around them, and whether something was cut off. There may be none.
    pub fn encode(&self, text: &str) -> Result<(Vec<u32>, bool), Error> {
        let mut ids = self.tokenizer.encode(text, false)?;
        let known = self.table.rows();
        if let Some(id) = ids.iter().copied().find(|id| *id as usize >= known) {
            return Err(Error::Token { id, known });
        }
        let most = self.most_tokens.unwrap_or(usize::MAX);
        let is_cut = ids.len() > most;
        ids.truncate(most);
        Ok((ids, is_cut))
    }

    /// The vectors of tokens, one after the other.
    pub fn rows(&self, ids: &[u32]) -> Vec<f32> {
        looked_up(&self.table, ids, None).to_vec()
    }
}
