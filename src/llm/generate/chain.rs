//! The stages of the sampling chain, each as transformers' warper of the same name. Their order, and
//! what comes before them: `sampling.rs`.

use std::cmp::Ordering;

/// The stage of the chain that took a token out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    NoRepeatNgram,
    TopK,
    TopP,
    MinP,
    TypicalP,

    /// Greedy: everything but the likeliest token.
    Greedy,
}

/// The tokens that are still in, in the order of their ids, while the chain runs.
pub struct Chain {
    /// By id.
    pub scores: Vec<f32>,
    pub alive: Vec<u32>,
    pub removed_by: Vec<Option<Stage>>,
}

impl Chain {
    pub fn new(scores: Vec<f32>, removed_by: Vec<Option<Stage>>) -> Self {
        let is_alive = |id: &u32| scores[*id as usize] > f32::NEG_INFINITY;
        let alive = (0..scores.len() as u32).filter(is_alive).collect();
        Self { scores, alive, removed_by }
    }

    fn score(&self, id: u32) -> f32 {
        self.scores[id as usize]
    }

    pub fn alive_scores(&self) -> Vec<f32> {
        self.alive.iter().map(|id| self.score(*id)).collect()
    }

    /// Keeps the tokens that `keep` says, by their place in `alive`.
    fn retain(&mut self, stage: Stage, mut keep: impl FnMut(usize) -> bool) {
        let mut place = 0;
        let removed_by = &mut self.removed_by;
        self.alive.retain(|id| {
            let stays = keep(place);
            place += 1;
            if !stays {
                removed_by[*id as usize] = Some(stage);
            }
            stays
        });
    }

    pub fn greedy(&mut self) {
        let scores = self.alive_scores();
        let best = largest(&scores);
        let first = scores.iter().position(|score| *score == best);
        self.retain(Stage::Greedy, |place| Some(place) == first);
    }

    /// `TemperatureLogitsWarper`.
    pub fn temperature(&mut self, temperature: f32) {
        // A tiny temperature can send scores to infinity; then only the likeliest counts.
        if self.alive.iter().any(|id| !(self.score(*id) / temperature).is_finite()) {
            self.greedy();
            return;
        }
        for id in &self.alive {
            self.scores[*id as usize] /= temperature;
        }
    }

