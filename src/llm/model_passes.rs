//! A model as it is run: tokens after what a cache holds, one after the other, side by side, or as a tree.

use std::ops::Range;

use candle_core::{Device, Tensor};

use super::adapter::lora::Adapter;
use super::config::CacheNumbers;
use super::error::Error;
use super::model::{Model, Positions};
use super::net::cache::KvCache;
use super::net::decoder::Following;
use super::net::infer::Witness;
use super::net::times::Times;
use super::net::tree::{SortedTree, TokenTree};
use crate::jobs;

impl Model {
    /// A cache as exact as the weights are: for whatever is measured, labelled or compared.
    pub fn new_cache(&self) -> KvCache {
        self.decoder.new_cache(&self.config, None)
    }

    /// A cache for writing an answer, which keeps what was asked for when the model was loaded.
    pub fn new_answer_cache(&self) -> KvCache {
        self.decoder.new_cache(&self.config, self.answer_cache)
    }

    pub fn cache_of(&self, numbers: CacheNumbers) -> KvCache {
        self.decoder.new_cache(&self.config, Some(numbers))
    }

    /// Runs `ids` after what the cache holds and keeps them in it. Returns the raw scores of the
    /// wanted positions, f32 (positions, vocabulary).
    pub fn logits(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        which: Positions,
    ) -> Result<Tensor, Error> {
        let wanted = match which {
            Positions::Last => ids.len().saturating_sub(1)..ids.len(),
            Positions::All => 0..ids.len(),
            Positions::From(first) => first.min(ids.len())..ids.len(),
        };
        self.begin(ids, cache, adapter)?;
        let scores = jobs::in_pool(|| {
            let hidden = self.run(ids, cache, adapter, wanted.clone())?;
            self.decoder.score(&self.config, &hidden, adapter)
        })?;
        Ok(Tensor::from_vec(scores, (wanted.len(), self.config.vocab_size), &Device::Cpu)?)
    }

