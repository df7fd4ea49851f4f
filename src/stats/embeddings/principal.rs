//! Principal components (Pearson 1901; Hotelling 1933).

use crate::stats::linear::principal_axes;
use crate::stats::moments::{mean, sum};

/// Components below this share of the variance are rounding.
const LEAST_SHARE: f64 = 1e-10;

/// Loadings this close to the largest are as large.
const TIE: f64 = 1e-9;

#[derive(Clone, Debug, Default)]
pub struct Components {
    pub mean: Vec<f64>,

    /// A direction a component; its loading of largest absolute value, the first of several, is
    /// positive.
    pub loadings: Vec<Vec<f64>>,

    /// Where each row lies along the components.
    pub scores: Vec<Vec<f64>>,

    /// With n - 1, from the largest down.
    pub explained_variance: Vec<f64>,

    /// As shares of all variance.
    pub explained_variance_ratio: Vec<f64>,
}

/// Of rows that are centred but not scaled. Fewer than two rows have none.
pub fn principal_components(rows: &[Vec<f64>]) -> Components {
    let columns = rows.first().map_or(0, Vec::len);
    let column = |j: usize| rows.iter().map(|row| row[j]).collect::<Vec<f64>>();
    let means: Vec<f64> = (0..columns).map(|j| mean(&column(j)).unwrap_or(0.0)).collect();
    let centred: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| row.iter().zip(&means).map(|(value, mean)| value - mean).collect())
        .collect();
    let total = sum(centred.iter().flatten().map(|value| value * value));
    let mut components = Components { mean: means, ..Default::default() };
    if rows.len() >= 2 && total > 0.0 {
        for (square, mut axis) in principal_axes(&centred) {
            if square / total <= LEAST_SHARE {
                continue;
            }
            let largest = axis.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
            let leading = axis.iter().find(|value| value.abs() >= largest * (1.0 - TIE));
            if leading.is_some_and(|value| *value < 0.0) {
                axis.iter_mut().for_each(|value| *value = -*value);
            }
            components.loadings.push(axis);
            components.explained_variance.push(square / (rows.len() - 1) as f64);
            components.explained_variance_ratio.push(square / total);
        }
    }
    let along = |row: &Vec<f64>| {
        let score = |axis: &Vec<f64>| axis.iter().zip(row).map(|(a, b)| a * b).sum();
        components.loadings.iter().map(score).collect()
    };
    components.scores = centred.iter().map(along).collect();
    components
}
