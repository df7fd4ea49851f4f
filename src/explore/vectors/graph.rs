//! The weighted graph of neighbours that UMAP lays out (`McInnes`, Healy and Melville 2018).

use super::neighbours::Neighbours;

/// Steps in which a row's width is searched, and how near it must come: umap-learn's.
const STEPS: usize = 64;
const NEAR: f64 = 1e-5;

/// A width is at least this share of the mean distance.
const LEAST_WIDTH: f64 = 1e-3;

/// Two vectors, and how surely they belong together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    pub from: u32,
    pub to: u32,
    pub weight: f32,
}

/// Each edge in both directions, by its ends.
pub fn graph(neighbours: &Neighbours) -> Vec<Edge> {
    let Neighbours { of_each, items, distances } = neighbours;
    let of_each = (*of_each).max(1);
    let count = distances.len() / of_each;
    let all: f64 = distances.iter().map(|distance| f64::from(*distance)).sum();
    // The row itself, at distance 0, is one of umap-learn's neighbours.
    let mean_of_all = all / (count * (of_each + 1)) as f64;
    let mut directed = Vec::with_capacity(2 * items.len());
    let rows = items.chunks_exact(of_each).zip(distances.chunks_exact(of_each));
    for (own, (items, distances)) in rows.enumerate() {
        let distances: Vec<f64> = distances.iter().map(|distance| f64::from(*distance)).collect();
        let (nearest, width) = widths(&distances, mean_of_all);
        for (item, distance) in items.iter().zip(&distances) {
            let beyond = distance - nearest;
            let weight = if beyond <= 0.0 || width == 0.0 { 1.0 } else { (-beyond / width).exp() };
            directed.push((own as u32, *item, weight as f32, 0.0));
            directed.push((*item, own as u32, 0.0, weight as f32));
        }
    }
    directed.sort_by_key(|(from, to, _, _)| (*from, *to));
    let together = directed.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).map(|same| {
        let there: f32 = same.iter().map(|edge| edge.2).sum();
        let back: f32 = same.iter().map(|edge| edge.3).sum();
        Edge { from: same[0].0, to: same[0].1, weight: there + back - there * back }
    });
    together.filter(|edge| edge.weight > 0.0).collect()
}

/// ρ and σ of a row: the distance to its nearest neighbour that is not the same, and the width by
/// which the weights of all sum to log2 of their number.
fn widths(distances: &[f64], mean_of_all: f64) -> (f64, f64) {
    let nearest = distances.iter().copied().find(|distance| *distance > 0.0).unwrap_or(0.0);
    let target = ((distances.len() + 1) as f64).log2();
    let (mut low, mut high, mut width) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..STEPS {
        let sum: f64 = distances
            .iter()
            .map(|distance| {
                let beyond = distance - nearest;
                if beyond > 0.0 { (-beyond / width).exp() } else { 1.0 }
            })
            .sum();
        if (sum - target).abs() < NEAR {
            break;
        }
        if sum > target {
            high = width;
            width = f64::midpoint(low, high);
        } else {
            low = width;
            width = if high.is_finite() { f64::midpoint(low, high) } else { width * 2.0 };
        }
    }
    let mean = if nearest > 0.0 {
        distances.iter().sum::<f64>() / (distances.len() + 1) as f64
    } else {
        mean_of_all
    };
    (nearest, width.max(LEAST_WIDTH * mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `tests/reference/make_vectors.py`: `umap.umap_.fuzzy_simplicial_set` of umap-learn with
    /// five neighbours (the point itself among them) of points on a line.
    #[test]
    fn the_weights_are_those_of_umap_learn() {
        let points = [0.0_f32, 1.0, 1.5, 4.0, 4.25, 9.0];
        let (mut items, mut distances) = (Vec::new(), Vec::new());
        for own in &points {
            let mut others: Vec<(f32, u32)> =
                points.iter().zip(0..).map(|(other, at)| ((own - other).abs(), at)).collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            items.extend(others[1..5].iter().map(|other| other.1));
            distances.extend(others[1..5].iter().map(|other| other.0));
        }
        let edges = graph(&Neighbours { of_each: 4, items, distances });
        let weight = |from: u32, to: u32| {
            edges.iter().find(|edge| (edge.from, edge.to) == (from, to)).map(|edge| edge.weight)
        };
        for (from, to, expected) in REFERENCE {
            let found = weight(from, to).unwrap_or(0.0);
            assert!((found - expected).abs() < 1e-4, "{from} {to}: {found} {expected}");
            assert_eq!(weight(from, to), weight(to, from));
        }
    }

    const REFERENCE: [(u32, u32, f32); 15] = [
        (0, 1, 1.0),
        (0, 2, 0.924_622),
        (0, 3, 0.521_064),
        (0, 4, 0.508_357),
        (0, 5, 0.0),
        (1, 2, 1.0),
        (1, 3, 0.612_01),
        (1, 4, 0.593_134),
        (1, 5, 0.192_673),
        (2, 3, 0.703_664),
        (2, 4, 0.678_526),
        (2, 5, 0.248_227),
        (3, 4, 1.0),
        (3, 5, 0.881_021),
        (4, 5, 1.0),
    ];
}
