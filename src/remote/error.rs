//! Why a server did not answer.

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("{address} is no address of a server. Expected: http://localhost:8000/v1")]
    Address { address: String },

    #[error(
        "{address} cannot be reached ({reason}). Is the server running, and does the address end in /v1?"
    )]
    Unreachable { address: String, reason: String },

    #[error("{path} was answered with {status}: {message}")]
    Refused { path: String, status: u16, message: String },

    #[error("{path} was answered with something that is not expected: {problem}")]
    Answer { path: String, problem: String },
}
