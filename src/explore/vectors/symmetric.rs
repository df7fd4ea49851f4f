//! The largest eigenvalues of a symmetric matrix, with their vectors.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rayon::prelude::*;

use super::matrix::dot_f64 as dot;
use super::worked::{Stage, Worked, reached};
use crate::jobs::{Cancelled, Progress, in_pool};

/// Vectors that are carried along beside those that are wanted: the more, the faster it settles.
const BESIDE: usize = 16;

/// A vector counts as found once the rest that it leaves is this small beside the largest
/// eigenvalue.
const SMALL: f64 = 1e-10;

/// How far the search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Until every vector is found.
    Whole,

    /// A few steps: the space of the vectors is nearly the right one, which is enough to look for
    /// candidates in.
    Rough,
}

impl Effort {
    fn most_steps(self) -> usize {
        match self {
            Self::Whole => 500,
            Self::Rough => 5,
        }
    }
}

/// An eigenvalue and its vector of length 1.
pub type Axis = (f64, Vec<f64>);

/// From the largest down, by subspace iteration with Rayleigh-Ritz steps (Rutishauser 1969).
/// `cells`: size x size, with no negative eigenvalue.
pub fn largest_axes(
    cells: &[f64],
    size: usize,
    (wanted, effort): (usize, Effort),
    progress: &dyn Progress<Worked>,
) -> Result<Vec<Axis>, Cancelled> {
    let wanted = wanted.min(size);
    let carried = (wanted + BESIDE).min(size);
    let mut random = ChaCha20Rng::seed_from_u64(0);
    let mut draw = || f64::from(random.next_u32()) / f64::from(u32::MAX) - 0.5;
    let mut vectors: Vec<Vec<f64>> =
        (0..carried).map(|_| (0..size).map(|_| draw()).collect()).collect();
    orthonormalise(&mut vectors);
    let mut values = Vec::new();
    let most_steps = effort.most_steps();
    for step in 0..most_steps {
        reached(progress, Stage::Components, step, most_steps)?;
        let products: Vec<Vec<f64>> =
            in_pool(|| vectors.par_iter().map(|vector| times(cells, size, vector)).collect());
        // Ritz: the best vectors within the space that these span.
        let inner: Vec<Vec<f64>> = in_pool(|| {
            let with_each =
                |left: &Vec<f64>| products.iter().map(|right| dot(left, right)).collect();
            vectors.par_iter().map(with_each).collect()
        });
        let turned = jacobi(inner);
        let combined = |of: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let combine = |(_, weights): &Axis| {
                let mut sum = vec![0.0; size];
                for (vector, weight) in of.iter().zip(weights) {
                    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
                }
                sum
            };
            in_pool(|| turned.par_iter().map(combine).collect())
        };
        let (ritz, images) = (combined(&vectors), combined(&products));
        values = turned.iter().map(|(value, _)| *value).collect();
        let largest = values.first().copied().unwrap_or(0.0).abs().max(f64::MIN_POSITIVE);
        let rest = |place: usize| -> f64 {
            let pairs = images[place].iter().zip(&ritz[place]);
            pairs.map(|(image, vector)| (image - values[place] * vector).powi(2)).sum()
        };
        let is_found = (0..wanted).all(|place| rest(place).sqrt() <= SMALL * largest);
        if is_found || carried == size || step + 1 == most_steps {
            vectors = ritz;
            break;
        }
        vectors = images;
        orthonormalise(&mut vectors);
    }
    let mut axes: Vec<Axis> = values.into_iter().zip(vectors).collect();
    axes.truncate(wanted);
    Ok(axes)
}

fn times(cells: &[f64], size: usize, vector: &[f64]) -> Vec<f64> {
    cells.chunks_exact(size).map(|row| dot(row, vector)).collect()
}

/// Gram and Schmidt, twice: once is not enough for nearly parallel vectors. What vanishes becomes a
/// unit vector of its own.
fn orthonormalise(vectors: &mut [Vec<f64>]) {
    for at in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(at);
        let own = &mut rest[0];
        let start = dot(own, own).sqrt();
        for _ in 0..2 {
            for other in before.iter() {
                let along = dot(own, other);
                own.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
            }
        }
        let mut length = dot(own, own).sqrt();
        if length <= 1e-12 * start || length == 0.0 {
            let size = own.len();
            for place in 0..size {
                own.iter_mut().for_each(|value| *value = 0.0);
                own[(at + place) % size] = 1.0;
                for other in before.iter().chain(before.iter()) {
                    let along = dot(own, other);
                    own.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
                }
                length = dot(own, own).sqrt();
                if length > 1e-6 {
                    break;
                }
            }
        }
        own.iter_mut().for_each(|value| *value /= length);
    }
}

/// All eigenvalues of a small symmetric matrix by Jacobi's rotations (1846), from the largest down.
fn jacobi(mut matrix: Vec<Vec<f64>>) -> Vec<Axis> {
    let size = matrix.len();
    let mut turned: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _sweep in 0..60 {
        let mut has_turned = false;
        for p in 0..size {
            for q in p + 1..size {
                let (pp, qq, pq) = (matrix[p][p], matrix[q][q], matrix[p][q]);
                if pq.abs() <= 1e-17 * (pp.abs() * qq.abs()).sqrt() || pq == 0.0 {
                    continue;
                }
                has_turned = true;
                let theta = (qq - pp) / (2.0 * pq);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = cosine * tangent;
                for row in &mut matrix {
                    let (a, b) = (row[p], row[q]);
                    (row[p], row[q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
                let (above, below) = matrix.split_at_mut(q);
                for (first, second) in above[p].iter_mut().zip(&mut below[0]) {
                    let (a, b) = (*first, *second);
                    (*first, *second) = (cosine * a - sine * b, sine * a + cosine * b);
                }
                for row in &mut turned {
                    let (a, b) = (row[p], row[q]);
                    (row[p], row[q]) = (cosine * a - sine * b, sine * a + cosine * b);
                }
            }
        }
        if !has_turned {
            break;
        }
    }
    let mut axes: Vec<Axis> =
        (0..size).map(|j| (matrix[j][j], turned.iter().map(|row| row[j]).collect())).collect();
    axes.sort_by(|a, b| b.0.total_cmp(&a.0));
    axes
}
