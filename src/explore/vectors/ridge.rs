//! Ridge regression (Hoerl and Kennard 1970), as scikit-learn's `Ridge`.

use rayon::prelude::*;

use super::matrix::{Vectors, dot_f64 as dot};
use crate::jobs::in_pool;

/// The last weight is the intercept.
#[derive(Clone, Debug, PartialEq)]
pub struct Ridge {
    pub weights: Vec<f64>,
}

impl Ridge {
    pub fn predict(&self, row: &[f32]) -> f64 {
        let dot: f64 = row.iter().zip(&self.weights).map(|(x, w)| f64::from(*x) * w).sum();
        dot + self.weights[row.len()]
    }
}

/// Minimises ‖y - Xw - b‖² + α ‖w‖² over rows `rows`; `targets`: of each of them. `alpha` is above 0.
pub fn fit(vectors: &Vectors, rows: &[usize], targets: &[f64], alpha: f64) -> Ridge {
    let width = vectors.width();
    let count = rows.len().max(1) as f64;
    let mut means = vec![0.0; width];
    for row in rows {
        means.iter_mut().zip(vectors.row(*row)).for_each(|(mean, x)| *mean += f64::from(*x));
    }
    means.iter_mut().for_each(|mean| *mean /= count);
    let middle = targets.iter().sum::<f64>() / count;
    let centred: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| vectors.row(*row).iter().zip(&means).map(|(x, m)| f64::from(*x) - m).collect())
        .collect();
    let around: Vec<f64> = targets.iter().map(|target| target - middle).collect();
    let weights = if rows.len() < width {
        // (X Xᵀ + α) a = y, w = Xᵀ a: as many unknowns as rows.
        let shares = solved(&products(&centred), around, alpha);
        let mut weights = vec![0.0; width];
        for (row, share) in centred.iter().zip(shares) {
            weights.iter_mut().zip(row).for_each(|(weight, x)| *weight += share * x);
        }
        weights
    } else {
        let columns: Vec<Vec<f64>> =
            (0..width).map(|column| centred.iter().map(|row| row[column]).collect()).collect();
        let side: Vec<f64> =
            in_pool(|| columns.par_iter().map(|column| dot(column, &around)).collect());
        solved(&products(&columns), side, alpha)
    };
    let intercept = middle - dot(&weights, &means);
    Ridge { weights: weights.into_iter().chain([intercept]).collect() }
}

/// x·y of each with those up to itself.
fn products(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let of = |own: usize| rows[..=own].iter().map(|other| dot(&rows[own], other)).collect();
    in_pool(|| (0..rows.len()).into_par_iter().map(of).collect())
}

/// (A + α) x = y by Cholesky's factors; `lower`: A's lower half.
fn solved(lower: &[Vec<f64>], side: Vec<f64>, alpha: f64) -> Vec<f64> {
    let size = lower.len();
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(size);
    for (row, lower) in lower.iter().enumerate() {
        let mut own: Vec<f64> = Vec::with_capacity(row + 1);
        for (column, known) in factor.iter().enumerate() {
            let rest = lower[column] - dot(&own, &known[..column]);
            own.push(rest / known[column]);
        }
        // α keeps it above 0 but for rounding.
        let rest = lower[row] + alpha - dot(&own, &own);
        own.push(rest.max(f64::MIN_POSITIVE).sqrt());
        factor.push(own);
    }
    let mut x = side;
    for row in 0..size {
        let known = dot(&factor[row][..row], &x[..row]);
        x[row] = (x[row] - known) / factor[row][row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|below| factor[below][row] * x[below]).sum();
        x[row] = (x[row] - known) / factor[row][row];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scikit-learn 1.9.1, `tests/reference/make_vectors.py`: Ridge(alpha=0.5) on rows
    /// sin(0.7 i + 1.3 j) / (j + 1), targets cos(i): of 30 rows of 5, and of 4 rows of 5.
    #[test]
    fn the_weights_are_those_of_scikit_learn() {
        let value = |at: usize| {
            let (i, j) = ((at / 5) as f64, (at % 5) as f64);
            ((0.7 * i + 1.3 * j).sin() / (j + 1.0)) as f32
        };
        let vectors = Vectors::new(5, (0..150).map(value).collect());
        for (count, expected) in REFERENCE {
            let rows: Vec<usize> = (0..count).collect();
            let targets: Vec<f64> = rows.iter().map(|row| (*row as f64).cos()).collect();
            let found = fit(&vectors, &rows, &targets, 0.5);
            for (found, expected) in found.weights.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{found} {expected}");
            }
        }
    }

    const REFERENCE: [(usize, [f64; 6]); 2] = [
        (
            30,
            [
                -0.190_853_627_233_367_5,
                0.119_269_494_872_482_8,
                0.106_157_086_336_862_8,
                -0.017_039_315_262_705,
                -0.070_987_070_016_254_8,
                -0.010_039_328_837_795_5,
            ],
        ),
        (
            4,
            [
                -0.623_672_824_015_087_8,
                0.622_800_889_311_253_8,
                0.430_022_270_172_353,
                -0.138_854_760_338_880_1,
                -0.317_442_944_731_345_3,
                0.287_424_779_000_073_7,
            ],
        ),
    ];
}
