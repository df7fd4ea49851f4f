//! Logistic regression on vectors, as scikit-learn's, solved to the optimum.

use crate::stats::linear::Square;
use crate::stats::undefined::Undefined;

/// Newton's steps end when the slope is this small beside where it started.
const SMALL: f64 = 1e-13;

/// A classifier: for two classes one vector, which speaks for the second; for more one a class.
#[derive(Clone, Debug)]
pub struct Classifier {
    pub coefficients: Vec<Vec<f64>>,

    /// For more than two classes their sum is 0.
    pub intercepts: Vec<f64>,
}

/// Minimises C Σ log-loss + ‖W‖²/2, the intercepts free. `classes[i]` below `count`; `c` above 0.
///
/// Undefined for fewer than two classes.
pub fn fit(
    rows: &[Vec<f64>],
    classes: &[usize],
    count: usize,
    c: f64,
) -> Result<Classifier, Undefined> {
    if count < 2 {
        return Err("needs rows of at least two classes".into());
    }
    let problem = Problem { rows, classes, outputs: if count == 2 { 1 } else { count }, c };
    let weights = problem.minimise()?;
    let size = problem.size();
    let mut intercepts: Vec<f64> = weights.iter().skip(size - 1).step_by(size).copied().collect();
    if count > 2 {
        let mean = intercepts.iter().sum::<f64>() / intercepts.len() as f64;
        intercepts.iter_mut().for_each(|intercept| *intercept -= mean);
    }
    let coefficients = weights.chunks(size).map(|chunk| chunk[..size - 1].to_vec()).collect();
    Ok(Classifier { coefficients, intercepts })
}

impl Classifier {
    /// The probability of each class.
    pub fn probabilities(&self, row: &[f64]) -> Vec<f64> {
        let scores: Vec<f64> = self
            .coefficients
            .iter()
            .zip(&self.intercepts)
            .map(|(weights, intercept)| {
                weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>() + intercept
            })
            .collect();
        probabilities(&scores)
    }
}

/// σ of one score (and its complement first), or softmax of several.
fn probabilities(scores: &[f64]) -> Vec<f64> {
    if let [score] = scores {
        return vec![1.0 / (1.0 + score.exp()), 1.0 / (1.0 + (-score).exp())];
    }
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|power| power / total).collect()
}

struct Problem<'a> {
    rows: &'a [Vec<f64>],
    classes: &'a [usize],

    /// Vectors of weights: one for two classes.
    outputs: usize,
    c: f64,
}

impl Problem<'_> {
    /// Weights a vector: the covariates and the intercept.
    fn size(&self) -> usize {
        self.rows.first().map_or(0, Vec::len) + 1
    }

    fn scores(&self, row: &[f64], weights: &[f64]) -> Vec<f64> {
        let of = |weights: &[f64]| {
            let (weights, intercept) = weights.split_at(row.len());
            weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>() + intercept[0]
        };
        weights.chunks(self.size()).map(of).collect()
    }

    fn loss(&self, weights: &[f64]) -> f64 {
        let mut loss = 0.0;
        for (row, class) in self.rows.iter().zip(self.classes) {
            let scores = self.scores(row, weights);
            loss += self.c
                * match scores.as_slice() {
                    [score] => {
                        // ln(1 + e^-s) for the second class, ln(1 + e^s) for the first.
                        let s = if *class == 1 { *score } else { -score };
                        (-s.abs()).exp().ln_1p() + (-s).max(0.0)
                    }
                    scores => {
                        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
                        total.ln() + largest - scores[*class]
                    }
                };
        }
        let size = self.size();
        let penalised = |(i, weight): (usize, &f64)| {
            if i % size == size - 1 { 0.0 } else { weight * weight }
        };
        loss + weights.iter().enumerate().map(penalised).sum::<f64>() / 2.0 + self.shift(weights)
    }

    /// Softmax leaves the sum of the intercepts open: this fixes it at 0 and moves nothing else.
    fn shift(&self, weights: &[f64]) -> f64 {
        if self.outputs == 1 { 0.0 } else { self.intercept_sum(weights).powi(2) / 2.0 }
    }

    fn intercept_sum(&self, weights: &[f64]) -> f64 {
        weights.iter().skip(self.size() - 1).step_by(self.size()).sum()
    }

    fn derivatives(&self, weights: &[f64]) -> (Vec<f64>, Square) {
        let size = self.size();
        let mut slope = vec![0.0; weights.len()];
        let mut curvature = Square::zeros(weights.len());
        for (row, class) in self.rows.iter().zip(self.classes) {
            let p = probabilities(&self.scores(row, weights));
            // The output of two classes is the second's.
            let p = if self.outputs == 1 { &p[1..] } else { &p[..] };
            let x: Vec<f64> = row.iter().copied().chain([1.0]).collect();
            for a in 0..self.outputs {
                let happened = if self.outputs == 1 { *class == 1 } else { *class == a };
                let error = self.c * (p[a] - f64::from(u8::from(happened)));
                for (i, x) in x.iter().enumerate() {
                    slope[a * size + i] += error * x;
                }
                for b in 0..self.outputs {
                    let weight = self.c * p[a] * (f64::from(u8::from(a == b)) - p[b]);
                    for (i, left) in x.iter().enumerate() {
                        let start = (a * size + i) * weights.len() + b * size;
                        let cells = &mut curvature.cells[start..start + size];
                        cells.iter_mut().zip(&x).for_each(|(cell, x)| *cell += weight * left * x);
                    }
                }
            }
        }
        for (i, weight) in weights.iter().enumerate().filter(|(i, _)| i % size != size - 1) {
            slope[i] += weight;
            *curvature.at(i, i) += 1.0;
        }
        if self.outputs > 1 {
            let sum = self.intercept_sum(weights);
            for i in (size - 1..weights.len()).step_by(size) {
                slope[i] += sum;
                for j in (size - 1..weights.len()).step_by(size) {
                    *curvature.at(i, j) += 1.0;
                }
            }
        }
        (slope, curvature)
    }

    /// Newton's steps, halved until they descend: the loss is convex.
    fn minimise(&self) -> Result<Vec<f64>, Undefined> {
        let mut weights = vec![0.0; self.size() * self.outputs];
        let mut loss = self.loss(&weights);
        let steepness = |slope: &[f64]| slope.iter().fold(0.0_f64, |most, s| most.max(s.abs()));
        let mut start = None;
        for _ in 0..500 {
            let (slope, curvature) = self.derivatives(&weights);
            let at_start = *start.get_or_insert_with(|| steepness(&slope).max(f64::MIN_POSITIVE));
            if steepness(&slope) <= SMALL * at_start {
                break;
            }
            let step = curvature.solve_one(&slope)?;
            let largest = steepness(&step);
            let mut share = 1.0;
            loop {
                let next: Vec<f64> =
                    weights.iter().zip(&step).map(|(w, step)| w - share * step).collect();
                let descended = self.loss(&next);
                if descended <= loss || share * largest < 1e-13 {
                    (weights, loss) = (next, descended);
                    break;
                }
                share /= 2.0;
            }
            let scale = steepness(&weights).max(1.0);
            if share * largest <= 1e-13 * scale {
                break;
            }
        }
        Ok(weights)
    }
}
