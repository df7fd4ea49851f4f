//! The sampling chain, in the order of transformers or of llama.cpp. What each step leaves, for a
//! screen: `pipeline.rs`.
//!
//! It runs on every frame while a slider moves, over vocabularies of a quarter of a million
//! tokens: no stage sorts them all.

use std::collections::BTreeSet;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

pub use super::chain::Stage;
use super::chain::{Chain, largest, softmax};

/// How many of the last tokens llama.cpp's penalty looks at (`penalty_last_n`).
const LLAMA_CPP_WINDOW: usize = 64;

/// A step of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The repetition penalty and the ban on repeated n-grams: they come first in either order.
    Penalties,

    /// Greedy: it stands in place of all that follow.
    Greedy,
    Temperature,
    TopK,
    TopP,
    MinP,
    TypicalP,
}

/// In which order the chain's steps follow each other. The same settings keep other tokens in the
/// other order: top-p after a temperature of 2 keeps many more than before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainOrder {
    /// Temperature first, then top-k, top-p, min-p, typical-p. The penalty counts every token of
    /// the prompt and the answer.
    #[default]
    Transformers,

    /// llama.cpp's default: top-k, typical-p, top-p, min-p, and temperature last. The penalty
    /// counts the last 64 tokens. Each step by itself is transformers'.
    LlamaCpp,
}

impl ChainOrder {
    /// What comes after the penalties, unless the answer is greedy.
    pub const fn steps(self) -> [Step; 5] {
        use Step::{MinP, Temperature, TopK, TopP, TypicalP};
        match self {
            Self::Transformers => [Temperature, TopK, TopP, MinP, TypicalP],
            Self::LlamaCpp => [TopK, TypicalP, TopP, MinP, Temperature],
        }
    }

    /// The part of the text that the repetition penalty looks at.
    fn penalised(self, history: &[u32]) -> &[u32] {
        match self {
            Self::Transformers => history,
            Self::LlamaCpp => &history[history.len().saturating_sub(LLAMA_CPP_WINDOW)..],
        }
    }
}

/// How the next token is picked from the model's scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingParams {
    /// Always take the likeliest token. The penalty and the n-gram ban still apply; the rest of
    /// the chain is off.
    pub greedy: bool,

    /// Divides the scores: below 1 the likely get likelier, above 1 the field evens out. 0 is
    /// greedy.
    pub temperature: f32,

    /// Keep the k likeliest tokens (ties with the k-th stay). 0 is off.
    pub top_k: usize,

    /// Keep the smallest set of tokens whose probabilities sum to at least p. 1 is off.
    pub top_p: f32,

    /// Remove tokens less likely than this share of the likeliest one. 0 is off.
    pub min_p: f32,

    /// Keep the tokens whose surprise is closest to the expected one, up to this mass. 1 is off.
    pub typical_p: f32,

    /// Divides positive and multiplies negative scores of every token already there. 1 is off.
    pub repetition_penalty: f32,

    /// Forbid any run of this many tokens from appearing twice. 0 is off.
    pub no_repeat_ngram_size: usize,

    /// In which order these act.
    pub order: ChainOrder,
}

impl Default for SamplingParams {
    /// Gentle settings for a small instruct model; everything else off.
    fn default() -> Self {
        Self {
            greedy: false,
            temperature: 0.7,
            top_k: 50,
            top_p: 0.95,
            min_p: 0.0,
            typical_p: 1.0,
            repetition_penalty: 1.1,
            no_repeat_ngram_size: 0,
            order: ChainOrder::default(),
        }
    }
}

impl SamplingParams {
    /// Whether a step changes anything with these settings.
    pub fn is_on(&self, step: Step) -> bool {
        let is_drawn = !self.is_greedy();
        match step {
            Step::Penalties => self.repetition_penalty != 1.0 || self.no_repeat_ngram_size != 0,
            Step::Greedy => self.is_greedy(),
            Step::Temperature => is_drawn && self.temperature != 1.0,
            Step::TopK => is_drawn && self.top_k != 0,
            Step::TopP => is_drawn && self.top_p < 1.0,
            Step::MinP => is_drawn && self.min_p > 0.0,
            Step::TypicalP => is_drawn && self.typical_p < 1.0,
        }
    }

