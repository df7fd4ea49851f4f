//! Parquet files, as the Hub keeps data sets, row by row as JSON objects. What the rows mean: see
//! [`super::import`].
//!
//! Compressed with Snappy or gzip, or not at all. Zstandard is not read: the decoder that the
//! `parquet` crate takes for it is a library in C.
//!
//! A file may declare more than it holds. Where the decoder makes room for what is declared, it is
//! checked before: running out of memory ends the program, and nothing catches that.

mod footer;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Type as Physical};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::{ColumnDescriptor, Type, TypePtr};
use serde_json::{Map, Value};

use super::import;
use super::rows::ImportError;
use crate::files;

/// A table that takes more than this does not belong in a window's memory, in bytes.
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

/// Every row, for [`super::import`]. A value that is null is left out; of a column that it does not
/// look at there is the name alone.
pub(super) fn rows(path: &Path, watch: Watch<'_>) -> Result<Vec<Numbered>, ImportError> {
    let mut rows = Vec::new();
    let mut room = MOST_BYTES;
    walk(path, &|name| import::COLUMNS.contains(&name), watch, &mut |number, row| {
        room = room.checked_sub(weight(&row)).ok_or_else(|| too_large(path))?;
        rows.push((number as usize, row));
        Ok(())
    })?;
    Ok(rows)
}

/// What a table is written as, counted up when that changes.
const WRITTEN_AS: u32 = 2;

/// A file that whoever reads JSON Lines can read: a table written as such into `folder`, and any
/// other file itself.
pub fn as_json_lines(path: &Path, folder: &Path, watch: Watch<'_>) -> Result<PathBuf, ImportError> {
    if is_parquet(path) { to_json_lines(path, folder, watch) } else { Ok(path.to_owned()) }
}