    /// `TopKLogitsWarper`: what is below the k-th score goes; ties with it stay.
    pub fn top_k(&mut self, k: usize) {
        if k >= self.alive.len() {
            return;
        }
        let scores = self.alive_scores();
        let mut sorted = scores.clone();
        let (_, kth, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        let kth = *kth;
        self.retain(Stage::TopK, |place| scores[place] >= kth);
    }

    /// `TopPLogitsWarper`: from the least likely up, tokens go while their mass is at most
    /// 1 - p. Of two equal tokens the one with the smaller id goes first, as in torch's sort.
    pub fn top_p(&mut self, top_p: f32) {
        let scores = self.alive_scores();
        let probabilities = softmax(&scores);
        let limit = (1.0 - as_written(top_p)) as f32;
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        let ascending = |a: &u32, b: &u32| {
            let (left, right) = (scores[*a as usize], scores[*b as usize]);
            left.total_cmp(&right).then(a.cmp(b))
        };
        let keys = &probabilities;
        let gone =
            prefix_by_mass(&mut order, keys, &probabilities, ascending, |mass| mass <= limit);
        let mut stays = vec![true; scores.len()];
        // The likeliest token always stays.
        for place in &order[..gone.min(scores.len() - 1)] {
            stays[*place as usize] = false;
        }
        self.retain(Stage::TopP, |place| stays[place]);
    }

    /// `MinPLogitsWarper`.
    pub fn min_p(&mut self, min_p: f32) {
        let probabilities = softmax(&self.alive_scores());
        let best = largest(&probabilities);
        let limit = min_p * best;
        let first = probabilities.iter().position(|probability| *probability == best);
        self.retain(Stage::MinP, |place| probabilities[place] >= limit || Some(place) == first);
    }

    /// `TypicalLogitsWarper`: tokens ordered by how far their surprise is from the expected one;
    /// what lies further out than the token that reaches the mass goes.
    pub fn typical_p(&mut self, mass: f32) {
        let scores = self.alive_scores();
        let probabilities = softmax(&scores);
        let max = largest(&scores);
        let sum: f32 =
            scores.iter().map(|score| f64::from((score - max).exp())).sum::<f64>() as f32;
        let log_sum = sum.ln();
        let surprise: Vec<f32> = scores.iter().map(|score| log_sum - (score - max)).collect();
        let expected: f64 = surprise
            .iter()
            .map(|surprise| f64::from(*surprise) * f64::from((-surprise).exp()))
            .sum();
        let distance: Vec<f32> =
            surprise.iter().map(|surprise| (surprise - expected as f32).abs()).collect();
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        let ascending = |a: &u32, b: &u32| {
            let (left, right) = (distance[*a as usize], distance[*b as usize]);
            left.total_cmp(&right).then(a.cmp(b))
        };
        let fits = |sum| sum < mass;
        let below = prefix_by_mass(&mut order, &distance, &probabilities, ascending, fits);
        let limit = distance[order[below.min(scores.len() - 1)] as usize];
        self.retain(Stage::TypicalP, |place| distance[place] <= limit);
    }
}

/// The length of the longest beginning of the sorted order whose running mass `fits`, leaving
/// `order` sorted around that place: everything before it is smaller, the place itself is right.
/// `order` comes with every place once; `keys`, none of them negative, never fall along it once it
/// is sorted by `compare`.
///
/// Time grows with the length, not with its logarithm as well: places are counted into buckets by
/// their keys, and a quickselect by weight runs in the one bucket that matters.
fn prefix_by_mass(
    order: &mut [u32],
    keys: &[f32],
    weights: &[f32],
    compare: impl Fn(&u32, &u32) -> Ordering,
    fits: impl Fn(f32) -> bool,
) -> usize {
    // Of a number that is not negative, the bits grow with it: the exponent and three bits more.
    const BUCKETS: usize = 1 << 11;
    let bucket = |place: usize| (keys[place].to_bits() >> 20) as usize % BUCKETS;
    let mut masses = [0.0_f64; BUCKETS];
    let mut counts = [0_usize; BUCKETS];
    for (place, weight) in weights.iter().enumerate() {
        masses[bucket(place)] += f64::from(*weight);
        counts[bucket(place)] += 1;
    }
    let mut below = 0.0_f64;
    let mut start = 0;
    let last = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
    let mut split = 0;
    // Where all of it fits, the last bucket is sorted: its last place is then the largest.
    while split < last && fits((below + masses[split]) as f32) {
        below += masses[split];
        start += counts[split];
        split += 1;
    }
    let mut end = start + counts[split];
    let (mut lower, mut within, mut higher) = (0, start, end);
    for place in 0..keys.len() {
        let at = match bucket(place).cmp(&split) {
            Ordering::Less => &mut lower,
            Ordering::Equal => &mut within,
            Ordering::Greater => &mut higher,
        };
        order[*at] = place as u32;
        *at += 1;
    }
    while start < end {
        let middle = start + (end - start) / 2;
        order[start..end].select_nth_unstable_by(middle - start, &compare);
        let half: f64 =
            order[start..=middle].iter().map(|place| f64::from(weights[*place as usize])).sum();
        if fits((below + half) as f32) {
            below += half;
            start = middle + 1;
        } else {
            end = middle;
        }
    }
    start
}

/// The number a person wrote: 0.9, and not the 0.8999999762 that it is as an f32. transformers
/// computes `1 - top_p` from the former.
pub fn as_written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

pub fn largest(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Summed in f64: a vocabulary has a quarter of a million terms.
pub fn softmax(scores: &[f32]) -> Vec<f32> {
    let max = largest(scores);
    let mut probabilities: Vec<f32> = scores.iter().map(|score| (score - max).exp()).collect();
    let sum: f64 = probabilities.iter().map(|value| f64::from(*value)).sum();
    let scale = (1.0 / sum) as f32;
    for probability in &mut probabilities {
        *probability *= scale;
    }
    probabilities
}
