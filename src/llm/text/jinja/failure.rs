//! Why a template could not be read or filled in.

use std::fmt;

pub type Outcome<T> = Result<T, Failure>;

/// What kind of error Python would raise. Some are caught by filters and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The template is not Jinja2.
    Syntax,
    /// The template's own `raise_exception`.
    Raised,
    Undefined,
    Security,
    Runtime,
    Type,
    Value,
    /// `KeyError` and `IndexError`.
    Lookup,
    Attribute,
    Overflow,
    ZeroDivision,
    Recursion,
    /// Jinja2 can do it, and we cannot.
    Unsupported,
    /// It takes too long, or too much memory.
    Limit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    pub line: Option<u32>,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), line: None }
    }

    /// With its line, unless a place further in has been named already.
    #[must_use]
    pub fn at(mut self, line: u32) -> Self {
        self.line.get_or_insert(line);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)?;
        match self.kind {
            Kind::Unsupported => f.write_str(" (Jinja2 can do this, Tuning Fork cannot)"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

pub fn type_error<T>(message: impl Into<String>) -> Outcome<T> {
    Err(Failure::new(Kind::Type, message))
}

pub fn value_error<T>(message: impl Into<String>) -> Outcome<T> {
    Err(Failure::new(Kind::Value, message))
}

pub fn unsupported<T>(message: impl Into<String>) -> Outcome<T> {
    Err(Failure::new(Kind::Unsupported, message))
}