/// Writes a table as JSON Lines into `folder`, for what reads nothing else: row n becomes line n.
/// One that mixes plain text and dialogues becomes dialogues: see `import::in_one_form`.
///
/// A table that was written there before, and is as it was, is not written again. Returns the
/// file, which is there whole or not at all.
fn to_json_lines(path: &Path, folder: &Path, watch: Watch<'_>) -> Result<PathBuf, ImportError> {
    let read_error = |source| ImportError::Read { path: path.to_owned(), source };
    let about = std::fs::metadata(path).map_err(read_error)?;
    let (len, modified) = (about.len(), about.modified().ok());
    let version = format!("{WRITTEN_AS}\n{}\n{len}\n{modified:?}", path.display());
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
    walk(path, &|_| true, watch, &mut |_, row| {
        let mut line = Value::Object(import::in_one_form(row)).to_string();
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

/// Whether the values of a column are wanted, by its name.
type Wanted<'a> = &'a dyn Fn(&str) -> bool;

fn walk(
    path: &Path,
    wanted: Wanted<'_>,
    watch: Watch<'_>,
    take: Take<'_>,
) -> Result<(), ImportError> {
    let read_error = |source| ImportError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    if footer::promises_too_much(&file).map_err(read_error)? {
        let problem = "its columns contradict each other";
        return Err(not_one(path, &ParquetError::General(problem.to_owned())));
    }
    let mut read = 0;
    // The decoder panics where a damaged file contradicts itself.
    let walked = catch_unwind(AssertUnwindSafe(|| {
        let reader = SerializedFileReader::new(file).map_err(|error| not_one(path, &error))?;
        let reader = Checked(reader);
        check_codecs(path, &reader)?;
        let ended = walk_rows(path, &reader, &mut read, wanted, watch, take)?;
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
    reader: &Checked,
    read: &mut u64,
    wanted: Wanted<'_>,
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
        let fields = fields_of(row, wanted).map_err(|NotText { column }| {
            let (row, problem) = (Some(*read), "it holds bytes, not text".to_owned());
            ImportError::Table { path: path.to_owned(), row, column: Some(column), problem }
        })?;
        take(*read, fields)?;
    }
    if *read < total {
        return Err(damaged(path, *read, None, &format!("it should have {total} rows")));
    }
    watch(total, total);
    Ok(Ok(()))
}

/// A column of bytes that are no text, such as pictures.
struct NotText {
    column: String,
}

/// What is not null, and of columns that are not wanted the name.
fn fields_of(row: Row, wanted: Wanted<'_>) -> Result<Map<String, Value>, NotText> {
    let mut columns = row.into_columns();
    columns.retain(|(_, field)| *field != Field::Null);
    // As much as is used: a window keeps millions of these.
    let mut fields = Map::with_capacity(columns.len());
    for (column, field) in columns {
        let value = if wanted(&column) { value_of(field) } else { Some(Value::Null) };
        let Some(value) = value else { return Err(NotText { column }) };
        fields.insert(column, value);
    }
    Ok(fields)
}

/// A value as JSON. `None`: bytes that are no text, which the decoder would write as Base64.
fn value_of(field: Field) -> Option<Value> {
    Some(match field {
        Field::Str(text) => Value::String(text),
        // Older writers do not say that bytes are text.
        Field::Bytes(bytes) => Value::String(std::str::from_utf8(bytes.data()).ok()?.to_owned()),
        Field::Group(row) => {
            let fields = row.into_columns().into_iter();
            let fields = fields.map(|(name, field)| Some((name, value_of(field)?)));
            Value::Object(fields.collect::<Option<_>>()?)
        }
        Field::ListInternal(list) => {
            let items = list.elements().iter().map(|field| value_of(field.clone()));
            Value::Array(items.collect::<Option<_>>()?)
        }
        Field::MapInternal(map) => {
            let entries = map.entries().iter().map(|(key, field)| {
                let key = match value_of(key.clone())? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                Some((key, value_of(field.clone())?))
            });
            Value::Object(entries.collect::<Option<_>>()?)
        }
        scalar => scalar.to_json_value(),
    })
}

/// A file whose pages are looked at before they are decoded.
struct Checked(SerializedFileReader<File>);

struct CheckedGroup<'a>(Box<dyn RowGroupReader + 'a>);

struct CheckedPages {
    pages: Box<dyn PageReader>,

    /// What a value of the column takes in a dictionary at least.
    least_bits: usize,
}

impl FileReader for Checked {
    fn metadata(&self) -> &ParquetMetaData {
        self.0.metadata()
    }

    fn num_row_groups(&self) -> usize {
        self.0.num_row_groups()
    }

    fn get_row_group(&self, index: usize) -> Result<Box<dyn RowGroupReader + '_>, ParquetError> {
        Ok(Box::new(CheckedGroup(self.0.get_row_group(index)?)))
    }

    fn get_row_iter(&self, columns: Option<Type>) -> Result<RowIter<'_>, ParquetError> {
        RowIter::from_file(columns, self)
    }
}

impl RowGroupReader for CheckedGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.0.metadata()
    }

    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    fn get_column_page_reader(&self, index: usize) -> Result<Box<dyn PageReader>, ParquetError> {
        let least_bits = least_bits(self.metadata().column(index).column_descr());
        let pages = self.0.get_column_page_reader(index)?;
        Ok(Box::new(CheckedPages { pages, least_bits }))
    }

    fn get_column_bloom_filter(&self, index: usize) -> Option<&Sbbf> {
        self.0.get_column_bloom_filter(index)
    }

    fn get_row_iter(&self, columns: Option<Type>) -> Result<RowIter<'_>, ParquetError> {
        RowIter::from_row_group(columns, self)
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let page = self.pages.get_next_page()?;
        if let Some(Page::DictionaryPage { buf, num_values, .. }) = &page {
            let (declared, most) = (*num_values as usize, buf.len() * 8 / self.least_bits);
            if declared > most {
                let problem = format!("a dictionary of {declared} values has room for {most}");
                return Err(ParquetError::General(problem));
            }
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.pages.skip_next_page()
    }
}

impl Iterator for CheckedPages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn least_bits(column: &ColumnDescriptor) -> usize {
    match column.physical_type() {
        Physical::BOOLEAN => 1,
        Physical::INT32 | Physical::FLOAT | Physical::BYTE_ARRAY => 32, // of a text, its length
        Physical::INT64 | Physical::DOUBLE => 64,
        Physical::INT96 => 96,
        Physical::FIXED_LEN_BYTE_ARRAY => {
            usize::try_from(column.type_length()).unwrap_or(0).max(1) * 8
        }
    }
}

/// The column that cannot be read up to the row after `read`: each is tried alone.
fn culprit(reader: &Checked, read: u64) -> Option<String> {
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

fn check_codecs(path: &Path, reader: &Checked) -> Result<(), ImportError> {
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

/// What a row takes in memory, roughly and never too little: its words, a bit for each value and
/// one for itself.
fn weight(row: &Map<String, Value>) -> usize {
    /// Key and value in their place (104 bytes), the place in the hash table, and what the
    /// allocator keeps beside a name and a text.
    const EACH: usize = 160;

    /// Twice: a list that is full grows to the double of it.
    const ROW: usize = 2 * size_of::<Numbered>();

    fn values(fields: &Map<String, Value>) -> usize {
        fields.iter().map(|(name, value)| EACH + name.len() + inside(value)).sum()
    }
    fn inside(value: &Value) -> usize {
        match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(|item| EACH + inside(item)).sum(),
            Value::Object(fields) => values(fields),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    ROW + values(row)
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