    /// Every step in the order in which they act, those that are off among them.
    pub fn steps(&self) -> Vec<Step> {
        let last: &[Step] = if self.is_greedy() { &[Step::Greedy] } else { &self.order.steps() };
        [&[Step::Penalties], last].concat()
    }

    /// The part of the text that the repetition penalty counts.
    pub fn penalised<'a>(&self, history: &'a [u32]) -> &'a [u32] {
        self.order.penalised(history)
    }

    /// Whether the likeliest token is taken without drawing.
    pub fn is_greedy(&self) -> bool {
        self.greedy || self.temperature == 0.0
    }

    /// The likeliest token each time, as the model says it.
    pub fn likeliest() -> Self {
        Self { greedy: true, repetition_penalty: 1.0, no_repeat_ngram_size: 0, ..Self::default() }
    }

    /// Refuses what no slider can be set to but a file can say.
    fn check(&self) -> Result<(), SamplingError> {
        let refuse = |name, value, expected| Err(SamplingError::Setting { name, value, expected });
        let unit = 0.0..=1.0;
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return refuse("temperature", self.temperature, "0 or more");
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return refuse("repetition penalty", self.repetition_penalty, "more than 0");
        }
        if !unit.contains(&self.top_p) {
            return refuse("top-p", self.top_p, "between 0 and 1");
        }
        if !unit.contains(&self.min_p) {
            return refuse("min-p", self.min_p, "between 0 and 1");
        }
        if !unit.contains(&self.typical_p) {
            return refuse("typical-p", self.typical_p, "between 0 and 1");
        }
        Ok(())
    }
}

/// Why no token can be picked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SamplingError {
    #[error("the model's score for token {id} is {value}, which is not a number to sample from")]
    NotFinite { id: usize, value: f32 },

    #[error("the model gave no scores")]
    Empty,

    #[error("every token is forbidden: loosen the no-repeat n-gram size")]
    NothingLeft,

    #[error("the {name} is {value}; it has to be {expected}")]
    Setting { name: &'static str, value: f32, expected: &'static str },
}

/// The next token's probabilities before and after the chain, and where each token went.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// By id; the model's own, at temperature 1.
    pub before: Vec<f32>,

    /// By id; 0 for a removed token.
    pub after: Vec<f32>,

    /// By id; the stage that removed it.
    pub removed_by: Vec<Option<Stage>>,
}

/// One token of a [`Distribution`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub id: u32,
    pub before: f32,
    pub after: f32,
    pub removed_by: Option<Stage>,
}

impl Distribution {
    /// The `count` likeliest tokens before the chain, the likeliest first; ties by id.
    pub fn top(&self, count: usize) -> Vec<Candidate> {
        let better = |a: &u32, b: &u32| {
            let probabilities = (self.before[*b as usize], self.before[*a as usize]);
            probabilities.0.total_cmp(&probabilities.1).then(a.cmp(b))
        };
        let mut ids: Vec<u32> = (0..self.before.len() as u32).collect();
        if count < ids.len() {
            ids.select_nth_unstable_by(count, better);
            ids.truncate(count);
        }
        ids.sort_unstable_by(better);
        ids.into_iter().map(|id| self.candidate(id)).collect()
    }

    pub fn candidate(&self, id: u32) -> Candidate {
        let index = id as usize;
        Candidate {
            id,
            before: self.before[index],
            after: self.after[index],
            removed_by: self.removed_by[index],
        }
    }

    /// How many tokens can still be drawn.
    pub fn kept_count(&self) -> usize {
        self.after.iter().filter(|probability| **probability > 0.0).count()
    }
}

/// Runs the chain on one position's raw scores (vocabulary). `history` is the prompt and the
/// answer so far, as transformers hands them to its processors.
pub fn distribution(
    logits: &[f32],
    history: &[u32],
    params: &SamplingParams,
) -> Result<Distribution, SamplingError> {
    let Chain { alive, scores, removed_by } = run_chain(logits, history, params)?;
    let mut after = vec![0.0; logits.len()];
    let scores: Vec<f32> = alive.iter().map(|id| scores[*id as usize]).collect();
    for (id, probability) in alive.iter().zip(softmax(&scores)) {
        after[*id as usize] = probability;
    }
    Ok(Distribution { before: softmax(logits), after, removed_by })
}

