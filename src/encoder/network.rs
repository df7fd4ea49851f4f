//! An encoder's body: token ids of several texts in, a hidden state for each token out.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use rayon::prelude::*;
use tuning_fork_kernels::QMatrix;

use super::description::{Description, FeedGate, FirstPosition, PlaceNames};
use super::error::Error;
use super::sines::Sines;
use super::stack::{Attention, Batch, Block, Distances, Feed, Places, Stack, Watcher, looked_up};
use super::store::Store;
use crate::jobs;
use crate::llm;
use crate::llm::net::buffers::Buffer;
use crate::llm::net::linear::{Linear, Norm};
use crate::llm::net::rows;

/// A text as the network reads it.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    pub ids: &'a [u32],

    /// Which part of the text each token is of; all of the first where nothing is said.
    pub kinds: Option<&'a [u32]>,

    /// Which tokens may be seen; all of them where nothing is said.
    pub visible: Option<&'a [bool]>,
}

impl<'a> Tokens<'a> {
    pub fn plain(ids: &'a [u32]) -> Self {
        Self { ids, kinds: None, visible: None }
    }
}

/// A body in memory.
pub(crate) struct Network {
    pub description: Description,
    words: QMatrix,
    positions: Option<QMatrix>,
    kinds: Option<QMatrix>,
    norm: Option<Norm>,
    projection: Option<Linear>,
    pub stack: Stack,
}

/// The last hidden states of a batch.
pub(crate) struct Hidden {
    /// (tokens of all texts, width)
    pub states: Buffer,

    /// The rows of each text.
    pub spans: Vec<Range<usize>>,
}

/// Tokens that go through the layers together: what lies between two products stays in the second
/// cache, and the weights are read often enough from the third.
const TOGETHER: usize = 256;

impl Network {
    pub fn load(description: Description, store: &Store) -> Result<Self, llm::Error> {
        let it = &description;
        let words = store.matrix(&store.body(it.words), it.vocabulary, it.embedding_width)?;
        let table =
            |name: &str, rows: usize| store.matrix(&store.body(name), rows, it.embedding_width);
        let positions = it.positions.map(|learned| match it.sines {
            Some(Sines::Pegasus) if store.has(&store.body(learned.name)) => {
                table(learned.name, learned.rows)
            }
            Some(sines) => Ok(sines.table(learned.rows, it.embedding_width)),
            None => table(learned.name, learned.rows),
        });
        let positions = positions.transpose()?;
        let kinds = it.kinds.map(|(name, rows)| table(name, rows)).transpose()?;
        let projection = it.projection.map(|projection| {
            let shape = [it.width, it.embedding_width];
            store.linear(&store.body(projection.name), shape, projection.has_bias)
        });
        let is_wide = it.projection.is_some_and(|projection| projection.is_before_norm);
        let norm_width = if is_wide { it.width } else { it.embedding_width };
        let norm = it
            .embedding_norm
            .map(|name| store.norm(&store.body(name), norm_width, it.eps, it.norm));
        let (projection, norm) = (projection.transpose()?, norm.transpose()?);
        let stack = stack(it, store)?;
        Ok(Self { description, words, positions, kinds, norm, projection, stack })
    }

    /// The vectors of words, which heads share.
    pub fn words(&self) -> &QMatrix {
        &self.words
    }

    pub fn width(&self) -> usize {
        self.description.width
    }

    pub fn layer_count(&self) -> usize {
        self.stack.blocks.len()
    }

    /// Fails where the network cannot read a text.
    pub fn check(&self, text: Tokens<'_>) -> Result<(), Error> {
        let Tokens { ids, kinds, visible } = text;
        if let Some(longest) = self.description.longest
            && ids.len() > longest
        {
            return Err(Error::TooLong { tokens: ids.len(), longest });
        }
        check_ids(ids, self.description.vocabulary)?;
        let lengths = [kinds.map(<[u32]>::len), visible.map(<[bool]>::len)];
        if let Some(found) = lengths.into_iter().flatten().find(|len| *len != ids.len()) {
            return Err(Error::Lengths { ids: ids.len(), found });
        }
        let known = self.description.kinds.map_or(1, |(_, rows)| rows);
        let kind = kinds.unwrap_or_default().iter().copied().find(|kind| *kind as usize >= known);
        match kind.filter(|_| self.kinds.is_some()) {
            Some(kind) => Err(Error::Kind { kind, known }),
            None => Ok(()),
        }
    }

