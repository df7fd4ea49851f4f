//! How fast bytes come: over the last seconds, so that a pause shows and a burst does not.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Looked back so far.
const SPAN: Duration = Duration::from_secs(5);

/// Kept this far apart.
const STEP: Duration = Duration::from_millis(200);

/// What was there when.
#[derive(Default)]
pub(crate) struct Speed(VecDeque<(Instant, u64)>);

impl Speed {
    /// Takes note of `done` bytes and says how many come in a second.
    pub fn at(&mut self, now: Instant, done: u64) -> f64 {
        // A file that began anew has fewer bytes than before.
        if self.0.back().is_some_and(|(_, then)| *then > done) {
            self.0.clear();
        }
        if self.0.back().is_none_or(|(then, _)| now.duration_since(*then) >= STEP) {
            self.0.push_back((now, done));
        }
        while self.0.len() > 2 && self.0.get(1).is_some_and(|(t, _)| now.duration_since(*t) >= SPAN)
        {
            self.0.pop_front();
        }
        let Some((then, before)) = self.0.front() else { return 0.0 };
        let secs = now.duration_since(*then).as_secs_f64();
        // Shorter spans say more about the network's buffers than about its speed.
        if secs < STEP.as_secs_f64() { 0.0 } else { (done - before) as f64 / secs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_that_of_the_last_seconds() {
        let (mut speed, start) = (Speed::default(), Instant::now());
        let mut at = |millis: u64, done: u64| speed.at(start + Duration::from_millis(millis), done);
        assert_eq!(at(0, 500), 0.0);
        assert_eq!(at(100, 600), 0.0, "too soon to tell");
        assert_eq!(at(1000, 1500), 1000.0);
        for step in 1..=40 {
            at(1000 + step * 200, 1500); // nothing comes
        }
        assert_eq!(at(9200, 1500), 0.0);
        assert_eq!(at(9400, 300), 0.0, "it began anew");
    }
}