fn run_chain(
    logits: &[f32],
    history: &[u32],
    params: &SamplingParams,
) -> Result<Chain, SamplingError> {
    run_steps(logits, history, params, &mut |_, _| {})
}

/// Runs the steps that are on; `after` sees what each of them leaves.
pub(super) fn run_steps(
    logits: &[f32],
    history: &[u32],
    params: &SamplingParams,
    after: &mut dyn FnMut(Step, &Chain),
) -> Result<Chain, SamplingError> {
    params.check()?;
    check_scores(logits)?;
    let mut scores = logits.to_vec();
    penalise(&mut scores, params.penalised(history), params.repetition_penalty);

    let mut removed_by = vec![None; logits.len()];
    for id in banned_by_ngrams(history, params.no_repeat_ngram_size) {
        if let Some(score) = scores.get_mut(id as usize) {
            *score = f32::NEG_INFINITY;
            removed_by[id as usize] = Some(Stage::NoRepeatNgram);
        }
    }
    let mut chain = Chain::new(scores, removed_by);
    if chain.alive.is_empty() {
        return Err(SamplingError::NothingLeft);
    }
    for step in params.steps() {
        if !params.is_on(step) {
            continue;
        }
        match step {
            Step::Penalties => {}
            Step::Greedy => chain.greedy(),
            Step::Temperature => chain.temperature(params.temperature),
            Step::TopK => chain.top_k(params.top_k),
            Step::TopP => chain.top_p(params.top_p),
            Step::MinP => chain.min_p(params.min_p),
            Step::TypicalP => chain.typical_p(params.typical_p),
        }
        after(step, &chain);
    }
    Ok(chain)
}

/// What the chain leaves to draw from.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// In their order.
    pub ids: Vec<u32>,

    /// Of each of them.
    pub probabilities: Vec<f32>,
}

impl Kept {
    /// 0 for a token that is not left.
    pub fn of(&self, id: u32) -> f32 {
        self.ids.binary_search(&id).map_or(0.0, |place| self.probabilities[place])
    }
}

/// As [`distribution`], without what only a screen needs.
pub fn kept(
    logits: &[f32],
    history: &[u32],
    params: &SamplingParams,
) -> Result<Kept, SamplingError> {
    let chain = run_chain(logits, history, params)?;
    let probabilities = softmax(&chain.alive_scores());
    Ok(Kept { ids: chain.alive, probabilities })
}

