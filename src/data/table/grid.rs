//! Rows of a sheet from its cells, one row at a time: the first that has something is the header.

use std::collections::BTreeMap;

use calamine::Data;
use serde_json::{Map, Number, Value};

use super::delimited::header_names;
use super::error::ImportError;
use super::report::Sink;
use super::times;

/// A workbook that cannot be read as what it says to be.
pub(super) fn damaged(sink: &Sink<'_>, error: &str) -> ImportError {
    let what = format!(
        "the workbook is damaged or cut off ({error}). Open it in the program that \
                        wrote it, and save the table as CSV"
    );
    no(sink, &what)
}

pub(super) fn no(sink: &Sink<'_>, problem: &str) -> ImportError {
    let path = sink.report.path.clone();
    ImportError::Unrecognised { path, problem: problem.to_owned() }
}

/// A cell under the header that is merged with those below it: only the first of its rows has the value, as in
/// pandas.
pub(super) fn tell_merged(column: &str, row: u64, sink: &mut Sink<'_>) {
    let what = "its cell is merged with those below it, and only the first row has the value, as in pandas; the \
                others are taken as empty";
    sink.report.note(what, Some(column), row);
}

/// What a cell of a sheet has.
#[derive(Clone)]
pub(super) enum Cell {
    Empty,

    /// A formula that no program has computed.
    Unsolved,
    Text(String),
    Other(Value),

    /// What a formula gave in place of a value.
    Failed(String),
}

pub(super) fn cell_of(data: &Data) -> Cell {
    match data {
        Data::Empty => Cell::Empty,
        Data::String(text) => Cell::Text(text.clone()),
        Data::Int(number) => Cell::Other((*number).into()),
        Data::Float(number) => Cell::Other(number_of(*number)),
        Data::Bool(is) => Cell::Other((*is).into()),
        Data::DateTime(moment) if moment.is_duration() => {
            let nanos = (moment.as_f64() * 86_400_000.0).round() * 1e6;
            Cell::Other(times::time(nanos as i64).into())
        }
        Data::DateTime(moment) => {
            let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
            let of_day = i64::from(hour) * 3_600_000
                + i64::from(minute) * 60_000
                + i64::from(second) * 1000
                + i64::from(milli);
            let date = format!("{year:04}-{month:02}-{day:02}");
            let time = times::time(of_day * 1_000_000);
            Cell::Other(Value::from(match (moment.as_f64() < 1.0, of_day) {
                (true, _) => time,
                (false, 0) => date,
                (false, _) => format!("{date} {time}"),
            }))
        }
        Data::DateTimeIso(text) => Cell::Other(text.replacen('T', " ", 1).into()),
        Data::DurationIso(text) => Cell::Other(match times::of_iso(text) {
            Some(nanos) => times::time(nanos).into(),
            None => text.as_str().into(),
        }),
        Data::Error(error) => Cell::Failed(error.to_string()),
    }
}

/// Every number of a sheet is a float; 3 is meant where 3.0 stands.
fn number_of(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;

    if number.fract() == 0.0 && number.abs() < EXACT {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// The column of each name, from 0.
pub(super) type Header = BTreeMap<u32, String>;

/// Cells, put into rows.
#[derive(Default)]
pub(super) struct Grid {
    pub header: Option<Header>,
    pub header_row: u32,
    pub has_rows: bool,

    /// The row that is being filled, from 0, and its cells.
    row: u32,
    cells: Vec<(u32, Cell)>,
}

impl Grid {
    /// A cell, whose row is none before the last one's.
    pub fn put(
        &mut self,
        row: u32,
        column: u32,
        cell: Cell,
        sink: &mut Sink<'_>,
    ) -> Result<(), ImportError> {
        if matches!(&cell, Cell::Empty) || matches!(&cell, Cell::Text(text) if text.is_empty()) {
            return Ok(());
        }
        if row < self.row {
            return Err(damaged(
                sink,
                &format!("row {} comes after row {}", row + 1, self.row + 1),
            ));
        }
        if row > self.row {
            self.end(sink)?;
            self.row = row;
        }
        self.cells.push((column, cell));
        Ok(())
    }

    /// The row that was being filled is whole.
    pub fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), ImportError> {
        let mut cells = std::mem::take(&mut self.cells);
        if cells.is_empty() {
            return Ok(());
        }
        cells.sort_by_key(|(column, _)| *column);
        let number = u64::from(self.row) + 1;
        let Some(header) = &mut self.header else {
            self.header = Some(header(cells, number, sink));
            self.header_row = self.row;
            return Ok(());
        };
        if !self.has_rows {
            self.has_rows = true;
            for name in header.values() {
                sink.column(name);
            }
        }
        let mut fields = Map::with_capacity(cells.len());
        for (column, cell) in cells {
            let name = header.entry(column).or_insert_with(|| {
                let name = format!("Unnamed: {column}");
                let what = format!("a column has no name; it is called “{name}”");
                sink.report.note(&what, None, number);
                sink.column(&name);
                name
            });
            let value = match cell {
                Cell::Empty => Value::Null,
                Cell::Unsolved => {
                    let what = "a formula without a value: no program has computed it. It is taken \
                                as empty; open the workbook in Excel or LibreOffice, and save it";
                    sink.report.note(what, Some(name), number);
                    Value::Null
                }
                Cell::Text(text) => text.into(),
                Cell::Other(value) => value,
                Cell::Failed(error) => {
                    let what = format!("{error} in place of a value; it is taken as empty");
                    sink.report.note(&what, Some(name), number);
                    Value::Null
                }
            };
            fields.insert(name.clone(), value);
        }
        sink.row(Some(number), fields)
    }
}

/// The names in the first row that has any; a gap in it is a column only if something is under it.
fn header(cells: Vec<(u32, Cell)>, number: u64, sink: &mut Sink<'_>) -> Header {
    let (columns, names): (Vec<u32>, Vec<String>) = cells
        .into_iter()
        .map(|(column, cell)| {
            let name = match cell {
                Cell::Text(text) | Cell::Other(Value::String(text)) | Cell::Failed(text) => text,
                Cell::Other(value) => value.to_string(),
                Cell::Empty | Cell::Unsolved => String::new(),
            };
            (column, name)
        })
        .unzip();
    let names = header_names(&names, number, sink);
    columns.into_iter().zip(names).collect()
}
