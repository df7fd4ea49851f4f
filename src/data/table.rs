//! Parquet files, as the Hub keeps data sets, row by row as JSON objects. What the rows mean: see
//! [`super::import`].
//!
//! Compressed with Snappy or gzip, or not at all. Zstandard is not read: the decoder that the
//! `parquet` crate takes for it is a library in C.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Value};

use super::rows::ImportError;
use crate::files;

/// A table with more words than this does not belong in a window's memory, in bytes.
const MOST_BYTES: usize = 2_000_000_000;

/// How often somebody hears how far it is, in rows.
const TELL_EVERY: u64 = 1000;

/// Hears how many rows were read, and of how many. False: reading is to stop.
pub type Watch<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// Whether a file is one of these, by its name.
pub fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

/// A row with its number, from 1.
pub(super) type Numbered = (usize, Map<String, Value>);

/// Every row. A value that is null is left out.
pub(super) fn rows(path: &Path, watch: Watch<'_>) -> Result<Vec<Numbered>, ImportError> {
    let mut rows = Vec::new();
    let mut room = MOST_BYTES;
    walk(path, watch, &mut |number, row| {
        room = room.checked_sub(weight(&row)).ok_or_else(|| too_large(path))?;
        rows.push((number as usize, row));
        Ok(())
    })?;
    Ok(rows)
}

/// Writes a table as JSON Lines into `folder`, for what reads nothing else: row n becomes line n.
///
/// A table that was written there before, and is as it was, is not written again. Returns the
/// file, which is there whole or not at all.
pub fn to_json_lines(path: &Path, folder: &Path, watch: Watch<'_>) -> Result<PathBuf, ImportError> {
    let read_error = |source| ImportError::Read { path: path.to_owned(), source };
    let about = std::fs::metadata(path).map_err(read_error)?;
    let version = format!("{}\n{}\n{:?}", path.display(), about.len(), about.modified().ok());
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let digits = files::sha256_of_bytes(version.as_bytes());
    let written = folder.join(&digits[..16]).join(format!("{stem}.jsonl"));
    if written.is_file() {
        return Ok(written);
    }
    let write_error = |source| ImportError::Write { path: written.clone(), source };
    let parent = written.parent().expect("it is in a folder");
    std::fs::create_dir_all(parent).map_err(write_error)?;
    let file = tempfile::Builder::new().prefix(".writing-").tempfile_in(parent);
    let mut file = BufWriter::new(file.map_err(write_error)?);
    let mut room = MOST_BYTES;
    walk(path, watch, &mut |_, row| {
        let mut line = Value::Object(row).to_string();
        line.push('\n');
        room = room.checked_sub(line.len()).ok_or_else(|| too_large(path))?;
        file.write_all(line.as_bytes()).map_err(write_error)
    })?;
    let file = file.into_inner().map_err(|error| write_error(error.into_error()))?;
    file.persist(&written).map_err(|error| write_error(error.error))?;
    Ok(written)
}

/// What is done with a row.
type Take<'a> = &'a mut dyn FnMut(u64, Map<String, Value>) -> Result<(), ImportError>;

fn walk(path: &Path, watch: Watch<'_>, take: Take<'_>) -> Result<(), ImportError> {
    let file =
        File::open(path).map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    let mut read = 0;
    // The decoder panics where a damaged file contradicts itself.
    let walked = catch_unwind(AssertUnwindSafe(|| {
        let reader = SerializedFileReader::new(file).map_err(|error| not_one(path, &error))?;
        check_codecs(path, &reader)?;
        let ended = walk_rows(path, &reader, &mut read, watch, take)?;
        let Err(error) = ended else { return Ok(()) };
        let column = culprit(&reader, read);
        Err(damaged(path, read, column, &error.to_string()))
    }));
    walked
        .unwrap_or_else(|_panic| Err(damaged(path, read, None, "its parts contradict each other")))
}

