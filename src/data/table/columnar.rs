//! Parquet files, as the Hub keeps data sets, row by row as JSON objects.
//!
//! Columns are decoded each by itself: one that cannot be read is left out with a note, and only
//! who needs it has an error.
//!
//! A file may declare more than it holds. Where the decoder makes room for what is declared, it is
//! checked before: running out of memory ends the program, and nothing catches that.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::reader::FileReader as _;
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Value};

use super::error::ImportError;
use super::pages::Checked;
use super::report::{Format, Sink};
use super::{footer, times};

/// As many values that are no text, and none that is: a column of pictures or sounds.
const ENOUGH_BYTES: u64 = 3;

pub(super) fn read(file: File, sink: &mut Sink<'_>) -> Result<(), ImportError> {
    sink.report.format = Format::Parquet;
    let path = sink.report.path.clone();
    let read_error = |source| ImportError::Read { path: path.clone(), source };
    if footer::promises_too_much(&file).map_err(read_error)? {
        return Err(not_one(sink, "its columns contradict each other"));
    }
    // The decoder panics where a damaged file contradicts itself.
    let metadata = catch_unwind(AssertUnwindSafe(|| {
        ParquetMetaDataReader::new().parse_and_finish(&file).map_err(|error| error.to_string())
    }));
    let contradiction = "its parts contradict each other".to_owned();
    let metadata = metadata.unwrap_or(Err(contradiction)).map_err(|error| not_one(sink, &error))?;
    let reader = Checked { file: Arc::new(file), metadata };
    let about = reader.metadata.file_metadata();
    let total = u64::try_from(about.num_rows()).unwrap_or(0);
    sink.expect_rows(total);
    let schema = about.schema();
    let mut columns: Vec<Column<'_>> =
        schema.get_fields().iter().map(|kind| Column::new(&reader, schema.name(), kind)).collect();
    for column in &columns {
        sink.column(&column.name);
        if is_int96(&column.kind) {
            let what = format!(
                "column \"{}\": its times are of an old kind (INT96), and are read to the thousandth \
                 of a second",
                column.name
            );
            sink.report.note_of_file(what);
        }
    }
    for row in 1..=total {
        let mut fields = Map::with_capacity(columns.len());
        for column in &mut columns {
            let value = column.value(row, total, sink);
            fields.insert(column.name.clone(), value);
        }
        if columns.iter().all(|column| column.lost.is_some()) {
            let (column, why) = columns
                .into_iter()
                .find_map(|column| Some((column.name, column.lost?)))
                .unwrap_or_default();
            return Err(ImportError::Table {
                path,
                row: Some(row),
                column: Some(column),
                problem: why,
            });
        }
        sink.row(None, fields)?;
    }
    Ok(())
}

/// A column of the table, which may hold lists and structs.
struct Column<'r> {
    name: String,
    kind: TypePtr,
    rows: Result<Option<RowIter<'r>>, ParquetError>,

    /// Values that are text, or hold nothing else, and others.
    texts: u64,
    bytes: u64,

    /// Why no more values come.
    lost: Option<String>,
}

impl<'r> Column<'r> {
    fn new(reader: &'r Checked, table: &str, kind: &TypePtr) -> Self {
        let alone = Type::group_type_builder(table).with_fields(vec![Arc::clone(kind)]).build();
        let rows = catch_unwind(AssertUnwindSafe(|| reader.get_row_iter(Some(alone?))))
            .unwrap_or_else(|_panic| Err(ParquetError::General("contradiction".to_owned())));
        let name = kind.name().to_owned();
        let rows = rows.map(Some);
        Self { name, kind: Arc::clone(kind), rows, texts: 0, bytes: 0, lost: None }
    }

    /// The value in the row that comes next.
    fn value(&mut self, row: u64, total: u64, sink: &mut Sink<'_>) -> Value {
        if self.lost.is_some() {
            return Value::Null;
        }
        let next = match &mut self.rows {
            Ok(Some(rows)) => catch_unwind(AssertUnwindSafe(|| rows.next())),
            Ok(None) => Ok(None),
            Err(error) => {
                Ok(Some(Err(std::mem::replace(error, ParquetError::General(String::new())))))
            }
        };
        let field = match next {
            Ok(Some(Ok(fields))) => {
                fields.into_columns().into_iter().next().map(|(_, field)| field)
            }
            Ok(Some(Err(error))) => {
                return self.lose(row, &damage(&error.to_string()), sink);
            }
            Ok(None) => {
                let what = format!("it ends here, and should have {total} rows");
                return self.lose(row, &damage(&what), sink);
            }
            Err(_panic) => {
                return self.lose(row, &damage("its parts contradict each other"), sink);
            }
        };
        let mut found = Found::default();
        let value =
            field.map_or(Value::Null, |field| value_of(field, Some(&self.kind), &mut found));
        if found.bytes > 0 {
            self.bytes += 1;
            let what = "it holds bytes, not text (a picture, a sound); they were left out";
            sink.report.note(what, Some(&self.name), row);
            let why = "it holds bytes, not text";
            sink.report.column_unread(&self.name, row, why.to_owned());
            if self.texts == 0 && self.bytes >= ENOUGH_BYTES {
                self.rows = Ok(None);
                self.lost = Some(why.to_owned());
                sink.report
                    .column_left_out(&self.name, "it holds bytes, not text (a picture, a sound)");
            }
            if found.texts == 0 {
                return Value::Null; // nothing of it can be used
            }
        } else if found.texts > 0 {
            self.texts += 1;
        }
        value
    }

