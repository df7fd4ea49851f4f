//! What the model remembers of a sequence: the keys and values of every layer.

use std::any::Any;
use std::sync::Arc;

use candle_core::TensorId;
use half::f16;
use half::slice::HalfFloatSliceExt as _;
use tuning_fork_kernels::{BLOCK, Blocks, KEY_LANES, KEY_TILE, KeysValues, Numbers};

use crate::llm::config::CacheNumbers;

/// Keys and values of the tokens that have been run. A clone is a fork: both share what is there
/// until one of them grows.
#[derive(Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,

    /// Tokens that the layers have taken in, with the virtual ones of a soft prompt in front.
    len: usize,

    /// How many of them are virtual, and of which soft prompt. Whoever asks for lengths and places counts
    /// the text alone.
    front: Option<(usize, TensorId)>,

    /// Of a model with recurrent layers, which cannot go back by a token.
    states: Option<States>,

    /// Where another engine keeps the tokens, what it keeps of them in place of our layers.
    theirs: Option<Theirs>,

    /// See [`Self::plan`].
    planned: usize,

    /// Where layers have states, or rope depends on the length of the text (`LongRoPE`): the tokens held,
    /// and the length
    /// that their keys were turned for. Empty elsewhere.
    pub(crate) ids: Vec<u32>,
    pub(crate) turned_for: usize,
}

impl KvCache {
    /// Key heads and their length of each layer; a layer that sees another's keys has none.
    pub(crate) fn new(layers: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let layers = layers.into_iter().map(|(kv_heads, head_dim)| LayerCache {
            kv_heads,
            head_dim,
            len: 0,
            capacity: 0,
            keys: Store::F32(Arc::default()),
            values: Store::F32(Arc::default()),
        });
        let (planned, turned_for) = (0, 0);
        let layers = layers.collect();
        let front = None;
        let (states, theirs) = (None, None);
        Self { layers, len: 0, front, states, theirs, planned, ids: Vec::new(), turned_for }
    }

    /// The same, empty, of another engine, which cannot go back by a token either.
    #[cfg_attr(not(test), expect(dead_code, reason = "no other engine is built in yet"))]
    pub(crate) fn of_engine() -> Self {
        Self { theirs: Some(Theirs(None)), ..Self::new([]) }
    }

    /// What another engine keeps of the tokens that it has taken in. `None`: it has none.
    #[cfg_attr(not(test), expect(dead_code, reason = "as above"))]
    pub(crate) fn theirs<T: Any>(&self) -> Option<&T> {
        self.theirs.as_ref()?.0.as_ref()?.downcast_ref()
    }

    /// What it keeps once it has taken in `count` more.
    #[cfg_attr(not(test), expect(dead_code, reason = "as above"))]
    pub(crate) fn keep_theirs<T: Any + Send + Sync>(&mut self, kept: T, count: usize) {
        self.theirs = Some(Theirs(Some(Arc::new(kept))));
        self.advance(count);
    }

    /// Whether it keeps the tokens themselves, so that what cannot go back by a few of them can take them
    /// in once more.
    pub(crate) fn keeps_ids(&self) -> bool {
        self.states.is_some() || self.theirs.is_some()
    }

    /// The same, empty, for a model of which some layers carry states.
    pub(crate) fn with_states(mut self, are_there: bool) -> Self {
        self.states = are_there
            .then(|| States { now: vec![Arc::default(); self.layers.len()], kept: vec![] });
        self
    }

    /// The same, empty, with numbers of this kind. What recurrent layers carry stays as it is.
    pub(crate) fn kept_as(mut self, numbers: CacheNumbers) -> Self {
        for layer in &mut self.layers {
            (layer.len, layer.capacity) = (0, 0);
            layer.keys = Store::new(numbers);
            layer.values = Store::new(numbers);
        }
        self.len = 0;
        self
    }

    /// How many tokens of a text it holds.
    pub fn len(&self) -> usize {
        if self.keeps_ids() { self.ids.len() } else { self.len - self.virtual_tokens() }
    }

