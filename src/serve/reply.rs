//! An answer on its way from the thread that computes to the one that serves: as a whole, or piece
//! by piece. Either end hears when the other one has left.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use event_listener::{Event, EventListener};
use hyper::body::{Body, Bytes, Frame};

use super::error::Refusal;

/// What is said.
#[derive(Debug)]
pub enum Said {
    Whole(Result<Vec<u8>, Refusal>),

    /// Of a stream.
    Piece(Vec<u8>),
    End,
}

#[derive(Default)]
struct Line {
    said: Mutex<VecDeque<Said>>,
    heard: Event,
    is_unheard: AtomicBool,
}

impl Line {
    fn say(&self, said: Said) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).push_back(said);
        self.heard.notify(usize::MAX);
    }

    fn next(&self) -> Option<Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// The end that computes. Dropped without an end, it says that something went wrong.
pub struct Reply {
    line: Arc<Line>,
    has_ended: AtomicBool,
}

impl Reply {
    pub fn whole(&self, answer: Result<Vec<u8>, Refusal>) {
        self.has_ended.store(true, Ordering::Relaxed);
        self.line.say(Said::Whole(answer));
    }

    pub fn piece(&self, bytes: Vec<u8>) {
        self.line.say(Said::Piece(bytes));
    }

    pub fn end(&self) {
        self.has_ended.store(true, Ordering::Relaxed);
        self.line.say(Said::End);
    }

    /// Whether whoever asked has left.
    pub fn is_unheard(&self) -> bool {
        self.line.is_unheard.load(Ordering::Relaxed)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.has_ended.load(Ordering::Relaxed) {
            self.line.say(Said::Whole(Err(Refusal::crashed())));
        }
    }
}

/// The end that serves.
pub struct Listener {
    line: Arc<Line>,
    waiting: Option<EventListener>,
}

/// Both ends.
pub fn line() -> (Reply, Listener) {
    let line = Arc::new(Line::default());
    let reply = Reply { line: Arc::clone(&line), has_ended: AtomicBool::new(false) };
    (reply, Listener { line, waiting: None })
}

impl Listener {
    pub async fn next(&mut self) -> Said {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Said> {
        loop {
            if let Some(said) = self.line.next() {
                self.waiting = None;
                return Poll::Ready(said);
            }
            let Some(waiting) = &mut self.waiting else {
                // Listens first and looks once more: nothing is said between the two unheard.
                self.waiting = Some(self.line.heard.listen());
                continue;
            };
            match Pin::new(waiting).poll(context) {
                Poll::Ready(()) => self.waiting = None,
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.line.is_unheard.store(true, Ordering::Relaxed);
    }
}

/// The body of an answer: there as a whole, or a stream of pieces of which the first one is there.
pub enum Answer {
    Whole(Option<Bytes>),
    Stream { first: Option<Bytes>, rest: Option<Listener> },
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (first, rest) = match &mut *self {
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(|it| Ok(Frame::data(it)))),
            Self::Stream { first, rest } => (first, rest),
        };
        if let Some(bytes) = first.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some(listener) = rest else { return Poll::Ready(None) };
        let said = match listener.poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(said) => said,
        };
        let bytes = match said {
            Said::Piece(bytes) => bytes,
            Said::End | Said::Whole(Ok(_)) => {
                *rest = None;
                return Poll::Ready(None);
            }
            // What has begun well cannot get another status.
            Said::Whole(Err(refusal)) => {
                *rest = None;
                event(&refusal.json())
            }
        };
        Poll::Ready(Some(Ok(Frame::data(bytes.into()))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream { first, rest } => first.is_none() && rest.is_none(),
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                let count = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                hyper::body::SizeHint::with_exact(count)
            }
            Self::Stream { .. } => hyper::body::SizeHint::default(),
        }
    }
}

/// A server-sent event.
pub fn event(value: &serde_json::Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc as Shared;

    use futures_lite::future::block_on;

    use super::*;
    use crate::jobs::Job;

    #[test]
    fn either_end_hears_of_the_other() {
        let (reply, mut listener) = line();
        let job: Job<(), (), ()> = Job::spawn("test", Shared::new(|_| {}), move |_| {
            reply.piece(b"one".to_vec());
            while !reply.is_unheard() {
                std::hint::spin_loop();
            }
            Ok(())
        })
        .unwrap();
        assert!(matches!(block_on(listener.next()), Said::Piece(bytes) if bytes == b"one"));
        drop(listener);
        job.wait(drop);
        let (reply, mut listener) = line();
        drop(reply);
        let said = block_on(listener.next());
        assert!(matches!(said, Said::Whole(Err(refusal)) if refusal.status == 500));
    }
}
