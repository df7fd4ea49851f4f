//! UMAP: vectors that are near to each other stay near in two dimensions, or in a few more.
//!
//! `McInnes`, Healy and Melville (2018), with umap-learn's settings: each vector's neighbours by
//! cosine become a graph, whose edges pull their ends together while drawn pairs push each other
//! away. It begins from the principal components (umap-learn: `init="pca"`) and moves one edge after
//! the other, so that the same seed gives the same map on any machine. Distances between groups on
//! such a map mean little; who is near to whom means much.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::components::components;
use super::error::Error;
use super::graph::{Edge, graph};
use super::matrix::Vectors;
use super::neighbours::neighbours;
use super::worked::{Stage, Worked, reached};
use crate::jobs::Progress;

/// How the low-dimensional vectors are to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// `min_dist=0.1`: a map on which points can be told apart.
    Map,

    /// `min_dist=0.0`: as dense as clustering wants it.
    Dense,
}

impl Spread {
    /// a and b of 1 / (1 + a d^2b), as umap-learn fits them to its `min_dist`.
    fn curve(self) -> (f32, f32) {
        match self {
            Self::Map => (1.576_943_5, 0.895_060_9),
            Self::Dense => (1.932_808_4, 0.790_495),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UmapSettings {
    /// The vector itself among them, as umap-learn counts: `n_neighbors`.
    pub neighbours: usize,
    pub spread: Spread,
    pub dimensions: usize,
    pub seed: u64,
}

impl Default for UmapSettings {
    fn default() -> Self {
        Self { neighbours: 15, spread: Spread::Map, dimensions: 2, seed: 0 }
    }
}

/// Vectors that UMAP needs at least: with fewer, everything is everything's neighbour.
pub const LEAST: usize = 8;

/// Pairs that push each other away for each edge that pulls.
const PUSHES: f32 = 5.0;

/// No step in a direction is longer.
const LONGEST: f32 = 4.0;

/// umap-learn's: many steps where there are few vectors.
fn epochs(count: usize) -> usize {
    if count <= 10_000 { 500 } else { 200 }
}

/// Slow: reports steps, and looks for Stop at each.
pub fn umap(
    vectors: &Vectors,
    settings: UmapSettings,
    progress: &dyn Progress<Worked>,
) -> Result<Vectors, Error> {
    let count = vectors.count();
    if count < LEAST {
        return Err(Error::TooFew { count, least: LEAST });
    }
    let start = components(vectors, settings.dimensions, progress)?;
    let units = vectors.unit();
    let near = neighbours(&units, settings.neighbours.saturating_sub(1).max(2), progress)?;
    let total = epochs(count);
    let mut edges = graph(&near);
    let most = edges.iter().fold(0.0_f32, |most, edge| most.max(edge.weight));
    edges.retain(|edge| edge.weight >= most / total as f32);
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut points = beginning(&start.scores, settings.dimensions, &mut random);
    let mut pull = Pull::new(&edges, most, settings);
    for epoch in 0..total {
        reached(progress, Stage::Layout, epoch, total)?;
        pull.step(&mut points, epoch, total, &mut random);
    }
    Ok(Vectors::new(settings.dimensions, points))
}

/// The first components, ten units wide, each point moved by next to nothing: equal vectors must
/// come apart.
fn beginning(scores: &Vectors, dimensions: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    let widest = scores.values().iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let mut points = Vec::with_capacity(scores.count() * dimensions);
    for row in scores.rows() {
        for dimension in 0..dimensions {
            let value = row.get(dimension).copied().unwrap_or(0.0);
            let drawn = random.next_u32() as f32 / u32::MAX as f32 - 0.5;
            points.push(value * 10.0 / widest + drawn * 4e-4);
        }
    }
    points
}

/// The edges, and when each is next in turn: the heavier, the more often.
struct Pull<'a> {
    edges: &'a [Edge],

    /// Steps from one turn to the next.
    every: Vec<f32>,
    next: Vec<f32>,
    next_push: Vec<f32>,
    curve: (f32, f32),
    dimensions: usize,
}

impl<'a> Pull<'a> {
    fn new(edges: &'a [Edge], most: f32, settings: UmapSettings) -> Self {
        let every: Vec<f32> = edges.iter().map(|edge| most / edge.weight).collect();
        let next_push = every.iter().map(|every| every / PUSHES).collect();
        let UmapSettings { spread, dimensions, .. } = settings;
        Self { edges, next: every.clone(), next_push, every, curve: spread.curve(), dimensions }
    }

    fn step(&mut self, points: &mut [f32], epoch: usize, total: usize, random: &mut ChaCha8Rng) {
        let ((a, b), dimensions) = (self.curve, self.dimensions);
        let now = epoch as f32;
        let rate = 1.0 - now / total as f32;
        let count = (points.len() / dimensions) as u64;
        for (place, edge) in self.edges.iter().enumerate() {
            if self.next[place] > now {
                continue;
            }
            let (from, to) = (edge.from as usize * dimensions, edge.to as usize * dimensions);
            let apart = square_between(points, from, to, dimensions);
            if apart > 0.0 {
                let power = apart.powf(b);
                let slope = -2.0 * a * b * power / apart / (a * power + 1.0);
                for dimension in 0..dimensions {
                    let by = slope * (points[from + dimension] - points[to + dimension]);
                    let by = by.clamp(-LONGEST, LONGEST) * rate;
                    points[from + dimension] += by;
                    points[to + dimension] -= by;
                }
            }
            self.next[place] += self.every[place];
            let push_every = self.every[place] / PUSHES;
            let pushes = ((now - self.next_push[place]) / push_every).max(0.0) as usize;
            for _ in 0..pushes {
                let other = (u64::from(random.next_u32()) * count) >> 32;
                let other = other as usize * dimensions;
                let apart = square_between(points, from, other, dimensions);
                if other == from || apart <= 0.0 {
                    continue;
                }
                let slope = 2.0 * b / ((0.001 + apart) * (a * apart.powf(b) + 1.0));
                for dimension in 0..dimensions {
                    let by = slope * (points[from + dimension] - points[other + dimension]);
                    points[from + dimension] += by.clamp(-LONGEST, LONGEST) * rate;
                }
            }
            self.next_push[place] += pushes as f32 * push_every;
        }
    }
}

fn square_between(points: &[f32], one: usize, other: usize, dimensions: usize) -> f32 {
    let (one, other) = (&points[one..one + dimensions], &points[other..other + dimensions]);
    one.iter().zip(other).map(|(one, other)| (one - other) * (one - other)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;

    /// Three groups in six dimensions.
    pub fn groups(of_each: usize) -> Vectors {
        let mut values = Vec::new();
        for at in 0..3 * of_each {
            for dimension in 0..6 {
                let noise = ((at * 31 + dimension * 17) as f32 * 1.7).sin() * 0.15;
                values.push(f32::from(u8::from(at % 3 == dimension / 2)) + noise);
            }
        }
        Vectors::new(6, values)
    }

    #[test]
    fn neighbours_stay_neighbours_and_a_seed_gives_one_map() {
        let vectors = groups(30);
        let map = umap(&vectors, UmapSettings::default(), &Quiet).unwrap();
        for own in 0..90 {
            let nearest = (0..90).filter(|other| *other != own).min_by(|a, b| {
                let apart = |other: usize| square_between(map.values(), 2 * own, 2 * other, 2);
                apart(*a).total_cmp(&apart(*b))
            });
            assert_eq!(nearest.unwrap() % 3, own % 3, "the nearest on the map is of its group");
        }
        assert_eq!(map, umap(&vectors, UmapSettings::default(), &Quiet).unwrap());
        let other = UmapSettings { seed: 1, dimensions: 3, ..UmapSettings::default() };
        assert_eq!(umap(&vectors, other, &Quiet).unwrap().width(), 3);
    }

    #[test]
    fn few_texts_and_equal_texts_are_refused_and_some_equal_ones_are_not() {
        let few = Vectors::new(2, vec![0.0, 1.0, 1.0, 0.0]);
        let said = umap(&few, UmapSettings::default(), &Quiet).unwrap_err().to_string();
        assert!(said.contains("2 texts are not enough"), "{said}");
        let same = Vectors::new(2, vec![1.0; 40]);
        assert!(matches!(umap(&same, UmapSettings::default(), &Quiet), Err(Error::AllTheSame)));
        let mut half = vec![1.0; 40];
        half[0] = 3.0;
        half[9] = -2.0;
        let map = umap(&Vectors::new(2, half), UmapSettings::default(), &Quiet).unwrap();
        assert!(map.values().iter().all(|value| value.is_finite()));
    }
}
