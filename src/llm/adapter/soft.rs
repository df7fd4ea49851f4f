//! Soft prompts: virtual tokens before every text, which learn while the model stands still.
//!
//! Prompt tuning (Lester et al. 2021) learns their vectors in place of the embedding's. Prefix tuning (Li and
//! Liang 2021) learns what each layer remembers of them: their keys, which are not rotated, and their values.
//! Either way the text's own first token stands after them. Their files: see [`crate::llm::adapter_files`].

use candle_core::{Result, TensorId, Var};

use super::learned::{Learned, Part, Slot};
use crate::llm::config::Config;

/// What learns of the virtual tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoftKind {
    /// Their vectors: PEFT's `PROMPT_TUNING`.
    Prompt,

    /// Their keys and values in every layer: PEFT's `PREFIX_TUNING`.
    Prefix,
}

impl SoftKind {
    /// Numbers of a virtual token, all of which learn.
    pub(crate) fn numbers_a_token(self, config: &Config) -> usize {
        match self {
            Self::Prompt => config.width,
            Self::Prefix => config.layers.len() * 2 * config.kv_width(),
        }
    }
}

/// What a new soft prompt begins as: PEFT's `prompt_tuning_init`. A prefix is always random.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoftInit {
    /// Drawn from N(0, 1).
    Random,

    /// The vectors of tokens that are drawn from the vocabulary.
    SampleVocab,

    /// The vectors of this text's tokens, repeated or cut.
    Text(String),
}

/// A new soft prompt, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftSpec {
    pub kind: SoftKind,
    pub num_virtual_tokens: usize,
    pub init: SoftInit,
}

/// The name of its tensor, in PEFT's files and in ours.
pub(crate) const SOFT: &str = "prompt_embeddings";

/// The ids of virtual tokens begin here, beyond every vocabulary.
pub(crate) const VIRTUAL: u32 = 1 << 31;

/// A soft prompt of a model.
pub struct SoftPrompt {
    pub kind: SoftKind,

    /// (tokens, width), or (tokens, layers · 2 · width of a layer's keys): of each layer the key first.
    pub values: Var,
}

impl SoftPrompt {
    /// Virtual tokens.
    pub fn tokens(&self) -> usize {
        self.values.dims()[0]
    }

    pub(super) fn snapshot(&self) -> Result<Self> {
        let values = Var::from_tensor(&self.values.as_tensor().detach().copy()?)?;
        Ok(Self { kind: self.kind, values })
    }

    /// Which one it is, as long as it is in memory.
    pub(crate) fn id(&self) -> TensorId {
        self.values.as_tensor().id()
    }

    /// The ids of its tokens.
    pub(crate) fn ids(&self) -> Vec<u32> {
        (0..self.tokens() as u32).map(|index| VIRTUAL + index).collect()
    }

    pub(crate) fn learned(&self) -> Learned {
        Learned::new(SOFT.to_owned(), SOFT, Part::Weight, self.values.dims().to_vec())
    }

    /// All numbers, row by row.
    pub fn numbers(&self) -> Result<Vec<f32>> {
        Slot::Shared(self.values.clone()).read(<[f32]>::to_vec)
    }

    /// Writes the vector of a virtual token into `row`. Those of a prefix have none: zeros.
    pub(crate) fn embed(&self, id: u32, row: &mut [f32]) {
        row.fill(0.0);
        if self.kind == SoftKind::Prompt {
            let at = (id - VIRTUAL) as usize * row.len();
            let copied = Slot::Shared(self.values.clone())
                .read(|values| row.copy_from_slice(&values[at..at + row.len()]));
            copied.expect("a soft prompt's tensor is a contiguous f32 one on the CPU");
        }
    }

    /// What a layer's cache begins with: keys and values, (tokens, width of its keys) each. Empty for one
    /// that learns vectors.
    pub(crate) fn keys_values(&self, layers: usize) -> Result<KeysValues> {
        let tokens = self.tokens();
        match self.kind {
            SoftKind::Prompt => Ok(KeysValues { tokens, width: 0, layers, numbers: Vec::new() }),
            SoftKind::Prefix => {
                let numbers = self.numbers()?;
                let width = numbers.len() / (2 * layers * tokens).max(1);
                Ok(KeysValues { tokens, width, layers, numbers })
            }
        }
    }
}

