//! Keys and values that several layers see (Gemma 3n and 4), with the gradients by them.

use candle_core::Result;

use crate::llm::net::buffers::Buffer;
use crate::llm::net::rows;
use crate::llm::net::transformer::Transformer;

/// Keys and values of a layer's rows, as attention sees them.
type KeysValues = [Buffer; 2];

#[derive(Default)]
pub(super) struct Lent {
    /// Of each layer that others see.
    lends: Vec<bool>,
    seen: Vec<Option<KeysValues>>,
    grads: Vec<Option<KeysValues>>,
}

impl Lent {
    pub fn of(transformer: &Transformer) -> Self {
        let layers = &transformer.layers;
        let lends = (0..layers.len())
            .map(|index| layers.iter().any(|layer| layer.keys_of == Some(index)))
            .collect();
        let nothing = || layers.iter().map(|_| None).collect();
        Self { lends, seen: nothing(), grads: nothing() }
    }

    pub fn lends(&self, layer: usize) -> bool {
        self.lends[layer]
    }

    /// What other layers see of this one.
    pub fn put(&mut self, layer: usize, keys: Buffer, values: Buffer) {
        self.seen[layer] = Some([keys, values]);
    }

    pub fn seen(&self, layer: usize) -> Result<(&[f32], &[f32])> {
        match &self.seen[layer] {
            Some([keys, values]) => Ok((keys, values)),
            None => candle_core::bail!("layer {layer} has lent no keys"),
        }
    }

    /// Adds what a layer that sees others' keys and values says of them.
    pub fn add_grad(&mut self, layer: usize, keys: Buffer, values: Buffer) {
        match &mut self.grads[layer] {
            Some([by_keys, by_values]) => {
                rows::add(by_keys, &keys);
                rows::add(by_values, &values);
            }
            none => *none = Some([keys, values]),
        }
    }

    pub fn take_grad(&mut self, layer: usize) -> Option<KeysValues> {
        self.grads[layer].take()
    }

    /// Floats that it holds until the backward pass.
    pub fn floats(&self) -> usize {
        self.seen.iter().flatten().flatten().map(|buffer| buffer.len()).sum()
    }
}
