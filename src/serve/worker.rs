//! The thread that computes: one request after the other, in the order in which they came.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::asked::{Asked, CHAT, COMPLETIONS, DECISIONS, DECISIONS_BATCH, EMBEDDINGS, LABELS};
use super::completions::Usage;
use super::error::Refusal;
use super::reply::{Reply, event};
use super::served::Served;
use super::watch::Watch;
use super::{chat, completions, decisions, labels, vectors};
use crate::jobs::Progress;

/// How often it looks whether it should stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A request that waits to be computed.
pub struct Work {
    pub number: u64,
    pub asked: Asked,
    pub reply: Reply,
    pub since: Instant,
}

/// What the worker says.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Begun { number: u64 },
    Done(Done),
}

/// A request that was computed, or was not.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    pub number: u64,
    pub path: &'static str,

    /// As it was answered; 499, as nginx has it: whoever asked had left.
    pub status: u16,
    pub usage: Usage,

    /// How long it waited for others, and how long it took.
    pub waited: Duration,
    pub took: Duration,
}

/// Requests in the order in which they came.
pub struct Queue {
    waiting: Mutex<VecDeque<Work>>,
    came: Condvar,
    most: usize,
}

impl Queue {
    pub fn new(most: usize) -> Self {
        Self { waiting: Mutex::default(), came: Condvar::new(), most }
    }

    /// Fails where too many wait already.
    pub fn push(&self, work: Work) -> Result<(), Refusal> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody waits for any more take nobody's place.
        waiting.retain(|work| !work.reply.is_unheard());
        if waiting.len() >= self.most {
            let message = format!(
                "{} requests wait already, which are as many as this server lets wait. Send the \
                 request again in a moment.",
                waiting.len()
            );
            return Err(Refusal::with(429, message).code("rate_limit_exceeded"));
        }
        waiting.push_back(work);
        self.came.notify_one();
        Ok(())
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn next(&self) -> Option<Work> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_empty() {
            let (came, _) =
                self.came.wait_timeout(waiting, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner);
            waiting = came;
        }
        waiting.pop_front()
    }

    fn clear(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for work in waiting.drain(..) {
            work.reply.whole(Err(Refusal::stopping()));
        }
    }
}

/// Computes until it is stopped. `most`: how long one request may take.
pub fn run(served: &Served, queue: &Queue, most: Duration, progress: &dyn Progress<Told>) {
    let is_stopping = || progress.check().is_err();
    while !is_stopping() {
        let Some(work) = queue.next() else { continue };
        let Work { number, asked, reply, since } = work;
        if reply.is_unheard() {
            continue;
        }
        progress.emit(Told::Begun { number });
        let (waited, clock) = (since.elapsed(), Instant::now());
        let watch = Watch::new(&reply, &is_stopping, most);
        let path = path_of(&asked);
        // A mistake of ours over one request must not end the others.
        let computed = catch_unwind(AssertUnwindSafe(|| compute(served, &asked, &watch, &reply)));
        let computed = computed.unwrap_or_else(|_| Err(Refusal::crashed()));
        let (status, usage) = match computed {
            Ok(usage) => (200, usage),
            Err(_) if watch.was_left() => (499, Usage::default()),
            Err(refusal) => {
                let status = refusal.status;
                reply.whole(Err(refusal));
                (status, Usage::default())
            }
        };
        let took = clock.elapsed();
        progress.emit(Told::Done(Done { number, path, status, usage, waited, took }));
    }
    queue.clear();
}

fn path_of(asked: &Asked) -> &'static str {
    match asked {
        Asked::Completion(_) => COMPLETIONS,
        Asked::Chat(_) => CHAT,
        Asked::Vectors(_) => EMBEDDINGS,
        Asked::Labels(_) => LABELS,
        Asked::Decisions(asked) if asked.is_batch => DECISIONS_BATCH,
        Asked::Decisions(_) => DECISIONS,
    }
}

fn compute(
    served: &Served,
    asked: &Asked,
    watch: &Watch<'_>,
    reply: &Reply,
) -> Result<Usage, Refusal> {
    let say = |value: &Value| reply.piece(event(value));
    let streamed = match asked {
        Asked::Completion(asked) if asked.sampled.streams => {
            Some(completions::stream(served, asked, watch, &say)?)
        }
        Asked::Chat(asked) if asked.sampled.streams => {
            Some(chat::stream(served, asked, watch, &say)?)
        }
        _ => None,
    };
    if let Some(usage) = streamed {
        reply.piece(b"data: [DONE]\n\n".to_vec());
        reply.end();
        return Ok(usage);
    }
    let (answer, usage) = match asked {
        Asked::Completion(asked) => completions::whole(served, asked, watch)?,
        Asked::Chat(asked) => chat::whole(served, asked, watch)?,
        Asked::Vectors(asked) => vectors::whole(served, asked, watch)?,
        Asked::Labels(asked) => labels::whole(served, asked, watch)?,
        Asked::Decisions(asked) => decisions::whole(served, asked, watch)?,
    };
    reply.whole(Ok(answer.to_string().into_bytes()));
    Ok(usage)
}
