//! Formats that are text: CSV, and JSON Lines.

use serde_json::{Map, Number, Value};

use super::cells::{Cell, Sheet};

pub fn csv(sheet: &Sheet) -> Vec<u8> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |fields: Vec<String>| {
        writer.write_record(fields).expect("memory can be written, and all rows are as wide");
    };
    write(sheet.columns.iter().map(|column| column.name.clone()).collect());
    for row in 0..sheet.rows() {
        write(sheet.columns.iter().map(|column| column.cells[row].words()).collect());
    }
    writer.into_inner().expect("memory can be written")
}

/// Every row has every column: what is missing is null.
pub fn json_lines(sheet: &Sheet) -> Vec<u8> {
    let names = sheet.names();
    let mut lines = Vec::new();
    for row in 0..sheet.rows() {
        let cells = sheet.columns.iter().map(|column| value(&column.cells[row]));
        let object: Map<String, Value> = names.iter().cloned().zip(cells).collect();
        serde_json::to_writer(&mut lines, &object).expect("a value is valid JSON");
        lines.push(b'\n');
    }
    lines
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Missing => Value::Null,
        Cell::Truth(truth) => Value::Bool(*truth),
        Cell::Whole(number) => Value::from(*number),
        // JSON has no infinity.
        Cell::Number(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        Cell::Text(words) => Value::from(words.as_str()),
        Cell::Nested(value, _) => value.clone(),
    }
}
