//! Starts that take a part T out of a layer's weight W and give it to the adapter, so that W - T is
//! what stays (`PiSSA`, `OLoRA`). PEFT takes the same part out again whenever it reads the adapter:
//! T follows from W alone.

use tuning_fork_kernels::gemm;
use tuning_fork_kernels::gemm::{Matrix, Target, gemm};

use crate::llm::adapter::low_rank::LowRank;

/// A layer's weight, (rows, cols) row by row.
#[derive(Clone, Copy)]
pub(crate) struct Weight<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub cols: usize,
}

/// Some vectors of one length, one after the other. In f64: they are turned many times.
#[derive(Clone)]
struct Basis {
    values: Vec<f64>,
    len: usize,
}

/// Vectors that are carried along beside the wanted ones: the nearer the next singular value is, the
/// more slowly the wanted ones part from the rest.
const SPARE: usize = 16;

/// Turns of the basis. Where this many do not do, two singular values are equal to six digits.
const MOST_TURNS: usize = 300;

/// `PiSSA` (Meng et al. 2024): the `rank` largest singular values of W and their vectors.
pub(crate) fn largest_singular(weight: Weight<'_>, rank: usize) -> LowRank {
    let Weight { rows, cols, .. } = weight;
    let side = Side::of(rows <= cols);
    let len = rows.min(cols);
    let rank = rank.min(len);
    let count = (rank + rank.max(SPARE)).min(len);
    let mut basis = Basis { values: noise(count * len), len };
    basis.orthonormalize();
    basis = basis.turned_to(weight, side);
    // All directions there are: only what rounding mixed is left to part.
    let turns = if count == len { 2 } else { MOST_TURNS };
    for _ in 0..turns {
        let mut next = side.back(weight, &side.forth(weight, &basis));
        next.orthonormalize();
        // Each turn begins with vectors in the order of their singular values, so that rounding
        // errors of the large ones stay out of the small ones.
        next = next.turned_to(weight, side);
        let moved = next.distance(&basis, rank);
        basis = next;
        if moved < 1e-11 * rank as f64 {
            break;
        }
    }
    basis.values.truncate(rank * len);
    side.part(weight, &basis, 1.0)
}

/// `OLoRA` (Büyükakyüz 2024): scale · Q R of the first `rank` columns' directions, where W = Q R.
/// `by_rows`: of the first rows instead, since W is stored the other way round (GPT-2).
pub(crate) fn first_directions(
    weight: Weight<'_>,
    rank: usize,
    scale: f64,
    by_rows: bool,
) -> LowRank {
    let Weight { values, rows, cols } = weight;
    let rank = rank.min(rows).min(cols);
    let side = Side::of(!by_rows);
    let values = match side {
        Side::Left => {
            let column = |at: usize| values.iter().skip(at).step_by(cols);
            (0..rank).flat_map(column).map(|value| f64::from(*value)).collect()
        }
        Side::Right => values[..rank * cols].iter().map(|value| f64::from(*value)).collect(),
    };
    let mut basis = Basis { values, len: if by_rows { cols } else { rows } };
    basis.orthonormalize();
    side.part(weight, &basis, scale)
}

/// ‖W - T + scale · B A‖ of each output; `ab` is scale and the two factors.
pub(crate) fn lengths(
    weight: Weight<'_>,
    taken: Option<&LowRank>,
    (scale, a, b): (f64, &[f32], &[f32]),
) -> Vec<f32> {
    let Weight { values, rows, cols } = weight;
    let mut whole = values.to_vec();
    let rank = a.len() / cols;
    let mut add = |a: &[f32], b: &[f32], rank: usize| {
        let product = (Matrix::new(b, rows, rank), Matrix::new(a, rank, cols));
        gemm(Target::new(&mut whole, rows, cols, gemm::Result::Add), &[product]);
    };
    let scaled: Vec<f32> = b.iter().map(|b| (f64::from(*b) * scale) as f32).collect();
    add(a, &scaled, rank);
    if let Some(LowRank { a, b, rank }) = taken {
        let negative: Vec<f32> = b.iter().map(|b| -b).collect();
        add(a, &negative, *rank);
    }
    let length = |row: &[f32]| row.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt();
    whole.chunks_exact(cols).map(|row| length(row) as f32).collect()
}

