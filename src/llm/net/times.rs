//! Where the time of a pass goes, added up by the pass on its way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Nanoseconds of the parts of passes. What is between the parts, such as adding what they give, is in none
/// of them.
#[derive(Default)]
pub(crate) struct Times {
    pub embedding: AtomicU64,
    pub layers: Vec<LayerTimes>,
    pub head: AtomicU64,
}

/// Of one layer, each with the norm before it.
#[derive(Default)]
pub(crate) struct LayerTimes {
    /// Attention, or the state in place of it: what mixes the tokens.
    pub mixing: AtomicU64,

    /// The MLP or the experts: what works on each token alone.
    pub alone: AtomicU64,
}

impl Times {
    pub fn new(layers: usize) -> Self {
        Self { layers: (0..layers).map(|_| LayerTimes::default()).collect(), ..Self::default() }
    }

    /// Does the work of a part, and adds its time where somebody wants to know.
    pub fn around<T>(
        times: Option<&Self>,
        part: impl Fn(&Self) -> &AtomicU64,
        work: impl FnOnce() -> T,
    ) -> T {
        let Some(times) = times else { return work() };
        let clock = Instant::now();
        let done = work();
        part(times).fetch_add(clock.elapsed().as_nanos() as u64, Ordering::Relaxed);
        done
    }
}

/// What was added up, in seconds.
pub(crate) fn secs(nanos: &AtomicU64) -> f64 {
    nanos.load(Ordering::Relaxed) as f64 / 1e9
}
