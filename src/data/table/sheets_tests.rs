//! Workbooks of Excel's binary form, written here record by record (MS-XLSB), since nothing that runs on our machines
//! writes one; and of `OpenDocument`, element by element.

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

/// A workbook of `OpenDocument` with the sheets that are given as XML, with the names of its elements cut short.
fn open_document(sheets: &str) -> Vec<u8> {
    let sheets = sheets
        .replace("<sheet ", "<table:table table:name=")
        .replace("</sheet>", "</table:table>")
        .replace("<row", "<table:table-row")
        .replace("</row>", "</table:table-row>")
        .replace("<words", "<table:table-cell office:value-type=\"string\"")
        .replace("</words>", "</table:table-cell>")
        .replace("<number", "<table:table-cell office:value-type=\"float\" office:value=")
        .replace("<empty", "<table:table-cell")
        .replace("</empty>", "</table:table-cell>")
        .replace(" rows=", " table:number-rows-repeated=")
        .replace(" columns=", " table:number-columns-repeated=");
    let content = format!(
        "<?xml version=\"1.0\"?><office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\">\
         <office:automatic-styles><style:style style:name=\"ta2\"><style:table-properties table:display=\"false\"/>\
         </style:style></office:automatic-styles><office:body><office:spreadsheet>{sheets}</office:spreadsheet>\
         </office:body></office:document-content>"
    );
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in
        [("mimetype", "application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", &content)]
    {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn read_open(rows: &str) -> Result<Vec<Value>, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let sheet = format!("<sheet \"Data\">{rows}</sheet>");
    read(&folder.path().join("table.ods"), &open_document(&sheet))
}

const HEADER: &str =
    "<row><words><text:p>a</text:p></words><words><text:p>b</text:p></words></row>";

/// What pandas makes of them, too, but that rows with nothing in them are no rows here.
#[test]
fn empty_cells_and_rows_that_are_repeated_cost_nothing() {
    let rows = read_open(&format!(
        "<row rows=\"3\"><empty columns=\"16384\"/></row>{HEADER}\
         <row><number \"1\"/><number \"2.5\"/><empty columns=\"16382\"/></row>\
         <row rows=\"1048000\"><empty columns=\"16384\"/></row>\
         <row><empty columns=\"3\"/><number \"7\"/></row>\
         <row rows=\"4000000000\"><empty columns=\"18446744073709551615\"/></row>\
         <row rows=\"18446744073709551615\"><empty columns=\"18446744073709551615\"/><empty/></row>"
    ));
    let expected = [json!({"a": 1, "b": 2.5}), json!({"Unnamed: 3": 7})];
    assert_eq!(rows.unwrap(), expected);
}

/// `LibreOffice` writes cells and rows once that are the same as those before them.
#[test]
fn values_that_are_repeated_stand_in_every_one_of_their_cells() {
    let rows = read_open(&format!(
        "{HEADER}<row rows=\"3\"><words columns=\"2\"><text:p>x</text:p></words></row>\
         <row rows=\"2\"><empty/><number \"1\"/></row><row rows=\"0\"><number \"5\"/></row>\
         <row><number \"2\" columns=\"0\"/><number \"3\"/></row>"
    ));
    let same = || json!({"a": "x", "b": "x"});
    let expected = [same(), same(), same(), json!({"b": 1}), json!({"b": 1}), json!({"a": 3})];
    assert_eq!(rows.unwrap(), expected);
}

#[test]
fn values_that_are_repeated_without_end_are_refused_with_their_sheet_and_row() {
    let long = "word ".repeat(2000);
    for (row, words) in [
        ("<row rows=\"1048576\"><number \"1\"/></row>", "stands there 1048576 times with 1 cells"),
        ("<row rows=\"18446744073709551615\"><number \"1\"/></row>", "18446744073709551615 times"),
        ("<row rows=\"900\"><number \"1\" columns=\"1000\"/></row>", "900 times with 1000 cells"),
        ("<row><number \"1\" columns=\"16385\"/></row>", "values up to column 16385"),
        ("<row><empty columns=\"5000000000\"/><number \"1\"/></row>", "column 5000000001"),
        (
            &format!("<row><words columns=\"16000\"><text:p>{long}</text:p></words></row>"),
            "1 times with 16000 cells",
        ),
        (
            "<row><words><text:p>a<text:s text:c=\"4000000000\"/></text:p></words></row>",
            "has 4000000000 spaces",
        ),
        (&"<text:s text:c=\"9000000\"/>".repeat(2), "it takes more than 12 MB"),
        ("<row rows=\"-1\"><number \"1\"/></row>", "“-1” is no number of rows"),
        ("<row><number \"one\"/></row>", "“one” is no number"),
    ] {
        let row = if row.starts_with("<row") {
            row.to_owned()
        } else {
            format!("<row><words><text:p>{row}</text:p></words></row>")
        };
        let error = read_open(&format!("{HEADER}<row rows=\"7\"/>{row}")).unwrap_err().to_string();
        assert!(error.starts_with("row 9 of ") && error.contains("sheet “Data”: "), "{error}");
        assert!(error.contains(words), "{error} without {words}");
    }
}

#[test]
fn a_row_of_open_document_that_is_no_row_of_a_table_is_refused() {
    let long = "word ".repeat(3 << 20);
    let row = format!("<row><words><text:p>{long}</text:p></words></row>");
    let error = read_open(&format!("{HEADER}{row}")).unwrap_err().to_string();
    assert!(error.contains("row 2 of") && error.contains("takes more than 12 MB"), "{error}");
    let deep = "<text:span>".repeat(300);
    let error = read_open(&format!("{HEADER}<row><words><text:p>{deep}")).unwrap_err().to_string();
    assert!(error.contains("too deep in each other"), "{error}");
    let error = read_open(&format!("{HEADER}<row><words><text:p>")).unwrap_err().to_string();
    assert!(error.contains("damaged or cut off"), "{error}");
    // Its end under another name was waited for without end.
    let mut book = open_document(&format!("<sheet \"Data\">{HEADER}</table:tablet>"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.ods");
    let error = read(&path, &book).unwrap_err().to_string();
    assert!(error.contains("damaged or cut off"), "{error}");
    book.truncate(book.len() / 2);
    assert!(read(&path, &book).is_err());
}

/// Paragraphs, spaces, and what stands beside a text; as pandas reads them, but for the tab.
#[test]
fn a_text_of_open_document_is_its_paragraphs() {
    let rows = read_open(&format!(
        "{HEADER}<row><words><office:annotation><text:p>a note</text:p></office:annotation>\n  <text:p>one\
         <text:s text:c=\"2\"/>two &amp; <text:span>th&#114;ee</text:span></text:p>\n  <text:p>\nfour<text:tab/>\
         five\n</text:p><draw:frame><text:p>a picture</text:p></draw:frame></words>\
         <words office:string-value=\"kept &lt;here&gt;\"/></row>"
    ));
    let expected = json!({"a": "one  two & three\nfour\tfive", "b": "kept <here>"});
    assert_eq!(rows.unwrap(), [expected]);
}

#[test]
fn cells_of_open_document_are_what_they_say_that_they_are() {
    let names: Vec<String> =
        (0..9).map(|index| format!("<words><text:p>c{index}</text:p></words>")).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.ods");
    let book = open_document(&format!(
        "<sheet \"Data\"><row>{}</row>\
         <row><empty office:value-type=\"percentage\" office:value=\"0.5\"><text:p>50 %</text:p></empty>\
         <empty office:value-type=\"boolean\" office:boolean-value=\"true\"><text:p>WAHR</text:p></empty>\
         <empty office:value-type=\"date\" office:date-value=\"2024-02-29\"/>\
         <empty office:value-type=\"date\" office:date-value=\"2024-02-29T12:30:00\"/>\
         <empty office:value-type=\"time\" office:time-value=\"PT01H30M00S\"/>\
         <words office:string-value=\"\" calcext:value-type=\"error\"><text:p>#DIV/0!</text:p></words>\
         <empty table:formula=\"of:=[.A1]\"/><empty><text:p>untyped</text:p></empty>\
         <number \"3\" table:number-rows-spanned=\"2\"/></row>\
         <row><number \"1\"/><table:covered-table-cell office:value-type=\"string\"><text:p>under</text:p>\
         </table:covered-table-cell><table:covered-table-cell office:value-type=\"float\" office:value=\"4\"/></row>\
         </sheet>",
        names.concat()
    ));
    files::write_atomic(&path, &book).unwrap();
    let table = rows(&path, &Quiet).unwrap();
    let values: Vec<Value> = table.rows.into_iter().map(|row| Value::Object(row.fields)).collect();
    let expected = [
        json!({
            "c0": 0.5, "c1": true, "c2": "2024-02-29", "c3": "2024-02-29 12:30:00", "c4": "01:30:00", "c5": null,
            "c6": null, "c8": 3
        }),
        json!({"c0": 1, "c2": 4}),
    ];
    assert_eq!(values, expected);
    let notes: Vec<String> = table.report.sentences().collect();
    for (column, words) in [
        ("c5", "#DIV/0!"),
        ("c6", "a formula without a value"),
        ("c7", "not said to be its value"),
        ("c8", "merged with those below"),
    ] {
        let found = notes.iter().any(|note| note.contains(column) && note.contains(words));
        assert!(found, "{column} {words}: {notes:?}");
    }
    assert_eq!(notes.len(), 4, "{notes:?}");
}

#[test]
fn the_first_seen_sheet_of_open_document_with_a_row_is_read() {
    let sheet = |name: &str, rows: &str| format!("<sheet {name}>{rows}</sheet>");
    let row = "<row><number \"1\"/></row>";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.ods");
    let hidden = sheet("\"Old\" table:style-name=\"ta2\"", &format!("{HEADER}{row}"));
    let book = open_document(&format!(
        "{hidden}{}{}{}",
        sheet("\"Empty\"", HEADER),
        sheet("\"Two &amp; a half\"", &format!("{HEADER}<row><number \"2\"/></row>")),
        sheet("\"Last\"", row),
    ));
    files::write_atomic(&path, &book).unwrap();
    let table = rows(&path, &Quiet).unwrap();
    assert_eq!(table.report.words(), "OpenDocument, sheet “Two & a half”");
    assert_eq!(Value::Object(table.rows[0].fields.clone()), json!({"a": 2}));
    let notes: Vec<String> = table.report.sentences().collect();
    assert!(notes.len() == 1 && notes[0].contains("2 more: “Empty”, “Last”"), "{notes:?}");
    // Where nobody sees one, the first of all.
    let values = read(&path, &open_document(&hidden)).unwrap();
    assert_eq!(values, [json!({"a": 1})]);
}
