//! What the model remembers of a sequence: the keys and values of every layer.

use std::sync::Arc;

/// Keys and values of the tokens that have been run. A clone is a fork: both share what is there
/// until one of them grows.
#[derive(Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    len: usize,

    /// See [`Self::plan`].
    planned: usize,

    /// Where rope depends on the length of the text (`LongRoPE`): the tokens held, and the length
    /// that their keys were turned for. Empty elsewhere.
    pub(crate) ids: Vec<u32>,
    pub(crate) turned_for: usize,
}

impl KvCache {
    pub(crate) fn new(layers: usize, kv_heads: usize, head_dim: usize) -> Self {
        let layer = LayerCache {
            kv_heads,
            head_dim,
            len: 0,
            capacity: 0,
            keys: Arc::default(),
            values: Arc::default(),
        };
        let (planned, turned_for) = (0, 0);
        Self { layers: vec![layer; layers], len: 0, planned, ids: Vec::new(), turned_for }
    }

    /// How many tokens it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything after the first `len` tokens. Holding fewer already is not an error.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.len = len;
        self.ids.truncate(len);
        for layer in &mut self.layers {
            layer.truncate(len);
        }
    }

    /// Says how long the text will be that is run through this cache piece by piece. The pieces of
    /// a model whose rope depends on the length then get what the whole text at once would get.
    pub fn plan(&mut self, len: usize) {
        self.planned = len;
    }

    pub(crate) fn planned(&self) -> usize {
        self.planned
    }

    /// What it takes in memory, with the room that it keeps to grow into.
    pub fn byte_len(&self) -> usize {
        let values = self.layers.iter().map(|layer| layer.keys.len() + layer.values.len());
        values.sum::<usize>() * size_of::<f32>()
    }

    pub(crate) fn layer_mut(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// Called once all layers have taken in `count` tokens.
    pub(crate) fn advance(&mut self, count: usize) {
        self.len += count;
    }

    /// Undoes what the layers took in since the last [`Self::advance`], after a failure.
    pub(crate) fn rewind(&mut self) {
        for layer in &mut self.layers {
            layer.truncate(self.len);
        }
    }
}

/// One layer's keys and values, each (heads, capacity, `head_dim`), of which `len` positions of
/// every head are used.
#[derive(Clone)]
pub(crate) struct LayerCache {
    kv_heads: usize,
    head_dim: usize,
    len: usize,
    capacity: usize,
    keys: Arc<Vec<f32>>,
    values: Arc<Vec<f32>>,
}

impl LayerCache {
    /// Takes in keys and values of new positions, each (positions, heads · `head_dim`).
    pub fn append(&mut self, keys: &[f32], values: &[f32]) {
        let count = keys.len() / (self.kv_heads * self.head_dim);
        self.reserve(self.len + count);
        for (from, to) in [(keys, &mut self.keys), (values, &mut self.values)] {
            let to = Arc::make_mut(to);
            for (position, row) in from.chunks_exact(self.kv_heads * self.head_dim).enumerate() {
                for (head, row) in row.chunks_exact(self.head_dim).enumerate() {
                    let at = (head * self.capacity + self.len + position) * self.head_dim;
                    to[at..at + self.head_dim].copy_from_slice(row);
                }
            }
        }
        self.len += count;
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Numbers from one head's first key to the next one's.
    pub fn stride(&self) -> usize {
        self.capacity * self.head_dim
    }

    pub fn keys(&self) -> &[f32] {
        &self.keys
    }

    pub fn values(&self) -> &[f32] {
        &self.values
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes room for `len` positions, twice as much as there was at least.
    fn reserve(&mut self, len: usize) {
        if len <= self.capacity {
            return;
        }
        let capacity = len.max(2 * self.capacity).next_multiple_of(32);
        let (used, old, new) =
            (self.len * self.head_dim, self.capacity * self.head_dim, capacity * self.head_dim);
        for rows in [&mut self.keys, &mut self.values] {
            let mut grown = vec![0.0; self.kv_heads * new];
            for head in 0..self.kv_heads {
                grown[head * new..head * new + used]
                    .copy_from_slice(&rows[head * old..head * old + used]);
            }
            *rows = Arc::new(grown);
        }
        self.capacity = capacity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_grows_on_its_own() {
        let mut cache = KvCache::new(1, 2, 1);
        cache.layer_mut(0).append(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]);
        cache.advance(2);
        let mut fork = cache.clone();
        fork.layer_mut(0).append(&[9.0, 9.0], &[9.0, 9.0]);
        fork.advance(1);
        let second_head = |cache: &mut KvCache| {
            let layer = cache.layer_mut(0);
            layer.keys()[layer.stride()..layer.stride() + layer.len()].to_vec()
        };
        assert_eq!(second_head(&mut cache), [2.0, 4.0]);
        assert_eq!(second_head(&mut fork), [2.0, 4.0, 9.0]);
        fork.truncate(1);
        assert_eq!((fork.len(), second_head(&mut fork)), (1, vec![2.0]));
        assert_eq!(second_head(&mut cache), [2.0, 4.0]);
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn growing_keeps_every_head_in_its_place() {
        let mut cache = KvCache::new(1, 2, 2);
        let mut expected = [const { Vec::<f32>::new() }; 2];
        for position in 0..100 {
            let row = [0.0, 0.1, 0.2, 0.3].map(|part| part + position as f32);
            cache.layer_mut(0).append(&row, &row);
            expected[0].extend(&row[..2]);
            expected[1].extend(&row[2..]);
        }
        let layer = cache.layer_mut(0);
        for (head, expected) in expected.iter().enumerate() {
            assert_eq!(&layer.values()[head * layer.stride()..][..200], expected.as_slice());
        }
    }
}