/// A and B of `PiSSA`'s start: scale · B A is what was taken out, and each singular value is shared evenly.
pub(crate) fn balanced(part: &LowRank, scale: f64) -> (Vec<f32>, Vec<f32>) {
    let LowRank { a, b, rank } = part;
    let (mut a, mut b) = (a.clone(), b.clone());
    let cols = a.len() / rank.max(&1);
    for at in 0..*rank {
        let row = &mut a[at * cols..(at + 1) * cols];
        let norm = |values: &mut dyn Iterator<Item = f32>| {
            values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt().max(f64::MIN_POSITIVE)
        };
        let of_a = norm(&mut row.iter().copied());
        let of_b = norm(&mut b.iter().skip(at).step_by(*rank).copied());
        let each = (of_a * of_b / scale).sqrt();
        row.iter_mut().for_each(|value| *value = (f64::from(*value) * each / of_a) as f32);
        let column = b.iter_mut().skip(at).step_by(*rank);
        column.for_each(|value| *value = (f64::from(*value) * each / of_b) as f32);
    }
    (a, b)
}

/// The space that a basis is of: that of W's columns, or of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    fn of(left: bool) -> Self {
        if left { Self::Left } else { Self::Right }
    }

    /// (count, rows) · W or (count, cols) · Wᵀ
    fn forth(self, weight: Weight<'_>, basis: &Basis) -> Vec<f32> {
        let Weight { values, rows, cols } = weight;
        let matrix = Matrix::new(values, rows, cols);
        let (matrix, len) = match self {
            Self::Left => (matrix, cols),
            Self::Right => (matrix.transposed(), rows),
        };
        let narrow = basis.narrowed();
        let count = basis.count();
        let mut out = vec![0.0; count * len];
        let product = (Matrix::new(&narrow, count, basis.len), matrix);
        gemm(Target::new(&mut out, count, len, gemm::Result::Replace), &[product]);
        out
    }

    /// What [`Self::forth`] gave, through W back into this side's space.
    fn back(self, weight: Weight<'_>, through: &[f32]) -> Basis {
        let Weight { values, rows, cols } = weight;
        let matrix = Matrix::new(values, rows, cols);
        let (matrix, from, len) = match self {
            Self::Left => (matrix.transposed(), cols, rows),
            Self::Right => (matrix, rows, cols),
        };
        let count = through.len() / from;
        let mut out = vec![0.0; count * len];
        let product = (Matrix::new(through, count, from), matrix);
        gemm(Target::new(&mut out, count, len, gemm::Result::Replace), &[product]);
        Basis { values: out.into_iter().map(f64::from).collect(), len }
    }

    /// scale · W seen through a basis: W's part in its directions.
    fn part(self, weight: Weight<'_>, basis: &Basis, scale: f64) -> LowRank {
        let rank = basis.count();
        let mut through = self.forth(weight, basis);
        through.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
        let turned = |rows: &[f32]| {
            let len = rows.len() / rank.max(1);
            let value = |at: usize| rows[(at % rank) * len + at / rank];
            (0..rows.len()).map(value).collect::<Vec<f32>>()
        };
        match self {
            Self::Left => LowRank { a: through, b: turned(&basis.narrowed()), rank },
            Self::Right => LowRank { a: basis.narrowed(), b: turned(&through), rank },
        }
    }
}

impl Basis {
    fn count(&self) -> usize {
        self.values.len() / self.len.max(1)
    }

    fn narrowed(&self) -> Vec<f32> {
        self.values.iter().map(|value| *value as f32).collect()
    }

    /// Gram and Schmidt, twice: once leaves what rounding put in. A vector that was nothing beyond
    /// those before it becomes nothing.
    fn orthonormalize(&mut self) {
        let len = self.len.max(1);
        for at in 0..self.count() {
            let (before, rest) = self.values.split_at_mut(at * len);
            let own = &mut rest[..len];
            let first = dot(own, own).sqrt();
            for _ in 0..2 {
                for other in before.chunks_exact(len) {
                    let share = dot(own, other);
                    for (own, other) in own.iter_mut().zip(other) {
                        *own -= share * other;
                    }
                }
            }
            let length = dot(own, own).sqrt();
            let by = if length > 1e-9 * first { length.recip() } else { 0.0 };
            own.iter_mut().for_each(|value| *value *= by);
        }
    }

