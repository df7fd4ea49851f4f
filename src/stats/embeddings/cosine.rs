//! The cosine of the angle between vectors.

use crate::stats::moments::by_size;

/// How many nearest neighbours are listed.
const NEAREST: usize = 3;

/// Similarities closer than this are the same.
const TIE: f64 = 1e-12;

/// x·y / (|x| |y|) for each two vectors; `None` with a zero vector, which has no direction.
pub fn similarities(vectors: &[Vec<f64>]) -> Vec<Vec<Option<f64>>> {
    let units: Vec<Option<Vec<f64>>> = vectors.iter().map(|vector| unit(vector)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let row = |a: &Option<Vec<f64>>| {
        let cells = units.iter().map(|b| Some(dot(a.as_deref()?, b.as_deref()?).clamp(-1.0, 1.0)));
        cells.collect()
    };
    units.iter().map(row).collect()
}

/// Of length 1. Divided by the largest value first, so that no square leaves the range of `f64`.
fn unit(vector: &[f64]) -> Option<Vec<f64>> {
    let largest = vector.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    if largest == 0.0 {
        return None;
    }
    let scaled: Vec<f64> = vector.iter().map(|value| value / largest).collect();
    let length = scaled.iter().map(|value| value * value).sum::<f64>().sqrt();
    Some(scaled.iter().map(|value| value / length).collect())
}

/// For each vector up to three others from the nearest on. `None` where that is not decided: a zero
/// vector, or two others that are equally near.
pub fn nearest(similarities: &[Vec<Option<f64>>]) -> Option<Vec<Vec<usize>>> {
    let mut all = Vec::with_capacity(similarities.len());
    for (own, row) in similarities.iter().enumerate() {
        let mut others = Vec::with_capacity(row.len());
        for (other, similarity) in row.iter().enumerate().filter(|(other, _)| *other != own) {
            others.push((other, (*similarity)?));
        }
        others.sort_by(|a, b| by_size(&b.1, &a.1));
        if others.windows(2).any(|pair| pair[0].1 - pair[1].1 <= TIE) {
            return None;
        }
        all.push(others.iter().take(NEAREST).map(|(other, _)| *other).collect());
    }
    Some(all)
}
