//! The nearest neighbours of vectors, by cosine.

use rayon::prelude::*;
use serde::Serialize;
use tuning_fork_kernels::gemm::{Matrix, Result as Written, Target, gemm_here};

use super::components::components_by;
use super::error::Error;
use super::matrix::{Vectors, dot, square};
use super::symmetric::Effort;
use super::worked::{Stage, Worked, reached};
use crate::jobs::{Progress, in_pool};

/// Rows that are compared with all others at once, and columns of that.
const BLOCK: usize = 64;
const COLUMNS: usize = 1024;

/// From so many vectors on, and from such a width, candidates are looked for among their first
/// components; which of those are the nearest is then said by the whole vectors.
const SCREEN_FROM: usize = 12_000;
const SCREEN_WIDTH: usize = 96;

/// So many candidates for each neighbour.
const CANDIDATES: usize = 4;

/// For each of `count` vectors its `of_each` nearest others, the nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    pub of_each: usize,

    /// (count, `of_each`)
    pub items: Vec<u32>,

    /// 1 - cosine.
    pub distances: Vec<f32>,
}

/// A vector, and how near it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Near {
    /// Its place, counted from 0.
    pub item: usize,
    pub cosine: f64,
}

/// `units`: of length 1.
///
/// Exact for up to 12,000 vectors, and of narrow ones always. Of more, a
/// neighbour is missed where it is not among four times as many by the first 96 principal
/// components, which is rare.
pub fn neighbours(
    units: &Vectors,
    of_each: usize,
    progress: &dyn Progress<Worked>,
) -> Result<Neighbours, Error> {
    let count = units.count();
    let of_each = of_each.min(count.saturating_sub(1));
    let is_screened = count >= SCREEN_FROM && units.width() > SCREEN_WIDTH;
    let screen = if is_screened {
        Some(components_by(units, (SCREEN_WIDTH, Effort::Rough), progress)?.scores)
    } else {
        None
    };
    let (looked_at, kept) = match &screen {
        Some(screen) => (screen, of_each * CANDIDATES),
        None => (units, of_each),
    };
    // |x - y|² falls as x·y - |y|²/2 grows.
    let halves: Vec<f32> = match &screen {
        Some(screen) => screen.rows().map(|row| (square(row) / 2.0) as f32).collect(),
        None => vec![0.0; count],
    };
    let mut items = vec![0_u32; count * of_each];
    let mut distances = vec![0.0_f32; count * of_each];
    let group = BLOCK * 16;
    let values_of_group = group * of_each.max(1);
    let parts = items.chunks_mut(values_of_group).zip(distances.chunks_mut(values_of_group));
    for (number, (items, distances)) in parts.enumerate() {
        reached(progress, Stage::Neighbours, number * group, count)?;
        in_pool(|| {
            let blocks = items
                .par_chunks_mut(BLOCK * of_each.max(1))
                .zip(distances.par_chunks_mut(BLOCK * of_each.max(1)));
            blocks.enumerate().for_each(|(block, (items, distances))| {
                let first = number * group + block * BLOCK;
                let best = best_of(looked_at, &halves, first, kept);
                let places =
                    items.chunks_mut(of_each.max(1)).zip(distances.chunks_mut(of_each.max(1)));
                for ((own, found), (items, distances)) in (first..).zip(best).zip(places) {
                    let mut found: Vec<(f32, u32)> = found
                        .into_iter()
                        .map(|(score, item)| match &screen {
                            Some(_) => (dot(units.row(own), units.row(item as usize)), item),
                            None => (score, item),
                        })
                        .collect();
                    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                    for ((cosine, item), (place, distance)) in
                        found.into_iter().zip(items.iter_mut().zip(distances))
                    {
                        (*place, *distance) = (item, (1.0 - cosine).max(0.0));
                    }
                }
            });
        });
    }
    Ok(Neighbours { of_each, items, distances })
}

