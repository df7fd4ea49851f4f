//! Why a view cannot be given.

use super::vectors;
use crate::data::table::ImportError;
use crate::encoder;
use crate::jobs::Cancelled;
use crate::llm;
use crate::llm::text::tokenizer::TokenizerError;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the text is empty: there is no token to look at")]
    NoTokens,

    #[error("nothing stands before the answer that could be left out")]
    NothingBefore,

    #[error(
        "the two models have different vocabularies, and token ids mean something in one of them \
         only: give the text, and they are compared by its words"
    )]
    OtherVocabulary,

    #[error(
        "the two models have different vocabularies, and what they expect next cannot be compared \
         token by token: compare two prompts with one of them, or both models on a text, by its \
         words"
    )]
    NoCommonTokens,

    #[error(
        "the {view} of {tokens} tokens takes {needed_mb} MB, and {free_mb} MB are free: choose a \
         shorter text, or end other programs"
    )]
    Memory { view: &'static str, tokens: usize, needed_mb: u64, free_mb: u64 },

    #[error(
        "the second model takes {needed_mb} MB beside the one that is loaded, and {free_mb} MB are \
         free: choose a smaller one or a smaller type of weights, or end other programs"
    )]
    SecondModel { needed_mb: u64, free_mb: u64 },

    #[error("no layer of this model has attention to show: they all carry a state instead")]
    NoAttention,

    #[error(
        "the model's scores after token {position}, counted from 0, are not numbers: its weights \
         are damaged"
    )]
    NotNumbers { position: usize },

    #[error("there is no token {id}: the tokenizer has {count}, counted from 0")]
    NoSuchToken { id: u32, count: usize },

    #[error("there is no position {position}: the text has {count} tokens, counted from 0")]
    NoSuchPosition { position: usize, count: usize },

    #[error("the tree has {most} nodes, and more are not drawn: delete branches first")]
    TreeFull { most: usize },

    #[error("the tree has no node {node} any more")]
    NoSuchNode { node: usize },

    #[error(
        "there are no hidden states {layer}: 0 is the embedding, and the last are {count}, after \
         the last layer"
    )]
    NoSuchState { layer: usize, count: usize },

    #[error("there is no layer {layer}: the decoder has {count}, counted from 0")]
    NoSuchLayer { layer: usize, count: usize },

    #[error("no word of the text is hidden: hide at least one")]
    NothingHidden,

    #[error("{count} spans are hidden, and T5 has sentinels for {most}: hide fewer")]
    TooManySpans { count: usize, most: usize },

    #[error(
        "this model's tokenizer has no sentinels (<extra_id_0>, <extra_id_1>, …): hidden spans are how \
         T5, mT5 and FLAN-T5 were trained, and this model was trained otherwise"
    )]
    NoSentinels,

    #[error("the text is too long: only {read} tokens of it would be read. Make it shorter")]
    TextTooLong { read: usize },

    #[error(transparent)]
    Table(ImportError),

    #[error(transparent)]
    Vectors(vectors::error::Error),

    #[error(transparent)]
    Encoder(#[from] encoder::Error),

    #[error(transparent)]
    Model(#[from] llm::Error),

    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),

    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl Error {
    /// Stop was pressed: no failure.
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Cancelled(_) | Self::Model(llm::Error::Cancelled(_)))
            || matches!(self, Self::Encoder(error) if error.is_stop())
    }
}

impl From<vectors::error::Error> for Error {
    fn from(error: vectors::error::Error) -> Self {
        match error {
            vectors::error::Error::Cancelled(stop) => Self::Cancelled(stop),
            other => Self::Vectors(other),
        }
    }
}
