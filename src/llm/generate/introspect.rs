//! Looking inside a run: hidden states and attention weights, as transformers' `output_hidden_states`
//! and `output_attentions` give them, and the parts of a pass by themselves.

use std::ops::{ControlFlow, Range};
use std::time::Instant;

use candle_core::{Device, Tensor};

use crate::jobs;
use crate::llm::adapter::lora::Adapter;
use crate::llm::error::Error;
use crate::llm::model::Model;
use crate::llm::net::cache::KvCache;
use crate::llm::net::decoder::Following;
use crate::llm::net::infer::Witness;
use crate::llm::net::times::{Times, secs};

/// What a pass took, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct PassSecs {
    /// With what is in none of the parts: sums, norms after them.
    pub whole: f64,
    pub embedding: f64,

    /// Of each layer: attention or what stands in its place, and the MLP or the experts; each with the norm
    /// before it.
    pub layers: Vec<[f64; 2]>,
    pub head: f64,
}

impl Model {
    /// The hidden states of every layer, (time, width) each: the embedding first, then each
    /// layer's result, the last one after the final norm; transformers' `output_hidden_states`.
    pub fn hidden_states(
        &self,
        ids: &[u32],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<Tensor>, Error> {
        let shape = (ids.len(), self.config().width);
        let mut states = Vec::with_capacity(self.config().layer_count() + 1);
        self.watch(ids, &mut self.new_cache(), adapter, &mut |_, hidden| {
            states.push(hidden.to_vec());
            ControlFlow::Continue(())
        })?;
        let tensors = states.into_iter().map(|state| Tensor::from_vec(state, shape, &Device::Cpu));
        Ok(tensors.collect::<Result<_, _>>()?)
    }

    /// What each position of a layer attends to, (heads, time, time): row i holds the weights of
    /// the positions up to i, which sum to 1; transformers' `output_attentions`. With a soft prompt the
    /// weights of its virtual tokens are left out: what is missing from 1 is theirs. Layers are
    /// counted from 0. Takes heads · time² numbers: 36 million for 2,000 tokens of `SmolLM2`.
    pub fn attention_weights(
        &self,
        ids: &[u32],
        layer: usize,
        adapter: Option<&Adapter>,
    ) -> Result<Tensor, Error> {
        let mut found = Vec::new();
        self.attention_of_layers(ids, adapter, &[layer], &mut |_, weights| {
            found = weights;
            ControlFlow::Continue(())
        })?;
        let shape = (self.config().heads, ids.len(), ids.len());
        Ok(Tensor::from_vec(found, shape, &Device::Cpu)?)
    }

    /// As [`Self::attention_weights`], of several layers in one pass: each as it is reached, while
    /// the others are not in memory. The pass ends with the last of them, or where `on_layer` says
    /// so.
    pub fn attention_of_layers(
        &self,
        ids: &[u32],
        adapter: Option<&Adapter>,
        layers: &[usize],
        on_layer: &mut dyn FnMut(usize, Vec<f32>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (config, count) = (self.config(), self.config().layer_count());
        for &index in layers {
            if index >= count {
                return Err(Error::NoSuchLayer { index, count });
            }
            if config.layers[index].recurrent {
                return Err(Error::NoAttention { index });
            }
        }
        if layers.is_empty() {
            return Ok(());
        }
        let mut cache = self.new_cache();
        self.begin(ids, &mut cache, adapter)?;
        let tokens = Following { ids, adapter, wanted: 0..0 };
        self.decoder.attention(config, tokens, &mut cache, layers, on_layer)
    }

    /// Runs `ids` after what the cache holds and shows the hidden states on their way, (positions,
    /// width) each: before layer 0, 1 and so on, and, under the number of layers, after the final
    /// norm. Where `on_states` breaks off, the cache holds what it held before.
    pub fn watch(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        on_states: &mut (dyn FnMut(usize, &[f32]) -> ControlFlow<()> + Send),
    ) -> Result<(), Error> {
        self.begin_reading(ids, cache, adapter)?;
        jobs::in_pool(|| {
            let mut index = 0;
            let mut watch = |hidden: &[f32]| {
                index += 1;
                on_states(index - 1, hidden)
            };
            let tokens = Following { ids, adapter, wanted: 0..0 };
            self.decoder.run(self.config(), tokens, cache, Some(Witness::States(&mut watch)))?;
            Ok(())
        })
    }

    /// Runs `ids` after what the cache holds and keeps them in it. Returns the hidden states after
    /// the final norm of the positions in `wanted`, counted within `ids`: (positions, width).
    pub fn normed_states(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        wanted: Range<usize>,
    ) -> Result<Vec<f32>, Error> {
        self.begin(ids, cache, adapter)?;
        jobs::in_pool(|| self.run(ids, cache, adapter, wanted))
    }

    /// Runs `ids` after what the cache holds, as [`Self::logits`] of the last position, and measures the parts.
    pub fn timed_pass(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
    ) -> Result<PassSecs, Error> {
        self.begin(ids, cache, adapter)?;
        let times = Times::new(self.config().layer_count());
        let clock = Instant::now();
        jobs::in_pool(|| {
            let last = ids.len() - 1..ids.len();
            let hidden = self.run_timed(ids, cache, adapter, last, Some(&times))?;
            let score = || self.decoder.score(self.config(), &hidden, adapter);
            Times::around(Some(&times), |times| &times.head, score)?;
            Ok::<_, Error>(())
        })?;
        let whole = clock.elapsed().as_secs_f64();
        let layers = times.layers.iter();
        Ok(PassSecs {
            whole,
            embedding: secs(&times.embedding),
            layers: layers.map(|layer| [secs(&layer.mixing), secs(&layer.alone)]).collect(),
            head: secs(&times.head),
        })
    }

    /// Hidden states through the final norm, (positions, width) each.
    pub fn final_normed(&self, states: &[f32]) -> Result<Vec<f32>, Error> {
        jobs::in_pool(|| self.decoder.final_norm(states))
    }

    /// Hidden states after the final norm, (positions, width), through the head: the raw scores of
    /// what follows each position, (positions, vocabulary).
    pub fn scores_of(&self, normed: &[f32], adapter: Option<&Adapter>) -> Result<Vec<f32>, Error> {
        jobs::in_pool(|| self.decoder.score(self.config(), normed, adapter))
    }

    /// The same into memory that is used again.
    pub fn scores_into(
        &self,
        normed: &[f32],
        adapter: Option<&Adapter>,
        scores: &mut Vec<f32>,
    ) -> Result<(), Error> {
        jobs::in_pool(|| self.decoder.score_into(self.config(), normed, adapter, scores))
    }
}
