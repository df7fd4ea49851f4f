//! The files of a model's folder that speak of its text: read where they are there.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::files::{json_of_python, mistake_in_json};

pub(super) type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What is wrong with a file of a folder, or with the folder for want of it.
#[derive(Debug)]
pub(super) struct FolderError {
    pub path: PathBuf,
    pub source: Problem,
}

/// `None`: there is no such file.
pub(super) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, FolderError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError { path: path.to_owned(), source: error.into() }),
    }
}

/// An object. `None`: there is no such file.
pub(super) fn read_object(path: &Path) -> Result<Option<Map<String, Value>>, FolderError> {
    let Some(bytes) = read_optional(path)? else { return Ok(None) };
    match json_of_python(&bytes).map_err(|err| not_json(path, &bytes, &err))? {
        Value::Object(object) => Ok(Some(object)),
        _ => Err(FolderError {
            path: path.to_owned(),
            source: "it is no JSON object ({…})".into(),
        }),
    }
}

/// A file of text. `None`: there is no such file.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, FolderError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(FolderError { path: path.to_owned(), source: err.into() }),
    }
}

/// A file of JSON; null where there is none.
pub(super) fn read_json(path: &Path) -> Result<Value, FolderError> {
    match read_text(path)? {
        Some(text) => {
            json_of_python(text.as_bytes()).map_err(|err| not_json(path, text.as_bytes(), &err))
        }
        None => Ok(Value::Null),
    }
}

fn not_json(path: &Path, text: &[u8], err: &serde_json::Error) -> FolderError {
    FolderError { path: path.to_owned(), source: mistake_in_json(text, err).into() }
}
