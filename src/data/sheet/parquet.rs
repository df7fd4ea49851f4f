//! Parquet, uncompressed: a column has one type, and every cell may be missing.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::cells::{Cell, Column, Sheet};
use super::form::SheetError;
use super::typed::Kind;

/// Rows that stand together in a file, at most.
const GROUP: usize = 100_000;

pub fn bytes(sheet: &Sheet) -> Result<Vec<u8>, SheetError> {
    let kinds: Vec<Kind> = sheet.columns.iter().map(Column::kind).collect();
    let fields = sheet.names().into_iter().zip(&kinds).map(|(name, kind)| field(&name, *kind));
    let fields = fields.collect::<Result<Vec<TypePtr>, ParquetError>>()?;
    let schema = Type::group_type_builder("rows").with_fields(fields).build()?;
    let settings = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), settings)?;
    let mut begin = 0;
    while begin < sheet.rows() {
        let end = sheet.rows().min(begin + GROUP);
        let mut group = writer.next_row_group()?;
        for (column, kind) in sheet.columns.iter().zip(&kinds) {
            let Some(mut out) = group.next_column()? else { break };
            write(out.untyped(), &column.cells[begin..end], *kind)?;
            out.close()?;
        }
        group.close()?;
        begin = end;
    }
    Ok(writer.into_inner()?)
}

fn field(name: &str, kind: Kind) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Truth => (Physical::BOOLEAN, None),
        Kind::Whole => (Physical::INT64, None),
        Kind::Number => (Physical::DOUBLE, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let field = Type::primitive_type_builder(name, physical).with_logical_type(logical);
    Ok(Arc::new(field.with_repetition(Repetition::OPTIONAL).build()?))
}

fn write(out: &mut ColumnWriter<'_>, cells: &[Cell], kind: Kind) -> Result<(), ParquetError> {
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(*cell != Cell::Missing)).collect();
    let there = cells.iter().filter(|cell| **cell != Cell::Missing);
    let levels = Some(levels.as_slice());
    match (out, kind) {
        (ColumnWriter::BoolColumnWriter(out), Kind::Truth) => {
            let values: Vec<bool> = there.map(|cell| *cell == Cell::Truth(true)).collect();
            out.write_batch(&values, levels, None)?;
        }
        (ColumnWriter::Int64ColumnWriter(out), Kind::Whole) => {
            let whole = |cell: &Cell| if let Cell::Whole(number) = cell { *number } else { 0 };
            out.write_batch(&there.map(whole).collect::<Vec<i64>>(), levels, None)?;
        }
        (ColumnWriter::DoubleColumnWriter(out), Kind::Number) => {
            let number = |cell: &Cell| match cell {
                Cell::Number(number) => *number,
                Cell::Whole(number) => *number as f64,
                _ => f64::NAN,
            };
            out.write_batch(&there.map(number).collect::<Vec<f64>>(), levels, None)?;
        }
        (ColumnWriter::ByteArrayColumnWriter(out), Kind::Text) => {
            let words = |cell: &Cell| ByteArray::from(cell.words().into_bytes());
            out.write_batch(&there.map(words).collect::<Vec<ByteArray>>(), levels, None)?;
        }
        _ => {
            return Err(ParquetError::General(
                "a column has another type than its cells".to_owned(),
            ));
        }
    }
    Ok(())
}
