//! Excel: one sheet under a header that stays in sight.

use rust_xlsxwriter::{Format, Workbook};

use super::cells::{Cell, Sheet};
use super::form::SheetError;
use super::typed::Kind;

/// What a sheet of Excel holds, its header among the rows.
const MOST_ROWS: usize = 1_048_576;
const MOST_COLUMNS: usize = 16_384;

/// What a cell holds, as Excel counts: in UTF-16.
const MOST_CHARACTERS: usize = 32_767;

/// Whole numbers beyond are not exact in a cell, and are words.
const MOST_EXACT: i64 = 1 << 53;

pub fn bytes(sheet: &Sheet) -> Result<Vec<u8>, SheetError> {
    for (count, what, most) in
        [(sheet.rows() + 1, "rows", MOST_ROWS), (sheet.columns.len(), "columns", MOST_COLUMNS)]
    {
        if count > most {
            return Err(SheetError::TooLarge { count, what, most });
        }
    }
    let mut workbook = Workbook::new();
    let page = workbook.add_worksheet();
    let bold = Format::new().set_bold();
    page.set_freeze_panes(1, 0)?;
    for (column, at) in sheet.columns.iter().zip(0_u16..) {
        page.write_string_with_format(0, at, &column.name, &bold)?;
        let kind = column.kind();
        for (cell, row) in column.cells.iter().zip(1_u32..) {
            match (cell, kind) {
                (Cell::Truth(truth), Kind::Truth) => _ = page.write_boolean(row, at, *truth)?,
                (Cell::Whole(number), Kind::Whole | Kind::Number)
                    if (-MOST_EXACT..=MOST_EXACT).contains(number) =>
                {
                    page.write_number(row, at, *number as f64)?;
                }
                (Cell::Number(number), Kind::Number) if number.is_finite() => {
                    page.write_number(row, at, *number)?;
                }
                _ => {
                    let words = cell.words();
                    let count = words.encode_utf16().count();
                    if count > MOST_CHARACTERS {
                        let (column, most) = (column.name.clone(), MOST_CHARACTERS);
                        return Err(SheetError::LongCell {
                            row: row as usize,
                            column,
                            count,
                            most,
                        });
                    }
                    if !words.is_empty() {
                        page.write_string(row, at, words)?;
                    }
                }
            }
        }
    }
    Ok(workbook.save_to_buffer()?)
}