    /// How many virtual tokens stand before them.
    pub(crate) fn virtual_tokens(&self) -> usize {
        self.front.map_or(0, |(count, _)| count)
    }

    /// The soft prompt that they are of.
    pub(crate) fn front_of(&self) -> Option<TensorId> {
        self.front.map(|(_, of)| of)
    }

    /// What it holds now are the virtual tokens of this soft prompt.
    pub(crate) fn set_front(&mut self, of: TensorId) {
        self.front = Some((self.len, of));
    }

    /// Forgets everything, the virtual tokens too.
    pub(crate) fn clear(&mut self) {
        self.front = None; // what it held of a soft prompt is then as any text
        self.truncate(0);
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tokens the layers have taken in, virtual ones too: the place of the next one. Others that
    /// the cache holds were there, and are to be run again.
    pub(crate) fn done(&self) -> usize {
        self.len
    }

    /// Forgets everything after the first `len` tokens. Holding fewer already is not an error.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        self.ids.truncate(len);
        let len = self.go_back(len + self.virtual_tokens());
        self.len = self.len.min(len);
        for layer in &mut self.layers {
            layer.truncate(len);
        }
    }

    /// Where the states can go back to, at most `len`: that is where the layers then are.
    fn go_back(&mut self, len: usize) -> usize {
        if let Some(theirs) = self.theirs.as_mut().filter(|_| len < self.len) {
            theirs.0 = None;
            return 0;
        }
        let Some(States { now, kept }) = &mut self.states else { return len };
        if len >= self.len {
            return self.len;
        }
        kept.retain(|(at, _)| *at <= len);
        if let Some((at, states)) = kept.last() {
            now.clone_from(states);
            *at
        } else {
            now.fill(Arc::default());
            0
        }
    }

    /// Keeps the states as they are, to go back to: of the last few places where a text was added.
    pub(crate) fn remember(&mut self) {
        const KEPT: usize = 4;
        let Some(States { now, kept }) = &mut self.states else { return };
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((self.len, now.clone()));
    }

    /// The tokens that are held and were forgotten by the layers.
    pub(crate) fn behind(&self) -> Vec<u32> {
        self.ids.get(self.len..).unwrap_or_default().to_vec()
    }

    pub(crate) fn state_mut(&mut self, layer: usize) -> &mut State {
        let states = self.states.as_mut().expect("a cache of this model was made with states");
        Arc::make_mut(&mut states.now[layer])
    }

    /// Says how long the text will be that is run through this cache piece by piece. The pieces of
    /// a model whose rope depends on the length then get what the whole text at once would get.
    pub fn plan(&mut self, len: usize) {
        self.planned = len;
    }

    pub(crate) fn planned(&self) -> usize {
        if self.planned == 0 { 0 } else { self.planned + self.virtual_tokens() }
    }

    /// What it takes in memory, with the room that it keeps to grow into.
    pub fn byte_len(&self) -> usize {
        let layers = self.layers.iter();
        let keys = layers.map(|layer| layer.keys.byte_len() + layer.values.byte_len());
        let states = self.states.iter().flat_map(|states| &states.now);
        let states = states.map(|state| size_of::<f32>() * (state.tail.len() + state.memory.len()));
        keys.sum::<usize>() + states.sum::<usize>()
    }

    pub(crate) fn layer_mut(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// Makes room for `len` tokens at once: room that is grown into step by step is larger.
    pub(crate) fn reserve(&mut self, len: usize) {
        for layer in &mut self.layers {
            layer.reserve(len);
        }
    }

    /// Called once all layers have taken in `count` tokens.
    pub(crate) fn advance(&mut self, count: usize) {
        self.len += count;
    }

    /// Undoes what the layers took in since they had taken in `start` tokens, after a failure.
    pub(crate) fn rewind(&mut self, start: usize) {
        self.len = start;
        if let Some(States { now, kept }) = &mut self.states {
            // The states have gone on: back to the last ones that were kept.
            kept.retain(|(at, _)| *at <= start);
            self.len = kept.last().map_or(0, |(at, _)| *at);
            match kept.last() {
                Some((_, states)) => now.clone_from(states),
                None => now.fill(Arc::default()),
            }
        }
        for layer in &mut self.layers {
            layer.truncate(self.len);
        }
    }
}

/// What a piece of a text left in a cache: put back, it need not be run again.
#[derive(Clone)]
pub(crate) struct Piece {
    /// How many tokens the cache held before it.
    start: usize,