    /// No more values come of this column.
    fn lose(&mut self, row: u64, why: &str, sink: &mut Sink<'_>) -> Value {
        let what = format!("it was left out from here on: {why}");
        sink.report.note(&what, Some(&self.name), row);
        sink.report.column_unread(&self.name, row, why.to_owned());
        self.rows = Ok(None);
        self.lost = Some(why.to_owned());
        Value::Null
    }
}

/// What a value holds, all that lies in it included.
#[derive(Default)]
struct Found {
    texts: u64,
    bytes: u64,
}

/// A value as JSON. Bytes that are no text become null.
fn value_of(field: Field, kind: Option<&Type>, found: &mut Found) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Str(text) => {
            found.texts += 1;
            Value::String(text)
        }
        Field::Bytes(bytes) if is_uuid(kind) && bytes.data().len() == 16 => {
            found.texts += 1;
            uuid(bytes.data()).into()
        }
        // Older writers do not say that bytes are text.
        Field::Bytes(bytes) => {
            if let Ok(text) = std::str::from_utf8(bytes.data()) {
                found.texts += 1;
                Value::from(text)
            } else {
                found.bytes += 1;
                Value::Null
            }
        }
        Field::Group(row) => {
            let kinds = kind.filter(|kind| kind.is_group()).map(Type::get_fields);
            let fields = row.into_columns().into_iter().map(|(name, field)| {
                let kind = kinds.and_then(|kinds| kinds.iter().find(|kind| kind.name() == name));
                let value = value_of(field, kind.map(|kind| &**kind), found);
                (name, value)
            });
            Value::Object(fields.collect())
        }
        Field::ListInternal(list) => {
            let kind = kind.and_then(element);
            let items = list.elements().iter();
            Value::Array(items.map(|field| value_of(field.clone(), kind, found)).collect())
        }
        Field::MapInternal(map) => {
            let pair =
                kind.filter(|kind| kind.is_group()).and_then(|kind| kind.get_fields().first());
            let pair = pair.filter(|pair| pair.is_group()).map(|pair| pair.get_fields());
            let kind = |index: usize| pair.and_then(|pair| pair.get(index)).map(|kind| &**kind);
            let entries = map.entries().iter().map(|(key, field)| {
                let key = match value_of(key.clone(), kind(0), found) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                (key, value_of(field.clone(), kind(1), found))
            });
            Value::Object(entries.collect())
        }
        Field::Date(days) => times::day(days.into()).into(),
        Field::TimeMillis(millis) => times::time(i64::from(millis) * 1_000_000).into(),
        Field::TimeMicros(micros) => times::time(micros.saturating_mul(1000)).into(),
        Field::TimestampMillis(ticks) => moment(ticks, 1000, kind),
        Field::TimestampMicros(ticks) => moment(ticks, 1_000_000, kind),
        Field::Long(number) => match kind.and_then(logical) {
            Some(LogicalType::Timestamp(about)) if about.unit == TimeUnit::NANOS => {
                moment(number, 1_000_000_000, kind)
            }
            Some(LogicalType::Time(about)) if about.unit == TimeUnit::NANOS => {
                times::time(number).into()
            }
            _ => number.into(),
        },
        // Its digits as they are, in a text.
        decimal @ Field::Decimal(_) => match decimal.to_json_value() {
            Value::String(digits) => digits.strip_suffix('.').unwrap_or(&digits).into(),
            other => other,
        },
        scalar => scalar.to_json_value(),
    }
}

fn is_int96(kind: &Type) -> bool {
    kind.is_primitive() && kind.get_physical_type() == Physical::INT96
}

fn is_uuid(kind: Option<&Type>) -> bool {
    matches!(kind.and_then(logical), Some(LogicalType::Uuid))
}

/// `00112233-4455-6677-8899-aabbccddeeff`
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn logical(kind: &Type) -> Option<&LogicalType> {
    kind.get_basic_info().logical_type_ref()
}

fn moment(ticks: i64, each: i64, kind: Option<&Type>) -> Value {
    let mut text = times::moment(ticks, each);
    // Without an offset it is whatever clock hung on the wall.
    if let Some(LogicalType::Timestamp(about)) = kind.and_then(logical)
        && about.is_adjusted_to_u_t_c
    {
        text.push_str("+00:00");
    }
    text.into()
}

/// What the items of a list are.
fn element(kind: &Type) -> Option<&Type> {
    if !kind.is_group() || kind.get_basic_info().converted_type() != ConvertedType::LIST {
        return Some(kind);
    }
    let repeated = kind.get_fields().first()?;
    match repeated.is_group().then(|| repeated.get_fields()) {
        Some([only]) if repeated.name() != "array" => Some(only),
        _ => Some(repeated),
    }
}

fn damage(problem: &str) -> String {
    format!("it is damaged ({problem}). Fetch it again, or check it with Verify")
}

fn not_one(sink: &Sink<'_>, error: &str) -> ImportError {
    let problem = format!(
        "it is no Parquet file, or a part of one ({error}). Fetch it again, or check it with \
         Verify"
    );
    ImportError::Table { path: sink.report.path.clone(), row: None, column: None, problem }
}
