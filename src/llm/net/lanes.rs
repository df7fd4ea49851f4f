//! Several texts, a token further at once: the weights are read once for all of them, which is what takes the
//! time where a token is run alone. Each text has a cache of its own.

use rayon::prelude::*;

use super::attention::attend;
use super::buffers;
use super::buffers::Buffer;
use super::cache::KvCache;
use super::layer::{Batch, Caches, Line};
use super::transformer::{Layer, Transformer};
use crate::llm::adapter::lora::Adapter;
use crate::llm::config::Config;
use crate::llm::error::Error;

impl Transformer {
    /// Runs one token of each lane after what its cache holds. Returns the hidden states after the final
    /// norm, (lanes, width). After a failure the caches hold what they held before. No layer carries a
    /// state, and rope does not depend on the length of a text.
    pub fn run_lanes(
        &self,
        config: &Config,
        ids: &[u32],
        caches: &mut [KvCache],
        adapter: Option<&Adapter>,
    ) -> Result<Buffer, Error> {
        let positions: Vec<usize> = caches.iter().map(KvCache::done).collect();
        let first = positions.iter().copied().min().unwrap_or(0);
        let past_last = positions.iter().copied().max().map_or(0, |last| last + 1);
        let within: Vec<usize> = positions.iter().map(|position| position - first).collect();
        let run = buffers::unless_out_of_memory(|| {
            let width = config.width;
            let mut hidden = Buffer::any(ids.len() * width);
            let rows = hidden.chunks_exact_mut(width).zip(ids.iter().zip(&positions));
            for (row, (id, position)) in rows {
                row.copy_from_slice(&self.embed(config, &[*id], *position, adapter));
            }
            let tables = config
                .ropes
                .iter()
                .map(|rope| rope.table_within(first, past_last - first, past_last).at(&within));
            let lines: [Line; 0] = [];
            let batch = Batch {
                ids,
                lines: &lines,
                tables: tables.collect(),
                adapter,
                wanted: 0..ids.len(),
                times: None,
                of_inputs: false,
            };
            self.run_batch(config, &batch, hidden, &mut Caches::Lanes(caches), None)
        });
        match run.map_err(Error::from).and_then(|hidden| Ok(hidden?)) {
            Ok(hidden) => {
                caches.iter_mut().for_each(|cache| cache.advance(1));
                Ok(hidden.unwrap_or_default())
            }
            Err(err) => {
                let caches = caches.iter_mut().zip(positions);
                caches.for_each(|(cache, position)| cache.rewind(position));
                Err(err)
            }
        }
    }
}

impl Layer {
    /// What the query of each lane sees in its own cache, which takes in its key and value.
    pub(super) fn attend_lanes(
        &self,
        index: usize,
        caches: &mut [KvCache],
        q: &[f32],
        (k, v): (&[f32], &[f32]),
    ) -> Buffer {
        let (q_width, lanes) = (self.attention.query_width(), caches.len().max(1));
        let (k_width, v_width) = (k.len() / lanes, v.len() / lanes);
        let mut out = Buffer::any(q.len());
        out.par_chunks_exact_mut(q_width).zip(caches).enumerate().for_each(
            |(lane, (out, cache))| {
                let position = cache.done();
                let cache = cache.layer_mut(self.keys_of.unwrap_or(index));
                if self.keys_of.is_none() {
                    let (k, v) = (&k[lane * k_width..][..k_width], &v[lane * v_width..][..v_width]);
                    cache.append(k, v);
                }
                let q = &q[lane * q_width..][..q_width];
                out.copy_from_slice(&attend(&self.attention, &self.sinks, q, cache, position));
            },
        );
        out
    }
}
