//! Why the room cannot be opened, or a question cannot be asked.

use std::io;
use std::net::SocketAddr;

#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    #[error(
        "port {} of {} is in use by another program. Choose another port, or leave it free: the \
         program then finds one",
        at.port(), at.ip()
    )]
    PortInUse { at: SocketAddr },

    #[error(
        "this computer has no address {} any more. Choose one of its addresses again; the network may \
         have changed", at.ip()
    )]
    NoSuchAddress { at: SocketAddr },

    #[error(
        "the system does not let this program listen at {at}. Ports below 1024 need an \
         administrator: choose a port from 1024 on"
    )]
    NotAllowed { at: SocketAddr },

    #[error("nothing can listen at {at}")]
    Listen { at: SocketAddr, source: io::Error },

    #[error("the room was closed by an error of the network")]
    Network(#[source] io::Error),
}

impl RoomError {
    /// What a refusal to listen means.
    pub(super) fn of_listening(at: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse { at },
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress { at },
            io::ErrorKind::PermissionDenied => Self::NotAllowed { at },
            _ => Self::Listen { at, source },
        }
    }
}

/// What is wrong with a question, for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    #[error("the question has no text")]
    NoText,

    #[error("{what} has {found} characters. A phone has room for {most}")]
    TooLong { what: &'static str, found: usize, most: usize },

    #[error("{what} is empty")]
    Empty { what: String },

    #[error("a choice has {found} options. Expected: 2 to {most}")]
    OptionCount { found: usize, most: usize },

    #[error("the option {option:?} is there twice")]
    Twice { option: String },

    #[error(
        "a scale from {low} to {high} has no steps to choose from. Expected: 2 to {most} steps"
    )]
    Steps { low: i64, high: i64, most: i64 },

    #[error("the room has had {most} questions. Close it and open a new one")]
    TooMany { most: usize },

    #[error("the room has another question with the id {id:?}")]
    SameId { id: String },

    #[error("the id {id:?} has other characters than letters, digits, - and _")]
    Id { id: String },
}