    /// The same space by the directions in which W is largest, those first.
    fn turned_to(&self, weight: Weight<'_>, side: Side) -> Self {
        let count = self.count();
        let through: Vec<f64> = side.forth(weight, self).into_iter().map(f64::from).collect();
        let rows: Vec<&[f64]> = through.chunks_exact(through.len() / count.max(1)).collect();
        let squares = (0..count * count).map(|at| dot(rows[at / count], rows[at % count]));
        let vectors = eigenvectors(squares.collect(), count);
        let mut values = vec![0.0; count * self.len];
        for (out, vector) in values.chunks_exact_mut(self.len).zip(vectors.chunks_exact(count)) {
            for (share, row) in vector.iter().zip(self.values.chunks_exact(self.len)) {
                for (out, value) in out.iter_mut().zip(row) {
                    *out += share * value;
                }
            }
        }
        Self { values, len: self.len }
    }

    /// Σ sin² of the angles between the spaces of the first `rank` vectors of two.
    fn distance(&self, other: &Self, rank: usize) -> f64 {
        let first = |basis: &Self| basis.values[..rank * basis.len].to_vec();
        let (one, other) = (first(self), first(other));
        let pairs = one.chunks_exact(self.len).map(|one| {
            other.chunks_exact(self.len).map(|other| dot(one, other).powi(2)).sum::<f64>()
        });
        (rank as f64 - pairs.sum::<f64>()).abs()
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

/// The eigenvectors of a symmetric matrix of `size` rows, that of the largest eigenvalue first.
/// Jacobi's rotations: small, plain, and as exact as f64 is.
fn eigenvectors(mut matrix: Vec<f64>, size: usize) -> Vec<f64> {
    let mut vectors = vec![0.0; size * size]; // a column each
    (0..size).for_each(|at| vectors[at * size + at] = 1.0);
    let total: f64 = matrix.iter().map(|value| value * value).sum();
    for _ in 0..60 {
        let outside = (0..size * size).filter(|at| at / size != at % size);
        let left: f64 = outside.map(|at| matrix[at] * matrix[at]).sum();
        if left <= 1e-28 * total {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                rotate(&mut matrix, &mut vectors, size, (p, q));
            }
        }
    }
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|one, other| matrix[other * size + other].total_cmp(&matrix[one * size + one]));
    let column = |at: &usize| vectors.iter().skip(*at).step_by(size).copied().collect::<Vec<_>>();
    order.iter().flat_map(column).collect()
}

/// One rotation, after which the matrix has nothing at (p, q).
fn rotate(matrix: &mut [f64], vectors: &mut [f64], size: usize, (p, q): (usize, usize)) {
    let off = matrix[p * size + q];
    if off == 0.0 {
        return;
    }
    let theta = (matrix[q * size + q] - matrix[p * size + p]) / (2.0 * off);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = tangent.hypot(1.0).recip();
    let sine = tangent * cosine;
    let turn = |values: &mut [f64], one: usize, other: usize| {
        let (x, y) = (values[one], values[other]);
        values[one] = cosine * x - sine * y;
        values[other] = sine * x + cosine * y;
    };
    for k in 0..size {
        turn(matrix, k * size + p, k * size + q);
    }
    for k in 0..size {
        turn(matrix, p * size + k, q * size + k);
    }
    for k in 0..size {
        turn(vectors, k * size + p, k * size + q);
    }
}

