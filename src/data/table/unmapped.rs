//! A table that was read, and whose columns say nothing: a person may say which one is meant.

use std::error::Error;

use super::error::ImportError;
use super::report::Report;

/// How the table was read, and why its columns are not what is needed.
#[derive(Debug)]
pub struct Unmapped {
    pub report: Report,
    pub error: ImportError,
}

impl std::fmt::Display for Unmapped {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(out)
    }
}

impl Error for Unmapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
