//! Asks again where that may help, and stops at once when a person wants it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::client::Client;
use super::error::RemoteError;
use crate::jobs::{self, Job, JobEnd, Progress};

/// How often a request under way is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often the same is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub tries: u32,

    /// The wait before the second try; it doubles with each.
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Patience {
    /// Half a minute in all: a server that is restarted takes longer, and a run can be resumed.
    fn default() -> Self {
        Self { tries: 6, first: Duration::from_millis(500), longest: Duration::from_secs(30) }
    }
}

impl Patience {
    /// How long to wait after the try with this number, from 1.
    fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let own = self.first.saturating_mul(1 << (attempt - 1).min(16));
        // What the server asks for, but not for longer than anybody would wait.
        asked.unwrap_or(own).max(own).min(self.longest)
    }
}

/// Posts until it is answered, refused for good, or asked often enough.
pub fn post<E>(
    client: &Client,
    (path, body): (&str, &Value),
    patience: Patience,
    progress: &dyn Progress<E>,
) -> Result<Value, RemoteError> {
    again(patience, progress, || {
        let (asking, path, body) = (client.clone(), path.to_owned(), body.clone());
        apart(progress, move || asking.post(&path, &body))
    })
}

/// Does it until it is done, or done often enough.
pub(super) fn again<E, T>(
    patience: Patience,
    progress: &dyn Progress<E>,
    mut work: impl FnMut() -> Result<T, RemoteError>,
) -> Result<T, RemoteError> {
    let mut attempt = 1;
    loop {
        match work() {
            Err(error) if error.may_pass() && attempt < patience.tries => {
                jobs::pause(progress, patience.wait(attempt, error.wait()))?;
                attempt += 1;
            }
            Err(error) if error.may_pass() && attempt > 1 => {
                return Err(RemoteError::GaveUp { tries: attempt, source: Box::new(error) });
            }
            done => return done,
        }
    }
}

/// Asks on a thread of its own, which is left behind when a person has stopped it: a server may be
/// silent for minutes.
fn apart<E, T: Send + 'static>(
    progress: &dyn Progress<E>,
    work: impl FnOnce() -> Result<T, RemoteError> + Send + 'static,
) -> Result<T, RemoteError> {
    let job = Job::<(), T, RemoteError>::spawn("server", Arc::new(|_| {}), move |_| work());
    let mut job = job.map_err(RemoteError::Thread)?;
    loop {
        match job.poll(|()| {}) {
            None => jobs::pause(progress, LOOK_EVERY)?,
            Some(JobEnd::Done(done)) => return Ok(done),
            Some(JobEnd::Failed(error)) => return Err(error),
            Some(JobEnd::Crashed(problem)) => {
                return Err(RemoteError::Answer { path: "the request".to_owned(), problem });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{Quiet, Recorder};

    fn busy(wait: Option<Duration>) -> RemoteError {
        RemoteError::Refused {
            path: "/x".to_owned(),
            status: 429,
            message: "busy".to_owned(),
            wait,
        }
    }

    #[test]
    fn waits_double_follow_the_server_and_end() {
        let patience = Patience::default();
        let secs = |secs: u64| Some(Duration::from_secs(secs));
        assert_eq!(patience.wait(1, None), Duration::from_millis(500));
        assert_eq!(patience.wait(3, None), Duration::from_secs(2));
        assert_eq!(patience.wait(1, secs(7)), Duration::from_secs(7));
        assert_eq!(patience.wait(1, secs(3600)), Duration::from_secs(30));
        assert_eq!(patience.wait(60, None), Duration::from_secs(30));
    }

    #[test]
    fn what_may_pass_is_asked_again_and_a_refusal_is_not() {
        let quick = Patience { tries: 3, first: Duration::ZERO, longest: Duration::ZERO };
        let quiet: &dyn Progress<()> = &Quiet;
        let mut asked = 0;
        let done = again(quick, quiet, || {
            asked += 1;
            if asked < 3 { Err(busy(None)) } else { Ok(asked) }
        });
        assert_eq!(done.unwrap(), 3);
        let gave_up = again::<(), ()>(quick, quiet, || Err(busy(None))).unwrap_err();
        assert!(matches!(gave_up, RemoteError::GaveUp { tries: 3, .. }), "{gave_up}");
        let mut asked = 0;
        let refused = again::<(), ()>(quick, quiet, || {
            asked += 1;
            Err(RemoteError::Address { address: "x".to_owned() })
        });
        assert!(matches!(refused, Err(RemoteError::Address { .. })) && asked == 1);
    }

    #[test]
    fn a_stop_ends_the_waiting() {
        let slow =
            Patience { tries: 9, first: Duration::from_mins(9), longest: Duration::from_mins(9) };
        let stopped = again::<(), ()>(slow, &Recorder::stop_after(1), || Err(busy(None)));
        assert!(stopped.unwrap_err().is_stop());
    }
}
