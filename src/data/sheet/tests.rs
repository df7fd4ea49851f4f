//! What is written is read back with its types, whatever the format.

use std::path::Path;

use serde_json::{Value, json};

use super::bytes;
use super::cells::{Cell, Sheet};
use super::form::SheetForm;
use crate::data::table;
use crate::files;
use crate::jobs::Quiet;

fn sheet() -> Sheet {
    let words = |value: &Value| value.to_string();
    let mut sheet = Sheet::default();
    let texts = [Some("Straße, “a”\nb"), None, Some("=1+1")];
    sheet.push("text", texts.map(|text| text.map(str::to_owned).into()));
    sheet.push("whole", [Cell::Whole(-3), Cell::Missing, Cell::Whole(1 << 40)]);
    sheet.push("number", [Cell::Number(0.1), Cell::Whole(2), Cell::Missing]);
    sheet.push("truth", [Cell::Truth(true), Cell::Truth(false), Cell::Missing]);
    sheet.push("mixed", [Cell::Truth(true), Cell::Whole(7), Cell::text("x")]);
    sheet.push("list", [Cell::of(Some(&json!(["a", 1])), words), Cell::Missing, Cell::Missing]);
    sheet.push("nothing", [Cell::Missing, Cell::Missing, Cell::Missing]);
    sheet.push("text", [Cell::text("again"), Cell::Missing, Cell::Missing]);
    sheet
}

/// Rows without what is missing.
fn read_back(form: SheetForm) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table").with_extension(form.ending());
    assert_eq!(SheetForm::of_path(&path).unwrap(), form);
    files::write_atomic(&path, &bytes(&sheet(), form).unwrap()).unwrap();
    let rows = table::rows(&path, &Quiet).unwrap().rows;
    let there = rows.into_iter().map(|row| {
        Value::Object(row.fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
    });
    there.collect()
}

#[test]
fn json_lines_and_parquet_keep_every_type() {
    let lines = read_back(SheetForm::JsonLines);
    assert_eq!(
        lines[0],
        json!({"text": "Straße, “a”\nb", "whole": -3, "number": 0.1, "truth": true, "mixed": true,
               "list": ["a", 1], "text_2": "again"})
    );
    assert_eq!(lines[2], json!({"text": "=1+1", "whole": 1_i64 << 40, "mixed": "x"}));
    let rows = read_back(SheetForm::Parquet);
    assert_eq!(
        rows[0],
        json!({"text": "Straße, “a”\nb", "whole": -3, "number": 0.1, "truth": true, "mixed": "true",
               "list": "[\"a\",1]", "text_2": "again"})
    );
    assert_eq!(rows[1], json!({"number": 2.0, "truth": false, "mixed": "7"}));
    assert_eq!(rows[2], json!({"text": "=1+1", "whole": 1_i64 << 40, "mixed": "x"}));
}

#[test]
fn excel_has_numbers_as_numbers_and_formulas_as_words() {
    let rows = read_back(SheetForm::Excel);
    let number = |row: usize, name: &str| rows[row][name].as_f64();
    assert_eq!((number(0, "whole"), number(0, "number")), (Some(-3.0), Some(0.1)));
    assert_eq!((number(1, "number"), number(2, "whole")), (Some(2.0), Some((1_i64 << 40) as f64)));
    assert_eq!(rows[0]["truth"], json!(true));
    assert_eq!((&rows[2]["text"], &rows[0]["mixed"]), (&json!("=1+1"), &json!("true")));
    assert_eq!(rows[1].get("whole"), None);
}

#[test]
fn what_a_format_cannot_hold_is_named_with_its_place() {
    let mut long = Sheet::default();
    long.push("a", [Cell::text("short"), Cell::text("ä".repeat(32_768))]);
    let said = bytes(&long, SheetForm::Excel).unwrap_err().to_string();
    assert!(said.contains("row 2 has 32768 characters in the column “a”"), "{said}");
    assert!(bytes(&long, SheetForm::Parquet).is_ok());
    let said = SheetForm::of_path(Path::new("a.ods")).unwrap_err().to_string();
    assert!(said.contains("a.ods") && said.contains(".parquet"), "{said}");
}

#[test]
fn numbers_of_a_table_of_words_become_numbers_where_none_is_a_name() {
    let column = |cells: &[&str]| {
        let mut sheet = Sheet::default();
        sheet.push("x", cells.iter().map(|cell| Cell::text(*cell)));
        sheet.with_numbers(1).columns.remove(0).cells
    };
    assert_eq!(column(&["1", "", "-2"]), [Cell::Whole(1), Cell::Missing, Cell::Whole(-2)]);
    assert_eq!(
        column(&["1.50", "NA", "2e3"]),
        [Cell::Number(1.5), Cell::Missing, Cell::Number(2e3)]
    );
    for words in
        [["007", "1"], ["1.234,5", "1"], ["+1", "1"], ["x", "1"], ["12345678901234567890", "1"]]
    {
        assert_eq!(column(&words), words.map(Cell::text));
    }
    assert_eq!(column(&["", "x"]), [Cell::Missing, Cell::text("x")]);
    assert_eq!(column(&["", ""]), [Cell::Missing, Cell::Missing]);
}
