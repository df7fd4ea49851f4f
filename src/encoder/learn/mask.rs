//! Dropout whose mask is a function of the run's seed, the step and the place in the model: the
//! backward pass makes it again, and a run that is resumed has the same.

use crate::llm::backward::dropout::mix;
use rayon::prelude::*;

/// The masks of one pass.
#[derive(Clone, Copy, Debug)]
pub struct Masks {
    key: u64,
}

/// Values that are worth a task of their own; even.
const TASK: usize = 1 << 13;

impl Masks {
    /// Of one batch of a step.
    pub fn new(seed: u64, step: usize, batch: usize) -> Self {
        Self { key: mix(mix(mix(seed) ^ step as u64) ^ batch as u64) }
    }

    /// Drops a share of the values at a place in the model, and scales the others up.
    pub(crate) fn apply(self, site: Site, share: f64, x: &mut [f32]) {
        if share <= 0.0 {
            return;
        }
        let key = mix(self.key ^ site.0);
        x.par_chunks_mut(TASK).enumerate().for_each(|(task, part)| {
            drop(key, share, task * TASK, part);
        });
    }

    /// The same on this thread, of values from `first` on, which is even.
    pub(crate) fn apply_here(self, site: Site, share: f64, first: usize, x: &mut [f32]) {
        if share > 0.0 {
            drop(mix(self.key ^ site.0), share, first, x);
        }
    }
}

fn drop(key: u64, share: f64, first: usize, x: &mut [f32]) {
    // A value stays where 32 random bits are at least this.
    let threshold = (share * 2.0_f64.powi(32)) as u64;
    let keep = (1.0 / (1.0 - share)) as f32;
    for (pair, values) in x.chunks_mut(2).enumerate() {
        let bits = mix(key.wrapping_add((first / 2 + pair) as u64));
        for (value, bits) in values.iter_mut().zip([bits & 0xffff_ffff, bits >> 32]) {
            *value *= if bits < threshold { 0.0 } else { keep };
        }
    }
}

/// A place where something is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site(u64);

impl Site {
    /// `what`: a number for each kind of place.
    pub fn new(what: u64, layer: usize) -> Self {
        Self(mix(what) ^ mix(layer as u64 + 1).rotate_left(17))
    }

    #[must_use]
    pub fn within(self, part: usize) -> Self {
        Self(mix(self.0 ^ (part as u64).rotate_left(32)))
    }

    pub fn named(name: &str) -> Self {
        Self(name.bytes().fold(7, |key, byte| mix(key ^ u64::from(byte))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_the_mean_and_comes_back() {
        let site = Site::new(3, 5);
        let masked = |masks: Masks| {
            let mut x = vec![1.0; 100_001];
            masks.apply(site, 0.1, &mut x);
            x
        };
        let x = masked(Masks::new(1, 2, 3));
        let dropped = x.iter().filter(|value| **value == 0.0).count() as f64 / x.len() as f64;
        assert!((dropped - 0.1).abs() < 0.005, "{dropped}");
        assert_eq!(x, masked(Masks::new(1, 2, 3)));
        assert_ne!(x, masked(Masks::new(1, 3, 3)));
        let mut part = vec![1.0; 1000];
        Masks::new(1, 2, 3).apply_here(site, 0.1, 64, &mut part);
        assert_eq!(part, x[64..1064]);
    }
}
