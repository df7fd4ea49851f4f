//! Principal components of vectors (Pearson 1901; Hotelling 1933): the directions in which they vary.

/// Vectors by their principal components.
pub(super) struct Components {
    /// Where each vector lies along the components.
    pub coordinates: Vec<Vec<f64>>,

    /// The share of all variance that each component holds, from the largest down.
    pub variance_share: Vec<f64>,
}

/// Components below this share of the variance are rounding.
const LEAST_SHARE: f64 = 1e-10;

/// Of centred vectors, at most `most` components. A component's sign is that which makes its loading of
/// largest absolute value positive. Vectors that are all alike have none.
pub(super) fn principal_components(vectors: &[Vec<f32>], most: usize) -> Components {
    let (count, width) = (vectors.len(), vectors.first().map_or(0, Vec::len));
    let mut rows: Vec<Vec<f64>> =
        vectors.iter().map(|row| row.iter().map(|value| f64::from(*value)).collect()).collect();
    for column in 0..width {
        let mean = rows.iter().map(|row| row[column]).sum::<f64>() / count as f64;
        rows.iter_mut().for_each(|row| row[column] -= mean);
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let total: f64 = rows.iter().map(|row| dot(row, row)).sum();
    let mut found = Components { coordinates: vec![Vec::new(); count], variance_share: Vec::new() };
    if total == 0.0 || total.is_nan() {
        return found;
    }
    // Whichever is smaller: products of vectors, or of their columns.
    let is_wide = count <= width;
    let columns: Vec<Vec<f64>> =
        (0..width).map(|column| rows.iter().map(|row| row[column]).collect()).collect();
    let sides = if is_wide { &rows } else { &columns };
    let products = sides.iter().map(|one| sides.iter().map(|other| dot(one, other)).collect());
    for (value, vector) in eigen(products.collect()).into_iter().take(most) {
        if value / total <= LEAST_SHARE {
            break;
        }
        let mut loading: Vec<f64> = if is_wide {
            columns.iter().map(|column| dot(column, &vector)).collect()
        } else {
            vector
        };
        let length = dot(&loading, &loading).sqrt();
        let largest = loading.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        let leading = loading.iter().find(|value| value.abs() >= largest * (1.0 - 1e-9));
        let sign = if leading.is_some_and(|value| *value < 0.0) { -1.0 } else { 1.0 };
        loading.iter_mut().for_each(|value| *value *= sign / length);
        for (row, coordinates) in rows.iter().zip(&mut found.coordinates) {
            coordinates.push(dot(row, &loading));
        }
        found.variance_share.push(value / total);
    }
    found
}

/// Eigenvalues and vectors of a symmetric matrix, from the largest down, by Jacobi's rotations.
fn eigen(mut matrix: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let size = matrix.len();
    // Row i becomes the i-th eigenvector.
    let mut vectors: Vec<Vec<f64>> = (0..size)
        .map(|row| (0..size).map(|column| f64::from(u8::from(row == column))).collect())
        .collect();
    // What is smaller is rounding.
    let floor = 1e-17 * (0..size).map(|at| matrix[at][at]).sum::<f64>();
    for _sweep in 0..50 {
        let mut turned = false;
        for p in 0..size {
            for q in p + 1..size {
                let off = matrix[p][q];
                if off.abs() <= floor {
                    continue;
                }
                turned = true;
                let theta = (matrix[q][q] - matrix[p][p]) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let sine = tangent * cosine;
                let turn = |a: f64, b: f64| (cosine * a - sine * b, sine * a + cosine * b);
                for row in &mut matrix {
                    (row[p], row[q]) = turn(row[p], row[q]);
                }
                for rows in [&mut matrix, &mut vectors] {
                    let (above, below) = rows.split_at_mut(q);
                    for (a, b) in above[p].iter_mut().zip(&mut below[0]) {
                        (*a, *b) = turn(*a, *b);
                    }
                }
            }
        }
        if !turned {
            break;
        }
    }
    let mut found: Vec<(f64, Vec<f64>)> =
        vectors.into_iter().enumerate().map(|(at, vector)| (matrix[at][at], vector)).collect();
    found.sort_by(|one, other| other.0.total_cmp(&one.0));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }

    /// scikit-learn's, with the full SVD.
    #[test]
    fn components_are_those_of_scikit_learn() {
        let tall = [[2.5, 2.4], [0.5, 0.7], [2.2, 2.9], [1.9, 2.2], [3.1, 3.0]];
        let tall: Vec<Vec<f32>> = tall.map(|row| row.to_vec()).to_vec();
        let found = principal_components(&tall, 10);
        assert_near(&found.variance_share, TALL_SHARES);
        assert_near(&found.coordinates.concat(), TALL_COORDINATES);
        let wide =
            [[1.0, 5.0, 0.0, 2.0, 1.0], [2.0, 5.0, 1.0, 0.0, 3.0], [3.0, 5.0, 5.0, 1.0, 0.5]];
        let wide: Vec<Vec<f32>> = wide.map(|row| row.to_vec()).to_vec();
        let found = principal_components(&wide, 10);
        assert_near(&found.variance_share, WIDE_SHARES);
        assert_near(&found.coordinates.concat(), WIDE_COORDINATES);
        assert_eq!(principal_components(&wide, 1).variance_share.len(), 1);
        let alike = principal_components(&[vec![1.0, 2.0], vec![1.0, 2.0]], 10);
        assert_eq!((alike.coordinates, alike.variance_share.len()), (vec![vec![], vec![]], 0));
        assert!(principal_components(&[], 2).coordinates.is_empty());
    }

    const TALL_SHARES: &[f64] = &[0.96989047, 0.030109532];
    const TALL_COORDINATES: &[f64] = &[
        0.44362448,
        -0.20099092,
        -2.1771941,
        -0.055009911,
        0.57071248,
        0.36808607,
        -0.12902465,
        0.067473265,
        1.2918818,
        -0.17955851,
    ];
    const WIDE_SHARES: &[f64] = &[0.77931191, 0.22068809];
    const WIDE_COORDINATES: &[f64] =
        &[-2.0751546, -1.3941784, -1.2313218, 1.6534348, 3.3064764, -0.25925647];
}
