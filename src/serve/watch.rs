//! Whether an answer is still wanted: by whoever asked, by the server, by the clock.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::error::Refusal;
use super::reply::Reply;
use crate::jobs::{Cancelled, Progress};
use crate::llm::generate::GenerateEvent;

pub struct Watch<'a> {
    reply: &'a Reply,
    is_stopping: &'a dyn Fn() -> bool,
    until: Instant,
    most: Duration,
    why: Cell<Option<Why>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Whoever asked has left.
    Left,
    Stopping,
    TimeUp,
}

impl<'a> Watch<'a> {
    pub fn new(reply: &'a Reply, is_stopping: &'a dyn Fn() -> bool, most: Duration) -> Self {
        Self { reply, is_stopping, until: Instant::now() + most, most, why: Cell::new(None) }
    }

    fn look(&self) -> Result<(), Cancelled> {
        let why = if self.reply.is_unheard() {
            Why::Left
        } else if (self.is_stopping)() {
            Why::Stopping
        } else if Instant::now() > self.until {
            Why::TimeUp
        } else {
            return Ok(());
        };
        self.why.set(Some(why));
        Err(Cancelled)
    }

    /// Fails once nobody waits for it, the server stops or its time is up.
    pub fn still_wanted(&self) -> Result<(), Refusal> {
        self.look().map_err(|Cancelled| self.refusal())
    }

    /// Whether it was stopped because nobody waits for it any more.
    pub fn was_left(&self) -> bool {
        self.why.get() == Some(Why::Left)
    }

    /// What was stopped, in words.
    pub fn refusal(&self) -> Refusal {
        if self.why.get() == Some(Why::TimeUp) {
            let secs = self.most.as_secs();
            let message = format!(
                "The answer took longer than {secs} seconds, which is the most that this server \
                 gives a request. Ask for fewer tokens, or in several requests."
            );
            return Refusal::with(504, message);
        }
        Refusal::stopping()
    }
}

impl<E> Progress<E> for Watch<'_> {
    fn emit(&self, _event: E) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.look()
    }
}

/// The same, which hands on what is said on the way.
pub struct Hears<'a, F: Fn(GenerateEvent)> {
    pub watch: &'a Watch<'a>,
    pub hear: F,
}

impl<F: Fn(GenerateEvent)> Progress<GenerateEvent> for Hears<'_, F> {
    fn emit(&self, event: GenerateEvent) {
        (self.hear)(event);
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.watch.look()
    }
}
