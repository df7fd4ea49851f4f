//! The seam at which a decoder computes. Our own transformer stands behind it, which runs on the processor and
//! learns; another engine, such as a GPU's or another program, can take its place behind the same panels.
//!
//! A call is a whole pass over tokens, never a part of one: that it may be any engine costs nothing. Which
//! tokens a model takes, whether a text fits and soft prompts are the model's; what an adapter changes and what
//! learns are parts of our own transformer alone.

use std::ops::{ControlFlow, Range};

use super::buffers::Buffer;
use super::cache::KvCache;
use super::infer::Witness;
use super::transformer::Transformer;
use super::tree::TokenTree;
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::{CacheNumbers, Config};
use crate::llm::error::Error;

/// Tokens that follow what a cache holds.
pub(crate) struct Following<'a> {
    pub ids: &'a [u32],
    pub adapter: Option<&'a Adapter>,

    /// The positions whose hidden states are wanted, counted within `ids`.
    pub wanted: Range<usize>,
}

/// Takes what the positions of a layer attend to, (heads, time, time), and says whether more is wanted.
pub(crate) type OnAttention<'a> = &'a mut dyn FnMut(usize, Vec<f32>) -> ControlFlow<()>;

pub(crate) trait Decoder: Send + Sync {
    /// What errors call it: `this program's own transformer`.
    fn name(&self) -> &str;

    /// An empty cache. `numbers`: how exactly it keeps what it holds; `None`: as exactly as the weights are
    /// kept.
    fn new_cache(&self, config: &Config, numbers: Option<CacheNumbers>) -> KvCache;

    /// Runs tokens, which the cache holds afterwards; after a failure it holds what it held before. Returns the
    /// hidden states after the final norm of the wanted positions, (positions, width).
    fn run(
        &self,
        config: &Config,
        tokens: Following<'_>,
        cache: &mut KvCache,
        witness: Option<Witness<'_>>,
    ) -> Result<Vec<f32>, Error>;

    /// Hidden states after the final norm, (rows, width), to raw scores, (rows, vocabulary).
    fn score(
        &self,
        config: &Config,
        hidden: &[f32],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<f32>, Error> {
        let mut scores = Vec::new();
        self.score_into(config, hidden, adapter, &mut scores)?;
        Ok(scores)
    }

    /// The same into `scores`, whose memory is used again: fresh memory for a hundred rows takes as long to clear as
    /// a third of their product.
    fn score_into(
        &self,
        config: &Config,
        hidden: &[f32],
        adapter: Option<&Adapter>,
        scores: &mut Vec<f32>,
    ) -> Result<(), Error>;

    /// One token of each lane after what its cache holds: the hidden states after the final norm, (lanes,
    /// width). `None`: it runs one text after the other, as does whoever asks.
    fn run_lanes(
        &self,
        _config: &Config,
        _ids: &[u32],
        _caches: &mut [KvCache],
        _adapter: Option<&Adapter>,
    ) -> Option<Result<Buffer, Error>> {
        None
    }

    /// A tree of tokens after what the cache holds, which holds the same afterwards: the hidden states after
    /// the final norm, (rows of the tree, width). `None`: as [`Self::run_lanes`].
    fn run_tree(
        &self,
        _config: &Config,
        _tree: &TokenTree,
        _cache: &mut KvCache,
        _adapter: Option<&Adapter>,
    ) -> Option<Result<Buffer, Error>> {
        None
    }

    /// Hidden states of any layer through the final norm, (positions, width).
    fn final_norm(&self, _states: &[f32]) -> Result<Vec<f32>, Error> {
        Err(self.cannot("look between layers"))
    }

    /// What the positions of these layers attend to, each as it is reached, in one pass that ends with the
    /// last of them.
    fn attention(
        &self,
        _config: &Config,
        _tokens: Following<'_>,
        _cache: &mut KvCache,
        _layers: &[usize],
        _on_layer: OnAttention<'_>,
    ) -> Result<(), Error> {
        Err(self.cannot("say what its layers attend to"))
    }

    /// Our own transformer, whose layers an adapter can change and which can learn.
    fn own(&self) -> Option<&Transformer> {
        None
    }

    fn own_mut(&mut self) -> Option<&mut Transformer> {
        None
    }

    /// The error where it is asked for something that it does not do.
    fn cannot(&self, what: &'static str) -> Error {
        Error::OtherEngine { engine: self.name().to_owned(), what }
    }
}

impl Decoder for Transformer {
    fn name(&self) -> &'static str {
        "this program's own transformer"
    }

    fn new_cache(&self, config: &Config, numbers: Option<CacheNumbers>) -> KvCache {
        let numbers = numbers.unwrap_or_else(|| CacheNumbers::beside(self.is_packed()));
        KvCache::new(self.layers.iter().map(|layer| layer.cached_heads()))
            .with_states(config.recurrent.is_some())
            .kept_as(numbers)
    }

    fn run(
        &self,
        config: &Config,
        Following { ids, adapter, wanted }: Following<'_>,
        cache: &mut KvCache,
        witness: Option<Witness<'_>>,
    ) -> Result<Vec<f32>, Error> {
        self.run(config, ids, cache, adapter, wanted, witness)
    }

    fn score_into(
        &self,
        config: &Config,
        hidden: &[f32],
        adapter: Option<&Adapter>,
        scores: &mut Vec<f32>,
    ) -> Result<(), Error> {
        Ok(self.score(config, hidden, adapter, scores)?)
    }

    fn run_lanes(
        &self,
        config: &Config,
        ids: &[u32],
        caches: &mut [KvCache],
        adapter: Option<&Adapter>,
    ) -> Option<Result<Buffer, Error>> {
        // A state, or a rope that depends on the length of a text, is each text's own.
        let is_own = config.recurrent.is_some() || config.restarts_when_long;
        (!is_own).then(|| self.run_lanes(config, ids, caches, adapter))
    }

    fn run_tree(
        &self,
        config: &Config,
        tree: &TokenTree,
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
    ) -> Option<Result<Buffer, Error>> {
        let is_own = config.recurrent.is_some() || config.restarts_when_long;
        (!is_own).then(|| self.run_tree(config, tree, cache, adapter))
    }

    fn final_norm(&self, states: &[f32]) -> Result<Vec<f32>, Error> {
        Ok(match &self.final_norm {
            Some(norm) => norm.run(states).to_vec(),
            None => states.to_vec(),
        })
    }

    fn attention(
        &self,
        config: &Config,
        tokens: Following<'_>,
        cache: &mut KvCache,
        layers: &[usize],
        on_layer: OnAttention<'_>,
    ) -> Result<(), Error> {
        self.attention_of(config, &tokens, cache, layers, on_layer)
    }

    fn own(&self) -> Option<&Transformer> {
        Some(self)
    }

    fn own_mut(&mut self) -> Option<&mut Transformer> {
        Some(self)
    }
}
