//! Why a question cannot be asked.

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