    /// Keys and values of every layer, (positions, heads · `head_dim`) each.
    rows: Vec<[Vec<f32>; 2]>,

    /// As in the cache.
    ids: Vec<u32>,
    turned_for: usize,

    /// After it, where there are states.
    states: Option<Vec<Arc<State>>>,
    len: usize,
}

impl Piece {
    /// How many tokens the cache held after it.
    pub fn end(&self) -> usize {
        self.start + self.len
    }

    /// What it takes in memory, without the states, which are shared.
    pub fn byte_len(&self) -> usize {
        self.rows.iter().flatten().map(|rows| size_of_val(rows.as_slice())).sum()
    }
}

impl KvCache {
    /// What the tokens from `start` on left in it.
    pub(crate) fn piece(&self, start: usize) -> Piece {
        let first = start + self.virtual_tokens();
        Piece {
            start,
            rows: self.layers.iter().map(|layer| layer.rows_from(first)).collect(),
            ids: self.ids.get(start..).unwrap_or_default().to_vec(),
            turned_for: self.turned_for,
            states: self.states.as_ref().map(|states| states.now.clone()),
            len: self.len - first,
        }
    }

    /// Goes to where it was after the last of these pieces: it holds the first of them, whatever
    /// came after that is forgotten, and the others, each of which begins where the one before it
    /// ends, are put back.
    pub(crate) fn put_back(&mut self, pieces: &[&Piece]) {
        let Some(held) = pieces.first() else { return };
        let end = held.end();
        let virtual_tokens = self.virtual_tokens();
        for layer in &mut self.layers {
            layer.truncate(end + virtual_tokens);
        }
        self.ids.truncate(end);
        for piece in &pieces[1..] {
            for (layer, [keys, values]) in self.layers.iter_mut().zip(&piece.rows) {
                if !keys.is_empty() {
                    layer.append(keys, values);
                }
            }
            self.ids.extend(&piece.ids);
        }
        let last = pieces[pieces.len() - 1];
        self.len = last.end() + virtual_tokens;
        self.turned_for = last.turned_for;
        if let Some(theirs) = &mut self.theirs {
            // It may have gone on since: all of it is taken in once more.
            (theirs.0, self.len) = (None, 0);
        }
        if let (Some(States { now, kept }), Some(states)) = (&mut self.states, &last.states) {
            now.clone_from(states);
            kept.retain(|(at, _)| *at <= end);
        }
    }
}

/// What another engine keeps of the tokens that it has taken in. Clones share it: it is replaced, never
/// changed.
#[derive(Clone)]
struct Theirs(Option<Arc<dyn Any + Send + Sync>>);

/// What recurrent layers carry, now and at places to go back to.
#[derive(Clone)]
struct States {
    now: Vec<Arc<State>>,

    /// By how many tokens had been taken in, in their order.
    kept: Vec<(usize, Vec<Arc<State>>)>,
}

/// What a recurrent layer carries from token to token; empty before the first.
#[derive(Clone, Default)]
pub(crate) struct State {
    /// Inputs of a convolution that the next token still sees.
    pub tail: Vec<f32>,

    /// A matrix for each head.
    pub memory: Vec<f32>,
}

/// Numbers from which keys and values are put away on two threads.
const PARALLEL_FROM: usize = 1 << 13;

/// One layer's keys and values, with room for `capacity` positions of which `len` are used.
#[derive(Clone)]
pub(crate) struct LayerCache {
    kv_heads: usize,
    head_dim: usize,
    len: usize,
    capacity: usize,

    /// (heads, capacity / 8, `head_dim`, 8)
    keys: Store,

    /// (heads, capacity, `head_dim`)
    values: Store,
}

#[derive(Clone)]
enum Store {
    F32(Arc<Vec<f32>>),
    F16(Arc<Vec<f16>>),