/// For each row of a block the others with the highest scores.
fn best_of(vectors: &Vectors, halves: &[f32], first: usize, kept: usize) -> Vec<Vec<(f32, u32)>> {
    let (count, width) = (vectors.count(), vectors.width());
    let rows = BLOCK.min(count - first);
    let own = &vectors.values()[first * width..(first + rows) * width];
    let mut best: Vec<Vec<(f32, u32)>> = vec![Vec::with_capacity(kept + 1); rows];
    let mut scores = vec![0.0_f32; rows * COLUMNS];
    for start in (0..count).step_by(COLUMNS) {
        let columns = COLUMNS.min(count - start);
        let others = &vectors.values()[start * width..(start + columns) * width];
        let scores = &mut scores[..rows * columns];
        let terms =
            [(Matrix::new(own, rows, width), Matrix::new(others, columns, width).transposed())];
        gemm_here(Target::new(scores, rows, columns, Written::Replace), &terms);
        for (row, (scores, best)) in scores.chunks_exact(columns).zip(&mut best).enumerate() {
            let mut least = if best.len() < kept { f32::NEG_INFINITY } else { best[kept - 1].0 };
            for (column, score) in scores.iter().enumerate() {
                let score = score - halves[start + column];
                if score <= least || start + column == first + row {
                    continue;
                }
                let place = best.partition_point(|(other, _)| *other >= score);
                best.insert(place, (score, (start + column) as u32));
                best.truncate(kept);
                if best.len() == kept {
                    least = best[kept - 1].0;
                }
            }
        }
    }
    best
}

/// The vectors that point most nearly where one does, the nearest first. `units`: of length 1;
/// `but`: one that is left out.
pub fn nearest_to(units: &Vectors, vector: &[f32], most: usize, but: Option<usize>) -> Vec<Near> {
    let length = square(vector).sqrt();
    if length == 0.0 || vector.len() != units.width() {
        return Vec::new();
    }
    let query: Vec<f32> = vector.iter().map(|value| (f64::from(*value) / length) as f32).collect();
    let cosines: Vec<f32> = in_pool(|| {
        let rows = units.values().par_chunks_exact(units.width());
        rows.with_min_len(512).map(|row| dot(row, &query)).collect()
    });
    let mut found: Vec<(f32, usize)> = Vec::with_capacity(most + 1);
    for (item, cosine) in cosines.into_iter().enumerate() {
        let least = if found.len() < most { f32::NEG_INFINITY } else { found[most - 1].0 };
        if cosine <= least || Some(item) == but {
            continue;
        }
        let place = found.partition_point(|(other, _)| *other >= cosine);
        found.insert(place, (cosine, item));
        found.truncate(most);
    }
    found
        .into_iter()
        .map(|(cosine, item)| Near { item, cosine: f64::from(cosine).clamp(-1.0, 1.0) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;

    fn circle(count: usize) -> Vectors {
        let turn = |at: usize| (at * at) as f32 * 0.01;
        Vectors::new(2, (0..count).flat_map(|at| [turn(at).cos(), turn(at).sin()]).collect())
    }

    #[test]
    fn neighbours_are_those_that_comparing_each_with_each_finds() {
        let units = circle(90);
        let found = neighbours(&units, 4, &Quiet).unwrap();
        for own in 0..90 {
            let mut all: Vec<(f32, u32)> = (0..90_u32)
                .filter(|other| *other as usize != own)
                .map(|other| (1.0 - dot(units.row(own), units.row(other as usize)), other))
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let exact: Vec<f32> = all.iter().take(4).map(|(distance, _)| *distance).collect();
            for (found, exact) in found.distances[own * 4..own * 4 + 4].iter().zip(exact) {
                assert!((found - exact.max(0.0)).abs() < 1e-6, "{own}: {found} {exact}");
            }
        }
    }

    #[test]
    fn a_sentence_finds_the_rows_that_point_its_way() {
        let units = Vectors::new(2, vec![1.0, 0.0, 0.0, 1.0, 0.6, 0.8, -1.0, 0.0]);
        let found = nearest_to(&units, &[0.0, 5.0], 3, None);
        let items: Vec<usize> = found.iter().map(|near| near.item).collect();
        assert_eq!(items, [1, 2, 0]);
        assert!((found[1].cosine - 0.8).abs() < 1e-6);
        assert_eq!(nearest_to(&units, units.row(1), 1, Some(1))[0].item, 2);
        assert!(nearest_to(&units, &[0.0, 0.0], 3, None).is_empty(), "zeros have no direction");
    }
}
