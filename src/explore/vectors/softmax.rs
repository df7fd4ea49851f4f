//! Logistic regression on many long vectors, as scikit-learn's `LogisticRegression`.
//!
//! Of few unknowns, by Newton's steps: see `stats::embeddings::logistic`.

use rayon::prelude::*;

use super::descent::descend;
use super::matrix::Vectors;
use crate::jobs::{Cancelled, in_pool};

/// The slope at which the minimum counts as reached, beside the number of rows. The loss is then
/// within the square of it.
const SMALL: f64 = 1e-8;

/// Rows of one sum: the same sums on any number of threads.
const BLOCK: usize = 128;

/// For two classes one list of weights, which speaks for the second; for more one a class. The last
/// weight is the intercept.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    pub weights: Vec<Vec<f64>>,

    /// C Σ log-loss + ‖W‖²/2 at the minimum, the intercepts free.
    pub objective: f64,
}

/// `rows`: those that are trained on; `classes`: of each of them, below `count`, which is two at
/// least. `c`: the inverse strength of regularisation.
pub fn fit(
    vectors: &Vectors,
    rows: &[usize],
    classes: &[usize],
    (count, c): (usize, f64),
    check: &dyn Fn() -> Result<(), Cancelled>,
) -> Result<Logistic, Cancelled> {
    let outputs = if count == 2 { 1 } else { count };
    let size = vectors.width() + 1;
    let mut at = |weights: &[f64]| {
        check()?;
        Ok(loss_and_slope(vectors, rows, classes, weights, c))
    };
    let small = SMALL * (rows.len() as f64 * c).max(1.0);
    let (objective, weights) = descend(vec![0.0; outputs * size], small, &mut at)?;
    let mut weights: Vec<Vec<f64>> = weights.chunks_exact(size).map(<[f64]>::to_vec).collect();
    if outputs > 1 {
        // Softmax leaves the sum of the intercepts open.
        let mean = weights.iter().map(|own| own[size - 1]).sum::<f64>() / outputs as f64;
        weights.iter_mut().for_each(|own| own[size - 1] -= mean);
    }
    Ok(Logistic { weights, objective })
}

impl Logistic {
    /// The probability of each class.
    pub fn probabilities(&self, row: &[f32]) -> Vec<f64> {
        let scores: Vec<f64> = self.weights.iter().map(|weights| score(row, weights)).collect();
        probabilities(&scores)
    }
}

fn score(row: &[f32], weights: &[f64]) -> f64 {
    let dot: f64 = row.iter().zip(weights).map(|(x, w)| f64::from(*x) * w).sum();
    dot + weights[row.len()]
}

fn probabilities(scores: &[f64]) -> Vec<f64> {
    if let [score] = scores {
        return vec![1.0 / (1.0 + score.exp()), 1.0 / (1.0 + (-score).exp())];
    }
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / total).collect()
}

/// The log-loss of a row, and how it changes with each score.
fn of_row(scores: &[f64], class: usize) -> (f64, Vec<f64>) {
    if let [score] = scores {
        let toward = if class == 1 { *score } else { -score };
        let loss = (-toward.abs()).exp().ln_1p() + (-toward).max(0.0);
        let probability = 1.0 / (1.0 + (-score).exp());
        return (loss, vec![probability - f64::from(u8::from(class == 1))]);
    }
    let mut slopes = probabilities(scores);
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
    slopes[class] -= 1.0;
    (total.ln() + largest - scores[class], slopes)
}

fn loss_and_slope(
    vectors: &Vectors,
    rows: &[usize],
    classes: &[usize],
    weights: &[f64],
    c: f64,
) -> (f64, Vec<f64>) {
    let size = vectors.width() + 1;
    let blocks: Vec<(f64, Vec<f64>)> = in_pool(|| {
        let block = |(rows, classes): (&[usize], &[usize])| {
            let (mut loss, mut slope) = (0.0, vec![0.0; weights.len()]);
            for (row, class) in rows.iter().zip(classes) {
                let row = vectors.row(*row);
                let scores: Vec<f64> =
                    weights.chunks_exact(size).map(|weights| score(row, weights)).collect();
                let (own, slopes) = of_row(&scores, *class);
                loss += c * own;
                for (slope, by) in slope.chunks_exact_mut(size).zip(slopes) {
                    let by = c * by;
                    slope.iter_mut().zip(row).for_each(|(slope, x)| *slope += by * f64::from(*x));
                    slope[size - 1] += by;
                }
            }
            (loss, slope)
        };
        rows.par_chunks(BLOCK).zip(classes.par_chunks(BLOCK)).map(block).collect()
    });
    let (mut loss, mut slope) = (0.0, vec![0.0; weights.len()]);
    for (part, slopes) in blocks {
        loss += part;
        slope.iter_mut().zip(slopes).for_each(|(slope, part)| *slope += part);
    }
    for (place, weight) in weights.iter().enumerate().filter(|(at, _)| at % size != size - 1) {
        loss += weight * weight / 2.0;
        slope[place] += weight;
    }
    (loss, slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::embeddings::logistic;

    #[test]
    fn the_minimum_is_the_one_that_newton_finds() {
        let value = |at: usize| ((at * 7919 % 997) as f32 / 997.0 - 0.5) * 2.0;
        let vectors = Vectors::new(4, (0..240).map(value).collect());
        let rows: Vec<usize> = (0..60).collect();
        for count in [2, 3] {
            let classes: Vec<usize> =
                (0..60).map(|row| (row + usize::from(vectors.row(row)[0] > 0.0)) % count).collect();
            let found = fit(&vectors, &rows, &classes, (count, 2.0), &|| Ok(())).unwrap();
            let exact = logistic::fit(&vectors.to_rows(), &classes, count, 2.0).unwrap();
            let weights = exact.coefficients.iter().zip(&exact.intercepts);
            for ((exact, intercept), found) in weights.zip(&found.weights) {
                for (exact, found) in exact.iter().chain([intercept]).zip(found) {
                    assert!((exact - found).abs() < 1e-6, "{exact} {found}");
                }
            }
        }
    }

    /// scikit-learn 1.9.1, `tests/reference/make_vectors.py`: LogisticRegression(C=1, tol=1e-10,
    /// `max_iter=10000`) on rows sin(0.7 i + 1.3 j) / (j + 1), classes i % 3.
    #[test]
    fn the_loss_at_the_minimum_is_that_of_scikit_learn() {
        let value = |at: usize| {
            let (i, j) = ((at / 5) as f64, (at % 5) as f64);
            ((0.7 * i + 1.3 * j).sin() / (j + 1.0)) as f32
        };
        let vectors = Vectors::new(5, (0..150).map(value).collect());
        let rows: Vec<usize> = (0..30).collect();
        for (count, expected) in REFERENCE {
            let classes: Vec<usize> = (0..30).map(|row| row % count).collect();
            let found = fit(&vectors, &rows, &classes, (count, 1.0), &|| Ok(())).unwrap();
            assert!((found.objective - expected).abs() < 1e-6, "{} {expected}", found.objective);
        }
    }

    const REFERENCE: [(usize, f64); 2] = [(2, 20.773_795_780_137_89), (3, 32.890_478_119_226_4)];
}
