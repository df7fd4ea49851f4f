//! The decoder's parts. How they are read from a file of weights: `loader.rs`; how they are run: `infer.rs` (fast, no graph) and `differentiable.rs` (with
//! gradients).

use std::sync::Arc;

use tuning_fork_kernels::QMatrix;

use super::altup::{AltUp, Streams};
use super::attention::AttentionShape;
use super::experts::Experts;
use super::feed::Feed;
use super::latent::Latent;
use super::linear::{Linear, Norm};
use super::per_layer::{PerLayer, PerLayerTables};
use super::recurrent::{Beside, Recurrent};
use super::rows::Stripes;
use crate::llm::adapter::spec::LinearInfo;

/// All weights of a decoder.
pub(crate) struct Transformer {
    /// (vocabulary, width)
    pub embedding: QMatrix,

    /// (positions, width), where they are learned.
    pub positions: Option<QMatrix>,
    pub embedding_norm: Option<Norm>,

    /// From the embedding's vectors to the width, and back before the head, where they differ.
    pub projections: Option<[QMatrix; 2]>,
    pub per_layer: Option<PerLayerTables>,

    /// Several hidden states go through the layers (Gemma 3n).
    pub streams: Option<Streams>,

    /// Shared with the graph of a batch that computes layers again.
    pub layers: Vec<Arc<Layer>>,
    pub final_norm: Option<Norm>,

    /// (vocabulary, width); the embedding itself where it is tied.
    pub head: QMatrix,
    pub head_bias: Option<Vec<f32>>,
}

#[derive(Clone)]
pub(crate) struct Layer {
    pub attention_norm: Option<Norm>,
    pub qkv: Qkv,
    pub q_norm: Option<Norm>,
    pub k_norm: Option<Norm>,
    pub v_norm: Option<Norm>,

    /// The layer whose keys and values it sees, where it has none.
    pub keys_of: Option<usize>,

    /// Queries and keys go through their norms after they are rotated.
    pub norms_turned: bool,

    /// Gives each head one number that gates what it gives (LFM3).
    pub head_gate: Option<Linear>,

    /// What reads the same as attention and is added to what it gives (Falcon-H1).
    pub beside: Option<Box<Beside>>,

    /// Of each query head, a score that leads to no value (gpt-oss); empty where there are none.
    pub sinks: Vec<f32>,
    pub output: Linear,
    pub post_attention_norm: Option<Norm>,
    pub mlp_norm: Option<Norm>,
    pub feed: Feed,
    pub post_mlp_norm: Option<Norm>,
    pub attention: AttentionShape,
    pub rope: Option<usize>,
    pub adds: Adds,

    /// What attention and the MLP give is multiplied by this before it is added.
    pub residual_scale: Option<f32>,

    /// Queries, keys and values are kept within this.
    pub clip_qkv: Option<f32>,
    pub per_layer: Option<PerLayer>,
    pub altup: Option<Box<AltUp>>,

    /// What the layer gives is multiplied by this at last.
    pub scalar: Option<f32>,
}

/// How a layer adds what attention and the MLP give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adds {
    /// Attention first; the MLP reads the sum.
    InTurn,

    /// The same, and each sum goes through the norm that follows.
    InTurnNormed,

    /// As [`Self::InTurn`], but to what the norm before gave.
    ToNormed,

    /// Both read the layer's input.
    Together,
}