/// The inner error is the decoder's, at the row after `read`.
fn walk_rows(
    path: &Path,
    reader: &SerializedFileReader<File>,
    read: &mut u64,
    watch: Watch<'_>,
    take: Take<'_>,
) -> Result<Result<(), ParquetError>, ImportError> {
    let total = u64::try_from(reader.metadata().file_metadata().num_rows()).unwrap_or(0);
    let rows = match reader.get_row_iter(None) {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    for row in rows {
        let row = match row {
            Ok(row) => row,
            Err(error) => return Ok(Err(error)),
        };
        if read.is_multiple_of(TELL_EVERY) && !watch(*read, total) {
            return Err(ImportError::Stopped { path: path.to_owned() });
        }
        *read += 1;
        let Value::Object(mut fields) = row.to_json_value() else { continue };
        fields.retain(|_, value| !value.is_null());
        take(*read, fields)?;
    }
    if *read < total {
        return Err(damaged(path, *read, None, &format!("it should have {total} rows")));
    }
    watch(total, total);
    Ok(Ok(()))
}

/// The column that cannot be read up to the row after `read`: each is tried alone.
fn culprit(reader: &SerializedFileReader<File>, read: u64) -> Option<String> {
    let schema = reader.metadata().file_metadata().schema();
    let fails = |field: &&TypePtr| {
        let alone = Type::group_type_builder(schema.name()).with_fields(vec![Arc::clone(field)]);
        let Ok(alone) = alone.build() else { return false };
        let whole = catch_unwind(AssertUnwindSafe(|| {
            let Ok(rows) = reader.get_row_iter(Some(alone)) else { return false };
            rows.take(read as usize + 1).flatten().count() > read as usize
        }));
        !whole.unwrap_or(false)
    };
    schema.get_fields().iter().find(fails).map(|field| field.name().to_owned())
}

fn check_codecs(path: &Path, reader: &SerializedFileReader<File>) -> Result<(), ImportError> {
    let groups = reader.metadata().row_groups();
    for chunk in groups.iter().flat_map(|group| group.columns()) {
        let codec = match chunk.compression() {
            Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::GZIP(_) => continue,
            Compression::ZSTD(_) => "Zstandard".to_owned(),
            other => other.to_string(),
        };
        let column = chunk.column_descr().path().parts().first().cloned();
        let problem = format!(
            "it is compressed with {codec}, which is not read here (Snappy and gzip are). Where \
             there is Python: pandas.read_parquet(…).to_parquet(…, compression=\"snappy\")"
        );
        return Err(ImportError::Table { path: path.to_owned(), row: None, column, problem });
    }
    Ok(())
}

fn not_one(path: &Path, error: &ParquetError) -> ImportError {
    let problem = format!(
        "it is no Parquet file, or a part of one ({error}). Fetch it again, or check it with \
         Verify"
    );
    ImportError::Table { path: path.to_owned(), row: None, column: None, problem }
}

fn damaged(path: &Path, read: u64, column: Option<String>, problem: &str) -> ImportError {
    let problem = format!("it is damaged ({problem}). Fetch it again, or check it with Verify");
    ImportError::Table { path: path.to_owned(), row: Some(read + 1), column, problem }
}

fn too_large(path: &Path) -> ImportError {
    let problem = format!(
        "it holds more than {} GB of words. Save a part of it as a file of its own and open that",
        MOST_BYTES / 1_000_000_000
    );
    ImportError::Table { path: path.to_owned(), row: None, column: None, problem }
}

/// What a row takes in memory, roughly and never too little: its words, and a bit for each value.
fn weight(row: &Map<String, Value>) -> usize {
    fn of(value: &Value) -> usize {
        const EACH: usize = 32;
        EACH + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(of).sum(),
            Value::Object(fields) => weight(fields),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    row.iter().map(|(name, value)| name.len() + of(value)).sum()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
