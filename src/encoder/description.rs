//! One description of an encoder, whatever family it is of. The network reads this and knows no
//! family; a new family is a function in `families.rs` or a neighbour.

use super::sines::Sines;
use super::stack::Order;
use super::store::{NormKind, Store};
use crate::llm::config::Activation;

/// An encoder's body: what it computes, and what its tensors are called.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub vocabulary: usize,
    pub width: usize,

    /// Of the vectors of words, before they are brought to `width`.
    pub embedding_width: usize,
    pub heads: usize,
    pub head_dim: usize,
    pub inner: usize,
    pub eps: f64,
    pub norm: NormKind,
    pub activation: Activation,
    pub order: Order,

    /// Scores are divided by the square root of the head's size; T5's are not.
    pub scale: f64,

    /// What may stand before the names of the body.
    pub prefixes: &'static [&'static str],
    pub words: &'static str,
    pub word_scale: Option<f32>,
    pub positions: Option<Learned>,

    /// The positions are computed, and not in the file.
    pub sines: Option<Sines>,
    pub kinds: Option<(&'static str, usize)>,
    pub embedding_norm: Option<&'static str>,
    pub projection: Option<Projection>,

    /// Padding enters the first layer as zeros.
    pub hides_padding: bool,

    /// Where each layer's tensors are; layers that share tensors have the same path.
    pub paths: Vec<String>,
    pub layer: LayerNames,

    /// A decoder: what is before a token is all that it sees, and it attends to what an encoder has
    /// read.
    pub cross: Option<CrossNames>,
    pub has_attention_bias: bool,
    pub has_feed_bias: bool,

    /// For each layer how far it sees, and the base of its rotary embedding. Empty: everything, none.
    pub windows: Vec<Option<usize>>,
    pub turns: Vec<f64>,
    pub distances: Option<DistanceNames>,
    pub places: Option<PlaceNames>,
    pub final_norm: Option<&'static str>,

    /// The most tokens that a text may have; `None`: any number.
    pub longest: Option<usize>,
}

impl Description {
    /// A tensor that every file of this body has, whatever else it lacks.
    pub fn probe(&self) -> String {
        let path = self.paths.first().map(String::as_str).unwrap_or_default();
        format!("{path}.{}.weight", self.layer.fused.unwrap_or(self.layer.query))
    }
}

/// Learned positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learned {
    pub name: &'static str,
    pub rows: usize,
    pub first: FirstPosition,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstPosition {
    /// Counted from this number on.
    From(usize),

    /// Only tokens that are not padding are counted, from the padding's id plus 1 on; padding has its
    /// own id as its position (`RoBERTa`).
    After(u32),
}

/// How vectors of words are brought to the width of the layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Projection {
    pub name: &'static str,
    pub has_bias: bool,

    /// Before the norm of the embedding, which then has the layers' width.
    pub is_before_norm: bool,
}

/// Names within a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerNames {
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,

    /// All three as one.
    pub fused: Option<&'static str>,
    pub out: &'static str,
    pub attention_norm: &'static str,

    /// The first layer has no norm before attention.
    pub first_has_no_norm: bool,
    pub feed: &'static str,
    pub feed_gate: FeedGate,
    pub feed_out: &'static str,
    pub feed_norm: &'static str,
}

/// Attention to what an encoder has read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrossNames {
    pub query: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub out: &'static str,
    pub norm: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedGate {
    None,
    Own(&'static str),

    /// In the same tensor, behind what is activated.
    Fused,
}

/// Learned distances that are added to scores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DistanceNames {
    pub name: &'static str,

    /// Rows of the table, and how many of them are used.
    pub rows: usize,
    pub buckets: usize,
    pub farthest: usize,
}

/// DeBERTa's learned distances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceNames {
    pub name: &'static str,
    pub norm: Option<&'static str>,
    pub span: usize,
    pub buckets: usize,
    pub most: usize,
    pub is_for_queries: bool,
    pub is_for_keys: bool,

    /// Within a layer: the matrices of distances as keys and as queries. `None`: those of contents.
    pub own: Option<[&'static str; 2]>,
}

/// A head that guesses masked words, as a family may have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaskedNames {
    pub dense: &'static str,
    pub has_dense_bias: bool,
    pub norm: &'static str,

    /// The matrix to the vocabulary; where the file lacks it, the vectors of words.
    pub decoder: &'static str,

    /// The first that the file has: that of the matrix, which is used, before its twin.
    pub biases: &'static [&'static str],

    /// Whether the head is the words' own: a configuration that does not tie changes nothing.
    pub is_always_tied: bool,
    pub activation: Activation,
    pub eps: f64,
}

impl MaskedNames {
    /// Whether the file has more of it than what it shares with a head for labels (`ModernBERT`).
    pub fn is_whole(&self, labels: SequenceNames, store: &Store) -> bool {
        let is_shared = labels.dense.is_some_and(|dense| dense.name == self.dense);
        !is_shared || store.has(self.decoder) || self.biases.iter().any(|name| store.has(name))
    }
}

/// A head that says which label a text has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SequenceNames {
    pub reads: Reads,
    pub dense: Option<DenseNames>,
    pub out: &'static str,
    pub has_out_bias: bool,
}

/// What a head reads of the last hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    First,

    /// The mean of all tokens that may be seen.
    Mean,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct DenseNames {
    pub name: &'static str,

    /// Whether it counts as part of the body: its name has the body's prefix.
    pub is_of_body: bool,
    pub has_bias: bool,
    pub activation: Activation,
    pub norm: Option<&'static str>,
}

/// All that a family says.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub body: Description,

    /// The first whose tensors are there.
    pub masked: Vec<MaskedNames>,
    pub sequence: SequenceNames,

    /// Whether texts have a first and a second part that the network tells apart.
    pub has_kinds: bool,
}
