//! Products of f32 matrices against their definition, in every orientation.

use super::*;

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 31 + seed * 17) % 29) as f32 / 16.0 - 0.9).collect()
}

/// In f64, by the definition.
fn slow(left: Matrix<'_>, right: Matrix<'_>) -> Vec<f64> {
    let at = |of: &Matrix<'_>, row: usize, col: usize| {
        f64::from(of.values[row * of.row_stride + col * of.col_stride])
    };
    let mut out = Vec::new();
    for row in 0..left.rows {
        for col in 0..right.cols {
            out.push((0..left.cols).map(|k| at(&left, row, k) * at(&right, k, col)).sum());
        }
    }
    out
}

fn close(found: &[f32], expected: &[f64]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 2e-3, "{found}, not {expected}");
    }
}

#[test]
fn every_shape_and_orientation_is_the_sum_of_products() {
    for (rows, depth, cols) in
        [(1, 1, 1), (6, 16, 16), (7, 33, 17), (40, 400, 115), (5, 385, 16), (97, 12, 50)]
    {
        let (a, b) = (values(rows * depth, 1), values(depth * cols, 2));
        for left in [Matrix::new(&a, rows, depth), Matrix::new(&a, depth, rows).transposed()] {
            for right in [Matrix::new(&b, depth, cols), Matrix::new(&b, cols, depth).transposed()] {
                let expected = slow(left, right);
                for level in Level::all() {
                    let mut out = vec![9.0; rows * cols];
                    let target = Target::new(&mut out, rows, cols, Result::Replace);
                    gemm_at(level, target, &[(left, right)]);
                    close(&out, &expected);
                    let target = Target::new(&mut out, rows, cols, Result::Add);
                    gemm_at(level, target, &[(left, right), (left, right)]);
                    close(&out, &expected.iter().map(|x| 3.0 * x).collect::<Vec<_>>());
                }
            }
        }
    }
}

#[test]
fn an_output_does_not_depend_on_what_is_beside_it() {
    let (rows, depth, cols) = (61, 500, 140);
    let (a, b) = (values(rows * depth, 1), values(cols * depth, 2));
    let right = Matrix::new(&b, cols, depth).transposed();
    let mut all = vec![0.0; rows * cols];
    let left = Matrix::new(&a, rows, depth);
    gemm(Target::new(&mut all, rows, cols, Result::Replace), &[(left, right)]);
    for count in [1, 5, 30] {
        let mut some = vec![0.0; count * cols];
        let left = Matrix::new(&a[..count * depth], count, depth);
        gemm(Target::new(&mut some, count, cols, Result::Replace), &[(left, right)]);
        assert_eq!(some, all[..count * cols]);
    }
    // A part of the columns, into a part of the columns of a wider matrix.
    let mut wide = vec![7.0; rows * 30];
    let target = Target::columns(&mut wide, rows, 3..24, Result::Replace);
    gemm(target, &[(left, right.columns(50..71))]);
    for (wide, all) in wide.chunks_exact(30).zip(all.chunks_exact(cols)) {
        assert_eq!(wide[..3], [7.0; 3]);
        assert_eq!(wide[3..24], all[50..71]);
        assert_eq!(wide[24..], [7.0; 6]);
    }
}

#[test]
fn a_left_side_that_is_packed_gives_the_same_as_one_that_is_not() {
    let (rows, depth, cols) = (1029, 397, 50);
    let (a, b) = (values(rows * depth, 1), values(depth * cols, 2));
    let turned: Vec<f32> = (0..rows * depth).map(|at| a[at % depth * rows + at / depth]).collect();
    let right = Matrix::new(&b, depth, cols);
    for level in Level::all() {
        let product = |left| {
            let mut out = vec![9.0; rows * cols];
            gemm_at(level, Target::new(&mut out, rows, cols, Result::Replace), &[(left, right)]);
            out
        };
        let expected = product(Matrix::new(&turned, rows, depth));
        assert_eq!(product(Matrix::new(&a, depth, rows).transposed()), expected, "{level:?}");
    }
}
