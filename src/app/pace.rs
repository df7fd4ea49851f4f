//! How fast an answer is shown: a limit of tokens a second, or one token at a key.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::jobs;
use crate::jobs::{Cancelled, Progress};
use crate::llm::generate::GenerateEvent;

/// Set by the window, obeyed by the answer under way.
#[derive(Debug, Default)]
pub struct Pace {
    /// Tokens a second; 0 is no limit.
    per_sec: AtomicU32,

    /// Each token waits for [`Self::step`].
    is_stepping: AtomicBool,
    steps: AtomicU64,
}

impl Pace {
    pub fn set(&self, per_sec: u32, is_stepping: bool) {
        self.per_sec.store(per_sec, Ordering::Relaxed);
        self.is_stepping.store(is_stepping, Ordering::Relaxed);
    }

    /// Lets one more token come.
    pub fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }
}

/// An answer's progress that holds the next token back.
pub struct Paced<'a, E = GenerateEvent> {
    inner: &'a dyn Progress<E>,
    pace: &'a Pace,
    is_token: fn(&E) -> bool,
    last_token: Cell<Option<Instant>>,

    /// Steps that were used up.
    used: Cell<u64>,
}

impl<'a> Paced<'a> {
    pub fn new(inner: &'a dyn Progress<GenerateEvent>, pace: &'a Pace) -> Self {
        Self::of(inner, pace, |event| {
            matches!(event, GenerateEvent::Token { .. } | GenerateEvent::Told { .. })
        })
    }
}

impl<'a, E> Paced<'a, E> {
    /// `is_token`: whether an event is one that is held back.
    pub fn of(inner: &'a dyn Progress<E>, pace: &'a Pace, is_token: fn(&E) -> bool) -> Self {
        let used = Cell::new(pace.steps.load(Ordering::Relaxed));
        Self { inner, pace, is_token, last_token: Cell::new(None), used }
    }

    fn is_due(&self, last_token: Instant) -> bool {
        if self.pace.is_stepping.load(Ordering::Relaxed) {
            return self.pace.steps.load(Ordering::Relaxed) > self.used.get();
        }
        match self.pace.per_sec.load(Ordering::Relaxed) {
            0 => true,
            per_sec => last_token.elapsed() >= Duration::from_secs(1) / per_sec,
        }
    }
}

impl<E> Progress<E> for Paced<'_, E> {
    fn emit(&self, event: E) {
        if (self.is_token)(&event) {
            self.last_token.set(Some(Instant::now()));
        }
        self.inner.emit(event);
    }

    /// Asked once before each token: here it is held back. The first one comes at once.
    fn check(&self) -> Result<(), Cancelled> {
        self.inner.check()?;
        let Some(last_token) = self.last_token.get() else { return Ok(()) };
        while !self.is_due(last_token) {
            jobs::pause(self.inner, Duration::from_millis(5))?;
        }
        if self.pace.is_stepping.load(Ordering::Relaxed) {
            self.used.set(self.used.get() + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Recorder;
    use crate::llm::generate::TokenStep;

    fn token() -> GenerateEvent {
        let (text, logits) = (String::new(), [0.0].into());
        let step = TokenStep { id: 1, text, logprob: 0.0, logits, is_guessed: false };
        GenerateEvent::Token { lane: 0, step }
    }

    #[test]
    fn a_limit_spaces_the_tokens_out() {
        let (recorder, pace) = (Recorder::default(), Pace::default());
        pace.set(20, false);
        let paced = Paced::new(&recorder, &pace);
        let started = Instant::now();
        for _ in 0..4 {
            paced.check().unwrap();
            paced.emit(token());
        }
        // Three gaps of 50 ms; the first token does not wait.
        assert!(started.elapsed() >= Duration::from_millis(150));
    }

    #[test]
    fn a_step_lets_one_token_come_and_stop_ends_the_waiting() {
        let (recorder, pace) = (Recorder::stop_after(20), Pace::default());
        pace.set(0, true);
        let paced = Paced::new(&recorder, &pace);
        paced.check().unwrap();
        paced.emit(token());
        pace.step();
        paced.check().unwrap();
        paced.emit(token());
        assert!(paced.check().is_err(), "nobody steps on, and Stop is pressed");
    }
}
