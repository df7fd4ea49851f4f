//! Meaning: texts as vectors, of a layer or of an encoder, and how they lie to each other.

use std::ops::ControlFlow;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde::Serialize;

use super::error::Error;
use super::subject::{Looked, Subject};
use crate::encoder::{Embedded, Encoder};
use crate::jobs::{Cancelled, Progress};
use crate::stats::embeddings::cosine;
use crate::stats::embeddings::principal::{Components, principal_components};
use crate::stats::moments::{quantile_of_sorted, sorted};

/// Items by their vectors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeaningView {
    /// One for each item, all of one length.
    pub vectors: Vec<Vec<f32>>,

    /// Items by principal components of the centred vectors: the first two are the map.
    pub coordinates: Vec<Vec<f64>>,

    /// The share of all variance that each component holds, from the largest down.
    pub variance_share: Vec<f64>,

    /// The cosine of the angle between each two; `None` beside a vector of zeros.
    pub cosine: Vec<Vec<Option<f64>>>,

    /// For each item the others, the nearest first.
    pub nearest: Vec<Vec<Neighbour>>,
}

/// An item, and how near it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Neighbour {
    /// Its place in the list, counted from 0.
    pub item: usize,
    pub cosine: f64,
}

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooled {
    /// The mean of all tokens, those that the tokenizer put around the text among them.
    #[default]
    Mean,

    /// The last token, which has seen all others.
    Last,
    First,
}

impl Pooled {
    /// `states`: (tokens, width), at least one token.
    fn vector(self, states: &[f32], width: usize) -> Vec<f32> {
        match self {
            Self::First => states[..width].to_vec(),
            Self::Last => states[states.len() - width..].to_vec(),
            Self::Mean => {
                let mut sums = vec![0.0_f64; width];
                for state in states.chunks_exact(width) {
                    for (sum, value) in sums.iter_mut().zip(state) {
                        *sum += f64::from(*value);
                    }
                }
                let count = (states.len() / width) as f64;
                sums.into_iter().map(|sum| (sum / count) as f32).collect()
            }
        }
    }
}

/// Neighbours that are listed for each item.
const NEAREST: usize = 10;

/// Components that are kept.
const COMPONENTS: usize = 10;

/// The vectors of texts from a layer's hidden states.
///
/// Layer 0 is the embedding, layer n what the n-th
/// layer gives, the last one after the final norm. Each text is read as far as that layer. Slow:
/// reports texts, and looks for Stop at each.
pub fn vectors_of_layer(
    subject: Subject<'_>,
    texts: &[Vec<u32>],
    layer: usize,
    pooled: Pooled,
    progress: &dyn Progress<Looked>,
) -> Result<Vec<Vec<f32>>, Error> {
    let Subject { model, adapter } = subject;
    let count = model.config().layer_count();
    if layer > count {
        return Err(Error::NoSuchState { layer, count });
    }
    let mut vectors = Vec::with_capacity(texts.len());
    for ids in texts {
        progress.check()?;
        subject.check(ids)?;
        let mut cache = model.new_cache();
        let mut vector = Vec::new();
        model.watch(ids, &mut cache, adapter, &mut |index, states| {
            if index < layer {
                return ControlFlow::Continue(());
            }
            vector = pooled.vector(states, states.len() / ids.len());
            ControlFlow::Break(())
        })?;
        vectors.push(vector);
        progress.emit(Looked { done: vectors.len(), total: texts.len() });
    }
    Ok(vectors)
}

/// The vectors of texts from a sentence encoder, with a prompt before each. Slow: reports texts, and
/// looks for Stop at each.
pub fn vectors_of_encoder(
    encoder: &Encoder,
    prompt: &str,
    texts: &[String],
    progress: &dyn Progress<Looked>,
) -> Result<Vec<Vec<f32>>, Error> {
    let embedded = encoder.embed_after(prompt, texts, &Counted(progress))?;
    Ok(embedded.into_iter().map(|embedding| embedding.values).collect())
}

struct Counted<'a>(&'a dyn Progress<Looked>);

impl Progress<Embedded> for Counted<'_> {
    fn emit(&self, Embedded { done, total }: Embedded) {
        self.0.emit(Looked { done, total });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }

    fn rest(&self) {
        self.0.rest();
    }
}

/// How vectors lie to each other.
pub fn meaning(vectors: Vec<Vec<f32>>) -> MeaningView {
    let rows: Vec<Vec<f64>> =
        vectors.iter().map(|row| row.iter().map(|value| f64::from(*value)).collect()).collect();
    let Components { scores, explained_variance_ratio, .. } = principal_components(&rows);
    let (mut coordinates, mut variance_share) = (scores, explained_variance_ratio);
    coordinates.iter_mut().for_each(|row| row.truncate(COMPONENTS));
    variance_share.truncate(COMPONENTS);
    let cosine = cosine::similarities(&rows);
    let nearest = cosine.iter().enumerate().map(|(own, row)| nearest(own, row)).collect();
    MeaningView { vectors, coordinates, variance_share, cosine, nearest }
}

/// An item along an axis between two groups: -1 where the first group's mean is, 1 where the
/// second's is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Along {
    pub position: f64,

    /// The middle 95 % of the positions on axes between resampled groups: how much the place
    /// depends on which anchors were chosen. `None`: a group has one anchor, or all axes but this
    /// one have no direction.
    pub interval: Option<(f64, f64)>,
}