    /// And for each [`BLOCK`] of a head a scale, which lie as the numbers do.
    Q8(Arc<Vec<i8>>, Arc<Vec<f16>>),
}

impl LayerCache {
    /// Takes in keys and values of new positions, each (positions, heads · `head_dim`).
    pub fn append(&mut self, keys: &[f32], values: &[f32]) {
        let (heads, dim, len) = (self.kv_heads, self.head_dim, self.len);
        let count = keys.len() / (heads * dim);
        self.reserve(len + count);
        let capacity = self.capacity;
        let key_place = |row, dim| {
            let (position, head) = (len + row / heads, row % heads);
            let block = head * capacity + position / KEY_LANES * KEY_LANES;
            (block * dim + position % KEY_LANES, KEY_LANES)
        };
        let value_place = |row, dim| ((row % heads * capacity + len + row / heads) * dim, 1);
        let (key_store, value_store) = (&mut self.keys, &mut self.values);
        if keys.len() < PARALLEL_FROM {
            key_store.put(keys, dim, key_place);
            value_store.put(values, dim, value_place);
        } else {
            rayon::join(
                || key_store.put(keys, dim, key_place),
                || value_store.put(values, dim, value_place),
            );
        }
        self.len += count;
    }

    /// Keys and values from position `start` on, as they were appended.
    pub(crate) fn rows_from(&self, start: usize) -> [Vec<f32>; 2] {
        let Self { kv_heads, head_dim, len, capacity, .. } = *self;
        let count = len.saturating_sub(start) * kv_heads;
        let of = |store: &Store, place: &dyn Fn(usize, usize, usize) -> (usize, usize)| {
            let mut rows = Vec::with_capacity(count * head_dim);
            for row in 0..count {
                let (position, head) = (start + row / kv_heads, row % kv_heads);
                store.read(head_dim, |dim| place(position, head, dim), &mut rows);
            }
            rows
        };
        let key_place = |position: usize, head: usize, dim: usize| {
            let block = head * capacity + position / KEY_LANES * KEY_LANES;
            (block * dim + position % KEY_LANES, KEY_LANES)
        };
        let value_place =
            |position: usize, head: usize, dim: usize| ((head * capacity + position) * dim, 1);
        [of(&self.keys, &key_place), of(&self.values, &value_place)]
    }

    /// How many positions it holds.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub fn view(&self) -> KeysValues<'_> {
        let keys = self.keys.view(self.head_dim, KEY_LANES);
        let values = self.values.view(self.head_dim, 1);
        KeysValues { capacity: self.capacity, keys, values, sinks: &[] }
    }

    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes room for `len` positions, a quarter more than there was at least.
    fn reserve(&mut self, len: usize) {
        if len <= self.capacity {
            return;
        }
        let capacity = len.max(self.capacity + self.capacity / 4).next_multiple_of(KEY_TILE);
        for store in [&mut self.keys, &mut self.values] {
            store.grow(self.kv_heads, self.head_dim, [self.capacity, capacity]);
        }
        self.capacity = capacity;
    }
}

impl Store {
    fn new(numbers: CacheNumbers) -> Self {
        match numbers {
            CacheNumbers::F32 => Self::F32(Arc::default()),
            CacheNumbers::F16 => Self::F16(Arc::default()),
            CacheNumbers::Q8_0 => Self::Q8(Arc::default(), Arc::default()),
        }
    }

