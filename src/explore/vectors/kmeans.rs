//! k-means of many vectors: several starts by k-means++, the best is kept.
//!
//! From given centres and in f64: see `stats::embeddings::kmeans`.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rayon::prelude::*;
use tuning_fork_kernels::gemm::{Matrix, Result as Written, Target, gemm};

use super::error::Error;
use super::matrix::{Vectors, distance_square, square};
use super::worked::{Stage, Worked, reached};
use crate::jobs::{Cancelled, Progress, in_pool};

/// More clusters than that are no help to a reader.
pub const MOST_CLUSTERS: usize = 200;

/// Lloyd's steps in one start: scikit-learn's `max_iter`.
const MOST_STEPS: usize = 300;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KmeansSettings {
    pub clusters: usize,

    /// Each from other first centres: scikit-learn's `n_init`.
    pub starts: usize,
    pub seed: u64,
}

impl Default for KmeansSettings {
    fn default() -> Self {
        Self { clusters: 8, starts: 10, seed: 0 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Kmeans {
    /// The cluster of each vector.
    pub labels: Vec<usize>,
    pub centres: Vectors,

    /// The sum of squared distances to the centres.
    pub inertia: f64,
}

/// Slow: reports starts, and looks for Stop at every step.
pub fn kmeans(
    vectors: &Vectors,
    settings: KmeansSettings,
    progress: &dyn Progress<Worked>,
) -> Result<Kmeans, Error> {
    let KmeansSettings { clusters, starts, seed } = settings;
    if !(2..=MOST_CLUSTERS).contains(&clusters) {
        return Err(Error::ClusterCount { wanted: clusters, most: MOST_CLUSTERS });
    }
    let squares: Vec<f64> = vectors.rows().map(square).collect();
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let mut best: Option<Kmeans> = None;
    for start in 0..starts.max(1) {
        reached(progress, Stage::Clusters, start, starts.max(1))?;
        let centres = first_centres(vectors, &squares, clusters, &mut random)?;
        let found = lloyd(vectors, centres, progress)?;
        if best.as_ref().is_none_or(|best| found.inertia < best.inertia) {
            best = Some(found);
        }
    }
    Ok(best.expect("there is at least one start"))
}

/// Arthur and Vassilvitskii (2007), each centre the best of a few draws, as scikit-learn has it.
fn first_centres(
    vectors: &Vectors,
    squares: &[f64],
    clusters: usize,
    random: &mut ChaCha20Rng,
) -> Result<Vectors, Error> {
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let count = vectors.count();
    let draws = 2 + (clusters as f64).ln() as usize;
    let mut chosen = vec![((uniform() * count as f64) as usize).min(count.saturating_sub(1))];
    let mut nearest = distances(vectors, squares, &vectors.chosen(&chosen)).concat();
    while chosen.len() < clusters {
        // What rounding leaves of equal vectors is no distance.
        let total: f64 = nearest.iter().sum();
        let scale: f64 = squares.iter().sum::<f64>() / count as f64;
        if total <= 1e-6 * scale.max(f64::MIN_POSITIVE) {
            return Err(Error::TooFewForClusters { wanted: clusters, found: chosen.len() });
        }
        let mut sums = nearest.clone();
        let mut sum = 0.0;
        sums.iter_mut().for_each(|value| {
            sum += *value;
            *value = sum;
        });
        let candidates: Vec<usize> = (0..draws)
            .map(|_| {
                let at = uniform() * total;
                sums.partition_point(|sum| *sum < at).min(count - 1)
            })
            .collect();
        let to_candidates = distances(vectors, squares, &vectors.chosen(&candidates));
        let with = to_candidates.into_iter().zip(&candidates).map(|(distances, candidate)| {
            let nearer: Vec<f64> =
                nearest.iter().zip(&distances).map(|(old, new)| old.min(*new)).collect();
            (nearer.iter().sum::<f64>(), nearer, *candidate)
        });
        let best = with.min_by(|a, b| a.0.total_cmp(&b.0)).expect("there are candidates");
        nearest = best.1;
        chosen.push(best.2);
    }
    Ok(vectors.chosen(&chosen))
}

/// Squared distances of all vectors to each of a few points.
fn distances(vectors: &Vectors, squares: &[f64], points: &Vectors) -> Vec<Vec<f64>> {
    let products = products(vectors, points);
    let few = points.count();
    let of_points: Vec<f64> = points.rows().map(square).collect();
    let to = |point: usize| {
        let products = products.iter().skip(point).step_by(few);
        let apart = |(product, square): (&f32, &f64)| {
            let distance = square + of_points[point] - 2.0 * f64::from(*product);
            // Below this it is rounding of f32.
            if distance <= 1e-6 * (square + of_points[point]) { 0.0 } else { distance }
        };
        products.zip(squares).map(apart).collect()
    };
    in_pool(|| (0..few).into_par_iter().map(to).collect())
}

/// x·c, (vectors, points).
fn products(vectors: &Vectors, points: &Vectors) -> Vec<f32> {
    let (count, width, few) = (vectors.count(), vectors.width(), points.count());
    let mut out = vec![0.0; count * few];
    let rows = Matrix::new(vectors.values(), count, width);
    let points = Matrix::new(points.values(), few, width).transposed();
    in_pool(|| gemm(Target::new(&mut out, count, few, Written::Replace), &[(rows, points)]));
    out
}

fn lloyd(
    vectors: &Vectors,
    mut centres: Vectors,
    progress: &dyn Progress<Worked>,
) -> Result<Kmeans, Cancelled> {
    let few = centres.count();
    let mut labels: Vec<usize> = Vec::new();
    for _ in 0..MOST_STEPS {
        progress.check()?;
        let halves: Vec<f32> = centres.rows().map(|centre| (square(centre) / 2.0) as f32).collect();
        let products = products(vectors, &centres);
        let nearest = |row: &[f32]| {
            let (mut best, mut most) = (0, f32::NEG_INFINITY);
            for (place, (product, half)) in row.iter().zip(&halves).enumerate() {
                if product - half > most {
                    (best, most) = (place, product - half);
                }
            }
            best
        };
        let next: Vec<usize> = in_pool(|| products.par_chunks_exact(few).map(nearest).collect());
        if next == labels {
            break;
        }
        labels = next;
        centres = means(vectors, &mut labels, &centres);
    }
    let apart = |(row, label): (&[f32], &usize)| distance_square(row, centres.row(*label));
    let inertia = vectors.rows().zip(&labels).map(apart).sum();
    Ok(Kmeans { labels, centres, inertia })
}

/// The mean of each cluster. One that has no vector takes the one that lies farthest from its own
/// centre.
fn means(vectors: &Vectors, labels: &mut [usize], old: &Vectors) -> Vectors {
    let (few, width) = (old.count(), vectors.width());
    let mut sizes = vec![0_usize; few];
    labels.iter().for_each(|label| sizes[*label] += 1);
    if sizes.contains(&0) {
        let mut far: Vec<(f64, usize)> = vectors
            .rows()
            .zip(labels.iter())
            .enumerate()
            .map(|(at, (row, label))| (distance_square(row, old.row(*label)), at))
            .collect();
        far.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut far = far.into_iter().map(|(_, at)| at);
        for empty in 0..few {
            if sizes[empty] == 0
                && let Some(at) = far.by_ref().find(|at| sizes[labels[*at]] > 1)
            {
                sizes[labels[at]] -= 1;
                labels[at] = empty;
                sizes[empty] = 1;
            }
        }
    }
    let mut sums = vec![0.0_f64; few * width];
    for (row, label) in vectors.rows().zip(labels.iter()) {
        let sum = &mut sums[label * width..(label + 1) * width];
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let mean = |(place, sum): (usize, &f64)| (sum / sizes[place / width].max(1) as f64) as f32;
    Vectors::new(width, sums.iter().enumerate().map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;
    use crate::stats::embeddings::kmeans as exact;

    #[test]
    fn clusters_are_found_and_are_where_lloyd_comes_to_rest() {
        let at = |group: usize, i: usize| {
            let noise = |by: f32| ((group * 10 + i) as f32 * by).sin() * 0.4;
            [group as f32 * 5.0 + noise(1.3), (group % 2) as f32 * 7.0 + noise(2.9)]
        };
        let values = (0..40).flat_map(|i| at(i % 4, i / 4)).collect();
        let vectors = Vectors::new(2, values);
        let settings = KmeansSettings { clusters: 4, starts: 3, seed: 0 };
        let found = kmeans(&vectors, settings, &Quiet).unwrap();
        for (at, label) in found.labels.iter().enumerate() {
            assert_eq!(*label, found.labels[at % 4], "each group is a cluster");
        }
        let rows = vectors.to_rows();
        let again = exact::kmeans(&rows, &found.centres.to_rows());
        assert_eq!(again.labels, found.labels);
        assert!((again.inertia - found.inertia).abs() < 1e-5);
        assert_eq!(found, kmeans(&vectors, settings, &Quiet).unwrap());
    }

    #[test]
    fn more_clusters_than_different_texts_are_refused() {
        let vectors = Vectors::new(2, [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]].concat());
        let settings = KmeansSettings { clusters: 3, ..KmeansSettings::default() };
        let said = kmeans(&vectors, settings, &Quiet).unwrap_err().to_string();
        assert!(
            said.contains("3 clusters need at least 3 different texts, and there are 2"),
            "{said}"
        );
        let two = KmeansSettings { clusters: 2, ..settings };
        assert!(kmeans(&vectors, two, &Quiet).unwrap().inertia < 1e-9);
        let one = KmeansSettings { clusters: 1, ..settings };
        assert!(kmeans(&vectors, one, &Quiet).unwrap_err().to_string().contains("from 2 to 200"));
    }
}