/// The keys and values of a prefix in all layers, as they are stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeysValues {
    tokens: usize,

    /// Of one token's keys in one layer. 0: there are none.
    width: usize,
    layers: usize,
    numbers: Vec<f32>,
}

impl KeysValues {
    pub fn is_empty(&self) -> bool {
        self.width == 0
    }

    /// Where a token's keys (0) or values (1) of a layer are.
    fn place(&self, token: usize, layer: usize, part: usize) -> std::ops::Range<usize> {
        let at = ((token * self.layers + layer) * 2 + part) * self.width;
        at..at + self.width
    }

    /// The keys (0) or values (1) of a layer, (tokens, width).
    pub fn of_layer(&self, layer: usize, part: usize) -> Vec<f32> {
        let rows = (0..self.tokens).flat_map(|token| &self.numbers[self.place(token, layer, part)]);
        rows.copied().collect()
    }

    /// Puts those of a layer into the first rows of its keys (0) or values (1).
    pub fn put(&self, layer: usize, part: usize, rows: &mut [f32]) {
        for (token, row) in rows.chunks_exact_mut(self.width.max(1)).take(self.tokens).enumerate() {
            row.copy_from_slice(&self.numbers[self.place(token, layer, part)]);
        }
    }

    /// Adds the gradient by the first rows of a layer's keys (0) or values (1) to `sum`, which is as the
    /// numbers are, and leaves nothing of it there: it goes no further.
    pub fn take_gradient(&self, layer: usize, part: usize, rows: &mut [f32], sum: &mut [f32]) {
        for (token, row) in rows.chunks_exact_mut(self.width.max(1)).take(self.tokens).enumerate() {
            let sum = &mut sum[self.place(token, layer, part)];
            sum.iter_mut().zip(&*row).for_each(|(sum, value)| *sum += value);
            row.fill(0.0);
        }
    }
}

/// [`SoftKind::numbers_a_token`], or why such a soft prompt is not computed on a model.
pub(crate) fn numbers_a_token(
    kind: SoftKind,
    config: &Config,
) -> std::result::Result<usize, String> {
    let own_keys = |layer: &crate::llm::config::LayerConfig| {
        layer.keys_of.is_some() || layer.own_heads.is_some() || layer.values_are_keys
    };
    let refused = if config.recurrent.is_some() {
        Some("recurrent layers")
    } else if config.restarts_when_long {
        Some("a rope that depends on the length of the text (LongRoPE)")
    } else if config.per_layer_width.is_some() {
        Some("embeddings of each layer")
    } else if config.embedding_width.is_some() {
        Some("an embedding of another width than its layers")
    } else if kind == SoftKind::Prefix && config.latent.is_some() {
        Some("compressed keys and values (multi-head latent attention)")
    } else if kind == SoftKind::Prefix && config.layers.iter().any(own_keys) {
        Some("layers whose keys and values are of different shapes, or shared")
    } else {
        None
    };
    if let Some(part) = refused {
        let name = match kind {
            SoftKind::Prompt => "a soft prompt",
            SoftKind::Prefix => "a prefix",
        };
        return Err(format!(
            "{name} is not computed on {} models with {part}: use LoRA there",
            config.architecture
        ));
    }
    Ok(kind.numbers_a_token(config))
}

/// Whether a text has room after so many virtual tokens: one of two tokens, the shortest that can be trained
/// on.
pub(crate) fn leaves_room(virtual_tokens: usize, config: &Config) -> bool {
    virtual_tokens + 2 <= config.context_length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_lie_token_by_token_and_layer_by_layer() {
        // PEFT: view(tokens, layers · 2, heads, head_dim), the key of a layer before its value
        let numbers = (0..12).map(|number| number as f32).collect();
        let prefix = KeysValues { tokens: 2, width: 1, layers: 3, numbers };
        assert_eq!(prefix.of_layer(0, 0), [0.0, 6.0]);
        assert_eq!(prefix.of_layer(2, 1), [5.0, 11.0]);
        let mut rows = [9.0; 3];
        prefix.put(1, 0, &mut rows);
        assert_eq!(rows, [2.0, 8.0, 9.0], "rows after the virtual ones are the text's");
        let mut sum = vec![0.0; 12];
        prefix.take_gradient(1, 0, &mut rows, &mut sum);
        assert_eq!((sum[2], sum[8], rows), (2.0, 8.0, [0.0, 0.0, 9.0]));
    }
}
