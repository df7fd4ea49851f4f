//! Why a server did not answer.

use std::time::Duration;

use crate::jobs::Cancelled;

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("{address} is not the address of a server. Expected: http://localhost:8000/v1")]
    Address { address: String },

    #[error(
        "{address} cannot be reached ({reason}). Is the server running, and does the address end in /v1?"
    )]
    Unreachable { address: String, reason: String },

    #[error("{path} was answered with {status}: {message}{}", hint(*status))]
    Refused {
        path: String,
        status: u16,
        message: String,

        /// So long the server asks to be left alone.
        wait: Option<Duration>,
    },

    #[error("{path} was answered with something that is not expected: {problem}")]
    Answer { path: String, problem: String },

    #[error(
        "the answer to {path} ended before it was complete: the server closed the connection. Ask again"
    )]
    Cut { path: String },

    #[error("the server was asked {tries} times without success")]
    GaveUp { tries: u32, source: Box<Self> },

    #[error("{0}")]
    Lacks(String),

    #[error("no thread could be started to ask the server")]
    Thread(#[source] std::io::Error),

    #[error(transparent)]
    Stopped(#[from] Cancelled),
}

/// What can be done about a status.
fn hint(status: u16) -> &'static str {
    match status {
        401 | 403 => ". The server wants a key, or another one than it was given",
        404 => ". Does the address end in /v1, and is the model's name right?",
        _ => "",
    }
}

impl RemoteError {
    /// Whether the same may be answered if it is asked again a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 409 | 425 | 429 | 500..=599),
            Self::Unreachable { .. } | Self::Cut { .. } => true,
            _ => false,
        }
    }

    /// How long the server asks to be left alone.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }

    /// Whether a person has stopped it.
    pub fn is_stop(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }
}