impl Layer {
    /// The norm through which attention or the MLP reads what the layer adds to.
    pub fn read_through<'a>(&self, norm: Option<&'a Norm>) -> Option<&'a Norm> {
        norm.filter(|_| self.adds != Adds::ToNormed)
    }

    /// Key heads and their length in the cache; no keys where the layer has none of its own.
    pub fn cached_heads(&self) -> (usize, usize) {
        let none = self.keys_of.is_some() || self.is_recurrent();
        (if none { 0 } else { self.attention.kv_heads }, self.attention.head_dim)
    }

    pub fn is_recurrent(&self) -> bool {
        matches!(self.qkv, Qkv::Recurrent(_))
    }

    /// In the order in which they run.
    pub fn linears(&self) -> Vec<&Linear> {
        let mut linears = match &self.qkv {
            Qkv::Separate { q, k, v } | Qkv::Gated { q, k, v, .. } => vec![q, k, v],
            Qkv::Fused { all, .. } => vec![all],
            Qkv::Latent(latent) => latent.linears(),
            Qkv::Queries(q) => vec![q],
            Qkv::KeysAsValues { q, k } => vec![q, k],
            Qkv::Recurrent(recurrent) => recurrent.linears(),
        };
        linears.extend(&self.head_gate);
        linears.push(&self.output);
        if let Some(beside) = &self.beside {
            linears.extend(beside.recurrent.linears());
            linears.push(&beside.output);
        }
        linears.extend(self.feed.linears());
        if let Some(PerLayer { gate, projection, .. }) = &self.per_layer {
            linears.extend([gate, projection]);
        }
        if let Some(altup) = &self.altup {
            linears.extend(altup.linears());
        }
        linears
    }

    /// As [`Self::linears`].
    pub fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let mut linears = match &mut self.qkv {
            Qkv::Separate { q, k, v } | Qkv::Gated { q, k, v, .. } => vec![q, k, v],
            Qkv::Fused { all, .. } => vec![all],
            Qkv::Latent(latent) => latent.linears_mut(),
            Qkv::Queries(q) => vec![q],
            Qkv::KeysAsValues { q, k } => vec![q, k],
            Qkv::Recurrent(recurrent) => recurrent.linears_mut(),
        };
        linears.extend(&mut self.head_gate);
        linears.push(&mut self.output);
        if let Some(beside) = &mut self.beside {
            linears.extend(beside.recurrent.linears_mut());
            linears.push(&mut beside.output);
        }
        linears.extend(self.feed.linears_mut());
        if let Some(PerLayer { gate, projection, .. }) = &mut self.per_layer {
            linears.extend([gate, projection]);
        }
        if let Some(altup) = &mut self.altup {
            linears.extend(altup.linears_mut());
        }
        linears
    }
}

/// Queries, keys and values.
#[derive(Clone)]
pub(crate) enum Qkv {
    Separate {
        q: Linear,
        k: Linear,
        v: Linear,
    },

    /// `parts`: where each of the three is.
    Fused {
        all: Linear,
        parts: [Stripes; 3],
    },
    Latent(Box<Latent>),

    /// The keys and values are another layer's.
    Queries(Linear),

    /// Values are keys before their norm.
    KeysAsValues {
        q: Linear,
        k: Linear,
    },

    /// The first gives queries and a gate for what attention gives, head by head.
    Gated {
        q: Linear,
        k: Linear,
        v: Linear,
        parts: [Stripes; 2],
    },

    /// There are none: a state goes from token to token.
    Recurrent(Box<Recurrent>),
}

/// What a load reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadEvent {
    /// The file is being read for its SHA-256: `done` of `total` bytes.
    Hashing { done: u64, total: u64 },

    /// `done` of `total` layers are there.
    Tensors { done: usize, total: usize },
}

impl Transformer {
    /// Every linear layer but the head, in the order in which they run.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.layers.iter().flat_map(|layer| layer.linears())
    }

    /// The mixture of experts of a layer.
    pub fn mixture(&self, layer: usize) -> Option<&Experts> {
        self.layers.get(layer)?.feed.experts()
    }

    /// Whether most layers keep packed integers.
    pub fn is_packed(&self) -> bool {
        let is_packed =
            |layer: &&Arc<Layer>| !layer.output.weight.kind().is_dense() && layer.feed.is_packed();
        let packed = self.layers.iter().filter(is_packed).count();
        2 * packed > self.layers.len()
    }

    pub fn linear_infos(&self) -> Vec<LinearInfo> {
        let infos = self.linears().map(|linear| LinearInfo {
            name: linear.name.clone(),
            outputs: linear.weight.rows(),
            inputs: linear.weight.cols(),
        });
        infos.collect()
    }
}