/// Numbers without a direction, the same each time.
fn noise(count: usize) -> Vec<f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        // Vigna's xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(part: &LowRank, cols: usize) -> Vec<f32> {
        let rows = part.b.len() / part.rank;
        let mut out = vec![0.0; rows * cols];
        let factors =
            (Matrix::new(&part.b, rows, part.rank), Matrix::new(&part.a, part.rank, cols));
        gemm(Target::new(&mut out, rows, cols, gemm::Result::Replace), &[factors]);
        out
    }

    fn assert_near(one: &[f32], other: &[f32], tolerance: f32) {
        for (one, other) in one.iter().zip(other) {
            assert!((one - other).abs() <= tolerance, "{one} is not {other}");
        }
    }

    /// Σ σ u vᵀ with vectors that are known: the columns of Hadamard's matrix.
    fn known(sigmas: &[f32], rows: usize, cols: usize) -> Vec<f32> {
        let sign = |row: usize, col: usize| {
            if (row & col).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 }
        };
        let length = ((rows * cols) as f32).sqrt();
        let value = |at: usize| {
            let terms = sigmas.iter().enumerate();
            let terms = terms.map(|(k, s)| s * sign(at / cols, k) * sign(at % cols, k));
            terms.sum::<f32>() / length
        };
        (0..rows * cols).map(value).collect()
    }

    #[test]
    fn the_largest_singular_values_are_taken_out_and_nothing_else() {
        let sigmas = [5.0, 4.0, 3.5, 1.0, 0.5];
        for (rows, cols) in [(16, 32), (64, 16), (128, 256)] {
            let values = known(&sigmas, rows, cols);
            let part = largest_singular(Weight { values: &values, rows, cols }, 3);
            assert_eq!((part.rank, part.a.len(), part.b.len()), (3, 3 * cols, 3 * rows));
            assert_near(&product(&part, cols), &known(&sigmas[..3], rows, cols), 1e-5);
        }
    }

    /// As wide as real layers' spectra fall, and of a size at which the basis has to be turned.
    #[test]
    fn singular_values_that_lie_close_are_told_apart() {
        let sigmas: Vec<f32> = (0..64).map(|k| 10.0 * 0.97_f32.powi(k)).collect();
        let (rows, cols) = (64, 128);
        let values = known(&sigmas, rows, cols);
        let part = largest_singular(Weight { values: &values, rows, cols }, 8);
        assert_near(&product(&part, cols), &known(&sigmas[..8], rows, cols), 2e-4);
    }

    #[test]
    fn the_first_columns_are_wholly_taken_out_by_their_directions() {
        let values = [3.0, 1.0, 2.0, 4.0, 0.0, 5.0];
        let weight = Weight { values: &values, rows: 2, cols: 3 };
        let part = first_directions(weight, 1, 1.0, false);
        // Q = (0.6, 0.8): its share of each column stays in its direction
        assert_near(&product(&part, 3), &[3.0, 0.36, 3.12, 4.0, 0.48, 4.16], 1e-5);
        let twice = first_directions(weight, 1, 2.0, false);
        assert_near(&product(&twice, 3), &[6.0, 0.72, 6.24, 8.0, 0.96, 8.32], 1e-5);
        let by_rows = first_directions(weight, 1, 1.0, true);
        assert_near(&product(&by_rows, 3)[..3], &values[..3], 1e-5);
    }

    #[test]
    fn an_output_has_the_length_of_its_row() {
        let values = [3.0, 4.0, 0.0, 2.0];
        let weight = Weight { values: &values, rows: 2, cols: 2 };
        let found = lengths(weight, None, (2.0, &[0.0, 1.0], &[0.0, 1.0]));
        assert_near(&found, &[5.0, 4.0], 1e-6); // ‖(3, 4)‖, ‖(0, 2 + 2)‖
    }

    #[test]
    fn a_start_is_shared_evenly_by_its_factors() {
        let values = known(&[5.0, 4.0, 3.5], 16, 32);
        let part = largest_singular(Weight { values: &values, rows: 16, cols: 32 }, 2);
        let (a, b) = balanced(&part, 2.0);
        let whole = LowRank { a: a.clone(), b: b.iter().map(|b| 2.0 * b).collect(), rank: 2 };
        assert_near(&product(&whole, 32), &product(&part, 32), 1e-5);
        let norm = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
        assert!(
            (norm(&a[..32]) - norm(&b.iter().step_by(2).copied().collect::<Vec<_>>())).abs() < 1e-5
        );
    }
}
