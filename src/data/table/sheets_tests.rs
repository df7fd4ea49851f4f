//! A workbook of Excel's binary form, written here record by record (MS-XLSB): nothing that runs on our machines
//! writes one.

use std::io::{Cursor, Write as _};
use std::path::Path;

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::data::table::{ImportError, rows};
use crate::files;
use crate::jobs::Quiet;

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let kind = match kind {
        0..0x80 => vec![kind as u8],
        _ => vec![(kind & 0x7F) as u8 | 0x80, (kind >> 7) as u8],
    };
    let length = [(data.len() & 0x7F) as u8 | 0x80, (data.len() >> 7) as u8];
    [&kind[..], &length, data].concat()
}

fn text(words: &str) -> Vec<u8> {
    let letters: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
    [&(words.encode_utf16().count() as u32).to_le_bytes()[..], &letters].concat()
}

/// A row's number, and its cells: a column and a text, or a number.
type Row<'a> = (u32, &'a [(u32, Value)]);

fn workbook(given: &[Row<'_>]) -> Vec<u8> {
    let sheet = [&[0; 4][..], &[1, 0, 0, 0], &text("rId1"), &text("Sheet")].concat();
    let globals = [record(0x83, &[]), record(0x9C, &sheet), record(0x90, &[]), record(0x84, &[])];
    let mut cells = [record(0x81, &[]), record(0x94, &[0; 16]), record(0x91, &[])].concat();
    for (row, columns) in given {
        cells.extend(record(0, &[&row.to_le_bytes()[..], &[0; 12]].concat()));
        for (column, value) in *columns {
            let place = [column.to_le_bytes(), [0; 4]].concat();
            cells.extend(if let Some(words) = value.as_str() {
                record(6, &[place, text(words)].concat())
            } else {
                let number = value.as_f64().unwrap().to_le_bytes();
                record(5, &[&place[..], &number].concat())
            });
        }
    }
    cells.extend([record(0x92, &[]), record(0x82, &[])].concat());
    let relations = "<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/\
                     relationships\"><Relationship Id=\"rId1\" Type=\"worksheet\" Target=\"worksheets/sheet1.bin\"/>\
                     </Relationships>";
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [
        ("xl/workbook.bin", globals.concat().as_slice()),
        ("xl/_rels/workbook.bin.rels", relations.as_bytes()),
        ("xl/worksheets/sheet1.bin", &cells),
    ] {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn read(path: &Path, bytes: &[u8]) -> Result<Vec<Value>, ImportError> {
    files::write_atomic(path, bytes).unwrap();
    let read = rows(path, &Quiet)?.rows.into_iter().map(|row| Value::Object(row.fields));
    Ok(read.collect())
}

#[test]
fn a_binary_workbook_is_read_row_by_row_however_far_apart_its_cells_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.xlsb");
    let header = [(0, json!("text")), (1, json!("number"))];
    let first = [(0, json!("one")), (1, json!(1.5))];
    // All between the outermost cells are 17 thousand million.
    let last = [(0, json!("last")), (16_383, json!("far away"))];
    let book = workbook(&[(0, &header), (1, &first), (1_048_575, &last)]);
    let expected = [
        json!({"text": "one", "number": 1.5}),
        json!({"text": "last", "Unnamed: 16383": "far away"}),
    ];
    assert_eq!(read(&path, &book).unwrap(), expected);
}

#[test]
fn rows_of_a_binary_workbook_that_go_back_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.xlsb");
    let cell = [(0, json!("text"))];
    let error = read(&path, &workbook(&[(5, &cell), (2, &cell)])).unwrap_err();
    assert!(error.to_string().contains("row 3 comes after row 6"), "{error}");
}

#[test]
fn an_old_workbook_whose_cells_lie_too_far_apart_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.xls");
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/tables");
    let whole = std::fs::read(reference.join("old.xls")).unwrap();
    read(&path, &whole).unwrap();
    // Shared texts: records of ten bytes that begin with their row and their column.
    let found = |windows: &[u8]| *windows == [0xFD, 0, 10, 0];
    let first = whole.windows(4).position(found).unwrap();
    let last = whole.windows(4).rposition(found).unwrap();
    assert!(last > first);
    let mut damaged = whole;
    damaged[first + 4..first + 8].copy_from_slice(&[0; 4]);
    read(&path, &damaged).unwrap();
    damaged[last + 4..last + 8].copy_from_slice(&[0xFF; 4]);
    let error = read(&path, &damaged).unwrap_err();
    assert!(error.to_string().contains("so far apart that they would take 163840 MB"), "{error}");
}
