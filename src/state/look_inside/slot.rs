//! What a view shows, from nothing to computed.

/// One view's numbers. They belong to the question in front: a new question empties every slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Slot<T> {
    /// Not asked for.
    #[default]
    Empty,

    /// `done` of `total`, once the work has said so.
    Running(Option<(usize, usize)>),
    Ready(T),

    /// A notice says why; or it was stopped.
    Ended,
}

impl<T> Slot<T> {
    pub fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(answer) => Some(answer),
            Self::Empty | Self::Running(_) | Self::Ended => None,
        }
    }

    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub fn is_running(&self) -> bool {
        matches!(self, Self::Running(_))
    }

    /// `done` of `total`, while it is computed.
    pub fn progress(&self) -> Option<(usize, usize)> {
        match self {
            Self::Running(progress) => *progress,
            Self::Empty | Self::Ready(_) | Self::Ended => None,
        }
    }

    /// The work has begun.
    pub fn begin(&mut self) {
        *self = Self::Running(None);
    }

    /// The work has ended without an answer, if it has not brought one.
    pub fn end(&mut self) {
        if self.is_running() {
            *self = Self::Ended;
        }
    }

    /// The work says how far it is.
    pub fn reached(&mut self, done: usize, total: usize) {
        if self.is_running() {
            *self = Self::Running(Some((done, total)));
        }
    }
}