    /// Writes rows of `dim` numbers; `place` says where a row of so many starts and how far its numbers
    /// are apart.
    fn put(&mut self, rows: &[f32], dim: usize, place: impl Fn(usize, usize) -> (usize, usize)) {
        fn put<T: Copy>(
            to: &mut [T],
            rows: std::slice::ChunksExact<'_, T>,
            place: impl Fn(usize) -> (usize, usize),
        ) {
            for (index, row) in rows.enumerate() {
                let (start, step) = place(index);
                for (to, value) in to[start..].iter_mut().step_by(step).zip(row) {
                    *to = *value;
                }
            }
        }
        match self {
            Self::F32(numbers) => {
                let rows = rows.chunks_exact(dim);
                put(Arc::make_mut(numbers).as_mut_slice(), rows, |row| place(row, dim));
            }
            Self::F16(numbers) => {
                // All at once: one by one, each would ask again what the processor can do.
                let mut halves = vec![f16::ZERO; rows.len()];
                halves.convert_from_f32_slice(rows);
                put(Arc::make_mut(numbers).as_mut_slice(), halves.chunks_exact(dim), |row| {
                    place(row, dim)
                });
            }
            Self::Q8(numbers, scales) => {
                let (numbers, scales) = (Arc::make_mut(numbers), Arc::make_mut(scales));
                for (index, row) in rows.chunks_exact(dim).enumerate() {
                    let (first, step) = place(index, dim);
                    let (scale, scale_step) = place(index, dim.div_ceil(BLOCK));
                    for (block, values) in row.chunks(BLOCK).enumerate() {
                        let most = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                        let by = if most > 0.0 { 127.0 / most } else { 0.0 };
                        scales[scale + block * scale_step] = f16::from_f32(most / 127.0);
                        let to = numbers[first + block * BLOCK * step..].iter_mut().step_by(step);
                        for (to, value) in to.zip(values) {
                            *to = (value * by).round() as i8;
                        }
                    }
                }
            }
        }
    }

    /// Adds a row of `dim` numbers to `to`; `place` as above.
    fn read(&self, dim: usize, place: impl Fn(usize) -> (usize, usize), to: &mut Vec<f32>) {
        let (from, step) = place(dim);
        match self {
            Self::F32(numbers) => {
                to.extend(numbers[from..].iter().step_by(step).take(dim));
            }
            Self::F16(numbers) => {
                to.extend(numbers[from..].iter().step_by(step).take(dim).map(|it| it.to_f32()));
            }
            Self::Q8(numbers, scales) => {
                let (scale, scale_step) = place(dim.div_ceil(BLOCK));
                let numbers = numbers[from..].iter().step_by(step).take(dim).enumerate();
                to.extend(numbers.map(|(at, number)| {
                    f32::from(*number) * scales[scale + at / BLOCK * scale_step].to_f32()
                }));
            }
        }
    }

    /// Makes room for more positions in each head: from the first to the second number of them.
    fn grow(&mut self, heads: usize, dim: usize, positions: [usize; 2]) {
        fn grown<T: Copy + Default>(
            numbers: &[T],
            heads: usize,
            [old, new]: [usize; 2],
        ) -> Arc<Vec<T>> {
            let mut grown = vec![T::default(); heads * new];
            if old > 0 {
                let from = numbers.chunks_exact(old);
                for (to, from) in grown.chunks_exact_mut(new).zip(from) {
                    to[..old].copy_from_slice(from);
                }
            }
            Arc::new(grown)
        }
        let lens = |dim: usize| positions.map(|count| count * dim);
        match self {
            Self::F32(numbers) => *numbers = grown(numbers, heads, lens(dim)),
            Self::F16(numbers) => *numbers = grown(numbers, heads, lens(dim)),
            Self::Q8(numbers, scales) => {
                *numbers = grown(numbers, heads, lens(dim));
                *scales = grown(scales, heads, lens(dim.div_ceil(BLOCK)));
            }
        }
    }

    fn byte_len(&self) -> usize {
        match self {
            Self::F32(numbers) => size_of_val(numbers.as_slice()),
            Self::F16(numbers) => size_of_val(numbers.as_slice()),
            Self::Q8(numbers, scales) => {
                size_of_val(numbers.as_slice()) + size_of_val(scales.as_slice())
            }
        }
    }

    fn view(&self, head_dim: usize, lanes: usize) -> Numbers<'_> {
        match self {
            Self::F32(numbers) => Numbers::F32(numbers),
            Self::F16(numbers) => Numbers::F16(numbers),
            Self::Q8(numbers, scales) => Numbers::Q8(Blocks { numbers, scales, head_dim, lanes }),
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
