//! Whose codes may be shown as suggestions.

use std::path::PathBuf;

/// Evaluations of the project that may suggest codes: name and folder.
pub type Suggesting = [(String, PathBuf)];