/// What the chain does before it removes tokens, as beam search does it with log-probabilities: the
/// repetition penalty, and minus infinity for what would repeat a run of tokens.
pub fn process(scores: &mut [f32], history: &[u32], params: &SamplingParams) {
    penalise(scores, history, params.repetition_penalty);
    for id in banned_by_ngrams(history, params.no_repeat_ngram_size) {
        if let Some(score) = scores.get_mut(id as usize) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// Natural log of the probability of `id`, given raw scores; before the chain.
pub fn logprob(logits: &[f32], id: u32) -> f32 {
    LogSoftmax::new(logits).of(id)
}

/// The same of several tokens, without going through the scores for each.
pub struct LogSoftmax<'a> {
    logits: &'a [f32],
    max: f32,
    log_sum: f64,
}

impl<'a> LogSoftmax<'a> {
    pub fn new(logits: &'a [f32]) -> Self {
        let max = largest(logits);
        let sum: f64 = logits.iter().map(|score| f64::from((score - max).exp())).sum();
        Self { logits, max, log_sum: sum.ln() }
    }

    pub fn of(&self, id: u32) -> f32 {
        let Some(score) = self.logits.get(id as usize) else { return f32::NEG_INFINITY };
        (f64::from(score - self.max) - self.log_sum) as f32
    }

    /// The `count` likeliest tokens, the likeliest first; ties by id.
    pub fn likeliest(&self, count: usize) -> Vec<(u32, f32)> {
        let better = |a: &u32, b: &u32| {
            let (one, other) = (self.logits[*a as usize], self.logits[*b as usize]);
            other.total_cmp(&one).then(a.cmp(b))
        };
        if count == 0 {
            return Vec::new();
        }
        let mut ids: Vec<u32> = (0..self.logits.len() as u32).collect();
        if count < ids.len() {
            ids.select_nth_unstable_by(count - 1, better);
            ids.truncate(count);
        }
        ids.sort_unstable_by(better);
        ids.into_iter().map(|id| (id, self.of(id))).collect()
    }
}

/// Minus infinity is a token that the model rules out; NaN and infinity are broken weights.
pub(super) fn check_scores(logits: &[f32]) -> Result<(), SamplingError> {
    let broken = logits.iter().position(|score| score.is_nan() || *score == f32::INFINITY);
    if let Some(id) = broken {
        return Err(SamplingError::NotFinite { id, value: logits[id] });
    }
    if largest(logits) == f32::NEG_INFINITY {
        return Err(SamplingError::Empty);
    }
    Ok(())
}

/// `RepetitionPenaltyLogitsProcessor`: once for each token, however often it is there.
fn penalise(scores: &mut [f32], history: &[u32], penalty: f32) {
    if penalty == 1.0 {
        return;
    }
    for id in history.iter().collect::<BTreeSet<_>>() {
        if let Some(score) = scores.get_mut(*id as usize) {
            let penalised = if *score < 0.0 { *score * penalty } else { *score / penalty };
            if score.is_finite() {
                // An absurd penalty must not make an infinity.
                *score = penalised.clamp(f32::MIN, f32::MAX);
            }
        }
    }
}

/// `NoRepeatNGramLogitsProcessor`: what followed each earlier occurrence of the last
/// `size - 1` tokens.
fn banned_by_ngrams(history: &[u32], size: usize) -> Vec<u32> {
    if size == 0 || history.len() + 1 < size {
        return Vec::new();
    }
    let last = &history[history.len() + 1 - size..];
    let repeats = history.windows(size).filter(|ngram| &ngram[..size - 1] == last);
    repeats.map(|ngram| ngram[size - 1]).collect()
}

/// Draws tokens. The same seed draws the same tokens, on every machine.
#[derive(Clone, Debug)]
pub struct Sampler {
    random: ChaCha20Rng,
}

impl Sampler {
    pub fn new(seed: u64) -> Self {
        Self { random: ChaCha20Rng::seed_from_u64(seed) }
    }

    /// Draws that have nothing to do with those of [`Self::new`] with the same seed, or of another stream.
    pub(super) fn of_stream(seed: u64, stream: u64) -> Self {
        let mut sampler = Self::new(seed);
        sampler.random.set_stream(stream);
        sampler
    }

    /// The id at which the running sum of the probabilities, in the order of the ids, passes a
    /// number drawn evenly from 0 to 1. Draws once, whatever the distribution.
    pub fn pick(&mut self, distribution: &Distribution) -> u32 {
        self.place(&distribution.after) as u32
    }

    /// Runs the chain and draws, as [`distribution`] and [`Self::pick`] would, without the lists
    /// that only a screen needs.
    pub fn next(
        &mut self,
        logits: &[f32],
        history: &[u32],
        params: &SamplingParams,
    ) -> Result<u32, SamplingError> {
        Ok(self.draw(&kept(logits, history, params)?))
    }

    /// One of the tokens that are left, which are some.
    pub(super) fn draw(&mut self, kept: &Kept) -> u32 {
        kept.ids[self.place(&kept.probabilities)]
    }

    /// A number from 0 to 1, without 1.
    pub(super) fn uniform(&mut self) -> f64 {
        // 53 random bits: every f64 step between 0 and 1.
        (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn place(&mut self, probabilities: &[f32]) -> usize {
        let drawn = self.uniform();
        let kept = || probabilities.iter().enumerate().filter(|(_, value)| **value > 0.0);
        let total: f64 = kept().map(|(_, value)| f64::from(*value)).sum();
        let target = drawn * total;
        let mut sum = 0.0;
        let mut last = 0;
        for (place, probability) in kept() {
            last = place;
            sum += f64::from(*probability);
            if sum > target {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
#[path = "sampling_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "sampling_properties.rs"]
mod properties;
