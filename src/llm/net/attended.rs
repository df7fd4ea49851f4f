//! What the positions of a layer attend to, which the fast pass never writes down.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rayon::prelude::*;

use super::buffers::Buffer;
use super::cache::KvCache;
use super::decoder::{Following, OnAttention};
use super::infer::Witness;
use super::layer::Seen;
use super::rows::{dot, softcap, softmax, softmax_with_sink};
use super::transformer::{Layer, Transformer};
use crate::llm::config::Config;
use crate::llm::error::Error;

impl Transformer {
    /// Of layers that have attention, in one pass over tokens that are the first of the cache. It ends with
    /// the last of them, or where `on_layer` says so.
    pub fn attention_of(
        &self,
        config: &Config,
        Following { ids, adapter, .. }: &Following<'_>,
        cache: &mut KvCache,
        layers: &[usize],
        on_layer: OnAttention<'_>,
    ) -> Result<(), Error> {
        let Some(&last) = layers.iter().max() else { return Ok(()) };
        let keys_of = |index: usize| config.layers[index].keys_of;
        let lenders: Vec<usize> = layers.iter().filter_map(|index| keys_of(*index)).collect();
        let mut lent: BTreeMap<usize, Buffer> = BTreeMap::new();
        let mut failure = None;
        // What the layers know of the virtual tokens, before the text.
        let mut begun = cache.clone();
        let front = begun.virtual_tokens();
        let mut look = |index: usize, hidden: &[f32]| -> Result<ControlFlow<()>, Error> {
            if !layers.contains(&index) && !lenders.contains(&index) {
                return Ok(ControlFlow::Continue(()));
            }
            let layer = &self.layers[index];
            let rope = config.layers[index].rope;
            let table = rope.map(|rope| config.ropes[rope].table(front, ids.len()));
            let Seen { q, k, .. } =
                layer.queries_keys_values(config, hidden, *adapter, table.as_ref())?;
            let flow = if layers.contains(&index) {
                let k = keys_of(index).and_then(|other| lent.get(&other)).unwrap_or(&k);
                let [mut keys, _] = begun.layer_mut(keys_of(index).unwrap_or(index)).rows_from(0);
                keys.extend_from_slice(k);
                on_layer(index, layer.attention_weights(&q, &keys, (ids.len(), front)))
            } else {
                ControlFlow::Continue(())
            };
            if lenders.contains(&index) {
                lent.insert(index, k);
            }
            Ok(if index == last { ControlFlow::Break(()) } else { flow })
        };
        let mut index = 0;
        let mut watch = |hidden: &[f32]| {
            index += 1;
            look(index - 1, hidden).unwrap_or_else(|error| {
                failure = Some(error);
                ControlFlow::Break(())
            })
        };
        let witness = Some(Witness::Inputs(&mut watch));
        self.run(config, ids, cache, *adapter, 0..0, witness)?;
        failure.map_or(Ok(()), Err)
    }
}

impl Layer {
    /// (heads, time, time). `k` has `front` more rows, before those of the text, whose weights are left out.
    fn attention_weights(&self, q: &[f32], k: &[f32], (time, front): (usize, usize)) -> Vec<f32> {
        let shape = &self.attention;
        let (dim, group) = (shape.head_dim, shape.heads / shape.kv_heads);
        let mut out = vec![0.0; shape.heads * time * time];
        out.par_chunks_exact_mut(time).enumerate().for_each(|(index, row)| {
            let (head, row_of) = (index / time, index % time);
            let q = &q[(row_of * shape.heads + head) * dim..][..dim];
            let position = front + row_of;
            let first = shape.first_visible(position);
            let mut all = vec![0.0; front + time];
            let scores = &mut all[first..=position];
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
            row.copy_from_slice(&all[front..]);
        });
        out
    }
}
