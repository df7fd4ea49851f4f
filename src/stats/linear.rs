//! Small dense linear algebra: what estimators of a few hundred unknowns need.

use super::moments::by_size;
use super::undefined::Undefined;

/// A square matrix, row after row.
#[derive(Clone, Debug)]
pub struct Square {
    pub size: usize,
    pub cells: Vec<f64>,
}

impl Square {
    pub fn zeros(size: usize) -> Self {
        Self { size, cells: vec![0.0; size * size] }
    }

    pub fn at(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.cells[row * self.size + column]
    }

    pub fn get(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    /// Adds `weight` x xᵀ.
    pub fn add_outer(&mut self, x: &[f64], weight: f64) {
        for (row, left) in x.iter().enumerate() {
            let cells = &mut self.cells[row * self.size..(row + 1) * self.size];
            for (cell, right) in cells.iter_mut().zip(x) {
                *cell += weight * left * right;
            }
        }
    }

    pub fn times(&self, vector: &[f64]) -> Vec<f64> {
        let row = |row: usize| &self.cells[row * self.size..(row + 1) * self.size];
        (0..self.size).map(|i| row(i).iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
    }

    /// Gauss's elimination with partial pivoting, rows scaled first: A X = B, B's columns one after
    /// the other.
    ///
    /// Undefined where the matrix is singular.
    pub fn solve(&self, columns: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Undefined> {
        let size = self.size;
        let mut rows: Vec<Vec<f64>> =
            (0..size).map(|row| self.cells[row * size..(row + 1) * size].to_vec()).collect();
        let mut sides: Vec<Vec<f64>> =
            (0..size).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
        let scales: Vec<f64> = rows
            .iter()
            .map(|row| row.iter().fold(0.0_f64, |most, cell| most.max(cell.abs())))
            .collect();
        if scales.iter().any(|scale| *scale == 0.0 || !scale.is_finite()) {
            return Err(SINGULAR.into());
        }
        for ((row, side), scale) in rows.iter_mut().zip(&mut sides).zip(&scales) {
            row.iter_mut().chain(side.iter_mut()).for_each(|cell| *cell /= scale);
        }
        for step in 0..size {
            let pivot = (step..size)
                .max_by(|a, b| rows[*a][step].abs().total_cmp(&rows[*b][step].abs()))
                .unwrap_or(step);
            if rows[pivot][step].abs() < 1e-13 {
                return Err(SINGULAR.into());
            }
            rows.swap(step, pivot);
            sides.swap(step, pivot);
            let (top, rest) = rows.split_at_mut(step + 1);
            let (top_side, rest_side) = sides.split_at_mut(step + 1);
            for (row, side) in rest.iter_mut().zip(rest_side) {
                let factor = row[step] / top[step][step];
                if factor != 0.0 {
                    row.iter_mut().zip(&top[step]).skip(step).for_each(|(a, b)| *a -= factor * b);
                    side.iter_mut().zip(&top_side[step]).for_each(|(a, b)| *a -= factor * b);
                }
            }
        }
        let mut solutions = vec![vec![0.0; size]; columns.len()];
        for (column, solution) in solutions.iter_mut().enumerate() {
            for row in (0..size).rev() {
                let known: f64 =
                    (row + 1..size).map(|other| rows[row][other] * solution[other]).sum();
                solution[row] = (sides[row][column] - known) / rows[row][row];
            }
        }
        Ok(solutions)
    }

    /// A x = b.
    pub fn solve_one(&self, side: &[f64]) -> Result<Vec<f64>, Undefined> {
        let mut solutions = self.solve(std::slice::from_ref(&side.to_vec()))?;
        Ok(solutions.pop().unwrap_or_default())
    }

    pub fn inverse(&self) -> Result<Self, Undefined> {
        let unit = |i: usize| (0..self.size).map(|j| f64::from(u8::from(i == j))).collect();
        let columns = self.solve(&(0..self.size).map(unit).collect::<Vec<_>>())?;
        let mut inverse = Self::zeros(self.size);
        for (column, values) in columns.iter().enumerate() {
            for (row, value) in values.iter().enumerate() {
                *inverse.at(row, column) = *value;
            }
        }
        Ok(inverse)
    }
}

const SINGULAR: &str = "the equations have no single solution (the matrix is singular)";

/// The principal axes of rows that are centred, with the sum of squares along each, from the
/// largest down.
///
/// By one-sided Jacobi rotations (Hestenes 1958), which keep the digits of small axes too.
pub fn principal_axes(rows: &[Vec<f64>]) -> Vec<(f64, Vec<f64>)> {
    let dimensions = rows.first().map_or(0, Vec::len);
    let mut axes = if rows.len() <= dimensions {
        let mut vectors = rows.to_vec();
        orthogonalise(&mut vectors, None);
        vectors
            .into_iter()
            .map(|vector| {
                let square: f64 = vector.iter().map(|value| value * value).sum();
                let length = square.sqrt();
                (square, vector.iter().map(|value| value / length).collect::<Vec<f64>>())
            })
            .filter(|(square, _)| *square > 0.0)
            .collect::<Vec<_>>()
    } else {
        let column = |j: usize| rows.iter().map(|row| row[j]).collect::<Vec<f64>>();
        let mut vectors: Vec<Vec<f64>> = (0..dimensions).map(column).collect();
        let unit = |j: usize| (0..dimensions).map(|i| f64::from(u8::from(i == j))).collect();
        let mut turned: Vec<Vec<f64>> = (0..dimensions).map(unit).collect();
        orthogonalise(&mut vectors, Some(&mut turned));
        let squares = vectors.iter().map(|vector| vector.iter().map(|value| value * value).sum());
        squares.zip(turned).collect()
    };
    axes.sort_by(|a, b| by_size(&b.0, &a.0));
    axes
}

/// Turns pairs of vectors until all are at right angles; does the same to `also`.
fn orthogonalise(vectors: &mut [Vec<f64>], mut also: Option<&mut Vec<Vec<f64>>>) {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let largest = vectors.iter().map(|vector| dot(vector, vector)).fold(0.0_f64, f64::max);
    for _sweep in 0..60 {
        let mut turned = false;
        for i in 0..vectors.len() {
            for j in i + 1..vectors.len() {
                let (left, right) = vectors.split_at_mut(j);
                let (a, b) = (&mut left[i], &mut right[0]);
                let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
                let at_right_angles = ab.abs() <= 1e-15 * aa.sqrt() * bb.sqrt();
                // A vector that is rounding alone has no direction to turn.
                if at_right_angles || aa.min(bb) <= 1e-30 * largest {
                    continue;
                }
                turned = true;
                let zeta = (bb - aa) / (2.0 * ab);
                let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let cosine = 1.0 / tangent.hypot(1.0);
                let turn = (cosine, cosine * tangent);
                rotate(a, b, turn);
                if let Some(also) = &mut also {
                    let (left, right) = also.split_at_mut(j);
                    rotate(&mut left[i], &mut right[0], turn);
                }
            }
        }
        if !turned {
            break;
        }
    }
}

fn rotate(a: &mut [f64], b: &mut [f64], (cosine, sine): (f64, f64)) {
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}