    /// The raw scores after one more token of each of several texts, (texts, vocabulary); each text has a cache
    /// of its own. The weights are read once for all of them.
    pub fn lane_logits(
        &self,
        ids: &[u32],
        caches: &mut [KvCache],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<f32>, Error> {
        for (id, cache) in ids.iter().zip(&*caches) {
            self.check_after(&[*id], cache.len() + 1, adapter)?;
        }
        for cache in &mut *caches {
            self.begin_with(cache, adapter)?;
        }
        let config = &self.config;
        let together = jobs::in_pool(|| {
            let hidden = self.decoder.run_lanes(config, ids, caches, adapter)?;
            Some(hidden.and_then(|hidden| self.decoder.score(config, &hidden, adapter)))
        });
        if let Some(scores) = together {
            return scores;
        }
        let mut all = Vec::with_capacity(ids.len() * config.vocab_size);
        for (id, cache) in ids.iter().zip(caches) {
            let scores = self.logits(&[*id], cache, adapter, Positions::Last)?;
            all.extend(scores.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(all)
    }

    /// As [`Self::logits`], of any positions, counted within `ids`: (positions, vocabulary).
    pub fn logits_at(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        positions: &[usize],
    ) -> Result<Tensor, Error> {
        self.check_after(ids, cache.len() + ids.len(), adapter)?;
        if let Some(&position) = positions.iter().find(|position| **position >= ids.len()) {
            return Err(Error::NoSuchPosition { position, count: ids.len() });
        }
        let first = positions.iter().copied().min().unwrap_or(ids.len());
        let past_last = positions.iter().copied().max().map_or(ids.len(), |last| last + 1);
        self.begin_with(cache, adapter)?;
        let hidden = self.run(ids, cache, adapter, first..past_last)?;
        let width = self.config.width;
        let rows = positions.iter().flat_map(|at| &hidden[(at - first) * width..][..width]);
        let rows: Vec<f32> = rows.copied().collect();
        let scores = self.decoder.score(&self.config, &rows, adapter)?;
        Ok(Tensor::from_vec(scores, (positions.len(), self.config.vocab_size), &Device::Cpu)?)
    }

    /// The raw scores after these rows of a tree of tokens that follows what the cache holds, (rows,
    /// vocabulary). The cache holds afterwards what it held before. A token of the tree is run once,
    /// however many sequences it is in, and all of them together.
    pub fn tree_logits(
        &self,
        tree: &SortedTree,
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        rows: &[usize],
    ) -> Result<Tensor, Error> {
        let tree = tree.tree();
        self.check_after(tree.ids(), cache.len() + tree.depth(), adapter)?;
        if let Some(&position) = rows.iter().find(|row| **row >= tree.len()) {
            return Err(Error::NoSuchPosition { position, count: tree.len() });
        }
        let config = &self.config;
        let scores = jobs::in_pool(|| {
            self.begin_with(cache, adapter)?;
            let hidden = self.run_tree_after(tree, cache, adapter)?;
            let hidden = rows.iter().flat_map(|row| &hidden[row * config.width..][..config.width]);
            let hidden: Vec<f32> = hidden.copied().collect();
            self.decoder.score(config, &hidden, adapter)
        })?;
        Ok(Tensor::from_vec(scores, (rows.len(), config.vocab_size), &Device::Cpu)?)
    }

    /// Hidden states of all rows, (rows, width): together, or one sequence after the other.
    fn run_tree_after(
        &self,
        tree: &TokenTree,
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
    ) -> Result<Vec<f32>, Error> {
        let config = &self.config;
        if let Some(hidden) = self.decoder.run_tree(config, tree, cache, adapter) {
            return Ok(hidden?.to_vec());
        }
        let (held, width) = (cache.len(), config.width);
        let mut hidden = vec![0.0; tree.len() * width];
        for segment in tree.segments() {
            let before = segment.prefix.iter().map(|row| tree.ids()[*row as usize]);
            let rows = segment.first_row..segment.first_row + segment.len;
            let ids: Vec<u32> = before.chain(tree.ids()[rows.clone()].iter().copied()).collect();
            let new = self.run(&ids, cache, adapter, segment.prefix.len()..ids.len())?;
            hidden[rows.start * width..rows.end * width].copy_from_slice(&new);
            cache.truncate(held);
        }
        Ok(hidden)
    }

    /// Runs checked ids. Where rope depends on the length of the text and what the cache holds was
    /// turned for another one, that is run once more.
    pub(super) fn run(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        wanted: Range<usize>,
    ) -> Result<Vec<f32>, Error> {
        self.run_timed(ids, cache, adapter, wanted, None)
    }

    /// The same; `times` is told what its parts take.
    pub(super) fn run_timed(
        &self,
        ids: &[u32],
        cache: &mut KvCache,
        adapter: Option<&Adapter>,
        wanted: Range<usize>,
        times: Option<&Times>,
    ) -> Result<Vec<f32>, Error> {
        let config = &self.config;
        let run = |ids: &[u32], cache: &mut KvCache, wanted| {
            let tokens = Following { ids, adapter, wanted };
            self.decoder.run(config, tokens, cache, times.map(Witness::Times))
        };
        if cache.keeps_ids() {
            // What was forgotten is run once more.
            let whole = [&cache.behind(), ids].concat();
            let past = whole.len() - ids.len();
            let hidden = run(&whole, cache, wanted.start + past..wanted.end + past)?;
            cache.ids.extend(ids);
            return Ok(hidden);
        }
        if !config.restarts_when_long {
            return run(ids, cache, wanted);
        }
        let length = cache.planned().max(cache.len() + ids.len());
        let held = cache.len();
        let stale = config.length_class(cache.turned_for) != config.length_class(length);
        let hidden = if held > 0 && stale {
            let whole = [&cache.ids, ids].concat();
            cache.truncate(0);
            let hidden = run(&whole, cache, wanted.start + held..wanted.end + held)?;
            cache.ids = whole;
            hidden
        } else {
            let hidden = run(ids, cache, wanted)?;
            cache.ids.extend(ids);
            hidden
        };
        cache.turned_for = length;
        Ok(hidden)
    }
}