/// Puts all items on the axis from the mean of the items `from` to that of the items `to`.
///
/// `None`: a group is empty, or both means are one point. `draws`: how often both groups are drawn anew,
/// with replacement.
pub fn along_axis(
    vectors: &[Vec<f32>],
    [from, to]: [&[usize]; 2],
    draws: usize,
    seed: u64,
) -> Option<Vec<Along>> {
    let axis = Axis::between(vectors, from, to)?;
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut drawn = |group: &[usize]| -> Vec<usize> {
        let draw = |_: &usize| {
            let below = (u64::from(random.next_u32()) * group.len() as u64) >> 32;
            group[below as usize]
        };
        group.iter().map(draw).collect()
    };
    let axes: Vec<Axis> = if from.len() > 1 && to.len() > 1 {
        (0..draws).filter_map(|_| Axis::between(vectors, &drawn(from), &drawn(to))).collect()
    } else {
        Vec::new()
    };
    let along = vectors.iter().map(|vector| {
        let places = sorted(axes.iter().map(|axis| axis.position(vector)).collect());
        let quantile = |q: f64| quantile_of_sorted(&places, q).ok();
        let interval = quantile(0.025).zip(quantile(0.975));
        Along { position: axis.position(vector), interval }
    });
    Some(along.collect())
}

struct Axis {
    middle: Vec<f64>,

    /// From the middle to the second group's mean.
    half: Vec<f64>,
    square: f64,
}

impl Axis {
    fn between(vectors: &[Vec<f32>], from: &[usize], to: &[usize]) -> Option<Self> {
        let mean = |group: &[usize]| {
            let rows: Option<Vec<&Vec<f32>>> =
                group.iter().map(|item| vectors.get(*item)).collect();
            let rows = rows.filter(|rows| !rows.is_empty())?;
            let at = |place: usize| rows.iter().map(|row| f64::from(row[place])).sum::<f64>();
            let count = rows.len() as f64;
            Some((0..rows[0].len()).map(|place| at(place) / count).collect::<Vec<f64>>())
        };
        let (from, to) = (mean(from)?, mean(to)?);
        let pairs = || from.iter().zip(&to);
        let half: Vec<f64> = pairs().map(|(from, to)| (to - from) / 2.0).collect();
        let middle = pairs().map(|(from, to)| f64::midpoint(*from, *to)).collect();
        let square: f64 = half.iter().map(|value| value * value).sum();
        (square > 0.0).then_some(Self { middle, half, square })
    }

    fn position(&self, vector: &[f32]) -> f64 {
        let places = vector.iter().zip(self.middle.iter().zip(&self.half));
        let dot = places.map(|(value, (middle, half))| (f64::from(*value) - middle) * half);
        dot.sum::<f64>() / self.square
    }
}

fn nearest(own: usize, row: &[Option<f64>]) -> Vec<Neighbour> {
    let others = row.iter().enumerate().filter(|(item, _)| *item != own);
    let others = others.filter_map(|(item, cosine)| Some(Neighbour { item, cosine: (*cosine)? }));
    let mut others: Vec<Neighbour> = others.collect();
    others
        .sort_by(|one, other| other.cosine.total_cmp(&one.cosine).then(one.item.cmp(&other.item)));
    others.truncate(NEAREST);
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_one_vector() {
        let states = [1.0, 2.0, 3.0, 6.0];
        assert_eq!(Pooled::Mean.vector(&states, 2), [2.0, 4.0]);
        assert_eq!(Pooled::Last.vector(&states, 2), [3.0, 6.0]);
        assert_eq!(Pooled::First.vector(&states, 2), [1.0, 2.0]);
    }

    #[test]
    fn items_lie_between_the_groups_that_make_the_axis() {
        let vectors = [[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0], [3.0, 9.0]];
        let vectors: Vec<Vec<f32>> = vectors.map(|row| row.to_vec()).to_vec();
        let found = along_axis(&vectors, [&[0, 1], &[2, 3]], 200, 1).unwrap();
        let places: Vec<f64> = found.iter().map(|along| along.position).collect();
        assert_eq!(places, [-1.0, -1.0, 1.0, 1.0, 0.5]);
        let (low, high) = found[4].interval.unwrap();
        assert!(low < 0.5 && high > 0.5, "{low} {high}");
        assert_eq!(found, along_axis(&vectors, [&[0, 1], &[2, 3]], 200, 1).unwrap());
        let single = along_axis(&vectors, [&[0], &[2]], 200, 1).unwrap();
        assert_eq!(single[4].interval, None);
        assert!(along_axis(&vectors, [&[0], &[0]], 10, 1).is_none());
        assert!(along_axis(&vectors, [&[], &[0]], 10, 1).is_none());
    }

    #[test]
    fn the_nearest_come_first_and_the_map_holds_the_variance() {
        let view = meaning(vec![vec![2.0, 0.0], vec![1.0, 0.1], vec![0.0, 1.0], vec![0.0, 0.0]]);
        let items: Vec<usize> = view.nearest[0].iter().map(|near| near.item).collect();
        assert_eq!(items, [1, 2]);
        assert_eq!(view.cosine[0][3], None);
        assert!((view.variance_share.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(view.coordinates.len(), 4);
    }
}
