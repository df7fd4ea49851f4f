//! The minimum of a smooth convex function: L-BFGS (Liu and Nocedal 1989).

use super::matrix::dot_f64 as dot;
use crate::jobs::Cancelled;

/// Steps whose slopes are remembered.
const MEMORY: usize = 12;
const MOST_STEPS: usize = 5000;

/// The value and the slope at a point.
type At<'a> = &'a mut dyn FnMut(&[f64]) -> Result<(f64, Vec<f64>), Cancelled>;

/// Walks down until the slope's largest part is at most `small`. `at`: the value and the slope at a
/// point.
pub fn descend(start: Vec<f64>, small: f64, at: At<'_>) -> Result<(f64, Vec<f64>), Cancelled> {
    let mut point = start;
    let (mut value, mut slope) = at(&point)?;
    // Step, change of slope, and 1 / (step · change).
    let mut memory: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    for _ in 0..MOST_STEPS {
        if slope.iter().all(|part| part.abs() <= small) {
            break;
        }
        let mut direction = towards(&slope, &memory);
        let mut fall = dot(&direction, &slope);
        if fall >= 0.0 || !fall.is_finite() {
            memory.clear();
            direction = slope.iter().map(|part| -part).collect();
            fall = -dot(&slope, &slope);
        }
        let first =
            if memory.is_empty() { 1.0 / slope.iter().map(|s| s.abs()).sum::<f64>() } else { 1.0 };
        let Some(next) = step(&point, value, (&direction, fall), first, at)? else {
            if memory.is_empty() {
                // Nothing is lower: rounding is all that is left.
                break;
            }
            memory.clear();
            continue;
        };
        let moved: Vec<f64> = next.point.iter().zip(&point).map(|(new, old)| new - old).collect();
        let changed: Vec<f64> = next.slope.iter().zip(&slope).map(|(new, old)| new - old).collect();
        let along = dot(&moved, &changed);
        if along > 1e-14 * dot(&changed, &changed) {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((moved, changed, 1.0 / along));
        }
        (point, value, slope) = (next.point, next.value, next.slope);
    }
    Ok((value, point))
}

struct Next {
    point: Vec<f64>,
    value: f64,
    slope: Vec<f64>,
}

/// As far along a direction as the value falls enough and the slope has become flatter (Wolfe 1969).
/// `None`: nowhere.
fn step(
    point: &[f64],
    value: f64,
    (direction, fall): (&[f64], f64),
    first: f64,
    at: At<'_>,
) -> Result<Option<Next>, Cancelled> {
    let (mut low, mut high, mut length) = (0.0, f64::INFINITY, first);
    let mut best: Option<Next> = None;
    for _ in 0..60 {
        let next: Vec<f64> = point.iter().zip(direction).map(|(p, d)| p + length * d).collect();
        let (found, slope) = at(&next)?;
        if !found.is_finite() || found > value + 1e-4 * length * fall {
            high = length;
        } else {
            let flat = dot(&slope, direction);
            best = Some(Next { point: next, value: found, slope });
            if flat >= 0.9 * fall {
                return Ok(best);
            }
            low = length;
        }
        length = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * length };
    }
    Ok(best)
}

/// The quasi-Newton direction.
fn towards(slope: &[f64], memory: &[(Vec<f64>, Vec<f64>, f64)]) -> Vec<f64> {
    let mut direction: Vec<f64> = slope.iter().map(|part| -part).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for (moved, changed, inverse) in memory.iter().rev() {
        let share = inverse * dot(moved, &direction);
        direction.iter_mut().zip(changed).for_each(|(d, change)| *d -= share * change);
        shares.push(share);
    }
    if let Some((_, changed, inverse)) = memory.last() {
        let scale = 1.0 / (inverse * dot(changed, changed));
        direction.iter_mut().for_each(|d| *d *= scale);
    }
    for ((moved, changed, inverse), share) in memory.iter().zip(shares.into_iter().rev()) {
        let back = inverse * dot(changed, &direction);
        direction.iter_mut().zip(moved).for_each(|(d, moved)| *d += (share - back) * moved);
    }
    direction
}