    /// Something about each of many texts of these lengths, in their order: `work` gets the places of
    /// texts that go through the layers together, and answers for each of them.
    ///
    /// As many such batches run side by side as there are threads: between two products of its own
    /// batch a thread waits for nobody. `before` hears how many texts are done, and may end it.
    pub fn in_batches<T: Send>(
        lengths: &[usize],
        mut before: impl FnMut(usize) -> Result<(), Error>,
        work: impl Fn(&[usize]) -> Result<Vec<T>, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let batches = batches(lengths);
        let mut found: Vec<Option<T>> = lengths.iter().map(|_| None).collect();
        let mut done = 0;
        for group in batches.chunks(rayon::current_num_threads()) {
            before(done)?;
            let worked = jobs::in_pool(|| {
                let each = group.par_iter().map(|batch| work(batch));
                each.collect::<Result<Vec<Vec<T>>, Error>>()
            })?;
            for (batch, answers) in group.iter().zip(worked) {
                done += batch.len();
                for (place, answer) in batch.iter().zip(answers) {
                    found[*place] = Some(answer);
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// The last hidden states of checked texts.
    pub fn run(&self, texts: &[Tokens<'_>]) -> Result<Hidden, Error> {
        let found = self.watch(texts, &mut |_| ControlFlow::Continue(()))?;
        found.ok_or(Error::NoTokens)
    }

    /// As [`Self::run`], shows the hidden states on their way: those before each layer and the last.
    pub fn watch(
        &self,
        texts: &[Tokens<'_>],
        watch: &mut (dyn FnMut(&[f32]) -> ControlFlow<()> + Send),
    ) -> Result<Option<Hidden>, Error> {
        texts.iter().try_for_each(|text| self.check(*text))?;
        let mut end = 0;
        let spans = texts.iter().map(|text| {
            end += text.ids.len();
            end - text.ids.len()..end
        });
        let spans: Vec<Range<usize>> = spans.collect();
        let run = jobs::in_pool(|| {
            let hidden = self.embed(texts, &vec![0; texts.len()])?;
            let visible = texts.iter().map(|text| text.visible).collect();
            let batch = Batch { spans: spans.clone(), visible };
            let watch: Watcher<'_> = watch;
            self.stack.run(hidden, &batch, watch)
        });
        Ok(run?.map(|states| Hidden { states, spans }))
    }

    /// What enters the first layer; `before`: how many tokens stand before each text.
    pub fn embed(&self, texts: &[Tokens<'_>], before: &[usize]) -> candle_core::Result<Buffer> {
        let it = &self.description;
        let ids: Vec<u32> = texts.iter().flat_map(|text| text.ids.iter().copied()).collect();
        let mut hidden = looked_up(&self.words, &ids, it.word_scale);
        if let Some(kinds) = &self.kinds {
            let of_text = |text: &Tokens<'_>| match text.kinds {
                Some(kinds) => kinds.to_vec(),
                None => vec![0; text.ids.len()],
            };
            let all: Vec<u32> = texts.iter().flat_map(of_text).collect();
            rows::add(&mut hidden, &looked_up(kinds, &all, None));
        }
        if let (Some(table), Some(learned)) = (&self.positions, it.positions) {
            let all = texts.iter().zip(before);
            let all = all.flat_map(|(text, before)| places(learned.first, *before, text.ids));
            let all: Vec<u32> = all.collect();
            rows::add(&mut hidden, &looked_up(table, &all, None));
        }
        let project = |hidden: Buffer| match &self.projection {
            Some(projection) => projection.run(&hidden, ids.len(), None),
            None => Ok(hidden),
        };
        let is_before = it.projection.is_some_and(|projection| projection.is_before_norm);
        if is_before {
            hidden = project(hidden)?;
        }
        if let Some(norm) = &self.norm {
            hidden = norm.run(&hidden);
        }
        if !is_before {
            hidden = project(hidden)?;
        }
        if it.hides_padding {
            let visible = texts.iter().flat_map(|text| match text.visible {
                Some(visible) => visible.to_vec(),
                None => vec![true; text.ids.len()],
            });
            for (row, visible) in hidden.chunks_exact_mut(it.width).zip(visible) {
                if !visible {
                    row.fill(0.0);
                }
            }
        }
        Ok(hidden)
    }
}

/// Texts in groups that are run together, the longest first: as places in `lengths`.
fn batches(lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|place| std::cmp::Reverse(lengths[*place]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut tokens = TOGETHER;
    for place in order {
        // A text without a token, where nothing is put around one, is read with the others.
        if batches.is_empty() || tokens + lengths[place] > TOGETHER {
            batches.push(Vec::new());
            tokens = 0;
        }
        tokens += lengths[place];
        if let Some(batch) = batches.last_mut() {
            batch.push(place);
        }
    }
    batches
}

/// The learned position of each token.
pub(super) fn places(first: FirstPosition, before: usize, ids: &[u32]) -> Vec<u32> {
    match first {
        FirstPosition::From(first) => {
            (0..ids.len()).map(|at| (first + before + at) as u32).collect()
        }
        FirstPosition::After(padding) => {
            let mut last = padding + before as u32;
            let place = |id: &u32| {
                if *id == padding {
                    return padding;
                }
                last += 1;
                last
            };
            ids.iter().map(place).collect()
        }
    }
}

/// The layers.
fn stack(it: &Description, store: &Store) -> Result<Stack, llm::Error> {
    let mut loaded: BTreeMap<&str, Arc<Block>> = BTreeMap::new();
    let mut blocks = Vec::with_capacity(it.paths.len());
    for (index, path) in it.paths.iter().enumerate() {
        // Layers that share their tensors are one.
        let shared = loaded.get(path.as_str()).cloned();
        let block = match shared {
            Some(block) => block,
            None => Arc::new(block(it, store, index)?),
        };
        loaded.insert(path, Arc::clone(&block));
        blocks.push(block);
    }
    let distances = it.distances.map(|names| {
        let learned = store.matrix(&store.body(names.name), names.rows, it.heads)?;
        let (buckets, farthest) = (names.buckets, names.farthest);
        let learned = learned.dequantize();
        let is_two_sided = it.cross.is_none();
        Ok::<_, llm::Error>(Distances { learned, buckets, farthest, is_two_sided })
    });
    let distances = distances.transpose()?;
    let places = it.places.map(|names| learned_places(it, store, names)).transpose()?;
    let final_norm =
        it.final_norm.map(|name| store.norm(&store.body(name), it.width, it.eps, it.norm));
    let final_norm = final_norm.transpose()?;
    Ok(Stack {
        blocks,
        order: it.order,
        final_norm,
        is_causal: it.cross.is_some(),
        distances,
        places,
    })
}

fn learned_places(
    it: &Description,
    store: &Store,
    names: PlaceNames,
) -> Result<Places, llm::Error> {
    let table = store.matrix(&store.body(names.name), 2 * names.span, it.width)?;
    let learned = match names.norm {
        Some(norm) => {
            let norm = store.norm(&store.body(norm), it.width, it.eps, it.norm)?;
            norm.run(&table.dequantize()).to_vec()
        }
        None => table.dequantize(),
    };
    let shape = [it.heads * it.head_dim, it.width];
    let own = it.paths.iter().map(|path| {
        let Some([key, query]) = names.own else { return Ok([None, None]) };
        let load = |name: &str, is_wanted: bool| {
            let name = store.body(&format!("{path}.{name}"));
            is_wanted.then(|| store.linear(&name, shape, true)).transpose()
        };
        Ok([load(key, names.is_for_queries)?, load(query, names.is_for_keys)?])
    });
    let own = own.collect::<Result<Vec<_>, llm::Error>>()?;
    let PlaceNames { span, buckets, most, is_for_queries, is_for_keys, .. } = names;
    Ok(Places { learned, span, buckets, most, is_for_queries, is_for_keys, own })
}

fn block(it: &Description, store: &Store, index: usize) -> Result<Block, llm::Error> {
    let path = |name: &str| store.body(&format!("{}.{name}", it.paths[index]));
    let attended = it.heads * it.head_dim;
    let names = it.layer;
    let linear =
        |name: &str, shape: [usize; 2], has_bias: bool| store.linear(&path(name), shape, has_bias);
    let bias = it.has_attention_bias;
    let [q, k, v] = match names.fused {
        Some(fused) => store.fused(&path(fused), [attended; 3], it.width, bias)?,
        None => [
            linear(names.query, [attended, it.width], bias)?,
            linear(names.key, [attended, it.width], bias)?,
            linear(names.value, [attended, it.width], bias)?,
        ],
    };
    let o = linear(names.out, [it.width, attended], bias)?;
    let (inner, bias) = ([it.inner, it.width], it.has_feed_bias);
    let (first, gate) = match names.feed_gate {
        FeedGate::None => (linear(names.feed, inner, bias)?, None),
        FeedGate::Own(gate) => (linear(names.feed, inner, bias)?, Some(linear(gate, inner, bias)?)),
        FeedGate::Fused => {
            let [first, gate] = store.fused(&path(names.feed), [it.inner; 2], it.width, bias)?;
            (first, Some(gate))
        }
    };
    let last = linear(names.feed_out, [it.width, it.inner], bias)?;
    let norm = |name: &str| store.norm(&path(name), it.width, it.eps, it.norm);
    let cross = it.cross.map(|names| {
        let bias = it.has_attention_bias;
        let attention = Attention {
            q: linear(names.query, [attended, it.width], bias)?,
            k: linear(names.key, [attended, it.width], bias)?,
            v: linear(names.value, [attended, it.width], bias)?,
            o: linear(names.out, [it.width, attended], bias)?,
            heads: it.heads,
            head_dim: it.head_dim,
            scale: it.scale as f32,
        };
        Ok::<_, llm::Error>((attention, norm(names.norm)?))
    });
    let cross = cross.transpose()?;
    let has_norm = index > 0 || !names.first_has_no_norm;
    Ok(Block {
        attention: Attention {
            q,
            k,
            v,
            o,
            heads: it.heads,
            head_dim: it.head_dim,
            scale: it.scale as f32,
        },
        attention_norm: has_norm.then(|| norm(names.attention_norm)).transpose()?,
        cross,
        feed: Feed { first, gate, last, activation: it.activation },
        feed_norm: Some(norm(names.feed_norm)?),
        window: it.windows.get(index).copied().flatten(),
        turn: it.turns.get(index).copied(),
    })
}

/// Fails where a network that knows so many tokens cannot read these ids.
pub(crate) fn check_ids(ids: &[u32], known: usize) -> Result<(), Error> {
    if ids.is_empty() {
        return Err(Error::NoTokens);
    }
    match ids.iter().copied().find(|id| *id as usize >= known) {
        Some(id) => Err(Error::Token { id, known }),
        None => Ok(()),
    }
}
