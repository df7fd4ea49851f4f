//! Looking inside a run: hidden states and attention weights, as transformers' `output_hidden_states`
//! and `output_attentions` give them.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use crate::llm::adapter::lora::Adapter;
use crate::llm::error::Error;
use crate::llm::model::Model;
use crate::llm::net::infer::Seen;
use crate::llm::net::rows::{dot, softcap, softmax, softmax_with_sink};
use crate::llm::net::transformer::Layer;

impl Model {
    /// The hidden states of every layer, (time, width) each: the embedding first, then each
    /// layer's result, the last one after the final norm; transformers' `output_hidden_states`.
    pub fn hidden_states(
        &self,
        ids: &[u32],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<Tensor>, Error> {
        let shape = (ids.len(), self.config().width);
        let states = self.states(ids, adapter, self.config().layer_count())?;
        let tensors = states.into_iter().map(|state| Tensor::from_vec(state, shape, &Device::Cpu));
        Ok(tensors.collect::<Result<_, _>>()?)
    }

    /// What each position of a layer attends to, (heads, time, time): row i holds the weights of
    /// the positions up to i, which sum to 1; transformers' `output_attentions`. Layers are
    /// counted from 0. Takes heads · time² numbers: 36 million for 2,000 tokens of `SmolLM2`.
    pub fn attention_weights(
        &self,
        ids: &[u32],
        layer: usize,
        adapter: Option<&Adapter>,
    ) -> Result<Tensor, Error> {
        let (config, count) = (self.config(), self.config().layer_count());
        if layer >= count {
            return Err(Error::NoSuchLayer { index: layer, count });
        }
        if config.layers[layer].recurrent {
            return Err(Error::NoAttention { index: layer });
        }
        let states = self.states(ids, adapter, layer)?;
        let table = config.layers[layer].rope.map(|rope| config.ropes[rope].table(0, ids.len()));
        let layers = &self.transformer().layers;
        let of = |layer: usize| {
            let hidden = states.get(layer).map(Vec::as_slice).unwrap_or_default();
            layers[layer].queries_keys_values(config, hidden, adapter, table.as_ref())
        };
        let Seen { q, mut k, .. } = of(layer)?;
        let layer = &layers[layer];
        if let Some(other) = layer.keys_of {
            k = of(other)?.k;
        }
        let weights = layer.attention_weights(&q, &k, ids.len());
        Ok(Tensor::from_vec(weights, (config.heads, ids.len(), ids.len()), &Device::Cpu)?)
    }

    /// The hidden states before each layer up to `last`, where the number of layers stands for
    /// what is after the final norm.
    fn states(
        &self,
        ids: &[u32],
        adapter: Option<&Adapter>,
        last: usize,
    ) -> Result<Vec<Vec<f32>>, Error> {
        self.check(ids, ids.len())?;
        let mut states = Vec::with_capacity(last + 1);
        let mut watch = |hidden: &[f32]| {
            if states.len() <= last {
                states.push(hidden.to_vec());
            }
        };
        let mut cache = self.new_cache();
        let transformer = self.transformer();
        transformer.run(self.config(), ids, &mut cache, adapter, 0..0, Some(&mut watch))?;
        Ok(states)
    }
}

impl Layer {
    /// (heads, time, time)
    fn attention_weights(&self, q: &[f32], k: &[f32], time: usize) -> Vec<f32> {
        let shape = &self.attention;
        let (dim, group) = (shape.head_dim, shape.heads / shape.kv_heads);
        let mut out = vec![0.0; shape.heads * time * time];
        out.par_chunks_exact_mut(time).enumerate().for_each(|(index, row)| {
            let (head, position) = (index / time, index % time);
            let q = &q[(position * shape.heads + head) * dim..][..dim];
            let first = shape.first_visible(position);
            let scores = &mut row[first..=position];
            for (at, score) in scores.iter_mut().enumerate() {
                let k = &k[((first + at) * shape.kv_heads + head / group) * dim..][..dim];
                *score = dot(q, k) * shape.scale;
            }
            if let Some(alibi) = shape.alibi {
                alibi.add(head, shape.scale, first, scores);
            }
            if let Some(cap) = shape.softcap {
                softcap(cap, scores);
            }
            match self.sinks.get(head) {
                None => softmax(scores),
                Some(sink) => softmax_with_sink(scores, *sink),
            }
        });
        out
    }
}
