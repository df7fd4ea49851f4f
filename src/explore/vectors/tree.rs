//! The shortest tree that joins all points, by the distance that HDBSCAN joins them by.

use rayon::prelude::*;

use super::error::Error;
use super::matrix::{Vectors, distance_square};
use super::worked::{Stage, Worked, reached};
use crate::jobs::{Progress, in_pool};

/// Two groups are joined: points below `count`, what was joined before from `count` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Join {
    pub left: usize,
    pub right: usize,
    pub distance: f64,
    pub size: usize,
}

/// Points between two looks at Stop.
const EVERY: usize = 256;

/// How far each point is from its `nth` nearest, itself among them.
pub fn core_distances(
    points: &Vectors,
    nth: usize,
    progress: &dyn Progress<Worked>,
) -> Result<Vec<f64>, Error> {
    let count = points.count();
    let nth = nth.clamp(1, count.max(1));
    let mut found = Vec::with_capacity(count);
    for first in (0..count).step_by(EVERY) {
        // The two halves of the work: the tree is the other.
        reached(progress, Stage::Clusters, first / 2, count)?;
        let own = first..count.min(first + EVERY);
        let part: Vec<f64> = in_pool(|| {
            let of = |place: usize| {
                let own = points.row(place);
                let mut squares: Vec<f64> =
                    points.rows().map(|other| distance_square(own, other)).collect();
                let (_, nth, _) = squares.select_nth_unstable_by(nth - 1, f64::total_cmp);
                nth.sqrt()
            };
            own.into_par_iter().map(of).collect()
        });
        found.extend(part);
    }
    Ok(found)
}

/// Single linkage by mutual reachability, the larger of a distance and of both points' core
/// distances: Prim's tree (1957), its edges from the shortest on.
pub fn single_linkage(
    points: &Vectors,
    cores: &[f64],
    progress: &dyn Progress<Worked>,
) -> Result<Vec<Join>, Error> {
    let count = points.count();
    let mut edges = Vec::with_capacity(count.saturating_sub(1));
    let mut rest: Vec<Reach> =
        (1..count).map(|point| Reach { point, from: 0, distance: f64::INFINITY }).collect();
    let mut newest = 0;
    while !rest.is_empty() {
        if edges.len() % EVERY == 0 {
            reached(progress, Stage::Clusters, usize::midpoint(count, edges.len()), count)?;
        }
        let (own, core) = (points.row(newest), cores[newest]);
        let nearer = |reach: &mut Reach| {
            let apart = distance_square(own, points.row(reach.point)).sqrt();
            let distance = apart.max(core).max(cores[reach.point]);
            if distance < reach.distance {
                (reach.distance, reach.from) = (distance, newest);
            }
        };
        // A step of few points is over before a thread has woken.
        if rest.len() * points.width() > 200_000 {
            in_pool(|| rest.par_iter_mut().with_min_len(4096).for_each(nearer));
        } else {
            rest.iter_mut().for_each(nearer);
        }
        let by =
            |a: &Reach, b: &Reach| a.distance.total_cmp(&b.distance).then(a.point.cmp(&b.point));
        let (place, _) =
            rest.iter().enumerate().min_by(|a, b| by(a.1, b.1)).expect("some points are left");
        let next = rest.swap_remove(place);
        edges.push(next);
        newest = next.point;
    }
    edges.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    Ok(joined(count, &edges))
}

/// How a point is reached that is not in the tree yet.
#[derive(Clone, Copy)]
struct Reach {
    point: usize,
    from: usize,
    distance: f64,
}

fn joined(count: usize, edges: &[Reach]) -> Vec<Join> {
    let mut parents: Vec<usize> = (0..2 * count).collect();
    let mut sizes = vec![1; 2 * count];
    let mut joins = Vec::with_capacity(edges.len());
    for (number, edge) in edges.iter().enumerate() {
        let (left, right) = (top(&mut parents, edge.from), top(&mut parents, edge.point));
        let own = count + number;
        (parents[left], parents[right]) = (own, own);
        sizes[own] = sizes[left] + sizes[right];
        joins.push(Join { left, right, distance: edge.distance, size: sizes[own] });
    }
    joins
}

/// The group that a point is in by now; the way there is made short.
fn top(parents: &mut [usize], point: usize) -> usize {
    let mut top = point;
    while parents[top] != top {
        top = parents[top];
    }
    let mut at = point;
    while parents[at] != top {
        (at, parents[at]) = (parents[at], top);
    }
    top
}
