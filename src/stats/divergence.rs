//! Distances between two distributions over the same options.

use super::moments::sum;
use super::undefined::Number;

const INFINITE: &str = "infinite: the second distribution is 0 where the first is not";

/// Divided by their sum; `None` where that is 0.
pub fn normalised(masses: &[f64]) -> Option<Vec<f64>> {
    let total = sum(masses.iter().copied());
    (total > 0.0).then(|| masses.iter().map(|mass| mass / total).collect())
}

/// Shannon's entropy (1948) in nats: -Σ p ln p.
pub fn entropy(p: &[f64]) -> f64 {
    // 0 rather than -0 for a certain outcome.
    sum(p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln())).max(0.0)
}

/// The Kullback-Leibler divergence in nats: Σ p ln(p/q).
///
/// Infinite, so undefined, where q is 0 and p is not.
pub fn kullback_leibler(p: &[f64], q: &[f64]) -> Number {
    if p.iter().zip(q).any(|(p, q)| *p > 0.0 && *q == 0.0) {
        return Err(INFINITE.into());
    }
    let terms = p.iter().zip(q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln());
    Ok(sum(terms).max(0.0))
}

/// The cross entropy in nats: -Σ p ln q.
///
/// Infinite, so undefined, where q is 0 and p is not.
pub fn cross_entropy(p: &[f64], q: &[f64]) -> Number {
    if p.iter().zip(q).any(|(p, q)| *p > 0.0 && *q == 0.0) {
        return Err(INFINITE.into());
    }
    let terms = p.iter().zip(q).filter(|(p, _)| **p > 0.0).map(|(p, q)| -p * q.ln());
    Ok(sum(terms).max(0.0))
}

/// The Jensen-Shannon divergence in bits, from 0 to 1 (Lin 1991); its root is a distance.
pub fn jensen_shannon_bits(p: &[f64], q: &[f64]) -> f64 {
    let to_middle = |p: f64, q: f64| {
        if p > 0.0 { p * (p / f64::midpoint(p, q)).log2() } else { 0.0 }
    };
    let terms = p.iter().zip(q).map(|(p, q)| to_middle(*p, *q) + to_middle(*q, *p));
    (sum(terms) / 2.0).clamp(0.0, 1.0)
}

/// Half the sum of |p - q|: the largest difference in the probability of any event.
pub fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    sum(p.iter().zip(q).map(|(p, q)| (p - q).abs())) / 2.0
}
