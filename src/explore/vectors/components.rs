//! Principal components of many vectors (Pearson 1901): the few that a map needs.
//!
//! All components of few rows, to the last digit: see `stats::embeddings::principal`.

use tuning_fork_kernels::gemm::{Matrix, Result as Written, Target, gemm};

use super::error::Error;
use super::matrix::{Vectors, square};
use super::symmetric::{Effort, largest_axes};
use super::worked::{Stage, Worked, reached};
use crate::jobs::{Progress, in_pool};

/// Rows whose products are summed in f32; the sums of such blocks are added in f64.
const BLOCK: usize = 512;

/// Components below this share of the variance are rounding.
const LEAST_SHARE: f64 = 1e-10;

#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// Where each row lies along the components, from the one that holds the most variance.
    pub scores: Vectors,

    /// The share of all variance that each component holds.
    pub shares: Vec<f64>,
}

/// The first components of rows that are centred but not scaled. The loading of largest absolute
/// value of each is positive.
pub fn components(
    vectors: &Vectors,
    most: usize,
    progress: &dyn Progress<Worked>,
) -> Result<Components, Error> {
    components_by(vectors, (most, Effort::Whole), progress)
}

/// As [`components`], as far as the effort goes.
pub fn components_by(
    vectors: &Vectors,
    wanted: (usize, Effort),
    progress: &dyn Progress<Worked>,
) -> Result<Components, Error> {
    let (count, width) = (vectors.count(), vectors.width());
    if count < 2 || vectors.are_all_the_same() {
        return Err(Error::AllTheSame);
    }
    let centred = vectors.centred();
    let total: f64 = centred.rows().map(square).sum();
    if total <= 0.0 {
        return Err(Error::AllTheSame);
    }
    let axes = if width <= count {
        let cells = covariance(&centred, progress)?;
        largest_axes(&cells, width, wanted, progress)?
    } else {
        // Fewer rows than values: the products of rows have the same eigenvalues.
        let cells = products_of_rows(&centred, progress)?;
        let axes = largest_axes(&cells, count, wanted, progress)?;
        axes.into_iter().map(|(value, weights)| (value, combined(&centred, &weights))).collect()
    };
    let mut shares = Vec::new();
    let mut loadings: Vec<f32> = Vec::new();
    for (value, mut axis) in axes {
        let length = axis.iter().map(|value| value * value).sum::<f64>().sqrt();
        if value / total <= LEAST_SHARE || length == 0.0 {
            continue;
        }
        let largest = axis.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let leading = axis.iter().find(|value| value.abs() >= largest * (1.0 - 1e-9));
        let sign = if leading.is_some_and(|value| *value < 0.0) { -1.0 } else { 1.0 };
        axis.iter_mut().for_each(|value| *value *= sign / length);
        loadings.extend(axis.iter().map(|value| *value as f32));
        shares.push(value / total);
    }
    let kept = shares.len();
    let mut scores = vec![0.0; count * kept];
    in_pool(|| {
        let rows = Matrix::new(centred.values(), count, width);
        let axes = Matrix::new(&loadings, kept, width).transposed();
        gemm(Target::new(&mut scores, count, kept, Written::Replace), &[(rows, axes)]);
    });
    Ok(Components { scores: Vectors::new(kept, scores), shares })
}

/// Σ x xᵀ, (width, width).
fn covariance(centred: &Vectors, progress: &dyn Progress<Worked>) -> Result<Vec<f64>, Error> {
    let width = centred.width();
    let mut cells = vec![0.0_f64; width * width];
    let mut block_cells = vec![0.0_f32; width * width];
    let count = centred.count();
    for (at, block) in centred.values().chunks(BLOCK * width).enumerate() {
        reached(progress, Stage::Components, at * BLOCK, count)?;
        let rows = Matrix::new(block, block.len() / width, width);
        let target = Target::new(&mut block_cells, width, width, Written::Replace);
        in_pool(|| gemm(target, &[(rows.transposed(), rows)]));
        cells.iter_mut().zip(&block_cells).for_each(|(cell, part)| *cell += f64::from(*part));
    }
    Ok(cells)
}

/// x·y of each two rows, (count, count).
fn products_of_rows(centred: &Vectors, progress: &dyn Progress<Worked>) -> Result<Vec<f64>, Error> {
    let (count, width) = (centred.count(), centred.width());
    let mut cells = vec![0.0_f64; count * count];
    let mut part = vec![0.0_f32; count * count];
    for start in (0..width).step_by(BLOCK) {
        reached(progress, Stage::Components, start, width)?;
        let columns =
            Matrix::new(centred.values(), count, width).columns(start..width.min(start + BLOCK));
        let target = Target::new(&mut part, count, count, Written::Replace);
        in_pool(|| gemm(target, &[(columns, columns.transposed())]));
        cells.iter_mut().zip(&part).for_each(|(cell, part)| *cell += f64::from(*part));
    }
    Ok(cells)
}

/// Σ weight x row
fn combined(rows: &Vectors, weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; rows.width()];
    for (row, weight) in rows.rows().zip(weights) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * f64::from(*value));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;
    use crate::stats::embeddings::principal::principal_components;

    fn waves(count: usize, width: usize) -> Vectors {
        let value = |i: usize, j: usize| {
            ((i * 7 + j * 13) as f32 * 0.37).sin() * (1.0 + (j % 5) as f32)
                + if j == 2 { i as f32 / 9.0 } else { 0.0 }
        };
        Vectors::new(width, (0..count * width).map(|at| value(at / width, at % width)).collect())
    }

    #[test]
    fn the_first_components_are_those_that_all_components_begin_with() {
        for (count, width) in [(60, 7), (9, 30)] {
            let vectors = waves(count, width);
            let exact = principal_components(&vectors.to_rows());
            let found = components(&vectors, 3, &Quiet).unwrap();
            for place in 0..3 {
                let share = exact.explained_variance_ratio[place];
                assert!((found.shares[place] - share).abs() < 1e-5, "{found:?}");
                for (row, exact) in found.scores.rows().zip(&exact.scores) {
                    let apart = (f64::from(row[place]) - exact[place]).abs();
                    assert!(apart < 1e-4, "{} {}", row[place], exact[place]);
                }
            }
        }
    }

    #[test]
    fn vectors_that_are_all_the_same_have_no_components() {
        let same = Vectors::new(2, vec![0.5, 0.25, 0.5, 0.25, 0.5, 0.25]);
        assert!(matches!(components(&same, 2, &Quiet), Err(Error::AllTheSame)));
        let one = Vectors::new(2, vec![0.5, 0.25]);
        assert!(components(&one, 2, &Quiet).is_err());
    }

    #[test]
    fn vectors_on_a_line_have_one_component() {
        let line = Vectors::new(2, (0..10).flat_map(|at| [at as f32, 2.0 * at as f32]).collect());
        let found = components(&line, 2, &Quiet).unwrap();
        assert_eq!(found.scores.width(), 1);
        assert!((found.shares[0] - 1.0).abs() < 1e-9);
    }
}
